"""Exercise 1.3: tell a stream from an imitation by its timestamps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.subject import Subject

ANSWERS = ("streamed", "buffered", "clumped", "unknown")


def _steady(count: int = 40) -> list[float]:
    return [0.5 + 0.1 * index for index in range(count)]


def _at_the_end(count: int = 40) -> list[float]:
    return [4.5 + 0.002 * index for index in range(count)]


def _bunches(bunches: int = 8, size: int = 5) -> list[float]:
    return [0.5 + 0.5 * bunch + 0.001 * index for bunch in range(bunches) for index in range(size)]


def _stalled() -> list[float]:
    return [at + (6.0 if index >= 25 else 0.0) for index, at in enumerate(_steady())]


def _jittered(draw: Random) -> list[float]:
    return [round(at, 4) for at in accumulate((0.1 * draw.uniform(0.4, 1.6) for _ in range(39)), initial=0.8)]


def _drawn(draw: Random) -> list[tuple[str, list[float]]]:
    """A timeline of each kind, none of them near a limit, at a speed of its own."""
    stall, at = draw.uniform(3, 6), draw.randint(5, 35)
    wait, pieces = draw.uniform(2, 10), draw.randint(4, 40)
    bunches = accumulate((draw.uniform(0.3, 0.7) for _ in range(draw.randint(4, 20))), initial=0.5)
    made = [
        ("streamed", _jittered(draw)),
        ("streamed", [when + (stall if index >= at else 0.0) for index, when in enumerate(_jittered(draw))]),
        ("buffered", sorted(wait * (1 - draw.uniform(0.0, 0.04)) for _ in range(pieces))),
        ("clumped", [when + 0.001 * index for when in bunches for index in range(draw.randint(3, 6))]),
        ("unknown", sorted(draw.uniform(0, 8) for _ in range(draw.randint(0, 3)))),
    ]
    draw.shuffle(made)
    return [(label, _faster(times, draw.choice([0.1, 0.5, 1, 3, 20]))) for label, times in made]


def _faster(times: list[float], factor: float) -> list[float]:
    return [round(at / factor, 6) for at in times]


EXAMPLES = {
    "streamed": [0.5, 0.6, 0.7, 0.8, 0.9],
    "buffered": [4.0, 4.0, 4.0, 4.001],
    "clumped": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0],
}


def check(answer: Subject, draw: Random) -> None:
    steady = "One piece every 0.1 s is what streaming looks like. (Computed gaps differ in their last digits; leave a margin.)"
    _expect(answer, "streamed", _steady(), steady)
    _expect(
        answer,
        "buffered",
        _at_the_end(),
        "How many moments do your chunks have? All of these came within 0.08 s, after 4.5 s of nothing.",
    )
    _expect(
        answer,
        "clumped",
        _bunches(),
        "Two gaps of 0 and one of 1 s have the same mean as three of 0.33 s: these pieces come in bunches.",
    )
    for factor in (10, 0.1):
        why = (
            f"Speed x{factor:g} changed your verdict. A fast stream is still a stream: "
            "compare gaps with each other, not with a fixed time."
        )
        for label, make in (("streamed", _steady), ("buffered", _at_the_end), ("clumped", _bunches)):
            _expect(answer, label, _faster(make(), factor), why)
    for few in ([], [0.8], [0.8, 0.8], [0.5, 0.6, 0.7]):
        why = "Too little evidence should be its own answer: with fewer than four pieces say 'unknown'."
        _expect(answer, "unknown", few, why)
    for label, times in EXAMPLES.items():
        _expect(answer, label, times, "This is one of the examples in the text of the function.")
    _expect(answer, "streamed", _stalled(), "One long wait is a stall, not bunches. Is it periodic?")
    many = "These pieces come in thirty bunches. Is your idea of a small gap the same, however long the stream is?"
    _expect(answer, "clumped", _bunches(30, 4), many)
    _expect(answer, "streamed", [1.0] * 4 + [5.0] * 4, "Two bunches can be one stall; only three or more are clumps.")
    _expect(answer, "streamed", [0.5, 0.6, 0.6, 0.7, 0.8], "Two pieces that happen to come together make no bunches.")
    pairs = sorted([*_steady(), *_steady()[3::12]])
    _expect(
        answer, "streamed", pairs, "A few pieces that come in pairs make no bunches: on average that needs two in each."
    )
    for _ in range(5):
        _expect(answer, "streamed", _jittered(draw), "These gaps vary as gaps do, but the pieces come one by one.")
    late = "A late start is not a buffer: after the wait the pieces came one by one for 6 s."
    _expect(answer, "streamed", [30 + 0.1 * index for index in range(60)], late)
    _expect(
        answer, "buffered", _spread(0.04), "All of it came within 4 % of the wait, less than a twentieth: one moment."
    )
    _expect(answer, "streamed", _spread(0.07), "It came over 7 % of the wait, more than a twentieth, piece by piece.")
    one = "One piece was far from the others. All of them count, the first and the last as well."
    _expect(answer, "streamed", [3.7, 4.0, 4.0, 4.0], one)
    _expect(answer, "streamed", [4.0, 4.0, 4.0, 4.3], one)
    edge = "Just within a twentieth, or just beyond it: span is last minus first, and the wait is the last arrival."
    _expect(answer, "buffered", [9.51, 9.52, 9.53, 10.0], edge)
    _expect(answer, "streamed", [9.49, 9.66, 9.83, 10.0], edge)
    for label, times in [case for _ in range(4) for case in _drawn(draw)]:
        _expect(answer, label, times, f"Another timeline goes wrong; this one is {label}.")


def _spread(share: float) -> list[float]:
    """Twenty pieces, evenly over the last ``share`` of a wait of 10 s."""
    return [round(10 * (1 - share * (19 - index) / 19), 6) for index in range(20)]


def _expect(answer: Subject, label: str, times: list[float], why: str) -> None:
    got = answer.call(list(times))
    facts: dict[str, Any] = {"given": _shown(times), "got": got, "expected": label}
    if got not in ANSWERS:
        raise NotYet(f"Return one of {', '.join(map(repr, ANSWERS))}.", **facts)
    if got != label:
        raise NotYet(why, **facts)


def _shown(times: list[float]) -> str:
    some = [round(at, 4) for at in times[:7]]
    return (
        f"arrivals={some}"
        if len(times) <= 7
        else f"{len(times)} arrivals: {str(some)[:-1]}, ... {round(times[-1], 4)}]"
    )


EXERCISE = Exercise(
    id="1.3",
    title="classify",
    function="classify",
    minutes=15,
    points=3,
    core=False,
    hints=(
        "Draw the arrivals of the three kinds as strokes on a line. What do you see that a count of chunks does not tell?",
        "First ask whether there is enough evidence, then whether everything came in one moment. Only then look at bunches: "
        "a gap starts a new bunch if it is not small compared with the mean gap.",
        "span = last - first. 'buffered' if span is at most a twentieth of the last arrival. Else count the gaps above a tenth "
        "of the mean gap; with one more that is the number of bunches. Many bunches of one piece each are a stream.",
    ),
    reason="A stream is known by its moments, not by its chunks. All limits compare times with times, so the verdict does "
    "not depend on how fast the model is; and a single stall makes two bunches, which is why clumping needs three.",
    check=check,
)

EXERCISE.survive(
    "the text leaves open how small a gap within a bunch is, if only it is small compared with the mean gap",
    "small = span / (len(arrivals)) / 10",
    "small = span / (len(arrivals) + 1) / 10",
    "small = span / (len(arrivals) * 1) / 10",
    "small = span / (len(arrivals) / 1) / 10",
    "small = span / (len(arrivals) // 1) / 10",
    "small = span / (len(arrivals) ** 1) / 10",
    "small = span / (len(arrivals) - 0) / 10",
    "small = span / (len(arrivals) - 2) / 10",
    "small = span / (len(arrivals) - 1) / 9",
    "small = span / (len(arrivals) - 1) / 11",
    "bunches = 1 + sum(later - earlier >= small for earlier, later in zip(arrivals, arrivals[1:]))",
)
EXERCISE.survive(
    "exactly a twentieth is within it or not, as you like: right answers of the bank say `<`",
    "if span < arrivals[-1] / 20:",
)
EXERCISE.survive(
    "bunches are counted, and a whole number up to a half is one up to the half rounded down",
    'return "clumped" if 3 <= bunches <= len(arrivals) // 2 else "streamed"',
)


def _reference(
    few: int = 4,
    moment: Callable[[list[float]], bool] | None = None,
    small: Callable[[float], float] | None = None,
    bunches: int = 3,
) -> Callable[[list[float]], str]:
    """The reference with one part exchanged, for the wrong answers below."""

    def classify(arrivals: list[float]) -> str:
        if len(arrivals) < few:
            return "unknown"
        span = arrivals[-1] - arrivals[0]
        if moment(arrivals) if moment else span <= arrivals[-1] / 20:
            return "buffered"
        mean = span / (len(arrivals) - 1)
        limit = small(mean) if small else mean / 10
        found = 1 + sum(b - a > limit for a, b in pairwise(arrivals))
        return "clumped" if bunches <= found <= len(arrivals) / 2 else "streamed"

    return classify


EXERCISE.wrong("counts chunks instead of moments", says="How many moments")(
    _reference(moment=lambda arrivals: len(arrivals) == 1)
)
EXERCISE.wrong("has a fixed limit for one moment", says="changed your verdict")(
    _reference(moment=lambda arrivals: arrivals[-1] - arrivals[0] < 0.5)
)
EXERCISE.wrong("has a fixed limit for a bunch", says="changed your verdict")(_reference(small=lambda mean: 0.05))
EXERCISE.wrong("decides with too few pieces", says="Too little evidence")(_reference(few=2))
EXERCISE.wrong("takes a late start for a buffer", says="A late start is not a buffer")(
    _reference(moment=lambda arrivals: arrivals[-1] - arrivals[0] <= arrivals[-1] / 5)
)


EXERCISE.wrong("wants more than four pieces", says="examples in the text")(_reference(few=5))
EXERCISE.wrong("calls two bunches clumps", says="only three or more")(_reference(bunches=2))
EXERCISE.wrong("has another limit for one moment", says="less than a twentieth")(
    _reference(moment=lambda arrivals: arrivals[-1] - arrivals[0] <= arrivals[-1] / 40)
)


EXERCISE.wrong("has a rounded idea of a twentieth", says="Just within a twentieth")(
    _reference(moment=lambda arrivals: arrivals[-1] - arrivals[0] <= arrivals[-1] / 18)
)
EXERCISE.wrong("leaves out the first piece", says="far from the others")(
    _reference(moment=lambda arrivals: arrivals[-1] - arrivals[1] <= arrivals[-1] / 20)
)


@EXERCISE.wrong("compares gaps with the whole stream", says="in thirty bunches")
def _(arrivals):  # type: ignore[no-untyped-def]
    if len(arrivals) < 4:
        return "unknown"
    span = arrivals[-1] - arrivals[0]
    if span <= arrivals[-1] / 20:
        return "buffered"
    bunches = 1 + sum(b - a > span / 10 for a, b in pairwise(arrivals))
    return "clumped" if 3 <= bunches <= len(arrivals) / 2 else "streamed"


@EXERCISE.wrong("calls any two pairs clumps", says="come in pairs make no bunches")
def _(arrivals):  # type: ignore[no-untyped-def]
    if len(arrivals) < 4:
        return "unknown"
    span = arrivals[-1] - arrivals[0]
    if span <= arrivals[-1] / 20:
        return "buffered"
    bunches = 1 + sum(b - a > span / (len(arrivals) - 1) / 10 for a, b in pairwise(arrivals))
    return "clumped" if 3 <= bunches <= len(arrivals) - 2 else "streamed"


@EXERCISE.wrong("looks at the mean gap only", says="same mean")
def _(arrivals):  # type: ignore[no-untyped-def]
    if len(arrivals) < 4:
        return "unknown"
    mean = (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)
    return "buffered" if mean < arrivals[-1] / 1000 else "streamed"


@EXERCISE.wrong("takes one stall for bunches", says="Is it periodic")
def _(arrivals):  # type: ignore[no-untyped-def]
    if len(arrivals) < 4:
        return "unknown"
    gaps = sorted(b - a for a, b in pairwise(arrivals))
    if arrivals[-1] - arrivals[0] <= arrivals[-1] / 20:
        return "buffered"
    return "clumped" if gaps[-1] > 5 * gaps[len(gaps) // 2] else "streamed"


@EXERCISE.wrong("answers yes or no", says="Return one of")
def _(arrivals):  # type: ignore[no-untyped-def]
    return len(set(arrivals)) > 1


@EXERCISE.right
def _(arrivals):  # type: ignore[no-untyped-def]
    if len(arrivals) <= 3:
        return "unknown"
    first, last = arrivals[0], arrivals[-1]
    if (last - first) / last < 0.05:
        return "buffered"
    bunches = [[first]]
    for at in arrivals[1:]:
        if at - bunches[-1][-1] < (last - first) / len(arrivals) / 8:
            bunches[-1].append(at)
        else:
            bunches.append([at])
    crowded = sum(len(bunch) > 1 for bunch in bunches)
    return "clumped" if crowded >= 3 and crowded > len(bunches) / 2 else "streamed"


@EXERCISE.right
def _(arrivals):  # type: ignore[no-untyped-def]
    from statistics import quantiles

    if len(arrivals) < 4:
        return "unknown"
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    if sum(gaps) < 0.05 * arrivals[-1]:
        return "buffered"
    # In bunches nearly all the time is spent in few gaps, yet in more than one.
    _, median, _ = quantiles(gaps, n=4)
    big = [gap for gap in gaps if gap > 10 * median]
    return "clumped" if len(big) > 1 and sum(big) > 0.8 * sum(gaps) else "streamed"
