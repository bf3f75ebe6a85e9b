"""The model as a voice of the mock: a request in, pieces of text out, one for each token that was generated.

A token may be a part of a character. Its piece is empty then, and the piece of the token that completes the character has
all of it; so pieces are always valid text, and there are as many as tokens.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Any

from course_utils import lm
from course_utils.api import ApiError
from course_utils.dialect import Asked
from course_utils.voices import Spoken

TEMPERATURE, TOP_K = 0.7, 40
"""What a request gets that does not ask for a temperature. So small a model says little of use beyond the forty likeliest."""


def speak(request: Asked, limit: int | None, seed: str) -> Spoken:
    """The answer to the last text of the request. ``seed`` draws for a request that has no ``seed`` of its own.

    At most ``limit`` tokens; at a stop text the answer ends before it. A question that fills the context is refused, as
    services do.
    """
    if request.logprobs is not None or request.answers > 1:
        raise ApiError(
            400, "'austen' gives one answer, and no 'logprobs': course_utils.lm has all of its probabilities"
        )
    ids = lm.tokenizer().chat(request.prompt)
    if len(ids) >= lm.CONTEXT:
        raise ApiError(
            400,
            f"This model's maximum context length is {lm.CONTEXT} tokens. However, your messages resulted in {len(ids)} "
            "tokens. Please reduce the length of the messages.",
            param="messages",
            code="context_length_exceeded",
        )
    temperature = _number(request.body, "temperature", 0, 2)
    top_p = _number(request.body, "top_p", 0, 1)
    asked_seed = request.body.get("seed")
    making = lm.generate(
        ids,
        lm.CONTEXT if limit is None else limit,
        TEMPERATURE if temperature is None else temperature,
        TOP_K,
        seed if asked_seed is None else str(asked_seed),
        top_p=None if top_p is None else max(top_p, 1e-9),  # at 0 the likeliest is enough
    )
    tokens = _Tokens(making)
    pieces, stop = until(request.stops, whole_characters(map(lm.tokenizer().token_bytes, tokens)))
    return Spoken(pieces, len(ids), complete=tokens.ended == "stop" or stop is not None, stopped_by=stop)


class _Tokens:
    """A generator's ids, and why it ended."""

    def __init__(self, making: Any) -> None:
        self._making, self.ended = making, ""

    def __iter__(self) -> Iterator[int]:
        self.ended = yield from self._making


def whole_characters(parts: Iterable[bytes]) -> Iterator[str]:
    """The text that each part completes: nothing while a character is still open. What stays open to the end is dropped."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    return map(decoder.decode, parts)


def until(stops: tuple[str, ...], pieces: Iterable[str]) -> tuple[tuple[str, ...], str | None]:
    """The pieces before the first stop text, and which one it was; nothing is asked of ``pieces`` behind it."""
    said: list[str] = []
    text = ""
    longest = max(map(len, stops), default=0)
    for piece in pieces:
        said.append(piece)
        text += piece
        tail = max(0, len(text) - len(piece) - longest)
        found = [(at, stop) for stop in stops if (at := text.find(stop, tail)) >= 0]
        if found:
            end, stop = min(found)
            return _cut(said, end), stop
    return tuple(said), None


def _cut(pieces: list[str], length: int) -> tuple[str, ...]:
    """The first ``length`` characters, in the same pieces."""
    kept = []
    for piece in pieces:
        if length <= 0:
            break
        kept.append(piece[:length])
        length -= len(piece)
    return tuple(kept)


def _number(body: dict[str, Any], name: str, least: float, most: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ApiError(400, f"{name!r} must be a number from {least} to {most}, got {value!r}", param=name)
    return float(value)
