"""What was found in one submission, as Gradescope reads it: its ``results.json``.

Each exercise is one test there. What a learner sees is what `check` would say; the seed and what the grader itself prints
are not in it. What could not be checked has no place in this form, so such a report is refused: without a file Gradescope
says that the autograder failed, and gives no score.
"""

from __future__ import annotations

import json
from typing import Any

from course_utils.grade.report import Mark, Report, Student, without_controls


def to_results(report: Report) -> str:
    """The JSON for the one learner of ``report``."""
    student = report.one_learner()
    tests = [_test(report, mark) for mark in student.marks]
    made = {
        "score": sum(test["score"] for test in tests),
        "execution_time": round(sum(file.seconds for file in student.files), 3),
        "output": "\n".join(_remarks(student)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {
            "isolation": report.level,
            "files": [{"file": file.file, "sha256": file.sha256} for file in student.files],
        },
    }
    return json.dumps(made, indent=1) + "\n"


def _test(report: Report, mark: Mark) -> dict[str, Any]:
    verdict = mark.verdict
    score, most = report.score(verdict)
    return {
        "number": verdict.exercise,
        "name": report.title(verdict.exercise),
        "score": score,
        "max_score": most,
        "status": "passed" if verdict.passed else "failed",
        "output": "\n".join(map(without_controls, repr(verdict).split("\n"))),
        "output_format": "text",
        "visibility": "visible",
    }


def _remarks(student: Student) -> list[str]:
    """What a learner should know of the files."""
    return [
        without_controls(f"{file.file}: {text}")
        for file in student.files
        for text in (file.trouble, *file.notes)
        if text
    ]
