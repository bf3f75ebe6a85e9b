"""The openai package for Python: Chat Completions and Responses, with ``create`` and with the ``stream`` helpers."""

from __future__ import annotations

import asyncio
import json

import openai

from expected import ARGUMENTS, MODEL, PROMPT, SLOW, TEXT, TOKENS, WEATHER
from report import feature, first_three, raises, report, same, streamed

client = openai.OpenAI(max_retries=0, _strict_response_validation=True)
CHAT = [{"role": "user", "content": PROMPT}]
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
TOOL = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}


def chat(model: str = MODEL, messages=CHAT, **options):
    return client.chat.completions.create(model=model, messages=messages, **options)


def respond(model: str = MODEL, input=PROMPT, **options):
    return client.responses.create(model=model, input=input, **options)


def contents(stream):
    return (chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def deltas(stream, type="response.output_text.delta"):
    return (event.delta for event in stream if event.type == type)


@feature
def chat_streamed_text():
    return streamed(contents(chat(SLOW, stream=True)))


@feature
def chat_streamed_text_in_asyncio():
    async def main():
        async with openai.AsyncOpenAI(max_retries=0) as client:
            stream = await client.chat.completions.create(model=MODEL, messages=CHAT, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    same(asyncio.run(main()), TEXT)


@feature
def chat_stream_helper():
    with client.chat.completions.stream(model=SLOW, messages=CHAT) as stream:
        how = streamed(event.delta for event in stream if event.type == "content.delta")
        choice = stream.get_final_completion().choices[0]
    same((choice.message.content, choice.finish_reason), (TEXT, "stop"))
    return how


@feature
def chat_whole_text():
    same(chat().choices[0].message.content, TEXT)


@feature
def chat_usage():
    *_, last = chat(stream=True, stream_options={"include_usage": True})
    same((last.choices, last.usage.completion_tokens), ([], len(TOKENS)))
    same(chat().usage, last.usage)


@feature
def chat_tool_call():
    with client.chat.completions.stream(model=f"{MODEL};calls=1", messages=CHAT, tools=[CHAT_TOOL]) as stream:
        pieces = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        choice = stream.get_final_completion().choices[0]
    (call,) = choice.message.tool_calls
    same((call.function.name, json.loads(call.function.arguments)), ("weather", ARGUMENTS))
    same(choice.finish_reason, "tool_calls")
    assert len(pieces) > 1
    return f"{len(pieces)} pieces of arguments"


@feature
def chat_tool_round():
    asking = chat(f"{MODEL};calls=1", tools=[CHAT_TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": asking.tool_calls[0].id, "content": "the sky is clear"}
    same(chat(f"{MODEL};calls=1", tools=[CHAT_TOOL], messages=[*CHAT, asking, result]).choices[0].message.content, TEXT)


@feature
def chat_length_stop():
    chunks = list(chat(stream=True, max_completion_tokens=3))
    same("".join(contents(chunks)), "".join(TOKENS[:3]))
    same(chunks[-1].choices[0].finish_reason, "length")


@feature
def chat_refusal():
    with client.chat.completions.stream(model=f"{MODEL};refusal", messages=CHAT) as stream:
        message = stream.get_final_completion().choices[0].message
    same((message.content, message.refusal), (None, TEXT))


@feature
def chat_content_filter():
    same([chunk.choices[0].finish_reason for chunk in chat(f"{MODEL};filter=3", stream=True)][-1], "content_filter")


@feature
def chat_error_before_the_stream():
    with raises(openai.RateLimitError) as caught:
        chat(f"{MODEL};error=429", stream=True)
    same((caught[0].code, caught[0].type), ("rate_limit_exceeded", "rate_limit_error"))
    return f"retry after {caught[0].response.headers['retry-after']} s"


@feature
def chat_retried():
    answer = client.with_options(max_retries=2).chat.completions.with_raw_response.create(
        model=f"{MODEL};flaky=1", messages=CHAT
    )
    same((answer.retries_taken, answer.parse().choices[0].message.content), (1, TEXT))


@feature
def chat_error_inside_the_stream():
    first_three(contents(chat(f"{MODEL};error-at=3", stream=True)), openai.APIError, "the mock broke off")


@feature
def chat_cut_connection():
    first_three(contents(chat(f"{MODEL};cut=3", stream=True)), openai.APIConnectionError)


@feature
def responses_streamed_text():
    return streamed(deltas(respond(SLOW, stream=True)))


@feature
def responses_stream_helper():
    with client.responses.stream(model=SLOW, input=PROMPT) as stream:
        how = streamed(deltas(stream))
        same(stream.get_final_response().output_text, TEXT)
    return how


@feature
def responses_whole_text():
    same(respond().output_text, TEXT)


@feature
def responses_usage():
    *_, last = respond(stream=True)
    same((last.type, last.response.usage.output_tokens), ("response.completed", len(TOKENS)))
    same(respond().usage, last.response.usage)


@feature
def responses_tool_call():
    with client.responses.stream(model=f"{MODEL};calls=1", input=PROMPT, tools=[TOOL]) as stream:
        pieces = list(deltas(stream, "response.function_call_arguments.delta"))
        (call,) = stream.get_final_response().output
    same((call.name, json.loads(call.arguments)), ("weather", ARGUMENTS))
    same("".join(pieces), call.arguments)
    assert len(pieces) > 1
    return f"{len(pieces)} pieces of arguments"


@feature
def responses_tool_round():
    (call,) = respond(f"{MODEL};calls=1", tools=[TOOL]).output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "the sky is clear"}
    same(respond(f"{MODEL};calls=1", tools=[TOOL], input=[*CHAT, call, result]).output_text, TEXT)


@feature
def responses_socket_mode():
    with client.responses.connect() as socket:
        socket.response.create(model=SLOW, input=PROMPT)
        how = streamed(deltas(until_completed(socket)))
        socket.response.create(model=MODEL, input=PROMPT)
        same("".join(deltas(until_completed(socket))), TEXT)
    return how


def until_completed(socket):
    """A socket goes on after an answer, so the reader has to know when one is done."""
    for event in socket:
        yield event
        if event.type == "response.completed":
            return


@feature
def responses_length_stop():
    *_, last = respond(stream=True, max_output_tokens=3)
    same((last.type, last.response.output_text), ("response.incomplete", "".join(TOKENS[:3])))
    same(last.response.incomplete_details.reason, "max_output_tokens")


@feature
def responses_refusal():
    same("".join(deltas(respond(f"{MODEL};refusal", stream=True), "response.refusal.delta")), TEXT)


@feature
def responses_content_filter():
    *_, last = respond(f"{MODEL};filter=3", stream=True)
    same(last.response.incomplete_details.reason, "content_filter")


@feature
def responses_error_before_the_stream():
    with raises(openai.RateLimitError):
        respond(f"{MODEL};error=429", stream=True)


@feature
def responses_error_inside_the_stream():
    first_three(deltas(respond(f"{MODEL};error-at=3", stream=True)), openai.APIError, "the mock broke off")


@feature
def responses_cut_connection():
    first_three(deltas(respond(f"{MODEL};cut=3", stream=True)), openai.APIConnectionError)


if __name__ == "__main__":
    report()
