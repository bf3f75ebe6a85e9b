"""The exercises as assignments of nbgrader, in its schema 3: ``source/NAME/NAME.ipynb`` of a course directory.

Ids and points are those of the course's own notebooks. What differs is what nbgrader needs: a solution stands between its
marks, and a test cell raises, because nbgrader gives points to cells that don't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from course_utils import build
from course_utils.build import Cell

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def write(folder: Path, names: Sequence[str] = (), root: Path = build.ROOT) -> list[Path]:
    """Write the assignments whose names contain one of ``names``, or all; what is there already stays as it is."""
    texts = {
        folder / "source" / path.stem / f"{path.stem}.ipynb": assignment(path)
        for path, face in build.plan(root, names)
        if face.folder == "exercises"
    }
    for path, text in texts.items():
        if path.exists() and path.read_text("utf-8") != text:
            raise build.BuildError(f"{path} is there and differs: move it away, then export again")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(texts)


def assignment(source: Path, points: Callable[[str], int] = build.registry_points) -> str:
    """The instructor's notebook of one source, not executed. nbgrader makes the learners' one of it."""
    cells = [_cell(cell) for cell in build.read_source(source) if "solution" not in cell.tags]
    return build.serialise(build.notebook(cells, f"nbgrader/{source.stem}", points))


def _cell(cell: Cell) -> Cell:
    if cell.check:
        return replace(cell, text=raising(cell.text))
    return replace(cell, text=between_marks(cell.text)) if cell.exercise else cell


def raising(call: str) -> str:
    """A test cell, of the call that is a check cell of ours. It brings its own `check`, whatever has that name above."""
    return f"from course_utils import check\n\nverdict = {call}\nassert verdict.passed, verdict\nverdict"


def between_marks(text: str) -> str:
    """An answer cell with its solution between the marks of nbgrader, which takes it out for learners."""
    lines: list[str] = []
    for column, piece in build.pieces(text):
        if column is None:
            lines += piece
            continue
        hidden = "\n".join(piece).rstrip("\n").split("\n")
        lines += [" " * column + BEGIN, *hidden, " " * column + END, *piece[len(hidden) :]]
    return "\n".join(lines)
