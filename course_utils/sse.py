"""Server-Sent Events, as the WHATWG HTML standard defines them (§9.2): a writer and a reader of events.

Rules of the reader, each with a test by its name:
- The stream is UTF-8; one byte-order mark at its start is dropped, invalid bytes become U+FFFD.
- A line ends with CRLF, LF or CR, wherever the network cut the bytes.
- A line that begins with a colon is a comment. The value begins after the first colon; one leading space is framing.
- Several data lines join with newlines; an event without a data line is none; an event without its blank line is thrown away.
- An id with NUL is ignored, any other is remembered until the next; retry counts only if it is all ASCII digits.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """What one event delivers: its text, its type ("message" unless named), and the last id seen so far."""

    data: str
    type: str = "message"
    id: str = ""


def event(data: str, *, type: str = "", id: str | None = None, retry: int | None = None) -> bytes:
    """One event: each line of ``data`` on a line of its own, then the blank line that ends the event.

    ``retry`` is in milliseconds. A line break inside ``type`` or ``id`` would start another field and is refused.
    """
    fields = [("event", type)] if type else []
    fields += [("id", id)] if id is not None else []
    fields += [("retry", str(retry))] if retry is not None else []
    for name, value in fields:
        if _LINE_END.search(value) or "\0" in value:
            raise ValueError(f"{name!r} must be one line without NUL, got {value!r}")
    fields += [("data", line) for line in _LINE_END.split(data)]
    return ("".join(f"{name}: {value}\n" for name, value in fields) + "\n").encode()


def comment(text: str = "") -> bytes:
    """A comment with a blank line behind it: keeps a connection busy and delivers nothing."""
    return "".join(f": {line}\n" for line in _LINE_END.split(text)).encode() + b"\n"


class Decoder:
    """Reads events from bytes that come in pieces of any size; what is unfinished waits for the next piece.

    ``last_id`` and ``retry`` (milliseconds, None until the server named one) are what a reconnecting client needs. An id
    counts from the blank line on: a client that comes back with the id of half an event would never get its data. On its
    next connection it begins with the ``last_id`` of the one before.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = self._id = last_id
        self.retry: int | None = None
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._started = self._after_cr = False
        self._line: list[str] = []
        self._data: list[str] = []
        self._type = ""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete with these bytes."""
        return list(self._events(self._decode(data)))

    def _events(self, text: str) -> Iterator[Event]:
        if text and not self._started:
            self._started, text = True, text.removeprefix("\ufeff")
        if text and self._after_cr:
            self._after_cr, text = False, text.removeprefix("\n")  # the second half of a CRLF that was cut in two
        self._after_cr = self._after_cr or text.endswith("\r")
        *lines, rest = _LINE_END.split(text)
        for line in lines:
            whole = "".join([*self._line, line])
            self._line.clear()
            if whole:
                self._field(whole)
            elif (found := self._dispatch()) is not None:
                yield found
        self._line.append(rest)

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> Event | None:
        """The event that the blank line ends, unless no data line came; an empty one makes an event with empty data."""
        data, type = self._data, self._type or "message"
        self._data, self._type, self.last_id = [], "", self._id
        if not data:
            return None
        return Event("\n".join(data), type, self.last_id)


def decode(pieces: Iterable[bytes]) -> Iterator[Event]:
    """The events of a whole stream. An unfinished last event is thrown away, as the standard wants."""
    decoder = Decoder()
    for piece in pieces:
        yield from decoder.feed(piece)
