"""The engine: a request goes in, an answer of timed frames comes out. No sockets, no clock, no threads."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from course_utils import chat, responses, scenario, tools
from course_utils.api import CREATED, ApiError
from course_utils.dialect import Asked, Dialect, Said
from course_utils.frames import Bend, Frame, apply
from course_utils.pace import Pace
from course_utils.replies import reply_to, tokens
from course_utils.scenario import Scenario

MODEL = "mock-1"
"""The model of the course; the one place that names it."""

DIALECTS: dict[str, Dialect] = {"/chat/completions": chat, "/responses": responses}
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
    a proxy cannot change, while ``frames`` say when it left. What is not ``booked`` does not appear in the ledger.
    """

    status: int
    headers: dict[str, str]
    frames: tuple[Frame, ...]
    headers_at: float = 0.0
    generated: tuple[float, ...] = ()
    streamed: bool = False
    asked: dict[str, Any] = field(default_factory=dict)
    booked: bool = True


REMEMBERED = 10_000
"""Different prompts whose number of repetitions is remembered; beyond that the oldest counts anew."""


class Engine:
    """Decides what is said (``reply``), when (``pace``), and what happens to it on the way (``faults``).

    ``reply`` is a text, or a function from the last message's text to one. The same engine asked the same questions in
    the same order gives the same bytes.
    """

    def __init__(
        self,
        reply: str | Callable[[str], str] = reply_to,
        pace: Pace | None = None,
        faults: Sequence[Bend] = (),
        seed: int = 0,
    ) -> None:
        self.reply = reply
        self.pace = pace or Pace()
        self.faults = tuple(faults)
        self.seed = seed
        self._asked = 0
        self._failed: dict[str, int] = {}
        self._times_asked: Counter[bytes] = Counter()

    def respond(self, request: Request) -> Answer:
        """The answer to ``request``; whatever is wrong with it becomes the provider's JSON error."""
        try:
            return self._route(request)
        except ApiError as error:
            return Answer(error.status, JSON | error.headers(), (Frame(0.0, error.body()),))

    def _route(self, request: Request) -> Answer:
        path = request.path.partition("?")[0].rstrip("/")
        if path.endswith("/models") and request.method == "GET":
            return json_answer({"object": "list", "data": [_model(MODEL)]})
        dialect = next((found for route, found in DIALECTS.items() if path.endswith(route)), None)
        if dialect is None:
            routes = ", ".join(f"POST /v1{route}" for route in DIALECTS)
            raise ApiError(404, f"no such route: {request.method} {path} (there are {routes}, GET /v1/models)")
        if request.method != "POST":
            raise ApiError(405, f"{path} wants POST, got {request.method}")
        return self._answer(dialect, request.body)

    def _answer(self, dialect: Dialect, raw: bytes) -> Answer:
        request = dialect.parse(raw)
        asked = self._scenario(request.model)
        said = self._say(request, asked)
        times = asked.pace.token_times(len(said.pieces), request.prompt_tokens, self._seed_of(request.prompt))
        every = [at for at in times for _ in range(request.answers)]
        if request.stream:
            plain = dialect.frames(request, said, times, asked.pace.headers)
            return self._streamed(asked, asked.broken(plain, dialect.error_event), every, request.body)
        return self._unary(asked, dialect.whole(request, said), every, request.body)

    def _streamed(self, asked: Scenario, plain: list[Frame], times: list[float], body: dict[str, Any]) -> Answer:
        faults: tuple[Bend, ...] = (*self.faults, *asked.faults)
        headers = EVENT_STREAM | {
            name: value for fault in faults for name, value in getattr(fault, "headers", {}).items()
        }
        return Answer(200, headers, tuple(apply(faults, plain)), asked.pace.headers, tuple(times), True, body)

    def _unary(self, asked: Scenario, whole: bytes, times: list[float], body: dict[str, Any]) -> Answer:
        done = times[-1] if times else asked.pace.ttft
        return Answer(200, JSON, (Frame(done, whole, tokens=len(times)),), done, tuple(times), False, body)

    def _scenario(self, model: str) -> Scenario:
        try:
            asked = scenario.parse(model, self.pace)
        except ValueError as error:
            raise ApiError(400, str(error), param="model") from None
        if asked.flaky is not None:
            self._failed[model] = failed = self._failed.get(model, 0) + 1
            asked = replace(asked, status=(asked.status or 503) if failed <= asked.flaky else None)
        if asked.status is not None:
            raise ApiError(asked.status, f"this error was asked for by the model name {model!r}")
        return asked

    def _say(self, request: Asked, asked: Scenario) -> Said:
        """Tool calls where they are asked for; else the reply up to the first stop text or limit."""
        id = self._id()
        if made := tools.calls(request.body, asked.calls, id):
            return Said(id, tuple(piece for call in made for piece in call.pieces), calls=made)
        text = self.reply if isinstance(self.reply, str) else self.reply(request.prompt)
        end = min((text.find(stop) for stop in request.stops if stop in text), default=len(text))
        pieces, limit = tokens(text[:end]), asked.limit(request.max_tokens)
        if limit is None or len(pieces) <= limit:
            return Said(id, tuple(pieces), refusal=asked.refusal)
        return Said(
            id, tuple(pieces[:limit]), "content_filter" if asked.filtered(limit) else "max_tokens", asked.refusal
        )

    def _seed_of(self, prompt: str) -> str:
        """The seed of one request: from the server's, the prompt, and how often it was asked; no generator is shared."""
        digest = hashlib.sha256(prompt.encode()).digest()[:8]
        self._times_asked[digest] += 1
        if len(self._times_asked) > REMEMBERED:
            del self._times_asked[next(iter(self._times_asked))]
        return f"{self.seed}:{digest.hex()}:{self._times_asked[digest]}"

    def _id(self) -> str:
        self._asked += 1
        return hashlib.sha256(f"{self.seed}:{self._asked}".encode()).hexdigest()[:24]


def server_error(message: str) -> Answer:
    """A 500 with the provider's JSON."""
    return Answer(500, JSON, (Frame(0.0, ApiError(500, message).body()),))


def json_answer(value: Any) -> Answer:
    return Answer(200, JSON, (Frame(0.0, json.dumps(value).encode()),))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "course"}
