"""The engine: a request goes in, an answer of timed frames comes out. No sockets, no clock, no threads."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from course_utils import api, chat, messages, plain, responses, scenario, tools
from course_utils.api import CREATED, MODEL, ApiError
from course_utils.dialect import Asked, Dialect, Said, each
from course_utils.frames import Bend, Ending, Frame, Frames, TooMany, apply, columns, time_limit, weighed
from course_utils.kept import Job, Kept, PrefixCache
from course_utils.pace import Pace
from course_utils.replies import reply_to, thoughts, tokens
from course_utils.scenario import Scenario
from course_utils.voices import VOICES, voice_of

DIALECTS: dict[str, Dialect] = {
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
    "/text": plain.TEXT,
    "/ndjson": plain.NDJSON,
    "/events": plain.EVENTS,
}
JSON = {"content-type": "application/json"}
NO_SNIFFING = {"x-content-type-options": "nosniff"}
"""Without it a browser holds the first kilobyte of plain text back, to guess what it might be."""


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire. ``path`` may carry a query; the names of ``headers`` are in lower case."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: frames with times in seconds since the request arrived.

    ``headers_at`` is when status and headers leave. ``generated`` has one time a token: when the model made it, which
    a proxy cannot change, while ``frames`` say when it left. What is not ``booked`` does not appear in the ledger.
    With ``goes_on`` the model finishes the answer even if the client leaves. ``job`` is there for an answer that is
    kept, and says whether somebody has cancelled it. Frames that are due together leave in one write, unless they have
    to stay ``apart``, for a fault may be about their boundaries.
    """

    status: int
    headers: dict[str, str]
    frames: Frames
    headers_at: float = 0.0
    generated: tuple[float, ...] = ()
    streamed: bool = False
    asked: dict[str, Any] = field(default_factory=dict)
    asked_bytes: int = 0
    booked: bool = True
    goes_on: bool = False
    job: Job | None = None
    apart: bool = False


REMEMBERED = 10_000
"""Different prompts, and flaky models, whose number of requests is remembered; beyond that the oldest counts anew."""
MOST_TOKENS, MOST_READ = 100_000, 20_000_000
"""Tokens that an answer may have, and letters that a prompt may have with all that went before it."""
BOOKED = 16_384
"""Bytes of a request body that the ledger keeps whole; of a larger one it keeps the plain fields."""


def nobody() -> list[float]:
    """No other answer is being generated."""
    return []


class Engine:
    """Decides what is said (``reply``), when (``pace``), and what happens to it on the way (``faults``).

    ``reply`` is a text, or a function from the last message's text to one. ``options`` are model options that hold for
    every request, such as ``"cut=12"``. ``key`` is one that requests must carry. Beyond ``max_streams`` answers at once
    requests get a 429; an answer takes ``max_seconds`` at most. The same engine asked the same questions in the same
    order gives the same bytes.
    """

    def __init__(
        self,
        reply: str | Callable[[str], str] = reply_to,
        pace: Pace | None = None,
        faults: Sequence[Bend] = (),
        seed: int = 0,
        *,
        options: Sequence[str] = (),
        key: str | None = None,
        max_streams: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self.reply = reply
        self.pace = pace or Pace()
        self.faults = tuple(faults)
        self.seed = seed
        self.options = list(options)
        self.key, self.max_streams, self.max_seconds = key, max_streams, max_seconds
        scenario.with_options(Scenario(self.pace), self.options)  # so that a wrong one is refused here
        self._limit = () if max_seconds is None else (time_limit(max_seconds),)
        self._lock = threading.RLock()  # a reply function may ask the same server
        self._asked = 0
        self._failed: OrderedDict[str, int] = OrderedDict()
        self._times_asked: Counter[bytes] = Counter()
        self._kept = Kept()
        self._cache = PrefixCache()

    def respond(self, request: Request, now: float = 0.0, busy: Callable[[], Sequence[float]] = nobody) -> Answer:
        """The answer to ``request``; whatever is wrong with it becomes the provider's JSON error.

        ``now`` is the time on the driver's clock, ``busy`` tells the seconds until each answer in the making is finished.
        """
        path = request.path.partition("?")[0].rstrip("/")
        dialect = next((found for route, found in DIALECTS.items() if path.endswith(route)), None)
        body = b""
        try:
            with self._lock:
                self.let_in(request.headers)
                if dialect is None:
                    return self._other(request.method, path, _query(request), now)
                body = _body_of(dialect, request)
                return self._answer(dialect, body, now, busy, request.headers)
        except ApiError as error:
            answer = error_answer(error, (dialect or chat).error_body)
            return replace(answer, asked=_refused(body), asked_bytes=min(len(body), BOOKED))

    def let_in(self, headers: Mapping[str, str]) -> None:
        """Raise `ApiError` 401 for a request without the key, if there is one."""
        given = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")
        if self.key is not None and not hmac.compare_digest(given.encode(), self.key.encode()):
            came = "another one" if given else "none"
            raise ApiError(401, f"this server wants its key in 'Authorization: Bearer ...', and got {came}")

    def _other(self, method: str, path: str, query: dict[str, str], now: float) -> Answer:
        """Everything that is no question to the model: the list of models, and responses that are kept."""
        steps = path.split("/")
        if path.endswith("/models") and method == "GET":
            names = [MODEL, *(f"{MODEL};{example}" for example in scenario.examples()), *VOICES]
            return json_answer({"object": "list", "data": [_model(name) for name in names]})
        if "models" in steps and method == "GET":
            return json_answer(_model("/".join(steps[steps.index("models") + 1 :])))
        if "responses" in steps[:-1]:
            id, *action = steps[steps.index("responses") + 1 :]
            return self._kept_response(method, id, action, query, now)
        routes = ", ".join(f"POST /v1{route}" for route in DIALECTS)
        raise ApiError(404, f"no such route: {method} {path} (there are {routes}, GET /v1/models)")

    def _kept_response(self, method: str, id: str, action: list[str], query: dict[str, str], now: float) -> Answer:
        job = self._found(id, now)
        if job is None:
            raise ApiError(404, f"Response with id {id!r} not found; one whose client left is not kept", param="id")
        if (method, action) == ("POST", ["cancel"]):
            if not job.request.background:
                raise ApiError(400, "only a response with 'background' can be cancelled", param="id")
            job.cancel(now)
            return json_answer(_response(job, now))
        if (method, action) == ("DELETE", []):
            self._kept.forget(job.said.id)
            return json_answer({"id": id, "object": "response", "deleted": True})
        if (method, action) != ("GET", []):
            raise ApiError(404, f"no such route: {method} /responses/{'/'.join([id, *action])}")
        if query.get("stream") != "true":
            if not job.request.background and job.status(now) != "ended":
                raise ApiError(404, f"Response with id {id!r} is not finished, and not in the background", param="id")
            return json_answer(_response(job, now))
        if not (job.request.background and job.request.stream):
            raise ApiError(400, "only a response made with 'background' and 'stream' can be streamed again", param="id")
        asked = query.get("starting_after")
        after = -1 if asked in (None, "-1") else api.whole_number(asked)
        if after is None:
            raise ApiError(400, f"'starting_after' is a sequence number, got {asked!r}", param="starting_after")
        return _resumed(job, after, now, responses.STREAM)

    def _found(self, id: str, now: float) -> Job | None:
        """The response that is kept under ``id``; none whose client left before its end."""
        job = self._kept.find(id.removeprefix("resp_"))
        return None if job is None or job.status(now) == "left" else job

    def _answer(
        self,
        dialect: Dialect,
        body: bytes,
        now: float,
        busy: Callable[[], Sequence[float]],
        headers: Mapping[str, str],
    ) -> Answer:
        request = self._with_context(dialect.parse(body), now)
        if dialect == plain.EVENTS and (seen := headers.get("last-event-id")):
            return self._events_after(seen, now)
        asked = self._scenario(request.model)
        others = self._others(asked, busy)
        if asked.failed_after is not None and dialect is not responses:
            asked = replace(asked, error_after=asked.failed_after, failed_after=None)
        seed = self._seed_of(request.prompt)
        said = self._say(request, asked, seed)
        if asked.aloud and dialect is chat:
            said = replace(said, thoughts=thoughts(said.reasoning))
        if others and (waited := asked.pace.wait(others)):
            said = replace(said, waited=waited)
        to_read = said.prompt_tokens - said.cached
        asked, times = asked.frozen(now, asked.pace.token_times(said.count, to_read, seed, others))
        every = tuple(each(times, request.answers))
        plan = _frames(dialect, request, said, times, asked) if request.stream or request.store else []
        frames = asked.broken(plan, dialect.error_event)
        made = apply(self._limit, frames)  # what is there to come back for: no error of the client's proxy is in it
        if made is not plan and made and made[-1].ending:
            sent = sum(columns(made)[1])
            every = tuple(at for at in every[: said.unseen * request.answers + sent] if at <= made[-1].at)
            said = said.broken_off(sent // request.answers)
        if job := Job(request, said, tuple(made), now, len(body)) if request.store else None:
            self._kept.keep(job)
        streamed = request.stream and self._streamed(dialect, asked, frames)
        answer = streamed or self._unary(dialect, request, said, asked, times)
        goes_on, size = asked.goes_on or request.background, min(len(body), BOOKED)
        booked = _booked(request.body, body)
        return replace(answer, generated=every, asked=booked, asked_bytes=size, goes_on=goes_on, job=job)

    def _others(self, asked: Scenario, busy: Callable[[], Sequence[float]]) -> Sequence[float]:
        """Seconds until each other answer is finished, where that matters; a 429 if there are as many as there may be."""
        others = busy() if self.max_streams or asked.pace.slots or asked.pace.batch else []
        if self.max_streams is not None and len(others) >= self.max_streams:
            raise ApiError(
                429, f"{len(others)} answers are being generated, and this server makes {self.max_streams} at once"
            )
        return others

    def _streamed(self, dialect: Dialect, asked: Scenario, frames: Frames) -> Answer:
        faults: tuple[Bend, ...] = (*self.faults, *asked.faults, *self._limit)
        headers = {"content-type": dialect.STREAM} | (NO_SNIFFING if dialect.STREAM.startswith("text/plain") else {})
        for fault in faults:
            headers |= getattr(fault, "headers", {})
        try:
            bent = apply(faults, frames)
        except TooMany as error:
            raise ApiError(400, str(error), param="model") from None
        return Answer(200, headers, bent, asked.pace.headers, streamed=True, apart=bool(faults))

    def _unary(self, dialect: Dialect, request: Asked, said: Said, asked: Scenario, times: Sequence[float]) -> Answer:
        if request.background:
            queued = api.dumps(responses.response(request, said, "queued")).encode()
            return Answer(200, JSON, (Frame(asked.pace.headers, queued),), asked.pace.headers)
        done = times[-1] if times else asked.pace.ttft
        if asked.error_after is not None and asked.error_after <= len(said.pieces):
            until = [asked.pace.headers, *times][asked.error_after and said.reasoning + asked.error_after]
            return _broken(dialect, until, api.BROKEN_OFF, "error")
        if self.max_seconds is not None and done > self.max_seconds:
            error = ApiError(500, f"this server takes {self.max_seconds:g} s for an answer at most")
            return _broken(dialect, self.max_seconds, error, "limit")
        frame = Frame(done, dialect.whole(request, said), tokens=(said.count - said.unseen) * request.answers)
        return Answer(200, JSON, (frame,), done)

    def _events_after(self, seen: str, now: float) -> Answer:
        """The rest of a stream of numbered events; 204 tells an ``EventSource`` that nothing more will come."""
        id, _, number = seen.rpartition(".")
        job = self._kept.find(id)
        after = api.whole_number(number)
        if job is None or after is None or all(frame.ending for frame in job.rest(after, now)):
            return Answer(204, {}, ())
        return _resumed(job, after, now, plain.EVENTS.STREAM)

    def _scenario(self, model: str) -> Scenario:
        try:
            asked = scenario.with_options(Scenario(self.pace), [*self.options, *model.split(";")[1:]])
        except ValueError as error:
            raise ApiError(400, str(error), param="model") from None
        if asked.flaky is not None:
            self._failed[model] = failed = self._failed.get(model, 0) + 1
            if len(self._failed) > REMEMBERED:
                self._failed.popitem(last=False)
            asked = replace(asked, status=(asked.status or 503) if failed <= asked.flaky else None)
        if asked.status is not None:
            raise ApiError(asked.status, f"this error was asked for by the model name {model!r}")
        return asked

    def _with_context(self, request: Asked, now: float) -> Asked:
        """The request with the texts of the response it follows before its own, but not that one's instructions."""
        if request.follows is None:
            return request
        before = self._found(request.follows, now)
        if before is None:
            raise ApiError(
                400,
                f"Previous response with id {request.follows!r} not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        instructions, own = request.texts[: request.instructions], request.texts[request.instructions :]
        asked, told = before.request.texts[before.request.instructions :], "".join(before.said.pieces)
        texts = (*instructions, *asked, told, *own)
        if (read := sum(map(len, texts))) > MOST_READ:
            raise ApiError(
                400,
                f"the prompt has {read} letters with the responses before it, and the model reads {MOST_READ}",
                param="input",
                code="context_length_exceeded",
            )
        return replace(request, texts=texts)

    def _say(self, request: Asked, asked: Scenario, seed: str) -> Said:
        """Tool calls where they are asked for; else the reply up to the first stop text or limit; thoughts before it."""
        id = self._id()
        read = request.prompt_tokens
        said = Said(id, (), prompt_tokens=read, cached=self._cache.read(request.texts) if asked.pace.cache else 0)
        limit, why = asked.limit(min(request.max_tokens or MOST_TOKENS, MOST_TOKENS))
        reasoning = asked.reasoning if limit is None else min(asked.reasoning, limit)
        left = None if limit is None else limit - reasoning
        count = None if request.tools_answered else asked.calls  # the wish is fulfilled; a tool_choice still counts
        if made := tools.calls(request.body, count, id):
            kept = tools.cut(made, left)
            whole = sum(len(call.pieces) for call in made)
            pieces = tuple(piece for call in kept for piece in call.pieces)
            said = replace(said, pieces=pieces, calls=kept, reasoning=reasoning)
            return said if len(pieces) == whole else replace(said, cut_by=why)
        if (voice := voice_of(request.model)) and request.schema is None:
            spoken = voice(request, left, seed)
            read = spoken.prompt_tokens
            limited = why if len(spoken.pieces) == left else "max_tokens"  # or else its context was full
            return replace(
                said,
                pieces=spoken.pieces,
                cut_by=None if spoken.complete else limited,
                stopped_by=spoken.stopped_by,
                likely=spoken.likely,
                refusal=asked.refusal,
                reasoning=reasoning,
                prompt_tokens=read,
                cached=min(read, said.cached),
            )
        text = self._text(request)
        end, stop = min(((text.find(stop), stop) for stop in request.stops if stop in text), default=(len(text), None))
        every = _cut(text[:end])
        said = replace(said, pieces=every[:left], refusal=asked.refusal, reasoning=reasoning)
        if left is None or len(every) <= left:
            return replace(said, stopped_by=stop)
        return replace(said, cut_by=why)

    def _text(self, request: Asked) -> str:
        """The reply; where a schema is demanded and the reply is no JSON, an example of what the schema accepts."""
        text = self.reply if isinstance(self.reply, str) else self.reply(request.prompt)
        if not isinstance(text, str):
            raise TypeError(f"a reply function returns a text, got {text!r}")
        if request.schema is None:
            return text
        try:
            json.loads(text)
        except ValueError:
            return api.dumps(tools.example(request.schema))
        return text

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


@functools.lru_cache(maxsize=8)
def _cut(reply: str) -> tuple[str, ...]:
    """The tokens of a reply. The same few are said again and again, and a thousand answers share their pieces."""
    reply.encode()  # half a surrogate pair can't be sent; its bytes may be made later, where nobody could say so
    return tuple(tokens(reply))


def _frames(dialect: Dialect, request: Asked, said: Said, times: Sequence[float], asked: Scenario) -> Frames:
    """The answer as the dialect writes it, with several tokens in a chunk if that was asked for."""
    if asked.pack == 1 or said.calls or request.logprobs is not None:
        return dialect.frames(request, said, times, asked.pace.headers)
    packed = said.packed(asked.pack)
    frames = dialect.frames(request, packed, packed.last_of(times), asked.pace.headers)
    sizes = [*[1] * len(packed.thoughts), *packed.sizes]
    return weighed(frames, [size for size in sizes for _ in range(request.answers)])


def _query(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.path.partition("?")[2], keep_blank_values=True))


def _body_of(dialect: Dialect, request: Request) -> bytes:
    """The body of a POST; a plain wrapping may also be asked by GET, which is all that an ``EventSource`` can do."""
    if request.method == "POST":
        return request.body
    if request.method != "GET" or not isinstance(dialect, plain.Wrapping):
        raise ApiError(405, f"{request.path} wants POST, got {request.method}")
    fields = _query(request)
    if (limit := api.whole_number(fields.get("max_tokens", ""))) is not None:
        return json.dumps(fields | {"max_tokens": limit}).encode()
    return json.dumps(fields).encode()


def error_answer(error: ApiError, body: Callable[[ApiError], bytes] = api.error_body) -> Answer:
    """The answer that an error is, in the words of a dialect."""
    return Answer(error.status, JSON | error.headers(), (Frame(0.0, body(error)),))


def json_answer(value: Any) -> Answer:
    return Answer(200, JSON, (Frame(0.0, json.dumps(value).encode()),))


def _broken(dialect: Dialect, at: float, error: ApiError, fault: str) -> Answer:
    """A whole answer that did not come about: its status is still to be said."""
    return Answer(error.status, JSON, (Frame(at, dialect.error_body(error), ending=Ending("end", fault)),), at)


def _resumed(job: Job, after: int, now: float, stream: str) -> Answer:
    """The rest of an answer that is made already: nothing new is generated. If it was cancelled, as far as it had come."""
    running = None if job.status(now) == "cancelled" else job
    return Answer(200, {"content-type": stream}, job.rest(after, now), streamed=True, goes_on=True, job=running)


def _response(job: Job, now: float) -> dict[str, Any]:
    status = job.status(now)
    return responses.response(job.request, job.said, responses.status_of(job.said) if status == "ended" else status)


def _refused(raw: bytes) -> dict[str, Any]:
    """What the ledger keeps of a request that was refused: whoever asks the same again can be told."""
    try:
        return _booked(api.json_object(raw), raw)
    except ApiError:
        return {}


def _booked(body: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """What the ledger keeps: a body, or the short fields of a large one, and what tells it from others of its size."""
    if len(raw) <= BOOKED:
        return body
    short = {name: value for name, value in body.items() if isinstance(value, (bool, int, float)) or name == "model"}
    kept = short if len(api.dumps(short)) <= BOOKED else {}
    return kept | {"clipped": len(raw), "sha256": hashlib.sha256(raw).hexdigest()[:16]}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "course"}
