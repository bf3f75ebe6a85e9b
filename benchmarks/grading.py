"""What grading costs: `python benchmarks/grading.py [LEVEL]`. It prints, it asserts nothing about speed.

First the time of one worker for one notebook once everything is warm: starting its process in a sandbox, running its
cells, asking its functions, ending it. Then two workers on the same notebooks, by this grader and by a pool of processes
that execute them with nbclient, and by `nbgrader autograde` where it is installed (one process; that is how it works).
They take turns in several rounds, so that a busy machine is as busy for each; what can be compared is the ratio.

The first notebook has three small answers and nine calls, which also stand in a cell, for those who grade by running it.
The second is the course's own solution to lesson 1, with its checks; here the grader asks them again, on more inputs.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import small_exercises

from course_utils import work
from course_utils.checks import add, exercise, exercises
from course_utils.grade import sandbox, workers
from course_utils.grade.marking import mark
from course_utils.grade.version import version
from course_utils.grade.workers import Task, Terms

SMALL = str(Path(small_exercises.__file__).resolve())
SMALL_IDS = ("90.1", "90.2", "90.3")
WORKERS, ROUNDS = 2, 3
OURS, THEIRS = 100, 4
"""Notebooks in a round; few of theirs, because each takes seconds."""


# ----------------------------------------------------------------------------------------------------------- the notebooks


def small(number: int) -> bytes:
    return _notebook([*small_exercises.ANSWERS, small_exercises.TEST, f"number = {number}"])


def solutions(number: int) -> bytes:
    path = next((work.ROOT / "solutions").glob("01*.ipynb"))
    return json.dumps(json.loads(path.read_text("utf-8")) | {"number": number}).encode()


def _notebook(sources: Iterable[str]) -> bytes:
    facts: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [facts | {"id": f"cell-{number}", "source": source} for number, source in enumerate(sources)]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


# --------------------------------------------------------------------------------------------------------------- one worker


def steps(level: str) -> None:
    start = time.perf_counter()
    box = sandbox.open_sandbox(level)
    print(f"{level}: warm after {time.perf_counter() - start:.1f} s")
    print(f"{'ms a submission, one worker':<42}{'least':>10}{'median':>10}")
    lesson = [id for id in exercises() if id.startswith("1.")]
    measure("a process, nothing in it", lambda: box.start().end(), 50)
    measure("three small answers, nine calls", lambda: mark(small(0), SMALL_IDS, box), 100)
    measure(f"the solutions to {len(lesson)} exercises", lambda: mark(solutions(0), lesson, box), 40)
    box.close()


def measure(name: str, run: Callable[[], Any], repeats: int) -> None:
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    print(f"{name:<42}{min(times[3:]):10.1f}{median(times[3:]):10.1f}")


# -------------------------------------------------------------------------------------------------------------- two workers


def ours(executor: Executor, make: Callable[[int], bytes], ids: Iterable[str], terms: Terms) -> list[float]:
    """Mark a round of notebooks; the seconds of each in its worker."""
    wanted = tuple((id, version(exercise(id))) for id in ids)
    found = list(workers.run([Task(zlib.compress(make(number)), wanted, terms) for number in range(OURS)], executor))
    refused = [verdict for _, marks in found for verdict in marks.verdicts.values() if not verdict.passed]
    assert not refused, refused[0]
    return [marks.seconds for _, marks in found]


def execute(data: bytes) -> float:
    """Run a notebook in a kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    start = time.perf_counter()
    book = nbformat.reads(data.decode(), as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3", extra_arguments=["--log-level=ERROR"]).execute()
    return time.perf_counter() - start


def nbclient(executor: Executor, make: Callable[[int], bytes]) -> list[float]:
    return list(executor.map(execute, [make(number) for number in range(THEIRS)]))


def compare(name: str, make: Callable[[int], bytes], ids: tuple[str, ...], terms: Terms) -> None:
    rates: dict[str, list[float]] = {"this grader": [], "nbclient": []}
    times: dict[str, list[float]] = {"this grader": [], "nbclient": []}
    with _pool() as mine, _pool() as theirs:
        ours(mine, make, ids, terms)
        list(theirs.map(execute, [_notebook(["1"])] * WORKERS))
        for _ in range(ROUNDS):
            for who, run in (
                ("nbclient", lambda: nbclient(theirs, make)),
                ("this grader", lambda: ours(mine, make, ids, terms)),
            ):
                start = time.perf_counter()
                times[who] += (found := run())
                rates[who].append(len(found) / (time.perf_counter() - start))
    print(f"\n{name}, {WORKERS} workers, {ROUNDS} rounds")
    for who, rate in rates.items():
        print(f"  {who:<16}{median(rate):8.2f} a second, median {median(times[who]) * 1000:.1f} ms in its worker")
    ratios = [a / b for a, b in zip(rates["this grader"], rates["nbclient"], strict=True)]
    print(f"  ratio: median {median(ratios):.0f}, least {min(ratios):.0f}, greatest {max(ratios):.0f}")


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn"))


# ----------------------------------------------------------------------------------------------------------------- nbgrader


def nbgrader(many: int = 6) -> None:
    program = shutil.which("nbgrader")
    if program is None:
        print("\nnbgrader autograde: not measured, because there is no nbgrader on the PATH")
        return
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        for name, data in _course(many):
            (course / name).parent.mkdir(parents=True, exist_ok=True)
            (course / name).write_bytes(data)
        _call(program, course, "generate_assignment", "ps1")
        start = time.perf_counter()
        _call(program, course, "autograde", "ps1")
        seconds = time.perf_counter() - start
        graded = len(list(course.glob("autograded/*/ps1/small.ipynb")))
    print(
        f"\nnbgrader autograde, three small answers: {graded / seconds:.2f} a second ({graded} notebooks, one process)"
    )


def _course(many: int) -> Iterator[tuple[str, bytes]]:
    """The files of a course with one assignment, whose only test cell has the nine calls."""
    made = json.loads(small(0))
    for number, cell in enumerate(made["cells"]):
        test = cell["source"] == small_exercises.TEST
        facts = {"schema_version": 3, "grade_id": f"cell-{number}", "grade": test, "solution": not test, "locked": test}
        cell["metadata"]["nbgrader"] = facts | ({"points": 3} if test else {})
    made["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    yield "nbgrader_config.py", b"c = get_config()\nc.CourseDirectory.course_id = 'speed'\n"
    for place in ("source", *(f"submitted/learner{number}" for number in range(many))):
        yield f"{place}/ps1/small.ipynb", json.dumps(made).encode()


def _call(program: str, course: Path, *words: str) -> None:
    subprocess.run([program, *words], cwd=course, check=True, capture_output=True)


def main() -> None:
    level, layers = workers.offer(sys.argv[1] if len(sys.argv) > 1 else None)
    os.environ |= {"COURSE_CLOCK": "virtual", "COURSE_WORK": tempfile.mkdtemp(prefix="course-work-")}
    add(SMALL)
    terms = Terms(level, layers, "benchmark", sources=(SMALL,))
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    steps(level)
    compare("three small answers, nine calls", small, SMALL_IDS, terms)
    compare("the solutions to lesson 1", solutions, tuple(id for id in exercises() if id.startswith("1.")), terms)
    nbgrader()
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
