"""What all dialects of the API share: errors with the provider's JSON, and reading a request body."""

from __future__ import annotations

import json
from typing import Any

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


def json_object(raw: bytes) -> dict[str, Any]:
    """The body as a dict; raises `ApiError` 400 for anything else."""
    try:
        body = json.loads(raw)
        dumps(body).encode()  # half a surrogate pair is valid JSON and no text; it could not be sent back
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body must be JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"the body must be a JSON object, got {type(body).__name__}")
    return body


def model_of(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, f"'model' must be a string, got {model!r}", param="model")
    return model


def limit_of(body: dict[str, Any], *names: str) -> int | None:
    """The token limit under the first of ``names`` that is there; None where there is none."""
    for name in names:
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ApiError(400, f"{name!r} must be a whole number of at least 1, got {limit!r}", param=name)
        return limit
    return None


def text_of(content: Any, param: str) -> str:
    """The text of a message: a string, or a list of parts of which those with text count."""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise ApiError(400, "each message needs a 'role' and a 'content' with text", param=param)
    return content


def dumps(value: Any) -> str:
    """JSON as the services write it: compact, with letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
