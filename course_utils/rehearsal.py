"""A load test rehearsed against the mock in virtual time: an hour of requests takes a moment, and nobody waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from course_utils import clock as clocks
from course_utils.load import Sample, closed_loop
from course_utils.measure import Run
from course_utils.mock import MockServer
from course_utils.timeline import Timeline, arecord

PROMPT = "Why is the sky blue?"
Loop = Callable[..., AsyncIterator[Sample]]


def rehearse(
    loop: Loop,
    mock: MockServer,
    *,
    model: str | None = None,
    prompt: str = PROMPT,
    rtt: float = 0.0,
    cold: bool = False,
    **how: Any,
) -> Run:
    """Run `open_loop` or `closed_loop` against a mock on a virtual clock, with one client for all requests.

    ``how`` is what the loop wants: ``rate`` or ``users``, and ``count``. ``rtt`` is the network's round-trip time. With
    ``cold`` one request goes first, alone, and stands apart in what comes back.
    """
    if not isinstance(mock.clock, clocks.VirtualClock):
        raise ValueError("a rehearsal needs virtual time: MockServer(..., clock=VirtualClock())")
    return clocks.run(_rehearse(loop, mock, mock.clock, model or mock.model, prompt, rtt, cold, how), mock.clock)


async def _rehearse(
    loop: Loop,
    mock: MockServer,
    clock: clocks.VirtualClock,
    model: str,
    prompt: str,
    rtt: float,
    cold: bool,
    how: dict[str, Any],
) -> Run:
    request: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    request["stream_options"] = {"include_usage": True, "include_obfuscation": False}
    async with mock.async_client(rtt=rtt) as client:

        async def call() -> Timeline:
            return await arecord(client.chat.completions.create, clock=clock, **request)

        run = Run()
        if cold:
            async for sample in closed_loop(call, users=1, count=1, clock=clock):
                run.cold = sample
        began = clock.now()
        async for sample in loop(call, clock=clock, **how):
            run.warm.append(sample)
        run.seconds = clock.now() - began
    return run
