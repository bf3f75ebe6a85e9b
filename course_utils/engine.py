"""The engine: a request goes in, an answer of timed frames comes out. No sockets, no clock, no threads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from course_utils import chat, scenario
from course_utils.api import CREATED, ApiError
from course_utils.frames import Fault, Frame, apply
from course_utils.pace import Pace
from course_utils.replies import reply_to, tokens

MODEL = "mock-1"
"""The model of the course; the one place that names it."""

CHAT = "/chat/completions"
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire."""

    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: frames with times in seconds since the request arrived.

    ``headers_at`` is when status and headers leave. ``generated`` has one time a token: when the model made it, which
    a proxy cannot change, while ``frames`` say when it left.
    """

    status: int
    headers: dict[str, str]
    frames: tuple[Frame, ...]
    headers_at: float = 0.0
    generated: tuple[float, ...] = ()
    streamed: bool = False
    asked: dict[str, Any] = field(default_factory=dict)


class Engine:
    """Decides what is said (``reply``), when (``pace``), and what happens to it on the way (``faults``).

    ``reply`` is a text, or a function from the last message's text to one. The same engine asked the same questions in
    the same order gives the same bytes.
    """

    def __init__(
        self,
        reply: str | Callable[[str], str] = reply_to,
        pace: Pace | None = None,
        faults: Sequence[Fault] = (),
        seed: int = 0,
    ) -> None:
        self.reply = reply
        self.pace = pace or Pace()
        self.faults = tuple(faults)
        self.seed = seed
        self._asked = 0

    def respond(self, request: Request) -> Answer:
        """The answer to ``request``; whatever is wrong with it becomes the provider's JSON error."""
        try:
            return self._route(request)
        except ApiError as error:
            return Answer(error.status, JSON | error.headers(), (Frame(0.0, error.body()),))

    def _route(self, request: Request) -> Answer:
        path = request.path.partition("?")[0].rstrip("/")
        if path.endswith("/models") and request.method == "GET":
            return _json_answer({"object": "list", "data": [_model(MODEL)]})
        if not path.endswith(CHAT):
            raise ApiError(404, f"no such route: {request.method} {path} (try POST /v1{CHAT} or GET /v1/models)")
        if request.method != "POST":
            raise ApiError(405, f"{path} wants POST, got {request.method}")
        return self._chat(chat.parse(request.body))

    def _chat(self, request: chat.ChatRequest) -> Answer:
        asked = self._scenario(request.model)
        said = self._say(request)
        times = asked.pace.token_times(len(said.pieces))
        if request.stream:
            opened, faults = asked.pace.headers, (*self.faults, *asked.faults)
            sent = apply(faults, chat.frames(request, said, times, opened))
            headers = EVENT_STREAM | {name: value for fault in faults for name, value in fault.headers.items()}
            return Answer(200, headers, tuple(sent), opened, tuple(times), True, request.body)
        done = times[-1] if times else asked.pace.ttft
        whole = Frame(done, chat.completion(request, said), tokens=len(times))
        return Answer(200, JSON, (whole,), done, tuple(times), False, request.body)

    def _scenario(self, model: str) -> scenario.Scenario:
        try:
            asked = scenario.parse(model, self.pace)
        except ValueError as error:
            raise ApiError(400, str(error), param="model") from None
        if asked.status is not None:
            raise ApiError(asked.status, f"this error was asked for by the model name {model!r}")
        return asked

    def _say(self, request: chat.ChatRequest) -> chat.Said:
        text = self.reply if isinstance(self.reply, str) else self.reply(request.prompt)
        pieces = tokens(text)
        kept = pieces[: request.max_tokens]
        self._asked += 1
        digest = hashlib.sha256(f"{self.seed}:{self._asked}".encode()).hexdigest()
        return chat.Said(f"chatcmpl-{digest[:24]}", tuple(kept), "stop" if len(kept) == len(pieces) else "length")


def _json_answer(value: dict[str, Any]) -> Answer:
    return Answer(200, JSON, (Frame(0.0, json.dumps(value).encode()),))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "course"}
