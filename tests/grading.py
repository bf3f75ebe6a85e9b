"""What the tests of the grader share: notebooks made of cells, exercises made of a check, a process that is a fork."""

import json
import os
import socket

from course_utils.checks.exercise import Exercise
from course_utils.grade.inside.cells import Cells
from course_utils.grade.inside.channel import Lines
from course_utils.grade.inside.learner import Learner


def exercise(check, function="answer", **more):
    """An exercise around a check; `function` is what the learner defines."""
    facts = {
        "id": "9.9",
        "title": function,
        "minutes": 5,
        "points": 1,
        "core": True,
        "hints": ("a", "b", "c"),
        "reason": "r",
    }
    return Exercise(function=function, check=check, **(facts | more))


def notebook(*cells, **metadata):
    """The bytes of a notebook; a cell is its source, or a dict for an odd one."""
    made = [
        cell
        if isinstance(cell, dict)
        else {"cell_type": "code", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for cell in cells
    ]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


class Fork:
    """A learner's process that is a copy of this one, so that it has functions whose source can't be sent."""

    def __init__(self, name, function):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            try:
                learner = Learner(theirs)
                learner._cells = Cells([name])
                learner._cells.versions(name).append(function)
                learner.serve()
            finally:
                os._exit(0)
        theirs.close()
        self.lines = Lines(ours)

    def end(self):
        self.lines.close()
        os.waitpid(self.pid, 0)
