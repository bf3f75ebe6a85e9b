"""Who does the work: tasks of plain data, that any executor can carry to workers wherever they are, and their marks back.

A worker is a process of ours that keeps a warm process in a sandbox. It never runs a learner's code itself, so nothing of a
learner's is in what it sends back but plain text. An executor may lose workers; what one took with it is tried once more.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import multiprocessing
import os
import platform
import queue
import signal
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import connection

from course_utils.checks import add, exercise, exercises
from course_utils.checks.verdict import Verdict
from course_utils.grade import sandbox
from course_utils.grade.marking import Marks, Patience, mark
from course_utils.grade.sandbox import Cold, OurFault, Zygote
from course_utils.grade.version import version

FEW = 8
"""Fewer notebooks than this are marked before a second worker would have started."""

UNDER_WAY = 256
"""Tasks that an executor holds at a time: enough for a large cluster, and no copy of the whole class."""


@dataclass(frozen=True)
class Terms:
    """Under which all notebooks of a run are marked; ``sources`` are files with exercises from outside the course."""

    level: str
    layers: tuple[str, ...]
    seed: str
    patience: Patience = field(default_factory=Patience)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A notebook's bytes, compressed, and the exercises to ask in it, each with its version."""

    packed: bytes = field(repr=False)
    wanted: tuple[tuple[str, str], ...]
    terms: Terms

    @property
    def data(self) -> bytes:
        return zlib.decompress(self.packed)

    @functools.cached_property
    def submission(self) -> str:
        """What it is known by: the digest of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def only(self, ids: Sequence[str]) -> Task:
        return replace(self, wanted=tuple(one for one in self.wanted if one[0] in ids))

    def unchecked(self, why: str) -> Marks:
        return Marks({id: Verdict(id, "could_not_check", why) for id, _ in self.wanted})


# ------------------------------------------------------------------------------------------------------------ in a worker

_OWN = threading.local()
_ALL: weakref.WeakSet[Zygote | Cold] = weakref.WeakSet()


class _Boxes(dict[str, Zygote | Cold]):
    """The sandboxes of one thread, by level."""


def _sandbox(level: str) -> Zygote | Cold:
    """This thread's own: a process that a thread has started dies with the thread, so another can't use it."""
    boxes: _Boxes = _OWN.__dict__.setdefault("boxes", _Boxes())
    if level not in boxes:
        boxes[level] = sandbox.open_sandbox(level)
        weakref.finalize(boxes, boxes[level].close)
        _ALL.add(boxes[level])
    return boxes[level]


@functools.cache
def know(source: str) -> None:
    """Make the exercises of a file known to this worker."""
    add(source)


def work(task: Task) -> Marks:
    """Mark one notebook, in whatever process and thread this is."""
    try:
        box = _ready(task)
    except OurFault as fault:
        return task.unchecked(str(fault))
    return mark(task.data, [id for id, _ in task.wanted], box, task.terms.patience, task.terms.seed)


def _ready(task: Task) -> Zygote | Cold:
    """A sandbox as the terms want it, if this worker has the course that they are about."""
    for source in task.terms.sources:
        know(source)
    if any(id not in exercises() or version(exercise(id)) != wanted for id, wanted in task.wanted):
        raise OurFault(f"the worker on {platform.node()} has another edition of the course, or of these exercises")
    box = _sandbox(task.terms.level)
    if tuple(box.layers) != task.terms.layers:
        raise OurFault(f"the worker on {platform.node()} shuts in with {', '.join(box.layers) or 'nothing'} only")
    return box


def offer(level: str | None) -> tuple[str, tuple[str, ...]]:
    """The level of isolation that this machine can give, or the one that is wanted, and its layers; raises OurFault."""
    level = sandbox.best_level() if level is None else level
    if why := sandbox.works(level):
        raise OurFault(f"isolation {level!r} can't be had on {platform.node() or 'this machine'}: {why}")
    return level, tuple(sandbox.layers(level))


# ----------------------------------------------------------------------------------------------------------- from outside


@dataclass
class _Round:
    """What an executor has left over: tasks it had begun when it lost a worker, with the reason, and tasks it never began."""

    lost: list[tuple[Task, str]] = field(default_factory=list)
    left: list[Task] = field(default_factory=list)


def run(tasks: Sequence[Task], executor: Executor | None = None, jobs: int = 1) -> Iterator[tuple[Task, Marks]]:
    """Each task with its marks, as they come; by ``executor``, or else by ``jobs`` processes of our own."""
    if executor is None and (jobs == 1 or len(tasks) < FEW):
        yield from ((task, work(task)) for task in tasks)
        return
    lost: list[Task] = []
    while tasks:  # our own processes break all at once when one is killed; then the rest gets new ones
        this = _Round()
        with _opened(executor, min(jobs, len(tasks))) as (pool, at_a_time):
            yield from _through(pool, tasks, at_a_time, this)
        lost += [task for task, _ in this.lost]
        if len(this.left) == len(tasks):
            break
        tasks = this.left
    yield from _one_by_one([*lost, *tasks], executor)


def _one_by_one(tasks: Sequence[Task], executor: Executor | None) -> Iterator[tuple[Task, Marks]]:
    """Another try for what was lost. Any of them may be what ends workers, so none is with another."""
    while tasks:
        this = _Round()
        with _opened(executor, 1) as (pool, _):
            yield from _through(pool, tasks, 1, this)
        yield from ((task, task.unchecked(f"Its worker was lost ({why}). {NO_COST}")) for task, why in this.lost)
        if len(this.left) == len(tasks):
            yield from ((task, task.unchecked(f"No worker takes it. {NO_COST}")) for task in tasks)
            return
        tasks = this.left


NO_COST = "That is our fault and counts for nothing."


def _through(executor: Executor, tasks: Iterable[Task], at_a_time: int, this: _Round) -> Iterator[tuple[Task, Marks]]:
    """The marks as an executor brings them."""
    came: queue.SimpleQueue[Future[Marks]] = queue.SimpleQueue()
    waiting, under_way = iter(tasks), dict[Future[Marks], Task]()
    while True:
        for task in itertools.islice(waiting, at_a_time - len(under_way)):
            try:
                future = executor.submit(work, task)
            except (OSError, RuntimeError):  # it has broken, or was shut down
                this.left += [task, *waiting]
                break
            under_way[future] = task
            future.add_done_callback(came.put)
        if not under_way:
            return
        future = came.get()
        task = under_way.pop(future)
        if why := _failed(future):
            this.lost.append((task, why))
        else:
            yield task, future.result()


def _failed(future: Future[Marks]) -> str:
    """Why there are no marks. ``work`` raises nothing, so it is the executor; each kind has its own errors for that."""
    if future.cancelled():
        return "cancelled"
    error = future.exception()
    return f"{type(error).__name__}: {error}"[:200] if error is not None else ""


@contextmanager
def _opened(executor: Executor | None, jobs: int) -> Iterator[tuple[Executor, int]]:
    """An executor, and how many tasks it may hold: few of ours, so that few are in doubt if a process is killed."""
    if executor is not None:
        yield executor, UNDER_WAY
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_obey)
    try:
        yield pool, 4 * jobs
    finally:
        pool.shutdown(cancel_futures=True)


def _obey() -> None:
    """As a process of a pool: interrupts are the grader's business, and the end of the grader is the end of this too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda signum, frame: _leave())
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    """A worker whose grader was killed would wait for work forever."""
    connection.wait([sentinel])
    _leave()


def _leave() -> None:
    for box in list(_ALL):
        box.close()
    os._exit(1)
