"""The anthropic package: the Messages API, with ``create`` and with the ``stream`` helper."""

from __future__ import annotations

import os

import anthropic
import httpx2

from expected import ARGUMENTS, MODEL, PROMPT, SLOW, TEXT, TOKENS, WEATHER
from report import feature, first_three, raises, report, same, streamed

client = anthropic.Anthropic(base_url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1"), api_key="none", max_retries=0)
QUESTION = {"role": "user", "content": PROMPT}
TOOL = {"name": "weather", "description": "The weather", "input_schema": WEATHER}


def ask(model: str = MODEL, **options):
    return client.messages.create(**({"model": model, "messages": [QUESTION], "max_tokens": 1000} | options))


def stream(model: str = MODEL, **options):
    return client.messages.stream(**({"model": model, "messages": [QUESTION], "max_tokens": 1000} | options))


def texts(events):
    return (event.delta.text for event in events if event.type == "content_block_delta")


@feature
def messages_streamed_text():
    return streamed(texts(ask(SLOW, stream=True)))


@feature
def messages_stream_helper():
    with stream(SLOW) as answer:
        how = streamed(answer.text_stream)
        same((answer.get_final_text(), answer.get_final_message().stop_reason), (TEXT, "end_turn"))
    return how


@feature
def messages_whole_text():
    (block,) = ask().content
    same((block.type, block.text), ("text", TEXT))


@feature
def messages_usage():
    with stream() as answer:
        usage = answer.get_final_message().usage
    same(usage.output_tokens, len(TOKENS))
    same((ask().usage.input_tokens, ask().usage.output_tokens), (usage.input_tokens, usage.output_tokens))


@feature
def messages_tool_call():
    with stream(f"{MODEL};calls=1", tools=[TOOL]) as answer:
        pieces = [event.partial_json for event in answer if event.type == "input_json"]
        message = answer.get_final_message()
    (block,) = message.content
    same((block.type, block.name, block.input), ("tool_use", "weather", ARGUMENTS))
    same(message.stop_reason, "tool_use")
    assert len(pieces) > 1, pieces
    return f"{len(pieces)} pieces of arguments"


@feature
def messages_tool_round():
    asking = ask(f"{MODEL};calls=1", tools=[TOOL])
    result = {"type": "tool_result", "tool_use_id": asking.content[0].id, "content": "the sky is clear"}
    history = [QUESTION, {"role": "assistant", "content": asking.content}, {"role": "user", "content": [result]}]
    (block,) = ask(f"{MODEL};calls=1", tools=[TOOL], messages=history).content
    same(block.text, TEXT)


@feature
def messages_length_stop():
    with stream(max_tokens=3) as answer:
        message = answer.get_final_message()
    same((message.content[0].text, message.stop_reason), ("".join(TOKENS[:3]), "max_tokens"))


@feature
def messages_refusal():
    with stream(f"{MODEL};refusal") as answer:
        same(answer.get_final_message().stop_reason, "refusal")


@feature
def messages_error_before_the_stream():
    with raises(anthropic.RateLimitError) as caught:
        ask(f"{MODEL};error=429", stream=True)
    same(caught[0].body["error"]["type"], "rate_limit_error")


@feature
def messages_error_inside_the_stream():
    first_three(texts(ask(f"{MODEL};error-at=3", stream=True)), anthropic.APIStatusError, "the mock broke off")


@feature
def messages_cut_connection():
    first_three(texts(ask(f"{MODEL};cut=3", stream=True)), httpx2.RemoteProtocolError)  # this SDK leaves it as it is


if __name__ == "__main__":
    report()
