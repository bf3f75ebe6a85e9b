"""How much of the notebooks nbval really compares.

nbval runs every cell, but it compares only where nothing tells it not to: a tag, a comment, a cell stored as never run.
Such a cell looks green and proves little, so the share of compared cells is published and has a lower bound. A compared
cell without stored output counts: any output it gave would fail.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("lessons", "exercises", "solutions")
NEVER_COMPARED = {"application/vnd.jupyter.widget-view+json", "image/png", "image/jpeg"}
UNCOMPARED_TAGS = {"nbval-ignore-output", "nbval-skip", "nbval-raises-exception", "raises-exception"}
UNCOMPARED_COMMENTS = {"NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION", "PYTEST_VALIDATE_IGNORE_OUTPUT"}

Notebooks = Mapping[str, Mapping[str, Any]]  # from a path below the root to the notebook


@dataclass(frozen=True)
class Share:
    """`left_out` has one line for each non-empty code cell that nbval does not compare."""

    total: int
    left_out: tuple[str, ...]

    @property
    def compared(self) -> int:
        return self.total - len(self.left_out)

    @property
    def percent(self) -> float:
        """Percent of the non-empty code cells; 0 when there are none, so that an empty folder can't look perfect."""
        return 100 * self.compared / self.total if self.total else 0.0

    def __str__(self) -> str:
        line = f"compared {self.compared} of {self.total} code cells ({self.percent:.1f} %)"
        return line + (f"; not compared: {', '.join(self.left_out)}" if self.left_out else "")


def share(notebooks: Notebooks) -> Share:
    """Counts over all notebooks."""
    total, left_out = 0, []
    for path, notebook in notebooks.items():
        for cell in code_cells(notebook):
            total += 1
            if why := uncompared(cell):
                left_out.append(f"{path} cell {cell.get('id', '?')}: {why}")
    return Share(total, tuple(left_out))


def code_cells(notebook: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The code cells that are not empty."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and text(cell["source"]).strip():
            yield cell


def uncompared(cell: Mapping[str, Any]) -> str:
    """Why nbval does not compare this cell; empty if it does."""
    tags = set(cell["metadata"].get("tags", ()))
    comments = {
        line.strip().lstrip("#").strip() for line in text(cell["source"]).split("\n") if line.strip()[:1] == "#"
    }
    if "live" in tags:
        return "live"
    if blinding := (tags & UNCOMPARED_TAGS) | (comments & UNCOMPARED_COMMENTS):
        return ", ".join(sorted(map(str, blinding)))
    if cell.get("execution_count") is None:
        return "never run"
    data = [set(output["data"]) for output in cell.get("outputs", ()) if "data" in output]
    return "a picture or widget only" if any(kinds <= NEVER_COMPARED for kinds in data) else ""


def text(value: str | Sequence[str]) -> str:
    """A multi-line string of a notebook file, which may be stored as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def stored(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """The committed notebooks."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).glob("*.ipynb"))
    return {path.relative_to(root).as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def report(root: Path = ROOT) -> str:
    """The published line."""
    return str(share(stored(root)))


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """`python -m course_utils compared`."""
    argparse.ArgumentParser(
        prog="course_utils compared", description="Says how many code cells nbval really compares."
    ).parse_args(argv)
    print(report(root))
    return 0
