"""The parts of Chat Completions beyond plain text, through the real client, strict about types."""

import json

import openai
import pytest

from course_utils.clock import VirtualClock
from course_utils.engine import Engine, Request
from course_utils.mock import MockServer
from course_utils.pace import Pace

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)


def mock() -> MockServer:
    return MockServer("one two three. four", pace=PACE, clock=VirtualClock())


def ask(server: MockServer, **options):
    question = {"model": server.model, "messages": [{"role": "user", "content": "Count"}]}
    with server.client(_strict_response_validation=True) as client:
        answer = client.chat.completions.create(**(question | options))
        return list(answer) if options.get("stream") else answer


def raw(**options) -> list[dict]:
    body = {"model": "mock-1", "messages": [{"role": "user", "content": "Count"}], "stream": True} | options
    answer = Engine("one two three. four", PACE).respond(
        Request("POST", "/v1/chat/completions", json.dumps(body).encode())
    )
    lines = b"".join(frame.data for frame in answer.frames).decode().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]


@pytest.mark.parametrize(
    ("stop", "text"), [("three", "one two "), ([" two", "."], "one"), ("nowhere", "one two three. four")]
)
def test_a_stop_text_ends_the_answer_before_it(stop, text):
    choice = ask(mock(), stop=stop).choices[0]
    assert (choice.message.content, choice.finish_reason) == (text, "stop")


def test_several_answers_come_interleaved_and_are_all_paid():
    server = mock()
    chunks = ask(server, stream=True, n=2, stream_options={"include_usage": True})
    texts = ["".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == i) for i in (0, 1)]
    assert texts == ["one two three. four"] * 2
    assert chunks[-1].usage.completion_tokens == server.ledger[0].tokens_generated == 10
    assert [len(choice.message.content) for choice in ask(server, n=3).choices] == [19] * 3


def test_a_refusal_is_no_content():
    chunks = ask(mock(), model="mock-1;refusal", stream=True)
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == "one two three. four"
    assert not any(chunk.choices[0].delta.content for chunk in chunks)
    assert ask(mock(), model="mock-1;refusal").choices[0].message.content is None


def test_a_content_filter_stops_with_its_own_reason():
    last = ask(mock(), model="mock-1;filter=2", stream=True)[-1].choices[0]
    assert last.finish_reason == "content_filter"
    assert ask(mock(), model="mock-1;filter=2").choices[0].message.content == "one two"


def test_an_error_in_the_middle_raises_after_the_text_that_came():
    server, came = mock(), []
    with server.client() as client, pytest.raises(openai.APIError, match="broke off as it was asked to"):
        question = [{"role": "user", "content": "Count"}]
        for chunk in client.chat.completions.create(model="mock-1;error-at=2", messages=question, stream=True):
            came.append(chunk.choices[0].delta.content)
    assert came == ["", "one", " two"]
    assert (server.ledger[0].ended, server.ledger[0].tokens_generated) == ("fault:error", 2)


def test_the_same_error_in_the_responses_dialect():
    server = mock()
    with server.client() as client, pytest.raises(openai.APIError, match="broke off"):
        list(client.responses.create(model="mock-1;error-at=2", input="Count", stream=True))


def test_padding_hides_the_length_of_a_piece():
    sizes = {
        len(chunk["choices"][0]["delta"].get("content", "")) + len(chunk["obfuscation"])
        for chunk in raw()
        if chunk["choices"][0]["delta"].get("content")
    }
    assert len(sizes) == 1


def test_padding_is_on_every_chunk_and_can_be_switched_off():
    assert all("obfuscation" in chunk for chunk in raw(stream_options={"include_usage": True}))
    assert not any("obfuscation" in chunk for chunk in raw(stream_options={"include_obfuscation": False}))


@pytest.mark.parametrize(
    ("options", "says"),
    [({"stop": [""]}, "up to 4 texts"), ({"stop": 7}, "got 7"), ({"n": 99}, "8 at most"), ({"n": 0}, "at least 1")],
)
def test_a_wrong_option_is_told_what_it_takes(options, says):
    with pytest.raises(openai.BadRequestError, match=says):
        ask(mock(), **options)
