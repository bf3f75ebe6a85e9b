"""Runs in the environment of these packages: streams come in on stdin as JSON, what each package reads goes out.

A stream is a list of pieces, each a text of bytes (latin-1). What comes back is, by package, its version and for each
stream the list of its events [type, data, id], or the name of the error that it ended with.

Packages that read from an iterator get one. Those that want a connection get one in this process where that is possible,
and over a socket where not (aiohttp).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

STREAM = {"content-type": "text/event-stream"}
LIMIT = 5.0

Pieces = list[bytes]
Event = list[str]


class Over(Exception):
    """The stream has ended, and a client has come back for more."""


def plain(type: str | None, data: str | None, id: str | None) -> Event:
    """An event as this table compares it: no type is 'message', and what is missing is empty."""
    return [type or "message", data or "", id or ""]


def with_httpx_sse(pieces: Pieces) -> Iterator[Event]:
    import httpx
    import httpx_sse

    response = httpx.Response(200, headers=STREAM, content=iter(pieces))
    for event in httpx_sse.EventSource(response).iter_sse():
        yield plain(event.event, event.data, event.id)


def with_httpx2(pieces: Pieces) -> Iterator[Event]:
    import httpx2

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, headers=STREAM, content=iter(pieces)))
    with httpx2.Client(transport=transport) as client, client.stream("GET", "http://mock/") as response:
        for event in httpx2.EventSource(response):
            yield plain(event.event, event.data, event.id)


def with_openai(pieces: Pieces) -> Iterator[Event]:
    from openai._streaming import SSEDecoder

    for event in SSEDecoder().iter_bytes(iter(pieces)):
        yield plain(event.event, event.data, event.id)


def with_anthropic(pieces: Pieces) -> Iterator[Event]:
    from anthropic._streaming import SSEDecoder

    for event in SSEDecoder().iter_bytes(iter(pieces)):
        yield plain(event.event, event.data, event.id)


def with_sseclient_py(pieces: Pieces) -> Iterator[Event]:
    import sseclient

    for event in sseclient.SSEClient(iter(pieces)).events():
        yield plain(event.event, event.data, event.id)


def with_launchdarkly_eventsource(pieces: Pieces) -> Iterator[Event]:
    from ld_eventsource import SSEClient
    from ld_eventsource.config import ConnectionClient, ConnectionResult, ConnectStrategy

    left = [pieces]

    class Once(ConnectStrategy, ConnectionClient):
        def create_client(self, logger: Any) -> Once:
            return self

        def connect(self, last_event_id: str | None) -> Any:
            if not left:
                raise Over
            return ConnectionResult(iter(left.pop()), None)

    for event in SSEClient(Once(), initial_retry_delay=0).events:
        yield plain(event.event, event.data, event.last_event_id)


def with_requests_sse(pieces: Pieces) -> Iterator[Event]:
    import requests
    from requests_sse import EventSource

    class Raw:
        def stream(self, size: int, decode_content: bool = False) -> Iterator[bytes]:
            yield from pieces

        def close(self) -> None:
            pass

        release_conn = close

    left = [Raw()]

    class Once(requests.adapters.BaseAdapter):
        def send(self, request: Any, **options: Any) -> requests.Response:
            if not left:
                raise Over
            response = requests.Response()
            response.status_code, response.raw, response.url = 200, left.pop(), request.url
            response.headers.update(STREAM)
            return response

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount("http://", Once())
    with EventSource("http://mock/", session=session, reconnection_time=timedelta(0)) as source:
        for event in source:
            yield plain(event.type, event.data, event.last_event_id)


async def _served(pieces: Pieces, read: Callable[[str], AsyncIterator[Event]], events: list[Event]) -> None:
    """A server that sends the pieces once and then says 204, and a client that reads them."""
    from aiohttp import web

    left = [pieces]

    async def answer(request: Any) -> Any:
        if not left:
            return web.Response(status=204)
        response = web.StreamResponse(headers=STREAM)
        await response.prepare(request)
        for piece in left.pop():
            await response.write(piece)
        return response

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async for event in read(f"http://127.0.0.1:{runner.addresses[0][1]}/"):
            events.append(event)
    finally:
        await runner.cleanup()


async def _aiosseclient(url: str) -> AsyncIterator[Event]:
    from aiosseclient import aiosseclient

    async for event in aiosseclient(url):
        yield plain(event.event, event.data, event.id)


async def _aiohttp_sse_client2(url: str) -> AsyncIterator[Event]:
    from aiohttp_sse_client2.client import EventSource

    async with EventSource(url, reconnection_time=timedelta(0)) as source:
        try:
            async for event in source:
                yield plain(event.type, event.data, event.last_event_id)
        except ConnectionAbortedError:  # its way to say 204
            return


def over_a_socket(read: Callable[[str], AsyncIterator[Event]]) -> Callable[[Pieces], Iterator[Event]]:
    def with_aiohttp(pieces: Pieces) -> Iterator[Event]:
        events: list[Event] = []
        try:
            asyncio.run(asyncio.wait_for(_served(pieces, read, events), LIMIT))
        finally:
            yield from events

    return with_aiohttp


PACKAGES: dict[str, Callable[[Pieces], Iterator[Event]]] = {
    "openai": with_openai,
    "httpx-sse": with_httpx_sse,
    "anthropic": with_anthropic,
    "httpx2": with_httpx2,
    "sseclient-py": with_sseclient_py,
    "launchdarkly-eventsource": with_launchdarkly_eventsource,
    "aiohttp-sse-client2": over_a_socket(_aiohttp_sse_client2),
    "requests-sse": with_requests_sse,
    "aiosseclient": over_a_socket(_aiosseclient),
}


def read(parser: Callable[[Pieces], Iterator[Event]], pieces: Pieces) -> list[Event] | str:
    """The events of a stream, or the name of the error it ended with."""
    events = []
    try:
        for event in parser(pieces):
            events.append(event)
    except Over:
        pass
    except Exception as error:  # noqa: BLE001  # whatever a package raises is what is to be seen
        return type(error).__name__
    return events


def main() -> None:
    logging.disable(logging.CRITICAL)
    streams = [[piece.encode("latin-1") for piece in stream] for stream in json.load(sys.stdin)]
    found = {
        name: {"version": version(name), "read": [read(parser, pieces) for pieces in streams]}
        for name, parser in PACKAGES.items()
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
