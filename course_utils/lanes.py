"""The race with a reader: one answer delivered in three ways, each read by the same person, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from course_utils import metrics
from course_utils.clock import VirtualClock
from course_utils.frames import Bend, hold_all
from course_utils.ledger import Entry
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.plots import Figure, plot_timelines
from course_utils.replies import SCRIPT
from course_utils.timeline import Timeline, record

TTFT = 0.5
LANES: dict[str, tuple[bool, list[Bend]]] = {
    "unary": (False, []),
    "streamed": (True, []),
    "fake stream": (True, [hold_all(release=0.002)]),
}


@dataclass(frozen=True)
class Race:
    """What each lane received, and what the server's ledger says about it."""

    timelines: dict[str, Timeline]
    ledger: dict[str, Entry]

    def finished(self, lane: str) -> float:
        """When the reader has finished in that lane, in seconds since the request."""
        return metrics.reading(metrics.token_arrivals(self.timelines[lane]))[-1]

    @property
    def saved(self) -> float:
        """Seconds by which the streamed lane's reader finishes before the unary lane's."""
        return self.finished("unary") - self.finished("streamed")

    @property
    def generation(self) -> float:
        """Seconds from the first token to the last."""
        streamed = self.timelines["streamed"]
        return metrics.e2e(streamed) - metrics.ttfv(streamed)

    @property
    def reading(self) -> float:
        """Seconds the reader needs from her first token to her last, if she never has to wait."""
        return (self.timelines["streamed"].tokens - 1) / metrics.READING_SPEED

    def plot(self, play: bool = False) -> Figure:
        title = f"The race with a reader of {metrics.WORDS_PER_MINUTE} words a minute"
        return plot_timelines(self.timelines, title=title, reader=metrics.READING_SPEED, play=play)

    def books(self) -> str:
        """The ledger, a line a lane: tokens generated, and when the last one was."""
        lines = [
            f"{lane:<12}{entry.tokens_generated} tokens generated, the last after "
            f"{round(entry.token_times[-1] - entry.arrived, 2):g} s"
            for lane, entry in self.ledger.items()
        ]
        return "\n".join(lines)


def race(tokens_per_second: float = 10.0, pause: float = 0.0) -> Race:
    """Run the three lanes. ``pause`` seconds are lost after the third token; the first one comes after 0.5 s.

    It takes no waiting: the lanes run on a virtual clock of their own, whatever the course's clock is.
    """
    if not tokens_per_second > 0:
        raise ValueError(f"the model needs a speed above 0 tokens per second, got {tokens_per_second!r}")
    pace = Pace(ttft=TTFT, itl=1 / tokens_per_second, pauses=((3, pause),) if pause else ())
    runs = {lane: _run(pace, SCRIPT["sky"], streamed, faults) for lane, (streamed, faults) in LANES.items()}
    return Race({lane: run[0] for lane, run in runs.items()}, {lane: run[1] for lane, run in runs.items()})


def deliver(pace: Pace, *, reply: str = SCRIPT["sky"], streamed: bool = True, faults: Sequence[Bend] = ()) -> Timeline:
    """The timeline of one answer at a given pace, without waiting for it."""
    return _run(pace, reply, streamed, faults)[0]


def practice() -> tuple[Callable[[], Any], Callable[[], float]]:
    """A stream to try a function on: ``send, clock = practice()``. A role at 0.25 s, then a token at 1, 1.5 and 2 s.

    ``send()`` asks a mock and returns the stream of chunks; ``clock()`` tells the seconds of its virtual time.
    """
    mock = MockServer("One two three", pace=Pace(headers=0.25, ttft=1.0, itl=0.5), clock=VirtualClock())
    client = mock.client()
    question: list[Any] = [{"role": "user", "content": "Count"}]

    def send() -> Any:
        return client.chat.completions.create(model=mock.model, messages=question, stream=True)

    return send, mock.clock.now


def trial(smooth: Callable[..., Iterator[str]], gap: float = 0.25, max_lag: float = 1.0) -> None:
    """Run a generator like that of exercise 1.4 on pieces that come at 1, 1, 1 and 3 s, and print when each leaves."""
    clock = VirtualClock()

    def source() -> Iterator[tuple[float, str]]:
        for at, text in ((1.0, "one"), (1.0, "two"), (1.0, "three"), (3.0, "four")):
            clock.sleep_until(at)
            yield at, text

    for text in smooth(source(), gap, max_lag, clock.now, clock.sleep):
        print(f"{clock.now():.2f} s  {text}")


def _run(pace: Pace, reply: str, streamed: bool, faults: Sequence[Bend]) -> tuple[Timeline, Entry]:
    mock = MockServer(reply, pace=pace, faults=faults, clock=VirtualClock())
    question: list[Any] = [{"role": "user", "content": "Why is the sky blue?"}]
    with mock.client() as client:
        create = client.chat.completions.create
        timeline = record(create, model=mock.model, messages=question, stream=streamed, clock=mock.clock)
    return timeline, mock.ledger[0]
