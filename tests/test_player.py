"""Alarms on a loop of virtual time, and connections that write to a list."""

import asyncio
import json

import pytest

from course_utils.clock import VirtualClock, run
from course_utils.engine import Engine
from course_utils.ledger import Ledger
from course_utils.pace import Pace
from course_utils.player import TURN, Alarms
from course_utils.server import Core, _Connection


class Ticking(VirtualClock):
    """Virtual time for what wants to know how fast real time passes."""

    speed = 1.0


class Sleeper:
    def __init__(self, clock, alarms, again=()):
        self.clock, self.alarms, self.again, self.woken = clock, alarms, list(again), []

    def send(self):
        self.woken.append(self.clock.now())
        if self.again:
            self.alarms.wake(self, self.again.pop(0))


def test_everybody_is_woken_at_the_moment_asked_for_and_not_when_it_is_forgotten():
    clock = Ticking()
    alarms = Alarms(clock, Sleeper.send)
    late, early, gone = Sleeper(clock, alarms), Sleeper(clock, alarms, again=[2.0, 3.0]), Sleeper(clock, alarms)

    async def main():
        for sleeper, at in ((late, 2.0), (early, 0.5), (gone, 1.0)):
            alarms.wake(sleeper, at)
        alarms.forget(gone)
        await asyncio.sleep(9)

    run(main(), clock)
    assert (late.woken, early.woken, gone.woken) == ([2.0], [0.5, 2.0, 3.0], [])


def test_one_who_fails_does_not_keep_the_others_asleep():
    clock = Ticking()
    alarms = Alarms(clock, Sleeper.send)
    failing, other = Sleeper(clock, alarms), Sleeper(clock, alarms)
    failing.clock = None

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        alarms.wake(failing, 0.5)
        alarms.wake(other, 0.5)
        await asyncio.sleep(1)

    run(main(), clock)
    assert other.woken == [0.5]


def test_alarms_that_were_forgotten_take_no_room():
    clock = Ticking()
    alarms = Alarms(clock, Sleeper.send)

    async def main():
        alarms.wake(Sleeper(clock, alarms), 1.0)
        for number in range(10_000):
            sleeper = Sleeper(clock, alarms)
            alarms.wake(sleeper, 1e9 + number)
            alarms.forget(sleeper)

    run(main(), clock)
    assert len(alarms._heap) < 200


class Working(Ticking):
    """A clock that shows a millisecond more after each time somebody was woken."""

    work = 0.0

    def now(self):
        return super().now() + self.work


def test_what_falls_due_meanwhile_is_woken_too_but_others_get_their_turn():
    clock, turns = Working(), []

    class Busy(Sleeper):
        def send(self):
            clock.work += 0.001
            turns[-1] += 1

    class Counted(Alarms):
        def _look(self):
            turns.append(0)
            super()._look()

    alarms = Counted(clock, Busy.send)

    async def main():
        for number in range(20):
            alarms.wake(Busy(clock, alarms), 0.001 * number)
        await asyncio.sleep(1)

    run(main(), clock)
    assert sum(turns) == 20
    assert turns[0] == round(TURN / 0.001)  # and not one at a time, nor all twenty


class Wire(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.writes = []

    def write(self, data):
        self.writes.append(bytes(data))

    def is_closing(self):
        return False

    def set_write_buffer_limits(self, high=None, low=None):
        pass


def test_in_virtual_time_patience_ends_too():
    clock, wire = VirtualClock(), Wire()
    wire.abort = lambda: wire.writes.append(clock.now())

    async def main():
        connection = _Connection(Core(Engine(), Ledger(clock), clock))
        connection.connection_made(wire)
        await asyncio.sleep(600)

    run(main(), clock)
    assert wire.writes == [60.0]


def writes(model: str) -> list[bytes]:
    """What the server hands to the system for one unpaced answer."""
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    clock, wire = Ticking(), Wire()
    engine = Engine("one two three", Pace(headers=0, ttft=0, itl=0))

    async def main():
        connection = _Connection(Core(engine, Ledger(clock), clock))
        connection.connection_made(wire)
        connection.data_received((head + body).encode())
        await asyncio.sleep(1)

    run(main(), clock)
    return wire.writes


def test_what_is_due_together_leaves_in_one_write():
    (whole,) = writes("mock-1")
    assert whole.startswith(b"HTTP/1.1 200 OK")
    assert whole.endswith(b"0\r\n\r\n")
    assert whole.count(b"\r\ndata: ") == 6  # each event is an HTTP chunk of its own


@pytest.mark.parametrize(("fault", "least"), [("split=100", 18), ("split-utf8", 7), ("crlf", 7)])
def test_what_a_fault_has_cut_leaves_in_pieces(fault, least):
    assert len(writes(f"mock-1;{fault}")) >= least
