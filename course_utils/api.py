"""What all dialects of the API share: errors with the provider's JSON, and reading a request body."""

from __future__ import annotations

import hashlib
import json
from typing import Any

MODEL = "mock-1"
"""The model of the course; the one place that names it."""

CREATED = 1_767_225_600
"""The mock's calendar stands at 2026-01-01, so that the same question gives the same bytes on every day."""

EVENT_STREAM = "text/event-stream; charset=utf-8"

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
        if len(message) > 1_000:  # it names what came, and that may be of any length
            message = f"{message[:500]} ... {message[-400:]}"
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code or CODES.get(status)

    def as_json(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "invalid_request_error")
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}

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


def error_body(error: ApiError) -> bytes:
    """The error as OpenAI's APIs write it."""
    return json.dumps({"error": error.as_json()}).encode()


BROKEN_OFF = ApiError(500, "the mock broke off as it was asked to")
"""The error in the middle of a stream."""


def json_object(raw: bytes) -> dict[str, Any]:
    """The body as a dict; raises `ApiError` 400 for anything else."""
    try:
        body = json.loads(raw)
        dumps(body).encode()  # half a surrogate pair is valid JSON and no text; it could not be sent back
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body must be JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"the body must be a JSON object, got {type(body).__name__}")
    if _deeper(body, DEEPEST):
        raise ApiError(400, f"the body may be nested {DEEPEST} levels deep at most")
    return body


DEEPEST = 100
"""Levels of a request body. Python's own limit depends on who calls; what it lets in must get out again, by any way."""


def _deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


LONGEST_NAME = 1_000
"""Letters that a model's name may have, options and all: it comes back in every chunk."""


def model_of(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, f"'model' must be a string, got {model!r}", param="model")
    if len(model) > LONGEST_NAME:
        raise ApiError(400, f"'model' may have {LONGEST_NAME} letters at most, got {len(model)}", param="model")
    return model


def number_of(body: dict[str, Any], *names: str, least: int = 1, most: int | None = None) -> int | None:
    """The whole number under the first of ``names`` that is there; None where there is none."""
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ApiError(400, f"{name!r} must be a whole number of at least {least}, got {value!r}", param=name)
        if most is not None and value > most:
            raise ApiError(400, f"{name!r} may be {most} at most, got {value}", param=name)
        return value
    return None


def whole_number(text: str) -> int | None:
    """The number that the ASCII digits of ``text`` write, as in a query or a header; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def object_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    """The object under ``name``; an empty one where there is none."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise ApiError(400, f"{name!r} must be an object, got {value!r}", param=name)
    return value or {}


def text_of(content: Any, param: str) -> str:
    """The text of a message: a string, or a list of parts of which those with text count."""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise ApiError(400, "each message needs a 'role' and a 'content' with text", param=param)
    return content


def schema_of(format: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that an output format demands; any object will do for ``json_object``."""
    kind = format.get("type", "text")
    if kind == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    if kind == "json_schema":
        schema = (object_of(format, "json_schema") or format).get("schema")
        if isinstance(schema, dict):
            return schema
        raise ApiError(
            400, f"a 'json_schema' format needs a 'schema' that is an object, got {schema!r}", param="format"
        )
    if kind == "text":
        return None
    raise ApiError(400, f"a format is 'text', 'json_object' or 'json_schema', got {kind!r}", param="format")


dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""JSON as the services write it: compact, with letters as they are. ``NaN``, which Python would read and write, is none."""


in_json = json.encoder.encode_basestring
"""A text as `dumps` writes it, without the detours."""


def noise(id: str) -> str:
    """Letters to pad the texts of an answer with. They look random and are not: the same request gives the same bytes."""
    return hashlib.sha256(id.encode()).hexdigest()


def padding(letters: str, number: int, length: int, width: int) -> str:
    """Of ``letters`` as many as fill a text of ``length`` up to a multiple of ``width``, others for each event's ``number``.

    So the size of a frame does not give the length of its text away.
    """
    at = number % (len(letters) - width)
    return letters[at : at + (-length % width or width)]
