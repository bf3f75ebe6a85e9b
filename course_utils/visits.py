"""Visitors of a web application, each at a machine of her own: what the application sends reaches her when it is sent.

A client in the same event loop, such as `app_client`, stands still with an application that blocks the loop, and so can't see
when the pieces left. Over a network it could, and so it can here:

- A request is sent when it is due, whether the application has time for it or not. The stopwatch starts there.
- A piece arrives at the moment of ``send``. The network takes no time.
- Somebody who leaves sees nothing any more; the application learns of it when its loop is free again.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from course_utils import sse
from course_utils.asgi import App, Call, Message
from course_utils.clock import Clock, course_clock
from course_utils.ledger import Entry
from course_utils.timeline import Chunk, Timeline


@dataclass(frozen=True)
class Visit:
    """One request: with ``json`` a POST, else a GET.

    It is sent ``at`` seconds after the doors have opened, and the visitor ``leaves`` so many seconds after that, unless the
    answer has ended before. None: she stays.
    """

    path: str
    json: Any = None
    at: float = 0.0
    leaves: float | None = None


async def watch(app: App, visits: Mapping[str, Visit], clock: Clock | None = None) -> dict[str, Timeline]:
    """What each visitor sees, and when, in seconds since her request was sent; play it on ``clock``.

    Of an event she sees the ``"text"`` of its JSON, of anything else the whole body. A timeline has the finish reason
    ``"stop"`` if the application has ended that answer. An error that leaves the application is raised, in a group.
    """
    clock = clock or course_clock()
    opened = clock.now()
    screens = {name: _Screen(visit, clock, opened + visit.at) for name, visit in visits.items()}
    async with asyncio.TaskGroup() as group:
        for screen in screens.values():
            group.create_task(screen.look(app))
    return {name: screen.timeline() for name, screen in screens.items()}


def then(first: Timeline, later: Timeline, after: float) -> Timeline:
    """What one person has seen in two visits, of which the later was sent ``after`` seconds after the first."""
    moved = tuple(replace(chunk, at=round(chunk.at + after, 9)) for chunk in later.chunks)
    return Timeline(first.headers_at, first.chunks + moved, later.finish_reason)


def made(entries: Iterable[Entry], since: float) -> Timeline:
    """When the model made each token of these answers, by its ledger: seconds after the moment ``since`` of its clock.

    Each token is a chunk of one stroke, for what it says the ledger doesn't know.
    """
    moments = sorted(at for entry in entries for at in entry.token_times[: entry.tokens_generated])
    return Timeline(0.0, tuple(Chunk(round(at - since, 9), "|") for at in moments))


class _Screen:
    """What one visitor has before her."""

    def __init__(self, visit: Visit, clock: Clock, due: float) -> None:
        self._visit, self._clock, self._due = visit, clock, due
        self._headers_at = 0.0
        self._chunks: list[Chunk] = []
        self._ended = False
        self._text: _Text | _Events = _Text()

    async def look(self, app: App) -> None:
        await self._clock.asleep_until(self._due)
        call = Call(app, self._request(), self._sent)
        leaving = asyncio.ensure_future(self._leave(call))
        try:
            await call.task
        finally:
            leaving.cancel()

    def _request(self) -> httpx2.Request:
        method = "GET" if self._visit.json is None else "POST"
        body = None if self._visit.json is None else json.dumps(self._visit.json).encode()
        headers = {"content-type": "application/json"}
        return httpx2.Request(method, f"http://app.invalid{self._visit.path}", content=body, headers=headers)

    async def _leave(self, call: Call) -> None:
        if self._visit.leaves is not None:
            await self._clock.asleep_until(self._due + self._visit.leaves)
            call.leave()

    async def _sent(self, message: Message) -> None:
        at = round(self._clock.now() - self._due, 9)
        if self._visit.leaves is not None and at > self._visit.leaves:
            return
        if message["type"] == "http.response.start":
            self._headers_at = at
            headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            self._text = _Events() if headers.get("content-type", "").startswith("text/event-stream") else _Text()
            return
        if text := self._text.feed(message.get("body", b"")):
            self._chunks.append(Chunk(at, text))
        self._ended = not message.get("more_body", False)

    def timeline(self) -> Timeline:
        return Timeline(self._headers_at, tuple(self._chunks), "stop" if self._ended else None)


class _Text:
    """A body that is seen as it is."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        return self._decoder.decode(data)


class _Events:
    """A body of events, of which the ``"text"`` is seen."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()

    def feed(self, data: bytes) -> str:
        return "".join(_text_of(event.data) for event in self._decoder.feed(data))


def _text_of(data: str) -> str:
    with contextlib.suppress(ValueError):
        if isinstance(said := json.loads(data), dict):
            return str(said.get("text", ""))
    raise ValueError('expected events with a JSON object as data, such as {"text": "Hello"}, got ' + repr(data))
