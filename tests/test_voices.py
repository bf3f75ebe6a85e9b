"""Models that find their own words: the mock speaks with the voice of the tiny language model."""

import json
import math

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
        ({"n": 2}, "'austen' gives one answer, and 'n' asks for 2"),
        ({"content": "tea " * 300}, "maximum context length is 256 tokens"),
    ],
)
def test_what_it_cannot_do_is_a_400(changes, words):
    answer = ask(**changes)
    assert answer.status == 400
    assert words in json.loads(answer.frames[0].data)["error"]["message"]


def asked_of_the_sdk(stream: bool, **options) -> list:
    """The answers' logprobs, one a token, as the real client reads them, strict about types."""
    options = {"model": "austen", "temperature": 0, "logprobs": True, "stream": stream} | options
    question = [{"role": "user", "content": "What is tea?"}]
    with MockServer(clock=VirtualClock()).client(_strict_response_validation=True) as client:
        answer = client.chat.completions.create(messages=question, **options)
        every = [choice for chunk in (answer if stream else [answer]) for choice in chunk.choices]
    return [one for choice in every if choice.logprobs for one in choice.logprobs.content]


@pytest.mark.parametrize("stream", [False, True])
def test_the_probabilities_are_the_models_own(stream):
    ids = greedy()
    came = asked_of_the_sdk(stream, top_logprobs=5)
    assert [bytes(one.bytes) for one in came] == [lm.tokenizer().token_bytes(id) for id in ids]
    for place, (one, id) in enumerate(zip(came, ids, strict=True)):
        shares = lm.probabilities(lm.load().forward([*TEA, *ids[:place]])[-1])
        best = [shares[other] for other in lm.ranking(shares, 5)]
        assert math.exp(one.logprob) == pytest.approx(shares[id], abs=1e-4)
        assert [math.exp(top.logprob) for top in one.top_logprobs] == pytest.approx(best, abs=1e-4)
        assert one.top_logprobs[0].token == one.token  # temperature 0 takes the likeliest


def test_a_token_that_was_drawn_need_not_be_the_likeliest_and_temperature_changes_no_probability():
    drawn = asked_of_the_sdk(False, temperature=2, seed=1, top_logprobs=1)
    assert any(one.logprob < one.top_logprobs[0].logprob for one in drawn)
    assert drawn[0].top_logprobs[0].logprob == asked_of_the_sdk(False, top_logprobs=1)[0].logprob


def test_the_end_of_an_answer_is_a_token_with_a_name_and_no_bytes():
    (row,) = voice.logprobs([*TEA, *greedy()], [lm.tokenizer().end], 1)
    assert (row["token"], row["bytes"]) == ("<|end|>", [])
    assert row["top_logprobs"][0]["token"] == "<|end|>"


def test_probabilities_end_where_a_stop_text_ends_the_answer():
    assert len(asked_of_the_sdk(True, stop=[text(greedy())[7:12]])) < len(greedy()) / 2
    assert asked_of_the_sdk(True, stop=[text(greedy())[:1]]) == []


def test_the_responses_api_has_the_same_probabilities():
    asked = {"model": "austen", "temperature": 0, "input": "What is tea?", "include": ["message.output_text.logprobs"]}
    with MockServer(clock=VirtualClock()).client(_strict_response_validation=True) as client:
        whole = client.responses.create(**asked, top_logprobs=2).output[0].content[0].logprobs
        events = list(client.responses.create(**asked, top_logprobs=2, stream=True))
    deltas = [one for event in events if event.type == "response.output_text.delta" for one in event.logprobs]
    chat = [(one.token, one.logprob) for one in asked_of_the_sdk(False, top_logprobs=2)]
    assert [(one.token, one.logprob) for one in whole] == [(one.token, one.logprob) for one in deltas] == chat


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
