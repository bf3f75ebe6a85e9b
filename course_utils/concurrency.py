"""Requests as bars on one time axis: what ran at the same time, and what waited for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from course_utils.ledger import Entry
from course_utils.plots import INK, LEFT, QUIET, RIGHT, TEXT, WIDTH, Figure, round_steps, svg, text

Span = tuple[float, float]
"""When something began and when it ended, in seconds."""

TOP, LINE, BAR, APART, LEAST = 50, 14, 9, 22, 34


def spans(entries: Iterable[Entry]) -> list[Span]:
    """When each request of a ledger arrived and ended, in seconds since the first; without those that are still open."""
    ended = [(entry.arrived, entry.ended_at) for entry in entries]
    found = [(start, end) for start, end in ended if end is not None]
    began = min((start for start, _ in found), default=0.0)
    return [(round(start - began, 9), round(end - began, 9)) for start, end in found]


def most_at_once(found: Sequence[Span]) -> int:
    """The largest number of spans that share a moment; where one ends, the next may begin."""
    return max((sum(start <= at < end for start, end in found) for at, _ in found), default=0)


def plot_spans(groups: Mapping[str, Sequence[Span]], *, title: str) -> Figure:
    """A bar for each span, from its beginning to its end; the groups stand one below the other on one time axis."""
    if not groups or not all(groups.values()):
        raise ValueError("there is nothing to draw: expected at least one group, each with at least one span")
    until = max(end for found in groups.values() for _, end in found) or 1.0
    tops = [TOP]
    for found in groups.values():
        tops.append(tops[-1] + max(LEAST, LINE * len(found)) + APART)
    bottom = tops[-1] - APART // 2
    parts = [_axis(until, bottom)]
    parts += [_group(name, found, until, top) for (name, found), top in zip(groups.items(), tops, strict=False)]
    reading = "\n".join([f"{title}.", *(_sentence(name, found) for name, found in groups.items())])
    return Figure(svg(title, reading, bottom + 42, parts), reading)


def _sentence(name: str, found: Sequence[Span]) -> str:
    return f"{name}: {len(found)} requests, {_busy(found)}, the last ends after {_end(found):g} s."


def _busy(found: Sequence[Span]) -> str:
    most = most_at_once(found)
    return "one at a time" if most == 1 else f"at most {most} at once"


def _end(found: Sequence[Span]) -> float:
    return round(max(end for _, end in found), 2)


def _x(at: float, until: float) -> float:
    return round(LEFT + 30 + at / until * (WIDTH - LEFT - 30 - RIGHT - 40), 1)


def _group(name: str, found: Sequence[Span], until: float, top: int) -> str:
    bars = "".join(
        f"M{_x(start, until):g} {top + LINE * row + LINE // 2}H{_x(end, until):g}"
        for row, (start, end) in enumerate(found)
    )
    last = max(range(len(found)), key=lambda row: found[row][1])
    return (
        f'<text x="12" y="{top + 12}" fill="{INK}" font-weight="600">{escape(name)}</text>'
        + text(12, top + 29, _busy(found), QUIET)
        + f'<path d="{bars}" stroke="{TEXT}" stroke-width="{BAR}" fill="none"/>'
        + text(_x(found[last][1], until) + 6, top + LINE * last + 12, f"{_end(found):g} s", INK)
    )


def _axis(until: float, bottom: int) -> str:
    step = next(step for step in round_steps() if until / step <= 10)
    marks = [round(number * step, 9) for number in range(int(until / step + 1e-9) + 1)]
    lines = "".join(f"M{_x(at, until):g} {TOP - 6}V{bottom}" for at in marks[1:])
    labels = "".join(text(_x(at, until), bottom + 16, f"{at:g}", QUIET, "middle") for at in marks)
    return (
        f'<path d="{lines}" stroke="#e3e6ea" fill="none"/>'
        f'<path d="M{_x(0, until):g} {TOP - 6}V{bottom}" stroke="{INK}" fill="none"/>{labels}'
        + text(WIDTH - RIGHT, bottom + 32, "seconds", QUIET, "end")
    )
