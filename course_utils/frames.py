"""Timed frames: a streamed answer as a list of (when, bytes), and functions that bend such lists.

Everything the course says about streaming is a statement about such a list. A fault or a bad proxy is a
function from frames to frames, so faults compose, need no sockets, and can be read in one sitting.

Where a fault names a position it counts tokens: ``cut(after=12)`` acts after the 12th token. What HTTP does besides the
bytes of the body, a fault says in two ways: with the `Ending` of its last frame, and with headers it changes.
"""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Ending:
    """How a body ends that does not end well.

    ``kind`` is ``"end"`` (closed as if all were said), ``"cut"`` (the connection goes away in the middle) or
    ``"malformed"`` (bytes that are no HTTP chunk, then the same); ``fault`` is the name the ledger keeps.
    """

    kind: str
    fault: str


@dataclass(frozen=True, slots=True)
class Frame:
    """``data`` leaves the server ``at`` seconds after the request arrived and carries ``tokens`` tokens."""

    at: float
    data: bytes
    tokens: int = 0
    ending: Ending | None = None


MOST_FRAMES, MOST_BENT = 100_000, 500_000
"""Frames that a fault may make of an answer, and frames that all its faults together may take in hand."""


class TooMany(ValueError):
    """Faults that would make more frames than there may be."""


class Late(Sequence[Frame]):
    """Frames whose bytes are made when somebody looks at them: a thousand answers on their way need not lie in memory.

    ``data`` makes the bytes of a frame from its number, the same every time.
    """

    def __init__(self, ats: Sequence[float], tokens: Sequence[int], data: Callable[[int], bytes]) -> None:
        self.ats, self.tokens, self.data = array("d", ats), bytes(tokens), data

    def __len__(self) -> int:
        return len(self.ats)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return Frame(self.ats[index], self.data(index % len(self)), self.tokens[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


Frames = Sequence[Frame]
Bend = Callable[[Frames], list[Frame]]
"""A fault is any function from frames to frames; a `Fault` also has a name, and headers it changes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A named function from frames to frames, and the response headers it changes."""

    name: str
    bend: Bend
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, frames: Frames) -> list[Frame]:
        return self.bend(frames) if frames else []

    def __repr__(self) -> str:
        return self.name


def apply(faults: Iterable[Bend], frames: Frames) -> Frames:
    """The frames after every fault in turn; the first fault stands nearest to the model."""
    handled = 0
    for fault in faults:
        frames = fault(list(frames))
        handled += len(frames)
        if handled > MOST_BENT:
            raise TooMany(f"these faults would take more than {MOST_BENT} pieces in hand: leave some out")
    return frames


def data_of(frames: Frames) -> Callable[[int], bytes]:
    """What gives the bytes of each frame by its number."""
    return frames.data if isinstance(frames, Late) else lambda number: frames[number].data


def weighed(frames: Frames, sizes: Iterable[int]) -> Frames:
    """The frames, of which each that carries a token carries as many as the next of ``sizes`` says."""
    left = iter(sizes)
    if isinstance(frames, Late):
        return Late(frames.ats, [next(left) if tokens else 0 for tokens in frames.tokens], frames.data)
    return [replace(frame, tokens=next(left)) if frame.tokens else frame for frame in frames]


def columns(frames: Frames) -> tuple[Sequence[float], Sequence[int]]:
    """When each frame leaves, and how many tokens it carries; bytes that are not made yet are not made for this."""
    if isinstance(frames, Late):
        return frames.ats, frames.tokens
    return array("d", [frame.at for frame in frames]), array("L", [frame.tokens for frame in frames])


def hold_all(release: float = 0.0) -> Fault:
    """A server or proxy that keeps everything until the answer is finished, then lets go piece by piece.

    ``release`` is the pause in seconds between two pieces on the way out. The pieces are the same as before, so
    the client still receives many chunks: it looks like streaming to whoever counts chunks instead of moments.
    """

    def bend(frames: Frames) -> list[Frame]:
        end = frames[-1].at
        return [replace(frame, at=end + index * release) for index, frame in enumerate(frames)]

    return Fault("hold", bend)


def page_buffer(size: int = 4096) -> Fault:
    """A proxy that passes bytes on only in full pages of ``size`` bytes; the last, part-filled page leaves at the end.

    The bytes are the same, their boundaries are not: a page may end in the middle of an event or of a character.
    """
    _at_least(1, size=size)

    def bend(frames: Frames) -> list[Frame]:
        pages: list[Frame] = []
        held, tokens = bytearray(), 0
        for frame in frames:
            held += frame.data
            tokens += frame.tokens
            full = len(held) // size * size
            if full:
                pages.append(Frame(frame.at, bytes(held[:full]), tokens))
                del held[:full]
                tokens = 0
        if held or frames[-1].ending:
            pages.append(Frame(frames[-1].at, bytes(held), tokens, frames[-1].ending))
        return pages

    return Fault("page", bend)


def gzip(flush: bool = False) -> Fault:
    """A proxy that compresses the body. Without ``flush`` the compressor keeps what it has until its window is full
    or the answer ends, so short answers come in one piece; with it every frame is squeezed out at once."""

    def bend(frames: Frames) -> list[Frame]:
        squeeze = zlib.compressobj(wbits=31)
        out = []
        for frame in frames:
            data = squeeze.compress(frame.data) + (squeeze.flush(zlib.Z_SYNC_FLUSH) if flush else b"")
            out.append(replace(frame, data=data, ending=None))
        out.append(Frame(frames[-1].at, squeeze.flush(), ending=frames[-1].ending))
        return _without_empty(out)

    return Fault("gzip", bend, {"content-encoding": "gzip"})


def _without_empty(frames: Frames) -> list[Frame]:
    """Frames that carry bytes; the tokens of those that carry none go to the next that does."""
    kept, tokens = [], 0
    for frame in frames:
        tokens += frame.tokens
        if frame.data or frame.ending:
            kept.append(replace(frame, tokens=tokens))
            tokens = 0
    return kept


def cut(after: int) -> Fault:
    """The connection goes away right after the ``after``-th token; nothing says that the answer is incomplete but HTTP."""
    return _ends("cut", "cut", after)


def end_early(after: int) -> Fault:
    """The body ends properly after the ``after``-th token: no finish reason, no ``[DONE]``, and no error either."""
    return _ends("end", "end", after)


def malformed(after: int) -> Fault:
    """After the ``after``-th token come bytes that are no HTTP chunk."""
    return _ends("malformed", "malformed", after)


def _ends(kind: str, name: str, after: int) -> Fault:
    _at_least(0, after=after)

    def bend(frames: Frames) -> list[Frame]:
        kept = [
            frame for frame, seen in _counted(frames) if seen <= after and (frame.tokens or seen < after or not seen)
        ]
        if len(kept) == len(frames):
            return kept
        return [*kept, Frame(kept[-1].at if kept else frames[0].at, b"", ending=Ending(kind, name))]

    return Fault(name, bend)


def _counted(frames: Frames) -> Iterator[tuple[Frame, int]]:
    """Each frame with the number of tokens that have left when it has."""
    seen = 0
    for frame in frames:
        seen += frame.tokens
        yield frame, seen


def stall(at: int, seconds: float) -> Fault:
    """Nothing comes for ``seconds`` after the ``at``-th token; what follows is late by as much."""
    _at_least(0, at=at, seconds=seconds)

    def bend(frames: Frames) -> list[Frame]:
        return [
            replace(frame, at=frame.at + seconds) if seen - frame.tokens >= at else frame
            for frame, seen in _counted(frames)
        ]

    return Fault("stall", bend)


def slow_start(seconds: float) -> Fault:
    """The headers come in time, the whole body ``seconds`` later."""
    _at_least(0, seconds=seconds)
    return Fault("slow", lambda frames: [replace(frame, at=frame.at + seconds) for frame in frames])


def idle_cut(seconds: float) -> Fault:
    """A proxy that cuts a connection on which nothing has moved for ``seconds``."""
    _at_least(0, seconds=seconds)

    def bend(frames: Frames) -> list[Frame]:
        last = 0.0
        for index, frame in enumerate(frames):
            if frame.at - last > seconds:
                return [*frames[:index], Frame(last + seconds, b"", ending=Ending("cut", "idle"))]
            last = frame.at
        return list(frames)

    return Fault("idle", bend)


def time_limit(seconds: float) -> Fault:
    """A server that lets no answer take longer than ``seconds``: what is not said by then is cut off."""
    _at_least(0, seconds=seconds)

    def bend(frames: Frames) -> list[Frame]:
        kept = [frame for frame in frames if frame.at <= seconds]
        return kept if len(kept) == len(frames) else [*kept, Frame(seconds, b"", ending=Ending("cut", "limit"))]

    return Fault("limit", bend)


def bundle(count: int) -> Fault:
    """``count`` tokens leave together, when the last of them is ready: several events in one write."""
    _at_least(1, count=count)

    def bend(frames: Frames) -> list[Frame]:
        out: list[Frame] = []
        held: list[Frame] = []
        tokens = 0
        for frame in frames:
            held.append(frame)
            tokens += frame.tokens
            if not frame.tokens or tokens >= count:
                out.append(_joined(held))
                held, tokens = [], 0
        return [*out, _joined(held)] if held else out

    return Fault("bundle", bend)


def _joined(frames: Frames) -> Frame:
    data, tokens = b"".join(frame.data for frame in frames), sum(frame.tokens for frame in frames)
    return Frame(frames[-1].at, data, tokens, frames[-1].ending)


def split(size: int) -> Fault:
    """Every frame is written in pieces of ``size`` bytes, so events and characters are cut anywhere."""
    _at_least(1, size=size)

    def pieces(frame: Frame) -> list[Frame]:
        if len(frame.data) <= size:
            return [frame]
        parts = [frame.data[start : start + size] for start in range(0, len(frame.data), size)]
        small = [Frame(frame.at, part) for part in parts]
        return [*small[:-1], replace(frame, data=parts[-1])]

    def bend(frames: Frames) -> list[Frame]:
        _not_too_many("split", sum(-(-len(frame.data) // size) for frame in frames))
        return [piece for frame in frames for piece in pieces(frame)]

    return Fault("split", bend)


def split_utf8(delay: float = 0.01) -> Fault:
    """Characters of more than one byte are cut in the middle; their second half comes ``delay`` seconds later."""

    def halves(frame: Frame) -> list[Frame]:
        at = next((index for index, byte in enumerate(frame.data) if byte >= 0xC0), -1)
        if at < 0:
            return [frame]
        return [Frame(frame.at, frame.data[: at + 1]), replace(frame, at=frame.at + delay, data=frame.data[at + 1 :])]

    def bend(frames: Frames) -> list[Frame]:
        # A half that comes later must not be overtaken by the frame behind it.
        out: list[Frame] = []
        for half in (half for frame in frames for half in halves(frame)):
            out.append(replace(half, at=max(half.at, out[-1].at if out else 0.0)))
        return out

    return Fault("split-utf8", bend)


def line_ends(end: str = "\r\n") -> Fault:
    """An SSE body whose lines end with CRLF or CR instead of LF. All three are right; many parsers know only one."""
    return Fault(
        "lines", lambda frames: [replace(frame, data=frame.data.replace(b"\n", end.encode())) for frame in frames]
    )


def heartbeat(every: float) -> Fault:
    """An SSE comment whenever nothing has been sent for ``every`` seconds; it keeps proxies from cutting the line."""
    _at_least(0.001, every=every)

    def bend(frames: Frames) -> list[Frame]:
        _not_too_many("heartbeat", int(max(frame.at for frame in frames) / every))
        out: list[Frame] = []
        last = 0.0
        for frame in frames:
            beats = int((frame.at - last) / every - 1e-9)
            out += [Frame(last + every * (index + 1), b": keep-alive\n\n") for index in range(beats)]
            out.append(frame)
            last = frame.at
        return out

    return Fault("heartbeat", bend)


def silent_last() -> Fault:
    """Behind the chunk with the finish reason comes one more that says nothing, as from some services."""

    def bend(frames: Frames) -> list[Frame]:
        out: list[Frame] = []
        for frame in frames:
            said_nothing = re.sub(rb'"finish_reason":"\w+"', b'"finish_reason":null', frame.data)
            out += [frame] if said_nothing == frame.data else [frame, replace(frame, data=said_nothing)]
        return out

    return Fault("silent last", bend)


def content_type(value: str = "text/html") -> Fault:
    """The right body under the wrong name."""
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"a header is printable ASCII, got {value!r}")
    return Fault("type", lambda frames: list(frames), {"content-type": value})


def _not_too_many(name: str, count: int) -> None:
    if count > MOST_FRAMES:
        raise TooMany(f"{name} would cut this answer into {count} pieces, and there may be {MOST_FRAMES}")


def _at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:  # so NaN is refused too
            raise ValueError(f"{name} must be at least {least}, got {name}={value!r}")
