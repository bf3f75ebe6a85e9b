"""Exercise 6.1: what a request costs in seconds, fitted to measurements, and how long the next one will take."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import NoAnswer, Raised, Subject

NOISE = 0.001
"""Seconds by which a measurement is off, up or down, at most."""
CLOSE = 0.008
"""Seconds by which fitted costs may be off at the lengths of the samples; less than any token of an answer takes."""
LONGEST_IN, LONGEST_OUT = 4000, 400

Sample = dict[str, Any]


class Costs(NamedTuple):
    """Seconds: once a request, for each token of the prompt, and for each token of the answer but the first."""

    base: float
    per_in: float
    per_out: float

    def takes(self, n_in: int, n_out: int) -> float:
        """Seconds that a request takes."""
        return sum(price * amount for price, amount in zip(self, (1, n_in, n_out - 1), strict=True))


@dataclass(frozen=True)
class _Service:
    """What a service costs, and how its measurements come about.

    Of the samples so many are ``strange``, ``failed``, ``queued`` and ``silent`` about their tokens, beside ``n`` that are
    plain. ``bundle`` tokens come in a chunk. ``grid`` has each length of a prompt with each of an answer; ``alike`` (0 to 1)
    is how much long prompts have long answers.
    """

    costs: Costs
    n: int = 30
    bundle: int = 1
    strange: int = 0
    by: tuple[float, float] = (25.0, 45.0)
    short: bool = False
    failed: int = 0
    queued: int = 0
    silent: int = 0
    alike: float = 0.0
    grid: bool = False

    def samples(self, draw: Random) -> list[Sample]:
        lengths = self._lengths(draw)
        made = [self._sample(draw, *lengths[number % len(lengths)]) for number in range(self.n)]
        made += [self._strange(draw) for _ in range(self.strange)]
        made += [self._failed(draw) for _ in range(self.failed)]
        made += [self._queued(draw) for _ in range(self.queued)]
        made += [self._sample(draw, *self._pair(draw)) | {"n_out": None} for _ in range(self.silent)]
        draw.shuffle(made)
        return made

    def late(self, one: Sample) -> float:
        """Seconds by which a sample took longer than usual."""
        return float(one["e2e"]) - self.costs.takes(one["n_in"], one["n_out"])

    def _lengths(self, draw: Random) -> list[tuple[int, int]]:
        if self.grid:
            return list(itertools.product((0, 500, 1000, 2000, 4000), (1, 40, 80, 160, 240, 400)))
        return [self._pair(draw) for _ in range(self.n)]

    def _pair(self, draw: Random) -> tuple[int, int]:
        n_in = draw.randint(20, LONGEST_IN)
        share = self.alike * n_in / LONGEST_IN + (1 - self.alike) * draw.random()
        return n_in, 1 + round(share * (LONGEST_OUT - 1))

    def _sample(self, draw: Random, n_in: int, n_out: int) -> Sample:
        e2e = round(self.costs.takes(n_in, n_out) + draw.uniform(-NOISE, NOISE), 4)
        chunks = math.ceil(n_out / self.bundle)
        return {"n_in": n_in, "n_out": n_out, "chunks": chunks, "e2e": e2e, "failed": False, "queued": False}

    def _strange(self, draw: Random) -> Sample:
        n_in, n_out = (draw.randint(20, 400), draw.randint(2, 40)) if self.short else self._pair(draw)
        made = self._sample(draw, n_in, n_out)
        return made | {"e2e": round(made["e2e"] + draw.uniform(*self.by), 4)}

    def _failed(self, draw: Random) -> Sample:
        """Cut off at once, or given up after half a minute; in both cases with few tokens."""
        n_in, few, seconds = self._pair(draw)[0], draw.randint(1, 20), draw.choice([0.03, 30.0])
        return self._sample(draw, n_in, few) | {"e2e": seconds, "failed": True}

    def _queued(self, draw: Random) -> Sample:
        made = self._sample(draw, *self._pair(draw))
        return made | {"e2e": round(made["e2e"] + draw.uniform(0.5, 4.0), 4), "queued": True}


USUAL = Costs(0.35, 0.0004, 0.025)
FIRST = _Service(USUAL, grid=True)
ALIKE = _Service(Costs(0.5, 0.0005, 0.03), 36, alike=0.6)
BUNDLED = _Service(Costs(0.2, 0.0003, 0.02), 36, bundle=4)
SILENT = _Service(Costs(0.25, 0.0002, 0.04), 24, bundle=3, silent=30)
FAILED = _Service(Costs(0.4, 0.0005, 0.02), 24, failed=30)
QUEUED = _Service(Costs(0.3, 0.0006, 0.025), 24, queued=30)
STRANGE = _Service(Costs(0.45, 0.0003, 0.03), 35, strange=1)
STRANGER = _Service(Costs(0.15, 0.0005, 0.02), 36, strange=3, failed=14)
HIDDEN = _Service(Costs(0.2, 0.0004, 0.025), 45, strange=2, by=(4.0, 5.5), short=True)


def check(answer: Subject, draw: Random) -> None:
    _first(answer)
    for service, why in (
        (ALIKE, "Long prompts had long answers here, so a slope that is found for itself has part of the other in it. Find "
                "both prices in one fit."),
        (BUNDLED, "A chunk had several tokens here, and your price of a token is that of a chunk. Which count is in tokens?"),
        (SILENT, "Where n_out is None nobody has counted the tokens. Chunks are no stand-in for them: leave those samples out."),
        (FAILED, "30 of 54 requests failed here, and your costs contain their time. The formula speaks of answers that came."),
        (QUEUED, "30 of 54 requests stood in a queue here, and your costs contain its length. A queue is not in the formula."),
    ):  # fmt: skip
        _judge(answer, service, Random(f"{service}"), why)
    _outliers(answer)
    for number in range(4):
        service = _drawn(draw)
        _judge(
            answer, service, draw, "Other measurements go wrong. How far is each sample from what your costs predict?"
        )
        if not number:
            _predicts(answer, service.samples(draw), service.costs, draw)


def _drawn(draw: Random) -> _Service:
    costs = Costs(draw.randint(10, 60) / 100, draw.randint(10, 60) / 100_000, draw.randint(15, 45) / 1000)
    failed, queued, silent = (draw.choice([0, draw.randint(1, 12)]) for _ in range(3))
    return _Service(costs, draw.randint(36, 60), draw.randint(1, 4), draw.randint(0, 3), failed=failed, queued=queued,
                    silent=silent, alike=draw.randint(0, 5) / 10)  # fmt: skip


def _first(answer: Subject) -> None:
    """The plainest of services, on which the shape of the formula shows."""
    samples = FIRST.samples(Random("first"))
    got = _fitted(answer, samples)
    if _far(got, USUAL):
        raise NotYet(_shape(got, USUAL), **_facts(samples, got, USUAL))
    _predicts(answer, samples, USUAL, Random("predicts"))


def _outliers(answer: Subject) -> None:
    pause = (
        "One request took {:.0f} s, where others of its size took {:.1f}. Your costs follow it, and are wrong for all the "
        "others. They are to say what is usual."
    )
    for service, why in (
        (STRANGE, pause),
        (STRANGER, "3 of 39 requests that count took half a minute more than usual. One of them is left in your costs, or more."),
        (HIDDEN, "One request took {:.1f} s. That is not much for a long answer, but its own {} tokens take {:.1f}. Compare a "
                 "time with what the costs predict for it, not with other times; and again when the costs are better."),
    ):  # fmt: skip
        samples = service.samples(Random(f"{service}"))
        worst = max(samples, key=service.late)
        usual = service.costs.takes(worst["n_in"], worst["n_out"])
        said = (worst["e2e"], worst["n_out"], usual) if service is HIDDEN else (worst["e2e"], usual)
        _judge(answer, service, Random(f"{service}"), why.format(*said))


def _judge(answer: Subject, service: _Service, draw: Random, why: str) -> None:
    samples = service.samples(draw)
    got = _fitted(answer, samples)
    if _far(got, service.costs):
        raise NotYet(why, **_facts(samples, got, service.costs))


def _fitted(answer: Subject, samples: list[Sample]) -> Costs:
    """The costs that the answer finds."""
    before = [dict(one) for one in samples]
    try:
        got = answer.call(samples)
    except Raised as raised:
        raised.given = _shown(before)
        if raised.kind == "TypeError" and any(one["n_out"] is None for one in before):
            why = "n_out is None where nobody has counted the tokens, and None is no number: leave those samples out."
            raise NotYet(why, given=raised.given, got=Words(raised)) from None
        raise
    except NoAnswer as error:
        if error.reason == "not_plain":
            why = "Return Costs(base, per_in, per_out), the NamedTuple of the cell: yours is of another kind."
            raise NotYet(why, given=_shown(before)) from None
        raise
    if samples != before:
        raise NotYet("Your function changed what it was given. Others want the samples as well.", given=_shown(before))
    return _costs(got, samples)


def _costs(got: Any, samples: list[Sample]) -> Costs:
    if not isinstance(got, list) or len(got) != len(Costs._fields) or any(type(one) not in (int, float) for one in got):
        raise NotYet("Return Costs(base, per_in, per_out), three numbers.", given=_shown(samples), got=got)
    return Costs(*got)


def _far(got: Costs, right: Costs) -> bool:
    """Whether costs are too far from the right ones at the lengths of the samples."""
    base, per_in, per_out = (abs(left - wanted) for left, wanted in zip(got, right, strict=True))
    return not (base <= CLOSE and per_in * LONGEST_IN <= CLOSE and per_out * LONGEST_OUT <= CLOSE)


def _shape(got: Costs, right: Costs) -> str:
    """What is wrong with the formula."""
    if not _far(Costs(*(cost / 1000 for cost in got)), right):
        return "Your costs are a thousand times too large. Seconds, not milliseconds."
    if not _far(Costs(got.base, got.per_out, got.per_in), right):
        return "The price of a token of the prompt and that of one of the answer stand in each other's places."
    if got == tuple(round(cost, 3) for cost in got) and abs(got.per_out - right.per_out) < 0.006:
        return "Your costs are rounded. A token of the prompt takes less than a millisecond, and there are thousands of them."
    if abs(got.base) <= CLOSE:
        return (
            "Your base is 0: for an empty prompt and an answer of one token your costs predict 0 s. What does a request take "
            "however short it is?"
        )
    if not _far(got._replace(base=got.base + right.per_out), right):
        return "Your base is too small by one token's time. An answer of n tokens has n - 1 gaps, and the first token is in base."
    if abs(got.per_in) * LONGEST_IN <= CLOSE:
        return "With your costs a prompt of 4000 tokens takes no longer than an empty one. Both lengths have a price, each its own."
    if abs(got.per_in - got.per_out) * LONGEST_IN <= CLOSE:
        return "Your costs have one price for all tokens. A prompt is read at once, an answer written token by token."
    return "Your costs do not fit. Take some samples, and compare what they took with base + per_in * n_in + per_out * (n_out - 1)."


def _predicts(answer: Subject, samples: list[Sample], right: Costs, draw: Random) -> None:
    """Whether the costs have their names, and predict() says what they say."""
    made = answer.make(samples)
    try:
        costs = _costs([made.get(name) for name in Costs._fields], samples)
    except NoAnswer:
        why = "Your three numbers are nameless. Return Costs(base, per_in, per_out), which has names for them, and predict()."
        raise NotYet(why, given=_shown(samples)) from None
    if _far(costs, right):
        why = "The three costs are right, but stand under each other's names. base comes first, then per_in, then per_out."
        raise NotYet(why, **_facts(samples, costs, right))
    predict = made.method("predict")
    for n_in, n_out in ((0, 1), (1000, 101), (draw.randint(1, 9000), draw.randint(2, 900))):
        got, wanted = predict.call(n_in, n_out), costs.takes(n_in, n_out)
        facts = {"given": f"{costs}.predict({n_in}, {n_out})", "got": got, "expected": wanted}
        if type(got) not in (int, float):
            raise NotYet("predict() returns a number of seconds.", **facts)
        if any(got == round(wanted, digits) for digits in range(4)) and got != wanted:
            raise NotYet("predict() rounds. Return the seconds as they are; rounding is for printing.", **facts)
        if math.isclose(got, wanted + costs.per_out, abs_tol=1e-9):
            raise NotYet(
                "predict() has one gap too many: behind the first token, which is in base, come n_out - 1.", **facts
            )
        if not math.isclose(got, wanted, abs_tol=1e-9):
            raise NotYet("predict() does not say what your own costs say. Each of the three has a part in it.", **facts)


def _shown(samples: Sequence[Sample]) -> str:
    return f"{len(samples)} samples: {str(list(samples[:2]))[1:-1]}, ..."


def _facts(samples: Sequence[Sample], got: Costs, right: Costs) -> dict[str, Any]:
    return {"given": _shown(samples), "got": _words(got), "expected": Words(f"about {_words(right)}")}


def _words(costs: Costs) -> Words:
    return Words(f"Costs(base={costs.base:.4g}, per_in={costs.per_in:.4g}, per_out={costs.per_out:.4g})")


EXERCISE = Exercise(
    id="6.1",
    title="fit",
    function="fit",
    minutes=10,
    points=2,
    core=True,
    hints=(
        "Two things make a request long, and a third is there in any case. Draw e2e over n_out: what do the points have in common "
        "that lie above each other? And which points lie far from all of them?",
        "First keep the samples that the formula speaks of. Then each is a row (1, n_in, n_out - 1), and least squares finds the "
        "three prices together. A single strange sample bends them: fit, look how far each sample is off, keep the nearer ones, "
        "and fit those again.",
        "np.linalg.lstsq(rows, times)[0] are the costs, abs(times - rows @ costs) says how far off each sample is, and "
        "np.argsort of that puts the nearest three quarters in front: fit these, and do so some rounds long.",
    ),
    reason="The formula has three unknowns, so they are found together, from samples that it speaks of. Least squares listens most "
    "to the sample that is farthest off; after some rounds with the nearer three quarters nobody listens to it any more.",
    check=check,
)

EXERCISE.survive(
    "which of the two comes first makes no difference",
    'times = np.array([one["e2e"] for one in good]) '
    '(moved before "rows = np.array([[1, one["n_in"], one["n_out"] - 1] for one in good])")',
    'near = slice(None) (moved before "times = np.array([one["e2e"] for one in good])")',
)
EXERCISE.survive("the rounds may begin with no costs at all, and then with what was fastest", "near = slice(0)")
EXERCISE.survive(
    "nobody asks for the number of the round, nor any more for what it takes the place of",
    "for samples in range(6):",
    "for costs in range(6):",
)
EXERCISE.survive(
    "after two rounds the strange samples are out", "for _ in range(2):", "for _ in range(5):", "for _ in range(7):"
)
EXERCISE.survive(
    "strange samples are late, never early, and being off has no direction",
    "near = np.argsort((times - rows @ costs))[: len(good) * 3 // 4]",
    "near = np.argsort(abs((rows @ costs) - times))[: len(good) * 3 // 4]",
)
EXERCISE.survive(
    "a quarter of the samples is enough, and all three lists have as many",
    "near = np.argsort(abs(times - rows @ costs))[: len(good) // 4]",
    "near = np.argsort(abs(times - rows @ costs))[: len(good) * 1 // 4]",
    "near = np.argsort(abs(times - rows @ costs))[: len(good) * 2 // 4]",
    "near = np.argsort(abs(times - rows @ costs))[: len(good) * 3 // 5]",
    "near = np.argsort(abs(times - rows @ costs))[: len(rows) * 3 // 4]",
    "near = np.argsort(abs(times - rows @ costs))[: len(times) * 3 // 4]",
)

# ------------------------------------------------------------------------------------- the reference and its mistakes


class _Fit(NamedTuple):
    """What the answers of the bank return."""

    base: float
    per_in: float
    per_out: float

    def predict(self, n_in: int, n_out: int) -> float:
        return self.base + self.per_in * n_in + self.per_out * (n_out - 1)


def _counts(one: Sample) -> bool:
    return not one["failed"] and not one["queued"] and one["n_out"] is not None


def _row(one: Sample) -> list[float]:
    return [1, one["n_in"], one["n_out"] - 1]


def _solved(rows: Any, times: Any, rounds: int = 6) -> Any:
    """Least squares; then again with the nearest three quarters, and so on."""
    rows, times = np.array(rows, dtype=float), np.array(times)
    near = np.arange(len(times))
    for _ in range(rounds):
        costs = np.linalg.lstsq(rows[near], times[near])[0]
        near = np.argsort(abs(times - rows @ costs))[: len(times) * 3 // 4]
    return costs


def _wrong(
    name: str,
    says: str,
    *,
    counts: Callable[[Sample], bool] = _counts,
    kept: Callable[[list[Sample]], list[Sample]] = lambda good: good,
    row: Callable[[Sample], list[float]] = _row,
    rounds: int = 6,
    told: Callable[[Any], Any] = lambda costs: _Fit(*costs),
) -> None:
    """The reference with one part exchanged."""

    def fit(samples: list[Sample]) -> Any:
        good = kept([one for one in samples if counts(one)])
        return told(_solved([row(one) for one in good], [one["e2e"] for one in good], rounds))

    EXERCISE.wrong(name, says=says)(fit)


def _unless(*flags: str) -> Callable[[Sample], bool]:
    """Whether a sample counts for somebody who looks at these flags only."""
    return lambda one: not any(one[flag] for flag in flags) and one["n_out"] is not None


def _tokens_or_chunks(one: Sample) -> list[float]:
    return [1, one["n_in"], (one["chunks"] if one["n_out"] is None else one["n_out"]) - 1]


def _faster(times: float) -> Callable[[list[Sample]], list[Sample]]:
    """Keep what took less than so many times the median time."""
    return lambda good: [one for one in good if one["e2e"] < times * statistics.median(each["e2e"] for each in good)]


def _but_the_slowest(good: list[Sample]) -> list[Sample]:
    return sorted(good, key=lambda one: float(one["e2e"]))[:-1]


class _OutOfOrder(NamedTuple):
    per_in: float
    per_out: float
    base: float

    def predict(self, n_in: int, n_out: int) -> float:
        return self.per_in + self.per_out * n_in + self.base * (n_out - 1)


class _OneGapMore(_Fit):
    def predict(self, n_in: int, n_out: int) -> float:
        return self.base + self.per_in * n_in + self.per_out * n_out


class _OfTheAnswer(_Fit):
    def predict(self, n_in: int, n_out: int) -> float:
        return self.base + self.per_out * (n_out - 1)


class _Rounded(_Fit):
    def predict(self, n_in: int, n_out: int) -> float:
        return round(super().predict(n_in, n_out), 2)


class _InWords(_Fit):
    def predict(self, n_in: int, n_out: int) -> Any:
        return f"{super().predict(n_in, n_out):.2f} s"


_wrong("has no base", "Your base is 0", row=lambda one: _row(one)[1:], told=lambda costs: _Fit(0.0, *costs))
_wrong("counts n gaps for n tokens", "has n - 1 gaps", row=lambda one: [1, one["n_in"], one["n_out"]])
_wrong("forgets the prompt", "takes no longer than an empty one", row=lambda one: [1, one["n_out"] - 1],
       told=lambda costs: _Fit(costs[0], 0.0, costs[1]))  # fmt: skip
_wrong("has one price for all tokens", "one price for all tokens", row=lambda one: [1, one["n_in"] + one["n_out"] - 1],
       told=lambda costs: _Fit(costs[0], costs[1], costs[1]))  # fmt: skip
_wrong("mixes the two prices up", "in each other's places", told=lambda costs: _Fit(costs[0], costs[2], costs[1]))
_wrong("tells milliseconds", "not milliseconds", told=lambda costs: _Fit(*(1000 * costs)))
_wrong(
    "rounds to milliseconds", "costs are rounded", told=lambda costs: _Fit(*(round(float(cost), 3) for cost in costs))
)
_wrong("returns a price only", "three numbers", told=lambda costs: float(costs[2]))
_wrong("counts half of each prompt", "do not fit", row=lambda one: [1, one["n_out"] - 1, one["n_in"] / 2],
       told=lambda costs: _Fit(costs[0], costs[2], costs[1]))  # fmt: skip
_wrong("counts chunks", "is that of a chunk", row=lambda one: [1, one["n_in"], one["chunks"] - 1])
_wrong("counts chunks where nobody counted tokens", "no stand-in", row=_tokens_or_chunks,
       counts=lambda one: not one["failed"] and not one["queued"])  # fmt: skip
_wrong("takes failures in", "requests failed here", counts=_unless("queued"))
_wrong("takes the queue in", "stood in a queue", counts=_unless("failed"))
_wrong("fits everything with least squares", "Your costs follow it", rounds=1)
_wrong("leaves the slowest out", "One of them is left", kept=_but_the_slowest, rounds=1)
_wrong("leaves out what is slow", "not with other times", kept=_faster(2.8), rounds=1)
_wrong("has the names in another order", "under each other's names", told=lambda costs: _OutOfOrder(*costs))
_wrong("predicts one gap too many", "one gap too many", told=lambda costs: _OneGapMore(*costs))
_wrong("predicts without the prompt", "a part in it", told=lambda costs: _OfTheAnswer(*costs))
_wrong("predicts in words", "a number of seconds", told=lambda costs: _InWords(*costs))
_wrong("predicts in hundredths", "predict() rounds", told=lambda costs: _Rounded(*costs))
_wrong("returns what lstsq returns", "three numbers are nameless", told=lambda costs: costs)
_wrong("makes a class of its own", "the NamedTuple of the cell", told=lambda costs: SimpleNamespace(base=costs[0]))
_wrong("reckons with None", "None is no number", counts=lambda one: not one["failed"] and not one["queued"])


@EXERCISE.wrong("divides the time by the tokens", says="your costs predict 0 s")
def _(samples):  # type: ignore[no-untyped-def]
    good = [one for one in samples if _counts(one)]
    each = statistics.mean(one["e2e"] / (one["n_in"] + one["n_out"]) for one in good)
    return _Fit(0.0, each, each)


@EXERCISE.wrong("finds each price for itself", says="in one fit")
def _(samples):  # type: ignore[no-untyped-def]
    good = [one for one in samples if _counts(one)]
    times = [one["e2e"] for one in good]
    per_in = statistics.linear_regression([one["n_in"] for one in good], times).slope
    per_out = statistics.linear_regression([one["n_out"] - 1 for one in good], times).slope
    rest = [one["e2e"] - per_in * one["n_in"] - per_out * (one["n_out"] - 1) for one in good]
    return _Fit(statistics.mean(rest), per_in, per_out)


@EXERCISE.wrong("removes what failed from the list it was given", says="changed what it was given")
def _(samples):  # type: ignore[no-untyped-def]
    for one in [one for one in samples if not _counts(one)]:
        samples.remove(one)
    samples.sort(key=lambda one: one["e2e"])
    return _Fit(*_solved([_row(one) for one in samples], [one["e2e"] for one in samples]))


@EXERCISE.right
def _(samples):  # type: ignore[no-untyped-def]
    # Least absolute deviations, which an outlier pulls no harder than anybody else: least squares with weights.
    good = [one for one in samples if _counts(one)]
    rows, times = np.array([_row(one) for one in good], dtype=float), np.array([one["e2e"] for one in good])
    weights = np.ones(len(times))
    for _ in range(40):
        root = np.sqrt(weights)[:, None]
        costs = np.linalg.lstsq(rows * root, times * root[:, 0])[0]
        weights = 1 / np.maximum(abs(times - rows @ costs), NOISE / 4)
    return _Fit(*costs)


@EXERCISE.right
def _(samples):  # type: ignore[no-untyped-def]
    # Without numpy: normal equations by elimination, and the sample that is farthest off goes, until it is like the others.
    class Found(NamedTuple):
        base: float
        per_in: float
        per_out: float

        def predict(self, n_in: int, n_out: int) -> float:
            return self.base + n_in * self.per_in + (n_out - 1) * self.per_out

    def normal(points: Iterable[tuple[list[float], float]]) -> list[list[float]]:
        table = [[0.0] * 4 for _ in range(3)]
        for row, time in points:
            for i in range(3):
                table[i] = [sum + row[i] * other for sum, other in zip(table[i], [*row, time], strict=True)]
        return table

    def solved(table: list[list[float]]) -> Found:
        for i in range(3):
            table[i] = [cell / table[i][i] for cell in table[i]]
            for j in {0, 1, 2} - {i}:
                table[j] = [cell - table[j][i] * top for cell, top in zip(table[j], table[i], strict=True)]
        return Found(*(line[3] for line in table))

    points = [(_row(one), one["e2e"]) for one in samples if _counts(one)]
    while True:
        found = solved(normal(points))
        off = [abs(time - found.predict(int(row[1]), int(row[2]) + 1)) for row, time in points]
        if max(off) <= 5 * statistics.median(off):
            return found
        points.pop(off.index(max(off)))


@EXERCISE.right
def _(samples):  # type: ignore[no-untyped-def]
    # Planes through three samples each: the one that half of all samples are nearest to shows whom to believe.
    good = [one for one in samples if one["n_out"] and not (one["failed"] or one["queued"])]
    rows, times, draw = np.array([_row(one) for one in good]), np.array([one["e2e"] for one in good]), Random(1)
    best, limit = times, math.inf
    for _ in range(60):
        three = draw.sample(range(len(good)), 3)
        if abs(np.linalg.det(rows[three])) < 1e4:
            continue
        off = np.abs(times - rows @ np.linalg.solve(rows[three], times[three]))
        if np.median(off) < limit:
            best, limit = off, float(np.median(off))
    near = best < 8 * limit
    return _Fit(*np.linalg.lstsq(rows[near], times[near])[0])
