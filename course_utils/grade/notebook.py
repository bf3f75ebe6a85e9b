"""Reads a handed-in notebook: its code cells in order, or the reason why there are none.

Nothing but the cells' text matters. Ids, metadata, the kernel's name and stored outputs may be missing or wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

LARGEST = 20_000_000
"""Bytes of a notebook. Stored outputs may be large; work is not."""
MOST_CELLS = 2_000
MOST_TEXT = 2_000_000


class Unreadable(Exception):
    """A file that is no notebook; says why, in a sentence for the instructor."""


@dataclass(frozen=True)
class Cell:
    """A code cell; ``number`` counts all cells of the notebook, from 1, so that it can be found."""

    number: int
    source: str
    graded: bool = False


@dataclass(frozen=True)
class Notebook:
    """The code cells, and the text of all others, in which an answer may have got lost."""

    cells: tuple[Cell, ...]
    prose: str = ""

    @property
    def code(self) -> str:
        return "\n".join(cell.source for cell in self.cells)


def read(data: bytes) -> Notebook:
    """The notebook in ``data``; raises `Unreadable`."""
    stored = _parsed(data)
    cells = _cells(stored)
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"It has {len(cells)} cells; the most that are read is {MOST_CELLS}.")
    code, prose = [], []
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            continue
        source = _text(cell.get("source", cell.get("input")))  # format 3 called it input
        if cell.get("cell_type") == "code":
            code.append(Cell(number, source, _is_graded(cell)))
        else:
            prose.append(source)
    if sum(len(cell.source) for cell in code) > MOST_TEXT:
        raise Unreadable(f"Its code is longer than {MOST_TEXT} characters.")
    return Notebook(tuple(code), "\n".join(prose))


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST:
        raise Unreadable(f"It has {len(data) / 1e6:.0f} MB; the most that is read is {LARGEST / 1e6:.0f} MB.")
    if not data.strip():
        raise Unreadable("The file is empty.")
    try:
        stored = json.loads(_decoded(data), parse_int=_whole)
    except (ValueError, RecursionError):
        cut = " It ends in the middle: was it uploaded whole?" if data.lstrip()[:1] == b"{" else ""
        raise Unreadable(f"The file is not a notebook: it is no JSON.{cut}") from None
    if not isinstance(stored, dict):
        raise Unreadable("The file is JSON, but not a notebook.")
    return stored


def _whole(digits: str) -> int:
    """A number in a notebook; one with thousands of digits would only cost time."""
    return int(digits) if len(digits) < 100 else 0


def _decoded(data: bytes) -> str:
    """The text, with or without a byte-order mark, in the encodings that editors save JSON in."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def _cells(stored: dict[str, Any]) -> list[Any]:
    """The cells of format 4, or of format 3, which had them on sheets."""
    cells = stored.get("cells")
    if cells is None and isinstance(stored.get("worksheets"), list):
        cells = [
            cell for sheet in stored["worksheets"] if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))
        ]
    if not isinstance(cells, list):
        version = stored.get("nbformat")
        future = f" It says it has format {version}." if isinstance(version, int) and version > 4 else ""
        raise Unreadable(
            f"The file is JSON, but it has no list of cells, so it is not a notebook that can be read.{future}"
        )
    return cells


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(source: Any) -> str:
    """A cell's source: a text, or a list of lines."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _is_graded(cell: dict[str, Any]) -> bool:
    """Whether nbgrader's metadata say that it is a test cell."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return isinstance(marks, dict) and marks.get("grade") is True and marks.get("solution") is not True
