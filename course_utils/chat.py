"""The Chat Completions wire: what a request may say, and the bytes of an answer, streamed or whole.

The shapes, the order of the keys and the nulls are those of recorded answers of the real service (2026).
"""

from __future__ import annotations

from collections.abc import Sequence
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
from course_utils.dialect import Asked, Said, each
from course_utils.frames import Late
from course_utils.tools import Call, interleaved

STREAM = api.EVENT_STREAM
error_body = api.error_body
MOST_ANSWERS = 8


def parse(raw: bytes) -> Asked:
    """Read a request body; raises `ApiError` 400 that says what was expected and what came."""
    body = json_object(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' must be a list with at least one message", param="messages")
    options = object_of(body, "stream_options")
    return Asked(
        model=model_of(body),
        texts=tuple(_text(message) for message in messages),
        stream=body.get("stream") is True,
        include_usage=options.get("include_usage") is True,
        obfuscate=options.get("include_obfuscation") is not False,
        answers=number_of(body, "n", most=MOST_ANSWERS) or 1,
        stops=_stops(body.get("stop")),
        max_tokens=number_of(body, "max_completion_tokens", "max_tokens"),
        logprobs=_alternatives(body),
        schema=schema_of(object_of(body, "response_format")),
        tools_answered=messages[-1].get("role") == "tool",
        body=body,
    )


def _alternatives(body: dict[str, Any]) -> int | None:
    """How many tokens are wanted beside each, with their probabilities; None where no probabilities are wanted."""
    wanted, others = body.get("logprobs"), number_of(body, "top_logprobs", least=0, most=20)
    if wanted is not None and not isinstance(wanted, bool):
        raise ApiError(400, f"'logprobs' must be true or false, got {wanted!r}", param="logprobs")
    if others and not wanted:
        raise ApiError(400, "'top_logprobs' goes with 'logprobs': true only", param="top_logprobs")
    return (others or 0) if wanted else None


def _stops(stop: Any) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(one, str) and one for one in stops):
        raise ApiError(400, f"'stop' must be a text or a list of up to 4 texts, got {stop!r}", param="stop")
    return tuple(stops)


def _text(message: Any) -> str:
    if not isinstance(message, dict):
        raise ApiError(400, f"each message must be an object, got {message!r}", param="messages")
    content = message.get("content")
    if content is None and message.get("tool_calls"):
        return dumps(message["tool_calls"])
    return text_of(message.get("refusal") if content is None else content, "messages")


FINISH_REASONS = {None: "stop", "max_tokens": "length", "content_filter": "content_filter"}


def _finish_reason(said: Said) -> str:
    return "tool_calls" if said.calls and said.cut_by is None else FINISH_REASONS[said.cut_by]


def _message(said: Said) -> dict[str, Any]:
    if said.calls:
        calls = [_tool_call(call, call.arguments) for call in said.calls]
        return {"content": None, "refusal": None, "tool_calls": calls}
    text = "".join(said.pieces)
    return {"content": None, "refusal": text} if said.refusal else {"content": text, "refusal": None}


def _tool_call(call: Call, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _first(said: Said) -> dict[str, Any]:
    """The delta that opens an answer."""
    if said.calls:
        begun = [{"index": call.index} | _tool_call(call, "") for call in said.calls]
        return {"role": "assistant", "content": None, "tool_calls": begun, "refusal": None}
    if said.refusal:
        return {"role": "assistant", "content": None, "refusal": ""}
    return {"role": "assistant", "content": "", "refusal": None}


def _logprobs(request: Asked, said: Said) -> list[dict[str, Any]] | None:
    return None if request.logprobs is None or said.calls else said.logprobs(request.logprobs)


def _likely(said: Said, some: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": None, "refusal": some} if said.refusal else {"content": some, "refusal": None}


def frames(request: Asked, said: Said, times: Sequence[float], opened: float) -> Late:
    """The answer as frames: role, one chunk a token, the finish reason, usage if asked for, and `[DONE]`.

    ``opened`` is when the role chunk leaves. It carries a role and empty text, which is why it is not the first token.
    Several answers come interleaved, token by token. Thoughts that are streamed come first, as ``reasoning_content``, the
    name that vLLM, SGLang and DeepSeek use; OpenAI streams none.
    """
    answers, id, spoken = request.answers, f"chatcmpl-{said.id}", each(times[said.unseen :], request.answers)
    thoughts = len(said.thoughts)
    kind, calls = "refusal" if said.refusal else "content", list(interleaved(said.calls))
    logprobs = _logprobs(request, said)
    texts = [*said.thoughts, *([text for _, text in calls] or said.pieces)]
    head = f'data: {dumps(_head(request, said, "chat.completion.chunk"))[:-1]},"choices":['
    no_usage, letters = ',"usage":null' if request.include_usage else "", noise(id) if request.obfuscate else ""

    def data(number: int) -> bytes:
        step, index = divmod(number, answers)
        if 0 < step <= len(texts):
            quoted = in_json(texts[step - 1])
            delta = f'"{kind}":{quoted}'
            if step <= thoughts:
                return event(choice(index, f'{{"reasoning_content":{quoted}}}'), number, len(quoted) - 2)
            if calls:
                place = calls[step - thoughts - 1][0].index
                delta = f'"tool_calls":[{{"index":{place},"function":{{"arguments":{quoted}}}}}]'
            likely = "null" if logprobs is None else dumps(_likely(said, [logprobs[step - thoughts - 1]]))
            return event(choice(index, f"{{{delta}}}", likely), number, len(quoted) - 2)
        if step == 0:
            return event(choice(index, dumps(_first(said))), number)
        if step == len(texts) + 1:
            return event(choice(index, "{}", end=dumps(_finish_reason(said))), number)
        if request.include_usage and index == 0 and step == len(texts) + 2:
            return event(f'],"usage":{dumps(usage(request, said))}', number)
        return DONE

    def choice(index: int, delta: str, likely: str = "null", end: str = "null") -> str:
        return f'{{"index":{index},"delta":{delta},"logprobs":{likely},"finish_reason":{end}}}]{no_usage}'

    def event(rest: str, number: int, length: int = 0) -> bytes:
        hidden = f',"obfuscation":"{padding(letters, number, length, PADDED)}"' if letters else ""
        return f"{head}{rest}{hidden}}}\n\n".encode()

    ends = answers + (2 if request.include_usage else 1)
    ats = [*[opened] * answers, *spoken, *[times[-1] if times else opened] * ends]
    return Late(ats, bytes(answers) + b"\1" * len(spoken) + bytes(ends), data)


DONE = sse.event("[DONE]")


PADDED = 11
"""Letters to which the text of a chunk is padded."""


def whole(request: Asked, said: Said) -> bytes:
    """The whole answer as one JSON object."""
    message: dict[str, Any] = {"role": "assistant"} | _message(said) | {"annotations": []}
    if said.thoughts:
        message["reasoning_content"] = "".join(said.thoughts)
    logprobs, end = _logprobs(request, said), _finish_reason(said)
    likely = None if logprobs is None else _likely(said, logprobs)
    choices = [
        {"index": index, "message": message, "logprobs": likely, "finish_reason": end}
        for index in range(request.answers)
    ]
    head = _head(request, said, "chat.completion")
    return dumps(head | {"choices": choices, "usage": usage(request, said)}).encode()


def error_event(number: int) -> bytes:
    """An error in the middle of a stream: the status is long gone, so it comes as an event of its own."""
    return sse.event(dumps({"error": api.BROKEN_OFF.as_json()}))


def usage(request: Asked, said: Said) -> dict[str, Any]:
    answered, thought = said.count * request.answers, said.reasoning * request.answers
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": answered,
        "total_tokens": said.prompt_tokens + answered,
        "prompt_tokens_details": {"cached_tokens": said.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }


def _head(request: Asked, said: Said, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{said.id}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }
