"""Exercise 5.3: an open loop, which sends when a request is due and not when the last one is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock

LAG = 1 / 64
"""Seconds by which whoever waits is woken too late, as by timers in life."""
QUICK = 1 / 32
"""Seconds that the server takes for an answer."""
PLENTY = 1000
"""As many under way as nobody reaches."""
MANY = 8
"""Times that a request fails: with more, an answer that tries for ever would never come to its verdict."""
START = 0.25
"""What the clock shows before the test."""


class _LateClock(VirtualClock):
    """Wakes too late whoever waits, by sleep() as by asyncio's own timers: lateness that adds up shows in both."""

    def sleep_until(self, when: float) -> None:
        if when > self.now():
            super().sleep_until(when + LAG)


@dataclass
class _Play:
    """One load test, and the server's ledger of it. All times count from the start of the test.

    In a ``freeze`` (from, until) the server answers nobody. ``slow`` numbers take longer, ``broken`` ones fail.
    """

    rate: float
    n: int
    most: int = PLENTY
    freeze: tuple[float, float] = (0.0, 0.0)
    slow: dict[int, float] = field(default_factory=dict)
    broken: frozenset[int] = frozenset()
    clock: VirtualClock = field(default_factory=lambda: _LateClock(START))
    sent: dict[int, float] = field(default_factory=dict)
    done: dict[int, float] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    twice: int | None = None
    looked: bool = False
    peak: int = 0
    left: int = 0
    got: Any = None

    def run(self, answer: Subject) -> _Play:
        try:
            answer.play(self._test(answer), self.clock)
            self.left = len(self.sent) - len(self.done)
        except Raised as error:
            if error.kind in ("ConnectionError", "ExceptionGroup", "BaseExceptionGroup") and self.broken:
                why = "One request failed, and your test ended with it. A failure is a result: None."
                raise NotYet(why, **self.facts() | {"got": Words(error)}) from None
            error.given = self.given
            raise
        return self

    async def _test(self, answer: Subject) -> None:
        self.got = await answer.acall(self.rate, self.n, self._call, self._look, self._sleep, self.most)

    def _now(self) -> float:
        return self.clock.now() - START

    def _look(self) -> float:
        self.looked = True
        return self.clock.now()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0, seconds))

    async def _call(self, number: int) -> None:
        at = self._now()
        if type(number) is not int or not 0 <= number < self.n:
            raise ValueError(f"call() takes the number of a request, from 0 to {self.n - 1}, got {number!r}")
        if number in self.sent:
            self.twice = number
        self.tries[number] += 1
        self.sent[number] = at
        self.peak = max(self.peak, len(self.sent) - len(self.done))
        takes, (begins, ends) = self.slow.get(number, QUICK), self.freeze
        ready = at + takes if at >= ends or at + takes <= begins else ends + takes
        await self.clock.asleep_until(START + ready)
        self.done[number] = self._now()
        if number in self.broken and self.tries[number] < MANY:
            raise ConnectionError("the server hung up")

    def due(self, number: int) -> float:
        return number / self.rate

    def right(self, number: int) -> float | None:
        """The latency of a request, by the ledger."""
        if number not in self.sent or number in self.broken:
            return None
        return self.done[number] - self.due(number)

    def under_way(self, number: int) -> int:
        """How many others were under way when this one was due."""
        due = self.due(number)
        return sum(at < due < self.done.get(other, due) for other, at in self.sent.items())

    @property
    def given(self) -> str:
        frozen = f"; the server stands still from {self.freeze[0]:g} to {self.freeze[1]:g} s" if self.freeze[1] else ""
        broken = f"; these fail: {sorted(self.broken)}" if self.broken else ""
        slow = f"; slow: {', '.join(f'{n} takes {takes:g} s' for n, takes in self.slow.items())}" if self.slow else ""
        return f"rate={self.rate:g}, n={self.n}, most={self.most}{frozen}{slow}{broken}"

    def facts(self) -> dict[str, Any]:
        return {"given": self.given, "got": self.got}

    def arrivals(self) -> dict[str, Any]:
        """The facts, with what the server saw in place of what was returned."""
        seen = ", ".join(f"{number} at {at:.3f}" for number, at in list(self.sent.items())[:20])
        dues = ", ".join(f"{number} at {self.due(number):.3f}" for number in range(min(self.n, 20)))
        return {"given": self.given, "got": Words(f"sent: {seen or 'nothing'}"), "expected": Words(f"due: {dues}")}


def check(answer: Subject, draw: Random) -> None:
    _judge(_Play(16, 12).run(answer))
    _judge(_Play(16, 40, freeze=(0.7, 1.7)).run(answer))
    _judge(_Play(8, 8, slow={0: 2.0, 3: 0.4, 5: 0.3}).run(answer))
    _judge(_Play(16, 12, broken=frozenset({2, 11})).run(answer))
    _judge(_Play(8, 24, most=5, freeze=(0.4, 60.0)).run(answer))
    _judge(_Play(4, 6, most=1, slow={1: 0.7}).run(answer))
    for n in (0, 1):
        _judge(_Play(4, n).run(answer))
    for _ in range(8):
        _judge(_drawn(draw).run(answer))


def _drawn(draw: Random) -> _Play:
    rate, n = draw.choice([2, 4, 5, 8, 10]), draw.randint(3, 30)
    broken = frozenset(draw.sample(range(n), draw.choice([0, 0, 1, 2])))
    slow = {number: draw.randint(3, 60) / 10 + 0.05 for number in draw.sample(range(n), 2)}
    begins = draw.randint(0, n // 2) / rate + 0.5 / rate
    if draw.random() < 0.5:
        # Nothing ends but in the pause between two requests, or when all have been sent: else the limit is a matter of luck.
        return _Play(rate, n, draw.randint(1, 6), (begins, begins + n), {}, broken)
    return _Play(rate, n, PLENTY, draw.choice([(0.0, 0.0), (begins, begins + draw.randint(1, 8) / 4)]), slow, broken)


def _judge(play: _Play) -> None:
    if play.twice is not None:
        times = "twice" if play.tries[play.twice] == 2 else f"{play.tries[play.twice]} times"
        raise NotYet(
            f"Request {play.twice} was sent {times}. A retry hides a failure in a long wait.", **play.arrivals()
        )
    for why in (_peak(play), _sending(play), _given_up(play)):
        if why:
            raise NotYet(why, **play.arrivals())
    if play.left:
        raise NotYet(f"You returned while {play.left} requests were under way. Wait for them: they are part of the test.",
                     **play.facts())  # fmt: skip
    _latencies(play)


def _peak(play: _Play) -> str:
    if play.peak <= play.most:
        return ""
    return (
        f"{play.peak} requests were under way at a server that answered nobody, and most={play.most}. A test that runs for hours "
        "would fill its memory: send no more until one has ended."
    )


def _sending(play: _Play) -> str:
    """What is wrong with when requests left."""
    early = [number for number, at in play.sent.items() if at < play.due(number) - 1e-6]
    late = [number for number, at in play.sent.items() if at > play.due(number) + LAG + 1e-6]
    if early and len(play.sent) > 2 and max(play.sent.values()) - min(play.sent.values()) < 1e-6:
        return f"All {len(play.sent)} requests left at once. Each has its moment: number / rate."
    if early:
        return f"Request {early[0]} left before it was due. The first one is due at the start, number i after i / rate seconds."
    if not late:
        return ""
    return _late(play, late)


def _late(play: _Play, late: list[int]) -> str:
    begins, ends = play.freeze
    if play.most < PLENTY:
        number = late[0]
        return (
            f"Request {number} was due at {play.due(number):g} s and left at {play.sent[number]:.2f} s: it stood in a queue of "
            "yours. Where there is no room, it is not sent, and its result is None."
        )
    if 0 in late:
        return "The first request left late. It is due when the test begins."
    if ends:
        due = sum(begins < play.due(number) < ends for number in range(play.n))
        sent = sum(begins < at < ends for at in play.sent.values())
        count = "nothing" if sent <= 1 else f"{sent} requests"
        return f"During the freeze you sent {count}, where {due} were due. Your users don't wait for each other."
    if not play.looked:
        return "Your clock is not the one you were given: when a request is due tells clock()."
    if all(abs(at - number * play.rate) <= LAG + 1e-6 for number, at in play.sent.items()):
        return (
            f"Request 1 left after {play.sent[1]:.2f} s. rate is requests a second, so number i is due after i / rate."
        )
    times = sorted(play.sent.values())
    seen = (len(times) - 1) / (times[-1] - times[0])
    return (
        f"You promised {play.rate:g} requests a second, the server saw {seen:.1f}. What you sleep too long adds up: reckon each "
        "moment from the start, and sleep for the rest of the way."
    )


def _given_up(play: _Play) -> str:
    missing = [number for number in range(play.n) if number not in play.sent]
    wrong = [number for number in missing if play.under_way(number) < play.most]
    if not wrong:
        return ""
    number = wrong[0]
    if play.most == PLENTY:
        return f"Request {number} never left. Each of the n is sent, whatever became of the others."
    return f"Request {number} was not sent, though {play.under_way(number)} were under way and most={play.most}. There was room."


def _latencies(play: _Play) -> None:
    right = [play.right(number) for number in range(play.n)]
    facts: dict[str, Any] = play.facts() | {"expected": right}
    got = play.got
    if not isinstance(got, list):
        raise NotYet("Return a list of the latencies.", **facts)
    if len(got) != play.n:
        lost = play.n - sum(value is not None for value in right)
        if lost and len(got) == play.n - lost:
            why = f"{lost} of {play.n} requests have no latency, and you left them out. Keep None in their places."
            raise NotYet(why, **facts)
        raise NotYet(f"{play.n} requests were due, and your list has {len(got)} values.", **facts)
    if why := next((why for number in range(play.n) if (why := _latency(play, number, got, right))), ""):
        raise NotYet(why, **facts)


def _latency(play: _Play, number: int, got: list[Any], right: list[float | None]) -> str:
    """What is wrong with one latency, or nothing."""
    value, wanted = got[number], right[number]
    if wanted is None:
        if value is None:
            return ""
        what = "failed" if number in play.sent else "was not sent"
        return f"Request {number} {what}, and you gave it a latency. It has none: None."
    if type(value) not in (int, float):
        return f"Request {number} was answered, and its place in your list holds no number."
    if _same(value, wanted):
        return ""
    if _same(value, play.done[number] - play.sent[number]):
        return "You count from when a request left. So late sends look fast: count from when it was due."
    if _same(value, play.done[number]) or _same(value, play.done[number] + START):
        return f"Request {number} counts from the start of the test, or of the clock. Count from when it was due."
    if sorted(map(repr, map(_rounded, got))) == sorted(map(repr, map(_rounded, right))):
        return "Your latencies are in the order of the answers. Place i of the list belongs to request i."
    return f"The latency of request {number} is off. It ends with its own answer, and began when it was due."


def _same(left: float, right: float) -> bool:
    return abs(left - right) < 1e-6


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


EXERCISE = Exercise(
    id="5.3",
    title="open_loop",
    function="open_loop",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "Two things go on at once: one sends by the clock and waits for nobody, the others wait for their answers. Which line of "
        "yours waits for both?",
        "asyncio.create_task starts a request without waiting for it. Sleep until began + number / rate, not for 1 / rate: then a "
        "late moment is made up for. Keep the tasks that are under way in a set, and in the end wait for what is left of it.",
        "for each number: due = began + number / rate; await sleep(due - clock()); if len(under_way) < most: make a task that "
        "awaits call(number), catches ConnectionError and notes clock() - due; add it, and let it discard itself when done.",
    ),
    reason="Users come when they come. Whoever waits for an answer before sending the next request asks a slow server less, and "
    "so hides its worst moments; whoever counts from the sending forgives the test its own lateness.",
    check=check,
)

EXERCISE.survive("there are never more under way than most", "if len(under_way) != most:")
EXERCISE.survive(
    "a task is not done before the next await, and what is not in the set any more can be discarded again",
    'task.add_done_callback(under_way.discard) (moved before "under_way.add(task)")',
    'task.add_done_callback(under_way.discard) (moved behind "if len(under_way) < most:")',
)

# ------------------------------------------------------------------------------------- the reference and its mistakes


def _wrong(
    name: str,
    says: str,
    *,
    moment: Callable[[float, int, float], float] = lambda began, number, rate: began + number / rate,
    pause: Callable[[float, float, float], float] = lambda due, now, rate: due - now,
    room: Callable[[int, int], bool] = lambda under_way, most: under_way < most,
    waits: bool = False,
    lanes: int | None = None,
    since: Callable[[float, float, float], float] = lambda due, left, began: due,
    failed: Any = None,
    caught: type[Exception] = ConnectionError,
    until_done: bool = True,
    told: Callable[[list[Any], list[Any]], Any] = lambda latencies, ended: latencies,
    tries: int = 1,
) -> None:
    """The reference with one part exchanged."""

    async def open_loop(rate: Any, n: Any, call: Any, clock: Any, sleep: Any, most: Any) -> Any:
        began, latencies = clock(), [None] * n
        ended: list[Any] = []
        under_way: set[asyncio.Task[None]] = set()
        gate = asyncio.Semaphore(PLENTY if lanes is None else lanes or most)

        async def one(number: int, due: float) -> None:
            async with gate:
                left = clock()
                for _ in range(tries):
                    try:
                        await call(number)
                        latencies[number] = clock() - since(due, left, began)
                        ended.append(latencies[number])
                        break
                    except caught:
                        latencies[number] = failed
                        ended.append(failed)

        for number in range(n):
            due = moment(began, number, rate)
            await sleep(pause(due, clock(), rate))
            if room(len(under_way), most) or lanes is not None:
                task = asyncio.create_task(one(number, due))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                if waits:
                    await task
        if until_done:
            await asyncio.gather(*under_way)
        return told(latencies, ended)

    EXERCISE.wrong(name, says=says)(open_loop)


_wrong("waits for each answer", "During the freeze you sent nothing", waits=True)
_wrong("sends four at once, and no more", "During the freeze you sent 4 requests", lanes=4)
_wrong("lets a semaphore hide the queue", "it stood in a queue of yours", lanes=0)
_wrong("counts from the sending", "late sends look fast", since=lambda due, left, began: left)
_wrong(
    "takes the beginning of the test for the zero of all",
    "counts from the start of the test",
    since=lambda due, left, began: began,
)
_wrong("sleeps for 1/rate", "the server saw 12.8", pause=lambda due, now, rate: 1 / rate if due else 0.0,
       moment=lambda began, number, rate: began + number / rate if number else 0.0)  # fmt: skip
_wrong("takes the rate for the seconds between", "rate is requests a second", moment=lambda began, number, rate: (
    began + number * rate))  # fmt: skip
_wrong("starts all at once", "All 12 requests left at once", pause=lambda due, now, rate: 0.0)
_wrong(
    "begins with a pause", "The first request left late", moment=lambda began, number, rate: began + (number + 1) / rate
)
_wrong("sends twice as fast", "left before it was due", moment=lambda began, number, rate: began + number / rate / 2)
_wrong("has no limit", "would fill its memory", room=lambda under_way, most: True, lanes=None)
_wrong("allows one too many", "6 requests were under way", room=lambda under_way, most: under_way <= most)
_wrong("allows one too few", "There was room", room=lambda under_way, most: under_way < most - 1 or most == 1)
_wrong("gives up for good", "never left", moment=lambda began, number, rate: began + number / rate,
       room=lambda under_way, most: under_way < 3)  # fmt: skip
_wrong("lets one failure end the test", "your test ended with it", caught=KeyError)
_wrong("takes a failure for a latency of 0", "failed, and you gave it a latency", failed=0.0)
_wrong("leaves failures out", "you left them out", told=lambda latencies, ended: [
    one for one in latencies if one is not None])  # fmt: skip
_wrong("returns in the order of the answers", "in the order of the answers", told=lambda latencies, ended: (
    ended if len(ended) == len(latencies) else latencies))  # fmt: skip
_wrong("does not wait for the last ones", "under way. Wait for them", until_done=False)
_wrong("returns one too few", "your list has", told=lambda latencies, ended: latencies[1:])
_wrong("tries again", "was sent twice", tries=2)
_wrong("tries until it comes", "was sent 8 times", tries=10**6)
_wrong("returns the mean", "Return a list", told=lambda latencies, ended: 0.1)
_wrong("rounds to whole seconds", "is off", told=lambda latencies, ended: [one and round(one) for one in latencies])
_wrong("gives what was not sent a latency", "was not sent, and you gave", told=lambda latencies, ended: (
    latencies if len(ended) == len(latencies) else [one or 60.0 for one in latencies]))  # fmt: skip


@EXERCISE.wrong("sleeps for 1/rate by asyncio", says="What you sleep too long adds up")
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    latencies, busy = [None] * n, 0

    async def one(number: int, due: float) -> None:
        nonlocal busy
        with contextlib.suppress(ConnectionError):
            await call(number)
            latencies[number] = clock() - due
        busy -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(n):
            await asyncio.sleep(1 / rate if number else 0)
            if busy < most:
                busy += 1
                group.create_task(one(number, clock()))
    return latencies


@EXERCISE.wrong("looks at no clock", says="when a request is due tells clock()")
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    tasks = []
    for number in range(n):
        await sleep(number / rate)
        tasks.append(asyncio.ensure_future(call(number)))
    await asyncio.gather(*tasks)
    return [0.1] * n


@EXERCISE.wrong("sleeps behind the work", says="the server saw 8.")
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    latencies = []
    for number in range(n):
        left = clock()
        await call(number)
        latencies.append(clock() - left)
        await sleep(1 / rate)
    return latencies


@EXERCISE.wrong("runs all calls in a TaskGroup that a failure ends", says="One request failed, and your test")
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    began, latencies = clock(), [None] * n

    async def one(number: int) -> None:
        due = began + number / rate
        await asyncio.sleep(due - clock())
        await call(number)
        latencies[number] = clock() - due

    async with asyncio.TaskGroup() as group:
        for number in range(n):
            group.create_task(one(number))
    return latencies


@EXERCISE.wrong("returns None for all", says="holds no number")
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    async def one(number: int) -> None:
        await asyncio.sleep(number / rate)
        with contextlib.suppress(ConnectionError):
            await call(number)

    return await asyncio.gather(*map(one, range(n)))


@EXERCISE.right
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    # A task for each request from the start, each with its own alarm; a counter instead of a set.
    zero, busy = clock(), 0

    async def user(number: int) -> float | None:
        nonlocal busy
        due = zero + number / rate
        await sleep(due - clock())
        if busy >= most:
            return None
        busy += 1
        try:
            await call(number)
            return float(clock() - due)
        except OSError:
            return None
        finally:
            busy -= 1

    return await asyncio.gather(*(user(number) for number in range(n)))


@EXERCISE.right
async def _(rate, n, call, clock, sleep, most):  # type: ignore[no-untyped-def]
    # A TaskGroup that waits at its end, and a dict that is read by number.
    begin = clock()
    schedule = {number: begin + number / rate for number in range(n)}
    ended: dict[int, float] = {}
    running: set[int] = set()

    async def send(number: int) -> None:
        try:
            await call(number)
        except ConnectionError:
            return
        else:
            ended[number] = clock()
        finally:
            running.remove(number)

    async with asyncio.TaskGroup() as group:
        for number, due in schedule.items():
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            if len(running) == most:
                continue
            running.add(number)
            group.create_task(send(number))
    return [ended[number] - due if number in ended else None for number, due in schedule.items()]
