"""Exercise 3.3: a client that comes back for the rest, and for nothing else."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from course_utils import sse
from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.plain import RETRY
from course_utils.replies import tokens

if TYPE_CHECKING:
    import httpx2

PACE = Pace(headers=0.25, ttft=1.0, itl=0.125)
URL = "http://mock.invalid/v1/events?prompt=Go"
MOST = 212
"""Connections that the check lets anybody make."""
DEFAULT = 1.0
"""Seconds to wait before a server has named its own time."""
REFUSED, CUT, END, WHOLE, DENIED = "refused", "cut", "ended", "whole", "denied"

Broken = tuple[str, int]
"""How a connection breaks, and after how many bytes."""


class _Denied(PermissionError):
    """What `connect` raises where coming again is no use."""


class _Enough(RuntimeError):
    """What `connect` raises to whoever does not stop."""


@dataclass
class Network:
    """What lies between the client and the mock: each connection breaks as planned, further ones hold.

    ``down`` is a number of seconds after the first break in which every connection is refused.
    """

    count: int
    plan: list[Broken]
    retry: int = RETRY
    down: float = 0.0
    lingers: bool = False
    clock: VirtualClock = field(default_factory=VirtualClock)
    connects: list[tuple[float, str]] = field(default_factory=list)
    breaks: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        import httpx2

        from course_utils.transport import Transport

        self.mock = MockServer("".join(f"w{n} " for n in range(1, self.count + 1)).strip(), pace=PACE, clock=self.clock)
        self.words = tokens(self.mock.engine.reply)  # type: ignore[arg-type]
        self.count = len(self.words)
        self.http = httpx2.Client(transport=Transport(self.mock.engine, self.mock.ledger, self.clock))
        self._open: list[Iterator[bytes]] = []

    def connect(self, last_id: str) -> Iterator[bytes]:
        """Ask for the answer, or with an id for what is behind it; refuses what is no text."""
        self.connects.append((self.clock.now(), last_id))
        if len(self.connects) > MOST:
            raise _Enough("that is enough")
        if not isinstance(last_id, str):
            raise TypeError(f"connect() wants the last id as a text, got {last_id!r}")
        since = self.clock.now() - self.breaks[0] if self.breaks else self.down
        kind, size = self._next() if since >= self.down else (REFUSED, 0)
        if kind == DENIED:
            raise _Denied("the key has expired")
        if kind == REFUSED:
            self.breaks.append(self.clock.now())
            raise ConnectionError("connection refused")
        body = self._body(last_id, kind, size)
        self._open.append(body)
        return body

    def _next(self) -> Broken:
        return self.plan.pop(0) if self.plan else (WHOLE, 0)

    def _body(self, last_id: str, kind: str, size: int) -> Iterator[bytes]:
        headers = {"last-event-id": last_id} if last_id else {}
        with self.http.stream("GET", URL, headers=headers) as response:
            for piece in self._pieces(response):
                if kind in (CUT, END) and len(piece) >= size:
                    yield piece[:size]
                    break
                size -= len(piece)
                yield piece
            else:
                yield from self._lingering()
        self.breaks.append(self.clock.now())
        if kind == CUT:
            raise ConnectionError("connection reset by peer")

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        """The body with the planned `retry`, each event in two reads."""
        for event in response.iter_raw():
            whole = event.replace(f"retry: {RETRY}\n".encode(), f"retry: {self.retry}\n".encode())
            yield from (whole[:40], whole[40:])

    def _lingering(self) -> Iterator[bytes]:
        """A server that leaves the connection open behind its last event."""
        for _ in range(4 if self.lingers else 0):
            self.clock.sleep(15)
            yield b": keep-alive\n\n"

    @property
    def billed(self) -> int:
        """How many answers were generated."""
        return sum(bool(entry.token_times) for entry in self.mock.ledger)

    def close(self) -> None:
        for body in self._open:
            body.close()  # type: ignore[attr-defined]
        self.http.close()


@dataclass
class _Play:
    """One run of an answer over a network: its pieces with their times, and the kind of the error that ended it."""

    network: Network
    tries: int = 3
    out: list[tuple[float, Any]] = field(default_factory=list)
    error: str = ""
    over: float = 0.0

    def run(self, answer: Subject) -> _Play:
        network = self.network
        try:
            for item in answer.iterate(network.connect, network.clock.sleep, self.tries):
                self.out.append((network.clock.now(), item))
        except Raised as raised:
            lost = isinstance(raised.error, ConnectionError)
            self.error = "ConnectionError" if lost else raised.kind
            glued = self.error == "JSONDecodeError" and network.breaks
            if not (lost or glued or self.error in ("_Denied", "_Enough")):
                raise
        finally:
            network.close()
        self.over = network.clock.now()
        return self

    @property
    def texts(self) -> list[Any]:
        return [text for _, text in self.out]

    @property
    def waits(self) -> list[float]:
        """From the end of each connection to the next."""
        began = [at for at, _ in self.network.connects[1:]]
        return [round(later - ended, 6) for ended, later in zip(self.network.breaks, began, strict=False)]

    @property
    def end(self) -> dict[str, Any]:
        """What came of it, as plain values."""
        return {
            "out": [[at, text] for at, text in self.out],
            "connects": [[at, id] for at, id in self.network.connects],
            "waits": self.waits,
            "billed": self.network.billed,
            "error": self.error,
            "over": self.over,
        }

    def facts(self, plan: str, right: _Right) -> dict[str, Any]:
        got, expected = Words(_Right(**self.end).story()), Words(right.story())
        return {
            "given": f"{self.network.count} tokens, retry: {self.network.retry}, tries={self.tries}; {plan}",
            "got": got,
            "expected": expected,
        }


@dataclass(frozen=True)
class _Right:
    """What should come of a network: the pieces and the connections with their times, the waits, and the end."""

    out: list[list[Any]]
    connects: list[list[Any]]
    waits: list[float]
    billed: int
    error: str
    over: float

    @property
    def texts(self) -> list[Any]:
        return [text for _, text in self.out]

    def story(self) -> str:
        made = f"{_count(len(self.out), 'piece')} over {_count(len(self.connects), 'connection')}"
        waited = f", waits of {', '.join(f'{wait:g}' for wait in self.waits[:6])} s" if self.waits else ""
        return f"{made}{waited}, {_count(self.billed, 'answer')} generated, then {self.error or 'the end'}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _plan(plan: list[Broken]) -> str:
    told = [f"{kind} after {size} bytes" if size else kind for kind, size in plan]
    runs = [(what, len(list(run))) for what, run in itertools.groupby(told)]
    return "; ".join(f"{what} {times} times" if times > 2 else "; ".join([what] * times) for what, times in runs) or (
        "no connection breaks"
    )


def check(answer: Subject, draw: Random) -> None:
    _whole(answer)
    _once(answer)
    _half(answer)
    _patience(answer)
    for _ in range(12):
        count, plan = draw.randint(3, 24), _drawn(draw)
        retry, tries = draw.randint(1, 24) * 125, draw.randint(2, 4)
        _judge(answer, plan, count=count, retry=retry, tries=tries)


def _drawn(draw: Random) -> list[Broken]:
    """The first connection brings one event at least: before that there is no id to come back with."""
    plan = [(draw.choice([CUT, END]), draw.randint(90, 700))]
    for _ in range(draw.randint(0, 5)):
        plan.append((draw.choice([CUT, END, REFUSED]), draw.choice([0, 10, 50, draw.randint(90, 700)])))
    return [(REFUSED, 0)] * draw.randint(0, 1) + [(kind, 0 if kind == REFUSED else size) for kind, size in plan]


def _judge(answer: Subject, plan: list[Broken], tries: int = 3, count: int = 10, **more: Any) -> None:
    right = _Right(**_expected(tuple(plan), tries, count, **more))
    play = _Play(Network(plan=list(plan), count=count, **more), tries).run(answer)
    trouble = _trouble(play, right)
    if trouble:
        raise NotYet(trouble, **play.facts(_plan(plan), right))


@expectation
@functools.lru_cache(maxsize=256)
def _expected(plan: tuple[Broken, ...], tries: int, count: int, **more: Any) -> dict[str, Any]:
    """What comes of a network if everything is done right."""
    network = Network(count, list(plan), **more)
    return _Play(network, tries).run(Subject(_reference)).end


def _trouble(play: _Play, right: _Right) -> str:
    """The first thing that is wrong, or nothing."""
    if any(type(text) is not str for text in play.texts):
        return "Yield the texts of the tokens: the data is the JSON text of {'token': ...}."
    if play.network.billed > right.billed:
        return f"{play.network.billed} generations billed for one answer. connect('') asks anew: come back with the last id."
    if play.error == "_Enough":
        return _no_end(play)
    if play.error == "JSONDecodeError":
        return "Half an event was glued to the next. Throw away what a broken connection leaves: it comes again, whole."
    if any("token" in text for text in play.texts):
        return "You yielded the data as it came. Take the token out of it."
    if right.error == "_Denied" != play.error:
        return "connect() raised a PermissionError, and coming again does not help there. Catch ConnectionError only."
    astray = play.texts != right.texts[: len(play.texts)]
    if not right.error and not astray and len(play.texts) == len(right.texts):
        return _connections(play, right) or _error(play, right) or _pieces(play, right)
    return (
        (_pieces(play, right) if astray else "")
        or _error(play, right)
        or _pieces(play, right)
        or _connections(play, right)
    )


OTHER = (
    "Another network goes wrong. Follow the last id and the number of useless connections, connection by connection."
)


def _no_end(play: _Play) -> str:
    seconds = play.network.connects[-1][0] - play.network.breaks[0]
    if seconds < 10:
        return f"{MOST} attempts in {max(1, round(seconds))} s. Wait before each, as long as the server asks for with `retry`."
    return f"{MOST} attempts, and no end. After `tries` useless ones in a row give up."


def _error(play: _Play, right: _Right) -> str:
    if play.error == right.error:
        return ""
    if play.error == "_Denied":
        return OTHER
    if not play.error:
        return "You gave up without a word, as if the answer were whole. Whoever reads it must learn of it: raise ConnectionError."
    if len(play.network.connects) == 1:
        return "The connection broke, and you let the error through. The rest of the answer is there: come back for it."
    if len(play.network.connects) < len(right.connects):
        return "You gave up too early. Count useless connections in a row: one that brings an event sets the count back to 0."
    return OTHER


def _pieces(play: _Play, right: _Right) -> str:
    came, due = play.texts, right.texts
    if came == due:
        late = [
            number
            for number, (mine, its) in enumerate(zip(play.out, right.out, strict=True), 1)
            if mine[0] > its[0] + 1e-6
        ]
        if late and len(play.network.connects) == 1:
            return "The tokens came late. Yield each when its event is complete, and not when the connection has ended."
        return ""
    twice = [number for number, word in enumerate(play.network.words, start=1) if came.count(word) > 1]
    missing = [number for number, word in enumerate(due, start=1) if word not in came]
    if twice:
        which = f"Token {twice[0]}" if len(twice) == 1 else f"Tokens {twice[0]}–{twice[-1]}"
        return f"{which} came twice. Come back with the id of the last event you had."
    if came == due[: len(came)]:
        return f"You stopped at {len(came)} of {len(due)}. That a body ends means nothing here; only the event 'done' is the end."
    if missing:
        return (
            f"Token {missing[0]} is missing. Come back with the id of the last event that was whole, and of no other."
        )
    return "More came than tokens. 'done' is the end, and no token."


def _connections(play: _Play, right: _Right) -> str:
    mine, its = play.network.connects, right.connects
    wrong = [(got, due) for got, due in zip(play.waits, right.waits, strict=False) if abs(got - due) > 1e-3]
    if wrong:
        got, due = wrong[0]
        return f"You waited {got:g} s before a connection, and {due:g} s were due. {_why_wait(got, due)}"
    if len(mine) > len(its):
        needless = len(mine) - len(its)
        if not right.error:
            return f"{_count(needless, 'needless connection')}. The answer was whole with the event 'done'."
        return f"{_count(needless, 'connection')} too many: after `tries` useless ones in a row comes the error, not one more."
    if len(mine) < len(its):
        return "You gave up too early. Count useless connections in a row: one that brings an event sets the count back to 0."
    if [id for _, id in mine] != [id for _, id in its]:
        return "You came back with another id than that of the last whole event."
    return _too_long(play, right) if play.over > right.over + 1e-6 else ""


def _too_long(play: _Play, right: _Right) -> str:
    if right.error:
        return "You waited before giving up. Behind the last connection there is nothing to wait for."
    return (
        f"The answer was whole at {right.over:g} s, and you read on until {play.over:g} s. Return at the event 'done'."
    )


def _why_wait(got: float, due: float) -> str:
    if got == 0:
        return "A server that has just broken down is not helped by a crowd at its door."
    if got >= 1000 * due - 1e-6:
        return "`retry` is in milliseconds."
    if due == DEFAULT:
        return "Until the server has named a time, it is 1 s."
    return "The server names the time with `retry`, once, and it holds from then on."


def _whole(answer: Subject) -> None:
    """Nothing breaks."""
    _judge(answer, [])
    _judge(answer, [], lingers=True)


def _once(answer: Subject) -> None:
    """One break behind a whole event, with an error and without."""
    network = Network(10, [])
    sizes = [len(piece) for piece in network.http.get(URL).content.split(b"\n\n")[:5]]
    network.close()
    boundary = sum(sizes) + 2 * len(sizes)
    _judge(answer, [(CUT, boundary)], retry=500, down=1.0, tries=1000)
    _judge(answer, [(CUT, boundary)])
    _judge(answer, [(END, boundary)])
    _judge(answer, [(CUT, boundary), (CUT, 200), (END, 100)], retry=2000)


def _half(answer: Subject) -> None:
    """Breaks in the middle of an event, wherever that may be."""
    for size in range(180, 300, 7):
        _judge(answer, [(CUT, size)])
        _judge(answer, [(END, size), (CUT, size)], retry=125)


def _patience(answer: Subject) -> None:
    refused = (REFUSED, 0)
    _judge(answer, [refused, (CUT, 200)], retry=375)
    _judge(answer, [(CUT, 200), *[refused] * 400], tries=4)
    _judge(answer, [(CUT, 200), *[(END, 20)] * 9], tries=2)
    _judge(answer, [(CUT, 200), *[refused, refused, (CUT, 200)] * 2], tries=3)
    _judge(answer, [refused] * 9, tries=2)
    _judge(answer, [(CUT, 200), (CUT, 800), refused], tries=2, count=20)
    _judge(answer, [(CUT, 200), (DENIED, 0)])


EXERCISE = Exercise(
    id="3.3",
    title="resume",
    function="resume",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "What has to survive a broken connection, and what must not? Write both lists down before you write code.",
        "Survive: the id of the last whole event, the time to wait, the number of useless connections in a row. Not: what the "
        "decoder holds of half an event. So each connection gets a decoder of its own, and the rest lives outside the loop.",
        "while True: decoder, before = sse.Decoder(), last_id; inside `try` take the chunks and their events: 'done' returns, any "
        "other is yielded and its id kept; `except ConnectionError: pass`. Then look at decoder.retry, count, give up or sleep.",
    ),
    reason="A stream that ends says nothing about the answer; only its last event does. What was whole is counted by its id, what "
    "was half is forgotten and comes again, and the waiting and the giving up keep a broken server from being asked to death.",
    check=check,
)

EXERCISE.survive(
    "nothing has happened between the two lines",
    'decoder, before = sse.Decoder(), last_id (moved into "try:")',
    "for chunk in connect(before):",
    'last_id = event.id (moved before "yield json.loads(event.data)["token"]")',
)
EXERCISE.survive("the stream has events of two types, 'message' and 'done'", 'if event.type <= "done":')
EXERCISE.survive("the number grows by one, so it meets the limit exactly", "if useless >= tries:")
EXERCISE.survive("nobody asks for the words of the error", "raise ConnectionError('')")


# ------------------------------------------------------------------------------------- the reference and its mistakes


def _text(event: sse.Event) -> Any:
    return json.loads(event.data)["token"]


def _client(
    *,
    asked: Callable[[list[str]], str] = lambda ids: ids[-1],
    text: Callable[[sse.Event], Any] = _text,
    is_end: Callable[[sse.Event], bool] = lambda event: event.type == "done",
    shows: Callable[[sse.Event], bool] = lambda event: True,
    wait: Callable[[sse.Decoder, float], float] = lambda decoder, wait: (
        wait if decoder.retry is None else decoder.retry / 1000
    ),
    default: float = DEFAULT,
    keeps: bool = False,
    eof_ends: bool = False,
    count: Callable[[int, bool], int] = lambda failed, useful: 0 if useful else failed + 1,
    last_word: Callable[[], None] | None = None,
    patient: bool = False,
    caught: type[Exception] = ConnectionError,
) -> Any:
    """The reference, with one part exchanged."""

    def resume(connect: Any, sleep: Any, tries: int) -> Iterator[Any]:
        ids, seconds, failed, decoder = [""], default, 0, sse.Decoder()
        while True:
            decoder, before = decoder if keeps else sse.Decoder(), len(ids)
            try:
                for chunk in connect(asked(ids)):
                    for event in decoder.feed(chunk):
                        if is_end(event):
                            return
                        if shows(event):
                            yield text(event)
                        ids.append(event.id)
                if eof_ends:
                    return
            except caught:
                pass
            seconds, failed = wait(decoder, seconds), count(failed, len(ids) > before)
            if failed >= tries:
                if patient:
                    sleep(seconds)
                if last_word:
                    return last_word()
                raise ConnectionError(f"{tries} connections in a row brought nothing")
            if seconds:
                sleep(seconds)

    return resume


_reference = _client()


def _wrong(name: str, says: str, **parts: Any) -> None:
    EXERCISE.wrong(name, says=says)(_client(**parts))


def _one_back(ids: list[str]) -> str:
    return ids[-2] if len(ids) > 2 else ids[-1]


def _one_ahead(ids: list[str]) -> str:
    id, _, number = ids[-1].rpartition(".")
    return f"{id}.{int(number) + 1}" if number else ""


_wrong("asks the question again", "generations billed", asked=lambda ids: "")
_wrong("comes back with the first id", "Tokens 2–5 came twice", asked=lambda ids: ids[min(1, len(ids) - 1)])
_wrong("comes back with the id before the last", "Token 5 came twice", asked=_one_back)
_wrong("comes back with the next id", "Token 6 is missing", asked=_one_ahead)
_wrong("lets the error through", "you let the error through", caught=ZeroDivisionError)
_wrong("takes a body that ends for the end", "You stopped at 5 of 10", eof_ends=True)
_wrong(
    "reads on behind done",
    "needless connections",
    is_end=lambda event: False,
    shows=lambda event: "token" in event.data,
)
_wrong("yields something for done", "More came than tokens", is_end=lambda event: False, text=lambda event: (
    json.loads(event.data).get("token", "")))  # fmt: skip
_wrong("yields the data as it is", "You yielded the data", text=lambda event: event.data)
_wrong("yields the whole object", "Yield the texts", text=lambda event: json.loads(event.data))
_wrong("never sleeps", "attempts in 1 s", wait=lambda decoder, wait: 0.0, default=0.0)
_wrong("has its own time to wait", "The server names the time", wait=lambda decoder, wait: 1.0)
_wrong("forgets the time to wait", "it holds from then on", wait=lambda decoder, wait: (decoder.retry or 1000) / 1000)
_wrong(
    "takes milliseconds for seconds",
    "in milliseconds",
    wait=lambda decoder, wait: wait if decoder.retry is None else decoder.retry,
)
_wrong("waits for nothing before a time is named", "it is 1 s", default=0.25)
_wrong("keeps its decoder", "Half an event was glued", keeps=True)
_wrong("counts all useless connections", "You gave up too early", count=lambda failed, useful: failed + (not useful))
_wrong("counts every connection", "sets the count back", count=lambda failed, useful: failed + 1)
_wrong("never gives up", "and no end", count=lambda failed, useful: 0)
_wrong("gives up one too late", "too many", count=lambda failed, useful: 0 if useful else failed + 1 if failed else 0.5)
_wrong("waits before it gives up", "nothing to wait for", patient=True)
_wrong("gives up without a word", "without a word", last_word=lambda: None)
_wrong("comes again whatever happens", "Catch ConnectionError only", caught=Exception)


@EXERCISE.wrong("collects what a connection brings", says="The tokens came late")
def _(connect, sleep, tries):  # type: ignore[no-untyped-def]
    yield from list(_reference(connect, sleep, tries))


@EXERCISE.wrong("waits for the end of the body behind done", says="you read on until")
def _(connect, sleep, tries):  # type: ignore[no-untyped-def]
    bodies = []

    def kept(last_id):  # type: ignore[no-untyped-def]
        bodies.append(connect(last_id))
        return bodies[-1]

    yield from _reference(kept, sleep, tries)
    list(bodies[-1])


@EXERCISE.wrong("believes the id of half an event", says="that was whole")
def _(connect, sleep, tries):  # type: ignore[no-untyped-def]
    seen = [""]

    def noted(last_id):  # type: ignore[no-untyped-def]
        raw = b""
        for chunk in connect(seen[-1]):
            raw += chunk
            seen[:] = [line[4:].decode() for line in raw.split(b"\n")[:-1] if line.startswith(b"id: ")] or seen
            yield chunk

    yield from _reference(noted, sleep, tries)


@EXERCISE.right
def _(connect, sleep, tries):  # type: ignore[no-untyped-def]
    # The decoder's own last id, which counts from the blank line on, and functions of one job each.
    state: dict[str, Any] = {"id": "", "wait": 1.0, "left": tries}

    def events():  # type: ignore[no-untyped-def]
        decoder = sse.Decoder()
        try:
            for chunk in connect(state["id"]):
                for event in decoder.feed(chunk):
                    state.update(id=decoder.last_id or state["id"], left=tries + 1)
                    yield event
        except ConnectionError:
            return
        finally:
            state["wait"] = decoder.retry / 1000 if decoder.retry is not None else state["wait"]

    while state["left"]:
        for event in events():  # type: ignore[no-untyped-call]
            if event.type == "done":
                return
            yield json.loads(event.data)["token"]
        state["left"] -= 1
        if state["left"]:
            sleep(state["wait"])
    raise ConnectionError("gave up")


@EXERCISE.right
def _(connect, sleep, tries):  # type: ignore[no-untyped-def]
    # A parser of its own, in the manner of 3.1, that also keeps the time to wait.
    last, pause, useless = "", 1.0, 0
    while useless < tries:
        rest, useless = "", useless + 1
        with contextlib.suppress(ConnectionError):
            for chunk in connect(last):
                rest += chunk.decode()
                *blocks, rest = rest.split("\n\n")
                for block in blocks:
                    fields = dict(re.findall(r"^(\w+): ?(.*)$", block, re.MULTILINE))
                    pause = int(fields["retry"]) / 1000 if "retry" in fields else pause
                    if fields.get("event") == "done":
                        return
                    if "data" in fields:
                        yield json.loads(fields["data"])["token"]
                        last, useless = fields["id"], 0
        if useless < tries:
            sleep(pause)
    raise ConnectionError("gave up")
