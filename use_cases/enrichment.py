"""Records enriched with JSON, for a pipeline: a program reads it, so it comes whole, and nothing goes on that is not valid.

What the model sends is validated, by form (the fields and their types) and by sense (each name stands in the text). What is
not valid is sent back once, with the reason; if it is still wrong, the record is refused, and the others go on. The records
that came in stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import openai
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

RULES = 'Find who and what is named. Answer with JSON: {"people": ["..."], "places": ["..."]}'
REPAIR = "That was not valid. Send the whole JSON again. "


class Names(BaseModel):
    people: list[str]
    places: list[str]

    @field_validator("people", "places")
    @classmethod
    def stand_in_the_text(cls, names: list[str], info: ValidationInfo) -> list[str]:
        if invented := [name for name in names if name not in str(info.context)]:
            raise ValueError(f"not in the text: {', '.join(invented)}")
        return names


@dataclass(frozen=True)
class Enriched:
    """A record's text with its ``names``, or the ``problem`` that left it without; after so many ``tries``."""

    text: str
    names: Names | None
    tries: int
    problem: str = ""


async def enrich(client: openai.AsyncOpenAI, model: str, text: str, tries: int = 2) -> Enriched:
    turns: list[ChatCompletionMessageParam] = [{"role": "system", "content": RULES}, {"role": "user", "content": text}]
    problem = ""
    for number in range(1, tries + 1):
        try:
            answer = await client.chat.completions.create(
                model=model, messages=turns, response_format={"type": "json_object"}
            )
            said, sent = answer.choices[0], answer.choices[0].message.content or ""
            if said.finish_reason != "stop":
                return Enriched(text, None, number, f"no whole answer: {said.finish_reason}")
            return Enriched(text, Names.model_validate_json(sent, context=text), number)
        except openai.APIError as error:
            return Enriched(text, None, number, type(error).__name__)
        except ValidationError as error:
            problem = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        turns += [{"role": "assistant", "content": sent}, {"role": "user", "content": REPAIR + problem}]
    return Enriched(text, None, tries, problem)


async def enrich_all(client: openai.AsyncOpenAI, model: str, texts: Sequence[str], at_once: int = 4) -> list[Enriched]:
    gate = asyncio.Semaphore(at_once)

    async def in_turn(text: str) -> Enriched:
        async with gate:
            return await enrich(client, model, text)

    return await asyncio.gather(*map(in_turn, texts))


async def main(llm: MockServer | RealEndpoint) -> None:
    now = asyncio.get_running_loop().time
    async with llm.async_client() as client:
        began = now()
        enriched = await enrich_all(client, llm.model, ["Ada met Bo in Lima.", "Cleo flew to Oslo.", "It rained."])
    for one in enriched:
        found = one.names.model_dump_json() if one.names else one.problem
        print(f"{one.text:<20} {one.tries} tries  {found}")
    print(f"{sum(one.names is not None for one in enriched)} of {len(enriched)} valid after {now() - began:.1f} s")
    print(llm.ledger)


def clerk(prompt: str) -> str:
    """What the mock finds: at once, after a mistake, never."""
    if "Ada" in prompt:
        return '{"people": ["Ada", "Bo"], "places": ["Lima"]}'
    if "Paris" in prompt:
        return '{"people": ["Cleo"], "places": ["Oslo"]}'
    return '{"people": ["Cleo"], "places": ["Paris"]}' if "Cleo" in prompt else '{"weather": "rain"}'


if __name__ == "__main__":
    asyncio.run(play(main(connect(reply=clerk, pace=Pace(ttft=0.4, itl=0.05)))))
