"""Which mode for which use: three decisions, each a row of questions of which the first yes decides.

The display says how a reader gets to see the answer, the product which service does the work and what it costs, and the wire
how the answer travels from the model to your program. What is streamed may be shown whole.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from course_utils.plots import FIRST, INK, QUIET, TEXT, Figure, svg, text


@dataclass(frozen=True)
class Decision:
    """``turns`` are pairs of a question and what a yes means; ``otherwise`` is what is left when all say no."""

    name: str
    asks: str
    turns: tuple[tuple[str, str], ...]
    otherwise: str

    @property
    def outcomes(self) -> set[str]:
        return {outcome for _, outcome in self.turns} | {self.otherwise}

    def sentence(self) -> str:
        steps = " ".join(f"{question} Then {outcome}." for question, outcome in self.turns)
        return f"{self.name}: {self.asks} {steps} Else {self.otherwise}."


DECISIONS = (
    Decision(
        "1 Display",
        "what does the reader see, and when?",
        (
            ("Is it for a program, judged as a whole, or there in a second?", "whole"),
            ("Is it a form or a card?", "fields"),
            ("Does the reader listen?", "sentences"),
            ("Is it judged window by window?", "held back"),
        ),
        "pieces",
    ),
    Decision(
        "2 Product",
        "which service does the work?",
        (
            ("Do people talk with it?", "realtime"),
            ("Thousands, a day's time, and nobody waits?", "batch"),
            ("May the line drop before it is done?", "background"),
            ("Is there an hour, and nobody waits?", "flex"),
        ),
        "sync",
    ),
    Decision(
        "3 Wire",
        "how does it travel to you?",
        (
            ("Do both sides talk, or are there many tool calls?", "socket"),
            ("Is it shown before it is whole?", "streamed"),
            ("Would its line be silent for too long?", "streamed"),
        ),
        "unary",
    ),
)

LEFT, TOP, ROW = 12, 44, 164
BOX, BOX_HEIGHT, STEP = 140, 72, 173
LINE = 16
"""Pixels from line to line; a box has room for four lines of so many letters:"""
LETTERS = 19


def plot_decision(decisions: Sequence[Decision] = DECISIONS) -> Figure:
    """The decisions one below the other: questions in boxes from left to right, each answer below its question."""
    parts = [part for row, one in enumerate(decisions) for part in _row(one, TOP + ROW * row)]
    reading = "\n".join(textwrap.fill(one.sentence(), 100, subsequent_indent="  ") for one in decisions)
    return Figure(svg("Three decisions", reading, TOP + ROW * len(decisions), parts), reading)


def _row(decision: Decision, y: int) -> list[str]:
    head = f'<text x="{LEFT}" y="{y + 12}" fill="{INK}" font-weight="600">{decision.name}</text>'
    parts = [head, text(LEFT + 90, y + 12, decision.asks, QUIET)]
    for number, (question, outcome) in enumerate(decision.turns):
        parts += _turn(question, outcome, LEFT + STEP * number, y + 24)
    parts.append(_outcome(decision.otherwise, LEFT + STEP * len(decision.turns), y + 24 + (BOX_HEIGHT - 26) // 2))
    return parts


def _turn(question: str, outcome: str, x: int, y: int) -> list[str]:
    """A question, the way to the right if the answer is no, and the way down if it is yes."""
    middle, floor = y + BOX_HEIGHT // 2, y + BOX_HEIGHT
    lines = textwrap.wrap(question, LETTERS)
    first = middle + 4 - LINE * (len(lines) - 1) / 2
    return [
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{BOX_HEIGHT}" rx="4" fill="#f6f7f9" stroke="{QUIET}"/>',
        *(text(x + BOX / 2, first + LINE * number, line, INK, "middle") for number, line in enumerate(lines)),
        f'<path d="M{x + BOX} {middle}h{STEP - BOX - 6}m-6 -4l6 4l-6 4" stroke="{QUIET}" fill="none"/>',
        text(x + BOX + 15, middle - 7, "no", QUIET, "middle"),
        f'<path d="M{x + BOX // 2} {floor}v16m-4 -6l4 6l4 -6" stroke="{TEXT}" fill="none"/>',
        text(x + BOX // 2 + 8, floor + 13, "yes", TEXT),
        _outcome(outcome, x, floor + 18),
    ]


def _outcome(name: str, x: int, y: int) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{BOX}" height="26" rx="13" fill="#fff6ec" stroke="{FIRST}"/>'
        f'<text x="{x + BOX // 2}" y="{y + 17}" fill="{FIRST}" font-weight="600" text-anchor="middle">{name}</text>'
    )
