"""Documents summarised in the background: nobody watches, and still the answer is streamed on the wire.

A unary call is one long silence, and many networks cut silent lines; a stream moves all the time, says how far it is, and
leaves what it had when it breaks. On the display stands only a status. For hours of work there are products of their own,
a background mode that you come back to and batches at a lower price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import openai

from course_utils.clock import play
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace


@dataclass
class Job:
    """One document. ``status`` is ``waiting``, ``running``, ``done`` or ``incomplete: why``; ``silence`` is in seconds."""

    document: str
    summary: str = ""
    status: str = "waiting"
    silence: float = 0.0


async def summarise(client: openai.AsyncOpenAI, model: str, job: Job, deadline: float) -> None:
    """Fill in one job. Whatever goes wrong becomes its status, and is nobody else's trouble."""
    now = asyncio.get_running_loop().time
    heard, ending = now(), "it ended early"
    job.status = "running"
    try:
        async with asyncio.timeout(deadline):
            stream = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": f"Summarise this document:\n\n{job.document}"}],
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    job.silence, heard = max(job.silence, now() - heard), now()
                    for choice in chunk.choices:
                        job.summary += choice.delta.content or ""
                        ending = choice.finish_reason or ending
    except (openai.APIError, TimeoutError) as error:
        ending = type(error).__name__
    job.status = "done" if ending == "stop" else f"incomplete: {ending}"


async def summarise_all(
    client: openai.AsyncOpenAI, model: str, jobs: Sequence[Job], at_once: int = 3, deadline: float = 600.0
) -> None:
    gate = asyncio.Semaphore(at_once)

    async def in_turn(job: Job) -> None:
        async with gate:
            await summarise(client, model, job, deadline)

    await asyncio.gather(*map(in_turn, jobs))


async def main(llm: MockServer | RealEndpoint) -> None:
    jobs = [Job(f"Minutes of meeting {number}: why is the sky blue?") for number in range(1, 7)]
    now = asyncio.get_running_loop().time
    async with llm.async_client() as client:
        began = now()
        work = asyncio.ensure_future(summarise_all(client, llm.model, jobs))
        await asyncio.sleep(2.0)
        print("status page after 2 s:", [f"{job.status}, {len(job.summary)} letters" for job in jobs])
        await work
    print(f"{sum(job.status == 'done' for job in jobs)} of {len(jobs)} done after {now() - began:.1f} s")
    print(f"longest silence on a line: {max(job.silence for job in jobs):.1f} s")
    print("most at once:", getattr(llm.ledger, "peak", "the endpoint does not say"))
    print(llm.ledger)


if __name__ == "__main__":
    asyncio.run(play(main(connect(pace=Pace(ttft=0.5, itl=0.05)))))
