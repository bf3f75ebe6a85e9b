"""Several texts in one step of the model: its numbers are read once for all of them, which is why servers do it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from course_utils.lm.model import SIZE, Array, Model, norm, softmax
from course_utils.lm.weights import CONTEXT, HEADS, LAYERS, WIDTH, check_ids


class Batch:
    """``size`` texts that grow by a token each with every step. No text sees another; what they share is the model.

    All begin together, so that position and context are the same for each; real servers let texts come and go
    (*continuous batching*, Orca, OSDI 2022).
    """

    def __init__(self, model: Model, size: int) -> None:
        if size < 1:
            raise ValueError(f"a batch has at least one text, got size={size!r}")
        self.model, self.size = model, size
        self._keys = np.empty((LAYERS, size, HEADS, CONTEXT, SIZE), model.dtype)
        self._values = np.empty_like(self._keys)
        self._length = 0

    def step(self, ids: Sequence[int]) -> Array:
        """Logits ``(size, VOCABULARY)``: row b says what may follow ``ids[b]``, the next token of text b."""
        if len(ids) != self.size:
            raise ValueError(f"expected a token for each of {self.size} texts, got {len(ids)}")
        check_ids(ids, self._length + 1)
        x = self.model.tokens[list(ids)] + self.model.positions[self._length]  # (size, WIDTH)
        for number, layer in enumerate(self.model.layers):
            x = x + self._attend(number, norm(x))
            x = x + np.maximum(norm(x) @ layer["up"], 0) ** 2 @ layer["down"]
        self._length += 1
        self.model.tokens_processed += self.size
        logits: Array = norm(x) @ self.model.tokens.T
        return logits

    def _attend(self, number: int, x: Array) -> Array:
        """What each token learns from those of its own text, ``(size, WIDTH)``; m of them with itself."""
        layer, end = self.model.layers[number], self._length + 1
        query, key, value = ((x @ layer[name]).reshape(self.size, HEADS, SIZE) for name in ("query", "key", "value"))
        self._keys[number, :, :, end - 1], self._values[number, :, :, end - 1] = key, value
        keys, values = self._keys[number, :, :, :end], self._values[number, :, :, :end]  # (size, HEADS, m, SIZE)
        scores = query[:, :, None] / math.sqrt(SIZE) @ keys.swapaxes(2, 3)  # (size, HEADS, 1, m)
        mixed: Array = (softmax(scores) @ values).reshape(self.size, WIDTH) @ layer["mix"]
        return mixed
