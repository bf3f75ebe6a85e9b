"""Many small classifications: one word each, so nothing is streamed; what counts is how many are done in an hour.

So many workers take from one list, results stay in the order of the list, and a failure stays with its item. The bar moves when
something is done. This is concurrency; for a million items that may wait until tomorrow there is the provider's batch product,
at a lower price.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

LABELS = ("positive", "negative", "neutral")
RULES = f"Classify what the customer says. Answer with one word: {', '.join(LABELS)}."


@dataclass(frozen=True)
class Result:
    """One of the ``LABELS``, or the ``problem`` that left it empty."""

    label: str = ""
    problem: str = ""


async def classify(client: openai.AsyncOpenAI, model: str, item: str) -> Result:
    try:
        answer = await client.chat.completions.create(
            model=model,
            messages=[{"role": "system", "content": RULES}, {"role": "user", "content": item}],
            max_completion_tokens=10,  # a model that thinks before it speaks needs more
        )
    except openai.APIError as error:
        return Result(problem=type(error).__name__)
    word = (answer.choices[0].message.content or "").strip(" .\n").lower()
    return Result(word) if word in LABELS else Result(problem=f"no label: {word!r}")


def bar(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r[{'#' * (30 * done // total):<30}] {done}/{total}", end=end, file=sys.stderr, flush=True)


async def classify_all(
    client: openai.AsyncOpenAI,
    model: str,
    items: Sequence[str],
    at_once: int = 8,
    show: Callable[[int, int], None] = bar,
) -> list[Result]:
    """A result for each item, in their order; ``show(done, total)`` is called after each."""
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))

    async def work() -> None:
        for number, item in waiting:
            results[number] = await classify(client, model, item)
            show(len(results), len(items))

    await asyncio.gather(*(work() for _ in range(at_once)))
    return [results[number] for number in range(len(items))]


async def main(llm: MockServer | RealEndpoint) -> None:
    items = ["Great product!", "Terrible service.", "It is a lamp.", "Well..."] * 6
    now = asyncio.get_running_loop().time
    async with llm.async_client() as client:
        began = now()
        results = await classify_all(client, llm.model, items)
        took = now() - began
    for item, result in zip(items[:4], results, strict=False):
        print(f"{item:<18} {result.label or result.problem}")
    print(f"{len(items)} items in {took:.1f} s, {len(items) / took:.0f} a second")
    print("most at once:", getattr(llm.ledger, "peak", "the endpoint does not say"))


def opinion(item: str) -> str:
    """What the mock thinks of it."""
    return {"Great": "Positive.", "Terrible": "negative", "It": "neutral"}.get(item.split()[0], "Hard to say, really.")


if __name__ == "__main__":
    asyncio.run(play(main(connect(reply=opinion, pace=Pace(ttft=0.4, itl=0.05)))))
