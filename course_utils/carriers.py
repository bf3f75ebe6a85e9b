"""Five ways in which one answer can travel from the mock to you, each with the client that it needs.

All go over the same kind of `line`, with the same script and the same clock; only what stands around the tokens differs.
The HTTP of the clients is spoken by ``h11``, the WebSocket by ``websockets``, both without input and output of their own.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import h11
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from course_utils import sse
from course_utils.api import MODEL
from course_utils.line import Line, Network, Read
from course_utils.pace import Pace
from course_utils.timeline import Chunk, Timeline

HOST = "mock.invalid"
RTT = 0.1
"""Seconds for a round trip: to another continent and back."""
POLLED_EVERY = 1.0
LAST_EVENT = "response.completed"


class _Http:
    """HTTP/1.1 on a line: one request after the other."""

    def __init__(self, line: Line) -> None:
        self._line, self._state = line, h11.Connection(h11.CLIENT)

    async def ask(self, method: str, path: str, body: Any = None) -> AsyncIterator[bytes]:
        """The body of the answer, as it comes."""
        data = b"" if body is None else json.dumps(body).encode()
        about_body = [("content-type", "application/json"), ("content-length", str(len(data)))] if data else []
        request = h11.Request(method=method, target=path, headers=[("host", HOST), *about_body])
        said = [self._state.send(part) for part in (request, h11.Data(data=data), h11.EndOfMessage())]
        self._line.send(b"".join(part or b"" for part in said))
        while not isinstance(event := self._state.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._state.receive_data((await self._line.read()).data)
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
        self._state.start_next_cycle()

    async def fetch(self, method: str, path: str, body: Any = None) -> Any:
        """The whole answer, which is JSON."""
        return json.loads(b"".join([data async for data in self.ask(method, path, body)]))


class _WebSocket:
    """A WebSocket on a line. It begins as an HTTP request, and needs the answer before anything can be said."""

    def __init__(self, line: Line, path: str) -> None:
        self._line, self._state = line, ClientProtocol(parse_uri(f"ws://{HOST}{path}"))
        self._state.send_request(self._state.connect())

    async def open(self) -> None:
        self._flush()
        while not list(self._state.events_received()):
            self._state.receive_data((await self._line.read()).data)

    def say(self, message: Any) -> None:
        self._state.send_text(json.dumps(message).encode())
        self._flush()

    async def messages(self) -> AsyncIterator[Any]:
        while True:
            for event in self._state.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    yield json.loads(bytes(event.data))
            self._state.receive_data((await self._line.read()).data)

    def _flush(self) -> None:
        self._line.send(b"".join(self._state.data_to_send()))


async def _text(network: Network, prompt: str) -> AsyncGenerator[str]:
    """What comes is the text. Only characters that were cut in two need care."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    async for data in _Http(await network.connect()).ask("POST", "/v1/text", {"prompt": prompt}):
        yield decode(data)


async def _events(network: Network, prompt: str) -> AsyncGenerator[str]:
    """Events, as nearly every LLM API sends them."""
    decoder, messages = sse.Decoder(), [{"role": "user", "content": prompt}]
    body = {"model": MODEL, "stream": True, "messages": messages}
    async for data in _Http(await network.connect()).ask("POST", "/v1/chat/completions", body):
        for event in decoder.feed(data):
            if event.data != "[DONE]":
                for choice in json.loads(event.data)["choices"]:
                    yield choice["delta"].get("content", "")


async def _ndjson(network: Network, prompt: str) -> AsyncGenerator[str]:
    """Lines, each a JSON value."""
    rest = b""
    async for data in _Http(await network.connect()).ask("POST", "/v1/ndjson", {"prompt": prompt}):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield json.loads(line).get("token", "")


async def _websocket(network: Network, prompt: str) -> AsyncGenerator[str]:
    """Messages, whose boundaries the protocol keeps."""
    socket = _WebSocket(await network.connect(), "/v1/ws")
    await socket.open()
    socket.say({"prompt": prompt})
    async for message in socket.messages():
        if message.get("done"):
            return
        yield message["token"]


async def _polling(network: Network, prompt: str) -> AsyncGenerator[str]:
    """A job in the background, and the question, again and again, whether it is done."""
    http = _Http(await network.connect())
    job = await http.fetch("POST", "/v1/responses", {"model": MODEL, "input": prompt, "background": True})
    while job["status"] in ("queued", "in_progress"):
        await network.clock.asleep(POLLED_EVERY)
        job = await http.fetch("GET", f"/v1/responses/{job['id']}")
    yield job["output"][0]["content"][0]["text"]


CARRIERS: dict[str, Callable[[Network, str], AsyncGenerator[str]]] = {
    "chunked text": _text,
    "SSE": _events,
    "NDJSON": _ndjson,
    "WebSocket": _websocket,
    "polling": _polling,
}


def carry(carrier: str, prompt: str = "hello", *, pace: Pace | None = None, rtt: float = RTT) -> Timeline:
    """One answer by one of `CARRIERS`, from the first handshake on, in virtual time. Polling asks once a second."""
    if carrier not in CARRIERS:
        raise ValueError(f"there is no carrier {carrier!r}; there are {', '.join(CARRIERS)}")
    network = Network(pace=pace, rtt=rtt)

    async def receive() -> tuple[Chunk, ...]:
        pieces = CARRIERS[carrier](network, prompt)
        return tuple([Chunk(round(network.clock.now(), 9), text) async for text in pieces if text])

    return Timeline(0.0, network.run(receive()), streamed=carrier != "polling")


@dataclass(frozen=True)
class Talk:
    """What a conversation took: seconds, connections opened, and bytes of the client's requests."""

    seconds: float
    connections: int
    sent: int


async def _over_http(network: Network, requests: int, keep: bool) -> None:
    http = _Http(await network.connect())
    before: dict[str, str] = {}
    for turn in range(requests):
        if turn and not keep:
            http = _Http(await network.connect())
        decoder, body = sse.Decoder(), {"model": MODEL, "input": "go on", "stream": True} | before
        async for data in http.ask("POST", "/v1/responses", body):
            for event in decoder.feed(data):
                before |= _follow(json.loads(event.data))


async def _over_websocket(network: Network, requests: int) -> None:
    socket = _WebSocket(await network.connect(), "/v1/responses")
    await socket.open()
    before: dict[str, str] = {}
    for _ in range(requests):
        socket.say({"type": "response.create", "model": MODEL, "input": "go on"} | before)
        async for event in socket.messages():
            if over := _follow(event):
                before = over
                break


def _follow(event: Any) -> dict[str, str]:
    """What the next turn has to say of this one, if this event is its last: the id of the response."""
    return {"previous_response_id": event["response"]["id"]} if event["type"] == LAST_EVENT else {}


TALKS: dict[str, Callable[[Network, int], Any]] = {
    "new connections": lambda network, turns: _over_http(network, turns, keep=False),
    "one connection": lambda network, turns: _over_http(network, turns, keep=True),
    "WebSocket": _over_websocket,
}


def converse(how: str, turns: int, *, pace: Pace | None = None, rtt: float = RTT) -> Talk:
    """A conversation of so many turns, as an agent has it with its tools, in one of the ways of `TALKS`."""
    if how not in TALKS:
        raise ValueError(f"there is no way {how!r} to talk; there are {', '.join(TALKS)}")
    network = Network(reply="Call the next tool.", pace=pace, rtt=rtt)
    network.run(TALKS[how](network, turns))
    return Talk(round(network.clock.now(), 9), network.lines, network.up)


def overhear(path: str, body: Any, **options: Any) -> list[Read]:
    """Every read of one answer, its head included, over a line without delay; ``options`` are those of `Network`."""
    network = Network(**options)

    async def listen() -> list[Read]:
        line = await network.connect()
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n"
        line.send(head.encode() + data)
        reads = []
        while (read := await line.read()).data:
            reads.append(Read(round(read.at, 9), read.data))
        return reads

    return network.run(listen())
