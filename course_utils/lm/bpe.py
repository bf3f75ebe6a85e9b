"""The tokenizer: byte pairs. Every text is bytes, and so every text can be encoded; frequent runs of bytes are one token.

The first 256 tokens are the bytes, then each merge adds one, and the last three are marks that no text contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

MARKS = ("<|ask|>", "<|answer|>", "<|end|>")

_PIECE = re.compile(r"'(?:s|t|re|ve|m|ll|d)\b| ?[A-Za-z]{1,40}| ?[0-9]| ?[^A-Za-z0-9\s]{1,40}|\n{1,40}|\s")
"""A token never reaches over the border of two pieces: a word with the space before it, signs, line breaks. Their length has
a limit because the work of `Tokenizer._merge` grows with its square."""


def pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


class Tokenizer:
    """Text to token ids and back. ``merges`` are pairs of ids, the most frequent first."""

    def __init__(self, merges: Iterable[Sequence[int]]) -> None:
        self.bytes = [bytes([value]) for value in range(256)]
        self.rank: dict[tuple[int, int], int] = {}
        for left, right in merges:
            self.rank[left, right] = len(self.bytes)
            self.bytes.append(self.bytes[left] + self.bytes[right])
        self.ask, self.answer, self.end = range(len(self.bytes), len(self.bytes) + 3)
        self.size = len(self.bytes) + len(MARKS)
        self._encode_piece = lru_cache(maxsize=10_000)(self._merge)

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``. A mark written out in it is text like any other."""
        try:
            return [id for piece in pieces(text) for id in self._encode_piece(piece)]
        except UnicodeEncodeError as error:
            half = error.object[error.start : error.end]
            raise ValueError(
                f"{half!a} is half of a character (a lone surrogate) and has no bytes; was a string cut inside an emoji?"
            ) from None

    def _merge(self, piece: str) -> tuple[int, ...]:
        """The pair that was merged first is merged first, until no pair is left that ever was."""
        ids = list(piece.encode())
        while len(ids) > 1:
            rank, at = min((self.rank.get(pair, self.size), at) for at, pair in enumerate(pairwise(ids)))
            if rank == self.size:
                break
            ids[at : at + 2] = [rank]
        return tuple(ids)

    def token_bytes(self, id: int) -> bytes:
        """The bytes of one token: perhaps half of a character. A mark has none."""
        if not 0 <= id < self.size:
            raise ValueError(f"token ids go from 0 to {self.size - 1}, got {id}")
        return self.bytes[id] if id < len(self.bytes) else b""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; a character of which bytes are missing is shown as U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode(errors="replace")

    def chat(self, question: str) -> list[int]:
        """What the model reads when it is asked: the question between two marks. Its answer ends with the third."""
        return [self.ask, *self.encode(question), self.answer]
