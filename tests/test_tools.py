"""Tool calls in both dialects, through the real client, strict about types."""

import json

import openai
import pytest

from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.tools import example

WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    },
}
CLOCK = {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": ["string", "null"]}}}}
CHAT_TOOLS = [{"type": "function", "function": tool} for tool in (WEATHER, CLOCK)]
RESPONSE_TOOLS = [{"type": "function", "strict": False} | tool for tool in (WEATHER, CLOCK)]
FITTING = '{"city":"text","days":1,"unit":"C"}'


def mock() -> MockServer:
    return MockServer("no tool today", pace=Pace(headers=0.25, ttft=0.5, itl=0.25), clock=VirtualClock())


def chat(model="mock-1", **options):
    server = mock()
    question = {"model": model, "messages": [{"role": "user", "content": "Weather?"}], "tools": CHAT_TOOLS}
    with server.client(_strict_response_validation=True) as client:
        answer = client.chat.completions.create(**(question | options))
        return list(answer) if options.get("stream") else answer


def assembled(chunks) -> dict[int, list]:
    calls = {}
    for chunk in chunks:
        for part in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(part.index, [part.id, part.function.name, ""])
            call[2] += part.function.arguments
    return calls


def test_tools_are_offered_and_not_called_unless_asked_for():
    assert chat().choices[0].message.content == "no tool today"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_demanded_tool_is_called_with_fitting_arguments(choice):
    answer = chat(tool_choice=choice).choices[0]
    (call,) = answer.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", FITTING)
    assert (answer.finish_reason, answer.message.content) == ("tool_calls", None)


def test_the_arguments_of_two_calls_come_interleaved():
    chunks = chat(model="mock-1;calls=2", stream=True)
    order = [chunk.choices[0].delta.tool_calls[0].index for chunk in chunks[1:5]]
    assert order == [0, 1, 0, 1]
    assert [call[1:] for call in assembled(chunks).values()] == [["weather", FITTING], ["clock", '{"zone":"text"}']]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_first_chunk_names_the_calls_and_only_it():
    chunks = chat(model="mock-1;calls=2", stream=True)
    first = chunks[0].choices[0].delta
    assert (first.role, first.content, len(first.tool_calls)) == ("assistant", None, 2)
    later = [part for chunk in chunks[1:] for part in chunk.choices[0].delta.tool_calls or []]
    assert not any(part.id or part.function.name for part in later)


def test_the_streaming_helper_of_the_sdk_puts_the_calls_together():
    server = mock()
    question = [{"role": "user", "content": "Weather?"}]
    with (
        server.client() as client,
        client.chat.completions.stream(model="mock-1;calls=2", messages=question, tools=CHAT_TOOLS) as stream,
    ):
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [json.loads(FITTING), {"zone": "text"}]


def test_responses_calls_functions_one_item_after_the_other():
    server = mock()
    with server.client(_strict_response_validation=True) as client:
        came = list(
            client.responses.create(model="mock-1;calls=2", input="Weather?", tools=RESPONSE_TOOLS, stream=True)
        )
    kinds = [event.type.removeprefix("response.") for event in came if not event.type.endswith("arguments.delta")]
    item = ["output_item.added", "function_call_arguments.done", "output_item.done"]
    assert kinds == ["created", "in_progress", *item, *item, "completed"]
    assert [event.sequence_number for event in came] == list(range(len(came)))
    assert [call.arguments for call in came[-1].response.output] == [FITTING, '{"zone":"text"}']


def test_the_responses_helper_of_the_sdk_is_content():
    with (
        mock().client() as client,
        client.responses.stream(model="mock-1;calls=1", input="Weather?", tools=RESPONSE_TOOLS) as stream,
    ):
        assert stream.get_final_response().output[0].arguments == FITTING


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tools": [], "tool_choice": "required"}, "'tools' has none"),
        ({"tools": "weather"}, "must be a list"),
        ({"tools": [{"type": "function", "function": {}}], "tool_choice": "required"}, "needs a name"),
        ({"tool_choice": {"type": "function", "function": {"name": "fly"}}}, "not among 'tools'"),
    ],
)
def test_a_wrong_tool_is_told_what_it_lacks(options, says):
    with pytest.raises(openai.BadRequestError, match=says):
        chat(**options)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"type": "number"}}, [1.5]),
        ({"type": "boolean"}, True),
        ({"type": "object"}, {}),
        ({"type": "null"}, None),
        (None, {}),
    ],
)
def test_an_example_fits_its_schema(schema, value):
    assert example(schema) == value
