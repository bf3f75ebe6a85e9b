"""A chatbot with history: somebody reads along, so the answer is streamed on the wire and shown piece by piece.

A turn enters the history when it is over, as a pair. What the reader has seen of an answer that she stopped, or that broke
off, is kept and marked, for she will refer to it. A turn without text, or one that a content filter cut, leaves no trace.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator

import openai
from openai.types.chat import ChatCompletionMessageParam

from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

MARK = " [interrupted]"


class Chatbot:
    """A conversation. ``history`` is what the next question is sent with, and has only whole turns."""

    def __init__(self, client: openai.OpenAI, model: str, system: str = "You are a helpful assistant.") -> None:
        self._client, self._model = client, model
        self.history: list[ChatCompletionMessageParam] = [{"role": "system", "content": system}]

    def ask(self, question: str) -> Generator[str]:
        """The answer, piece by piece. Closing it early stops the model too."""
        asked: list[ChatCompletionMessageParam] = [*self.history, {"role": "user", "content": question}]
        text, reason = "", None
        try:
            with self._client.chat.completions.create(model=self._model, messages=asked, stream=True) as stream:
                for chunk in stream:
                    for choice in chunk.choices:
                        reason = choice.finish_reason or reason
                        if choice.delta.content:
                            text += choice.delta.content
                            yield choice.delta.content
        finally:
            if text and reason != "content_filter":
                said = text if reason == "stop" else text + MARK
                self.history = [*asked, {"role": "assistant", "content": said}]


def talk(bot: Chatbot, question: str, now: Callable[[], float], most: int | None = None) -> None:
    """Show one answer and its times; with ``most``, the reader stops it after so many pieces."""
    print(f"> {question}")
    asked, times = now(), list[float]()
    with contextlib.closing(bot.ask(question)) as answer:
        for piece in itertools.islice(answer, most):
            times.append(now() - asked)
            print(piece, end="", flush=True)
    if times:
        print(f"\n  first text after {times[0]:.1f} s, last after {times[-1]:.1f} s")


def main(llm: MockServer | RealEndpoint) -> None:
    with llm.client() as client:
        bot = Chatbot(client, llm.model)
        talk(bot, "Why is the sky blue?", llm.clock.now)
        talk(bot, "Tell me a story.", llm.clock.now, most=12)
        talk(bot, "Say hello.", llm.clock.now)
    print("history:", [turn["role"] for turn in bot.history])
    print(llm.ledger)


if __name__ == "__main__":
    main(connect(pace=Pace(ttft=0.5, itl=0.05)))
