"""The same answer in three plainer wrappings: text, NDJSON, and server-sent events for a browser's ``EventSource``.

They take ``prompt`` and ``model`` from a JSON body or from the query of a GET, and always stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from course_utils import api, sse
from course_utils.api import MODEL, dumps, json_object, model_of, number_of, text_of
from course_utils.dialect import Asked, Said
from course_utils.frames import Frame

RETRY = 250
"""Milliseconds after which an ``EventSource`` is told to come again when its stream has broken."""


@dataclass(frozen=True)
class Wrapping:
    """How one of the three writes a token, an end and an error.

    ``numbered`` ones are kept, and made to their end whoever listens: a client whose connection broke comes back.
    """

    STREAM: str
    name: str
    numbered: bool = False

    def parse(self, raw: bytes) -> Asked:
        """Read ``prompt``, ``model`` and ``max_tokens``; raises `ApiError` 400 for anything else."""
        body = json_object(raw)
        model = model_of({"model": MODEL} | body)
        prompt = text_of(body.get("prompt", "hello"), "prompt")
        limit = number_of(body, "max_tokens")
        return Asked(
            model,
            (prompt,),
            stream=True,
            max_tokens=limit,
            store=self.numbered,
            background=self.numbered,
            body=body,
        )

    def frames(self, request: Asked, said: Said, times: Sequence[float], opened: float) -> list[Frame]:
        """One frame a token, and one that says how it ended (plain text has no words for that)."""
        visible = times[said.reasoning :]
        out = [
            Frame(at, self._piece(said, number, piece), 1)
            for number, (at, piece) in enumerate(zip(visible, said.pieces, strict=True))
        ]
        end = self._end(said, len(said.pieces))
        return [*out, Frame(times[-1] if times else opened, end)] if end else out

    def _piece(self, said: Said, number: int, piece: str) -> bytes:
        if self.name == "text":
            return piece.encode()
        if self.name == "ndjson":
            return _line({"token": piece})
        retry = RETRY if number == 0 else None
        return sse.event(dumps({"token": piece}), id=f"{said.id}.{number}", retry=retry)

    def _end(self, said: Said, number: int) -> bytes:
        finished = {"done": True, "finish_reason": {None: "stop", "max_tokens": "length"}.get(said.cut_by, said.cut_by)}
        if self.name == "text":
            return b""
        if self.name == "ndjson":
            return _line(finished)
        return sse.event(dumps(finished), type="done", id=f"{said.id}.{number}")

    def whole(self, request: Asked, said: Said) -> bytes:
        return "".join(said.pieces).encode()

    def error_event(self, number: int) -> bytes:
        if self.name == "text":
            return b"\n[error]\n"
        body = dumps({"error": api.BROKEN_OFF.as_json()})
        return f"{body}\n".encode() if self.name == "ndjson" else sse.event(body, type="error")

    def error_body(self, error: api.ApiError) -> bytes:
        return api.error_body(error)


def _line(value: Any) -> bytes:
    return dumps(value).encode() + b"\n"


TEXT = Wrapping("text/plain; charset=utf-8", "text")
NDJSON = Wrapping("application/x-ndjson", "ndjson")
EVENTS = Wrapping(api.EVENT_STREAM, "events", numbered=True)
