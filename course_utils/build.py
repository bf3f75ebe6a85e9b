"""Builds the notebooks from the text that we edit.

A source is a Python file in py:percent form. One source of `source/lessons/` makes one notebook; one source of
`source/exercises/` makes two, the learner's and the solution. Every notebook is executed in a fresh kernel, in virtual
time, and stored with its outputs, so that nbval can compare each of them and a reader sees them without running.

Three rules:

- **Same text, same bytes.** Ids, execution counts and metadata come from the source; what is random (a widget's model
  id) is not stored. `build --check` is therefore a comparison of bytes.
- **Nothing half-done.** Everything is executed first; then each notebook is written beside the old one and moved over
  it. Whoever stops a build keeps whole notebooks.
- **No work behind a cell's back.** What a thread or a task prints after its cell has ended is lost or lands in another
  cell, as chance has it. So a cell that leaves one at work fails the build.

Marks in a source, all of them on the `# %%` line except the first:

    # solution            inside a code cell: the learner does not see the rest of this block
    tags=["solution"]     the cell stands in the solution only; tags=["starter"]: in the learner's notebook only
    tags=["live"]         real threads, sockets or clocks: executed, but stored and compared without output
    id="race"             a name for the cell, so that its id survives when cells are inserted above it
    exercise="1.1"        the answer cell of an exercise; check="1.1" its check cell
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPAIR = "python3 start.py build"
CELL_TIMEOUT = 60
KERNELS_AT_ONCE = 2  # a kernel mostly starts and imports: two of them fill the two cores of a CI machine

MARK = "# solution"
KNOWN_TAGS = {"live", "solution", "starter", "find-the-bug"}
KNOWN_KEYS = {"id", "tags", "exercise", "check"}
JUPYTEXT_KEYS = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker"}  # how the text was laid out
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

Points = Callable[[str], int]


class BuildError(Exception):
    """A source that can't become a notebook, or a cell that does not run."""


@dataclass(frozen=True)
class Face:
    """What is made of a kind of source: `folder` is where it goes, `hides` says which marked parts it leaves out."""

    source: str
    folder: str
    hides: str = ""

    @property
    def graded(self) -> bool:
        """Only exercises have answer and check cells and solution marks."""
        return self.source == "exercises"


FACES = (
    Face("lessons", "lessons"),
    Face("exercises", "exercises", hides="solution"),
    Face("exercises", "solutions", hides="starter"),
)


@dataclass(frozen=True)
class Cell:
    """A cell as the source has it: `key` names it within its notebook, `where` names it in a message."""

    kind: str
    text: str
    key: str
    where: str
    tags: tuple[str, ...] = ()
    exercise: str = ""
    check: str = ""


# ------------------------------------------------------------------------------------------------ from text to cells


def read_source(path: Path) -> list[Cell]:
    """The cells of a py:percent file, their marks checked."""
    try:
        import jupytext
    except ImportError as error:
        raise BuildError(
            "the build needs jupytext: `python3 start.py test` (or requirements-test.txt) brings it"
        ) from error
    parsed = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    prefix = _prefix(path.stem)
    return [_cell(raw, prefix, n, f"{path.name} cell {n}") for n, raw in enumerate(parsed.cells, start=1)]


def _prefix(name: str) -> str:
    """What all ids of a notebook begin with: `01` for `01_why_streaming_matters`."""
    number = re.match(r"\d+", name)
    return number.group() if number else re.sub(r"[^A-Za-z0-9]+", "-", name)[:20]


def _cell(raw: Any, prefix: str, position: int, where: str) -> Cell:
    """One cell of jupytext's, with the key that its marks or its position give it."""
    marks = {key: value for key, value in raw.metadata.items() if key not in JUPYTEXT_KEYS}
    first = raw.source.split("\n", 1)[0][:40]
    where = f"{where} ({first!r})"
    _refuse_unknown(marks, where)
    exercise, check = marks.get("exercise", ""), marks.get("check", "")
    key = f"{prefix}-{marks.get('id', f'c{position:02}')}"
    if exercise or check:
        key = _exercise_key(exercise, check, raw.cell_type, "id" in marks, where)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
        raise BuildError(f"{where}: the id {key!r} is not one: expected up to 64 letters, digits, - and _")
    return Cell(raw.cell_type, raw.source, key, where, tuple(marks.get("tags", ())), exercise, check)


def _refuse_unknown(marks: Mapping[str, Any], where: str) -> None:
    """A misspelt mark would change what learners see, so it stops the build."""
    if unknown := sorted(set(marks) - KNOWN_KEYS):
        raise BuildError(f"{where}: unknown mark {unknown[0]!r} on the %% line; the marks are {sorted(KNOWN_KEYS)}")
    if unknown := sorted(set(marks.get("tags", ())) - KNOWN_TAGS):
        raise BuildError(f"{where}: unknown tag {unknown[0]!r}; the tags are {sorted(KNOWN_TAGS)}")


def _exercise_key(exercise: str, check: str, kind: str, named: bool, where: str) -> str:
    """The id of a graded cell. It is part of nbgrader's gradebook, so it depends on the exercise alone."""
    number = exercise or check
    if (exercise and check) or named:
        raise BuildError(
            f"{where}: exercise, check and id exclude each other; graded cells are named by their exercise"
        )
    if kind != "code" or not re.fullmatch(r"\d+\.[0-9a-z]+", number):
        raise BuildError(f"{where}: expected a code cell with a number like '1.1', came a {kind} cell with {number!r}")
    return f"ex-{number.replace('.', '-')}" + ("-check" if check else "")


# --------------------------------------------------------------------------------- what learner and solution get to see


def starter(text: str) -> str:
    """The learner's text of a code cell: each block from a mark on becomes a place to write in.

    A block ends where a line stands further left than its mark. A mark in the first column leaves only the comment:
    `raise` there would stop Run All, so such a cell gives the answer a value (`ttft = None`) above the mark.
    """
    seen: list[str] = []
    for column, lines in pieces(text):
        seen += lines if column is None else _placeholder(column) + _blank_tail(lines)
    return "\n".join(seen)


def pieces(text: str) -> list[tuple[int | None, list[str]]]:
    """The text in turns: lines that everybody sees, with None, and hidden blocks, with the column of their mark."""
    found: list[tuple[int | None, list[str]]] = [(None, [])]
    for line in text.split("\n"):
        column = found[-1][0]
        if column is not None and line.strip() and _indent(line) < column:
            found.append((None, []))
        if line.strip() == MARK and found[-1][0] is None:
            found.append((_indent(line), []))
        else:
            found[-1][1].append(line)
    return found


def solution(text: str) -> str:
    """The solution's text of a code cell: all of it, without the marks."""
    return "\n".join(line for line in text.split("\n") if line.strip() != MARK)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _placeholder(column: int) -> list[str]:
    lines = ["# YOUR CODE HERE", "raise NotImplementedError"][: 2 if column else 1]
    return [" " * column + line for line in lines]


def _blank_tail(lines: list[str]) -> list[str]:
    """The blank lines at the end of a hidden block belong to what follows it."""
    count = next((n for n, line in enumerate(reversed(lines)) if line.strip()), len(lines))
    return [""] * count


def cells_of(cells: Iterable[Cell], face: Face) -> list[Cell]:
    """The cells as one face shows them."""
    shown = [cell for cell in cells if not face.hides or face.hides not in cell.tags]
    if not face.graded:
        _refuse_exercise_marks(shown)
        return shown
    show = starter if face.hides == "solution" else solution
    return [replace(cell, text=show(cell.text)) if cell.kind == "code" else cell for cell in shown]


def _refuse_exercise_marks(cells: Iterable[Cell]) -> None:
    for cell in cells:
        marked = cell.kind == "code" and MARK in map(str.strip, cell.text.split("\n"))
        if marked or cell.exercise or cell.check or {"solution", "starter"} & set(cell.tags):
            raise BuildError(f"{cell.where}: solution, starter, exercise and check belong into source/exercises")


def _refuse_odd_ids(cells: Iterable[Cell], label: str) -> None:
    """Ids are unique, and an exercise has both its cells: the grader finds answers by them."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        if other := seen.get(cell.key):
            raise BuildError(f"{label}: {other.where} and {cell.where} both have the id {cell.key!r}; rename one")
        seen[cell.key] = cell
    answers = {cell.exercise for cell in seen.values() if cell.exercise}
    checks = {cell.check for cell in seen.values() if cell.check}
    if alone := sorted(answers ^ checks):
        missing = "check" if alone[0] in answers else "exercise"
        raise BuildError(f'{label}: exercise {alone[0]} has no cell marked {missing}="{alone[0]}"')


# ---------------------------------------------------------------------------------------------- from cells to notebook


def registry_points(number: str) -> int:
    """The points of an exercise; the registry is their one place."""
    from course_utils import checks

    return checks.exercise(number).points


def notebook(cells: Sequence[Cell], label: str, points: Points) -> dict[str, Any]:
    """The notebook, not yet executed."""
    _refuse_odd_ids(cells, label)
    metadata = json.loads(json.dumps(METADATA))  # the kernel client writes into it
    return {
        "cells": [_notebook_cell(cell, points) for cell in cells],
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _notebook_cell(cell: Cell, points: Points) -> dict[str, Any]:
    tags = [tag for tag in cell.tags if tag not in ("solution", "starter")]
    tags += ["nbval-ignore-output"] if "live" in tags else []
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    if cell.exercise or cell.check:
        metadata["nbgrader"] = _nbgrader(cell, points)
    made: dict[str, Any] = {"cell_type": cell.kind, "id": cell.key, "metadata": metadata, "source": cell.text}
    if cell.kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made


def _nbgrader(cell: Cell, points: Points) -> dict[str, Any]:
    """nbgrader's schema 3: an answer is a solution, a check is graded and locked."""
    graded = bool(cell.check)
    made: dict[str, Any] = {
        "schema_version": 3,
        "grade": graded,
        "solution": not graded,
        "locked": graded,
        "task": False,
        "grade_id": cell.key,
    }
    return made | {"points": _whole_points(cell, points)} if graded else made


def _whole_points(cell: Cell, points: Points) -> int:
    """Whole, because some classroom systems take no others."""
    try:
        came = points(cell.check)
    except (LookupError, ValueError) as error:
        raise BuildError(f"{cell.where}: the registry has no exercise {cell.check!r}: {error}") from error
    if type(came) is not int or came < 0:
        raise BuildError(f"{cell.where}: the points of {cell.check} must be a whole number, came {came!r}")
    return came


# ------------------------------------------------------------------------------------------------------------ execution


def kernel_env(root: Path, home: Path) -> dict[str, str]:
    """The environment of a kernel: virtual time, no endpoint, none of the builder's own settings or files."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("COURSE_", "OPENAI_"))}
    paths = [str(root), str(ROOT), *env.get("PYTHONPATH", "").split(os.pathsep)]
    for name in ("work", "ipython", "tmp"):
        (home / name).mkdir()
    return env | {
        "COURSE_CLOCK": "virtual",
        "COURSE_WORK": str(home / "work"),
        "IPYTHONDIR": str(home / "ipython"),
        "TMPDIR": str(home / "tmp"),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path)),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger greets on the builder's terminal
    }


def background() -> set[str]:
    """Threads and asyncio tasks that are at work in this process; asked inside the kernel."""
    threads = {f"thread {thread.name!r} ({thread.ident})" for thread in threading.enumerate() if _at_work(thread)}
    return threads | _tasks()


def _at_work(thread: threading.Thread) -> bool:
    """Whether a thread runs something: the idle worker of a pool waits for work and can't print.

    A worker that has just delivered its result gets a moment to return to its waiting place.
    """
    for _ in range(10):
        frame = sys._current_frames().get(thread.ident or 0)
        if frame is None or thread.name.startswith("AnyIO worker"):
            return False
        if not _in_pool(frame):
            return True
        if frame.f_code.co_name == "_worker":
            return False
        time.sleep(0.01)
    return True


def _in_pool(frame: FrameType | None) -> bool:
    """Whether a stack belongs to a worker of `concurrent.futures`."""
    while frame is not None:
        if frame.f_code.co_name == "_worker" and frame.f_globals.get("__name__") == "concurrent.futures.thread":
            return True
        frame = frame.f_back
    return False


def _tasks() -> set[str]:
    """Unfinished tasks of the running loop, by the name of their coroutine."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs in this thread
        return set()
    return {f"task {getattr(task.get_coro(), '__qualname__', task.get_name())}" for task in tasks}


async def execute(made: dict[str, Any], label: str, root: Path, timeout: int) -> None:
    """Runs all cells of a notebook in a fresh kernel, in the notebook's folder, and puts the outputs in."""
    from nbclient import NotebookClient
    from nbformat import from_dict

    folder = (root / label).parent
    folder.mkdir(parents=True, exist_ok=True)
    node = from_dict(made)
    client = NotebookClient(
        node,
        timeout=timeout,
        coalesce_streams=True,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # else each kernel warns that loopback is not encrypted
    )
    client.create_kernel_manager()
    with tempfile.TemporaryDirectory(prefix="course-build-") as home:
        whole = False
        try:
            await client.async_start_new_kernel(cwd=str(folder), env=kernel_env(root, Path(home)))
            await client.async_start_new_kernel_client()
            await _run_cells(client, label)
            whole = True
        finally:
            await _stop(client, now=not whole)
    made.update(node)


async def _run_cells(client: Any, label: str) -> None:
    """Runs the cells one by one; the first that fails, or leaves something at work, ends the build.

    A live cell may: it starts a server that later cells talk to. By the end everything must be closed.
    """
    begin = found = await _background(client)
    for index, cell in enumerate(client.nb.cells):
        if cell.cell_type != "code":
            continue
        await _run_cell(client, index, label)
        now = await _background(client)
        if "live" not in cell.metadata.get("tags", ()):
            _refuse_leftover(now - found, f"{label} cell {cell.id}")
        found = now
    _refuse_leftover(found - begin, f"{label}, after its last cell")


def _refuse_leftover(left: set[str], where: str) -> None:
    if left:
        raise BuildError(f"{where}: still at work: {', '.join(sorted(left))}; join, await or close it")


async def _run_cell(client: Any, index: int, label: str) -> None:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    cell = client.nb.cells[index]
    where, head = f"{label} cell {cell.id}", "\n".join(f"    {line}" for line in cell.source.split("\n")[:3])
    try:
        await client.async_execute_cell(cell, index)
    except CellExecutionError as error:
        trace = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback).strip().split("\n")[-12:]
        raise BuildError(f"{where} raised {error.ename}: {error.evalue}\n{head}\n" + "\n".join(trace)) from None
    except CellTimeoutError:
        raise BuildError(f"{where} ran longer than {client.timeout} s; a cell must end by itself\n{head}") from None
    except DeadKernelError:
        raise BuildError(f"{where}: the kernel died\n{head}") from None


async def _background(client: Any) -> set[str]:
    """What `background` says inside the kernel; the question leaves no trace in the notebook."""
    ask = 'sorted(__import__("course_utils.build", fromlist=["build"]).background())'
    reply = await client.kc.execute_interactive(
        "", silent=True, store_history=False, allow_stdin=False, user_expressions={"at_work": ask}, timeout=30
    )
    answer = reply["content"]["user_expressions"]["at_work"]
    if answer["status"] != "ok":
        raise BuildError(f"the kernel can't import course_utils.build: {answer['ename']}: {answer['evalue']}")
    return set(ast.literal_eval(answer["data"]["text/plain"]))


async def _stop(client: Any, *, now: bool) -> None:
    """Ends the kernel; at once if it did not finish, because it may hang."""
    if client.kc is not None:
        client.kc.stop_channels()
    if client.km.has_kernel:
        await client.km.shutdown_kernel(now=now)


# -------------------------------------------------------------------------------------------------------- normal form


def normalise(made: dict[str, Any], label: str) -> None:
    """Removes what differs from run to run or machine to machine and is not an output."""
    made["metadata"] = METADATA
    count = 0
    for cell in made["cells"]:
        if cell["cell_type"] != "code" or not cell["source"].strip():
            continue
        count += 1
        cell["execution_count"] = count
        live = "live" in cell["metadata"].get("tags", ())
        outputs = () if live else cell["outputs"]
        cell["outputs"] = [_normal_output(output, count, f"{label} cell {cell['id']}") for output in outputs]


def _normal_output(output: dict[str, Any], count: int, where: str) -> dict[str, Any]:
    """A widget's view holds a random id and shows nothing without a kernel; its text stays."""
    if output["output_type"] == "execute_result":
        output["execution_count"] = count
    if WIDGET_VIEW in output.get("data", {}):
        del output["data"][WIDGET_VIEW]
        if not output["data"]:
            raise BuildError(f"{where}: a widget without a text; give it a __repr__ and a text/plain")
    return output


def serialise(made: dict[str, Any]) -> str:
    """The bytes of a notebook, as Jupyter writes them."""
    import nbformat

    node = nbformat.from_dict(made)
    nbformat.validate(node)
    return nbformat.writes(node, version=4) + "\n"  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------------- the whole course


def plan(root: Path, names: Sequence[str] = ()) -> list[tuple[Path, Face]]:
    """Each source with each face it gets; `names` picks those whose name contains one of them."""
    chosen = [
        (path, face)
        for face in FACES
        for path in sorted((root / "source" / face.source).glob("*.py"))
        if not names or any(name in path.stem for name in names)
    ]
    if not chosen:
        raise BuildError(f"no source in {root / 'source'} matches {' '.join(names) or '*.py'}")
    return chosen


def build(
    root: Path, names: Sequence[str] = (), *, points: Points = registry_points, timeout: int = CELL_TIMEOUT
) -> dict[str, str]:
    """Builds in memory: from the notebook's path below `root` to its text. Writes nothing."""
    made = {}
    for path, face in plan(root, names):
        label = f"{face.folder}/{path.stem}.ipynb"
        made[label] = notebook(cells_of(read_source(path), face), label, points)
    asyncio.run(_execute_all(made, root, timeout))
    for label, one in made.items():
        normalise(one, label)
    return {label: serialise(one) for label, one in made.items()}


async def _execute_all(made: Mapping[str, dict[str, Any]], root: Path, timeout: int) -> None:
    """Executes all notebooks; every one that fails is named, not only the first."""
    turn = asyncio.Semaphore(KERNELS_AT_ONCE)

    async def one(label: str) -> None:
        async with turn:
            await execute(made[label], label, root, timeout)

    results = await asyncio.gather(*map(one, made), return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    for error in failed:
        if not isinstance(error, BuildError):
            raise error
    if failed:
        raise BuildError("\n\n".join(map(str, failed)))


def write(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Writes the notebooks that changed, each whole or not at all; gives their paths.

    An unchanged one is left alone, so that an open JupyterLab does not ask about it.
    """
    changed = [label for label, text in texts.items() if _stored(root / label) != text]
    for label in changed:
        beside = (root / label).with_suffix(".ipynb.new")
        beside.write_text(texts[label], encoding="utf-8", newline="\n")
        os.replace(beside, root / label)
    return changed


def _stored(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else None


# ------------------------------------------------------------------------------------------------------------- check


def stale(root: Path, texts: Mapping[str, str]) -> list[str]:
    """One line for each notebook that is not what its source gives."""
    lines = []
    for label, text in texts.items():
        stored = _stored(root / label)
        if stored is None:
            lines.append(f"{label}: missing")
        elif stored != text:
            lines.append(f"{label}: {difference(stored, text)}")
    return lines


def orphans(root: Path) -> list[str]:
    """Built notebooks without a source: nothing keeps them true."""
    wanted = {f"{face.folder}/{path.stem}.ipynb" for path, face in plan(root)}
    there = {f"{face.folder}/{path.name}" for face in FACES for path in (root / face.folder).glob("*.ipynb")}
    return sorted(there - wanted)


def difference(stored: str, built: str) -> str:
    """Where two texts of a notebook first differ: the cell, and the line in both."""
    try:
        old, new = json.loads(stored)["cells"], json.loads(built)["cells"]
    except (ValueError, KeyError, TypeError):
        return "the stored file is not a notebook (a merge conflict?)"
    nothing: dict[str, Any] = {}
    for before, after in zip_longest(old, new, fillvalue=nothing):
        for was, now in zip_longest(_lines(before), _lines(after), fillvalue=""):
            if was != now:
                return f"cell {(after or before).get('id')}: stored {_around(was, now)}, built {_around(now, was)}"
    return "the cells agree, the notebook's metadata or layout does not"


def _lines(cell: Mapping[str, Any]) -> list[str]:
    return json.dumps(cell, indent=1, sort_keys=True, ensure_ascii=False).split("\n")


def _around(line: str, other: str) -> str:
    """The part of a line where it departs from another."""
    at = next((n for n, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), min(len(line), len(other)))
    begin = max(0, at - 30)
    return ("…" if begin else "") + line[begin : at + 40].strip()


def check(root: Path, names: Sequence[str] = (), *, points: Points = registry_points) -> list[str]:
    """What is wrong with the committed notebooks, and the command that repairs it; empty when all is well."""
    lines = stale(root, build(root, names, points=points))
    if lines:
        lines.append(f"repair: {REPAIR}")
    alone = [] if names else orphans(root)
    lines += [f"{label}: no source makes it\nrepair: git rm {label}" for label in alone]
    return lines


def main(argv: Sequence[str], root: Path = ROOT, points: Points = registry_points) -> int:
    """`python -m course_utils build [NAME ...] [--check]`."""
    parser = argparse.ArgumentParser(prog="course_utils build", description="Builds the notebooks from source/.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only sources whose name contains NAME")
    parser.add_argument("--check", action="store_true", help="write nothing; say which notebooks are stale")
    options = parser.parse_args(argv)
    begin = time.perf_counter()
    try:
        lines = list(_run(root, options.names, options.check, points))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the notebooks are as they were", file=sys.stderr)
        return 130
    print("\n".join(lines) or f"{_count(root, options.names)} are up to date ({time.perf_counter() - begin:.1f} s)")
    return 1 if lines and options.check else 0


def _run(root: Path, names: Sequence[str], only_check: bool, points: Points) -> Iterator[str]:
    if only_check:
        yield from check(root, names, points=points)
    else:
        yield from (f"wrote {label}" for label in write(root, build(root, names, points=points)))


def _count(root: Path, names: Sequence[str]) -> str:
    return f"{len(plan(root, names))} notebooks"
