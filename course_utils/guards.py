"""Guards between a stream and its reader: three ways to keep a banned phrase off the screen, each with its price.

A guard takes the pieces of an answer as they come and yields those that may be shown. When it finds the phrase, in any
letter case and however the pieces cut it, it yields nothing more. A real guard asks a classifier where these look for a
phrase; when it may show what does not depend on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

Guard = Callable[[Iterable[str], str, int], Iterator[str]]
"""Gets the pieces, the banned phrase, and a window: a number of pieces."""


def stream_first(pieces: Iterable[str], banned: str, window: int) -> Iterator[str]:
    """Show every piece at once; a checker reads along, ``window`` pieces behind, and cuts the stream when it objects.

    A checker that judges batches of pieces is at worst that late.
    """
    unread: deque[str] = deque()
    read = ""
    for piece in pieces:
        yield piece
        unread.append(piece)
        if len(unread) > window:
            read += unread.popleft()
        if banned.lower() in read.lower():
            return


def hold_back(pieces: Iterable[str], banned: str, window: int) -> Iterator[str]:
    """Check all that has come, and show a piece when ``window`` more have come without a finding."""
    held: deque[str] = deque()
    read = ""
    for piece in pieces:
        held.append(piece)
        read += piece
        if banned.lower() in read.lower():
            return
        if len(held) > window:
            yield held.popleft()
    yield from held


def check_at_end(pieces: Iterable[str], banned: str, window: int = 0) -> Iterator[str]:
    """Show nothing until all has come and was checked; there is no window to choose."""
    held = list(pieces)
    if banned.lower() not in "".join(held).lower():
        yield from held


GUARDS: dict[str, Guard] = {"stream first": stream_first, "hold back": hold_back, "check at end": check_at_end}
