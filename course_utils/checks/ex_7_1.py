"""Exercise 7.1: how an answer travels, how it is shown, and which product makes it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject

HOUR, DAY = 3600.0, 86400.0


class Scenario(NamedTuple):
    """Who waits for an answer, and what stands in its way.

    ``seconds`` is what the model needs for the whole answer, ``deadline`` in how many seconds it is needed.
    """

    waits: str = "person"
    shown: str = "screen"
    format: str = "text"
    checked: str = "nothing"
    seconds: float = 12.0
    prompt: int = 300
    calls: int = 0
    network: str = "steady"
    items: int = 1
    deadline: float = 60.0


FIELDS = Scenario._fields
WIRES = ("unary", "streamed", "socket")
DISPLAYS = ("whole", "pieces", "sentences", "fields", "held back")
PRODUCTS = ("sync", "flex", "batch", "background", "realtime")
PARTS = ("wire", "display", "product")

person = Scenario()
program = Scenario(waits="program", shown="nowhere", format="json", seconds=4.0, deadline=30.0)
nobody = Scenario(waits="nobody", shown="nowhere", seconds=8.0, deadline=8 * HOUR)

CASES: dict[str, Scenario] = {
    "A chatbot": person._replace(prompt=900),
    "Code in an editor": person._replace(seconds=20.0, prompt=6000, deadline=120.0),
    "Mails that leave tonight": nobody._replace(seconds=6.0, items=400),
    "Ten thousand reviews, to be classified by the day after tomorrow": nobody._replace(
        seconds=0.5, items=10_000, deadline=2 * DAY
    ),
    "A data pipeline": program._replace(items=40, deadline=2 * HOUR),
    "Corrections of live transcription": person._replace(seconds=0.6, prompt=80, deadline=2.0),
    "A summary for the archive": nobody._replace(seconds=45.0, prompt=20_000, items=30, deadline=4 * HOUR),
    "A search that somebody looks at": person._replace(seconds=5.0, prompt=3000, deadline=20.0),
    "A report that takes a quarter of an hour": nobody._replace(seconds=900.0, prompt=40),
    "A writing assistant": person._replace(seconds=15.0, prompt=2500),
    "A chat whose answers must pass a filter of phrases": person._replace(checked="window"),
    "One word on the screen": person._replace(seconds=0.5, prompt=200, deadline=5.0),
    "A form that a person waits for": person._replace(format="json", seconds=8.0),
    "An agent with thirty tool calls": person._replace(calls=30, seconds=90.0, deadline=300.0),
    "200,000 records in the night to the day after": nobody._replace(
        format="json", seconds=3.0, items=200_000, deadline=DAY
    ),
    "A chat on a train": person._replace(network="drops", seconds=30.0),
    "A chat with a screen reader": person._replace(shown="screen reader"),
    "A talk": person._replace(shown="voice", seconds=4.0, deadline=5.0),
    "Medical advice, judged before anybody reads it": person._replace(checked="whole", seconds=25.0),
    "A book in one line": person._replace(seconds=1.0, prompt=120_000),
    "200,000 tickets, needed in half an hour": nobody._replace(seconds=2.0, items=200_000, deadline=HOUR / 2),
    "Long JSON for a program, through a proxy": program._replace(network="cuts silence", seconds=90.0, deadline=200.0),
    "A long letter, judged as a whole, through a proxy": person._replace(
        checked="whole", network="cuts silence", seconds=61.0, deadline=200.0
    ),
    "A minute of work behind a proxy": program._replace(network="cuts silence", seconds=60.0, deadline=200.0),
    "Ten minutes of work": nobody._replace(seconds=600.0, deadline=HOUR),
    "Ten minutes and a second of work": nobody._replace(seconds=601.0, deadline=HOUR),
    "999 records with a day's time": nobody._replace(items=999, deadline=DAY),
    "1,000 long talks between agents, with a day's time": nobody._replace(
        seconds=700.0, calls=20, items=1000, deadline=DAY
    ),
    "5,000 records that a program waits for": program._replace(items=5000, deadline=DAY),
    "5,000 records, needed this evening": nobody._replace(items=5000, deadline=DAY - 1),
    "One word on a train": person._replace(network="drops", seconds=1.0, deadline=5.0),
    "Two words on a train": person._replace(network="drops", seconds=1.5, deadline=5.0),
    "Medical advice on a train": person._replace(checked="whole", network="drops", seconds=25.0),
    "A long job on a train": nobody._replace(network="drops", seconds=700.0),
    "Nineteen tool calls for a program": program._replace(calls=19, seconds=50.0, deadline=200.0),
    "Twenty tool calls for a program": program._replace(calls=20, seconds=50.0, deadline=200.0),
    "An agent on a train": person._replace(network="drops", calls=30, seconds=90.0, deadline=300.0),
    "Twenty quick tool calls on a train": person._replace(network="drops", calls=20, seconds=1.0, deadline=5.0),
    "2,000 records, handed in from a train, with a day's time": nobody._replace(
        network="drops", items=2000, deadline=DAY
    ),
    "A form for a screen reader, with phrases to be kept out": person._replace(
        format="json", shown="screen reader", checked="window"
    ),
    "A screen reader, with phrases to be kept out": person._replace(shown="screen reader", checked="window"),
    "One short job on a train, needed in an hour less a second": nobody._replace(
        seconds=1.0, network="drops", deadline=HOUR - 1
    ),
}
"""By name: the ten rows of a common cheat sheet, traps, and times and numbers just at a limit."""


# --------------------------------------------------------------------------------------------------------- what is right


def _choices(
    waits: str,
    shown: str,
    format: str,
    checked: str,
    seconds: float,
    calls: int,
    network: str,
    items: int,
    deadline: float,
) -> tuple[str, str, str]:
    """Wire, display and product; the prompt does not matter."""
    display = _display(waits, shown, format, checked, seconds)
    product = _product(waits, shown, seconds, network, items, deadline)
    if product == "realtime":
        return "socket", display, product
    if product == "batch":
        return "unary", display, product
    if calls >= 20 and network != "drops":
        return "socket", display, product
    silent = product != "background" and seconds > (60 if network == "cuts silence" else 600)
    return "streamed" if display != "whole" or silent else "unary", display, product


def _display(waits: str, shown: str, format: str, checked: str, seconds: float) -> str:
    if waits != "person" or checked == "whole" or seconds <= 1:
        return "whole"
    if format == "json":
        return "fields"
    if shown == "screen reader":
        return "sentences"
    return "held back" if checked == "window" else "pieces"


def _product(waits: str, shown: str, seconds: float, network: str, items: int, deadline: float) -> str:
    if shown == "voice":
        return "realtime"
    if waits == "nobody" and items >= 1000 and deadline >= DAY:
        return "batch"
    if network == "drops" and seconds > 1:
        return "background"
    return "flex" if waits == "nobody" and deadline >= HOUR else "sync"


def _fetched(*values: Any) -> tuple[str, str, str]:
    """The same, where nobody holds a line that would be silent for too long: the answer is fetched when it is there."""
    wire, display, product = _choices(*values)
    return ("unary", display, "background") if (wire, display) == ("streamed", "whole") else (wire, display, product)


OTHERWISE: tuple[tuple[Any, ...], ...] = (
    ("person", "nobody"), ("screen", "screen reader", "voice"), ("text", "json"), ("nothing", "window", "whole"),
    (0.5, 20.0, 900.0), (0, 30), ("steady", "cuts silence", "drops"), (1, 5000), (60.0, 2 * DAY),
)  # fmt: skip
"""What each field that matters could hold instead."""
MATTER = tuple(name for name in FIELDS if name != "prompt")


def _reasons(values: tuple[Any, ...], choose: Callable[..., tuple[str, str, str]]) -> list[list[str]]:
    """For wire, display and product the fields that decide it: with another value the choice would be another.

    Where two fields decide the same, neither does so alone; so a second one may be changed too, if it changes nothing alone.
    """
    now = choose(*values)
    changes = [(place, value) for place, others in enumerate(OTHERWISE) for value in others if value != values[place]]
    alone = {change: choose(*_with(values, change)) for change in changes}
    found: list[set[str]] = [
        {MATTER[place] for (place, _), then in alone.items() if then[part] != now[part]} for part in range(3)
    ]
    for one, other in itertools.combinations(changes, 2):
        if one[0] != other[0]:
            then = choose(*_with(_with(values, one), other))
            for part in range(3):
                if then[part] != now[part]:
                    found[part] |= {MATTER[one[0]]} if alone[other][part] == now[part] else set()
                    found[part] |= {MATTER[other[0]]} if alone[one][part] == now[part] else set()
    return [sorted(names) for names in found]


def _with(values: tuple[Any, ...], change: tuple[int, Any]) -> tuple[Any, ...]:
    place, value = change
    return (*values[:place], value, *values[place + 1 :])


@expectation
@functools.lru_cache(maxsize=512)
def _right(scenario: Scenario) -> list[dict[str, Any]]:
    """The decisions that are right, the one to be told first, each with the fields that may be named as reasons."""
    values = tuple(getattr(scenario, name) for name in MATTER)
    ways = [_choices] if _fetched(*values) == _choices(*values) else [_choices, _fetched]
    return [{"choices": list(way(*values)), "reasons": _told(values, way)} for way in ways]


def _told(values: tuple[Any, ...], way: Callable[..., tuple[str, str, str]]) -> list[list[str]]:
    """The reasons that may be told: what is made as a batch or in the background is fetched for the same ones."""
    wire, display, product = _reasons(values, way)
    if way(*values)[2] in ("batch", "background") and way(*values)[0] == "unary":
        wire = sorted({*wire, *product})
    return [wire, display, product]


# --------------------------------------------------------------------------------------------------------------- the check


def check(answer: Subject, draw: Random) -> None:
    made = [(name, scenario, _decided(answer, name, scenario)) for name, scenario in CASES.items()]
    _by_a_rule(made)
    for name, scenario, got in made:
        _judge(name, scenario, got)
    for _ in range(16):
        scenario = _drawn(draw)
        _judge("Another scenario", scenario, _decided(answer, "Another scenario", scenario))


def _drawn(draw: Random) -> Scenario:
    seconds = draw.choice([0.25, 1.0, 1.5, 6.0, 30.0, 60.0, 75.0, 600.0, 700.0])
    facts: dict[str, Any] = {
        "format": draw.choice(["text", "text", "json"]),
        "checked": draw.choice(["nothing", "nothing", "window", "whole" if seconds > 1 else "nothing"]),
        "seconds": seconds,
        "prompt": draw.choice([20, 400, 9000, 150_000]),
        "calls": draw.choice([0, 0, 2, 19, 20, 45]),
        "network": draw.choice(["steady", "steady", "cuts silence", "drops"]),
    }
    who = draw.choice(["person", "person", "program", "nobody", "nobody"])
    if who == "person":
        return person._replace(shown=draw.choice(["screen", "screen", "screen reader"]), deadline=seconds + 60, **facts)
    if who == "program":
        return program._replace(items=draw.choice([1, 25]), deadline=seconds + draw.choice([30.0, 5000.0]), **facts)
    items, deadline = (
        draw.choice([1, 30, 999, 1000, 70_000]),
        draw.choice([1800.0, HOUR, 5 * HOUR, DAY - 60, DAY, 3 * DAY]),
    )
    return nobody._replace(items=items, deadline=deadline, **facts)


def _decided(answer: Subject, name: str, scenario: Scenario) -> list[Any]:
    """What the answer decides, in words that there are."""
    given = _given(name, scenario)
    try:
        got = answer.call(scenario)
    except Raised as error:
        error.given = given
        raise
    if not isinstance(got, list) or len(got) != 4:
        raise NotYet("Return a Decision of four parts: wire, display, product and reasons.", given=given, got=got)
    for part, value, words in zip(PARTS, got, (WIRES, DISPLAYS, PRODUCTS), strict=False):
        if value not in words:
            raise NotYet(f"A {part} is one of {', '.join(words)}.{_elsewhere(value, part)}", given=given, got=value)
    if not isinstance(got[3], list) or len(got[3]) != 3 or any(one not in FIELDS for one in got[3]):
        why = 'reasons are three names of fields, such as "waits": one each for the wire, the display and the product.'
        raise NotYet(why, given=given, got=got[3])
    return got


def _elsewhere(value: Any, part: str) -> str:
    """Where a word stands that is a choice of another part."""
    for other, words in zip(PARTS, (WIRES, DISPLAYS, PRODUCTS), strict=True):
        if value in words:
            return f" {value!r} is a {other}, and stands where the {part} stands: wire, display, product is the order."
    return ""


def _given(name: str, scenario: Scenario) -> str:
    return f"{name}: {', '.join(f'{field}={value!r}' for field, value in zip(FIELDS, scenario, strict=True))}"


def _by_a_rule(made: Sequence[tuple[str, Scenario, list[Any]]]) -> None:
    """Whether all wires follow one short rule; then the first scenario that breaks it is told."""
    rule = _rule([(scenario, got[0]) for _, scenario, got in made])
    for name, scenario, got in made:
        right = [one["choices"] for one in _right(scenario)]
        if rule and got[0] not in [wire for wire, _, _ in right]:
            why = f"{rule}. {name} breaks that rule: {_why_wire(scenario, got[0], right[0])}"
            raise NotYet(why, given=_given(name, scenario), got=got[:3], expected=right[0])


def _rule(made: Sequence[tuple[Scenario, str]]) -> str:
    streamed = [scenario for scenario, wire in made if wire != "unary"]
    unary = [scenario for scenario, wire in made if wire == "unary"]
    if not unary:
        return "You stream everything"
    if not streamed:
        return "You stream nothing"
    if min(one.prompt for one in streamed) > max(one.prompt for one in unary):
        return "You stream where the prompt is long, as if long questions had long answers"
    if any(one.waits != "person" for one in streamed):
        return ""
    short = [one.seconds for one in unary if one.waits == "person"]
    if not short:
        return "You stream whatever a person waits for, and nothing else"
    if max(short) < min(one.seconds for one in streamed):
        return "You ask two questions, whether a person waits and whether it takes long, and that decides all"
    return ""


def _judge(name: str, scenario: Scenario, got: list[Any]) -> None:
    right = _right(scenario)
    wanted = next((one for one in right if one["choices"] == got[:3]), right[0])
    _, display, product = wanted["choices"]
    facts: dict[str, Any] = {"given": _given(name, scenario), "got": got[:3], "expected": wanted["choices"]}
    if got[1] != display:
        raise NotYet(f"{name}: {_why_display(scenario, got[1], display)}", **facts)
    if got[2] not in [one["choices"][2] for one in right]:
        raise NotYet(f"{name}: {_why_product(scenario, got[2], product)}", **facts)
    if got[:3] != wanted["choices"]:
        raise NotYet(f"{name}: {_why_wire(scenario, got[0], wanted['choices'])}", **facts)
    for part, choice, reason, reasons in zip(PARTS, got, got[3], wanted["reasons"], strict=False):
        if reason not in reasons:
            why = f"{name}: you give {reason} as the reason for the {part} {choice!r}. Whatever stood there, it would be the same."
            raise NotYet(why, given=facts["given"], got=got[3])


# ------------------------------------------------------------------------------------------------------ why it is not that


def _why_display(scenario: Scenario, got: str, right: str) -> str:
    if right == "whole":
        if scenario.waits != "person":
            return "nobody sits there and watches it come. Hand it over whole."
        if scenario.checked == "whole":
            return "somebody would read it before it has been judged, and only the whole can be judged."
        return "it is there within a second. Before an eye has found the first piece, the last has come."
    if got == "whole":
        if right == "fields":
            return "JSON can be shown before it is complete: a field is final when it is closed."
        if scenario.checked == "window":
            return "the checker needs a window in hand, not the whole. Show what is behind it."
        return f"a person looks at nothing for {scenario.seconds:g} s, and could have begun to read."
    if right == "fields":
        return "half a number is another number. JSON is shown field by field, each when it is closed."
    if right == "sentences":
        return "a screen reader begins anew with every piece that comes. Give it whole sentences, which can be checked as well."
    if right == "held back":
        return "what must not be shown would be read before the checker has seen it. Keep a window in hand."
    if got == "held back":
        return "nothing has to be checked here. What you hold back is only late."
    return f"nothing here asks for {got}. Show each piece when it comes."


def _why_product(scenario: Scenario, got: str, right: str) -> str:
    if right == "realtime":
        return "speech goes both ways at once, and that is what realtime was made for."
    if got == "realtime":
        return "nobody speaks here, and realtime is for voices."
    if got == "batch":
        return _no_batch(scenario)
    if right == "batch":
        what = (
            "With flex you send them one by one, and now and then there is no room"
            if got == "flex"
            else "A file needs no line that could drop, and costs half"
            if got == "background"
            else "You pay twice as much"
        )
        return (
            f"{scenario.items:,} requests that nobody waits for, and a day of time. {what}: hand them in as one batch."
        )
    if right == "background":
        return "the line drops, and what was made is lost with it. In the background it goes on, and is kept."
    if got == "background":
        return _no_background(scenario)
    if right == "flex":
        return "nobody waits, and there is an hour of time or more. Flex costs half."
    if scenario.waits != "nobody":
        return f"flex is slow, and may have no room at all; and here a {scenario.waits} waits."
    return f"flex may have no room for a while, and the answer is needed in {scenario.deadline:g} s: less than an hour."


def _no_batch(scenario: Scenario) -> str:
    if scenario.waits != "nobody":
        return f"a batch may take 24 hours, and here a {scenario.waits} waits."
    if scenario.deadline < DAY:
        return "a batch may take 24 hours, and this is needed before."
    return f"a batch pays from 1,000 requests on, and this is {scenario.items:,}."


def _no_background(scenario: Scenario) -> str:
    if scenario.network == "drops":
        return "the line drops, but the answer takes a second: who loses it asks again."
    return "the line holds for as long as that takes. Nobody has to come back for an answer."


def _why_wire(scenario: Scenario, got: str, right: Sequence[str]) -> str:
    wire, display, product = right
    if product == "realtime":
        return "a voice needs a line in both directions, and that is a socket."
    if wire == "socket":
        return f"{scenario.calls} tool calls are as many turns. On a socket that stays open, none of them has to be set up anew."
    if product == "batch":
        return "a batch gives back a file, and a file is fetched. No line has to be held for it."
    if got == "socket":
        if scenario.network == "drops" and scenario.calls >= 20:
            return "a socket needs a line that holds, and this one drops."
        return "that is one question and one answer. A socket that stays open is for many turns, or for a voice."
    if wire == "unary":
        if product == "background":
            return "it is shown whole and made in the background: it is fetched when it is complete."
        return f"it is shown whole, and {scenario.seconds:g} s of silence harm nobody here: streaming would be work for nothing."
    if display != "whole":
        return "it is shown in parts, but what comes in one piece can only be shown in one piece. Stream it."
    limit = (
        "this proxy cuts a line after a minute" if scenario.seconds <= 600 else "ten minutes are too long for any line"
    )
    return f"nobody reads along, and still: nothing would move on the line for {scenario.seconds:g} s, and {limit}."


EXERCISE = Exercise(
    id="7.1",
    title="decide",
    function="decide",
    minutes=10,
    points=3,
    core=True,
    hints=(
        "The check names a scenario. Which of your rules spoke there, and which fact did it not look at? One counterexample is "
        "enough to break a rule.",
        "Decide the display first: it asks who reads. Then the product: it asks who waits, how long, how many, over which line. "
        "The wire comes last, for it has to serve both. Each is a list of questions in which the first that fits answers.",
        "Write each list as rows of (choice, reason, does it hold?), the special cases first and the plain one last with True, and "
        "take the first row that holds. The wire's rows: realtime, batch, 20 calls, display not whole, background, silence, else.",
    ),
    reason="Who reads decides the display, who waits and for how long the product, and the wire serves the two, so one question "
    "can't decide all. A job that nobody watches may have to be streamed, and JSON that a person waits for may be shown in parts.",
    check=check,
)

ROWS = {
    '("fields", {}, scenario.format == "json"),': "waits checked seconds",
    '("sentences", {}, scenario.shown == "screen reader"),': "waits checked seconds format",
    '("held back", {}, scenario.checked == "window"),': "waits seconds format shown",
    '("pieces", {}, True),': "checked seconds format shown",
    '("batch", {}, scenario.waits == "nobody" and scenario.items >= 1000 and scenario.deadline >= 24 * 3600),': (
        "waits shown deadline"
    ),
    '("background", {}, scenario.network == "drops" and scenario.seconds > 1),': "seconds shown",
    '("flex", {}, scenario.waits == "nobody" and scenario.deadline >= 3600),': "waits shown network",
    '("sync", {} if scenario.waits == "nobody" else "waits", True),': "shown",
    '("sync", "deadline" if scenario.waits == "nobody" else {}, True),': "shown",
    '("unary", {}, product == "batch"),': "waits shown deadline",
    '("socket", {}, scenario.calls >= 20 and scenario.network != "drops"),': "network",
    '("streamed", {}, display != "whole"),': "checked seconds shown",
    '("unary", {}, product == "background"),': "seconds shown",
    '("streamed", {}, scenario.seconds > (60 if scenario.network == "cuts silence" else 600)),': "shown network calls",
    '("unary", {}, True),': "shown",
}
"""Rows of the solution, and the fields that could stand in them as the reason."""
for row, fields in ROWS.items():
    EXERCISE.survive("with another value of that field the choice would be another, too", *(
        row.format(repr(one)) for one in fields.split()))  # fmt: skip
EXERCISE.survive(
    "of the words that can stand there, these are the first or the last by the alphabet",
    '("fields", "format", scenario.format <= "json"),',
    '("held back", "checked", scenario.checked >= "window"),',
    '("realtime", "shown", scenario.shown >= "voice"),',
    '("batch", "items", scenario.waits <= "nobody" and scenario.items >= 1000 and scenario.deadline >= 24 * 3600),',
    '("flex", "deadline", scenario.waits <= "nobody" and scenario.deadline >= 3600),',
    '("sync", "deadline" if scenario.waits <= "nobody" else "waits", True),',
    '("streamed", "waits", display < "whole"),',
    '("unary", "network", product <= "background"),',
    '("streamed", "seconds", scenario.seconds > (60 if scenario.network <= "cuts silence" else 600)),',
)
EXERCISE.survive(
    "the parts of a Decision are given by their places, and the two tables do not look at each other",
    'display: str (moved before "wire: str")',
    'product: str (moved before "display: str")',
    'reasons: list[str] (moved before "product: str")',
    'product, made = first( ("realtime", "shown", scenario.shown == "voice"), ("batch", "items", scenario.waits == "nobody" and '
    'scenario.items >= 1000 and scenario.deadline >= 24 * 3600), ("background", "network", scenario.network == "drops" and '
    'scenario.seconds > 1), ("flex", "deadline", scenario.waits == "nobody" and scenario.deadline >= 3600), ("sync", "deadline" '
    'if scenario.waits == "nobody" else "waits", True), ) (moved before "display, seen = first(")',
)

# ------------------------------------------------------------------------------------- the reference and its mistakes

Choose = Callable[[Scenario, tuple[str, str, str, list[str]]], tuple[Any, ...]]
"""From a scenario and what is right there, what a mistake makes of it."""


def _reference(s: Scenario) -> tuple[str, str, str, list[str]]:
    values = tuple(getattr(s, name) for name in MATTER)
    wire, display, product = _choices(*values)
    reasons = _reasons(values, _choices)
    return wire, display, product, [names[0] for names in reasons]


def _wrong(name: str, says: str, choose: Choose) -> None:
    def decide(scenario: Scenario) -> Any:
        return choose(scenario, _reference(scenario))

    EXERCISE.wrong(name, says=says)(decide)


def _wire(name: str, says: str, wire: Callable[[Scenario, str], str]) -> None:
    _wrong(name, says, lambda s, right: (wire(s, right[0]), *right[1:]))


def _shows(name: str, says: str, display: Callable[[Scenario, str], str]) -> None:
    _wrong(name, says, lambda s, right: (right[0], display(s, right[1]), *right[2:]))


def _buys(name: str, says: str, product: Callable[[Scenario, str], str]) -> None:
    _wrong(name, says, lambda s, right: (*right[:2], product(s, right[2]), right[3]))


def _because(name: str, says: str, reasons: Callable[[Scenario, list[str]], Any]) -> None:
    _wrong(name, says, lambda s, right: (*right[:3], reasons(s, right[3])))


def _streams(when: bool) -> str:
    return "streamed" if when else "unary"


_wire("has a tree with two questions", "You ask two questions", lambda s, wire: (
    _streams(s.waits == "person" and s.seconds > 2)))  # fmt: skip
_wire("streams what somebody watches", "whatever a person waits for", lambda s, wire: _streams(s.waits == "person"))
_wire(
    "goes by the length of the prompt",
    "as if long questions had long answers",
    lambda s, wire: _streams(s.prompt > 1000),
)
_wire("streams everything", "You stream everything", lambda s, wire: _streams(True))
_wire("streams nothing", "You stream nothing", lambda s, wire: _streams(False))
_wire("forgets that a proxy cuts silence", "cuts a line after a minute", lambda s, wire: (
    "unary" if s.network == "cuts silence" and s.seconds <= 600 and s.waits == "program" else wire))  # fmt: skip
_wire("streams nothing of what nobody watches", "ten minutes are too long", lambda s, wire: (
    "unary" if s.waits == "nobody" else wire))  # fmt: skip
_wire(
    "streams a batch",
    "a file is fetched. No line",
    lambda s, wire: "streamed" if s.items >= 1000 and s.deadline >= DAY else wire,
)
_wire("holds a line for a job in the background", "it is fetched when it is complete", lambda s, wire: (
    "streamed" if s.network == "drops" and s.waits == "nobody" and wire == "unary" else wire))  # fmt: skip
_wire(
    "streams what takes longer than ten seconds",
    "work for nothing",
    lambda s, wire: "streamed" if s.seconds > 10 else wire,
)
_wire("sets each tool call up anew", "tool calls are as many turns", lambda s, wire: (
    "streamed" if wire == "socket" and s.calls else wire))  # fmt: skip
_wire("opens a socket where a person waits", "A socket that stays open is for many turns", lambda s, wire: (
    "socket" if wire == "streamed" else wire))  # fmt: skip
_wire("opens a socket on a train", "a line that holds", lambda s, wire: (
    "socket" if s.calls >= 20 and s.items == 1 else wire))  # fmt: skip
_wire("asks the product whether the line holds", "Twenty quick tool calls on a train: a socket needs", lambda s, wire: (
    "socket" if s.calls >= 20 and _reference(s)[2] not in ("batch", "background") else wire))  # fmt: skip
_wire(
    "streams a voice one way", "a line in both directions", lambda s, wire: "streamed" if s.shown == "voice" else wire
)
_wire("sends in one piece what is shown in parts", "can only be shown in one piece", lambda s, wire: (
    "unary" if s.format == "json" and s.waits == "person" else wire))  # fmt: skip

_shows("shows JSON when it is complete", "a field is final when it is closed", lambda s, display: (
    "whole" if s.format == "json" else display))  # fmt: skip
_shows("shows half a JSON", "half a number is another number", lambda s, display: (
    "pieces" if s.format == "json" and display != "whole" else display))  # fmt: skip
_shows("forgets the judge", "before it has been judged", lambda s, display: (
    "pieces" if s.checked == "whole" and s.waits == "person" else display))  # fmt: skip
_shows("forgets the filter", "before the checker has seen it", lambda s, display: (
    "pieces" if display == "held back" else display))  # fmt: skip
_shows("filters at the end", "a window in hand, not the whole", lambda s, display: (
    "whole" if display == "held back" else display))  # fmt: skip
_shows("holds everything back", "is only late", lambda s, display: "held back" if display == "pieces" else display)
_shows("gives a screen reader pieces", "begins anew with every piece", lambda s, display: (
    "pieces" if display == "sentences" else display))  # fmt: skip
_shows("makes sentences for everybody", "nothing here asks for sentences", lambda s, display: (
    "sentences" if display == "pieces" else display))  # fmt: skip
_shows("shows a word in pieces", "within a second", lambda s, display: (
    "pieces" if s.waits == "person" and s.seconds <= 1 else display))  # fmt: skip
_shows("shows pieces to nobody", "nobody sits there", lambda s, display: "pieces" if s.waits != "person" else display)
_shows("shows only whole answers", "could have begun to read", lambda s, display: "whole")

_buys("runs a batch in a pool of its own", "You pay twice as much", lambda s, product: (
    "sync" if product == "batch" else product))  # fmt: skip
_buys("takes flex for a batch", "With flex you send them one by one", lambda s, product: (
    "flex" if product == "batch" else product))  # fmt: skip
_buys("keeps a job on a train out of the batch", "A file needs no line that could drop", lambda s, product: (
    "background" if s.network == "drops" and s.seconds > 1 else product))  # fmt: skip
_buys("makes a batch of all that are many", "this is needed before", lambda s, product: (
    "batch" if s.items >= 1000 else product))  # fmt: skip
_buys("makes a batch of all that have time", "a batch pays from 1,000", lambda s, product: (
    "batch" if s.deadline >= DAY else product))  # fmt: skip
_buys("takes a pipeline for a batch", "and here a program waits", lambda s, product: (
    "batch" if s.format == "json" and s.waits == "program" else product))  # fmt: skip
_buys("forgets that a line drops", "what was made is lost with it", lambda s, product: (
    "sync" if product == "background" else product))  # fmt: skip
_buys("puts everything on a train into the background", "who loses it asks again", lambda s, product: (
    "background" if s.network == "drops" else product))  # fmt: skip
_buys("puts into the background what takes long", "Nobody has to come back", lambda s, product: (
    "background" if s.seconds > 60 and product == "sync" else product))  # fmt: skip
_buys("pays in full for what can wait", "Flex costs half", lambda s, product: "sync" if product == "flex" else product)
_buys("saves where somebody waits", "flex is slow", lambda s, product: "flex" if product == "sync" else product)
_buys("saves whenever nobody waits", "less than an hour", lambda s, product: (
    "flex" if product == "sync" and s.waits == "nobody" else product))  # fmt: skip
_buys("makes a talk of questions and answers", "speech goes both ways", lambda s, product: (
    "sync" if product == "realtime" else product))  # fmt: skip
_buys(
    "takes every agent for a voice",
    "realtime is for voices",
    lambda s, product: "realtime" if s.calls >= 20 else product,
)

_because("names the prompt", "you give prompt as the reason for the wire", lambda s, reasons: ["prompt", *reasons[1:]])
_because("gives the same reasons for all", "you give deadline as the reason for the product", lambda s, reasons: [
    *reasons[:2], "deadline"])  # fmt: skip
_because("gives one reason for three choices", "three names of fields", lambda s, reasons: reasons[:1])
_because("names what it chose", "one each for the wire", lambda s, reasons: ["wire", "display", "product"])


@EXERCISE.wrong("returns the wire alone", says="a Decision of four parts")
def _(scenario):  # type: ignore[no-untyped-def]
    return _reference(scenario)[0]


@EXERCISE.wrong("puts the display first", says="and stands where the wire stands")
def _(scenario):  # type: ignore[no-untyped-def]
    wire, display, *rest = _reference(scenario)
    return display, wire, *rest


@EXERCISE.wrong("has words of its own", says="A wire is one of")
def _(scenario):  # type: ignore[no-untyped-def]
    return "sse", *_reference(scenario)[1:]


@EXERCISE.right
def _(s):  # type: ignore[no-untyped-def]
    # Questions one inside the other, each answered with its reason; what would be silent for too long is fetched.
    if s.waits != "person":
        display = ("whole", "waits")
    elif s.checked == "whole":
        display = ("whole", "checked")
    elif s.seconds <= 1:
        display = ("whole", "seconds")
    else:
        by_words = {"screen reader": ("sentences", "shown")}.get(s.shown)
        guarded = ("held back", "checked") if s.checked == "window" else ("pieces", "seconds")
        display = ("fields", "format") if s.format == "json" else by_words or guarded
    if s.shown == "voice":
        product = ("realtime", "shown")
    elif s.waits == "nobody" and s.deadline >= 86400 and s.items >= 1000:
        product = ("batch", "deadline")
    elif s.network == "drops" and s.seconds > 1:
        product = ("background", "seconds")
    else:
        late = ("flex", "waits") if s.deadline >= 3600 else ("sync", "deadline")
        product = late if s.waits == "nobody" else ("sync", "waits")
    wire = ("streamed", "seconds") if display[0] != "whole" else ("unary", "seconds")
    if product[0] == "batch":
        wire = ("unary", "deadline")
    elif product[0] == "realtime":
        wire = ("socket", "shown")
    elif s.calls >= 20 and s.network != "drops":
        wire = ("socket", "calls")
    elif wire[0] == "unary" and product[0] == "background":
        wire = ("unary", "network")
    elif wire[0] == "unary" and s.seconds > (60 if s.network == "cuts silence" else 600):
        product = ("background", "seconds")
    return wire[0], display[0], product[0], [wire[1], display[1], product[1]]


@EXERCISE.right
def _(scenario):  # type: ignore[no-untyped-def]
    # Each part leaves out what can't be, and takes the best of the rest.
    s = dict(zip(FIELDS, scenario, strict=True))
    can_wait = s["waits"] == "nobody" and s["deadline"] >= 3600
    products = {
        "realtime": s["shown"] == "voice",
        "batch": can_wait and s["deadline"] >= 24 * 3600 and s["items"] > 999,
        "background": s["network"] == "drops" and not s["seconds"] <= 1,
        "flex": can_wait,
        "sync": True,
    }
    product = next(name for name, possible in products.items() if possible)
    parts = s["waits"] == "person" and s["checked"] != "whole" and s["seconds"] > 1
    displays = {
        "whole": not parts,
        "fields": s["format"] == "json",
        "sentences": s["shown"] == "screen reader",
        "held back": s["checked"] == "window",
        "pieces": True,
    }
    display = next(name for name, possible in displays.items() if possible)
    patience = {"steady": 600, "cuts silence": 60, "drops": 600}[s["network"]]
    many_turns = s["calls"] >= 20 and s["network"] != "drops"
    if product == "batch":
        wire = "unary"
    elif product == "realtime" or many_turns:
        wire = "socket"
    else:
        wire = "streamed" if parts or (product != "background" and s["seconds"] > patience) else "unary"
    why = {"realtime": "shown", "batch": "items", "background": "network", "flex": "deadline"}
    why["sync"] = "deadline" if s["waits"] == "nobody" else "waits"
    seen = {"fields": "format", "sentences": "shown", "held back": "checked", "pieces": "checked"}
    whole = "waits" if s["waits"] != "person" else "checked" if s["checked"] == "whole" else "seconds"
    because = {"realtime": "shown", "batch": "items"}.get(product, "calls" if wire == "socket" else "seconds")
    if wire == "unary" and product == "background":
        because = "network"
    return [wire, display, product, [because, seen.get(display, whole), why[product]]]
