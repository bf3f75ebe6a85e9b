"""Classrooms that hand over one submission, know themselves whose it is, and read a form of their own.

All paths are one learner's then. Neither form has a word for our own failure, so nothing is written where something could
not be checked: these classrooms tell an autograder that failed from a submission that did.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from course_utils.grade import classroom50, gradescope, handed_in
from course_utils.grade.handed_in import NoNotebook, NotHandedIn, Submission
from course_utils.grade.report import Report

LEARNER = "submission"
"""What the learner is called."""


def add_options(parser: argparse.ArgumentParser) -> None:
    for name, form in (
        ("--gradescope", "results.json of Gradescope"),
        ("--classroom50", "result.json of Classroom 50"),
    ):
        parser.add_argument(name, metavar="FILE", help=f"all paths are one learner's: {form}")


def asked(options: argparse.Namespace) -> bool:
    """Whether one of the forms is to be written; raises `NotHandedIn` where that is not possible."""
    lacking = classroom50.missing(os.environ) if options.classroom50 else []
    if lacking:
        raise NotHandedIn(f"--classroom50 is for a run of Classroom 50, which sets {', '.join(lacking)}")
    for path in filter(None, (options.gradescope, options.classroom50)):
        if not Path(path).resolve().parent.is_dir():
            raise NotHandedIn(f"there is no folder for {path!r}")
    return bool(options.gradescope or options.classroom50)


def collect(paths: Sequence[str]) -> list[Submission]:
    """The learner's notebooks; whoever hands in none has attempted nothing, and is told so in the form."""
    try:
        return [replace(one, student=LEARNER) for one in handed_in.collect(paths)]
    except NoNotebook:
        return []


def write(found: Report, options: argparse.Namespace) -> None:
    _write(found, options.gradescope, gradescope.to_results)
    _write(found, options.classroom50, partial(classroom50.to_result, environ=os.environ))


def _write(found: Report, path: str | None, make: Callable[[Report], str]) -> None:
    """Write it, or remove an older one, which must not be taken for this run's."""
    if path and found.unchecked:
        Path(path).unlink(missing_ok=True)
        print(f"{path} was not written: not everything could be checked", file=sys.stderr)
    elif path:
        Path(path).write_text(make(found), encoding="utf-8")
