import asyncio
import json
import socket
from itertools import pairwise

import openai
import pytest

from course_utils.clock import VirtualClock, run
from course_utils.engine import Engine, Request
from course_utils.frames import hold_all
from course_utils.mock import MockServer
from course_utils.pace import Pace

ENGINE = {"reply": "one two", "pace": Pace(headers=0.25, ttft=0.5, itl=0.25)}


def body(**changes) -> bytes:
    return json.dumps({"model": "mock-1", "messages": [{"role": "user", "content": "Hi there"}]} | changes).encode()


def chat(engine: Engine, **changes):
    return engine.respond(Request("POST", "/v1/chat/completions", body(**changes)))


def payloads(answer) -> list:
    lines = b"".join(frame.data for frame in answer.frames).decode().split("\n\n")[:-1]
    return [line.removeprefix("data: ") for line in lines]


def test_a_stream_is_role_tokens_finish_and_done():
    answer = chat(Engine(**ENGINE), stream=True)
    chunks = [json.loads(line) for line in payloads(answer)[:-1]]
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "one"},
        {"content": " two"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert payloads(answer)[-1] == "[DONE]"


def test_frames_leave_when_the_pace_says():
    answer = chat(Engine(**ENGINE), stream=True)
    assert [frame.at for frame in answer.frames] == [0.25, 0.5, 0.75, 0.75, 0.75]
    assert answer.headers_at == 0.25


def test_usage_comes_in_a_chunk_without_choices_only_when_asked_for():
    plain = chat(Engine(**ENGINE), stream=True)
    asked = chat(Engine(**ENGINE), stream=True, stream_options={"include_usage": True})
    assert "usage" not in json.loads(payloads(plain)[0])
    last = json.loads(payloads(asked)[-2])
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert all(json.loads(line)["usage"] is None for line in payloads(asked)[:-2])


def test_a_unary_answer_comes_whole_when_the_last_token_is_made():
    answer = chat(Engine(**ENGINE))
    (frame,) = answer.frames
    assert (answer.headers_at, frame.at, frame.tokens) == (0.75, 0.75, 2)
    assert json.loads(frame.data)["choices"][0]["message"]["content"] == "one two"


def test_both_modes_generate_the_same_tokens_at_the_same_times():
    assert chat(Engine(**ENGINE)).generated == chat(Engine(**ENGINE), stream=True).generated == (0.5, 0.75)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_ends_the_answer_with_length(name):
    choice = json.loads(chat(Engine(**ENGINE), **{name: 1}).frames[0].data)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one", "length")


def test_a_fault_moves_frames_but_not_the_generation():
    answer = chat(Engine(**ENGINE, faults=[hold_all()]), stream=True)
    assert {frame.at for frame in answer.frames} == {0.75}
    assert answer.generated == (0.5, 0.75)


def test_the_same_questions_give_the_same_bytes():
    assert chat(Engine(**ENGINE), stream=True) == chat(Engine(**ENGINE), stream=True)
    assert chat(Engine(seed=1, **ENGINE)).frames != chat(Engine(seed=2, **ENGINE)).frames


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "user"}]}, "'content' with text"),
        ({"model": 7}, "got 7"),
        ({"max_tokens": 0}, "at least 1, got 0"),
        ({"max_tokens": True}, "got True"),
    ],
)
def test_a_bad_request_is_told_what_was_expected(changes, says):
    answer = chat(Engine(), **changes)
    assert answer.status == 400
    assert says in json.loads(answer.frames[0].data)["error"]["message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_a_400(raw):
    assert Engine().respond(Request("POST", "/v1/chat/completions", raw)).status == 400


def test_an_unknown_route_lists_those_there_are():
    answer = Engine().respond(Request("POST", "/v1/embeddings", body()))
    assert answer.status == 404
    assert b"/v1/chat/completions" in answer.frames[0].data


def test_the_wrong_method_is_a_405():
    assert Engine().respond(Request("GET", "/v1/chat/completions")).status == 405


def test_models_lists_the_mock():
    answer = Engine().respond(Request("GET", "/v1/models?limit=1"))
    assert json.loads(answer.frames[0].data)["data"][0]["id"] == "mock-1"


@pytest.mark.parametrize(
    "raw", [b'{"model": "\\ud800", "messages": [{"role": "user", "content": "Hi"}]}', b"[" * 200_000]
)
def test_a_body_that_can_not_be_answered_is_a_400(raw):
    assert Engine().respond(Request("POST", "/v1/chat/completions", raw)).status == 400


def test_any_function_on_frames_is_a_fault():
    engine = Engine(**ENGINE, faults=[lambda frames: list(frames)[:2]])
    assert len(chat(engine, stream=True).frames) == 2


def test_a_repeated_question_gets_other_gaps_and_a_new_server_the_same():
    def twice():
        engine = Engine("one two three", Pace(jitter=0.5))
        return [chat(engine).generated for _ in range(2)]

    assert twice()[0] != twice()[1]
    assert twice() == twice()


def test_a_longer_prompt_takes_longer_to_its_first_token():
    engine = Engine("one", Pace(ttft=0.5, prefill=0.125))
    long = [{"role": "user", "content": "one two three four"}]
    assert (chat(engine).generated, chat(engine, messages=long).generated) == ((0.75,), (1.0,))


# The latency model, with real clients in virtual time. An answer has three tokens: at 0.5, 0.75 and 1.0.

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)


def mock(reply: str = "one two three", **options) -> MockServer:
    return MockServer(reply, **({"pace": PACE, "clock": VirtualClock()} | options))


def question(model: str, text: str = "Count"):
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def play(server: MockServer, *users: tuple, stream: bool = True) -> list[list[float]]:
    """When each user's tokens came. A user is when it asks, its model, and the number of tokens after which it leaves."""

    async def user(client, start: float, model: str, leaves: int | None = None) -> list[float]:
        await asyncio.sleep(start)
        times: list[float] = []
        if not stream:
            await client.chat.completions.create(**question(model))
            return [server.clock.now()]
        async with await client.chat.completions.create(**question(model), stream=True) as answer:
            async for chunk in answer:
                if chunk.choices[0].delta.content:
                    times.append(server.clock.now())
                    if len(times) == leaves:
                        break
        return times

    async def main():
        async with server.async_client() as client:
            return await asyncio.gather(*(user(client, *one) for one in users))

    return run(main(), server.clock)


@pytest.mark.parametrize(
    ("slots", "starts", "first"),
    [
        (1, [0, 0, 0], [0.5, 1.5, 2.5]),
        (2, [0, 0, 0], [0.5, 0.5, 1.5]),
        (2, [0, 0.25, 0.5], [0.5, 0.75, 1.5]),
        (2, [0, 0, 0, 0.25, 0.5], [0.5, 0.5, 1.5, 1.5, 2.5]),
        (1, [0, 1.25, 1.5], [0.5, 1.75, 2.75]),
        (3, [0, 0, 0], [0.5, 0.5, 0.5]),
    ],
)
def test_beyond_the_slots_requests_wait_exactly_for_those_before_them(slots, starts, first):
    came = play(mock(), *((start, f"mock-1;slots={slots}") for start in starts))
    assert [times[0] for times in came] == first
    assert all(times == [times[0], times[0] + 0.25, times[0] + 0.5] for times in came)


def test_whole_answers_wait_too():
    assert play(mock(), *[(0, "mock-1;slots=1")] * 3, stream=False) == [[1.0], [2.0], [3.0]]


@pytest.mark.parametrize(("leaves", "first"), [(None, 1.5), (1, 1.125)])
def test_a_client_who_leaves_frees_its_slot_for_those_who_come_later(leaves, first):
    came = play(mock(), (0, "mock-1;slots=1", leaves), (0.625, "mock-1;slots=1"))
    assert came[1][0] == first


def test_a_slot_is_not_free_while_the_model_goes_on_alone():
    came = play(mock(), (0, "mock-1;slots=1;goes-on", 1), (0.625, "mock-1;slots=1"))
    assert came[1][0] == 1.5


def test_each_other_answer_in_the_making_lengthens_the_steps():
    came = play(mock(), *[(0, "mock-1;batch=0.5")] * 3)
    assert came == [[0.5, 0.75, 1.0], [0.5, 0.875, 1.25], [0.5, 1.0, 1.5]]


def test_bursts_come_together_at_the_same_rate():
    (times,) = play(mock("one two three four five six seven"), (0, "mock-1;burst=3"))
    assert times == [0.5, *[1.25] * 3, *[2.0] * 3]


@pytest.mark.parametrize("options", [";slots=2;batch=0.25;jitter=0.5;burst=2", ";jitter=1;slots=1", ";batch=3"])
def test_the_same_seed_gives_the_same_times_to_all(options):
    def times(seed: int) -> list[list[float]]:
        return play(mock(seed=seed), *((start / 8, f"mock-1{options}") for start in range(6)))

    assert times(1) == times(1)
    assert (times(1) == times(2)) == ("jitter" not in options)


@pytest.mark.live
def test_in_real_time_those_who_wait_come_in_the_same_order():
    body = json.dumps(question("mock-1;slots=1") | {"stream": True})
    raw = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    with mock(pace=Pace(headers=0, ttft=0.03, itl=0.01)).serve() as served:
        clients = [socket.create_connection((served.host, served.port), timeout=10) for _ in range(3)]
        for client in clients:
            client.sendall(raw.encode())
        for client in clients:
            while client.recv(65536):
                pass
            client.close()
        entries = list(served.ledger)
    assert [entry.tokens_sent for entry in entries] == [3, 3, 3]
    for one, next_one in pairwise(entries):
        assert one.token_times[-1] <= next_one.token_times[0]
        assert one.written[-1] <= next_one.written[-1]


LONG = " ".join(["word"] * 40)  # 40 tokens; two blocks of 16 and a rest


def test_a_beginning_that_was_read_before_costs_no_prefill():
    server, first = mock(pace=Pace(ttft=0.5, itl=0.25, prefill=0.125, cache=True)), []
    with server.client() as client:
        for text in (LONG, LONG, LONG + " and more", "else " + LONG):
            asked = server.clock.now()
            for chunk in client.chat.completions.create(
                **question("mock-1", text), stream=True, stream_options={"include_usage": True}
            ):
                if chunk.choices and chunk.choices[0].delta.content == "one":
                    first.append(server.clock.now() - asked)
            first[-1] = (first[-1], chunk.usage.prompt_tokens, chunk.usage.prompt_tokens_details.cached_tokens)
    assert first == [
        (0.5 + 40 * 0.125, 40, 0),
        (0.5 + 8 * 0.125, 40, 32),
        (0.5 + 10 * 0.125, 42, 32),
        (0.5 + 41 * 0.125, 41, 0),
    ]


def test_without_the_option_nothing_is_cached():
    server = mock(pace=Pace(ttft=0.5, itl=0.25, prefill=0.125))
    with server.client() as client:
        usage = [client.chat.completions.create(**question("mock-1", LONG)).usage for _ in range(2)]
    assert [one.prompt_tokens_details.cached_tokens for one in usage] == [0, 0]


def test_each_turn_of_a_conversation_finds_the_one_before_in_the_cache():
    server, before, cached = mock(), None, []
    with server.client() as client:
        for _ in range(3):
            answer = client.responses.create(model="mock-1;cache", input=LONG, previous_response_id=before)
            before = answer.id
            cached.append((answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens))
    assert cached == [(40, 0), (83, 32), (126, 80)]


# What a server may be started with


def test_beyond_its_streams_a_server_refuses_until_one_has_ended():
    server = mock(max_streams=2)
    with server.client() as client:
        streams = [client.chat.completions.create(**question("mock-1"), stream=True) for _ in range(2)]
        with pytest.raises(openai.RateLimitError, match="2 answers are being generated"):
            client.chat.completions.create(**question("mock-1"))
        streams[0].close()
        assert client.chat.completions.create(**question("mock-1")).choices
    assert [entry.status for entry in server.ledger] == [200, 200, 429, 200]


def test_beyond_its_seconds_a_server_breaks_an_answer_off():
    server = mock(max_seconds=0.8)
    with server.client() as client:
        with pytest.raises(openai.APIConnectionError):
            list(client.chat.completions.create(**question("mock-1"), stream=True))
        assert server.clock.now() == 0.8
        with pytest.raises(openai.InternalServerError, match=r"takes 0\.8 s for an answer at most"):
            client.chat.completions.create(**question("mock-1"))
        assert server.clock.now() == 1.6
        assert client.chat.completions.create(**question("mock-1"), max_tokens=1).choices
    server.clock.sleep(60)
    assert [entry.tokens_generated for entry in server.ledger] == [2, 2, 1]
    assert [entry.ended for entry in server.ledger] == ["fault:limit", "fault:limit", "complete"]


def test_a_server_with_a_key_lets_nobody_else_in():
    server = mock(key="secret")
    with server.client() as client, pytest.raises(openai.AuthenticationError, match="wants its key"):
        client.models.list()
    with server.client(api_key="secret") as client:
        assert client.chat.completions.create(**question("mock-1")).choices
    assert [entry.status for entry in server.ledger] == [401, 200]


def test_options_of_the_server_hold_for_every_request_and_those_of_the_model_come_behind():
    server = mock(options=["ttft=2", "cut=2"])
    with server.client() as client, pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(**question("mock-1;ttft=1"), stream=True))
    assert server.ledger[0].due[1:3] == (1.0, 1.25)


@pytest.mark.parametrize(
    ("wrong", "says"), [({"options": ["fly"]}, "no model option 'fly'"), ({"max_seconds": -1}, "at least 0")]
)
def test_a_server_with_a_wrong_option_does_not_start(wrong, says):
    with pytest.raises(ValueError, match=says):
        Engine(**wrong)


def test_a_reply_may_ask_the_same_server():
    def reply(prompt: str) -> str:
        if prompt == "inner":
            return "deep"
        inner = engine.respond(Request("POST", "/v1/text", b'{"prompt": "inner"}'))
        return inner.frames[0].data.decode() + " thought"

    engine = Engine(reply, PACE)
    assert json.loads(chat(engine).frames[0].data)["choices"][0]["message"]["content"] == "deep thought"


def test_the_books_keep_the_short_fields_of_a_large_body_and_tell_it_from_others():
    engine = Engine(**ENGINE)
    booked = [
        chat(engine, messages=[{"role": "user", "content": letter * 20_000}], max_tokens=2, user="x" * 99).asked
        for letter in "aab"
    ]
    assert booked[0] == booked[1] != booked[2]
    assert (booked[0]["model"], booked[0]["max_tokens"], "messages" in booked[0]) == ("mock-1", 2, False)
    many = {f"field{number}": number for number in range(2000)}
    assert len(chat(engine, **many).asked) == 2
