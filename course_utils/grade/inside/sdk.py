"""The openai SDK in the learner's process: its real clients, whose transport reaches the grader's mock over the line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from openai._base_client import get_platform

if TYPE_CHECKING:
    from course_utils.grade.inside.stand_ins import StandIns


def client(send: Callable[..., Any], options: dict[str, Any], *, asynchronous: bool) -> Any:
    """The real client; ``send`` plays one request and returns (status, headers, the body's pieces)."""
    if not asynchronous:
        return openai.OpenAI(
            http_client=openai.DefaultHttpx2Client(transport=Transport(send), trust_env=False), **options
        )
    made = openai.AsyncOpenAI(
        http_client=openai.DefaultAsyncHttpx2Client(transport=AsyncTransport(send), trust_env=False), **options
    )
    made._platform = get_platform()  # it would look that up in a worker thread, and virtual time has none
    return made


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


class Stream(openai.Stream[Any]):
    """A stream that a function of the check's has opened: the SDK's type, whose chunks are asked for one by one."""

    def __init__(self, stand_ins: StandIns, number: int, response: httpx2.Response) -> None:
        self._stand_ins, self._number, self.response = stand_ins, number, response
        response.close = self.close  # type: ignore[method-assign]

    def __next__(self) -> Any:
        return self._stand_ins.next_of(self._number)

    def __iter__(self) -> Iterator[Any]:
        return self

    def close(self) -> None:
        self._stand_ins.close(self._number)


class AsyncStream(openai.AsyncStream[Any]):
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
