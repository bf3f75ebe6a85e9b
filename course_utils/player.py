"""One answer after the other over a connection: each frame at its deadline, and limits to the patience with a client.

A deadline is absolute: a timer that counted from the previous frame would drift by the time each write takes. It counts
from when the request has arrived, so that the making of an answer is hidden in the wait for its first token.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from course_utils.clock import RealClock, VirtualClock
from course_utils.engine import Answer
from course_utils.frames import Ending, data_of

if TYPE_CHECKING:
    from course_utils.ledger import Entry
    from course_utils.server import Core

NOTHING = Answer(204, {}, ())
MAX_JOINED = 16 * 1024
"""Bytes after which what is due leaves, though more is."""
AHEAD = 8
"""Frames whose bytes are made together, in one go that costs half; they wait for their moments."""


class Alarms:
    """Wakes players at their deadlines, with one timer of the loop for all: the loop's own are compared in Python."""

    def __init__(self, clock: RealClock | VirtualClock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Player]] = []
        self._number = itertools.count()
        self._forgotten = 0
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def wake(self, player: Player, at: float) -> None:
        player.alarm = at
        heappush(self._heap, (at, next(self._number), player))
        if at < self._next:
            self._set_timer()

    def forget(self, player: Player) -> None:
        if player.alarm is None:
            return
        player.alarm = None
        self._forgotten += 1
        if 2 * self._forgotten > len(self._heap):
            self._heap = [one for one in self._heap if one[2].alarm == one[0]]
            heapify(self._heap)
            self._forgotten = 0
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = self._heap[0][0] if self._heap else math.inf
        if self._heap:
            wait = (self._next - self._clock.now()) / self._clock.speed
            self._timer = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        now, self._next = self._clock.now(), -math.inf  # so that the timer is set once, at the end
        try:
            while self._heap and self._heap[0][0] <= now:
                at, _, player = heappop(self._heap)
                if player.alarm == at:
                    player.alarm = None
                    player.send()
                else:
                    self._forgotten -= 1
        finally:
            self._set_timer()


class Patience:
    """Hangs up on clients that keep the server waiting. All get the same time, so they stand in a row, with one timer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: dict[Player, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, player: Player) -> None:
        self.end(player)
        loop = asyncio.get_running_loop()
        self._until[player] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look)

    def end(self, player: Player) -> None:
        self._until.pop(player, None)
        if self._timer is not None and not self._until:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        for player, until in list(self._until.items()):
            if until > loop.time():
                self._timer = loop.call_at(until, self._look)
                return
            self.end(player)
            player.hang_up()


class Player(asyncio.Protocol):
    """What HTTP and WebSockets have in common. ``alarm`` is the moment for which it waits, if it does."""

    _transport: asyncio.Transport

    def __init__(self, core: Core) -> None:
        self._core = core
        self._playing, self._data = NOTHING, data_of(())
        self._at = 0
        self._entry: Entry | None = None
        self._ahead: list[bytes] = []
        self._blocked = self._begun = False
        self.alarm: float | None = None

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
        out = [] if self._begun else [self._opening()]
        self._begun, size, moment = True, 0, self._core.clock.now()
        until = entry.until()
        while (number := self._at) < until:
            if (due := entry.arrived + entry.offsets[number]) > moment:
                self._core.alarms.wake(self, due)
                self._hand_over(out)
                return
            if not self._ahead:
                ahead = range(min(number + AHEAD, until) - 1, number - 1, -1)
                self._ahead = [self._framed(data) for data in map(self._data, ahead)]
            out.append(piece := self._ahead.pop())
            size += len(piece)
            self._at = number + 1
            if size > MAX_JOINED or self._playing.apart:
                self._hand_over(out)
                if self._blocked or self._transport.is_closing():
                    return
                out, size, moment = [], 0, self._core.clock.now()
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
        self._core.patience.begin(self)

    def _need_no_patience(self) -> None:
        self._core.patience.end(self)

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
