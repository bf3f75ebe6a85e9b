"""The model in numpy: a transformer of four layers, small enough to be read in one sitting.

A token enters as a row of 128 numbers. Each layer adds to the row twice: what the token learns from the tokens before it
(`_attend`), and what it makes of that by itself: four times as many numbers, the negative ones dropped, the others
squared, and back. At the end the row is compared with the row of every token in
the vocabulary; the more alike, the likelier that token comes next. Shapes: n new tokens, m tokens seen so far with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from course_utils.lm.weights import CONTEXT, HEADS, LAYER, LAYERS, WIDTH, check_ids, shapes

Array = NDArray[Any]
SIZE = WIDTH // HEADS
"""The numbers of a row that one head looks at."""


class Cache:
    """The keys and values of all tokens read so far, in every layer: what makes reading them again unnecessary."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self._keys = np.empty((LAYERS, HEADS, CONTEXT, SIZE), dtype)
        self._values = np.empty_like(self._keys)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def extend(self, layer: int, keys: Array, values: Array) -> tuple[Array, Array]:
        """Put ``(HEADS, n, SIZE)`` of a layer behind what is there; return all of it, ``(HEADS, m, SIZE)``."""
        start, end = self._length, self._length + keys.shape[1]
        self._keys[layer, :, start:end], self._values[layer, :, start:end] = keys, values
        return self._keys[layer, :, :end], self._values[layer, :, :end]

    def advance(self, count: int) -> None:
        """The last layer is done with ``count`` tokens: they count as read."""
        self._length += count


class Model:
    """The weights, and what is computed with them. ``tokens_processed`` counts the work: rows sent through the layers."""

    def __init__(self, raw: bytes, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        numbers, at = np.frombuffer(raw, "<f2").astype(dtype), 0
        weights: dict[str, Array] = {}
        for name, (rows, columns) in shapes():
            weights[name] = numbers[at : at + rows * columns].reshape(rows, columns)
            at += rows * columns
        self.tokens, self.positions = weights["tokens"], weights["positions"]
        self.layers = [{name: weights[f"layers.{number}.{name}"] for name in LAYER} for number in range(LAYERS)]
        self.later = np.triu(np.full((CONTEXT, CONTEXT), -np.inf, dtype), 1)  # nobody looks ahead
        self.tokens_processed = 0

    def cache(self) -> Cache:
        """An empty cache for this model."""
        return Cache(self.dtype)

    def forward(self, ids: Sequence[int], cache: Cache | None = None) -> Array:
        """Logits ``(n, VOCABULARY)``: row i says what may follow ``ids[i]``; only the last row is about something new.

        With a cache ``ids`` are the tokens behind those it holds, and it holds them too afterwards. Without one ``ids``
        are the whole text.
        """
        cache = self.cache() if cache is None else cache
        start, end = len(cache), len(cache) + len(ids)
        check_ids(ids, end)
        x = self.tokens[list(ids)] + self.positions[start:end]  # (n, WIDTH)
        for number, layer in enumerate(self.layers):
            x = x + self._attend(number, norm(x), cache)
            x = x + np.maximum(norm(x) @ layer["up"], 0) ** 2 @ layer["down"]
        cache.advance(len(ids))
        self.tokens_processed += len(ids)
        logits: Array = norm(x) @ self.tokens.T
        return logits

    def _attend(self, number: int, x: Array, cache: Cache) -> Array:
        """What each of the n tokens learns from those up to itself, ``(n, WIDTH)``.

        Its query is compared with all keys, ``(HEADS, n, m)``; the values are mixed in the shares that come of it.
        """
        layer = self.layers[number]
        query, key, value = (_heads(x @ layer[name]) for name in ("query", "key", "value"))
        keys, values = cache.extend(number, key, value)
        scores = query / math.sqrt(SIZE) @ keys.transpose(0, 2, 1)
        n, m = scores.shape[1:]
        scores += self.later[m - n : m, :m]
        seen = softmax(scores) @ values  # (HEADS, n, SIZE)
        mixed: Array = seen.transpose(1, 0, 2).reshape(n, WIDTH) @ layer["mix"]
        return mixed


def norm(x: Array) -> Array:
    """Each row scaled so that the mean of its squares is 1."""
    scaled: Array = x / np.sqrt(np.vecdot(x, x) / x.shape[-1] + 2.0**-23)[:, None]
    return scaled


def softmax(scores: Array) -> Array:
    """Scores as shares of 1, along the last axis; the largest is taken away first, so that nothing overflows."""
    shares: Array = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


def _heads(x: Array) -> Array:
    """``(n, WIDTH)`` as ``(HEADS, n, SIZE)``: each head gets its part of every row."""
    return x.reshape(len(x), HEADS, SIZE).transpose(1, 0, 2)
