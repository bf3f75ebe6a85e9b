"""The Chat Completions wire: what a request may say, and the bytes of an answer, streamed or whole.

The shapes, the order of the keys and the nulls are those of recorded answers of the real service (2026).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from course_utils import sse
from course_utils.frames import Frame
from course_utils.replies import tokens

CREATED = 1_767_225_600
"""The mock's calendar stands at 2026-01-01, so that the same question gives the same bytes on every day."""


TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


class ApiError(Exception):
    """An error the service answers with before anything else: a status, headers, and the provider's JSON."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code or CODES.get(status)

    def body(self) -> bytes:
        kind = TYPES.get(self.status, "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()

    def headers(self) -> dict[str, str]:
        """A rate limit says how long to wait, in both forms that clients read, and what is left of the allowance."""
        if self.status != 429:
            return {}
        left = {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "2s",
        }
        return {"retry-after": "2", "retry-after-ms": "2000"} | left


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
    body = _json_object(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' must be a list with at least one message", param="messages")
    texts = [_text(message) for message in messages]
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, f"'model' must be a string, got {model!r}", param="model")
    options = body.get("stream_options") or {}
    return ChatRequest(
        model=model,
        prompt=texts[-1],
        prompt_tokens=sum(len(tokens(text)) for text in texts),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_tokens=_limit(body),
        body=body,
    )


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, f"the body must be JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"the body must be a JSON object, got {type(body).__name__}")
    return body


def _text(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise ApiError(400, "each message needs a 'role' and a 'content' with text", param="messages")
    return content


def _limit(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ApiError(400, f"{name!r} must be a whole number of at least 1, got {limit!r}", param=name)
        return limit
    return None


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
            _dumps(_head(request, said, "chat.completion.chunk") | {"choices": [], "usage": usage(request, said)})
        )
    yield sse.event("[DONE]")


def _chunk(request: ChatRequest, said: Said, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    body = _head(request, said, "chat.completion.chunk") | {"choices": [choice]}
    if request.include_usage:
        body["usage"] = None
    return sse.event(_dumps(body))


def completion(request: ChatRequest, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.pieces), "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
    return _dumps(
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


def _dumps(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
