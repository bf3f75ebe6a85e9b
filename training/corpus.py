"""The text the model learns from: six novels in Debian's package r-cran-janeaustenr, and our own dialogues.

    apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb deb

The novels are in the public domain; the package that carries them has the MIT licence. One chapter of each novel, the
one in the middle, is held out: nothing is trained on it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

RDB = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
HELD_OUT_CHARACTERS = 8_000
"""Of each held-out chapter so much is stored in the repository, where a test can measure the loss."""


def vectors(rdb: bytes) -> Iterator[list[str]]:
    """The character vectors of an R database: one record a novel, one string a printed line."""
    while len(rdb) > 4:
        packed = zlib.decompressobj()
        data = packed.decompress(rdb[4:])  # four bytes of length, then zlib
        rdb = packed.unused_data
        if data[:6] != b"X\n\0\0\0\3":
            raise ValueError(f"expected R's binary format, version 3, got {data[:6]!r}")
        at = 14 + 4 + int.from_bytes(data[14:18], "big")  # past the versions and the name of the encoding
        if data[at : at + 4] not in (b"\0\0\0\x10", b"\0\0\2\x10"):
            continue  # no vector of strings
        count, at = int.from_bytes(data[at + 4 : at + 8], "big"), at + 8
        lines = []
        for _ in range(count):
            size = int.from_bytes(data[at + 4 : at + 8], "big")
            lines.append(data[at + 8 : at + 8 + size].decode())
            at += 8 + size
        yield lines


def chapters(lines: list[str]) -> list[str]:
    """A novel's chapters: paragraphs of one line each, an empty line between them, without headings."""
    text = "\n".join(line.rstrip() for line in lines).replace("_", "")
    parts = re.split(r"\n\s*CHAPTER [IVXLC0-9]+\b.*\n", text, flags=re.IGNORECASE)[1:]
    return [chapter for part in parts if len(chapter := _paragraphs(part)) > 1000]


def _paragraphs(part: str) -> str:
    part = part.partition("A NOTE ON THE TEXT")[0]  # by an editor of our days
    part = re.sub(r"\n\s*(VOLUME [IVX]+|FINIS|THE END|Finis|End of .*)\s*(?=\n|$)", "\n", part)
    paragraphs = (" ".join(block.split()) for block in re.split(r"\n\s*\n", part))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def novels(deb: Path) -> list[list[str]]:
    return [found for lines in vectors((deb / RDB).read_bytes()) if len(found := chapters(lines)) > 10]


def split(deb: Path) -> tuple[list[str], list[str]]:
    """Chapters to train on, and those held out."""
    train, held_out = [], []
    for novel in novels(deb):
        middle = len(novel) // 2
        held_out.append(novel[middle])
        train += novel[:middle] + novel[middle + 1 :]
    return train, held_out


def beginning(chapter: str, size: int = HELD_OUT_CHARACTERS) -> str:
    """Whole paragraphs, about ``size`` characters of them."""
    return chapter[: chapter.rindex("\n\n", 0, size)]


def exchanges(chapters: list[str]) -> Iterator[tuple[str, str]]:
    """What one person of the novels asks, all by itself in a paragraph, and what the next one answers."""
    for chapter in chapters:
        paragraphs = chapter.split("\n\n")
        for asked, said in pairwise(paragraphs):
            if asked.startswith('"') and said.startswith('"'):
                question = " ".join(re.findall(r'"([^"]+)"?', asked))
                answer = " ".join(re.findall(r'"([^"]+)"?', said))
                if "?" in question[-3:] and len(question) <= 160 and 8 <= len(answer) <= 300 and answer[-1] in ".!":
                    yield question, answer
