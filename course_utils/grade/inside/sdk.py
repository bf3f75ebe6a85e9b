"""The openai SDK in the learner's process: its real clients, whose transport reaches the grader's mock over the line."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

from course_utils.threadless import AsyncOpenAI

if TYPE_CHECKING:
    from course_utils.grade.inside.stand_ins import StandIns


def client(send: Callable[..., Any], options: dict[str, Any], *, asynchronous: bool) -> Any:
    """The real client; ``send`` plays one request and returns (status, headers, the body's pieces)."""
    if not asynchronous:
        return openai.OpenAI(
            http_client=openai.DefaultHttpx2Client(transport=Transport(send), trust_env=False), **options
        )
    return AsyncOpenAI(
        http_client=openai.DefaultAsyncHttpx2Client(transport=AsyncTransport(send), trust_env=False), **options
    )


@functools.cache
def _nobody(asynchronous: bool) -> Any:
    """A client without a server: streams want one, to take their events apart."""
    return client(_no_server, {"api_key": "none", "base_url": "http://mock.invalid/v1"}, asynchronous=asynchronous)


def _no_server(*asked: Any) -> Any:
    raise RuntimeError("this stream's client has no server")


def stream(parts: dict[str, Any], pieces: Any) -> Any:
    """The SDK's own stream over the pieces of a body that stays with the grader."""
    body = _AsyncBody(pieces) if parts["async"] else _Body(pieces)
    headers = [(name, value) for name, value in parts["headers"]]
    response = httpx2.Response(
        parts["status"], headers=headers, stream=body, request=httpx2.Request("POST", parts["url"])
    )
    cast: Any = ChatCompletionChunk
    if parts["cast"] == "responses":
        from openai.types.responses import ResponseStreamEvent

        cast = ResponseStreamEvent
    kind: Any = openai.AsyncStream if parts["async"] else openai.Stream
    return kind[cast](cast_to=cast, response=response, client=_nobody(parts["async"]))


def _asked(request: httpx2.Request, body: bytes) -> tuple[Any, ...]:
    headers = [[name, value] for name, value in request.headers.items()]
    return request.method, str(request.url), headers, body, request.extensions.get("timeout", {}).get("read")


def _answered(answer: Any, stream: Any) -> httpx2.Response:
    status, headers, _ = answer
    return httpx2.Response(status, headers=[tuple(pair) for pair in headers], stream=stream)


class Transport(httpx2.BaseTransport):
    def __init__(self, send: Callable[..., Any]) -> None:
        self._send = send

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._send(*_asked(request, request.read()))
        return _answered(answer, _Body(answer[2]))


class AsyncTransport(httpx2.AsyncBaseTransport):
    def __init__(self, send: Callable[..., Any]) -> None:
        self._send = send

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._send(*_asked(request, await request.aread()))
        return _answered(answer, _AsyncBody(answer[2]))


class _Body(httpx2.SyncByteStream):
    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    def close(self) -> None:
        self._pieces.close()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        await self._pieces.aclose()


class Chunks(openai.Stream[Any]):
    """A stream that a check has read from before, or of a kind that is its own: its chunks are asked for one by one."""

    def __init__(self, stand_ins: StandIns, number: int, response: httpx2.Response) -> None:
        self._stand_ins, self._number, self.response = stand_ins, number, response
        response.close = self.close  # type: ignore[method-assign]

    def __next__(self) -> Any:
        return self._stand_ins.next_of(self._number)

    def __iter__(self) -> Iterator[Any]:
        return self

    def close(self) -> None:
        self._stand_ins.close(self._number)


class AsyncChunks(openai.AsyncStream[Any]):
    """The same, asynchronous."""

    def __init__(self, stand_ins: StandIns, number: int, response: httpx2.Response) -> None:
        self._stand_ins, self._number, self.response = stand_ins, number, response
        response.aclose = self.close  # type: ignore[method-assign]

    async def __anext__(self) -> Any:
        return await self._stand_ins.anext_of(self._number)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def close(self) -> None:
        await self._stand_ins.aclose(self._number)
