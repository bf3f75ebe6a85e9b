"""The learner's event loop: a guest on the check's virtual time.

The check runs on a virtual loop of the grader's, the learner's coroutines on this one, and both share one clock, the
grader's. Neither waits: the grader lets this loop run until it has nothing left to do, hears when its next timer is due,
and sets the clock to the earliest timer of both. So a learner's time-outs, semaphores and queues are asyncio's own, and
a sleep of 0.1 s takes exactly that on the clock of the check.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine
from typing import Any

from course_utils.clock import VirtualClock, VirtualLoop


class _Told(VirtualClock):
    """A clock that is told the time; it can't be set from here."""

    def tell(self, now: float) -> None:
        self._now = now


class _NoSelector:
    """The grader waits for this loop, so it never waits itself."""

    def __init__(self, loop: VirtualLoop) -> None:
        pass

    def select(self, timeout: float | None) -> list[Any]:
        return []


class GuestLoop(VirtualLoop):
    def __init__(self) -> None:
        super().__init__(_Told(), _NoSelector)
        self._tasks: dict[int, asyncio.Task[Any]] = {}

    def spawn(self, number: int, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task; it runs when the grader next lets this loop run."""
        task = self.create_task(main)
        self._tasks[number] = task
        task.add_done_callback(lambda task: self._tasks.pop(number, None))
        return task

    def cancel(self, number: int) -> None:
        if number in self._tasks:
            self._tasks[number].cancel()

    def run_until_idle(self, now: float) -> float | None:
        """Do everything that can be done at ``now``; the moment of the next timer, if there is one."""
        self.clock.tell(now)  # type: ignore[attr-defined]
        self._clock_resolution = max(1e-9, math.ulp(now))
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            due = self._next_due()
            if not self._ready and (due is None or due > self.time() + self._clock_resolution):  # type: ignore[attr-defined]
                return due

    def _next_due(self) -> float | None:
        timers = self._scheduled  # type: ignore[attr-defined]
        return min((timer.when() for timer in timers if not timer.cancelled()), default=None)

    def finish(self) -> None:
        """Cancel what is left, give it a chance to clean up, and close."""
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        with contextlib.suppress(RuntimeError):  # a task that goes on waiting although it was cancelled
            self.run_until_idle(self.time())
        self.close()
