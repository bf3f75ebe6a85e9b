"""E-mails for many customers: they are sent later, so each call is unary, a few run at once, and one failure is one failure.

Half an e-mail is worse than none, so only an answer that ended by itself becomes one. A client made with ``max_retries`` tries
again when a server is busy, and waits as long as that asks for (``Retry-After``). Each customer gets a result, in the order
given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace


@dataclass(frozen=True)
class Customer:
    name: str
    bought: str


@dataclass(frozen=True)
class Draft:
    """An e-mail to be sent, or the ``problem`` that left it without ``text``."""

    customer: Customer
    text: str = ""
    problem: str = ""


async def write(client: openai.AsyncOpenAI, model: str, customer: Customer) -> Draft:
    prompt = f"Write a short, warm e-mail to {customer.name}, who bought {customer.bought}."
    try:
        answer = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], max_completion_tokens=2000
        )
    except openai.APIError as error:
        return Draft(customer, problem=type(error).__name__)
    said = answer.choices[0]
    if said.finish_reason != "stop" or not said.message.content:
        return Draft(customer, problem=f"no whole e-mail: {said.finish_reason}")
    return Draft(customer, said.message.content)


async def write_all(
    client: openai.AsyncOpenAI, model: str, customers: Sequence[Customer], at_once: int = 5
) -> list[Draft]:
    """A draft for each customer, in their order, with at most ``at_once`` calls on their way."""
    gate = asyncio.Semaphore(at_once)

    async def in_turn(customer: Customer) -> Draft:
        async with gate:
            return await write(client, model, customer)

    return await asyncio.gather(*map(in_turn, customers))


async def main(llm: MockServer | RealEndpoint) -> None:
    things = ("a lamp", "a kettle", "two chairs", "a map", "a raincoat", "a clock", "tea", "a globe")
    names = ("Ada", "Ben", "Cleo", "Dov", "Eva", "Femi", "Gus", "Hana")
    now = asyncio.get_running_loop().time
    async with llm.async_client(max_retries=3) as client:
        began = now()
        drafts = await write_all(client, llm.model, list(map(Customer, names, things)))
    for draft in drafts:
        print(f"{draft.customer.name}: {draft.problem or draft.text.splitlines()[0]}")
    print(f"{sum(not draft.problem for draft in drafts)} of {len(drafts)} written after {now() - began:.1f} s")
    print("most at once:", getattr(llm.ledger, "peak", "the endpoint does not say"))
    print(llm.ledger)


def letter(prompt: str) -> str:
    """What the mock writes."""
    name = prompt.partition("to ")[2].partition(",")[0]
    return f"Dear {name}, thank you. We hope that you like what you found with us, and that we see you again."


if __name__ == "__main__":
    # The mock makes four answers at once, and asks the fifth to come back in two seconds.
    asyncio.run(play(main(connect(reply=letter, pace=Pace(ttft=0.5, itl=0.05), max_streams=4))))
