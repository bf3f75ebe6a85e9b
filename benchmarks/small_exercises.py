"""Three small exercises, three calls each: what a submission costs when its answers cost nothing."""

from __future__ import annotations

from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.subject import Subject

CALLS: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "double": [((1,), 2), ((2.5,), 5.0), (("a",), "aa")],
    "join": [((1, 2), 3), (("a", "b"), "ab"), (([1], [2]), [1, 2])],
    "pick": [(({"a": 1}, "a"), 1), (([5, 6], 1), 6), (("xyz", 2), "z")],
}
ANSWERS = [
    "import openai",
    "def double(x): return 2 * x",
    "def join(a, b): return a + b",
    "def pick(t, k): return t[k]",
]
TEST = "\n".join(f"assert {name}(*{args!r}) == {result!r}" for name, calls in CALLS.items() for args, result in calls)
"""The same nine calls as a cell of the notebook, for graders that run it."""


def _exercise(id: str, name: str) -> Exercise:
    def check(answer: Subject, draw: Random) -> None:
        for args, result in CALLS[name]:
            if (got := answer.call(*args)) != result:
                raise NotYet("It returns something else.", given=repr(args), got=got, expected=result)

    hints = ("Look at one call.", "What goes in, what comes out?", "One line does it.")
    return Exercise(id, name, name, 5, 1, True, hints, "It says what it does.", check)


DOUBLE, JOIN, PICK = (_exercise(f"90.{number}", name) for number, name in enumerate(CALLS, 1))
