"""A client or stream that a check hands over, taken apart: what its twin in the learner's process needs.

The twin is the SDK's real client. Its requests come over the line and go into the transport of the check's own client,
which plays the mock's answer against the check's clock and writes its ledger. The twin of a stream is the SDK's too: the
pieces of its body are asked for one by one, and taken apart into chunks over there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

OPTIONS = ("api_key", "base_url", "max_retries", "timeout", "organization", "project")


def of_client(client: Any) -> tuple[bool, Callable[..., Any], dict[str, Any]]:
    """Whether it is asynchronous, the function that plays one request, and the options it was made with."""
    transport = client._client._transport
    options = {name: getattr(client, name) for name in OPTIONS}
    options["base_url"] = str(options["base_url"])
    if type(options["timeout"]) not in (int, float):
        options["timeout"] = _seconds(options["timeout"])
    asynchronous = isinstance(client._client, httpx2.AsyncClient)
    return asynchronous, _asend(transport) if asynchronous else _send(transport), options


def _seconds(timeout: Any) -> float | None:
    """The read time-out, the only one that means something without a network."""
    return getattr(timeout, "read", None)


def _request(method: str, url: str, headers: list[list[str]], body: bytes, patience: float | None) -> httpx2.Request:
    pairs = [(name, value) for name, value in headers]
    return httpx2.Request(method, url, headers=pairs, content=body, extensions={"timeout": {"read": patience}})


def _send(transport: Any) -> Callable[..., Any]:
    def send(*asked: Any) -> tuple[int, list[list[str]], Any]:
        response = transport.handle_request(_request(*asked))
        return response.status_code, [list(pair) for pair in response.headers.items()], _Body(response)

    return send


def _asend(transport: Any) -> Callable[..., Any]:
    async def send(*asked: Any) -> tuple[int, list[list[str]], Any]:
        response = await transport.handle_async_request(_request(*asked))
        return response.status_code, [list(pair) for pair in response.headers.items()], _AsyncBody(response)

    return send


def of_stream(stream: Any) -> dict[str, Any] | None:
    """The response of a stream that nobody has read from yet, and what its events are; None if it has to stay here."""
    from openai.types.chat import ChatCompletionChunk
    from openai.types.responses import ResponseStreamEvent

    kinds = ((ChatCompletionChunk, "chat"), (ResponseStreamEvent, "responses"))
    cast = next((name for kind, name in kinds if stream._cast_to is kind), None)
    response: httpx2.Response = stream.response
    if cast is None or response.is_stream_consumed or response.num_bytes_downloaded:
        return None
    asynchronous = hasattr(stream, "__anext__")
    return {
        "cast": cast,
        "async": asynchronous,
        "status": response.status_code,
        "headers": [list(pair) for pair in response.headers.items()],
        "pieces": _AsyncBody(response) if asynchronous else _Body(response),
        "url": str(response.request.url),
    }


class _Body:
    """The pieces of a body, each when the clock says so."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces: Iterator[bytes] = iter(response.stream)  # type: ignore[arg-type]

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._response.close()


class _AsyncBody:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)  # type: ignore[arg-type]

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        await self._response.aclose()
