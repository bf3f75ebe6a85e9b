"""Checks: what an exercise asks, what its check believes, and what the learner is told.

`vocabulary` holds the words of the notebooks (check, hint, predict ...), `exercise` and `subject` what a check is made of,
and one module an exercise. An exercise is known once it stands in `MODULES`.
"""

from __future__ import annotations

import functools
import importlib

from course_utils.checks.exercise import Exercise

MODULES = ("ex_1_1", "ex_1_2", "ex_1_3", "ex_1_4")


@functools.cache
def exercises() -> dict[str, Exercise]:
    """All exercises by id, in the order of the course."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in MODULES]
    return {module.EXERCISE.id: module.EXERCISE for module in modules}


def exercise(id: str) -> Exercise:
    """The exercise called ``id``; raises KeyError naming those there are."""
    if id not in exercises():
        raise KeyError(f"there is no exercise {id!r}; there are {', '.join(exercises())}")
    return exercises()[id]
