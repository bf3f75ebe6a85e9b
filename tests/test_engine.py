import json

import pytest

from course_utils.engine import Engine, Request
from course_utils.frames import hold_all
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
