"""A whole nbgrader course in one process: releases every assignment, marks what is in ``submitted/``, prints the scores.

A learner called ``starts`` hands in what was released.

  .venv/bin/python nbgrader_course.py COURSE_DIR

It is run by the Python beside it, where nbgrader is. The last line is JSON: learner, then test cell, then its score.
"""

import json
import shutil
import sys
from pathlib import Path

from nbgrader.apps import NbGraderAPI
from traitlets.config import Config


def main(folder):
    config = Config()
    config.CourseDirectory.root = str(folder)
    api = NbGraderAPI(config=config)
    scores = {}
    for assignment in sorted(path.name for path in (folder / "source").iterdir()):
        done(api.generate_assignment(assignment))
        shutil.copytree(folder / "release" / assignment, folder / "submitted" / "starts" / assignment)
        for student in sorted(path.parent.name for path in folder.glob(f"submitted/*/{assignment}")):
            done(api.autograde(assignment, student))
            scores.setdefault(student, {}).update(read(api, assignment, student))
    print(json.dumps(scores))


def done(answer):
    if not answer["success"]:
        sys.exit(answer.get("error") or answer["log"])


def read(api, assignment, student):
    with api.gradebook as gradebook:
        notebooks = gradebook.find_submission(assignment, student).notebooks
        return {grade.name: grade.score for notebook in notebooks for grade in notebook.grades}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
