"""Two clocks with one interface: real time, and virtual time in which waiting is arithmetic.

Rules kept here:
- All times are seconds on one clock; only differences mean anything.
- Whoever plays something over time waits with ``sleep_until`` on absolute deadlines, so errors never add up.
- In virtual time nobody waits. A sleep sets the clock forward, and the event loop, whose selector would wait
  for the operating system, sets the clock to the next deadline instead. No thread and no socket is involved,
  so it runs in a browser kernel too, and a time to first token of 0.5 s is 0.5 s on every machine.
- A synchronous sleep inside the virtual event loop moves the same clock, so a blocked loop shows as what it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NoReturn, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """What a driver needs of time: read it, wait for a while, wait until a moment; blocking and awaiting."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    def sleep_until(self, when: float) -> None: ...
    async def asleep(self, seconds: float) -> None: ...
    async def asleep_until(self, when: float) -> None: ...
    async def play(self, main: Coroutine[Any, Any, T]) -> T: ...


class RealClock:
    """Wall-clock time from ``time.perf_counter``; ``speed=2`` lets two course seconds pass in a real one."""

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be a number above 0 (1 is real time, 10 is ten times faster), got {speed!r}")
        self.speed = speed
        self._zero = time.perf_counter()

    def now(self) -> float:
        return (time.perf_counter() - self._zero) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)

    def sleep_until(self, when: float) -> None:
        self.sleep(when - self.now())

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    async def asleep_until(self, when: float) -> None:
        await self.asleep(when - self.now())

    async def play(self, main: Coroutine[Any, Any, T]) -> T:
        return await main

    def __repr__(self) -> str:
        return f"RealClock(speed={self.speed:g})"


class VirtualClock:
    """A clock that moves only when somebody waits, and then by exactly what was asked for."""

    speed = 1.0
    """A second of its event loop is one of its own."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.sleep_until(self._now + seconds)

    def sleep_until(self, when: float) -> None:
        """Set the clock to ``when`` itself (not now plus a difference, which binary floats would blur)."""
        self._now = max(self._now, when)

    async def asleep(self, seconds: float) -> None:
        await self.asleep_until(self._now + seconds)

    async def asleep_until(self, when: float) -> None:
        loop = asyncio.get_running_loop()
        if not (isinstance(loop, VirtualLoop) and loop.clock is self):
            raise RuntimeError(
                "awaiting in virtual time needs the virtual event loop, and another loop is running: "
                "write `await play(main())` instead of `await main()`"
            )
        woken = loop.create_future()
        timer = loop.call_at(when, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()

    async def play(self, main: Coroutine[Any, Any, T]) -> T:
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop) and loop.clock is self:
            return await main
        return run(main, self)

    def __repr__(self) -> str:
        return f"VirtualClock(now={round(self._now, 9):g})"


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class NothingToWaitFor(RuntimeError):
    """Every task waits for something that no timer and no other task can bring."""


class _NeverWaits:
    """The selector of the virtual loop: where others wait for the system, it sets the clock forward."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        deadline = self._loop.next_deadline() if timeout else 0.0
        if timeout is None or deadline == math.inf:
            raise NothingToWaitFor(
                "every task is waiting and no timer is left to wake one: look for a queue, lock, event or thread "
                "that nobody will ever serve"
            )
        if timeout > 0:
            self._loop.advance(deadline)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio event loop whose time is a `VirtualClock`.

    It stands on asyncio's own base class, so tasks, time-outs, semaphores and queues are the real ones; only
    waiting is replaced. It has no sockets and no self-pipe, because nothing outside can wake it. Another ``selector``
    may give somebody else a turn where this one only sets the clock forward.
    """

    def __init__(self, clock: VirtualClock, selector: Callable[[VirtualLoop], Any] = _NeverWaits) -> None:
        super().__init__()
        self.clock = clock
        self._selector = selector(self)
        self.advance(clock.now())

    def advance(self, when: float) -> None:
        """Set the clock to ``when``, and the width of a moment.

        Timers due within a moment of now fire together. It must be wide enough to show in a float of this size, or a
        timer due now would wait for ever.
        """
        self.clock.sleep_until(when)
        self._clock_resolution = max(1e-9, math.ulp(when))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        """Refused: a thread takes real time, during which this loop would run through hours of its own."""
        raise RuntimeError("virtual time has no threads: call the function directly, or use the asynchronous client")

    def time(self) -> float:
        return self.clock.now()

    def next_deadline(self) -> float:
        return float(self._scheduled[0].when())  # type: ignore[attr-defined]  # asyncio's heap of timers

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no file events, so there is nothing to process."""

    def _write_to_self(self) -> None:
        """Nothing to wake: the loop never sleeps."""


def run(
    main: Coroutine[Any, Any, T],
    clock: VirtualClock | None = None,
    selector: Callable[[VirtualLoop], Any] = _NeverWaits,
) -> T:
    """Run ``main`` to its end on a fresh virtual loop and return its result; also from inside a running loop.

    A notebook kernel already runs an event loop, and asyncio refuses to start a second one in the same thread.
    The virtual loop never yields to the operating system, so the outer loop (and, since Python 3.12 keeps it per
    thread, the outer task) can be set aside for the moment and put back afterwards.
    """
    outer = asyncio._get_running_loop()
    task = asyncio.current_task(outer) if outer is not None else None
    if outer is not None and task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        with _interruptible():
            return _run_alone(main, VirtualLoop(clock or VirtualClock(), selector))
    finally:
        asyncio._set_running_loop(outer)
        if outer is not None and task is not None:
            asyncio.tasks._enter_task(outer, task)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let the Stop button raise KeyboardInterrupt here, as in any other code.

    In an asynchronous cell the kernel answers an interrupt by cancelling the cell's task, which stands aside now.
    """
    before = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if before is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run_alone(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            _cancel_the_rest(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def _cancel_the_rest(loop: VirtualLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


@functools.cache
def course_clock() -> RealClock | VirtualClock:
    """The one clock of this process: ``COURSE_CLOCK=real`` (the default) or ``virtual`` (the build, the tests)."""
    wanted = os.environ.get("COURSE_CLOCK", "real")
    if wanted not in ("real", "virtual"):
        raise ValueError(f"COURSE_CLOCK must be 'real' or 'virtual', got {wanted!r}")
    return VirtualClock() if wanted == "virtual" else RealClock()


async def play(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the course's clock: ``answer = await play(main())`` in a notebook cell.

    In real time it is simply awaited; in virtual time it runs on the virtual loop, where waiting costs nothing.
    """
    return await course_clock().play(main)
