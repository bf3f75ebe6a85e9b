"""Exercise 5.2: a report that says no more than its samples do."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject

RANKS = (50, 95, 99)
KEYS = ("n", "failed", "cold", "p50", "p95", "p99")
Times = tuple[float | None, ...]
"""Times to first token in seconds; None for a request that failed."""
Cold = tuple[tuple[int, float | None], ...]
"""The cold requests: their places among the others, and their times."""


@expectation
def _nearest(times: Times, rank: int) -> float | None:
    """The nearest rank among times with failures as the slowest; None if it is the rank of a failure."""
    answered = sorted(time for time in times if time is not None)
    place = -(-rank * len(times) // 100)
    return answered[place - 1] if 0 < place <= len(answered) else None


@expectation
def _enough(count: int, rank: int) -> bool:
    """Whether five requests lie beyond that rank."""
    return count * (100 - rank) >= 500


@dataclass(frozen=True)
class _Case:
    """A load test: its warm times in the order of their requests, and the cold ones by their place among them."""

    warm: Times
    cold: Cold = ()
    every: float = 0.5
    """Seconds between two requests."""

    def samples(self) -> list[dict[str, Any]]:
        rows: list[tuple[float | None, bool]] = [(time, False) for time in self.warm]
        for place, time in self.cold:
            rows.insert(place, (time, True))
        return [{"due": number * self.every, "ttft": time, "cold": cold} for number, (time, cold) in enumerate(rows)]

    @property
    def answered(self) -> tuple[float, ...]:
        return tuple(time for time in self.warm if time is not None)

    @property
    def failed(self) -> int:
        return len(self.warm) - len(self.answered)

    def right(self) -> dict[str, Any]:
        cold = [time for _, time in sorted(self.cold)]
        ranks = {f"p{rank}": self.percentile(rank) for rank in RANKS}
        return {"n": len(self.warm), "failed": self.failed, "cold": cold, **ranks}

    def percentile(self, rank: int) -> float | None:
        return _nearest(self.warm, rank) if _enough(len(self.warm), rank) else None

    @property
    def given(self) -> str:
        first = ", ".join("None" if time is None else f"{time:g}" for time in self.warm[:8])
        more = ", ..." if len(self.warm) > 8 else ""
        cold = ", ".join(f"{'None' if time is None else f'{time:g}'} in place {place}" for place, time in self.cold)
        return f"{len(self.warm)} warm requests, {self.failed} failed: {first}{more}" + (
            f"; cold: {cold}" if cold else ""
        )


def check(answer: Subject, draw: Random) -> None:
    for case in _fixed(draw):
        _judge(answer, case)
    for _ in range(6):
        _judge(answer, _drawn(draw))


def _fixed(draw: Random) -> list[_Case]:
    """Load tests whose kind is fixed: each is about one mistake, or one limit."""
    return [
        _telling(draw, 21, 7.5),
        _telling(draw, 120, 2.0),
        _Case(_broken(draw, _times(draw, 50), 3)),
        _Case(_times(draw, 130)),
        _Case(_times(draw, 120), ((0, 4.5),)),
        _Case(_times(draw, 120), ((0, 4.5), (61, 5.25)), every=2.0),
        _Case(_broken(draw, _times(draw, 120), 2), ((30, None), (70, 0.125)), every=2.0),
        *(_Case(_times(draw, count)) for count in (100, 99, 10, 9, 500, 499)),
        *(_Case(_broken(draw, _times(draw, 100), failed)) for failed in (1, 5, 6)),
        _Case((None,) * 12),
        _Case((), ((0, 4.5),)),
        _Case(()),
        _Case((0.75,) + (0.5,) * 80 + (0.75,) * 40),
    ]


def _telling(draw: Random, count: int, every: float) -> _Case:
    """A test on which the known mistakes give different values, so that each meets its own words."""
    while True:
        case = _Case(_times(draw, count), every=every)
        if _apart(case, max(rank for rank in RANKS if case.percentile(rank) is not None)):
            return case


def _apart(case: _Case, rank: int) -> bool:
    wrong = [value for value, _ in _mistakes(case, rank) if value not in (None, case.percentile(rank))]
    return len(wrong) == len(set(wrong))


def _times(draw: Random, count: int) -> Times:
    """Two humps, as of short and of long prompts; the slow ones come in a row, and the slowest first."""
    times = [place / 256 for place in draw.sample(range(60, 700), count)]
    begin = draw.randint(0, count)
    times = [time + 4 if begin <= place < begin + count // 6 else time for place, time in enumerate(times)]
    times[0] += 4
    return tuple(times)


def _broken(draw: Random, times: Times, failed: int) -> Times:
    """The same with so many requests failed."""
    places = set(draw.sample(range(1, len(times)), failed))
    return tuple(None if place in places else time for place, time in enumerate(times))


def _drawn(draw: Random) -> _Case:
    times = _times(draw, draw.choice([draw.randint(1, 30), draw.randint(80, 260), draw.randint(490, 560)]))
    failed = min(len(times) - 1, draw.choice([0, 1, 2, 4, len(times) // 15]))
    cold = tuple((place, draw.choice([None, draw.randint(70, 300) / 64])) for place in draw.choice([(), (0,), (0, 1)]))
    return _Case(_broken(draw, times, failed), cold, every=draw.choice([0.25, 2.0]))


def _judge(answer: Subject, case: _Case) -> None:
    samples, right = case.samples(), case.right()
    facts: dict[str, Any] = {"given": case.given, "expected": right}
    try:
        got = answer.call(samples)
    except Raised as raised:
        if why := _raised(case, raised.kind):
            raise NotYet(why, **facts, got=Words(raised)) from None
        raised.given = case.given
        raise
    facts["got"] = got
    if samples != case.samples():
        raise NotYet("Your function changed the list of samples. Somebody else may want to read them, too.", **facts)
    if not isinstance(got, dict) or set(got) != set(KEYS):
        raise NotYet(f"Return a dict with the keys {', '.join(KEYS)}.", **facts)
    for why in (_counts(case, got), *(_rank(case, rank, got[f"p{rank}"]) for rank in reversed(RANKS))):
        if why:
            raise NotYet(why, **facts)
    if got["cold"] != right["cold"]:
        raise NotYet("'cold' is the list of the times of all cold requests, None where one failed.", **facts)


def _raised(case: _Case, kind: str) -> str:
    """What an error means, if it comes from what the samples are."""
    if (
        kind in ("IndexError", "RuntimeError", "StopIteration", "ZeroDivisionError", "StatisticsError", "ValueError")
        and not case.answered
    ):
        return "A test of which nothing was answered has a report, too: no percentile can be printed."
    if kind == "TypeError" and (case.failed or None in [time for _, time in case.cold]):
        return "A failed request has None for a time, which can't be compared with a number. Decide where it belongs."
    return ""


def _counts(case: _Case, got: dict[str, Any]) -> str:
    """Whether all requests are there, and the failures are told."""
    cold, failed, count = len(case.cold), case.failed, len(case.warm)
    if cold and got["n"] == count + cold:
        return "You counted the cold request among the others. It pays for the connection: report it apart."
    if cold != 1 and got["n"] == count + cold - 1:
        return "You left the first sample out. It need not be the cold one, nor the only one: look at 'cold'."
    if failed and (got["failed"] == 0 or got["n"] == count - failed):
        return f"{failed} of {count} failed and your table looks better for it. Count them, in 'failed' and in 'n'."
    if got["n"] != count:
        return f"{count} warm requests were sent, and your n is {got['n']!r}."
    if got["failed"] != failed and type(got["failed"]) is not int:
        return f"'failed' is how many of the warm requests failed, a whole number, and yours is {got['failed']!r}."
    if got["failed"] != failed:
        return f"{failed} of the warm requests failed, and you report {got['failed']!r}. The cold ones are apart."
    return ""


def _rank(case: _Case, rank: int, got: Any) -> str:
    """The mistake behind a percentile, or nothing if it is right."""
    count, right = len(case.warm), case.percentile(rank)
    known = [] if right is None else _mistakes(case, rank)  # of each answer, so that a class edition has them all
    if got == right and type(got) is not bool:
        return ""
    if not _enough(count, rank):
        return _too_few(case, rank, got)
    if right is None:
        return f"Place {rank} of 100 belongs to a request that failed. There is no time to print: the value is None."
    if got is None:
        return f"{count} requests are enough for a p{rank}, and you printed none: five of them lie beyond it."
    if type(got) not in (int, float) or not math.isfinite(got):
        return f"Your p{rank} is no number of seconds."
    if why := next((why for value, why in known if value is not None and abs(got - value) < 1e-9), ""):
        return why
    if any(got == round(right, digits) for digits in (0, 1, 3)):
        return "Your times are rounded. Return them as they are; rounding is for printing."
    if got not in case.answered:
        return f"No request took {got:g} s, your p{rank}. Between two of them nothing occurred: take one that did."
    return f"Your p{rank} is off. Sort the times on paper and count to its place."


def _too_few(case: _Case, rank: int, got: Any) -> str:
    times, count = case.answered, len(case.warm)
    beyond = count * (100 - rank) / 100
    if times and got == max(times):
        return f"With {count} samples your p{rank} is the worst one. One unlucky request decides it: print None."
    return f"Beyond a p{rank} of {count} samples lie {beyond:g}, and it takes five to speak of it: print None."


def _mistakes(case: _Case, rank: int) -> list[tuple[float | None, str]]:
    """The values of known mistakes, and what is said to each."""
    said = (
        f"The cold request stands in your p{rank}. Report it apart.",
        f"The cold request stands in your p{rank}, though it is not in your n. Report it apart.",
        f"Your p{rank} leaves the failures out. Each of them is slower than any answer.",
        f"Your p{rank} takes a failure for a fast answer.",
        f"Your p{rank} is the mean, a time that perhaps nobody waited.",
        f"Your p{rank} is one of averages by the minute: they have the slow requests smoothed away.",
        f"Your p{rank} is what came in that place of time. Sort by how long it took.",
        f"Your p{rank} is the worst of all. {rank} of 100 are not slower than the p{rank}.",
        f"Your p{rank} is one place too far: a list begins with place 0.",
        f"Your p{rank} is one place too far: place 1 of the sorted times is times[0].",
        f"Your p{rank} is counted from the slow end: the fast ones come first.",
        f"Fewer than {rank} of 100 are as fast as your p{rank}. Where no place fits, the next one counts.",
        "Your unit is milliseconds; the times here are seconds.",
        "Your times are rounded. Return them as they are; rounding is for printing.",
    )
    return list(zip(_mistaken(case, rank), said, strict=True))


@expectation
def _mistaken(case: _Case, rank: int) -> list[float | None]:
    times, right = case.answered, case.percentile(rank) or 0.0
    cold = tuple(time for _, time in case.cold)
    ordered, place = sorted(times), rank * len(case.warm) // 100
    above = -(-rank * len(case.warm) // 100)
    with_cold = sorted(times + tuple(time for time in cold if time is not None))
    return [
        _nearest(case.warm + cold, rank),
        with_cold[min(above, len(with_cold)) - 1],
        _nearest(times, rank),
        _nearest((0.0,) * case.failed + times, rank),
        statistics.fmean(ordered),
        _of_minutes(case, rank),
        _unsorted(case, rank),
        ordered[-1],
        ordered[min(place, len(ordered) - 1)],
        None if above == place else ordered[min(above, len(ordered) - 1)],
        ordered[max(0, len(ordered) - above)],
        ordered[place - 1],
        right * 1000,
        round(right, 2),
    ]


def _of_minutes(case: _Case, rank: int) -> float | None:
    minutes: dict[int, list[float]] = defaultdict(list)
    for sample in case.samples():
        if sample["ttft"] is not None and not sample["cold"]:
            minutes[sample["due"] // 60].append(sample["ttft"])
    return _nearest(tuple(statistics.fmean(times) for times in minutes.values()), rank) if len(minutes) > 1 else None


def _unsorted(case: _Case, rank: int) -> float | None:
    place = -(-rank * len(case.warm) // 100)
    return case.warm[place - 1]


EXERCISE = Exercise(
    id="5.2",
    title="report",
    function="report",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "Three kinds of samples are in one list: cold ones, failed ones, and the rest. Which of them belong into which line of "
        "the report? Then ask of each percentile how many requests lie beyond it.",
        "A failure is slower than any answer: math.inf is a number that sorts behind all others. The place of pK among n sorted "
        "times is math.ceil(n * K / 100), counted from 1.",
        "warm = sorted(math.inf if there is no time, else the time, of each sample that is not cold); for each K: place = "
        "math.ceil(len(warm) * K / 100); it is printed if len(warm) * (100 - K) / 100 >= 5 and warm[place - 1] is not math.inf.",
    ),
    reason="A percentile is a place in the queue of all who asked. Whoever leaves failures out moves everybody forward, whoever "
    "mixes cold ones in moves them back, and where fewer than five stand behind a place it tells of luck.",
    check=check,
)

EXERCISE.survive(
    "what is 5 or more is so without its fraction, too",
    "told = n * (100 - rank) // 100 >= 5 and place <= n - failed",
)

# ------------------------------------------------------------------------------------- the reference and its mistakes

INF = math.inf


def _placed(warm: list[float], rank: int) -> float:
    return warm[math.ceil(len(warm) * rank / 100) - 1]


def _honest(count: int, rank: int) -> bool:
    return count * (100 - rank) / 100 >= 5


def _warm(samples: list[Any]) -> list[Any]:
    return [sample for sample in samples if not sample["cold"]]


def _cold(samples: list[Any]) -> Any:
    return [sample["ttft"] for sample in samples if sample["cold"]]


def _wrong(
    name: str,
    says: str,
    *,
    warm: Callable[[list[Any]], list[Any]] = _warm,
    cold: Callable[[list[Any]], Any] = _cold,
    time: Callable[[Any], float] = lambda ttft: INF if ttft is None else ttft,
    order: Callable[[list[float]], list[float]] = sorted,
    place: Callable[[list[float], int], Any] = _placed,
    enough: Callable[[int, int], bool] = _honest,
    count: Callable[[list[float], int], int] = lambda times, failed: len(times),
    failed: Callable[[int, int], int] = lambda warm, all: warm,
    shown: Callable[[float], Any] = lambda value: None if value == INF else value,
) -> None:
    """The reference with one part exchanged."""

    def report(samples: Any) -> Any:
        chosen = warm(samples)
        broken = sum(one["ttft"] is None for one in chosen)
        times = order([time(one["ttft"]) for one in chosen])
        told = failed(broken, sum(one["ttft"] is None for one in samples))
        found = {"n": count(times, broken), "failed": told, "cold": cold(samples)}
        for rank in RANKS:
            found[f"p{rank}"] = shown(place(times, rank)) if times and enough(found["n"], rank) else None
        return found

    EXERCISE.wrong(name, says=says)(report)


def _without(times: list[float], rank: int) -> Any:
    """The place among those that were answered."""
    return _placed([time for time in times if time != INF] or [INF], rank)


def _mean(times: list[float], rank: int) -> float:
    return statistics.fmean(times)


def _between(times: list[float], rank: int) -> float:
    at = (len(times) - 1) * rank / 100
    low, high = times[math.floor(at)], times[math.ceil(at)]
    return low + (high - low) * (at % 1) if low != high else low


_wrong("forgets the failures", "3 of 50 failed and your table looks better for it", warm=lambda samples: [
    one for one in samples if not one["cold"] and one["ttft"] is not None])  # fmt: skip
_wrong(
    "does not count the failures in n", "failed and your table looks", count=lambda times, failed: len(times) - failed
)
_wrong("counts the failures, and leaves them out", "leaves the failures out", place=_without)
_wrong("takes failures for fast", "takes a failure for a fast answer", time=lambda ttft: ttft or 0.0)
_wrong("prints the time of a failure", "There is no time to print", shown=lambda value: value)
_wrong("prints a p99 of 21", "With 21 samples your p99 is the worst one", enough=lambda count, rank: True)
_wrong("takes a hundred for enough", "lie 1.2, and it takes five", enough=lambda count, rank: (
    count >= {50: 10, 95: 100, 99: 100}[rank]))  # fmt: skip
_wrong("wants more than five", "enough for a p95", enough=lambda count, rank: count * (100 - rank) > 500)
_wrong("prints no p95 at all", "requests are enough", enough=lambda count, rank: rank == 50 and _honest(count, rank))
_wrong("takes the mean", "is the mean", place=_mean)
_wrong("does not sort", "Sort by how long it took", order=list)
_wrong("sorts the slow ones first", "the fast ones come first", order=lambda times: sorted(times, reverse=True))
_wrong("takes the slowest", "is the worst of all", place=lambda times, rank: max(times))
_wrong("takes the next place", "a list begins with place 0", place=lambda times, rank: (
    times[min(int(len(times) * rank / 100), len(times) - 1)]))  # fmt: skip
_wrong(
    "rounds the place down", "the next one counts", place=lambda times, rank: times[int(len(times) * rank / 100) - 1]
)
_wrong("takes a time between two", "Between two of them nothing occurred", place=_between)
_wrong("counts cold requests", "You counted the cold request", warm=list)
_wrong("leaves the first sample out", "need not be the cold one", warm=lambda samples: samples[1:])
_wrong("does not tell the cold times", "'cold' is the list", cold=lambda samples: [])
_wrong("leaves cold failures out", "None where one failed", cold=lambda samples: [
    one["ttft"] for one in samples if one["cold"] and one["ttft"] is not None])  # fmt: skip
_wrong("counts cold failures", "The cold ones are apart", failed=lambda warm, all: all)
_wrong("counts milliseconds", "Your unit is milliseconds", shown=lambda value: None if value == INF else value * 1000)
_wrong("rounds to tenths", "rounding is for printing", shown=lambda value: None if value == INF else round(value, 1))
_wrong("takes the place behind", "place 1 of the sorted times", place=lambda times, rank: (
    times[min(math.ceil(len(times) * rank / 100), len(times) - 1)]))  # fmt: skip
_wrong(
    "rounds what it returns", "rounding is for printing", shown=lambda value: None if value == INF else round(value, 2)
)
_wrong("expects an answer", "has a report, too", place=lambda times, rank: (
    _placed(times, rank) if next(time for time in times if time != INF) else INF))  # fmt: skip


def _averages(samples: list[Any]) -> list[float]:
    minutes: dict[int, list[float]] = defaultdict(list)
    for one in samples:
        if not one["cold"] and one["ttft"] is not None:
            minutes[one["due"] // 60].append(one["ttft"])
    return sorted(map(statistics.fmean, minutes.values()))


@EXERCISE.wrong("takes percentiles of averages by the minute", says="have the slow requests smoothed away")
def _(samples):  # type: ignore[no-untyped-def]
    warm = [one for one in samples if not one["cold"]]
    found = {"n": len(warm), "failed": sum(one["ttft"] is None for one in warm), "cold": []}
    averages = _averages(samples)
    return found | {f"p{rank}": _placed(averages, rank) if _honest(len(warm), rank) else None for rank in RANKS}


@EXERCISE.wrong("counts the cold apart, and lets them in", says="The cold request stands in your")
def _(samples):  # type: ignore[no-untyped-def]
    times = sorted(INF if one["ttft"] is None else one["ttft"] for one in samples)
    cold = [one["ttft"] for one in samples if one["cold"]]
    count = len(samples) - len(cold)
    failed = sum(one["ttft"] is None and not one["cold"] for one in samples)
    ranks = {f"p{rank}": _placed(times, rank) if _honest(count, rank) else None for rank in RANKS}
    return {"n": count, "failed": failed, "cold": cold} | {name: None if v == INF else v for name, v in ranks.items()}


@EXERCISE.wrong("takes places of the warm in a list of all", says="though it is not in your n")
def _(samples):  # type: ignore[no-untyped-def]
    times = sorted(INF if one["ttft"] is None else one["ttft"] for one in samples)
    warm = _warm(samples)
    found = {"n": len(warm), "failed": sum(one["ttft"] is None for one in warm), "cold": _cold(samples)}
    for rank in RANKS:
        value = times[math.ceil(len(warm) * rank / 100) - 1] if _honest(len(warm), rank) else None
        found[f"p{rank}"] = None if value == INF else value
    return found


@EXERCISE.wrong("sorts with None among the numbers", says="Decide where it belongs")
def _(samples):  # type: ignore[no-untyped-def]
    times = sorted(one["ttft"] for one in samples if not one["cold"])
    ranks = {f"p{rank}": _placed(times, rank) if _honest(len(times), rank) else None for rank in RANKS}
    return {"n": len(times), "failed": times.count(None), "cold": []} | ranks


@EXERCISE.wrong("takes the cold ones out of the list", says="changed the list of samples")
def _(samples):  # type: ignore[no-untyped-def]
    while samples:
        samples.pop()
    return {}


@EXERCISE.wrong("returns a text", says="Return a dict with the keys")
def _(samples):  # type: ignore[no-untyped-def]
    return f"n={len(samples)}"


@EXERCISE.right
def _(samples):  # type: ignore[no-untyped-def]
    # Counts from the slow end: how many may lie beyond a place, and how many of these have failed.
    answered, cold, failed = [], [], 0
    for sample in samples:
        if sample["cold"]:
            cold += [sample["ttft"]]
        elif sample["ttft"] is None:
            failed += 1
        else:
            answered.append(sample["ttft"])
    n = len(answered) + failed
    result = dict(n=n, failed=failed, cold=cold, p50=None, p95=None, p99=None)
    slowest = sorted(answered, reverse=True)
    for share in (50, 5, 1):
        beyond = n * share // 100
        if beyond >= 5 and beyond >= failed:
            result[f"p{100 - share}"] = slowest[beyond - failed]
    return result


@EXERCISE.right
def _(samples):  # type: ignore[no-untyped-def]
    # By the definition: the smallest time that so many requests don't exceed.
    warm = [sample["ttft"] for sample in samples if not sample["cold"]]
    times = [time for time in warm if time is not None]

    def percentile(rank: int) -> float | None:
        if len(warm) < 5 / (1 - rank / 100):
            return None
        fits = (time for time in times if 100 * sum(other <= time for other in times) >= rank * len(warm))
        return min(fits, default=None)

    return {
        "p50": percentile(50),
        "p95": percentile(95),
        "p99": percentile(99),
        "n": len(warm),
        "failed": warm.count(None),
        "cold": [sample["ttft"] for sample in samples if sample["cold"]],
    }
