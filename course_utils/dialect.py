"""What the engine and the dialects tell each other: what was asked, what is said, and what a dialect can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Protocol

from course_utils.api import ApiError
from course_utils.frames import Frames
from course_utils.replies import logprob, tokens
from course_utils.tools import Call, cut


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that change the answer; what a dialect does not know keeps its default.

    ``texts`` are all texts of the prompt, in order, the first ``instructions`` of them for this answer only, not for
    those that follow it. ``logprobs`` is the number of alternatives wanted beside each token's
    own probability, None where none are wanted. ``schema`` is a JSON schema the answer has to fit. A ``background``
    answer is made to its end whoever listens; ``follows`` is the id of the response before this one, and ``store`` keeps
    this one for the next. ``tools_answered``: the last thing said is the result of a tool, which the model now reads.
    """

    model: str
    texts: tuple[str, ...]
    instructions: int = 0
    stream: bool = False
    include_usage: bool = False
    obfuscate: bool = True
    answers: int = 1
    stops: tuple[str, ...] = ()
    max_tokens: int | None = None
    logprobs: int | None = None
    schema: dict[str, Any] | None = None
    background: bool = False
    follows: str | None = None
    store: bool = False
    tools_answered: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The last text, to which the model replies."""
        return self.texts[-1]

    @property
    def prompt_tokens(self) -> int:
        return sum(len(tokens(text)) for text in self.texts)


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says to one request: its tokens, what they are, and how many it read and thought.

    ``cut_by`` is None for a complete answer, else ``"max_tokens"``, ``"content_filter"`` or ``"failure"``. A request for
    several answers gets this one so often; a scripted model always says the same. With ``calls`` the tokens are
    arguments. ``reasoning`` tokens come before all others and are no part of the answer; ``thoughts`` are their texts, if
    the model thinks aloud. ``stopped_by`` is the stop text before which the answer ended, if it did. ``likely`` is how
    likely each piece was, where a model has found that out.
    ``waited`` are the seconds in the queue, before the model began.
    """

    id: str
    pieces: tuple[str, ...]
    cut_by: str | None = None
    stopped_by: str | None = None
    refusal: bool = False
    calls: tuple[Call, ...] = ()
    reasoning: int = 0
    thoughts: tuple[str, ...] = ()
    prompt_tokens: int = 0
    cached: int = 0
    sizes: tuple[int, ...] = ()
    likely: tuple[dict[str, Any], ...] = ()
    waited: float = 0.0

    @property
    def count(self) -> int:
        """Tokens generated for one answer."""
        return self.reasoning + (sum(self.sizes) or len(self.pieces))

    @property
    def unseen(self) -> int:
        """Tokens of thought that nobody gets to see."""
        return self.reasoning - len(self.thoughts)

    def logprobs(self, alternatives: int) -> list[dict[str, Any]]:
        """How likely each piece was; a script has no probabilities, so those of its tokens are made from the tokens."""
        return list(self.likely) or [logprob(piece, alternatives) for piece in self.pieces]

    def broken_off(self, count: int) -> Said:
        """What there is of it when an error comes after ``count`` tokens."""
        count = max(0, count - len(self.thoughts))
        pieces, likely = self.pieces[:count], self.likely[:count]
        return replace(self, pieces=pieces, likely=likely, calls=cut(self.calls, count), cut_by="failure")

    def packed(self, size: int) -> Said:
        """The same text in pieces of ``size`` tokens each; ``sizes`` says how many there are in each."""
        starts = range(0, len(self.pieces), size)
        pieces = tuple("".join(self.pieces[start : start + size]) for start in starts)
        return replace(self, pieces=pieces, sizes=tuple(min(size, len(self.pieces) - start) for start in starts))

    def last_of(self, times: Sequence[float]) -> list[float]:
        """Of the times of all tokens those of the thoughts, and then of the last token in each piece."""
        ends = accumulate(self.sizes or [1] * len(self.pieces), initial=self.reasoning)
        return [*times[: self.reasoning], *(times[end - 1] for end in list(ends)[1:])]


def each(times: Sequence[float], answers: int) -> Sequence[float]:
    """The times of the tokens of several answers that come interleaved, token by token."""
    return times if answers == 1 else [at for at in times for _ in range(answers)]


class Dialect(Protocol):
    """A module that speaks one API: it reads a request, and writes an answer as frames or whole.

    ``times`` are seconds since the request, one a token, reasoning included; ``opened`` is when the first bytes leave.
    ``error_event`` gets the number of the event in its stream. ``STREAM`` is the content type of a stream.
    """

    @property
    def STREAM(self) -> str: ...  # a constant of the module
    def parse(self, raw: bytes) -> Asked: ...
    def frames(self, request: Asked, said: Said, times: Sequence[float], opened: float) -> Frames: ...
    def whole(self, request: Asked, said: Said) -> bytes: ...
    def error_event(self, number: int) -> bytes: ...
    def error_body(self, error: ApiError) -> bytes: ...
