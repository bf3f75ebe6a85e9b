"""How values cross the line: as JSON, with what JSON lacks as objects of one key, the tag.

Only exact plain types cross by themselves. What else each side may send (functions, iterators, the SDK's objects) it
adds with its own ``other``; nothing is ever made by naming a class to be called, as pickle does.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

Other = Callable[[Any], Any]
CHANGEABLE = (list, dict, set)
"""What a function may change among its arguments, and then has changed on both sides of the line."""


class CanNotCross(TypeError):
    """A value that has no form on the line."""


def no_other(value: Any) -> Any:
    raise CanNotCross(f"something of type {type(value).__name__} can't be sent; plain values can")


def pack(value: Any, other: Other = no_other) -> Any:
    """The JSON form of ``value``; ``other`` packs what is not plain."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [pack(item, other) for item in value]
    if kind is tuple:
        return {"tuple": [pack(item, other) for item in value]}
    if kind is dict:
        return {"dict": [[pack(key, other), pack(item, other)] for key, item in value.items()]}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if kind in (set, frozenset):
        return {kind.__name__: [pack(item, other) for item in value]}
    return other(value)


def unpack(form: Any, other: Other = no_other) -> Any:
    """The value behind its JSON form; ``other`` gets the forms with a tag that is not one of `pack`'s."""
    if isinstance(form, list):
        return [unpack(item, other) for item in form]
    if not isinstance(form, dict):
        return form
    if len(form) == 1:
        ((tag, inner),) = form.items()
        if tag in _PLAIN:
            return _PLAIN[tag](inner, other)
    return other(form)


def _dict(pairs: Any, other: Other) -> Any:
    return {unpack(key, other): unpack(item, other) for key, item in pairs}


_PLAIN: dict[str, Callable[[Any, Other], Any]] = {
    "tuple": lambda inner, other: tuple(unpack(item, other) for item in inner),
    "dict": _dict,
    "bytes": lambda inner, other: base64.b64decode(inner, validate=True),
    "set": lambda inner, other: {unpack(item, other) for item in inner},
    "frozenset": lambda inner, other: frozenset(unpack(item, other) for item in inner),
}
