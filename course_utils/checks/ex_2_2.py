"""Exercise 2.2: generate with a cache, and count the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject

SIZE = 12
ROOM = 64


class _Cache:
    """The tokens that were read; a real one has what the model learned from them."""

    seen_by_learners = ("__len__",)

    def __init__(self) -> None:
        self.ids: list[int] = []

    def __len__(self) -> int:
        return len(self.ids)


class _ContextFull(ValueError):
    """As the course's own model raises it."""


class Model:
    """A language model of a few lines: what follows depends on every token read so far, and on nothing else.

    It has the methods of the course's own model. With ``ties`` the largest logits are equal.
    """

    seen_by_learners = ("cache", "forward", "tokens_processed")
    tokens_processed = 0

    def __init__(self, seed: int, context: int = ROOM, ties: bool = False) -> None:
        self._seed, self._context, self._ties = seed, context, ties
        self.tokens_processed = 0
        self._caches: list[_Cache] = []
        self.reused = False

    def cache(self) -> _Cache:
        self._caches.append(_Cache())
        return self._caches[-1]

    def forward(self, ids: Sequence[int], cache: _Cache | None = None) -> list[list[float]]:
        """A row of logits for each of ``ids``: row i says what may follow ``ids[i]``."""
        if cache is None:
            cache = _Cache()
        elif cache not in self._caches:
            self.reused = True
        rows = []
        for id in ids:
            if len(cache) == self._context:
                raise _ContextFull(f"the context has room for {self._context} tokens, and one more came")
            cache.ids.append(int(id))
            self.tokens_processed += 1
            rows.append(self.row(cache.ids))
        return rows

    def row(self, ids: list[int]) -> list[float]:
        dice = Random(f"{self._seed} {ids}")
        logits = dice.sample(range(-12, 12), SIZE)
        return [float(min(logit, 3) if self._ties else logit) for logit in logits]

    @property
    def read(self) -> list[int]:
        """What went into the cache that was used most."""
        return max((cache.ids for cache in self._caches), key=len, default=[])


@dataclass(frozen=True)
class _Case:
    seed: int
    prompt: list[int]
    n: int
    end: int | None = None
    context: int = ROOM
    ties: bool = False
    defaults: bool = False
    """Whether end and context are left to the defaults of the answer, None and 256."""

    def model(self) -> Model:
        return Model(self.seed, self.context, self.ties)

    def expected(self, row: int = -1) -> list[int]:
        """The ids; with another ``row`` those of somebody who looks at the wrong one after the prompt."""
        return _ids(self.seed, self.ties, self.prompt, self.n, self.end, self.context, row)

    @property
    def given(self) -> str:
        prompt = self.prompt if len(self.prompt) < 20 else f"({len(self.prompt)} ids)"
        rest = "" if self.defaults else f", end={self.end}, context={self.context}"
        return f"prompt_ids={prompt}, n={self.n}{rest}"


@expectation
def _ids(seed: int, ties: bool, prompt: list[int], n: int, end: int | None, context: int, row: int) -> list[int]:
    model, ids, out = Model(seed, context, ties), list(prompt), list[int]()
    while len(out) < n and len(ids) < context:
        logits = model.row(ids if out or row == -1 else ids[: row + 1])
        id = logits.index(max(logits))
        if id == end:
            break
        out.append(id)
        ids.append(id)
    return out


@dataclass(frozen=True)
class _Run:
    """What came, and how many tokens the model had read when each came, and in the end."""

    case: _Case
    model: Model
    got: list[Any]
    work: list[int]

    @property
    def facts(self) -> dict[str, Any]:
        return {"given": self.case.given, "got": self.got, "expected": self.case.expected()}


REUSED = "The cache still held another text. Ask this model for a new one, model.cache(), in each call."


def check(answer: Subject, draw: Random) -> None:
    for length, n in ((4, 8), (3, 6)):
        _judge(answer, _telling(draw, length, n), _plain)
    seed = draw.getrandbits(32)
    ties = "Here several logits are equally large. Of such tokens the one with the smallest id is taken."
    _judge(answer, _Case(seed, [3, 1, 4], 8, ties=True), lambda run: ties)
    for _ in range(3):
        _judge(answer, _ending(draw), _end)
    _judge(answer, _ending(draw, 0), _end)
    _judge(answer, _ending(draw, within=True), _end_within)
    full = _Case(seed + 2, [2, 7, 1, 8, 2], 20, None, 9)
    _judge(answer, full, _context)
    _judge(answer, _Case(seed + 3, [2, 7, 1, 8], 5, None, 4), _context)
    _judge(answer, _Case(seed + 6, [4, 9, 5], 0), lambda run: "Nothing was asked for: n is 0.")
    long = [draw.randrange(SIZE) for _ in range(236)]
    why = "end and context were not given here: then no token is the end, and the context is 256."
    _judge(answer, _Case(seed + 5, long, 40, None, 256, defaults=True), lambda run: why)
    one = "One token is asked for, after a prompt of one. The first token follows from the prompt alone."
    _judge(answer, _Case(seed + 4, [draw.randrange(SIZE)], 1), lambda run: one)
    for _ in range(4):
        prompt = [draw.randrange(SIZE) for _ in range(draw.randint(1, 12))]
        room = len(prompt) + draw.randint(1, 20)
        case = _Case(draw.getrandbits(32), prompt, draw.randint(1, 16), draw.randrange(SIZE), room)
        _judge(answer, case, lambda run: "Another case goes wrong. Go through it token by token with a pencil.")


def _ending(draw: Random, end: int | None = None, within: bool = False) -> _Case:
    """A case whose text meets the end token after a few others; the prompt has it too, or not, as ``within`` says."""
    while True:
        case = _Case(draw.getrandbits(32), [draw.randrange(SIZE) for _ in range(draw.randint(2, 5))], 12)
        ids = case.expected()
        at = ids.index(end) if end in ids else 0 if end is not None else draw.randint(2, 6)
        if at in range(2, 7) and ids.index(ids[at]) == at and (ids[at] in case.prompt) == within:
            return _Case(case.seed, case.prompt, case.n, ids[at])


def _telling(draw: Random, length: int, n: int) -> _Case:
    """A case in which the first row does not say what the last one says."""
    while True:
        case = _Case(draw.getrandbits(32), [draw.randrange(SIZE) for _ in range(length)], n)
        first = case.expected()[0]
        others = {case.prompt[0], case.prompt[-1], case.expected(row=0)[0]}
        if case.prompt[0] != case.prompt[-1] and first not in others:
            return case


def _judge(answer: Subject, case: _Case, why: Callable[[_Run], str]) -> None:
    """Run one case; ``why`` gives the sentence for ids that are wrong."""
    run = _run(answer, case)
    expected, got = case.expected(), run.got
    if any(type(id) is not int for id in got):
        raise NotYet("Yield ids, whole numbers, one at a time.", **run.facts)
    if got != expected:
        raise NotYet(_common(run) or why(run), **run.facts)
    _work(run)


def _run(answer: Subject, case: _Case) -> _Run:
    model, prompt, got, work = case.model(), list(case.prompt), list[Any](), list[int]()
    try:
        rest = () if case.defaults else (case.end, case.context)
        for id in answer.iterate(model, prompt, case.n, *rest):
            got.append(id)
            work.append(model.tokens_processed)
            if len(got) > case.n + 5:
                raise NotYet(f"More than n={case.n} tokens came.", given=case.given, got=got, expected=case.expected())
    except Raised as raised:
        if raised.kind != _ContextFull.__name__:
            raised.given = case.given
            raise
        if model.reused:
            raise NotYet(REUSED, given=case.given, got=Words(raised), expected=case.expected()) from None
        why = (
            "The model was handed more tokens than its context has room for. Prompt and answer together are `context` "
            "tokens at most: stop there, whatever n says."
        )
        if len(model.read) > len(case.prompt) + len(case.expected()):
            why += " (Did it read some of them twice?)"
        raise NotYet(why, given=case.given, got=Words(raised), expected=case.expected()) from None
    if prompt != case.prompt:
        why = (
            "Your function changed prompt_ids, so whoever called it has another prompt now. Copy it: list(prompt_ids)."
        )
        raise NotYet(why, given=case.given, got=prompt, expected=case.prompt)
    return _Run(case, model, got, [*work, model.tokens_processed])


def _common(run: _Run) -> str:
    """The mistakes that go wrong in any case, told from what the model has read."""
    prompt, read = run.case.prompt, run.model.read
    if run.model.reused:
        return REUSED
    if len(prompt) > 1 and read[len(prompt) : 2 * len(prompt)] == prompt:
        return (
            "Behind the first token the text differs: the cache knows the prompt already, and the whole prompt was read again. "
            "Hand over what is new, and nothing else."
        )
    expected = run.case.expected()
    if read[: len(prompt) + 1] == [*prompt, prompt[-1]] and run.got[:1] == expected[:1] != prompt[-1:]:
        return (
            "Behind the first token the text differs: count the positions. The cache knows the prompt already, and its last token "
            "was read a second time."
        )
    if len(run.got) > 1 and len(read) <= len(prompt):
        return "The model never read the tokens it made. Each new token has to go in before the next one can come out."
    return ""


def _plain(run: _Run) -> str:
    got, expected, prompt = run.got, run.case.expected(), run.case.prompt
    if got[: len(prompt)] == prompt and got[len(prompt) :] == expected[: len(got) - len(prompt)]:
        return "The prompt came out again. Yield only the tokens that are new."
    if got[:1] == run.case.expected(row=0)[:1] != expected[:1]:
        return (
            "You looked at the first row. Row i says what follows token i of what you handed over; what follows the whole "
            "prompt stands in the last one."
        )
    if got == expected[: len(got)]:
        return f"{len(got)} of {len(expected)} tokens came. There is no end token here, so all n are due."
    same = next((place for place, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), 0)
    return (
        f"From token {same + 1} on the text differs. Take the id with the largest logit of the last row, and hand the model "
        "what its cache does not know yet."
    )


def _end(run: _Run) -> str:
    end, got, expected = run.case.end, run.got, run.case.expected()
    if got == [*expected, end]:
        return f"The end token {end} came out. It only says that the text is over: stop before it."
    if got[: len(expected) + 1] == [*expected, end]:
        return f"The model made its end token, {end}, and you went on. Whatever comes behind it is no answer."
    if len(got) > len(expected):
        return f"The end token {end} was left out, and you went on. Nothing comes behind it."
    return f"The model had not made its end token, {end}, yet."


def _end_within(run: _Run) -> str:
    if len(run.got) < len(run.case.expected()):
        return (
            f"The prompt has the token {run.case.end} in it, as a conversation of several turns has. It ends the answer only "
            "where the model makes it."
        )
    return _end(run)


def _context(run: _Run) -> str:
    room = run.case.context - len(run.case.prompt)
    if len(run.got) > room:
        return (
            f"Prompt and answer together are `context` tokens at most. The prompt has {len(run.case.prompt)} of "
            f"{run.case.context}, so {room} can come."
        )
    return f"There is room for {room} more tokens in the context, and n allows {run.case.n}."


def _work(run: _Run) -> None:
    """The ids are right. Were they made with no more work than needed, and handed out at once?"""
    prompt, made = len(run.case.prompt), len(run.got)
    ended = made < run.case.n and prompt + made < run.case.context
    least = prompt + made - (not ended) if made or ended else 0
    done = run.work[-1]
    facts: dict[str, Any] = {"given": run.case.given, "expected": Words(f"{least} tokens read")}
    got = f"{done} tokens read"
    if done and not least:
        why = (
            "No token can come here: n is 0, or the prompt fills the context. Then there is nothing to read either, so look "
            "before the model does."
        )
        raise NotYet(why, **facts, got=Words(got))
    if made > 1 and run.work[0] == done > prompt:
        why = "The first token left your function after the last one was made. Yield each as soon as you have it."
        raise NotYet(why, **facts, got=Words(f"{done} tokens read before the first one came"))
    if done > prompt + made:
        why = (
            f"The text is right, but the model read {done:,} tokens for an answer of {made}. "
            f"What it has read it keeps in the cache: {least} are enough."
        )
        raise NotYet(why, **facts, got=Words(got))
    early = next((place for place, work in enumerate(run.work[:-1]) if work > prompt + place), None)
    if early is not None:
        why = f"Token {early + 1} was made, and had to wait until the model had read on. Yield it first."
        raise NotYet(why, **facts, got=Words(f"{run.work[early]} tokens read before token {early + 1} came"))
    if done > least:
        why = "After the last token the model read on. Nobody asks what would follow: stop when n tokens are out."
        raise NotYet(why, **facts, got=Words(got))


EXERCISE = Exercise(
    id="2.2",
    title="generate",
    function="generate",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "Write down, for a prompt of three tokens, what the model is handed in the first call and what in the second. What "
        "does the cache know by then?",
        "The first call reads the prompt, every later one only the token made last. Of the rows that come back the last one "
        "counts; its largest logit is the next id.",
        "cache = model.cache() and new = prompt_ids before a loop that runs min(n, context - len(prompt_ids)) times: row = "
        "model.forward(new, cache)[-1]; find the id; return if it is end; yield it; new = [id].",
    ),
    reason="What was read is in the cache, so each token is read once: len(prompt) + n - 1 in all, instead of a number that "
    "grows with the square. A generator hands every token out before the next one is computed, which is all that streaming is.",
    check=check,
)

EXERCISE.survive(
    "the loop only counts, and nobody looks at these names before they get their next value",
    "for prompt_ids in range(min(n, context - len(prompt_ids))):",
    "for n in range(min(n, context - len(prompt_ids))):",
    "for context in range(min(n, context - len(prompt_ids))):",
    "for logits in range(min(n, context - len(prompt_ids))):",
    "for id in range(min(n, context - len(prompt_ids))):",
)
EXERCISE.survive("what is new is the prompt at first", "for _ in range(min(n, context - len(new))):")
EXERCISE.survive(
    "the rows of the check's model are lists already; those of the course's own model are arrays",
    "logits = model.forward(new, cache)[-1]",
)
EXERCISE.survive("no work is done between the two", 'new = [id] (moved before "yield id")')


def _row(rows: Any) -> int:
    logits = list(rows[-1])
    return logits.index(max(logits))


@EXERCISE.wrong("reads everything again for each token", says="The text is right, but the model read")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    ids = list(prompt_ids)
    while len(ids) < min(context, len(prompt_ids) + n):
        id = _row(model.forward(ids))
        if id == end:
            return
        yield id
        ids.append(id)


@EXERCISE.wrong("appends to the prompt it was given", says="changed prompt_ids")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, known = model.cache(), 0
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(prompt_ids[known:], cache))
        if id == end:
            return
        yield id
        known = len(prompt_ids)
        prompt_ids.append(id)


@EXERCISE.wrong("reads the last token of the prompt twice", says="was read a second time")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache = model.cache()
    rows, new = model.forward(prompt_ids, cache), prompt_ids[-1]
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(rows)
        if id == end:
            return
        yield id
        rows, new = model.forward([new], cache), id


@EXERCISE.wrong("reads the whole text into the cache again", says="Hand over what is new")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, ids = model.cache(), list(prompt_ids)
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(ids, cache))
        if id == end:
            return
        yield id
        ids.append(id)


@EXERCISE.wrong("looks at the first row", says="You looked at the first row")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache)[:1])
        if id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("goes on behind the end token", says="and you went on. Whatever")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache))
        yield id
        new = [id]


@EXERCISE.wrong("yields the end token", says="came out. It only says")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache))
        yield id
        if id == end:
            return
        new = [id]


@EXERCISE.wrong("leaves the end token out and goes on", says="was left out, and you went on")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache))
        if id != end:
            yield id
        new = [id]


@EXERCISE.wrong("takes an end token of 0 for none", says="and you went on. Whatever")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache))
        if end and id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("looks for the end token in the prompt, too", says="only where the model makes it")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    text, cache, known = list(prompt_ids), model.cache(), 0
    while end not in text and len(text) < min(context, len(prompt_ids) + n):
        id = _row(model.forward(text[known:], cache))
        known = len(text)
        text.append(id)
        if id != end:
            yield id


@EXERCISE.wrong("reads the prompt before it looks for room", says="nothing to read either")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, count = model.cache(), min(n, context - len(prompt_ids))
    rows = model.forward(prompt_ids, cache)
    for left in range(count - 1, -1, -1):
        id = _row(rows)
        if id == end:
            return
        yield id
        rows = model.forward([id], cache) if left else rows


@EXERCISE.wrong("runs past the context", says="more tokens than its context")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(n):
        id = _row(model.forward(new, cache))
        if id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("leaves the prompt out of the context", says="The prompt has 5 of 9")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for count in range(min(n, context)):
        if len(prompt_ids) + count > context:
            return
        id = _row(model.forward(new, cache))
        if id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("makes all tokens before it yields one", says="after the last one was made")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new, out = model.cache(), prompt_ids, []
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache))
        if id == end:
            break
        out.append(id)
        new = [id]
    yield from out


@EXERCISE.wrong("reads on before it yields", says="had to wait until the model had read on")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, count = model.cache(), min(n, context - len(prompt_ids))
    id = _row(model.forward(prompt_ids, cache)) if count else end
    for left in range(count - 1, -1, -1):
        if id == end:
            return
        following = _row(model.forward([id], cache)) if left else end
        yield id
        id = following


@EXERCISE.wrong("reads the last token, too", says="Nobody asks what would follow")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, room = model.cache(), min(n, context - len(prompt_ids))
    if not room:
        return
    rows = model.forward(prompt_ids, cache)
    for _ in range(room):
        id = _row(rows)
        if id == end:
            return
        yield id
        rows = model.forward([id], cache)


@EXERCISE.wrong("takes the last of equals", says="the smallest id is taken")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        logits = list(model.forward(new, cache)[-1])
        id = max(range(len(logits)), key=lambda id: (logits[id], id))
        if id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("gives the prompt out, too", says="The prompt came out again")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    yield from prompt_ids
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, cache))
        if id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("never reads what it made", says="never read the tokens it made")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    rows = model.forward(prompt_ids, model.cache())
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(rows)
        if id == end:
            return
        yield id


_KEPT: list[Any] = []


@EXERCISE.wrong("keeps one cache for all calls", says="still held another text")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    new = prompt_ids
    if not _KEPT:
        _KEPT.append(model.cache())
    for _ in range(min(n, context - len(prompt_ids))):
        id = _row(model.forward(new, _KEPT[0]))
        if id == end:
            return
        yield id
        new = [id]


@EXERCISE.wrong("yields lists of ids", says="Yield ids, whole numbers")
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        new = [_row(model.forward(new, cache))]
        if new == [end]:
            return
        yield new


@EXERCISE.right
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    text, cache, known = list(prompt_ids), model.cache(), 0
    while len(text) < context and len(text) - len(prompt_ids) < n:
        row = model.forward(text[known:], cache)[-1]
        known = len(text)
        best = max(range(len(row)), key=lambda id: row[id])
        if best == end:
            break
        text.append(best)
        yield best


@EXERCISE.right
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    from itertools import islice

    def endless():  # type: ignore[no-untyped-def]
        cache = model.cache()
        rows = model.forward(prompt_ids, cache)
        while True:
            id = min(range(len(rows[-1])), key=lambda id: (-rows[-1][id], id))
            yield id
            rows = model.forward([id], cache)

    for id in islice(endless(), max(0, min(n, context - len(prompt_ids)))):  # type: ignore[no-untyped-call]
        if id == end:
            return
        yield id


@EXERCISE.right
def _(model, prompt_ids, n, end=None, context=256):  # type: ignore[no-untyped-def]
    # The prompt one by one costs the same work, though on a real machine it takes longer.
    cache, count = model.cache(), min(n, context - len(prompt_ids))
    if count <= 0:
        return
    for id in prompt_ids[:-1]:
        model.forward([id], cache)
    last = prompt_ids[-1]
    while count and (last := _row(model.forward([last], cache))) != end:
        yield last
        count -= 1
