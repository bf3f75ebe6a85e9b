"""Many clients in one process: they ask a server for the same answer and note when each piece of it comes.

It is made to cost little, so that what is measured is the server: while the load runs it only reads and stamps, on
`epoll` itself; answers are taken apart and verified afterwards, and a single wrong one makes the run void. Connections
are made first, requests are spread over the time of an answer in steps of the golden ratio: so the load is even, and no
two deadlines fall together (a thousand at one moment would be another experiment).

The plan comes as JSON on standard input, the findings go to standard output. Times of pieces are moments of reception,
counted from the moment the request was sent; both stand in this process, so there is one clock.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

END = b"\r\n0\r\n\r\n"  # of the last chunk and of the body; a head may end in 0 too
GOLDEN = 0.6180339887498949


class Void(Exception):
    """An answer was not what was asked for: nothing of this run counts."""


def cpu(pid: int) -> float:
    """User and system time of another process in seconds, to the nanosecond (Linux makes its clock from its number)."""
    return time.clock_gettime((~pid << 3) | 2)


def rss(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def kept_waiting(pid: int) -> float:
    """Seconds in which a process could have run and the core was busy with another: what other programs took from it."""
    return sum(int(one.read_text().split()[1]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


@dataclass
class Plan:
    """``streams`` clients ask ``rounds`` times each, ``period`` seconds apart, or at once if that is 0.

    ``due`` are the seconds after a request at which each token should come. With ``leave`` all clients hang up at
    half time and the server is watched for so many seconds.
    """

    port: int
    pid: int
    request: str
    text: str
    due: list[float]
    streams: int
    rounds: int = 1
    period: float = 0.0
    leave: float = 0.0


@dataclass
class Stream:
    """One connection: when it asked, and what came when, a list for each round."""

    socket: socket.socket
    sent: list[float] = field(default_factory=list)
    came: list[list[tuple[float, bytes]]] = field(default_factory=list)
    tail: bytes = b""
    busy: bool = False
    owed: int = 0


class Crowd:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.request = plan.request.encode()
        self.poll = select.epoll()
        self.streams: dict[int, Stream] = {}
        for index in range(plan.streams):
            connection = socket.create_connection(("127.0.0.1", plan.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            self.poll.register(connection, select.EPOLLIN)
            self.streams[connection.fileno()] = Stream(connection)
            if index % 50 == 49:
                time.sleep(0.005)  # the server's queue of new connections has 100 places

    def ask(self, stream: Stream) -> None:
        if stream.busy:  # the server is behind: ask when it has finished
            stream.owed += 1
            return
        stream.busy = True
        stream.came.append([])
        stream.sent.append(time.perf_counter())
        stream.socket.send(self.request)

    def begin(self) -> None:
        """Fix when each stream asks: the moments are absolute, whatever the server does."""
        self.began = time.perf_counter()
        self.starts = sorted(
            (
                (self.began + (index * GOLDEN % 1 + turn) * self.plan.period, index, stream)
                for turn in range(self.plan.rounds)
                for index, stream in enumerate(self.streams.values())
            ),
            reverse=True,
        )
        self.left = len(self.starts)

    def run(self, until: float = float("inf")) -> None:
        """Ask and read until a moment, or to the end of the plan."""
        starts, now = self.starts, time.perf_counter
        while self.left and now() < until:
            while starts and starts[-1][0] <= now():
                self.ask(starts.pop()[2])
            wait = min(starts[-1][0] if starts else now() + 5, until) - now()
            for number, _ in self.poll.poll(max(0.0, wait)):
                stream = self.streams[number]
                data = stream.socket.recv(262144)
                stream.came[-1].append((now(), data))
                if not data:
                    raise Void("the server closed the connection in the middle of an answer")
                stream.tail = data[-7:] if len(data) >= 7 else (stream.tail + data)[-7:]
                if stream.tail == END:
                    self.left -= 1
                    stream.busy, stream.tail = False, b""
                    if stream.owed:
                        stream.owed -= 1
                        self.ask(stream)

    def findings(self) -> dict[str, float]:
        plan = self.plan
        memory = rss(plan.pid)
        own, used, waited = time.process_time(), cpu(plan.pid), self.waited()
        self.begin()
        if plan.period:
            self.run(until=self.began + plan.period * plan.rounds * 0.75)
        loaded = rss(plan.pid)
        if plan.leave:
            return {"idle": memory, "loaded": loaded, "after": self.watch_after_leaving()}
        self.run()
        took, own, used = time.perf_counter() - self.began, time.process_time() - own, cpu(plan.pid) - used
        waited = self.waited() - waited
        answers = [
            (sent, arrivals(pieces, plan.text, len(plan.due)))
            for stream in self.streams.values()
            for sent, pieces in zip(stream.sent, stream.came, strict=True)
        ]
        events = len(answers) * len(plan.due)
        return self.late(answers) | {
            "answers": len(answers),
            "cpu": used / events,
            "rate": events / took,
            "server": used / took,
            "client": own / took,
            "waited": waited / took,
            "idle": memory,
            "loaded": loaded,
        }

    def waited(self) -> float:
        return kept_waiting(self.plan.pid) + kept_waiting(os.getpid())

    def watch_after_leaving(self) -> float:
        for stream in self.streams.values():
            stream.socket.close()
        time.sleep(0.5)  # to notice that they left is work that belongs to them
        before = cpu(self.plan.pid)
        time.sleep(self.plan.leave)
        return (cpu(self.plan.pid) - before) / self.plan.leave

    def late(self, answers: list[tuple[float, list[float]]]) -> dict[str, float]:
        """How late tokens came, of those that were due while all streams were open."""
        plan = self.plan
        opens, closes = self.began + plan.period, self.began + plan.period * plan.rounds
        errors, first, drift = [], [], []
        for sent, times in answers:
            late = [came - sent - due for came, due in zip(times, plan.due, strict=True)]
            full = [one for one, due in zip(late, plan.due, strict=True) if opens <= sent + due <= closes]
            errors += full if plan.period else late
            first.append(late[0])
            drift.append(late[-1] - late[0])
        return {
            "p50": at(errors, 0.5),
            "p99": at(errors, 0.99),
            "ttft50": at(first, 0.5),
            "ttft99": at(first, 0.99),
            "drift": median(drift),
        }


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def arrivals(pieces: list[tuple[float, bytes]], text: str, tokens: int) -> list[float]:
    """When each token came; raises `Void` unless the answer is whole and says ``text`` in so many tokens."""
    head, _, body = b"".join(data for _, data in pieces).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise Void(f"expected status 200, got {head[:200]!r}")
    ends, said, place = [], [], len(head) + 4
    while not body.startswith(END[2:]):
        size, _, body = body.partition(b"\r\n")
        if not size:
            raise Void(f"the answer ends in the middle, after {len(said)} tokens")
        length = int(size, 16)
        event, body = body[:length], body[length + 2 :]
        place += len(size) + 2 + length + 2
        if event == b"data: [DONE]\n\n":
            continue
        (choice,) = json.loads(event.removeprefix(b"data: "))["choices"]
        if choice["delta"].get("content"):
            said.append(choice["delta"]["content"])
            ends.append(place)
        elif choice["finish_reason"] not in (None, "stop"):
            raise Void(f"expected the answer to stop by itself, got {event!r}")
    if event != b"data: [DONE]\n\n" or body != END[2:] or len(said) != tokens or "".join(said) != text:
        raise Void(f"expected {tokens} tokens and [DONE], got {len(said)} tokens and {event!r}, {body!r} at the end")
    times, read, which = [], 0, iter(pieces)
    for end in ends:
        while read < end:
            when, data = next(which)
            read += len(data)
        times.append(when)
    return times


if __name__ == "__main__":
    gc.disable()
    try:
        print(json.dumps(Crowd(Plan(**json.load(sys.stdin))).findings()))
    except Void as error:
        sys.exit(f"VOID: {error}")
