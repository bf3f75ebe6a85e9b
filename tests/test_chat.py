"""The parts of Chat Completions beyond plain text, through the real client, strict about types."""

import datetime
import enum
import json
import math
from typing import Literal

import openai
import pydantic
import pytest

from course_utils.clock import VirtualClock
from course_utils.engine import Engine, Request
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import record

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


def usage_of(answer):
    return answer[-1].usage if isinstance(answer, list) else answer.usage


STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
MODES = pytest.mark.parametrize("mode", [{}, STREAMED], ids=["whole", "streamed"])


def logprobs_of(answer, part: str) -> list:
    choices = [c for chunk in answer for c in chunk.choices] if isinstance(answer, list) else answer.choices
    return [one for choice in choices for one in (getattr(choice.logprobs, part, None) or [])]


@MODES
@pytest.mark.parametrize(("model", "part"), [("mock-1", "content"), ("mock-1;refusal", "refusal")])
def test_each_token_has_its_probability_and_those_of_others(mode, model, part):
    likely = logprobs_of(ask(mock(), model=model, logprobs=True, top_logprobs=3, **mode), part)
    assert [one.token for one in likely] == ["one", " two", " three", ".", " four"]
    assert [bytes(one.bytes).decode() for one in likely] == [one.token for one in likely]
    for one in likely:
        shares = [top.logprob for top in one.top_logprobs]
        assert (one.top_logprobs[0].token, len(shares), shares) == (one.token, 3, sorted(shares, reverse=True))
        assert sum(math.exp(share) for share in shares) <= 1


@MODES
def test_probabilities_come_without_others_or_not_at_all(mode):
    likely = logprobs_of(ask(mock(), logprobs=True, **mode), "content")
    assert [one.top_logprobs for one in likely] == [[]] * 5
    assert logprobs_of(ask(mock(), **mode), "content") == []


def test_the_streaming_helper_of_the_sdk_collects_the_probabilities():
    question = {"model": "mock-1", "messages": [{"role": "user", "content": "Count"}], "logprobs": True}
    with mock().client() as client, client.chat.completions.stream(**question) as stream:
        choice = stream.get_final_completion().choices[0]
    assert [one.token for one in choice.logprobs.content] == ["one", " two", " three", ".", " four"]


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"


class Step(pydantic.BaseModel):
    title: str
    minutes: int
    mood: Mood
    due: datetime.date
    then: "Step | None"
    parts: list["Step"]


class Plan(pydantic.BaseModel):
    name: str
    share: float = pydantic.Field(gt=2)
    first: Step
    others: list[Step] = pydantic.Field(min_length=2)
    reached: Literal["here"] | int


def test_the_sdk_parses_the_answer_into_a_model_that_nests_and_refers_to_itself():
    with mock().client(_strict_response_validation=True) as client:
        answer = client.chat.completions.parse(
            model="mock-1", messages=[{"role": "user", "content": "Plan"}], response_format=Plan
        )
    plan = answer.choices[0].message.parsed
    assert (type(plan), plan.first.mood, len(plan.others), plan.reached) == (Plan, Mood.GLAD, 2, "here")


def test_the_streaming_helper_of_the_sdk_parses_it_too():
    question = {"model": "mock-1", "messages": [{"role": "user", "content": "Plan"}], "response_format": Plan}
    with mock().client() as client, client.chat.completions.stream(**question) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion().choices[0].message
    assert isinstance(final.parsed, Plan)
    assert len(deltas) > 20
    assert Plan.model_validate_json("".join(deltas)) == final.parsed


def test_the_sdk_refuses_structured_output_that_a_limit_has_cut():
    question = {"model": "mock-1", "messages": [{"role": "user", "content": "Plan"}], "response_format": Plan}
    with mock().client() as client, pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**question, max_tokens=3)


def json_mode(reply: str, format: dict) -> str:
    server = MockServer(reply, pace=PACE, clock=VirtualClock())
    return ask(server, response_format=format).choices[0].message.content


SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array", "items": {"enum": [7]}}}}


@pytest.mark.parametrize(("format", "value"), [({"type": "json_object"}, {"answer": "text"}), (SCHEMA, [7])])
def test_a_reply_that_is_no_json_becomes_an_example_of_the_schema(format, value):
    assert json.loads(json_mode("no JSON", format)) == value


@pytest.mark.parametrize("format", [{"type": "json_object"}, SCHEMA])
def test_a_reply_that_is_json_already_is_kept(format):
    assert json_mode('{"mine": [1, 2]}', format) == '{"mine": [1, 2]}'


def test_a_format_of_text_demands_nothing():
    assert json_mode("no JSON", {"type": "text"}) == "no JSON"


TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]


@MODES
def test_a_limit_cuts_the_arguments_of_a_call(mode):
    answer = ask(mock(), model="mock-1;calls=1", tools=TOOLS, max_tokens=3, **mode)
    chunks = answer if mode else []
    parts = [c.delta for chunk in chunks for c in chunk.choices] or [answer.choices[0].message]
    arguments = "".join(call.function.arguments for part in parts for call in part.tool_calls or [])
    ends = [c.finish_reason for one in (chunks or [answer]) for c in one.choices if c.finish_reason]
    assert (arguments, ends, usage_of(answer).completion_tokens) == ('{"city', ["length"], 3)


def test_thoughts_delay_the_first_visible_token_and_are_paid():
    server = mock()
    with server.client(_strict_response_validation=True) as client:
        question = {"messages": [{"role": "user", "content": "Count"}]} | STREAMED
        timeline = record(client.chat.completions.create, model="mock-1;reasoning=20", clock=server.clock, **question)
    assert next(chunk.at for chunk in timeline.chunks if chunk.text) == 0.5 + 20 * 0.25
    usage = usage_of(ask(server, model="mock-1;reasoning=20", **STREAMED))
    assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (25, 20)
    assert (server.ledger[0].tokens_generated, server.ledger[0].tokens_sent) == (25, 5)


def test_thoughts_aloud_are_streamed_before_the_answer_and_belong_to_no_text():
    server = mock()
    with server.client(_strict_response_validation=True) as client:
        question = {"messages": [{"role": "user", "content": "Count"}]} | STREAMED
        model = "mock-1;reasoning=3;aloud"
        timeline = record(client.chat.completions.create, model=model, clock=server.clock, **question)
    assert [(chunk.at, chunk.hidden) for chunk in timeline.chunks if chunk.hidden] == [
        (0.5, "Let"), (0.75, " me"), (1.0, " think")
    ]  # fmt: skip
    assert next(chunk.at for chunk in timeline.chunks if chunk.text) == 1.25
    assert (timeline.finish_reason, timeline.tokens) == ("stop", 3 + 5)
    assert (server.ledger[0].tokens_generated, server.ledger[0].tokens_sent) == (8, 8)


def test_a_whole_answer_has_thoughts_aloud_beside_its_text():
    message = ask(mock(), model="mock-1;reasoning=3;aloud").choices[0].message
    assert message.reasoning_content == "Let me think"
    assert not message.content.startswith("Let")


@pytest.mark.parametrize("place, hidden, said", [(2, 2, 0), (4, 4, 0), (6, 4, 2)])
def test_an_error_counts_thoughts_aloud_among_the_tokens(place, hidden, said):
    server = mock()
    question = {
        "messages": [{"role": "user", "content": "Count"}],
        "model": f"mock-1;reasoning=4;aloud;error-at={place}",
    }
    with server.client() as client, pytest.raises(openai.APIError) as broken:
        record(client.chat.completions.create, clock=server.clock, stream=True, **question)
    chunks = broken.value.timeline.chunks
    assert (sum(bool(chunk.hidden) for chunk in chunks), sum(bool(chunk.text) for chunk in chunks)) == (hidden, said)
    assert server.ledger[0].tokens_generated == server.ledger[0].tokens_sent == place


def test_thoughts_aloud_go_with_several_answers_and_packed_text():
    chunks = ask(mock(), model="mock-1;reasoning=2;aloud;pack=2", n=2, **STREAMED)
    for index in (0, 1):
        deltas = [c.delta for chunk in chunks for c in chunk.choices if c.index == index]
        assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Let me"
        assert len([delta for delta in deltas if delta.content]) == 3


@MODES
def test_thoughts_beyond_the_limit_leave_an_empty_answer(mode):
    answer = ask(mock(), model="mock-1;reasoning=20", max_completion_tokens=8, **mode)
    chunks = answer if mode else []
    text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    last = [c for chunk in chunks for c in chunk.choices][-1] if mode else answer.choices[0]
    assert (text if mode else answer.choices[0].message.content, last.finish_reason) == ("", "length")
    usage = usage_of(answer)
    assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (8, 8)


ASKED = [
    {},
    {"n": 3},
    {"max_tokens": 2},
    {"stop": "three"},
    {"logprobs": True},
    {"model": "mock-1;refusal"},
    {"model": "mock-1;filter=3"},
    {"model": "mock-1;calls=2", "tools": TOOLS},
    {"model": "mock-1;calls=2", "tools": TOOLS, "max_tokens": 12},
    {"model": "mock-1;calls=1;reasoning=9", "tools": TOOLS, "n": 2},
    {"model": "mock-1;reasoning=7"},
    {"model": "mock-1;reasoning=7", "max_tokens": 8, "n": 2},
    {"response_format": SCHEMA},
]


@MODES
@pytest.mark.parametrize("options", ASKED)
def test_the_usage_is_what_the_ledger_has_counted(options, mode):
    server = mock()
    usage, entry = usage_of(ask(server, **options, **mode)), server.ledger[0]
    assert usage.completion_tokens == entry.tokens_generated
    assert usage.completion_tokens - usage.completion_tokens_details.reasoning_tokens == entry.tokens_sent
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_the_result_of_a_tool_ends_the_calling():
    server, model = mock(), "mock-1;calls=1"
    messages = [{"role": "user", "content": "Weather?"}]
    turns = 0
    while (choice := ask(server, model=model, messages=messages, tools=TOOLS).choices[0]).finish_reason == "tool_calls":
        messages.append(choice.message.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": c.id, "content": "sun"} for c in choice.message.tool_calls]
        turns += 1
        assert turns < 3
    assert (turns, choice.message.content) == (1, "one two three. four")
    again = [*messages, choice.message.model_dump(exclude_none=True), {"role": "user", "content": "And now?"}]
    assert ask(server, model=model, messages=again, tools=TOOLS).choices[0].finish_reason == "tool_calls"


def test_a_conversation_goes_on_after_a_refusal():
    server = mock()
    refused = ask(server, model="mock-1;refusal").choices[0].message.model_dump()
    messages = [{"role": "user", "content": "Count"}, refused, {"role": "user", "content": "Please"}]
    assert ask(server, messages=messages).usage.prompt_tokens == 1 + 5 + 1


@pytest.mark.parametrize(("option", "at"), [("error-at=0", 0.25), ("error-at=2", 0.75), ("error-at=5", 1.5)])
def test_an_error_in_the_middle_of_a_whole_answer_is_a_500_at_the_same_moment(option, at):
    for stream, kind in ((True, openai.APIError), (False, openai.InternalServerError)):
        server = mock()
        with pytest.raises(kind, match="broke off"):
            ask(server, model=f"mock-1;{option}", stream=stream)
        server.clock.sleep(60)
        entry = server.ledger[0]
        assert (entry.ended, entry.ended_at, entry.tokens_generated) == ("fault:error", at, int(option[-1]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"response_format": {"type": "json_schema", "json_schema": "x"}}, "must be an object, got 'x'"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, "needs a 'schema'"),
        ({"response_format": {"type": "xml"}}, "got 'xml'"),
        ({"logprobs": True, "top_logprobs": 21}, "20 at most"),
        ({"top_logprobs": 3}, "goes with 'logprobs': true only"),
        ({"logprobs": 3}, "must be true or false, got 3"),
        ({"model": "m" * 1001}, "1000 letters at most, got 1001"),
    ],
)
def test_a_wrong_format_is_told_what_it_takes(options, says):
    with pytest.raises(openai.BadRequestError, match=says):
        ask(mock(), **options)


def test_several_tokens_may_come_in_one_chunk_and_usage_counts_the_tokens():
    server = mock()
    chunks = ask(server, model="mock-1;pack=2", stream=True, stream_options={"include_usage": True})
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert texts == ["one two", " three.", " four"]
    assert chunks[-1].usage.completion_tokens == server.ledger[0].tokens_generated == server.ledger[0].tokens_sent == 5
    assert server.clock.now() == 1.5


def test_a_cut_counts_the_tokens_in_a_chunk():
    server = mock()
    with pytest.raises(openai.APIConnectionError):
        ask(server, model="mock-1;pack=2;cut=4", stream=True)
    assert server.ledger[0].tokens_sent == 4
