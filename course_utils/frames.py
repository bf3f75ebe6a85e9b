"""Timed frames: a streamed answer as a list of (when, bytes), and functions that bend such lists.

Everything the course says about streaming is a statement about such a list. A fault or a bad proxy is a
function from frames to frames, so faults compose, need no sockets, and can be read in one sitting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Frame:
    """``data`` leaves the server ``at`` seconds after the request arrived and carries ``tokens`` tokens."""

    at: float
    data: bytes
    tokens: int = 0


Frames = Sequence[Frame]
Fault = Callable[[Frames], list[Frame]]


def apply(faults: Iterable[Fault], frames: Frames) -> list[Frame]:
    """The frames after every fault in turn; the first fault stands nearest to the model."""
    bent = list(frames)
    for fault in faults:
        bent = fault(bent)
    return bent


def hold_all(release: float = 0.0) -> Fault:
    """A server or proxy that keeps everything until the answer is finished, then lets go piece by piece.

    ``release`` is the pause in seconds between two pieces on the way out. The pieces are the same as before, so
    the client still receives many chunks: it looks like streaming to whoever counts chunks instead of moments.
    """

    def fault(frames: Frames) -> list[Frame]:
        if not frames:
            return []
        end = frames[-1].at
        return [replace(frame, at=end + index * release) for index, frame in enumerate(frames)]

    return fault


def page_buffer(size: int = 4096) -> Fault:
    """A proxy that passes bytes on only in full pages of ``size`` bytes; the last, part-filled page leaves at the end.

    The bytes are the same, their boundaries are not: a page may end in the middle of an event or of a character.
    """
    if size < 1:
        raise ValueError(f"a page holds at least 1 byte, got size={size!r}")

    def fault(frames: Frames) -> list[Frame]:
        pages: list[Frame] = []
        held, tokens = b"", 0
        for frame in frames:
            held, tokens = held + frame.data, tokens + frame.tokens
            full = len(held) // size * size
            if full:
                pages.append(Frame(frame.at, held[:full], tokens))
                held, tokens = held[full:], 0
        if held:
            pages.append(Frame(frames[-1].at, held, tokens))
        return pages

    return fault
