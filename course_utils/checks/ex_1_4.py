"""Exercise 1.4: a steady pace without falling behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock

GAP, MAX_LAG = 0.25, 1.0
BUNCHES = [(1.0, "The "), (1.0, "night "), (1.0, "was "), (3.0, "dark"), (3.0, " and"), (3.0, " 🌧️ "), (6.0, "wet.")]
FLOOD = [(0.5, f"w{index} ") for index in range(12)]
SLOW = [(float(index), f"w{index} ") for index in range(1, 6)]

Pieces = list[tuple[float, str]]


class ConnectionLost(Exception):
    """What the source of the check raises when it breaks off."""


class _Source:
    """A stream as it arrives: asking for the next piece takes until that piece is there."""

    def __init__(self, pieces: Pieces, clock: VirtualClock, breaks: bool = False) -> None:
        self._pieces, self._clock, self._breaks = pieces, clock, breaks

    def __iter__(self) -> Iterator[tuple[float, str]]:
        for at, text in self._pieces:
            self._clock.sleep_until(at)
            yield at, text
        if self._breaks:
            raise ConnectionLost("the server went away")


def _play(answer: Subject, pieces: Pieces, breaks: bool = False) -> tuple[Pieces, str]:
    """What came out and when, and the name of the error that ended it, if one did."""
    clock = VirtualClock()
    out: Pieces = []
    try:
        for item in answer.iterate(iter(_Source(pieces, clock, breaks)), GAP, MAX_LAG, clock.now, clock.sleep):
            out.append((round(clock.now(), 6), item))
    except Raised as raised:
        if raised.kind != ConnectionLost.__name__:
            raise
        return out, raised.kind
    return out, ""


def _expected(pieces: Pieces) -> Pieces:
    """r[i] = min(max(a[i], r[i-1] + gap), a[i] + max_lag)."""
    out: Pieces = []
    for at, text in pieces:
        soonest = max(at, out[-1][0] + GAP) if out else at
        out.append((round(min(soonest, at + MAX_LAG), 6), text))
    return out


def check(answer: Subject) -> None:
    _text(answer)
    _first(answer)
    _error(answer)
    _pace(
        answer,
        SLOW,
        "The source is slower than your pace, so each piece can leave the moment it comes. "
        "Yours left later: do you sleep although there is nothing to spread?",
    )
    _pace(
        answer,
        BUNCHES,
        f"These pieces come in bunches. Let each leave {GAP} s after the one before, and none before it has come.",
    )
    _lag(answer)


def _text(answer: Subject) -> None:
    out, _ = _play(answer, BUNCHES)
    came, went = "".join(text for _, text in BUNCHES), "".join(str(text) for _, text in out)
    if any(not isinstance(text, str) for _, text in out):
        raise NotYet(
            "Yield the texts only, not the pairs.",
            got=[text for _, text in out][:3],
            expected=["The ", "night ", "was "],
        )
    if went != came:
        raise NotYet(
            "Text was lost, doubled or taken apart on the way.", given=_shown(BUNCHES), got=went, expected=came
        )


def _first(answer: Subject) -> None:
    out, _ = _play(answer, BUNCHES)
    if out[0][0] > BUNCHES[0][0]:
        moved = f"First text moved from {BUNCHES[0][0]} to {out[0][0]} s."
        why = f"{moved} Smoothing needs no head start: let the first piece through."
        raise NotYet(why, given=_shown(BUNCHES), got=_shown(out), expected=_shown(_expected(BUNCHES)))


def _pace(answer: Subject, pieces: Pieces, why: str) -> None:
    out, _ = _play(answer, pieces)
    if out != _expected(pieces):
        raise NotYet(why, given=_shown(pieces), got=_shown(out), expected=_shown(_expected(pieces)))


def _lag(answer: Subject) -> None:
    out, _ = _play(answer, FLOOD)
    behind = round(out[-1][0] - FLOOD[-1][0], 6)
    facts = {
        "given": f"12 pieces at 0.5 s, max_lag={MAX_LAG}",
        "got": _shown(out),
        "expected": _shown(_expected(FLOOD)),
    }
    if behind > MAX_LAG:
        raise NotYet(f"Your output ends {behind:g} s after the source. Never be more than max_lag behind.", **facts)
    if out != _expected(FLOOD):
        raise NotYet("You gave up the pace too early: keep the gap as long as max_lag allows it.", **facts)


def _error(answer: Subject) -> None:
    out, error = _play(answer, SLOW[:3], breaks=True)
    facts: dict[str, Any] = {
        "given": "a source that raises after the third piece",
        "got": (_shown(out), error or "no error"),
    }
    if "".join(text for _, text in out) != "".join(text for _, text in SLOW[:3]):
        raise NotYet("The source raised after three pieces, and you did not deliver all three.", **facts)
    if not error:
        raise NotYet(
            "The source raised and you ended as if all were well. Whoever reads you must learn of it.", **facts
        )


def _shown(pieces: Pieces) -> str:
    return " ".join(f"{at:g}:{text.strip()}" for at, text in pieces)


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
