"""``python -m course_utils COMMAND``: everything the course can be told from a command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent

KNOWN = {
    "lab": ("lab", "open JupyterLab on the start page"),
    "serve": ("serve", "run the mock LLM server on a port of this machine"),
    "measure": ("measure", "measure the latency of any endpoint that speaks Chat Completions"),
    "doctor": ("commands", "say what is missing on this machine, if anything"),
    "progress": ("commands", "list the exercises with their outcomes"),
    "reset": ("commands", "put the starter of one exercise back: reset 1.1"),
    "grade": ("grade.command", "put verdicts on notebooks; their code runs in a sandbox"),
    "export": ("export.command", "write the course for a class, nbgrader or Gradescope"),
    "build": ("build", "make the notebooks from source/; --check compares only"),
    "lint": ("lint", "check the shape of the notebooks"),
    "prove": ("prove", "judge wrong, right, hard-coded and mutated answers: is each check worth believing?"),
    "compared": ("compared", "say how many code cells nbval compares"),
}
# A class edition leaves out what only those who teach need.
COMMANDS = {name: known for name, known in KNOWN.items() if (HERE / f"{known[0].replace('.', '/')}.py").exists()}


def main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] not in COMMANDS:
        print(f"there is no command {argv[0]!r}\n{usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"course_utils.{COMMANDS[argv[0]][0]}")
    run = getattr(module, "main", None) or getattr(module, argv[0])
    return run(list(argv[1:])) or 0


def usage() -> str:
    lines = [f"  {name:<10}{help}" for name, (_, help) in COMMANDS.items()]
    return "\n".join(["usage: python3 start.py COMMAND [OPTIONS]", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
