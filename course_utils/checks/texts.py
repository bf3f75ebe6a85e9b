"""The text of an exercise: what its cell says to the learner, the solution in it, and what is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from course_utils import build, work
from course_utils.checks.exercise import Exercise


def starter(exercise: Exercise) -> str:
    """The answer cell as the learner gets it; empty if this edition of the course has none."""
    return build.starter(exercise.cell) if exercise.cell else _source(_answer_cell(exercise, "exercises"))


def solution(exercise: Exercise) -> str:
    """The answer cell with the reference solution; empty if this edition of the course has none."""
    return build.solution(exercise.cell) if exercise.cell else _source(_answer_cell(exercise, "solutions"))


def statement(exercise: Exercise) -> str:
    """What the learner reads before the answer cell: in a notebook, the text cells that lead up to it."""
    if exercise.cell:
        return exercise.statement
    texts: list[str] = []
    for cell in _cells("exercises"):
        if cell.get("id") == exercise.cell_id:
            break
        texts = [*texts, _source(cell)] if cell["cell_type"] == "markdown" else []
    return "\n".join(texts)


def _answer_cell(exercise: Exercise, folder: str) -> dict[str, Any]:
    return next((cell for cell in _cells(folder) if cell.get("id") == exercise.cell_id), {})


def _cells(folder: str) -> Iterator[dict[str, Any]]:
    for path in sorted((work.ROOT / folder).glob("*.ipynb")):
        yield from json.loads(path.read_text("utf-8"))["cells"]


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell.get("source", ""))
