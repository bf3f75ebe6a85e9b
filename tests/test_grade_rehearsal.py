"""What a learner's process does before anybody asks it something; here in the test's own process."""

import contextlib
import linecache
import random
import socket
import sys

from course_utils.grade.inside.learner import Learner, rehearse


def test_the_rehearsal_succeeds_and_leaves_nothing_behind(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    cached, drawn = dict(linecache.cache), random.getstate()
    with contextlib.ExitStack() as stack:
        ours, _theirs = map(stack.enter_context, socket.socketpair())
        answers = rehearse(Learner(ours))
    assert [answer.get("raised") for answer in answers] == [None] * len(answers)
    assert answers[3]["found"] == "callable"
    assert answers[4] == {"ok": 42}
    assert linecache.cache == cached
    assert random.getstate() == drawn
