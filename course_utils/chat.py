"""The Chat Completions wire: what a request may say, and the bytes of an answer, streamed or whole.

The shapes, the order of the keys and the nulls are those of recorded answers of the real service (2026).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from course_utils import sse
from course_utils.api import CREATED, ApiError, dumps, json_object, limit_of, model_of, text_of
from course_utils.dialect import Asked, Said
from course_utils.frames import Frame
from course_utils.replies import tokens
from course_utils.tools import Call, interleaved

MOST_ANSWERS = 8


def parse(raw: bytes) -> Asked:
    """Read a request body; raises `ApiError` 400 that says what was expected and what came."""
    body = json_object(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' must be a list with at least one message", param="messages")
    texts = [_text(message) for message in messages]
    options = body.get("stream_options") or {}
    return Asked(
        model=model_of(body),
        prompt=texts[-1],
        prompt_tokens=sum(len(tokens(text)) for text in texts),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        obfuscate=not (isinstance(options, dict) and options.get("include_obfuscation") is False),
        answers=_answers(body),
        stops=_stops(body.get("stop")),
        max_tokens=limit_of(body, "max_completion_tokens", "max_tokens"),
        body=body,
    )


def _answers(body: dict[str, Any]) -> int:
    count = limit_of(body, "n") or 1
    if count > MOST_ANSWERS:
        raise ApiError(400, f"'n' may be {MOST_ANSWERS} at most, got {count}", param="n")
    return count


def _stops(stop: Any) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(one, str) and one for one in stops):
        raise ApiError(400, f"'stop' must be a text or a list of up to 4 texts, got {stop!r}", param="stop")
    return tuple(stops)


def _text(message: Any) -> str:
    return text_of(message.get("content") if isinstance(message, dict) else None, "messages")


FINISH_REASONS = {None: "stop", "max_tokens": "length", "content_filter": "content_filter"}


def _finish_reason(said: Said) -> str:
    return "tool_calls" if said.calls else FINISH_REASONS[said.cut_by]


def _message(said: Said) -> dict[str, Any]:
    if said.calls:
        calls = [_tool_call(call, call.arguments) for call in said.calls]
        return {"content": None, "refusal": None, "tool_calls": calls}
    text = "".join(said.pieces)
    return {"content": None, "refusal": text} if said.refusal else {"content": text, "refusal": None}


def _tool_call(call: Call, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _deltas(said: Said) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first delta of an answer, and one for each token behind it."""
    if said.calls:
        begun = [{"index": call.index} | _tool_call(call, "") for call in said.calls]
        pieces = [{"index": call.index, "function": {"arguments": piece}} for call, piece in interleaved(said.calls)]
        first = {"role": "assistant", "content": None, "tool_calls": begun, "refusal": None}
        return first, [{"tool_calls": [piece]} for piece in pieces]
    if said.refusal:
        return {"role": "assistant", "content": None, "refusal": ""}, [{"refusal": piece} for piece in said.pieces]
    return {"role": "assistant", "content": "", "refusal": None}, [{"content": piece} for piece in said.pieces]


def frames(request: Asked, said: Said, times: Sequence[float], opened: float) -> list[Frame]:
    """The answer as frames: role, one chunk a token, the finish reason, usage if asked for, and `[DONE]`.

    ``times`` are seconds, one a token; ``opened`` is when the role chunk leaves. The first chunk carries a role and
    empty text, which is why it is not the first token. Several answers come interleaved, token by token.
    """
    done = times[-1] if times else opened
    answers = range(request.answers)
    first, rest = _deltas(said)
    chunks = [Frame(opened, _chunk(request, said, index, first)) for index in answers]
    for at, delta in zip(times, rest, strict=True):
        chunks += [Frame(at, _chunk(request, said, index, delta), tokens=1) for index in answers]
    chunks += [Frame(done, _chunk(request, said, index, {}, _finish_reason(said))) for index in answers]
    if request.include_usage:
        last = _head(request, said, "chat.completion.chunk") | {"choices": [], "usage": usage(request, said)}
        chunks.append(Frame(done, sse.event(dumps(last | _obfuscation(request, said, "")))))
    return [*chunks, Frame(done, sse.event("[DONE]"))]


def _chunk(request: Asked, said: Said, index: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    body = _head(request, said, "chat.completion.chunk") | {"choices": [choice]}
    if request.include_usage:
        body["usage"] = None
    return sse.event(dumps(body | _obfuscation(request, said, _padded_text(delta))))


def _padded_text(delta: dict[str, Any]) -> str:
    if delta.get("tool_calls"):
        return str(delta["tool_calls"][0]["function"]["arguments"])
    return delta.get("content") or delta.get("refusal") or ""


PADDED = 11
"""Letters to which the text of a chunk is padded, so that the size of a frame does not give its length away."""


def _obfuscation(request: Asked, said: Said, text: str) -> dict[str, str]:
    """Padding that looks random and is not: the same request gives the same bytes."""
    if not request.obfuscate:
        return {}
    noise = hashlib.sha256(f"chatcmpl-{said.id}:{text}".encode()).hexdigest()
    return {"obfuscation": noise[: -len(dumps(text)[1:-1]) % PADDED or PADDED]}


def whole(request: Asked, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    message: dict[str, Any] = {"role": "assistant"} | _message(said) | {"annotations": []}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(said)}
        for index in range(request.answers)
    ]
    head = _head(request, said, "chat.completion")
    return dumps(head | {"choices": choices, "usage": usage(request, said)}).encode()


def error_event(number: int) -> bytes:
    """An error in the middle of a stream: the status is long gone, so it comes as an event of its own."""
    return sse.event(ApiError(500, "the mock broke off as it was asked to").body().decode())


def usage(request: Asked, said: Said) -> dict[str, int]:
    asked, answered = request.prompt_tokens, len(said.pieces) * request.answers
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _head(request: Asked, said: Said, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{said.id}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }
