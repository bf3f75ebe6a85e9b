"""The loopback server on a real socket. These tests use real time, assert order and bounds, and never sleep."""

import asyncio
import contextlib
import gc
import json
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from urllib.parse import urlsplit

import openai
import pytest

from course_utils import server as module
from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.player import NOTHING

pytestmark = pytest.mark.live

FAST = {"pace": Pace(headers=0.0, ttft=0.02, itl=0.01)}


@pytest.fixture
def served():
    mock = MockServer("one two three", clock=RealClock(), **FAST)
    with mock.serve() as server:
        yield server


def request(path="/v1/chat/completions", method="POST", version="1.1", headers="", **changes) -> bytes:
    body = json.dumps({"model": "mock-1", "messages": [{"role": "user", "content": "Count"}]} | changes)
    return f"{method} {path} HTTP/{version}\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n{body}".encode()


def dial(served) -> socket.socket:
    return socket.create_connection((served.host, served.port), timeout=10)


def to_the_end(connection) -> bytes:
    """All that comes until the server closes."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def exchange(served, data: bytes) -> bytes:
    """Send ``data`` and read until the server closes; the request should ask for that."""
    with dial(served) as connection:
        connection.sendall(data)
        return to_the_end(connection)


def wait_for(condition, seconds=10.0):
    """Poll the ledger, which another thread writes."""
    clock = RealClock()
    while not condition():
        assert clock.now() < seconds, "waited too long"
        threading.Event().wait(0.005)


def test_a_stream_is_chunked_with_one_frame_a_chunk_and_a_zero_chunk_at_the_end(served):
    head, _, body = exchange(served, request(stream=True, headers="connection: close\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream")
    assert b"transfer-encoding: chunked" in head
    size, _, rest = body.partition(b"\r\n")
    assert rest[: int(size, 16)].startswith(b'data: {"id"')
    assert rest[: int(size, 16)].endswith(b"\n\n")
    assert body.endswith(b"0\r\n\r\n")


def test_http_1_0_gets_a_body_that_ends_with_the_connection(served):
    head, _, body = exchange(served, request(stream=True, version="1.0")).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_unary_answer_has_a_length(served):
    head, _, body = exchange(served, request(headers="connection: close\r\n")).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["choices"][0]["message"]["content"] == "one two three"


def test_one_connection_serves_several_requests_also_pipelined(served):
    raw = exchange(served, request() + request(headers="connection: close\r\n"))
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert [entry.ended for entry in served.ledger] == ["complete", "complete"]


def test_a_client_that_leaves_stops_the_generation(served):
    mock = MockServer("word " * 500, clock=RealClock(), pace=Pace(headers=0, ttft=0.0, itl=0.01))
    with mock.serve() as server:
        with dial(server) as connection:
            connection.sendall(request(stream=True))
            connection.recv(100)
        wait_for(lambda: server.ledger[0].ended == "client_left")
        assert server.ledger[0].tokens_generated < 400


def test_what_is_no_http_gets_a_400(served):
    assert exchange(served, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_body_over_the_limit_gets_a_413(served, monkeypatch):
    monkeypatch.setattr(module, "MAX_BODY", 10)
    assert exchange(served, request()).startswith(b"HTTP/1.1 413 ")


def test_an_unknown_route_gets_the_providers_json(served):
    raw = exchange(served, request("/v1/nothing", headers="connection: close\r\n"))
    assert b"404 Not Found" in raw
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"


def test_frames_are_written_in_order_and_never_before_they_are_due(served):
    exchange(served, request(stream=True, headers="connection: close\r\n"))
    entry = served.ledger[0]
    assert len(entry.written) == len(entry.due)
    assert all(written >= due - 0.001 for written, due in zip(entry.written, entry.due, strict=True))


def assert_gone(server):
    """The thread has ended, and the port is free."""
    assert not server._thread.is_alive()
    with pytest.raises(OSError):
        dial(server)


def test_closing_ends_open_streams_the_thread_and_the_port():
    mock = MockServer(pace=Pace(ttft=60), clock=RealClock())
    server = mock.serve()
    with dial(server) as connection:
        connection.sendall(request(stream=True))
        wait_for(lambda: len(server.ledger) == 1)
        server.close()
        server.close()
        assert b"0\r\n\r\n" not in to_the_end(connection)
    assert_gone(server)


def answers(url) -> bool:
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            connection.sendall(LIST)
            return to_the_end(connection).startswith(b"HTTP/1.1 200")
    except ConnectionRefusedError:
        return False


def test_a_server_of_which_only_the_url_is_kept_runs_and_the_next_takes_its_place():
    urls = [MockServer(clock=RealClock()).serve().url for _ in range(3)]  # what running a notebook cell again does
    gc.collect()
    assert [answers(url) for url in urls] == [False, False, True]


def test_a_mock_keeps_the_last_server_that_it_served_and_takes_it_along():
    mock = MockServer(clock=RealClock())
    urls = [mock.serve().url for _ in range(3)]
    held = mock.serve()
    urls += [held.url, mock.serve().url, MockServer(clock=RealClock()).serve().url]
    gc.collect()
    assert [answers(url) for url in urls] == [False, False, False, True, True, True]
    del mock, held
    gc.collect()
    assert [answers(url) for url in urls] == [False] * 5 + [True]


def test_an_address_of_the_sixth_version_has_its_brackets():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # this machine has none
        with pytest.raises(OSError, match="can't open a port on ::1"):
            MockServer(clock=RealClock()).serve(host="::1")
        return
    with MockServer(clock=RealClock()).serve(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}/v1"
        assert answers(server.url)


@pytest.mark.parametrize(("host", "called"), [("0.0.0.0", "127.0.0.1"), ("localhost", None)])
def test_a_server_for_everybody_tells_an_address_to_call(host, called):
    with MockServer(clock=RealClock()).serve(host=host) as server:
        assert called in (None, server.url.partition("//")[2].partition(":")[0])
        assert answers(server.url)


@pytest.mark.parametrize("host", ["a..b", 7])
def test_a_host_that_is_none_is_named(host):
    with pytest.raises(OSError, match=rf"can't listen on {host!r} .*neither an address nor a name"):
        MockServer(clock=RealClock()).serve(host=host)


def test_a_taken_port_is_named_with_what_to_do(served):
    with pytest.raises(OSError, match=rf"can't listen on 127.0.0.1:{served.port} .*take another port, or port=0"):
        MockServer(clock=RealClock()).serve(port=served.port)


def test_no_loopback_is_said_in_one_sentence():
    with pytest.raises(OSError, match="allows no loopback connections; the in-process client"):
        MockServer(clock=RealClock()).serve(host="192.0.2.1")


def test_hundreds_of_pipelined_requests_are_all_answered(served):
    one = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    raw = exchange(served, one * 600 + request(headers="connection: close\r\n"))
    assert raw.count(b"HTTP/1.1 200 OK") == 601


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close"])
def test_a_client_that_asks_for_it_is_left(served, value):
    assert b"connection: close" in exchange(served, request(headers=f"connection: {value}\r\n"))


def test_a_head_request_gets_no_body(served):
    head = b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    raw = exchange(served, head + request(headers="connection: close\r\n"))
    assert raw.split(b"\r\n\r\n")[1].startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (ZeroDivisionError("mine"), "ZeroDivisionError: mine"),
        (StopIteration(), "StopIteration"),
        (None, "a reply function returns a text, got None"),
        (7, "a reply function returns a text, got 7"),
        ("\ud800", "UnicodeEncodeError"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_reply_function_that_fails_is_a_500_that_says_so_and_the_server_goes_on(said, says, stream, caplog):
    def reply(prompt):
        if isinstance(said, Exception):
            raise said
        return said

    with MockServer(reply, clock=RealClock()).serve() as server:
        for _ in range(2):
            raw = exchange(server, request(stream=stream, headers="connection: close\r\n"))
            assert raw.startswith(b"HTTP/1.1 500 ")
            assert says in json.loads(raw.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_is_none_is_refused_at_once(port):
    with pytest.raises(OSError, match="can't listen on"):
        MockServer(clock=RealClock()).serve(port=port)


def test_a_client_that_talks_on_and_on_is_cut_off(monkeypatch):
    monkeypatch.setattr(module, "MAX_AHEAD", 100_000)
    with MockServer(clock=RealClock(), pace=Pace(ttft=60)).serve() as server:
        with dial(server) as connection:
            connection.sendall(request(stream=True))
            with pytest.raises(OSError):
                for _ in range(10_000):
                    connection.sendall(b"x" * 10_000)
        wait_for(lambda: server.ledger[0].ended == "client_left")


def test_the_ledger_is_readable_over_http_and_does_not_book_its_readers(served):
    exchange(served, request(stream=True, headers="connection: close\r\n"))
    for _ in range(2):
        raw = exchange(served, request("/ledger", "GET", headers="connection: close\r\n"))
    (entry,) = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert (entry["request"], entry["tokens_sent"], entry["ended"]) == (1, 3, "complete")
    assert entry["asked"]["messages"][0]["content"] == "Count"
    assert len(served.ledger) == 1


def test_a_page_of_another_origin_may_ask(served):
    raw = exchange(served, b"OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 204 No Content")
    assert b"access-control-allow-headers: authorization, *" in raw  # the star alone would not let a key through
    assert b"access-control-allow-methods: *" in raw
    assert raw.endswith(b"\r\n\r\n")
    assert not {b"content-length", b"transfer-encoding"} & set(raw.replace(b":", b"\r\n").split(b"\r\n"))
    assert len(served.ledger) == 0


@pytest.mark.parametrize("model", ["mock-1", "mock-1;error=429"])
def test_a_page_of_another_origin_may_read_every_header_also_of_an_error(served, model):
    raw = exchange(served, request(headers="connection: close\r\n", model=model))
    assert b"access-control-allow-origin: *" in raw
    assert b"access-control-expose-headers: *" in raw
    assert b"x-request-id: req_1" in raw
    assert (b"retry-after: 2" in raw) == ("429" in model)


@pytest.mark.parametrize("origin", ["http://localhost:8888", "https://127.0.0.1", "http://[::1]:5173"])
def test_a_page_of_this_machine_may_ask_with_its_credentials(served, origin):
    asked = f"origin: {origin}\r\nconnection: close\r\n"
    raw = exchange(served, request(headers=asked)).lower()
    assert f"access-control-allow-origin: {origin}\r\n".encode() in raw
    for line in (b"access-control-allow-credentials: true", b"vary: origin", b"timing-allow-origin: *"):
        assert line in raw
    assert b"access-control-expose-headers: content-type, x-request-id" in raw  # no star, which would be a name here
    before = exchange(
        served, request(method="OPTIONS", headers=f"{asked}access-control-request-headers: x-stainless-os\r\n")
    )
    assert b"access-control-allow-headers: authorization, *, x-stainless-os" in before
    assert b"DELETE" in before


@pytest.mark.parametrize(
    "origin", ["https://example.org", "null", "http://localhost.example.org", "http://127.0.0.1.x"]
)
def test_a_page_from_elsewhere_may_not_send_credentials(served, origin):
    raw = exchange(served, request(headers=f"origin: {origin}\r\nconnection: close\r\n"))
    assert b"access-control-allow-origin: *\r\n" in raw
    assert b"allow-credentials" not in raw


# --- what HTTP allows, and what it does not -------------------------------------------------------------------------

CLOSE = b"host: x\r\nconnection: close\r\n"
LIST = b"GET /v1/models HTTP/1.1\r\n" + CLOSE + b"\r\n"
BODY = json.dumps({"model": "mock-1", "messages": [{"role": "user", "content": "Count"}]}).encode()


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
)
PROMPT = b"\x81\x85\0\0\0\0Count"


def post(headers: bytes, body: bytes = BODY) -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + CLOSE + headers + b"\r\n" + body


CHUNKED = b"10;name=value\r\n%s\r\n%X\r\n%s\r\n0\r\n" % (BODY[:16], len(BODY) - 16, BODY[16:])
RIGHT = {
    "absolute target": b"GET http://elsewhere/v1/models?a=1 HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "query": b"GET /v1/models?a=/b&c HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "head": b"HEAD /v1/models HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "names in capitals": LIST.replace(b"host", b"HOST").replace(b"connection", b"CONNECTION"),
    "bare line feeds": LIST.replace(b"\r\n", b"\n"),
    "http/1.0 without host": b"GET /v1/models HTTP/1.0\r\n\r\n",
    "chunked request": post(b"Transfer-Encoding: Chunked\r\n", CHUNKED + b"\r\n"),
    "trailers": post(b"transfer-encoding: chunked\r\n", CHUNKED + b"digest: none\r\nMORE: too\r\n\r\n"),
    "one length twice": post(b"content-length: %d\r\nContent-Length: %d, %d\r\n" % ((len(BODY),) * 3)),
    "letters of Latin-1 in a header": LIST.replace(b"\r\n\r\n", b"\r\nx-name: J\xf6rg\r\n\r\n"),
    "preflight of everything": b"OPTIONS * HTTP/1.1\r\n" + CLOSE + b"\r\n",
}
WRONG = {
    "no http": (400, b"hello?\r\n\r\n"),
    "tls": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)),
    "http/0.9": (400, b"GET /v1/models\r\n\r\n"),
    "http/2": (404, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a tunnel": (404, b"CONNECT elsewhere:443 HTTP/1.1\r\n" + CLOSE + b"\r\n"),
    "a lower-case method": (404, LIST.replace(b"GET", b"get")),
    "no host": (400, b"GET /v1/models HTTP/1.1\r\n\r\n"),
    "two hosts": (400, LIST.replace(b"host: x", b"host: x\r\nhost: y")),
    "a target beyond ascii": (400, LIST.replace(b"models", b"m\xc3\xb6dels")),
    "a space in the target": (400, LIST.replace(b"models", b"mod els")),
    "a header without a colon": (400, LIST.replace(b"host: x", b"host: x\r\nnonsense")),
    "a space before the colon": (400, LIST.replace(b"host:", b"host :")),
    "a nul in a header": (400, LIST.replace(b"host: x", b"host: x\0")),
    "a carriage return in a header": (400, LIST.replace(b"host: x", b"host: x\rcontent-length: 5")),
    "a huge header": (431, b"GET / HTTP/1.1\r\nx: " + b"x" * 1_000_000),
    "a head without an end": (431, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100_000),
    "a length that is none": (400, post(b"content-length: abc\r\n")),
    "a negative length": (400, post(b"content-length: -1\r\n")),
    "a length with a sign": (400, post(b"content-length: +5\r\n")),
    "a hexadecimal length": (400, post(b"content-length: 0x10\r\n")),
    "an endless length": (400, post(b"content-length: " + b"9" * 100 + b"\r\n")),
    "a length over the limit": (413, post(b"content-length: 99999999999\r\n")),
    "two lengths": (400, post(b"content-length: 5\r\ncontent-length: 6\r\n")),
    "two lengths in one": (400, post(b"content-length: 5, 6\r\n")),
    "a length and chunks": (400, post(b"content-length: 5\r\ntransfer-encoding: chunked\r\n", CHUNKED + b"\r\n")),
    "chunks twice": (501, post(b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", CHUNKED)),
    "another coding": (501, post(b"transfer-encoding: gzip, chunked\r\n", CHUNKED)),
    "a chunk size that is none": (400, post(b"transfer-encoding: chunked\r\n", b"zz\r\n")),
    "a negative chunk": (400, post(b"transfer-encoding: chunked\r\n", b"-5\r\n")),
    "a chunk longer than its size": (400, post(b"transfer-encoding: chunked\r\n", b"2\r\nabcd\r\n0\r\n\r\n")),
    "an endless chunk": (413, post(b"transfer-encoding: chunked\r\n", b"f" * 16 + b"\r\n" + b"x" * 11_000_000)),
    "an endless extension of a chunk": (431, post(b"transfer-encoding: chunked\r\n", b"5;" + b"x" * 1_000_000)),
    "endless trailers": (431, post(b"transfer-encoding: chunked\r\n", b"0\r\n" + b"x: y\r\n" * 100_000)),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_http_allows_is_answered(served, what):
    assert exchange(served, RIGHT[what]).startswith(b"HTTP/1.1 20")


@pytest.mark.parametrize("what", WRONG)
def test_what_http_forbids_gets_an_error_and_the_connection_is_closed(served, what, caplog):
    status, sent = WRONG[what]
    head, _, body = exchange(served, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    assert body
    assert exchange(served, LIST).startswith(b"HTTP/1.1 200")
    assert not caplog.records


def test_a_head_request_gets_the_headers_of_a_get(served):
    got, asked = (exchange(served, LIST.replace(b"GET", method)).partition(b"\r\n\r\n") for method in (b"GET", b"HEAD"))
    assert asked[2] == b""
    assert f"content-length: {len(got[2])}".encode() in asked[0]


def test_an_absolute_target_is_booked_as_its_path(served):
    exchange(served, request("http://x/v1/chat/completions?a=1", headers="connection: close\r\n"))
    assert served.ledger[0].route == "/v1/chat/completions?a=1"


def test_a_204_has_no_body_and_no_framing(served):
    head, _, body = exchange(served, b"GET /events HTTP/1.1\r\nlast-event-id: gone.7\r\n" + CLOSE + b"\r\n").partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 204 ")
    assert (body, b"content-length" in head, b"transfer-encoding" in head) == (b"", False, False)


@pytest.mark.parametrize(("size", "answer"), [(len(BODY), b"HTTP/1.1 100 Continue"), (10**8, b"HTTP/1.1 413 ")])
def test_a_client_that_asks_first_is_told_whether_to_send_its_body(served, size, answer):
    with dial(served) as connection:
        connection.sendall(post(b"expect: 100-continue\r\ncontent-length: %d\r\n" % size, b""))
        assert connection.recv(65536).startswith(answer)
        if size == len(BODY):
            connection.sendall(BODY)
            assert to_the_end(connection).startswith(b"HTTP/1.1 200 OK")


def test_one_byte_at_a_time_is_a_request_too(served):
    with dial(served) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(headers="connection: close\r\n"):
            connection.sendall(bytes([byte]))
        assert b"one two three" in to_the_end(connection)


def test_curl_reads_a_stream_as_it_comes_and_its_end(served):
    """Needs curl, which CI installs: the first client that anybody tries."""
    command = [
        "curl",
        "-sSN",
        "-i",
        f"{served.url}/chat/completions",
        "-d",
        request(stream=True).partition(b"\r\n\r\n")[2],
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=20)
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert done.stdout.endswith(b"data: [DONE]\n\n")
    broken = [*command[:-1], command[-1].replace(b"mock-1", b"mock-1;cut=2")]
    assert subprocess.run(broken, capture_output=True, check=False, timeout=20).returncode == 18  # partial file


# --- clients that mean no good --------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [b"content-length: 100000000\r\n", b"transfer-encoding: chunked\r\n"])
def test_a_huge_body_is_refused_before_it_has_come_and_is_not_held(served, headers):
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    tracemalloc.start()
    try:
        with dial(served) as connection:
            connection.sendall(post(headers, b""))
            connection.settimeout(0)
            answer = b""
            while not answer:
                try:
                    answer = connection.recv(65536)
                except BlockingIOError:
                    connection.settimeout(10)
                    connection.sendall(piece)
                    connection.settimeout(0)
                    sent += len(piece)
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 50_000_000
    assert peak < 4 * module.MAX_BODY


@pytest.mark.parametrize("size", [11_000_000, 30_000_000])
def test_a_client_that_sends_all_before_it_reads_still_gets_the_413(served, size):
    question = [{"role": "user", "content": "x" * size}]
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        answer = client.chat.completions
        with pytest.raises(openai.APIStatusError, match="413"):
            answer.create(model="mock-1", messages=question)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.25)
    with MockServer("one two three", clock=RealClock(), **FAST).serve() as server:
        yield server


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /v1/mod",
        request()[:-5],
        request(),
        post(b"transfer-encoding: chunked\r\n", b"5\r\nab"),
        LIST[:-2] * 99,
    ],
    ids=["nothing", "half a head", "half a body", "a request, and then nothing", "half a chunk", "an endless head"],
)
def test_a_connection_that_owes_a_request_is_closed_after_a_while(impatient, said):
    with dial(impatient) as connection:
        connection.sendall(said)
        to_the_end(connection)
    wait_for(lambda: not impatient._core.connections)


def test_a_request_that_dribbles_in_for_ever_is_cut_off(impatient):
    with dial(impatient) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):
            while True:
                connection.sendall(b"x: y\r\n")
                connection.settimeout(0.02)
                try:
                    if not connection.recv(100):
                        raise ConnectionResetError
                except TimeoutError:
                    continue


def test_a_slow_answer_does_not_count_against_the_client(impatient):
    raw = exchange(
        impatient, request(stream=True, model="mock-1;ttft=0.5;stall=1:0.5", headers="connection: close\r\n")
    )
    assert raw.endswith(b"0\r\n\r\n")


def deaf(served, data: bytes) -> socket.socket:
    """A client with little room in the kernel that asks and never reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((served.host, served.port))
    connection.sendall(data)
    return connection


LITTLE_ROOM = """
import socket
from course_utils import server as module

made = module._Connection.connection_made

def with_little_room(self, transport):  # in the kernel, so that an answer of 100 KB fills it
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    made(self, transport)
"""


@pytest.fixture
def little_room(monkeypatch):
    names = {}
    exec(LITTLE_ROOM, names)
    monkeypatch.setattr(module._Connection, "connection_made", names["with_little_room"])


LAST = request(stream=True, headers="connection: close\r\n")
ASKED = {
    "a long stream": (request(stream=True), 400, "client_left"),
    "a short one, and the end": (LAST, 140, "complete"),
    "a whole answer": (request(), 40_000, "complete"),
    "many answers": (request() * 20, 4_000, "complete"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_client_that_never_reads_is_let_go_after_a_while(monkeypatch, little_room, asked):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    said, words, ended = ASKED[asked]
    with MockServer("word " * words, pace=Pace(headers=0, ttft=0, itl=0), clock=RealClock()).serve() as server:
        with deaf(server, said):
            wait_for(lambda: server.ledger and not server._core.connections)
        assert server.ledger[0].ended == ended
        assert exchange(server, LIST).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "said", [request(stream=True, model="mock-1;cut=150"), HANDSHAKE + PROMPT], ids=["http", "websocket"]
)
def test_a_client_that_reads_late_gets_all_that_came_before_a_cut(little_room, said):
    mock = MockServer("word " * 5_000, pace=Pace(headers=0, ttft=0, itl=0), clock=RealClock(), options=["cut=2500"])
    with mock.serve() as server, deaf(server, said) as connection:
        wait_for(lambda: server.ledger and server.ledger[0].ended == "fault:cut")
        assert to_the_end(connection).count(b"word") == (150 if b"cut" in said else 2_500)


def test_a_client_that_never_reads_and_closes_its_half_has_left(little_room):
    mock = MockServer("word " * 400, pace=Pace(headers=0, ttft=0, itl=0), clock=RealClock())
    with mock.serve() as server, deaf(server, request(stream=True)) as connection:
        wait_for(lambda: server.ledger and server.ledger[0].blocked)
        connection.shutdown(socket.SHUT_WR)
        wait_for(lambda: server.ledger[0].ended == "client_left")


FIVE_HUNDRED = (
    LITTLE_ROOM
    + """
import json, sys
from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace

module._Connection.connection_made = with_little_room
server = MockServer("word " * 400, pace=Pace(headers=0, ttft=0, itl=0), clock=RealClock()).serve()
print(server.port, flush=True)
for _ in sys.stdin:
    unsent = [one._transport.get_write_buffer_size() for one in list(server._core.connections)]
    print(json.dumps([unsent, [one.blocked for one in server.ledger]]), flush=True)
"""
)


def test_five_hundred_clients_that_never_read_cost_little_each_and_another_one_is_served():
    command = [sys.executable, "-c", FIVE_HUNDRED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        class There:
            host, port = "127.0.0.1", int(child.stdout.readline())

        def report():
            child.stdin.write("\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        clients = [deaf(There, request(stream=True)) for _ in range(500)]
        wait_for(lambda: report()[1] == [True] * 500, 60)
        unsent, _ = report()
        assert exchange(There, LIST).startswith(b"HTTP/1.1 200")
        for client in clients:
            client.close()
        wait_for(lambda: report()[0] == [], 60)
        child.stdin.close()
    assert len(unsent) == 500
    assert max(unsent) < module.MAX_UNSENT + 1000  # and a frame


def idle(server) -> bool:
    """Nothing is connected, nothing waits, nothing runs."""
    timers = [timer for timer in server._loop._scheduled if not timer.cancelled()]
    return not (server._core.connections or timers or asyncio.all_tasks(server._loop))


def test_connections_closed_at_random_moments_leave_nothing_behind(monkeypatch):
    monkeypatch.setattr(module, "LINGER", 0.1)
    chance = random.Random(0)
    asked = [
        request(stream=True),
        request(stream=True, headers="connection: close\r\n"),
        request() * 3,
        request()[:-9],
        b"hello?\r\n\r\n",
        HANDSHAKE + PROMPT + PROMPT[:4],
        HANDSHAKE.replace(b"13", b"12"),
        LIST,
    ]
    with MockServer("word " * 50, clock=RealClock(), pace=Pace(headers=0, ttft=0.01, itl=0.002)).serve() as server:
        for _ in range(200):
            connection = dial(server)
            whole = chance.choice(asked)
            connection.sendall(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
            connection.settimeout(chance.choice([0.001, 0.01, 0.05]))
            with contextlib.suppress(OSError):
                connection.recv(chance.choice([10, 100_000]))
            way = chance.choice(["close", "reset", "half"])
            if way == "half":
                connection.shutdown(socket.SHUT_WR)
            if way == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        wait_for(lambda: idle(server))
        assert None not in {entry.ended for entry in server.ledger}
        spent = []
        for _ in range(2):
            server._loop.call_soon_threadsafe(lambda: spent.append(time.thread_time()))
            threading.Event().wait(0.1)
        assert spent[1] - spent[0] < 0.05  # of a tenth of a second


def test_a_client_that_closes_its_half_has_left(served):
    with dial(served) as connection:
        connection.sendall(request(stream=True, model="mock-1;itl=30"))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        connection.shutdown(socket.SHUT_WR)
        assert b"0\r\n\r\n" not in to_the_end(connection)
    assert served.ledger[0].ended == "client_left"


def test_two_hundred_open_streams_and_sockets_are_closed_at_once_with_the_server():
    mock = MockServer("word " * 50, pace=Pace(headers=0, ttft=0.01, itl=60), clock=RealClock())
    server = mock.serve()
    clients = [dial(server) for _ in range(200)]
    for index, client in enumerate(clients):
        client.sendall(HANDSHAKE + PROMPT if index % 2 else request(stream=True))
    for client in clients:
        while b"word" not in client.recv(65536):
            pass
    server.close()
    assert_gone(server)
    for client in clients:
        to_the_end(client)
        client.close()
    assert [entry.ended for entry in server.ledger] == ["client_left"] * 200
    mock.serve(port=server.port).close()  # the port is free again


def test_closing_while_clients_come_in_leaves_no_socket_open():
    """An unclosed one would be a warning, and warnings are errors here."""
    for _ in range(20):
        server = MockServer(clock=RealClock()).serve()
        clients = [dial(server) for _ in range(20)]
        server.close()
        for client in clients:
            client.close()
        assert_gone(server)


def test_a_connection_forgets_its_answer_when_it_is_given(served):
    with dial(served) as connection:
        connection.sendall(request())
        while b"one two three" not in connection.recv(65536):
            pass
        (kept,) = served._core.connections
        wait_for(lambda: kept._entry is None)
        assert kept._playing is NOTHING


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: other systems' loops are punctual by themselves")
def test_the_loop_waits_for_microseconds_and_hears_who_comes_meanwhile(monkeypatch):
    asked = []

    def waits(readable, _writable, _other, timeout):
        asked.append(timeout)
        return real(readable, [], [], 0)

    real = module.select.select
    monkeypatch.setattr(module.select, "select", waits)
    near, far = socket.socketpair()
    with contextlib.closing(module._new_loop()) as loop, near, far:
        selector = loop._selector
        assert selector.select(0.0203) == []
        assert selector.select(0.0001) == []  # what is due until then goes together
        assert asked == [0.0203, module.BREATH]
        selector.register(near, 1, "near")
        far.send(b"!")
        ((key, events),) = selector.select(5)
        assert (key.data, events) == ("near", 1)
        assert selector.select(0)
        assert selector.select(None)
        assert len(asked) == 3  # where nobody waits for a moment, the system's own way is as good
        monkeypatch.setattr(module, "SELECTABLE", 0)
        assert selector.select(5)
        assert len(asked) == 3
