"""One warm process for many submissions: it imports everything once, then forks for each.

    grader ── control ── zygote            never runs a cell
       ├──── leash ────────┤
       └──── talk ─────────┴─ learner      one a submission, in namespaces of its own: runs the cells

The grader sends two sockets over ``control`` for each submission. On the leash comes one line when the learner's process is
confined, or the reason why it is not, and one with how it ended. On it the grader sends the number of the processor on which
they take turns; when it lets go of the leash, the learner's process is killed, and with it all that it has started.
Without namespaces, or with a user for each worker, there is a guard between zygote and learner, which ends everything.
No submission's process is a copy of another's, and the one they are copies of has run nobody's code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from typing import Any, TextIO

from course_utils.grade.inside import confine
from course_utils.grade.inside.learner import be_the_learner

PRELOADED = (
    "openai.resources.chat", "course_utils.grade.inside.sdk", "course_utils.checks.vocabulary", "course_utils.lanes",
    "course_utils.mock", "course_utils.plots", "course_utils.transport", "numpy", "asyncio", "bisect", "collections",
    "concurrent.futures.thread", "contextlib", "dataclasses", "datetime", "enum", "functools", "heapq", "itertools", "math",
    "queue", "random", "re", "statistics", "string", "typing",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Settings:
    """How learners' processes are confined: ``level`` is "namespaces" or "limits only".

    In namespaces each gets empty ``folders`` of its own; without, it may read what lies in ``readable``. With ``guards`` each
    has a guard of its own, also where none is needed.
    """

    level: str
    folders: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    uid: int | None = None
    limits: confine.Limits = dataclasses.field(default_factory=confine.Limits)
    warm: bool = True
    guards: bool = False

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def of(cls, text: str) -> Settings:
        stored: dict[str, Any] = json.loads(text)
        return cls(**(stored | {"limits": confine.Limits(**stored["limits"])}))


def main(control: socket.socket, settings: Settings) -> None:
    """Fork for each pair of sockets that comes, until the grader hangs up."""
    if settings.warm:
        _warm_up()
    confine.get_ready()
    _streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the grader, which then hangs up
    gc.collect()
    gc.freeze()
    control.sendall(b"ready\n")
    if settings.level == "namespaces" and not settings.guards and settings.uid is None and confine.can_fork_away():
        _serve(control, settings)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for guards
    while True:
        talk, leash = _asked(control)
        if os.fork() == 0:
            control.close()
            _guard(talk, leash, settings)
        talk.close()
        leash.close()


def _asked(control: socket.socket) -> tuple[socket.socket, socket.socket]:
    """The sockets for the next submission; the end of this process, if there will be none."""
    data, fds, *_ = socket.recv_fds(control, 16, 2)
    if not data:
        os._exit(0)
    return socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1])


@dataclasses.dataclass(frozen=True)
class _Ward:
    """A learner's process, the first one in its namespaces; ``ended`` is a file that can be read once it has ended."""

    pid: int
    leash: socket.socket
    ended: int

    def over(self, *, by_itself: bool) -> bool:
        """See to it: do what came on the leash, and if that was its end, or this is, wait until nothing is left."""
        if not by_itself:
            if told := _hear(self.leash):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(self.pid, {int(told.split()[-1])})
                return False
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        if by_itself:
            _say(self.leash, f"ended {os.waitstatus_to_exitcode(status)}\n")
        os.close(self.ended)
        self.leash.close()
        return True


def _serve(control: socket.socket, settings: Settings) -> None:
    """Be the guard of all learners' processes: the one at work, and the one that waits for its notebook."""
    wards: list[_Ward] = []
    user = os.getuid(), os.getgid()
    while True:
        watched = [each for ward in wards for each in (ward.leash, ward.ended)]
        ready = select.select([control, *watched], [], [])[0]
        stirred = [ward for ward in wards if ward.leash in ready or ward.ended in ready]
        over = [ward for ward in stirred if ward.over(by_itself=ward.ended in ready)]
        wards = [ward for ward in wards if ward not in over]
        if control in ready:
            talk, leash = _asked(control)
            try:
                pid = confine.fork_away()
            except confine.NotConfined as error:
                _say(leash, f"failed {error!r}\n")
                leash.close()
            else:
                if pid == 0:
                    _learner(talk, leash, settings, "", user)
                wards.append(_Ward(pid, leash, os.pidfd_open(pid)))
            talk.close()


def _warm_up() -> None:
    """Import what cells import, and let the SDK make what it makes at first use, so that no submission waits for it."""
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from course_utils import practice
    from course_utils.grade.inside import sdk

    send, _ = practice()
    body = b"".join(send().response.iter_raw())
    parts = {
        "cast": "chat",
        "status": 200,
        "headers": [["content-type", "text/event-stream"]],
        "url": "http://mock.invalid",
    }
    for chunk in sdk.stream(parts | {"async": False}, Warm([body])):
        chunk.model_dump_json()
    sdk.stream(parts | {"async": True}, None)
    list(send())


class Warm(list[bytes]):
    """The pieces of a body, as a stand-in has them."""

    def close(self) -> None:
        pass


def _guard(talk: socket.socket, leash: socket.socket, settings: Settings) -> None:
    """Become the guard of one learner's process, and end with it."""
    folder = ""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if settings.level == "namespaces":
            if settings.uid is not None:
                confine.become(settings.uid)
            confine.leave_namespaces()
        else:
            confine.adopt_orphans()
            folder = os.path.realpath(tempfile.mkdtemp(prefix="learner-"))
        pid = os.fork()
        if pid == 0:
            _learner(talk, leash, settings, folder)
        talk.close()
        _watch(pid, leash)
    except BaseException as error:  # noqa: BLE001  # the grader must hear of it, whatever it is
        _say(leash, f"failed {error!r}\n")
    finally:
        if folder:
            confine.end_orphans()
            confine.remove(folder)
        leash.close()  # the grader need not wait until this process has given back its memory
        os._exit(0)


def _learner(
    talk: socket.socket, leash: socket.socket, settings: Settings, folder: str, user: tuple[int, int] | None = None
) -> None:
    """Become the learner's process; ``user`` is who it was before it came into its namespaces."""
    try:
        if user is not None:
            confine.be(*user)
        os.setsid()
        _only_null(talk.fileno(), leash.fileno())
        if settings.level == "namespaces":
            confine.inside_namespaces(settings.limits, settings.folders)
        else:
            confine.with_limits_only(settings.limits, settings.readable, folder, settings.uid)
        _say(leash, "confined\n")
        leash.close()
    except BaseException as error:  # noqa: BLE001  # as above
        _say(leash, f"failed {error!r}\n")
        os._exit(1)
    be_the_learner(talk)


@functools.cache
def _streams() -> tuple[TextIO, TextIO, TextIO]:
    """Where a process reads and prints; made before it is forked, and open as long as it is."""
    return open(0, closefd=False), open(1, "w", closefd=False), open(2, "w", closefd=False)


def _only_null(*kept: int) -> None:
    """Nothing to read, nowhere to print, and no file but the sockets."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    start = 3
    for number in (*sorted(kept), 4096):
        os.closerange(start, number)
        start = number + 1
    sys.stdin, sys.stdout, sys.stderr = _streams()


def _watch(pid: int, leash: socket.socket) -> None:
    """Wait until the learner's process ends or the grader lets go of the leash; then see that it has ended."""
    let_go = False
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _say(leash, f"ended {os.waitstatus_to_exitcode(status)}\n")
            return
        if let_go:
            break
        if select.select([leash], [], [], 0.02)[0]:
            told = _hear(leash)
            let_go = not told
            if told:
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(pid, {int(told)})
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _hear(leash: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        return leash.recv(16)
    return b""


def _say(leash: socket.socket, text: str) -> None:
    with contextlib.suppress(OSError):
        leash.sendall(text.encode("ascii", "replace"))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), Settings.of(sys.argv[2]))
