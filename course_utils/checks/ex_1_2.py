"""Exercise 1.2: when has a person finished reading?"""

from __future__ import annotations

import math
from random import Random

from course_utils import metrics
from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Subject

AT_ONCE = [1.0] * 6
STEADY = [0.5, 1.0, 1.5, 2.0]
PAUSE = [0.5, 1.0, 1.5, 6.0]
LATE_BURST = [1.0, 5.0, 5.0, 5.0]


def check(answer: Subject, draw: Random) -> None:
    _all_at_once(answer)
    _case(answer, STEADY, 2.0, "You let the reader wait for the end. Can she not read while it arrives?")
    _case(
        answer,
        PAUSE,
        1.0,
        "You are too late: in a gap in which she still reads, nothing is added.",
        "Put a pause after token 3: your answer did not move as it should. Can the reader read words that are not there?",
    )
    _case(
        answer,
        LATE_BURST,
        1.0,
        "Bursts and stalls matter: this timeline has the same first, last and mean as a steady one, and takes longer to read.",
    )
    _case(answer, [], 5.0, "With no tokens there is nothing to read: she has finished at 0.0.")
    _case(answer, [1.0, 1.0, 4.0], 2.0, "This is the example in the text of the function.")
    timelines = [sorted(round(draw.uniform(0, 8), 2) for _ in range(draw.randint(1, 30))) for _ in range(20)]
    for times in sorted(timelines, key=len):  # the shortest that goes wrong is the one to show
        speed = round(draw.uniform(0.5, 12), 2)
        _case(answer, times, speed, "Another timeline goes wrong. Work it out token by token with a pencil.")


MISCONCEPTIONS = {
    3.0: "You start reading at 0, or you count from the first token. She can't read before something has come, "
    "and the seconds count from the request.",
    3.25: "Speed is in tokens here, one entry of arrivals is one token; you converted from or to words.",
    3.5: "You stop when the last token is taken up. She still has to read it.",
    1.5: "You stop after the first token. Go through all of them.",
    13.0: "A token takes 1 / tokens_per_second seconds; you added tokens_per_second.",
    1.0: "Reading took no time at all: `//` cuts off what is behind the point.",
    1 + 6 / metrics.READING_SPEED: "Use the speed you were given, not that of an average reader.",
}
"""What six tokens at 1.0 s, read at two a second, give to whom; right is 4.0."""


def _all_at_once(answer: Subject) -> None:
    got = _call(answer, AT_ONCE, 2.0)
    for value, why in MISCONCEPTIONS.items():
        if math.isclose(got, value, abs_tol=1e-6):
            raise NotYet(why, given=f"arrivals={AT_ONCE}, tokens_per_second=2.0", got=got, expected=4.0)
    _compare(got, AT_ONCE, 2.0, "All six tokens are there at 1.0 s and she reads two a second. When is she through?")


def _case(answer: Subject, arrivals: list[float], speed: float, late: str, early: str = "") -> None:
    _compare(_call(answer, arrivals, speed), arrivals, speed, late, early)


def _call(answer: Subject, arrivals: list[float], speed: float) -> float:
    got = answer.call(list(arrivals), speed)
    if type(got) not in (int, float):
        raise NotYet(
            "Return one number, the seconds from the request until she has read the last token.",
            given=f"arrivals={arrivals}, tokens_per_second={speed}",
            got=got,
            expected=_expected(arrivals, speed),
        )
    return float(got)


def _compare(got: float, arrivals: list[float], speed: float, late: str, early: str = "") -> None:
    """``late`` is said of an answer beyond the right one; ``early``, if it differs, of one before it."""
    expected = _expected(arrivals, speed)
    if math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-9):
        return
    why = late if got > expected else early or late
    if got == int(expected):
        why = "You cut off or rounded the fraction. Return the number as it is."
    raise NotYet(why, given=f"arrivals={arrivals}, tokens_per_second={speed}", got=got, expected=expected)


@expectation
def _expected(arrivals: list[float], speed: float) -> float:
    return metrics.reading(arrivals, speed)[-1] if arrivals else 0.0


EXERCISE = Exercise(
    id="1.2",
    title="finish_reading",
    function="finish_reading",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "Take four tokens and a pencil. For each, write down two times: when it came and when she has read it.",
        "She begins a token when two things are true: it has arrived, and she is through with the one before.",
        "Walk through the arrivals with one variable, at = 0.0. In each round it becomes the later of at and the arrival, "
        "plus the time one token takes.",
    ),
    reason="Reading overlaps with arriving, token by token: r[i] = max(a[i], r[i-1]) + 1/v. A formula over first, last and "
    "count can't know where a pause sits.",
    check=check,
)


@EXERCISE.wrong("waits for the end before reading", says="wait for the end")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    return (arrivals[-1] if arrivals else 0) + len(arrivals) / tokens_per_second


@EXERCISE.wrong("looks at first, last and count only", says="pause after token 3")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    if not arrivals:
        return 0.0
    return max(arrivals[-1], arrivals[0] + len(arrivals) / tokens_per_second)


@EXERCISE.wrong("ignores the wait", says="start reading at 0")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    return len(arrivals) / tokens_per_second


@EXERCISE.wrong("converts to words", says="Speed is in tokens")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + 0.75 / tokens_per_second
    return at


@EXERCISE.wrong("spreads the arrivals evenly", says="Bursts and stalls matter")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at, n = 0.0, len(arrivals)
    for index in range(n):
        even = arrivals[0] + (arrivals[-1] - arrivals[0]) * index / max(1, n - 1)
        at = max(at, even) + 1 / tokens_per_second
    return at


@EXERCISE.wrong("forgets to read the last token", says="still has to read it")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + 1 / tokens_per_second
    return at - 1 / tokens_per_second


@EXERCISE.wrong("returns the list of all times", says="Return one number")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    return [arrived + 1 / tokens_per_second for arrived in arrivals]


@EXERCISE.wrong("gives up when there is nothing to read", says="nothing to read")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + 1 / tokens_per_second
    return at or -1.0


@EXERCISE.wrong("adds every gap, also those she reads through", says="still reads, nothing is added")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at, before = (arrivals[0] if arrivals else 0.0), None
    for arrived in arrivals:
        gap = 0.0 if before is None else arrived - before
        at += max(gap, 1 / tokens_per_second)
        before = arrived
    return at


@EXERCISE.wrong("cuts off the fraction", says="cut off or rounded")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + 1 / tokens_per_second
    return int(at)


@EXERCISE.wrong("adds the speed instead of the time", says="1 / tokens_per_second seconds")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + tokens_per_second
    return at


@EXERCISE.wrong("stops after the first token", says="after the first token")
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    for arrived in arrivals:
        return arrived + 1 / tokens_per_second
    return 0.0


@EXERCISE.right
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    # Whatever token is the last one she had to wait for, all after it are read without a break.
    n = len(arrivals)
    return max((arrived + (n - index) / tokens_per_second for index, arrived in enumerate(arrivals)), default=0.0)


@EXERCISE.right
def _(arrivals, tokens_per_second):  # type: ignore[no-untyped-def]
    from functools import reduce

    return reduce(lambda done, arrived: max(done, arrived) + 1 / tokens_per_second, arrivals, 0)
