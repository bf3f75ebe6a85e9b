"""Many notebooks: which of them counts for which exercise, workers that mark them, and the report of it all.

A task is plain data (a notebook's bytes, exercises' numbers) and so is what comes back, so any executor can carry them. A
worker is one of ours: it keeps a warm process in a sandbox and never runs a learner's code itself.
"""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from course_utils.checks import add, exercises
from course_utils.checks.exercise import Exercise
from course_utils.checks.verdict import Verdict
from course_utils.grade import notebook
from course_utils.grade.handed_in import Submission
from course_utils.grade.marking import Marks, Patience, mark
from course_utils.grade.report import File, Mark, Report, Student
from course_utils.grade.sandbox import Cold, OurFault, Zygote, open_sandbox

FEW = 8
"""Fewer notebooks than this are marked before a second worker would have started."""

UNFINISHED = "The worker that marked it ended. That is our fault and counts for nothing."


@dataclass(frozen=True)
class Task:
    """One notebook, and the exercises for which it counts."""

    path: str
    data: bytes = field(repr=False)
    exercises: tuple[str, ...]
    level: str
    seed: str
    patience: Patience = field(default_factory=Patience)
    sources: tuple[str, ...] = ()  # files with exercises from outside the course


# ------------------------------------------------------------------------------------------------------------- the workers


@functools.cache
def _sandbox(level: str) -> Zygote | Cold:
    """This worker's; it ends with the worker."""
    made = open_sandbox(level)
    atexit.register(made.close)
    return made


@functools.cache
def know(source: str) -> None:
    """Make the exercises of a file known to this worker."""
    add(source)


def work(task: Task) -> Marks:
    """Mark one notebook, in whatever process this is."""
    for source in task.sources:
        know(source)
    try:
        sandbox = _sandbox(task.level)
    except OurFault as fault:
        return unchecked(task, str(fault))
    return mark(task.data, task.exercises, sandbox, task.patience, task.seed)


def unchecked(task: Task, why: str) -> Marks:
    return Marks({id: Verdict(id, "could_not_check", why) for id in task.exercises})


def run(tasks: Sequence[Task], jobs: int, done: Callable[[], None] = lambda: None) -> list[Marks]:
    """The marks for all tasks, in their order. ``done`` is called after each."""
    if jobs == 1 or len(tasks) < FEW:
        return [_noted(work(task), done) for task in tasks]
    found = dict(_pooled(dict(enumerate(tasks)), min(jobs, len(tasks)), done))
    lost = {number: task for number, task in enumerate(tasks) if number not in found}
    for number, task in lost.items():  # a worker was ended from outside: each gets one that it shares with nobody
        found |= dict(_pooled({number: task}, 1, done))
    return [found.get(number) or unchecked(task, UNFINISHED) for number, task in enumerate(tasks)]


def _noted(marks: Marks, done: Callable[[], None]) -> Marks:
    done()
    return marks


def _pooled(tasks: dict[int, Task], jobs: int, done: Callable[[], None]) -> Iterator[tuple[int, Marks]]:
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield from through(executor, tasks, done)


def through(executor: Executor, tasks: dict[int, Task], done: Callable[[], None]) -> Iterator[tuple[int, Marks]]:
    """The marks as any executor brings them; those of a worker that was lost are missing."""
    futures = {executor.submit(work, task): number for number, task in tasks.items()}
    for future in as_completed(futures):
        try:
            marks = future.result()
        except (BrokenProcessPool, OSError):
            continue
        yield futures[future], _noted(marks, done)


# ------------------------------------------------------------------------------------------------- which counts for what


def chosen(wanted: Sequence[str], submissions: Iterable[Submission]) -> list[Exercise]:
    """The exercises to mark: those wanted (``1.2``, or ``1`` for a lesson), else those of the lessons handed in."""
    known = exercises()
    if wanted:
        unknown = [id for id in wanted if not any(_belongs(one, id) for one in known)]
        if unknown:
            raise KeyError(f"there is no exercise or lesson {unknown[0]!r}; there are {', '.join(known)}")
        return [one for id, one in known.items() if any(_belongs(id, one) for one in wanted)]
    lessons = {
        id.split(".")[0] for data in (one.data for one in submissions) for id in known if mentions(known[id], data)
    }
    return [one for id, one in known.items() if id.split(".")[0] in lessons] or list(known.values())


def _belongs(id: str, wanted: str) -> bool:
    return id == wanted or id.split(".")[0] == wanted


def mentions(exercise: Exercise, data: bytes) -> bool:
    """Whether a notebook's bytes have the exercise's function in them; a quick look, which need not be exact."""
    return re.search(rb"\b%s\b" % re.escape(exercise.function.encode()), data.replace(b"\0", b"")) is not None


def _readable(submission: Submission) -> str:
    """Why a submission can't be read; empty if it can."""
    if submission.trouble:
        return submission.trouble
    try:
        notebook.read(submission.data)
    except notebook.Unreadable as unreadable:
        return str(unreadable)
    return ""


def assign(submissions: Sequence[Submission], wanted: Sequence[Exercise]) -> dict[Submission, list[str]]:
    """For which exercises each of one learner's submissions counts: the latest that can be read and has the exercise."""
    readable = [one for one in submissions if not _readable(one)] or list(submissions)
    counts: dict[Submission, list[str]] = {one: [] for one in submissions}
    for exercise in wanted:
        having = [one for one in readable if mentions(exercise, one.data)] or readable
        counts[max(having, key=lambda one: (one.at, one.path))].append(exercise.id)
    return counts


def grade(
    submissions: Sequence[Submission],
    wanted: Sequence[Exercise],
    *,
    level: str,
    layers: Sequence[str],
    seed: str,
    jobs: int = 1,
    patience: Patience | None = None,
    sources: Sequence[str] = (),
    missing: Iterable[str] = (),
    done: Callable[[], None] = lambda: None,
) -> Report:
    """The report on all submissions; ``missing`` are learners of whom there should be one."""
    mine: dict[str, list[Submission]] = {}
    for one in submissions:
        mine.setdefault(one.student, []).append(one)
    counts = {one: ids for theirs in mine.values() for one, ids in assign(theirs, wanted).items()}
    patience = patience or Patience()
    tasks = {
        one: Task(one.path, one.data, tuple(ids), level, seed, patience, tuple(sources))
        for one, ids in counts.items()
        if ids
    }
    marks = dict(zip(tasks, run(list(tasks.values()), jobs, done), strict=True))
    students = [_student(name, theirs, counts, marks, wanted) for name, theirs in mine.items()]
    students += [_absent(name, wanted) for name in missing if name not in mine]
    students.sort(key=lambda one: one.name)
    return Report(wanted, students, level, layers, seed)


def _student(
    name: str,
    theirs: Sequence[Submission],
    counts: dict[Submission, list[str]],
    marks: dict[Submission, Marks],
    wanted: Sequence[Exercise],
) -> Student:
    student = Student(name)
    verdicts: dict[str, Mark] = {}
    for one in theirs:
        found = marks.get(one, Marks())
        trouble = one.trouble or found.trouble or _readable(one)
        student.files.append(File(one.path, one.digest, tuple(counts[one]), trouble, tuple(found.notes), found.seconds))
        verdicts |= {id: Mark(verdict, one.path) for id, verdict in found.verdicts.items()}
    student.marks = [verdicts[exercise.id] for exercise in wanted]
    return student


def _absent(name: str, wanted: Sequence[Exercise]) -> Student:
    nothing = [Mark(Verdict(exercise.id, "not_attempted", "Nothing was handed in.")) for exercise in wanted]
    return Student(name, [], nothing)
