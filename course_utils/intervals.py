"""How far a mean may be off by chance: an interval from the values alone, and a picture of differences around nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean

from course_utils.metrics import percentile
from course_utils.plots import FIRST, INK, QUIET, RIGHT, TEXT, WIDTH, Figure, round_steps, svg, text

DRAWS = 2000
ROW, ROWS_TOP, ROWS_LEFT = 56, 74, 215


def interval(values: Sequence[float], *, share: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Where the mean of ``values`` may lie: the *bootstrap* interval (Efron 1979), here of the simplest kind.

    As many values as there are get drawn from them with replacement, so some come twice and some not at all, and the mean
    is taken; and that `DRAWS` times. The middle ``share`` of these means is the interval. It knows of chance only: a
    fault that bends all values alike it can't see.
    """
    if len(values) < 2 or not 0 < share < 1:
        raise ValueError(f"expected two values or more and a share between 0 and 1, got {len(values)} and {share!r}")
    draw = random.Random(seed)
    means = [fmean(draw.choices(values, k=len(values))) for _ in range(DRAWS)]
    outside = round(100 * (1 - share) / 2, 6)
    return percentile(means, outside), percentile(means, 100 - outside)


def plot_differences(
    groups: Mapping[str, Sequence[float]],
    *,
    title: str,
    below: str,
    above: str,
    unit: str = "s",
    reach: float | None = None,
) -> Figure:
    """A row a group: a dot for each difference, and its mean with the interval. ``below`` and ``above`` say what the sides mean.

    A group of fewer than 20 values gets its dots only. The scale reaches as far as the values, or as ``reach`` says; what lies
    beyond is drawn at its end.
    """
    if not groups or not all(groups.values()):
        raise ValueError("there is nothing to draw: expected at least one group, each with at least one difference")
    most = reach or max(abs(value) for values in groups.values() for value in values) or 1.0
    rows = [_Row(name, values, unit) for name, values in groups.items()]
    bottom = ROWS_TOP + ROW * len(rows)
    parts = [_scale(most, bottom, below, above, unit)]
    parts += [row.draw(most, ROWS_TOP + ROW * number) for number, row in enumerate(rows)]
    reading = "\n".join([f"{title}.", *(row.sentence(below, above) for row in rows)])
    return Figure(svg(title, reading, bottom + 24, parts), reading)


FEWEST = 20
"""With fewer values an interval like this is too narrow."""


class _Row:
    def __init__(self, name: str, values: Sequence[float], unit: str) -> None:
        self.name, self.values, self.unit = name, values, unit
        self.ends = interval(values) if len(values) >= FEWEST else None

    def found(self) -> str:
        if self.ends is None:
            return f"{len(self.values)} differences"
        low, high = self.ends
        return f"{fmean(self.values):+.2f} {self.unit} ({low:+.2f} to {high:+.2f})"

    def sentence(self, below: str, above: str) -> str:
        under, over = (sum(sign * value > 0 for value in self.values) for sign in (-1, 1))
        told = "" if self.ends is None else f", mean {self.found()}"
        return f"{self.name}: {below} {under} times, {above} {over} times{told}."

    def draw(self, most: float, top: int) -> str:
        y = top + 16
        # in three rows, so that those which lie together can be told apart
        dots = "".join(f"M{_x(value, most):g} {y + 6 * (row % 3) - 8}h0" for row, value in enumerate(self.values))
        parts = [
            f'<text x="12" y="{y + 2}" fill="{INK}" font-weight="600">{escape(self.name)}</text>',
            text(12, y + 20, self.found(), QUIET),
            f'<path d="{dots}" stroke="{TEXT}" stroke-width="6" stroke-linecap="round" fill="none"/>',
        ]
        if self.ends is not None:
            low, high = (_x(end, most) for end in self.ends)
            mean = _x(fmean(self.values), most)
            parts.append(
                f'<path d="M{low:g} {y + 11}v10M{high:g} {y + 11}v10M{low:g} {y + 16}H{high:g}" stroke="{FIRST}" '
                f'stroke-width="2" fill="none"/><path d="M{mean:g} {y + 10}l5 6l-5 6l-5 -6z" fill="{FIRST}"/>'
            )
        return "".join(parts)


def _x(value: float, most: float) -> float:
    middle, half = (ROWS_LEFT + WIDTH - RIGHT) / 2, (WIDTH - RIGHT - ROWS_LEFT) / 2
    return round(middle + max(-1.0, min(1.0, value / most)) * half, 1)


def _scale(most: float, bottom: int, below: str, above: str, unit: str) -> str:
    """The line of no difference, marks on both sides, and what each side means."""
    step = next(step for step in round_steps() if most / step <= 4)
    marks = [round(number * step, 9) for number in range(-int(most / step + 1e-9), int(most / step + 1e-9) + 1)]
    zero = _x(0, most)
    lines = "".join(f"M{_x(at, most):g} {ROWS_TOP - 6}V{bottom}" for at in marks if at)
    return (
        f'<path d="{lines}" stroke="#e3e6ea" fill="none"/>'
        f'<path d="M{zero:g} {ROWS_TOP - 6}V{bottom}" stroke="{INK}" fill="none"/>'
        + text(zero - 12, 46, f"\u2190 {below}", INK, "end")
        + text(zero + 12, 46, f"{above} \u2192", INK)
        + "".join(text(_x(at, most), ROWS_TOP - 11, f"{at:+g}" if at else "0", QUIET, "middle") for at in marks)
        + text(WIDTH - RIGHT, bottom + 14, unit if unit != "s" else "seconds", QUIET, "end")
    )
