"""``EventSource``, the browser's own client for server-sent events, as the WHATWG HTML standard defines it (§9.2).

What it can't do is as fixed as what it does, for it is in every browser:

- It asks with GET, and lets nobody set a header.
- When the answer ends, *however it ends*, it waits and asks again, with the id of the last event in ``last-event-id``.
- Only three things stop it: its own `close`, a status that is not 200 (204 is meant for that), or another content type.
- How long it waits the server may say with ``retry``; until then the browser decides, and Chromium takes three seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import httpx2

from course_utils import sse
from course_utils.clock import Clock, course_clock
from course_utils.sse import Event

RETRY = 3.0
"""Seconds before it asks again, unless the server has said otherwise."""
CONNECTING, OPEN, CLOSED = range(3)
"""The three states, with the numbers that they have in a browser."""


class EventSource:
    """``async for event in EventSource(http, url)``: the events of one page view, across all its connections.

    ``http`` is an asynchronous client, such as `app_client` gives. ``connections`` counts how often it has asked.
    """

    def __init__(self, http: httpx2.AsyncClient, url: str, clock: Clock | None = None) -> None:
        self._http, self._url, self._clock = http, url, clock or course_clock()
        self._retry, self._last_id = RETRY, ""
        self.state = CONNECTING
        self.connections = 0

    def close(self) -> None:
        """What a page does when it has all it wants. There is no way back."""
        self.state = CLOSED

    async def __aiter__(self) -> AsyncIterator[Event]:
        while self.state != CLOSED:
            with contextlib.suppress(httpx2.TransportError):  # a broken line is one reason more to ask again
                async with contextlib.aclosing(self._connect()) as events:
                    async for event in events:
                        yield event
                        if self.state == CLOSED:
                            return
            if self.state != CLOSED:
                self.state = CONNECTING
                await self._clock.asleep(self._retry)

    async def _connect(self) -> AsyncGenerator[Event]:
        """The events of one connection; it is given up for ever where the answer is none."""
        self.connections += 1
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if self._last_id:
            headers["last-event-id"] = self._last_id
        async with self._http.stream("GET", self._url, headers=headers) as answer:
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if answer.status_code != 200 or kind != "text/event-stream":
                self.close()
                return
            self.state, decoder = OPEN, sse.Decoder(self._last_id)
            async for data in answer.aiter_bytes():
                events = decoder.feed(data)
                self._last_id = decoder.last_id
                self._retry = self._retry if decoder.retry is None else decoder.retry / 1000
                for event in events:
                    yield event

    async def listen(self, seconds: float, until: Callable[[Event], bool] = lambda event: False) -> list[Event]:
        """What a page hears that is open for so long. It closes the source after the event for which ``until`` is true."""
        heard = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in self:
                    heard.append(event)
                    if until(event):
                        self.close()
        self.close()
        return heard
