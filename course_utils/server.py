"""The loopback server: the engine's frames over a real socket, in HTTP/1.1, for any client in any language.

Requests are parsed by h11; the framing of the answer is written here, because it is the subject. Each frame is one
HTTP chunk. The server runs an event loop of its own in a thread, on a port the system picks.

A client that closes its half of the connection counts as one that has left: over TCP nobody can tell whether the other
half is still read, and a model that goes on for a client that has gone is what the course warns of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import select
import selectors
import socket
import sys
import threading
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

import h11

from course_utils.api import ApiError
from course_utils.clock import RealClock, VirtualClock
from course_utils.conduct import conduct_of
from course_utils.engine import Answer, Engine, Request, error_answer, json_answer
from course_utils.frames import Ending, Frame
from course_utils.ledger import Ledger
from course_utils.player import MAX_JOINED, Alarms, Player

MAX_BODY = 10 * 1024 * 1024
"""Bytes of a request body that are read before the answer is 413."""
MAX_IGNORED = 64 * 1024 * 1024
"""Bytes that a client may still send after its connection's last word; many read no answer before they have sent all."""
MAX_UNSENT = 64 * 1024
"""Bytes that wait in this process for a client that does not read; the rest of its answer waits as frames.

Measured with 500 clients that never read: 68 KB for each besides its frames, and 4 KB for one that is idle.
"""
MAX_AHEAD = 1024 * 1024
"""Bytes that a client may send ahead while it is being answered: requests that wait for their turn."""
PATIENCE = 60.0
"""Seconds (of real time) after which a connection is closed that sends no whole request, or takes no more bytes."""
BACKLOG = 1024
"""Connections that may wait to be accepted, when hundreds of clients come at once."""
LINGER = 2.0
"""Seconds (of real time) that a client has, after its connection's last word, to close it too."""

REFUSED = {"content-type": "text/plain; charset=utf-8"}
LEDGER, CONDUCT, WATCH = "/ledger", "/conduct", "/watch"
PAGE = Path(__file__).parent / "watch.html"
"""A page that asks this server and shows what comes, as it comes."""
LOCAL = re.compile(r"https?://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?")
"""Origins of pages on this machine."""


NUMBER = re.compile(r"[0-9]{1,18}")


def leave(origin: str, names: Iterable[str]) -> dict[str, str]:
    """Leave for a page to read an answer and its headers, whose names are ``names``, and to time it.

    A page of any origin may ask: the server holds nothing secret, and listens on this machine only unless told otherwise.
    One of this machine may also ask with its credentials, for which a star is not enough.
    """
    if not LOCAL.fullmatch(origin):
        return STARS
    shown = {"access-control-expose-headers": ", ".join(names), "access-control-allow-credentials": "true"}
    return STARS | {"access-control-allow-origin": origin, "vary": "origin"} | shown


STARS = {"access-control-allow-origin": "*", "access-control-expose-headers": "*", "timing-allow-origin": "*"}


def preflight(asked: str) -> Answer:
    """Leave to send what the browser says it would; the star stands for neither ``authorization`` nor credentials."""
    headers = ", ".join(filter(None, ("authorization, *", asked)))
    named = {"access-control-allow-headers": headers, "access-control-allow-methods": "*, DELETE"}
    return Answer(204, named, (), booked=False)


class _Refused(Exception):
    """A request that is no request for the engine: what to answer before closing the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Connection(Player):
    """One TCP connection: reads requests one after the other, plays each answer before it reads the next."""

    __slots__ = ("_bodiless", "_body", "_chunked", "_head", "_parser")

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._parser = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=MAX_UNSENT - MAX_JOINED)
        self._core.connections.add(self)
        self._be_patient()

    def data_received(self, data: bytes) -> None:
        self._parser.receive_data(data)
        if self._entry is None and not self._blocked:
            self._read()
        elif len(self._parser.trailing_data[0]) > MAX_AHEAD:
            self.hang_up()  # it goes on sending while it is being answered, and nobody reads that

    def resume_writing(self) -> None:
        self._block(False)
        if self._entry is None:
            self._go_on()
            return
        self._need_no_patience()
        if self not in self._core.alarms.waiting:
            self.send()

    def _close(self) -> None:
        """Close when all is sent that was said, which a client that takes no bytes can't hold up for ever."""
        self._be_patient()
        self._transport.close()

    def _read(self) -> None:
        try:
            request = self._next_request()
        except (_Refused, h11.RemoteProtocolError) as error:
            status = error.status if isinstance(error, _Refused) else error.error_status_hint
            said = str(error).encode()
            self._transport.write(self._head_with(status, REFUSED, len(said), close=True) + said)
            self.connection_lost(None)
            Lingering(self._core, self._transport)
            return
        if request is not None:
            self._answer(request)

    def _next_request(self) -> Request | None:
        """The next whole request, or None until more bytes come."""
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Request):
                self._head, self._body = event, bytearray()
                _check_framing(event)
                if self._parser.they_are_waiting_for_100_continue:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            elif isinstance(event, h11.Data):
                self._body += event.data
                _measure(len(self._body))
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                return _request(self._head, bytes(self._body))
            else:
                return None

    def _answer(self, request: Request) -> None:
        refusal = None
        if request.method == "GET" and request.headers.get("upgrade", "").lower() == "websocket":
            from course_utils.sockets import upgrade

            refusal = upgrade(self._core, self._transport, request, self._parser.trailing_data[0])
            if refusal is None:
                self.connection_lost(None)
                return
        arrived = self._core.clock.now()
        answer = refusal or self._core.respond(request, arrived)
        self._play(answer, request.path, arrived)
        self._need_no_patience()
        # A chunked body can tell a cut from an end; HTTP/1.0 has no chunks, there the end of the connection must do.
        self._chunked = answer.streamed and self._head is not None and self._head.http_version == b"1.1"
        self._bodiless = self._head is not None and self._head.method == b"HEAD"
        if (due := arrived + answer.headers_at) > self._core.clock.now():
            self._core.alarms.wake(self, due)
        else:
            self.send()

    def _opening(self) -> bytes:
        answer = self._playing
        sized = not (answer.streamed or answer.status == 204)
        length = sum(len(frame.data) for frame in answer.frames) if sized else None
        return self._head_with(answer.status, answer.headers, length, close=self._closes())

    def _framed(self, data: bytes) -> bytes:
        if not data or self._bodiless:  # an empty chunk would be the end of the body
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def _closing(self, ending: Ending | None) -> bytes:
        if ending is not None and ending.kind != "end":
            return b"this is no chunk size\r\n" if ending.kind == "malformed" else b""
        return b"0\r\n\r\n" if self._chunked and not self._bodiless else b""

    def _write(self, pieces: Sequence[bytes]) -> None:
        if data := b"".join(pieces):
            self._transport.write(data)

    def _finish(self, ending: Ending | None) -> None:
        """Go on with the next request, or end the connection: in the middle of the body, if that is the fault."""
        if self._closes() or (ending is not None and ending.kind != "end"):
            self._close()
            return
        trailing, _ = self._parser.trailing_data
        self._parser = h11.Connection(h11.SERVER)
        if trailing:
            self._parser.receive_data(trailing)
        self._be_patient()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Read the next request, if one has come already; from the loop, so that a hundred of them don't nest."""
        if self._entry is None and not self._blocked and not self._transport.is_closing():
            self._read()

    def _closes(self) -> bool:
        """Whether the connection ends with this answer: the client asked for it, or no other end can be marked."""
        assert self._head is not None
        asked = b",".join(value for name, value in self._head.headers if name == b"connection").lower()
        return b"close" in map(bytes.strip, asked.split(b",")) or self._head.http_version != b"1.1"

    def _head_with(self, status: int, headers: dict[str, str], length: int | None, close: bool) -> bytes:
        origin = dict(self._head.headers).get(b"origin", b"").decode("latin-1") if self._head else ""
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        if length is not None:
            lines.append(f"content-length: {length}")
        elif self._chunked:
            lines.append("transfer-encoding: chunked")
        lines += [
            "cache-control: no-cache",
            "x-accel-buffering: no",
            *(f"{name}: {value}" for name, value in leave(origin, [*headers, "x-request-id"]).items()),
        ]
        if self._entry is not None:
            lines.append(f"x-request-id: req_{self._entry.number}")
        if close:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _measure(size: int) -> None:
    if size > MAX_BODY:
        raise _Refused(413, f"a request body may have {MAX_BODY} bytes at most")


def _check_framing(head: h11.Request) -> None:
    """Refuse a body by the length it announces, before it comes, and one whose end two readers may see in two places."""
    framing = {name: value for name, value in head.headers if name in (b"content-length", b"transfer-encoding")}
    if len(framing) == 2:
        raise _Refused(400, "a request has a content-length or a transfer-encoding, not both")
    _measure(int(framing.get(b"content-length", 0)))


def _request(head: h11.Request, body: bytes) -> Request:
    """The request for the engine: HEAD asks as GET does, an absolute target is its path, repeated headers are one list."""
    headers: dict[str, str] = {}
    for name, value in head.headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    target = head.target.decode("latin-1")
    if target[:8].lower().startswith(("http://", "https://")):
        target = "/" + target.partition("//")[2].partition("/")[2]
    method = head.method.decode("latin-1")
    return Request("GET" if method == "HEAD" else method, target, body, headers)


class Lingering(asyncio.Protocol):
    """A connection after its last word: what still comes is thrown away, until the client closes it too.

    To close it at once, with bytes unread, would reset it, and the client could lose the last word.
    """

    def __init__(self, server: Core, transport: asyncio.Transport) -> None:
        self._server, self._transport, self._left = server, transport, MAX_IGNORED
        server.connections.add(self)
        server.patience.wake(self, server.patience.clock.now() + min(LINGER, server.seconds))
        transport.set_protocol(self)
        try:
            transport.write_eof()
        except OSError:  # the client has gone already
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._server.patience.forget(self)

    def hang_up(self) -> None:
        self._transport.abort()


class Connection(Protocol):
    """What the server keeps of a connection: the means to end it."""

    def hang_up(self) -> None: ...


class Core:
    """What the connections share; it knows nothing of the object the user holds, so that one can be collected."""

    def __init__(self, engine: Engine, ledger: Ledger, clock: RealClock | VirtualClock) -> None:
        self.engine, self.ledger, self.clock = engine, ledger, clock
        self.connections: set[Connection] = set()
        self.seconds = PATIENCE
        self.alarms: Alarms[Player] = Alarms(clock, Player.send)
        wall = RealClock() if isinstance(clock, RealClock) else clock  # a client gets no less time at twice the speed
        self.patience: Alarms[Connection] = Alarms(wall, lambda one: one.hang_up())

    def connection(self) -> asyncio.Protocol:
        """What speaks on a connection that has just been opened."""
        return _Connection(self)

    def respond(self, request: Request, arrived: float) -> Answer:
        """The engine's answer, or the server's own: its books, a page to look at, and leave for pages of other origins.

        A fault in a reply function or a proxy of the user's is a 500 and a line in the log.
        """
        if request.method == "OPTIONS":
            return preflight(request.headers.get("access-control-request-headers", ""))
        path = request.path.partition("?")[0]
        if (request.method, path) == ("GET", WATCH):
            page = Frame(0.0, PAGE.read_bytes())
            return Answer(200, {"content-type": "text/html; charset=utf-8"}, (page,), booked=False)
        try:
            if request.method == "GET" and path in (LEDGER, CONDUCT):
                self.engine.let_in(request.headers)
                return replace(json_answer(self._books(request.path)), booked=False)
            return self.engine.respond(request, arrived, self.ledger.busy)
        except ApiError as error:
            return error_answer(error)
        except Exception as error:  # the user's own functions run in there; their fault must reach the client
            logging.getLogger("course_utils").exception("the mock could not answer %s %s", request.method, request.path)
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return error_answer(ApiError(500, f"the mock's own functions failed with {what} (its log says where)"))

    def _books(self, path: str) -> Any:
        """What the ledger says of the requests, or of the client: ``/conduct?succeeded=1,2`` names its successes."""
        if path.startswith(LEDGER):
            return [entry.facts() for entry in self.ledger]
        named = dict(parse_qsl(path.partition("?")[2], keep_blank_values=True)).get("succeeded")
        return conduct_of(
            self.ledger, None if named is None else {int(one) for one in named.split(",") if NUMBER.fullmatch(one)}
        ).facts()


class LoopbackServer:
    """An engine on a port of this machine. Use it as a context manager, or call `close`.

    It also closes when nobody refers to it any more (see `MockServer.serve`), so running its notebook cell again leaves
    nothing behind.
    """

    def __init__(
        self, engine: Engine, ledger: Ledger, clock: RealClock, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.ledger = ledger
        core = Core(engine, ledger, clock)
        loop = _new_loop()
        bound: Future[tuple[str, int]] = Future()
        thread = threading.Thread(target=_serve, args=(loop, core, host, port, bound), daemon=True, name="mock-server")
        thread.start()
        try:
            self.host, self.port = bound.result()
        except UNUSABLE as error:
            thread.join()
            raise OSError(_cannot_listen(host, port, error)) from error
        self._core, self._loop, self._thread = core, loop, thread
        self._closing = weakref.finalize(self, _stop, loop, thread)

    @property
    def url(self) -> str:
        """The base URL for an OpenAI client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # "everywhere" is no address to call
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v1"

    @property
    def watch(self) -> str:
        """The address of a page for a browser: it asks this server and shows what comes, as it comes."""
        return self.url.removesuffix("/v1") + WATCH

    def close(self) -> None:
        """Cut open streams, free the port, end the thread. Calling it twice is harmless."""
        self._closing()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LoopbackServer {self.url if self._closing.alive else 'closed'}>"


UNUSABLE = (OSError, OverflowError, ValueError, TypeError)
"""What the system and the event loop say of an address at which nobody can listen."""


def _cannot_listen(host: str, port: int, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, (socket.gaierror, ValueError, TypeError)):
        return f"can't listen on {host!r} ({reason}): it is neither an address nor a name of this machine"
    if port:
        return f"can't listen on {host}:{port} ({reason}): take another port, or port=0 to have one picked"
    return (
        f"can't open a port on {host} ({reason}): this machine allows no loopback connections; "
        "the in-process client, mock.client(), needs none"
    )


BREATH = 0.0008
"""Seconds that the loop waits at least, if it waits: what is due by then leaves with the next, which costs less."""
SELECTABLE = 1024
"""Files with numbers below this one can be waited for with ``select``."""

if sys.platform == "linux":

    class _Punctual(selectors.EpollSelector):
        """Waits for microseconds: ``epoll``, with which loops wait on Linux, rounds up to whole milliseconds."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or timeout <= 0 or (itself := self.fileno()) >= SELECTABLE:
                return super().select(timeout)
            came, _, _ = select.select([itself], [], [], max(timeout, BREATH))
            return super().select(0) if came else []


def _new_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(_Punctual()) if sys.platform == "linux" else asyncio.new_event_loop()


def _serve(loop: asyncio.AbstractEventLoop, core: Core, host: str, port: int, bound: Future[tuple[str, int]]) -> None:
    """The thread's work: listen, report the address, run until told to stop, leave nothing open."""
    asyncio.set_event_loop(loop)
    try:
        server = loop.run_until_complete(loop.create_server(core.connection, host, port, backlog=BACKLOG))
    except UNUSABLE as error:
        loop.close()
        bound.set_exception(error)
        return
    bound.set_result(server.sockets[0].getsockname()[:2])
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_hang_up_all(core))
        server.close()  # not before: a connection that is just being accepted would be left open
        loop.close()


ROUNDS = 100
"""Rounds of the event loop in which everything has to end; three are enough."""


async def _hang_up_all(core: Core) -> None:
    """End every connection, also those that are just being accepted."""
    for _ in range(ROUNDS):
        for connection in list(core.connections):
            connection.hang_up()
        await asyncio.sleep(0)
        if not core.connections and len(asyncio.all_tasks()) == 1:
            return


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed already: its thread ended on its own
        loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(timeout=5)
