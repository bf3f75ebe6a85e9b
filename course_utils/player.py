"""One answer after the other over a connection: each frame at its deadline, and limits to the patience with a client.

A deadline is absolute: a timer that counted from the previous frame would drift by the time each write takes. It counts
from when the request has arrived, so that the making of an answer is hidden in the wait for its first token.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

from course_utils.clock import RealClock, VirtualClock
from course_utils.engine import Answer
from course_utils.frames import Ending, data_of

if TYPE_CHECKING:
    from course_utils.ledger import Entry
    from course_utils.server import Core

T = TypeVar("T")
NOTHING = Answer(204, {}, ())
MAX_JOINED = 16 * 1024
"""Bytes after which what is due leaves, though more is."""
AHEAD = 24
"""Frames whose bytes are made together, in one go that costs half; they wait for their moments."""
TURN = 0.005
"""Seconds for which those are woken whose moments come meanwhile; then what else there is to do has its turn."""


class Alarms(Generic[T]):
    """Calls ``ring`` for those who wait, at their moments, with one timer for all: the loop's own are compared in Python."""

    def __init__(self, clock: RealClock | VirtualClock, ring: Callable[[T], None]) -> None:
        self.clock, self._ring = clock, ring
        self.waiting: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._number = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def wake(self, one: T, at: float) -> None:
        """Wake ``one`` then, and not when it was to be woken before."""
        self.waiting[one] = at
        heappush(self._heap, (at, next(self._number), one))
        if at < self._next:
            self._set_timer()

    def forget(self, one: T) -> None:
        if self.waiting.pop(one, None) is not None and len(self._heap) > 2 * len(self.waiting):
            self._heap[:] = [entry for entry in self._heap if self.waiting.get(entry[2]) == entry[0]]
            heapify(self._heap)
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = self._heap[0][0] if self._heap else math.inf
        if self._heap:
            wait = (self._next - self.clock.now()) / self.clock.speed
            self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def _look(self) -> None:
        now, self._next = self.clock.now(), -math.inf  # so that the timer is set once, at the end
        self._timer = None
        heap, waiting, ring, until = self._heap, self.waiting, self._ring, now + TURN * self.clock.speed
        try:
            while heap:
                if heap[0][0] > now:
                    now = self.clock.now()  # to wake the others has taken time
                    if not heap[0][0] <= now < until:
                        break
                at, _, one = heappop(heap)
                if waiting.get(one) == at:
                    del waiting[one]
                    ring(one)
        finally:
            self._set_timer()


class Player(asyncio.Protocol):
    """What HTTP and WebSockets have in common."""

    __slots__ = ("_ahead", "_at", "_begun", "_blocked", "_core", "_data", "_entry", "_loop", "_playing", "_transport")

    _transport: asyncio.Transport

    def __init__(self, core: Core) -> None:
        self._core = core
        self._playing, self._data = NOTHING, data_of(())
        self._at = 0
        self._entry: Entry | None = None
        self._ahead: list[bytes] = []
        self._blocked = self._begun = False

    def _play(self, answer: Answer, route: str, arrived: float) -> None:
        self._playing, self._at, self._begun = answer, 0, False
        self._data = data_of(answer.frames)
        if answer.job:
            self._loop = asyncio.get_running_loop()
            answer.job.fate.listeners.add(self._cancelled)
        self._entry = self._core.ledger.open(route, answer, arrived)

    def _cancelled(self) -> None:
        """Somebody, in whatever thread, has cancelled the answer: it ends now, not when its next frame is due."""
        self._loop.call_soon_threadsafe(self.send)

    def send(self) -> None:
        """Send the frames that are due, then wait for the next deadline, or end the answer."""
        if (entry := self._entry) is None or self._blocked or self._transport.is_closing():
            return  # until `resume_writing`, if ever
        core, ahead, arrived, offsets, until = self._core, self._ahead, entry.arrived, entry.offsets, entry.until()
        out = [] if self._begun else [self._opening()]
        self._begun, size, moment, number = True, 0, core.clock.now(), self._at
        while number < until:
            if (due := arrived + offsets[number]) > moment:
                core.alarms.wake(self, due)
                self._hand_over(out)
                return
            if not ahead:
                next_ones = range(min(number + AHEAD, until) - 1, number - 1, -1)
                ahead += [self._framed(data) for data in map(self._data, next_ones)]
            out.append(piece := ahead.pop())
            size += len(piece)
            self._at = number = number + 1
            if size > MAX_JOINED or self._playing.apart:
                self._hand_over(out)
                if self._blocked or self._transport.is_closing():
                    return
                out, size, moment = [], 0, core.clock.now()
        ending = entry.ending if self._at == len(entry.offsets) else None
        self._hand_over([*out, self._closing(ending)])
        self._done()
        self._finish(ending)

    def _opening(self) -> bytes:
        """What stands before the first frame."""
        return b""

    def _framed(self, data: bytes) -> bytes:
        """A frame as it stands on the wire."""
        return data

    def _closing(self, ending: Ending | None) -> bytes:
        """What stands behind the last frame."""
        return b""

    def _write(self, pieces: Sequence[bytes]) -> None:
        """Send what is due."""
        raise NotImplementedError

    def _finish(self, ending: Ending | None) -> None:
        """Everything is sent: go on with the next request, unless the answer ends otherwise."""
        raise NotImplementedError

    def _hand_over(self, pieces: Sequence[bytes]) -> None:
        """Send what is due, and book when that was."""
        self._write(pieces)
        if (entry := self._entry) is not None and (count := self._at - len(entry.written)):
            entry.written.extend([self._core.clock.now()] * count)

    def _done(self) -> None:
        """Nothing more of this answer; a connection may idle for long, and its last answer need not."""
        self._core.alarms.forget(self)
        if self._playing.job:
            self._playing.job.fate.listeners.discard(self._cancelled)
        self._entry, self._playing, self._data = None, NOTHING, data_of(())
        self._ahead.clear()

    def pause_writing(self) -> None:
        self._block(True)
        self._be_patient()

    def _block(self, blocked: bool) -> None:
        self._blocked = blocked
        if self._entry is not None:
            self._entry.blocked = blocked

    def eof_received(self) -> None:
        self._leave()
        self._be_patient()  # with a client that takes no bytes; else the connection is closed at once

    def _be_patient(self) -> None:
        """Wait for the client, but not for ever: to send a request, to take bytes, or to go."""
        patience = self._core.patience
        patience.wake(self, patience.clock.now() + self._core.seconds)

    def _need_no_patience(self) -> None:
        self._core.patience.forget(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, or somebody else's now."""
        self._core.connections.discard(self)
        self._need_no_patience()
        self._leave()

    def _leave(self) -> None:
        """Nothing more is answered."""
        self._stop()

    def _stop(self) -> None:
        """Nothing more of an answer is sent."""
        if self._entry is not None:
            self._entry.client_left()
            self._done()

    def hang_up(self) -> None:
        self._transport.abort()
