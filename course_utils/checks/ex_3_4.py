"""Exercise 3.4: why does the answer come in one piece?"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Subject
from course_utils.deployments import CHANGES, EXAMPLES, IN_TIME, SECONDS, THINKS, Deployment, Seen, in_time
from course_utils.pace import Pace

MOST = 60
"""Times that the check lets anybody ask."""
ENOUGH = 6
"""Times that are allowed: four changes at most, a look before and a look behind."""

PAGE, WHOLE, CUT = EXAMPLES
HALF_SECONDS = Pace(headers=0.5, ttft=1.0, itl=0.5)
JUST_LATE = (
    Deployment(SECONDS, 13, page=4096),
    Deployment(HALF_SECONDS, 4, page=4096),
    Deployment(HALF_SECONDS, 4, gzip="whole"),
)
NOTHING_WRONG = (
    Deployment(SECONDS, 9, page=4096),
    Deployment(SECONDS, gzip="flushed", page=48),
    Deployment(Pace(headers=0.5, ttft=9.0, itl=0.125), page=16),
)
COLLECTS = Deployment(SECONDS, collects=True)
LATE_START = Deployment(Pace(headers=0.5, ttft=75.0, itl=0.125))
COLLECTS_FOR_LONG = Deployment(Pace(headers=0.5, ttft=1.0, itl=2.0), collects=True)
BEHIND_EACH_OTHER = (
    Deployment(SECONDS, collects=True, page=4096),
    Deployment(SECONDS, gzip="whole", page=4096),
    Deployment(THINKS, gzip="whole"),
    Deployment(THINKS, page=4096),
    Deployment(SECONDS, collects=True, gzip="whole", page=4096),
)


class _Site:
    """A deployment as the answer sees it, and what it was asked."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.asked: list[list[str]] = []

    def deploy(self, changes: Any) -> Seen:
        """When text could be read behind each station, with these changes made."""
        if len(self.asked) >= MOST:
            raise RuntimeError(f"{MOST} deployments are enough")
        if not isinstance(changes, list | tuple | set):
            raise TypeError(f"deploy() takes a list of changes, got {changes!r}")
        self.asked.append(list(changes))
        return self.deployment(list(changes))


@expectation
@functools.lru_cache(maxsize=256)
def least(deployment: Deployment) -> int:
    """How many changes are needed, found by trying all there are."""
    sizes = range(len(CHANGES) + 1)
    return next(size for size in sizes for some in itertools.combinations(CHANGES, size) if in_time(deployment(some)))


def check(answer: Subject, draw: Random) -> None:
    for deployment in (PAGE, WHOLE, CUT):
        _judge(answer, deployment)
    for deployment in (*NOTHING_WRONG, *JUST_LATE, COLLECTS, LATE_START, COLLECTS_FOR_LONG, *BEHIND_EACH_OTHER):
        _judge(answer, deployment)
    for _ in range(15):
        _judge(answer, _drawn(draw))


def _drawn(draw: Random) -> Deployment:
    silence = draw.choice([(), (), ((draw.randint(1, 30), float(draw.randint(70, 200))),)])
    pace = Pace(0.5, ttft=draw.choice([0.5, 2.0, 12.0, 80.0]), itl=draw.choice([0.125, 0.25]), pauses=silence)
    gzip, page = draw.choice(["", "", "whole", "flushed"]), draw.choice([None, None, 32, 4096])
    return Deployment(pace, draw.randint(36, 60), draw.random() < 0.3, gzip, page)


def _judge(answer: Subject, deployment: Deployment) -> None:
    site = _Site(deployment)
    made = answer.call(site.deploy)
    given = _shown(deployment(()))
    if not isinstance(made, list) or any(change not in CHANGES for change in made):
        raise NotYet("Return a list of names from the table.", given=given, got=made)
    seen = deployment(made)
    if not in_time(seen):
        raise NotYet(_why(deployment, made, seen), given=given, got=made)
    needed = least(deployment)
    if len(made) > needed:
        raise NotYet(_too_many(deployment, made, needed), given=given, got=made)
    if len(site.asked) > ENOUGH:
        why = f"You deployed {len(site.asked)} times. Look at the stations instead of trying, and you know the next change."
        raise NotYet(why, given=given, got=made)


def _shown(seen: Seen) -> str:
    parts = [f"{name} {_span(times)}" for name, times in seen.items() if name != "ended"]
    return f"text behind the {', the '.join(parts)}; {seen['ended']}"


def _span(times: list[float]) -> str:
    return f"{times[0]:g}–{times[-1]:g} s" if times else "never"


def _too_many(deployment: Deployment, made: list[str], needed: int) -> str:
    if not needed:
        return "Nothing is wrong there: the text comes as soon as the model has it. Yet you changed something."
    many = f"It works, but you made {len(made)} changes where {needed} would do. "
    held = deployment(())
    if "heartbeat" in made and "yield_at_once" in made:
        return many + "The line was silent because the application collected: begin with the first station that holds."
    if held["ended"] == "complete" and {"heartbeat", "longer_timeout"} & set(made):
        return many + "Nobody cut that line, so neither patience nor a heartbeat was missing."
    return many + "Each has its price, in bytes, work or safety: change what holds the text, and nothing else."


def _why(deployment: Deployment, made: list[str], seen: Seen) -> str:
    """Why text is still late or missing, after the changes that were made."""
    station = _holds(seen)
    if not made:
        return f"You changed nothing, and {_symptom(station, seen)}"
    if useless := _useless(station, seen, made):
        return useless
    if len(made) < least(deployment):
        return f"After your change ask again: behind the first thing that was wrong stood another. Now {_symptom(station, seen)}"
    return f"With your changes {_symptom(station, seen)}"


def _holds(seen: Seen) -> str:
    """The first station behind which the first text is late, or an empty text."""
    stations = ("application", "compressor", "proxy")
    late = [name for name in stations if not seen[name] or seen[name][0] - seen["model"][0] > IN_TIME]
    return late[0] if late else ""


def _symptom(station: str, seen: Seen) -> str:
    if seen["ended"] == "cut" and station in ("", "proxy"):
        return "the line is cut: nothing moved on it for a minute, and the proxy has no more patience."
    return f"the first text is late: the {station} holds it. What does that station wait for?"


def _useless(station: str, seen: Seen, made: list[str]) -> str:
    """What to say of a change that can't help there."""
    if station == "proxy" and seen["ended"] == "complete":
        if "shorter_pieces" in made:
            return "The proxy waits for a full page, and shorter pieces are not more bytes. What makes it not wait?"
        if "longer_timeout" in made:
            return "The proxy did not cut, it waited for a full page: more patience is not what it lacks."
        if "sleep" in made:
            return "A pause behind each token fills no page of the proxy. It only makes you slower."
        if "no_compression" in made:
            return "Nothing was held by the compressor: behind it the text came in time. Look one station further."
    if station == "compressor":
        if "heartbeat" in made:
            return "A heartbeat goes into the compressor like all other bytes, and stays there. It does not squeeze anything out."
        if "no_buffering" in made:
            return "The text was late before it came to the proxy. Look at the station before it."
    if station == "application" and {"no_buffering", "no_compression"} & set(made):
        return "Compressor and proxy got the text late themselves. Nothing they do can bring it back: look further up."
    return ""


EXERCISE = Exercise(
    id="3.4",
    title="repair",
    function="repair",
    minutes=10,
    points=2,
    core=True,
    hints=(
        "Put the four times of the first text side by side. Between which two neighbours does it get lost?",
        "Walk with the text, from the model to the reader. The first station that is more than 1 s behind the model is the one to "
        "change; what stands behind it, you see only after that. A line that was cut is a case of its own.",
        "while True: seen = deploy(changes); if the application is late, add 'yield_at_once'; else if the compressor is, "
        "'no_compression'; else if seen['ended'] is 'cut', 'heartbeat'; else if the proxy is late, 'no_buffering'; else return.",
    ),
    reason="Text that waits at one station hides all that stand behind it. So one change is made at a time, at the first station "
    "that holds, and then one looks again. What is not held there needs no change, however bad its name is.",
    check=check,
)


EXERCISE.survive("there are two endings, 'complete' and 'cut'", 'elif seen["ended"] >= "cut":')


# ------------------------------------------------------------------------------------------------------- the mistakes

Deploy = Callable[[list[str]], Seen]


def _late(seen: Seen, station: str) -> bool:
    return not seen[station] or seen[station][0] > seen["model"][0] + IN_TIME


def _next(seen: Seen) -> str | None:
    """The change that the reference makes."""
    if _late(seen, "application"):
        return "yield_at_once"
    if _late(seen, "compressor"):
        return "no_compression"
    if seen["ended"] == "cut":
        return "heartbeat"
    return "no_buffering" if _late(seen, "proxy") else None


def _wrong(
    name: str, says: str, *, step: Callable[[Seen], str | None] = _next, most: int = 7, before: tuple[str, ...] = ()
) -> None:
    """The reference with another next change, a limit to their number, or some that are made in any case."""

    def repair(deploy: Deploy) -> list[str]:
        changes = list(before)
        while len(changes) < most and (change := step(deploy(changes))) and change not in changes:
            changes.append(change)
        return changes

    EXERCISE.wrong(name, says=says)(repair)


def _instead(right: str, change: str | None) -> Callable[[Seen], str | None]:
    """Another change where the reference would make that one."""
    return lambda seen: change if _next(seen) == right else _next(seen)


_wrong("changes nothing", "You changed nothing", step=lambda seen: None)
_wrong("turns everything off", "7 changes where 1 would do", before=tuple(CHANGES))
_wrong("makes all four changes that ever help", "4 changes where 1", before=(
    "yield_at_once", "no_compression", "no_buffering", "heartbeat"))  # fmt: skip
_wrong("makes pieces shorter", "shorter pieces are not more bytes", step=_instead("no_buffering", "shorter_pieces"))
_wrong("adds a sleep", "A pause behind each token", step=_instead("no_buffering", "sleep"))
_wrong(
    "raises the time-out of a proxy that buffers",
    "more patience is not",
    step=_instead("no_buffering", "longer_timeout"),
)
_wrong(
    "blames the compressor for the proxy", "Look one station further", step=_instead("no_buffering", "no_compression")
)
_wrong(
    "wakes the compressor with a heartbeat", "goes into the compressor", step=_instead("no_compression", "heartbeat")
)
_wrong("asks the proxy not to buffer, whatever it is", "before it came to the proxy", step=_instead(
    "no_compression", "no_buffering"))  # fmt: skip
_wrong("sees no cut", "the line is cut", step=_instead("heartbeat", None))
_wrong("begins at the end", "look further up", step=_instead("yield_at_once", "no_buffering"))
_wrong("makes one change and looks no more", "ask again", most=1)
_wrong("always sends heartbeats", "Nobody cut that line", before=("heartbeat",))
_wrong("compares the first text with the request", "Nothing is wrong there", step=lambda seen: (
    _next(seen) or ("no_buffering" if seen["proxy"][0] > 2 else None)))  # fmt: skip
_wrong("cures the silence before its cause", "begin with the first station", step=lambda seen: (
    "heartbeat" if seen["ended"] == "cut" else _next(seen)))  # fmt: skip


@EXERCISE.wrong("tries all there is", says="Look at the stations instead of trying")
def _(deploy):  # type: ignore[no-untyped-def]
    for size in range(4):
        for changes in itertools.combinations(("no_buffering", "no_compression", "heartbeat", "yield_at_once"), size):
            seen = deploy(list(changes))
            if seen["ended"] == "complete" and seen["proxy"][0] - seen["model"][0] <= 1:
                return list(changes)
    return []


@EXERCISE.wrong("returns what it saw", says="a list of names")
def _(deploy):  # type: ignore[no-untyped-def]
    return deploy([])


@EXERCISE.wrong("has names of its own", says="a list of names")
def _(deploy):  # type: ignore[no-untyped-def]
    return [f"proxy_{_next(deploy([]))}"]


@EXERCISE.right
def _(deploy):  # type: ignore[no-untyped-def]
    cures = {"application": "yield_at_once", "compressor": "no_compression", "proxy": "no_buffering"}

    def cured(changes: list[str]) -> list[str]:
        seen = deploy(changes)
        limit = seen["model"][0] + 1
        first = next((name for name in cures if not seen[name] or seen[name][0] > limit), None)
        if seen["ended"] == "cut" and first in (None, "proxy"):
            return cured([*changes, "longer_timeout"])
        return cured([*changes, cures[first]]) if first else changes

    return cured([])


@EXERCISE.right
def _(deploy):  # type: ignore[no-untyped-def]
    # From station to station: each is looked at until it holds nothing any more.
    changes: list[str] = []
    for station, change in (("application", "yield_at_once"), ("compressor", "no_compression"), ("proxy", "heartbeat")):
        seen = deploy(changes)
        held = (
            seen["ended"] == "cut"
            if station == "proxy"
            else seen[station][:1] > [seen["model"][0] + 1] or not seen[station]
        )
        changes += [change] * held
    seen = deploy(changes)
    return changes + ["no_buffering"] * (seen["proxy"][0] - seen["model"][0] > 1)
