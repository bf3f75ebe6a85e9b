"""Models that find their own words: the mock speaks with the voice of the tiny language model."""

import json

import openai
import pytest

from course_utils import MockServer, Pace, VirtualClock, lm
from course_utils.clock import run as run_virtually
from course_utils.engine import Engine, Request
from course_utils.lm import voice

TEA = lm.tokenizer().chat("What is tea?")


def text(ids) -> str:
    return lm.tokenizer().decode(ids)


def greedy(n=lm.CONTEXT) -> list[int]:
    return list(lm.generate(TEA, n))


def ask(content="What is tea?", model="austen", path="/v1/chat/completions", engine=None, **changes):
    body = {"model": model, "messages": [{"role": "user", "content": content}], "input": content, "prompt": content}
    if "max_tokens" in changes:
        changes["max_output_tokens"] = changes["max_tokens"]
    return (engine or Engine()).respond(Request("POST", path, json.dumps(body | changes).encode()))


def whole(**options):
    return json.loads(ask(**options).frames[0].data)


def said(**options) -> str:
    return whole(**options)["choices"][0]["message"]["content"]


def chunks(answer) -> list[dict]:
    lines = b"".join(frame.data for frame in answer.frames).decode().split("\n\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def test_the_mock_speaks_as_the_model_does():
    ids = greedy()
    answer = whole(temperature=0)
    assert answer["choices"][0]["message"]["content"] == text(ids)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == len(ids)
    assert answer["usage"]["prompt_tokens"] == len(TEA)


def test_a_stream_has_one_chunk_a_token_on_the_scripted_pace():
    answer = ask(temperature=0, stream=True, max_tokens=4, model="austen;ttft=0.5;itl=0.25")
    parts = [text([id]) for id in greedy(4)]
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks(answer)] == ["", *parts, None]
    assert chunks(answer)[-1]["choices"][0]["finish_reason"] == "length"
    assert answer.generated == (0.5, 0.75, 1.0, 1.25)


def test_as_fast_as_it_is_generated_is_a_pace_without_waiting():
    answer = ask(stream=True, model="austen;ttft=0;itl=0")
    assert {frame.at for frame in answer.frames} == {0.0}


def test_a_seed_gives_the_same_answer_again_and_none_another_one():
    engine = Engine()
    seeded = {said(engine=engine, seed=5, temperature=1) for _ in range(3)}
    free = {said(engine=engine, temperature=1) for _ in range(3)}
    assert len(seeded) == 1 and len(free) == 3
    assert said(engine=Engine(seed=1)) != said(engine=Engine(seed=2))
    assert said(engine=Engine(seed=1)) == said(engine=Engine(seed=1))


def test_a_stop_text_ends_the_answer_before_it():
    full = said(temperature=0)
    stop = full[7:12]
    answer = whole(temperature=0, stop=[stop])["choices"][0]
    assert answer["message"]["content"] == full[: full.index(stop)]
    assert answer["finish_reason"] == "stop"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages", "/v1/text", "/v1/ndjson", "/v1/events"])
def test_every_dialect_has_the_voice(path):
    answer = ask(path=path, stream=True, max_tokens=3, temperature=0)
    assert [frame.tokens for frame in answer.frames if frame.tokens] == [1, 1, 1]
    first, *_ = (text([id]) for id in greedy(1))
    assert first.strip() in b"".join(frame.data for frame in answer.frames).decode()


def test_it_is_in_the_list_of_models():
    names = json.loads(Engine().respond(Request("GET", "/v1/models")).frames[0].data)["data"]
    assert "austen" in [one["id"] for one in names]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": 3}, "'temperature' must be a number from 0 to 2, got 3"),
        ({"temperature": "warm"}, "'temperature' must be a number from 0 to 2, got 'warm'"),
        ({"top_p": 2}, "'top_p'"),
        ({"n": 2}, "one answer"),
        ({"logprobs": True}, "no 'logprobs'"),
        ({"content": "tea " * 300}, "maximum context length is 256 tokens"),
    ],
)
def test_what_it_cannot_do_is_a_400(changes, words):
    answer = ask(**changes)
    assert answer.status == 400
    assert words in json.loads(answer.frames[0].data)["error"]["message"]


def test_a_character_of_several_tokens_is_one_piece_and_the_pieces_are_as_many_as_tokens():
    parts = [b"a", b"\xf0", b"\x9f", b"\xab", b"\x96", b" b"]
    assert list(voice.whole_characters(parts)) == ["a", "", "", "", "🫖", " b"]


def test_a_character_that_is_cut_off_is_not_shown_in_part():
    assert list(voice.whole_characters([b"a", b"\xf0", b"\x9f"])) == ["a", "", ""]


@pytest.mark.parametrize(
    ("stops", "kept", "stop"),
    [
        (("c",), ("ab",), "c"),
        (("bc",), ("a",), "bc"),  # across two pieces
        (("bcde",), ("a",), "bcde"),  # across three
        (("ef", "bc"), ("a",), "bc"),
        (("x",), ("ab", "cd", "ef"), None),
        (("ab",), (), "ab"),
    ],
)
def test_a_stop_text_is_found_across_pieces(stops, kept, stop):
    assert voice.until(stops, ["ab", "cd", "ef"]) == (kept, stop)


def test_nothing_is_generated_behind_a_stop_text():
    asked = []
    voice.until(("b",), (asked.append(piece) or piece for piece in ["a", "b", "c"]))
    assert asked == ["a", "b"]


def test_a_client_that_leaves_saves_tokens():
    mock = MockServer(pace=Pace(ttft=0.5, itl=0.1))
    asked = {"model": "austen", "temperature": 0, "messages": [{"role": "user", "content": "Tell me a story."}]}
    full = mock.client().chat.completions.create(**asked).usage.completion_tokens
    with mock.client().chat.completions.create(**asked, stream=True) as stream:
        for number, _ in enumerate(stream):
            if number == 3:
                break
    assert mock.ledger[-1].ended == "client_left"
    assert mock.ledger[-1].tokens_generated < 6 < full


def test_all_drivers_say_the_same():
    mock = MockServer(pace=Pace(headers=0, ttft=0, itl=0), clock=VirtualClock())
    asked = {"model": "austen", "temperature": 0, "messages": [{"role": "user", "content": "What is tea?"}]}
    expected = text(greedy())

    async def later() -> str:
        return (await mock.async_client().chat.completions.create(**asked)).choices[0].message.content

    assert mock.client().chat.completions.create(**asked).choices[0].message.content == expected
    assert run_virtually(later(), mock.clock) == expected
    with mock.serve() as served, openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        assert client.chat.completions.create(**asked).choices[0].message.content == expected
