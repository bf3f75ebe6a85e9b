"""Exercise 2.1: from logits to the next token, with temperature and top_k."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject

DRAWS = 400
FAR = 6.0
"""Standard deviations that a count may be off: a right answer is further off once in many million counts."""
NEAR = 4.0
"""The same for the shares of a known mistake: whoever is further off has made another one."""

INF = math.inf
Shares = list[float]
Pick = Callable[[list[float], float, int | None], Shares]


def check(answer: Subject, draw: Random) -> None:
    _likeliest(answer, draw)
    _own_generator(answer, draw)
    plain = _Case([math.log(share) for share in (0.0625, 0.6875, 0.125, 0.125)])
    softmax = "At temperature 1 the shares are those of softmax: exp of each logit, divided by their sum."
    _judge(answer, draw, plain, softmax, 2 * DRAWS)
    _size(answer, draw)
    for case, draws in ((_Case([0.0, 0.5, 1.5], 0.5), 2 * DRAWS), (_Case([0.0, 3.0, 6.0], 3.0), DRAWS)):
        why = f"At temperature {case.temperature:g} each logit is divided by {case.temperature:g} before softmax."
        _judge(answer, draw, case, why, draws)
    _judge(answer, draw, _Case([0.0, 1.0], 0.0005), "So cold, only the likeliest token is left.", 100)
    cold = "Cold, but not 0: these logits are so close that the other token still has its share."
    _judge(answer, draw, _Case([0.02, 0.0], 0.02), cold)
    some = _Case([0.4, 0.4, 1.0, 0.4, 0.5, 0.45, 1.5, 0.4, 0.4], 1.0, 3)
    _judge(answer, draw, some, "Only the three likeliest take part, here 6, 2 and 4.")
    _judge(answer, draw, _Case([2.0, 1.0, 3.0], 1.0, 9), "There are fewer than top_k tokens: all of them take part.")
    ties = "Three logits are equal and only one of them has a place: top_k=2 keeps two tokens, and of equals the smaller ids."
    _judge(answer, draw, _Case([1.0, 2.0, 1.0, 1.0], 1.0, 2), ties)
    never = "A logit of -inf has the probability 0: it is never drawn, and the others share the whole."
    _judge(answer, draw, _Case([-INF, 1.0, 2.0, -INF], 1.0), never)
    for _ in range(3):
        _judge(answer, draw, _drawn(draw), "Another case goes wrong. Work its shares out with a pencil.")


@dataclass(frozen=True)
class _Case:
    logits: list[float]
    temperature: float = 1.0
    top_k: int | None = None

    @property
    def given(self) -> str:
        shown = [round(logit, 3) for logit in self.logits]
        return f"logits={shown}, temperature={self.temperature:g}, top_k={self.top_k}"

    def ask(self, answer: Subject, rng: Random) -> Any:
        """One token of the answer, and whether the logits are as they were."""
        logits = list(self.logits)
        try:
            got = answer.call(logits, self.temperature, self.top_k, rng)
        except Raised as raised:
            raised.given = self.given
            raise
        if logits != self.logits:
            why = (
                "Your function changed the list of logits, so a second call would not give what the first one gave. "
                "Copy it."
            )
            raise NotYet(why, given=self.given, got=logits, expected=self.logits)
        return got


def _drawn(draw: Random) -> _Case:
    """A few tokens, none of them rare, so that some hundred draws tell enough."""
    temperature = draw.choice([0.5, 0.75, 1.5, 2.5])
    logits = [temperature * draw.randint(0, 8) / 4 for _ in range(draw.randint(3, 6))]
    return _Case(logits, temperature, draw.choice([None, 2, 3]))


def _likeliest(answer: Subject, draw: Random) -> None:
    """Temperature 0."""
    for logits, top_k, why in (
        ([1.0, 3.0, 2.0], None, "At temperature 0 the likeliest token is certain: the one with the largest logit."),
        (
            [-3.0, -1.0, -2.0],
            None,
            "At temperature 0 the likeliest token is certain, also where all logits are below 0.",
        ),
        ([1.0, 3.0, 3.0, 0.0], None, "Two logits are equally large. At temperature 0 the smaller id wins."),
        ([-INF, 2.0, 4.0, 3.0], 2, "At temperature 0 the likeliest token is certain, whatever top_k is."),
    ):
        case = _Case(logits, 0, top_k)
        expected = logits.index(max(logits))
        for _ in range(5):
            try:
                got = case.ask(answer, _generator(draw))
            except Raised as raised:
                if raised.kind != "ZeroDivisionError":
                    raise
                why = (
                    "Temperature 0 has a meaning, though one can't divide by it: which token remains when all gets "
                    "colder?"
                )
                raise NotYet(why, given=case.given, got=Words(raised), expected=expected) from None
            if type(got) is float and got in logits:
                raise NotYet("Return the id of the token, its place in logits, not its logit.",
                             given=case.given, got=got, expected=expected)  # fmt: skip
            if type(got) is not int:
                raise NotYet(
                    "Return the id of one token, a whole number.", given=case.given, got=got, expected=expected
                )
            if got != expected:
                raise NotYet(why, given=case.given, got=got, expected=expected)


def _size(answer: Subject, draw: Random) -> None:
    """Logits for which exp is too large, or nothing at all."""
    why = (
        "exp of such a number is beyond all floats, or 0 for all of them. Only differences of logits matter: take the "
        "largest one away from each first."
    )
    for case in (_Case([1e4, 1e4, 0.0]), _Case([-1e4, -1e4, -2e4])):
        try:
            _judge(answer, draw, case, why, 100)
        except Raised as raised:
            raise NotYet(why, given=case.given, got=Words(raised)) from None


def _own_generator(answer: Subject, draw: Random) -> None:
    case, seed = _Case([0.0] * 8), draw.getrandbits(32)
    before = random.getstate()
    first, second = ([case.ask(answer, rng) for _ in range(16)] for rng in (Random(seed), Random(seed)))
    facts: dict[str, Any] = {"given": f"{case.given}, and twice the same rng", "got": Words(f"{first}, then {second}")}
    if random.getstate() != before:
        raise NotYet(
            "You drew from the generator that everybody shares. Draw from rng, and from nothing else.", **facts
        )
    if first != second:
        raise NotYet("Same seed, another text: something was drawn that does not come from rng.", **facts)
    _each_draw_anew(answer, draw)
    if set(first) == {0}:
        why = (
            "Of equally large logits the first one always comes. Keep the ids while you sort and draw: a logit does not tell of "
            "which token it is."
        )
        raise NotYet(why, given=case.given, got=Words(f"{first}"))


def _each_draw_anew(answer: Subject, draw: Random) -> None:
    """Refuse whoever gives one token again and again, where all are about equally likely."""
    for logits in ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]):
        case, rng = _Case(logits), _generator(draw)
        ids = [case.ask(answer, rng) for _ in range(16)]
        if len(set(ids)) == 1:
            why = GREEDY if ids[0] == logits.index(max(logits)) else SEEDED
            raise NotYet(why, given=f"{case.given}, 16 draws from one rng", got=Words(f"{ids}"))


def _generator(draw: Random) -> Random:
    return Random(draw.getrandbits(64))


def _judge(answer: Subject, draw: Random, case: _Case, why: str, draws: int = DRAWS) -> None:
    """Draw often, and compare how often each token came with how often it should."""
    expected, rng = _shares(case.logits, case.temperature, case.top_k), _generator(draw)
    mistaken = _mistaken(case.logits, case.temperature, case.top_k)
    counts = [0] * len(case.logits)
    for _ in range(draws):
        got = case.ask(answer, rng)
        facts: dict[str, Any] = {
            "given": case.given,
            "got": got,
            "expected": Words(f"ids in the shares {_shown(expected)}"),
        }
        if got is None:
            raise NotYet("Nothing was drawn now and then: your shares do not sum to 1. Divide by the sum of those that "
                         "take part.", **facts)  # fmt: skip
        if type(got) is not int or not 0 <= got < len(counts):
            raise NotYet("Return the id of one token, its place in logits.", **facts)
        if not expected[got] and case.top_k:
            rank = sorted(case.logits, reverse=True).index(case.logits[got]) + 1
            tie = case.logits[got] in [logit for logit, share in zip(case.logits, expected, strict=True) if share]
            if not tie and got < case.top_k:
                why = f"The first {case.top_k} ids took part. The largest logits count, wherever they stand."
            elif not tie:
                why = f"A token ranked {rank} was drawn, with top_k={case.top_k}. It must be out before anything is drawn."
            raise NotYet(why, **facts)
        counts[got] += 1
    if not _fits(counts, expected):
        came = Words(f"ids in the shares {_shown([count / draws for count in counts])}")
        facts = {
            "given": f"{case.given}, drawn {draws} times",
            "got": came,
            "expected": Words(f"about {_shown(expected)}"),
        }
        raise NotYet(_misconception(mistaken, counts) or why, **facts)


def _misconception(found: dict[str, Shares], counts: list[int]) -> str:
    """What is said to the mistake whose shares are the nearest, if they are near."""
    draws = sum(counts)
    nearest = min(found, key=lambda said: math.dist(found[said], [count / draws for count in counts]))
    return nearest if _fits(counts, found[nearest], NEAR) else ""


def _fits(counts: list[int], shares: Shares, far: float = FAR) -> bool:
    """Whether so many of each are likely with these shares."""
    draws = sum(counts)
    return all(
        abs(count - draws * share) <= far * math.sqrt(draws * share * (1 - share))
        for count, share in zip(counts, shares, strict=True)
    )


def _shown(shares: Shares) -> list[float]:
    return [round(share, 2) for share in shares]


def _kept(logits: list[float], top_k: int | None) -> list[int]:
    """The ids that take part, the likeliest first."""
    return sorted(range(len(logits)), key=lambda id: -logits[id])[:top_k]


@expectation
def _shares(logits: list[float], temperature: float, top_k: int | None) -> Shares:
    top, kept = max(logits), _kept(logits, top_k)
    weights = [math.exp((logit - top) / temperature) if id in kept else 0.0 for id, logit in enumerate(logits)]
    return [weight / sum(weights) for weight in weights]


def _flat(logits: list[float], temperature: float, top_k: int | None) -> Shares:
    kept = _kept(logits, top_k)
    return [1 / len(kept) if id in kept else 0.0 for id in range(len(logits))]


def _rest_to(place: int) -> Pick:
    """The shares of all tokens, those that are out included; what is missing to 1 falls to one that is in."""

    def pick(logits: list[float], temperature: float, top_k: int | None) -> Shares:
        whole, kept = _shares(logits, temperature, None), _kept(logits, top_k)
        shares = [share if id in kept else 0.0 for id, share in enumerate(whole)]
        shares[kept[place]] += 1 - sum(shares)
        return shares

    return pick


GREEDY = "You take the likeliest token also where one is to be drawn."
SEEDED = (
    "Every call draws the same token. Is rng seeded, or copied, in each of them? Only who makes rng gives it a seed; you draw from "
    "it, and it goes on."
)
NOT_WHOLE = (
    "The shares of those that take part must sum to 1 again once the others are out: {} token gets all the rest now."
)
MISCONCEPTIONS: dict[str, Pick] = {
    "Warm and cold are mixed up: below 1 your distribution got flatter. Divide by the temperature; do not multiply.": (
        lambda logits, temperature, top_k: _shares(logits, 1 / temperature, top_k)
    ),
    "The temperature made no difference. Dividing has to come before exp: afterwards it cancels out.": (
        lambda logits, temperature, top_k: _shares(logits, 1.0, top_k)
    ),
    "All tokens that take part are equally likely now. What are the logits for?": _flat,
    NOT_WHOLE.format("the likeliest"): _rest_to(0),
    NOT_WHOLE.format("the last"): _rest_to(-1),
    "Those are the right shares of other tokens: your places are those among the sorted logits. Keep the ids while you sort.": (
        lambda logits, temperature, top_k: sorted(_shares(logits, temperature, top_k), reverse=True)
    ),
    GREEDY: (lambda logits, temperature, top_k: [float(id == logits.index(max(logits))) for id in range(len(logits))]),
}
"""What is said to an answer whose draws fit the shares of a known mistake."""


@expectation
def _mistaken(logits: list[float], temperature: float, top_k: int | None) -> dict[str, Shares]:
    """The shares of all known mistakes, by what is said to them."""
    return {said: pick(logits, temperature, top_k) for said, pick in MISCONCEPTIONS.items()}


EXERCISE = Exercise(
    id="2.1",
    title="sample",
    function="sample",
    minutes=10,
    points=2,
    core=True,
    hints=(
        "Take logits 0, 1 and 2 and a pencil. What becomes of them at temperature 2, and what at 0.5? Which step makes "
        "shares of them, and which one makes a choice?",
        "Four steps in this order: sort the ids by their logits and keep the first top_k; at temperature 0 you are done; "
        "exp of (logit minus the largest logit) divided by the temperature gives a weight; draw by weight.",
        "With ids the kept ones and weights their weights, rng.choices(ids, weights) draws, and needs no sum of 1. It gives "
        "a list with one id in it.",
    ),
    reason="Only differences of logits matter, so the largest is taken away before exp, and nothing overflows. What is cut "
    "by top_k is cut before the draw; and every draw comes from rng, so the same seed gives the same text.",
    check=check,
)

EXERCISE.survive("a temperature is never below 0", "if temperature <= 0:")
EXERCISE.survive("the list has one id, the first and the last at once", "return rng.choices(ids, weights)[-1]")


def _wrong(
    name: str,
    says: str,
    *,
    weight: Callable[[float, float, float], float] = lambda logit, top, t: math.exp((logit - top) / t),
    keep: Callable[[list[float], int | None], list[int]] = _kept,
    choose: Callable[[list[int], list[float], Random], Any] = lambda ids, weights, rng: rng.choices(ids, weights)[0],
    coldest: Callable[[list[float]], Any] | None = lambda logits: logits.index(max(logits)),
) -> None:
    """The reference with one part exchanged."""

    def sample(logits: list[float], temperature: float, top_k: int | None, rng: Random) -> Any:
        if temperature == 0 and coldest:
            return coldest(logits)
        ids, top = keep(logits, top_k), max(logits)
        return choose(ids, [weight(logits[id], top, temperature) for id in ids], rng)

    EXERCISE.wrong(name, says=says)(sample)


_wrong("divides by a temperature of 0", "Temperature 0 has a meaning", coldest=None)
_wrong("returns the logit", "not its logit", coldest=max)
_wrong("returns the token in a list", "a whole number", coldest=lambda logits: [logits.index(max(logits))])
_wrong(
    "takes the last of equals at temperature 0",
    "the smaller id wins",
    coldest=lambda logits: len(logits) - 1 - logits[::-1].index(max(logits)),
)
_wrong("takes the least likely", "the one with the largest logit", coldest=lambda logits: logits.index(min(logits)))
_wrong("does not take the largest away", "beyond all floats", weight=lambda logit, top, t: math.exp(logit / t))
_wrong(
    "uses the generator that all share",
    "everybody shares",
    choose=lambda ids, weights, rng: random.choices(ids, weights)[0],
)
_wrong(
    "makes a generator of its own",
    "Same seed, another text",
    choose=lambda ids, weights, rng: Random().choices(ids, weights)[0],
)
_wrong("multiplies by the temperature", "do not multiply", weight=lambda logit, top, t: math.exp((logit - top) * t))
_wrong("forgets the temperature", "made no difference", weight=lambda logit, top, t: math.exp(logit - top))
_wrong("draws evenly", "What are the logits for", choose=lambda ids, weights, rng: rng.choice(ids))
_wrong(
    "never draws", "also where one is to be drawn", choose=lambda ids, weights, rng: ids[weights.index(max(weights))]
)
_wrong("keeps one too many", "was drawn, with top_k", keep=lambda logits, top_k: _kept(logits, top_k and top_k + 1))
_wrong("cuts ids instead of logits", "wherever they stand", keep=lambda logits, top_k: list(range(len(logits)))[:top_k])
_wrong(
    "keeps all equals of the last",
    "keeps two tokens",
    keep=lambda logits, top_k: [
        id for id, logit in enumerate(logits) if not top_k or logit >= sorted(logits)[-min(top_k, len(logits))]
    ],
)
_wrong(
    "keeps the larger ids of equals",
    "of equals the smaller ids",
    keep=lambda logits, top_k: sorted(range(len(logits)), key=lambda id: (-logits[id], -id))[:top_k],
)


_wrong(
    "makes a generator with the same seed in each call",
    "Is rng seeded",
    choose=lambda ids, weights, rng: Random(len(ids)).choices(ids, weights)[0],
)
_wrong(
    "returns a place among the sorted",
    "Keep the ids while you sort",
    choose=lambda ids, weights, rng: rng.choices(range(len(ids)), weights)[0],
)


@EXERCISE.wrong("looks for the logit it has drawn", says="a logit does not tell")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    kept = sorted(logits, reverse=True)[:top_k]
    weights = [math.exp((logit - kept[0]) / temperature) for logit in kept]
    return logits.index(rng.choices(kept, weights)[0])


@EXERCISE.wrong("takes every cold temperature for 0", says="also where one is to be drawn")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature < 0.1:
        return logits.index(max(logits))
    weights = _shares(logits, temperature, top_k)
    return rng.choices(range(len(logits)), weights)[0]


@EXERCISE.wrong("cuts the list it was given", says="changed the list")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    for id in range(len(logits)):
        if id not in _kept(logits, top_k):
            logits[id] = -INF
    top = max(logits)
    return rng.choices(range(len(logits)), [math.exp((logit - top) / temperature) for logit in logits])[0]


@EXERCISE.wrong("leaves the rest to nobody", says="do not sum to 1")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    mark, kept, total = rng.random(), _kept(logits, top_k), 0.0
    for id, share in enumerate(_shares(logits, temperature, None)):
        total += share if id in kept else 0.0
        if mark < total:
            return id
    return None


@EXERCISE.wrong("leaves the rest to the last one", says="the last token gets all the rest")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    mark, kept, total, id = rng.random(), _kept(logits, top_k), 0.0, 0
    shares = _shares(logits, temperature, None)
    for id in kept:
        total += shares[id]
        if mark < total:
            return id
    return id


@EXERCISE.wrong("draws first and then looks whether it takes part", says="the likeliest token gets all the rest")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    kept = _kept(logits, top_k)
    id = rng.choices(range(len(logits)), _shares(logits, temperature, None))[0]
    return id if id in kept else kept[0]


@EXERCISE.wrong("forgets exp", says="those of softmax")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    kept = _kept(logits, top_k)
    return rng.choices(kept, [logits[id] - min(logits) + 1 for id in kept])[0]


@EXERCISE.wrong("takes a logit of -inf for 0", says="it is never drawn")
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    if temperature == 0:
        return logits.index(max(logits))
    top, kept = max(logits), _kept(logits, top_k)
    known = [0.0 if logit == -INF else logit for logit in logits]
    return rng.choices(kept, [math.exp((known[id] - top) / temperature) for id in kept])[0]


@EXERCISE.right
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    # Those that are out get the weight 0, and the ids are a range.
    kept = sorted(range(len(logits)), key=lambda id: (-logits[id], id))[:top_k]
    if temperature == 0:
        return kept[0]
    weights = {id: 0.0 for id in range(len(logits))}
    weights |= {id: math.exp((logits[id] - logits[kept[0]]) / temperature) for id in kept}
    return rng.choices(range(len(logits)), weights=weights.values(), k=1)[0]


@EXERCISE.right
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    order = sorted(enumerate(logits), key=lambda pair: (-pair[1], pair[0]))[: top_k or len(logits)]
    if not temperature:
        return order[0][0]
    weights = [math.exp((logit - order[0][1]) / temperature) for _, logit in order]
    sums = list(itertools.accumulate(weights))
    mark = rng.random() * sums[-1]
    return next((id for (id, _), total in zip(order, sums, strict=True) if mark < total), order[-1][0])


@EXERCISE.right
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    # A draw by weight is the largest of the logits, each with a little noise of the right kind (Gumbel).
    ids = list(range(len(logits)))
    while top_k is not None and len(ids) > top_k:
        ids.remove(min(reversed(ids), key=logits.__getitem__))
    if temperature == 0:
        return max(ids, key=logits.__getitem__)
    return max(ids, key=lambda id: logits[id] / temperature - math.log(rng.expovariate(1.0)))


@EXERCISE.right
def _(logits, temperature, top_k, rng):  # type: ignore[no-untyped-def]
    # Throw a token and a dart, until the dart hits below the token's weight.
    top = max(logits)
    if temperature == 0:
        return logits.index(top)
    ids = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:top_k]
    while True:
        id = rng.choice(ids)
        if rng.random() < math.exp((logits[id] - top) / temperature):
            return id
