"""The Responses dialect: order, sequence numbers, and the SDK's own helpers, strict about types."""

import json

import openai
import pytest

from course_utils.clock import VirtualClock, run
from course_utils.engine import Engine, Request
from course_utils.mock import MockServer
from course_utils.pace import Pace

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
ORDER = [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    "response.output_text.delta", "response.output_text.delta", "response.output_text.done",
    "response.content_part.done", "response.output_item.done", "response.completed",
]  # fmt: skip


def mock() -> MockServer:
    return MockServer("one two", pace=PACE, clock=VirtualClock())


def strict(server: MockServer, **options) -> openai.OpenAI:
    return server.client(_strict_response_validation=True, **options)


def events(**options):
    server = mock()
    with strict(server) as client:
        return list(client.responses.create(model=server.model, input="Count", stream=True, **options))


def test_the_events_come_in_the_recorded_order():
    assert [event.type for event in events()] == ORDER


def test_sequence_numbers_have_no_gap():
    assert [event.sequence_number for event in events()] == list(range(len(ORDER)))


def test_the_event_line_names_the_type_and_there_is_no_done():
    body = json.dumps({"model": "mock-1", "input": "Count", "stream": True}).encode()
    answer = Engine("one", PACE).respond(Request("POST", "/v1/responses", body))
    raw = b"".join(frame.data for frame in answer.frames).decode()
    assert raw.startswith("event: response.created\ndata: {")
    assert "[DONE]" not in raw


def test_the_deltas_join_to_the_text_that_the_last_event_repeats():
    came = events()
    assert "".join(event.delta for event in came if event.type == "response.output_text.delta") == "one two"
    assert came[-1].response.output_text == "one two"
    assert came[-1].response.usage.output_tokens == 2


def test_a_token_limit_ends_with_incomplete():
    last = events(max_output_tokens=1)[-1]
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "max_output_tokens")
    assert last.response.output_text == "one"


def test_a_unary_response_is_the_object_of_the_last_event():
    server = mock()
    with strict(server) as client:
        answer = client.responses.create(model=server.model, input=[{"role": "user", "content": "Count"}])
    assert (answer.output_text, answer.status) == ("one two", "completed")
    assert server.clock.now() == 0.75


def test_the_streaming_helper_of_the_sdk_is_content():
    server = mock()
    with strict(server) as client, client.responses.stream(model=server.model, input="Count") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == "".join(pieces) == "one two"


def test_the_async_client_gets_the_same_events():
    server = mock()

    async def main():
        async with server.async_client(_strict_response_validation=True) as client:
            stream = await client.responses.create(model=server.model, input="Count", stream=True)
            return [event.type async for event in stream]

    assert run(main(), server.clock) == ORDER


def test_tokens_leave_at_the_pace_and_faults_apply():
    server = mock()
    with strict(server) as client, pytest.raises(openai.APIConnectionError):
        list(client.responses.create(model="mock-1;cut=1", input="Count", stream=True))
    assert (server.ledger[0].ended, server.ledger[0].tokens_sent) == ("fault:cut", 1)


@pytest.mark.parametrize("asked", ["", [], 7, None, ["text"]])
def test_an_input_that_is_none_is_a_400(asked):
    body = json.dumps({"model": "mock-1", "input": asked}).encode()
    answer = Engine().respond(Request("POST", "/v1/responses", body))
    assert answer.status == 400
    assert b"'input' must be" in answer.frames[0].data


def test_the_strict_client_is_really_strict():
    """Without a required field it complains; so passing it means something."""
    from openai.types.responses import ResponseTextDeltaEvent

    with pytest.raises(ValueError, match="sequence_number"):
        ResponseTextDeltaEvent.model_validate({"type": "response.output_text.delta", "delta": "x"})


def asked(model: str):
    server = mock()
    with strict(server) as client:
        return list(client.responses.create(model=model, input="Count", stream=True))


def test_a_content_filter_ends_with_incomplete_for_its_own_reason():
    last = asked("mock-1;filter=1")[-1]
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "content_filter")


def test_a_refusal_comes_in_events_of_its_own():
    came = asked("mock-1;refusal")
    types = [event.type for event in came]
    assert types[3:8] == [
        "response.content_part.added",
        "response.refusal.delta",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
    ]
    assert came[-1].response.output[0].content[0].refusal == "one two"


def test_an_error_in_the_stream_has_the_next_sequence_number():
    body = json.dumps({"model": "mock-1;error-at=1", "input": "Count", "stream": True}).encode()
    answer = Engine("one two", PACE).respond(Request("POST", "/v1/responses", body))
    numbers = [json.loads(frame.data.decode().split("data: ")[1])["sequence_number"] for frame in answer.frames]
    assert numbers == list(range(6))
