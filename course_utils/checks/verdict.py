"""A verdict: one of five outcomes, and what it says to the learner in text and in HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from course_utils import words

OUTCOMES = {
    "passed": ("✔", "passed", "#1d6b35"),
    "not_yet": ("✘", "not yet", "#a34700"),
    "not_attempted": ("○", "not attempted", "#5b6470"),
    "raised": ("▲", "your code raised an error", "#a34700"),
    "could_not_check": ("?", "could not check", "#6b2d86"),
}
"""Code: (sign, words, colour). The sign and the words carry the meaning."""

_NAME = '<td style="text-align:left;vertical-align:top;white-space:nowrap;padding-right:1em;color:#5b6470">'


@dataclass(frozen=True, slots=True)
class Verdict:
    """``outcome`` is one of `OUTCOMES`; ``given``, ``got``, ``expected`` and ``where`` may be empty.

    ``hidden`` says that it comes from inputs which learners don't get to see, so nothing of them may be told.
    """

    exercise: str
    outcome: str
    message: str
    given: str = ""
    got: str = ""
    expected: str = ""
    where: str = ""
    hidden: bool = False

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"

    @property
    def terms(self) -> list[words.Word]:
        """The words of the glossary that a refusal uses."""
        return words.find(self.message) if self.outcome == "not_yet" else []

    def _details(self) -> list[tuple[str, str]]:
        rows = [("where", self.where), ("given", self.given), ("expected", self.expected), ("got", self.got)]
        return [(name, text) for name, text in rows if text]

    def __repr__(self) -> str:
        sign, outcome, _ = OUTCOMES[self.outcome]
        lines = [f"{sign} {self.exercise} {outcome}: {self.message}"]
        lines += [f"  {name + ':':<10}{text}" for name, text in self._details()]
        lines += [f"  words:    {words.call(self.terms)}"] if self.terms else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A box with a ground of its own, so it reads the same in light and dark."""
        sign, outcome, colour = OUTCOMES[self.outcome]
        rows = "".join(
            f"<tr>{_NAME}{name}</td>"
            f'<td style="text-align:left"><code style="color:#1b1f24;background:transparent">{escape(text)}</code></td></tr>'
            for name, text in self._details()
        )
        if self.terms:
            rows += f'<tr>{_NAME}words</td><td style="text-align:left">{words.links(self.terms)}</td></tr>'
        table = f'<table style="color:#1b1f24;background:#fff">{rows}</table>' if rows else ""
        return (
            f'<div style="background:#fff;color:#1b1f24;border:1px solid #c9ced6;border-left:6px solid {colour};'
            f'padding:.5em .9em;border-radius:4px;max-width:52em;overflow-wrap:anywhere">'
            f'<b style="color:{colour}">{sign} {self.exercise} {outcome}'
            f"</b><br>{escape(self.message)}{table}</div>"
        )
