"""``python -m course_utils export FORM ...``: the course for somebody else's classroom, from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from course_utils.build import BuildError
from course_utils.export import edition, gradescope, nbgrader
from course_utils.grade import batch


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        for line in options.run(options):
            print(line)
    except (BuildError, KeyError, OSError) as error:
        print(error.args[0] if isinstance(error, KeyError) else error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course_utils export", description="Writes the course in the form of somebody else's classroom."
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")
    three = forms.add_parser(
        "class", help="the course for learners, without solutions and what else gives answers away"
    )
    three.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    three.add_argument("--last-hint", action="store_true", help="keep the last hint of each exercise")
    three.set_defaults(run=_class)
    one = forms.add_parser("nbgrader", help="assignments of nbgrader, with solutions and test cells")
    one.add_argument("folder", type=Path, metavar="DIR", help="the course directory of nbgrader")
    one.add_argument("names", nargs="*", metavar="NAME", help="only assignments whose name contains NAME")
    one.set_defaults(run=_nbgrader)
    two = forms.add_parser("gradescope", help="the zip of an autograder for Gradescope")
    two.add_argument("file", type=Path, metavar="FILE.zip", help="the zip to write")
    two.add_argument(
        "--exercise",
        action="append",
        required=True,
        metavar="ID",
        help="to mark (1.2), or a lesson (1); may be repeated",
    )
    two.set_defaults(run=_gradescope)
    return parser


def _nbgrader(options: argparse.Namespace) -> list[str]:
    return [f"wrote {path}" for path in nbgrader.write(options.folder, options.names)]


def _gradescope(options: argparse.Namespace) -> list[str]:
    marked = batch.chosen(options.exercise, [])
    gradescope.write(options.file, options.exercise)
    points = sum(one.points for one in marked)
    return [f"wrote {options.file}: {', '.join(one.id for one in marked)}, {points} points together"]


def _class(options: argparse.Namespace) -> list[str]:
    edition.write(options.folder, last_hint=options.last_hint)
    return [f"wrote {options.folder}: give learners this folder, and grade with the whole course"]
