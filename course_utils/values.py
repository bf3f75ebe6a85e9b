"""What an answer may be made of: exact plain values, in a notebook and across the border of a process alike.

An object can pretend to be equal to everything; an exact number, text, list or dict can't. So whatever a learner's function
returns is turned into these before a check sees it, and is refused if that is not possible.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAX_BITS = 1000
MAX_DEPTH = 50
MAX_ITEMS = 200_000

REASONS = {
    "not_callable": "Expected your function, got something of type {}. Hand it over by its name, without parentheses.",
    "not_plain": "Expected plain numbers, texts, lists, tuples or dicts from your function, got something of type {}.",
    "digits": "Your function returned a number with more than 300 digits.",
    "deep": f"Your function returned something nested more than {MAX_DEPTH} levels deep.",
    "large": f"Your function returned more than {MAX_ITEMS} values.",
    "no_yield": "Your function returned {}. A generator hands its pieces out with `yield`.",
    "no_with": "Your function returned {}. Return something that a `with` statement can enter and leave.",
    "is_async": "Your function is asynchronous. Write `def` instead of `async def` here.",
    "not_async": "Your function is not asynchronous. Write `async def` instead of `def` here.",
    "no_such": "Expected something with {}: is it spelt as in the task?",
}


class NoAnswer(Exception):
    """What came can't be an answer. ``reason`` is a key of `REASONS`, ``what`` fills its gap."""

    def __init__(self, reason: str, what: str = "") -> None:
        super().__init__(REASONS[reason].format(what))
        self.reason, self.what = reason, what


def plain(value: Any) -> Any:
    """``value`` if it is made of exact plain types; raises `NoAnswer` for anything that could pretend to be equal.

    Tuples become lists, as they would on the way from another process. Named tuples and the exact numbers of the standard
    library are turned into plain ones.
    """
    return _plain(value, MAX_DEPTH, [MAX_ITEMS])


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    """``left`` holds the number of values that may still come."""
    left[0] -= 1
    if left[0] < 0:
        raise NoAnswer("large")
    if value is None or type(value) in (bool, int, float, str, bytes):
        if type(value) is int and value.bit_length() > MAX_BITS:
            raise NoAnswer("digits")
        return value
    if depth == 0:
        raise NoAnswer("deep")
    if isinstance(value, tuple | list):
        items = tuple.__iter__(value) if isinstance(value, tuple) else list.__iter__(value)
        return [_plain(item, depth - 1, left) for item in items]
    if type(value) in (Decimal, Fraction):
        return float(value)
    if type(value) is dict:
        return {_key(_plain(key, depth - 1, left)): _plain(item, depth - 1, left) for key, item in value.items()}
    if getattr(type(value), "__module__", "") == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), depth - 1, left)
    raise NoAnswer("not_plain", kind(value))


def _key(value: Any) -> Any:
    """A key of a dict can't be a list, so there a tuple stays one."""
    return tuple(map(_key, value)) if isinstance(value, list) else value


def shown(value: Any) -> str:
    """A plain value as it is, of others their type."""
    try:
        text = repr(plain(value))
    except NoAnswer:
        return f"something of type {kind(value)}"
    return text if len(text) <= 100 else text[:97] + "..."


def kind(value: Any) -> str:
    """The name of a value's type, which may be the learner's own."""
    return name(type(value).__name__)


def name(text: Any) -> str:
    """``text`` if it is an ordinary name: what a learner calls a type may hold anything, also a page of HTML."""
    return text if isinstance(text, str) and re.fullmatch(r"\w{1,60}", text) else "(a strange name)"
