"""A client for both modes: ``stream`` gives pieces, ``complete`` gives a text, and neither ever gives the other.

``choose`` finds the mode from what decides it: whether somebody waits, how long the answer takes, and whether it must be checked
whole. The length of the prompt says nothing about these. Wire and display are chosen apart: a long answer that nobody watches
is streamed on the wire, for silent lines are cut, and shown whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace
from course_utils.replies import reply_to

SHORT, LONG = 1.0, 30.0
"""Seconds that an answer takes: within the first nobody misses a stream, beyond the second a silent line is in danger."""


class Need(NamedTuple):
    """What an answer is for: does somebody wait, how many seconds may it take, what must it pass before it is shown?"""

    waits: bool
    seconds: float
    check: Callable[[str], bool] | None = None


def choose(need: Need) -> tuple[bool, bool]:
    """Is it streamed on the wire, and shown in pieces?"""
    in_pieces = need.waits and need.check is None and need.seconds > SHORT
    return in_pieces or need.seconds > LONG, in_pieces


class Assistant:
    """``deadline``: seconds that a complete answer may take. A stream has a reader, who stops it when she has waited enough."""

    def __init__(self, client: openai.AsyncOpenAI, model: str, deadline: float = 600.0) -> None:
        self._client, self._model, self._deadline = client, model, deadline

    async def stream(self, prompt: str) -> AsyncGenerator[str]:
        """Pieces of text as they come. A ``ValueError`` at the end says that the answer is not whole."""
        ending = None
        async with await self._client.chat.completions.create(
            model=self._model, messages=[{"role": "user", "content": prompt}], stream=True
        ) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    ending = choice.finish_reason or ending
                    if choice.delta.content:
                        yield choice.delta.content
        _require(ending == "stop", f"the answer is not whole: it ended with {ending}")

    async def complete(self, prompt: str, streamed: bool = False) -> str:
        """The whole text; ``streamed`` on the wire where a line that is silent for so long may be cut."""
        async with asyncio.timeout(self._deadline):
            if streamed:
                return "".join([piece async for piece in self.stream(prompt)])
            answer = await self._client.chat.completions.create(
                model=self._model, messages=[{"role": "user", "content": prompt}]
            )
        said = answer.choices[0]
        _require(said.finish_reason == "stop", f"the answer is not whole: it ended with {said.finish_reason}")
        return said.message.content or ""

    async def auto(self, prompt: str, need: Need, show: Callable[[str], None]) -> str:
        """The text, in the mode that ``need`` asks for; ``show`` gets it piece by piece or whole, as fits."""
        streamed, in_pieces = choose(need)
        if in_pieces:
            shown = list[str]()
            async with contextlib.aclosing(self.stream(prompt)) as pieces:
                async for piece in pieces:
                    show(piece)
                    shown.append(piece)
            return "".join(shown)
        text = await self.complete(prompt, streamed)
        _require(need.check is None or need.check(text), "the answer has not passed its check")
        show(text)
        return text


def _require(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)


async def demonstrate(assistant: Assistant, prompt: str, need: Need) -> None:
    now = asyncio.get_running_loop().time
    asked, shown = now(), list[float]()
    try:
        await assistant.auto(prompt, need, lambda piece: shown.append(now() - asked))
        saw = f"first shown {shown[0]:.1f} s, last {shown[-1]:.1f} s"
    except ValueError as problem:
        saw = str(problem)
    streamed, in_pieces = choose(need)
    print(f"{prompt:<36} {'streamed' if streamed else 'unary':<8}, {'pieces' if in_pieces else 'whole':<6}, {saw}")


async def main(llm: MockServer | RealEndpoint) -> None:
    async with llm.async_client() as client:
        assistant = Assistant(client, llm.model)
        await demonstrate(assistant, "Why is the sky blue?", Need(waits=True, seconds=3))
        await demonstrate(assistant, "Is this a question? Say yes or no.", Need(waits=True, seconds=0.5))
        await demonstrate(assistant, "Write the yearly report, please.", Need(waits=False, seconds=200))
        checked = Need(waits=True, seconds=3, check=lambda text: "dose" not in text)
        await demonstrate(assistant, "What may I say about my medicine?", checked)
    print(llm.ledger)


def talk(prompt: str) -> str:
    """What the mock says."""
    return "Yes." if "yes or no" in prompt else reply_to(prompt)


if __name__ == "__main__":
    asyncio.run(play(main(connect(reply=talk, pace=Pace(ttft=0.5, itl=0.05)))))
