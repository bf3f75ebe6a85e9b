"""The ledger: what the server really did, request by request. Checks and lessons believe it, not what was printed."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Any

from course_utils.clock import Clock
from course_utils.engine import Answer

COMPLETE, CLIENT_LEFT = "complete", "client_left"
_SLACK = 1e-9  # two times closer than a nanosecond are one moment


class Entry:
    """One request: what was asked, when, what has been generated and sent so far, and how it ended.

    Times are seconds on the server's clock. A model goes on generating whether anybody reads or not, until the
    answer is finished or the client leaves; so the counts follow the clock and not the reader.
    """

    def __init__(self, number: int, route: str, answer: Answer, clock: Clock, concurrent: int) -> None:
        self.number, self.route, self.asked = number, route, answer.asked
        self.status, self.streamed = answer.status, answer.streamed
        self.arrived = clock.now()
        self.concurrent = concurrent
        self.token_times = tuple(self.arrived + at for at in answer.generated)
        self.due = tuple(self.arrived + frame.at for frame in answer.frames)
        self._last_due = self.due[-1] if self.due else self.arrived
        self.written: list[float] = []
        self._tokens = tuple(frame.tokens for frame in answer.frames)
        self._clock = clock
        self._ending = answer.frames[-1].ending if answer.frames else None
        self._left_at: float | None = None

    def client_left(self) -> None:
        """The connection was closed from the other side; generation stops here unless everything was sent."""
        if self._left_at is None and self.ended is None and len(self.written) < len(self.due):
            self._left_at = self._clock.now()

    @property
    def ended(self) -> str | None:
        """How it ended: ``"complete"``, ``"client_left"``, ``"fault:NAME"``; None while it is being generated or sent."""
        if self._left_at is not None:
            return CLIENT_LEFT
        if len(self.written) < len(self.due) and self._clock.now() + _SLACK < self._last_due:
            return None
        return f"fault:{self._ending.fault}" if self._ending else COMPLETE

    @property
    def ended_at(self) -> float | None:
        """When the last frame was due, or when the client left."""
        if self.ended is None:
            return None
        return self._left_at if self._left_at is not None else self._last_due

    @property
    def tokens_generated(self) -> int:
        return bisect_right(self.token_times, self._until() + _SLACK)

    @property
    def tokens_sent(self) -> int:
        return sum(self._tokens[: bisect_right(self.due, self._until() + _SLACK)])

    def _until(self) -> float:
        """The moment up to which tokens count: now, unless the client has left or a fault has ended the answer."""
        now = self._left_at if self._left_at is not None else self._clock.now()
        return min(now, self._last_due) if self._ending else now

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
            "ended_at": self.ended_at,
            "concurrent": self.concurrent,
        }

    def __repr__(self) -> str:
        how = "streamed" if self.streamed else "unary"
        made, sent = self.tokens_generated, self.tokens_sent
        took = "" if self.ended_at is None else f" after {round(self.ended_at - self.arrived, 3):g} s"
        return f"request {self.number}: {how}, {made} tokens generated, {sent} sent, {self.ended or 'open'}{took}"


class Ledger:
    """The last ``size`` requests, oldest first. Iterate over it, index it, or print it."""

    def __init__(self, clock: Clock, size: int = 10_000) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=size)
        self._lock = threading.Lock()
        self._count = 0

    def open(self, route: str, answer: Answer) -> Entry:
        """Book a request; one that only looks at the books gets an entry that is not in them."""
        with self._lock:
            if not answer.booked:
                return Entry(0, route, answer, self._clock, 0)
            self._count += 1
            concurrent = 1 + sum(entry.ended is None for entry in self._entries)
            entry = Entry(self._count, route, answer, self._clock, concurrent)
            self._entries.append(entry)
            return entry

    def clear(self) -> None:
        """Forget all requests; numbers start again at 1."""
        with self._lock:
            self._entries.clear()
            self._count = 0

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
