"""Many notebooks: which of them counts for which exercise, and the report on all of them.

What is known already, from an earlier run or because two learners handed in the same bytes, is asked once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor

from course_utils.checks import exercise as exercise_of
from course_utils.checks import exercises
from course_utils.checks.exercise import Exercise
from course_utils.checks.verdict import Verdict
from course_utils.grade import workers
from course_utils.grade.handed_in import Submission
from course_utils.grade.report import File, Mark, Report, Student
from course_utils.grade.results import Results
from course_utils.grade.version import version
from course_utils.grade.workers import Task, Terms

# ------------------------------------------------------------------------------------------------- which counts for what


def chosen(wanted: Sequence[str], submissions: Iterable[Submission]) -> list[Exercise]:
    """The exercises to mark: those wanted (``1.2``, or ``1`` for a lesson), else those of the lessons handed in."""
    known = exercises()
    if wanted:
        unknown = [id for id in wanted if not any(_belongs(one, id) for one in known)]
        if unknown:
            raise KeyError(f"there is no exercise or lesson {unknown[0]!r}; there are {', '.join(known)}")
        return [one for id, one in known.items() if any(_belongs(id, one) for one in wanted)]
    texts = [one.data for one in submissions]
    found = {id: max((mentions(one, data) for data in texts), default=0) for id, one in known.items()}
    lessons = {id.split(".")[0] for id, how in found.items() if how and how == max(found.values())}
    return [one for id, one in known.items() if id.split(".")[0] in lessons] or list(known.values())


def _belongs(id: str, wanted: str) -> bool:
    return id == wanted or id.split(".")[0] == wanted


def mentions(exercise: Exercise, data: bytes) -> int:
    """Whether a notebook's bytes define the exercise's function (2) or only name it (1); a quick look, not quite exact.

    A loop variable of another lesson may have the same name.
    """
    name, text = re.escape(exercise.function.encode()), data.replace(b"\0", b"")
    # A line begins the text or stands behind the two characters by which JSON writes the end of one.
    if re.search(rb'(?:\b|\\n)(?:def|class)\s+%s\b|(?:"|\\n)\s*%s\s*=[^=]' % (name, name), text):
        return 2
    return int(re.search(rb"\b%s\b" % name, text) is not None)


def assign(submissions: Sequence[Submission], wanted: Sequence[Exercise]) -> dict[Submission, list[str]]:
    """For which exercises each of one learner's submissions counts: the latest that can be read and has the exercise."""
    readable = [one for one in submissions if not one.unreadable] or list(submissions)
    counts: dict[Submission, list[str]] = {one: [] for one in submissions}
    texts = [(one, one.data) for one in readable]
    for exercise in wanted:
        having = {one: mentions(exercise, data) for one, data in texts}
        counts[max(readable, key=lambda one: (having[one], one.at, one.path))].append(exercise.id)
    return counts


# --------------------------------------------------------------------------------------------------------------- the marks


def grade(
    submissions: Sequence[Submission],
    wanted: Sequence[Exercise],
    terms: Terms,
    *,
    executor: Executor | None = None,
    jobs: int = 1,
    results: Results | None = None,
    anew: Sequence[str] = (),
    missing: Iterable[str] = (),
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """The report on all submissions.

    They are marked by ``executor`` (any of ``concurrent.futures``), or else by ``jobs`` processes of our own. What is in
    ``results`` is not asked again, but for the exercises ``anew``. ``missing`` are learners of whom there should be
    something. ``tell`` hears how many notebooks are done, and of how many.
    """
    mine: dict[str, list[Submission]] = {}
    for one in submissions:
        mine.setdefault(one.student, []).append(one)
    counts = {one: ids for theirs in mine.values() for one, ids in assign(theirs, wanted).items()}
    results = results or Results()
    tasks = _tasks(counts, wanted, terms)
    if anew:
        results.void(anew, tasks)
    _mark(list(tasks.values()), results, executor, jobs, tell)
    students = [_student(name, theirs, counts, tasks, results) for name, theirs in mine.items()]
    students += [_absent(name, wanted) for name in missing if name not in mine]
    students.sort(key=lambda one: one.name)
    return Report(wanted, students, terms.level, terms.layers, terms.seed)


def _tasks(counts: Mapping[Submission, Sequence[str]], wanted: Sequence[Exercise], terms: Terms) -> dict[str, Task]:
    """What is to be known of each notebook, by the digest of its bytes."""
    asked: dict[str, set[str]] = {}
    packed = {one.digest: one.packed for one in counts if not one.trouble}
    for one, ids in counts.items():
        asked.setdefault(one.digest, set()).update(ids if not one.trouble else ())
    editions = [(exercise.id, version(exercise)) for exercise in wanted]
    tasks = {
        digest: Task(data, tuple(edition for edition in editions if edition[0] in asked[digest]), terms)
        for digest, data in packed.items()
    }
    return {digest: task for digest, task in tasks.items() if task.wanted}


def _mark(
    tasks: Sequence[Task], results: Results, executor: Executor | None, jobs: int, tell: Callable[[int, int], None]
) -> None:
    """See to it that ``results`` has everything."""
    left = [task.only(ids) for task in tasks if (ids := results.lacks(task))]
    done = len(tasks) - len(left)
    tell(done, len(tasks))
    for task, marks in workers.run(left, executor, jobs):
        results.keep(task, marks)
        done += 1
        tell(done, len(tasks))


# -------------------------------------------------------------------------------------------------------------- the report


def _student(
    name: str,
    theirs: Sequence[Submission],
    counts: Mapping[Submission, Sequence[str]],
    tasks: Mapping[str, Task],
    results: Results,
) -> Student:
    student = Student(name)
    for one in theirs:
        student.files.append(_file(one, counts[one], tasks.get(one.digest), results))
        student.marks += [Mark(_verdict(one, id, tasks.get(one.digest), results), one.path) for id in counts[one]]
    order = list(exercises())
    student.marks.sort(key=lambda mark: order.index(mark.verdict.exercise))
    return student


def _file(one: Submission, ids: Sequence[str], task: Task | None, results: Results) -> File:
    if task is None or not ids:
        return File(one.path, one.digest, tuple(ids), one.unreadable)
    notes, seconds = results.notes(one.digest, task.terms), results.seconds(one.digest, task.terms)
    return File(one.path, one.digest, tuple(ids), one.unreadable, notes, seconds)


def _verdict(one: Submission, id: str, task: Task | None, results: Results) -> Verdict:
    if task is None or one.trouble:
        return Verdict(id, "not_attempted", f"Nothing to check. {one.trouble}")
    found = results.verdict(one.digest, id, version(exercise_of(id)), task.terms)
    if found is None:
        raise LookupError(f"no verdict on {id} in {one.path}, though all tasks are done")
    return found


def _absent(name: str, wanted: Sequence[Exercise]) -> Student:
    nothing = [Mark(Verdict(exercise.id, "not_attempted", "Nothing was handed in.")) for exercise in wanted]
    return Student(name, [], nothing)
