"""langchain-openai: ChatOpenAI over Chat Completions and over Responses."""

from __future__ import annotations

import openai
from langchain_openai import ChatOpenAI

from expected import ARGUMENTS, MODEL, PROMPT, SLOW, TEXT, TOKENS, WEATHER
from report import feature, feature_of, first_three, raises, report, same, streamed

TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": WEATHER}}


def chat(model: str = MODEL, **options) -> ChatOpenAI:
    return ChatOpenAI(model=model, max_retries=0, stream_usage=True, use_responses_api=False, **options)


def responses(model: str = MODEL, **options) -> ChatOpenAI:
    return ChatOpenAI(model=model, max_retries=0, use_responses_api=True, **options)


def texts(model: ChatOpenAI):
    return (chunk.text for chunk in model.stream(PROMPT))


def added_up(chunks):
    first, *rest = chunks
    return sum(rest, start=first)


@feature_of(chat, responses)
def streamed_text(api):
    return streamed(texts(api(SLOW)))


@feature_of(chat, responses)
def whole_text(api):
    same(api().invoke(PROMPT).text, TEXT)


@feature_of(chat, responses)
def usage(api):
    usage = added_up(api().stream(PROMPT)).usage_metadata
    same(usage["output_tokens"], len(TOKENS))
    same(api().invoke(PROMPT).usage_metadata["total_tokens"], usage["total_tokens"])


@feature_of(chat, responses)
def tool_call(api):
    chunks = list(api(f"{MODEL};calls=1").bind_tools([TOOL]).stream(PROMPT))
    (call,) = added_up(chunks).tool_calls
    same((call["name"], call["args"]), ("weather", ARGUMENTS))
    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks if piece["args"]]
    assert len(pieces) > 1, pieces
    return f"{len(pieces)} pieces of arguments"


@feature_of(chat, responses)
def tool_round(api):
    model = api(f"{MODEL};calls=1").bind_tools([TOOL])
    asking = model.invoke(PROMPT)
    result = {"role": "tool", "tool_call_id": asking.tool_calls[0]["id"], "content": "the sky is clear"}
    same(model.invoke([("user", PROMPT), asking, result]).text, TEXT)


@feature
def chat_length_stop():
    message = added_up(chat(max_tokens=3).stream(PROMPT))
    same((message.text, message.response_metadata["finish_reason"]), ("".join(TOKENS[:3]), "length"))


@feature
def responses_length_stop():
    message = added_up(responses(max_tokens=3).stream(PROMPT))
    reason = message.response_metadata["incomplete_details"]["reason"]
    same((message.text, reason), ("".join(TOKENS[:3]), "max_output_tokens"))


@feature
def chat_refusal():
    same(chat(f"{MODEL};refusal").invoke(PROMPT).additional_kwargs["refusal"], TEXT)


@feature
def responses_refusal():
    same([part["refusal"] for part in responses(f"{MODEL};refusal").invoke(PROMPT).content], [TEXT])


@feature
def chat_content_filter():
    last = added_up(chat(f"{MODEL};filter=3").stream(PROMPT))
    same(last.response_metadata["finish_reason"], "content_filter")


@feature
def responses_content_filter():
    last = added_up(responses(f"{MODEL};filter=3").stream(PROMPT))
    same(last.response_metadata["incomplete_details"]["reason"], "content_filter")


@feature_of(chat, responses)
def error_before_the_stream(api):
    with raises(openai.RateLimitError):
        list(texts(api(f"{MODEL};error=429")))


@feature_of(chat, responses)
def error_inside_the_stream(api):
    first_three(texts(api(f"{MODEL};error-at=3")), openai.APIError, "the mock broke off")


@feature_of(chat, responses)
def cut_connection(api):
    first_three(texts(api(f"{MODEL};cut=3")), openai.APIConnectionError)


if __name__ == "__main__":
    report()
