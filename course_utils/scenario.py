"""What a request may ask of the mock through the model's name: ``mock-1;ttft=0.4;itl=0.02;cut=12``.

So every fault and every pace is within reach of any client in any language, without code. Faults act in the order in
which they are named, the first nearest to the model, behind those the server was started with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    calls: int | None = None
    flaky: int | None = None

    def limit(self, asked: int | None) -> int | None:
        """How many tokens may come: what the request allows, and what the content filter does."""
        return min((limit for limit in (asked, self.filter_after) if limit is not None), default=None)

    def filtered(self, count: int) -> bool:
        """Whether an answer of ``count`` tokens was stopped by the content filter."""
        return count == self.filter_after

    def broken(self, plain: list[frames.Frame], event: Callable[[int], bytes]) -> list[frames.Frame]:
        """The frames with an error event after the token where one was asked for; ``event`` gets its number in the stream."""
        if self.error_after is None:
            return plain
        kept = frames.end_early(self.error_after)(plain)
        if kept[-1].ending is None:
            return kept
        return [*kept[:-1], replace(kept[-1], data=event(len(kept) - 1), ending=frames.Ending("end", "error"))]


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it needs a finite number")
    return value


def _pair(first: Callable[[str], Any], second: Callable[[str], Any]) -> Callable[[str], tuple[Any, Any]]:
    def read(text: str) -> tuple[Any, Any]:
        one, colon, two = text.partition(":")
        if not colon:
            raise ValueError("two numbers with a colon between them")
        return first(one), second(two)

    return read


PACES: dict[str, tuple[Callable[[str], Any], Callable[[Pace, Any], Pace], str]] = {
    "ttft": (
        _seconds,
        lambda pace, value: replace(pace, ttft=value, headers=min(pace.headers, value)),
        "seconds to the first token",
    ),
    "itl": (_seconds, lambda pace, value: replace(pace, itl=value), "seconds between tokens"),
    "tps": (_seconds, lambda pace, value: replace(pace, itl=1 / value), "tokens per second"),
    "headers": (_seconds, lambda pace, value: replace(pace, headers=value), "seconds to the headers"),
    "pause": (
        _pair(int, _seconds),
        lambda pace, value: replace(pace, pauses=(*pace.pauses, value)),
        "TOKEN:SECONDS, the model stops",
    ),
    "prefill": (
        _seconds,
        lambda pace, value: replace(pace, prefill=value),
        "seconds that each token of the prompt adds before the first token",
    ),
    "jitter": (_seconds, lambda pace, value: replace(pace, jitter=value), "how much gaps vary (sigma, 0 to 3)"),
}

FAULTS: dict[str, tuple[Callable[[str], Any] | None, Callable[..., Fault], str]] = {
    "hold": (None, frames.hold_all, "keep everything until the end"),
    "page": (int, frames.page_buffer, "pass on full pages of so many bytes"),
    "gzip": (None, frames.gzip, "compress, and keep what the compressor keeps"),
    "cut": (int, frames.cut, "cut the connection after so many tokens"),
    "end": (int, frames.end_early, "end properly, but early, after so many tokens"),
    "malformed": (int, frames.malformed, "send what is no HTTP chunk after so many tokens"),
    "stall": (_pair(int, _seconds), lambda pair: frames.stall(*pair), "TOKEN:SECONDS, nothing comes"),
    "slow": (_seconds, frames.slow_start, "delay the body, not the headers"),
    "idle": (_seconds, frames.idle_cut, "cut when nothing has moved for so many seconds"),
    "bundle": (int, frames.bundle, "so many tokens leave together"),
    "split": (int, frames.split, "write in pieces of so many bytes"),
    "split-utf8": (None, frames.split_utf8, "cut characters in the middle"),
    "crlf": (None, lambda: frames.line_ends("\r\n"), "lines end with CRLF"),
    "cr": (None, lambda: frames.line_ends("\r"), "lines end with CR"),
    "heartbeat": (_seconds, frames.heartbeat, "an SSE comment after so many silent seconds"),
    "type": (str, frames.content_type, "another content type"),
}

SAID: dict[str, str] = {
    "calls": "the answer is so many tool calls",
    "flaky": "this model name fails so many times, then answers (503 unless error= names another)",
    "refusal": "the answer is a refusal",
    "filter": "a content filter stops the answer after so many tokens",
    "error-at": "an error event comes after so many tokens",
}

STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 503)


def parse(model: str, pace: Pace) -> Scenario:
    """The scenario in a model's name, starting from the server's own pace.

    Raises ValueError that names the option, what it takes, and, for an unknown one, all there are.
    """
    scenario = Scenario(pace)
    for option in filter(None, model.split(";")[1:]):
        name, _, value = option.partition("=")
        scenario = _with_option(scenario, name.strip(), value.strip())
    return scenario


def _with_option(scenario: Scenario, name: str, value: str) -> Scenario:
    try:
        if name in PACES:
            read, change, _ = PACES[name]
            return replace(scenario, pace=change(scenario.pace, read(value)))
        if name in FAULTS:
            return replace(scenario, faults=(*scenario.faults, _fault(name, value)))
        if name in SAID:
            return _with_saying(scenario, name, value)
        if name == "error" and int(value) in STATUSES:
            return replace(scenario, status=int(value))
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"model option {name!r} can't be {value!r}: {error}") from None
    if name == "error":
        raise ValueError(f"model option 'error' takes one of {', '.join(map(str, STATUSES))}, got {value!r}")
    raise ValueError(f"there is no model option {name!r}; there are {', '.join([*PACES, *FAULTS, *SAID, 'error'])}")


def _with_saying(scenario: Scenario, name: str, value: str) -> Scenario:
    if name == "refusal":
        return replace(scenario, refusal=True)
    if int(value) < 0:
        raise ValueError("it needs a number from 0 on")
    if name == "flaky":
        return replace(scenario, flaky=int(value))
    if name == "calls":
        return replace(scenario, calls=min(int(value), 16))
    return replace(scenario, filter_after=int(value)) if name == "filter" else replace(scenario, error_after=int(value))


def _fault(name: str, value: str) -> Fault:
    read, make, _ = FAULTS[name]
    if read is None:
        if value:
            raise ValueError("it takes no value")
        return make()
    return make(read(value))


def options() -> str:
    """All options, a line each, for the help of the command line."""
    rows = [(name, what) for name, (_, _, what) in PACES.items()] + [
        (name, what) for name, (_, _, what) in FAULTS.items()
    ]
    return "\n".join(
        f"  {name:<12}{what}" for name, what in [*rows, *SAID.items(), ("error", "answer with this status")]
    )
