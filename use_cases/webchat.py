"""A web chat: a page asks with POST and reads events (SSE) as they come, so the reader sees each piece at once.

The client is the asynchronous one, so that a hundred readers wait beside each other. An error after the first byte can no
longer be a status, so it is an event; and only the event ``done`` says that the answer is whole. FastAPI sends the headers that
ask proxies not to hold the stream back, and a comment in each silent quarter of a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal, cast

import httpx2
import openai
from fastapi import Body, FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from course_utils.asgi import app_client
from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace


class Turn(BaseModel):
    """What a page may send: the instructions of the system are not its business."""

    role: Literal["user", "assistant"]
    content: str


def web_chat(client: openai.AsyncOpenAI, model: str) -> FastAPI:
    app = FastAPI()

    @app.post("/chat", response_class=EventSourceResponse)
    async def chat(turns: Annotated[list[Turn], Body(embed=True)]) -> AsyncIterator[ServerSentEvent]:
        messages = cast("list[ChatCompletionMessageParam]", [turn.model_dump() for turn in turns])
        ending = "the answer ended early"
        try:
            async with await client.chat.completions.create(model=model, messages=messages, stream=True) as stream:
                async for chunk in stream:
                    for choice in chunk.choices:
                        ending = choice.finish_reason or ending
                        if choice.delta.content:
                            yield ServerSentEvent(data={"text": choice.delta.content})
        except openai.APIError as error:
            ending = type(error).__name__
        yield ServerSentEvent(event="done" if ending == "stop" else "problem", data={"ending": ending})

    @app.get("/ping")
    async def ping() -> str:
        return "pong"

    return app


async def read(http: httpx2.AsyncClient, name: str, most: int | None = None) -> None:
    """One page: it shows what comes; with ``most`` its reader leaves after so many pieces."""
    now = asyncio.get_running_loop().time
    asked, times = now(), list[float]()
    async with http.stream(
        "POST", "/chat", json={"turns": [{"role": "user", "content": "Why is the sky blue?"}]}
    ) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                times.append(now() - asked)
            if len(times) == most:
                break
    print(f"{name}: first text after {times[0]:.1f} s, gone after {times[-1]:.1f} s, {len(times)} events")


async def main(llm: MockServer | RealEndpoint) -> None:
    async with llm.async_client() as client, app_client(web_chat(client, llm.model)) as http:
        now = asyncio.get_running_loop().time
        readers = asyncio.gather(read(http, "Ann"), read(http, "Ben"), read(http, "Cleo, who leaves", most=5))
        await asyncio.sleep(1.0)
        asked = now()
        await http.get("/ping")
        print(f"a fourth request, in the middle of three answers, took {now() - asked:.1f} s")
        await readers
    print(llm.ledger)


if __name__ == "__main__":
    asyncio.run(play(main(connect(pace=Pace(ttft=0.5, itl=0.05)))))
