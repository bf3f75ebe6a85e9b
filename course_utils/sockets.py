"""WebSockets on the loopback server: the same frames, each event a message of its own.

Two of them: the socket mode of the Responses API (``/v1/responses``, several turns, errors are events, the socket stays
open), and ``/ws``, a plain one that can be told to stop in the middle of an answer, which is what two directions are for.
The protocol itself is spoken by ``websockets``, without its input and output. A socket on which nothing happens stays open.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websockets.datastructures import Headers
from websockets.frames import Frame as Message
from websockets.frames import Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from course_utils import api, sse
from course_utils.engine import Answer, Request, error_answer
from course_utils.frames import Ending
from course_utils.player import Player
from course_utils.server import Lingering

if TYPE_CHECKING:
    from course_utils.server import Core

MOST_WAITING = 16
"""Requests that may wait on one socket for the answer before theirs."""
MAX_MESSAGE = 1024 * 1024
KEY = "openai-insecure-api-key."
"""A page can send no headers with a WebSocket, so the vendor takes the key as a subprotocol of this name."""


def upgrade(core: Core, transport: asyncio.Transport, request: Request, rest: bytes) -> Answer | None:
    """Hand a connection that asked for it over to a WebSocket; else the answer that says why not."""
    path = request.path.partition("?")[0].rstrip("/")
    kind = next((kind for kind in (Responses, Plain) if path.endswith(kind.path)), None)
    offered = [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",")]
    chosen = next((one for one in offered if one and not one.startswith(KEY)), None) or offered[0] or None
    protocol = ServerProtocol(
        max_size=MAX_MESSAGE, state=State.OPEN, select_subprotocol=lambda *_: chosen and Subprotocol(chosen)
    )
    key = next((one.removeprefix(KEY) for one in offered if one.startswith(KEY)), "")
    request = replace(request, headers={"x-api-key": key} | dict(request.headers))
    try:
        core.engine.let_in(request.headers)
        if kind is None:
            raise api.ApiError(404, f"there is a WebSocket at /v1/responses and one at {Plain.path}")
        response = protocol.accept(Handshake(request.path, Headers(request.headers)))
        if response.status_code != 101:
            raise api.ApiError(400, (response.body or b"").decode().partition("\n")[0])
    except api.ApiError as error:
        refusal = error_answer(error)
        return replace(refusal, headers=refusal.headers | {"sec-websocket-version": "13"})
    transport.write(response.serialize())
    kind(core, transport, request, protocol).data_received(rest)
    return None


class _Socket(Player):
    """One WebSocket: answers requests one after the other, a message for each event of an answer."""

    path = ""

    def __init__(self, core: Core, transport: asyncio.Transport, request: Request, protocol: ServerProtocol) -> None:
        super().__init__(core)
        self._transport, self._request, self._protocol = transport, request, protocol
        self._waiting: deque[bytes] = deque()
        self._fragments, self._is_text = bytearray(), True
        core.connections.add(self)
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Message) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._read(event)
        self._flush()

    def pause_writing(self) -> None:
        """The client takes no bytes: don't read what it says either, for every word of it may want an answer."""
        super().pause_writing()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._block(False)
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        if self._protocol.state is State.OPEN:
            self._need_no_patience()
        if self._entry is None:
            self._next()
        elif self not in self._core.alarms.waiting:
            self.send()

    def _leave(self) -> None:
        self._waiting.clear()
        super()._leave()

    def _flush(self) -> None:
        """Write what the protocol has to say; an empty piece means that it has said all."""
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                self.connection_lost(None)
                Lingering(self._core, self._transport)
                return

    def _say(self, text: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())

    def _read(self, frame: Message) -> None:
        """Put a message together that may come in fragments."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._fragments += frame.data
        if not frame.fin:
            return
        whole, self._fragments = bytes(self._fragments), bytearray()
        if self._is_text and not _is_utf8(whole):
            self._protocol.fail(1007, "a text has to be UTF-8")
        else:
            self._received(whole)

    def _received(self, text: bytes) -> None:
        """A message from the client: a request, which waits for its turn."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(text)
            self._next()
        elif self._blocked:
            self.hang_up()  # it goes on asking and takes no answers
        else:
            self._refuse(api.ApiError(429, f"{MOST_WAITING} requests are waiting on this socket already"))
            self._flush()

    def _goes_on(self) -> bool:
        """Whether it has not been closed, in order or by a cut."""
        return self._protocol.state is State.OPEN and not self._transport.is_closing()

    def _next(self) -> None:
        while self._waiting and self._entry is None and not self._blocked and self._goes_on():
            try:
                request = self._request_in(self._waiting.popleft())
            except api.ApiError as error:
                self._refuse(error)
                self._flush()
                continue
            arrived = self._core.clock.now()
            answer = self._core.respond(request, arrived)
            self._events = self._reader(answer)
            self._unpack = _unpacker(answer)
            self._play(answer, request.path, arrived)
            self.send()

    def _write(self, pieces: Sequence[bytes]) -> None:
        try:
            for text in (text for data in filter(None, pieces) for text in self._events(self._unpack(data))):
                self._say(text)
        except zlib.error:  # another fault has changed what was compressed
            self._protocol.fail(1011, "what came out of the compression is no answer any more")
        self._flush()

    def _finish(self, ending: Ending | None) -> None:
        if ending is None or ending.fault == "error":
            self._next()
            return
        self._be_patient()
        if ending.kind == "end":
            self._protocol.send_close(1000)
            self._flush()
        else:
            self._transport.close()

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
        if "stream_id" in body:
            raise api.ApiError(400, "this mock has no lanes: leave 'stream_id' out", param="stream_id")
        return self._asked(self._request.path, body | {"stream": True})

    def _reader(self, answer: Answer) -> Callable[[bytes], Iterator[str]]:
        if answer.status != 200:
            headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
            return lambda data: iter([_error_event(answer.status, json.loads(data)["error"], headers)])
        decoder = sse.Decoder()
        return lambda data: (event.data for event in decoder.feed(data))

    def _refuse(self, error: api.ApiError) -> None:
        self._say(_error_event(error.status, error.as_json(), error.headers()))


def _error_event(status: int, error: dict[str, Any], headers: dict[str, str]) -> str:
    """What would be the status, the body and the headers of an answer in HTTP, as one event."""
    return api.dumps({"type": "error", "status": status, "error": error | ({"headers": headers} if headers else {})})


class Plain(_Socket):
    """``/ws``: a message is a prompt, as text or as ``{"prompt": ..., "model": ...}``; ``{"stop": true}`` ends the answer.

    Back come ``{"token": ...}`` messages and one with ``"done"``.
    """

    path = "/ws"

    def _received(self, text: bytes) -> None:
        if not _is_stop(text):
            super()._received(text)
        elif self._entry is not None:
            self._stop()
            self._say(api.dumps({"done": True, "finish_reason": "stopped"}))
            self._flush()
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
    """Lines of JSON out of bytes that may be cut anywhere; what a fault puts between them is none."""

    def __init__(self) -> None:
        self._text, self._decoder = "", codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> Iterator[str]:
        self._text += self._decoder.decode(data)
        *whole, self._text = re.split(r"[\r\n]", self._text)
        return (line for line in whole if line.startswith("{"))


def _unpacker(answer: Answer) -> Callable[[bytes], bytes]:
    """Undoes a compression, which belongs to HTTP; what it did to the moments stays."""
    if answer.headers.get("content-encoding") == "gzip":
        return zlib.decompressobj(wbits=31).decompress
    return bytes


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_stop(text: bytes) -> bool:
    try:
        return bool(json.loads(text).get("stop"))
    except (ValueError, AttributeError, RecursionError):
        return False
