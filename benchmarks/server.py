"""How fast the mock server is, as ratios in one run against a limit: `python benchmarks/server.py`. Linux only.

The limit (`limit.py`) is a bare protocol on the standard event loop that writes ready-made events at absolute deadlines.
Server and client (`crowd.py`) have a process and a core each; the limit and ours take turns, a fresh process for each
run; printed are medians. CPU is user and system time of the server's process while the load runs, making the answers
included, by token. Pace error is when a token was received, less when it was due, both counted from the moment the
client sent the request. Every answer is verified: a run with a wrong one does not count but ends the benchmark.

A processor with nothing to do sleeps, and a virtual one may be given to somebody else meanwhile; to wake it takes
milliseconds at times, whoever is to be woken. So lateness is measured with processors that are kept awake, by processes
which run only while nobody else wants to. What CPU and memory cost is measured as everybody has it, with sleep. Both
states are printed for each load, and the processor time of both.

    python benchmarks/server.py                  all rows, about 11 minutes
    python benchmarks/server.py cpu-200 start    these rows
    python benchmarks/server.py --quick          a smoke run of seconds; its numbers mean nothing
    python benchmarks/server.py --plot           also writes benchmarks/server.svg
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from course_utils.api import MODEL
from course_utils.engine import Engine, Request
from course_utils.metrics import percentile
from course_utils.pace import Pace
from course_utils.replies import SCRIPT, tokens

HERE = Path(__file__).resolve().parent
TOKENS = 100
TEXT = "".join(tokens(" ".join([SCRIPT["sky"]] * 4))[:TOKENS])
BODY = json.dumps({"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Why is the sky blue?"}]})
REQUEST = (
    f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    f"content-length: {len(BODY)}\r\n\r\n{BODY}"
)
LIMIT, OURS = "limit", "mocked"
NOT_PASSED_ON = {"COURSE_CLOCK", "PYTHONDONTWRITEBYTECODE"}
"""Virtual time (the tests'), and what would have every module compiled at every start."""


@dataclass(frozen=True)
class Size:
    """How much is measured. The quick size is for the smoke test."""

    runs: int = 5
    ttft: float = 0.2
    itl: float = 0.02
    rounds: int = 2
    streams: float = 1.0
    repeats: int = 20
    watch: float = 2.0

    @property
    def pace(self) -> dict[str, float]:
        return {"headers": self.ttft / 4, "ttft": self.ttft, "itl": self.itl}

    @property
    def period(self) -> float:
        """One answer and the gap of one token."""
        return self.ttft + TOKENS * self.itl


QUICK = Size(runs=1, ttft=0.02, itl=0.002, streams=0.02, repeats=1, watch=0.1)


class Bench:
    """Runs what rows ask for, each load once."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.cores = sorted(os.sched_getaffinity(0))
        self.answers = 0
        self.paced = cache(self._paced)
        self.unpaced = cache(self._unpaced)
        self.left = cache(self._left)
        self.started = cache(self._started)

    def _paced(self, streams: int, awake: bool = False) -> dict[str, list[dict[str, float]]]:
        size, pace = self.size, Pace(**self.size.pace)
        plan = {"streams": max(2, int(streams * size.streams)), "rounds": size.rounds, "period": size.period}
        with kept_awake(self.cores) if awake else contextlib.nullcontext():
            return self._in_turns(f"{plan['streams']} streams{', awake' if awake else ''}", pace, plan)

    def _unpaced(self, streams: int) -> dict[str, list[dict[str, float]]]:
        plan = {"streams": max(2, int(streams * self.size.streams)), "rounds": self.size.repeats}
        return self._in_turns(f"{plan['streams']} streams, unpaced", Pace(headers=0, ttft=0, itl=0), plan)

    def _in_turns(self, name: str, pace: Pace, plan: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
        found: dict[str, list[dict[str, float]]] = {LIMIT: [], OURS: []}
        for _ in range(self.size.runs):
            for server, runs in found.items():
                runs.append(self._run(server, pace, plan))
        for server, runs in found.items():
            say = {key: median(run[key] for run in runs) for key in runs[0]}
            print(
                f"{name:>21}  {'ours' if server == OURS else server:<5} {say['cpu'] * 1e6:5.1f} us a token; late p50 "
                f"{say['p50'] * 1e3:6.2f} p99 {say['p99'] * 1e3:7.2f} ms; {say['loaded']:5.1f} MB; busy: server "
                f"{say['server']:4.0%} client {say['client']:4.0%}; kept waiting by other programs {say['waited']:4.0%}",
                flush=True,
            )
        return found

    def _left(self, streams: int) -> dict[str, float]:
        """All clients hang up in the middle of their answers."""
        size = self.size
        plan = {"streams": max(2, int(streams * size.streams)), "period": size.period, "leave": size.watch}
        return self._run(OURS, Pace(**size.pace), plan)

    def _run(self, server: str, pace: Pace, plan: dict[str, Any]) -> dict[str, float]:
        with self._serving(server, pace) as (pid, port):
            due = pace.token_times(TOKENS)
            told = plan | {"port": port, "pid": pid, "request": REQUEST, "text": TEXT, "due": due}
            client = self._child("crowd", self.cores[-1])
            out, _ = client.communicate(json.dumps(told))
        if client.returncode:
            raise SystemExit("an answer was wrong, so nothing was measured")
        found: dict[str, float] = json.loads(out)
        self.answers += int(found.get("answers", 0))
        return found

    @contextlib.contextmanager
    def _serving(self, server: str, pace: Pace) -> Iterator[tuple[int, int]]:
        told = events(pace) if server == LIMIT else {"text": TEXT, "pace": self._plain(pace)}
        with self._child(server, self.cores[0]) as process:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps(told))
            process.stdin.close()
            try:
                yield process.pid, int(process.stdout.readline())
            finally:
                process.kill()

    @staticmethod
    def _plain(pace: Pace) -> dict[str, float]:
        return {"headers": pace.headers, "ttft": pace.ttft, "itl": pace.itl}

    @staticmethod
    def _child(script: str, core: int, *arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, str(HERE / f"{script}.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
            | {"PYTHONPATH": str(HERE.parent)},  # what stands beside this file is measured, whatever is installed
        )
        with contextlib.suppress(OSError):  # where cores can't be chosen, the numbers are rougher
            os.sched_setaffinity(child.pid, {core})
        return child

    def _started(self, which: str) -> float:
        times = []
        for _ in range(self.size.runs + 1):  # the first may have to compile the modules
            out, _ = self._child("started", self.cores[0]).communicate(json.dumps({"text": TEXT, "request": REQUEST}))
            times.append(json.loads(out))
        return median(one[which] for one in times[1:])


IDLER = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
print(flush=True)
while os.getppid() == int(sys.argv[2]):
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def kept_awake(cores: Sequence[int]) -> Iterator[None]:
    """Processors that don't sleep: each has a process that runs while nobody else wants to (``SCHED_IDLE``)."""
    with contextlib.ExitStack() as stack:
        for core in cores:
            words = [sys.executable, "-c", IDLER, str(core), str(os.getpid())]
            idler = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE))
            stack.callback(idler.kill)
            assert idler.stdout
            if not idler.stdout.readline():
                raise SystemExit("the processors can't be kept awake here")
        yield


def events(pace: Pace) -> list[tuple[float, str]]:
    """What our server would send, as HTTP chunks: the limit gets them ready-made."""
    answer = Engine(TEXT, pace).respond(Request("POST", "/v1/chat/completions", BODY.encode()))
    chunks = [(frame.at, f"{len(frame.data):x}\r\n{frame.data.decode()}\r\n") for frame in answer.frames]
    assert sum(frame.tokens for frame in answer.frames) == TOKENS
    return [*chunks, (chunks[-1][0], "0\r\n\r\n")]


Value = Callable[[Bench], float]


def ratio(runs: dict[str, list[dict[str, float]]], key: str) -> float:
    """Limit by ours, each pair of neighbouring runs for itself: what disturbs the machine disturbs both."""
    return median(limit[key] / ours[key] for limit, ours in zip(runs[LIMIT], runs[OURS], strict=True))


def ours(runs: dict[str, list[dict[str, float]]], key: str, server: str = OURS) -> float:
    return median(run[key] for run in runs[server])


def _fixed(value: float) -> Value:
    return lambda bench: value


@dataclass(frozen=True)
class Row:
    """A number with its two marks, and what the limit itself came to. ``scale`` and ``unit`` are for printing."""

    name: str
    what: str
    value: Value
    must: Value
    aim: Value
    limit: Value | None = None
    more_is_better: bool = False
    scale: float = 1.0
    unit: str = ""

    def judged(self, bench: Bench) -> tuple[str, str, str, str, str]:
        value, must, aim = self.value(bench), self.must(bench), self.aim(bench)
        reached = [value >= mark if self.more_is_better else value <= mark for mark in (must, aim)]
        met = "aim" if all(reached) else "must" if reached[0] else "NO"
        limit = self._text(self.limit(bench)) if self.limit else ""
        return self._text(value), self._text(must), self._text(aim), met, limit

    def _text(self, value: float) -> str:
        return f"{value * self.scale:.2f}{self.unit}"


def _cpu(streams: int, must: float, aim: float) -> Row:
    what = f"server CPU by paced token, limit / ours, {streams} streams"
    return Row(
        f"cpu-{streams}", what, lambda b: ratio(b.paced(streams), "cpu"), _fixed(must), _fixed(aim), more_is_better=True
    )


def _ms(name: str, what: str, value: Value, must: float, aim: float, limit: Value | None = None) -> Row:
    return Row(name, what, value, _fixed(must / 1e3), _fixed(aim / 1e3), limit, scale=1e3, unit=" ms")


def _late(name: str, what: str, streams: int, key: str, must: float, aim: float) -> Row:
    """Milliseconds of lateness, ours; on a machine on which the limit is as late, no server could do better."""
    value, limit = (lambda b, server=server: abs(ours(b.paced(streams, True), key, server)) for server in (OURS, LIMIT))
    return _ms(name, what, value, must, aim, limit)


def _pace(streams: int, must: float, aim: float) -> Row:
    return _late(f"pace-{streams}", f"pace error p99, {streams} streams", streams, "p99", must, aim)


def _pace_by_limit(streams: int) -> Row:
    def limit(bench: Bench) -> float:
        return ours(bench.paced(streams, True), "p99", LIMIT)

    return Row(
        f"pace-{streams}",
        f"pace error p99, {streams} streams (marks follow the limit)",
        lambda b: ours(b.paced(streams, True), "p99"),
        lambda b: 1.2 * limit(b) + 0.5e-3,
        lambda b: limit(b) + 0.2e-3,
        limit,
        scale=1e3,
        unit=" ms",
    )


def _mb(name: str, what: str, value: Value, must: float, aim: float) -> Row:
    return Row(name, what, value, _fixed(must), _fixed(aim), unit=" MB")


ROWS = (
    _cpu(200, 0.60, 0.85),
    _cpu(500, 0.50, 0.70),
    _cpu(1000, 0.50, 0.70),
    Row(
        "unpaced",
        "unpaced tokens per second, ours / limit, 50 streams",
        lambda b: 1 / ratio(b.unpaced(50), "rate"),
        _fixed(0.45),
        _fixed(0.60),
        more_is_better=True,
    ),
    _pace_by_limit(20),
    _pace_by_limit(200),
    _pace(500, 3, 1.5),
    _pace(1000, 10, 2),
    _late("drift", "drift over an answer, 500 streams", 500, "drift", 1, 0.5),
    _late("ttft-p50", "TTFT overhead p50, 200 streams", 200, "ttft50", 1, 0.7),
    _late("ttft-p99", "TTFT overhead p99, 200 streams", 200, "ttft99", 3, 1.5),
    _ms("start", "start in a thread to the first answer", lambda b: b.started("cold"), 50, 15),
    _ms("restart", "the same again, all modules loaded", lambda b: b.started("warm"), 50, 15),
    _mb("memory-idle", "memory, idle", lambda b: ours(b.paced(1000), "idle"), 35, 25),
    _mb("memory-1000", "memory, 1000 streams", lambda b: ours(b.paced(1000), "loaded"), 50, 30),
    Row(
        "left",
        "CPU after 1000 clients left in mid-answer",
        lambda b: b.left(1000)["after"],
        _fixed(0.01),
        _fixed(0.00005),
        scale=100,
        unit=" %",
    ),
)


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    if not hasattr(os, "sched_setaffinity"):
        print("server: needs Linux: cores are assigned and other processes' CPU and memory are read as Linux does")
        return 2
    wanted = [row for row in ROWS if not options.row or row.name in options.row]
    bench = Bench(QUICK if options.quick else Size())
    print(_conditions(bench), flush=True)
    table = [(row, row.judged(bench)) for row in wanted]
    print(f"\n{'row':<12}{'':58}{'limit':>10}{'ours':>10}{'must':>10}{'aim':>10}  met")
    for row, (value, must, aim, met, limit) in table:
        print(f"{row.name:<12}{row.what:58}{limit:>10}{value:>10}{must:>10}{aim:>10}  {met}")
    print(f"\nload at the end {os.getloadavg()[0]:.1f}; answers verified: {bench.answers}, wrong: 0")
    if options.quick:
        print("a quick run: these numbers mean nothing")
    if options.plot:
        (HERE / "server.svg").write_text(picture(table), "utf-8")
    return 0


def _conditions(bench: Bench) -> str:
    size = bench.size
    shared = "ONE core for both" if len(bench.cores) == 1 else "a core each"
    return (
        f"Python {platform.python_version()}, {len(bench.cores)} cores, server and client have {shared}, "
        f"load before {os.getloadavg()[0]:.1f}\n"
        f"a process that only sleeps wakes late on this machine: {_woken(size.watch)}; {_woken_awake(bench)}\n"
        f"{TOKENS} tokens an answer, TTFT {size.ttft * 1e3:g} ms, {size.itl * 1e3:g} ms apart; each stream asks "
        f"{size.rounds} times, {size.period:g} s apart, on a connection made before;\n"
        f"the streams' requests are spread over these {size.period:g} s in steps of the golden ratio; "
        f"medians of {size.runs} runs, limit and ours in turns"
    )


def _woken(seconds: float, gap: float = 0.01) -> str:
    """How late sleeps of ``gap`` seconds end: no server here can be more punctual than that."""
    late, due = [], time.perf_counter()
    for _ in range(int(seconds / gap)):
        due += gap
        time.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
    return f"p50 {percentile(late, 50) * 1e3:.2f} ms, p99 {percentile(late, 99) * 1e3:.2f} ms"


def _woken_awake(bench: Bench) -> str:
    with kept_awake(bench.cores):
        return f"with processors that are kept awake {_woken(bench.size.watch)}"


def picture(table: Sequence[tuple[Row, tuple[str, str, str, str, str]]]) -> str:
    """Each row as a bar whose full length is the mark that must be met; a stroke where the aim is."""
    lines = []
    for index, (row, (value, must, aim, met, _)) in enumerate(table):
        y = 48 + 26 * index
        number, full, mark = (float(text.split()[0]) for text in (value, must, aim))
        scale = 200 / full if full else 0.0
        lines.append(
            f'<text x="12" y="{y + 4}">{escape(row.what)}</text>'
            f'<rect x="450" y="{y - 7}" width="200" height="14" fill="#e3e6ea"/>'
            f'<rect x="450" y="{y - 5}" width="{min(number * scale, 260):.1f}" height="10" fill="#1f5fa8"/>'
            f'<path d="M{450 + min(mark * scale, 260):.1f} {y - 9}v18" stroke="#a34700" stroke-width="2"/>'
            f'<text x="725" y="{y + 4}">{escape(value)}: {escape({"aim": "aim met", "must": "must met", "NO": "not met"}[met])}'
            "</text>"
        )
    height = 48 + 26 * len(table) + 10
    title = "The mock server: value (blue), what it must reach (grey), aim (stroke)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 {height}" role="img" aria-label="{title}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#1b1f24"><rect width="880" height="{height}" '
        f'fill="#ffffff"/><text x="12" y="24" font-size="15" font-weight="600">{title}</text>{"".join(lines)}</svg>\n'
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The mock server's speed against a limit, as ratios in one run.")
    parser.add_argument(
        "row",
        nargs="*",
        metavar="row",
        choices=[[], *(row.name for row in ROWS)],
        help=f"rows to measure (default: all): {', '.join(row.name for row in ROWS)}",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run of a few seconds")
    parser.add_argument("--plot", action="store_true", help="also write benchmarks/server.svg")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
