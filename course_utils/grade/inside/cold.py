"""A learner's process that is started afresh, where the system can't fork: it calls the grader on a port of this machine."""

from __future__ import annotations

import socket
import sys

from course_utils.grade.inside import confine
from course_utils.grade.inside.learner import be_the_learner

if __name__ == "__main__":
    line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    confine.limit(confine.Limits())
    be_the_learner(line)
