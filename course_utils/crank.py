"""Turn the crank of the tiny language model by hand: one token a turn, and you see what else it might have been."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from course_utils import lm
from course_utils.charts import plot_bars
from course_utils.plots import Figure

DIGITS = 3
"""Digits to which a probability is shown: the same on every machine, whatever its last bits are."""


@dataclass(frozen=True)
class Crank:
    """A text on its way. It never changes: `take` gives a new one, so a step can be taken back by keeping the old."""

    text: str
    count: int = 10

    @cached_property
    def likeliest(self) -> dict[str, float]:
        """The ``count`` likeliest next tokens as texts, with their probabilities; one pass through the model."""
        shares = lm.probabilities(lm.load().forward(self._ids)[-1])
        tokens = lm.tokenizer()
        named = {tokens.decode([id]): round(shares[id], DIGITS) for id in lm.ranking(shares, self.count)}
        return {name or "(the end)": share for name, share in named.items()}

    def take(self, token: str | int = 1) -> Crank:
        """The text with a token more: the likeliest, or that of another rank, or one of `likeliest` by its text."""
        names = list(self.likeliest)
        if isinstance(token, int) and 1 <= token <= len(names):
            token = names[token - 1]
        if token not in names:
            raise ValueError(f"take one of {names}, or its rank from 1 to {len(names)}; got {token!r}")
        return Crank(self.text + (token if token != "(the end)" else ""), self.count)

    def turn(self, times: int) -> Crank:
        """So many tokens more, always the likeliest."""
        turned = self
        for _ in range(times):
            turned = turned.take()
        return turned

    def plot(self, chosen: str | None = None) -> Figure:
        """The likeliest next tokens as bars; ``chosen`` is marked."""
        shown = self.text if len(self.text) <= 50 else "..." + self.text[-47:]
        return plot_bars(self.likeliest, title=f"What comes after {shown!r}?", unit="%", highlight=chosen)

    @cached_property
    def _ids(self) -> list[int]:
        """The last tokens of the text, as many as the model can read."""
        every: list[int] = lm.tokenizer().encode(self.text)
        return every[-lm.CONTEXT :]

    def __repr__(self) -> str:
        return self.text
