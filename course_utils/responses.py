"""The Responses wire: typed events with gapless sequence numbers, or one object. No ``[DONE]``: the last event says how it ended.

The order of the events is that of recorded answers of the real service (2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from course_utils import sse
from course_utils.api import CREATED, ApiError, dumps, json_object, limit_of, model_of, text_of
from course_utils.dialect import Asked, Said
from course_utils.frames import Frame
from course_utils.replies import tokens
from course_utils.tools import Call


def parse(raw: bytes) -> Asked:
    """Read a request body; raises `ApiError` 400 that says what was expected and what came."""
    body = json_object(raw)
    texts = _texts(body.get("input"))
    if isinstance(body.get("instructions"), str):
        texts.insert(0, body["instructions"])
    return Asked(
        model=model_of(body),
        prompt=texts[-1],
        prompt_tokens=sum(len(tokens(text)) for text in texts),
        stream=body.get("stream") is True,
        max_tokens=limit_of(body, "max_output_tokens"),
        body=body,
    )


def _texts(asked: Any) -> list[str]:
    if isinstance(asked, str) and asked:
        return [asked]
    if isinstance(asked, list) and asked and all(isinstance(item, dict) for item in asked):
        return [text_of(item.get("content"), "input") for item in asked]
    raise ApiError(400, "'input' must be a text or a list with at least one message", param="input")


def frames(request: Asked, said: Said, times: Sequence[float], opened: float) -> list[Frame]:
    """The answer as frames, an event each. ``times`` are seconds, one a token; ``opened`` is when the first event leaves."""
    done = times[-1] if times else opened
    schedule = [(opened, 0, event) for event in _opening(request, said)]
    schedule += _called(said, times) if said.calls else _told(said, times, opened)
    status = _status(said)
    schedule.append((done, 0, {"type": f"response.{status}", "response": response(request, said, status)}))
    return [
        Frame(at, sse.event(dumps(event | {"sequence_number": number}), type=event["type"]), count)
        for number, (at, count, event) in enumerate(schedule)
    ]


Schedule = list[tuple[float, int, dict[str, Any]]]
"""Events with the moment at which each leaves and the number of tokens it carries."""


def _told(said: Said, times: Sequence[float], opened: float) -> Schedule:
    """A message: its item and part open with the first token, its text comes, both close with the last."""
    first, done = (times[0], times[-1]) if times else (opened, opened)
    schedule: Schedule = [(first, 0, event) for event in _part_opens(said)]
    schedule += [(at, 1, _delta(said, piece)) for at, piece in zip(times, said.pieces, strict=True)]
    return [*schedule, *((done, 0, event) for event in _closing(said))]


def _called(said: Said, times: Sequence[float]) -> Schedule:
    """Function calls, one item after the other, each with its arguments in pieces."""
    schedule: Schedule = []
    clock = iter(times)
    for call in said.calls:
        where = {"item_id": call.id.replace("call_", "fc_"), "output_index": call.index}
        prefix = "response.function_call_arguments"
        deltas = [(next(clock), 1, {"type": f"{prefix}.delta", "delta": piece} | where) for piece in call.pieces]
        first, last = deltas[0][0], deltas[-1][0]
        begun = {"output_index": call.index, "item": _call_item(call, "", "in_progress")}
        ended = {"output_index": call.index, "item": _call_item(call, call.arguments, "completed")}
        schedule.append((first, 0, {"type": "response.output_item.added"} | begun))
        schedule += deltas
        done = {"type": f"{prefix}.done", "name": call.name, "arguments": call.arguments}
        schedule.append((last, 0, done | where))
        schedule.append((last, 0, {"type": "response.output_item.done"} | ended))
    return schedule


def _call_item(call: Call, arguments: str, status: str) -> dict[str, Any]:
    id = call.id.replace("call_", "fc_")
    names = {"call_id": call.id, "name": call.name}
    return {"id": id, "type": "function_call", "status": status, "arguments": arguments} | names


def _opening(request: Asked, said: Said) -> Iterator[dict[str, Any]]:
    started = response(request, said, "in_progress")
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}


def _part_opens(said: Said) -> Iterator[dict[str, Any]]:
    item = {"id": _item_id(said), "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    yield _in_part(said, "response.content_part.added") | {"part": _part(said, "")}


def _delta(said: Said, piece: str) -> dict[str, Any]:
    if said.refusal:
        return _in_part(said, "response.refusal.delta") | {"delta": piece}
    return _in_part(said, "response.output_text.delta") | {"delta": piece, "logprobs": []}


def _closing(said: Said) -> Iterator[dict[str, Any]]:
    text = "".join(said.pieces)
    if said.refusal:
        yield _in_part(said, "response.refusal.done") | {"refusal": text}
    else:
        yield _in_part(said, "response.output_text.done") | {"text": text, "logprobs": []}
    yield _in_part(said, "response.content_part.done") | {"part": _part(said, text)}
    yield {"type": "response.output_item.done", "output_index": 0, "item": _item(said)}


def _in_part(said: Said, type: str) -> dict[str, Any]:
    return {"type": type, "item_id": _item_id(said), "output_index": 0, "content_index": 0}


def _part(said: Said, text: str) -> dict[str, Any]:
    if said.refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _item(said: Said) -> dict[str, Any]:
    content = [_part(said, "".join(said.pieces))]
    return {"id": _item_id(said), "type": "message", "status": _status(said), "content": content, "role": "assistant"}


def _output(said: Said) -> list[dict[str, Any]]:
    return [_call_item(call, call.arguments, "completed") for call in said.calls] or [_item(said)]


def _item_id(said: Said) -> str:
    return f"msg_{said.id}"


def _status(said: Said) -> str:
    return "incomplete" if said.cut_by else "completed"


def whole(request: Asked, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    return dumps(response(request, said, _status(said))).encode()


def response(request: Asked, said: Said, status: str) -> dict[str, Any]:
    """The response object; output and usage are there once it has ended."""
    ended = status != "in_progress"
    return {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": REASONS[said.cut_by]} if ended and said.cut_by else None,
        "instructions": request.body.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "model": request.model,
        "output": _output(said) if ended else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": request.body.get("tool_choice") or "auto",
        "tools": request.body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(request, said) if ended else None,
        "user": None,
        "metadata": {},
    }


def error_event(number: int) -> bytes:
    """An error in the middle of a stream, in the nested form that is sent and the flat one that is documented."""
    error = {
        "type": "server_error",
        "code": "server_error",
        "message": "the mock broke off as it was asked to",
        "param": None,
    }
    return sse.event(dumps(error | {"type": "error", "error": error, "sequence_number": number}), type="error")


REASONS = {"max_tokens": "max_output_tokens", "content_filter": "content_filter"}


def usage(request: Asked, said: Said) -> dict[str, Any]:
    asked, answered = request.prompt_tokens, len(said.pieces)
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answered,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + answered,
    }
