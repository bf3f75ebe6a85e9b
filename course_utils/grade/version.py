"""Which edition of an exercise a verdict is about, so that one of another edition is not taken for it.

An edition is the code that can change a verdict: the file with the exercise, and all code of the course but the other
exercises. That is more than need be, and it is seen at once; a list of what matters would be wrong one day, and unseen.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from course_utils.checks.exercise import Exercise

PACKAGE = Path(__file__).resolve().parent.parent


def version(exercise: Exercise) -> str:
    """Sixteen hexadecimal digits, others for each edition."""
    return _version(exercise.id, exercise.check.__module__)


@functools.cache
def _version(id: str, module: str) -> str:
    digest = hashlib.sha256(f"{id} {_course()}".encode())
    digest.update(Path(str(sys.modules[module].__file__)).read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _course() -> str:
    digest = hashlib.sha256()
    for path in _code():
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\n")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _code() -> Iterator[Path]:
    """The course's code without exercises; each of these is a file of its own, and told by itself."""
    exercises = PACKAGE / "checks"
    return (path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != exercises or path.stem[:3] != "ex_")
