"""When the mock model says what it says: the pace of one answer, as plain numbers."""

from __future__ import annotations

import itertools
import random
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
    """

    headers: float = 0.05
    ttft: float = 0.5
    itl: float = 0.1
    pauses: tuple[tuple[int, float], ...] = ()
    prefill: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.headers <= self.ttft:
            raise ValueError(
                f"the headers leave before the first token: expected 0 <= headers <= ttft, "
                f"got headers={self.headers!r}, ttft={self.ttft!r}"
            )
        if not self.itl >= 0 or any(after < 1 or not seconds >= 0 for after, seconds in self.pauses):
            raise ValueError(f"itl and pauses can't be negative, got itl={self.itl!r}, pauses={self.pauses!r}")
        if not (self.prefill >= 0 and 0 <= self.jitter <= 3):
            raise ValueError(
                f"prefill can't be negative and jitter lies between 0 and 3, got prefill={self.prefill!r}, "
                f"jitter={self.jitter!r}"
            )

    def token_times(self, count: int, prompt_tokens: int = 0, seed: str = "") -> list[float]:
        """When each of ``count`` tokens has been generated (products, not running sums: no error adds up).

        ``seed`` decides the jitter: the same text gives the same times, on every machine and every clock.
        """
        first = self.ttft + self.prefill * prompt_tokens
        return [
            first + steps * self.itl + sum(seconds for after, seconds in self.pauses if after <= index)
            for index, steps in enumerate(self._steps(count, seed))
        ]

    def _steps(self, count: int, seed: str) -> list[float]:
        """How many usual gaps lie between the first token and each: 0, 1, 2 ... without jitter."""
        if self.jitter == 0:
            return list(map(float, range(count)))
        draw = random.Random(seed)
        factors = [draw.lognormvariate(-(self.jitter**2) / 2, self.jitter) for _ in range(count - 1)]
        return list(itertools.accumulate(factors, initial=0.0))[:count]
