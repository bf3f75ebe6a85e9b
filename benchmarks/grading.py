"""What a submission costs once everything is warm: `python benchmarks/grading.py [LEVEL]`. It prints, it asserts nothing.

The time of one worker for one notebook: starting its process in a sandbox, running its cells, asking its functions, ending
it. The first notebook is three small answers and nine calls, the second the course's own solutions to lesson 1.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from course_utils import work
from course_utils.checks import exercises
from course_utils.checks.exercise import Exercise
from course_utils.grade import sandbox
from course_utils.grade.marking import mark
from course_utils.grade.remote import Line, RemoteSubject

SMALL = ["import openai", "def double(x): return 2 * x", "def join(a, b): return a + b", "def pick(t, k): return t[k]"]
CALLS = {
    "double": [((1,), 2), ((2.5,), 5.0), (("a",), "aa")],
    "join": [((1, 2), 3), (("a", "b"), "ab"), (([1], [2]), [1, 2])],
    "pick": [(({"a": 1}, "a"), 1), (([5, 6], 1), 6), (("xyz", 2), "z")],
}


def small(box: sandbox.Sandbox) -> None:
    with sandbox.on_one_processor():
        _small(box)


def _small(box: sandbox.Sandbox) -> None:
    process = box.start()
    line = Line(process.lines)
    line.request({"do": "begin", "names": list(CALLS)})
    for number, source in enumerate(SMALL, 1):
        line.request({"do": "cell", "number": number, "source": source, "only_definitions": False})
    for name, calls in CALLS.items():
        subject = RemoteSubject(line, name)
        assert all(subject.call(*args) == result for args, result in calls)
    process.end()


def solutions() -> tuple[bytes, list[str]]:
    path = next((work.ROOT / "solutions").glob("01*.ipynb"))
    known: dict[str, Exercise] = exercises()
    return json.dumps(json.loads(path.read_text("utf-8"))).encode(), [id for id in known if id.startswith("1.")]


def measure(name: str, run: Callable[[], Any], repeats: int) -> None:
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    print(f"{name:<34}{min(times[3:]):10.1f}{median(times[3:]):10.1f}")


def main() -> None:
    level = sys.argv[1] if len(sys.argv) > 1 else sandbox.best_level()
    start = time.perf_counter()
    box = sandbox.open_sandbox(level)
    print(
        f"{level}: warm after {time.perf_counter() - start:.1f} s\n{'ms a submission':<34}{'least':>10}{'median':>10}"
    )
    data, ids = solutions()
    measure("a process, nothing in it", lambda: box.start().end(), 50)
    measure("three small answers, nine calls", lambda: small(box), 100)
    measure(f"the solutions to {len(ids)} exercises", lambda: mark(data, ids, box), 40)
    for id in ids:
        measure(f"the solution to {id} alone", lambda id=id: mark(data, [id], box), 20)  # type: ignore[misc]
    box.close()


if __name__ == "__main__":
    main()
