"""The Anthropic Messages dialect, held against the vendor's documentation: order of events, stop reasons, errors."""

import json

import pytest

from course_utils.engine import Engine, Request
from course_utils.pace import Pace
from course_utils.sse import decode

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
TOOLS = [
    {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
    {"name": "clock", "input_schema": {"type": "object"}},
]


def ask(model: str = "mock-1", engine: Engine | None = None, headers: dict[str, str] | None = None, **options):
    question = {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": "Count"}]} | options
    body = json.dumps({name: value for name, value in question.items() if value is not None}).encode()
    engine = engine or Engine("one two three. four", PACE)
    return engine.respond(Request("POST", "/v1/messages", body, headers or {}))


def whole(model: str = "mock-1", **options) -> dict:
    return json.loads(ask(model, **options).frames[0].data)


def streamed(model: str = "mock-1", **options) -> list[dict]:
    """The data of the events; each says its type twice, and never differently."""
    came = list(decode(frame.data for frame in ask(model, stream=True, **options).frames))
    assert all(json.loads(event.data)["type"] == event.type for event in came)
    return [json.loads(event.data) for event in came]


def deltas(events: list[dict], field: str, index: int = 0) -> str:
    wanted = [event for event in events if event["type"] == "content_block_delta" and event["index"] == index]
    return "".join(event["delta"][field] for event in wanted)


BLOCK = ["content_block_start", "content_block_delta", "content_block_stop"]


@pytest.mark.parametrize(
    ("model", "blocks"), [("mock-1", 1), ("mock-1;calls=2", 2), ("mock-1;calls=3", 3), ("mock-1;reasoning=3", 1)]
)
def test_a_message_starts_its_blocks_come_one_by_one_and_it_says_how_it_ended(model, blocks):
    events = streamed(model, tools=TOOLS)
    kinds = [event["type"] for event in events]
    runs = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    assert runs == ["message_start", "ping", *BLOCK * blocks, "message_delta", "message_stop"]
    places = [event["index"] for event in events if event["type"] == "content_block_start"]
    assert places == list(range(blocks))


def test_the_message_starts_empty_and_open():
    started = streamed()[0]["message"]
    assert (started["role"], started["content"], started["stop_reason"]) == ("assistant", [], None)
    assert (started["usage"]["input_tokens"], started["usage"]["output_tokens"]) == (1, 0)


def test_the_deltas_of_a_text_are_its_tokens_at_the_pace():
    frames = ask(stream=True).frames
    assert [frame.at for frame in frames if frame.tokens] == [0.5, 0.75, 1.0, 1.25, 1.5]
    assert deltas(streamed(), "text") == "one two three. four"


def test_thoughts_delay_the_first_block_and_are_not_shown():
    frames = ask("mock-1;reasoning=4", stream=True).frames
    assert [frame.at for frame in frames if frame.tokens] == [1.5, 1.75, 2.0, 2.25, 2.5]


def test_the_input_of_a_tool_comes_as_pieces_of_json():
    events = streamed("mock-1;calls=2", tools=TOOLS)
    begun = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [(block["type"], block["name"], block["input"]) for block in begun] == [
        ("tool_use", "weather", {}),
        ("tool_use", "clock", {}),
    ]
    assert len({block["id"] for block in begun}) == 2
    assert {event["delta"]["type"] for event in events if "index" in event and "delta" in event} == {"input_json_delta"}
    assert [json.loads(deltas(events, "partial_json", index)) for index in (0, 1)] == [{"city": "text"}, {}]


@pytest.mark.parametrize(
    ("model", "options", "reason", "sequence", "count"),
    [
        ("mock-1", {}, "end_turn", None, 5),
        ("mock-1", {"max_tokens": 2}, "max_tokens", None, 2),
        ("mock-1", {"stop_sequences": ["four", "three"]}, "stop_sequence", "three", 3),
        ("mock-1", {"stop_sequences": ["three"], "max_tokens": 1}, "max_tokens", None, 1),
        ("mock-1", {"stop_sequences": ["nowhere"]}, "end_turn", None, 5),
        ("mock-1;calls=1", {"tools": TOOLS}, "tool_use", None, 9),
        ("mock-1;calls=1", {"tools": TOOLS, "max_tokens": 3}, "max_tokens", None, 3),
        ("mock-1;refusal", {}, "refusal", None, 5),
        ("mock-1;filter=2", {}, "refusal", None, 2),
        ("mock-1;reasoning=4", {}, "end_turn", None, 9),
    ],
)
def test_the_end_says_why_and_how_many(model, options, reason, sequence, count):
    end = next(event for event in streamed(model, **options) if event["type"] == "message_delta")
    assert end["delta"] == {"stop_reason": reason, "stop_sequence": sequence}
    assert end["usage"]["output_tokens"] == count
    message = whole(model, **options)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
    assert message["usage"] == end["usage"]


def test_the_text_ends_before_its_stop_sequence():
    assert whole(stop_sequences=["three"])["content"] == [{"type": "text", "text": "one two "}]


def test_a_whole_message_has_the_input_as_an_object():
    (block,) = whole("mock-1;calls=1", tools=TOOLS)["content"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "weather", {"city": "text"})


@pytest.mark.parametrize(
    ("choice", "name"), [({"type": "any"}, "weather"), ({"type": "tool", "name": "clock"}, "clock")]
)
def test_a_choice_of_tool_is_obeyed(choice, name):
    assert whole(tools=TOOLS, tool_choice=choice)["content"][0]["name"] == name


@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "none"}])
def test_a_free_choice_calls_no_tool(choice):
    assert whole(tools=TOOLS, tool_choice=choice)["content"][0]["type"] == "text"


def test_the_result_of_a_tool_ends_the_calling_and_is_read():
    call = whole("mock-1;calls=1", tools=TOOLS)["content"]
    result = [{"type": "tool_result", "tool_use_id": call[0]["id"], "content": [{"type": "text", "text": "sun"}]}]
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": call},
        {"role": "user", "content": result},
    ]
    answer = whole("mock-1;calls=1", tools=TOOLS, messages=messages)
    assert answer["content"][0]["text"] == "one two three. four"
    assert answer["usage"]["input_tokens"] == 2 + 9 + 1


def test_the_system_prompt_is_read_too():
    assert whole(system="Be brief")["usage"]["input_tokens"] == 1 + 2
    assert whole(system=[{"type": "text", "text": "Be brief"}])["usage"]["input_tokens"] == 1 + 2


def test_what_was_read_from_the_cache_is_not_counted_as_input():
    engine = Engine("one", PACE)
    messages = [{"role": "user", "content": "word " * 20}]
    usage = [whole("mock-1;cache", engine=engine, messages=messages)["usage"] for _ in range(2)]
    assert [one["cache_read_input_tokens"] for one in usage] == [0, 16]
    assert usage[1]["input_tokens"] == usage[0]["input_tokens"] - 16


def test_an_error_in_the_stream_is_an_event_and_nothing_follows_it():
    events = streamed("mock-1;error-at=2")
    assert deltas(events, "text") == "one two"
    assert events[-1] == {"type": "error", "error": {"type": "api_error", "message": events[-1]["error"]["message"]}}


@pytest.mark.parametrize(
    ("model", "options", "status", "kind"),
    [
        ("mock-1", {"max_tokens": None}, 400, "invalid_request_error"),
        ("mock-1", {"max_tokens": 0}, 400, "invalid_request_error"),
        ("mock-1", {"messages": []}, 400, "invalid_request_error"),
        ("mock-1", {"messages": ["Hi"]}, 400, "invalid_request_error"),
        ("mock-1", {"stop_sequences": "three"}, 400, "invalid_request_error"),
        ("mock-1;fly", {}, 400, "invalid_request_error"),
        ("mock-1;error=401", {}, 401, "authentication_error"),
        ("mock-1;error=403", {}, 403, "permission_error"),
        ("mock-1;error=404", {}, 404, "not_found_error"),
        ("mock-1;error=429", {}, 429, "rate_limit_error"),
        ("mock-1;error=500", {}, 500, "api_error"),
        ("mock-1;error-at=2", {}, 500, "api_error"),
    ],
)
def test_an_error_is_written_in_the_words_of_this_api(model, options, status, kind):
    answer = ask(model, **options)
    error = json.loads(answer.frames[0].data)
    assert (answer.status, error["type"], error["error"]["type"]) == (status, "error", kind)
    assert error["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": "secret"}, 200),
        ({"authorization": "Bearer secret"}, 200),
        ({"x-api-key": "guess"}, 401),
        ({}, 401),
    ],
)
def test_the_key_may_come_in_the_header_of_this_api(headers, status):
    assert ask(engine=Engine("one", key="secret"), headers=headers).status == status
