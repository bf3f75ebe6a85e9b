"""The model as a voice of the mock: a request in, pieces of text out, one for each token that was generated.

A token may be a part of a character. Its piece is empty then, and the piece of the token that completes the character has
all of it; so pieces are always valid text, and there are as many as tokens.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from course_utils import lm
from course_utils.api import ApiError
from course_utils.dialect import Asked
from course_utils.lm.bpe import MARKS
from course_utils.voices import Spoken

TEMPERATURE, TOP_K = 0.7, 40
"""What a request gets that does not ask for a temperature. So small a model says little of use beyond the forty likeliest."""


def speak(request: Asked, limit: int | None, seed: str) -> Spoken:
    """The answer to the last text of the request. ``seed`` draws for a request that has no ``seed`` of its own.

    At most ``limit`` tokens; at a stop text the answer ends before it. A question that fills the context is refused, as
    services do.
    """
    if request.answers > 1:
        why = f"'austen' gives one answer, and 'n' asks for {request.answers}: ask again, with another 'seed' if any"
        raise ApiError(400, why, param="n")
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
    ended = tokens.ended == "stop" or stop is not None
    likely = [] if request.logprobs is None else logprobs(ids, tokens.made[: len(pieces)], request.logprobs)
    return Spoken(pieces, len(ids), complete=ended, stopped_by=stop, likely=tuple(likely))


class _Tokens:
    """A generator's ids, and why it ended."""

    def __init__(self, making: Generator[int, None, str]) -> None:
        self._making, self.made, self.ended = making, list[int](), ""

    def __iter__(self) -> Iterator[int]:
        try:
            while True:
                self.made.append(next(self._making))
                yield self.made[-1]
        except StopIteration as end:
            self.ended = end.value


def logprobs(prompt: list[int], made: list[int], alternatives: int) -> list[dict[str, Any]]:
    """The natural logarithm of the probability of each token that was made, and of the likeliest ``alternatives`` there.

    They are those of the model itself, before temperature, top_k and top_p. Everything is read again for it, in one go.
    """
    if not made:
        return []
    rows = lm.load().forward([*prompt, *made[:-1]])[len(prompt) - 1 :]
    return [_likely(list(map(float, row)), id, alternatives) for row, id in zip(rows, made, strict=True)]


def _likely(row: list[float], id: int, alternatives: int) -> dict[str, Any]:
    top = max(row)
    whole = top + math.log(sum(math.exp(logit - top) for logit in row))
    best = [_named(other, row[other] - whole) for other in lm.ranking(row, alternatives)]
    return _named(id, row[id] - whole) | {"top_logprobs": best}


def _named(id: int, logprob: float) -> dict[str, Any]:
    """A token by its text, which may be half a character, and by its bytes. A mark has a name and no bytes."""
    tokens = lm.tokenizer()
    data = tokens.token_bytes(id)
    name = data.decode(errors="replace") or MARKS[id - tokens.ask]
    return {"token": name, "logprob": round(logprob, 6), "bytes": list(data)}


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
