"""Exercise 1.1: measure the first visible text and the end of a stream."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import openai.resources.chat  # noqa: F401  # so that the notebook's set-up cell waits for it, and not the first check

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.frames import Fault, Frame, Frames
from course_utils.mock import MockServer
from course_utils.pace import Pace

REPLY = "\nStreaming shows the first words  while the rest is still being made."
PACE = Pace(headers=0.25, ttft=1.0, itl=0.125)
TAIL = 0.5
WORDS = (
    "a",
    "quick",
    "word",
    "comes",
    "while",
    "you",
    "wait",
    "and",
    "the",
    "rest",
    "follows",
    "until",
    "all",
    "is",
    "there",
)


@dataclass(frozen=True)
class _Stream:
    """A stream to measure; ``start`` is what the clock shows when the answer is called."""

    reply: str = REPLY
    pace: Pace = PACE
    start: float = 64.0
    usage: bool = False

    def in_real_life(self, frames: Frames) -> list[Frame]:
        """A second chunk without text, and a finish reason that comes later than the last text; both occur."""
        last = max(index for index, frame in enumerate(frames) if frame.tokens)
        late = [replace(frame, at=frame.at + TAIL) if index > last else frame for index, frame in enumerate(frames)]
        return [late[0], replace(late[0], at=2 * self.pace.headers), *late[1:]]


@dataclass(frozen=True)
class _Run:
    """What the answer said of a stream, and the true times of its first and last text."""

    stream: _Stream
    got: Any
    first: float
    end: float
    looked: int
    """How often the answer read the clock."""

    def facts(self) -> dict[str, Any]:
        first, end, headers = (f"{value:g}" for value in (self.first, self.end, self.stream.pace.headers))
        return {
            "given": f"text from {first} s to {end} s after the request, role chunk at {headers} s",
            "got": tuple(self.got) if isinstance(self.got, list) else self.got,
            "expected": (self.first, self.end, self.stream.reply),
        }


def check(answer: Subject, draw: Random) -> None:
    first = _measure(answer, _Stream())
    _judge(first)
    try:
        run = _measure(answer, _Stream(usage=True))
    except Raised as raised:
        raise NotYet(
            "One chunk has no choices. Which one, and why? It carries the usage and comes last, if it was asked for.",
            given="the same stream, with a usage chunk",
            got=Words(raised),
            expected=first.facts()["expected"],
        ) from None
    _judge(run)
    _judge(_measure(answer, _Stream(reply="Yes")))
    for _ in range(2):
        _judge(_measure(answer, _drawn(draw)))


def _drawn(draw: Random) -> _Stream:
    """Other words, another pace, and a clock that has only just begun."""
    headers = draw.randint(1, 4) / 16
    pace = Pace(headers=headers, ttft=3 * headers + draw.randint(8, 32) / 16, itl=draw.randint(1, 8) / 16)
    words = " ".join(draw.sample(WORDS, draw.randint(4, 12)))
    return _Stream(words, pace, start=draw.randint(1, 8) / 16, usage=draw.random() < 0.5)


def _measure(answer: Subject, stream: _Stream) -> _Run:
    """Let the answer measure one stream."""
    clock = VirtualClock(start=stream.start)
    mock = MockServer(stream.reply, pace=stream.pace, faults=[Fault("real life", stream.in_real_life)], clock=clock)
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream.usage else {}
    question: list[Any] = [{"role": "user", "content": "Why stream?"}]
    looks: list[float] = []

    def look() -> float:
        looks.append(clock.now())
        return looks[-1]

    with mock.client() as client:

        def send() -> Any:
            return client.chat.completions.create(model=mock.model, messages=question, stream=True, **options)

        got = answer.call(send, look)
    if not len(mock.ledger):
        raise NotYet("The server has seen no request. Call send() to ask it, and loop over what that returns.", got=got)
    if len(mock.ledger) > 1:
        raise NotYet(
            f"The server has seen {len(mock.ledger)} requests, and you would pay for each. Call send() once.", got=got
        )
    entry = mock.ledger[0]
    return _Run(stream, got, entry.token_times[0] - entry.arrived, entry.token_times[-1] - entry.arrived, len(looks))


def _judge(run: _Run) -> None:
    got, reply = run.got, run.stream.reply
    single = run.first == run.end
    if single and not (isinstance(got, list) and len(got) == 3 and None not in got):
        raise NotYet("An answer may come in a single piece. It is the first and the last at once.", **run.facts())
    if not (isinstance(got, list) and len(got) == 3 and isinstance(got[2], str) and all(map(_number, got[:2]))):
        raise NotYet("Return three things: first_visible and end in seconds, and the text.", **run.facts())
    if not got[2]:
        raise NotYet("No text came back. A stream can be read only once: did you loop over it twice?", **run.facts())
    why = _time_trouble(run, got[0], got[1])
    if why:
        raise NotYet(why, **run.facts())
    if got[2] != reply:
        raise NotYet(f"The server sent {len(reply)} characters, you returned {len(got[2])}.", **run.facts())


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _time_trouble(run: _Run, got_first: float, got_end: float) -> str:
    """The misconception behind a pair of times, or nothing if they are right."""
    first, end, headers, start = run.first, run.end, run.stream.pace.headers, run.stream.start
    if not run.looked:
        return "Your clock is not the one you were given: measure with clock(), not with the time module."
    if _same(got_first, first) and _same(got_end, end):
        return ""
    if _same(got_first, first * 1000):
        return "Your unit is milliseconds; the times here are seconds."
    if start > 60 and got_first > 60:
        return "That is what the clock showed, not how long the user waited. Subtract the moment the request was sent."
    if _same(got_first, headers):
        return "The first chunk carries a role and no text. Would a reader see anything?"
    if _same(got_first, 2 * headers):
        return "The second chunk carries no text. Would a reader see anything? Look at what a chunk holds, not at its number."
    if _same(got_first, end) and _same(got_end, first):
        return "The first two values are swapped: first_visible comes before end."
    if _same(got_first, got_end) and _same(got_end, first):
        return "You stop after the first text. The loop has to go on to the end of the stream."
    if _same(got_first, got_end) and _same(got_end, end):
        return "You kept overwriting the first time; both are the time of the last text now."
    if _same(got_first, got_end):
        return "All your timestamps are the same. When did your loop start to run?"
    if _same(got_first, first - headers):
        return "Your stopwatch starts when the server has already answered. When does the user start waiting?"
    if _same(got_first, first) and got_end > end:
        return "Your end is when the stream closed. The last text was there earlier: which chunk did you time?"
    if _same(got_first, first) and _same(got_end, end - first):
        return "Your end counts from the first text. Count from the request, as for the first."
    if abs(got_first - first) < 0.06 and abs(got_end - end) < 0.06:
        return "Your times are rounded. Return them as they are; rounding is for printing."
    return "Your times are off. Print clock() at each chunk with text, and compare."


def _same(left: float, right: float) -> bool:
    return abs(left - right) < 1e-6


EXERCISE = Exercise(
    id="1.1",
    title="first_and_last",
    function="first_and_last",
    minutes=10,
    points=2,
    core=True,
    hints=(
        "Look at what happens before the first text: a request leaves, headers come back, a chunk arrives. "
        "Which of these does the user wait for?",
        "Read clock() once before send(), then again for each chunk that has text. "
        "A chunk may have no choices, and its text may be empty or None.",
        "Keep two variables, first = None and end = None. For each text: if first is None, set it; always set end; "
        "and add the text to a list that you join at the end.",
    ),
    reason="The stopwatch starts before the request, because that is when the user starts to wait; a chunk counts only "
    "if it carries text; and choices may be empty, so it is tested before it is indexed.",
    check=check,
)

EXERCISE.survive(
    "every stream here has some text, so end gets its value in the loop, whatever it was before",
    "sent, first, first, pieces = clock(), None, None, []",
    "sent, first, pieces, pieces = clock(), None, None, []",
    "sent, first, chunk, pieces = clock(), None, None, []",
    "sent, first, end, pieces = clock(), None, 0, []",
)
EXERCISE.survive(
    "a stream that was asked for one answer has one choice, the first and the last at once",
    "if chunk.choices and chunk.choices[-1].delta.content:",
    "pieces.append(chunk.choices[-1].delta.content)",
)
EXERCISE.survive(
    "keeping the text and keeping the times do not touch each other",
    'pieces.append(chunk.choices[0].delta.content) (moved before "first = end if first is None else first")',
)


@EXERCISE.wrong("starts the clock after the request", says="already answered")
def _(send, clock):  # type: ignore[no-untyped-def]
    stream = send()
    sent, first, end, text = clock(), None, None, ""
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("takes the role chunk for the first text", says="carries a role and no text")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        first = clock() - sent if first is None else first
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("collects the stream before it measures", says="timestamps are the same")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in list(send()):
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("keeps only the last piece of text", says="characters, you returned")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            text = chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("indexes choices without looking", says="no choices")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("returns milliseconds", says="milliseconds")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = (clock() - sent) * 1000
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("uses a clock of its own", says="not the one you were given")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = time.perf_counter(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = time.perf_counter() - sent
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("takes the close of the stream for the end", says="when the stream closed")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, text = clock(), None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            first = clock() - sent if first is None else first
            text += chunk.choices[0].delta.content
    return first, clock() - sent, text


@EXERCISE.wrong("reports what the clock shows", says="what the clock showed")
def _(send, clock):  # type: ignore[no-untyped-def]
    first, end, text = None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock()
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("asks twice", says="seen 2 requests")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent = clock()
    text = next(chunk.choices[0].delta.content for chunk in send() if chunk.choices[0].delta.content)
    first = clock() - sent
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end, text = clock() - sent, text + chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("overwrites the first time", says="overwriting the first")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            first = end = clock() - sent
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("tidies the text", says="characters, you returned")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return first, end, " ".join(text.split())


@EXERCISE.wrong("takes the second chunk for the first text", says="no text. Would")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for index, chunk in enumerate(send()):
        if index == 1:
            first = clock() - sent
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.wrong("swaps the two times", says="swapped")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            text += chunk.choices[0].delta.content
    return end, first, text


@EXERCISE.wrong("waits for a second piece to time the first", says="single piece")
def _(send, clock):  # type: ignore[no-untyped-def]
    sent, first, end, text = clock(), None, None, ""
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            first = end if first is None else first
            end = clock() - sent
            text += chunk.choices[0].delta.content
    return first, end, text


@EXERCISE.right
def _(send, clock):  # type: ignore[no-untyped-def]
    sent = clock()
    seen = []
    with send() as stream:
        for chunk in stream:
            for choice in chunk.choices:
                if choice.delta.content:
                    seen.append((clock() - sent, choice.delta.content))
    return seen[0][0], seen[-1][0], "".join(piece for _, piece in seen)


@EXERCISE.right
def _(send, clock):  # type: ignore[no-untyped-def]
    start = clock()

    def pieces():  # type: ignore[no-untyped-def]
        for chunk in send():
            text = chunk.choices[0].delta.content if chunk.choices else None
            if text:
                yield clock() - start, text

    times, texts = zip(*pieces(), strict=True)  # type: ignore[no-untyped-call]
    return [min(times), max(times), "".join(texts)]
