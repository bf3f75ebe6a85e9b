"""Exercise 7.2: an endpoint that serves one customer well, and has to serve three, and one who leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Any

import openai

from course_utils import sse
from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.frames import Fault, Frame, Frames, silent_last
from course_utils.ledger import Entry
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
REPLY = "Tea is ready."
LONG = " ".join(f"word{number}" for number in range(100))
"""An answer so long that somebody leaves in the middle of it."""
END = 60.0
"""When the check looks at the ledger: by then every answer is generated, if nobody has stopped it."""
PING = 0.375
"""When somebody asks the same server something small."""
BROKE_OFF = {"error": "the answer broke off"}
HEADERS = {
    "content-type": ("text/event-stream", "Without `content-type: text/event-stream` nobody knows that these are events."),
    "cache-control": ("no-cache", "Without `cache-control: no-cache` somebody on the way may keep a copy of the answer."),
    "x-accel-buffering": ("no", "Without `x-accel-buffering: no` a proxy such as nginx may wait until a page is full."),
}  # fmt: skip


@dataclass
class _Customer:
    """One request and what became of it.

    ``option`` is what goes wrong at the service. The customer ``leaves`` at that second; before that, from piece number
    ``stuck`` on, the line to the customer takes nothing more, so that the write does not come back. ``usage``: the service
    tells it; ``silent``: it sends a chunk that says nothing behind the one with the finish reason; ``joined``: the last text and
    the finish reason, which is ``reason``, come in one chunk.
    """

    question: str = "Is the tea ready?"
    reply: str = REPLY
    option: str = ""
    leaves: float | None = None
    stuck: int | None = None
    usage: bool = False
    silent: bool = False
    joined: bool = False
    reason: str = "stop"
    headers: list[Any] = field(default_factory=list)
    writes: list[tuple[float, Any]] = field(default_factory=list)
    log: list[tuple[Any, Any]] = field(default_factory=list)
    early: bool = False
    ended: str = ""

    async def ask(self, answer: Subject, clock: VirtualClock) -> None:
        """Send the request, and go away when it is time to."""
        self.clock = clock
        faults = [Fault("reason", self._ends), *[silent_last()] * self.silent]
        faults += [Fault("joined", _joined)] * self.joined
        options = [self.option] * bool(self.option)
        self.mock = MockServer(self.reply, pace=PACE, clock=clock, faults=faults, options=options)
        request: dict[str, Any] = {"model": "mock-1", "messages": [{"role": "user", "content": self.question}]}
        request |= {"stream": True} | ({"stream_options": {"include_usage": True}} if self.usage else {})
        clients = self.mock.client(), self.mock.async_client()
        task = asyncio.ensure_future(answer.acall(request, *clients, self._start, self._write, self._log))
        if self.leaves is not None:
            await asyncio.wait([task], timeout=self.leaves)
            task.cancel()
        try:
            await task
            self.ended = "returned"
        except asyncio.CancelledError:
            self.ended = "was cancelled"
        except Raised as raised:
            raised.given = self.given
            self._explain(raised)
            if not isinstance(raised.error, openai.OpenAIError):
                raise
            self.ended = f"raised {raised.kind}"

    def _ends(self, frames: Frames) -> list[Frame]:
        said, says = b'"finish_reason":"stop"', f'"finish_reason":"{self.reason}"'.encode()
        return [replace(frame, data=frame.data.replace(said, says)) for frame in frames]

    def _explain(self, raised: Raised) -> None:
        """Errors that tell of a misconception."""
        if "has no threads" in str(raised):
            raise NotYet(THREADS, given=self.given) from None
        if raised.kind == "IndexError" and self.usage:
            raise NotYet(EMPTY, given=self.given) from None

    def _start(self, headers: Any) -> None:
        self.early = self.early or bool(self.writes)
        self.headers.append(headers)

    async def _write(self, data: Any) -> None:
        self.early = self.early or not self.headers
        self.writes.append((self.clock.now(), data))
        # Others get a turn with every write, as they do where the function runs in another process.
        await asyncio.sleep(END if len(self.writes) == self.stuck else 0)

    def _log(self, text: Any, status: Any) -> None:
        self.log.append((text, status))

    @property
    def events(self) -> list[tuple[float, sse.Event]]:
        """What the customer reads and when, by the course's own parser."""
        decoder = sse.Decoder()
        return [(at, event) for at, data in self.writes for event in decoder.feed(data)]

    @property
    def texts(self) -> list[tuple[float, Any]]:
        """The text in each event without a type, and when it left; anything else than text is shown as it came."""
        return [
            (at, _content(event.data))
            for at, event in self.events
            if event.type == "message" and event.data != "[DONE]"
        ]

    @property
    def last(self) -> list[str]:
        """Everything that is no text: the end, and errors."""
        ends = [event for _, event in self.events if event.type != "message" or event.data == "[DONE]"]
        return [event.data if event.type == "message" else f"{event.type}: {event.data}" for event in ends]

    @property
    def entry(self) -> Entry | None:
        """The service's own record of this request."""
        return self.mock.ledger[0] if len(self.mock.ledger) == 1 else None

    @property
    def first(self) -> float:
        """When the first text was read from the service; the chunk before it has only the role."""
        times = list(self.entry.written) if self.entry is not None else []
        return times[1] if len(times) > 1 else END

    @property
    def made(self) -> str:
        entry = self.entry
        if entry is None:
            return f"{len(self.mock.ledger)} requests at the service"
        return f"{entry.tokens_generated} of {len(tokens(self.reply))} tokens generated"

    @property
    def given(self) -> str:
        parts = [f"an answer of {len(tokens(self.reply))} tokens"]
        parts += [f"which goes wrong at the service ({self.option})"] if self.option else []
        parts += [f"whose finish reason is {self.reason!r}"] if self.reason != "stop" else []
        parts += ["with a chunk for the usage"] if self.usage else []
        parts += ["with the last text and the finish reason in one chunk"] if self.joined else []
        parts += [f"the customer's line is full from piece {self.stuck} on"] if self.stuck else []
        parts += [f"the customer leaves at {self.leaves:g} s"] if self.leaves is not None else []
        return ", ".join(parts)

    def facts(self) -> dict[str, Any]:
        texts, last, log = _right(self.reply, self.option, self.leaves, self.stuck)
        return {
            "given": self.given,
            "got": Words(f"{_told(self.texts, self.last, self.log)}; ledger: {self.made}"),
            "expected": Words(_told([(at, text) for at, text in texts], last, [(log[0], log[1])])),
        }


def _joined(frames: Frames) -> list[Frame]:
    *before, text, end, done = frames
    reason = re.search(rb'"finish_reason":"\w+"', end.data)
    assert reason, "the chunk in front of [DONE] tells why the answer ended"
    return [*before, replace(text, data=text.data.replace(b'"finish_reason":null', reason[0])), done]


FINE = "One customer, and nothing goes wrong."
THREADS = (
    "You let a thread wait for each customer, and nothing says how many there may be: a hundred customers are a hundred threads. "
    "Here are none. The asynchronous client waits for all customers in one."
)
EMPTY = "A chunk came whose choices are empty: it carries the usage. Look whether there is a choice before you take it."


def _content(data: str) -> Any:
    """The text in the data of an event; where there is none, the data itself in a list, which is equal to no text."""
    try:
        loaded = json.loads(data)
    except ValueError:
        return [data]
    return loaded["content"] if isinstance(loaded, dict) and set(loaded) == {"content"} else [data]


def _told(texts: Sequence[tuple[float, Any]], last: Sequence[str], log: Sequence[tuple[Any, Any]]) -> str:
    shown = [f"{at:g} s {text!r}" for at, text in texts]
    some = [*shown[:3], "...", shown[-1]] if len(shown) > 5 else shown
    booked = ", ".join(f"({_short(text)}, {status!r})" for text, status in log)
    return f"texts {', '.join(some) or 'none'}; then {' and '.join(last) or 'nothing'}; log: {booked or '0 entries'}"


def _short(text: Any) -> str:
    shown = repr(text)
    return shown if len(shown) <= 40 else f"{shown[:17]}...{shown[-17:]}"


@expectation
def _right(
    reply: str, option: str, leaves: float | None, stuck: int | None
) -> tuple[list[tuple[float, str]], list[str], tuple[str, str]]:
    """The texts and when they leave, what ends them, and the log."""
    name, _, number = option.partition("=")
    pieces = tokens(reply)
    if name in ("cut", "error-at", "end", "error"):
        pieces = pieces[: 0 if name == "error" else int(number)]
    texts = [(PACE.ttft + PACE.itl * place, piece) for place, piece in enumerate(pieces)][:stuck]
    if leaves is not None:
        texts = [(at, piece) for at, piece in texts if at < leaves]
    text = "".join(piece for _, piece in texts)
    if leaves is not None:
        return texts, [], (text, "left")
    if option:
        return texts, [f"error: {json.dumps(BROKE_OFF)}"], (text, "failed")
    return texts, ["[DONE]"], (text, "complete")


@dataclass
class _Play:
    """Some customers who come at once, and a ping."""

    customers: list[_Customer]
    ping: float = 0.0

    def run(self, answer: Subject) -> _Play:
        clock = VirtualClock()
        answer.play(self._open(answer, clock), clock)
        for one in self.customers:
            if text := [data for _, data in one.writes if not isinstance(data, bytes)]:
                raise NotYet("write() takes bytes: encode your text.", given=one.given, got=text[0])
        return self

    async def _open(self, answer: Subject, clock: VirtualClock) -> None:
        await asyncio.gather(self._pinged(clock), *(one.ask(answer, clock) for one in self.customers))
        await clock.asleep_until(END)

    async def _pinged(self, clock: VirtualClock) -> None:
        await clock.asleep_until(PING)
        self.ping = clock.now() - PING


def _one(answer: Subject, customer: _Customer) -> _Customer:
    _Play([customer]).run(answer)
    return customer


def check(answer: Subject, draw: Random) -> None:
    _alone(answer)
    _three(answer)
    _fails(answer)
    _leaves(answer)
    for _ in range(3):
        play = _Play([_drawn(draw) for _ in range(3)]).run(answer)
        for customer in play.customers:
            _judge(customer, "Three customers at once, and one of them did not get what is due.")


def _drawn(draw: Random) -> _Customer:
    words = draw.sample(["milk", "two cups", "in a minute", "no sugar", "well, yes", "hot", "by the window", "now"], 5)
    kind = draw.choice(["goes well", "fails", "leaves"])
    option = draw.choice(["cut", "error-at", "end"]) + f"={draw.randint(1, 4)}" if kind == "fails" else ""
    leaves = 0.125 + 0.25 * draw.randint(0, 5) if kind == "leaves" else None
    return _Customer(f"Tea {draw.randint(2, 99)}?", ", ".join(words) + ".", option, leaves)


def _alone(answer: Subject) -> None:
    """What one customer sees."""
    customer = _one(answer, _Customer())
    facts = customer.facts()
    if len(customer.headers) != 1 or customer.early or not isinstance(customer.headers[0], dict):
        raise NotYet("Call start(headers) once, with a dict, and before the first write.", **facts)
    if not customer.mock.ledger and any(text.startswith("error") for text in customer.last):
        why = (
            "The service is well and has never heard of you, and your customer reads of an error. What was it? A thread, perhaps: "
            "here are none."
        )
        raise NotYet(why, **facts)
    if customer.texts and customer.texts[0][0] > PACE.ttft:
        raise NotYet(_late(customer), **facts)
    _headers(customer)
    _judge(customer, FINE)
    _judge(_one(answer, _Customer(usage=True)), EMPTY)
    _judge(
        _one(answer, _Customer(silent=True)),
        "A chunk had a finish_reason, and a later one, without any, made you forget it.",
    )
    _judge(
        _one(answer, _Customer(joined=True)),
        "A chunk had both, the last text and the finish_reason, and you took one of them. Look for each by itself.",
    )
    for reason in ("content_filter", "length"):
        _judge(_one(answer, _Customer(reason=reason)), f"{reason!r} {WHICHEVER}")
    _judge(
        _one(answer, _Customer(reply='Two\nlines, a "quote".')),
        "Write each event with json.dumps: text may hold anything.",
    )


WHICHEVER = "is a reason to end, too: the task says whichever it was. A stream that breaks off gives none."


def _late(customer: _Customer) -> str:
    (written, _), (at, _) = customer.writes[0], customer.texts[0]
    if written <= PACE.ttft:
        return f"You wrote at {written:g} s, and the reader had no event before {at:g} s: an empty line ends an event, so two \\n."
    return f"The first text was there at {PACE.ttft:g} s and left at {at:g} s. A list of a stream is complete when that is over."


def _headers(customer: _Customer) -> None:
    sent = {str(name).lower(): str(value).lower() for name, value in customer.headers[0].items()}
    given = {"given": "the headers you start with", "got": customer.headers[0]}
    for name, (value, why) in HEADERS.items():
        if value not in [part.strip() for part in sent.get(name, "").replace(";", ",").split(",")]:
            raise NotYet(why, **given)


def _three(answer: Subject) -> None:
    replies = {"Tea?": "Tea is ready.", "Milk?": "We have no milk.", "Cake?": "One piece is left."}
    play = _Play([_Customer(question, reply) for question, reply in replies.items()]).run(answer)
    firsts = [one.first for one in play.customers]
    words = ", ".join(f"{at:g}" for at in firsts)
    facts = {
        "given": "three customers at once, and a ping",
        "got": Words(f"first texts after {words} s, the ping answered {'late' if play.ping > 0 else 'at once'}"),
        "expected": Words(f"first texts after {', '.join([f'{PACE.ttft:g}'] * 3)} s, the ping answered at once"),
    }
    if play.ping > 0:
        why = (
            f"With three customers the first words came after {words} s, and a ping in between had to wait for them. While your "
            "code waits for a synchronous client, nothing else on this server moves."
        )
        raise NotYet(why, **facts)
    if max(firsts) > PACE.ttft:
        why = f"A ping is answered at once, but three customers wait for each other: first words after {words} s. What is shared?"
        raise NotYet(why, **facts)
    for customer in play.customers:
        others = [one.reply for one in play.customers if one is not customer]
        if any(tokens(other)[-2] in str(text) for text, _ in customer.log for other in others):
            why = "The log of one customer holds words of another. What does each request need for itself?"
            raise NotYet(why, **customer.facts() | {"given": facts["given"]})
        _judge(customer, "Three customers at once, and one of them did not get what is due.")


def _fails(answer: Subject) -> None:
    for option in ("cut=4", "error-at=4", "end=4", "error=503"):
        customer = _one(answer, _Customer(reply="Tea is ready, and so is the cake.", option=option))
        facts = customer.facts()
        if customer.ended.startswith("raised"):
            why = "The error went through your function. 200 OK is long gone, so the reader sees a cut: tell it with an event."
            raise NotYet(why, **facts)
        if "[DONE]" in customer.last:
            lacks = ": it never said why it ended" if option.startswith("end") else ""
            raise NotYet(
                f"The answer broke off{lacks}, and you said [DONE]. The reader takes half of it for the whole.", **facts
            )
        if customer.early or not customer.headers:
            why = "The service failed before its first chunk, and you write without having called start(headers)."
            raise NotYet(why, **facts)
        if not customer.last:
            why = "The answer broke off, and the stream just ends: the reader can't tell that from the end."
            if any(isinstance(text, list) and "broke off" in str(text) for _, text in customer.texts):
                why = "Your error is an event without a type, as the pieces are. The line `event: error` gives it one."
            raise NotYet(why, **facts)
        _judge(customer, "The service failed: first all that came before, then the event 'error', and nothing else.")


def _leaves(answer: Subject) -> None:
    for leaves, stuck in ((2.125, None), (0.125, None), (3.125, 4)):
        customer = _one(answer, _Customer(reply=LONG, leaves=leaves, stuck=stuck))
        _left(customer)
        _judge(customer, STUCK if stuck else "The customer has left.")


STUCK = (
    "The customer's line takes nothing more, and you read on and write on. Await each write: then the stream waits, too, and "
    "nothing piles up in between."
)


def _left(customer: _Customer) -> None:
    """Whether everything ends when the customer leaves."""
    facts, leaves = customer.facts(), customer.leaves
    assert leaves is not None
    if any(at > leaves or _is_last(data) for at, data in customer.writes):
        raise NotYet("The customer has left, and you go on writing. There is nobody any more.", **facts)
    entry = customer.entry
    if entry is not None and (entry.ended != "client_left" or (entry.ended_at or 0.0) > leaves):
        why = (
            f"The customer left at {leaves:g} s, and the service went on: {customer.made}, and somebody pays for them. Close the "
            "stream on every way out of your function."
        )
        raise NotYet(why, **facts)
    if customer.ended != "was cancelled":
        why = (
            "Your function was cancelled, and ended as if nothing had been. A server that shuts down, and a deadline around you, "
            "count on it: let the CancelledError go on."
        )
        raise NotYet(why, **facts)


def _is_last(data: bytes) -> bool:
    return b"[DONE]" in data or b"event:" in data


def _judge(customer: _Customer, why: str) -> None:
    """Whether all that was due has left, in time, and the log is right; ``why`` is said where nothing better is known."""
    texts, last, (text, status) = _right(customer.reply, customer.option, customer.leaves, customer.stuck)
    facts = customer.facts()
    if [said for _, said in customer.texts] != [said for _, said in texts]:
        raise NotYet(_wrong_text(customer, why), **facts)
    if [at for at, _ in customer.texts] != [at for at, _ in texts]:
        raise NotYet("The texts are right and left at other moments. Write each piece when it comes.", **facts)
    if [_normal(one) for one in customer.last] != last:
        raise NotYet(_wrong_end(customer.last, last, why), **facts)
    _logged(customer, text, status, facts)


def _normal(last: str) -> str:
    """The end of a stream with its JSON written as `json.dumps` does."""
    name, colon, data = last.partition(": ")
    try:
        return f"{name}: {json.dumps(json.loads(data))}" if colon else last
    except ValueError:
        return last


def _wrong_text(customer: _Customer, why: str) -> str:
    came = [text for _, text in customer.texts]
    if came and not any(isinstance(text, str) for text in came):
        return 'The data of a piece is the JSON text of {"content": ...}, with the piece as it came.'
    if "" in came:
        return "You sent an event without text: the chunk only told the role, or why the answer ended."
    if not came and any(b"content" in data for _, data in customer.writes):
        return "You wrote, and not one event was complete: an empty line ends an event, so two \\n."
    if not came:
        return "No text was sent. Each piece that comes is an event of its own, and only `await write(...)` sends it."
    if len(came) > 1 and all(isinstance(text, str) and text.startswith(str(before)) for before, text in pairwise(came)):
        return "Each event has all the text so far. Send what is new: the reader puts the pieces together."
    return why


def _wrong_end(came: Sequence[str], right: Sequence[str], why: str) -> str:
    if right == ["[DONE]"] and why == FINE and any(one.startswith("error") for one in came):
        return "The answer is complete, and your customer reads of an error."
    if right == ["[DONE]"] and not came:
        return "Nothing stands behind the last piece. With [DONE] the reader knows that the answer is whole."
    if right == ["[DONE]"] and came == ["[DONE]", "[DONE]"]:
        return "You said [DONE] twice."
    if len(came) == 1 and came[0].startswith("error: ") and right and right[0].startswith("error"):
        return "The event 'error' has the words of the task, and no others: what an exception says is for your log."
    return why


def _logged(customer: _Customer, text: str, status: str, facts: dict[str, Any]) -> None:
    log = customer.log
    if not log and status == "left":
        why = "The client left, and the log has 0 entries: what stands behind the loop is not reached then. What is, every time?"
        raise NotYet(why, **facts)
    if not log:
        raise NotYet(f"The request is over ({status}), and the log has 0 entries.", **facts)
    if len(log) > 1:
        why = f"The log has {len(log)} entries for one request ({status}). Two places write it, and one way leads past both."
        raise NotYet(why, **facts)
    said, told = log[0]
    if said != text:
        raise NotYet(
            "The log has another text than came from the service. It is all that came, and nothing else.", **facts
        )
    if told != status:
        raise NotYet(f"The log says {told!r}, and it was {status!r}.", **facts)


EXERCISE = Exercise(
    id="7.2",
    title="chat",
    function="chat",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "Send three customers and a ping through it in your head: which line holds all of them up? Then follow one request on each "
        "way out: at its end, at an error, and when the customer leaves. What is closed, what is written?",
        "`await` and `async for` let others have their turn, and only the asynchronous client can be awaited. `async with` closes "
        "a stream on every way out. A cancelled task gets a CancelledError, which is no Exception; `finally` sees every end.",
        "status = 'left' before the try; in it `async with await async_client...create(**request) as stream`, and behind the loop "
        "'complete' if a finish_reason came, else 'failed'; except openai.APIError: 'failed'; finally: log. Last comes the event.",
    ),
    reason="One customer can't tell a server that waits from one that blocks, so it is tested with three. Each request has three "
    "ways out, and a with and a finally stand on all of them; what happens after 200 OK can only be said in the stream.",
    check=check,
)

EXERCISE.survive(
    "nothing has been waited for yet, so the order of the first lines changes nothing",
    'text, status, reason = "", "left", None (moved before '
    '"start({"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"})")',
    'text, status, reason = "", "left", None (moved into "try:")',
)
EXERCISE.survive("0 is no reason either", 'text, status, reason = "", "left", 0')
EXERCISE.survive(
    "the text does not change between the two",
    'data = json.dumps({"content": choice.delta.content}) (moved before "text += choice.delta.content")',
)
EXERCISE.survive(
    "to close a stream that is over takes no time, and nobody leaves meanwhile",
    'status = "complete" if reason else "failed" (moved into '
    '"async with await async_client.chat.completions.create(**request) as stream:")',
)
EXERCISE.survive('behind the try the status is "complete" or "failed"', 'if status <= "complete":')

# ------------------------------------------------------------------------------------- the reference and its mistakes

SENT = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
LAST = b"data: [DONE]\n\n"
SORRY = b'event: error\ndata: {"error": "the answer broke off"}\n\n'
_SHARED: list[str] = []
_KEPT: list[Any] = []
_GATES: weakref.WeakKeyDictionary[Any, asyncio.Lock] = weakref.WeakKeyDictionary()


def _event(text: Any) -> bytes:
    return f"data: {json.dumps({'content': text})}\n\n".encode()


async def _right_stream(client: Any, async_client: Any, request: Any) -> Any:
    return await async_client.chat.completions.create(**request)


async def _sync(client: Any, async_client: Any, request: Any) -> Any:
    return _Steps(client.chat.completions.create(**request))


async def _list(client: Any, async_client: Any, request: Any) -> Any:
    return _Steps(list(client.chat.completions.create(**request)))


async def _thread(client: Any, async_client: Any, request: Any) -> Any:
    return _Steps(await asyncio.to_thread(client.chat.completions.create, **request))


async def _unclosed(client: Any, async_client: Any, request: Any) -> Any:
    return _Steps(await async_client.chat.completions.create(**request))


class _Steps:
    """A stream or a list with the methods of an asynchronous stream; it closes nothing, and somebody keeps it."""

    def __init__(self, chunks: Any) -> None:
        self._chunks = aiter(chunks) if hasattr(chunks, "__aiter__") else iter(chunks)
        _KEPT.append(self)
        del _KEPT[:-20]

    async def __aenter__(self) -> _Steps:
        return self

    async def __aexit__(self, *error: object) -> None: ...

    def __aiter__(self) -> _Steps:
        return self

    async def __anext__(self) -> Any:
        if hasattr(self._chunks, "__anext__"):
            return await anext(self._chunks)
        try:
            return next(self._chunks)
        except StopIteration:
            raise StopAsyncIteration from None


class _Gate:
    """One lock for all requests, made anew for each loop."""

    async def __aenter__(self) -> None:
        await _GATES.setdefault(asyncio.get_running_loop(), asyncio.Lock()).acquire()

    async def __aexit__(self, *error: object) -> None:
        _GATES[asyncio.get_running_loop()].release()


def _piece(said: list[str], choice: Any) -> bytes:
    return _event(choice.delta.content) if choice.delta.content else b""


def _failed(error: BaseException) -> str:
    return "failed"


def _wrong(
    name: str,
    says: str,
    *,
    headers: dict[str, str] | None = SENT,
    opened: Callable[..., Any] = _right_stream,
    gate: Callable[[], Any] = contextlib.AsyncExitStack,
    event: Callable[[list[str], Any], Any] = _piece,
    guarded: bool = True,
    remembers: bool = True,
    texts: Callable[[], list[str]] = list,
    late: bool = False,
    whole: Callable[[Any], Any] = bool,
    caught: Any = openai.APIError,
    status: str = "left",
    became: Callable[[BaseException], str] = _failed,
    logs: tuple[int, int, int] = (0, 1, 0),
    done: bytes = LAST,
    sorry: Callable[[str], Any] = lambda error: SORRY,
) -> None:
    """The reference with one part exchanged; ``logs``: how often it logs in the handler, in `finally`, and behind it."""

    async def chat(request: Any, client: Any, async_client: Any, start: Any, write: Any, log: Any) -> None:
        said, ended, reason, error = texts(), status, None, ""
        if headers is not None:
            start(headers)
        try:
            async with gate(), await opened(client, async_client, request) as stream:
                async for chunk in stream:
                    for choice in chunk.choices if guarded else [chunk.choices[0]]:
                        reason = choice.finish_reason or (reason if remembers else None)
                        said += [choice.delta.content or ""] * (not late)
                        if data := event(said, choice):
                            await write(data)
                        said += [choice.delta.content or ""] * late
            ended = "complete" if whole(reason) else "failed"
        except caught as broken:
            ended, error = became(broken), str(broken)
            for _ in range(logs[0]):
                log("".join(said), ended)
        finally:
            for _ in range(logs[1]):
                log("".join(said), ended)
        for _ in range(logs[2]):
            log("".join(said), ended)
        if end := {"complete": done, "failed": sorry(error)}.get(ended):
            await write(end)

    EXERCISE.wrong(name, says=says)(chat)


def _emptied(texts: list[str]) -> list[str]:
    texts.clear()
    return texts


def _without(header: str) -> dict[str, str]:
    return {name: value for name, value in SENT.items() if name != header}


_wrong("lets a synchronous client hold the server", "nothing else on this server moves", opened=_sync)
_wrong("makes a list of a synchronous stream", "A list of a stream is complete", opened=_list)
_wrong("gives each customer a thread", "a hundred customers are a hundred threads", opened=_thread)
_wrong("takes the error of a thread for one of the service", "has never heard of you", opened=_thread, caught=Exception)
_wrong("writes no events", "No text was sent", event=lambda said, choice: b"")
_wrong("serves one customer after the other", "three customers wait for each other", gate=_Gate)
_wrong("closes nothing", "Close the stream on every way out", opened=_unclosed)
_wrong("logs behind the loop", "the log has 0 entries: what", logs=(0, 0, 1))
_wrong("logs in the handler and in finally", "2 entries for one request (failed)", logs=(1, 1, 0))
_wrong("logs in finally and behind it", "2 entries for one request (complete)", logs=(0, 1, 1))
_wrong("swallows the cancellation", "let the CancelledError go on", caught=(openai.APIError, asyncio.CancelledError),
       became=lambda error: "left" if isinstance(error, asyncio.CancelledError) else "failed")  # fmt: skip
_wrong("takes leaving for an error", "There is nobody any more", caught=BaseException)
_wrong("begins as complete", "The log says 'complete', and it was 'left'", status="complete")
_wrong("logs what has been written, not what came", "has another text than came", late=True)
_wrong("has one text for all requests", "holds words of another", texts=lambda: _emptied(_SHARED))
_wrong("sends no content type", "nobody knows that these are events", headers=_without("content-type"))
_wrong("may be kept by a cache", "may keep a copy", headers=_without("cache-control"))
_wrong("may be held by a proxy", "until a page is full", headers=_without("x-accel-buffering"))
_wrong("sends no headers", "Call start(headers) once", headers=None)
_wrong("writes text", "write() takes bytes", event=lambda said, choice: _piece(said, choice).decode())
_wrong("writes text where the answer broke off", "write() takes bytes", sorry=lambda error: SORRY.decode())
_wrong("sends the bare text", "is the JSON text of", event=lambda said, choice: (
    f"data: {choice.delta.content}\n\n".encode() if choice.delta.content else b""))  # fmt: skip
_wrong("writes JSON by hand", "with json.dumps", event=lambda said, choice: (
    f'data: {{"content": "{choice.delta.content}"}}\n\n'.encode() if choice.delta.content else b""))  # fmt: skip
_wrong("sends empty pieces", "an event without text", event=lambda said, choice: _event(choice.delta.content or ""))
_wrong("sends all so far each time", "Send what is new", event=lambda said, choice: (
    _event("".join(said)) if choice.delta.content else b""))  # fmt: skip
_wrong("takes the first choice of each chunk", "whose choices are empty", guarded=False)
_wrong("looks for the reason in the last chunk", "made you forget it", remembers=False)
_wrong("forgets how a stream ends", "the reader knows that the answer is whole", done=b"")
_wrong("lets the error through", "The error went through your function", caught=ZeroDivisionError)
_wrong(
    "takes stop alone for a whole answer", "'content_filter' is a reason to end", whole=lambda reason: reason == "stop"
)
_wrong(
    "takes a full answer for a broken one",
    "'length' is a reason to end",
    whole=lambda reason: reason not in (None, "length"),
)
_wrong("looks for text only where there is no reason", "Look for each by itself", event=lambda said, choice: (
    b"" if choice.finish_reason else _piece(said, choice)))  # fmt: skip
_wrong("ends an event with its line", "so two \\n", event=lambda said, choice: _piece(said, choice)[:-1])
_wrong("ends no event", "not one event was complete", event=lambda said, choice: _piece(said, choice)[:-1], done=b"")
_wrong("sends its error without a type", "an event without a type, as", sorry=lambda error: SORRY.partition(b"\n")[2])
_wrong("says both, done and error", "and your customer reads of an error", done=LAST + SORRY)
_wrong("is silent when the service fails", "the stream just ends", sorry=lambda error: b"")
_wrong("says that it is done in any case", "and you said [DONE]", sorry=lambda error: LAST)
_wrong("takes every end for a whole answer", "it never said why it ended", whole=lambda reason: True)
_wrong("tells the reader what the exception says", "the words of the task", sorry=lambda error: (
    f"event: error\ndata: {json.dumps({'error': error})}\n\n".encode()))  # fmt: skip


@EXERCISE.wrong("collects all pieces first", says="and left at")
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    start(SENT)
    async with await async_client.chat.completions.create(**request) as stream:
        pieces = [choice.delta.content async for chunk in stream for choice in chunk.choices if choice.delta.content]
    for piece in pieces:
        await write(_event(piece))
    log("".join(pieces), "complete")
    await write(LAST)


@EXERCISE.wrong("starts when the service has answered", says="you write without having called start")
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    said, status, reason = "", "left", None
    try:
        async with await async_client.chat.completions.create(**request) as stream:
            start(SENT)
            async for chunk in stream:
                for choice in chunk.choices:
                    said, reason = said + (choice.delta.content or ""), choice.finish_reason or reason
                    if choice.delta.content:
                        await write(_event(choice.delta.content))
        status = "complete" if reason else "failed"
    except openai.APIError:
        status = "failed"
    finally:
        log(said, status)
    await write(LAST if status == "complete" else SORRY)


@EXERCISE.wrong("waits for no write", says="Await each write")
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    start(SENT)
    said, status, reason, writes = "", "left", None, set()
    try:
        async with await async_client.chat.completions.create(**request) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    said, reason = said + (choice.delta.content or ""), choice.finish_reason or reason
                    if choice.delta.content:
                        writes.add(asyncio.ensure_future(write(_event(choice.delta.content))))
                        await asyncio.sleep(0)
        status = "complete" if reason else "failed"
    except openai.APIError:
        status = "failed"
    finally:
        log(said, status)
    await write(LAST if status == "complete" else SORRY)


@EXERCISE.wrong("returns from the handler, in front of the log", says="The request is over (failed), and")
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    start(SENT)
    said, reason = "", None
    try:
        async with await async_client.chat.completions.create(**request) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    said, reason = said + (choice.delta.content or ""), choice.finish_reason or reason
                    if choice.delta.content:
                        await write(_event(choice.delta.content))
    except openai.APIError:
        return await write(SORRY)
    log(said, "complete" if reason else "failed")
    await write(LAST if reason else SORRY)


@EXERCISE.wrong("lets a task of its own read to the end", says="100 of 100 tokens generated")
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    start(SENT)
    queue: asyncio.Queue[Any] = asyncio.Queue()

    async def read() -> None:
        said, status = "", "failed"
        with contextlib.suppress(openai.APIError):
            async for chunk in await async_client.chat.completions.create(**request):
                for choice in chunk.choices:
                    said += choice.delta.content or ""
                    queue.put_nowait(choice.delta.content)
                    status = "complete" if choice.finish_reason else status
        log(said, status)
        queue.put_nowait((status,))

    asyncio.create_task(read())  # noqa: RUF006  # the mistake this answer stands for
    while not isinstance(piece := await queue.get(), tuple):
        if piece:
            await write(_event(piece))
    await write(LAST if piece == ("complete",) else SORRY)


@EXERCISE.right
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    # Each way out is named, and closes and logs for itself.
    start({name.title(): value for name, value in SENT.items()})
    pieces: list[str] = []
    stream, whole = None, False
    try:
        stream = await async_client.chat.completions.create(**request)
        async for chunk in stream:
            if chunk.choices:
                whole = whole or chunk.choices[0].finish_reason is not None
                if text := chunk.choices[0].delta.content:
                    pieces.append(text)
                    await write(b"data: " + json.dumps({"content": text}).encode() + b"\n\n")
    except asyncio.CancelledError:
        if stream:
            await stream.close()
        log("".join(pieces), "left")
        raise
    except Exception:  # noqa: BLE001  # whatever it is, the reader is told the same
        whole = False
    log("".join(pieces), "complete" if whole else "failed")
    await write(sse.event("[DONE]") if whole else sse.event(json.dumps(BROKE_OFF), type="error"))


@EXERCISE.right
async def _(request, client, async_client, start, write, log):  # type: ignore[no-untyped-def]
    # The book is a context around the request; a generator gives the pieces, and raises where the answer is not whole.
    @contextlib.contextmanager
    def booked():  # type: ignore[no-untyped-def]
        entry = {"text": "", "status": "left"}
        try:
            yield entry
        finally:
            log(entry["text"], entry["status"])

    async def pieces():  # type: ignore[no-untyped-def]
        finish = None
        async with await async_client.chat.completions.create(**request) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    finish = finish or choice.finish_reason
                    yield choice.delta.content or ""
        if not finish:
            raise EOFError("the answer broke off")

    start({**SENT, "content-type": "text/event-stream; charset=utf-8"})
    with booked() as entry:
        try:
            async with contextlib.aclosing(pieces()) as coming:  # type: ignore[no-untyped-call]
                async for piece in coming:
                    entry["text"] += piece
                    if piece:
                        await write(_event(piece))
            entry["status"] = "complete"
            await write(LAST)
        except (openai.APIError, EOFError):
            entry["status"] = "failed"
            await write(SORRY)
