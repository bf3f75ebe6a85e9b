"""What the engine and the dialects tell each other: what was asked, what is said, and what a dialect can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from course_utils.frames import Frame
from course_utils.tools import Call


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that change the answer; what a dialect does not know keeps its default."""

    model: str
    prompt: str
    prompt_tokens: int
    stream: bool = False
    include_usage: bool = False
    obfuscate: bool = True
    answers: int = 1
    stops: tuple[str, ...] = ()
    max_tokens: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says to one request: its tokens, and what they are.

    ``cut_by`` is None for a complete answer, else ``"max_tokens"`` or ``"content_filter"``. A request for several
    answers gets this one so often; a scripted model always says the same. With ``calls`` the tokens are arguments.
    """

    id: str
    pieces: tuple[str, ...]
    cut_by: str | None = None
    refusal: bool = False
    calls: tuple[Call, ...] = ()


class Dialect(Protocol):
    """A module that speaks one API: it reads a request, and writes an answer as frames or whole.

    ``times`` are seconds since the request, one a token; ``opened`` is when the first bytes leave. ``error_event`` gets
    the number of the event in its stream.
    """

    def parse(self, raw: bytes) -> Asked: ...
    def frames(self, request: Asked, said: Said, times: Sequence[float], opened: float) -> list[Frame]: ...
    def whole(self, request: Asked, said: Said) -> bytes: ...
    def error_event(self, number: int) -> bytes: ...
