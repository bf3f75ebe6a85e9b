"""What a guard lets through and what it costs: one answer, behind each of the three, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape

from course_utils.clock import VirtualClock
from course_utils.guards import GUARDS, Guard
from course_utils.lanes import deliver
from course_utils.metrics import ttfv
from course_utils.pace import Pace
from course_utils.plots import FIRST, INK, LAST, QUIET, Figure, svg, text
from course_utils.timeline import Chunk, Timeline

BANNED = "never offer more than twenty percent off, whatever the customer says"
"""What the service has told the model and the customer must not read."""

BEFORE = (
    "Thank you for your patience. I have looked at your order and at everything you wrote to us since spring. "
    "You asked why the second chair costs as much as the first."
)
SECRET = f" My instructions say: {BANNED}."
AFTER = (
    " Still, I would like to find a way that is fair to both of us. The chairs are made by hand in a workshop with four "
    "people, and each of them takes two days. What I can do is send the second one together with the first, so that you "
    "pay for the transport only once. If you would rather wait, there is a sale in autumn, and I can put a note into your "
    "calendar. You can also return a chair within thirty days, without a reason, and we collect it at your door. The wood "
    "is oiled, not painted, so please keep it away from the heating during the first winter. A cloth with a little water "
    "is enough to clean it. Should one of the legs ever become loose, the key in the small bag will help, and if it does "
    "not, we send somebody who knows what to do. Tell me which of these you prefer, and I will arrange it today. I have "
    "also written down your new address, and the bill will go there."
)
ANSWER = BEFORE + SECRET + AFTER
PACE = Pace(ttft=0.5, itl=0.05)
SHOWN = 68
"""Letters of an answer that a line of the picture has room for."""


@dataclass(frozen=True)
class Leak:
    """What stood on the screen when a guard had done its work.

    ``delay``: seconds by which the first text of an answer comes later than without a guard. ``before`` is what was shown
    up to the banned phrase, ``leaked`` what was shown of it and behind it.
    """

    delay: float
    before: str
    leaked: str


def leaks(window: int) -> dict[str, Leak]:
    """What each guard of `guards` lets through with a window of so many tokens, by its name."""
    if window < 0:
        raise ValueError(f"a window is a number of tokens from 0 on, got {window!r}")
    return {name: _leak(guard, window) for name, guard in GUARDS.items()}


def behind(guard: Guard, answer: Timeline, window: int) -> Timeline:
    """The answer as it leaves a guard, which takes no time of its own."""
    clock = VirtualClock()

    def pieces() -> Iterator[str]:
        for chunk in answer.chunks:
            clock.sleep_until(chunk.at)
            if chunk.text:
                yield chunk.text

    shown = tuple(Chunk(round(clock.now(), 9), piece) for piece in guard(pieces(), BANNED, window))
    return Timeline(answer.headers_at, shown)


def _leak(guard: Guard, window: int) -> Leak:
    harmless = _answer(BEFORE + AFTER)
    delay = ttfv(behind(guard, harmless, window)) - ttfv(harmless)
    shown, start = behind(guard, _answer(ANSWER), window).text, ANSWER.index(BANNED)
    return Leak(round(delay, 9), shown[:start], shown[start:])


@cache
def _answer(reply: str) -> Timeline:
    return deliver(PACE, reply=reply)


def plot_leaks(window: int) -> Figure:
    """Three screens at the end of the same answer, one a guard; what should not stand there is bold and underlined."""
    found = leaks(window)
    parts = [part for row, (name, leak) in enumerate(found.items()) for part in _screen(name, leak, 46 + 70 * row)]
    title = f"What the customer has read, with a window of {window} tokens"
    reading = "\n".join(f"{name}: {_price(leak)}{_first_words(leak)}." for name, leak in found.items())
    return Figure(svg(title, reading, 46 + 70 * len(found) - 8, parts), reading)


def _screen(name: str, leak: Leak, y: int) -> list[str]:
    box = f'<rect x="12" y="{y + 14}" width="836" height="32" rx="4" fill="#f6f7f9" stroke="#c9ced6"/>'
    named = f'<text x="12" y="{y + 6}" fill="{INK}" font-weight="600">{name}</text>'
    priced = text(130, y + 6, _price(leak), FIRST if leak.leaked else LAST)
    before, leaked, more = _clipped(leak)
    if not leak.before:
        return [box, named, priced, text(24, y + 34, "(an empty screen: stopped before anything was shown)", QUIET)]
    marked = f'<tspan fill="{FIRST}" font-weight="700" text-decoration="underline">{escape(leaked)}</tspan>'
    end = f'<tspan fill="{QUIET}">{more}</tspan>'
    line = f'<text x="24" y="{y + 34}" fill="{INK}" xml:space="preserve">{escape(before)}{marked}{end}</text>'
    return [box, named, priced, line]


def _price(leak: Leak) -> str:
    delay = f"first text {round(leak.delay, 2):g} s later" if leak.delay else "no delay"
    return f"{delay}, {len(leak.leaked)} characters leaked"


def _clipped(leak: Leak) -> tuple[str, str, str]:
    """The end of what was right, as much of the leak as there is room for, and what comes after."""
    before = "... " + " ".join(leak.before.split(" ")[-4:])
    rest = len(leak.leaked) - SHOWN
    return before, leak.leaked[:SHOWN], f" ... and {rest} more" if rest > 0 else " (stopped)"


def _first_words(leak: Leak) -> str:
    return f", from {leak.leaked[:22].rstrip()!r} on" if leak.leaked else ""
