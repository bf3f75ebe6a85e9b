"""Exercise 6.3: three deadlines for a stream, by a clock of one's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import openai

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.frames import Fault, Frame, Frames
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

HEADERS = 0.25
ITL = 0.25
START = 100.0
"""What the clock shows before the request, so that a moment can't be taken for a number of seconds."""
SLACK = 2 * ITL
"""Seconds by which an answer may be late: two tokens."""
EXACT = 1e-6
SAME = 1e-8
"""Seconds by which two moments of one clock differ at most."""
BEAT = 0.5
PATIENCE = 10.0
"""The read time-out of the check's client, in seconds."""
LATER = 90.0
"""Seconds for which the check watches the ledger when the answer has returned."""
DEADLINES = (None, "first", "idle", "total")
SHORT = "Whoever waits sets an end to it, or somebody else does."
LONG = (
    "A deadline is a promise to the reader: after so many seconds you hear from me, with all of the answer, with a part of it, or "
    "with the word that there is none, and nothing that has come gets lost on the way."
)
WORDS = ("who", "waits", "for", "an", "answer", "that", "is", "late", "may", "stop", "and", "ask", "again")

Works = tuple[tuple[int, float], ...]
"""The pieces, counted from 1, over which `show` takes some seconds, and how many."""
Outcome = tuple[int, str | None, float]
"""How many pieces are shown, the deadline that ends it, and when."""


@dataclass
class _Play:
    """A stream that the answer reads, the ledger of its mock, and what the consumer saw. Times count from the call.

    ``text_at`` is when the first text comes, ``pause`` after how many tokens the model stops, and for how long. In silence there
    may be a ``beat``: chunks that keep the line alive. The connection may break after ``cut`` tokens, the stream just end after
    ``ends``, `show` fail at piece ``breaks``, and the caller cancel the answer at ``stop``.
    """

    first: float
    idle: float
    total: float
    reply: str = SHORT
    text_at: float = 1.0
    pause: tuple[int, float] | None = None
    beat: bool = False
    works: Works = ()
    cut: int | None = None
    ends: int | None = None
    breaks: int | None = None
    breaks_with: type[Exception] = ConnectionError
    stop: float | None = None
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    shown: list[tuple[float, Any]] = field(default_factory=list)
    got: Any = None
    at: float = math.inf
    error: str = ""
    raised: Raised | None = None
    showing = torn = mixed = left = False
    begun = 0.0

    def __post_init__(self) -> None:
        pace = Pace(HEADERS, HEADERS + self.text_at, ITL, (self.pause,) if self.pause else ())
        wanted = {"cut": self.cut, "end": self.ends}
        options = [f"{name}={count}" for name, count in wanted.items() if count is not None]
        faults = [Fault("beat", _kept_alive)] if self.beat else []
        self.mock = MockServer(self.reply, pace=pace, clock=self.clock, faults=faults, options=options)
        self.pieces = tokens(self.reply)[: self.ends]
        self.arrivals = tuple(at - HEADERS for at in pace.token_times(len(self.pieces)))

    def run(self, answer: Subject) -> _Play:
        answer.play(self._ask(answer), self.clock)
        return self

    async def _ask(self, answer: Subject) -> None:
        create: Any = self.mock.async_client(timeout=PATIENCE).chat.completions.create
        question = [{"role": "user", "content": "How long does it take?"}]
        usage = {"include_usage": True}
        stream = await create(model=self.mock.model, messages=question, stream=True, stream_options=usage)
        self.begun = self.clock.now()
        task = asyncio.ensure_future(answer.acall(stream, self.first, self.idle, self.total, self._show))
        if self.stop is not None:
            await asyncio.sleep(self.stop)
            task.cancel()
        try:
            self.got = await task
        except asyncio.CancelledError:
            self.error = "CancelledError"
        except Raised as raised:
            raised.given, self.raised, self.error = self.given, raised, raised.kind
        self.at, self.left = self._now(), self.showing
        await self.clock.asleep(LATER)

    async def _show(self, piece: Any) -> None:
        if not piece:
            return
        self.mixed = self.mixed or self.showing
        self.shown.append((self._now(), piece))
        number, self.showing = len(self.shown), True
        try:
            if seconds := dict(self.works).get(number, 0.0):
                await self.clock.asleep(seconds)
        except asyncio.CancelledError:
            self.torn = self.torn or self.at == math.inf
            raise
        finally:
            self.showing = False
        if number == self.breaks:
            raise self.breaks_with("the reader's line is gone")

    def _now(self) -> float:
        return self.clock.now() - self.begun

    def right(self) -> Outcome:
        return _outcome(self.arrivals, self.works, self.first, self.idle, self.total)

    @property
    def wanted(self) -> str:
        """The error that has to come out, if one has to."""
        if self.stop is not None:
            return "CancelledError"
        if self.cut is not None:
            return "APIConnectionError"
        return self.breaks_with.__name__ if self.breaks is not None else ""

    def end(self) -> tuple[int, float]:
        """How many pieces are shown, and when it is over."""
        if self.stop is not None:
            return self._begun_by(self.stop), self.stop
        count = self.cut if self.cut is not None else self.breaks
        if count is not None:
            return count, self.arrivals[count - 1]
        shown, _, at = self.right()
        return shown, at

    def _begun_by(self, stop: float) -> int:
        """How many pieces `show` has been given by then."""
        free, takes = 0.0, dict(self.works)
        for number, at in enumerate(self.arrivals, start=1):
            if max(free, at) > stop:
                return number - 1
            free = max(free, at) + takes.get(number, 0.0)
        return len(self.arrivals)

    @property
    def made(self) -> int:
        """Tokens generated, by the ledger."""
        return self.mock.ledger[-1].tokens_generated

    @property
    def given(self) -> str:
        told = [
            f"first={self.first:g}, idle={self.idle:g}, total={self.total:g}",
            f"{len(self.pieces)} pieces of text from {self.text_at:g} s on, every {ITL:g} s",
            f"the model stops for {self.pause[1]:g} s after piece {self.pause[0]}" if self.pause else "",
            f"a heartbeat after each {BEAT:g} s of silence" if self.beat else "",
            *(f"show() takes {seconds:g} s for piece {number}" for number, seconds in self.works),
            f"the connection breaks after piece {self.cut}" if self.cut is not None else "",
            f"show() fails at piece {self.breaks}, with a {self.breaks_with.__name__}"
            if self.breaks is not None
            else "",
            f"the caller cancels after {self.stop:g} s" if self.stop is not None else "",
        ]
        return "; ".join(filter(None, told))

    def facts(self) -> dict[str, Any]:
        count, at = self.end()
        name = "" if self.wanted else self.right()[1]
        right = self.wanted or repr(("".join(self.pieces[:count]), name))
        came = self.error or repr(tuple(self.got) if isinstance(self.got, list) else self.got)
        ledger = f"{self.made} of {len(tokens(self.reply))} tokens generated"
        return {
            "given": self.given,
            "got": Words(f"{came} after {self.at:g} s; ledger: {ledger}"),
            "expected": Words(f"{right} after {at:g} s"),
        }


def _kept_alive(frames: Frames) -> list[Frame]:
    """Where nothing comes for a while, chunks that say nothing: without choices, and with an empty delta, in turn."""
    chunk = json.loads(frames[0].data.removeprefix(b"data: "))
    bare, empty = chunk | {"choices": []}, chunk | {"choices": [chunk["choices"][0] | {"delta": {}}]}
    beats = [f"data: {json.dumps(one)}\n\n".encode() for one in (bare, empty)]
    out = [frames[0]]
    for frame in frames[1:]:
        last = out[-1].at
        count = math.ceil((frame.at - last) / BEAT) - 1
        out += [Frame(last + BEAT * number, beats[number % 2]) for number in range(1, count + 1)]
        out.append(frame)
    return out


@expectation
def _outcome(arrivals: tuple[float, ...], works: Works, first: float, idle: float, total: float) -> Outcome:
    """What is right for text that comes at these moments."""
    now, due, name = 0.0, first, "first"
    takes = dict(works)
    for count, at in enumerate(arrivals):
        end = max(now, min(due, total))
        if max(at, now) > end or now > total:
            return count, name if due < total else "total", end
        now = max(at, now) + takes.get(count + 1, 0.0)
        due, name = now + idle, "idle"
    return (len(arrivals), None, now) if now <= total else (len(arrivals), "total", now)


def check(answer: Subject, draw: Random) -> None:
    _goes_well(answer)
    _silent(answer)
    _total(answer)
    _consumer(answer)
    _errors(answer)
    for _ in range(6):
        _judge(_drawn(draw).run(answer))


def _goes_well(answer: Subject) -> None:
    for play in (
        _Play(2.125, 1.125, 30.0625),
        _Play(3.375, 1.125, 30.0625, text_at=3.25, beat=True),
        _Play(1.125, 3.125, 30.0625, pause=(3, 2.75), beat=True),
        _Play(1.125, 1.125, 30.0625, ends=0),
    ):
        _judge(play.run(answer))


def _silent(answer: Subject) -> None:
    play = _Play(3.125, 2.125, 60.0625, text_at=30.0, beat=True).run(answer)
    _judge(play, _put_off(answer) if play.at > play.right()[2] + SLACK else "")
    play = _Play(3.125, 2.125, 60.0625, pause=(3, 12.0), beat=True).run(answer)
    _judge(
        play, "A heartbeat put your idle deadline off. Only text may do that: of a heartbeat the reader sees nothing."
    )
    play = _Play(3.125, 2.125, 60.0625, pause=(3, 6.0)).run(answer)
    _judge(
        play,
        f"The idle deadline passed at {play.right()[2]:g} s, and you noticed it at {play.at:g} s, when something "
        "came again. A check "
        "behind a read has to wait as long as the read: it is the read itself that must end.",
    )


def _put_off(answer: Subject) -> str:
    """Why heartbeats could put a deadline off: what becomes of the answer in silence tells by which clock it goes, if by any."""
    play = _Play(3.125, 2.125, 60.0625, pause=(3, 6.0)).run(answer)
    off = abs(play.at - play.right()[2])
    if off > SLACK:
        return (
            "For 30 s nothing came but heartbeats, and no deadline of yours ended that. A time-out of the client begins anew with "
            "whatever is read. Reckon the moment by loop.time() at the call, and let it end the read."
        )
    if off > SAME:
        return (
            "Heartbeats came for 30 s, and by your clock hardly any time went by: it is the one on the wall, which "
            "does not know the "
            "time of the event loop. Take loop.time()."
        )
    return (
        "Your time-out begins anew with each read, so 30 s of heartbeats put it off again and again. Reckon the moment once, from "
        "the call, and let only text change it."
    )


def _total(answer: Subject) -> None:
    play = _Play(2.125, 1.125, 4.1875, LONG).run(answer)
    _judge(
        play,
        f"Each wait was short enough, and together they took {play.at:g} s, where total is {play.total:g}. What is "
        "good for one read "
        "bounds no sum: the whole has a moment of its own, from the call.",
    )
    _judge(_Play(5.125, 2.125, 2.0625, text_at=30.0, beat=True).run(answer))
    _judge(_Play(2.125, 3.125, 2.5625, pause=(3, 12.0), beat=True).run(answer))


def _consumer(answer: Subject) -> None:
    """What `show` does is the consumer's own."""
    _judge(_Play(2.125, 1.125, 30.0625, works=((2, 3.125), (4, 2.125))).run(answer))
    _judge(_Play(2.125, 1.125, 3.0625, LONG, works=((2, 4.125),)).run(answer))


def _errors(answer: Subject) -> None:
    for play in (
        _Play(2.125, 1.125, 30.0625, cut=4),
        _Play(2.125, 1.125, 30.0625, LONG, breaks=3),
        _Play(2.125, 1.125, 30.0625, LONG, breaks=3, breaks_with=TimeoutError),
        _Play(2.125, 1.125, 30.0625, LONG, stop=1.6),
        _Play(5.125, 1.125, 30.0625, text_at=3.0, stop=0.4),
        _Play(2.125, 1.125, 30.0625, LONG, works=((3, 4.125),), stop=2.6),
    ):
        _judge(play.run(answer))


def _drawn(draw: Random) -> _Play:
    """Text comes at quarters of a second, and no deadline passes, and no `show` ends, in the moment of something else."""
    reply = " ".join(draw.choice(WORDS) for _ in range(draw.randint(5, 12)))
    text_at, beat = draw.choice([0.5, 1.0, 2.0, 20.0]), draw.random() < 0.5
    pause = draw.choice([None, (draw.randint(1, 4), draw.choice([1.0, 2.0, 9.0]))])
    works = draw.choice([(), ((draw.randint(1, 3), draw.choice([0.53125, 2.03125])),)])
    first, idle = draw.choice([1.125, 2.125, 3.125]), draw.choice([0.625, 1.625, 2.625])
    total = draw.choice([draw.randint(3, 20) / 4 + 0.0625, 40.0625])
    return _Play(first, idle, total, reply, text_at, pause, beat, works)


def _judge(play: _Play, late: str = "") -> None:
    """``late`` is said where the answer has missed its deadline."""
    ended = [] if play.wanted else [lambda play: _deadline(play, late), _text]
    for look in (_disturbed, _error, *ended, _shown, _left_open):
        if why := look(play):
            raise NotYet(why, **play.facts())


def _disturbed(play: _Play) -> str:
    if play.torn and play.stop is None:
        return (
            "Your deadline cut show() off in the middle of its work. That is not the service's time but the "
            "consumer's own, and half "
            "a piece may be on the screen now: end the wait for the stream, and nothing else."
        )
    if play.mixed:
        return "You called show() while the piece before was still being shown. One after the other: wait for it."
    if play.left:
        return "You returned while show() was still at work. Wait for it: nobody else will."
    return ""


def _error(play: _Play) -> str:
    """What is wrong with an error that came out, or did not."""
    if play.error == play.wanted:
        return ""
    if not play.error:
        return _swallowed(play)
    if play.error in ("ExceptionGroup", "BaseExceptionGroup"):
        return "The error came out in a group of errors, where nobody will look for it. Let it out as it is."
    if play.error == "TimeoutError":
        return "The deadline came out as an error, and what had come by then is lost with it. Return the text, and the name."
    if play.error == "IndexError":
        return "A chunk may have no choices: heartbeats have none, and so has the usage at the end. Who looks for the first one?"
    if play.error == "CancelledError":
        return "Your function ended by a cancellation, and its caller had not asked for one. Return what has come."
    assert play.raised is not None
    raise play.raised


def _swallowed(play: _Play) -> str:
    if play.stop is not None:
        return (
            "Whoever called you has cancelled you, and you returned an answer. A cancellation is not your "
            "deadline: let it go on."
        )
    if play.breaks is not None and play.breaks_with is TimeoutError:
        return "show() ran into a time-out of its own, and you took it for a deadline. Catch TimeoutError around the read alone."
    if play.breaks is not None:
        return "show() failed, and its caller does not learn of it. What goes wrong at the consumer's end has to come out there."
    return "The connection broke, and you returned as if nothing had happened. An error of the stream is no deadline: let it go on."


def _deadline(play: _Play, late: str) -> str:
    """What is wrong with which deadline ended it, and when."""
    if not _is_pair(play.got):
        return 'Return a pair: the text, and None or one of the names "first", "idle" and "total".'
    _, wanted, due = play.right()
    name = play.got[1]
    if play.at > due + SLACK:
        return (
            late
            or f"The {wanted} deadline passed at {due:g} s, and you returned at {play.at:g} s. What did you wait for?"
        )
    if play.at < due - EXACT:
        return _early(play, name)
    if name != wanted:
        return f"The {wanted} deadline passed first, at {due:g} s, and you named {name!r}. Compare the moments, not what had come."
    return ""


def _is_pair(got: Any) -> bool:
    return isinstance(got, list) and len(got) == 2 and isinstance(got[0], str) and got[1] in DEADLINES


def _early(play: _Play, name: str | None) -> str:
    if name is None:
        return (
            f"After {play.at:g} s you took the stream for ended, and it was not. A read that was cancelled has "
            "closed the SDK's stream: "
            "there is no second try, so wait once, until the next deadline."
        )
    if name == "idle" and not play.shown:
        return "You said idle, and no text had come yet: that is the business of first. Is a chunk with a role text?"
    if play.works:
        return (
            f"show() worked, and you blamed the service: {name} passed at {play.at:g} s by your count. While show() "
            "works nobody waits "
            "for text. From when does idle count?"
        )
    return f"You ended it at {play.at:g} s, by {name}, and that deadline had not passed. Which seconds did you take, and from when?"


def _text(play: _Play) -> str:
    count, name, _ = play.right()
    right, text = "".join(play.pieces[:count]), play.got[0]
    if text == right:
        return ""
    if name and play.works and len(text) > len(right):
        return (
            "The total deadline passed while show() was at work, and you went on with what lay ready. A time-out "
            "ends a wait, and for "
            "what is there already nobody waits: look at the clock, too."
        )
    if name and len(text) < len(right):
        return (
            f"By then {len(right)} characters had come, and you return {len(text)}. Half an answer is paid for "
            "like a whole one: keep it."
        )
    return "Your text is not what had come by then."


def _shown(play: _Play) -> str:
    """All pieces, each as soon as it came and the one before was shown."""
    count, _ = play.end()
    pieces = [piece for _, piece in play.shown]
    ready, takes = 0.0, dict(play.works)
    for number, (at, _) in enumerate(play.shown[:count], start=1):
        ready = max(ready, play.arrivals[number - 1])
        if at > ready + EXACT:
            return f"Piece {number} was there after {ready:g} s, and you showed it after {at:g} s. Show each piece when it comes."
        ready += takes.get(number, 0.0)
    if pieces != play.pieces[:count]:
        return "What you showed is not what had come. Give show() each piece of text as it is, and nothing else."
    return ""


def _left_open(play: _Play) -> str:
    """Whether the model went on for nobody."""
    _, at = play.end()
    entry = play.mock.ledger[-1]
    due = sum(made <= play.begun + at + EXACT for made in entry.token_times)
    more = play.made - due
    if more <= 2:
        return ""
    ended = "show() failed" if play.breaks is not None else "You returned"
    if play.stop is not None:
        ended = "You were cancelled while show() was at work" if play.works else "You were cancelled"
    return (
        f"{ended}, and the ledger runs on: {more} more tokens were generated, for nobody. Close the stream, "
        "whatever ends your function."
    )


EXERCISE = Exercise(
    id="6.3",
    title="with_deadlines",
    function="with_deadlines",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "At each moment you wait for one thing: the next chunk. Which of the three deadlines may end this wait, and what has to "
        "happen before one of them is put off?",
        "Keep two moments on the loop's clock: the end of it all, which never moves, and the one by which text is due, which moves "
        "only when show() has returned. asyncio.timeout_at takes a moment; put nothing but the read into it.",
        "async with asyncio.timeout_at(min(due, end)): chunk = await anext(stream, None); except TimeoutError "
        "around just that; the "
        "smaller of the two moments has the name; await stream.close() in finally.",
    ),
    reason="A time-out that begins anew with each read bounds no wait: heartbeats reset it, and a slow stream never meets it. A "
    "moment on the clock does. It may end the wait for the stream and nothing else, and what has come by then is kept.",
    check=check,
)

EXERCISE.survive(
    "what can't fail may stand in the try as well",
    'end, due, name = loop.time() + total, loop.time() + first, "first" (moved into "try:")',
)
EXERCISE.survive(
    "where two deadlines pass at one moment, either has ended it", 'return text, name if due <= end else "total"'
)
EXERCISE.survive(
    "if show fails, its error comes out, and no text is returned",
    'await show(choice.delta.content) (moved before "text += choice.delta.content")',
)

# ------------------------------------------------------------------------------------- the reference and its mistakes


def _text_of(chunk: Any) -> str:
    return "".join(choice.delta.content or "" for choice in chunk.choices)


def _wrong(
    name: str,
    says: str,
    *,
    moves: Callable[[Any, str], Any] = lambda chunk, text: _text_of(chunk),
    begins: Callable[[float, float, str], float] = lambda end, now, text: end,
    waits: Callable[[float, float], float] = min,
    from_arrival: bool = False,
    named: Callable[[str, float, float], str] = lambda name, due, end: name if due < end else "total",
    told: Callable[[str, str | None], Any] = lambda text, name: (text, name),
    caught: tuple[type[BaseException], ...] = (),
    text_of: Callable[[Any], str] = _text_of,
    shows: str = "each",
    closes: bool = True,
    later: Callable[[float, float], float] = lambda first, idle: idle,
) -> None:
    """The reference with one part exchanged."""

    async def with_deadlines(stream: Any, first: float, idle: float, total: float, show: Any) -> Any:
        loop, text, which = asyncio.get_running_loop(), "", "first"
        end, due = loop.time() + total, loop.time() + first
        pieces: list[str] = []
        tasks: list[Any] = []
        try:
            while True:
                try:
                    async with asyncio.timeout_at(waits(due, end)):
                        chunk = await anext(stream, None)
                except TimeoutError:
                    return told(text, named(which, due, end))
                if chunk is None:
                    return told(text, None)
                now, piece = loop.time(), text_of(chunk)
                if piece:
                    end = begins(end, now + total, text)
                    text += piece
                    pieces.append(piece)
                if piece and shows == "each":
                    await show(piece)
                if piece and shows == "aside":
                    tasks.append(asyncio.ensure_future(show(piece)))
                if moves(chunk, text):
                    due, which = (now if from_arrival else loop.time()) + later(first, idle), "idle"
        except caught:
            return told(text, None)
        finally:
            if shows == "end":
                for piece in pieces:
                    await show(piece)
            if closes:
                await stream.close()

    EXERCISE.wrong(name, says=says)(with_deadlines)


_wrong("lets a heartbeat put idle off", "A heartbeat put your idle deadline off", moves=lambda chunk, text: text)
_wrong("has no total", "together they took 13.25 s", waits=lambda due, end: due)
_wrong("counts the whole from the first text", "together they took 5.1875 s", begins=lambda end, then, text: (
    end if text else then))  # fmt: skip
_wrong("leaves the stream open", "show() failed, and the ledger runs on", closes=False)
_wrong("throws away what has come", "and you return 0", told=lambda text, name: ("" if name else text, name))
_wrong("takes the role for text", "Is a chunk with a role text", moves=lambda chunk, text: (
    any(choice.delta.role or choice.delta.content for choice in chunk.choices)))  # fmt: skip
_wrong("has one deadline for all reads", "Which seconds did you take", later=lambda first, idle: first)
_wrong("counts the consumer's time as silence", "and you blamed the service", from_arrival=True)
_wrong("names what it waited for", "The total deadline passed first", named=lambda name, due, end: name)
_wrong("shows in the background", "while the piece before was still", shows="aside")
_wrong("shows at the end", "Show each piece when it comes", shows="end")
_wrong("swallows a broken connection", "An error of the stream is no deadline", caught=(openai.APIConnectionError,))
_wrong("swallows the consumer's error", "at the consumer's end", caught=(ConnectionError,))
_wrong("takes a cancellation for a deadline", "Whoever called you has cancelled", caught=(asyncio.CancelledError,))
_wrong("wants a choice in each chunk", "A chunk may have no choices", text_of=lambda chunk: (
    chunk.choices[0].delta.content or ""))  # fmt: skip
_wrong("returns the text alone", "Return a pair", told=lambda text, name: text)


@EXERCISE.wrong("leaves it to the client", says="no deadline of yours ended that")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text = ""
    try:
        async for chunk in stream:
            if piece := _text_of(chunk):
                text += piece
                await show(piece)
    except openai.APITimeoutError:
        return text, "idle"
    return text, None


@EXERCISE.wrong("gives each read its seconds", says="begins anew with each read")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, loop = "", asyncio.get_running_loop()
    end = loop.time() + total
    while True:
        try:
            left = end - loop.time()
            chunk = await asyncio.wait_for(anext(stream), min(idle if text else first, left))
        except TimeoutError:
            return text, "total" if loop.time() >= end else "idle" if text else "first"
        except StopAsyncIteration:
            return text, None
        if piece := _text_of(chunk):
            text += piece
            await show(piece)


@EXERCISE.wrong("reckons with real time", says="it is the one on the wall")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, clock = "", time.monotonic
    end, due = clock() + total, clock() + first
    async with contextlib.aclosing(stream):
        while True:
            try:
                chunk = await asyncio.wait_for(anext(stream), min(due, end) - clock())
            except TimeoutError:
                return text, "total" if end < due else "idle" if text else "first"
            except StopAsyncIteration:
                return text, None
            if piece := _text_of(chunk):
                text += piece
                await show(piece)
                due = clock() + idle


@EXERCISE.wrong("looks at the clock behind the read", says="A check behind a read")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    clock = asyncio.get_running_loop().time
    text, end, due = "", clock() + total, clock() + first
    async for chunk in stream:
        if clock() > min(due, end):
            await stream.close()
            return text, "total" if end < due else "idle" if text else "first"
        if piece := _text_of(chunk):
            text += piece
            await show(piece)
            due = clock() + idle
    return text, None


@EXERCISE.wrong("puts a time-out around the consumer too", says="cut show() off in the middle")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, name = "", "first"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(total) as whole, asyncio.timeout(first) as silence:
            async for chunk in stream:
                if piece := _text_of(chunk):
                    text += piece
                    silence.reschedule(None)
                    await show(piece)
                    name = "idle"
                    silence.reschedule(loop.time() + idle)
    except TimeoutError:
        return text, "total" if whole.expired() else name
    finally:
        await stream.close()
    return text, None


@EXERCISE.wrong("takes a time-out of the consumer for its own", says="a time-out of its own")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, loop = "", asyncio.get_running_loop()
    end, due = loop.time() + total, loop.time() + first
    try:
        while True:
            async with asyncio.timeout_at(min(due, end)):
                chunk = await anext(stream, None)
            if chunk is None:
                return text, None
            if piece := _text_of(chunk):
                text += piece
                await show(piece)
                due = loop.time() + idle
    except TimeoutError:
        return text, "total" if end < due else "idle" if text else "first"
    finally:
        await stream.close()


@EXERCISE.wrong("closes after errors, and not after a cancellation", says="cancelled while show() was at work")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, name, loop = "", None, asyncio.get_running_loop()
    end, due = loop.time() + total, loop.time() + first
    try:
        while True:
            try:
                async with asyncio.timeout_at(min(due, end)):
                    chunk = await anext(stream, None)
            except TimeoutError:
                name = "total" if end < due else "idle" if text else "first"
                break
            if chunk is None:
                break
            if piece := _text_of(chunk):
                text += piece
                await show(piece)
                due = loop.time() + idle
    except Exception:
        await stream.close()
        raise
    await stream.close()
    return text, name


@EXERCISE.wrong("lets the time-out out", says="came out as an error")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, loop = "", asyncio.get_running_loop()
    end, due = loop.time() + total, loop.time() + first
    async with contextlib.aclosing(stream):
        while True:
            async with asyncio.timeout_at(min(due, end)):
                chunk = await anext(stream, None)
            if chunk is None:
                return text, None
            if piece := _text_of(chunk):
                text += piece
                await show(piece)
                due = loop.time() + idle


@EXERCISE.wrong("reads in small steps", says="A read that was cancelled")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, clock = "", asyncio.get_running_loop().time
    end, due = clock() + total, clock() + first
    while clock() < min(due, end):
        try:
            chunk = await asyncio.wait_for(anext(stream), 0.125)
        except TimeoutError:
            continue
        except StopAsyncIteration:
            return text, None
        if piece := _text_of(chunk):
            text += piece
            await show(piece)
            due = clock() + idle
    await stream.close()
    return text, "total" if end < due else "idle" if text else "first"


@EXERCISE.wrong("leaves a read behind", says="You returned, and the ledger runs on")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, clock = "", asyncio.get_running_loop().time
    end, due = clock() + total, clock() + first
    while True:
        read = asyncio.ensure_future(anext(stream, None))
        done, _ = await asyncio.wait([read], timeout=max(0, min(due, end) - clock()))
        if not done:
            return text, "total" if end < due else "idle" if text else "first"
        if read.result() is None:
            return text, None
        if piece := _text_of(read.result()):
            text += piece
            await show(piece)
            due = clock() + idle


async def _read(stream: Any, queue: asyncio.Queue[str | None]) -> None:
    """Fill a queue with the pieces, None behind the last."""
    async for chunk in stream:
        if piece := _text_of(chunk):
            queue.put_nowait(piece)
    queue.put_nowait(None)


@EXERCISE.wrong("reads in a group of tasks", says="in a group of errors")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, clock = "", asyncio.get_running_loop().time
    end, due = clock() + total, clock() + first
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    async with contextlib.aclosing(stream), asyncio.TaskGroup() as group:
        reader = group.create_task(_read(stream, queue))
        while True:
            try:
                piece = await asyncio.wait_for(queue.get(), min(due, end) - clock())
            except TimeoutError:
                reader.cancel()
                return text, "total" if end < due else "idle" if text else "first"
            if piece is None:
                return text, None
            text += piece
            await show(piece)
            due = clock() + idle


@EXERCISE.wrong("empties the queue after the end", says="you went on with what lay ready")
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    text, clock = "", asyncio.get_running_loop().time
    end, due = clock() + total, clock() + first
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    async with contextlib.aclosing(stream):
        reader = asyncio.create_task(_read(stream, queue))
        while True:
            try:
                async with asyncio.timeout_at(min(due, end)):
                    piece = await queue.get()
            except TimeoutError:
                reader.cancel()
                return text, "total" if end < due else "idle" if text else "first"
            if piece is None:
                await reader
                return text, None
            text += piece
            await show(piece)
            due = clock() + idle


@EXERCISE.right
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    # wait_for with a computed minimum, in a function that gives the next piece of text.
    clock = asyncio.get_running_loop().time
    end = clock() + total
    said: list[str] = []

    async def piece(seconds: float) -> str:
        due = clock() + seconds
        while True:
            chunk = await asyncio.wait_for(anext(stream), min(due, end) - clock())
            for choice in chunk.choices:
                if choice.delta.content:
                    return str(choice.delta.content)

    async with contextlib.aclosing(stream):
        while True:
            begin, seconds = clock(), idle if said else first
            try:
                one = await piece(seconds)
            except StopAsyncIteration:
                return "".join(said), None
            except TimeoutError:
                name = "idle" if said else "first"
                return "".join(said), name if begin + seconds < end else "total"
            said.append(one)
            await show(one)


@EXERCISE.right
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    # A reader task that fills a queue with text, and this one, which waits for the queue alone.
    queue: asyncio.Queue[Any] = asyncio.Queue()

    async def read() -> None:
        try:
            async for chunk in stream:
                for choice in chunk.choices:
                    queue.put_nowait(choice.delta.content or "")
            queue.put_nowait(None)
        except openai.APIError as error:
            queue.put_nowait(error)

    loop = asyncio.get_running_loop()
    limits = {"total": loop.time() + total, "first": loop.time() + first}
    reader, text = asyncio.create_task(read()), ""
    try:
        while True:
            name = min(limits, key=lambda one: limits[one])
            try:
                item = await asyncio.wait_for(queue.get(), limits[name] - loop.time())
            except TimeoutError:
                return text, name
            if item is None:
                return text, None
            if isinstance(item, openai.APIError):
                raise item
            if item:
                text += item
                await show(item)
                limits = {"total": limits["total"], "idle": loop.time() + idle}
    finally:
        reader.cancel()
        await stream.close()


@EXERCISE.right
async def _(stream, first, idle, total, show):  # type: ignore[no-untyped-def]
    # One read under way at a time, watched by asyncio.wait, and cancelled if it is too late.
    clock = asyncio.get_running_loop().time
    zero, since, limit, name, text = clock(), clock(), first, "first", ""
    read = asyncio.ensure_future(anext(stream, None))
    try:
        while True:
            left = {name: since + limit - clock(), "total": zero + total - clock()}
            which = sorted(left, key=left.__getitem__)[0]
            done, _ = await asyncio.wait({read}, timeout=max(left[which], 0))
            if not done or left["total"] < 0:
                return text, which
            chunk = read.result()
            if chunk is None:
                return text, None
            for choice in chunk.choices:
                if choice.delta.content:
                    text = text + choice.delta.content
                    await show(choice.delta.content)
                    since, limit, name = clock(), idle, "idle"
            read = asyncio.ensure_future(anext(stream, None))
    finally:
        read.cancel()
        await stream.aclose()
