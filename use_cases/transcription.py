"""Live transcription, corrected while somebody speaks: what counts is a bounded wait, and the answers are tiny, so they are unary.

The model is asked when the speaker pauses, not with each word, and always with the words from the start. Words that come while
it works make its answer stale, so it is cancelled and the model stops. Somebody who never pauses would then never be
corrected; so when words have waited for too long, the question stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

SILENCES = {"so": 0.3, "the": 0.3, "sky": 0.3, "it": 0.3, "are": 0.3, "blue": 0.3, "and": 1.6, "at": 0.3, "night": 0.6}
"""Words, and the seconds of silence before each."""


async def correct(client: openai.AsyncOpenAI, model: str, heard: str) -> str:
    """What was heard, in better grammar; as it was heard if the model fails, for that is better than nothing."""
    asked = f"Correct the grammar, change nothing else: {heard}"
    try:
        answer = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": asked}])
    except openai.APIError:
        return heard
    said = answer.choices[0]
    return said.message.content or heard if said.finish_reason == "stop" else heard


class Corrector:
    """Shows corrected text with ``show(text, waited)``: ``waited`` seconds after the last word in it.

    ``quiet``: seconds of silence that count as a pause. ``at_most``: seconds until words are sent even without one.
    """

    def __init__(
        self,
        correct: Callable[[str], Awaitable[str]],
        show: Callable[[str, float], None],
        quiet: float = 0.5,
        at_most: float = 3.0,
    ) -> None:
        self._correct, self._show, self._quiet, self._at_most = correct, show, quiet, at_most
        self._heard, self._last, self._due = list[str](), 0.0, 0.0
        self._task: asyncio.Task[None] | None = None

    def hear(self, word: str) -> None:
        now = asyncio.get_running_loop().time()
        self._heard.append(word)
        self._last = now
        if self._task is None or self._task.done():
            self._due = now + self._at_most
        elif now >= self._due:
            return  # words have waited for too long: this question stands, and the next has the new word
        else:
            self._task.cancel()
        self._task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        now, asked = asyncio.get_running_loop().time, 0
        while asked < len(self._heard):
            await asyncio.sleep(max(0.0, min(self._quiet, self._due - now())))
            asked, last = len(self._heard), self._last
            corrected = await self._correct(" ".join(self._heard))
            self._show(corrected, now() - last)
            self._due = now() + self._at_most

    async def finish(self) -> None:
        """Wait for what is still to be shown."""
        if self._task:
            await self._task


async def main(llm: MockServer | RealEndpoint) -> None:
    async with llm.async_client() as client:
        corrector = Corrector(
            lambda heard: correct(client, llm.model, heard),
            lambda text, waited: print(f"{text}\n  {waited:.1f} s after the last word"),
        )
        for word, silence in SILENCES.items():
            await asyncio.sleep(silence)
            corrector.hear(word)
        await corrector.finish()
    print(len(SILENCES), "words")
    print(llm.ledger)


def grammar(prompt: str) -> str:
    """What the mock makes of it."""
    return prompt.partition(": ")[2].replace("it are", "is").capitalize() + "."


if __name__ == "__main__":
    asyncio.run(play(main(connect(reply=grammar, pace=Pace(ttft=0.4, itl=0.02)))))
