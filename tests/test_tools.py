"""Tool calls in both dialects, through the real client, strict about types."""

import datetime
import functools
import ipaddress
import json
import uuid

import jsonschema
import openai
import pytest

from course_utils.clock import VirtualClock
from course_utils.engine import Engine, Request
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


@pytest.mark.parametrize(
    ("limit", "arguments"), [(3, ['{"city']), (23, [FITTING]), (24, [FITTING, "{"]), (32, [FITTING, '{"zone":"text"}'])]
)
def test_a_limit_leaves_the_calls_it_reaches(limit, arguments):
    choice = chat(model="mock-1;calls=2", max_tokens=limit).choices[0]
    assert [call.function.arguments for call in choice.message.tool_calls] == arguments
    assert choice.finish_reason == ("tool_calls" if limit == 32 else "length")


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


def test_a_result_ends_the_calling_and_the_answer_is_text():
    question = {"role": "user", "content": "Weather?"}
    asking = chat(model="mock-1;calls=1").choices[0].message
    result = {"role": "tool", "tool_call_id": asking.tool_calls[0].id, "content": "sunny"}
    history = [question, asking.model_dump(exclude_none=True), result]
    assert chat(model="mock-1;calls=1", messages=history).choices[0].message.content == "no tool today"
    assert chat(messages=history, tool_choice="required").choices[0].finish_reason == "tool_calls"


def test_a_result_ends_the_calling_in_the_responses_dialect_too():
    with mock().client(_strict_response_validation=True) as client:
        request = {"model": "mock-1;calls=1", "tools": RESPONSE_TOOLS}
        question = {"role": "user", "content": "Weather?"}
        (call,) = client.responses.create(input=[question], **request).output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        answer = client.responses.create(input=[question, call, result], **request)
    assert answer.output_text == "no tool today"


def test_what_a_tool_gave_is_the_prompt_in_the_messages_dialect():
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    body = {"model": "mock-1", "max_tokens": 9, "messages": [{"role": "user", "content": [result]}]}
    answer = Engine(str.upper).respond(Request("POST", "/v1/messages", json.dumps(body).encode()))
    assert json.loads(answer.frames[0].data)["content"][0]["text"] == "SUNNY"


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


NODE = {
    "type": "object",
    "properties": {"value": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
    "required": ["value", "next"],
    "additionalProperties": False,
}
TREE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "required": ["value", "kids"],
}
BINARY = {
    "type": "object",
    "properties": {side: {"anyOf": [{"type": "null"}, {"$ref": "#"}]} for side in ("left", "right")},
    "required": ["left", "right"],
}
MUTUAL = {
    "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}, "required": ["b"]},
    "B": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}, "n": {"type": "number"}}, "required": ["n"]},
}
SCHEMAS = {
    "nested": {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"type": "object", "properties": {"n": {"const": 2}}}}},
        "required": ["steps"],
    },
    "enum": {"type": "string", "enum": ["b", "a"]},
    "anyOf": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    "oneOf": {"oneOf": [{"type": "null"}, {"type": "string"}]},
    "allOf": {"allOf": [{"$ref": "#/$defs/N"}], "$defs": {"N": {"type": "integer"}}},
    "nullable": {"type": ["string", "null"]},
    "a list that ends in null": {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
    "a tree": {"$ref": "#/$defs/Tree", "$defs": {"Tree": TREE}},
    "a tree of lists of lists": TREE["properties"]["kids"] | {"items": {"type": "array", "items": {"$ref": "#"}}},
    "the root itself": BINARY,
    "the root's list": {"type": "object", "properties": {"more": {"type": "array", "items": {"$ref": "#"}}}},
    "two that need each other": {"$ref": "#/$defs/A", "$defs": MUTUAL},
    "a record in the list": {
        "type": "array",
        "items": {"type": "object", "properties": {"of": {"$ref": "#"}}, "required": ["of"]},
    },
    "bounds": {
        "type": "array",
        "items": {"type": "integer", "minimum": 5, "maximum": 6},
        "minItems": 3,
    },
    "open bounds": {
        "type": "object",
        "properties": {
            "more": {"type": "integer", "exclusiveMinimum": 9},
            "less": {"type": "number", "exclusiveMaximum": -4},
            "most": {"type": "integer", "maximum": 0},
        },
        "required": ["more", "less", "most"],
    },
    "lengths": {
        "type": "object",
        "properties": {
            "long": {"type": "string", "minLength": 9},
            "short": {"type": "string", "maxLength": 2},
        },
        "required": ["long", "short"],
    },
    "twenty levels": functools.reduce(
        lambda inner, _: {"type": "object", "properties": {"in": inner}, "required": ["in"]},
        range(20),
        {"type": "string"},
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_validator_accepts_the_example(name):
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(example(SCHEMAS[name]))


@pytest.mark.parametrize(
    ("format", "read"),
    [
        ("date-time", datetime.datetime.fromisoformat),
        ("date", datetime.date.fromisoformat),
        ("time", datetime.time.fromisoformat),
        ("uuid", uuid.UUID),
        ("ipv4", ipaddress.IPv4Address),
        ("ipv6", ipaddress.IPv6Address),
    ],
)
def test_a_text_has_the_format_that_is_wanted(format, read):
    assert read(example({"type": "string", "format": format}))


def test_what_may_end_is_left_out_before_it_repeats():
    assert example(SCHEMAS["a tree"]) == {"value": 1, "kids": []}
    assert example(SCHEMAS["a list that ends in null"]) == {"value": "text", "next": None}
    assert example(SCHEMAS["two that need each other"]) == {"b": {"n": 1.5}}


ENDLESS = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
WIDE = {
    f"T{one}": {
        "type": "object",
        "properties": {f"p{two}": {"$ref": f"#/$defs/T{two}"} for two in range(12)},
    }
    for one in range(12)
}
MANY = functools.reduce(lambda inner, _: {"type": "array", "minItems": 8, "items": inner}, range(20), {"type": "null"})


@pytest.mark.parametrize(
    "schema",
    [
        ENDLESS,
        {"$ref": "#/$defs/T0", "$defs": WIDE},
        MANY,
        {"type": "array", "minItems": 10**9, "items": {"type": "null"}},
        {"type": "string", "minLength": 10**9},
        {"anyOf": [{"$ref": "#"}]},
        {"$ref": "#/nowhere"},
    ],
    ids=["endless", "wide", "many", "long", "text", "choice", "nowhere"],
)
def test_a_schema_that_no_example_can_fit_costs_little(schema):
    assert len(json.dumps(example(schema))) < 2_000_000


def test_the_schemas_are_draft_2020_12_themselves():
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
