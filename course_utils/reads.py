"""The same bytes in reads of other sizes: how often is a parser wrong when the network splits them where it likes?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

Parser = Callable[[Sequence[bytes]], Iterable[str]]
SEED = 3


def shake(body: bytes, most: int, draw: random.Random) -> list[bytes]:
    """``body`` in pieces of 1 to ``most`` bytes, each size as likely as any other."""
    if most < 1:
        raise ValueError(f"a read has 1 byte at least, got most={most!r}")
    pieces, at = [], 0
    while at < len(body):
        size = draw.randint(1, most)
        pieces.append(body[at : at + size])
        at += size
    return pieces


def share_wrong(parse: Parser, body: bytes, expected: Sequence[str], most: int, times: int = 1000) -> float:
    """The share of ``times`` random splits after which ``parse`` does not give what is ``expected``. An error is wrong too.

    The splits are the same for every parser.
    """
    draw = random.Random(f"{SEED}:{most}")
    return sum(_wrong(parse, shake(body, most, draw), expected) for _ in range(times)) / times


def _wrong(parse: Parser, reads: Sequence[bytes], expected: Sequence[str]) -> bool:
    try:
        return list(parse(reads)) != list(expected)
    except ValueError:  # of a decoder, or of JSON
        return True
