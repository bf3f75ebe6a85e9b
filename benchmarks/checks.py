"""How long each check takes on a right answer: `python benchmarks/checks.py`. It prints, it asserts nothing.

Learners wait for checks, so most should take less than 50 ms and none more than a second, the first one included. The
set-up cell of a notebook, which imports everything, is measured apart.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_utils.checks.exercise import Answer, Exercise


def seconds(exercise: Exercise, answer: Answer) -> float:
    start = time.perf_counter()
    assert exercise.judge(answer).passed
    return time.perf_counter() - start


def main() -> None:
    start = time.perf_counter()
    from course_utils.checks.vocabulary import EXERCISES

    print(f"set-up cell: {(time.perf_counter() - start) * 1000:.0f} ms")
    print("check   first run   median of 20 (ms)")
    for exercise in EXERCISES.values():
        answer = exercise.right_answers[0]
        first = seconds(exercise, answer)
        usual = median(seconds(exercise, answer) for _ in range(20))
        print(f"{exercise.id:<7}{first * 1000:8.0f}{usual * 1000:13.1f}")


if __name__ == "__main__":
    main()
