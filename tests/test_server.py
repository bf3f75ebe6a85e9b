"""The loopback server on a real socket. These tests use real time, assert order and bounds, and never sleep."""

import gc
import json
import socket
import threading

import pytest

from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace

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


def exchange(served, data: bytes) -> bytes:
    """Send ``data`` and read until the server closes; the request should ask for that."""
    with socket.create_connection((served.host, served.port), timeout=10) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


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
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(request(stream=True))
            connection.recv(100)
        wait_for(lambda: server.ledger[0].ended == "client_left")
        assert server.ledger[0].tokens_generated < 400


def _ended(connection) -> bool:
    try:
        return b"0\r\n\r\n" not in b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return True


def test_what_is_no_http_gets_a_400(served):
    assert exchange(served, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_body_over_the_limit_gets_a_413(served, monkeypatch):
    monkeypatch.setattr("course_utils.server.MAX_BODY", 10)
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


def test_closing_ends_open_streams_the_thread_and_the_port():
    mock = MockServer(pace=Pace(ttft=60), clock=RealClock())
    server = mock.serve()
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(request(stream=True))
        wait_for(lambda: len(server.ledger) == 1)
        server.close()
        server.close()
        assert _ended(connection)
    assert not [thread for thread in threading.enumerate() if thread.name == "mock-server"]
    with pytest.raises(OSError):
        socket.create_connection((server.host, server.port), timeout=1)


def test_a_server_nobody_refers_to_closes_by_itself():
    mock = MockServer(clock=RealClock())
    for _ in range(3):  # what running a notebook cell again does
        server = mock.serve()
    address = server.host, server.port
    del server
    gc.collect()
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=1)


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


def test_a_reply_function_that_fails_is_a_500_and_no_traceback_on_the_wire(caplog):
    def reply(prompt):
        raise ZeroDivisionError("mine")

    with MockServer(reply, clock=RealClock()).serve() as server:
        raw = exchange(server, request(headers="connection: close\r\n"))
    assert raw.startswith(b"HTTP/1.1 500 ")
    assert b"ZeroDivisionError in the mock's own functions" in raw
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_is_none_is_refused_at_once(port):
    with pytest.raises(OSError, match="can't listen on"):
        MockServer(clock=RealClock()).serve(port=port)


def test_a_client_that_talks_on_and_on_is_cut_off(monkeypatch):
    monkeypatch.setattr("course_utils.server.MAX_BODY", 100_000)
    with MockServer(clock=RealClock(), pace=Pace(ttft=60)).serve() as server:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
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
    assert b"access-control-allow-headers: *" in raw
    assert b"access-control-allow-origin: *" in exchange(served, request(headers="connection: close\r\n"))
