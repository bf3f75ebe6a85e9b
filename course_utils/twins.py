"""Two services that are exactly alike, compared: whatever difference is found, chance has made it."""

from __future__ import annotations

import random

from course_utils.intervals import plot_differences
from course_utils.plots import Figure

FIRST, STEP, WRITTEN = 0.9, 0.25, 36
"""Seconds to the first token and from token to token, and the tokens that an answer usually has."""
SPREAD, JITTER = 0.4, 0.3
"""Sigma of the lognormal factor by which answers differ in length, and of that by which steps do."""
REACH = 15.0


def compare_twins(pairs: int, same_length: bool = False, seed: int = 0) -> list[float]:
    """So many differences, in seconds, between two answers that come in the same way.

    Each answer has a length of its own, unless both of a pair get the ``same_length``. The steps vary in any case.
    """
    if pairs < 1:
        raise ValueError(f"expected at least one pair, got {pairs!r}")
    draw = random.Random(seed)
    found = []
    for _ in range(pairs):
        one = _length(draw)
        other = one if same_length else _length(draw)
        found.append(round(_seconds(draw, one) - _seconds(draw, other), 9))
    return found


def _length(draw: random.Random) -> int:
    return max(1, round(WRITTEN * draw.lognormvariate(0, SPREAD)))


def _seconds(draw: random.Random, tokens: int) -> float:
    return FIRST + STEP * sum(draw.lognormvariate(-(JITTER**2) / 2, JITTER) for _ in range(tokens - 1))


def plot_twins(pairs: int, same_length: bool = False, seed: int = 0) -> Figure:
    """The differences of such a comparison, on a scale that stays the same."""
    name = f"{pairs} {'pair' if pairs == 1 else 'pairs'}"
    kind = "of one length" if same_length else "of any length"
    found = {name: compare_twins(pairs, same_length, seed)}
    sides = {"below": "A is faster", "above": "B is faster"}
    return plot_differences(found, title=f"A and B are the same, answers {kind}", reach=REACH, **sides)
