"""When the mock model says what it says: the pace of one answer, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of one answer, in seconds since the request arrived.

    ``headers``: the server accepts, sends its status line and, when streaming, the chunk with the role.
    ``ttft``: time to first token, the moment the first token has been generated.
    ``itl``: inter-token latency, the time each further token takes.
    ``pauses``: pairs ``(n, seconds)``: after the n-th token the model stops for so long.
    """

    headers: float = 0.05
    ttft: float = 0.5
    itl: float = 0.1
    pauses: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.headers <= self.ttft:
            raise ValueError(
                f"the headers leave before the first token: expected 0 <= headers <= ttft, "
                f"got headers={self.headers!r}, ttft={self.ttft!r}"
            )
        if not self.itl >= 0 or any(after < 1 or not seconds >= 0 for after, seconds in self.pauses):
            raise ValueError(f"itl and pauses can't be negative, got itl={self.itl!r}, pauses={self.pauses!r}")

    def token_times(self, count: int) -> list[float]:
        """When each of ``count`` tokens has been generated (products, not running sums: no error adds up)."""
        return [
            self.ttft + index * self.itl + sum(seconds for after, seconds in self.pauses if after <= index)
            for index in range(count)
        ]
