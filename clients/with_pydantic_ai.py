"""pydantic-ai: agents and direct requests over Chat Completions and over Responses."""

from __future__ import annotations

import json

import openai
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.direct import model_request_stream_sync
from pydantic_ai.exceptions import ContentFilterError, ModelAPIError, ModelConnectionError, ModelRateLimitError
from pydantic_ai.messages import ModelRequest, PartDeltaEvent
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition

from expected import ARGUMENTS, MODEL, PROMPT, SLOW, TEXT, TOKENS, WEATHER
from report import feature_of, first_three, raises, report, same, streamed


class Weather(BaseModel):
    city: str
    days: int


def without_retries() -> OpenAIProvider:
    return OpenAIProvider(openai_client=openai.AsyncOpenAI(max_retries=0))


def chat(model: str = MODEL) -> OpenAIChatModel:
    return OpenAIChatModel(model, provider=without_retries())


def responses(model: str = MODEL) -> OpenAIResponsesModel:
    return OpenAIResponsesModel(model, provider=without_retries())


def texts(model):
    yield from Agent(model).run_stream_sync(PROMPT).stream_text(delta=True, debounce_by=None)


@feature_of(chat, responses)
def streamed_text(api):
    return streamed(texts(api(SLOW)))


@feature_of(chat, responses)
def whole_text(api):
    same(Agent(api()).run_sync(PROMPT).output, TEXT)


@feature_of(chat, responses)
def usage(api):
    stream = Agent(api()).run_stream_sync(PROMPT)
    stream.get_output()
    same(stream.usage.output_tokens, len(TOKENS))
    same(Agent(api()).run_sync(PROMPT).usage.total_tokens, stream.usage.total_tokens)


@feature_of(chat, responses)
def tool_call(api):
    offered = ModelRequestParameters(function_tools=[ToolDefinition(name="weather", parameters_json_schema=WEATHER)])
    question = [ModelRequest.user_text_prompt(PROMPT)]
    with model_request_stream_sync(api(f"{MODEL};calls=1"), question, model_request_parameters=offered) as stream:
        pieces = [event.delta.args_delta for event in stream if isinstance(event, PartDeltaEvent)]
        (call,) = stream.response.parts
    same((call.tool_name, json.loads(call.args)), ("weather", ARGUMENTS))
    same("".join(pieces), call.args)
    assert len(pieces) > 1, pieces
    return f"{len(pieces)} pieces of arguments"


@feature_of(chat, responses)
def tool_round(api):
    def weather(city: str, days: int) -> str:
        same({"city": city, "days": days}, ARGUMENTS)
        return "the sky is clear"

    run = Agent(api(f"{MODEL};calls=1"), tools=[weather]).run_sync(PROMPT)
    same((run.output, run.usage.requests), (TEXT, 2))


@feature_of(chat, responses)
def typed_answer_sent_back_once(api):
    """A typed answer is a tool call that is demanded; one that is sent back is demanded again."""
    agent, came = Agent(api(), output_type=Weather), []

    @agent.output_validator
    def second(weather: Weather) -> Weather:
        came.append(weather)
        if len(came) == 1:
            raise ModelRetry("again")
        return weather

    same(agent.run_sync(PROMPT).output, Weather(**ARGUMENTS))
    same(len(came), 2)


@feature_of(chat, responses)
def length_stop(api):
    stream = Agent(api(), model_settings={"max_tokens": 3}).run_stream_sync(PROMPT)
    same((stream.get_output(), stream.response.finish_reason), ("".join(TOKENS[:3]), "length"))


@feature_of(chat, responses)
def refusal(api):
    with raises(ContentFilterError, TEXT[:20]):
        list(texts(api(f"{MODEL};refusal")))


@feature_of(chat, responses)
def content_filter(api):
    stream = Agent(api(f"{MODEL};filter=3")).run_stream_sync(PROMPT)
    same((stream.get_output(), stream.response.finish_reason), ("".join(TOKENS[:3]), "content_filter"))


@feature_of(chat, responses)
def error_before_the_stream(api):
    with raises(ModelRateLimitError):
        list(texts(api(f"{MODEL};error=429")))


@feature_of(chat, responses)
def error_inside_the_stream(api):
    first_three(texts(api(f"{MODEL};error-at=3")), ModelAPIError, "the mock broke off")


@feature_of(chat, responses)
def cut_connection(api):
    first_three(texts(api(f"{MODEL};cut=3")), ModelConnectionError)


if __name__ == "__main__":
    report()
