"""What a request may ask of the mock through the model's name: ``mock-1;ttft=0.4;itl=0.02;cut=12``.

So every fault and every pace is within reach of any client in any language, without code. Faults act in the order in
which they are named, the first nearest to the model, behind those the server was started with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from course_utils import frames
from course_utils.frames import Fault
from course_utils.pace import Pace


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request's pace and faults, the error status it wants instead of an answer, and how the answer goes wrong."""

    pace: Pace
    faults: tuple[Fault, ...] = ()
    status: int | None = None
    refusal: bool = False
    filter_after: int | None = None
    error_after: int | None = None
    failed_after: int | None = None
    calls: int | None = None
    flaky: int | None = None
    reasoning: int = 0
    aloud: bool = False
    freeze: tuple[float, float] | None = None
    pack: int = 1
    goes_on: bool = False

    def limit(self, asked: int | None) -> tuple[int | None, str | None]:
        """How many tokens may come, and what ends them: what the request allows, the content filter, or a failure."""
        limits = [(asked, "max_tokens"), (self.filter_after, "content_filter"), (self.failed_after, "failure")]
        return min(((count, why) for count, why in limits if count is not None), default=(None, None))

    def frozen(self, now: float, times: Sequence[float]) -> tuple[Scenario, Sequence[float]]:
        """This scenario and the times of its tokens, if the request arrives at ``now`` at a server that freezes."""
        if self.freeze is None:
            return self, times
        every, seconds = self.freeze
        headers, first = (thawed(now, at, every, seconds) for at in (self.pace.headers, self.pace.ttft))
        pace = replace(self.pace, headers=headers, ttft=first)
        return replace(self, pace=pace), [thawed(now, at, every, seconds) for at in times]

    def broken(self, plain: frames.Frames, event: Callable[[int], bytes]) -> frames.Frames:
        """The frames with an error event after the token where one was asked for; ``event`` gets its number in the stream."""
        if self.error_after is None:
            return plain
        kept = frames.end_early(self.error_after)(plain)
        if not kept or kept[-1].ending is None:
            return kept
        return [*kept[:-1], replace(kept[-1], data=event(len(kept) - 1), ending=frames.Ending("end", "error"))]


def thawed(now: float, work: float, every: float, seconds: float) -> float:
    """Seconds from ``now`` until ``work`` seconds of work are done, at a server that stands still in the last ``seconds``
    of each ``every``."""
    awake = every - seconds
    begun = now % every
    if begun >= awake:  # it has to wake up first
        return every - begun + thawed(0.0, work, every, seconds)
    periods = max(0, math.ceil((begun + work) / awake - 1e-9) - 1)
    return work + periods * seconds


LONGEST = 1e9
"""Seconds that an option may name: all of them together stay finite."""


def _seconds(text: str) -> float:
    value = float(text)
    if not abs(value) <= LONGEST:
        raise ValueError(f"it needs a finite number, up to {LONGEST:.0e}")
    return value


def _pair(first: Callable[[str], Any], second: Callable[[str], Any]) -> Callable[[str], tuple[Any, Any]]:
    def read(text: str) -> tuple[Any, Any]:
        one, colon, two = text.partition(":")
        if not colon:
            raise ValueError("two numbers with a colon between them")
        return first(one), second(two)

    return read


def _freeze(text: str) -> tuple[float, float]:
    every, seconds = _pair(_seconds, _seconds)(text)
    if not 0 < seconds < every:
        raise ValueError("the time it stands still lies between 0 and the time from one freeze to the next")
    return every, seconds


def _count(text: str) -> int:
    if int(text) < 0:
        raise ValueError("it needs a number from 0 on")
    return int(text)


def _at_most(most: int) -> Callable[[str], int]:
    """A reader of counts that each cost work."""
    return lambda text: min(_count(text), most)


def _status(text: str) -> int:
    if not text.isdigit() or int(text) not in STATUSES:
        raise ValueError(f"it takes one of {', '.join(map(str, STATUSES))}")
    return int(text)


STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 503)


@dataclass(frozen=True, slots=True)
class Option:
    """One word a model's name may carry: an example of it, what it does, and how it changes a scenario."""

    example: str
    what: str
    read: Callable[[str], Any] | None
    change: Callable[[Scenario, Any], Scenario]


def _pace(example: str, what: str, read: Callable[[str], Any] | None, **made: Callable[[Pace, Any], Any]) -> Option:
    """An option that changes fields of the pace: ``made`` has a function from pace and value for each."""

    def change(scenario: Scenario, value: Any) -> Scenario:
        changes = {name: make(scenario.pace, value) for name, make in made.items()}
        return replace(scenario, pace=replace(scenario.pace, **changes))

    return Option(example, what, read, change)


def _fault(example: str, what: str, read: Callable[[str], Any] | None, make: Callable[..., Fault]) -> Option:
    def change(scenario: Scenario, value: Any) -> Scenario:
        made = make() if read is None else make(value)
        return replace(scenario, faults=(*scenario.faults, made))

    return Option(example, what, read, change)


def _saying(example: str, what: str, field: str, read: Callable[[str], Any] | None = _count) -> Option:
    return Option(example, what, read, lambda scenario, value: replace(scenario, **{field: value}))


def _value(pace: Pace, value: Any) -> Any:
    return value


OPTIONS: dict[str, Option] = {
    "ttft": _pace(
        "0.4",
        "seconds to the first token",
        _seconds,
        ttft=_value,
        headers=lambda pace, value: min(pace.headers, value),
    ),
    "itl": _pace("0.02", "seconds between tokens", _seconds, itl=_value),
    "tps": _pace("50", "tokens per second", _seconds, itl=lambda pace, value: _seconds(str(1 / value))),
    "headers": _pace("0.02", "seconds to the headers", _seconds, headers=_value),
    "pause": _pace(
        "3:0.5",
        "TOKEN:SECONDS, the model stops",
        _pair(int, _seconds),
        pauses=lambda pace, value: (*pace.pauses, value),
    ),
    "prefill": _pace(
        "0.001", "seconds that each token of the prompt adds before the first token", _seconds, prefill=_value
    ),
    "cache": _pace("", "a prompt's beginning that was read before costs no prefill", None, cache=_value),
    "jitter": _pace("0.5", "how much gaps vary (sigma, 0 to 3)", _seconds, jitter=_value),
    "burst": _pace("4", "so many tokens come at a time, at the same mean rate", _at_most(1_000), burst=_value),
    "slots": _pace("2", "answers generated at once; further ones wait in a queue", int, slots=_value),
    "freeze": _saying("4:1", "EVERY:SECONDS, the server stands still at the end of every so many seconds of its clock",
                      "freeze", _freeze),
    "batch": _pace("0.1", "part by which each other answer lengthens a step", _seconds, batch=_value),
    "hold": _fault("", "keep everything until the end", None, frames.hold_all),
    "page": _fault("4096", "pass on full pages of so many bytes", int, frames.page_buffer),
    "gzip": _fault("", "compress, and keep what the compressor keeps", None, frames.gzip),
    "cut": _fault("12", "cut the connection after so many tokens", int, frames.cut),
    "end": _fault("12", "end properly, but early, after so many tokens", int, frames.end_early),
    "malformed": _fault("12", "send what is no HTTP chunk after so many tokens", int, frames.malformed),
    "stall": _fault(
        "7:3", "TOKEN:SECONDS, nothing comes", _pair(int, _seconds), lambda pair: frames.stall(*pair)
    ),
    "slow": _fault("2", "delay the body, not the headers", _seconds, frames.slow_start),
    "idle": _fault("60", "cut when nothing has moved for so many seconds", _seconds, frames.idle_cut),
    "bundle": _fault("3", "so many tokens leave together", int, frames.bundle),
    "split": _fault("5", "write in pieces of so many bytes", int, frames.split),
    "split-utf8": _fault("", "cut characters in the middle", None, frames.split_utf8),
    "crlf": _fault("", "lines end with CRLF", None, lambda: frames.line_ends("\r\n")),
    "cr": _fault("", "lines end with CR", None, lambda: frames.line_ends("\r")),
    "heartbeat": _fault("15", "an SSE comment after so many silent seconds", _seconds, frames.heartbeat),
    "type": _fault("text/html", "another content type", str, frames.content_type),
    "calls": _saying("2", "the answer is so many tool calls", "calls", _at_most(16)),
    "reasoning": _saying("20", "so many tokens of thought come before the first visible one", "reasoning",
                         _at_most(100_000)),
    "aloud": _saying("", "the thoughts are streamed, as reasoning_content (Chat Completions only)", "aloud", None),
    "pack": _saying("3", "so many tokens of text come in one chunk, as soon as the last of them is made", "pack",
                    lambda text: max(1, _at_most(200)(text))),
    "refusal": _saying("", "the answer is a refusal", "refusal", None),
    "filter": _saying("12", "a content filter stops the answer after so many tokens", "filter_after"),
    "error-at": _saying("12", "an error event comes after so many tokens", "error_after"),
    "failed": _saying("12", "the response fails after so many tokens (an error event where there is no such end)",
                      "failed_after"),
    "error": _saying("429", "answer with this status", "status", _status),
    "flaky": _saying("2", "this model name fails so many times, then answers (503 unless error= names another)",
                     "flaky"),
    "goes-on": _saying("", "generation goes on when the client leaves, as with some providers", "goes_on", None),
}  # fmt: skip


def parse(model: str, pace: Pace) -> Scenario:
    """The scenario in a model's name, starting from the server's own pace.

    Raises ValueError that names the option, what it takes, and, for an unknown one, all there are.
    """
    return with_options(Scenario(pace), model.split(";")[1:])


def with_options(scenario: Scenario, options: list[str]) -> Scenario:
    """The scenario changed by each of ``options`` in turn, such as ``"cut=12"``."""
    for option in filter(None, options):
        name, _, value = option.partition("=")
        scenario = _with_option(scenario, name.strip(), value.strip())
    return scenario


def _with_option(scenario: Scenario, name: str, value: str) -> Scenario:
    if name not in OPTIONS:
        raise ValueError(f"there is no model option {name!r}; there are {', '.join(OPTIONS)}")
    option = OPTIONS[name]
    try:
        if option.read is None and value:
            raise ValueError("it takes no value")
        return option.change(scenario, True if option.read is None else option.read(value))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"model option {name!r} can't be {value!r}: {error}") from None


def examples() -> list[str]:
    """One example of every option, as it stands in a model's name."""
    return [f"{name}={option.example}" if option.example else name for name, option in OPTIONS.items()]


def help() -> str:
    """All options, a line each, for the help of the command line."""
    return "\n".join(f"  {name:<12}{option.what}" for name, option in OPTIONS.items())
