"""How a client behaved, from the ledger of the server it talked to: plain facts to assert on.

What a client did with an answer, no server sees. Who wants those facts says which requests the client took for a success.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from course_utils.ledger import Entry

TOLERANCE = 0.1
"""Seconds by which a frame may leave late before the client counts as slower than the stream."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """The numbers of the requests, as in the ledger, in which the client did what it should not.

    ``accepted_truncated``: took an answer for whole that a fault had cut short (None: nobody said what it took).
    ``accepted_error``: took an answer for whole in whose middle an error event came (None likewise).
    ``ignored_retry_after``: asked the same again before the time that a refusal had named.
    ``retried_after_text``: asked the same again after text of a broken answer had been sent, so it may stand there twice.
    ``left_generating``: stopped reading and did not close, so the model went on to the end. Only the in-process
    drivers can tell: over a socket the kernel goes on reading.
    ``slower_than_stream``: took frames later than they were due, by more than `TOLERANCE`.
    """

    accepted_truncated: tuple[int, ...] | None
    accepted_error: tuple[int, ...] | None
    ignored_retry_after: tuple[int, ...]
    retried_after_text: tuple[int, ...]
    left_generating: tuple[int, ...]
    slower_than_stream: tuple[int, ...]

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def clean(self) -> bool:
        """Whether nothing is known against the client."""
        return not any(self.facts().values())


def conduct_of(entries: Iterable[Entry], succeeded: Collection[int] | None = None) -> Conduct:
    """The facts about the requests in a ledger; ``succeeded`` are the numbers of those the client took for a success."""
    booked = list(entries)
    taken = None if succeeded is None else [entry for entry in booked if entry.number in succeeded]
    return Conduct(
        None if taken is None else _numbers(entry for entry in taken if _broken(entry) and not _with_error(entry)),
        None if taken is None else _numbers(entry for entry in taken if _with_error(entry)),
        _numbers(entry for entry, again in _repeats(booked) if _too_early(entry, again)),
        _numbers(entry for entry, _ in _repeats(booked) if _broken(entry) and entry.streamed and entry.tokens_sent),
        _numbers(entry for entry in booked if _left_generating(entry)),
        _numbers(entry for entry in booked if entry.lag > TOLERANCE),
    )


def _numbers(entries: Iterable[Entry]) -> tuple[int, ...]:
    return tuple(entry.number for entry in entries)


def _broken(entry: Entry) -> bool:
    return (entry.ended or "").startswith("fault:")


def _with_error(entry: Entry) -> bool:
    return entry.ended == "fault:error"


def _repeats(booked: list[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Each request with the next one that asks the same."""
    waiting: dict[str, Entry] = {}
    for entry in booked:
        question = repr((entry.route, entry.asked))
        if question in waiting:
            yield waiting[question], entry
        waiting[question] = entry


def _too_early(entry: Entry, again: Entry) -> bool:
    return entry.retry_after is not None and again.arrived < entry.arrived + entry.retry_after - 1e-6


def _left_generating(entry: Entry) -> bool:
    return entry.streamed and entry.ended == "complete" and len(entry.written) < len(entry.due)
