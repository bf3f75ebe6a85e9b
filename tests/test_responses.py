"""The Responses dialect: order, sequence numbers, and the SDK's own helpers, strict about types."""

import asyncio
import json
from dataclasses import replace

import openai
import pydantic
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
        return list(client.responses.create(**({"model": server.model, "input": "Count", "stream": True} | options)))


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


# The order of events


def kinds(came) -> list[str]:
    """The types of the events, without their common beginning, and a run of deltas as one."""
    names = [event.type.removeprefix("response.") for event in came]
    return [name for name, before in zip(names, ["", *names], strict=False) if name != before]


TOOLS = [{"type": "function", "name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}]
OPEN = ["created", "in_progress"]
TEXT = ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done"]  # fmt: skip
THOUGHT = ["output_item.added", "output_item.done"]
REFUSED = [kind.replace("output_text", "refusal") for kind in TEXT]
CALLED = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]


@pytest.mark.parametrize(
    ("option", "more", "order"),
    [
        ("", {}, [*OPEN, *TEXT, "completed"]),
        ("reasoning=3", {}, [*OPEN, *THOUGHT, *TEXT, "completed"]),
        ("reasoning=3", {"max_output_tokens": 2}, [*OPEN, *THOUGHT, "incomplete"]),
        ("refusal", {}, [*OPEN, *REFUSED, "completed"]),
        ("", {"max_output_tokens": 1}, [*OPEN, *TEXT, "incomplete"]),
        ("filter=1", {}, [*OPEN, *TEXT, "incomplete"]),
        ("failed=1", {}, [*OPEN, *TEXT, "failed"]),
        ("calls=2", {"tools": TOOLS}, [*OPEN, *CALLED, *CALLED, "completed"]),
        ("calls=1;reasoning=1", {"tools": TOOLS}, [*OPEN, *THOUGHT, *CALLED, "completed"]),
        ("calls=1", {"tools": TOOLS, "max_output_tokens": 2}, [*OPEN, *CALLED, "incomplete"]),
        ("calls=1;failed=2", {"tools": TOOLS}, [*OPEN, *CALLED, "failed"]),
        ("", {"background": True}, ["created", "queued", "in_progress", *TEXT, "completed"]),
    ],
)
def test_each_kind_of_answer_has_its_order_without_a_gap(option, more, order):
    came = events(model=f"mock-1;{option}", **more)
    assert kinds(came) == order
    assert [event.sequence_number for event in came] == list(range(len(came)))
    places = [event.output_index for event in came if event.type == "response.output_item.done"]
    assert places == list(range(len(places)))
    assert len({event.item_id for event in came if hasattr(event, "item_id")}) == order.count("output_item.added") - (
        option.count("reasoning")
    )


def test_a_failed_response_says_why_and_keeps_what_came():
    last = events(model="mock-1;failed=1")[-1].response
    assert (last.status, last.error.code, last.output_text) == ("failed", "server_error", "one")
    assert last.output[0].status == "incomplete"


def test_the_message_behind_a_thought_is_the_final_answer():
    last = events(model="mock-1;reasoning=3")[-1].response
    assert [(item.type, getattr(item, "phase", None)) for item in last.output] == [
        ("reasoning", None),
        ("message", "final_answer"),
    ]
    assert (last.usage.output_tokens, last.usage.output_tokens_details.reasoning_tokens) == (5, 3)


def test_thoughts_take_their_time_before_the_first_word():
    server, times = mock(), {}
    with strict(server) as client:
        for event in client.responses.create(model="mock-1;reasoning=4", input="Count", stream=True):
            times.setdefault(event.type, server.clock.now())
    assert times["response.output_item.added"] == 0.5
    assert times["response.output_text.delta"] == 0.5 + 4 * 0.25


def test_a_function_is_echoed_as_the_strict_type_wants_it():
    assert events(tools=TOOLS)[-1].response.tools[0].strict is True


# Deltas: padding, probabilities, schemas


def raw(**options) -> list[dict]:
    body = {"model": "mock-1", "input": "Count", "stream": True} | options
    reply = 'She said "no",\nthen\tnothing at all, generation works.'
    answer = Engine(reply, PACE).respond(Request("POST", "/v1/responses", json.dumps(body).encode()))
    return [json.loads(frame.data.decode().split("data: ")[1]) for frame in answer.frames]


def test_every_delta_is_padded_to_one_length():
    deltas = [event for event in raw() if "delta" in event]
    assert {len(json.dumps(event["delta"])[1:-1]) + len(event["obfuscation"]) for event in deltas} == {16}
    assert not any("obfuscation" in event for event in raw() if "delta" not in event)


def test_the_padding_of_arguments_and_refusals_is_the_same():
    for option, more in (("refusal", {}), ("calls=1", {"tools": TOOLS})):
        deltas = [event for event in raw(model=f"mock-1;{option}", **more) if "delta" in event]
        assert {len(json.dumps(event["delta"])[1:-1]) + len(event["obfuscation"]) for event in deltas} == {16}


def test_padding_can_be_switched_off():
    assert not any("obfuscation" in event for event in raw(stream_options={"include_obfuscation": False}))


def test_probabilities_come_when_they_are_included():
    came = events(include=["message.output_text.logprobs"], top_logprobs=2)
    deltas = [event for event in came if event.type == "response.output_text.delta"]
    assert [(d.logprobs[0].token, len(d.logprobs[0].top_logprobs)) for d in deltas] == [("one", 2), (" two", 2)]
    done = next(event for event in came if event.type == "response.output_text.done")
    assert [one.token for one in done.logprobs] == ["one", " two"]
    assert [one.token for one in came[-1].response.output[0].content[0].logprobs] == ["one", " two"]


def test_probabilities_do_not_come_unasked():
    assert all(event.logprobs == [] for event in events() if event.type == "response.output_text.delta")


class Point(pydantic.BaseModel):
    name: str
    nearby: list["Point"]


SCHEMA = {"type": "json_schema", "name": "point", "schema": {"type": "object", "properties": {"x": {"const": 3}}}}


def test_a_text_format_makes_the_answer_fit_its_schema():
    last = events(text={"format": SCHEMA})[-1].response
    assert json.loads(last.output_text) == {"x": 3}
    assert (last.text.format.type, last.text.format.name) == ("json_schema", "point")


def test_the_sdk_parses_the_answer_into_a_model():
    with strict(mock()) as client:
        answer = client.responses.parse(model="mock-1", input="Where?", text_format=Point)
    assert isinstance(answer.output_parsed, Point)


def test_the_streaming_helper_of_the_sdk_parses_it_too():
    with mock().client() as client, client.responses.stream(model="mock-1", input="?", text_format=Point) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Point)


# Conversations by id


def test_each_turn_reads_all_that_was_said_before():
    server, before, read = mock(), None, []
    with strict(server) as client:
        for question in ("Count", "Go on", "And on"):
            answer = client.responses.create(
                model=server.model, input=question, previous_response_id=before, instructions="Be brief"
            )
            before = answer.id
            read.append(answer.usage.input_tokens)
    assert read == [2 + 1, 2 + 1 + 2 + 2, 2 + 1 + 2 + 2 + 2 + 2]  # instructions are not handed on


@pytest.mark.parametrize("id", ["resp_nobody", ""])
def test_an_unknown_previous_response_is_told_by_its_code(id):
    with strict(mock()) as client, pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="mock-1", input="Count", previous_response_id=id)
    assert (raised.value.code, raised.value.param) == ("previous_response_not_found", "previous_response_id")


def test_the_result_of_a_tool_ends_the_calling():
    server, model = mock(), "mock-1;calls=1"
    with strict(server) as client:
        first = client.responses.create(model=model, input="Weather?", tools=TOOLS)
        result = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sun"}
        second = client.responses.create(model=model, input=[result], tools=TOOLS, previous_response_id=first.id)
    assert (first.output[0].type, second.output_text) == ("function_call", "one two")


# What is kept


def started(server: MockServer, client: openai.OpenAI, count: int, **more):
    """A background stream whose client leaves after ``count`` events."""
    question = {"model": server.model, "input": "Count", "background": True, "stream": True} | more
    with client.responses.create(**question) as stream:
        return [event for _, event in zip(range(count), stream, strict=False)]


LONG = "one two three four five six seven eight nine ten"  # 10 tokens, the last after 2.75 s


def long() -> MockServer:
    return MockServer(LONG, pace=PACE, clock=VirtualClock())


def test_a_background_answer_goes_on_when_its_client_leaves():
    server = long()
    with strict(server) as client:
        seen = started(server, client, 7)
        server.clock.sleep(60)
        kept = client.responses.retrieve(seen[0].response.id)
    entry = server.ledger[0]
    assert (entry.ended, entry.tokens_sent, entry.tokens_generated) == ("client_left", 2, 10)
    assert (kept.status, kept.output_text) == ("completed", LONG)


@pytest.mark.parametrize("away", [0, 1.0, 1.1, 60])
@pytest.mark.parametrize("count", [1, 4, 7, 14])
def test_the_rest_of_a_background_answer_comes_exactly_once_and_in_time(count, away):
    with strict(long()) as client:
        whole = started(long(), client, 99)
    server, times = long(), []
    with strict(server) as client:
        seen = started(server, client, count)
        server.clock.sleep(away)
        back = server.clock.now()
        for event in client.responses.retrieve(
            seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number
        ):
            seen.append(event)
            times.append(server.clock.now())
    assert [event.model_dump() for event in seen] == [event.model_dump() for event in whole]
    due = server.ledger[0].due[count:]
    assert times == pytest.approx([max(back, at) for at in due])


def test_a_client_may_come_back_as_often_as_it_likes():
    server = long()
    with strict(server) as client:
        seen = started(server, client, 5)
        for _ in range(20):
            with client.responses.retrieve(
                seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number
            ) as stream:
                seen += [event for _, event in zip(range(2), stream, strict=False)]
    assert [event.sequence_number for event in seen] == list(range(19))
    assert seen[-1].type == "response.completed"


def test_a_stream_that_a_fault_has_cut_is_there_to_be_resumed():
    server = long()
    seen = []
    with strict(server) as client:
        with pytest.raises(openai.APIConnectionError):
            for event in client.responses.create(model="mock-1;cut=3", input="Count", background=True, stream=True):
                seen.append(event)
        rest = list(
            client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number)
        )
    assert rest[-1].response.output_text == LONG
    assert server.ledger[0].tokens_generated == 10


@pytest.mark.parametrize("stream", [False, True])
def test_a_background_answer_that_breaks_off_has_failed_with_what_there_was(stream):
    server = long()
    with strict(server) as client:
        asked = {"model": "mock-1;error-at=3", "input": "Count", "background": True}
        answer = client.responses.create(**asked, stream=stream)
        id = next(iter(answer)).response.id if stream else answer.id
        server.clock.sleep(60)
        later = client.responses.retrieve(id)
    assert (later.status, later.output_text, later.error.code) == ("failed", "one two three", "server_error")
    assert server.ledger[0].tokens_generated == 3


def test_nothing_comes_behind_the_error_of_a_background_answer():
    server = long()
    with strict(server) as client:
        seen = started(server, client, 5, model="mock-1;error-at=3")
        rest = client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number)
        texts = []
        with pytest.raises(openai.APIError, match="broke off"):
            texts.extend(event.delta for event in rest)
    assert texts == ["one", " two", " three"]


def test_a_background_answer_stays_in_the_queue_until_there_is_a_slot():
    server = MockServer(LONG, pace=replace(PACE, slots=1), clock=VirtualClock())
    with strict(server) as client:
        client.responses.create(model="mock-1", input="First", background=True)  # made until 2.75 s
        second = client.responses.create(model="mock-1", input="Second", background=True)
        statuses = []
        for _ in range(3):
            server.clock.sleep(1)
            statuses.append(client.responses.retrieve(second.id).status)
        came = client.responses.create(model="mock-1", input="Third", background=True, stream=True)
        times = {event.type: server.clock.now() for event in came}
    assert statuses == ["queued", "queued", "in_progress"]
    begun = server.ledger[1].token_times[-1]
    assert times["response.queued"] < begun == times["response.in_progress"] < times["response.output_item.added"]


def test_a_background_answer_is_polled_from_the_queue_to_its_end():
    server, seen = long(), []
    with strict(server) as client:
        answer = client.responses.create(model=server.model, input="Count", background=True)
        assert server.clock.now() == 0.25
        seen.append(answer.status)
        while answer.status not in ("completed", "failed"):
            server.clock.sleep(0.5)
            answer = client.responses.retrieve(answer.id)
            seen.append(answer.status)
    assert seen == ["queued", *["in_progress"] * 4, "completed"]
    assert (server.clock.now(), answer.output_text, server.ledger[0].tokens_generated) == (2.75, LONG, 10)


@pytest.mark.parametrize("stream", [True, False])
def test_a_cancelled_answer_stops_being_made(stream):
    server = long()

    async def main():
        async with server.async_client(_strict_response_validation=True) as client:
            asked = {"model": server.model, "input": "Count", "background": True, "stream": stream}
            answer, came = await client.responses.create(**asked), []

            async def read():
                async for event in answer:
                    came.append(event)

            reading = asyncio.create_task(read()) if stream else None
            await asyncio.sleep(1)  # the clock shows 1.25: four tokens have been made
            id = came[0].response.id if stream else answer.id
            cancelled = await client.responses.cancel(id)
            ended = server.clock.now()
            if reading:
                await reading
            assert server.clock.now() <= ended + 0.25
            await asyncio.sleep(60)
            return cancelled, await client.responses.retrieve(id), came

    cancelled, later, came = run(main(), server.clock)
    assert (cancelled.status, later.status, later.output) == ("cancelled", "cancelled", [])
    entry = server.ledger[0]
    assert (entry.ended, entry.ended_by, entry.ended_at) == ("cancelled", "client", 1.25)
    assert entry.tokens_generated == 4
    texts = [event.delta for event in came if event.type == "response.output_text.delta"]
    assert not came or (came[-1].type == "response.output_text.delta" and len(texts) == 4)


def test_an_answer_that_was_left_and_then_cancelled_was_made_until_it_was_cancelled():
    server = long()
    with strict(server) as client:
        seen = started(server, client, 7)
        server.clock.sleep_until(2.0)
        client.responses.cancel(seen[0].response.id)
        server.clock.sleep(60)
        rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=6))
    assert (server.ledger[0].ended, server.ledger[0].tokens_generated) == ("client_left", 7)
    assert "".join(event.delta for event in seen[5:] + rest) == "one two three four five six seven"


def test_cancelling_what_is_over_changes_nothing():
    server = long()
    with strict(server) as client:
        id = started(server, client, 99)[0].response.id
        assert client.responses.cancel(id).status == "completed"
    assert server.ledger[0].ended == "complete"


def test_a_deleted_answer_is_gone():
    server = mock()
    with strict(server) as client:
        answer = client.responses.create(model=server.model, input="Count")
        assert client.responses.retrieve(answer.id) == answer
        client.responses.delete(answer.id)
        for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError):
                call(answer.id)
        with pytest.raises(openai.BadRequestError, match="not found"):
            client.responses.create(model=server.model, input="Count", previous_response_id=answer.id)


def test_an_answer_whose_client_left_is_not_kept():
    server = long()
    with strict(server) as client:
        id = started(server, client, 6, background=False)[0].response.id
        server.clock.sleep(60)
        with pytest.raises(openai.NotFoundError, match="whose client left"):
            client.responses.retrieve(id)
        with pytest.raises(openai.BadRequestError, match="not found"):
            client.responses.create(model=server.model, input="Count", previous_response_id=id)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_was_not_to_be_stored_is_not(stream):
    server = mock()
    with strict(server) as client:
        answer = client.responses.create(model=server.model, input="Count", store=False, stream=stream)
        id = list(answer)[-1].response.id if stream else answer.id
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(id)


def test_a_kept_answer_is_the_one_that_was_given():
    server = mock()
    for stream in (True, False):
        with strict(server) as client:
            answer = client.responses.create(model=server.model, input="Count", stream=stream)
            given = list(answer)[-1].response if stream else answer
            assert client.responses.retrieve(given.id) == given


def test_only_a_background_stream_can_be_streamed_again():
    server = mock()
    with strict(server) as client:
        for more in ({}, {"background": True}):
            answer = client.responses.create(model=server.model, input="Count", **more)
            with pytest.raises(openai.BadRequestError, match="'background' and 'stream'"):
                client.responses.retrieve(answer.id, stream=True)
        with pytest.raises(openai.BadRequestError, match="only a response with 'background'"):
            client.responses.cancel(client.responses.create(model=server.model, input="Count").id)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"background": True, "store": False}, "has to be stored"),
        ({"previous_response_id": 7}, "must be a text, got 7"),
        ({"max_output_tokens": 0}, "at least 1"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "needs a 'schema'"),
        ({"tool_choice": "required"}, "'tools' has none"),
    ],
)
def test_a_wrong_option_is_told_what_it_takes(options, says):
    with pytest.raises(openai.BadRequestError, match=says):
        events(**options)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/responses/resp_nobody", 404),
        ("DELETE", "/v1/responses/resp_nobody", 404),
        ("POST", "/v1/responses/resp_nobody/cancel", 404),
        ("GET", "/v1/responses/{id}/input_items", 404),
        ("PUT", "/v1/responses/{id}", 404),
        ("GET", "/v1/responses", 405),
        ("GET", "/v1/responses/{id}?stream=true&starting_after=soon", 400),
        ("GET", "/v1/responses/{id}?stream=true&starting_after=²", 400),
        ("GET", "/v1/responses/{id}?stream=true&starting_after=" + "9" * 5000, 400),
        ("GET", "/v1/responses/{id}?stream=true&starting_after=99", 200),
    ],
)
def test_bad_use_of_what_is_kept_gets_its_status(method, path, status):
    engine = Engine("one", PACE)
    body = json.dumps({"model": "mock-1", "input": "Count", "stream": True, "background": True}).encode()
    first = json.loads(engine.respond(Request("POST", "/v1/responses", body)).frames[0].data.split(b"data: ")[1])
    answer = engine.respond(Request(method, path.format(id=first["response"]["id"])), 60.0)
    assert answer.status == status
