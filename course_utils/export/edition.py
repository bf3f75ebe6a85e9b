"""The class edition: the course for learners whose answers count, without what gives answers away.

Left out are the solutions and their reasons, the bank of wrong and right answers, and the last hint of each exercise. The
checks stay, because learners need them, but without any function that computes what is right: of such a function the edition
has the values for the inputs of the notebook (`course_utils.checks.expected`). The grader asks with other inputs, and with
the whole course, so whoever learns the table by heart has learnt nothing.

What a check needs is found from its text: the function `check`, the exercise, and whatever these two use.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from course_utils import build
from course_utils.checks import MODULES, exercises, texts
from course_utils.checks.exercise import Exercise
from course_utils.checks.expected import noted

COPIED = (
    ".gitignore",
    "start.py",
    "requirements.txt",
    "pyproject.toml",
    "environment.yml",
    "LICENSE",
    "lessons",
    "exercises",
    "docs/references.md",
)
"""Beside the package. Sources, solutions, tests and everything for authors stay at home."""
TEACHERS = ("grade", "export", "prove.py", "mutants.py", "tapes.py", "children.py", "lint.py", "compared.py")
"""Of the package, what learners have no use for."""
LAST_HINT = "The last hint says nearly the whole answer, and this class keeps it: ask whoever teaches you."
README = """# Streaming and response modes of LLM APIs: class edition

A course in Jupyter notebooks that needs no key, no network and no money. You need Python 3.11 or newer; then

```
python3 start.py
```

makes an environment of its own (about a minute, once) and opens JupyterLab on the start page. Your notebooks are in `work/`.
On Windows write `py start.py`.

`check("1.1", your_function)` in a notebook tells you at once what is missing, `hint("1.1")` helps. Hand in the notebooks of
`work/exercises`: they are marked with other inputs than those you see.

This edition has no solutions. Code: MIT; texts: CC BY 4.0 (LICENSE).
"""


def write(folder: Path, *, last_hint: bool = False, root: Path = build.ROOT) -> None:
    """Write the edition into a new folder; with ``last_hint`` hints have all three levels."""
    if folder.exists() and any(folder.iterdir()):
        raise build.BuildError(f"{folder} is not empty: name a new folder for the class edition")
    table = expectations(exercises().values())
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        _copy(root / name, folder / name)
    shutil.copytree(root / "course_utils", folder / "course_utils", ignore=_left_out)
    checks = folder / "course_utils" / "checks"
    for module in MODULES:
        path = checks / f"{module}.py"
        path.write_text(without_answers(path.read_text("utf-8"), last_hint=last_hint), encoding="utf-8", newline="\n")
    values = dict(sorted(table.items()))  # by their keys alone: the order inside of a value is what a learner reads
    (checks / "expected.json").write_text(json.dumps(values, indent=0) + "\n", encoding="ascii")
    (folder / "README.md").write_text(README, encoding="utf-8", newline="\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    else:
        shutil.copy(source, target)


def _left_out(folder: str, names: list[str]) -> set[str]:
    at_top = Path(folder).name == "course_utils"
    return {name for name in names if name == "__pycache__" or name.startswith(".") or (at_top and name in TEACHERS)}


def expectations(known: Iterable[Exercise]) -> dict[str, object]:
    """What is right for all inputs of the notebooks: what the checks compute while they judge the solutions."""
    with noted() as table:
        for exercise in known:
            names: dict[str, object] = {}
            exec(texts.solution(exercise), names)
            verdict = exercise.judge(names.get(exercise.function))
            if not verdict.passed:
                raise build.BuildError(
                    f"the solution of {exercise.id} does not pass, so it can't say what is right: {verdict}"
                )
    return table


# ---------------------------------------------------------------------------------------------------- a check by itself


def without_answers(source: str, *, last_hint: bool = False) -> str:
    """The text of a check's module without bank, reason, and functions that compute what is right."""
    tree = ast.parse(source)
    wanted = {"check", "EXERCISE", "annotations", *_imported_for_the_effect(tree.body)}
    statements = [one for one in tree.body if _is_exercise(one) or "EXERCISE" not in _used(one)]
    for statement in statements:
        if isinstance(statement, ast.FunctionDef) and _says_what_is_right(statement):
            statement.body = [ast.Expr(ast.Constant(...))]
        if isinstance(statement, ast.Assign) and _is_exercise(statement):
            _keep_quiet(statement.value, last_hint)
    kept = ast.Module(_needed(statements, wanted), [])
    return f"{ast.unparse(ast.fix_missing_locations(kept))}\n"


def _is_exercise(statement: ast.stmt) -> bool:
    return "EXERCISE" in _defined(statement)


def _says_what_is_right(function: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "expectation" for one in function.decorator_list)


def _keep_quiet(made: ast.expr, last_hint: bool) -> None:
    """Take the reason, which is told with the solution, and the last hint out of ``Exercise(...)``."""
    assert isinstance(made, ast.Call)
    for keyword in made.keywords:
        if keyword.arg == "reason":
            keyword.value = ast.Constant("")
        elif keyword.arg == "hints" and isinstance(keyword.value, ast.Tuple) and not last_hint:
            keyword.value.elts[-1] = ast.Constant(LAST_HINT)


def _needed(statements: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The module's docstring, and those statements that ``wanted`` names need, directly or not."""
    known = set[str]()
    while wanted != known:
        known = set(wanted)
        wanted |= {name for one in statements if _defined(one) & known for name in _used(one)}
    first = statements[0]
    return [one for one in statements if one is first or _defined(one) & known]


def _imported_for_the_effect(statements: list[ast.stmt]) -> set[str]:
    used = {name for one in statements for name in _used(one)}
    return {name for one in statements if isinstance(one, ast.Import) for name in _defined(one) - used}


def _defined(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module gives a meaning."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return set()


def _used(statement: ast.stmt) -> set[str]:
    return {one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
