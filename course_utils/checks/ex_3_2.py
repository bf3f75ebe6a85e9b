"""Exercise 3.2: the server's side of a stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from course_utils import sse
from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock

BEAT = 15.0
AFTER = 60.0
"""Seconds for which the check watches what goes on when the client has left."""
QUICK = [(0.5, "Hel"), (0.75, "lo"), (2.0, "!")]
SECRET = "key sk-417 refused at 10.0.0.7"
BROKE_OFF = {"error": "the answer broke off"}

Tokens = list[tuple[float, str]]


class ModelBroke(Exception):
    """What the source of the check raises when it breaks off."""


@dataclass
class _Play:
    """One request: when the model makes its tokens, how it ends, and what the answer wrote at which time."""

    tokens: Tokens
    beat: float = BEAT
    breaks: float | None = None
    leaves: float | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)
    headers: list[Any] = field(default_factory=list)
    writes: list[tuple[float, Any]] = field(default_factory=list)
    made: list[float] = field(default_factory=list)
    early: bool = False
    raised: bool = False

    def run(self, answer: Subject) -> _Play:
        try:
            answer.play(self._request(answer), self.clock)
        except Raised as error:
            if error.kind != "ModelBroke":
                raise
            self.raised = True
        if not all(isinstance(data, bytes) for _, data in self.writes):
            raise NotYet("write() takes bytes: encode your text.", **self.facts())
        return self

    async def _request(self, answer: Subject) -> None:
        task = asyncio.ensure_future(answer.acall(self._source(), self._start, self._write, self.beat))
        if self.leaves is None:
            await task
            return
        await asyncio.sleep(self.leaves)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(AFTER)

    async def _source(self) -> AsyncIterator[str]:
        for at, token in self.tokens:
            await self.clock.asleep_until(at)
            self.made.append(at)
            yield token
        if self.breaks is not None:
            await self.clock.asleep_until(self.breaks)
            raise ModelBroke(SECRET)

    def _start(self, headers: Any) -> None:
        self.early = self.early or bool(self.writes)
        self.headers.append(headers)

    async def _write(self, data: Any) -> None:
        self.early = self.early or not self.headers
        self.writes.append((self.clock.now(), data))

    @property
    def end(self) -> float:
        """When the source ends, well or not."""
        return self.breaks if self.breaks is not None else self.tokens[-1][0]

    @property
    def events(self) -> list[tuple[float, sse.Event]]:
        """What a client reads of it, and when, by the course's own parser."""
        decoder = sse.Decoder()
        return [(at, event) for at, data in self.writes for event in decoder.feed(data)]

    @property
    def right(self) -> list[tuple[float, str, Any, str]]:
        """When each event is due, with its type, its data and its id."""
        return _right(self.tokens, self.end, self.breaks is not None)

    @property
    def raw(self) -> bytes:
        return b"".join(data for _, data in self.writes)

    @property
    def beats(self) -> list[float]:
        """When a comment was written."""
        return [at for at, data in self.writes if data.lstrip(b"\r\n").startswith(b":")]

    @property
    def due(self) -> list[float]:
        """When there should be a heartbeat: after each `beat` seconds of silence."""
        return _due([0.0, *(at for at, _ in self.tokens), self.end], self.beat)

    def facts(self) -> dict[str, Any]:
        ends = f"ModelBroke at {self.breaks:g} s" if self.breaks is not None else f"the end at {self.end:g} s"
        tokens = ", ".join(f"{at:g} s {token!r}" for at, token in self.tokens)
        return {"given": f"{tokens}, {ends}; beat={self.beat:g}", "got": Words(_shown(self.writes))}


@expectation
def _right(tokens: Tokens, end: float, breaks: bool) -> list[tuple[float, str, Any, str]]:
    said = [(at, "message", {"token": token}, str(n)) for n, (at, token) in enumerate(tokens, start=1)]
    return [*said, (end, "error", BROKE_OFF, "") if breaks else (end, "done", {"tokens": len(said)}, "")]


@expectation
def _due(marks: list[float], beat: float) -> list[float]:
    """Heartbeats between moments at which something is written."""
    found = []
    for before, after in pairwise(marks):
        count = int((after - before) / beat - 1e-9)
        found += [before + beat * number for number in range(1, count + 1)]
    return found


def _shown(writes: list[tuple[float, Any]]) -> str:
    return ", ".join(f"{at:g} s {data!r}" for at, data in writes) or "nothing was written"


def check(answer: Subject, draw: Random) -> None:
    _framing(answer)
    _content(answer)
    _headers(answer)
    _silence(answer)
    _broken(answer)
    _left(answer)
    for _ in range(12):
        _judge(_drawn(draw).run(answer), "Another answer goes wrong. Write down what must leave, and when.")


def _drawn(draw: Random) -> _Play:
    beat, at, tokens = draw.randint(12, 160) / 8, 0.0, []
    for _ in range(draw.randint(1, 6)):
        # never a moment at which a heartbeat and a token are due together
        at += draw.choice([0.0, 0.25, 1.0, beat * 1.25, beat * draw.randint(2, 4) + 0.5])
        tokens.append((at, draw.choice(["a", "\n", '"', "\\", "é🎉", "", " b", "\r\n", "data: x\n\n", "{}", "\u2028"])))
    return _Play(tokens, beat, breaks=draw.choice([None, None, at + 0.5, at + beat * 1.5]))


def _framing(answer: Subject) -> None:
    """Whether anything that is an event left at all, and when."""
    play = _Play(QUICK).run(answer)
    facts = play.facts()
    if not play.headers or not all(isinstance(headers, dict) for headers in play.headers):
        raise NotYet("Call start(headers) with a dict before you write: the headers leave first.", **facts)
    if play.early or len(play.headers) > 1:
        raise NotYet("start() is called once, and before the first write: headers leave first.", **facts)
    if not play.writes:
        raise NotYet("You wrote nothing. Each token is an event of its own, sent with `await write(...)`.", **facts)
    if len(play.events) < len(play.tokens):
        raise NotYet(
            "The client reads fewer events than came. An empty line, '\\n\\n' in all, ends each of them.", **facts
        )
    if play.writes[0][0] > QUICK[0][0]:
        after = (
            "after the last token" if play.writes[0][0] >= play.end else f"{play.writes[0][0] - QUICK[0][0]:g} s late"
        )
        raise NotYet(f"Your first byte left {after}. Write each event when its token comes.", **facts)
    _judge(play, "The events are not those that were due.")


def _content(answer: Subject) -> None:
    """Tokens that hurt whoever writes JSON or lines by hand."""
    for token, why in (
        (" world", "The token begins with a space, which is part of it."),
        (
            "one\ntwo",
            "The newline in token 2 ended your event. `json.dumps` writes it as two signs that stay on the line.",
        ),
        ('say "hi"', "A quotation mark in token 2 ended the text of your JSON. `json.dumps` knows how to write it."),
        ("", "The token was empty. It is a token, and gets its event."),
        ("é🎉", "Letters of more than one byte did not arrive as they were."),
        ("data: x\n\n", "The token looks like an event. `json.dumps` makes it a text like any other."),
    ):
        play = _Play([(0.5, "Well"), (0.75, token), (1.0, ".")]).run(answer)
        told = [_loaded(event.data) for _, event in play.events if event.type == "message"]
        if told != [{"token": token} for _, token in play.tokens]:
            raise NotYet(why, **play.facts())


def _loaded(data: str) -> Any:
    """The value of a JSON text; of another, a thing that is equal to nothing."""
    try:
        return json.loads(data)
    except ValueError:
        return object()


HEADERS = {
    "content-type": (
        "text/event-stream",
        "Without `content-type: text/event-stream` no client knows that these are events.",
    ),
    "cache-control": (
        "no-cache",
        "Somebody between you and the client may keep a copy of your answer: `cache-control: no-cache`.",
    ),
    "x-accel-buffering": (
        "no",
        "A proxy such as nginx may hold the answer back until a page is full: `x-accel-buffering: no`.",
    ),
}


def _headers(answer: Subject) -> None:
    play = _Play(QUICK).run(answer)
    sent = {str(name).lower(): str(value).lower() for name, value in play.headers[0].items()}
    given = {"given": "the headers you start with", "got": play.headers[0]}
    if "content-length" in sent:
        raise NotYet("A content-length says how long the answer is. Nobody knows that while it is being made.", **given)
    for name, (value, why) in HEADERS.items():
        if value not in [part.strip() for part in sent.get(name, "").replace(";", ",").split(",")]:
            raise NotYet(why, **given)


def _silence(answer: Subject) -> None:
    """The model thinks for a while, before the first token and between two."""
    play = _Play([(20.0, "Hm"), (58.0, "."), (59.0, "Yes")]).run(answer)
    _lost(play)
    extra = [event for at, event in play.events if at not in (20.0, 58.0, 59.0)]
    if extra:
        why = "Your heartbeat came out as an event, and reached JSON.parse in your client. A comment, ': ...', reaches nobody."
        raise NotYet(why, **play.facts())
    _beats(play)
    _judge(play, "After a silence the events are not those that were due.")


def _lost(play: _Play) -> None:
    """`asyncio.wait_for` cancels what it waits for, and a generator that was cancelled is at its end."""
    if len(play.made) < len(play.tokens):
        why = (
            f"Of {len(play.tokens)} tokens {len(play.made)} were made: your time-out cancelled the source, not only your waiting. "
            "asyncio.wait() leaves what it waits for alone."
        )
        raise NotYet(why, **play.facts())


def _beats(play: _Play) -> None:
    beats, due = play.beats, play.due
    facts = play.facts() | {"expected": Words(f"comments at {', '.join(f'{at:g}' for at in due)} s")}
    if not beats and due:
        raise NotYet(
            f"Nothing left for {_quiet(play):g} s. A proxy may cut a line on which nothing moves: write a comment.",
            **facts,
        )
    if len(beats) < len(due):
        raise NotYet("The silence went on after your heartbeat. Each further `beat` seconds want another one.", **facts)
    if [round(at, 6) for at in beats] != [round(at, 6) for at in due]:
        why = "A heartbeat is due when nothing has been written for `beat` seconds, not before and not after."
        raise NotYet(why, **facts)


def _quiet(play: _Play) -> float:
    """The longest time without a write."""
    times = [0.0, *(at for at, _ in play.writes)]
    return max(after - before for before, after in pairwise(times))


def _broken(answer: Subject) -> None:
    for tokens, at in ((QUICK, 3.0), (QUICK, 40.0), ([], 0.5)):
        play = _Play(tokens, breaks=at).run(answer)
        facts = play.facts()
        if play.raised:
            why = "The error went through your function. 200 OK is long gone, so the client sees a cut: tell it with an event."
            raise NotYet(why, **facts)
        types = [event.type for _, event in play.events]
        if "done" in types:
            raise NotYet(
                "The source broke off, and you said 'done'. Whoever reads this takes half an answer for a whole one.",
                **facts,
            )
        if "error" not in types:
            why = "The source broke off, and your stream just ended: your client cannot tell the end from a failure."
            raise NotYet(why, **facts)
        if b"sk-417" in play.raw:
            why = "You sent the words of the exception, and there is a key in them. They are for your log."
            raise NotYet(why, **facts)
        _judge(
            play, "When the source breaks off, what it said before is sent, then the event 'error', and nothing else."
        )


def _left(answer: Subject) -> None:
    for tokens, at in (([(0.5, "a"), (5.0, "b"), (6.0, "c")], 2.0), ([(30.0, "a"), (31.0, "b")], 20.0)):
        play = _Play(tokens, leaves=at).run(answer)
        facts = play.facts() | {
            "given": f"tokens at {', '.join(f'{when:g}' for when, _ in tokens)} s; the client left at {at:g} s"
        }
        if any(when > at for when, _ in play.writes) or any(event.type != "message" for _, event in play.events):
            why = "The client has left, and your function was cancelled. There is nobody to write to: let the cancellation through."
            raise NotYet(why, **facts)
        if any(when > at for when in play.made):
            why = "The client has left, and something of yours goes on asking for tokens, which somebody pays for. Cancel it."
            raise NotYet(
                why, **facts | {"got": Words(f"tokens made at {', '.join(f'{when:g}' for when in play.made)} s")}
            )


def _judge(play: _Play, why: str) -> None:
    """Whether all that was due has left, in time, and nothing else."""
    came, right, facts = play.events, play.right, play.facts()
    facts["expected"] = Words(", ".join(f"{at:g} s {type} {json.dumps(data)}" for at, type, data, _ in right))
    for (at, event), (due, type, data, id) in zip(came, right, strict=False):
        if event.type != type:
            raise NotYet(_type(event.type, type), **facts)
        if _loaded(event.data) != data:
            raise NotYet(_data(event.data, type), **facts)
        if id and event.id != id:
            raise NotYet(
                "The ids count the tokens, from 1: a client that comes back names the last one it had.", **facts
            )
        if abs(at - due) > 1e-6:
            raise NotYet(f"An event left at {at:g} s, and was due at {due:g} s. {why}", **facts)
    if len(came) < len(right):
        raise NotYet(_missing(len(came), right), **facts)
    if len(came) > len(right):
        raise NotYet(f"More events came than were due. {why}", **facts)
    _beats(play)


def _type(got: str, right: str) -> str:
    if right == "done":
        return "The last event has the type 'done': by this the client knows that the answer is whole."
    return f"An event has the type {got!r} and should have {right!r}. Tokens need no event line."


def _data(got: str, type: str) -> str:
    if type == "done":
        return "The data of 'done' tells how many tokens there were, so that the client can count."
    if type == "error":
        return "The data of 'error' has the words of the task, and no others."
    if "token" in got:
        return "The data of a token is the JSON text of {'token': ...}, with the token as it is."
    return "Send JSON: the data of a token is {'token': ...}. Alone it would lose its newlines and its first space."


def _missing(came: int, right: list[tuple[float, str, Any, str]]) -> str:
    if came == len(right) - 1 and right[-1][1] == "done":
        return "The last token was not the last event: without 'done' nobody can tell the end from a cut."
    return f"{came} of {len(right)} events came."


EXERCISE = Exercise(
    id="3.2",
    title="sse_endpoint",
    function="sse_endpoint",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "Take it in steps, as the check does: headers, tokens and 'done' first, then the heartbeat, then the error.",
        "Two things may happen next: a token comes, or `beat` seconds pass. asyncio.wait([task], timeout=beat) waits for both and, "
        "unlike asyncio.wait_for, does not cancel the task. What the source raises comes out of task.result().",
        "coming = asyncio.ensure_future(anext(tokens)); in an endless loop: if asyncio.wait([coming], timeout=beat) leaves it "
        "undone, write a comment; else take coming.result(), write it, and begin the next. StopAsyncIteration is 'done', any other "
        "Exception is 'error', and in `finally` coming.cancel().",
    ),
    reason="After the headers there is no status left to set, so everything is said in the stream: what came, that it is whole, or "
    "that it broke off. Waiting for the next token goes on while heartbeats leave, and ends when the client does.",
    check=check,
)


EXERCISE.survive(
    "the first token may be asked for a moment earlier or later: nothing has been waited for yet",
    "count, coming = 0, asyncio.ensure_future(anext(tokens)) (moved before "
    '"start({"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"})")',
    'count, coming = 0, asyncio.ensure_future(anext(tokens)) (moved into "try:")',
)
EXERCISE.survive(
    "a write takes no time here, so the next token may be asked for before it",
    'coming = asyncio.ensure_future(anext(tokens)) (moved before "await write(f"id: {count}\\ndata: {data}\\n\\n".encode())")',
)
EXERCISE.survive(
    "what is still pending is looked at by nobody, and whatever it is put into is not used any more, or gets a new value",
    *(f"came, {name} = await asyncio.wait([coming], timeout=beat)" for name in ("start", "data")),
)

# ------------------------------------------------------------------------------------- the reference and its mistakes

SENT = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}


def _event(data: Any, type: str = "", id: int | str = "") -> bytes:
    fields = f"event: {type}\n" if type else f"id: {id}\n"
    return f"{fields}data: {json.dumps(data)}\n\n".encode()


async def _next(coming: asyncio.Future[str], beat: float, write: Callable[[bytes], Any]) -> str:
    """The next token, with heartbeats while there is none."""
    while not (await asyncio.wait([coming], timeout=beat))[0]:
        await write(b": still here\n\n")
    return coming.result()


def _wrong(
    name: str,
    says: str,
    *,
    headers: dict[str, str] = SENT,
    token: Callable[[str, int], Any] = lambda token, n: _event({"token": token}, id=n),
    done: Callable[[int], bytes] = lambda n: _event({"tokens": n}, "done"),
    error: Callable[[Exception], bytes] = lambda error: _event(BROKE_OFF, "error"),
    waits: Callable[..., Any] = _next,
    caught: type[BaseException] = Exception,
    cancels: bool = True,
) -> None:
    """The reference with one part exchanged."""

    async def sse_endpoint(tokens: Any, start: Any, write: Any, beat: float) -> None:
        start(headers)
        count = 0
        coming = asyncio.ensure_future(anext(tokens))
        try:
            while True:
                piece = await waits(coming, beat, write)
                count += 1
                await write(token(piece, count))
                coming = asyncio.ensure_future(anext(tokens))
        except StopAsyncIteration:
            if end := done(count):
                await write(end)
        except caught as broken:
            if end := error(broken):  # type: ignore[arg-type]
                await write(end)
        finally:
            if cancels:
                coming.cancel()

    EXERCISE.wrong(name, says=says)(sse_endpoint)


def _heart(beat_bytes: Any, again: bool = True, factor: float = 1.0) -> Callable[..., Any]:
    async def waits(coming: asyncio.Future[str], beat: float, write: Callable[[bytes], Any]) -> str:
        while not (await asyncio.wait([coming], timeout=beat * factor))[0]:
            await write(beat_bytes)
            if not again:
                break
        return await coming

    return waits


async def _wait_for(coming: asyncio.Future[str], beat: float, write: Callable[[bytes], Any]) -> str:
    try:
        return await asyncio.wait_for(coming, beat)
    except TimeoutError:
        await write(b": still here\n\n")
        raise StopAsyncIteration from None


async def _steps(coming: asyncio.Future[str], beat: float, write: Callable[[bytes], Any]) -> str:
    while not coming.done():
        await asyncio.sleep(0.125)
    return coming.result()


async def _none(coming: asyncio.Future[str], beat: float, write: Callable[[bytes], Any]) -> str:
    return await coming


_wrong("writes text", "write() takes bytes", token=lambda token, n: _event({"token": token}, id=n).decode())
_wrong("writes text in a silence", "write() takes bytes", waits=_heart(": still here\n\n"))
_wrong("forgets the blank line", "ends each of them", token=lambda token, n: _event({"token": token}, id=n)[:-1])
_wrong("sends the token as it is", "Send JSON", token=lambda token, n: f"id: {n}\ndata: {token}\n\n".encode())
_wrong("writes JSON by hand", "The newline in token 2", token=lambda token, n: (
    f'id: {n}\ndata: {{"token": "{token}"}}\n\n'.encode()))  # fmt: skip
_wrong("writes a dict and no JSON", "with the token as it is", token=lambda token, n: (
    f"id: {n}\ndata: {({'token': token})}\n\n".encode()))  # fmt: skip
_wrong("escapes the newline only", "A quotation mark", token=lambda token, n: (
    'id: {}\ndata: {{"token": "{}"}}\n\n'.format(n, token.replace("\n", "\\n")).encode()))  # fmt: skip
_wrong("strips tokens", "begins with a space", token=lambda token, n: _event({"token": token.lstrip(" ")}, id=n))
_wrong(
    "leaves empty tokens out",
    "The token was empty",
    token=lambda token, n: _event({"token": token}, id=n) if token else b"",
)
_wrong("ignores what is not ASCII", "more than one byte", token=lambda token, n: _event(
    {"token": token.encode("ascii", "ignore").decode()}, id=n))  # fmt: skip
_wrong("has no ids", "The ids count the tokens", token=lambda token, n: _event({"token": token}, "message"))
_wrong("gives each token a type", "Tokens need no event line", token=lambda token, n: _event({"token": token}, "token"))
_wrong("counts ids from 0", "from 1", token=lambda token, n: _event({"token": token}, id=n - 1))
_wrong("has no terminal event", "without 'done'", done=lambda n: b"")
_wrong("ends with [DONE]", "has the type 'done'", done=lambda n: b"data: [DONE]\n\n")
_wrong("says nothing in done", "so that the client can count", done=lambda n: _event({}, "done"))
_wrong("knows no content type", "no client knows", headers=SENT | {"content-type": "text/plain"})
_wrong(
    "may be kept in a cache",
    "may keep a copy",
    headers={name: SENT[name] for name in ("content-type", "x-accel-buffering")},
)
_wrong(
    "may be buffered", "until a page is full", headers={name: SENT[name] for name in ("content-type", "cache-control")}
)
_wrong("sends a content-length", "Nobody knows that", headers=SENT | {"content-length": "1000"})
_wrong("has no heartbeat", "Nothing left for", waits=_none)
_wrong("sends the heartbeat as an event", "reached JSON.parse", waits=_heart(b"data: ping\n\n"))
_wrong("has one heartbeat a silence", "Each further", waits=_heart(b": ping\n\n", again=False))
_wrong("has a heart that beats too fast", "not before and not after", waits=_heart(b": ping\n\n", factor=0.5))
_wrong("cancels the source with wait_for", "leaves what it waits for alone", waits=_wait_for)
_wrong("looks for the token in steps", "and was due at", waits=_steps)
_wrong("ends silently on an error", "just ended", error=lambda error: b"")
_wrong("says done after an error", "you said 'done'", error=lambda error: _event({"tokens": 3}, "done"))
_wrong("tells the client the exception", "for your log", error=lambda error: _event({"error": str(error)}, "error"))
_wrong("has its own words for an error", "no others", error=lambda error: _event({"error": "oops"}, "error"))
_wrong("lets the error through", "went through your function", caught=ZeroDivisionError)
_wrong("takes leaving for an error", "nobody to write to", caught=BaseException)
_wrong("goes on asking when the client has left", "goes on asking for tokens", cancels=False)


@EXERCISE.wrong("collects, then sends", says="after the last token")
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    events = [_event({"token": token}, id=n) async for n, token in _counted(tokens)]
    start(SENT)
    await write(b"".join([*events, _event({"tokens": len(events)}, "done")]))


async def _counted(tokens: AsyncIterator[str]) -> AsyncIterator[tuple[int, str]]:
    count = 0
    async for token in tokens:
        count += 1
        yield count, token


@EXERCISE.wrong("forgets the headers", says="the headers leave first")
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    async for n, token in _counted(tokens):
        await write(_event({"token": token}, id=n))


@EXERCISE.wrong("writes before the headers", says="before the first write")
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    await write(b": hello\n\n")
    start(SENT)


@EXERCISE.wrong("says done in any case", says="you said 'done'. Whoever")
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    start(SENT)
    count = 0
    coming = asyncio.ensure_future(anext(tokens))
    try:
        while True:
            piece = await _next(coming, beat, write)
            count += 1
            await write(_event({"token": piece}, id=count))
            coming = asyncio.ensure_future(anext(tokens))
    except Exception as error:  # noqa: BLE001  # the mistake this answer stands for
        if not isinstance(error, StopAsyncIteration):
            await write(_event(BROKE_OFF, "error"))
    finally:
        coming.cancel()
    await write(_event({"tokens": count}, "done"))


@EXERCISE.right
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    # A feeder puts tokens into a queue, and what it ends with.
    queue: asyncio.Queue[Any] = asyncio.Queue()

    async def feed() -> None:
        try:
            async for token in tokens:
                queue.put_nowait({"token": token})
            queue.put_nowait("done")
        except Exception:  # noqa: BLE001  # whatever it is, the client is told the same
            queue.put_nowait("error")

    feeder, number = asyncio.create_task(feed()), 0
    start({"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    try:
        while True:
            try:
                item = await asyncio.wait_for(queue.get(), beat)
            except TimeoutError:
                await write(b":\n\n")
                continue
            if item == "error":
                return await write(b"event:error\ndata:" + json.dumps(BROKE_OFF).encode() + b"\n\n")
            if item == "done":
                return await write(sse.event(json.dumps({"tokens": number}), type="done"))
            number += 1
            await write(sse.event(json.dumps(item, ensure_ascii=False), id=str(number)))
    finally:
        feeder.cancel()


@EXERCISE.right
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    # The heart is a task that is started anew behind every write.
    start({**SENT, "connection": "keep-alive"})
    count, heart = 0, None

    async def pulse() -> None:
        while True:
            await asyncio.sleep(beat)
            await write(b": ping\n\n")

    try:
        heart = asyncio.create_task(pulse())
        async for token in tokens:
            heart.cancel()
            count += 1
            await write(f"data: {json.dumps(dict(token=token))}\nid: {count}\n\n".encode())
            heart = asyncio.create_task(pulse())
        end = _event({"tokens": count}, "done")
    except Exception:  # noqa: BLE001  # whatever it is, the client is told the same
        end = _event(BROKE_OFF, "error")
    finally:
        if heart:
            heart.cancel()
    await write(end)


@EXERCISE.right
async def _(tokens, start, write, beat):  # type: ignore[no-untyped-def]
    # The waiting is shielded, so that a time-out ends it and not what it waits for.
    start(SENT)
    for number in range(1, 100_000):
        task = asyncio.ensure_future(anext(tokens, None))
        try:
            while True:
                try:
                    token = await asyncio.wait_for(asyncio.shield(task), beat)
                    break
                except TimeoutError:
                    await write(b": wait\n")
        except Exception:  # noqa: BLE001  # whatever it is, the client is told the same
            return await write(_event(BROKE_OFF, "error"))
        finally:
            task.cancel()
        if token is None:
            return await write(_event({"tokens": number - 1}, "done"))
        await write(_event({"token": token}, id=number))
