"""JSON lines between two processes, and calls in both directions over them.

Either side may ask, and while it waits for the answer it answers what the other side asks: the learner's function is
called, calls the clock, the clock's answer comes, the function's answer comes. So answers need no numbers; they come in
the reverse order of the questions.

The grader believes nothing: a line has a longest length and a latest moment, and what is no JSON, or no message,
is `Garbled`. The learner's process has the same code without a hurry.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

LONGEST = 8_000_000
"""Bytes in one line. Right answers need a few thousand."""

Message = dict[str, Any]


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


class Lines:
    """Messages over a socket, one a line. ``until`` is a moment of ``time.monotonic``, held to within a `TICK`."""

    def __init__(self, line: socket.socket, *, patient: bool = False) -> None:
        self._line = line
        if patient:
            line.settimeout(None)
        else:
            _wake_every(line, TICK)
        self._ahead = b""

    def send(self, message: Message, until: float | None = None) -> None:
        data = _encode(message).encode("ascii") + b"\n"
        if len(data) > LONGEST:
            raise ValueError(f"a message of {len(data)} bytes; the most is {LONGEST}")
        left = memoryview(data)
        while left:
            try:
                left = left[self._line.send(left) :]
            except (TimeoutError, BlockingIOError):
                _still(until)
            except OSError:
                raise Gone from None

    def receive(self, until: float | None = None) -> Message:
        """The next message. A moment that is over is over, however fast messages come: there may be no end of them."""
        _still(until)
        line, newline, rest = self._ahead.partition(b"\n")
        if newline:
            self._ahead = rest
            return _message(line)
        pieces, size = [self._ahead], len(self._ahead)
        while True:
            try:
                data = self._line.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                _still(until)
                continue
            except OSError:
                raise Gone from None
            if not data:
                raise Gone
            line, newline, rest = data.partition(b"\n")
            pieces.append(line)
            if newline:
                self._ahead = rest
                return _message(b"".join(pieces))
            size += len(line)
            if size > LONGEST:
                raise Garbled("a line that does not end")
            _still(until)

    def close(self) -> None:
        self._line.close()


TICK = 0.1
"""Seconds after which somebody who waits looks at the time."""


def _wake_every(line: socket.socket, seconds: float) -> None:
    """Let calls on a socket give up after a while; where the system itself can do that, no call costs more for it."""
    if sys.platform == "linux":
        line.settimeout(None)
        duration = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            line.setsockopt(socket.SOL_SOCKET, option, duration)
    else:
        line.settimeout(seconds)


def _still(until: float | None) -> None:
    if until is not None and time.monotonic() > until:
        raise Late


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
