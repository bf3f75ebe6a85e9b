"""When the mock model says what it says: the pace of one answer, as plain numbers."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of one answer, in seconds since the request arrived.

    ``headers``: the server accepts, sends its status line and, when streaming, the chunk with the role.
    ``ttft``: time to first token, the moment the first token has been generated.
    ``itl``: inter-token latency, the time each further token takes.
    ``pauses``: pairs ``(n, seconds)``: after the n-th token the model stops for so long.
    ``prefill``: seconds that each token of the prompt adds before the first token.
    ``jitter``: how much the gaps vary: the sigma of a lognormal factor with mean 1; 0 means not at all.
    ``burst``: after the first, tokens come so many at a time, at the same mean rate.
    ``slots``: answers that are generated at once; further ones wait in a queue. None: no limit.
    ``batch``: each other answer being generated lengthens a step by this part of itself.
    ``cache``: what of the prompt stood at the start of an earlier one costs no prefill.
    """

    headers: float = 0.05
    ttft: float = 0.5
    itl: float = 0.1
    pauses: tuple[tuple[int, float], ...] = ()
    prefill: float = 0.0
    jitter: float = 0.0
    burst: int = 1
    slots: int | None = None
    batch: float = 0.0
    cache: bool = False

    def __post_init__(self) -> None:
        times = (self.headers, self.ttft, self.itl, *(seconds for _, seconds in self.pauses), self.prefill, self.batch)
        if math.inf in times:
            raise ValueError(f"nothing takes for ever: expected finite numbers, got {self!r}")
        if not 0 <= self.headers <= self.ttft:
            raise ValueError(
                f"the headers leave before the first token: expected 0 <= headers <= ttft, "
                f"got headers={self.headers!r}, ttft={self.ttft!r}"
            )
        if not self.itl >= 0 or any(after < 1 or not seconds >= 0 for after, seconds in self.pauses):
            raise ValueError(f"itl and pauses can't be negative, got itl={self.itl!r}, pauses={self.pauses!r}")
        if not (self.prefill >= 0 and self.batch >= 0 and 0 <= self.jitter <= 3):
            raise ValueError(
                f"prefill and batch can't be negative and jitter lies between 0 and 3, got prefill={self.prefill!r}, "
                f"batch={self.batch!r}, jitter={self.jitter!r}"
            )
        counts = [count for count in (self.burst, self.slots) if count is not None]
        if not all(isinstance(count, int) and count >= 1 for count in counts):
            raise ValueError(
                f"burst and slots are whole numbers from 1 on, got burst={self.burst!r}, slots={self.slots!r}"
            )

    def token_times(
        self, count: int, prompt_tokens: int = 0, seed: str = "", busy: Sequence[float] = ()
    ) -> list[float]:
        """When each of ``count`` tokens has been generated (products, not running sums: no error adds up).

        ``prompt_tokens`` are those to prefill. ``seed`` decides the jitter: the same text gives the same times, on every
        machine and every clock. ``busy`` has, for each other answer, the seconds from now until it is finished. An
        answer is planned when its request arrives: those that come later wait for it, and it does not wait for them.
        """
        wait = self.wait(busy)
        step = self.itl * (1 + self.batch * sum(end > wait for end in busy))
        first = wait + self.ttft + self.prefill * prompt_tokens
        times = [first + steps * step for steps in self._steps(count, seed)]
        for after, seconds in self.pauses:
            times[after:] = [at + seconds for at in times[after:]]
        return times

    def wait(self, busy: Sequence[float]) -> float:
        """Seconds in the queue, until one of the ``slots`` is free."""
        ends = sorted(busy)
        return ends[len(ends) - self.slots] if self.slots and len(ends) >= self.slots else 0.0

    def _steps(self, count: int, seed: str) -> Sequence[float]:
        """How many usual gaps lie between the first token and each: 0, 1, 2 ... without jitter or bursts."""
        gaps = max(0, count - 1)
        whole = -(-gaps // self.burst) * self.burst  # the last burst may be cut short, and still comes when it is due
        if self.jitter == 0:
            steps: Sequence[float] = range(whole + 1)
        else:
            draw = random.Random(seed)
            factors = [draw.lognormvariate(-(self.jitter**2) / 2, self.jitter) for _ in range(whole)]
            steps = list(itertools.accumulate(factors, initial=0.0))
        return (
            [steps[-(-index // self.burst) * self.burst] for index in range(count)] if self.burst > 1 else steps[:count]
        )
