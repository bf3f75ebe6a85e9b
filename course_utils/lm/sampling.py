"""From logits to the next token: temperature, the likeliest few, and a draw. Plain Python: the same on every machine.

Between two tokens that are equally likely the one with the smaller id comes first.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Sequence


def probabilities(
    logits: Sequence[float], temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> list[float]:
    """The probability of each token; together they are 1.

    A low ``temperature`` makes the likely likelier, 0 leaves only the likeliest. ``top_k`` keeps so many of the
    likeliest, ``top_p`` keeps the likeliest that together have this probability; all others get 0.
    """
    _check(temperature, top_k, top_p)
    logits = _numbers(logits)
    top = max(logits)
    if temperature == 0:
        best = logits.index(top)
        return [float(id == best) for id in range(len(logits))]
    powers = [0.0] * len(logits)
    for id in range(len(logits)) if top_k is None else ranking(logits, top_k):
        powers[id] = math.exp((logits[id] - top) / temperature)
    if top_p is not None:
        powers = _nucleus(powers, top_p * sum(powers))
    whole = sum(powers)
    return [power / whole for power in powers]


def ranking(values: Sequence[float], count: int) -> list[int]:
    """The ids of the ``count`` largest values, the largest first."""
    return sorted(range(len(values)), key=values.__getitem__, reverse=True)[:count]  # equals stay in order


def _nucleus(powers: list[float], enough: float) -> list[float]:
    kept = [0.0] * len(powers)
    for id in ranking(powers, len(powers)):
        kept[id] = powers[id]
        enough -= powers[id]
        if enough <= 0:
            break
    return kept


def sample(
    logits: Sequence[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    rng: random.Random | None = None,
    top_p: float | None = None,
) -> int:
    """One token id, drawn with one number of ``rng``; at temperature 0 nothing is drawn."""
    if temperature == 0:
        values = _numbers(logits)
        return values.index(max(values))
    sums = list(itertools.accumulate(probabilities(logits, temperature, top_k, top_p)))
    mark = (rng or random.Random()).random() * sums[-1]
    return bisect.bisect_right(sums, mark)


def _numbers(logits: Sequence[float]) -> list[float]:
    """A list of Python's floats; what numpy computed is much slower one by one."""
    numbers: list[float] = logits.tolist() if hasattr(logits, "tolist") else list(logits)
    return numbers


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is a number from 0 on, got {temperature!r}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is at least 1, got {top_k!r}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p lies above 0 and at 1 at most, got {top_p!r}")
