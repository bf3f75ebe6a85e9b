"""``python -m course_utils grade PATHS...``: verdicts on notebooks, from the command line.

Exit code 0 if everything could be judged, 1 if something could not be checked, 2 if it was called wrongly.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from course_utils.grade import batch, handed_in, page, report, sandbox
from course_utils.grade.handed_in import NotHandedIn
from course_utils.grade.marking import Patience

WEAK = {
    sandbox.LIMITS_ONLY: "Without namespaces a hostile notebook may find files of this machine. Do not grade strangers' work so.",
    sandbox.NONE: "Nothing but a process of its own stands between a notebook and this machine. Grade only work you trust.",
}


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except (NotHandedIn, KeyError, ValueError, sandbox.OurFault) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course_utils grade",
        description="Puts verdicts on notebooks. Learners' code runs in a sandbox and is asked from outside, "
        "so nothing it prints, patches or pretends changes a mark.",
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="notebooks, folders, zips")
    add(
        "--exercise",
        action="append",
        default=[],
        metavar="ID",
        help="only this one (1.2) or this lesson (1); may be repeated",
    )
    add("--exercises", action="append", default=[], metavar="FILE", help="a Python file with exercises of your own")
    add("--json", metavar="FILE", help="everything, as JSON")
    add("--csv", metavar="FILE", help="a row for each learner and exercise")
    add("--junit", metavar="FILE", help="JUnit XML, for any CI")
    add("--html", metavar="FOLDER", help="a page for each learner")
    add("--name-pattern", metavar="REGEX", help="finds the learner in the path, with a group (?P<student>...)")
    add("--roster", metavar="FILE", help="CSV with the columns file,student; learners without a file are listed too")
    add(
        "--jobs",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="notebooks at a time (default: processors)",
    )
    add("--isolation", choices=sandbox.LEVELS, help="this level or none at all (default: the best that works here)")
    add("--patience", type=float, default=1.0, metavar="FACTOR", help="multiplies all time limits, for slow machines")
    add("--seed", help="of the inputs that learners don't see; the report has it, and with it the same ones come again")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _run(options: argparse.Namespace) -> int:
    for path in filter(None, (options.json, options.csv, options.junit)):
        if not Path(path).resolve().parent.is_dir():
            raise NotHandedIn(f"there is no folder for {path!r}")
    sources = [str(Path(source).resolve()) for source in options.exercises]
    for source in sources:
        batch.know(source)
    submissions = handed_in.collect(options.paths, options.name_pattern, options.roster)
    wanted = batch.chosen(options.exercise, submissions)
    level = _level(options.isolation)
    absent = sorted(set(handed_in.read_roster(options.roster).values())) if options.roster else []
    found = batch.grade(
        submissions,
        wanted,
        level=level,
        layers=sandbox.layers(level),
        seed=options.seed or secrets.token_hex(8),
        jobs=options.jobs,
        patience=Patience(*(getattr(Patience(), field.name) * options.patience for field in fields(Patience))),
        sources=sources,
        missing=absent,
        done=_progress(len(submissions)),
    )
    _write(found, options)
    print(report.to_terminal(found))
    if level in WEAK:
        print(f"\n{WEAK[level]}")
    return 1 if found.unchecked else 0


def _level(wanted: str | None) -> str:
    if wanted is None:
        return sandbox.best_level()
    if why := sandbox.works(wanted):
        raise NotHandedIn(f"isolation {wanted!r} can't be had on this machine: {why}")
    return wanted


def _progress(total: int) -> Callable[[], None]:
    """Counts on the terminal, where there is one to see it."""
    if not sys.stderr.isatty():
        return lambda: None
    count = 0

    def done() -> None:
        nonlocal count
        count += 1
        print(f"\r{count} of {total} notebooks", end="\n" if count == total else "", file=sys.stderr, flush=True)

    return done


def _write(found: report.Report, options: argparse.Namespace) -> None:
    for path, make in ((options.json, report.to_json), (options.csv, report.to_csv), (options.junit, report.to_junit)):
        if path:
            Path(path).write_text(make(found), encoding="utf-8", newline="")
    if options.html:
        page.write_pages(found, Path(options.html))
