"""Many users at one server with a few seats, in virtual time: who waits, and what one of them can see of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from course_utils import metrics
from course_utils.clock import VirtualClock
from course_utils.load import Sample, closed_loop
from course_utils.measure import Run
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.plots import FIRST, INK, LEFT, QUIET, RIGHT, TEXT, WIDTH, Figure, round_steps, svg, text
from course_utils.rehearsal import rehearse
from course_utils.replies import tokens

HOUSE = Pace(ttft=0.5, itl=0.2, slots=8, batch=0.2)
"""Eight answers at once; each other answer in the making lengthens a step by a fifth of what it takes alone."""

REPLY = "Blue light scatters most."
ROUNDS = 4
"""Requests of each user; the first of each is a warm-up, as all of them come at one moment."""

PUBLISHED = {
    1: (1.26, 0.03),
    5: (2.36, 0.14),
    25: (14.06, 0.49),
    50: (38.9, 0.49),
    100: (84.6, 0.49),
    250: (226.0, 0.49),
}
"""Concurrency, and NVIDIA's own TTFT and ITL in seconds at it: USD Code on four H100 (docs.omniverse.nvidia.com, read in 2026)."""


TOP, LINE = 58, 9


@dataclass(frozen=True)
class Crowd:
    """So many ``users``, each asking again when answered, and the ``run`` of their requests after the first of each."""

    users: int
    pace: Pace
    first: tuple[Sample, ...]
    run: Run

    @property
    def ttft(self) -> float:
        """The median time to first token."""
        return metrics.percentile(self.run.rows()["ttft"], 50)

    @property
    def tpot(self) -> float:
        """The median time per token after the first."""
        return metrics.percentile(self.run.rows()["tpot"], 50)

    def __str__(self) -> str:
        who = f"{self.users:3} {'user: ' if self.users == 1 else 'users:'}"
        return f"{who} first token after {self.ttft:5.2f} s, the others {self.tpot:.2f} s apart (medians)"

    def plot(self) -> Figure:
        """A line a user: dotted while she waits for a first token, a bar while her answer is written."""
        reading = str(self).strip()
        rows = sorted(_rows([*self.first, *self.run.warm]), key=lambda row: row[0].began)
        bottom = TOP + LINE * len(rows)
        parts = [_lines(rows, 6 * _service(self.pace)), *_axes(6 * _service(self.pace), bottom)]
        title = f"{self.users} {'user' if self.users == 1 else 'users'} at a server with {self.pace.slots} seats"
        return Figure(svg(title, reading, bottom + 40, parts), reading)


@dataclass(frozen=True)
class _Visit:
    """When one request was sent, when its first token came, and when its last."""

    sent: float
    began: float
    ended: float


def _rows(samples: Sequence[Sample]) -> list[list[_Visit]]:
    """The visits of each user: she asks again the moment she is answered."""
    rows: list[list[_Visit]] = []
    for sample in sorted(samples, key=lambda sample: sample.sent):
        visit = _Visit(sample.sent, *(sample.sent + sample.since_due(clock) for clock in (metrics.ttft, metrics.e2e)))
        row = next((row for row in rows if abs(row[-1].ended - visit.sent) < 1e-6), None)
        if row is None:
            rows.append([visit])
        else:
            row.append(visit)
    return rows


def _service(pace: Pace) -> float:
    """Seconds that an answer takes at a full server."""
    full = pace.itl * (1 + pace.batch * ((pace.slots or 1) - 1))
    return pace.ttft + full * (len(tokens(REPLY)) - 1)


def _px(at: float, until: float) -> str:
    return f"{LEFT + min(at, until) / until * (WIDTH - LEFT - RIGHT):.1f}"


def _lines(rows: Sequence[Sequence[_Visit]], until: float) -> str:
    waits, bars = "", ""
    for number, row in enumerate(rows):
        y = TOP + LINE * number + 4
        waits += "".join(f"M{_px(one.sent, until)} {y}H{_px(one.began, until)}" for one in row if one.sent < until)
        bars += "".join(f"M{_px(one.began, until)} {y}H{_px(one.ended, until)}" for one in row if one.began < until)
    return (
        f'<path d="{waits}" stroke="{FIRST}" stroke-width="1.5" stroke-dasharray="1 4" fill="none"/>'
        f'<path d="{bars}" stroke="{TEXT}" stroke-width="6" fill="none"/>'
    )


def _axes(until: float, bottom: float) -> list[str]:
    step = next(step for step in round_steps() if until / step <= 10)
    marks = [index * step for index in range(int(until / step) + 1)]
    return [
        f'<path d="M{LEFT} {TOP - 8}V{bottom}H{WIDTH - RIGHT}" stroke="{INK}" fill="none"/>',
        text(12, TOP + 8, "one line a user", QUIET),
        text(LEFT, 44, "dotted: waits for the first token; bar: the answer is written", QUIET),
        *(text(float(_px(at, until)), bottom + 16, f"{at:g}", QUIET, "middle") for at in marks),
        text(WIDTH - RIGHT, bottom + 32, "seconds", QUIET, "end"),
    ]


@cache
def crowd(users: int, pace: Pace = HOUSE) -> Crowd:
    """So many users at a server of this pace, each asking four times, each again as soon as she is answered."""
    mock = MockServer(REPLY, pace=pace, clock=VirtualClock())
    run = rehearse(closed_loop, mock, users=users, count=users * ROUNDS)
    first = tuple(sample for sample in run.warm if sample.due == 0)
    later = [sample for sample in run.warm if sample.due > 0]
    began = min(sample.due for sample in later)
    return Crowd(users, pace, first, Run(warm=later, seconds=run.seconds - began))
