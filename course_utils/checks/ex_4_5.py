"""Exercise 4.5: ask again, where nobody reads anything twice."""

from __future__ import annotations

import random as chance
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import httpx2
import openai

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Stopped, StopsAt, Subject
from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

REPLY = "Ask again, but only while nobody has read a word of it."
PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
PATIENCE = 30.0
MARGIN = 1e-6
ALL, HALF = 1.0, 0.0
"""What `random()` gives where a wait has to be its limit, or half of it."""

Wait = tuple[float, float]


class _Plan(httpx2.BaseTransport):
    """The way to the mock, which behaves as planned for the first request, the second, and so on; at the end all is well.

    ``after`` are the seconds that a 429 names.
    """

    def __init__(self, mock: MockServer, client: Any, plan: Sequence[str], after: float) -> None:
        self._mock, self._way, self._plan, self._after = mock, client._client._transport, iter(plan), after
        client._client._transport = self

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        option = next(self._plan, "")
        self._mock.engine.options = option.split(";") if option else []
        response: httpx2.Response = self._way.handle_request(request)
        if "retry-after" in response.headers:
            response.headers["retry-after"] = f"{self._after:g}"
            del response.headers["retry-after-ms"]
        return response


class _Play:
    """One run of the answer: what came out and when, how long it slept, and the error that ended it.

    ``luck`` is what `random()` gives. ``leaves`` is after how many pieces the reader goes away.
    """

    def __init__(
        self,
        plan: Sequence[str],
        attempts: int | None = None,
        luck: float = 0.5,
        after: float = 2,
        reply: str = REPLY,
        clock: VirtualClock | None = None,
    ) -> None:
        self.plan, self.attempts, self.said = list(plan), 3 if attempts is None else attempts, attempts is not None
        self.luck, self.after, self.reply = luck, after, reply
        self.clock = clock or VirtualClock()
        self.mock = MockServer(reply, pace=PACE, clock=self.clock)
        self.out: list[tuple[float, Any]] = []
        self.sleeps: list[float] = []
        self.error = ""
        self.stopped = False

    def run(self, answer: Subject, leaves: int | None = None) -> _Play:
        client = self.mock.client(max_retries=2, timeout=PATIENCE)
        transport = _Plan(self.mock, client, self.plan, self.after)
        question: list[Any] = [{"role": "user", "content": "When may I ask again?"}]
        request = {"model": self.mock.model, "messages": question, "stream": True}
        request |= {"stream_options": {"include_usage": True}} if len(self.plan) == 1 else {}
        attempts = [self.attempts] if self.said else []
        items = answer.iterate(client, request, self._sleep, self._random, *attempts)
        try:
            for item in items:
                self.out.append((self.clock.now(), item))
                if len(self.out) == leaves:
                    items.close()  # type: ignore[attr-defined]
                    break
        except Raised as raised:
            self.stopped = isinstance(raised.error, Stopped)
            if not self.stopped and not raised.kind.startswith(("API", "RateLimit", *KINDS.values())):
                raise
            self.error = raised.kind
        del transport
        if any(not isinstance(item, str) for _, item in self.out):
            raise NotYet("Yield pieces of text.", got=self.out[0][1])
        return self

    def _sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.sleeps.append(seconds)
        self.clock.sleep(seconds)

    def _random(self) -> float:
        return self.luck

    @property
    def text(self) -> str:
        return "".join(item for _, item in self.out)

    @property
    def requests(self) -> int:
        return len(self.mock.ledger)

    def expected(self) -> tuple[str, int, list[Wait], str]:
        return _expected(self.plan, self.attempts, self.after, self.reply)

    def facts(self) -> dict[str, Any]:
        text, requests, waits, error = self.expected()
        spans = [f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in waits]
        sleeps = [f"{seconds:g}" for seconds in self.sleeps]
        attempts = f"attempts={self.attempts}" if self.said else "attempts not given"
        return {
            "given": f"{attempts}, requests: {', '.join(map(_told, [*self.plan, '']))}",
            "got": _facts(self.requests, sleeps, self.text, self.error),
            "expected": _facts(requests, spans, text, error),
        }


KINDS = {"400": "BadRequest", "401": "Authentication", "403": "PermissionDenied", "404": "NotFound", "409": "Conflict",
         "422": "Unprocessable", "429": "RateLimit", "5": "InternalServer"}  # fmt: skip
AGAIN = ("APIConnectionError", "APITimeoutError", "RateLimitError", "InternalServerError")


@expectation
def _expected(plan: list[str], attempts: int, after: float, reply: str) -> tuple[str, int, list[Wait], str]:
    """The text, the number of requests, the shortest and longest of each wait, and the name of the error, if any."""
    waits: list[Wait] = []
    for number, option in enumerate([*plan, ""][:attempts], start=1):
        seen, error = _outcome(option, reply)
        if not error or seen or error not in AGAIN or number == attempts:
            return seen, number, waits, error
        limit = min(8.0, 0.5 * 2 ** (number - 1))
        waits.append((after,) * 2 if error == "RateLimitError" else (limit / 2, limit))
    raise AssertionError("a plan ends well or badly")


def _outcome(option: str, reply: str) -> tuple[str, str]:
    """What a reader sees of a request, and the error that it ends with, if any."""
    name, _, value = option.partition("=")
    if name == "error":
        names = {"400": "BadRequestError", "401": "AuthenticationError", "403": "PermissionDeniedError"}
        names |= {"404": "NotFoundError", "422": "UnprocessableEntityError", "429": "RateLimitError"}
        return "", names.get(value, "InternalServerError")
    if name == "cut":
        return "".join(tokens(reply)[: int(value)]), "APIConnectionError"
    return ("", "APITimeoutError") if name == "ttft" else (reply, "")


def _told(option: str) -> str:
    name, _, value = option.partition(";")[0].partition("=")
    words = {"error": f"status {value}", "cut": f"cut after {value} tokens", "ttft": f"silent for {value} s"}
    return words.get(name, "well")


def _facts(requests: int, waits: list[str], text: str, error: str) -> Words:
    slept = f"waits of {', '.join(waits)} s" if waits else "no waits"
    return Words(f"{requests} request{'s' * (requests != 1)}, {slept}, {text!r}, {error or 'no error'}")


def check(answer: Subject, draw: Random) -> None:
    _well(answer)
    _again(answer)
    _never_again(answer)
    _waits(answer)
    _stop(answer)
    for _ in range(8):
        _judge(
            _drawn(draw).run(answer), "Another run of luck goes wrong. Which of its failures had the reader noticed?"
        )


def _well(answer: Subject) -> None:
    play = _Play([]).run(answer)
    _judge(play, "Nothing failed here. Pass each piece of text on, once.")
    if play.out[0][0] > PACE.ttft:
        first = play.out[0][0]
        why = (
            f"The first text came after {PACE.ttft:g} s, and you let it out after {first:g} s. Who collects everything first can "
            "always ask again, but does not stream."
        )
        raise NotYet(why, **play.facts())
    sdk = _Play(["error=503"], attempts=1).run(answer)
    if sdk.requests > 1 and not sdk.sleeps:
        why = (
            f"attempts is 1, and the server has seen {sdk.requests} requests: the SDK asks again by itself, twice. "
            "3 attempts would be 9 requests."
        )
        raise NotYet(why, **sdk.facts())
    _judge(sdk, _over(sdk))


def _again(answer: Subject) -> None:
    slept = "You asked again at once. A server in trouble is helped by nobody who does not wait."
    play = _Play(["error=503"]).run(answer)
    _judge(
        play,
        slept if play.requests == 2 and not play.sleeps else "The first request failed before any text. Ask again.",
    )
    lost = "A connection that fails, or says nothing in time, may be tried again as well, while there is no text."
    _judge(_Play(["ttft=60;headers=60"]).run(answer), lost)
    role = "Only a role chunk had come, and nobody has read anything: ask again. Which chunk shows something?"
    _judge(_Play(["cut=0"]).run(answer), role)
    play = _Play(["error=500", "error=503", "error=500", "error=500"]).run(answer)
    _judge(play, _over(play))
    play = _Play(["error=500"] * 3, attempts=5).run(answer)
    _judge(play, "attempts says how many requests there may be, and here it is 5.")


def _over(play: _Play) -> str:
    """What is wrong where all attempts have failed."""
    if not play.error and play.requests == play.attempts:
        return (
            "All attempts failed, and you ended as if the answer were empty. Let the last error go on to your caller."
        )
    if play.requests == play.attempts == len(play.sleeps):
        return "You waited before giving up. Behind the last attempt there is nothing to wait for."
    return "attempts says how many requests there may be, the first one included. Then the last error goes on."


def _never_again(answer: Subject) -> None:
    for status in (400, 401, 404):
        why = f"The same request gets the same {status} again. Only a failure that may pass is worth another attempt."
        _judge(_Play([f"error={status}"]).run(answer), why)
    for plan in (["cut=4"], ["error=503", "cut=4"]):
        play = _Play(plan).run(answer)
        paid = sum(entry.tokens_generated for entry in play.mock.ledger)
        whole = len(tokens(REPLY))
        why = (
            f"The connection broke after 4 tokens. The user has read the beginning twice, and {paid} tokens are paid for an answer "
            f"of {whole}. What is on the screen can't be asked for again."
        )
        if play.requests == len(plan):
            why = "The text broke off, and your caller has to learn it: let the error go on."
        _judge(play, why)


def _waits(answer: Subject) -> None:
    for seconds in (2, 7.5, 20, 0.125):
        _judge(_Play(["error=429"], after=seconds).run(answer), "A 429 goes away by itself. Ask again, but wait.")
    for luck in (HALF, 0.5, ALL):
        play = _Play(["error=500"] * 8, attempts=9, luck=luck).run(answer)
        _judge(play, "Nine attempts, and the last of them went well.")
    low, high = (_Play(["error=500"] * 2, luck=luck).run(answer).sleeps for luck in (0.25, 0.75))
    if low == high:
        why = (
            "All clients that fail together wait equally long, and come back together. Let random() spread them over the second "
            "half of the limit."
        )
        raise NotYet(why, given="random() gives 0.25, then 0.75", got=Words(f"the same waits: {low} s"))
    again = _Play(["error=500"] * 2, luck=0.25).run(answer).sleeps
    if again != low:
        why = "All chance has to come from random(): with the same numbers the waits are the same."
        raise NotYet(why, given="random() gives 0.25, and then again", got=Words(f"{low} s and {again} s"))


def _wait_trouble(play: _Play, waits: list[Wait]) -> str:
    """What is wrong with waits, if there are as many as there should be."""
    same = [low - MARGIN <= seconds <= high + MARGIN for seconds, (low, high) in zip(play.sleeps, waits, strict=True)]
    if all(same):
        return ""
    low, high = waits[same.index(False)]
    if low == high:
        shorter = " It was less than your own wait this time." if play.sleeps[same.index(False)] > high else ""
        return f"The server has said how long to wait, in the header retry-after. Do as it says.{shorter}"
    if play.sleeps[0] > 0 and len(play.sleeps) > 1 and len(set(play.sleeps)) == 1:
        return "You wait equally long each time. A server that is still in trouble needs more time: double the limit."
    if max(play.sleeps) > 8:
        return (
            f"Without an upper limit the waits grow and grow: here to {max(play.sleeps):g} s. The limit is 8 s at most."
        )
    return "The limits are 0.5, 1, 2, 4, 8, 8 ... s, and a wait is between half of its limit and all of it."


def _stop(answer: Subject) -> None:
    for plan, at, what in (([], 0.375, "while waiting for the first text"), (["error=503"], 0.05, "while you sleep")):
        play = _Play(plan, clock=StopsAt(at)).run(answer)
        if play.requests > 1 or not play.stopped:
            why = (
                "The user pressed the stop button, and you went on. A KeyboardInterrupt is no failure of the service: catch only "
                "the errors that you mean."
            )
            given = f"the stop button {what}"
            raise NotYet(why, given=given, got=_facts(play.requests, [], play.text, play.error))
    left = _Play([]).run(answer, leaves=2)
    if left.requests > 1 or left.sleeps:
        why = "The reader left after two pieces, and you asked again. Nobody is there any more."
        raise NotYet(why, got=_facts(left.requests, [], left.text, left.error))


def _judge(play: _Play, why: str) -> None:
    """``why`` is said where something else than the length of a wait is wrong."""
    text, requests, waits, error = play.expected()
    if (play.text, play.requests, play.error, len(play.sleeps)) == (text, requests, error, len(waits)):
        why = _wait_trouble(play, waits)
    if why:
        raise NotYet(why, **play.facts())


def _drawn(draw: Random) -> _Play:
    passing = ["error=500", "error=503", "error=429", "cut=0", "ttft=60"]
    plan = [draw.choice(passing) for _ in range(draw.randint(0, 4))]
    end = draw.choice(["", "", f"cut={draw.randint(1, 5)}", f"error={draw.choice([400, 401, 403, 404, 422])}"])
    words = draw.sample(["again", "now", "later", "who", "asks", "gets", "an", "answer"], 6)
    luck, after = draw.randint(0, 8) / 8, draw.randint(1, 80) / 4
    return _Play([*plan, end] if end else plan, draw.randint(1, 5), luck, after, " ".join(words))


EXERCISE = Exercise(
    id="4.5",
    title="with_retry",
    function="with_retry",
    minutes=15,
    points=3,
    core=False,
    hints=(
        "For each failure, ask two things: may it go away by itself, and has the reader seen anything of the answer? And who else "
        "in your program asks again?",
        "A loop over the attempts, in it try around the request and its stream. A variable remembers whether text has been "
        "yielded. In except: raise if it has, or if this was the last attempt; else work out the wait.",
        "client = client.with_options(max_retries=0). limit = min(8, 0.5 * 2**failures), wait = limit * (1 + random()) / 2; if "
        "the error has a response: float(response.headers.get('retry-after', wait)).",
    ),
    reason="Until the first text a failure is nobody's loss, and asking again costs a wait. Behind it the same request would say "
    "it all once more, to the reader and on the bill. One layer retries, and knows all of that; so the SDK must not.",
    check=check,
)

EXERCISE.survive(
    "telling the client twice that it must not retry changes nothing, and nothing was shown when another attempt begins",
    'client, shown = client.with_options(max_retries=0), False (moved into "for failures in range(attempts):")',
)
EXERCISE.survive(
    "a piece is yielded and noted before anything else can happen",
    'yield choice.delta.content (moved before "shown = True")',
)
EXERCISE.survive(
    "failures + 1 comes to attempts before it could be more",
    "if shown or failures + 1 >= attempts:",
)
EXERCISE.survive(
    "the limit depends on the number of the attempt only",
    'limit = min(8, 0.5 * 2**failures) (moved into "try:")',
)


PASSING = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)


def _retried(part: str) -> Callable[..., Iterator[str]]:
    """The reference, with one mistake called ``part``; for the wrong answers below."""
    caught: Any = {
        "all": openai.APIError,
        "status": (openai.RateLimitError, openai.InternalServerError),
        "base": BaseException,
    }.get(part, PASSING)

    def with_retry(client: Any, request: Any, sleep: Any, random: Any, attempts: int = 3) -> Iterator[str]:
        if part != "sdk":
            client = client.with_options(max_retries=0)
        for failures in range(attempts + (part == "one more")):
            shown = False
            try:
                for chunk in client.chat.completions.create(**request):
                    shown = shown or part == "role"
                    for choice in chunk.choices:
                        if choice.delta.content:
                            shown = part != "after text"
                            yield choice.delta.content
                return
            except caught as error:
                failed = error
                last = failures + 1 == attempts + (part == "one more")
                if part == "base" and isinstance(error, openai.APIError) and not isinstance(error, PASSING):
                    raise
                if shown or (last and part not in ("waits at the end", "gives up silently")):
                    raise
                response = getattr(error, "response", None)
                if last and part == "gives up silently":
                    return
            growth = 1 if part == "constant" else 2**failures
            limit = 0.5 * growth if part == "no cap" else min(8, 0.5 * growth)
            luck = {"no jitter": 0.5, "own chance": chance.random()}.get(part)
            wait = limit * (1 + (random() if luck is None else luck)) / 2
            wait = random() * limit if part == "from zero" else wait
            if response is not None and part != "ignores":
                told = float(response.headers.get("retry-after", wait))
                wait = max(wait, told) if part == "longer" else told
            if part == "real":
                time.sleep(0)
            elif part != "at once":
                sleep(wait)
            if part == "waits at the end" and failures + 1 == attempts:
                raise failed

    return with_retry


def _wrong(name: str, part: str, says: str) -> None:
    EXERCISE.wrong(name, says=says)(_retried(part))


_wrong("leaves the retries of the SDK on", "sdk", "3 attempts would be 9 requests")
_wrong("asks again after text was shown", "after text", "has read the beginning twice")
_wrong("asks again after every error of the service", "all", "The same request gets the same 400")
_wrong("knows statuses only", "status", "may be tried again as well")
_wrong("takes the role chunk for text", "role", "Only a role chunk had come")
_wrong("asks once too often", "one more", "the first one included")
_wrong("waits before it gives up", "waits at the end", "Behind the last attempt there is nothing to wait for")
_wrong("gives up without a word", "gives up silently", "as if the answer were empty")
_wrong("never sleeps", "at once", "You asked again at once")
_wrong("waits on a clock of its own", "real", "You asked again at once")
_wrong("ignores retry-after", "ignores", "in the header retry-after")
_wrong("takes the longer wait of the two", "longer", "less than your own wait")
_wrong("waits equally long each time", "constant", "You wait equally long each time")
_wrong("knows no upper limit", "no cap", "Without an upper limit")
_wrong("waits without chance", "no jitter", "come back together")
_wrong("has a chance of its own", "own chance", "All chance has to come from random()")
_wrong("may wait no time at all", "from zero", "between half of its limit and all of it")
_wrong("asks again when the user stops it", "base", "The user pressed the stop button")


@EXERCISE.wrong("collects the answer before it shows any", says="but does not stream")
def _(client, request, sleep, random, attempts=3):  # type: ignore[no-untyped-def]
    yield from list(_retried("")(client, request, sleep, random, attempts))


@EXERCISE.right
def _(client, request, sleep, random, attempts=3):  # type: ignore[no-untyped-def]
    # The first text is fetched with retries; behind it there is nothing to be done about errors.
    create = client.with_options(max_retries=0).chat.completions.create

    def begin():  # type: ignore[no-untyped-def]
        stream = create(**request)
        texts = (choice.delta.content for chunk in stream for choice in chunk.choices if choice.delta.content)
        return next(texts, ""), texts

    def pause(error, number):  # type: ignore[no-untyped-def]
        told = error.response.headers.get("retry-after") if isinstance(error, openai.APIStatusError) else None
        top = (0.5, 1.0, 2.0, 4.0, 8.0)[min(number, 4)]
        return float(told) if told else top / 2 + top / 2 * random()

    for number in range(attempts - 1):
        try:
            first, rest = begin()  # type: ignore[no-untyped-call]
            break
        except PASSING as error:
            sleep(pause(error, number))  # type: ignore[no-untyped-call]
    else:
        first, rest = begin()  # type: ignore[no-untyped-call]
    yield first
    yield from rest


@EXERCISE.right
def _(client, request, sleep, random, attempts=3):  # type: ignore[no-untyped-def]
    limit, left, out = 0.5, attempts, 0
    while True:
        left -= 1
        try:
            with client.with_options(max_retries=0).chat.completions.create(**request) as stream:
                for chunk in stream:
                    piece = chunk.choices[0].delta.content if chunk.choices else ""
                    if piece:
                        out += 1
                        yield piece
                return
        except openai.APIError as error:
            status = getattr(error, "status_code", 503 if isinstance(error, openai.APIConnectionError) else 400)
            if out or left == 0 or not (status == 429 or status >= 500):
                raise
            wait = limit - limit / 2 * random()
            if isinstance(error, openai.APIStatusError) and "retry-after" in error.response.headers:
                wait = float(error.response.headers["retry-after"])
            sleep(wait)
            limit = min(limit * 2, 8)
