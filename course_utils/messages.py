"""The Anthropic Messages wire, small: text and tool input, streamed or whole. A second dialect, to see what differs.

Order and names of the events follow the vendor's documentation of streaming messages (2026).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from course_utils import api, sse
from course_utils.api import ApiError, dumps, json_object, model_of, number_of, text_of
from course_utils.dialect import Asked, Said
from course_utils.frames import Frame

STREAM = api.EVENT_STREAM
STOP_REASONS = {None: "end_turn", "max_tokens": "max_tokens", "content_filter": "refusal"}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def parse(raw: bytes) -> Asked:
    """Read a request body; raises `ApiError` 400 that says what was expected and what came."""
    body = json_object(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise ApiError(400, "'messages' must be a list with at least one message", param="messages")
    limit = number_of(body, "max_tokens")
    if limit is None:
        raise ApiError(400, "'max_tokens' is required: a whole number of at least 1", param="max_tokens")
    system = [text_of(body["system"], "system")] if body.get("system") else []
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise ApiError(400, f"'stop_sequences' must be a list of texts, got {stops!r}", param="stop_sequences")
    content = messages[-1].get("content")
    answered = isinstance(content, list) and any(_kind(block) == "tool_result" for block in content)
    return Asked(
        model=model_of(body),
        texts=(*system, *(_text(message.get("content")) for message in messages)),
        stream=body.get("stream") is True,
        stops=tuple(stops),
        max_tokens=limit,
        tools_answered=answered,
        body=body,
    )


def _kind(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else None


def _text(content: Any) -> str:
    """The text of a message: of its blocks, and of what tools were given and what they gave."""
    return "".join(map(_block_text, content)) if isinstance(content, list) else text_of(content, "messages")


def _block_text(block: Any) -> str:
    if _kind(block) == "tool_use":
        return dumps(block.get("input"))
    return text_of(block.get("content") or "" if _kind(block) == "tool_result" else [block], "messages")


def frames(request: Asked, said: Said, times: Sequence[float], opened: float) -> list[Frame]:
    """The answer as frames: the message starts, its blocks come one after the other, its end says why and how many."""
    clock = iter(times[said.reasoning :])
    done = times[-1] if times else opened
    started = _message(request, said, []) | {"usage": _usage(said, 0)}
    out = [_event(opened, {"type": "message_start", "message": started}), _event(opened, {"type": "ping"})]
    for index, (block, kind, field, pieces) in enumerate(_blocks(said)):
        begun = {"type": "content_block_start", "index": index, "content_block": block}
        ticks = [next(clock) for _ in pieces]
        out.append(_event(ticks[0] if ticks else done, begun))
        for at, piece in zip(ticks, pieces, strict=True):
            delta = {"type": kind, field: piece}
            out.append(_event(at, {"type": "content_block_delta", "index": index, "delta": delta}, 1))
        out.append(_event(ticks[-1] if ticks else done, {"type": "content_block_stop", "index": index}))
    usage = _usage(said, said.count)
    out.append(_event(done, {"type": "message_delta", "delta": _ending(said), "usage": usage}))
    return [*out, _event(done, {"type": "message_stop"})]


def _event(at: float, body: dict[str, Any], count: int = 0) -> Frame:
    return Frame(at, sse.event(dumps(body), type=body["type"]), count)


def _blocks(said: Said) -> list[tuple[dict[str, Any], str, str, Sequence[str]]]:
    """Each block as it starts, the type and the field of its deltas, and their texts."""
    if not said.calls:
        return [({"type": "text", "text": ""}, "text_delta", "text", said.pieces)]
    return [(_tool_use(call.id, call.name, {}), "input_json_delta", "partial_json", call.pieces) for call in said.calls]


def _tool_use(id: str, name: str, input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id.replace("call_", "toolu_"), "name": name, "input": input}


def whole(request: Asked, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    content: list[dict[str, Any]] = [{"type": "text", "text": "".join(said.pieces)}]
    if said.calls:
        inputs = [{} if said.cut_by else json.loads(call.arguments) for call in said.calls]
        content = [_tool_use(call.id, call.name, input) for call, input in zip(said.calls, inputs, strict=True)]
    message = _message(request, said, content) | _ending(said)
    return dumps(message | {"usage": _usage(said, said.count)}).encode()


def _message(request: Asked, said: Said, content: list[dict[str, Any]]) -> dict[str, Any]:
    head = {"id": f"msg_{said.id}", "type": "message", "role": "assistant", "model": request.model}
    return head | {"content": content, "stop_reason": None, "stop_sequence": None}


def _ending(said: Said) -> dict[str, Any]:
    if said.stopped_by and not said.refusal:
        return {"stop_reason": "stop_sequence", "stop_sequence": said.stopped_by}
    return {"stop_reason": _stop_reason(said), "stop_sequence": None}


def _stop_reason(said: Said) -> str:
    if said.refusal:
        return "refusal"
    return "tool_use" if said.calls and said.cut_by is None else STOP_REASONS[said.cut_by]


def _usage(said: Said, answered: int) -> dict[str, Any]:
    return {
        "input_tokens": said.prompt_tokens - said.cached,
        "cache_read_input_tokens": said.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": answered,
    }


def error_event(number: int) -> bytes:
    """An error in the middle of a stream is an event of its own type."""
    return sse.event(error_body(api.BROKEN_OFF).decode(), type="error")


def error_body(error: ApiError) -> bytes:
    """The error as this API writes it."""
    kind = TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return dumps({"type": "error", "error": {"type": kind, "message": error.message}}).encode()
