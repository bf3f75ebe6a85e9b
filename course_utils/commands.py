"""Small commands of ``python -m course_utils`` that have no module of their own. Each takes its arguments, returns a status."""

from __future__ import annotations

import sys

from course_utils import environment
from course_utils.checks import exercises, vocabulary


def doctor(argv: list[str]) -> int:
    environment.doctor()
    return 0 if environment.healthy() else 1


def progress(argv: list[str]) -> int:
    print(vocabulary.progress())
    return 0


def reset(argv: list[str]) -> int:
    if len(argv) != 1 or argv[0] not in exercises():
        print(f"reset wants one exercise of {', '.join(exercises())}, got {' '.join(argv) or 'none'}", file=sys.stderr)
        return 2
    print(vocabulary.reset(argv[0]))
    return 0
