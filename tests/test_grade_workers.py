"""Who does the work: any executor, lost workers, threads. Nothing is lost and nothing is marked twice."""

import contextlib
import os
import signal
import threading
import time
import zlib
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import active_children, get_context

import grading
import pytest
from test_grade_marking import READS

from course_utils.checks import exercise
from course_utils.grade import marking, workers
from course_utils.grade.marking import Marks, Patience, mark
from course_utils.grade.sandbox import OurFault, one_of_our_own
from course_utils.grade.version import version
from course_utils.grade.workers import Task, Terms

WRONG = READS.replace("return at", "return at + 1")


def task(number, sandbox, **changes):
    """A notebook of its own for each number; the odd ones are right."""
    data = grading.notebook(READS if number % 2 else WRONG, f"number = {number}")
    terms = Terms(sandbox.level, tuple(sandbox.layers), "s", **changes)
    return Task(zlib.compress(data), (("1.2", version(exercise("1.2"))),), terms)


def passed(tasks, found):
    """Whether each task has passed, in their order; each must have come once."""
    marks = [(tasks.index(one), marks.verdicts["1.2"]) for one, marks in found]
    assert sorted(number for number, _ in marks) == list(range(len(tasks)))
    return [verdict.passed for _, verdict in sorted(marks, key=lambda pair: pair[0])]


def executors():
    yield "our own", lambda: contextlib.nullcontext()
    yield "processes", lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    yield "threads", lambda: ThreadPoolExecutor(2)


@pytest.mark.parametrize("opened", [make for _, make in executors()], ids=[name for name, _ in executors()])
def test_every_executor_finds_the_same(sandbox, opened):
    tasks = [task(number, sandbox) for number in range(10)]
    with opened() as executor:
        assert passed(tasks, workers.run(tasks, executor, 2)) == [number % 2 == 1 for number in range(10)]


def test_a_worker_that_is_killed_costs_no_mark(sandbox):
    tasks, found = [task(number, sandbox) for number in range(24)], []
    for one in workers.run(tasks, jobs=2):
        found.append(one)
        if len(found) == 12:
            os.kill(active_children()[0].pid, signal.SIGKILL)
    assert passed(tasks, found) == [number % 2 == 1 for number in range(24)]


# -------------------------------------------------------------------------------------------------------- lost workers


class Losing(Executor):
    """Marks at once, and loses its worker when ``loses`` says so; ``breaks``: then it takes nothing more."""

    def __init__(self, loses, *, breaks=False):
        self.loses, self.breaks, self.broken, self.took = loses, breaks, False, []

    def submit(self, function, task):
        if self.broken:
            raise RuntimeError("broken")
        future = Future()
        self.took.append(task)
        if self.loses(task, self.took.count(task)):
            self.broken = self.breaks
            future.set_exception(EOFError("the worker is gone"))
        else:
            future.set_result(Marks({"1.2": "fine"}))
        return future


def numbered(count):
    return [Task(zlib.compress(bytes([number])), (("1.2", "v"),), Terms("none", (), "s")) for number in range(count)]


def test_what_a_lost_worker_had_is_tried_once_more():
    tasks = numbered(9)
    executor = Losing(lambda task, times: task == tasks[3] and times == 1)
    found = list(workers.run(tasks, executor))
    assert sorted(one.data for one, _ in found) == [one.data for one in tasks]
    assert all(marks.verdicts == {"1.2": "fine"} for _, marks in found)
    assert [executor.took.count(one) for one in tasks] == [1, 1, 1, 2, 1, 1, 1, 1, 1]


def test_what_loses_its_worker_twice_could_not_be_checked():
    tasks = numbered(9)
    found = dict(workers.run(tasks, Losing(lambda task, times: task == tasks[3])))
    verdict = found.pop(tasks[3]).verdicts["1.2"]
    assert verdict.outcome == "could_not_check"
    assert "EOFError: the worker is gone" in verdict.message
    assert len(found) == 8


def test_when_a_pool_breaks_a_new_one_goes_on(monkeypatch):
    tasks, pools = numbered(40), []

    @contextlib.contextmanager
    def opened(executor, jobs):
        pools.append(Losing(lambda task, times: task in (tasks[5], tasks[20]), breaks=True))
        yield pools[-1], 4

    monkeypatch.setattr(workers, "_opened", opened)
    found = dict(workers.run(tasks, jobs=2))
    unchecked = [tasks.index(one) for one, marks in found.items() if marks.verdicts["1.2"] != "fine"]
    assert len(found) == 40
    assert unchecked == [5, 20]
    assert max(sum(pool.took.count(one) for pool in pools) for one in tasks if one not in (tasks[5], tasks[20])) == 1


def test_an_executor_that_takes_nothing_leaves_nothing_undone():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    found = list(workers.run(numbered(9), executor))
    assert [marks.verdicts["1.2"].outcome for _, marks in found] == ["could_not_check"] * 9


def test_an_executor_holds_a_part_of_the_class_at_a_time(monkeypatch):
    monkeypatch.setattr(workers, "UNDER_WAY", 5)
    held = []

    class Holding(Losing):
        def submit(self, function, task):
            held.append(len(self.took) - len(came))
            return super().submit(function, task)

    came = []
    for one in workers.run(numbered(30), Holding(lambda task, times: False)):
        came.append(one)
    assert len(came) == 30
    assert max(held) < 6


# ------------------------------------------------------------------------------------------------------------ in a worker


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda one: replace(one, wanted=(("1.2", "0" * 16),)), "another edition"),
        (lambda one: replace(one, wanted=(("7.7", "0" * 16),)), "another edition"),
        (lambda one: replace(one, terms=replace(one.terms, layers=("a wall of steel",))), "shuts in with"),
    ],
    ids=["other check", "unknown exercise", "other layers"],
)
def test_a_worker_that_is_not_as_wanted_marks_nothing(sandbox, monkeypatch, change, says):
    monkeypatch.setattr(workers, "_sandbox", lambda level: sandbox)
    (verdict,) = workers.work(change(task(1, sandbox))).verdicts.values()
    assert verdict.outcome == "could_not_check"
    assert says in verdict.message


def test_each_thread_has_a_sandbox_of_its_own_that_ends_with_it(monkeypatch):
    made = []

    class Box:
        def __init__(self, level):
            self.closed = False
            made.append(self)

        def close(self):
            self.closed = True

    monkeypatch.setattr("course_utils.grade.sandbox.open_sandbox", Box)
    threads = [
        threading.Thread(target=lambda: [workers._sandbox("a level"), workers._sandbox("a level")]) for _ in "ab"
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [box.closed for box in made] == [True, True]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not assign processors")
def test_workers_at_work_at_once_have_a_processor_each_while_there_are_any():
    allowed, name = sorted(os.sched_getaffinity(0)), f"test-of-{os.getpid()}"
    with contextlib.ExitStack() as workers_at_work:
        claims = [workers_at_work.enter_context(one_of_our_own(allowed, name)) for _ in [*allowed, "one more"]]
        assert claims == [*allowed, None]
    with one_of_our_own(allowed, name) as again:
        assert again == allowed[0]


def test_a_level_that_can_not_be_had_is_told(monkeypatch):
    monkeypatch.setattr("course_utils.grade.sandbox.works", lambda level: "" if level == "none" else "not here")
    assert workers.offer(None) == ("none", ())
    with pytest.raises(OurFault, match="not here"):
        workers.offer("namespaces")


SLOW = READS.replace("    at = 0.0", "    import time; time.sleep(0.1)\n    at = 0.0")


@pytest.mark.live
@pytest.mark.parametrize("there", [lambda run: run(), lambda run: in_a_thread(run)], ids=["main thread", "a thread"])
def test_all_calls_of_an_exercise_together_have_an_end(sandbox, there):
    marks = there(lambda: mark(grading.notebook(SLOW), ["1.2"], sandbox, Patience(exercise=0.15)))
    assert marks.verdicts["1.2"].outcome == "raised"
    assert "all calls together took more than 0.15 s" in marks.verdicts["1.2"].message.lower()


def in_a_thread(run):
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(run).result()


def spin():
    """Python at work, longer than it may be."""
    while True:
        time.monotonic()


@pytest.mark.live
def test_the_limit_ends_work_of_the_graders_own_in_every_thread():
    assert marking._within(0.05, spin) is None
    assert in_a_thread(lambda: marking._within(0.05, spin)) is None


@pytest.mark.live
@pytest.mark.parametrize("there", [lambda run: run(), lambda run: in_a_thread(run)], ids=["main thread", "a thread"])
def test_a_limit_that_was_just_kept_disturbs_nothing_later(there):
    def short():
        found = [marking._within(0.0005, time.monotonic) for _ in range(200)]
        for _ in range(2000):
            time.monotonic()
        return len(found)

    assert there(short) == 200
