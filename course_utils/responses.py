"""The Responses wire: typed events with gapless sequence numbers, or one object. No ``[DONE]``: the last event says how it ended.

The order of the events is that of recorded answers of the real service (2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from course_utils import api, sse
from course_utils.api import (
    CREATED,
    ApiError,
    dumps,
    in_json,
    json_object,
    model_of,
    noise,
    number_of,
    object_of,
    padding,
    schema_of,
    text_of,
)
from course_utils.dialect import Asked, Said
from course_utils.frames import Frame
from course_utils.tools import Call

STREAM = api.EVENT_STREAM
error_body = api.error_body
PADDED = 16
"""Letters to which a delta is padded."""


def parse(raw: bytes) -> Asked:
    """Read a request body; raises `ApiError` 400 that says what was expected and what came."""
    body = json_object(raw)
    texts = _texts(body.get("input"))
    instructions = [body["instructions"]] if isinstance(body.get("instructions"), str) else []
    include, follows = body.get("include") or [], body.get("previous_response_id")
    if follows is not None and not isinstance(follows, str):
        raise ApiError(400, f"'previous_response_id' must be a text, got {follows!r}", param="previous_response_id")
    likely = isinstance(include, list) and "message.output_text.logprobs" in include
    background = body.get("background") is True
    if background and body.get("store") is False:
        raise ApiError(400, "a 'background' response has to be stored: leave 'store' out", param="background")
    return Asked(
        model=model_of(body),
        texts=(*instructions, *texts),
        instructions=len(instructions),
        stream=body.get("stream") is True,
        obfuscate=object_of(body, "stream_options").get("include_obfuscation") is not False,
        max_tokens=number_of(body, "max_output_tokens"),
        logprobs=(number_of(body, "top_logprobs", least=0, most=20) or 0) if likely else None,
        schema=schema_of(object_of(object_of(body, "text"), "format")),
        background=background,
        follows=follows,
        store=body.get("store") is not False,
        tools_answered=_item_type(body.get("input")) == "function_call_output",
        body=body,
    )


def _texts(asked: Any) -> list[str]:
    if isinstance(asked, str) and asked:
        return [asked]
    if isinstance(asked, list) and asked and all(isinstance(item, dict) for item in asked):
        return [_text(item) for item in asked]
    raise ApiError(400, "'input' must be a text or a list with at least one message", param="input")


def _text(item: dict[str, Any]) -> str:
    """What an item of the input says: a message its content, a call its arguments, a result its output."""
    if item.get("type", "message") == "message":
        return text_of(item.get("content"), "input")
    return text_of(item.get("output", item.get("arguments", item.get("summary", ""))), "input")


def _item_type(asked: Any) -> Any:
    return asked[-1].get("type") if isinstance(asked, list) else None


def frames(request: Asked, said: Said, times: Sequence[float], opened: float) -> list[Frame]:
    """The answer as frames, an event each. ``opened`` is when the first event leaves."""
    done = times[-1] if times else opened
    visible = times[said.reasoning :]
    schedule = [(opened, 0, event) for event in _opening(request, said)]
    if request.background:  # it stays in the queue until the model begins
        schedule[-1] = (max(opened, said.waited), *schedule[-1][1:])
    if said.reasoning:
        schedule.append((times[0], 0, _item_event("added", 0, _thought(said, "in_progress"))))
        schedule.append((times[said.reasoning - 1], 0, _item_event("done", 0, _thought(said, "completed"))))
    if said.calls:
        schedule += _called(said, visible)
    elif said.pieces or not said.reasoning:
        schedule += _told(request, said, visible, opened)
    letters = noise(said.id)

    def padded(number: int, event: dict[str, Any]) -> dict[str, Any]:
        if not (request.obfuscate and "delta" in event):
            return event
        return event | {"obfuscation": padding(letters, number, len(in_json(event["delta"])) - 2, PADDED)}

    status = status_of(said)
    schedule.append((done, 0, {"type": f"response.{status}", "response": response(request, said, status)}))
    return [
        Frame(at, sse.event(dumps(padded(number, event) | {"sequence_number": number}), type=event["type"]), count)
        for number, (at, count, event) in enumerate(schedule)
    ]


Schedule = list[tuple[float, int, dict[str, Any]]]
"""Events with the moment at which each leaves and the number of tokens it carries."""


def _told(request: Asked, said: Said, times: Sequence[float], opened: float) -> Schedule:
    """A message: its item and part open with the first token, its text comes, both close with the last."""
    first, done = (times[0], times[-1]) if times else (opened, opened)
    kind, full = ("refusal", "refusal") if said.refusal else ("output_text", "text")
    text, place = "".join(said.pieces), _place(said)
    part = {"item_id": f"msg_{said.id}", "output_index": place, "content_index": 0}
    schedule: Schedule = [(first, 0, _item_event("added", place, _item(request, said, "in_progress", [])))]
    empty = _part(request, replace(said, pieces=(), likely=()))
    schedule.append((first, 0, {"type": "response.content_part.added"} | part | {"part": empty}))
    likely = _likely(request, said)
    for number, (at, piece) in enumerate(zip(times, said.pieces, strict=True)):
        delta = {"type": f"response.{kind}.delta"} | part | {"delta": piece}
        schedule.append((at, 1, delta if said.refusal else delta | {"logprobs": likely[number : number + 1]}))
    last = {"type": f"response.{kind}.done"} | part | {full: text}
    schedule.append((done, 0, last if said.refusal else last | {"logprobs": likely}))
    whole_part = _part(request, said)
    schedule.append((done, 0, {"type": "response.content_part.done"} | part | {"part": whole_part}))
    item = _item(request, said, _item_status(said), [whole_part])
    return [*schedule, (done, 0, _item_event("done", place, item))]


def _called(said: Said, times: Sequence[float]) -> Schedule:
    """Function calls, one item after the other, each with its arguments in pieces."""
    schedule: Schedule = []
    clock = iter(times)
    for call in said.calls:
        place = _place(said) + call.index
        where = {"item_id": _call_id(call), "output_index": place}
        prefix = "response.function_call_arguments"
        deltas = [(next(clock), 1, {"type": f"{prefix}.delta", "delta": piece} | where) for piece in call.pieces]
        first, last = deltas[0][0], deltas[-1][0]
        schedule.append((first, 0, _item_event("added", place, _call_item(call, "", "in_progress"))))
        schedule += deltas
        schedule.append((last, 0, {"type": f"{prefix}.done", "arguments": call.arguments} | where))
        schedule.append(
            (last, 0, _item_event("done", place, _call_item(call, call.arguments, _call_status(said, call))))
        )
    return schedule


def _item_event(what: str, place: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"response.output_item.{what}", "output_index": place, "item": item}


def _call_id(call: Call) -> str:
    return call.id.replace("call_", "fc_")


def _call_item(call: Call, arguments: str, status: str) -> dict[str, Any]:
    names = {"call_id": call.id, "name": call.name}
    return {"id": _call_id(call), "type": "function_call", "status": status, "arguments": arguments} | names


def _call_status(said: Said, call: Call) -> str:
    """A limit or a failure cuts the last call only; those before it are whole."""
    return _item_status(said) if call is said.calls[-1] else "completed"


def _opening(request: Asked, said: Said) -> Iterator[dict[str, Any]]:
    started = response(request, said, "in_progress")
    if request.background:
        queued = response(request, said, "queued")
        yield {"type": "response.created", "response": queued}
        yield {"type": "response.queued", "response": queued}
    else:
        yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}


def _place(said: Said) -> int:
    """The index of what comes behind the reasoning, if there is any."""
    return 1 if said.reasoning else 0


def _thought(said: Said, status: str) -> dict[str, Any]:
    return {"id": f"rs_{said.id}", "type": "reasoning", "summary": [], "status": status}


def _likely(request: Asked, said: Said) -> list[dict[str, Any]]:
    return [] if request.logprobs is None else said.logprobs(request.logprobs)


def _part(request: Asked, said: Said) -> dict[str, Any]:
    text = "".join(said.pieces)
    if said.refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": [], "logprobs": _likely(request, said), "text": text}


def _item(request: Asked, said: Said, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    item = {"id": f"msg_{said.id}", "type": "message", "status": status, "content": content, "role": "assistant"}
    return item | ({"phase": "final_answer"} if said.reasoning else {})


def _output(request: Asked, said: Said) -> list[dict[str, Any]]:
    output = [_thought(said, "completed")] if said.reasoning else []
    if said.calls:
        return output + [_call_item(call, call.arguments, _call_status(said, call)) for call in said.calls]
    if said.reasoning and not said.pieces:
        return output
    return [*output, _item(request, said, _item_status(said), [_part(request, said)])]


def status_of(said: Said) -> str:
    return {None: "completed", "failure": "failed"}.get(said.cut_by, "incomplete")


def _item_status(said: Said) -> str:
    """What a failed response leaves behind is not failed, but incomplete."""
    return "completed" if said.cut_by is None else "incomplete"


def whole(request: Asked, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    return dumps(response(request, said, status_of(said))).encode()


REASONS = {"max_tokens": "max_output_tokens", "content_filter": "content_filter"}
FORMAT = {"format": {"type": "text"}}
FUNCTION = {"parameters": None, "strict": True}
"""What a function has that does not say otherwise."""


def response(request: Asked, said: Said, status: str) -> dict[str, Any]:
    """The response object; output and usage are there once it has ended."""
    ended = status in ("completed", "incomplete", "failed")
    error = {"code": "server_error", "message": api.BROKEN_OFF.message} if status == "failed" else None
    return {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": request.background,
        "error": error,
        "incomplete_details": {"reason": REASONS[said.cut_by]} if status == "incomplete" and said.cut_by else None,
        "instructions": request.body.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "model": request.model,
        "output": _output(request, said) if ended else [],
        "parallel_tool_calls": True,
        "previous_response_id": request.follows,
        "reasoning": {"effort": None, "summary": None},
        "store": request.store,
        "temperature": 1.0,
        "text": FORMAT | object_of(request.body, "text"),
        "tool_choice": request.body.get("tool_choice") or "auto",
        "tools": [
            FUNCTION | tool if tool.get("type") == "function" else tool for tool in request.body.get("tools") or []
        ],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(said) if ended else None,
        "user": None,
        "metadata": object_of(request.body, "metadata"),
    }


def error_event(number: int) -> bytes:
    """An error in the middle of a stream, in the nested form that is sent and the flat one that is documented."""
    error = api.BROKEN_OFF.as_json() | {"code": "server_error"}
    return sse.event(dumps(error | {"type": "error", "error": error, "sequence_number": number}), type="error")


def usage(said: Said) -> dict[str, Any]:
    return {
        "input_tokens": said.prompt_tokens,
        "input_tokens_details": {"cached_tokens": said.cached, "cache_write_tokens": 0},
        "output_tokens": said.count,
        "output_tokens_details": {"reasoning_tokens": said.reasoning},
        "total_tokens": said.prompt_tokens + said.count,
    }
