"""Exercise 4.1: what came of a stream, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import openai

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import Raised, Stopped, StopsAt, Subject
from course_utils.clock import VirtualClock
from course_utils.frames import Ending, Fault, Frame, Frames
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

REPLY = "Streaming shows the first words while the rest is still being made."
PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
WORDS = (
    "some",
    "streams",
    "end",
    "well",
    "others",
    "just",
    "stop",
    "and",
    "nobody",
    "says",
    "a",
    "word",
    "about",
    "it",
)
STATUSES = ("complete", "truncated", "filtered", "failed", "interrupted")


@dataclass(frozen=True)
class _Case:
    """A stream, and what `collect` makes of it: the first ``said`` tokens of ``reply``, a status, whether usage comes."""

    what: str
    status: str
    options: str = ""
    said: int | None = None
    reply: str = REPLY
    usage: bool = False
    faults: tuple[Fault, ...] = ()
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def expected(self) -> list[Any]:
        every = tokens(self.reply)[: self.said]
        return ["".join(every), self.status, len(every) if self.usage else None]

    def stream(self, clock: VirtualClock) -> Any:
        mock = MockServer(self.reply, pace=PACE, clock=clock, faults=self.faults)
        asked = self.asked | ({"stream_options": {"include_usage": True}} if self.usage else {})
        question: list[Any] = [{"role": "user", "content": "How do streams end?"}]
        create: Any = mock.client().chat.completions.create
        return create(model=f"{mock.model};{self.options}", messages=question, stream=True, **asked)


def _cut_behind_the_reason(frames: Frames) -> list[Frame]:
    """The finish reason has come, and the connection goes away before the usage."""
    end = next(index for index, frame in enumerate(frames) if b'"finish_reason":"' in frame.data)
    return [*frames[:end], replace(frames[end], ending=Ending("cut", "cut"))]


def _no_done(frames: Frames) -> list[Frame]:
    """The text and its finish reason, but no ``[DONE]``: not all services send it."""
    return [frame for frame in frames if b"[DONE]" not in frame.data]


def _no_json(frames: Frames) -> list[Frame]:
    """Something between the service and the client has put a page of its own into the stream."""
    return [*frames[:5], replace(frames[5], data=b"data: <html>Sorry</html>\n\n"), *frames[6:]]


PAGE = Fault("page", _no_json)


def check(answer: Subject, draw: Random) -> None:
    _well(answer)
    _badly(answer)
    _stop(answer)
    _others(answer)
    for _ in range(8):
        _judge(answer, _drawn(draw))


def _well(answer: Subject) -> None:
    """Streams that raise nothing."""
    _judge(answer, _Case("a text that just ends after 4 tokens", "interrupted", "end=4", 4))
    none = "The content of a delta may be None, as in the chunk with the finish reason. None is no text."
    done = Fault("no [DONE]", _no_done)
    whole = _Case("a text and its finish reason, stop; no usage, and no [DONE] behind it", "complete", faults=(done,))
    _judge(answer, whole, none)
    choices = "One chunk has no choices. Which one, and why? It carries the usage and comes last, if it was asked for."
    _judge(answer, _Case("the same, and behind it a chunk with the usage", "complete", usage=True), choices)
    counted = _Case("three tokens in a chunk, and behind them the usage", "complete", "pack=3", usage=True)
    _judge(answer, counted)
    limit = {"max_completion_tokens": 5}
    _judge(answer, _Case("a text with the finish reason length", "truncated", said=5, asked=limit, usage=True))
    _judge(answer, _Case("a text with the finish reason content_filter", "filtered", "filter=6", 6))
    city = {"type": "object", "properties": {}}
    tools = [{"type": "function", "function": {"name": "clock", "parameters": city}}]
    spaces = "a text that begins with spaces and ends with a line break"
    _judge(answer, _Case(spaces, "complete", reply=f"  {REPLY}\n"))
    call = _Case(
        "a tool call without any text, with the finish reason tool_calls", "complete", said=0, asked={"tools": tools}
    )
    _judge(answer, replace(call, options="calls=1"), none)


def _badly(answer: Subject) -> None:
    """Streams that raise an error."""
    _judge(answer, _Case("a connection that breaks after 4 tokens", "interrupted", "cut=4", 4))
    _judge(answer, _Case("an error event of the service after 5 tokens", "failed", "error-at=5", 5))
    _judge(answer, _Case("a connection that breaks before the first token", "interrupted", "cut=0", 0))
    late = Fault("cut", _cut_behind_the_reason)
    what = "a text, its finish reason {}, and then a connection that breaks"
    _judge(answer, _Case(what.format("stop"), "complete", faults=(late,)))
    _judge(
        answer, _Case(what.format("length"), "truncated", said=3, faults=(late,), asked={"max_completion_tokens": 3})
    )


def _stop(answer: Subject) -> None:
    given = "a user who presses the stop button after 1 s, that is, a KeyboardInterrupt in your loop"
    try:
        got = answer.call(_Case("", "").stream(StopsAt(1.0)))
    except Raised as raised:
        if isinstance(raised.error, Stopped):
            return
        raise NotYet(
            "The stop button became another error. Catch the two that a stream raises, and leave all others alone.",
            given=given,
            got=Words(raised),
            expected=Words("the KeyboardInterrupt, untouched"),
        ) from None
    why = (
        "The stop button does nothing: you caught the KeyboardInterrupt. It is no Exception, so that `except Exception` and "
        "narrower nets let it through; a bare `except:` does not."
    )
    raise NotYet(why, given=given, got=got, expected=Words("the KeyboardInterrupt, untouched"))


def _others(answer: Subject) -> None:
    """An error that is none of the stream's two."""
    case = _Case("a stream with a page of HTML in it, of which the client makes a JSONDecodeError", "", faults=(PAGE,))
    try:
        got = answer.call(case.stream(VirtualClock()))
    except Raised as raised:
        if isinstance(raised.error, json.JSONDecodeError):
            return
        got = Words(raised)
    why = (
        "This error was none of the two that a stream raises, and you caught it: `except Exception` also hides slips of your "
        "own. Name the two, and let all others through."
    )
    raise NotYet(why, given=case.what, got=got, expected=Words("the JSONDecodeError, untouched"))


def _drawn(draw: Random) -> _Case:
    reply = " ".join(draw.choice(WORDS) for _ in range(draw.randint(4, 12)))
    said = draw.randint(1, len(tokens(reply)) - 1)
    usage = draw.random() < 0.5
    kind = draw.choice(["stop", "length", "filter", "end", "cut", "error-at"])
    if kind == "stop":
        return _Case("drawn: a whole text", "complete", reply=reply, usage=usage)
    if kind == "length":
        limit = {"max_completion_tokens": said}
        return _Case("drawn: a text with a limit", "truncated", said=said, reply=reply, usage=usage, asked=limit)
    status = {"filter": "filtered", "error-at": "failed"}.get(kind, "interrupted")
    return _Case(
        f"drawn: {kind} after {said} tokens", status, f"{kind}={said}", said, reply, usage and kind == "filter"
    )


def _judge(answer: Subject, case: _Case, raised: str = "") -> None:
    """One case; ``raised`` is what an error of the answer's own means there."""
    facts: dict[str, Any] = {"given": case.what, "expected": tuple(case.expected)}
    try:
        got = answer.call(case.stream(VirtualClock()))
    except Raised as error:
        if isinstance(error.error, openai.APIError):
            raise NotYet(
                "The error of the stream came through, and the text that had come is lost with it. Catch it around the loop.",
                got=Words(error),
                **facts,
            ) from None
        if raised:
            raise NotYet(raised, got=Words(error), **facts) from None
        raise
    why = _trouble(got, case)
    if why:
        raise NotYet(why, got=tuple(got) if isinstance(got, list) else got, **facts)


def _trouble(got: Any, case: _Case) -> str:
    """The first thing that is wrong, or nothing."""
    text, status, usage = case.expected
    if not isinstance(got, list) or len(got) != 3:
        return "Return three things: Result(text, status, usage)."
    if not isinstance(got[0], str):
        return "text is a text, and an empty one where nothing was said."
    if got[0] != text:
        return _text(got[0], text)
    if got[1] not in STATUSES:
        return f"status is one of {', '.join(STATUSES)}."
    if got[1] != status:
        return _status(got[1], case)
    if got[2] != usage:
        return _usage(got[2], usage)
    return ""


def _text(got: str, right: str) -> str:
    if "None" in got:
        return "The content of some deltas is None, and became the word None. It means that there is no text in them."
    if not got:
        return (
            f"{len(right)} characters came before the end, and you returned none. What a user has read is not undone."
        )
    if right.strip() == got.strip():
        return "White space is text, too, at the beginning and at the end."
    if right.endswith(got):
        return "Only the last piece of the text is there. A delta is what is new: put all of them together."
    return f"{len(right)} characters came, you returned {len(got)}. Put the pieces together as they are."


def _status(got: str, case: _Case) -> str:
    if case.status == "interrupted":
        if got == "complete":
            return "Half an answer, marked complete. What did the last chunk lack?"
        return (
            "The connection broke, and nobody said that the service failed. An APIConnectionError is a kind of APIError: "
            "which of the two does your code ask for first?"
        )
    if case.status == "failed":
        return (
            "The service said in the stream that it failed; an error like that is no broken connection and no good end. "
            "Which errors does the client raise for the two?"
        )
    if got == "complete":
        why = {
            "truncated": "length, so the answer was cut off at a limit",
            "filtered": "content_filter, so a part is missing",
        }
        return f"A finish reason came, but a good end has stop or tool_calls. Here it was {why[case.status]}."
    if "breaks" in case.what:
        return "The finish reason had come when the connection broke. All of the text was there, and only the usage is lost."
    if got == "interrupted":
        return (
            "The finish reason came, and you say that none did. It stands in one chunk only: no later chunk may undo it, and "
            "no usage has to follow."
        )
    return "The finish reason tells how it ended. Look it up in the list."


def _usage(got: Any, right: int | None) -> str:
    if right is None:
        return "Nobody asked for the usage, so no chunk carried it: leave None."
    if got is None:
        return "A chunk carried the usage, at the chunk and not at a choice. You returned None."
    return (
        "usage is the number of completion_tokens in the chunk with the usage. A chunk of text may hold several tokens."
    )


EXERCISE = Exercise(
    id="4.1",
    title="collect",
    function="collect",
    minutes=10,
    points=2,
    core=True,
    hints=(
        "Of the endings in the list, which raise an error, and which leave your loop as if all were well? What is the same in "
        "all of those that are whole?",
        "Begin with the status interrupted, and let a finish reason change it. Put try around the whole loop, so that the text "
        "survives, and catch two errors, the narrower one first.",
        "for choice in chunk.choices: text += choice.delta.content or ''; status = endings.get(choice.finish_reason, status). "
        "Then except openai.APIConnectionError: pass, and except openai.APIError: status = 'failed'.",
    ),
    reason="Nothing at the end of a stream says that it is whole but its finish reason, so an answer is interrupted until one "
    "has come. The errors are named, because a net for all of them would also catch the stop button and your own slips.",
    check=check,
)


EXERCISE.survive(
    "the two lines do not touch each other, and neither can fail",
    'text, status, usage = "", "interrupted", None (moved before "endings = {"stop": "complete", "tool_calls": "complete", '
    '"length": "truncated", "content_filter": "filtered"}")',
    'text, status, usage = "", "interrupted", None (moved into "try:")',
    'status = endings.get(choice.finish_reason, status) (moved before "text += choice.delta.content or """)',
)
EXERCISE.survive(
    "a stream that was asked for one answer has at most one choice a chunk, and a chunk without any says the last one again",
    'status = endings.get(choice.finish_reason, status) (moved behind "for choice in chunk.choices:")',
)
EXERCISE.survive(
    "a Result is taken apart by its places; names and types of its fields are for those who read it",
    'status: str (moved before "text: str")',
    'usage: int | None (moved before "status: str")',
    "usage: int",
    "usage: None",
    "usage: int | 0",
)


def _collected(stream: Iterator[Any], part: str = "") -> Any:
    """The reference, with one mistake called ``part``; for the wrong answers below."""
    endings = {"stop": "complete", "tool_calls": "complete", "length": "truncated", "content_filter": "filtered"}
    if part in ("length", "content_filter"):
        endings[part] = "complete"
    text, status, usage, chunks = "", "complete" if part == "end" else "interrupted", None, 0
    error: Any = {"all": Exception, "api": openai.APIError}.get(part, openai.APIConnectionError)
    try:
        for chunk in stream:
            for choice in [chunk.choices[0]] if part == "first choice" else chunk.choices:
                if part == "None is added":
                    text += choice.delta.content
                elif part == "None as text":
                    text += str(choice.delta.content)
                elif part == "last delta":
                    text = choice.delta.content or text
                else:
                    text += choice.delta.content or ""
                chunks += bool(choice.delta.content)
                status = endings.get(choice.finish_reason, status if part != "overwritten" else "interrupted")
            if part == "overwritten" and not chunk.choices:
                status = "interrupted"
            if chunk.usage and part != "no usage":
                usage = chunks if part == "counted" else chunk.usage.completion_tokens
        if part == "wants usage" and usage is None:
            status = "interrupted"
    except error:
        if part == "reset":
            status = "interrupted"
        if part == "api":
            status = "failed"
        if part == "drops text":
            text = ""
    except openai.APIError:
        status = "failed"
    except Exception:
        if part != "others":
            raise
        status = "failed"
    except BaseException:
        if part != "base":
            raise
    return text.strip() if part == "strips" else text, status, usage


def _wrong(name: str, part: str, says: str) -> None:
    EXERCISE.wrong(name, says=says)(lambda stream: _collected(stream, part))


_wrong("takes the end of the loop for the end of the answer", "end", "marked complete. What did the last chunk lack?")
_wrong("takes length for complete", "length", "cut off at a limit")
_wrong("takes content_filter for complete", "content_filter", "so a part is missing")
_wrong("catches every exception and passes", "all", "no broken connection and no good end")
_wrong("catches the stop button too", "base", "The stop button does nothing")
_wrong("catches the errors that are not the stream's", "others", "none of the two")
_wrong("strips the text", "strips", "White space is text")
_wrong("calls a broken connection a failure", "api", "ask for first")
_wrong("loses the text with the error", "drops text", "What a user has read is not undone")
_wrong("undoes the finish reason when the connection breaks", "reset", "only the usage is lost")
_wrong("indexes choices without looking", "first choice", "no choices")
_wrong("lets a later chunk undo the finish reason", "overwritten", "no later chunk may undo it")
_wrong("wants the usage before it believes the end", "wants usage", "no usage has to follow")
_wrong("adds None", "None is added", "as in the chunk with the finish reason")
_wrong("writes None as text", "None as text", "became the word None")
_wrong("keeps only the last piece of text", "last delta", "Only the last piece")
_wrong("never looks at the usage", "no usage", "carried the usage, at the chunk")
_wrong("counts chunks", "counted", "may hold several tokens")


@EXERCISE.wrong("lets the errors through", says="The error of the stream came through")
def _(stream):  # type: ignore[no-untyped-def]
    chunks = list(stream)
    return _collected(iter(chunks))


@EXERCISE.right
def _(stream):  # type: ignore[no-untyped-def]
    pieces, reason, counted, failed = [], None, None, False
    chunks = iter(stream)
    while True:
        try:
            chunk = next(chunks, None)
        except openai.APIError as error:
            failed = not isinstance(error, openai.APIConnectionError)
            break
        if chunk is None:
            break
        counted = chunk.usage or counted
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            reason = choice.finish_reason or reason
    names = {None: "interrupted", "length": "truncated", "content_filter": "filtered"}
    return [
        "".join(pieces),
        "failed" if failed else names.get(reason, "complete"),
        counted and counted.completion_tokens,
    ]


@EXERCISE.right
def _(stream):  # type: ignore[no-untyped-def]
    seen = []
    status = None
    with stream:
        try:
            seen.extend(stream)
        except (openai.APIConnectionError, openai.APITimeoutError):
            status = None
        except openai.APIError:
            status = "failed"
    choices = [choice for chunk in seen if chunk.choices for choice in chunk.choices[:1]]
    reasons = {choice.finish_reason for choice in choices} - {None}
    if status is None and reasons & {"stop", "tool_calls"}:
        status = "complete"
    elif status is None and reasons:
        status = "truncated" if "length" in reasons else "filtered"
    usage = [chunk.usage.completion_tokens for chunk in seen if chunk.usage is not None]
    text = "".join(choice.delta.content for choice in choices if choice.delta.content)
    return text, status or "interrupted", usage[0] if usage else None
