"""The Chat Completions wire: what a request may say, and the bytes of an answer, streamed or whole.

The shapes, the order of the keys and the nulls are those of recorded answers of the real service (2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from course_utils import sse
from course_utils.api import CREATED, ApiError, dumps, json_object, limit_of, model_of, text_of
from course_utils.frames import Frame
from course_utils.replies import tokens


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The parts of a request that change the answer."""

    model: str
    prompt: str
    prompt_tokens: int
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


def parse(raw: bytes) -> ChatRequest:
    """Read a request body; raises `ApiError` 400 that says what was expected and what came."""
    body = json_object(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' must be a list with at least one message", param="messages")
    texts = [_text(message) for message in messages]
    options = body.get("stream_options") or {}
    return ChatRequest(
        model=model_of(body),
        prompt=texts[-1],
        prompt_tokens=sum(len(tokens(text)) for text in texts),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_tokens=limit_of(body, "max_completion_tokens", "max_tokens"),
        body=body,
    )


def _text(message: Any) -> str:
    return text_of(message.get("content") if isinstance(message, dict) else None, "messages")


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says to one request: its tokens and why it stopped."""

    id: str
    pieces: tuple[str, ...]
    finish_reason: str


def frames(request: ChatRequest, said: Said, times: Sequence[float], opened: float) -> list[Frame]:
    """The answer as frames: role, one chunk a token, the finish reason, usage if asked for, and `[DONE]`.

    ``times`` are seconds, one a token; ``opened`` is when the role chunk leaves. The first chunk carries a role and
    empty text, which is why it is not the first token.
    """
    done = times[-1] if times else opened
    chunks = [Frame(opened, _chunk(request, said, {"role": "assistant", "content": "", "refusal": None}))]
    chunks += [
        Frame(at, _chunk(request, said, {"content": piece}), tokens=1)
        for at, piece in zip(times, said.pieces, strict=True)
    ]
    chunks += [Frame(done, tail) for tail in _tail(request, said)]
    return chunks


def _tail(request: ChatRequest, said: Said) -> Iterator[bytes]:
    yield _chunk(request, said, {}, finish_reason=said.finish_reason)
    if request.include_usage:
        yield sse.event(
            dumps(_head(request, said, "chat.completion.chunk") | {"choices": [], "usage": usage(request, said)})
        )
    yield sse.event("[DONE]")


def _chunk(request: ChatRequest, said: Said, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    body = _head(request, said, "chat.completion.chunk") | {"choices": [choice]}
    if request.include_usage:
        body["usage"] = None
    return sse.event(dumps(body))


def completion(request: ChatRequest, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.pieces), "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
    return dumps(
        _head(request, said, "chat.completion") | {"choices": [choice], "usage": usage(request, said)}
    ).encode()


def usage(request: ChatRequest, said: Said) -> dict[str, int]:
    asked, answered = request.prompt_tokens, len(said.pieces)
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _head(request: ChatRequest, said: Said, kind: str) -> dict[str, Any]:
    return {
        "id": said.id,
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }
