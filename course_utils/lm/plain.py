"""The same model without numpy, for a machine that has none: a row is a list, and tokens go through one by one.

Everything stands here again in the shortest form; it says the same text more than a hundred times slower.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from operator import mul

from course_utils.lm.weights import HEADS, LAYERS, WIDTH, check_ids, shapes

Row = list[float]
SIZE = WIDTH // HEADS


class PlainCache:
    """Keys and values of the tokens read so far: one pair of lists a layer."""

    def __init__(self) -> None:
        self.layers: list[tuple[list[Row], list[Row]]] = [([], []) for _ in range(LAYERS)]

    def __len__(self) -> int:
        return len(self.layers[-1][0])


class PlainModel:
    """`Model`, with lists for arrays."""

    def __init__(self, raw: bytes) -> None:
        numbers = struct.unpack(f"<{len(raw) // 2}e", raw)
        self.weights: dict[str, list[tuple[float, ...]]] = {}
        at = 0
        for name, (rows, columns) in shapes():
            matrix = [numbers[start : start + columns] for start in range(at, at + rows * columns, columns)]
            # A product takes columns; they are laid out as rows once. The first two are looked up by row.
            self.weights[name] = list(zip(*matrix, strict=True)) if name.startswith("layers") else matrix
            at += rows * columns
        self.tokens_processed = 0

    def cache(self) -> PlainCache:
        return PlainCache()

    def forward(self, ids: Sequence[int], cache: PlainCache | None = None) -> list[Row]:
        cache = self.cache() if cache is None else cache
        check_ids(ids, len(cache) + len(ids))
        return [self._read(id, cache) for id in ids]

    def _read(self, id: int, cache: PlainCache) -> Row:
        weights = self.weights
        x = _sum(weights["tokens"][id], weights["positions"][len(cache)])
        for number, (keys, values) in enumerate(cache.layers):
            layer = {
                name: weights[f"layers.{number}.{name}"] for name in ("query", "key", "value", "mix", "up", "down")
            }
            row = _norm(x)
            keys.append(_times(row, layer["key"]))
            values.append(_times(row, layer["value"]))
            x = _sum(x, _times(_seen(_times(row, layer["query"]), keys, values), layer["mix"]))
            x = _sum(x, _times([max(one, 0) ** 2 for one in _times(_norm(x), layer["up"])], layer["down"]))
        self.tokens_processed += 1
        return _times(_norm(x), weights["tokens"])


def _seen(query: Row, keys: list[Row], values: list[Row]) -> Row:
    seen: Row = []
    for part in (slice(start, start + SIZE) for start in range(0, WIDTH, SIZE)):
        scores = [_dot(query[part], key[part]) / math.sqrt(SIZE) for key in keys]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        whole = sum(powers)
        shares = [power / whole for power in powers]
        seen += [_dot(shares, column) for column in zip(*(value[part] for value in values), strict=True)]
    return seen


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    total: float = sum(map(mul, one, other))
    return total


def _times(row: Sequence[float], columns: Sequence[Sequence[float]]) -> Row:
    return [sum(map(mul, row, column)) for column in columns]


def _sum(one: Sequence[float], other: Sequence[float]) -> Row:
    return [a + b for a, b in zip(one, other, strict=True)]


def _norm(x: Row) -> Row:
    scale = math.sqrt(_dot(x, x) / WIDTH + 2.0**-23)
    return [one / scale for one in x]
