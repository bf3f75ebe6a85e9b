"""WebSockets on the loopback server: the same frames, each event a message of its own.

Two of them: the socket mode of the Responses API (``/v1/responses``, several turns, errors are events, the socket stays
open), and ``/ws``, a plain one that can be told to stop in the middle of an answer, which is what two directions are for.
The protocol itself is spoken by ``websockets``, without its input and output.
"""

from __future__ import annotations

import asyncio
import codecs
import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from websockets.frames import Frame as Message
from websockets.frames import Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from course_utils import api, sse
from course_utils.engine import Answer, Request
from course_utils.frames import Frame

if TYPE_CHECKING:
    from course_utils.ledger import Entry
    from course_utils.server import Core

MOST_WAITING = 16
"""Requests that may wait on one socket for the answer before theirs."""
MAX_MESSAGE = 1024 * 1024


def upgrade(core: Core, transport: asyncio.Transport, request: Request, rest: bytes) -> None:
    """Hand a connection that asked for it over to a WebSocket."""
    path = request.path.partition("?")[0].rstrip("/")
    kind = Responses if path.endswith("/responses") else Plain
    socket = kind(core, transport, request)
    transport.set_protocol(socket)
    head = f"{request.method} {request.path} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items()
    )
    socket.data_received(f"{head}\r\n".encode("latin-1") + rest)


class _Socket(asyncio.Protocol):
    """One WebSocket: answers requests one after the other, a message for each event of an answer."""

    path = ""

    def __init__(self, core: Core, transport: asyncio.Transport, request: Request) -> None:
        self._core, self._transport, self._request = core, transport, request
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE)
        self._waiting: deque[bytes] = deque()
        self._entry: Entry | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._blocked = False
        self._fragments = bytearray()
        core.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._shake_hands(event)
            elif isinstance(event, Message) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._fragments += event.data
                if len(self._fragments) > MAX_MESSAGE:
                    self._protocol.fail(1009, f"a message may have {MAX_MESSAGE} bytes at most")
                elif event.fin:
                    whole, self._fragments = bytes(self._fragments), bytearray()
                    self._received(whole)
        self._flush()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        self._block(True)
        self._patience = asyncio.get_running_loop().call_later(self._core.patience, self.hang_up)

    def resume_writing(self) -> None:
        self._block(False)
        if self._entry is not None:
            self._send_frame()

    def _block(self, blocked: bool) -> None:
        self._blocked = blocked
        if self._patience is not None:
            self._patience.cancel()
        if self._entry is not None:
            self._entry.blocked = blocked

    def connection_lost(self, exc: Exception | None) -> None:
        self._core.connections.discard(self)
        for timer in (self._timer, self._patience):
            if timer is not None:
                timer.cancel()
        if self._entry is not None:
            self._entry.client_left()

    def hang_up(self) -> None:
        self._transport.abort()

    def _shake_hands(self, handshake: Handshake) -> None:
        response = self._protocol.accept(handshake)
        try:
            self._core.engine.let_in(self._request.headers)
        except api.ApiError as error:
            response = self._protocol.reject(error.status, api.error_body(error).decode())
        if not self._request.path.partition("?")[0].rstrip("/").endswith(self.path):
            response = self._protocol.reject(404, f"there is a WebSocket at /v1/responses and one at {Plain.path}\n")
        self._protocol.send_response(response)

    def _flush(self) -> None:
        """Write what the protocol has to say; an empty piece means that it has said all."""
        if self._transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def _say(self, text: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())

    def _received(self, text: bytes) -> None:
        """A message from the client: a request, which waits for its turn."""
        if len(self._waiting) >= MOST_WAITING:
            self._refuse(api.ApiError(429, f"{MOST_WAITING} requests are waiting on this socket already"))
            return
        self._waiting.append(text)
        if self._entry is None:
            self._next()

    def _next(self) -> None:
        while self._waiting and self._entry is None:
            try:
                request = self._request_in(self._waiting.popleft())
            except api.ApiError as error:
                self._refuse(error)
                continue
            answer = self._core.respond(request)
            self._entry = self._core.ledger.open(request.path, answer)
            self._playing, self._at = answer, 0
            self._events = self._reader(answer)
            self._started = asyncio.get_running_loop().time()
            self._send_frame()

    def _send_frame(self) -> None:
        """Send the frames that are due, then sleep until the next deadline, or end the answer."""
        loop, frames = asyncio.get_running_loop(), self._playing.frames
        while self._at < len(frames) and self._entry is not None and not self._entry.cancelled:
            if self._blocked:
                return  # until `resume_writing`
            deadline = self._started + frames[self._at].at / self._core.clock.speed
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._send_frame)
                self._flush()
                return
            self._send(frames[self._at])
            self._at += 1
        self._entry = None
        self._next()
        self._flush()

    def _send(self, frame: Frame) -> None:
        assert self._entry is not None
        for text in self._events(frame.data):
            self._say(text)
        self._entry.written.append(self._core.clock.now())
        if frame.ending is None or frame.ending.fault == "error":
            return
        self._flush()
        self._entry = None
        if frame.ending.kind == "end":
            self._protocol.send_close(1000)
        else:
            self._transport.abort()

    def _reader(self, answer: Answer) -> Callable[[bytes], Iterator[str]]:
        """What turns the bytes of an answer into messages, however a fault has cut them."""
        raise NotImplementedError

    def _request_in(self, text: bytes) -> Request:
        """The request that a message is; raises `ApiError` for one that is none."""
        raise NotImplementedError

    def _refuse(self, error: api.ApiError) -> None:
        raise NotImplementedError

    def _asked(self, path: str, body: Any) -> Request:
        return Request("POST", path, json.dumps(body).encode(), self._request.headers)


class Responses(_Socket):
    """The socket mode of the Responses API: ``response.create`` messages in, the events of a streamed answer out."""

    path = "/responses"

    def _request_in(self, text: bytes) -> Request:
        body = api.json_object(text)
        if (kind := body.pop("type", None)) != "response.create":
            raise api.ApiError(400, f"this socket takes messages of type 'response.create', got {kind!r}", param="type")
        return self._asked(self._request.path, body | {"stream": True})

    def _reader(self, answer: Answer) -> Callable[[bytes], Iterator[str]]:
        if answer.status != 200:
            return lambda data: iter([_error_event(answer.status, json.loads(data)["error"])])
        decoder = sse.Decoder()
        return lambda data: (event.data for event in decoder.feed(data))

    def _refuse(self, error: api.ApiError) -> None:
        self._say(_error_event(error.status, error.as_json()))


def _error_event(status: int, error: dict[str, Any]) -> str:
    return api.dumps({"type": "error", "status": status, "error": error})


class Plain(_Socket):
    """``/ws``: a message is a prompt, as text or as ``{"prompt": ..., "model": ...}``; ``{"stop": true}`` ends the answer.

    Back come ``{"token": ...}`` messages and one with ``"done"``.
    """

    path = "/ws"

    def _received(self, text: bytes) -> None:
        if not _is_stop(text):
            super()._received(text)
        elif self._entry is not None:
            self._entry.client_left()
            self._entry = None
            if self._timer is not None:
                self._timer.cancel()
            self._say(api.dumps({"done": True, "finish_reason": "stopped"}))
            self._next()

    def _request_in(self, text: bytes) -> Request:
        if text.lstrip().startswith(b"{"):
            return self._asked("/ndjson", api.json_object(text))
        return self._asked("/ndjson", {"prompt": text.decode("utf-8", "replace")})

    def _reader(self, answer: Answer) -> Callable[[bytes], Iterator[str]]:
        return _Lines().feed if answer.status == 200 else lambda data: iter([data.decode()])

    def _refuse(self, error: api.ApiError) -> None:
        self._say(api.error_body(error).decode())


class _Lines:
    """Lines out of bytes that may be cut anywhere."""

    def __init__(self) -> None:
        self._text, self._decoder = "", codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> Iterator[str]:
        self._text += self._decoder.decode(data)
        *whole, self._text = self._text.split("\n")
        yield from whole


def _is_stop(text: bytes) -> bool:
    try:
        return bool(json.loads(text).get("stop"))
    except (ValueError, AttributeError, RecursionError):
        return False
