"""Writing together: the model continues a text, and everybody in the room sees the same suggestion grow.

It is generated once and kept once, in a list of pieces; each reader has a place in that list. So nobody takes a piece from
another, a late reader begins at the start and has no seam, a slow one gets at once what has come meanwhile, and nobody waits
for her. Leaving the room stops nothing; to stop the model is a wish of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace


class Suggestion:
    """A continuation of a draft. ``ending`` is empty while it grows, and ``stop`` when it is whole."""

    def __init__(self, client: openai.AsyncOpenAI, model: str, draft: str) -> None:
        self.pieces, self.ending = list[str](), ""
        self._more = asyncio.Event()
        self._work = asyncio.ensure_future(self._write(client, model, draft))
        self._work.add_done_callback(self._end)

    async def _write(self, client: openai.AsyncOpenAI, model: str, draft: str) -> str:
        """Why it ended; the model stops when this is cancelled."""
        prompt, ending = f"Continue this text naturally:\n\n{draft}", "it ended early"
        async with await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], stream=True
        ) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    ending = choice.finish_reason or ending
                    if choice.delta.content:
                        self._wake(choice.delta.content)
        return ending

    def _end(self, work: asyncio.Future[str]) -> None:
        failed = None if work.cancelled() else work.exception()
        self.ending = "stopped" if work.cancelled() else type(failed).__name__ if failed else work.result()
        self._wake()

    def _wake(self, *pieces: str) -> None:
        """Let all who wait look again; whoever comes then waits for another event."""
        self.pieces += pieces
        self._more.set()
        self._more = asyncio.Event()

    def stop(self) -> None:
        """Somebody in the room has pressed stop: the model stops, and what there is stays."""
        self._work.cancel()

    async def read(self) -> AsyncGenerator[str]:
        """The suggestion from its start: what is there as one text, then what comes."""
        place = 0
        while place < len(self.pieces) or not self.ending:
            if place == len(self.pieces):
                await self._more.wait()
            else:
                text, place = "".join(self.pieces[place:]), len(self.pieces)
                yield text


async def sit(name: str, suggestion: Suggestion, comes: float = 0.0, reads: float = 0.0) -> None:
    """Somebody who comes so many seconds late, and reads for so many before she looks again."""
    now = asyncio.get_running_loop().time
    began, texts = now(), list[str]()
    await asyncio.sleep(comes)
    async for text in suggestion.read():
        texts.append(text)
        await asyncio.sleep(reads)
    print(f"{name}: {len(texts)} looks, {len(''.join(texts))} letters, done after {now() - began:.1f} s")


async def main(llm: MockServer | RealEndpoint) -> None:
    async with llm.async_client() as client:
        story = Suggestion(client, llm.model, "Tell me a story about the sea.")
        await asyncio.gather(sit("Ann", story), sit("Ben, late", story, comes=1.5), sit("Cleo, slow", story, reads=0.7))
        print("ending:", story.ending)
        other = Suggestion(client, llm.model, "Tell me a story about a hill.")
        asyncio.get_running_loop().call_later(1.0, other.stop)
        await sit("Dov, who stops it", other)
        print("ending:", other.ending)
    print(llm.ledger)


if __name__ == "__main__":
    asyncio.run(play(main(connect(pace=Pace(ttft=0.5, itl=0.05)))))
