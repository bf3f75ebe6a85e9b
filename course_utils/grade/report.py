"""What was found, for machines: JSON, CSV, JUnit XML; and a summary for the terminal.

The JSON (schema ``streaming-course/grades/1``)::

    {"schema": ..., "isolation": {"level": "namespaces", "layers": ["..."]}, "seed": "...",
     "exercises": [{"id": "1.1", "title": "...", "points": 2, "core": true}],
     "students": [
       {"student": "alice", "core": {"score": 5, "max_score": 5}, "further": {"score": 0, "max_score": 7},
        "files": [{"file": "alice.ipynb", "sha256": "...", "counts_for": ["1.1"], "trouble": "", "notes": ["..."]}],
        "verdicts": [{"exercise": "1.1", "outcome": "passed", "score": 2, "max_score": 2, "file": "alice.ipynb",
                      "message": "...", "given": "", "got": "", "expected": "", "where": "", "hidden": false}]}],
     "could_not_check": [{"student": "...", "exercise": "...", "message": "..."}]}

``outcome`` is one of passed, not_yet, not_attempted, raised, could_not_check. What could not be checked has no score: it is
null, and stands in the list at the end, because it is our failure and not the learner's.

Everything a learner wrote (names, messages, values) is data in each of these forms: JSON in ASCII, CSV cells that no
spreadsheet takes for a formula, XML without control characters, a terminal without escape sequences.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree

from course_utils.checks.exercise import Exercise
from course_utils.checks.verdict import OUTCOMES, Verdict

SCHEMA = "streaming-course/grades/1"


@dataclass(frozen=True)
class File:
    """A notebook that was read, and for which exercises it counts."""

    file: str
    sha256: str
    counts_for: tuple[str, ...] = ()
    trouble: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Mark:
    """A verdict, and the file it is about."""

    verdict: Verdict
    file: str = ""


@dataclass
class Student:
    name: str
    files: list[File] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


@dataclass
class Report:
    """The whole run. ``exercises`` are those that were asked for, in the order of the course."""

    exercises: Sequence[Exercise]
    students: list[Student]
    level: str
    layers: Sequence[str]
    seed: str

    def points(self, student: Student, *, core: bool) -> tuple[int, int]:
        """Points won and possible, in the core or in what goes further."""
        part = [one for one in self.exercises if one.core is core]
        passed = {mark.verdict.exercise for mark in student.marks if mark.verdict.passed}
        return sum(one.points for one in part if one.id in passed), sum(one.points for one in part)

    @property
    def unchecked(self) -> list[tuple[Student, Verdict]]:
        return [
            (student, mark.verdict)
            for student in self.students
            for mark in student.marks
            if mark.verdict.outcome == "could_not_check"
        ]

    def one_learner(self) -> Student:
        """The only learner, with a mark for everything; raises ValueError for reports that are something else."""
        if len(self.students) != 1 or self.unchecked:
            raise ValueError(
                f"expected one learner of whom all could be checked, there are {len(self.students)} "
                f"and {len(self.unchecked)} exercises that could not"
            )
        return self.students[0]

    def title(self, id: str) -> str:
        return next(one.title for one in self.exercises if one.id == id)

    def score(self, verdict: Verdict) -> tuple[int | None, int]:
        most = next(one.points for one in self.exercises if one.id == verdict.exercise)
        if verdict.outcome == "could_not_check":
            return None, most
        return (most if verdict.passed else 0), most


# --------------------------------------------------------------------------------------------------------------------- JSON


def to_json(report: Report) -> str:
    made = {
        "schema": SCHEMA,
        "isolation": {"level": report.level, "layers": list(report.layers)},
        "seed": report.seed,
        "exercises": [
            {"id": one.id, "title": one.title, "points": one.points, "core": one.core} for one in report.exercises
        ],
        "students": [_student(report, student) for student in report.students],
        "could_not_check": [
            {"student": student.name, "exercise": verdict.exercise, "message": verdict.message}
            for student, verdict in report.unchecked
        ],
    }
    return json.dumps(made, indent=1) + "\n"


def _student(report: Report, student: Student) -> dict[str, Any]:
    parts = {}
    for name, core in (("core", True), ("further", False)):
        score, most = report.points(student, core=core)
        parts[name] = {"score": score, "max_score": most}
    return {
        "student": student.name,
        **parts,
        "files": [_file(file) for file in student.files],
        "verdicts": [_verdict(report, mark) for mark in student.marks],
    }


def _file(file: File) -> dict[str, Any]:
    """Without its seconds: two runs that found the same say the same."""
    return {name: value for name, value in asdict(file).items() if name != "seconds"}


def _verdict(report: Report, mark: Mark) -> dict[str, Any]:
    score, most = report.score(mark.verdict)
    found = {name: getattr(mark.verdict, name) for name in Verdict.__slots__}
    return found | {"score": score, "max_score": most, "file": mark.file}


# ---------------------------------------------------------------------------------------------------------------------- CSV

COLUMNS = ("student", "exercise", "outcome", "score", "max_score", "part", "file")


def to_csv(report: Report) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    core = {one.id: "core" if one.core else "further" for one in report.exercises}
    for student in report.students:
        for mark in student.marks:
            score, most = report.score(mark.verdict)
            id = mark.verdict.exercise
            row = (student.name, id, mark.verdict.outcome, "" if score is None else score, most, core[id], mark.file)
            writer.writerow([cell(value) for value in row])
    return text.getvalue()


def cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, and that stays in its line."""
    if not isinstance(value, str):
        return value
    text = without_controls(value)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "|", "%") else text


def without_controls(text: str) -> str:
    """On one line, without what steers terminals or is not allowed in XML, and without half surrogate pairs."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]", " ", text)


# -------------------------------------------------------------------------------------------------------------------- JUnit

BROKEN = {"raised": "error", "could_not_check": "error", "not_yet": "failure", "not_attempted": "skipped"}


def to_junit(report: Report) -> str:
    """A test suite a learner, a test case an exercise; any CI shows it."""
    root = ElementTree.Element("testsuites", name="course")
    for student in report.students:
        kinds = Counter(BROKEN.get(mark.verdict.outcome, "") for mark in student.marks)
        suite = ElementTree.SubElement(root, "testsuite", name=without_controls(student.name))
        suite.set("tests", str(len(student.marks)))
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(name, str(kinds[kind]))
        for mark in student.marks:
            _case(suite, student, mark.verdict)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, student: Student, verdict: Verdict) -> None:
    name = without_controls(student.name)
    case = ElementTree.SubElement(suite, "testcase", classname=name, name=verdict.exercise)
    if verdict.outcome in BROKEN:
        broken = ElementTree.SubElement(case, BROKEN[verdict.outcome], message=without_controls(verdict.message))
        broken.set("type", verdict.outcome)


# ----------------------------------------------------------------------------------------------------------------- terminal


def to_terminal(report: Report, width: int = 24) -> str:
    ids = [one.id for one in report.exercises]
    signs = "".join(f"{id:>5}" for id in ids)
    lines = [f"{'student':<{width}}{signs}   core  further"]
    lines += [_row(report, student, ids, width) for student in report.students]
    lines += ["", " · ".join(f"{sign} {words}" for sign, words, _ in OUTCOMES.values())]
    layers = f" ({', '.join(report.layers)})" if report.layers else ""
    lines.append(f"isolation: {report.level}{layers}")
    lines += _listed("could not be read", [(file.file, file.trouble) for file in _files(report) if file.trouble])
    lines += _listed("notes", [(file.file, " ".join(file.notes)) for file in _files(report) if file.notes])
    unchecked = [(f"{student.name} {verdict.exercise}", verdict.message) for student, verdict in report.unchecked]
    lines += _listed("COULD NOT CHECK (our failure, not counted)", unchecked)
    return "\n".join(map(_shown, lines))


def _files(report: Report) -> Iterable[File]:
    return (file for student in report.students for file in student.files)


def _row(report: Report, student: Student, ids: Sequence[str], width: int) -> str:
    outcomes = {mark.verdict.exercise: mark.verdict.outcome for mark in student.marks}
    signs = "".join(f"{OUTCOMES[outcomes[id]][0] if id in outcomes else ' ':>5}" for id in ids)
    core, further = (report.points(student, core=part) for part in (True, False))
    name = without_controls(student.name)
    name = name if len(name) < width else name[: width - 2] + "…"
    return f"{name:<{width}}{signs}  {core[0]:>2}/{core[1]:<2}   {further[0]:>2}/{further[1]:<2}"


def _listed(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    return ["", f"{title}:", *(f"  {name}: {text}" for name, text in rows)] if rows else []


def _shown(line: str) -> str:
    line = without_controls(line)
    return line if len(line) <= 300 else line[:297] + "..."
