"""Exercise 1.4: a steady pace without falling behind."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock

GAP, MAX_LAG = 0.25, 1.0
BUNCHES = [(1.0, "The "), (1.0, "night "), (1.0, "was "), (3.0, "dark"), (3.0, " and"), (3.0, " 🌧️ "), (6.0, "wet.")]
FLOOD = [(0.5, f"w{index} ") for index in range(12)]
AFTER_A_FLOOD = [*FLOOD, (2.0, "two "), (3.0, "three "), (4.0, "four ")]
SLOW = [(0.125, "w1 "), (2.0, "w2 "), (3.0, "w3 "), (4.0, "w4 "), (5.0, "w5 ")]
MARGIN = 0.01
"""Seconds by which a piece may leave later after the one before; an answer may wait in small steps."""

Pieces = list[tuple[float, str]]


class ConnectionLost(Exception):
    """What the source of the check raises when it breaks off."""


class _Play:
    """One run of the answer: its source, its clock, what came out and when, and the error that ended it.

    Asking the source for the next piece takes until that piece is there; a slow reader takes his time for each.
    """

    def __init__(
        self, pieces: Pieces, gap: float = GAP, max_lag: float = MAX_LAG, breaks: bool = False, reader: float = 0
    ) -> None:
        self.pieces, self.gap, self.max_lag, self.breaks, self.reader = pieces, gap, max_lag, breaks, reader
        self.clock = VirtualClock()
        self.out: Pieces = []
        self.error = ""
        self.slept = False

    def run(self, answer: Subject) -> _Play:
        """Run it to its end; an error is expected only where the source breaks."""
        try:
            for item in answer.iterate(self._source(), self.gap, self.max_lag, self.clock.now, self._sleep):
                self.out.append((round(self.clock.now(), 6), item))
                self.clock.sleep(self.reader)
        except Raised as raised:
            if not self.breaks and not isinstance(raised.error, _NegativeSleep):
                raise
            self.error = raised.kind
        return self

    def _source(self) -> Iterator[tuple[float, str]]:
        for at, text in self.pieces:
            self.clock.sleep_until(at)
            yield at, text
        if self.breaks:
            raise ConnectionLost("the server went away")

    def _sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise _NegativeSleep("sleep length must be non-negative")
        self.slept = True
        self.clock.sleep(seconds)

    def expected(self) -> Pieces:
        due = _due([at for at, _ in self.pieces], self.gap, self.max_lag)
        return [(round(at, 6), text) for at, (_, text) in zip(due, self.pieces, strict=True)]

    @property
    def text(self) -> str:
        return "".join(str(text) for _, text in self.out)

    def on_time(self) -> bool:
        """Whether each piece left when it was due. Who waits in small steps is a little late each time, and that adds
        up."""
        if len(self.out) != len(self.pieces):
            return False
        late = [left - due for (left, _), (due, _) in zip(self.out, self.expected(), strict=True)]
        return all(-1e-5 <= seconds <= MARGIN * count for count, seconds in enumerate(late, 1))

    def facts(self) -> dict[str, Any]:
        given = f"time:text {_shown(self.pieces)}, gap={self.gap:g}, max_lag={self.max_lag:g}"
        return {"given": given, "got": Words(_shown(self.out)), "expected": Words(_shown(self.expected()))}


@expectation
def _due(arrivals: list[float], gap: float, max_lag: float) -> list[float]:
    """When each piece leaves: r[i] = min(max(a[i], r[i-1] + gap), a[i] + max_lag)."""
    out: list[float] = []
    for at in arrivals:
        out.append(min(max(at, out[-1] + gap), at + max_lag) if out else at)
    return out


class _NegativeSleep(ValueError):
    """As ``time.sleep`` raises it."""


def check(answer: Subject, draw: Random) -> None:
    _text(answer)
    _first(answer)
    _error(answer)
    slow = "The source is slower than your pace, so each piece can leave the moment it comes. "
    _pace(answer, _Play(SLOW), slow + "Yours left later: do you sleep although there is nothing to spread?")
    bunches = f"These pieces come in bunches. Let each leave {GAP} s after the one before, and none before it has come."
    _pace(answer, _Play(BUNCHES), bunches)
    _lag(answer)
    after = "After a burst you stay late. Remember when the last piece really left, not when it was planned to."
    _pace(answer, _Play(AFTER_A_FLOOD), after)
    _pace(
        answer, _Play(BUNCHES, gap=0.5, max_lag=0.75), "With gap=0.5 and max_lag=0.75 it goes wrong. Use the arguments."
    )
    _slow_reader(answer)
    for _ in range(3):
        _pace(answer, _drawn(draw), "Another stream goes wrong. Work it out piece by piece with a pencil.")


def _drawn(draw: Random) -> _Play:
    """Bunches of other sizes at other moments, the first of them early, with another gap and limit."""
    at, pieces = 0.125, [(0.125, f"{draw.randint(10, 99)} ") for _ in range(3)]
    for _ in range(draw.randint(3, 6)):
        at += draw.choice([0.25, 0.5, 1.0, 2.0])
        pieces += [(at, f"{draw.randint(10, 99)} ") for _ in range(draw.randint(1, 4))]
    return _Play(pieces, draw.choice([0.125, 0.25, 0.5]), draw.choice([0.5, 0.75, 1.0]))


def _text(answer: Subject) -> None:
    play = _Play(BUNCHES).run(answer)
    came = "".join(text for _, text in BUNCHES)
    if any(not isinstance(text, str) for _, text in play.out):
        why = "Yield the texts only, not the pairs."
        raise NotYet(why, got=[text for _, text in play.out][:3], expected=["The ", "night ", "was "])
    if play.text != came:
        raise NotYet(
            "Text was lost, doubled or taken apart on the way.", given=_shown(BUNCHES), got=play.text, expected=came
        )


def _first(answer: Subject) -> None:
    play = _Play(BUNCHES).run(answer)
    first, came = play.out[0][0], BUNCHES[0][0]
    if first > came + MARGIN:
        moved = f"First text moved from {came} to {first} s."
        raise NotYet(
            f"{moved} Do you collect or sleep before you let go? Let the first piece through at once.", **play.facts()
        )


def _pace(answer: Subject, play: _Play, why: str) -> None:
    play.run(answer)
    if len(play.out) != len(play.pieces):
        raise NotYet(f"{len(play.out)} of {len(play.pieces)} pieces came out. None may be dropped.", **play.facts())
    if not play.on_time():
        why = (
            why
            if play.slept or play.pieces is SLOW
            else f"{why} Nothing waited here: wait with the sleep() you were given."
        )
        raise NotYet(why, **play.facts())


def _lag(answer: Subject) -> None:
    play = _Play(FLOOD).run(answer)
    behind = round(play.out[-1][0] - FLOOD[-1][0], 6)
    if behind > MAX_LAG + MARGIN:
        raise NotYet(
            f"Your output ends {behind:g} s after the source. Never be more than max_lag behind.", **play.facts()
        )
    _pace(answer, _Play(FLOOD), "You gave up the pace too early: keep the gap as long as max_lag allows it.")


def _error(answer: Subject) -> None:
    play = _Play(SLOW[:3], breaks=True).run(answer)
    given = "a source that raises an error after the third piece"
    got = Words(f"{_shown(play.out)}, then {play.error or 'no error'}")
    if len(play.out) < 3:
        raise NotYet("The source raised after three pieces, and you did not deliver all three.", given=given, got=got)
    if len(play.out) > 3:
        raise NotYet("The error came out as if it were text. Let it be raised.", given=given, got=got)
    if not play.error:
        raise NotYet(
            "The source raised and you ended as if all were well. Whoever reads you must learn of it.",
            given=given,
            got=got,
        )


def _slow_reader(answer: Subject) -> None:
    """Somebody takes two seconds for each piece, so the moment a piece should leave is over when he asks for it."""
    play = _Play(BUNCHES, reader=2.0).run(answer)
    if play.error:
        why = (
            "Your reader may be slower than you: then the moment to leave is over, and there is nothing left to sleep."
        )
        raise NotYet(
            why, given="a reader who takes 2 s for each piece", got=Words("sleep() was asked for a negative time")
        )
    if play.text != "".join(text for _, text in BUNCHES):
        raise NotYet("With a slow reader text was lost.", given="a reader who takes 2 s for each piece", got=play.text)
    asked: Pieces = [(BUNCHES[0][0] + 2.0 * index, text) for index, (_, text) in enumerate(BUNCHES)]
    if any(came - due > MARGIN for (came, _), (due, _) in zip(play.out, asked, strict=True)):
        why = "When a slow reader asks for a piece, its moment to leave is over. Let it go at once, without sleeping."
        raise NotYet(
            why,
            given="a reader who takes 2 s for each piece",
            got=Words(_shown(play.out)),
            expected=Words(_shown(asked)),
        )


def _shown(pieces: Pieces) -> str:
    return " ".join(f"{at:g}:{str(text).strip()}" for at, text in pieces)


EXERCISE = Exercise(
    id="1.4",
    title="smooth",
    function="smooth",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "For each piece there is a soonest moment it may leave and a latest one. What are they?",
        "Soonest: it has come, and the gap since the last one is over. Latest: max_lag after it came. "
        "The latest wins if the two disagree.",
        "Remember when the last piece left. For each (arrived, text): when = min(max(arrived, last + gap), arrived + max_lag); "
        "sleep until then, yield, remember.",
    ),
    reason="A smoother that sleeps a fixed time per piece falls behind for ever after one burst; the cap on the lag turns "
    "waiting into a bounded price. Nothing is held back, so an error of the source passes through by itself.",
    check=check,
)

EXERCISE.survive(
    "the source has waited until the piece was there, so the clock is past `arrived` anyway",
    "when = arrived if last is None else min((last + gap), arrived + max_lag)",
    "when = arrived if last is None else min(max(gap, last + gap), arrived + max_lag)",
    "when = arrived if last is None else min(max(last, last + gap), arrived + max_lag)",
    "when = arrived if last is None else min(max(when, last + gap), arrived + max_lag)",
)
EXERCISE.survive(
    "plan and clock differ only behind a slow reader, and there the text does not say from which to count; "
    "right answers of the bank do either",
    "when = arrived if last is None else min(max(arrived, when + gap), arrived + max_lag)",
    'yield text (moved before "last = clock()")',
)


@EXERCISE.wrong("sleeps the gap for every piece", says="although there is nothing to spread")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    for index, (_, text) in enumerate(stream):
        if index:
            sleep(gap)
        yield text


@EXERCISE.wrong("has no limit on the lag", says="after the source")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = None
    for arrived, text in stream:
        when = arrived if last is None else max(arrived, last + gap)
        sleep(max(0.0, when - clock()))
        last = clock()
        yield text


@EXERCISE.wrong("drops pieces when it is late", says="Text was lost")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = -1.0
    for arrived, text in stream:
        if arrived < last:
            continue
        sleep(max(0.0, last + gap - clock()))
        last = clock()
        yield text


@EXERCISE.wrong("splits pieces into bytes", says="taken apart")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    for _, text in stream:
        for byte in text.encode():
            yield chr(byte)


@EXERCISE.wrong("collects before it lets go", says="First text moved")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    for _, text in list(stream):
        yield text
        sleep(gap)


@EXERCISE.wrong("passes everything on at once", says="come in bunches")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    for _, text in stream:
        yield text


@EXERCISE.wrong("swallows the error", says="as if all were well")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = None
    try:
        for arrived, text in stream:
            when = arrived if last is None else min(max(arrived, last + gap), arrived + max_lag)
            sleep(max(0.0, when - clock()))
            last = clock()
            yield text
    except Exception:  # noqa: BLE001  # the mistake this answer stands for
        return


@EXERCISE.wrong("holds one piece back and loses it with the error", says="did not deliver all three")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    held: list[Any] = []
    last = None
    for arrived, text in stream:
        if held:
            when = held[0] if last is None else min(max(held[0], last + gap), held[0] + max_lag)
            sleep(max(0.0, when - clock()))
            last = clock()
            yield held[1]
        held = [arrived, text]
    yield held[1]


@EXERCISE.wrong("gives up the pace when it is late at all", says="gave up the pace")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = None
    for arrived, text in stream:
        when = arrived if last is None else max(arrived, last + gap)
        if when - arrived > max_lag / 2:
            when = arrived
        sleep(max(0.0, when - clock()))
        last = clock()
        yield text


@EXERCISE.wrong("remembers the plan and not what happened", says="really left, not when it was planned")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = float("-inf")
    for arrived, text in stream:
        last = max(arrived, last + gap)
        sleep(max(0.0, min(last, arrived + max_lag) - clock()))
        yield text


@EXERCISE.wrong("begins as if a piece had left at 0", says="each piece can leave the moment it comes")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = 0.0
    for arrived, text in stream:
        sleep(max(0.0, min(max(arrived, last + gap), arrived + max_lag) - clock()))
        last = clock()
        yield text


@EXERCISE.wrong("has its own numbers", says="Use the arguments")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = float("-inf")
    for arrived, text in stream:
        sleep(max(0.0, min(max(arrived, last + 0.25), arrived + 1.0) - clock()))
        last = clock()
        yield text


@EXERCISE.wrong("sleeps a negative time for a slow reader", says="may be slower than you")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = float("-inf")
    for arrived, text in stream:
        sleep(min(max(arrived, last + gap), arrived + max_lag) - clock())
        last = clock()
        yield text


@EXERCISE.wrong("sleeps as long as it is late", says="its moment to leave is over")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = float("-inf")
    for arrived, text in stream:
        sleep(abs(min(max(arrived, last + gap), arrived + max_lag) - clock()))
        last = clock()
        yield text


@EXERCISE.wrong("writes the error as text", says="as if it were text")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = float("-inf")
    try:
        for arrived, text in stream:
            sleep(max(0.0, min(max(arrived, last + gap), arrived + max_lag) - clock()))
            last = clock()
            yield text
    except Exception as error:  # noqa: BLE001  # the mistake this answer stands for
        yield f"error: {error}"


@EXERCISE.wrong("drops what is too late", says="pieces came out")
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    last = float("-inf")
    for arrived, text in stream:
        if last + gap > arrived + max_lag:
            continue
        sleep(max(0.0, max(arrived, last + gap) - clock()))
        last = clock()
        yield text


@EXERCISE.right
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    due = 0.0
    try:
        for arrived, text in stream:
            while clock() < min(due, arrived + max_lag):
                sleep(0.001)
            yield text
            due = clock() + gap
    except Exception as error:
        raise RuntimeError("the stream failed") from error


@EXERCISE.right
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    free_at = 0.0
    for arrived, text in stream:
        wait = min(max(free_at, arrived), arrived + max_lag) - clock()
        if wait > 0:
            sleep(wait)
        yield text
        free_at = clock() + gap


@EXERCISE.right
def _(stream, gap, max_lag, clock, sleep):  # type: ignore[no-untyped-def]
    def leave_times():  # type: ignore[no-untyped-def]
        last = float("-inf")
        for arrived, text in stream:
            last = sorted([arrived, last + gap, arrived + max_lag])[1]
            yield last, text

    for when, text in leave_times():  # type: ignore[no-untyped-call]
        while clock() < when:
            sleep(when - clock())
        yield text
