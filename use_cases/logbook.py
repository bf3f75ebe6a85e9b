"""Streamed to the user, and logged whole: one entry for each answer, also when the user leaves in the middle.

The entry is written on the way out, whichever way that is. It tells how the answer ended, and what the user has had of it; the
token counts are there only if the answer came to its end, for they come last. ``log`` is a plain function and no coroutine: on
the way out of a cancelled task there is no waiting. One that takes time puts the entry into a queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

EARLY = "it ended early"


@dataclass
class Entry:
    """One answer. ``ending``: its finish reason, ``user left``, ``it ended early``, or the name of an error."""

    prompt: str
    text: str = ""
    ending: str = EARLY
    first: float | None = None
    seconds: float = 0.0
    tokens: int | None = None


async def answer(
    client: openai.AsyncOpenAI, model: str, prompt: str, log: Callable[[Entry], None]
) -> AsyncGenerator[str]:
    """The answer, piece by piece; ``log`` gets one `Entry` when it is over."""
    now = asyncio.get_running_loop().time
    began, entry = now(), Entry(prompt)
    try:
        async with await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            async for chunk in stream:
                entry.tokens = chunk.usage.completion_tokens if chunk.usage else entry.tokens
                for choice in chunk.choices:
                    entry.ending = choice.finish_reason or entry.ending
                    if choice.delta.content:
                        entry.first = now() - began if entry.first is None else entry.first
                        entry.text += choice.delta.content
                        yield choice.delta.content
    except openai.APIError as error:
        entry.ending = type(error).__name__
        raise
    except (GeneratorExit, asyncio.CancelledError):
        entry.ending = "user left" if entry.ending == EARLY else entry.ending
        raise
    finally:
        entry.seconds = now() - began
        log(entry)


async def main(llm: MockServer | RealEndpoint) -> None:
    book: list[Entry] = []
    async with llm.async_client() as client:
        async for piece in answer(client, llm.model, "Why is the sky blue?", book.append):
            print(piece, end="", flush=True)
        print()
        async with contextlib.aclosing(answer(client, llm.model, "Tell me a story.", book.append)) as pieces:
            async for piece in pieces:
                print(piece, end="", flush=True)
                if piece.endswith("."):
                    break
        print(" (the user leaves)")
        await asyncio.sleep(1.0)  # in which a model that was not stopped would go on
    for entry in book:
        print(f"logged: {len(entry.text)} letters, {entry.tokens} tokens, {entry.ending}, {entry.seconds:.1f} s")
    print(llm.ledger)


if __name__ == "__main__":
    asyncio.run(play(main(connect(pace=Pace(ttft=0.5, itl=0.05)))))
