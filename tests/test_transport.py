"""The unmodified openai client over the in-process transports and over a socket: the same answer everywhere."""

import asyncio

import openai
import pytest

from course_utils.clock import RealClock, VirtualClock, run
from course_utils.frames import hold_all
from course_utils.metrics import ttfv
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import arecord, record

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
USAGE = {"stream_options": {"include_usage": True}}


def mock(**options) -> MockServer:
    return MockServer("one two three", **({"pace": PACE, "clock": VirtualClock()} | options))


def question(server: MockServer, **options):
    return {"model": server.model, "messages": [{"role": "user", "content": "Count"}]} | options


def sync_chunks(server: MockServer) -> list[dict]:
    with server.client(_strict_response_validation=True) as client:
        stream = client.chat.completions.create(**question(server, stream=True, **USAGE))
        return [chunk.model_dump() for chunk in stream]


def async_chunks(server: MockServer) -> list[dict]:
    async def main():
        async with server.async_client(_strict_response_validation=True) as client:
            stream = await client.chat.completions.create(**question(server, stream=True, **USAGE))
            return [chunk.model_dump() async for chunk in stream]

    return run(main(), server.clock)


def socket_chunks(server: MockServer) -> list[dict]:
    http = openai.DefaultHttpx2Client(trust_env=False)
    with (
        server.serve(speed=50) as served,
        openai.OpenAI(
            base_url=served.url, api_key="x", http_client=http, max_retries=0, _strict_response_validation=True
        ) as client,
    ):
        stream = client.chat.completions.create(**question(server, stream=True, **USAGE))
        return [chunk.model_dump() for chunk in stream]


def test_all_drivers_play_the_same_chunks_to_the_strict_client():
    expected = sync_chunks(mock())
    assert [chunk["choices"][0]["delta"]["content"] for chunk in expected[:-1]] == ["", "one", " two", " three", None]
    assert async_chunks(mock()) == expected
    assert socket_chunks(mock()) == expected


def test_a_unary_answer_passes_strict_validation():
    server = mock()
    with server.client(_strict_response_validation=True) as client:
        answer = client.chat.completions.create(**question(server))
    assert (answer.choices[0].message.content, answer.usage.completion_tokens) == ("one two three", 3)
    assert server.clock.now() == 1.0


def test_create_returns_when_the_headers_arrive():
    server = mock()
    with server.client() as client:
        client.chat.completions.create(**question(server, stream=True))
        assert server.clock.now() == 0.25


def test_closing_the_stream_stops_generation():
    server = mock()
    with server.client() as client, client.chat.completions.create(**question(server, stream=True)) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    server.clock.sleep(60)
    (entry,) = server.ledger
    assert (entry.ended, entry.tokens_generated, entry.tokens_sent) == ("client_left", 1, 1)


def test_leaving_the_loop_without_closing_lets_the_model_go_on():
    server = mock()
    with server.client() as client:
        stream = client.chat.completions.create(**question(server, stream=True))
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        assert server.ledger[0].ended is None
        server.clock.sleep(60)
        assert (server.ledger[0].ended, server.ledger[0].tokens_generated) == ("complete", 3)


def test_the_read_time_out_runs_from_piece_to_piece():
    server = mock(pace=Pace(headers=0.25, ttft=0.5, itl=0.25, pauses=((2, 5.0),)))
    with server.client(timeout=1.0) as client:
        stream = client.chat.completions.create(**question(server, stream=True))
        with pytest.raises(openai.APITimeoutError):
            list(stream)
    assert server.clock.now() == 1.75
    assert server.ledger[0].ended == "client_left"


def test_a_unary_call_runs_into_its_time_out():
    server = mock()
    with server.client(timeout=0.75) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**question(server))
    assert server.clock.now() == 0.75


def test_a_bad_request_becomes_the_error_of_the_sdk():
    server = mock()
    with server.client() as client, pytest.raises(openai.BadRequestError, match="at least one message"):
        client.chat.completions.create(model=server.model, messages=[])


def test_a_fake_stream_has_many_chunks_at_one_moment():
    server = mock(faults=[hold_all()])
    with server.client() as client:
        times = []
        for _ in client.chat.completions.create(**question(server, stream=True)):
            times.append(server.clock.now())
    assert times == [1.0] * 5


def test_the_in_process_path_needs_no_thread_and_no_socket(monkeypatch):
    import socket
    import threading

    def refuse(*args, **kwargs):
        raise AssertionError("a browser kernel has none")

    server = mock()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    assert sync_chunks(server)
    assert async_chunks(mock())


def test_a_proxy_variable_does_not_hijack_the_mock(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert sync_chunks(mock())


def test_an_async_break_then_close_is_seen_by_the_ledger():
    server = mock()

    async def main():
        async with server.async_client() as client:
            async with await client.chat.completions.create(**question(server, stream=True)) as stream:
                async for chunk in stream:
                    if chunk.choices[0].delta.content == " two":
                        break
            await asyncio.sleep(60)

    run(main(), server.clock)
    assert (server.ledger[0].ended, server.ledger[0].tokens_generated) == ("client_left", 2)


@pytest.mark.live
def test_real_time_plays_the_same_frames_in_order():
    server = mock(clock=RealClock(speed=20))
    with server.client() as client:
        pieces = [
            chunk.choices[0].delta.content for chunk in client.chat.completions.create(**question(server, stream=True))
        ]
    assert pieces == ["", "one", " two", " three", None]
    assert server.clock.now() >= 1.0


def test_raw_bytes_are_server_sent_events():
    server = mock()
    with (
        server.client() as client,
        client.chat.completions.with_streaming_response.create(**question(server, stream=True)) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        raw = b"".join(response.iter_bytes())
    assert raw.endswith(b"data: [DONE]\n\n")
    assert raw.count(b"data: ") == 6


def text_at(client, server: MockServer, **options) -> float:
    return ttfv(record(client.chat.completions.create, clock=server.clock, **question(server, **options)))


def test_a_new_connection_takes_two_round_trips_more_and_a_kept_one_none():
    server = mock()
    with server.client(rtt=0.125) as client:
        whole = [text_at(client, server) for _ in range(2)]
    assert whole == [1.0 + 3 * 0.125, 1.0 + 0.125]
    assert [entry.arrived for entry in server.ledger] == [2.5 * 0.125, whole[0] + 0.5 * 0.125]


def test_requests_at_the_same_time_need_a_connection_each():
    server = mock()

    async def main():
        async with server.async_client(rtt=0.125) as client:
            both = [arecord(client.chat.completions.create, clock=server.clock, **question(server)) for _ in range(2)]
            return [ttfv(answer) for answer in await asyncio.gather(*both)]

    assert run(main(), server.clock) == [1.0 + 3 * 0.125] * 2


def test_a_stream_that_was_left_takes_its_connection_along():
    server = mock()
    with server.client(rtt=0.125) as client:
        with client.chat.completions.create(**question(server, stream=True)) as stream:
            next(stream)
        assert text_at(client, server) == 1.0 + 3 * 0.125


def test_the_ledger_keeps_the_servers_time_however_far_the_client_is():
    server = mock()
    with server.client(rtt=0.5) as client:
        text_at(client, server, stream=True)
    entry = server.ledger[0]
    assert entry.written[0] == entry.arrived + PACE.headers


def test_a_network_faster_than_light_is_refused():
    with pytest.raises(ValueError, match="round trip"):
        mock().client(rtt=-1)
