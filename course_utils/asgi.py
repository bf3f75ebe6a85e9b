"""A web application of your own (FastAPI, Starlette, any ASGI app) without a port, or on one.

In-process its answers stream: ``httpx2.ASGITransport`` collects the whole body before it hands anything over; here each
piece is handed over when the application sends it, in real or in virtual time, and a client that closes its stream is a
client that has left, as over a socket. Virtual time has no threads, so there endpoints and what they depend on have to be
``async def``: FastAPI calls a plain ``def`` in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import httpx2

App = Callable[[Any, Any, Any], Awaitable[None]]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
STARTED_WITHIN = 10.0
"""Seconds of real time in which a server has to listen."""


def app_client(app: App) -> httpx2.AsyncClient:
    """A client of ``app``, in-process; use it inside ``await play(...)``."""
    return httpx2.AsyncClient(transport=_Transport(app), base_url="http://app.invalid", timeout=None)


@contextlib.contextmanager
def serve_app(app: App) -> Iterator[str]:
    """``app`` on a free port of this machine, by uvicorn, in real time: ``with serve_app(app) as url:``."""
    import uvicorn

    # Without a limit uvicorn would wait for clients that never leave.
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="app-server", daemon=True)
    thread.start()
    try:
        late = time.monotonic() + STARTED_WITHIN
        while not server.started:
            if time.monotonic() > late or not thread.is_alive():
                raise OSError(f"uvicorn does not listen after {STARTED_WITHIN:g} s: does this machine allow a port?")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self, app: App) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        answer = _Answer(self._app, request)
        start = await answer.next_message()
        return httpx2.Response(start["status"], headers=start["headers"], stream=answer)


class Call:
    """One request to an application, which runs as a task; what it sends is handed to ``send``."""

    def __init__(self, app: App, request: httpx2.Request, send: Send) -> None:
        self._request = request
        self._asked, self._left = False, asyncio.Event()
        self.task = asyncio.ensure_future(app(self._scope(), self._receive, send))

    def leave(self) -> None:
        """The client goes away; the application is told when it asks, and that takes an event loop that is free."""
        self._left.set()

    def _scope(self) -> dict[str, Any]:
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "server": (url.host, url.port or 80),
            "client": ("127.0.0.1", 1),
        }

    async def _receive(self) -> Message:
        """The request, and after that nothing until the client leaves."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._request.content, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}


class _Answer(httpx2.AsyncByteStream):
    """The body of an application's answer, piece by piece."""

    def __init__(self, app: App, request: httpx2.Request) -> None:
        self._request = request
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._call = Call(app, request, self._sent.put)
        self._call.task.add_done_callback(lambda task: self._sent.put_nowait({"type": "ended"}))

    async def next_message(self) -> Message:
        """What the application sends next. Where it fails in the middle, a server cuts the connection."""
        message = await self._sent.get()
        if message["type"] != "ended":
            return message
        task = self._call.task
        failure = None if task.cancelled() else task.exception()
        raise httpx2.RemoteProtocolError(
            "the application ended without ending its answer", request=self._request
        ) from failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.next_message()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def aclose(self) -> None:
        self._call.leave()
