"""Checks: what an exercise asks, what its check believes, and what the learner is told.

`vocabulary` holds the words of the notebooks (check, hint, predict ...), `exercise` and `subject` what a check is made of,
and one module an exercise. An exercise is known once it stands in `MODULES`, or once `add` has read it from a file of
somebody else.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from pathlib import Path

from course_utils.checks.exercise import Exercise

EXERCISES = {1: 4, 2: 4, 3: 4, 4: 5, 5: 4, 6: 4, 7: 4}
"""How many each lesson has."""
MODULES = tuple(f"ex_{lesson}_{number + 1}" for lesson, count in EXERCISES.items() for number in range(count))


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


def load(path: Path | str) -> list[Exercise]:
    """The exercises that a Python file defines; raises ValueError if there are none."""
    path = Path(path).resolve()
    spec = importlib.util.spec_from_file_location(f"exercises_from_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"expected a Python file with exercises, there is none at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass in that file looks its module up
    spec.loader.exec_module(module)
    found = {value.id: value for value in vars(module).values() if isinstance(value, Exercise)}
    if not found:
        raise ValueError(f"{path} defines no exercise: expected EXERCISE = Exercise(...)")
    return list(found.values())


def add(path: Path | str) -> list[Exercise]:
    """Make the exercises of a file known in this process; raises ValueError for a number that the course uses itself."""
    found, known = load(path), exercises()
    for one in found:
        if one.id in known and known[one.id].check.__module__.startswith(__name__):
            raise ValueError(f"{one.id} is an exercise of the course: give {one.title} another number")
    known.update((one.id, one) for one in found)
    return found
