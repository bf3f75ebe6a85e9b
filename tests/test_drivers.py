"""Every option of a model's name, on every driver, through the strict client: the same events, end and bytes everywhere."""

import asyncio
import json
import socket

import httpx2
import openai
import pytest

from course_utils import scenario
from course_utils.clock import VirtualClock, run
from course_utils.engine import Engine, Request
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.transport import Transport

REPLY = "Streaming is fun for two é 🎉 fast readers who keep reading on and on to the end."
WHOLE = 20  # tokens of REPLY
FAST = Pace(headers=0, ttft=0.004, itl=0.0004)
QUICK = {
    "ttft": "ttft=0.01",
    "itl": "itl=0.001",
    "tps": "tps=1000",
    "headers": "headers=0.002",
    "pause": "pause=3:0.01",
    "prefill": "prefill=0.001",
    "stall": "stall=7:0.01",
    "slow": "slow=0.01",
    "idle": "stall=7:0.05;idle=0.02",
    "heartbeat": "stall=7:0.02;heartbeat=0.005",
    "aloud": "reasoning=5;aloud",
    "freeze": "freeze=0.02:0.01",
}
"""Options whose own example takes too long in real time, or has nothing to do in an answer as short as this."""
CASES = dict(zip(scenario.OPTIONS, scenario.examples(), strict=True)) | QUICK

PROMISED = {
    "cut": (12, "APIConnectionError"),
    "malformed": (12, "APIConnectionError"),
    "idle": (7, "APIConnectionError"),
    "end": (12, None),
    "filter": (12, None),
    "calls": (18, None),
    "pack": (7, None),
    "error-at": (12, "APIError"),
    "failed": (12, "APIError"),
    "error": (0, "RateLimitError"),
    "flaky": (0, "InternalServerError"),
}
"""Deltas with text that reach the client and the error that the SDK raises, where an option does not just bend time or bytes."""
HARMLESS = {
    "ttft", "itl", "tps", "headers", "pause", "prefill", "cache", "jitter", "burst", "slots", "batch", "hold", "page",
    "gzip", "stall", "slow", "bundle", "split", "split-utf8", "crlf", "cr", "heartbeat", "type", "reasoning",
    "refusal", "goes-on", "aloud", "freeze",
}  # fmt: skip
UNARY = {"error": "RateLimitError", "flaky": "InternalServerError", "error-at": "InternalServerError"}
"""A whole answer has no stream that could break on its way; only the service itself can fail."""

TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
MESSAGES = [{"role": "user", "content": "Hi é 🎉"}]
QUESTIONS = {
    "chat/completions": {"messages": MESSAGES, "tools": [{"type": "function", "function": TOOL}]},
    "responses": {"input": "Hi é 🎉", "tools": [{"type": "function"} | TOOL]},
    "messages": {"messages": MESSAGES, "tools": [TOOL], "max_tokens": 99},
    "text": {"prompt": "Hi é 🎉"},
    "ndjson": {"prompt": "Hi é 🎉"},
    "events": {"prompt": "Hi é 🎉"},
}
APIS = ["chat/completions", "responses"]


def mock(seed: int = 0) -> MockServer:
    return MockServer(REPLY, pace=FAST, clock=VirtualClock(), seed=seed)


def create(client, api: str, **asked):
    """What the SDK's own method gives: an answer or a stream, or a promise of one."""
    method = client.chat.completions.create if api == "chat/completions" else client.responses.create
    return method(**QUESTIONS[api], **asked)


def outcome(client: openai.OpenAI, api: str, **asked) -> tuple[list[dict], tuple[str, str] | None]:
    """All that the SDK has parsed, and the error it has raised."""
    came = []
    try:
        answer = create(client, api, **asked)
        for one in answer if asked["stream"] else [answer]:
            came.append(one.model_dump())
    except openai.OpenAIError as error:
        return came, (type(error).__name__, str(error))
    return came, None


async def async_outcome(client: openai.AsyncOpenAI, api: str, **asked):
    came = []
    try:
        answer = await create(client, api, **asked)
        if asked["stream"]:
            async for one in answer:
                came.append(one.model_dump())
        else:
            came.append(answer.model_dump())
    except openai.OpenAIError as error:
        return came, (type(error).__name__, str(error))
    return came, None


def in_process(api: str, **asked):
    with mock().client(_strict_response_validation=True) as client:
        return outcome(client, api, **asked)


def in_process_async(api: str, **asked):
    server = mock()

    async def main():
        async with server.async_client(_strict_response_validation=True) as client:
            return await async_outcome(client, api, **asked)

    return run(main(), server.clock)


@pytest.fixture(scope="module")
def http():
    with httpx2.Client(trust_env=False) as client:
        yield client


def over_socket(http: httpx2.Client, api: str, **asked):
    with mock().serve() as served:
        strict = {"max_retries": 0, "_strict_response_validation": True}
        return outcome(openai.OpenAI(base_url=served.url, api_key="x", http_client=http, **strict), api, **asked)


def tokens_in(events: list[dict]) -> int:
    """Deltas with text in a stream of either dialect."""
    choices = [choice["delta"] for event in events for choice in event.get("choices", [])]
    calls = [call["function"]["arguments"] for delta in choices for call in delta["tool_calls"] or []]
    texts = [text for delta in choices for text in (delta["content"], delta["refusal"])]
    return sum(map(bool, [*calls, *texts, *(event.get("delta") for event in events)]))


def test_every_option_has_a_case_and_a_promise():
    assert set(QUICK) <= set(scenario.OPTIONS)
    assert set(PROMISED) | HARMLESS == set(scenario.OPTIONS)
    assert not set(PROMISED) & HARMLESS


@pytest.mark.live
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", CASES)
def test_a_stream_is_the_same_on_all_drivers_and_what_its_option_promises(http, name, api):
    asked = {"model": f"mock-1;{CASES[name]}", "stream": True}
    events, error = in_process(api, **asked)
    assert in_process_async(api, **asked) == (events, error)
    assert over_socket(http, api, **asked) == (events, error)
    count, kind = PROMISED.get(name, (WHOLE, None))
    if (name, api) == ("failed", "responses"):
        kind = None  # this dialect has an end of its own for it
        assert events[-1]["response"]["status"] == "failed"
    assert (tokens_in(events), error and error[0]) == (count, kind)


@pytest.mark.live
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", CASES)
def test_a_whole_answer_is_the_same_on_all_drivers(http, name, api):
    asked = {"model": f"mock-1;{CASES[name]}", "stream": False}
    answers, error = in_process(api, **asked)
    assert in_process_async(api, **asked) == (answers, error)
    assert over_socket(http, api, **asked) == (answers, error)
    kind = "InternalServerError" if (name, api) == ("failed", "chat/completions") else UNARY.get(name)
    assert (len(answers), error and error[0]) == (0 if kind else 1, kind)


Raw = list[tuple[int, dict[str, str], bytes]]
"""Status, headers and body of each answer."""


def requests(option: str) -> list[tuple[str, bytes]]:
    """The same question on every route."""
    asked = {"model": f"mock-1;{option}", "stream": True}
    return [(f"/v1/{route}", json.dumps(question | asked).encode()) for route, question in QUESTIONS.items()]


def from_the_engine(option: str, seed: int = 0) -> Raw:
    engine = Engine(REPLY, FAST, seed=seed)
    answers = [engine.respond(Request("POST", path, body)) for path, body in requests(option)]
    return [(answer.status, answer.headers, b"".join(frame.data for frame in answer.frames)) for answer in answers]


def from_a_socket(option: str) -> Raw:
    with mock().serve() as served:
        return [exchange((served.host, served.port), path, body) for path, body in requests(option)]


def exchange(address: tuple[str, int], path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head.encode() + body)
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, dechunked(rest) if "transfer-encoding" in headers else rest


def dechunked(raw: bytes) -> bytes:
    """The body as far as it came in proper chunks."""
    body = b""
    while (size := raw.partition(b"\r\n")[0]) and size != b"0" and b" " not in size:
        start, count = len(size) + 2, int(size, 16)
        body, raw = body + raw[start : start + count], raw[start + count + 2 :]
    return body


def from_a_transport(option: str) -> Raw:
    server, out = mock(), []
    with httpx2.Client(transport=Transport(server.engine, server.ledger, server.clock)) as client:
        for path, body in requests(option):
            pieces: list[bytes] = []
            with client.stream("POST", f"http://mock{path}", content=body) as response:
                try:
                    pieces.extend(response.iter_raw())
                except httpx2.RemoteProtocolError:
                    assert option.startswith(("cut", "malformed", "stall"))
            out.append((response.status_code, dict(response.headers), b"".join(pieces)))
    return out


def from_an_async_transport(option: str) -> Raw:
    server = mock()

    async def ask(client: httpx2.AsyncClient, path: str, body: bytes):
        pieces: list[bytes] = []
        async with client.stream("POST", f"http://mock{path}", content=body) as response:
            try:
                async for piece in response.aiter_raw():
                    pieces.append(piece)
            except httpx2.RemoteProtocolError:
                assert option.startswith(("cut", "malformed", "stall"))
        return response.status_code, dict(response.headers), b"".join(pieces)

    async def main():
        async with httpx2.AsyncClient(transport=Transport(server.engine, server.ledger, server.clock)) as client:
            return [await ask(client, path, body) for path, body in requests(option)]

    return run(main(), server.clock)


@pytest.mark.live
@pytest.mark.parametrize("name", CASES)
def test_all_drivers_send_the_bytes_of_the_engine_on_every_route(name):
    expected = from_the_engine(CASES[name])
    for driver in (from_a_socket, from_a_transport, from_an_async_transport):
        for (status, headers, body), sent in zip(expected, driver(CASES[name]), strict=True):
            assert (sent[0], sent[2]) == (status, body), driver.__name__
            assert headers.items() <= sent[1].items(), driver.__name__


def test_another_seed_gives_other_ids_and_the_same_text():
    def ids_and_texts(seed: int) -> tuple[set[str], list[str]]:
        with mock(seed).client() as client:
            whole = client.chat.completions.create(model="mock-1", messages=MESSAGES)
            response = client.responses.create(model="mock-1", input="Hi")
        return {whole.id, response.id}, [whole.choices[0].message.content, response.output_text]

    (ids, texts), (others, same) = ids_and_texts(1), ids_and_texts(2)
    assert not ids & others
    assert texts == same == [REPLY, REPLY]
    assert from_the_engine("jitter=1", seed=1) != from_the_engine("jitter=1", seed=2)


def test_many_clients_at_once_get_what_each_would_get_alone():
    server = mock()
    models = [f"mock-1;{CASES[name]}" for name in CASES]

    async def main():
        async with server.async_client(_strict_response_validation=True) as client:
            every = (async_outcome(client, "responses", model=model, stream=True) for model in models)
            return await asyncio.gather(*every)

    def without_ids(out):
        events, error = out
        texts = [event.get("delta") for event in events]
        return [event["type"] for event in events], texts, error

    together = run(main(), server.clock)
    alone = [in_process("responses", model=model, stream=True) for model in models]
    assert [without_ids(out) for out in together] == [without_ids(out) for out in alone]


def socket_client(served, http: httpx2.Client) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=served.url, api_key="x", http_client=http, max_retries=0, _strict_response_validation=True
    )


BACKGROUND = {"model": "mock-1", "input": "Hi", "background": True, "stream": True}


@pytest.mark.live
def test_over_a_socket_too_a_background_stream_can_be_left_and_resumed(http):
    with mock().serve() as served:
        client = socket_client(served, http)
        with client.responses.create(**BACKGROUND) as stream:
            seen = [event for _, event in zip(range(7), stream, strict=False)]
        id, last = seen[0].response.id, seen[-1].sequence_number
        seen += client.responses.retrieve(id, stream=True, starting_after=last)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert (seen[-1].type, seen[-1].response.output_text) == ("response.completed", REPLY)


@pytest.mark.live
def test_over_a_socket_too_a_cancelled_stream_ends(http):
    slow = MockServer("word " * 1000, pace=Pace(headers=0, ttft=0.01, itl=0.01), clock=VirtualClock())
    with slow.serve() as served:
        client = socket_client(served, http)
        stream = client.responses.create(**BACKGROUND)
        id = next(iter(stream)).response.id
        assert client.responses.cancel(id).status == "cancelled"
        assert "response.completed" not in [event.type for event in stream]
        assert (served.ledger[0].ended, served.ledger[0].tokens_generated < 900) == ("cancelled", True)


@pytest.mark.live
def test_a_stream_that_is_cancelled_in_a_long_silence_ends_at_once(http):
    slow = MockServer(REPLY, pace=Pace(headers=0, ttft=0.01, itl=3600), clock=VirtualClock())
    with slow.serve() as served:
        client = socket_client(served, http)
        stream = client.responses.create(**BACKGROUND)
        id = next(event.item_id for event in stream if event.type == "response.output_text.delta").removeprefix("msg_")
        client.responses.cancel(f"resp_{id}")
        assert list(stream) == []  # after an hour, if it waited for its next token
        models = client.models.list()
    assert (served.ledger[0].ended, len(models.data) > 1) == ("cancelled", True)
