"""Requests that nobody would write: whatever comes, the engine answers in order and the server goes on.

``FUZZ=5000 python -m pytest tests/test_fuzz.py`` tries so many, others each time.
"""

import asyncio
import contextlib
import hashlib
import json
import math
import os
import re
import socket
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_server import dial, to_the_end

from course_utils import engine as module
from course_utils import scenario, sse, tools
from course_utils.clock import RealClock, VirtualClock
from course_utils.engine import Engine, Request
from course_utils.frames import MOST_FRAMES
from course_utils.ledger import Ledger
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.server import Core, _Connection

FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ", "300")),
    derandomize="FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# --- requests -------------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Rome"]},
        "days": {"type": "array", "items": {"$ref": "#"}, "minItems": 2},
    },
    "anyOf": [{"const": 1}],
}
TOOL = {"name": "weather", "parameters": SCHEMA}
REQUESTS = {
    "/v1/chat/completions": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1"}]},
            {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
        ],
        "n": 2,
        "stop": ["two"],
        "max_tokens": 5,
        "max_completion_tokens": 5,
        "logprobs": True,
        "top_logprobs": 2,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        "tools": [{"type": "function", "function": TOOL}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
    },
    "/v1/responses": {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "function_call", "arguments": "{}"},
            {"type": "function_call_output", "output": "sunny"},
        ],
        "instructions": "Be brief.",
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "previous_response_id": "resp_0",
        "background": True,
        "store": True,
        "max_output_tokens": 5,
        "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
        "stream_options": {"include_obfuscation": False},
        "tools": [{"type": "function"} | TOOL],
        "tool_choice": "required",
        "metadata": {"a": "b"},
    },
    "/v1/messages": {
        "messages": [
            {"role": "user", "content": [{"type": "tool_result", "content": "sunny"}, {"type": "text", "text": "Hi"}]}
        ],
        "max_tokens": 5,
        "system": "Be brief.",
        "stop_sequences": ["two"],
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
        "tool_choice": {"type": "any"},
    },
    "/text": {"prompt": "Hi", "max_tokens": 5},
    "/ndjson": {"prompt": "Hi", "max_tokens": 5},
    "/events": {"prompt": "Hi", "max_tokens": 5},
}


class Raw(str):
    """A piece of JSON as it stands."""


JUNK = [
    None, True, False, 0, -1, 1, 2**63, 1.5, -0.0, "", "Hi", "\0", "é🎉", "x" * 5_000, "\ud800", "#", "#/properties",
    [], {}, [[]], [{}], [None], {"": None}, {"type": "text"}, {"type": "json_schema"}, {"type": "message"}, ["a"] * 9,
    Raw("NaN"), Raw("-Infinity"), Raw("1e999"), Raw("1" * 4_000), Raw("1" * 5_000), Raw("[" * 90 + "]" * 90),
    Raw("[" * 950 + "]" * 950), Raw('{"a":' * 950 + "1" + "}" * 950), Raw("[" * 100_000), Raw('{"a":1,"a":2}'), Raw("tru"),
    {"$ref": "#"}, {"enum": {}}, {"enum": {"a": 1}}, {"enum": "ab"}, {"anyOf": [{"$ref": "#"}]}, {"type": ["string", "null"]},
    {"properties": {letter: {"$ref": "#"} for letter in "abcdefghij"}},
    {"type": "array", "minItems": 8, "items": {"$ref": "#"}}, {"minimum": {}, "type": "integer"},
]  # fmt: skip


def written(value) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


@st.composite
def mutated(draw, value, needed=None):
    """``value`` with parts left out, put in a wrong place, or replaced by what nobody expects there."""
    if draw(st.integers(0, 39)) == 7:
        return draw(st.sampled_from(JUNK))
    if isinstance(value, dict):
        keep = st.booleans() if needed else st.integers(0, 19).map(lambda number: number != 7)
        kept = [name for name in value if name in (needed or ()) or draw(keep)]
        return {name: draw(mutated(value[name])) for name in kept}
    if isinstance(value, list):
        return [draw(mutated(one)) for one in value for _ in range(draw(st.sampled_from([1] * 9 + [0, 2])))]
    return value


VALUES = [
    "", "0", "1", "1", "2", "3", "7", "-1", "0.001", "0.001", "0.5", "1e9", "100", "9" * 9, "1e308", "1e-320", "nan",
    "inf", "9" * 300, "²", "1:2", "0:1", "3:1e9", "-1:1", "1:nan", "x:y", ":", "429", "500", "503", "text/html", "a\r\nb", "é",
    "1_0", " 7 ",
]  # fmt: skip
OPTION = st.builds(
    lambda name, value, sign: name if value is None else f"{name}{sign}{value}",
    st.sampled_from([*scenario.OPTIONS, "fly", ""]),
    st.sampled_from([*VALUES, None]) | st.floats(0, 100).map(str) | st.integers(0, 30).map(str),
    st.sampled_from(["=", "=", "=", " = ", "=="]),
)
EXAMPLE = st.sampled_from(scenario.examples())
MODEL = st.lists(st.one_of(OPTION, *[EXAMPLE] * 3), max_size=4).map(lambda options: ";".join(["mock-1", *options]))
IDS = ["resp_0", "", "resp_", *(f"resp_{hashlib.sha256(f'0:{n}'.encode()).hexdigest()[:24]}" for n in range(1, 4))]
"""Names of kept answers: those that an engine gives first, and some that it never gives."""
PATHS = [
    *REQUESTS, "/v1/models", "/v1/models/mock-1", "/v1/models/", "/v1", "/", "", "*", "responses", "/responses/", "models",
    "/v1//responses//", "/v1/embeddings", "/é", "/%00",
    *(f"/v1/responses/{id}{action}" for id in IDS for action in ("", "/cancel", "/x")),
]  # fmt: skip
QUERY = st.lists(
    st.tuples(
        st.sampled_from(["stream", "starting_after", "model", "max_tokens", "prompt", "limit"]),
        st.sampled_from(["true", "0", "3", "-1", "--5", "%C2%B2", "9" * 5_000, "%ED%A0%80", "%", "", "a=b"])
        | MODEL.map(quote),
    ),
    max_size=3,
).map(lambda fields: "".join(f"{'&' if at else '?'}{name}={value}" for at, (name, value) in enumerate(fields)))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "authorization": st.sampled_from(["Bearer key", "Bearer", "key", "\xff"]),
        "x-api-key": st.sampled_from(["key", ""]),
        "last-event-id": st.sampled_from(
            [f"{id[5:]}.{n}" for id in IDS for n in ("0", "2", "\xb2", "", "-1", "9" * 5_000)]
        ),
    },
)


@st.composite
def requests(draw):
    path = draw(st.sampled_from([*REQUESTS] * 24 + PATHS))
    method = draw(st.sampled_from(["POST"] * 9 + ["GET", "DELETE", "PUT", "get"]))
    if path not in REQUESTS or draw(st.integers(0, 20)) == 7:
        body = draw(st.binary(max_size=20))
    else:
        plain = {"model": draw(MODEL), "stream": draw(st.booleans())} | REQUESTS[path]
        if "previous_response_id" in plain:
            plain["previous_response_id"] = draw(st.none() | st.none() | st.sampled_from(IDS))
        body = written(draw(mutated(plain, {"messages", "input", "prompt", "model", "stream", "max_tokens"}))).encode()
    return Request(method, path + draw(QUERY), body, draw(HEADERS))


# --- what always holds ----------------------------------------------------------------------------------------------

ASKED_FOR = ("error", "flaky", "failed", "error-at")
"""Options after which an answer may be a 5xx."""


def strict(text):
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def check(answer, request):
    """The rules for every answer."""
    data = b"".join(frame.data for frame in answer.frames)
    times = [frame.at for frame in answer.frames]
    assert all(math.isfinite(at) for at in [*times, *answer.generated, answer.headers_at])
    assert times == sorted(times)
    assert len(answer.frames) <= 2 * MOST_FRAMES
    for name, value in answer.headers.items():
        assert "\r" not in value + name and "\n" not in value + name
    kind = answer.headers.get("content-type", "")
    if answer.status >= 500:
        asked = unquote(request.path) + request.body.decode("utf-8", "replace")
        assert any(option in asked for option in ASKED_FOR) or "this server takes" in data.decode()
    if answer.status >= 400:
        message = strict(data)["error"]["message"]
        assert message == message.strip() and "\n" not in message and 0 < len(message) < 1_500, message
    elif not answer.streamed and answer.status != 204:
        strict(data)
    elif kind.startswith("text/event-stream") and "content-encoding" not in answer.headers:
        for event in sse.decode([data]):
            assert event.data == "[DONE]" or strict(event.data) is not None
    json.dumps(Ledger(VirtualClock()).open(request.path, answer).facts(), allow_nan=False)


ENGINES = [
    {},
    {"reply": ""},
    {"reply": '{"a": 1}', "options": ["cache"]},
    {"reply": lambda prompt: prompt, "pace": Pace(jitter=1, slots=1, batch=0.5)},
    {"reply": "one two three é🎉 four", "max_streams": 3, "max_seconds": 2.0},
    {"key": "key"},
]

HUGE = "x " * 500_000
HOSTILE = {
    "a comment each millisecond for ages": ("/text", {"model": "mock-1;heartbeat=0.001;ttft=1e9"}, "100000"),
    "a large request back in single bytes": (
        "/v1/responses",
        {"model": "mock-1;split=1", "instructions": HUGE},
        "100000",
    ),
    "fault upon fault": ("/v1/responses", {"model": "mock-1;split=1" + ";hold" * 150}, "leave some out"),
    "a pace beyond numbers": ("/text", {"model": "mock-1;tps=1e-320"}, "finite number"),
    "sums beyond numbers": ("/text", {"model": "mock-1;ttft=1e308;slow=1e308"}, "finite number"),
    "a model of a million letters": ("/text", {"model": HUGE}, "1000 letters at most"),
    "a tool of a million letters": (
        "/v1/messages",
        {"model": "mock-1;calls=16", "tools": [{"name": HUGE}]},
        "1000 letters",
    ),
    "not a number": ("/v1/responses", {"metadata": {"a": math.nan}}, "must be JSON"),
    "more than infinite": (
        "/v1/responses",
        Raw('{"model":"mock-1","input":"Hi","metadata":{"a":1e999}}'),
        "must be JSON",
    ),
    "a number of 5000 digits": ("/text", Raw('{"max_tokens":%s}' % ("1" * 5_000)), "must be JSON"),
    "half a letter": ("/text", {"prompt": "\ud800"}, "must be JSON"),
    "150 levels": ("/text", Raw('{"a":%s}' % ("[" * 150 + "]" * 150)), "100 levels"),
    "endless levels": ("/text", Raw("[" * 100_000), "must be JSON"),
    "a schema in a wrong place": (
        "/v1/responses",
        {"text": {"format": {"type": "json_schema", "json_schema": "x"}}},
        "object",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_would_cost_or_break_too_much_is_a_400_that_says_so(what):
    path, changes, says = HOSTILE[what]
    plain = {
        "model": "mock-1",
        "input": "Hi",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "stream": True,
    }
    body = changes if isinstance(changes, Raw) else written(plain | changes)
    answer = Engine().respond(Request("POST", path, body.encode()))
    assert (answer.status, says in strict(answer.frames[0].data)["error"]["message"]) == (400, True)
    check(answer, Request("POST", path))


SCHEMAS = [
    {"enum": {"a": 1}},
    {"enum": ["x " * 500_000]},
    {"type": "string", "minLength": 10**9},
    {"type": "array", "minItems": 10**9, "items": {"type": "string", "minLength": 10**4}},
    {"type": "object", "properties": {letter: {"$ref": "#"} for letter in "abcdefghij"}},
    {"properties": {letter: {"anyOf": [{"$ref": "#"}]} for letter in "abcdefghij"}, "required": ["a"]},
    {"type": "integer", "exclusiveMinimum": Raw("9" * 4_300)},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_example_of_any_schema_is_small(schema):
    asked = {
        "model": "mock-1;calls=16",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 10**6,
        "tools": [{"name": "weather", "input_schema": schema}],
    }
    answer = Engine().respond(Request("POST", "/v1/messages", written(asked | {"stream": True}).encode()))
    assert len(json.dumps(tools.example(json.loads(written(schema))))) < 100_000
    check(answer, Request("POST", "/v1/messages"))


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "responses"),
        Request("GET", "/v1/models/"),
        Request("GET", "/text?max_tokens=%C2%B2"),
        Request("GET", f"/text?max_tokens={'9' * 5_000}"),
        Request("GET", f"/{'x' * 10_000}"),
        Request("GET", "/events", headers={"last-event-id": "1.\xb2"}),
        Request("POST", "/text", b'{"model":"mock-1;error-at=0"}'),
    ],
    ids=lambda request: request.path[:30],
)
def test_a_request_that_once_broke_the_engine_is_answered(request_):
    for options in ({}, {"reply": ""}):
        check(Engine(**options).respond(request_), request_)


def test_an_answer_ends_after_as_many_tokens_as_a_model_makes(monkeypatch):
    monkeypatch.setattr(module, "MOST_TOKENS", 3)
    answer = Engine("one two three four").respond(Request("POST", "/v1/responses", b'{"model":"mock-1","input":"Hi"}'))
    assert strict(answer.frames[0].data)["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_conversation_ends_when_it_is_longer_than_a_model_reads(monkeypatch):
    monkeypatch.setattr(module, "MOST_READ", 10)
    engine = Engine("four")
    first = engine.respond(Request("POST", "/v1/responses", b'{"model":"mock-1","input":"Hi"}'))
    for asked, status in (("four", 200), ("fives", 400)):
        follows = {"model": "mock-1", "input": asked, "previous_response_id": strict(first.frames[0].data)["id"]}
        answer = engine.respond(Request("POST", "/v1/responses", written(follows).encode()), 1e9)
        assert answer.status == status
    assert strict(answer.frames[0].data)["error"]["code"] == "context_length_exceeded"


@FUZZ
@given(
    st.sampled_from(ENGINES),
    st.lists(st.tuples(requests(), st.floats(0, 100)), min_size=1, max_size=4),
    st.lists(st.floats(0, 9), max_size=4),
)
def test_whatever_is_asked_the_engine_answers_in_order(options, asked, busy):
    engine = Engine(**options)
    for request, now in asked:
        check(engine.respond(request, now, lambda: busy), request)


# --- bytes on a wire ------------------------------------------------------------------------------------------------


class Wire(asyncio.Transport):
    """A socket that writes down what it is told, and knows what must not happen on one."""

    def __init__(self):
        super().__init__()
        self.written, self.closed, self.ended = b"", False, False

    def set_protocol(self, protocol):
        self.protocol = protocol

    def write(self, data):
        assert data and not self.ended
        if not self.closed:
            self.written += data

    def write_eof(self):
        self.ended = True

    def close(self):
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)

    abort = close

    def is_closing(self):
        return self.closed

    def set_write_buffer_limits(self, high=None, low=None):
        """There is no limit."""

    def pause_reading(self):
        """Nobody reads by himself."""

    resume_reading = pause_reading


def wired(pieces) -> tuple[bytes, bool, list]:
    """What is written when ``pieces`` come, whether that was all, and how the requests ended."""

    async def play():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
        core = Core(Engine("one two", Pace(headers=0, ttft=0, itl=0)), ledger, ledger._clock)
        wire, connection = Wire(), _Connection(core)
        wire.set_protocol(connection)
        connection.connection_made(wire)
        for piece in pieces:
            if wire.closed:
                break
            wire.protocol.data_received(piece)
            while wire.protocol is connection and connection._parser.trailing_data[0] and not wire.closed:
                before = len(wire.written)
                await asyncio.sleep(0)
                if len(wire.written) == before:
                    break
        done = wire.written, wire.closed or wire.ended
        if not wire.closed:
            wire.protocol.eof_received()
            wire.close()
        assert not core.connections
        return done

    problems: list = []
    ledger = Ledger(RealClock())
    written, ended = asyncio.run(play())
    assert not problems
    written = re.sub(rb"Date: .*\r\n", b"", written)
    if ended and b"101 Switching" in written:  # what came together with the end of a WebSocket need not be answered
        return b"", ended, []
    known = written.partition(b"content-type: text/plain; charset=utf-8\r\ncontent-length")[0]  # h11's words may differ
    return known, ended, [entry.ended for entry in ledger]


BODY = b'{"model":"mock-1","messages":[{"role":"user","content":"Hi"}],"stream":true}'
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = b"POST /text HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nmore: yes\r\n\r\n"
SHAKE = (
    b"GET %s HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
)
WORDS = st.sampled_from([
    POST, CHUNKED, b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n", b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"/", b"*", b"/text ",
    b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/9.9\r\n", b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\t", b"host: x\r\n",
    b"content-length: 2\r\n", b"Content-Length: 9\r\n", b"transfer-encoding: chunked\r\n", b"connection: close\r\n",
    b"expect: 100-continue\r\n", b"upgrade: websocket\r\n", b"{}", b"0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffff\r\n", SHAKE % b"/ws",
]) | st.binary(max_size=8)  # fmt: skip


def frame(data, opcode=1, fin=True, mask=True) -> bytes:
    """A WebSocket frame, also one that a client must not send; the mask is all zeros."""
    size = len(data)
    length = bytes([size + 128 * mask]) if size < 126 else bytes([126 + 128 * mask]) + size.to_bytes(2, "big")
    return bytes([opcode + 128 * fin]) + length + b"\0\0\0\0" * mask + data


FRAMES = st.builds(
    frame,
    st.sampled_from([
        b"Hi", b"", b"{", b'{"prompt":"Hi","model":"mock-1;error=429"}', b'{"stop":true}', "é🎉".encode(), b"\xff", b"x" * 200,
        b'{"type":"response.create","model":"mock-1","input":"Hi"}',
        b'{"type":"response.create","model":"mock-1;end=1","input":"Hi"}',
        b"\x03\xe8", b"\x03\xe8bye", b"\0\1", b"[" * 5_000,
    ]) | st.binary(max_size=10),
    st.sampled_from([1] * 6 + [0, 2, 3, 8, 10]),  # no ping: it is answered out of turn
    st.sampled_from([True, True, True, False]),
    st.sampled_from([True] * 19 + [False]),
)  # fmt: skip
TALK = st.one_of(
    st.lists(WORDS, max_size=12).map(b"".join),
    st.tuples(
        st.sampled_from([SHAKE % b"/ws", SHAKE % b"/v1/responses"]),
        st.lists(FRAMES | st.binary(max_size=4), max_size=8),
    ).map(lambda parts: parts[0] + b"".join(parts[1])),
)


@FUZZ
@given(TALK, st.data())
def test_bytes_mean_the_same_however_the_network_cuts_them(talk, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(talk)), max_size=8)))
    pieces = [talk[start:end] for start, end in zip([0, *cuts], [*cuts, len(talk)], strict=True) if end > start]
    assert wired(pieces) == wired([talk] if talk else [])


@pytest.fixture(scope="module")
def served():
    with MockServer("one two", clock=RealClock(), pace=Pace(headers=0, ttft=0, itl=0)).serve() as server:
        yield server


@pytest.mark.live
@FUZZ
@given(TALK)
def test_whatever_bytes_come_the_server_answers_or_closes_and_goes_on(served, talk):
    got = exchange_half(served, talk)
    assert not got or re.match(rb"HTTP/1.1 (100|101|20[04]|4\d\d|501) ", got)
    assert exchange_half(served, b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def exchange_half(served, data) -> bytes:
    """What comes back when the client says ``data`` and closes its half."""
    with dial(served) as connection:
        with contextlib.suppress(OSError):  # it may be closed before all is said
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        return to_the_end(connection)
