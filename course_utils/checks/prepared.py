"""Questions that take long to make: made once a seed, and handed out as a fresh copy to every answer.

A check is asked thousands of times with the same seed, by `prove` and by a grader. What it makes before it has seen anything of
an answer can be kept; as bytes, so that no answer can change what the next one gets.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import TypeVar

T = TypeVar("T")

KEPT = 8
"""Seeds whose questions are remembered: the notebook's, a grader's, and those of `prove`."""


def prepared(make: Callable[[Random], Iterable[T]]) -> Callable[[Random], Iterator[T]]:
    """Decorator for a function that makes questions: one number is drawn, and the questions are made from it.

    They have to be what `pickle` can keep.
    """

    @functools.lru_cache(maxsize=KEPT)
    def kept(seed: int) -> tuple[bytes, ...]:
        return tuple(map(pickle.dumps, make(Random(seed))))

    @functools.wraps(make)
    def copies(draw: Random) -> Iterator[T]:
        return map(pickle.loads, kept(draw.getrandbits(64)))

    return copies
