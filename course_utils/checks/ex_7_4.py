"""Exercise 7.4: one answer, many readers, one log."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock

FIRST, STEP = 0.5, 0.25
"""When the first token comes, and how long each further one takes."""
END = 120.0
"""When the check looks who still waits: everything that could happen has happened."""
PLENTY = 1000
SECRET = "key sk-417 refused at 10.0.0.7"


class ModelBroke(Exception):
    """What the upstream of the check raises when it breaks off."""


Stalls = tuple[tuple[int, float], ...]
Reading = tuple[float, Stalls, float | None, int | None]
Story = dict[str, Any]


@dataclass
class _Reader:
    """Somebody who subscribes at ``joins``.

    ``stalls`` has pairs: the number of a write, and the seconds it takes; all others take none. The reader ``leaves`` at that
    second; write number ``breaks`` finds the line broken.
    """

    joins: float
    stalls: Stalls = ()
    leaves: float | None = None
    breaks: int | None = None
    writes: list[tuple[float, Any]] = field(default_factory=list)
    end: tuple[float, Any] | None = None

    @property
    def plan(self) -> Reading:
        return self.joins, self.stalls, self.leaves, self.breaks

    @property
    def numbers(self) -> list[int]:
        """The numbers of the tokens it got, as they came."""
        return [int(word) for word in re.findall(r"\d+", "".join(str(text) for _, text in self.writes))]

    @property
    def told(self) -> str:
        stalls = "".join(f", its write {number} takes {seconds:g} s" for number, seconds in self.stalls)
        leaves = "" if self.leaves is None else f", leaves at {self.leaves:g} s"
        return (
            f"from {self.joins:g} s{stalls}{leaves}{f', its line breaks at write {self.breaks}' if self.breaks else ''}"
        )


@dataclass
class _Play:
    """One answer of ``count`` tokens, its readers, and what the upstream's own record says.

    The upstream ends a moment after the last token, or ``breaks``. Somebody calls `stop` at ``stop``, and then again.
    """

    readers: list[_Reader]
    count: int = 8
    most: int = PLENTY
    keep: bool = True
    breaks: bool = False
    stop: float | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)
    begun: list[float] = field(default_factory=list)
    made: list[tuple[float, int]] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    log: list[tuple[float, Any, Any]] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)

    def run(self, answer: Subject) -> _Play:
        tee = answer.make(self._generate, self._write_down, self.most, self.keep)
        answer.play(self._watch(tee), self.clock)
        return self

    async def _watch(self, tee: Subject) -> None:
        tasks = [asyncio.ensure_future(self._subscribe(tee, reader)) for reader in self.readers]
        if self.stop is not None:
            tasks.append(asyncio.ensure_future(self._stops(tee, self.stop)))
        _, waiting = await asyncio.wait(tasks, timeout=END)
        for task in waiting:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        await self.clock.asleep_until(END)

    async def _subscribe(self, tee: Subject, reader: _Reader) -> None:
        await self.clock.asleep_until(reader.joins)
        task = asyncio.ensure_future(tee.method("subscribe").acall(self._line(reader)))
        try:
            if reader.leaves is not None:
                await asyncio.wait([task], timeout=reader.leaves - reader.joins)
                task.cancel()
            status: Any = await task
        except asyncio.CancelledError:
            if reader.leaves is None:
                task.cancel()
                raise
            status = "left"
        except Raised as raised:
            if raised.kind == "ModelBroke":
                raise NotYet(THROUGH, given=self.given) from None
            if raised.kind != "ConnectionError" or not reader.breaks:
                raised.given = self.given
                raise
            status = "broken"
        reader.end = self.clock.now(), status

    def _line(self, reader: _Reader) -> Callable[[Any], Any]:
        async def write(text: Any) -> None:
            reader.writes.append((self.clock.now(), text))
            number = len(reader.writes)
            if number == reader.breaks:
                raise ConnectionError("the line to this reader broke")
            await asyncio.sleep(dict(reader.stalls).get(number, 0))

        return write

    async def _stops(self, tee: Subject, at: float) -> None:
        await self.clock.asleep_until(at)
        for _ in range(2):
            try:
                await tee.method("stop").acall()
            except Raised as raised:
                raised.given = self.given
                raise
            self.stopped.append(self.clock.now())

    def _generate(self) -> AsyncIterator[str]:
        self.begun.append(self.clock.now())
        return self._tokens()

    async def _tokens(self) -> AsyncIterator[str]:
        try:
            for number, at in enumerate(_times(self.count), start=1):
                await self.clock.asleep_until(at)
                self.made.append((self.clock.now(), number))
                yield f"{number} "
            await self.clock.asleep_until(_over(self.count))
            if self.breaks:
                raise ModelBroke(SECRET)
        finally:
            self.closed.append(self.clock.now())

    def _write_down(self, text: Any, status: Any) -> None:
        self.log.append((self.clock.now(), text, status))

    def story(self) -> Story:
        readers = [reader.plan for reader in self.readers]
        status = "failed" if self.breaks else "complete"
        return _story(_times(self.count), _over(self.count), status, self.most, self.keep, self.stop, readers)

    @property
    def given(self) -> str:
        readers = [f"reader {number} {reader.told}" for number, reader in enumerate(self.readers, start=1)]
        ends = "the upstream breaks off" if self.breaks else "the upstream ends"
        span = f"tokens 1 to {self.count} from {FIRST:g} s on, {STEP:g} s apart, at {_over(self.count):g} s {ends}"
        stop = f"; stop() at {self.stop:g} s" if self.stop is not None else ""
        return f"most={self.most}, keep={self.keep}; {span}; {'; '.join(readers)}{stop}"

    def facts(self) -> dict[str, Any]:
        right = self.story()
        came = [(reader.writes, reader.end) for reader in self.readers]
        due = [(one["writes"], one["end"]) for one in right["readers"]]
        return {
            "given": self.given,
            "got": Words(_shown(came, [(text, status) for _, text, status in self.log])),
            "expected": Words(_shown(due, [right["log"]])),
        }


THROUGH = "The error of the upstream came out of subscribe(). Whoever reads is told how it ended: return 'failed'."


def _times(count: int) -> list[float]:
    return [FIRST + STEP * number for number in range(count)]


def _over(count: int) -> float:
    """When the upstream ends."""
    return FIRST + STEP * count


def _shown(readers: Sequence[tuple[Sequence[Any], Any]], log: Sequence[Any]) -> str:
    parts = []
    for number, (writes, end) in enumerate(readers, start=1):
        last = "still waits" if end is None else f"{end[1]!r} at {end[0]:g} s"
        parts.append(f"reader {number}: {' '.join(f'{at:g} s {text!r}' for at, text in writes) or 'nothing'}, {last}")
    return "; ".join([*parts, f"log: {', '.join(f'({text!r}, {status!r})' for text, status in log) or 'nothing'}"])


# ------------------------------------------------------------------------------------------------------ what is right


@expectation
def _story(
    plan: list[float], over: float, status: str, most: int, keep: bool, stop: float | None, readers: list[Reading]
) -> Story:
    """What each reader gets and when, how each ends, and what the log says, if tokens are due at ``plan``."""
    if stop is not None and min(joins for joins, *_ in readers) < stop < over:
        over, status = stop, "stopped"
    if not keep and (alone := _alone([(one[0], _until(one, plan, over, status, most)) for one in readers])) < over:
        over, status = alone, "stopped"
    times = [at for at in plan if at < over]
    text = "".join(f"{number} " for number in range(1, len(times) + 1))
    told = [_told(reader, times, over, status, most) for reader in readers]
    return {"readers": told, "over": over, "made": len(times), "log": [text, status]}


def _alone(spans: Sequence[tuple[float, float]]) -> float:
    """When nobody reads for the first time after somebody did, if readers come and go then."""
    ends = [end for _, end in spans if not any(joins < end < other for joins, other in spans)]
    return min(ends, default=END)


def _until(reader: Reading, times: Sequence[float], over: float, status: str, most: int) -> float:
    """When a reader goes before the end; those who don't always read."""
    _, _, leaves, breaks = reader
    if breaks is None:
        return END if leaves is None else leaves
    at, how = _told(reader, times, over, status, most)["end"]
    return float(at) if how in ("left", "broken") else END


def _told(reader: Reading, times: Sequence[float], over: float, status: str, most: int) -> Story:
    """The writes to one reader, as [second, text], and its end, as [second, status]."""
    joins, stalls, leaves, breaks = reader
    line = _Line(dict(stalls), joins)
    before = [number for number, at in enumerate(times, start=1) if at < joins]
    if before:
        line.begin(joins, "".join(f"{number} " for number in before))
    for number, at in enumerate(times, start=1):
        if at > joins and not line.come(at, f"{number} ", most):
            status = "slow"
            break
    else:
        line.drain(END)
    over = line.free if status == "slow" else max(over, joins, line.free)
    if breaks and len(line.writes) >= breaks:
        return {"writes": line.writes[:breaks], "end": [line.writes[breaks - 1][0], "broken"]}
    if leaves is not None and leaves <= over:
        return {"writes": [one for one in line.writes if one[0] < leaves], "end": [leaves, "left"]}
    return {"writes": line.writes, "end": [over, status]}


@dataclass
class _Line:
    """The line to a reader: what has been written, what waits, and from when on it is free."""

    stalls: dict[int, float]
    free: float
    writes: list[list[Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def begin(self, at: float, text: str) -> None:
        self.writes.append([at, text])
        self.free = at + self.stalls.get(len(self.writes), 0.0)

    def drain(self, until: float) -> None:
        while self.waiting and self.free < until:
            self.begin(self.free, self.waiting.pop(0))

    def come(self, at: float, text: str, most: int) -> bool:
        """A token comes; whether the reader may stay."""
        self.drain(at)
        if self.free <= at:
            self.begin(at, text)
            return True
        self.waiting.append(text)
        return len(self.waiting) <= most


# ------------------------------------------------------------------------------------------------------ the questions


def check(answer: Subject, draw: Random) -> None:
    for play in (*_together(), *_one_is_slow(), *_late(), *_leaving(), *_ending()):
        _judge(play.run(answer))
    for _ in range(4):
        _judge(_drawn(draw).run(answer))


def _together() -> Iterator[_Play]:
    yield _Play([_Reader(0.03125), _Reader(0.0625)])


def _one_is_slow() -> Iterator[_Play]:
    yield _Play([_Reader(0.03125, ((2, 1.5625),)), _Reader(0.0625)])
    yield _Play([_Reader(0.03125, ((2, 9.0625),)), _Reader(0.0625)], count=12, most=4)
    yield _Play([_Reader(0.03125, ((2, 1.0625),)), _Reader(0.0625, ((2, 0.8125), (3, 0.0625)))], count=12, most=4)
    yield _Play([_Reader(0.03125, ((2, 1.3125),)), _Reader(0.0625)], count=12, most=4)


def _late() -> Iterator[_Play]:
    yield _Play([_Reader(0.03125), _Reader(1.34375)])
    yield _Play([_Reader(0.03125), _Reader(1.34375, ((1, 0.5625),))])
    yield _Play([_Reader(0.03125), _Reader(9.03125)])


def _leaving() -> Iterator[_Play]:
    yield _Play([_Reader(0.03125, leaves=1.078125), _Reader(0.0625)])
    yield _Play([_Reader(0.03125, leaves=1.078125), _Reader(1.53125)])
    yield _Play([_Reader(0.03125, leaves=1.078125)])
    yield _Play([_Reader(0.03125, leaves=0.828125), _Reader(0.0625, leaves=1.328125)], keep=False)
    yield _Play([_Reader(0.03125, breaks=3), _Reader(0.0625)])
    yield _Play([_Reader(0.03125, ((2, 0.8125),), breaks=3)], keep=False)


def _ending() -> Iterator[_Play]:
    yield _Play([_Reader(0.03125), _Reader(2.03125)], stop=1.359375)
    yield _Play([_Reader(0.28125)], stop=0.109375)
    yield _Play([_Reader(0.03125), _Reader(9.03125)], breaks=True)
    yield _Play([_Reader(0.03125, ((2, 9.0625),))], most=2, stop=1.109375)


def _drawn(draw: Random) -> _Play:
    """Nothing falls on one moment: tokens on quarters, arrivals, writes and departures beside them."""
    count, keep = draw.randint(6, 24), draw.random() < 0.6
    readers = [_Reader(0.03125, leaves=_leaves(draw, 0, count))]
    for _ in range(draw.randint(1, 2)):
        joins = draw.randint(0, count + 4)
        stalls = [(number, draw.randint(1, 12) / 4 + 0.0625) for number in sorted(draw.sample(range(1, 6), 2))]
        readers.append(_Reader(0.03125 + joins / 4, tuple(stalls) * keep, _leaves(draw, joins, count)))
    stop = draw.choice([None, None, 0.609375 + draw.randint(0, count) / 4])
    return _Play(readers, count, draw.randint(2, 40), keep, draw.random() < 0.3, stop)


def _leaves(draw: Random, joins: int, count: int) -> float | None:
    return draw.choice([None, 0.078125 + (joins + draw.randint(2, count)) / 4])


# ------------------------------------------------------------------------------------------------------ the judgement


def _judge(play: _Play) -> None:
    right = play.story()
    for judge in (_types, _generations, _upstream, _texts, _ends, _closing, _logged):
        if why := judge(play, right):
            raise NotYet(why, **play.facts())


def _types(play: _Play, right: Story) -> str:
    texts = [text for reader in play.readers for _, text in reader.writes]
    return "" if all(isinstance(text, str) for text in texts) else "write() takes a text: the tokens as they came."


def _generations(play: _Play, right: Story) -> str:
    if not play.begun:
        return "generate() was never called. The answer begins with the first reader."
    if play.begun[0] < (first := min(reader.joins for reader in play.readers)):
        when = f"generate() was called at {play.begun[0]:g} s, and the first reader came at {first:g} s."
        return f"{when} It is paid for from then on: call it when somebody reads."
    if len(play.begun) > 1:
        when = " and ".join(f"{at:g}" for at in play.begun)
        return f"{len(play.begun)} generations for one answer, begun at {when} s, and all are paid for. Who comes later joins it."
    return ""


def _upstream(play: _Play, right: Story) -> str:
    """Whether the upstream was asked for each token in time, as long as it should be."""
    for at, number in play.made:
        if at > (due := _times(play.count)[number - 1]):
            return (
                f"Everyone waited for the slowest: token {number} was there at {due:g} s, and you asked for it at {at:g} s, when a "
                "write to one reader had ended. Who reads the upstream must wait for no reader."
            )
    made = len(play.made)
    if made > right["made"]:
        return _too_many(play, right, made)
    if made < right["made"]:
        return _too_few(play, made)
    return ""


def _too_many(play: _Play, right: Story, made: int) -> str:
    if right["over"] == play.stop:
        return (
            f"stop() was called at {play.stop:g} s, and the upstream went on: {made} tokens are paid for instead of "
            f"{right['made']}. Whoever reads it has to be cancelled where it waits."
        )
    over, wanted = right["over"], right["made"]
    return (
        f"Nobody reads any more from {over:g} s on, and keep is False: {made} tokens are paid for instead of {wanted}."
    )


def _too_few(play: _Play, made: int) -> str:
    if play.keep and not _reading(play):
        return (
            f"The last reader left, and the upstream ended after {made} of {play.count} tokens. keep is True: somebody may come "
            "back, and the log wants the whole."
        )
    if play.begun and (gone := _gone(play)):
        return f"Reader {gone} has gone, and took the upstream along after {made} of {play.count} tokens: another one was reading."
    return f"Of {play.count} tokens you asked for {made}. The upstream is read to its end."


def _reading(play: _Play) -> list[_Reader]:
    """Who was there when the upstream was closed."""
    at = min(play.closed, default=END)
    return [
        one
        for one in play.readers
        if one.joins < at and (one.end is None or one.end[0] > at or one.end[1] == "stopped")
    ]


def _gone(play: _Play) -> int:
    """The number of the first reader who went before the upstream was closed, or just then; 0 if none did."""
    ends = [(number, *one.end) for number, one in enumerate(play.readers, start=1) if one.end]
    return next((number for number, at, how in ends if how != "stopped" and at <= min(play.closed, default=END)), 0)


def _texts(play: _Play, right: Story) -> str:
    if stolen := _stolen(play):
        return stolen
    for number, (reader, due) in enumerate(zip(play.readers, right["readers"], strict=True), start=1):
        if [list(one) for one in reader.writes] != due["writes"] and (why := _text(play, number, reader, due)):
            return why
    return ""


def _stolen(play: _Play) -> str:
    """Whether readers from the start share what each should have."""
    first, *others = [reader.numbers for reader in play.readers if reader.joins < FIRST]
    for number, other in enumerate(others, start=2):
        if first and other and not set(first) & set(other):
            mine, theirs = (", ".join(map(str, one[:4])) for one in (first, other))
            return f"Reader 1 got tokens {mine}, reader {number} got {theirs}: they take from one queue, and steal from each other."
    return ""


def _text(play: _Play, number: int, reader: _Reader, due: Story) -> str:
    """What is wrong with what one reader got."""
    got = reader.numbers
    wanted = [int(word) for _, text in due["writes"] for word in text.split()]
    early = [token for token, at in enumerate(_times(play.count), start=1) if at < reader.joins]
    if twice := [token for token in got if got.count(token) > 1]:
        return f"Reader {number} got token {twice[0]} twice, at the seam: it was part of the replay, and came again as a live one."
    if hole := next((token for token, after in pairwise(got) if after > token + 1), 0):
        return _hole(number, reader, hole + 1, bool(early))
    if due["end"][1] == "slow" and len(got) > len(wanted):
        if reader.end and reader.end[1] == "complete" and got[-1] < play.count:
            return _hole(number, reader, got[-1] + 1, bool(early))
        return _unbounded(play, number, reader, len(got) - len(wanted))
    if reader.end and reader.end[1] == "slow" and due["end"][1] != "slow":
        return f"Reader {number} was let go, and never had more than {play.most} tokens waiting (most={play.most})."
    missing = [token for token in wanted if token not in got]
    if early and missing[: len(early)] == early:
        return (
            f"Reader {number} came at {reader.joins:g} s and never saw the first {len(early)} tokens. They come first."
        )
    if missing and due["end"][1] == "stopped":
        return f"Reader {number} lacks the tokens from {missing[0]} on, which had come before the stop. They are still written."
    if missing:
        return f"Reader {number} lacks the tokens from {missing[0]} on."
    if got != wanted:
        return f"Reader {number} got {len(got)} tokens, where {len(wanted)} were due. Who has gone gets nothing more."
    return _moments(number, reader, due, bool(early))


def _unbounded(play: _Play, number: int, reader: _Reader, more: int) -> str:
    if reader.end and reader.end[1] == "slow":
        return f"Reader {number} was let go, and still got {more} tokens that had waited. Nothing more is written then."
    begun = dict(enumerate((at for at, _ in reader.writes), start=1))
    spans = [(begun[write], begun[write] + seconds) for write, seconds in reader.stalls if write in begun]
    waited = max(sum(begin < at < end for at in _times(play.count)) for begin, end in spans)
    return (
        f"{waited} tokens waited for reader {number}, whose line was stuck, and most={play.most}. With a thousand such readers "
        "there is no end to what waits: let a reader go who is too far behind."
    )


def _hole(number: int, reader: _Reader, missing: int, late: bool) -> str:
    if late and dict(reader.stalls).get(1):
        return (
            f"Reader {number} never got token {missing}: it came at the seam, while the replay was being written, and nobody kept "
            "it for this reader."
        )
    return f"The text of reader {number} has a hole at token {missing}. Half a text is worse than none: let go who is too slow."


def _moments(number: int, reader: _Reader, due: Story, late: bool) -> str:
    """The tokens are right; is each in a write of its own, and in time?"""
    if [text for _, text in reader.writes] != [text for _, text in due["writes"]]:
        if late and reader.writes[0][1] != due["writes"][0][1]:
            return f"Reader {number} came late. All that has come so far goes out in one write, and not token by token."
        return f"Reader {number}: each token that comes is a write of its own."
    at, wanted = next(
        (at, wanted) for (at, _), (wanted, _) in zip(reader.writes, due["writes"], strict=True) if at != wanted
    )
    if at < wanted:
        return f"Reader {number} got a token at {at:g} s, and its line was taken until {wanted:g} s. Await a write before the next."
    return f"Reader {number} got a token at {at:g} s that was due at {wanted:g} s, though its own line was free."


def _ends(play: _Play, right: Story) -> str:
    for number, (reader, due) in enumerate(zip(play.readers, right["readers"], strict=True), start=1):
        at, status = due["end"]
        if reader.end is None:
            return _waits(play, number, reader, status)
        if reader.end[1] != status:
            return _status(number, reader.end[1], status)
        if reader.end[0] != at:
            return f"subscribe() of reader {number} returned at {reader.end[0]:g} s, and it was over for this reader at {at:g} s."
    return ""


def _waits(play: _Play, number: int, reader: _Reader, status: str) -> str:
    if reader.joins > _over(play.count):
        return f"Reader {number} came when all was over, and still waits. It gets the whole text, and hears at once how it ended."
    if status == "failed":
        return f"The upstream broke off, and reader {number} still waits: a task that fails tells nobody."
    if status == "stopped":
        return f"It was stopped, and reader {number} still waits. Everybody who reads has to hear of it."
    failed = " Has a task of yours failed at its end? Nobody would hear of it." if status == "complete" else ""
    return f"Reader {number} still waits, and nothing will come any more ({status}).{failed}"


def _status(number: int, came: Any, status: str) -> str:
    if status == "left":
        return (
            f"Reader {number} left, so its subscribe() was cancelled, and returned {came!r} as if nothing had been. Let the "
            "CancelledError go on."
        )
    if status == "broken":
        return f"The line to reader {number} broke, and subscribe() returned {came!r}. Its caller needs the error: let it through."
    if came is None:
        return "subscribe() returned nothing. It tells how the answer ended for this reader."
    return f"subscribe() of reader {number} returned {came!r}, and it was {status!r}."


def _closing(play: _Play, right: Story) -> str:
    if not play.closed or play.closed[0] > right["over"]:
        when = f"it was closed at {play.closed[0]:g} s" if play.closed else "it was never closed"
        return f"The upstream was over at {right['over']:g} s, and {when}. Cancel whoever reads it."
    if play.stop is not None and play.stopped != [play.stop] * 2:
        return f"stop() was called twice at {play.stop:g} s, and did not come back at once: {play.stopped}."
    return ""


def _logged(play: _Play, right: Story) -> str:
    text, status = right["log"]
    if not play.log:
        return f"The answer is over ({status}), and the log has 0 entries. Is it kept by the readers, or by who reads the upstream?"
    if len(play.log) > 1:
        where = "stop() and what it stopped both write it." if status == "stopped" else "one for each reader?"
        return f"The log has {len(play.log)} entries for one answer: {where}"
    at, said, told = play.log[0]
    if said != text:
        return f"The log has {said!r}, and {text!r} has come."
    if told != status:
        return f"The log says {told!r}, and it was {status!r}."
    if at != right["over"]:
        return (
            f"The log was written at {at:g} s, and the answer was over at {right['over']:g} s. It waits for no reader."
        )
    return ""


EXERCISE = Exercise(
    id="7.4",
    title="Tee",
    function="Tee",
    minutes=30,
    points=6,
    core=False,
    hints=(
        "There are two kinds of work: one task reads the upstream and waits for nobody, and each subscribe() waits for its own "
        "reader. What does each reader need for itself, and what do all have in common? Who writes the log?",
        "Each reader has a queue of its own, and put_nowait waits for nobody. Between looking at the text so far and joining the "
        "others there must be no await. A task that is cancelled where it waits closes the generator; catch each way it can end.",
        "_read(): async for token in generate(): add it to the text; for each reader put_nowait, or, if qsize() is most already, "
        "discard it; then note how it ended, log, and put None for all. subscribe(): put the text so far, get, write; try/finally.",
    ),
    reason="One task owns the upstream, the text and the log, and never waits for a reader; each reader has a place of its own "
    "with an end to it. So one who is slow, late or gone is that reader's affair alone, and it is made, paid and booked once.",
    check=check,
)

EXERCISE.survive(
    "the two lines have nothing to do with each other",
    'self.text, self.status, self.upstream, self.readers = "", None, None, set() (moved before '
    '"self.generate, self.log, self.most, self.keep = generate, log, most, keep")',
)
EXERCISE.survive(
    "0 says as well that there is no end yet",
    'self.text, self.status, self.upstream, self.readers = "", 0, None, set()',
)
EXERCISE.survive("the finally does not change it", 'return self.status (moved behind "try:")')
EXERCISE.survive(
    "the task that was cancelled ends at the same moment, whoever waits for it",
    "asyncio.wait([self.upstream])",
    "await asyncio.wait([self.upstream]) (removed)",
)
EXERCISE.survive("there never are more than that", "if queue.qsize() != self.most:")
EXERCISE.survive(
    "nobody sees the word before the two others have taken its place",
    'self.status = "stopped" (moved before "if upstream.cancelled():")',
)
EXERCISE.survive(
    "nobody looks again into the queue of a reader who was let go",
    'queue.put_nowait(token) (moved behind "if queue.qsize() < self.most:")',
)

# ------------------------------------------------------------------------------------- the reference and its mistakes


class _Tee:
    """The reference, in parts that the wrong answers below exchange. Readers are in the order in which they came."""

    def __init__(self, generate: Any, log: Any, most: Any, keep: Any) -> None:
        self.generate, self.log, self.most, self.keep = generate, log, most, keep
        self.tokens: list[str] = []
        self.status: str | None = None
        self.upstream: asyncio.Task[None] | None = None
        self.readers: dict[Any, None] = {}

    def begin(self) -> None:
        if self.upstream is None:
            self.upstream = asyncio.create_task(self.read())

    def queue(self) -> asyncio.Queue[Any]:
        return asyncio.Queue()

    async def enter(self, queue: Any, write: Any) -> None:
        """Join the others, with all that has come so far."""
        self.readers[queue] = None
        if self.tokens:
            queue.put_nowait("".join(self.tokens))

    async def subscribe(self, write: Any) -> Any:
        self.begin()
        queue = self.queue()
        try:
            await self.enter(queue, write)
            if self.status:
                queue.put_nowait(None)
            while (piece := await queue.get()) is not None:
                await write(piece)
                if queue not in self.readers:
                    return "slow"
            return self.status
        finally:
            self.readers.pop(queue, None)
            self.gone()

    def gone(self) -> None:
        """A reader has gone."""
        if not self.readers and not self.keep:
            self.upstream.cancel()  # type: ignore[union-attr]

    async def stop(self) -> None:
        if self.upstream:
            self.upstream.cancel()
            await asyncio.wait([self.upstream])

    async def read(self) -> None:
        try:
            async for token in self.generate():
                self.tokens.append(token)
                for queue in list(self.readers):
                    await self.pass_on(queue, token)
            self.end("complete")
        except asyncio.CancelledError:
            self.cancelled()
        except Exception:  # noqa: BLE001  # whatever it is, the readers are told the same
            self.failed()

    async def pass_on(self, queue: Any, token: str) -> None:
        if queue.qsize() < self.most:
            queue.put_nowait(token)
        else:
            self.readers.pop(queue, None)

    def cancelled(self) -> None:
        self.end("stopped")

    def failed(self) -> None:
        self.end("failed")

    def end(self, status: str) -> None:
        self.status = status
        self.book()
        self.tell()

    def book(self) -> None:
        self.log("".join(self.tokens), self.status)

    def tell(self) -> None:
        for queue in self.readers:
            queue.put_nowait(None)


@EXERCISE.wrong("has one queue for all readers", says="Reader 1 got tokens 1, 3, 5, 7, reader 2 got 2, 4, 6, 8")
class _(_Tee):
    def queue(self):  # type: ignore[no-untyped-def]
        self.one = getattr(self, "one", None) or asyncio.Queue()
        return self.one


@EXERCISE.wrong("lets any number of tokens wait", says="With a thousand such readers there is no end")
class _(_Tee):  # type: ignore[no-redef]
    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        queue.put_nowait(token)


@EXERCISE.wrong("lets one too many wait", says="5 tokens waited for reader 1")
class _(_Tee):  # type: ignore[no-redef]
    def __init__(self, generate, log, most, keep):  # type: ignore[no-untyped-def]
        super().__init__(generate, log, most + 1, keep)


@EXERCISE.wrong("lets one too few wait", says="and never had more than 4 tokens waiting")
class _(_Tee):  # type: ignore[no-redef]
    def __init__(self, generate, log, most, keep):  # type: ignore[no-untyped-def]
        super().__init__(generate, log, most - 1, keep)


@EXERCISE.wrong("leaves tokens out where a reader is slow", says="The text of reader 1 has a hole at token 7")
class _(_Tee):  # type: ignore[no-redef]
    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        if queue.qsize() < self.most:
            queue.put_nowait(token)


@EXERCISE.wrong("throws the oldest away where a reader is slow", says="has a hole at token 3")
class _(_Tee):  # type: ignore[no-redef]
    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        if queue.qsize() == self.most:
            queue.get_nowait()
        queue.put_nowait(token)


@EXERCISE.wrong("writes on to a reader who was let go", says="was let go, and still got 4 tokens")
class _(_Tee):  # type: ignore[no-redef]
    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        if queue.qsize() == self.most:
            self.readers.pop(queue, None)
            queue.put_nowait("slow")
        elif queue in self.readers:
            queue.put_nowait(token)

    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        self.begin()
        queue = self.queue()
        await self.enter(queue, write)
        while (piece := await queue.get()) not in (None, "slow"):
            await write(piece)
        return piece or self.status


@EXERCISE.wrong("waits for each reader in turn", says="Everyone waited for the slowest: token 3 ")
class _(_Tee):  # type: ignore[no-redef]
    async def enter(self, queue, write):  # type: ignore[no-untyped-def]
        queue.write = write
        await super().enter(queue, write)

    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        await queue.write(token)


@EXERCISE.wrong("waits where a queue is full", says="Everyone waited for the slowest: token 8 ")
class _(_Tee):  # type: ignore[no-redef]
    def queue(self):  # type: ignore[no-untyped-def]
        return asyncio.Queue(self.most)

    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        await queue.put(token)


@EXERCISE.wrong("shows a late reader only what comes", says="never saw the first 4 tokens")
class _(_Tee):  # type: ignore[no-redef]
    async def enter(self, queue, write):  # type: ignore[no-untyped-def]
        self.readers[queue] = None


@EXERCISE.wrong("joins when the replay is written", says="never got token 5: it came at the seam")
class _(_Tee):  # type: ignore[no-redef]
    async def enter(self, queue, write):  # type: ignore[no-untyped-def]
        if self.tokens:
            await write("".join(self.tokens))
        self.readers[queue] = None


@EXERCISE.wrong("joins, and then replays until nothing is new", says="got token 5 twice, at the seam")
class _(_Tee):  # type: ignore[no-redef]
    async def enter(self, queue, write):  # type: ignore[no-untyped-def]
        self.readers[queue] = None
        done = 0
        while done < len(self.tokens):
            done, piece = len(self.tokens), "".join(self.tokens[done:])
            await write(piece)


@EXERCISE.wrong("replays token by token", says="goes out in one write")
class _(_Tee):  # type: ignore[no-redef]
    async def enter(self, queue, write):  # type: ignore[no-untyped-def]
        self.readers[queue] = None
        for token in self.tokens:
            queue.put_nowait(token)


class _Joining(asyncio.Queue[Any]):
    """A queue that gives all that waits in it as one piece."""

    async def get(self) -> Any:
        piece = await super().get()
        while piece is not None and self.qsize():
            if (more := self.get_nowait()) is None:
                self.put_nowait(None)
                break
            piece += more
        return piece


@EXERCISE.wrong("writes all that waits at once", says="each token that comes is a write of its own")
class _(_Tee):  # type: ignore[no-redef]
    def queue(self):  # type: ignore[no-untyped-def]
        return _Joining()


@EXERCISE.wrong("generates for each reader", says="begun at 0.03125 and 0.0625 s")
class _(_Tee):  # type: ignore[no-redef]
    def begin(self):  # type: ignore[no-untyped-def]
        self.upstream = asyncio.create_task(self.read())


@EXERCISE.wrong("generates before anybody reads", says="and the first reader came at 0.03125 s")
class _(_Tee):  # type: ignore[no-redef]
    def __init__(self, generate, log, most, keep):  # type: ignore[no-untyped-def]
        answer = generate()
        super().__init__(lambda: answer, log, most, keep)


@EXERCISE.wrong("begins anew when all is over", says="begun at 0.03125 and 9.03125 s")
class _(_Tee):  # type: ignore[no-redef]
    def begin(self):  # type: ignore[no-untyped-def]
        if self.upstream is None or self.upstream.done():
            self.upstream, self.status = asyncio.create_task(self.read()), None


@EXERCISE.wrong("forgets to tell who comes when all is over", says="came when all was over, and still waits")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        status, self.status = self.status, None
        task = asyncio.ensure_future(super().subscribe(write))
        await asyncio.sleep(0)
        self.status = status
        try:
            return await task
        finally:
            task.cancel()


@EXERCISE.wrong("ends when the first reader leaves", says="took the upstream along")
class _(_Tee):  # type: ignore[no-redef]
    def gone(self):  # type: ignore[no-untyped-def]
        self.upstream.cancel()  # type: ignore[union-attr]


@EXERCISE.wrong("ends when the last reader leaves, whatever keep says", says="The last reader left")
class _(_Tee):  # type: ignore[no-redef]
    def gone(self):  # type: ignore[no-untyped-def]
        if not self.readers:
            self.upstream.cancel()  # type: ignore[union-attr]


@EXERCISE.wrong("always goes on when nobody reads", says="and keep is False")
class _(_Tee):  # type: ignore[no-redef]
    def gone(self):  # type: ignore[no-untyped-def]
        pass


@EXERCISE.wrong("keeps the place of a reader whose line broke", says="Nobody reads any more from 1.5625 s on")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        broken = asyncio.Queue()  # type: ignore[var-annotated]

        async def tell(text):  # type: ignore[no-untyped-def]
            try:
                await write(text)
            except ConnectionError:
                self.readers[broken] = None
                raise

        return await super().subscribe(tell)


@EXERCISE.wrong("waits for none of its writes", says="and its line was taken until 2.3125 s")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        tasks = set()

        async def tell(text):  # type: ignore[no-untyped-def]
            tasks.add(asyncio.ensure_future(write(text)))
            await asyncio.sleep(0)

        return await super().subscribe(tell)


@EXERCISE.wrong("writes nothing more when it is stopped", says="They are still written")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        async def tell(text):  # type: ignore[no-untyped-def]
            if self.status != "stopped":
                await write(text)

        return await super().subscribe(tell)


@EXERCISE.wrong("tells nobody that it is complete", says="Has a task of yours failed")
class _(_Tee):  # type: ignore[no-redef]
    def tell(self):  # type: ignore[no-untyped-def]
        if self.status != "complete":
            super().tell()


@EXERCISE.wrong("keeps the places of those who have left", says="Nobody reads any more from 1.3")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        self.begin()
        queue = self.queue()
        await self.enter(queue, write)
        if self.status:
            queue.put_nowait(None)
        while (piece := await queue.get()) is not None:
            await write(piece)
            if queue not in self.readers:
                return "slow"
        self.readers.pop(queue, None)
        self.gone()
        return self.status


@EXERCISE.wrong("stops at the next token", says="stop() was called at 1.35938 s, and the upstream went on")
class _(_Tee):  # type: ignore[no-redef]
    stops = False

    async def pass_on(self, queue, token):  # type: ignore[no-untyped-def]
        if self.stops:
            raise asyncio.CancelledError
        await super().pass_on(queue, token)

    async def stop(self):  # type: ignore[no-untyped-def]
        self.stops = True


@EXERCISE.wrong("stops without telling the readers", says="It was stopped, and reader 1 still waits")
class _(_Tee):  # type: ignore[no-redef]
    def cancelled(self):  # type: ignore[no-untyped-def]
        self.status = "stopped"
        self.book()


@EXERCISE.wrong("logs in stop, and where it is stopped", says="stop() and what it stopped both write it")
class _(_Tee):  # type: ignore[no-redef]
    async def stop(self):  # type: ignore[no-untyped-def]
        if not self.status:
            await super().stop()
            self.book()


@EXERCISE.wrong("does not log what was stopped", says="The answer is over (stopped), and the log has 0 entries")
class _(_Tee):  # type: ignore[no-redef]
    def cancelled(self):  # type: ignore[no-untyped-def]
        self.status = "stopped"
        self.tell()


@EXERCISE.wrong("says that a stopped answer is complete", says="The log says 'complete', and it was 'stopped'")
class _(_Tee):  # type: ignore[no-redef]
    def cancelled(self):  # type: ignore[no-untyped-def]
        self.end("complete")


@EXERCISE.wrong("logs for each reader", says="The log has 2 entries for one answer: one for each")
class _(_Tee):  # type: ignore[no-redef]
    def book(self):  # type: ignore[no-untyped-def]
        pass

    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        status = await super().subscribe(write)
        _Tee.book(self)
        return status


@EXERCISE.wrong("logs where the first reader is", says="The answer is over (complete), and the log has 0 entries")
class _(_Tee):  # type: ignore[no-redef]
    def book(self):  # type: ignore[no-untyped-def]
        pass

    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        first = self.upstream is None
        status = await super().subscribe(write)
        if first and status != "slow":
            _Tee.book(self)
        return status


@EXERCISE.wrong("lets its task fail", says="a task that fails tells nobody")
class _(_Tee):  # type: ignore[no-redef]
    def failed(self):  # type: ignore[no-untyped-def]
        self.status = "failed"
        self.book()


@EXERCISE.wrong("takes a failure for the end", says="returned 'complete', and it was 'failed'")
class _(_Tee):  # type: ignore[no-redef]
    def failed(self):  # type: ignore[no-untyped-def]
        self.end("complete")


@EXERCISE.wrong("raises the upstream's error in every reader", says="The error of the upstream came out of subscribe()")
class _(_Tee):  # type: ignore[no-redef]
    def failed(self):  # type: ignore[no-untyped-def]
        self.end("failed")
        raise

    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        status = await super().subscribe(write)
        return self.upstream.result() if status == "failed" else status  # type: ignore[union-attr]


@EXERCISE.wrong("returns when a reader leaves", says="Let the CancelledError go on")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        with contextlib.suppress(asyncio.CancelledError):
            return await super().subscribe(write)


@EXERCISE.wrong("keeps a broken line to itself", says="Its caller needs the error")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        try:
            return await super().subscribe(write)
        except ConnectionError:
            return self.status


@EXERCISE.wrong("returns no status", says="subscribe() returned nothing")
class _(_Tee):  # type: ignore[no-redef]
    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        await super().subscribe(write)


@EXERCISE.right
class _:  # type: ignore[no-redef]
    # One list that all read, each from a place of its own; an event that is replaced tells that something is new.
    def __init__(self, generate, log, most, keep):  # type: ignore[no-untyped-def]
        self.make, self.log, self.most, self.keep = generate, log, most, keep
        self.pieces, self.places, self.status, self.news, self.task = [], {}, "", asyncio.Event(), None

    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        me = object()
        self.places[me] = len(self.pieces)
        self.task = self.task or asyncio.ensure_future(self.run())  # type: ignore[no-untyped-call]
        try:
            if self.pieces:
                await write("".join(self.pieces))
            while me in self.places:
                if (place := self.places[me]) < len(self.pieces):
                    self.places[me] += 1
                    await write(self.pieces[place])
                elif self.status:
                    return self.status
                else:
                    await self.news.wait()
            return "slow"
        finally:
            self.places.pop(me, None)
            if not self.keep and not self.places:
                await self.stop()  # type: ignore[no-untyped-call]

    async def run(self):  # type: ignore[no-untyped-def]
        ended = "stopped"
        try:
            async with contextlib.aclosing(self.make()) as tokens:
                async for piece in tokens:
                    self.pieces.append(piece)
                    far = len(self.pieces) - self.most
                    self.places = {one: place for one, place in self.places.items() if place >= far}
                    self.wake()  # type: ignore[no-untyped-call]
            ended = "complete"
        except Exception:  # noqa: BLE001  # whatever it is, the readers are told the same
            ended = "failed"
        finally:
            self.status = ended
            self.log("".join(self.pieces), ended)
            self.wake()  # type: ignore[no-untyped-call]

    def wake(self):  # type: ignore[no-untyped-def]
        self.news.set()
        self.news = asyncio.Event()

    async def stop(self):  # type: ignore[no-untyped-def]
        if self.task and not self.status:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task


@EXERCISE.right
class _:  # type: ignore[no-redef]
    # A reader is an object with a list and a future; the end is a callback of the task.
    class Place:
        def __init__(self, text):  # type: ignore[no-untyped-def]
            self.waiting, self.late, self.bell = [text] if text else [], False, asyncio.Event()

    def __init__(self, generate, log, most, keep):  # type: ignore[no-untyped-def]
        self.options = generate, log, most, keep
        self.text, self.how, self.places, self.pump = "", None, [], None

    async def subscribe(self, write):  # type: ignore[no-untyped-def]
        if not self.pump:
            self.pump = asyncio.create_task(self.flow())  # type: ignore[no-untyped-call]
            self.pump.add_done_callback(self.over)
        place = self.Place(self.text)  # type: ignore[no-untyped-call]
        self.places.append(place)
        try:
            while not place.late:
                while place.waiting and not place.late:
                    await write(place.waiting.pop(0))
                if self.how and not place.late:
                    return self.how
                if not place.late:
                    place.bell.clear()
                    await place.bell.wait()
            return "slow"
        finally:
            self.places.remove(place)
            if not self.places and not self.options[3]:
                self.pump.cancel()

    async def flow(self):  # type: ignore[no-untyped-def]
        async for token in self.options[0]():
            self.text += token
            for place in self.places:
                if len(place.waiting) >= self.options[2]:
                    place.late = True
                place.waiting.append(token)
                place.bell.set()

    def over(self, task):  # type: ignore[no-untyped-def]
        self.how = "stopped" if task.cancelled() else "failed" if task.exception() else "complete"
        self.options[1](self.text, self.how)
        for place in self.places:
            place.bell.set()

    async def stop(self):  # type: ignore[no-untyped-def]
        if self.pump:
            self.pump.cancel()
            await asyncio.wait([self.pump])
