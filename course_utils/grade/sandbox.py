"""Where learners' code runs: which isolation this machine can give, and how a process in it is started and ended.

Three levels, of which the best that works is taken and named in every report:

- ``namespaces``: bubblewrap makes a file tree with the interpreter, its packages and a copy of this package without the
  checks, and nothing else; no network, no environment, no other processes. Each submission has namespaces of its own
  within that.
- ``limits only``: no file tree of its own, but a process of its own with limits, and what else the system has.
- ``none``: a process of its own, where the system can't fork (Windows).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from course_utils.grade.inside import confine
from course_utils.grade.inside.channel import Lines
from course_utils.grade.inside.zygote import Settings

NAMESPACES, LIMITS_ONLY, NONE = "namespaces", "limits only", "none"
LEVELS = (NAMESPACES, LIMITS_ONLY, NONE)

PACKAGE = Path(__file__).resolve().parent.parent
LEFT_OUT = {"checks", "grade"}
STARTING = 60.0
"""Seconds a zygote may take to import everything; on a busy machine it takes several."""

FIRST_UID = 61_000
"""Users without rights, for a grader that is root; each worker and thread has its own, so that none reaches another's."""


class OurFault(Exception):
    """Something of the grader's did not work; no learner pays for it."""


class Process(Protocol):
    """A learner's process: the line to it, and its end."""

    lines: Lines

    def end(self, *, gone: bool = False) -> str:
        """Kill it and wait until all it has started is gone too; if it had ended before (``gone``), how, in words."""


class Sandbox(Protocol):
    """Starts a process for each submission."""

    level: str

    def start(self) -> Process: ...
    def close(self) -> None: ...


# ---------------------------------------------------------------------------------------------- what a learner may import


def copy_package(folder: Path) -> None:
    """This package as learners' cells may import it: without checks and grader, `check` and the like without effect."""
    target = folder / "course_utils"
    shutil.copytree(PACKAGE, target, ignore=_ignored)
    shutil.copytree(PACKAGE / "grade" / "inside", target / "grade" / "inside", ignore=_ignored)
    shutil.copyfile(PACKAGE / "grade" / "inside" / "__init__.py", target / "grade" / "__init__.py")
    (target / "checks").mkdir()
    (target / "checks" / "__init__.py").write_text("", encoding="utf-8")
    shutil.copyfile(PACKAGE / "grade" / "inside" / "words.py", target / "checks" / "vocabulary.py")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _ignored(folder: str, names: list[str]) -> set[str]:
    at_top = Path(folder) == PACKAGE
    return LEFT_OUT & set(names) if at_top else set()


# ------------------------------------------------------------------------------------------------------------- bubblewrap

SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/opt/python", "/etc/ld.so.cache", "/etc/ld.so.conf.d",
          "/etc/localtime", "/nix/store")  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def _interpreter() -> list[str]:
    """Folders that Python itself lives in, outermost first."""
    real = os.path.dirname(os.path.dirname(os.path.realpath(sys.executable)))
    places = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, real)} | {sys.prefix}
    return sorted(place for place in places if place != "/")


def _packages() -> list[str]:
    """Folders of packages outside the interpreter's own, such as a user's."""
    inside = tuple(f"{place}/" for place in _interpreter())
    found = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()]
    return [path for path in found if not os.path.realpath(path).startswith(inside)]


def _temporary() -> list[str]:
    """/tmp, unless Python itself lives there, as the environments of some tests do."""
    return [] if any(place.startswith("/tmp/") for place in (*_interpreter(), *_packages())) else ["/tmp"]


def _bubblewrap(tree: Path, *, own_users: bool) -> list[str]:
    """The command up to the one that runs inside."""
    command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--unshare-ipc", "--unshare-pid"]
    command += ["--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "learner"]
    command += ["--unshare-user", "--uid", "61000", "--gid", "61000"] if own_users else []
    for place in SYSTEM:
        if os.path.islink(place):
            command += ["--symlink", os.readlink(place), place]
        elif os.path.exists(place):
            command += ["--ro-bind", place, place]
    for place in _hidden():
        command += ["--tmpfs", place]
    for place in (*_interpreter(), *_packages()):
        if place != "/usr":
            command += ["--ro-bind", place, place]
    command += ["--ro-bind", str(tree), "/course", "--dir", confine.HOME, "--dir", "/tmp", "--proc", "/proc"]
    for device in DEVICES:
        command += ["--dev-bind", device, device]
    command += ["--remount-ro", "/", "--chdir", "/", "--cap-drop", "ALL"]
    if not own_users:
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
            command += ["--cap-add", capability]
    for name, value in _environment("/course", confine.HOME, [confine.HOME, *_temporary()][-1]).items():
        command += ["--setenv", name, value]
    return command


def _hidden() -> Iterator[str]:
    """What lies in a folder that is shown and must not be seen: the course, if it is kept in /usr/src or so."""
    root = PACKAGE.parent
    for place in {PACKAGE if "site-packages" in root.parts else root, Path.cwd(), Path.home()}:
        if str(place).startswith("/usr/") and sys.prefix != str(place):
            yield str(place)


def _environment(tree: str, home: str, temporary: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": os.pathsep.join([tree, *_packages()]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "COURSE_CLOCK": "virtual",
        "COURSE_WORK": f"{home}/work",
        "OPENBLAS_NUM_THREADS": "1",  # a process that forks must have one thread
        "OMP_NUM_THREADS": "1",
    }


PYTHON = ("-P", "-s", "-m", "course_utils.grade.inside.zygote")
"""-P: nothing from the folder it runs in; -s: nothing from a user's own packages."""


# ----------------------------------------------------------------------------------------------------------- warm processes


class Zygote:
    """A warm process and its children; made again by itself if it ends."""

    def __init__(
        self,
        level: str,
        limits: confine.Limits | None = None,
        *,
        own_users: bool = False,
        warm: bool = True,
        guards: bool = False,
    ) -> None:
        self.level, self._own_users, self._warm, self._guards = level, own_users, warm, guards
        self._uid = None if own_users else FIRST_UID + threading.get_native_id() % 4000
        self._limits = limits or confine.Limits()
        self._tree = Path(tempfile.mkdtemp(prefix="course-"))
        copy_package(self._tree)
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._ahead: WarmProcess | None = None
        self._launch()

    @property
    def layers(self) -> list[str]:
        return confine.layers(self.level, self._uid)

    def start(self) -> WarmProcess:
        """A new process for one submission; raises `OurFault` if it can't be had."""
        last: OurFault | None = None
        for _ in range(2):  # the second time with a new zygote
            try:
                return self._confined()
            except OurFault as fault:
                last = fault
                self._stop()
        raise last or OurFault("no process")

    def _confined(self) -> WarmProcess:
        """The process that was begun ahead, or one begun now; and in namespaces of its own the next is begun ahead.

        Half the time of a small submission is that of making its process, which another processor can do meanwhile. Where
        there are no namespaces, a learner's process might find one that waits for the next learner, so none does.
        """
        process, self._ahead = self._ahead or self._forked(), None
        process.confined()
        process.to_processor(_processor())
        if self.level == NAMESPACES:
            with contextlib.suppress(OurFault):  # this process is as good without; whoever wants the next one is told
                self._ahead = self._forked()
        return process

    def _forked(self) -> WarmProcess:
        control = self._begin()
        talk, their_talk = socket.socketpair()
        leash, their_leash = socket.socketpair()
        try:
            socket.send_fds(control, [b"."], [their_talk.fileno(), their_leash.fileno()])
        except OSError as error:
            talk.close()
            leash.close()
            raise OurFault(f"the warm process is gone ({error})") from None
        finally:
            their_talk.close()
            their_leash.close()
        return WarmProcess(talk, leash)

    def _launch(self) -> socket.socket:
        """Start it; it takes a second to import everything, in which something else can be done."""
        self._control, theirs = socket.socketpair()
        readable = tuple(
            place for place in (*SYSTEM, *_interpreter(), *_packages(), str(self._tree)) if os.path.exists(place)
        )
        folders = (confine.HOME, *_temporary())
        settings = Settings(self.level, folders, readable, self._uid, self._limits, self._warm, self._guards)
        inner = [sys.executable, *PYTHON, str(theirs.fileno()), settings.text()]
        outer = _bubblewrap(self._tree, own_users=self._own_users) if self.level == NAMESPACES else []
        environment = {} if outer else _environment(str(self._tree), str(self._tree), tempfile.gettempdir())
        self._process = subprocess.Popen(
            [*outer, *inner], pass_fds=[theirs.fileno()], env=environment | _PATH, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        return self._control

    def _begin(self) -> socket.socket:
        """The line to it, once it is ready."""
        control = self._control or self._launch()
        if not self._ready:
            control.settimeout(STARTING)
            try:
                self._ready = control.recv(64) == b"ready\n"
            except OSError:
                self._ready = False
            if not self._ready:
                raise OurFault(f"the warm process did not start: {self._last_words()}")
            control.settimeout(10)
        return control

    def _last_words(self) -> str:
        process = self._process
        if process is None or process.stderr is None:
            return ""
        process.kill()
        return process.stderr.read().decode("utf-8", "replace").strip()[-500:]

    def _stop(self) -> None:
        if self._ahead is not None:
            self._ahead.end()
            self._ahead = None
        if self._control is not None:
            self._control.close()
            self._control, self._ready = None, False
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._process = None

    def close(self) -> None:
        self._stop()
        shutil.rmtree(self._tree, ignore_errors=True)


def _processor() -> int:
    """The processor this runs on just now; -1 where the system does not tell."""
    return int(ctypes.CDLL(None).sched_getcpu()) if sys.platform == "linux" else -1


@contextlib.contextmanager
def on_one_processor() -> Iterator[None]:
    """Stay on one processor, and let processes that are started meanwhile stay there too.

    Grader and learner take turns, never at work at once. On one processor a turn changes in 17 microseconds, between two
    of them in up to 100, and there are hundreds of turns in a submission. Each worker takes a processor that no other has,
    as long as there are any: two that met on one would stay there and share it.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    here = _processor()
    with one_of_our_own(sorted(before, key=lambda number: number != here)) as own:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {here if own is None else own})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, before)


@contextlib.contextmanager
def one_of_our_own(processors: Iterable[int], name: str = "course-grader") -> Iterator[int | None]:
    """The first of these that no other worker has; None if there is none.

    A claim is a name that Linux gives to one socket at a time, and frees however its process ends.
    """
    for number in processors:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(f"\0{name}-{number}")
            except OSError:
                continue
            yield number
            return
    yield None


_PATH = {"PATH": os.environ.get("PATH", os.defpath)}  # bubblewrap is looked up in it, and passes none of it on


class WarmProcess:
    """A forked process; its guard tells on the leash that it is confined, and how it ended."""

    PATIENCE = 20.0

    def __init__(self, talk: socket.socket, leash: socket.socket) -> None:
        self._leash = leash
        self._said = b""
        leash.settimeout(self.PATIENCE)
        self.lines = Lines(talk)

    def confined(self) -> None:
        """Wait until it is; raises `OurFault` if that does not come about."""
        if self._hear() != "confined\n":  # or it was, and has ended since, which nobody has asked for
            self._leash.close()
            self.lines.close()
            raise OurFault(f"a process could not be confined: {self._said.decode('ascii', 'replace') or 'it ended'}")

    def to_processor(self, number: int) -> None:
        """Let it run beside the grader, with which it takes turns; ``number`` is -1 where nobody knows."""
        if number >= 0:
            with contextlib.suppress(OSError):
                self._leash.sendall(b"%d\n" % number)

    def _hear(self) -> str:
        """Everything said up to the end of a line, or to the end."""
        while b"\n" not in self._said:
            try:
                came = self._leash.recv(4096)
            except OSError:
                break
            if not came:
                break
            self._said += came
        return self._said.decode("ascii", "replace")

    def end(self, *, gone: bool = False) -> str:
        if gone:  # its guard needs a moment to see it too
            self._leash.settimeout(0.5)
            self._said = self._said.partition(b"\n")[2]
            self._hear()
        with contextlib.suppress(OSError):
            self._leash.shutdown(socket.SHUT_WR)
        self._leash.settimeout(self.PATIENCE)
        with contextlib.suppress(OSError):
            while came := self._leash.recv(4096):  # until the guard has closed its end: nothing of it is left then
                self._said += came
        self._leash.close()
        self.lines.close()
        words = self._said.decode("ascii", "replace").split()
        return in_words(int(words[words.index("ended") + 1])) if "ended" in words else ""


def in_words(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


# ----------------------------------------------------------------------------------------------------------- cold processes


class Cold:
    """A fresh process for each submission, for systems that can't fork; it reaches us over the loopback interface."""

    level = NONE
    layers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._tree = Path(tempfile.mkdtemp(prefix="course-"))
        copy_package(self._tree)

    def start(self) -> ColdProcess:
        return ColdProcess(self._tree)

    def close(self) -> None:
        shutil.rmtree(self._tree, ignore_errors=True)


class ColdProcess:
    def __init__(self, tree: Path) -> None:
        self._home = tempfile.mkdtemp(prefix="learner-")
        environment = _environment(str(tree), self._home, self._home)
        if "SYSTEMROOT" in os.environ:  # Windows opens no socket without it
            environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(STARTING)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "course_utils.grade.inside.cold", str(server.getsockname()[1])],
                env=environment, cwd=self._home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, **_OWN_GROUP,
            )  # fmt: skip
            try:
                talk, _ = server.accept()
            except OSError:
                self.end()
                raise OurFault("a process did not start") from None
        self.lines = Lines(talk)

    def end(self, *, gone: bool = False) -> str:
        if gone:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
        code = self._process.poll()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        if hasattr(self, "lines"):
            self.lines.close()
        shutil.rmtree(self._home, ignore_errors=True)
        return "" if code is None else in_words(code)


_OWN_GROUP: dict[str, Any] = {"start_new_session": True} if hasattr(os, "setsid") else {}


# ---------------------------------------------------------------------------------------------------- the best there is


def works(level: str) -> str:
    """Why this level can't be had on this machine; empty if it can."""
    return _tried(level)[0]


def layers(level: str) -> list[str]:
    """What stands between a learner's code and this machine at a level, by name."""
    return _tried(level)[1]


@functools.cache
def _tried(level: str) -> tuple[str, list[str]]:
    """Tried once, with a real process, and a cold one: why the level can't be had, and its layers."""
    if level == NONE:
        return "", []
    if not hasattr(os, "fork"):
        return "this system can't fork", []
    if level == NAMESPACES and shutil.which("bwrap") is None:
        return "bubblewrap is not installed (on Debian and Ubuntu: apt-get install bubblewrap)", []
    reasons = []
    for own_users in _ways():
        zygote = Zygote(level, own_users=own_users, warm=False)
        try:
            zygote.start().end()
            return "", zygote.layers
        except OurFault as fault:
            reasons.append(str(fault))
        finally:
            zygote.close()
    return "; ".join(reasons), []


def _ways() -> list[bool]:
    """Root needs no user namespace, and can give each worker a user. Where it may not do that, it is tried as for others."""
    return [False, True] if os.geteuid() == 0 else [True]


def best_level() -> str:
    return next(level for level in LEVELS if not works(level))


def open_sandbox(level: str, limits: confine.Limits | None = None) -> Zygote | Cold:
    """The sandbox of this worker at a level that works."""
    if level == NONE:
        return Cold()
    faults = []
    for own_users in _ways():
        zygote = Zygote(level, limits, own_users=own_users)
        with contextlib.suppress(ImportError):
            importlib.import_module("openai.resources.chat")  # checks need it, and here nobody waits for it
        try:
            zygote.start().end()
        except OurFault as fault:
            faults.append(str(fault))
            zygote.close()
        else:
            return zygote
    raise OurFault("; ".join(faults))
