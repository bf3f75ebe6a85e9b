"""What the mock remembers between requests: answers that can be asked for again, and beginnings of prompts."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from course_utils.dialect import Asked, Said
from course_utils.frames import Frame
from course_utils.replies import tokens

MOST_ANSWERS, MOST_BYTES = 1_000, 8_000_000
"""Answers kept, and the bytes of their prompts and frames together; beyond either the oldest are forgotten."""


@dataclass(slots=True)
class Fate:
    """When somebody ended an answer early: the client by leaving, or by a request to cancel it.

    The ledger holds on to it for longer than the answer is kept.
    """

    stopped: float | None = None
    cancelled: bool = False
    listeners: set[Callable[[], None]] = field(default_factory=set)
    """Who is told of a request to cancel it, in the thread of whoever asks."""

    def cancel(self, now: float) -> None:
        self.stopped, self.cancelled = now, True
        for listener in list(self.listeners):
            listener()


@dataclass(slots=True)
class Job:
    """An answer in the making, or made. ``started`` is a time on the server's clock, frames count from it.

    ``asked_bytes`` is the length of the request's body.
    """

    request: Asked
    said: Said
    frames: tuple[Frame, ...]
    started: float
    asked_bytes: int = 0
    fate: Fate = field(default_factory=Fate)

    def status(self, now: float) -> str:
        """``"queued"``, ``"in_progress"``, ``"ended"``, ``"cancelled"``, or ``"left"`` by the client that wanted it."""
        if self.fate.stopped is not None:
            return "cancelled" if self.fate.cancelled else "left"
        if now < self.started + max(self.frames[0].at, self.said.waited):
            return "queued"
        return "ended" if now >= self.started + self.frames[-1].at else "in_progress"

    def cancel(self, now: float) -> None:
        if self.status(now) in ("queued", "in_progress"):
            self.fate.cancel(now)

    def rest(self, after: int, now: float) -> tuple[Frame, ...]:
        """The frames behind number ``after``, with times from ``now`` on; what is over comes at once."""
        until = math.inf if self.fate.stopped is None else self.fate.stopped
        late = now - self.started
        made = [one for one in self.frames[after + 1 :] if self.started + one.at <= until]
        return tuple(replace(one, at=max(0.0, one.at - late)) for one in made)

    @property
    def size(self) -> int:
        texts = sum(len(text) for text in self.request.texts)
        return self.asked_bytes + texts + sum(len(frame.data) for frame in self.frames)


class Kept:
    """The last answers by id, bounded in number and bytes."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._bytes = 0

    def keep(self, job: Job) -> None:
        self._jobs[job.said.id] = job
        self._bytes += job.size
        while len(self._jobs) > 1 and (len(self._jobs) > MOST_ANSWERS or self._bytes > MOST_BYTES):
            self._bytes -= self._jobs.popitem(last=False)[1].size

    def find(self, id: str) -> Job | None:
        return self._jobs.get(id)

    def forget(self, id: str) -> None:
        self._bytes -= self._jobs.pop(id).size


BLOCK = 16
"""Tokens of a prompt that are cached together."""


class PrefixCache:
    """Which beginnings of prompts have been read before, in whole blocks of `BLOCK` tokens; the oldest are forgotten."""

    def __init__(self, blocks: int = 20_000) -> None:
        self._blocks = blocks
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def read(self, texts: Sequence[str]) -> int:
        """The number of tokens of ``texts`` that need no prefill; all of them are cached now."""
        known, counting = 0, True
        for digest in _chain(texts):
            counting = counting and digest in self._seen
            known += BLOCK if counting else 0
            self._seen[digest] = None
            self._seen.move_to_end(digest)
        while len(self._seen) > self._blocks:
            self._seen.popitem(last=False)
        return known


def _chain(texts: Sequence[str]) -> Iterator[bytes]:
    """One digest a block, each over everything from the start."""
    every = [piece for text in texts for piece in tokens(text)]
    state = hashlib.sha256()
    for start in range(0, len(every) - BLOCK + 1, BLOCK):
        state.update("\1".join(every[start : start + BLOCK]).encode())
        yield state.digest()[:16]
