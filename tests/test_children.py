"""What a child can do to its parent: nothing but give a result, or be stopped."""

import contextlib
import os
import signal
import sys
import time

import pytest

from course_utils import children
from course_utils.children import Ended, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")


def results(*works, jobs=2, **limits):
    found = dict(run(works, jobs, **({"cpu": 1.0} | limits)))
    return [found[index] for index in range(len(works))]


def endless():
    while True:
        pass


def test_each_piece_of_work_gives_its_result():
    assert results(lambda: 1, lambda: [2, "two"], lambda: None) == [1, [2, "two"], None]


def test_a_child_is_not_this_process():
    seen = []
    one, two = results(lambda: (seen.append(1), os.getpid())[1], os.getpid)
    assert len({one, two, os.getpid()}) == 3
    assert seen == []


def test_an_endless_child_is_stopped_by_its_processor_time():
    begin = time.process_time()
    assert results(endless, lambda: 1, cpu=0.1) == [Ended("it did not come to an end"), 1]
    assert time.process_time() - begin < 1


def test_an_endless_child_that_catches_everything_is_stopped_too():
    def stubborn():
        while True:
            with contextlib.suppress(BaseException):
                endless()

    assert results(stubborn, cpu=0.1) == [Ended("it did not come to an end")]


@pytest.mark.live
def test_a_child_that_waits_for_ever_is_stopped_by_the_clock():
    assert results(signal.pause, wall=0.1) == [Ended("it did not come to an end")]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count it")
def test_a_child_that_eats_memory_ends(monkeypatch):
    monkeypatch.setattr(children, "MEMORY", 1 << 26)
    (ended,) = results(lambda: len(bytearray(1 << 30)))
    assert ended == Ended("MemoryError: ")


def test_a_child_that_dies_or_raises_says_so():
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    assert results(kill, lambda: 1 // 0, lambda: sys.exit(3)) == [
        Ended("it died of signal 9"),
        Ended("ZeroDivisionError: integer division or modulo by zero"),
        Ended("SystemExit: 3"),
    ]


def test_what_a_child_prints_is_not_seen(capfd):
    assert results(lambda: print("hello") or os.write(2, b"hello")) == [5]
    assert capfd.readouterr() == ("", "")


def test_a_long_result_comes_whole():
    assert results(lambda: "x" * 1_000_000) == ["x" * 1_000_000]


def test_who_stops_listening_leaves_no_child_behind():
    reader, writer = os.pipe()

    def stay():
        os.write(writer, str(os.getpid()).encode())
        endless()

    listening = run([lambda: 1, stay], 2, cpu=30)
    assert next(listening) == (0, 1)
    pid = int(os.read(reader, 100))
    listening.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    os.close(reader)
    os.close(writer)


def test_a_system_that_can_not_fork_is_told_so(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(children.NoChildren, match="WSL"):
        next(run([], 1, 1.0))
