"""Tool calls of the mock model: which tools it calls, and with which arguments, both taken from the request."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from course_utils.api import LONGEST_NAME, ApiError, dumps
from course_utils.replies import tokens


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its place among the calls, an id, the tool's name, and its arguments as pieces of JSON."""

    index: int
    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


def calls(body: dict[str, Any], count: int | None, seed: str) -> tuple[Call, ...]:
    """The calls a request gets: ``count`` of its tools in turn, or one if its ``tool_choice`` demands it, else none.

    The arguments fit the tool's schema: the first of an enumeration, a short text, 1, true.
    """
    offered = [_function(tool) for tool in _list(body.get("tools"))]
    choice = body.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, dict) else choice
    named = kind not in ("auto", "any", "none")
    if isinstance(choice, dict) and named:
        wanted = _function(choice).get("name")
        offered = [tool for tool in offered if tool.get("name") == wanted]
        if not offered:
            raise ApiError(400, f"'tool_choice' names {wanted!r}, which is not among 'tools'", param="tool_choice")
    if count is None:
        count = 1 if kind in ("required", "any") or (isinstance(choice, dict) and named) else 0
    if count and not offered:
        raise ApiError(400, "a tool call was asked for, and 'tools' has none", param="tools")
    return tuple(_call(offered[index % len(offered)], index, seed) for index in range(count))


def _list(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ApiError(400, "'tools' must be a list of objects", param="tools")
    return value


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """Chat Completions puts name and parameters under ``function``, Responses beside the type."""
    inner = tool.get("function")
    return inner if isinstance(inner, dict) else tool


def _call(tool: dict[str, Any], index: int, seed: str) -> Call:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise ApiError(400, "each tool needs a name", param="tools")
    if len(name) > LONGEST_NAME:
        raise ApiError(400, f"a tool's name may have {LONGEST_NAME} letters at most, got {len(name)}", param="tools")
    parameters = tool.get("parameters", tool.get("input_schema"))
    digest = hashlib.sha256(f"{seed}:{index}".encode()).hexdigest()
    return Call(index, f"call_{digest[:24]}", name, tuple(tokens(dumps(example(parameters)))))


def example(schema: Any) -> Any:
    """A value that a JSON schema accepts, for the plain schemas that tools and structured answers have.

    Where a schema refers to itself the value ends as soon as it may: with another alternative, an empty list, a property
    left out. For one that can't end it is null.
    """
    try:
        return _Examples(schema).of(schema, ("#",))
    except _Endless:
        return None


class _Endless(Exception):
    """A schema that comes back to itself, or is too large."""


DEEPEST, LARGEST = 64, 10_000
"""Levels of a schema that an example goes down, and values and letters it may have."""

CHOICES = ("anyOf", "oneOf", "allOf")
FORMATS = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "text@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class _Examples:
    """The making of one example: ``root`` is the schema that references point into."""

    def __init__(self, root: Any) -> None:
        self._root, self._left = root, LARGEST

    def of(self, schema: Any, inside: tuple[str, ...], depth: int = 0) -> Any:
        """A value for ``schema``; ``inside`` are the references that led here."""
        self._spend(1)
        if depth > DEEPEST:
            raise _Endless
        schema = schema if isinstance(schema, dict) else {}
        if isinstance(pointer := schema.get("$ref"), str):
            if pointer in inside:
                raise _Endless
            return self.of(_pointed_at(self._root, pointer), (*inside, pointer), depth + 1)
        for choices in CHOICES:
            if isinstance(schema.get(choices), list) and schema[choices]:
                return self._first(schema[choices], inside, depth + 1)
        if "const" in schema:
            return self._spelt(schema["const"])
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._spelt(schema["enum"][0])
        kind = schema.get("type", "object")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == "object":
            return self._object(schema, inside, depth + 1)
        if kind == "array":
            return self._array(schema, inside, depth + 1)
        if kind == "string":
            return self._spelt(_text(schema))
        if kind in ("integer", "number"):
            return self._spelt(_number(schema, 1 if kind == "integer" else 1.5))
        return True if kind == "boolean" else None

    def _spelt(self, value: Any) -> Any:
        """``value``, whose letters count against what an example may have."""
        try:
            self._spend(len(dumps(value)))
        except ValueError:  # a number of more digits than Python writes
            raise _Endless from None
        return value

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _Endless

    def _first(self, choices: list[Any], inside: tuple[str, ...], depth: int) -> Any:
        for choice in choices:
            with contextlib.suppress(_Endless):
                return self.of(choice, inside, depth)
        raise _Endless

    def _object(self, schema: dict[str, Any], inside: tuple[str, ...], depth: int) -> dict[str, Any]:
        made = {}
        properties, required = schema.get("properties"), schema.get("required")
        for name, inner in properties.items() if isinstance(properties, dict) else ():
            self._spend(len(name))
            try:
                made[name] = self.of(inner, inside, depth)
            except _Endless:
                if isinstance(required, list) and name in required:
                    raise
        return made

    def _array(self, schema: dict[str, Any], inside: tuple[str, ...], depth: int) -> list[Any]:
        least = schema.get("minItems")
        least = least if isinstance(least, int) else 0
        try:
            return [self.of(schema["items"], inside, depth) for _ in range(max(1, least))] if "items" in schema else []
        except _Endless:
            if least > 0:
                raise
            return []


def _text(schema: dict[str, Any]) -> str:
    text = FORMATS.get(str(schema.get("format")), "text")
    least, most = schema.get("minLength"), schema.get("maxLength")
    text = text.ljust(min(least, LARGEST), "t") if isinstance(least, int) else text
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _number(schema: dict[str, Any], value: float) -> float:
    """The usual number, moved into the bounds that there are."""
    bounds = {name: bound for name, bound in schema.items() if isinstance(bound, int | float)}
    value = max(value, bounds.get("minimum", value), bounds.get("exclusiveMinimum", value - 1) + 1)
    return min(value, bounds.get("maximum", value), bounds.get("exclusiveMaximum", value + 1) - 1)


def _pointed_at(root: Any, pointer: str) -> Any:
    for step in filter(None, pointer.removeprefix("#").split("/")):
        root = root.get(step) if isinstance(root, dict) else None
    return root


def cut(made: tuple[Call, ...], limit: int | None) -> tuple[Call, ...]:
    """The calls as far as ``limit`` tokens of arguments reach; the last may be in the middle of its JSON."""
    kept: list[Call] = []
    for call in made:
        left = None if limit is None else limit - sum(len(one.pieces) for one in kept)
        if left is not None and left <= 0:
            break
        kept.append(replace(call, pieces=call.pieces[:left]))
    return tuple(kept)


def interleaved(made: tuple[Call, ...]) -> Iterator[tuple[Call, str]]:
    """The pieces of all calls, one of each in turn: several calls may come at the same time."""
    for position in range(max((len(call.pieces) for call in made), default=0)):
        for call in made:
            if position < len(call.pieces):
                yield call, call.pieces[position]
