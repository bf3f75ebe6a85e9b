"""Exercise 6.4: goodput, and the highest rate that a service keeps its promises at."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.prepared import prepared
from course_utils.checks.subject import Raised, Subject

LIMITS = {"ttft": 1.0, "tpot": 0.0625, "e2e": 12.0}
CLOSE = 1e-9
NEVER = 1e9
"""Seconds that no limit allows: what a request without a token has waited."""


@dataclass(frozen=True)
class _Request:
    """One request of a load test; ``first`` and ``end`` are when its first token came and when it was over."""

    due: float
    first: float | None
    end: float
    tokens: int
    ended: str = "complete"

    def row(self) -> dict[str, Any]:
        return {"due": self.due, "first": self.first, "end": self.end, "tokens": self.tokens, "ended": self.ended}


Trace = tuple[_Request, ...]
Runs = tuple[tuple[float, Trace], ...]
"""Load tests: the rate of each, in requests a second, and its trace."""
Slo = tuple[tuple[str, float], ...]
"""The limits, by name."""
BOTH: Slo = (("ttft", 1.0), ("tpot", 0.0625))
ALL: Slo = tuple(LIMITS.items())


# ------------------------------------------------------------------------------------------------------ what is right


def _value(request: _Request, name: str) -> float:
    """What is compared with the limit of that name; an answer of one token has no time between tokens."""
    if request.first is None:
        return NEVER
    if name == "tpot":
        return (request.end - request.first) / (request.tokens - 1) if request.tokens > 1 else 0.0
    return (request.first if name == "ttft" else request.end) - request.due


def _meets(request: _Request, slo: Slo) -> bool:
    return all(_value(request, name) <= limit for name, limit in slo)


def _good(request: _Request, slo: Slo) -> bool:
    return request.ended == "complete" and _meets(request, slo)


def _seconds(trace: Sequence[_Request]) -> float:
    """How long the test took: from the first request that was due until the last one was over."""
    return max(one.end for one in trace) - min(one.due for one in trace)


@expectation
def _single(trace: Trace, slo: Slo) -> dict[str, Any]:
    """The goodput, those that known mistakes give, and how many complete requests meet each limit alone, and last all."""
    complete = [one for one in trace if one.ended == "complete"]
    met = [
        *(sum(_meets(one, (limit,)) for one in complete) for limit in slo),
        sum(_meets(one, slo) for one in complete),
    ]
    found = {"goodput": _rate_of_good(trace, slo), "met": met}
    return found | {"wrong": _mistaken(trace, slo) if trace else {}, "also": _rarer(trace, slo) if trace else {}}


@expectation
def _several(runs: Runs, slo: Slo, share: float) -> dict[str, Any]:
    """The rate, the goodputs from the lowest rate up, and the rates that known mistakes give, where they are others."""
    tests = sorted(runs, key=lambda run: run[0])
    goods = {rate: sum(_good(one, slo) for one in trace) for rate, trace in tests}
    goodputs = {rate: _rate_of_good(trace, slo) for rate, trace in tests}
    right = _up(tests, lambda rate, trace: goods[rate] >= share * len(trace))
    wrong = {
        name: rate for name, rate in _mistaken_rates(tests, goods, goodputs, share, right).items() if rate != right
    }
    return {"rate": right, "goodputs": list(goodputs.values()), "wrong": wrong}


def _rate_of_good(trace: Trace, slo: Slo) -> float:
    return sum(_good(one, slo) for one in trace) / _seconds(trace) if trace else 0.0


def _up(tests: Sequence[tuple[float, Trace]], kept: Callable[[float, Trace], bool]) -> float | None:
    """The last rate before the first at which it is not kept."""
    best = None
    for rate, trace in tests:
        if not kept(rate, trace):
            break
        best = rate
    return best


# ------------------------------------------------------------------------------------------------------ what is asked


def check(answer: Subject, draw: Random) -> None:
    for trace, slo in _traces(draw):
        _judge_goodput(answer, trace, slo)
    for runs, slo, share in _all_runs(draw):
        _judge(answer, runs, slo, share)


@prepared
def _traces(draw: Random) -> list[tuple[Trace, Slo]]:
    """One load test each: what is good, what failed, how long the test took, and the ends of the rules."""
    none = "failed completed zero unfinished e2e"
    slow = _telling(lambda: _plain_test(draw, slow=4), BOTH, none, "least=first")
    quick = _telling(lambda: _plain_test(draw, slow=1), BOTH, none, "least=first whole=throughput")
    known = "least=first whole=throughput any=throughput any=whole whole=ttft"
    failed = _telling(lambda: _with_failures(draw, _plain_test(draw, slow=1)), ALL, "", known)
    single = tuple(replace(one, end=one.first or 0.0, tokens=1) for one in slow[:8])
    return [
        (slow, BOTH),
        (quick, BOTH),
        (failed, ALL),
        (_with_dropped(draw, failed), ALL),
        (single + slow[8:], BOTH),
        (failed, ALL[:1]),
        (failed, ALL[2:]),
        (failed, ()),
        ((), ALL),
    ]


def _telling(make: Callable[[], Trace], slo: Slo, right: str, alike: str) -> Trace:
    """A test on which known mistakes give goodputs of their own.

    Those in ``right`` are no mistakes there. Two in ``alike``, such as ``"least=first"``, may be the same, as they are told
    apart before, or in the same words.
    """
    while True:
        trace = make()
        found = _single(trace, slo)
        rates = {"": found["goodput"]} | {
            name: rate for name, rate in found["wrong"].items() if name not in right.split()
        }
        pairs = itertools.combinations(rates, 2)
        same = [f"{one}={other}" for one, other in pairs if abs(rates[one] - rates[other]) <= CLOSE]
        if set(same) <= set(alike.split()):
            return trace


def _plain_test(draw: Random, slow: int) -> Trace:
    """Complete requests. Most that are slow to begin are quick to go on; some lie at a limit, or just beyond one.

    There are ``slow`` times as many of the former as of each other kind; with 4 the mean of their TTFT misses its limit.
    """
    kinds = [(8, 60, 2, 15), (8, 60, 18, 24), (70, 160, 18, 24), (64, 64, 8, 8), (16, 16, 16, 16), (32, 32, 17, 17)]
    kinds += [(70, 160, 2, 15)] * slow
    trace = []
    for number in range(64):
        least, most, quickest, slowest = draw.choice(kinds)
        tokens, first = draw.choice([2, 5, 9, 17, 65, 129]), number / 8 + draw.randint(least, most) / 64
        end = first + (tokens - 1) * draw.randint(quickest, slowest) / 256
        trace.append(_Request(number / 8, first, end, tokens))
    return tuple(trace)


def _with_failures(draw: Random, trace: Trace) -> Trace:
    """The same a hundred seconds later; some break off after a few quick tokens, the last of all, and some take long."""
    made = [replace(one, due=one.due + 100, first=(one.first or 0.0) + 100, end=one.end + 100) for one in trace]
    for place in draw.sample(range(1, 63), 8):
        first = made[place].due + draw.randint(16, 56) / 64
        made[place] = replace(made[place], first=first, end=first + 184 / 16, tokens=185)
    for place in (0, *draw.sample(range(1, 63), 6)):
        due = made[place].due
        made[place] = _Request(due, due + 0.25, due + 0.5, 9, "failed")
    due, last = made[63].due, max(one.end for one in made)
    made[63] = _Request(due, due + 0.25, last + 4, 500, "failed")
    return tuple(made)


def _with_dropped(draw: Random, trace: Trace) -> Trace:
    """Some more were turned away at once, and some failed before any token."""
    made = list(trace)
    places = draw.sample([place for place, one in enumerate(trace) if one.ended == "complete"], 12)
    for number, place in enumerate(places):
        ended, takes = ("failed", 5.0) if number % 3 == 0 else ("dropped", 0.0625)
        made[place] = replace(made[place], first=None, end=made[place].due + takes, tokens=0, ended=ended)
    return tuple(made)


@prepared
def _all_runs(draw: Random) -> list[tuple[Runs, Slo, float]]:
    waits, drops = _tests(1, 2, 4, 8, 16), _tests(1, 2, 4, 8, 16, patience=0.5)
    fails = _tests(1, 2, 4, 8, 16, patience=0.5, ended="failed")
    mixed = tuple(waits[place] for place in (3, 0, 4, 2, 1))
    luck = _tests(0.5, 1, 2)
    return [
        (waits, BOTH, 0.75),
        (mixed, BOTH, 0.75),
        (_with_spoilt(luck, {1: 30, 2: 20}), BOTH, 0.75),
        (_with_spoilt(waits, {2: 30}), BOTH, 0.75),
        (_tests(2, 4, 8), BOTH, 0.9375),
        (_with_spoilt(waits, {4: 16}), BOTH, 0.75),
        (drops, BOTH, 0.75),
        (fails, BOTH, 0.75),
        (waits[4:], BOTH, 0.75),
        ((), BOTH, 0.75),
        *(_drawn(draw) for _ in range(5)),
    ]


SEATS, TAKES = 8, 29
"""What the server of these tests can do at once, and how many tokens an answer has, each after a 16th of a second."""


def _tests(*rates: float, patience: float = math.inf, ended: str = "dropped") -> Runs:
    return tuple((rate, _served(rate, patience, ended)) for rate in rates)


def _served(rate: float, patience: float, ended: str) -> Trace:
    """A test of a server with so many seats; whoever would wait longer for one than ``patience`` is turned away."""
    free, made = [0.0] * SEATS, []
    for number in range(64):
        due = number / rate
        begins = max(due, min(free))
        if begins - due > patience:
            made.append(_Request(due, None, due + 0.0625, 0, ended))
            continue
        first = begins + 0.25
        end = first + (TAKES - 1) / 16
        free[free.index(min(free))] = end
        made.append(_Request(due, first, end, TAKES))
    return tuple(made)


def _with_spoilt(runs: Runs, counts: dict[float, int]) -> Runs:
    return tuple((rate, _spoilt(trace, counts[rate]) if rate in counts else trace) for rate, trace in runs)


def _spoilt(trace: Trace, count: int) -> Trace:
    """The same with so many requests that waited too long, spread over the test."""
    places = {number * len(trace) // count for number in range(count)}
    return tuple(_later(one) if place in places else one for place, one in enumerate(trace))


def _later(one: _Request) -> _Request:
    return replace(one, first=None if one.first is None else one.first + 1.5, end=one.end + 1.5)


def _drawn(draw: Random) -> tuple[Runs, Slo, float]:
    rates = draw.sample([0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 16.0], draw.randint(2, 4))
    runs = []
    for rate in rates:
        trace = _served(rate, draw.choice([math.inf, 0.5, 2.0]), draw.choice(["dropped", "failed"]))
        runs.append((rate, _spoilt(trace, draw.choice([4, 20])) if draw.random() < 0.5 else trace))
    return tuple(runs), draw.choice([BOTH, ALL, ALL[:1], ALL[1:]]), draw.choice([0.5, 0.75, 0.9375])


# ------------------------------------------------------------------------------------------------------ what is said


def _asked(answer: Subject, runs: Runs, slo: Slo, share: float, right: Any) -> tuple[Any, dict[str, Any]]:
    """What the answer says to these tests, once it has the right form; and the facts for a verdict."""
    facts: dict[str, Any] = {"given": _given(runs, slo, share), "expected": right}
    try:
        got = answer.call([[rate, [one.row() for one in trace]] for rate, trace in runs], dict(slo), share)
    except Raised as raised:
        if why := _raised(runs, slo, raised.kind):
            raise NotYet(why, **facts, got=Words(raised)) from None
        raised.given = facts["given"]
        raise
    facts["got"] = got
    if not (isinstance(got, list) and len(got) == 2 and isinstance(got[1], list)):
        raise NotYet("Return a pair: a rate or None, and the list of the goodputs.", **facts)
    if len(got[1]) != len(runs) or any(type(value) not in (int, float) for value in got[1]):
        raise NotYet("The list has one number for each of the tests, its goodput.", **facts)
    return got, facts


def _raised(runs: Runs, slo: Slo, kind: str) -> str:
    """What an error means, if it comes from what the tests are."""
    requests = [one for _, trace in runs for one in trace]
    if kind == "ZeroDivisionError" and any(one.tokens == 1 for one in requests):
        return "An answer of one token has no time between tokens, so it can't miss a limit of tpot."
    if kind in ("ZeroDivisionError", "ValueError", "IndexError", "TypeError", "UnboundLocalError") and not requests:
        return "There may be no test, and a test may have no request: then no rate is known, and nothing was good."
    if kind == "KeyError" and len(slo) < len(LIMITS):
        return "The limits are those that stand in slo. There may be one of them, or three, or none."
    if kind == "TypeError" and any(one.first is None for one in requests):
        return "A request that was turned away has no first token, and None is no number to reckon with. Is it good?"
    return ""


def _given(runs: Runs, slo: Slo, share: float) -> str:
    limits = ", ".join(f"{name} {limit:g} s" for name, limit in slo) or "none"
    tests = [f"{rate:g}/s: {_told(trace)}" for rate, trace in runs]
    return f"limits: {limits}; share={share:g}; {'; '.join(tests) or 'no tests'}"


def _told(trace: Trace) -> str:
    counts = [(sum(one.ended == ended for one in trace), ended) for ended in ("complete", "failed", "dropped")]
    return ", ".join(f"{count} {ended}" for count, ended in counts if count) or "no requests"


def _judge_goodput(answer: Subject, trace: Trace, slo: Slo) -> None:
    """The goodput of a single test; what rate is returned for it does not matter here."""
    found = _single(trace, slo)
    got, facts = _asked(answer, ((8.0, trace),), slo, 0.5, Words(f"a goodput of {found['goodput']!r}"))
    value = got[1][0]
    if abs(value - found["goodput"]) <= CLOSE:
        return
    if not slo and value == 0:
        raise NotYet("Without limits there is nothing to miss: every request that is complete is good.", **facts)
    if any(value == round(found["goodput"], digits) for digits in range(7)):
        raise NotYet("Your goodput is rounded. Return it as it is; rounding is for printing.", **facts)
    said, wrong = _mistakes(trace, slo, found["met"]), found["wrong"] | found["also"]
    why = "The goodput is off. Go through the requests one by one: which are good, and how long was the test?"
    raise NotYet(next((said[name] for name, other in wrong.items() if abs(value - other) <= CLOSE), why), **facts)


def _mistakes(trace: Trace, slo: Slo, met: list[int]) -> dict[str, str]:
    """What is said to each of the known mistakes; ``met`` is how many meet each limit, and, last, all."""
    *alone, together = met
    named = [f"{count} meet {name.upper()}" for count, (name, _) in zip(alone, slo, strict=True)]
    each = ", ".join(named).replace(" meet", " requests meet", 1)
    whole = "both" if len(slo) == 2 else "all"
    by_itself = f"{each}, {together} meet {whole}. A user does not care for one limit at a time."
    failed, dropped = (sum(one.ended == ended for one in trace) for ended in ("failed", "dropped"))
    return {
        "least": by_itself,
        "first": by_itself,
        "any": f"You count who meets one limit or the other, and {together} meet {whole}. A late answer is late, "
        "however quickly it goes on.",
        "shares": f"You multiply shares, as if limits were met by chance. Ask each request: {together} meet {whole}.",
        "whole": "You ask whether the test as a whole met the limits, by a mean or a percentile, and then count all "
        "or none. A limit "
        "is for each request: count those that met it.",
        "throughput": "That is throughput: it counts all that were complete, however late. Goodput counts those within the limits.",
        "failed": f"{failed} requests failed, and you count some of them. Half an answer may come quickly, and is no answer.",
        "completed": "You divide by the time of those that came to an end. The test went on while others failed: it is as long as "
        "it was for all.",
        "dues": "Your seconds end with the last request that was due. The test is over when the last one is.",
        "zero": "Your seconds begin at 0, and the test began when its first request was due.",
        "sum": "You add up the seconds of all requests. They ran side by side, so the test was much shorter.",
        "share": "That is a share of the requests. Goodput is a rate: how many good answers a second.",
        "unfinished": f"You counted the {failed + dropped} that did not come to an end as good.",
        "n": "n tokens have n - 1 times between them. Where answers are short, that decides.",
        "ttft": "You read the first token's time as a TTFT. It is a moment of the test; the user waits since the request was due.",
        "e2e": "Your e2e begins with the first token. The user has waited before that as well.",
        "last end": "Your seconds end with the last request of the list. It need not be the last one that is over.",
        "single": "You count no answer of one token. It has no time between tokens, so it can't miss a limit of tpot.",
        "strict": "A request that takes just as long as a limit allows meets it.",
    }


def _mistaken(trace: Trace, slo: Slo) -> dict[str, float]:
    """The goodputs that known mistakes give."""
    good, seconds = sum(_good(one, slo) for one in trace), _seconds(trace)
    counts = _miscounted(trace, slo) | {
        kind: sum(_slip(one, slo, kind) for one in trace if one.ended == "complete")
        for kind in ("n", "ttft", "e2e", "strict")
    }
    lengths = {
        "completed": _seconds([one for one in trace if one.ended == "complete"]),
        "dues": trace[-1].due - trace[0].due,
        "zero": max(one.end for one in trace),
        "sum": sum(one.end - one.due for one in trace),
        "share": len(trace),
    }
    return {name: count / seconds for name, count in counts.items()} | {
        name: good / length for name, length in lengths.items()
    }


def _rarer(trace: Trace, slo: Slo) -> dict[str, float]:
    """Those of mistakes that are looked for last: some give the same as others."""
    good, seconds = [one for one in trace if _good(one, slo)], _seconds(trace)
    return {
        "last end": len(good) / (trace[-1].end - trace[0].due),
        "single": sum(one.tokens > 1 for one in good) / seconds,
    }


def _miscounted(trace: Trace, slo: Slo) -> dict[str, float]:
    complete = [one for one in trace if one.ended == "complete"]
    alone = [sum(_meets(one, (limit,)) for one in complete) for limit in slo] or [len(complete)]
    means = all(statistics.fmean(_value(one, name) for one in complete) <= limit for name, limit in slo)
    return {
        "least": min(alone),
        "first": alone[0],
        "any": sum(any(_meets(one, (limit,)) for limit in slo) for one in complete),
        "shares": math.prod(one / len(complete) for one in alone) * len(complete),
        "whole": len(complete) if means else 0,
        "throughput": len(complete),
        "failed": sum(_meets(one, slo) for one in trace),
        "unfinished": sum(_meets(one, slo) or one.ended != "complete" for one in trace),
    }


def _slip(request: _Request, slo: Slo, kind: str) -> bool:
    """Whether it meets the limits by a reckoning that is a little wrong."""
    first = request.first or 0.0
    values = {name: _value(request, name) for name in LIMITS}
    if kind == "n":
        values["tpot"] = (request.end - first) / request.tokens
    if kind == "ttft":
        values["ttft"] = first
    if kind == "e2e":
        values["e2e"] = request.end - first
    return all(values[name] < limit if kind == "strict" else values[name] <= limit for name, limit in slo)


def _judge(answer: Subject, runs: Runs, slo: Slo, share: float) -> None:
    """The rate, and the goodputs in their order."""
    found = _several(runs, slo, share)
    got, facts = _asked(answer, runs, slo, share, [found["rate"], found["goodputs"]])
    if not all(abs(one - other) <= CLOSE for one, other in zip(got[1], found["goodputs"], strict=True)):
        why = "The goodputs are not right here, where those of single tests were. Do they stand in the order of the rates?"
        raise NotYet(why, **facts)
    if got[0] == found["rate"] and type(got[0]) is not bool:
        return
    said = _rates(runs)
    why = "That is not the rate. Go from the lowest one up: how many of all requests were good at each?"
    raise NotYet(next((said[name] for name, wrong in found["wrong"].items() if got[0] == wrong), why), **facts)


def _rates(runs: Runs) -> dict[str, str]:
    """What is said to each of the known mistakes in a rate."""
    worst = {ended: max((sum(one.ended == ended for one in trace) for _, trace in runs), default=0)
             for ended in ("dropped", "failed")}  # fmt: skip
    return {
        "dropped": f"Drop everything late: your goodput rises. Should it? In one test {worst['dropped']} requests "
        "were turned away, and "
        "you count them out. Who was sent away is a user, too.",
        "failed": f"In one test {worst['failed']} requests failed, and you count them out. To fail is not to be absent.",
        "last": "At a lower rate too few were good, and you went on. Whoever promises a rate promises all below it: stop there.",
        "highest": "There the goodput is highest, and too many users got nothing of it. First the share has to be kept.",
        "by rate": "You compare the goodput with the rate. The test goes on when the last request has been sent, so "
        "a good service falls "
        "short of it, too: take the share of the requests.",
        "strict": "A share that is just reached is reached.",
        "next": "That is the first rate at which too few were good. You want the last one before it.",
        "goodput": "You want a rate from the list: the one that was tried, not the goodput that came of it.",
        "zero": "Not even the lowest rate has enough good requests, or none was tried: then no rate can be "
        "promised, and it is None.",
    }


def _mistaken_rates(
    tests: list[tuple[float, Trace]],
    goods: dict[float, int],
    goodputs: dict[float, float],
    share: float,
    right: float | None,
) -> dict[str, float | None]:
    def all_but(ended: str, trace: Trace) -> int:
        return sum(one.ended != ended for one in trace)

    return {
        "strict": _up(tests, lambda rate, trace: goods[rate] > share * len(trace)),
        "dropped": _up(tests, lambda rate, trace: goods[rate] >= share * all_but("dropped", trace)),
        "failed": _up(tests, lambda rate, trace: goods[rate] >= share * all_but("failed", trace)),
        "last": max((rate for rate, trace in tests if goods[rate] >= share * len(trace)), default=None),
        **({"highest": max(goodputs, key=lambda rate: goodputs[rate])} if len(tests) > 1 else {}),
        "by rate": _up(tests, lambda rate, trace: goodputs[rate] >= share * rate),
        "next": min((rate for rate in goods if right is None or rate > right), default=None),
        "goodput": right if right is None else goodputs[right],
        "zero": 0.0,
    }


EXERCISE = Exercise(
    id="6.4",
    title="goodput and max_rate",
    function="max_rate",
    minutes=15,
    points=3,
    core=False,
    hints=(
        "Take one request and ask three questions: did it come to its end, does it meet each of the limits, and is there a limit "
        "that it can't miss? Then ask who belongs into the count of all, and which seconds are those of the test.",
        "good() is all() over the limits of slo, behind a look at how the request ended. goodput() divides a sum by the time from "
        "the first due to the last end. max_rate() goes up from the lowest rate, and stops where too few of all were good.",
        "for rate, trace in sorted(runs, key=lambda run: run[0]): append goodput(trace, slo); holds = holds and the sum of good() "
        "is at least share * len(trace); if holds: best = rate.",
    ),
    reason="Goodput has all limits at once, and all failures against it. Yet whoever turns late requests away makes it rise, since "
    "the server works for nobody in vain; so beside it stands the share of all who asked, and that falls with each "
    "one turned away.",
    check=check,
)

EXERCISE.survive(
    "of the three words the two others come behind it in the alphabet", 'if request["ended"] > "complete":'
)
EXERCISE.survive(
    "any number that no limit forbids will do",
    'times = {"ttft": request["first"] - request["due"], "tpot": -1.0, "e2e": request["end"] - request["due"]}',
)
EXERCISE.survive("an answer that is complete has a token", 'if request["tokens"] != 1:')
EXERCISE.survive(
    "the two lines do not touch each other",
    "holds = holds and sum(good(request, slo) for request in trace) >= share * len(trace) "
    '(moved before "goodputs.append(goodput(trace, slo))")',
)

# ------------------------------------------------------------------------------------- the reference and its mistakes

Row = dict[str, Any]


def _clocks(row: Row, n: int = 1, since: str = "due", zero: Callable[[Row], float] = lambda row: row["due"]) -> Row:
    """The three times of a request; ``n`` is what is taken off its tokens."""
    gaps = max(1, row["tokens"] - n)
    return {
        "ttft": row["first"] - zero(row),
        "tpot": (row["end"] - row["first"]) / gaps if row["tokens"] > 1 else 0.0,
        "e2e": row["end"] - row[since],
    }


def _fine(row: Row, slo: dict[str, float], **options: Any) -> bool:
    return row["first"] is not None and all(_clocks(row, **options)[name] <= limit for name, limit in slo.items())


def _right(row: Row, slo: dict[str, float]) -> bool:
    return row["ended"] == "complete" and _fine(row, slo)


def _length(trace: list[Row]) -> float:
    return float(max(one["end"] for one in trace) - min(one["due"] for one in trace))


def _complete(trace: list[Row]) -> list[Row]:
    return [one for one in trace if one["ended"] == "complete"]


def _wrong(
    name: str,
    says: str,
    *,
    good: Callable[[Row, dict[str, float]], bool] = _right,
    count: Callable[[list[Row], dict[str, float]], float] | None = None,
    seconds: Callable[[list[Row]], float] = _length,
    asked: Callable[[list[Row]], int] = len,
    enough: Callable[[float, float, int], bool] = lambda goods, share, asked: goods >= share * asked,
    keeps: Callable[[bool, bool], bool] = lambda before, now: before and now,
    order: Callable[[Any], Any] = lambda runs: sorted(runs, key=lambda run: run[0]),
    told: Callable[[Any, list[float], Any, list[float]], Any] = lambda best, goodputs, failing, rates: (best, goodputs),
) -> None:
    """The reference with one part exchanged."""

    def max_rate(runs: Any, slo: dict[str, float], share: float) -> Any:
        best, failing, holds, goodputs, rates = None, None, True, [], []
        for rate, trace in order(runs):
            number = count(trace, slo) if count else sum(good(one, slo) for one in trace)
            goodputs.append(number / seconds(trace) if trace else 0.0)
            rates.append(rate)
            goods = sum(_right(one, slo) for one in trace)
            holds = keeps(holds, enough(goods, share, asked(trace)))
            best = rate if holds else best
            failing = rate if not holds and failing is None else failing
        return told(best, goodputs, failing, rates)

    EXERCISE.wrong(name, says=says)(max_rate)


def _alone(trace: list[Row], slo: dict[str, float]) -> list[int]:
    return [sum(_fine(one, {name: limit}) for one in _complete(trace)) for name, limit in slo.items()]


def _by_mean(trace: list[Row], slo: dict[str, float]) -> int:
    done = _complete(trace)
    mean = {name: statistics.fmean(_clocks(one)[name] for one in done) for name in slo}
    return len(done) if all(mean[name] <= limit for name, limit in slo.items()) else 0


_wrong("has the mean meet the limits", "You ask whether the test as a whole", count=_by_mean)
_wrong("takes the limit that fewest meet", "A user does not care for one limit", count=lambda trace, slo: (
    min(_alone(trace, slo), default=len(_complete(trace)))))  # fmt: skip
_wrong("looks at the first limit only", "requests meet TTFT", count=lambda trace, slo: (
    _alone(trace, slo) or [len(_complete(trace))])[0])  # fmt: skip
_wrong("is content with any of the limits", "one limit or the other", good=lambda row, slo: (
    row["ended"] == "complete" and any(_fine(row, {name: limit}) for name, limit in slo.items())))  # fmt: skip
_wrong("multiplies the shares", "You multiply shares", count=lambda trace, slo: (
    math.prod(one / len(trace) for one in _alone(trace, slo)) * len(trace)))  # fmt: skip
_wrong("counts all that came to an end", "That is throughput", good=lambda row, slo: row["ended"] == "complete")
_wrong("forgets how a request ended", "Half an answer may come quickly", good=_fine)
_wrong("takes the time of those that came to an end", "You divide by the time of those that came", seconds=lambda trace: (
    _length(_complete(trace))))  # fmt: skip
_wrong("ends the test with the last due", "The test is over when the last one is", seconds=lambda trace: (
    trace[-1]["due"] - trace[0]["due"]))  # fmt: skip
_wrong("begins the test at zero", "the test began when its first request", seconds=lambda trace: (
    max(one["end"] for one in trace)))  # fmt: skip
_wrong("sums up all times", "They ran side by side", seconds=lambda trace: (
    sum(one["end"] - one["due"] for one in trace)))  # fmt: skip
_wrong("ends the test with the end of the last due", "need not be the last one that is over", seconds=lambda trace: (
    trace[-1]["end"] - trace[0]["due"]))  # fmt: skip
_wrong("counts no single token", "You count no answer of one token", good=lambda row, slo: (
    _right(row, slo) and ("tpot" not in slo or row["tokens"] > 1)))  # fmt: skip
_wrong("finds nothing good without limits", "nothing to miss", good=lambda row, slo: bool(slo) and _right(row, slo))
_wrong("rounds its goodputs", "goodput is rounded", told=lambda best, goodputs, failing, rates: (
    best, [round(one, 2) for one in goodputs]))  # fmt: skip
_wrong("returns shares", "That is a share of the requests", seconds=len)
_wrong("divides by all tokens", "n tokens have n - 1 times", good=lambda row, slo: (
    row["ended"] == "complete" and _fine(row, slo, n=0)))  # fmt: skip
_wrong("takes a moment for a duration", "It is a moment of the test", good=lambda row, slo: (
    row["ended"] == "complete" and _fine(row, slo, zero=lambda row: 0.0)))  # fmt: skip
_wrong("counts the answer from its first token", "Your e2e begins with the first token", good=lambda row, slo: (
    row["ended"] == "complete" and _fine(row, slo, since="first")))  # fmt: skip
_wrong("wants less than the limit", "just as long as a limit allows", good=lambda row, slo: (
    row["ended"] == "complete" and all(_clocks(row)[name] < limit for name, limit in slo.items())))  # fmt: skip
_wrong("divides by zero for one token", "An answer of one token", good=lambda row, slo: (
    row["ended"] == "complete" and (row["end"] - row["first"]) / (row["tokens"] - 1) >= 0 and _fine(row, slo)))  # fmt: skip
_wrong("wants all three limits", "There may be one of them", good=lambda row, slo: (
    row["ended"] == "complete" and all(_clocks(row)[name] <= slo[name] for name in LIMITS)))  # fmt: skip
_wrong("compares what never began", "None is no number to reckon with", good=lambda row, slo: (
    all(_clocks(row)[name] <= limit for name, limit in slo.items()) and row["ended"] == "complete"))  # fmt: skip
_wrong("leaves out who was turned away", "your goodput rises. Should it?", asked=lambda trace: (
    sum(one["ended"] != "dropped" for one in trace)))  # fmt: skip
_wrong("leaves out what failed", "To fail is not to be absent", asked=lambda trace: (
    sum(one["ended"] != "failed" for one in trace)))  # fmt: skip
_wrong("takes the highest rate that is good enough", "promises all below it", keeps=lambda before, now: now)
_wrong("takes the rate of the highest goodput", "There the goodput is highest", told=lambda best, goodputs, failing, rates: (
    max(zip(goodputs, rates, strict=True), default=(0, None))[1], goodputs))  # fmt: skip
_wrong("wants more than the share", "just reached is reached", enough=lambda goods, share, asked: goods > share * asked)
_wrong("names the first rate that fails", "You want the last one before it", told=lambda best, goodputs, failing, rates: (
    failing, goodputs))  # fmt: skip
_wrong("returns the goodput for the rate", "not the goodput that came of it", told=lambda best, goodputs, failing, rates: (
    best and goodputs[rates.index(best)], goodputs))  # fmt: skip
_wrong("knows no None", "and it is None", told=lambda best, goodputs, failing, rates: (best or 0.0, goodputs))
_wrong("goes through the tests as they come", "in the order of the rates", order=list)
_wrong("returns the rate alone", "Return a pair", told=lambda best, goodputs, failing, rates: best)
_wrong("has no number for several tests", "where those of single tests were", told=lambda best, goodputs, failing, rates: (
    best, goodputs if len(goodputs) == 1 else [math.nan] * len(goodputs)))  # fmt: skip
_wrong("gives the goodput of the best alone", "one number for each", told=lambda best, goodputs, failing, rates: (
    best, goodputs[:1] if len(goodputs) > 1 else []))  # fmt: skip


@EXERCISE.wrong("compares the goodput with the rate", says="You compare the goodput with the rate")
def _(runs, slo, share):  # type: ignore[no-untyped-def]
    best, holds, goodputs = None, True, []
    for rate, trace in sorted(runs, key=lambda run: run[0]):
        goodputs.append(sum(_right(one, slo) for one in trace) / _length(trace) if trace else 0.0)
        holds = holds and goodputs[-1] >= share * rate
        best = rate if holds else best
    return best, goodputs


@EXERCISE.wrong("has every percentile meet the limits", says="by a mean or a percentile")
def _(runs, slo, share):  # type: ignore[no-untyped-def]
    goodputs = []
    for _, trace in runs:
        done = _complete(trace)
        slow = {name: sorted(_clocks(one)[name] for one in done)[len(done) * 95 // 100] for name in slo}
        kept = all(slow[name] <= limit for name, limit in slo.items())
        goodputs.append(len(done) / _length(trace) if kept else 0.0)
    return None, goodputs


@EXERCISE.wrong("expects a request in each test", says="a test may have no request")
def _(runs, slo, share):  # type: ignore[no-untyped-def]
    best, goodputs = None, []
    for rate, trace in sorted(runs, key=lambda run: run[0]):
        goodputs.append(sum(_right(one, slo) for one in trace) / _length(trace))
        best = rate
    return best, goodputs


@EXERCISE.right
def _(runs, slo, share):  # type: ignore[no-untyped-def]
    # Two lists of the same order, and the first place at which too few were good.
    def meets(one: Row) -> bool:
        limit = slo.get
        if one["ended"] != "complete" or one["first"] - one["due"] > limit("ttft", math.inf):
            return False
        decode = one["end"] - one["first"]
        return bool(decode <= limit("tpot", math.inf) * (one["tokens"] - 1) or one["tokens"] == 1) and one["end"] - one[
            "due"
        ] <= limit("e2e", math.inf)

    tests = dict(sorted((rate, trace) for rate, trace in runs))
    good = [len([one for one in trace if meets(one)]) for trace in tests.values()]
    goodputs = [
        count / (max([one["end"] for one in trace]) - trace[0]["due"]) if trace else 0
        for count, trace in zip(good, tests.values(), strict=True)
    ]
    fits = [count >= share * len(trace) for count, trace in zip(good, tests.values(), strict=True)]
    until = fits.index(False) if False in fits else len(fits)
    return ([*tests][until - 1] if until else None), goodputs


@EXERCISE.right
def _(runs, slo, share):  # type: ignore[no-untyped-def]
    # One pass with counters, from the highest rate down: a test that fails takes everything above it along.
    table: list[float] = []
    best = None
    for rate, trace in sorted(runs, key=lambda run: -run[0]):
        begin, end, good = math.inf, -math.inf, 0
        for one in trace:
            begin, end = min(begin, one["due"]), max(end, one["end"])
            if one["ended"] != "complete":
                continue
            clocks = {"ttft": one["first"] - one["due"], "e2e": one["end"] - one["due"]}
            if one["tokens"] > 1:
                clocks["tpot"] = (one["end"] - one["first"]) / (one["tokens"] - 1)
            good += all(clocks.get(name, 0) <= slo[name] for name in slo)
        table.insert(0, good / (end - begin) if trace else 0.0)
        if not trace or good / len(trace) < share:
            best = None
        elif best is None:
            best = rate
    return best, table
