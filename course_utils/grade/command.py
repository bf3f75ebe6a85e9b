"""``python -m course_utils grade PATHS...``: verdicts on notebooks, from the command line.

Exit code 0 if everything could be judged, 1 if something could not be checked, 2 if it was called wrongly.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import fields
from pathlib import Path

from course_utils.grade import batch, classrooms, cluster, handed_in, page, report, sandbox, shard, workers
from course_utils.grade.cluster import NoCluster
from course_utils.grade.handed_in import NotHandedIn, Submission
from course_utils.grade.marking import Patience
from course_utils.grade.results import NotKept, Results
from course_utils.grade.shard import Shard
from course_utils.grade.workers import Terms

WEAK = {
    sandbox.LIMITS_ONLY: "Without namespaces a hostile notebook may find files of this machine. Do not grade strangers' work so.",
    sandbox.NONE: "Nothing but a process of its own stands between a notebook and this machine. Grade only work you trust.",
}


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except (NotHandedIn, NotKept, NoCluster, KeyError, ValueError, sandbox.OurFault) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = f"what was found is in {options.results}; the same command goes on from there"
        print(f"\nstopped; {kept if options.results else 'nothing was written'}", file=sys.stderr)
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
    classrooms.add_options(parser)
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
    add("--executor", metavar="dask://HOST:PORT", help="a Dask cluster does the work, instead of processes here")
    add("--results", metavar="FOLDER", help="keep each verdict there at once, and ask for none that is there already")
    add(
        "--regrade",
        action="append",
        default=[],
        metavar="ID",
        help="ask this exercise or lesson anew, whatever the results say; may be repeated",
    )
    add(
        "--shard",
        type=str,
        default="1/1",
        metavar="I/N",
        help="only the I-th of N parts of the class; job/N in a Kubernetes Job",
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
    _refuse_nonsense(options)
    sources = [str(Path(source).resolve()) for source in options.exercises]
    for source in sources:
        workers.know(source)
    part = shard.read(options.shard, os.environ)
    everything, absent = _gathered(options)
    with _results(options.results, part) as results, cluster.opened(options.executor) as executor:
        level, layers = _offer(options.isolation, executor)
        found = batch.grade(
            [one for one in everything if part.has(one.student)],
            batch.chosen(options.exercise, everything),
            Terms(level, layers, _seed(options, results), _patience(options.patience), tuple(sources)),
            executor=executor,
            jobs=options.jobs,
            results=results,
            anew=[one.id for one in batch.chosen(options.regrade, [])] if options.regrade else [],
            missing=[name for name in absent if part.has(name)],
            tell=_progress(),
        )
    _write(found, options)
    print(report.to_terminal(found))
    if level in WEAK:
        print(f"\n{WEAK[level]}")
    return 1 if found.unchecked else 0


def _gathered(options: argparse.Namespace) -> tuple[list[Submission], list[str]]:
    """The submissions, and the learners of whom there should be one."""
    if classrooms.asked(options):
        return classrooms.collect(options.paths), [classrooms.LEARNER]
    absent = sorted(set(handed_in.read_roster(options.roster).values())) if options.roster else []
    return handed_in.collect(options.paths, options.name_pattern, options.roster), absent


def _refuse_nonsense(options: argparse.Namespace) -> None:
    for path in filter(None, (options.json, options.csv, options.junit)):
        if not Path(path).resolve().parent.is_dir():
            raise NotHandedIn(f"there is no folder for {path!r}")
    if options.regrade and not options.results:
        raise NotHandedIn("--regrade wants --results: without results everything is asked anew")


def _patience(factor: float) -> Patience:
    return Patience(*(getattr(Patience(), field.name) * factor for field in fields(Patience)))


@contextlib.contextmanager
def _results(folder: str | None, part: Shard) -> Iterator[Results]:
    with contextlib.closing(Results(Path(folder) if folder else None, str(part))) as results:
        yield results


def _seed(options: argparse.Namespace, results: Results) -> str:
    """The one that is given; or else that of the results, so that a run that goes on asks what it asked before."""
    seed: str = options.seed or results.seed
    if not seed and shard.read(options.shard, os.environ).of > 1:
        raise NotHandedIn("--shard wants --seed, the same one for all parts, or they would be asked different things")
    return seed or secrets.token_hex(8)


def _offer(wanted: str | None, executor: Executor | None) -> tuple[str, tuple[str, ...]]:
    """The level and the layers of the machine that will do the work."""
    return workers.offer(wanted) if executor is None else cluster.first(executor, workers.offer, wanted)


def _progress() -> Callable[[int, int], None]:
    """Counts on the terminal, where there is one to see it, and says how much longer it takes."""
    if not sys.stderr.isatty():
        return lambda done, of: None
    begin, first = time.monotonic(), -1

    def tell(done: int, of: int) -> None:
        nonlocal first
        first = done if first < 0 else first
        left = (time.monotonic() - begin) * (of - done) / (done - first) if done > first else 0.0
        bar = "█" * (20 * done // of if of else 20)
        end = "\n" if done == of else ""
        print(f"\r{bar:░<20} {done} of {of} notebooks, {left:.0f} s left ", end=end, file=sys.stderr, flush=True)

    return tell


def _write(found: report.Report, options: argparse.Namespace) -> None:
    for path, make in ((options.json, report.to_json), (options.csv, report.to_csv), (options.junit, report.to_junit)):
        if path:
            Path(path).write_text(make(found), encoding="utf-8", newline="")
    classrooms.write(found, options)
    if options.html:
        page.write_pages(found, Path(options.html))
