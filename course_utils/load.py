"""A load generator: many requests to one endpoint, in an open or in a closed loop, each timed from when it was due.

- *Open loop*: requests leave by a schedule, whatever the server does, as those of users who don't know of each other.
- *Closed loop*: so many users, and each asks again when the answer is there. While the server is slow it is asked less, so its
  bad moments are counted too rarely (*coordinated omission*, a term of Gil Tene).
- A latency counts from when the request was **due**: what a request waited inside the generator is part of it (as in the
  rules of MLPerf Inference). How late the generator itself was is kept apart, so that it can be seen.
- A failed request has no latency. It is counted, never left out and never taken for a fast one.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from course_utils.clock import Clock, course_clock
from course_utils.timeline import Timeline

Call = Callable[[], Awaitable[Timeline]]

MOST = 1000
"""Requests under way at once before an open loop gives further ones up: a dead server must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of a run: when it was ``due`` and ``sent``, in seconds since the run began, and what came of it.

    A request fails with an error, without a finish reason or without a text. A failed one says in ``error`` why; its
    ``timeline`` is what had come, or None.
    """

    due: float
    sent: float
    timeline: Timeline | None = None
    error: str | None = None

    @property
    def late(self) -> float:
        """Seconds by which the generator sent it too late."""
        return self.sent - self.due

    def since_due(self, clock: Callable[[Timeline], float]) -> float:
        """One of the clocks of `metrics` (``ttft``, ``e2e`` ...), started when the request was due."""
        if self.timeline is None or self.error is not None:
            raise ValueError(f"a failed request has no latency: {self.error}")
        return round(self.late + clock(self.timeline), 9)


async def open_loop(
    call: Call, *, rate: float, count: int, seed: int | None = None, most: int = MOST, clock: Clock | None = None
) -> AsyncIterator[Sample]:
    """Send ``count`` requests, ``rate`` a second, and give each `Sample` when it is finished.

    Each is due at a fixed moment, so neither a slow answer nor a late start moves the next. Without a ``seed`` they are evenly
    spaced; with one the gaps are drawn from it (a Poisson process, as of many independent users).
    """
    if not rate > 0 or count < 1:
        raise ValueError(f"expected a rate above 0 and at least one request, got rate={rate!r}, count={count!r}")
    async for sample in _gathered(lambda run: run.by_schedule(_schedule(rate, count, seed), most), call, clock):
        yield sample


async def closed_loop(call: Call, *, users: int, count: int, clock: Clock | None = None) -> AsyncIterator[Sample]:
    """Let ``users`` ask at once, each again as soon as its answer is there, ``count`` requests in all; give each `Sample`."""
    if users < 1 or count < 1:
        raise ValueError(f"expected at least one user and one request, got users={users!r}, count={count!r}")
    async for sample in _gathered(lambda run: run.by_users(users, count), call, clock):
        yield sample


def _schedule(rate: float, count: int, seed: int | None) -> Iterator[float]:
    """When each request is due, in seconds since the run began."""
    if seed is None:
        return (number / rate for number in range(count))
    draw = random.Random(seed)
    return itertools.accumulate((draw.expovariate(rate) for _ in range(count - 1)), initial=0.0)


async def _gathered(send: Callable[[_Run], Awaitable[None]], call: Call, clock: Clock | None) -> AsyncIterator[Sample]:
    """The samples of a run in the order in which they finish; leaving the loop cancels what is under way."""
    run = _Run(call, clock or course_clock())
    sending = asyncio.ensure_future(send(run))
    sending.add_done_callback(lambda _: run.finished.put_nowait(None))
    try:
        while (sample := await run.finished.get()) is not None:
            yield sample
        await sending
    finally:
        sending.cancel()


class _Run:
    def __init__(self, call: Call, clock: Clock) -> None:
        self.call, self.clock = call, clock
        self.began = clock.now()
        self.finished: asyncio.Queue[Sample | None] = asyncio.Queue()

    def elapsed(self) -> float:
        return round(self.clock.now() - self.began, 9)

    async def by_schedule(self, schedule: Iterator[float], most: int) -> None:
        under_way: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            for due in schedule:
                await self.clock.asleep_until(self.began + due)
                if len(under_way) >= most:
                    self.finished.put_nowait(Sample(due, due, error=f"given up: {most} requests were under way"))
                    continue
                task = group.create_task(self.one(due))
                under_way.add(task)
                task.add_done_callback(under_way.discard)

    async def by_users(self, users: int, count: int) -> None:
        left = iter(range(count))

        async def user() -> None:
            for _ in left:
                await self.one(self.elapsed())

        async with asyncio.TaskGroup() as group:
            for _ in range(users):
                group.create_task(user())

    async def one(self, due: float) -> None:
        import httpx2
        import openai

        sent = self.elapsed()
        try:
            timeline = await self.call()
        # TimeoutError: a deadline of the caller. ValueError: the client could not read what came.
        except (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError) as error:
            came = getattr(error, "timeline", None)
            self.finished.put_nowait(Sample(due, sent, came, _why(error)))
            return
        self.finished.put_nowait(Sample(due, sent, timeline, _flaw(timeline)))


def _flaw(timeline: Timeline) -> str | None:
    """What makes an answer that raised nothing a failure."""
    if not timeline.text.strip():
        return "no text"
    return None if timeline.finish_reason else "ended without a finish reason"


def _why(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return type(error).__name__ + (f" {status}" if status else "")
