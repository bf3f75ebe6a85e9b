"""Children: pieces of work, each done in a forked copy of this process that can be stopped.

A mutant may loop for ever, eat memory, or leave something behind. A forked child starts warm, with every import done,
in a few milliseconds; whatever it does ends with it. Its limit is processor time, so that a busy machine stops nobody
who would have come to an end; the limit of the wall clock is only for those who wait.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

WALL = 60.0
MEMORY = 1 << 30
"""What a child may use at most: seconds in all, and bytes beyond what this process has."""

Work = Callable[[], Any]


class NoChildren(Exception):
    """The system can't fork."""


@dataclass(frozen=True)
class Ended:
    """A child that ended without a result, and why."""

    why: str


@dataclass
class _Child:
    index: int
    pid: int
    started: float
    text: bytearray = field(default_factory=bytearray)
    late: bool = False


def run(works: Sequence[Work], jobs: int, cpu: float, wall: float = WALL) -> Iterator[tuple[int, Any]]:
    """The result of each piece of work with its index, as they come; `Ended` for one that had to be stopped or died.

    Results are plain data, as JSON keeps it. No more than ``jobs`` children are at work at once, and each has ``cpu``
    seconds of processor time.
    """
    if not hasattr(os, "fork"):
        raise NoChildren("this needs a system that can fork: Linux or macOS (on Windows, WSL)")
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # a child that collects garbage would copy every page it looks at
    waiting = iter(enumerate(works))
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while len(selector.get_map()) < jobs and (piece := next(waiting, None)):
                    _start(selector, *piece, cpu)
                if not selector.get_map():
                    return
                yield from _hear(selector, wall)
        finally:
            for key in list(selector.get_map().values()):
                _kill(key.data.pid)
                _bury(selector, key)
            gc.unfreeze()


def _start(selector: selectors.BaseSelector, index: int, work: Work, cpu: float) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        _live(work, writer, cpu)
    os.close(writer)
    os.set_blocking(reader, False)
    selector.register(reader, selectors.EVENT_READ, _Child(index, pid, time.monotonic()))


def _hear(selector: selectors.BaseSelector, wall: float) -> Iterator[tuple[int, Any]]:
    """Take what the children say; a child whose pipe is closed has ended."""
    for key, _ in selector.select(timeout=0.5):
        if said := os.read(key.fd, 1 << 16):
            key.data.text += said
            continue
        yield key.data.index, _result(key.data, _bury(selector, key))
    for key in selector.get_map().values():
        if not key.data.late and time.monotonic() - key.data.started > wall:
            key.data.late = True
            _kill(key.data.pid)


def _bury(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> int:
    """Wait for a child that has ended; its status as the system counts it."""
    selector.unregister(key.fileobj)
    os.close(key.fd)
    return os.waitpid(key.data.pid, 0)[1]


def _result(child: _Child, status: int) -> Any:
    if status == 0:
        return json.loads(child.text)
    if child.late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU)):
        return Ended("it did not come to an end")
    if os.WIFSIGNALED(status):
        return Ended(f"it died of signal {os.WTERMSIG(status)}")
    return Ended(bytes(child.text).decode("utf-8", "replace") or "it ended by itself")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _live(work: Work, writer: int, cpu: float) -> None:
    """What a child does: never returns."""
    status = 1
    try:
        _quiet()
        _limit(cpu)
        said, done = _said(work)
        signal.setitimer(signal.ITIMER_PROF, 0)
        with open(writer, "wb") as pipe:
            pipe.write(said)
        status = 0 if done else 1
    finally:
        os._exit(status)


def _said(work: Work) -> tuple[bytes, bool]:
    """What to tell the parent, and whether it is a result."""
    try:
        return json.dumps(work()).encode(), True
    except BaseException as error:  # noqa: BLE001  # the parent is told; there is nobody else to tell
        return f"{type(error).__name__}: {error}".encode("utf-8", "replace"), False


def _quiet() -> None:
    """What is printed in a child is nobody's to read."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open as long as the child lives


def _limit(cpu: float) -> None:
    import resource

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
