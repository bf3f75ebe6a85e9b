"""A notebook's code cells, run one after the other as a kernel would, and the functions they define."""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import re
import sys
import types
from collections.abc import Iterable
from typing import Any

from course_utils.clock import VirtualClock, course_clock, run

FOREIGN = (
    "bash",
    "sh",
    "script",
    "html",
    "javascript",
    "js",
    "latex",
    "markdown",
    "svg",
    "perl",
    "ruby",
    "writefile",
    "file",
)
"""Cell magics whose text is no Python."""

WORDS = ("check", "glossary", "hint", "predict", "progress", "reset", "reveal", "solution", "print", "display")
"""Functions of the course, and two of Python's, that leave nothing behind."""

MAGIC = re.compile(r"^(?P<indent>\s*)(?P<target>[\w, ]+=\s*)?[%!?]|^(?P<help>\s*[\w.]+\?{1,2}\s*$)")
AWAITS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class Quiet:
    """What a cell may call without a notebook around it: `display`, `get_ipython`. Nothing happens."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Quiet:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class Cells:
    """The namespace in which cells run. ``watched`` are the names whose values are remembered, the older ones too."""

    def __init__(self, watched: Iterable[str]) -> None:
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module
        self.module.__dict__.update(display=Quiet(), get_ipython=lambda: Quiet(), In=[""], Out={})
        self.more = False
        self._versions: dict[str, list[Any]] = {name: [] for name in watched}

    def run(self, number: int, source: str, *, only_definitions: bool = False) -> bool:
        """Run one cell; True if it does more than define, in which case it may be left out. Raises what it raises."""
        code, more = _code(number, source)
        if code is None or (more and only_definitions):
            return more
        self.more = more  # for one that raises
        try:
            result = eval(code, self.module.__dict__)
            if inspect.iscoroutine(result):
                clock = course_clock()
                run(result, clock if isinstance(clock, VirtualClock) else None)
        finally:
            self._note()
        return more

    def _note(self) -> None:
        for name, versions in self._versions.items():
            value = self.module.__dict__.get(name)
            if value is not None and not any(value is one for one in versions[-1:]):
                versions.append(value)

    def versions(self, name: str) -> list[Any]:
        """All values that ``name`` has had, the latest last."""
        return self._versions.get(name, [])

    def defined(self) -> list[str]:
        """The functions and classes the cells define, for a message about one that is missing."""
        with contextlib.suppress(RuntimeError):  # a thread that defines more of them meanwhile
            found = [
                name for name, value in self.module.__dict__.items() if isinstance(value, types.FunctionType | type)
            ]
            return [name for name in found if getattr(self.module.__dict__[name], "__module__", "") == "__main__"][:20]
        return []


def _code(number: int, source: str) -> tuple[types.CodeType | None, bool]:
    """The cell compiled, its magics replaced, and whether it does more than define; None for another language."""
    python = _without_cell_magic(source)
    if python is None:
        return None, False
    name = f"<cell {number}>"
    tree, python = _parsed(python, name)
    lines = python.splitlines(keepends=True)
    linecache.cache[name] = (len(python), None, lines, name)
    code: types.CodeType = compile(tree, name, "exec", flags=AWAITS, dont_inherit=True)
    return code, not all(map(_only_defines, tree.body))


def _without_cell_magic(source: str) -> str | None:
    while (found := re.match(r"\s*%%(\w*)[^\n]*(\n|$)", source)) is not None:
        if found.group(1) in FOREIGN:
            return None
        source = "\n" * found.group(0).count("\n") + source[found.end() :]
    return source


def _parsed(source: str, name: str) -> tuple[ast.Module, str]:
    """The cell's tree. A line is replaced only where Python itself stumbles over it, so a % in a text stays."""
    lines = source.split("\n")
    for _ in range(len(lines) + 1):
        text = "\n".join(lines)
        try:
            return compile(text, name, "exec", ast.PyCF_ONLY_AST | AWAITS, dont_inherit=True), text
        except SyntaxError as error:
            at = _magic_near(lines, error)
            if at is None:
                raise
            lines[at] = _replaced(lines[at])
    raise SyntaxError(f"too many odd lines in {name}")


def _magic_near(lines: list[str], error: SyntaxError) -> int | None:
    """The line that Python stumbled over, if it is a magic one; after `if x:` it complains about the line itself."""
    at = (error.lineno or 0) - 1
    return at if 0 <= at < len(lines) and MAGIC.match(lines[at]) else None


def _replaced(line: str) -> str:
    found = MAGIC.match(line)
    target = found.group("target") if found else None
    indent = line[: len(line) - len(line.lstrip())]
    return f"{indent}{target.strip()} []" if target else f"{indent}pass"


def _only_defines(statement: ast.stmt) -> bool:
    """Whether a statement gives things a name, or says one of the course's words, and does nothing else."""
    if isinstance(
        statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass
    ):
        return True
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        return names and not _calls(statement)
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    said = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in WORDS
    return isinstance(value, ast.Constant) or (said and _calls(value) == 1)


def _calls(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Call | ast.Await | ast.NamedExpr) for node in ast.walk(tree))
