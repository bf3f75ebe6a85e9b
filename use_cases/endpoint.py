"""One endpoint, two modes: the caller says ``"stream": true`` in the body, as with the providers, for only she knows who reads.

The two answers have two shapes, so both are written down here. Whole: ``{"text": ..., "ending": "stop"}``. Streamed: events with
``{"text": ...}``, then one ``done`` with ``{"ending": "stop"}``. What fails before the first byte is a 502 in both modes; later
it is an event ``problem``, or an ``ending`` other than ``stop``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx2
import openai
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.sse import format_sse_event
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import BaseModel

from course_utils.asgi import app_client
from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Wish(BaseModel):
    prompt: str
    stream: bool = False


async def events(stream: openai.AsyncStream[ChatCompletionChunk]) -> AsyncGenerator[bytes]:
    ending = "it ended early"
    try:
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    ending = choice.finish_reason or ending
                    if choice.delta.content:
                        yield format_sse_event(data_str=json.dumps({"text": choice.delta.content}))
    except openai.APIError as error:
        ending = type(error).__name__
    kind = "done" if ending == "stop" else "problem"
    yield format_sse_event(event=kind, data_str=json.dumps({"ending": ending}))


def generator(client: openai.AsyncOpenAI, model: str) -> FastAPI:
    app = FastAPI()

    @app.post("/generate")
    async def generate(wish: Wish) -> Response:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": wish.prompt}]
        try:
            if wish.stream:
                stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
                return StreamingResponse(events(stream), media_type="text/event-stream", headers=HEADERS)
            answer = await client.chat.completions.create(model=model, messages=messages)
        except openai.APIError as error:
            raise HTTPException(502, type(error).__name__) from error
        said = answer.choices[0]
        return JSONResponse({"text": said.message.content, "ending": said.finish_reason})

    return app


async def ask(http: httpx2.AsyncClient, stream: bool) -> None:
    now = asyncio.get_running_loop().time
    asked, times, size = now(), list[float](), 0
    body = {"prompt": "Why is the sky blue?", "stream": stream}
    async with http.stream("POST", "/generate", json=body) as answer:
        async for data in answer.aiter_bytes():
            times.append(now() - asked)
            size += len(data)
    kind = answer.headers["content-type"].partition(";")[0]
    print(f"stream {stream!s:<5} {kind:<17} first text {times[0]:.1f} s, end {times[-1]:.1f} s, {size} bytes")


async def main(llm: MockServer | RealEndpoint) -> None:
    async with llm.async_client() as client, app_client(generator(client, llm.model)) as http:
        await ask(http, stream=False)
        await ask(http, stream=True)
    print(llm.ledger)


if __name__ == "__main__":
    asyncio.run(play(main(connect(pace=Pace(ttft=0.5, itl=0.05)))))
