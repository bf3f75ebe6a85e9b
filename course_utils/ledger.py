"""The ledger: what the server really did, request by request. Checks and lessons believe it, not what was printed."""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from course_utils.clock import Clock
from course_utils.engine import Answer
from course_utils.frames import columns
from course_utils.kept import Fate

COMPLETE, CLIENT_LEFT, CANCELLED = "complete", "client_left", "cancelled"
OWN_FAULTS = ("error", "limit")
"""Faults of the model's own server, which end the generation too; another one only cuts off the client."""
_SLACK = 1e-9  # two times closer than a nanosecond are one moment


class Entry:
    """One request: what was asked, when, what has been generated and sent so far, and how it ended.

    Times are seconds on the server's clock. A model goes on generating whether anybody reads or not, until the
    answer is finished or the client leaves; so the counts follow the clock and not the reader.
    """

    __slots__ = ("_clock", "_fate", "_generated", "_goes_on", "_left", "_left_at", "_tokens", "arrived", "asked", "blocked",
                 "bytes", "concurrent", "ending", "last_due", "number", "offsets", "retry_after", "route", "status",
                 "streamed", "written")  # fmt: skip

    def __init__(
        self, number: int, route: str, answer: Answer, clock: Clock, arrived: float, left: Callable[[], None]
    ) -> None:
        self.number, self.route, self.asked = number, route, answer.asked
        self.status, self.streamed = answer.status, answer.streamed
        self.retry_after = float(answer.headers["retry-after"]) if "retry-after" in answer.headers else None
        self.arrived = arrived
        self.concurrent = 0
        self.blocked = False  # a socket that takes no more bytes; what is due then has not been sent
        self.written = array("d")
        self.bytes = answer.asked_bytes + 8 * (len(answer.generated) + 3 * len(answer.frames))
        self._generated = array("d", answer.generated)
        self.offsets, self._tokens = columns(answer.frames)
        self._clock = clock
        self.ending = answer.frames[-1].ending if answer.frames else None
        self._goes_on, self._fate = answer.goes_on, answer.job.fate if answer.job else Fate()
        self._left = left
        self._fate.listeners.add(left)
        self._left_at: float | None = None
        self.last_due = self.arrived + (self.offsets[-1] if self.offsets else 0.0)

    @property
    def token_times(self) -> tuple[float, ...]:
        """When each token has been, or would be, generated."""
        return tuple(self.arrived + at for at in self._generated)

    @property
    def due(self) -> tuple[float, ...]:
        """When each frame has to leave."""
        return tuple(self.arrived + at for at in self.offsets)

    def client_left(self) -> None:
        """The connection was closed from the other side; generation stops here unless everything was sent."""
        if self.running(self._clock.now()):
            self._left_at = self._clock.now()
            if not self._goes_on and self._fate.stopped is None:
                self._fate.stopped = self._left_at
            self._left()

    def until(self) -> int:
        """How many frames are to be sent: all, unless a request to cancel it has ended this answer before."""
        if self._fate.stopped is None or not self._fate.cancelled:
            return len(self.offsets)
        return bisect_right(self.offsets, self._fate.stopped - self.arrived + _SLACK)

    @property
    def cancelled(self) -> bool:
        """Whether a request to cancel it has ended this answer before its time."""
        return self._fate.cancelled

    def running(self, now: float) -> bool:
        """Whether something has still to be sent, and somebody is there."""
        if self._left_at is not None or self._fate.cancelled or len(self.written) >= len(self.offsets):
            return False
        return self.blocked or now + _SLACK < self.last_due

    @property
    def ended(self) -> str | None:
        """How it ended: ``"complete"``, ``"client_left"``, ``"cancelled"``, ``"fault:NAME"``; None while it has not."""
        if self._left_at is not None:
            return CLIENT_LEFT
        if self.cancelled:
            return CANCELLED
        if self.running(self._clock.now()):
            return None
        return f"fault:{self.ending.fault}" if self.ending else COMPLETE

    @property
    def ended_by(self) -> str | None:
        """Who ended it: the ``"server"``, the ``"client"``, or a ``"fault"``; None while it has not ended."""
        ended = self.ended
        if ended is None or ended.startswith("fault:"):
            return ended and "fault"
        return "server" if ended == COMPLETE else "client"

    @property
    def ended_at(self) -> float | None:
        """When the last frame was due, when the client left, or when it was cancelled."""
        if self.ended is None:
            return None
        return self.last_due if (stopped := self._stopped_at()) is None else stopped

    def _stopped_at(self) -> float | None:
        """When it ended before its time, if it did."""
        if self._left_at is not None:
            return self._left_at
        return self._fate.stopped if self.cancelled else None

    def _silent_from(self) -> float:
        """When the model stops before it has said all, if it does: by a request, by its own error, or as nobody listens."""
        ends = [self._fate.stopped] if self.cancelled else []
        if not self._goes_on:
            ends.append(self._left_at)
        if self.ending and (not self._goes_on or self.ending.fault in OWN_FAULTS):
            ends.append(self.last_due)
        return min((end for end in ends if end is not None), default=math.inf)

    @property
    def tokens_generated(self) -> int:
        return self._count(self._generated, self._silent_from())

    @property
    def tokens_sent(self) -> int:
        stopped = self._stopped_at()
        return sum(self._tokens[: self._count(self.offsets, math.inf if stopped is None else stopped)])

    def _count(self, times: Sequence[float], until: float) -> int:
        """How many of ``times`` are over by now, and were so by ``until``."""
        return bisect_right(times, min(until, self._clock.now()) - self.arrived + _SLACK)

    @property
    def lag(self) -> float:
        """Seconds by which the latest frame left after it was due: the client, or a full socket, kept it waiting."""
        return max((at - due for at, due in zip(self.written, self.due, strict=False)), default=0.0)

    def busy_for(self) -> float:
        """Seconds until the model has finished this answer; 0 when it has, or has stopped."""
        if not self._generated:
            return 0.0
        return max(0.0, min(self.arrived + self._generated[-1], self._silent_from()) - self._clock.now())

    def facts(self) -> dict[str, Any]:
        """Everything about this request as plain data; times are seconds on the server's clock."""
        return {
            "request": self.number,
            "route": self.route,
            "status": self.status,
            "streamed": self.streamed,
            "asked": self.asked,
            "arrived": self.arrived,
            "token_times": list(self.token_times[: self.tokens_generated]),
            "due": list(self.due),
            "written": list(self.written),
            "tokens_generated": self.tokens_generated,
            "tokens_sent": self.tokens_sent,
            "ended": self.ended,
            "ended_by": self.ended_by,
            "ended_at": self.ended_at,
            "concurrent": self.concurrent,
        }

    def __repr__(self) -> str:
        how = "streamed" if self.streamed else "unary"
        made, sent = self.tokens_generated, self.tokens_sent
        took = "" if self.ended_at is None else f" after {round(self.ended_at - self.arrived, 3):g} s"
        return f"request {self.number}: {how}, {made} tokens generated, {sent} sent, {self.ended or 'open'}{took}"


MOST_BYTES = 32_000_000
"""Bytes of requests and times that a ledger keeps; beyond that the oldest requests are forgotten."""


class Ledger:
    """The last ``size`` requests, oldest first. Iterate over it, index it, or print it."""

    def __init__(self, clock: Clock, size: int = 10_000) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=size)
        # In the order in which they will end, so that a thousand need not be asked when another one comes.
        self._open: list[tuple[float, int, Entry]] = []
        self._making: list[tuple[float, int, Entry]] = []
        self._disturbed = False  # one of those that are open has ended out of turn
        self._lock = threading.Lock()
        self._count = self._bytes = 0

    def open(self, route: str, answer: Answer, arrived: float | None = None) -> Entry:
        """Book a request that has arrived, if nobody says when, now; one that looks at the books only is not in them."""
        with self._lock:
            now = self._clock.now()
            arrived = now if arrived is None else arrived
            if not answer.booked:
                return Entry(0, route, answer, self._clock, arrived, self._disturb)
            self._count += 1
            entry = Entry(self._count, route, answer, self._clock, arrived, self._disturb)
            self._forget_ended(now)
            entry.concurrent = 1 + len(self._open)
            insort(self._open, (entry.last_due, id(entry), entry))
            insort(self._making, (now + entry.busy_for(), id(entry), entry))
            self._bytes += entry.bytes - (self._entries[0].bytes if len(self._entries) == self._entries.maxlen else 0)
            self._entries.append(entry)
            while self._bytes > MOST_BYTES and len(self._entries) > 1:
                self._bytes -= self._entries.popleft().bytes
            return entry

    def busy(self) -> list[float]:
        """Seconds until each answer that is being generated now is finished."""
        with self._lock:
            return [left for _, _, entry in self._making if (left := entry.busy_for()) > 0]

    def _forget_ended(self, now: float) -> None:
        if self._disturbed:
            self._disturbed = False
            self._open = [one for one in self._open if one[2].running(now)]
            self._making = [one for one in self._making if one[2].busy_for() > 0]
        over = bisect_right(self._open, now + _SLACK, key=itemgetter(0))
        self._open[:over] = [one for one in self._open[:over] if one[2].running(now)]  # those that are blocked stay
        del self._making[: bisect_right(self._making, now, key=itemgetter(0))]

    def _disturb(self) -> None:
        self._disturbed = True

    def clear(self) -> None:
        """Forget all requests; numbers start again at 1."""
        with self._lock:
            self._entries.clear()
            self._count = self._bytes = 0

    @property
    def peak(self) -> int:
        """The largest number of requests that were open at once."""
        return max((entry.concurrent for entry in list(self._entries)), default=0)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "no requests yet"
