"""What the learner's process gives up before the first cell runs: namespaces, files, system calls, memory, time.

Each layer is asked of the system and, where it can't be had, left out; `apply` says which ones hold. With namespaces
the process has a file tree, process numbers and a network of its own. Without them ("limits only") Landlock restricts the
files it can open and a seccomp filter refuses signals, sockets and tracing, where this Linux has these. The limits on
memory, time, processes and file sizes hold in both cases.

All of it is done through ctypes, because the standard library has none of it before Python 3.12.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

MIB = 1024 * 1024
HOME = "/home/learner"


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds of CPU, bytes, and numbers of processes (threads count) and files."""

    memory: int = 1024 * MIB
    file: int = 16 * MIB
    processes: int = 64
    cpu: int = 300
    files: int = 128


class NotConfined(Exception):
    """A layer that was promised could not be put on."""


# ------------------------------------------------------------------------------------------------------- calls to Linux

PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 4, 24, 22, 38, 36
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 0x4000, 0x40000
LAST_CAPABILITY = 63


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result < 0:
        raise NotConfined(f"{what}: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int) -> int:
    return int(_libc().prctl(option, *(ctypes.c_ulong(number) for number in (value, 0, 0, 0))))


# ----------------------------------------------------------------------------------------------------------- namespaces


ALL_OWN = NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS


def leave_namespaces() -> None:
    """Own users, processes, files, network and names, for this process's children (its own process number stays)."""
    uid, gid = os.getuid(), os.getgid()
    _must(_libc().unshare(ALL_OWN), "unshare")
    be(uid, gid)


def can_fork_away() -> bool:
    """Whether `fork_away` is known for this machine, and a process can be waited for together with sockets."""
    if platform.machine() not in NUMBERS or not hasattr(os, "pidfd_open"):
        return False
    with contextlib.suppress(OSError):
        os.close(os.pidfd_open(os.getpid()))
        return True
    return False


def fork_away() -> int:
    """As ``os.fork``, and the child is the first in namespaces of its own: with it ends all that it has started.

    It is nobody there until it calls `be`.
    """
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = int(
        _holding().syscall(
            NUMBERS[platform.machine()][1]["clone"], ctypes.c_ulong(ALL_OWN | signal.SIGCHLD), 0, 0, 0, 0
        )
    )
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
        _must(pid, "clone")
    return pid


@functools.cache
def _holding() -> Any:
    """The system's calls for who must not let other threads run meanwhile."""
    return ctypes.PyDLL(None, use_errno=True)


def be(uid: int, gid: int) -> None:
    """In new namespaces, be the user that this process was outside."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        _write(f"/proc/self/{name}", text)


def _write(path: str, text: str) -> None:
    number = os.open(path, os.O_WRONLY)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


def own_files(folders: Sequence[str]) -> None:
    """Empty folders that vanish with this process, and no view of other processes."""
    libc = _libc()
    _must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    size = b"size=16m,nr_inodes=2000,mode=0700"
    for folder in folders:
        _must(libc.mount(b"tmpfs", folder.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, size), f"mount {folder}")
    _must(libc.mount(b"tmpfs", b"/proc", b"tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, b"size=4k"), "mount /proc")


def loopback_up() -> None:
    """A network with nobody in it but this process, which a mock may serve."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, contextlib.suppress(OSError):
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def drop_capabilities() -> None:
    for capability in range(LAST_CAPABILITY):
        if _prctl(PR_CAPBSET_DROP, capability) < 0:  # there is none of this number, or nothing may be dropped any more
            break
    header = struct.pack("Ii", 0x20080522, 0)  # version 3
    _must(_libc().capset(header, bytes(24)), "capset")


# --------------------------------------------------------------------------------------------------------- another user


def become(uid: int) -> None:
    """Another user without any rights, if this is root; what that user can't find by name any more is held open."""
    held = _held_open()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _prctl(PR_SET_DUMPABLE, 1)  # else its own /proc/self would belong to root
    _search_in(held)


def _held_open() -> dict[str, str]:
    """Folders that Python imports from and nobody but root could walk to: the way there is a file descriptor instead.

    An interpreter below /root is usual in containers, and /root is closed to everybody else.
    """
    places = {sys.prefix, sys.base_prefix, *filter(None, sys.path)}
    closed = [place for place in places if os.path.isdir(place) and not _open_to_all(place)]
    return {place: f"/proc/self/fd/{os.open(place, os.O_PATH)}" for place in sorted(closed, key=len, reverse=True)}


def _open_to_all(place: str) -> bool:
    while place != os.path.dirname(place):
        if not os.stat(place).st_mode & 0o001:
            return False
        place = os.path.dirname(place)
    return True


def _search_in(held: dict[str, str]) -> None:
    def moved(path: str) -> str:
        for place, by_number in held.items():
            if path == place or path.startswith(place + "/"):
                return by_number + path[len(place) :]
        return path

    sys.path[:] = map(moved, sys.path)
    for module in list(sys.modules.values()):
        if isinstance(
            paths := getattr(module, "__dict__", {}).get("__path__"), list
        ):  # some make what they are asked for
            paths[:] = map(moved, paths)
    sys.path_importer_cache.clear()


# ------------------------------------------------------------------------------------------------------------- Landlock

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ, ON_FILES = (
    0b1101,
    0b0111,
)  # execute, read files and folders; the rights that a file can have: execute, write, read


def landlock_version() -> int:
    """0 where this system has none."""
    return max(0, _libc().syscall(LANDLOCK_CREATE, None, 0, 1)) if sys.platform == "linux" else 0


def landlock(readable: Sequence[str], writable: Sequence[str]) -> int:
    """A set of rules, as a file descriptor: everything else is closed, also for signals and TCP where it can be."""
    version, libc = landlock_version(), _libc()
    everything = (1 << 13) - 1 | (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15
    attributes = struct.pack("QQQ", everything, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = int(libc.syscall(LANDLOCK_CREATE, attributes, size, 0))
    _must(rules, "landlock")
    for place, rights in [(place, READ) for place in readable] + [(place, everything) for place in writable]:
        with contextlib.suppress(FileNotFoundError):
            opened = os.open(place, os.O_PATH)
            rule = struct.pack("=Qi", rights if os.path.isdir(place) else rights & ON_FILES, opened)
            _must(libc.syscall(LANDLOCK_ADD, rules, 1, rule, 0), f"landlock {place}")
            os.close(opened)
    return rules


def close_files(rules: int) -> None:
    _must(_libc().syscall(LANDLOCK_RESTRICT, rules, 0), "landlock_restrict_self")
    os.close(rules)


# -------------------------------------------------------------------------------------------------------------- seccomp

KERNEL = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "mount", "umount2", "pivot_root", "unshare",
          "setns", "bpf", "io_uring_setup", "keyctl", "add_key", "request_key", "perf_event_open", "userfaultfd",
          "open_by_handle_at")  # fmt: skip
OTHERS = ("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "socket", "shmget", "msgget",
          "semget", "mq_open", "setpriority", "sched_setaffinity")  # fmt: skip
NUMBERS = {
    "x86_64": (0xC000003E, {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "mount": 165, "umount2": 166,
        "pivot_root": 155, "unshare": 272, "setns": 308, "bpf": 321, "io_uring_setup": 425, "keyctl": 250, "add_key": 248,
        "request_key": 249, "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304, "kill": 62, "tkill": 200,
        "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424, "socket": 41, "shmget": 29,
        "msgget": 68, "semget": 64, "mq_open": 240, "setpriority": 141, "sched_setaffinity": 203,
        "clone": 56, "clone3": 435, "tgkill": 234, "prlimit64": 302,
    }),
    "aarch64": (0xC00000B7, {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438, "mount": 40, "umount2": 39,
        "pivot_root": 41, "unshare": 97, "setns": 268, "bpf": 280, "io_uring_setup": 425, "keyctl": 219, "add_key": 217,
        "request_key": 218, "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265, "kill": 129, "tkill": 130,
        "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424, "socket": 198, "shmget": 194,
        "msgget": 186, "semget": 190, "mq_open": 180, "setpriority": 140, "sched_setaffinity": 122,
        "clone": 220, "clone3": 435, "tgkill": 131, "prlimit64": 261,
    }),
}  # fmt: skip
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def has_seccomp() -> bool:
    return sys.platform == "linux" and platform.machine() in NUMBERS and os.path.exists("/proc/sys/kernel/seccomp")


def refuse_calls(*, also_others: bool) -> None:
    """Refuse the system calls that reach into the kernel or, ``also_others``, to other processes and the network."""
    program, steps = refusals(os.getpid() if also_others else None)
    described = struct.pack("HxxxxxxP", steps, ctypes.addressof(program))
    _must(_libc().prctl(PR_SET_SECCOMP, 2, described, 0, 0), "seccomp")


@functools.cache
def refusals(alone: int | None) -> tuple[Any, int]:
    """The filter and its number of steps; with the number of a process, that one may not reach any other process."""
    architecture, numbers = NUMBERS[platform.machine()]
    steps = [_step(LOAD, 4), _step(EQUAL, architecture, 1, 0), _step(RETURN, REFUSE | errno.EPERM)]
    steps += [_step(LOAD, 0), _step(AT_LEAST, 0x40000000, 0, 1), _step(RETURN, REFUSE | errno.EPERM)]
    for name in KERNEL + (OTHERS if alone else ()):
        steps += [_step(EQUAL, numbers[name], 0, 1), _step(RETURN, REFUSE | errno.EPERM)]
    steps += [
        _step(EQUAL, numbers["clone3"], 0, 1),
        _step(RETURN, REFUSE | errno.ENOSYS),
    ]  # its flags can't be read here
    steps += _unless_argument(numbers["clone"], ANY_BIT, NEWUSER, refuse_if=True)
    if alone:
        steps += _unless_argument(numbers["tgkill"], EQUAL, alone, refuse_if=False)
        steps += _unless_argument(numbers["prlimit64"], EQUAL, 0, refuse_if=False)
    steps.append(_step(RETURN, ALLOW))
    return ctypes.create_string_buffer(b"".join(steps)), len(steps)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _unless_argument(number: int, test: int, value: int, *, refuse_if: bool) -> list[bytes]:
    """Refuse call ``number`` depending on its first argument, whose lower half is enough to know."""
    found = _step(test, value, 0, 1) if refuse_if else _step(test, value, 1, 0)
    return [_step(EQUAL, number, 0, 4), _step(LOAD, 16), found, _step(RETURN, REFUSE | errno.EPERM), _step(LOAD, 0)]


# --------------------------------------------------------------------------------------------------------------- limits


def limit(limits: Limits) -> None:
    """Resource limits, hard ones; what this system does not know is left out."""
    if resource is None:
        return
    wanted = {
        "RLIMIT_AS": max(limits.memory, _address_space() + limits.memory // 2),
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_NOFILE": limits.files,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        if hasattr(resource, name):
            with contextlib.suppress(ValueError, OSError):  # macOS knows some of these and sets none of them
                resource.setrlimit(getattr(resource, name), (value, value))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _address_space() -> int:
    """Bytes of address space this process has already."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def oom_first() -> None:
    """Should the machine's memory run out, this process is the one to go."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


# ----------------------------------------------------------------------------------------------------- the layers, together


def get_ready() -> None:
    """Make what every process needs, before it is forked."""
    if has_seccomp():
        refusals(None)
    if sys.platform == "linux":
        libc = _libc()
        for name in ("unshare", "prctl", "mount", "capset", "syscall"):
            getattr(libc, name)
        getattr(_holding(), "syscall")  # noqa: B009  # to look it up is the point


def inside_namespaces(limits: Limits, folders: Sequence[str]) -> None:
    """In a process that `leave_namespaces` has made: files, limits, no rights."""
    oom_first()
    limit(limits)
    seccomp = has_seccomp()
    own_files(folders)
    loopback_up()
    drop_capabilities()
    _must(_prctl(PR_SET_NO_NEW_PRIVS, 1), "no_new_privs")
    if seccomp:
        refuse_calls(also_others=False)
    os.chdir(HOME)


def with_limits_only(limits: Limits, readable: Sequence[str], folder: str, uid: int | None) -> None:
    """Where there are no namespaces: what Linux, or another system, still offers. ``folder`` is all it may write to."""
    seccomp, version = has_seccomp(), landlock_version()
    oom_first()
    devices = ["/dev/null", "/dev/zero", "/dev/urandom"]
    rules = landlock(readable, [folder, *devices]) if version else None
    limit(limits)
    if uid is not None:
        os.chown(folder, uid, uid)
        become(uid)
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder, COURSE_WORK=f"{folder}/work")
    if sys.platform != "linux":
        return
    _must(_prctl(PR_SET_NO_NEW_PRIVS, 1), "no_new_privs")
    if rules is not None:
        close_files(rules)
    if seccomp:
        refuse_calls(also_others=True)


def layers(level: str, uid: int | None) -> list[str]:
    """The names of the layers that hold on this system, for the report."""
    found = ["resource limits"]
    if level == "namespaces":
        found.insert(0, "own files, processes, network and users")
    elif landlock_version():
        found.append("Landlock on files")
    if has_seccomp():
        found.append("refused system calls")
    if uid is not None:
        found.append("a user without rights")
    return found


def adopt_orphans() -> None:
    """Whatever the learner's process leaves behind becomes a child of this one."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_orphans(patience: float = 5.0) -> None:
    """Kill all that is left below this process, until nothing is: a process may have made others meanwhile."""
    until = time.monotonic() + patience
    while sys.platform == "linux" and time.monotonic() < until:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def _children() -> list[int]:
    me = os.getpid()
    with contextlib.suppress(OSError), open(f"/proc/self/task/{me}/children") as file:
        return [int(number) for number in file.read().split()]
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _parent(entry) == me]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
