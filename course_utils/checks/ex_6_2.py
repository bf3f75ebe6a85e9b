"""Exercise 6.2: many prompts, so many at a time, in their order, whatever becomes of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any
from weakref import WeakKeyDictionary

import openai

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import NoAnswer, Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.engine import JSON, Answer, Engine, Request, nobody
from course_utils.ledger import Entry
from course_utils.mock import MockServer
from course_utils.pace import Pace

PACE = Pace(headers=0.125, ttft=1.0, itl=0.0)
EVERY, PINGS = 0.5, 24
"""Seconds from one ping to the next, and how many there are: with pings for ever an answer that hangs would hang for ever."""
MOMENT = 1e-6
MANY = 20
"""Requests after which a prompt fails no more: an answer that asks for ever would never come to its verdict."""
ERRORS = ("BadRequestError", "InternalServerError", "RateLimitError", "APIError", "APIStatusError", "ExceptionGroup")


@dataclass(frozen=True)
class _Job:
    """A prompt, the seconds its answer takes, how it fails, and the waits that come with its 429s before that."""

    prompt: str
    takes: float = 1.0
    fails: str = ""
    waits: tuple[int, ...] = ()

    @property
    def requests(self) -> int:
        return len(self.waits) + 1

    @property
    def text(self) -> str | None:
        """What belongs in its place of the result."""
        return None if self.fails else _said(self.prompt)

    def option(self, number: int) -> str:
        """How the mock meets its request of that number, from 0 on."""
        if number < len(self.waits):
            return "error=429"
        if number > MANY:
            return ""
        return self.fails or f"ttft={self.takes}"

    def __str__(self) -> str:
        refused = "".join(f"429 (retry-after: {wait}), then " for wait in self.waits)
        return f"{self.prompt!r}: {refused}{'fails' if self.fails else f'{self.takes:g} s'}"


def _said(prompt: str) -> str:
    return f"{prompt}: done."


class _Engine(Engine):
    """Meets each prompt as its job says, and counts how often it was asked."""

    def __init__(self, jobs: Sequence[_Job]) -> None:
        super().__init__(_said, PACE)
        self.asked: Counter[str] = Counter()
        self._jobs = {job.prompt: job for job in jobs}

    def respond(self, request: Request, now: float = 0.0, busy: Callable[[], Sequence[float]] = nobody) -> Answer:
        found = [job for job in self._jobs.values() if f'"{job.prompt}"'.encode() in request.body]
        job = found[0] if found else _Job("")
        number = self.asked[job.prompt]
        self.asked[job.prompt] += 1
        self.options = [job.option(number)]
        answer = super().respond(request, now, busy)
        if number >= len(job.waits):
            return answer
        return replace(answer, headers=JSON | {"retry-after": str(job.waits[number])})


class _Mock:
    """The mock as the answer sees it, with clients of both kinds."""

    seen_by_learners = ("client", "async_client", "model")
    model = MockServer.model

    def __init__(self, jobs: Sequence[_Job], clock: VirtualClock) -> None:
        self.mock = MockServer(clock=clock)
        self.mock.engine = self.engine = _Engine(jobs)
        self.blocking = False

    def client(self, **options: Any) -> openai.OpenAI:
        self.blocking = True
        return self.mock.client(**options)

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        return self.mock.async_client(**options)


class _Time:
    """Python's module ``time`` on the clock of the check."""

    seen_by_learners = ("sleep", "monotonic", "perf_counter")

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.sleep(seconds)

    def monotonic(self) -> float:
        return self._clock.now()

    def perf_counter(self) -> float:
        return self._clock.now()


class _Client:
    """One of those that call run_many: its jobs, its mock, and what it got."""

    def __init__(self, jobs: Sequence[_Job], limit: int, clock: VirtualClock) -> None:
        self.jobs, self.limit = list(jobs), limit
        self.mock = _Mock(jobs, clock)
        self.got: Any = None

    async def run(self, answer: Subject, time: _Time) -> None:
        try:
            self.got = await answer.acall([job.prompt for job in self.jobs], self.limit, self.mock, time)
        except Raised as error:
            error.given = self.given
            if error.kind in ERRORS:
                raise NotYet(self._ended(error.kind), **self.facts() | {"got": Words(error)}) from None
            if error.kind == "RuntimeError" and "different event loop" in str(error):
                why = "One gate served two calls of run_many. A limit belongs to one call: make the semaphore inside."
                raise NotYet(why, given=self.given, got=Words(error)) from None
            raise
        except NoAnswer as error:
            if error.reason == "not_plain" and error.what in ("coroutine", "_GatheringFuture", "Task", "Future"):
                why = f"You return a {error.what}, and no answers: somebody still has to await it."
                raise NotYet(why, **self.facts() | {"got": Words(error.what)}) from None
            if error.reason == "not_plain" and any(job.fails for job in self.jobs):
                why = "There is an error among the texts you return. Whoever reads them expects a text or None."
                raise NotYet(why, **self.facts() | {"got": Words(error.what)}) from None
            raise

    def _ended(self, kind: str) -> str:
        """What to say of an error that came out of run_many."""
        failing = sum(bool(job.fails) for job in self.jobs)
        if failing and kind != "RateLimitError":
            lost = f"{failing} of {len(self.jobs)} prompts failed, and with them you lost {len(self.jobs) - failing} good answers."
            return f"{lost} A failure is a result: None."
        return "The service said 429, and your run ended. That is no failure: it says when to ask again."

    @property
    def entries(self) -> list[Entry]:
        return list(self.mock.mock.ledger)

    @property
    def given(self) -> str:
        return f"limit={self.limit}, {', '.join(map(str, self.jobs)) or 'no prompts'}"

    @property
    def right(self) -> list[str | None]:
        return [job.text for job in self.jobs]

    def facts(self) -> dict[str, Any]:
        return {"given": self.given, "got": self.got, "expected": self.right}

    def seen(self) -> dict[str, Any]:
        """The facts, with what the server saw in place of what was returned."""
        spans = (f"{_prompt(one)!r} {one.arrived:g}-{one.ended_at or 0:g} s" for one in self.entries)
        return {"given": self.given, "got": Words(", ".join(spans))}

    def under_way(self, at: float) -> int:
        """How many requests the server had in hand just after a moment."""
        return sum(one.arrived <= at + MOMENT < (one.ended_at or at) for one in self.entries)

    def waited(self) -> Iterator[tuple[_Job, float, float]]:
        """Each request: its job, when it could have left at the earliest, and when it left."""
        for job in self.jobs:
            ready, waits = 0.0, list(job.waits)
            for one in (entry for entry in self.entries if _prompt(entry) == job.prompt):
                yield job, ready, one.arrived
                ready = one.arrived + (waits.pop(0) if waits else 0.0)

    def idle(self) -> tuple[_Job, float, float, float] | None:
        """The first request that stayed behind while a place was free: its job, ready and left, and the moment."""
        ends = sorted(one.ended_at or 0.0 for one in self.entries)
        for job, ready, left in sorted(self.waited(), key=lambda one: one[2]):
            moments = [ready, *(end for end in ends if ready < end)]
            free = [at for at in moments if at < left - MOMENT and self.under_way(at) < self.limit]
            if free:
                return job, ready, left, free[0]
        return None


def _message(entry: Entry) -> dict[str, Any]:
    """The last message of a request, if it has one."""
    messages = entry.asked.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    return last if isinstance(last, dict) else {}


def _prompt(entry: Entry) -> str:
    """The text of that message, which may come in parts."""
    content = _message(entry).get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return "".join(str(part.get("text")) for part in parts if isinstance(part, dict))


class _Play:
    """Clients that call run_many at the same moment, and a ping that wants its turn of the loop."""

    def __init__(self, *clients: Sequence[_Job], limit: int) -> None:
        self.clock = VirtualClock()
        self.time = _Time(self.clock)
        self.clients = [_Client(jobs, limit, self.clock) for jobs in clients]
        self.late = 0.0

    def judge(self, answer: Subject) -> None:
        try:
            answer.play(self._all(answer), self.clock)
        except Raised as error:
            if error.kind == "NothingToWaitFor":
                client = next((one for one in self.clients if one.got is None), self.clients[0])
                why = "Nothing is under way, and you wait for ever. Whoever takes a place gives it back, however the request ends."
                raise NotYet(why, **client.seen()) from None
            raise
        for client in self.clients:
            _blocked(self, client)
        for client in self.clients:
            _judge(self, client)

    async def _all(self, answer: Subject) -> None:
        ping = asyncio.ensure_future(self._ping())
        try:
            await asyncio.gather(*(client.run(answer, self.time) for client in self.clients))
        finally:
            ping.cancel()

    async def _ping(self) -> None:
        for number in range(1, PINGS + 1):
            await self.clock.asleep_until(number * EVERY)
            self.late = max(self.late, self.clock.now() - number * EVERY)


PLAIN = [
    _Job("apple", 2.0),
    _Job("plum", 0.5),
    _Job("pear", 1.0),
    _Job("fig", 0.75),
    _Job("lime", 0.5),
    _Job("plum", 0.5),
]
FAILING = [
    _Job("ant"),
    _Job("bee", fails="error=400"),
    _Job("cat", 0.5),
    _Job("dog", fails="error-at=1"),
    _Job("eel", 1.5),
]
REFUSED = [_Job("red"), _Job("blue", waits=(2,)), _Job("green", 1.5), _Job("pink", 2.5)]
AGAIN = [_Job("north", 4.5), _Job("east", 0.5, waits=(2, 1))]
OFTEN = [_Job("slow", 3.0), _Job("steady", 0.5, waits=(1,) * 7)]


def check(answer: Subject, draw: Random) -> None:
    _Play(PLAIN, limit=3).judge(answer)
    _Play([], limit=2).judge(answer)
    _Play(FAILING, limit=2).judge(answer)
    _Play(AGAIN, limit=8).judge(answer)
    _Play(OFTEN, limit=2).judge(answer)
    _Play(REFUSED, limit=2).judge(answer)
    _Play(PLAIN[:3], REFUSED[1:], FAILING[:3], limit=2).judge(answer)
    for _ in range(2):
        _Play(_drawn(draw), limit=draw.randint(1, 4)).judge(answer)


def _drawn(draw: Random) -> list[_Job]:
    words = draw.sample(["oak", "elm", "ash", "yew", "fir", "box", "bay", "may", "gum", "nut"], draw.randint(3, 6))
    return [
        _Job(
            f"{word} {draw.randint(1, 999)}",
            draw.randint(1, 24) / 8,
            draw.choice(["", "", "", "", "error=500", "error=404", "error-at=1"]),
            tuple(draw.randint(1, 5) for _ in range(draw.choice([0, 0, 0, 1, 2]))),
        )
        for word in words
    ]


def _blocked(play: _Play, client: _Client) -> None:
    """Whether anything but awaiting kept the loop."""
    if play.late <= MOMENT:
        return
    if play.time.slept:
        why = (
            f"Everything stopped for {max(play.time.slept):g} s: a ping that wanted its turn got it {play.late:g} s too late, and "
            "so did all other answers. Who sleeps with time.sleep puts the whole loop to sleep."
        )
        raise NotYet(why, **client.seen())
    if client.mock.blocking:
        peak = client.mock.mock.ledger.peak
        why = (
            f"Peak concurrency {peak}, and a ping came {play.late:g} s too late: a client that does not await keeps the loop until "
            "its answer is there. `async def` around it is no help."
        )
        raise NotYet(why, **client.seen())


def _judge(play: _Play, client: _Client) -> None:
    for why in (_peak(client), _asked(client), _early(client), _idle(play, client)):
        if why:
            raise NotYet(why, **client.seen())
    if why := _result(client):
        raise NotYet(why, **client.facts())


def _peak(client: _Client) -> str:
    ledger = client.mock.mock.ledger
    if ledger.peak <= client.limit:
        return ""
    said = f"Peak concurrency {ledger.peak}, and limit is {client.limit}."
    begun = {round(one.arrived, 6) for one in client.entries}
    if any(one.streamed for one in client.entries) and len(begun) > 1:
        return f"{said} The next request left as soon as the headers of another were there. Its text was still to come."
    return f"{said} Whoever gets a place keeps it until the answer is whole."


def _asked(client: _Client) -> str:
    """What is wrong with what was asked, and how often."""
    if models := {str(one.asked.get("model")) for one in client.entries} - {client.mock.model}:
        return f"You asked for the model {min(models)!r}, and this service has {client.mock.model!r}: take mock.model."
    if any(_message(one).get("role") != "user" for one in client.entries):
        return "The prompt is what a user says: send it as the last message, of the role 'user'."
    wanted = Counter[str]()
    for job in client.jobs:
        wanted[job.prompt] += job.requests
    for job in client.jobs:
        asked, right = client.mock.engine.asked[job.prompt], wanted[job.prompt]
        if client.jobs.count(job) > 1 and asked < right:
            return f"{job.prompt!r} stands in the list twice, and was asked once. Each place of the list is a request of its own."
        if not asked:
            return f"{job.prompt!r} was never asked. Whatever becomes of one prompt, the others are asked."
        if asked < right:
            times = {1: "once", 2: "twice"}.get(asked, f"{asked} times")
            return f"{job.prompt!r} was refused {times}, with 429, and you gave up. That is no failure: it says when to ask again."
        if asked > right:
            return f"{job.prompt!r} was asked {asked} times, and {right} would do. Only a 429 is worth another request here."
    return ""


def _early(client: _Client) -> str:
    """What is wrong with when a prompt was asked again after a 429."""
    for job in client.jobs:
        times = [one.arrived for one in client.entries if _prompt(one) == job.prompt]
        for wait, before, after in zip(job.waits, times, times[1:], strict=False):
            if after - before < wait - MOMENT:
                said = f"{job.prompt!r} was refused, with retry-after: {wait}, and you asked again after {after - before:g} s."
                if after - before < MOMENT:
                    return f"{said} Time passes here with asyncio, and with the `time` that you were given."
                return f"{said} The service has said when it will listen."
    return ""


def _idle(play: _Play, client: _Client) -> str:
    """What is wrong with places that were left free."""
    found = client.idle()
    if found is None:
        return ""
    job, ready, left, at = found
    others = sum(other.under_way(at) for other in play.clients) - client.under_way(at)
    if len(play.clients) > 1 and others >= client.limit:
        return (
            f"Three clients call run_many at once, each with limit={client.limit}, and one had to wait for the places of another. "
            "A limit belongs to one call."
        )
    if client.mock.mock.ledger.peak == 1 and client.limit > 1 and len(client.jobs) > 1:
        return f"Peak concurrency 1, and limit is {client.limit}. A loop that awaits each answer sends nothing until it is there."
    if ready:
        return (
            f"{job.prompt!r} was refused, could be asked again at {ready:g} s, and was at {left:g} s, though a place was free. "
            "Nobody has to wait longer than retry-after says."
        )
    if any(job.waits and first <= at < again for job, first, again in _refusals(client)):
        return (
            f"At {at:g} s {client.under_way(at)} of {client.limit} places were taken, and {job.prompt!r} had to wait: you kept it "
            "behind a prompt that had been refused. Who waits for retry-after needs no place, and stops nobody."
        )
    return (
        f"At {at:g} s {client.under_way(at)} of {client.limit} places were taken, and {job.prompt!r} left at {left:g} s. A place "
        "is free when one answer is there, not when all of a batch are."
    )


def _refusals(client: _Client) -> Iterator[tuple[_Job, float, float]]:
    """Each refusal: its job, when it came, and when the prompt was asked again."""
    for job in client.jobs:
        times = [one.arrived for one in client.entries if _prompt(one) == job.prompt]
        yield from ((job, before, after) for before, after in pairwise(times))


def _result(client: _Client) -> str:
    got, right = client.got, client.right
    if got == right:
        return ""
    if not isinstance(got, list):
        return "Return a list, with a text or None for each prompt."
    failed = right.count(None)
    if failed and len(got) == len(right) - failed:
        return (
            f"{failed} of {len(right)} prompts failed, and you left them out. Which answer belongs to which prompt now?"
        )
    if len(got) != len(right):
        return f"{len(right)} prompts were given, and your list has {len(got)} places."
    if failed and all(value == wanted for value, wanted in zip(got, right, strict=True) if wanted is not None):
        return (
            "A prompt that failed has something else than None in its place. Who reads it would take it for an answer."
        )
    if sorted(map(repr, got)) == sorted(map(repr, right)):
        return "All answers are there, in another order than the prompts. Place i of the list belongs to prompt i."
    return (
        "What you return is not what the service said. It is the text of each answer, or None where a request failed."
    )


EXERCISE = Exercise(
    id="6.2",
    title="run_many",
    function="run_many",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "Look at what the server saw: how many requests were under way at each moment, and who waited for whom? What of your "
        "code runs for one prompt, and what for all of them?",
        "Give each prompt a coroutine of its own, start all of them, and let an asyncio.Semaphore say who may ask. A coroutine "
        "that catches its own errors disturbs nobody. What belongs inside of `async with`, and what has to stand outside?",
        "async def one(prompt): while True: try: async with gate: answer = await client.chat.completions.create(...); then return "
        "its text. On openai.RateLimitError await asyncio.sleep(float(error.response.headers['retry-after'])), outside of the "
        "gate; on openai.APIError return None. asyncio.gather(*map(one, prompts)) keeps the order.",
    ),
    reason="A place is held for as long as the server works, no longer and no shorter: that is what the limit is about. Each "
    "prompt deals with its own end, so gather gets results only, and it gives them in the order of the prompts.",
    check=check,
)

EXERCISE.survive(
    "the message is the same each time",
    'messages = [{"role": "user", "content": prompt}] (moved into "while True:")',
)
EXERCISE.survive(
    "taking the text out of the answer takes no time, and there is one choice",
    'return answer.choices[0].message.content (moved into "async with gate:")',
    "return answer.choices[-1].message.content",
)

# ------------------------------------------------------------------------------------- the reference and its mistakes

Ask = Callable[[str], Coroutine[Any, Any, Any]]


class _Held:
    """A gate that is held by nobody."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *error: object) -> None: ...


def _text(answer: Any) -> Any:
    return answer.choices[0].message.content


def _asks(mock: Any, role: str = "user") -> Ask:
    client = mock.async_client()

    async def ask(prompt: str) -> Any:
        messages: Any = [{"role": role, "content": prompt}]
        return _text(await client.chat.completions.create(model=mock.model, messages=messages))

    return ask


def _gated(mock: Any, limit: int) -> Ask:
    """Ask with at most ``limit`` requests under way, and let every error go on."""
    ask, gate = _asks(mock), asyncio.Semaphore(limit)

    async def one(prompt: str) -> Any:
        async with gate:
            return await ask(prompt)

    return one


def _asks_and_blocks(mock: Any) -> Ask:
    client = mock.client()

    async def ask(prompt: str) -> Any:
        return _text(client.chat.completions.create(model=mock.model, messages=[{"role": "user", "content": prompt}]))

    return ask


async def _waits(seconds: float, time: Any) -> None:
    await asyncio.sleep(seconds)


async def _in_order(calls: list[Awaitable[Any]]) -> Any:
    return await asyncio.gather(*calls)


async def _as_completed(calls: list[Awaitable[Any]]) -> Any:
    tasks = [asyncio.ensure_future(call) for call in calls]  # a set of coroutines would begin in any order
    return [await one for one in asyncio.as_completed(tasks)]


async def _one_by_one(calls: list[Awaitable[Any]]) -> Any:
    return [await one for one in calls]


def _wrong(
    name: str,
    says: str,
    *,
    asks: Callable[[Any], Ask] = _asks,
    gates: Callable[[int], Any] = asyncio.Semaphore,
    holds: bool = False,
    waits: Callable[[float, Any], Awaitable[None]] = _waits,
    after: Callable[[float], float] = lambda seconds: seconds,
    again: int = 9,
    failed: Callable[[Exception], Any] = lambda error: None,
    caught: type[Exception] = openai.APIError,
    runs: Callable[[list[Awaitable[Any]]], Awaitable[Any]] = _in_order,
    told: Callable[[Any], Any] = lambda answers: answers,
) -> None:
    """The reference with one part exchanged; ``again`` is how many 429s it puts up with."""

    async def run_many(prompts: Any, limit: Any, mock: Any, time: Any) -> Any:
        ask, gate = asks(mock), gates(limit)
        outer, inner = (gate, _Held()) if holds else (_Held(), gate)

        async def one(prompt: Any) -> Any:
            for attempt in range(again + 1):
                async with outer:
                    try:
                        async with inner:
                            return await ask(prompt)
                    except openai.RateLimitError as error:
                        if attempt == again:
                            return failed(error)
                        await waits(after(float(error.response.headers["retry-after"])), time)
                    except caught as error:
                        return failed(error)
            return None

        return told(await runs([one(prompt) for prompt in prompts]))

    EXERCISE.wrong(name, says=says)(run_many)


async def _sleeps(seconds: float, time: Any) -> None:
    time.sleep(seconds)


def _raised(error: Exception) -> Any:
    raise error


_wrong("uses the synchronous client", "a client that does not await", asks=_asks_and_blocks)
_wrong("awaits one after the other", "Peak concurrency 1, and limit is 3", runs=_one_by_one)
_wrong("has no limit", "Peak concurrency 6, and limit is 3", gates=lambda limit: _Held())
_wrong("allows one too many", "Peak concurrency 4, and limit is 3", gates=lambda limit: asyncio.Semaphore(limit + 1))
_wrong(
    "allows one too few", "At 0 s 2 of 3 places were taken", gates=lambda limit: asyncio.Semaphore(max(1, limit - 1))
)
_wrong("returns as the answers come", "in another order", runs=_as_completed)
_wrong("lets one failure end everything", "you lost 3 good answers", caught=KeyError)
_wrong(
    "leaves failed prompts out", "you left them out", told=lambda answers: [one for one in answers if one is not None]
)
_wrong("makes an answer of an error", "Who reads it would take it for an answer", failed=lambda error: str(error))
_wrong("returns the errors", "an error among the texts", failed=lambda error: error)
_wrong("blocks the loop while it waits", "Everything stopped for 2 s", waits=_sleeps)
_wrong("asks again at once", "you asked again after 0 s", after=lambda seconds: 0)
_wrong("waits half a second, whatever the service says", "and you asked again after 0.5 s", after=lambda seconds: 0.5)
_wrong("waits ten seconds, whatever the service says", "has to wait longer", after=lambda seconds: 10)
_wrong("takes a 429 for a failure", "refused once", again=0)
_wrong("asks again once", "refused twice", again=1)
_wrong("asks again five times", "refused 6 times", again=5)
_wrong("lets a 429 end everything", "and your run ended", again=0, failed=lambda error: (
    _raised(error) if isinstance(error, openai.RateLimitError) else None))  # fmt: skip
_wrong("keeps the place while it waits", "needs no place", holds=True)
_wrong("sends the prompt as an instruction", "of the role 'user'", asks=lambda mock: _asks(mock, "system"))
_wrong("returns one text", "Return a list", told="\n".join)
_wrong("returns pairs", "not what the service said", told=lambda answers: list(enumerate(answers)))
_wrong("makes a place for an empty list", "your list has 1 places", told=lambda answers: answers or [None])


@EXERCISE.wrong("holds its place for the headers only", says="as soon as the headers")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    client, gate = mock.async_client(), asyncio.Semaphore(limit)

    async def one(prompt: str) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        async with gate:
            stream = await client.chat.completions.create(model=mock.model, messages=messages, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("holds its place while it starts a task", says="until the answer is whole")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate = _asks(mock), asyncio.Semaphore(limit)

    async def one(prompt: str) -> Any:
        async with gate:
            task = asyncio.ensure_future(ask(prompt))
        return await task

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("goes batch by batch", says="not when all of a batch are")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, answers = _asks(mock), []
    for begin in range(0, len(prompts), limit):
        answers += await asyncio.gather(*map(ask, prompts[begin : begin + limit]))
    return answers


@EXERCISE.wrong("loses all answers with one failure in a TaskGroup", says="2 of 5 prompts failed, and with them")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    one = _gated(mock, limit)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(prompt)) for prompt in prompts]
    return [task.result() for task in tasks]


@EXERCISE.wrong("keeps answers in a dict by prompt", says="was asked once")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    one = _gated(mock, limit)
    answers = dict.fromkeys(prompts)
    for prompt, answer in zip(answers, await asyncio.gather(*map(one, answers)), strict=True):
        answers[prompt] = answer
    return [answers[prompt] for prompt in prompts]


@EXERCISE.wrong("asks whatever failed again", says="Only a 429 is worth another request")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate = _asks(mock), asyncio.Semaphore(limit)

    async def one(prompt: str) -> Any:
        for _ in range(3):
            try:
                async with gate:
                    return await ask(prompt)
            except openai.RateLimitError as error:
                await asyncio.sleep(float(error.response.headers["retry-after"]))
            except openai.APIError:
                await asyncio.sleep(0.5)
        return None

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("asks whatever failed again until it comes", says="and 1 would do")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate = _asks(mock), asyncio.Semaphore(limit)

    async def one(prompt: str) -> Any:
        while True:
            try:
                async with gate:
                    return await ask(prompt)
            except openai.APIError:
                await asyncio.sleep(1)

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("keeps the place of what failed", says="gives it back, however the request ends")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate = _asks(mock), asyncio.Semaphore(limit)

    async def one(prompt: str) -> Any:
        await gate.acquire()
        try:
            text = await ask(prompt)
        except openai.APIError:
            return None
        gate.release()
        return text

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("asks for a model by another name", says="take mock.model")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    create, found = mock.async_client().chat.completions.create, []
    for prompt in prompts:
        messages: Any = [{"role": "user", "content": prompt}]
        found.append(_text(await create(model="gpt-4o", messages=messages)))
    return found


@EXERCISE.wrong("does not await gather", says="somebody still has to await it")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    return asyncio.gather(*map(_asks(mock), prompts), return_exceptions=True)


@EXERCISE.wrong("stops asking at the first failure", says="was never asked")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate, over = _asks(mock), asyncio.Semaphore(limit), asyncio.Event()

    async def one(prompt: str) -> Any:
        async with gate:
            if over.is_set():
                return None
            try:
                return await ask(prompt)
            except openai.APIError:
                over.set()

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("makes everybody wait for one who was refused", says="stops nobody")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate, open = _asks(mock), asyncio.Semaphore(limit), asyncio.Event()
    open.set()

    async def one(prompt: str) -> Any:
        while True:
            try:
                async with gate:
                    await open.wait()
                    return await ask(prompt)
            except openai.RateLimitError as error:
                open.clear()
                await asyncio.sleep(float(error.response.headers["retry-after"]))
                open.set()
            except openai.APIError:
                return None

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.wrong("asks the refused ones again when all others are done", says="though a place was free")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask, gate = _asks(mock), asyncio.Semaphore(limit)
    answers: dict[int, Any] = {}

    async def one(number: int, ready: float) -> float:
        await asyncio.sleep(ready - time.monotonic())
        try:
            async with gate:
                answers[number] = await ask(prompts[number])
        except openai.RateLimitError as error:
            return float(time.monotonic() + float(error.response.headers["retry-after"]))
        except openai.APIError:
            answers[number] = None
        return 0.0

    ready = dict.fromkeys(range(len(prompts)), 0.0)
    while ready:
        at = await asyncio.gather(*(one(number, when) for number, when in ready.items()))
        ready = {number: when for number, when in zip(ready, at, strict=True) if number not in answers}
    return [answers[number] for number in range(len(prompts))]


GATES: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@EXERCISE.wrong("has one gate for all its calls", says="A limit belongs to one call")
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    ask = _asks(mock)
    gate = GATES.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(limit))

    async def one(prompt: str) -> Any:
        while True:
            try:
                async with gate:
                    return await ask(prompt)
            except openai.RateLimitError as error:
                await asyncio.sleep(float(error.response.headers["retry-after"]))
            except openai.APIError:
                return None

    return await asyncio.gather(*map(one, prompts))


@EXERCISE.right
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    # Workers at a queue; who was refused is put back into it when its time has come.
    ask, answers = _asks(mock), [None] * len(prompts)
    todo: asyncio.Queue[int] = asyncio.Queue()
    for number in range(len(prompts)):
        todo.put_nowait(number)

    def back(number: int) -> None:
        todo.put_nowait(number)
        todo.task_done()

    async def worker() -> None:
        while True:
            number = await todo.get()
            try:
                answers[number] = await ask(prompts[number])
            except openai.RateLimitError as error:
                seconds = int(error.response.headers["retry-after"])
                asyncio.get_running_loop().call_later(seconds, back, number)
                continue
            except openai.APIStatusError:
                pass
            todo.task_done()

    workers = [asyncio.create_task(worker()) for _ in range(limit)]
    await todo.join()
    for one in workers:
        one.cancel()
    return answers


@EXERCISE.right
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    # A TaskGroup and a counter behind a Condition, and the answers are streamed.
    client, places, room = mock.async_client(max_retries=0), limit, asyncio.Condition()

    async def streamed(prompt: str) -> str:
        text = ""
        messages: Any = [{"role": "user", "content": prompt}]
        async with await client.chat.completions.create(model=mock.model, messages=messages, stream=True) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
        return text

    async def asked(prompt: str) -> tuple[str | None, float | None]:
        """The text, or the seconds to wait for."""
        nonlocal places
        async with room:
            await room.wait_for(lambda: places > 0)
            places -= 1
        try:
            return await streamed(prompt), None
        except openai.APIStatusError as error:
            return None, float(error.response.headers["retry-after"]) if error.status_code == 429 else None
        except openai.APIError:
            return None, None
        finally:
            async with room:
                places += 1
                room.notify()

    async def one(prompt: str) -> str | None:
        text, wait = await asked(prompt)
        while wait is not None:
            await asyncio.sleep(wait)
            text, wait = await asked(prompt)
        return text

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(prompt)) for prompt in prompts]
    return [task.result() for task in tasks]


@EXERCISE.right
async def _(prompts, limit, mock, time):  # type: ignore[no-untyped-def]
    # No gate at all: one loop that fills up free places and waits for the next thing to happen.
    ask, answers = _asks(mock), [None] * len(prompts)
    ready, waiting, running = list(range(len(prompts))), dict[int, float](), dict[Any, int]()
    while ready or waiting or running:
        ready += [number for number, until in waiting.items() if until <= time.monotonic()]
        waiting = {number: until for number, until in waiting.items() if number not in ready}
        while ready and len(running) < limit:
            number = ready.pop(0)
            running[asyncio.create_task(ask(prompts[number]))] = number
        pause = max(0.0, min(waiting.values()) - time.monotonic()) if waiting else None
        if not running:
            await asyncio.sleep(pause or 0)
            continue
        done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            number = running.pop(task)
            error = task.exception()
            if isinstance(error, openai.RateLimitError):
                waiting[number] = time.monotonic() + float(error.response.headers["retry-after"])
            elif error is None:
                answers[number] = task.result()
    return answers
