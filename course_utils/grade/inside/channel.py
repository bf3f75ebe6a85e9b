"""JSON lines between two processes, and calls in both directions over them.

Either side may ask, and while it waits for the answer it answers what the other side asks: the learner's function is
called, calls the clock, the clock's answer comes, the function's answer comes. So answers need no numbers; they come in
the reverse order of the questions.

The grader believes nothing: a line has a longest length and a latest moment, and what is no JSON, or no message,
is `Garbled`. The learner's process has the same code without a hurry.
"""

from __future__ import annotations

import functools
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

LONGEST = 8_000_000
"""Bytes in one line. Right answers need a few thousand."""

Message = dict[str, Any]
T = TypeVar("T")


class Garbled(Exception):
    """What came over the line is no message."""


class Gone(Exception):
    """The other side has ended."""


class Late(Exception):
    """Nothing came in time."""


def _whole(digits: str) -> int:
    if len(digits) > 400:
        raise Garbled("a number with more than 400 digits")
    return int(digits)


_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_int=_whole).decode
_monotonic = time.monotonic


class Lines:
    """Messages over a socket, one a line. ``until`` is a moment of ``time.monotonic``, held to within a ``TICK``."""

    TICK = 0.1

    def __init__(self, line: socket.socket, *, patient: bool = False) -> None:
        line.settimeout(None if patient else self.TICK)
        self._line = line
        self._ahead = bytearray()

    def send(self, message: Message, until: float | None = None) -> None:
        data = _encode(message).encode("ascii") + b"\n"
        if len(data) > LONGEST:
            raise ValueError(f"a message of {len(data)} bytes; the most is {LONGEST}")
        left = memoryview(data)
        while left:
            left = left[self._try(functools.partial(self._line.send, left), until) :]

    def receive(self, until: float | None = None) -> Message:
        """The next message."""
        end = self._ahead.find(b"\n")
        while end < 0:
            if len(self._ahead) > LONGEST:
                raise Garbled("a line that does not end")
            searched = len(self._ahead)
            more = self._try(lambda: self._line.recv(1 << 16), until)
            if not more:
                raise Gone
            self._ahead += more
            end = self._ahead.find(b"\n", searched)
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        return _message(line)

    def _try(self, step: Callable[[], T], until: float | None) -> T:
        while True:
            if until is not None and _monotonic() > until:
                raise Late
            try:
                return step()
            except TimeoutError:
                continue
            except OSError:
                raise Gone from None

    def close(self) -> None:
        self._line.close()


def _message(line: bytes) -> Message:
    try:
        message = _decode(line.decode("ascii"))
    except (ValueError, RecursionError):
        raise Garbled("no JSON") from None
    if not isinstance(message, dict):
        raise Garbled("no message")
    return message


class Peer:
    """One end of the line: `ask` the other side, `answer` what it asks.

    One thread uses the line at a time. While nobody asks, whoever serves holds it, so a thread of the learner's that
    outlives a call has to wait until its side is asked for something again.
    """

    def __init__(self, lines: Lines, answer: Callable[[Message], Message]) -> None:
        self.lines, self._answer = lines, answer
        self.turn = threading.RLock()

    def ask(self, message: Message, until: float | None = None) -> Message:
        """Send a question and wait for its answer, answering what is asked meanwhile."""
        with self.turn:
            self.send(message, until)
            while True:
                came = self.receive(until)
                if "do" not in came:
                    return came
                self.send(self._answer(came), until)

    def send(self, message: Message, until: float | None = None) -> None:
        self.lines.send(message, until)

    def receive(self, until: float | None = None) -> Message:
        return self.lines.receive(until)
