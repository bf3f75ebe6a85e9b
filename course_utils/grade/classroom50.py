"""What was found in one submission, as Classroom 50 collects it: its ``result.json``, schema ``classroom50/result/v1``.

Who handed in what stands in the environment of the run. Scores are whole numbers there. What could not be checked has no
place in this form, so such a report is refused: an autograder that fails is told from a submission that does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from course_utils.grade.report import Mark, Report, without_controls

SCHEMA = "classroom50/result/v1"
NEEDED = ("CLASSROOM", "ASSIGNMENT", "OWNER", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL")
TAGGED = re.compile(r"submit/(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\dZ)")


def missing(environ: Mapping[str, str]) -> list[str]:
    """The names of what Classroom 50 would have said and nobody has."""
    return [name for name in NEEDED if not environ.get(name)]


def to_result(report: Report, environ: Mapping[str, str], now: datetime | None = None) -> str:
    """The JSON for the one learner of ``report``."""
    tests = [_test(report, mark) for mark in report.one_learner().marks]
    made = {
        "schema": SCHEMA,
        "classroom": environ["CLASSROOM"],
        "assignment": environ["ASSIGNMENT"],
        "assignment_type": environ.get("ASSIGNMENT_TYPE") or "individual",
        "owner": environ["OWNER"],
        "submission": environ["SUBMISSION_TAG"],
        "commit": environ["COMMIT_URL"],
        "release": environ["RELEASE_URL"],
        "review": environ.get("REVIEW_URL") or environ["COMMIT_URL"],
        "datetime": _handed_in(environ["SUBMISSION_TAG"]) or f"{now or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }
    return json.dumps(made, indent=1) + "\n"


def _handed_in(tag: str) -> str:
    """The time in a tag, which stays the same when the work is graded again."""
    return "{}{}:{}:{}".format(*found.groups()) if (found := TAGGED.match(tag)) else ""


def _test(report: Report, mark: Mark) -> dict[str, Any]:
    score, most = report.score(mark.verdict)
    return {
        "test-name": f"{mark.verdict.exercise} {report.title(mark.verdict.exercise)}",
        "passed": mark.verdict.passed,
        "score": score,
        "max-score": most,
        "message": without_controls(mark.verdict.message),
    }
