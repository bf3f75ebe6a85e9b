"""Figures as SVG text of our own: the same on every machine, readable in light and dark, and each with its sentence.

The grammar of the arrival timeline, in all lessons: time runs to the right; the request stands at the top left; a
hollow circle is a chunk without text; a stroke is a chunk with text; the triangle marks the first visible text, the
square the last; a dotted line is a wait. Shape and words carry every meaning, colour only repeats it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from statistics import median
from typing import Any

from course_utils import metrics
from course_utils.timeline import Timeline

WIDTH, LEFT, RIGHT, TOP = 860, 130, 30, 62
LANE, READER = 66, 26
INK, QUIET, GROUND = "#1b1f24", "#5b6470", "#ffffff"
TEXT, FIRST, LAST, READ = "#1f5fa8", "#a34700", "#6b2d86", "#1d6b35"


@dataclass(frozen=True)
class Figure:
    """An SVG text and the sentence that says the same. A notebook shows both: the sentence, then the picture."""

    svg: str
    reading: str

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": self.reading}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        print(self.reading)
        display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return self.reading


def plot_timelines(
    lanes: Mapping[str, Timeline] | Timeline,
    *,
    title: str = "When the text arrived",
    reader: float | None = None,
    play: bool = False,
) -> Figure:
    """Arrival timelines one below the other, on one time axis in seconds since the request was sent.

    ``reader`` is a reading speed in tokens per second; with it each lane shows a person reading what has come.
    ``play`` lets a dot follow that reader in real time (for a live view; a stored figure stands still).
    """
    named = {"answer": lanes} if isinstance(lanes, Timeline) else dict(lanes)
    if not named:
        raise ValueError("there is nothing to draw: expected at least one timeline")
    drawn = [_Lane(name, timeline, reader) for name, timeline in named.items()]
    axis = Axis(max(lane.until for lane in drawn), room=90 if reader else 45)
    height = LANE + (READER if reader else 0)
    parts = [axis.draw(TOP, TOP + height * len(drawn))]
    parts += [lane.draw(axis, TOP + height * index + 34, play) for index, lane in enumerate(drawn)]
    reading = "\n".join(lane.sentence() for lane in drawn)
    return Figure(svg(title, reading, TOP + height * len(drawn) + 40, parts), reading)


class Axis:
    """Seconds to pixels, with round marks."""

    def __init__(self, until: float, room: int) -> None:
        """``room``: pixels kept free at the right end, for the label of whatever comes last."""
        self.until = until or 1.0
        self.width = WIDTH - LEFT - RIGHT - room
        self.step = next(step for step in round_steps() if self.until / step <= 10)

    def x(self, at: float) -> str:
        return f"{self.px(at):g}"

    def px(self, at: float) -> float:
        return round(LEFT + at / self.until * self.width, 1)

    def draw(self, top: int, bottom: int) -> str:
        marks = [index * self.step for index in range(int(self.until / self.step + 1e-9) + 1)]
        lines = "".join(f"M{self.x(at)} {top}V{bottom}" for at in marks[1:])
        labels = "".join(text(self.px(at), bottom + 16, f"{at:g}", QUIET, "middle") for at in marks)
        zero = self.x(0)
        return (
            f'<path d="{lines}" stroke="#e3e6ea" fill="none"/>'
            f'<path d="M{zero} {top - 8}V{bottom}" stroke="{INK}" fill="none"/>'
            f'<path d="M{zero} {top - 6}l-5 -8h10z" fill="{INK}"/>'
            + text(self.px(0) + 9, top - 8, "request sent", INK)
            + labels
            + text(WIDTH - RIGHT, bottom + 32, "seconds since the request", QUIET, "end")
        )


def round_steps() -> list[float]:
    """Distances between two marks of an axis that a person can read, from small to large."""
    return [base * 10.0**power for power in range(-4, 6) for base in (1, 2, 5)]


class _Lane:
    """One answer on the axis, and the person who reads it."""

    def __init__(self, name: str, timeline: Timeline, reader: float | None) -> None:
        self.name, self.timeline = name, timeline
        self.times = metrics.arrivals(timeline)
        self.empty = [chunk.at for chunk in timeline.chunks if not chunk.text]
        self.read = metrics.reading(metrics.token_arrivals(timeline), reader) if reader else []
        self.until = max([*self.times, *self.empty, *self.read])

    def sentence(self) -> str:
        moments = len(set(self.times))
        came = f"{self.name}: first text after {_s(self.times[0])}, last after {_s(self.times[-1])}"
        pieces = f", {_count(len(self.times), 'piece')} at {_count(moments, 'moment')}"
        return came + pieces + (f", read by {_s(self.read[-1])}." if self.read else ".")

    def draw(self, axis: Axis, y: int, play: bool) -> str:
        first, last = self.times[0], self.times[-1]
        label = f'<text x="12" y="{y + 4}" fill="{INK}" font-weight="600">{escape(self.name)}</text>'
        parts = [label, self._baseline(axis, y), self._strokes(axis, y), self._marks(axis, y, first, last)]
        if self.read:
            parts.append(self._reader(axis, y + 26, play))
        return "".join(parts)

    def _baseline(self, axis: Axis, y: int) -> str:
        """Solid while text flows, dotted where one waits; a wait inside the answer is named."""
        waits = [(0.0, self.times[0]), *_pauses(self.times)]
        dotted = "".join(f"M{axis.x(start)} {y}H{axis.x(end)}" for start, end in waits)
        solid = f"M{axis.x(self.times[0])} {y}H{axis.x(self.times[-1])}"
        named = "".join(
            text((axis.px(start) + axis.px(end)) / 2, y + 16, f"{_s(end - start)} pause", QUIET, "middle")
            for start, end in waits[1:]
        )
        return (
            f'<path d="{solid}" stroke="#c3d3e6" stroke-width="2" fill="none"/>'
            f'<path d="{"".join(f"M{axis.x(a)} {y}H{axis.x(b)}" for a, b in waits[1:])}" stroke="{GROUND}" '
            f'stroke-width="3" fill="none"/><path d="{dotted}" stroke="{QUIET}" stroke-dasharray="2 4" fill="none"/>{named}'
        )

    def _strokes(self, axis: Axis, y: int) -> str:
        path = "".join(f"M{x:g} {y - 8}v16" for x in sorted({axis.px(at) for at in self.times}))
        hollow = "".join(
            f'<circle cx="{x:g}" cy="{y}" r="3.5" fill="{GROUND}" stroke="{INK}"/>'
            for x in sorted({axis.px(at) for at in self.empty if at < self.times[0]})
        )
        return f'<path d="{path}" stroke="{TEXT}" stroke-width="2" fill="none"/>{hollow}'

    def _marks(self, axis: Axis, y: int, first: float, last: float) -> str:
        """The first text as a triangle above the lane, the last as a square; one moment gets one label."""
        x, end = axis.px(first), axis.px(last)
        square = f'<rect x="{end - 4:g}" y="{y - 4}" width="8" height="8" fill="{LAST}"/>'
        triangle = f'<path d="M{x:g} {y - 9}l-6 -10h12z" fill="{FIRST}"/>'
        if end - x < 190:
            both = f"first and last text {_s(last)}" if first == last else f"first text {_s(first)}, last {_s(last)}"
            near = x > WIDTH - 250
            return triangle + square + text(x - 10 if near else x + 10, y - 11, both, FIRST, "end" if near else "start")
        labels = text(x + 10, y - 11, f"first text {_s(first)}", FIRST)
        return triangle + square + labels + text(end, y - 11, f"last text {_s(last)}", LAST, "middle")

    def _reader(self, axis: Axis, y: int, play: bool) -> str:
        """A bar where she reads, nothing where she waits for words, and when she is through."""
        bars = "".join(f"M{axis.x(start)} {y}H{axis.x(end)}" for start, end in _reading_spans(self))
        done = self.read[-1]
        caption = text(axis.px(done) + 8, y + 4, f"read by {_s(done)}", READ)
        dot = self._cursor(axis, y) if play else f'<circle cx="{axis.x(done)}" cy="{y}" r="4" fill="{READ}"/>'
        name = f'<text x="12" y="{y + 4}" fill="{READ}">the reader</text>'
        return f'{name}<path d="{bars}" stroke="{READ}" stroke-width="5" fill="none" opacity=".55"/>{dot}{caption}'

    def _cursor(self, axis: Axis, y: int) -> str:
        at = [0.0, *self.read]
        xs = ";".join(axis.x(time) for time in at)
        keys = ";".join(f"{time / at[-1]:.4f}" for time in at[:-1]) + ";1"
        return (
            f'<circle cx="{axis.x(0)}" cy="{y}" r="6" fill="{READ}"><animate attributeName="cx" values="{xs}" '
            f'keyTimes="{keys}" dur="{at[-1]:.3f}s" fill="freeze"/></circle>'
        )


def _pauses(times: Sequence[float]) -> list[tuple[float, float]]:
    """The waits inside an answer that stand out: more than three usual gaps, and at least a second."""
    steps = list(pairwise(times))
    usual = median(end - start for start, end in steps) if steps else 0.0
    return [(start, end) for start, end in steps if end - start > max(3 * usual, 1.0)]


def _reading_spans(lane: _Lane) -> list[tuple[float, float]]:
    """The stretches of time in which the reader reads without waiting for words."""
    spans: list[tuple[float, float]] = []
    before = 0.0
    for arrived, finished in zip(metrics.token_arrivals(lane.timeline), lane.read, strict=True):
        begins = max(before, arrived)
        if spans and begins - spans[-1][1] < 1e-9:
            spans[-1] = (spans[-1][0], finished)
        else:
            spans.append((begins, finished))
        before = finished
    return spans


def _s(seconds: float) -> str:
    """Seconds as a person says them: two digits below ten, one above."""
    return f"{round(seconds, 2 if seconds < 10 else 1):g} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def text(x: float, y: float, words: str, fill: str, anchor: str = "start", keep_spaces: bool = False) -> str:
    """One line of text; ``anchor`` says which end of it stands at ``x``."""
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    spaces = ' xml:space="preserve"' if keep_spaces else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}"{side}{spaces}>{escape(words)}</text>'


def svg(title: str, reading: str, height: int, parts: Sequence[str]) -> str:
    """A whole picture: its paper, title and description around ``parts``."""
    body = "".join(parts)
    # Several figures share one page, so the ids that title and description need come from the content.
    key = hashlib.sha256((title + body).encode()).hexdigest()[:8]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-labelledby="t{key} d{key}" font-family="system-ui, sans-serif" font-size="13" '
        f'style="width:100%;max-width:1100px;height:auto">'
        f'<title id="t{key}">{escape(title)}</title><desc id="d{key}">{escape(reading)}</desc>'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="{GROUND}" stroke="#c9ced6"/>'
        f'<text x="12" y="24" fill="{INK}" font-size="15" font-weight="600">{escape(title)}</text>{body}</svg>'
    )
