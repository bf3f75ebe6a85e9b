"""WebSockets on a real port, through the SDK's own socket mode, through ``websockets``, and as bytes."""

import asyncio
import json
import socket
from contextlib import contextmanager, suppress
from itertools import takewhile

import openai
import pydantic
import pytest
from openai.types.responses import ResponsesServerEvent
from test_server import wait_for
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close, Frame, Opcode
from websockets.sync.client import connect

from course_utils import server as module
from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace

pytestmark = pytest.mark.live

LATE = Pace(headers=0.4, ttft=0.4, itl=0)
"""Time enough for a second request to come during the first."""
FAST = Pace(headers=0, ttft=0.01, itl=0.001)
STRICT = pydantic.TypeAdapter(ResponsesServerEvent)
LAST = ("response.completed", "response.incomplete", "response.failed", "error")
TEXT = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    *["response.output_text.delta"] * 3,
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


@contextmanager
def serving(reply="one two three", pace=FAST, **options):
    with MockServer(reply, pace=pace, clock=RealClock(), **options).serve() as server:
        yield server


@pytest.fixture
def served():
    with serving() as server:
        yield server


@contextmanager
def responses(server):
    """The SDK's connection."""
    with openai.OpenAI(base_url=server.url, api_key="none") as client, client.responses.connect() as connection:
        yield connection


def turn(connection, **asked):
    """One response's events, each checked against the SDK's types."""
    connection.response.create(**{"model": "mock-1", "input": "Count"} | asked)
    return list(rest(connection))


def rest(connection):
    while True:
        yield (event := STRICT.validate_json(connection.recv_bytes()))
        if event.type in LAST:
            return


def plain(server, path="/ws", **options):
    return connect(f"ws://{server.host}:{server.port}{path}", **options)


def told(ws):
    """The messages of one answer."""
    out = [json.loads(ws.recv(timeout=10))]
    while "token" in out[-1]:
        out.append(json.loads(ws.recv(timeout=10)))
    return out


HANDSHAKE = {
    "host": "x",
    "connection": "keep-alive, Upgrade",
    "upgrade": "WebSocket",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-version": "13",
}


@contextmanager
def raw(server, path="/ws", **changes):
    """A socket on which the handshake has been sent; a change to None leaves that header out."""
    headers = HANDSHAKE | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    with socket.create_connection((server.host, server.port), timeout=10) as wire:
        wire.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        yield wire


def to_the_end(wire) -> bytes:
    return b"".join(iter(lambda: wire.recv(65536), b""))


def frame(data, opcode=Opcode.TEXT, fin=True, mask=True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask)


# --- the socket mode of the Responses API ---------------------------------------------------------------------------


def test_the_sdk_takes_several_turns_on_one_socket(served):
    with responses(served) as connection:
        first = turn(connection)
        second = turn(connection, previous_response_id=first[-1].response.id)
    assert [event.type for event in first] == [event.type for event in second] == TEXT
    assert [event.sequence_number for event in second] == list(range(len(TEXT)))
    assert second[-1].response.previous_response_id == first[-1].response.id
    assert (first[-1].response.usage.input_tokens, second[-1].response.usage.input_tokens) == (1, 1 + 3 + 1)


def test_the_asynchronous_sdk_does_too(served):
    async def turn(connection, **follows):
        await connection.response.create(model="mock-1", input="Count", **follows)
        return [STRICT.validate_json(await connection.recv_bytes()) for _ in TEXT]

    async def turns():
        client = openai.AsyncOpenAI(base_url=served.url, api_key="none")
        async with client, client.responses.connect() as connection:
            first = await turn(connection)
            return first, await turn(connection, previous_response_id=first[-1].response.id)

    first, second = asyncio.run(turns())
    assert [event.type for event in first] == [event.type for event in second] == TEXT
    assert second[-1].response.previous_response_id == first[-1].response.id


@pytest.mark.parametrize(
    ("message", "status", "says"),
    [
        ('{"type": "response.steer"}', 400, "takes messages of type 'response.create', got 'response.steer'"),
        ('{"input": "Hi"}', 400, "got None"),
        ("{bad", 400, "must be JSON"),
        ("[]", 400, "must be a JSON object, got list"),
        (b"\xff", 400, "must be JSON"),
        ('{"type": "response.create", "model": "mock-1"}', 400, "'input'"),
        ('{"type": "response.create", "model": "mock-1", "input": "Hi", "stream_id": "a"}', 400, "no lanes"),
        ('{"type": "response.create", "model": "mock-1;fly", "input": "Hi"}', 400, "no model option 'fly'"),
        ('{"type": "response.create", "model": "mock-1;error=503", "input": "Hi"}', 503, "was asked for"),
        (
            '{"type": "response.create", "model": "mock-1", "input": "Hi", "previous_response_id": "resp_0"}',
            400,
            "'resp_0' not found",
        ),
    ],
)
def test_an_error_is_an_event_and_the_socket_stays_open(served, message, status, says):
    with responses(served) as connection:
        connection._connection.send(message)
        (event,) = rest(connection)
        assert (event.status, says in event.error.message) == (status, True)
        assert [event.type for event in turn(connection)] == TEXT


def test_an_error_event_has_the_headers_that_it_would_have_in_http(served):
    with responses(served) as connection:
        (event,) = turn(connection, model="mock-1;error=429")
    assert (event.status, event.error.headers["retry-after"]) == (429, "2")


@pytest.mark.parametrize(("option", "last"), [("failed=2", "response.failed"), ("error-at=2", "error")])
def test_a_response_that_goes_wrong_leaves_the_socket_open(served, option, last):
    with responses(served) as connection:
        types = [event.type for event in turn(connection, model=f"mock-1;{option}")]
        assert (types.count("response.output_text.delta"), types[-1]) == (2, last)
        assert [event.type for event in turn(connection)] == TEXT


@pytest.mark.parametrize("option", ["cut", "malformed"])
def test_a_cut_ends_the_socket_without_a_word_and_the_sdk_says_so(option):
    seen = []
    with serving(pace=LATE) as served, responses(served) as connection:
        connection.response.create(model=f"mock-1;{option}=2", input="Count")
        connection.response.create(model="mock-1", input="this one waits and is lost")
        with pytest.raises(ConnectionClosedError, match="no close frame received"):
            seen.extend(event.type for event in connection)
    assert seen == TEXT[:6]
    cut, *lost = served.ledger
    assert cut.ended == f"fault:{option}"
    assert not any(entry.tokens_sent for entry in lost)


def test_an_early_end_closes_in_order_and_the_sdk_says_nothing():
    with serving(pace=LATE) as served, responses(served) as connection:
        connection.response.create(model="mock-1;end=2", input="Count")
        connection.response.create(model="mock-1", input="this one waits and is lost")
        assert [event.type for event in connection] == TEXT[:6]
        assert connection._connection.close_code == 1000
    assert [entry.ended for entry in served.ledger] == ["fault:end"]


@pytest.mark.parametrize("option", ["cut=1", "malformed=1", "end=1"])
def test_what_comes_in_one_piece_with_a_request_that_ends_the_socket_is_lost(monkeypatch, option):
    monkeypatch.setattr(module, "PATIENCE", 0.25)
    with serving(pace=Pace(headers=0, ttft=0, itl=0), options=[option]) as server, raw(server) as wire:
        wire.sendall(frame(b"Count") * 3)
        assert to_the_end(wire).count(b"token") == 1
        assert len(server.ledger) == 1


@pytest.mark.parametrize("leave", ["close", "shutdown"])
def test_a_client_that_leaves_stops_the_generation_at_once(leave):
    with serving(pace=Pace(headers=0, ttft=0.01, itl=30)) as server:
        with plain(server) as ws:
            ws.send("Count")
            ws.send("this one waits and is lost")
            assert json.loads(ws.recv(timeout=10)) == {"token": "one"}
            if leave == "shutdown":
                ws.socket.shutdown(socket.SHUT_WR)
            else:
                ws.close()
            wait_for(lambda: server.ledger[0].ended == "client_left")
        assert (server.ledger[0].tokens_generated, len(server.ledger)) == (1, 1)


def test_requests_that_come_during_an_answer_wait_for_their_turn():
    with serving(lambda prompt: f"{prompt} {prompt}") as server, plain(server) as ws:
        for prompt in ("first", "second", "third"):
            ws.send(prompt)
        said = ["".join(piece.get("token", "") for piece in told(ws)) for _ in range(3)]
    assert said == ["first first", "second second", "third third"]


def test_one_too_many_that_wait_is_refused():
    with serving(pace=Pace(headers=0, ttft=60)) as server, responses(server) as connection:
        for _ in range(1 + 16):
            connection.response.create(model="mock-1", input="Count")
        (event,) = [event for event in turn(connection) if event.type == "error"]
        assert (event.status, "16 requests are waiting" in event.error.message) == (429, True)
        assert len(server.ledger) == 1


@pytest.mark.parametrize(
    "options", ["split=1", "split-utf8", "page=7", "gzip", "gzip;split=3", "crlf", "cr", "hold", "bundle=2", "type=a/b"]
)
@pytest.mark.parametrize("path", ["/v1/responses", "/ws"])
def test_a_message_is_whole_however_a_fault_cuts_the_bytes(path, options):
    def messages(model):
        with serving("é 你 🎉") as server, plain(server, path) as ws:
            ws.send(json.dumps({"type": "response.create", "model": model, "input": "Hi", "prompt": "Hi"}))
            ws.send("{bad")  # its error comes behind the answer
            every = iter(lambda: ws.recv(timeout=10).replace(model, ""), None)
            return list(takewhile(lambda message: "must be JSON" not in message, every))

    assert messages(f"mock-1;{options}") == messages("mock-1")


@pytest.mark.parametrize("options", ["heartbeat=0.001;pause=1:0.01", "gzip;crlf"])
def test_no_message_is_made_of_what_is_no_event(options):
    with serving() as server, plain(server) as ws:
        ws.send(json.dumps({"model": f"mock-1;{options}"}))
        try:
            assert [set(piece) for piece in told(ws)] == [{"token"}] * 3 + [{"done", "finish_reason"}]
        except ConnectionClosedError as closed:
            assert closed.rcvd.code == 1011


# --- the plain one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["Count", b"Count", '{"prompt": "Count"}', '{"model": "mock-1"}', ["Co", "unt"]])
def test_a_prompt_is_text_or_json_whole_or_in_fragments(served, message):
    with plain(served) as ws:
        ws.send(message)
        assert told(ws) == [
            {"token": "one"},
            {"token": " two"},
            {"token": " three"},
            {"done": True, "finish_reason": "stop"},
        ]


def test_stop_ends_the_answer_within_a_token_and_the_next_prompt_is_answered():
    with (
        serving(lambda prompt: "one two three", pace=Pace(headers=0, ttft=0.01, itl=30)) as server,
        plain(server) as ws,
    ):
        ws.send("slowly")
        assert json.loads(ws.recv(timeout=10)) == {"token": "one"}
        ws.send('{"stop": true}')
        assert told(ws) == [{"done": True, "finish_reason": "stopped"}]
        ws.send('{"stop": true}')  # nothing is running: nothing to say
        ws.send('{"prompt": "fast", "model": "mock-1;itl=0.001"}')
        assert len(told(ws)) == 4
        assert (server.ledger[0].ended, server.ledger[0].tokens_generated) == ("client_left", 1)
        assert server.ledger[1].ended == "complete"


@pytest.mark.parametrize("message", ['{"prompt": 7}', '{"model": "mock-1;fly"}', '{"model": "mock-1;error=429"}', "{"])
def test_the_plain_one_says_errors_as_json(served, message):
    with plain(served) as ws:
        ws.send(message)
        assert told(ws)[0]["error"]["message"]
        ws.send("Count")
        assert len(told(ws)) == 4


# --- the protocol itself --------------------------------------------------------------------------------------------


def test_a_ping_is_answered_also_between_the_fragments_of_a_message(served):
    with raw(served) as wire:
        wire.sendall(frame(b"Co", fin=False) + frame(b"mine", Opcode.PING) + frame(b"unt", Opcode.CONT))
        wire.sendall(frame(Close(1000, "").serialize(), Opcode.CLOSE))
        assert frame(b"mine", Opcode.PONG, mask=False) in to_the_end(wire)


@pytest.mark.parametrize("code", [1000, 1001, 4321])
def test_a_close_is_answered_with_its_own_code(served, code):
    with plain(served) as ws:
        ws.close(code)
        assert ws.protocol.close_rcvd.code == code


BROKEN = {
    "a text that is no UTF-8": (1007, frame(b"\xff")),
    "a frame without a mask": (1002, frame(b"Count", mask=False)),
    "a continuation of nothing": (1002, frame(b"Count", Opcode.CONT)),
    "an opcode that is none": (1002, b"\x83\x80\0\0\0\0"),
    "a close with a code that is none": (1002, frame(b"\0\1", Opcode.CLOSE)),
    "a message over a mebibyte": (1009, frame(b"x" * (1024 * 1024 + 1))),
    "one in fragments": (1009, frame(b"x" * 1024 * 1024, fin=False) + frame(b"x", Opcode.CONT)),
    "one that is announced": (1009, b"\x81\xff" + b"\x7f" * 8),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_the_protocol_ends_the_socket_with_the_code_for_it(served, what):
    code, sent = BROKEN[what]
    with raw(served) as wire:
        wire.sendall(sent)
        assert frame(Close(code, "").serialize(), Opcode.CLOSE, mask=False)[2:] in to_the_end(wire)


def test_a_message_of_a_mebibyte_is_read(served):
    with plain(served) as ws:
        ws.send("x" * 1024 * 1024)
        assert len(told(ws)) == 4


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"sec_websocket_version": "12"}, b"400"),
        ({"sec_websocket_version": None}, b"400"),
        ({"sec_websocket_key": None}, b"400"),
        ({"sec_websocket_key": "short"}, b"400"),
        ({"connection": "keep-alive"}, b"400"),
        ({"path": "/elsewhere"}, b"404"),
    ],
)
def test_a_bad_handshake_gets_an_http_error_and_the_connection_goes_on(served, changes, status):
    with raw(served, **changes) as wire:
        wire.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        refused, listed = to_the_end(wire).split(b"HTTP/1.1 ")[1:]
    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(status)
    assert b"sec-websocket-version: 13" in head
    assert json.loads(body)["error"]["message"]
    assert listed.startswith(b"200")


def test_a_handshake_may_repeat_a_header_and_bring_its_first_message_along(served):
    with raw(served, connection="Upgrade\r\nConnection: keep-alive") as wire:
        wire.sendall(frame(b"Count") + frame(Close(1000, "").serialize(), Opcode.CLOSE))
        assert to_the_end(wire).startswith(b"HTTP/1.1 101")
    assert len(served.ledger) == 0  # it closes in the same breath: nobody waits for an answer


def test_a_wrong_key_is_a_401_for_the_sdk_as_well():
    with serving(key="right") as server:
        with pytest.raises(InvalidStatus, match="401"), responses(server):
            pass
        with plain(server, additional_headers={"authorization": "Bearer right"}) as ws:
            ws.send("Count")
            assert len(told(ws)) == 4


def test_an_upgrade_of_another_kind_or_method_is_answered_as_plain_http(served):
    with raw(served, "/v1/models", upgrade="h2c", connection="close") as wire:
        assert to_the_end(wire).startswith(b"HTTP/1.1 200")


# --- clients that mean no good --------------------------------------------------------------------------------------


@pytest.mark.parametrize("flood", [frame(b"x" * 125, Opcode.PING), frame(b"{")], ids=["pings", "errors"])
def test_a_client_that_talks_and_never_reads_is_not_read_either_and_is_let_go(monkeypatch, flood):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    most = sent = 0
    with serving(pace=Pace(headers=0, ttft=0, itl=0)) as server, raw(server) as wire:
        wire.settimeout(0.1)
        with pytest.raises(ConnectionError):
            while True:
                with suppress(TimeoutError):
                    sent += wire.send(flood * 1000)
                held = [one._transport.get_write_buffer_size() for one in list(server._core.connections)]
                most = max([most, *held])
        wait_for(lambda: not server._core.connections)
    assert sent < 60_000_000
    assert most < 1_000_000


def test_a_client_that_does_not_close_after_the_server_did_is_let_go(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.25)
    with serving(options=["end=1"]) as server, raw(server) as wire:
        wire.sendall(frame(b"Count"))
        assert frame(Close(1000, "").serialize(), Opcode.CLOSE, mask=False) in to_the_end(wire)
        wait_for(lambda: not server._core.connections)


def test_a_socket_on_which_nothing_happens_stays_open(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with serving() as server, plain(server) as ws:
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0.2)
        ws.send("Count")
        assert len(told(ws)) == 4


def test_a_reply_function_that_fails_is_an_error_and_the_socket_goes_on(caplog):
    def reply(prompt):
        return None if prompt == "bad" else "one"

    with serving(reply) as server, plain(server) as ws:
        ws.send("bad")
        assert "a reply function returns a text, got None" in told(ws)[0]["error"]["message"]
        ws.send("good")
        assert len(told(ws)) == 2
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["realtime", "openai-insecure-api-key.secret", "openai-beta.realtime-v1"], "realtime"),
        (["openai-insecure-api-key.secret"], "openai-insecure-api-key.secret"),
    ],
)
@pytest.mark.parametrize("path", ["/ws", "/v1/responses"])
def test_a_page_sends_its_key_as_a_subprotocol_and_gets_one_that_it_offered(path, offered, chosen):
    with serving(key="secret") as server, plain(server, path, subprotocols=offered) as ws:
        assert ws.subprotocol == chosen
        ws.send(json.dumps({"type": "response.create", "model": "mock-1", "input": "Hi", "prompt": "Hi"}))
        assert "error" not in json.loads(ws.recv(timeout=10))


def test_a_wrong_key_in_a_subprotocol_is_refused():
    with serving(key="secret") as server, pytest.raises(InvalidStatus, match="401"):
        plain(server, subprotocols=["realtime", "openai-insecure-api-key.guess"])
