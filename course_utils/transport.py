"""In-process transports: the real openai client talks to the engine without a port, a thread or a socket.

A client may be some way off: `Transport` has a round-trip time, and connections that are made once and used again.

They stand where the SDK's HTTP transport stands (``httpx2``), wait on the clock until each frame is due, and hand its
bytes over. A response stream can be read once: the asynchronous SDK iterates it again after `[DONE]`, and a stream
that began anew would never end.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2

from course_utils.clock import Clock
from course_utils.engine import Answer, Engine, Request
from course_utils.frames import Frame
from course_utils.ledger import Entry, Ledger


@dataclass
class _Way:
    """Between a client and the server: ``rtt`` seconds there and back, and ``connections`` that are open and free.

    A new connection takes a round trip for TCP (RFC 9293) and one for TLS 1.3 (RFC 8446) before the request can leave.
    """

    rtt: float
    connections: int = 0

    def there(self) -> float:
        """Seconds until a request that is sent now arrives."""
        if self.connections:
            self.connections -= 1
            return self.rtt / 2
        return HANDSHAKES * self.rtt + self.rtt / 2


HANDSHAKES = 2


class _Playing:
    """One answer on its way to the client: the next frame, its deadline, and the client's patience."""

    def __init__(self, request: httpx2.Request, answer: Answer, entry: Entry, clock: Clock, way: _Way) -> None:
        self._request, self.entry, self.clock = request, entry, clock
        self._way = way
        self.answer = answer
        self._frames = iter(answer.frames)
        timeouts = request.extensions.get("timeout", {})
        self._patience: float | None = timeouts.get("read")

    def next_frame(self) -> Frame | None:
        return next(self._frames, None)

    def deadline(self, at: float) -> tuple[float, bool]:
        """When to act, and whether it is too late: the read time-out runs from one read to the next."""
        due, now = self.entry.arrived + at + self._way.rtt / 2, self.clock.now()
        if self._patience is not None and due - now > self._patience:
            return now + self._patience, True
        return due, False

    def give_up(self) -> httpx2.ReadTimeout:
        self.entry.client_left()
        return httpx2.ReadTimeout(f"nothing came for {self._patience:g} s", request=self._request)

    @contextlib.contextmanager
    def unless_interrupted(self) -> Iterator[None]:
        """A request that is cancelled or interrupted before its headers has no stream that anybody could close."""
        try:
            yield
        except BaseException:
            self.entry.client_left()
            raise

    def sent(self, frame: Frame) -> bytes:
        self.entry.written.append(self.clock.now() - self._way.rtt / 2)
        return frame.data

    def over(self) -> None:
        """The whole body has come, so the connection can be used again."""
        self._way.connections += 1

    def finish(self, frame: Frame) -> None:
        """What the client sees after the last byte: nothing, or the error a broken body gives over a real socket."""
        if frame.ending and frame.ending.kind != "end":
            broken = "peer closed connection without sending complete message body (incomplete chunked read)"
            raise httpx2.RemoteProtocolError(broken, request=self._request)

    def response(self, stream: httpx2.SyncByteStream | httpx2.AsyncByteStream) -> httpx2.Response:
        headers = self.answer.headers | {"x-request-id": f"req_{self.entry.number}"}
        return httpx2.Response(self.answer.status, headers=headers, stream=stream)


class _Stream(httpx2.SyncByteStream):
    def __init__(self, playing: _Playing) -> None:
        self._playing = playing

    def __iter__(self) -> Iterator[bytes]:
        playing = self._playing
        while (frame := playing.next_frame()) is not None:
            when, too_late = playing.deadline(frame.at)
            playing.clock.sleep_until(when)
            if too_late:
                raise playing.give_up()
            if len(playing.entry.written) >= playing.entry.until():
                return
            yield playing.sent(frame)
            playing.finish(frame)
        playing.over()

    def close(self) -> None:
        self._playing.entry.client_left()


class _AsyncStream(httpx2.AsyncByteStream):
    def __init__(self, playing: _Playing) -> None:
        self._playing = playing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        playing = self._playing
        while (frame := playing.next_frame()) is not None:
            when, too_late = playing.deadline(frame.at)
            await playing.clock.asleep_until(when)
            if too_late:
                raise playing.give_up()
            if len(playing.entry.written) >= playing.entry.until():
                return
            yield playing.sent(frame)
            playing.finish(frame)
        playing.over()

    async def aclose(self) -> None:
        self._playing.entry.client_left()


class Transport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Plays an engine's answers to a synchronous or an asynchronous ``httpx2`` client, ``rtt`` seconds away and back."""

    def __init__(self, engine: Engine, ledger: Ledger, clock: Clock, rtt: float = 0.0) -> None:
        if not rtt >= 0:
            raise ValueError(f"a round trip takes 0 seconds or more, got rtt={rtt!r}")
        self._engine, self._ledger, self._clock = engine, ledger, clock
        self._way = _Way(rtt)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        if away := self._way.there():
            self._clock.sleep(away)
        playing = self._begin(request, body)
        when, too_late = playing.deadline(playing.answer.headers_at)
        with playing.unless_interrupted():
            self._clock.sleep_until(when)
        if too_late:
            raise playing.give_up()
        return playing.response(_Stream(playing))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        if away := self._way.there():
            await self._clock.asleep(away)
        playing = self._begin(request, body)
        when, too_late = playing.deadline(playing.answer.headers_at)
        with playing.unless_interrupted():
            await self._clock.asleep_until(when)
        if too_late:
            raise playing.give_up()
        return playing.response(_AsyncStream(playing))

    def _begin(self, request: httpx2.Request, body: bytes) -> _Playing:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, request.url.raw_path.decode("ascii"), body, headers)
        arrived = self._clock.now()
        answer = self._engine.respond(asked, arrived, self._ledger.busy)
        entry = self._ledger.open(request.url.path, answer, arrived)
        return _Playing(request, answer, entry, self._clock, self._way)
