"""Tool calls of the mock model: which tools it calls, and with which arguments, both taken from the request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from course_utils.api import ApiError, dumps
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
    parameters = tool.get("parameters", tool.get("input_schema"))
    digest = hashlib.sha256(f"{seed}:{index}".encode()).hexdigest()
    return Call(index, f"call_{digest[:24]}", name, tuple(tokens(dumps(example(parameters)))))


def example(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """A value that a JSON schema accepts, for the plain schemas that tools and structured answers have.

    ``root`` is the schema that ``$ref`` points into; what lies deeper than `DEEPEST` is null.
    """
    schema = schema if isinstance(schema, dict) else {}
    root = schema if root is None else root
    for choices in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(choices), list) and schema[choices]:
            return example(schema[choices][0], root, depth + 1)
    if depth > DEEPEST:
        return None
    if isinstance(schema.get("$ref"), str):
        return example(_pointed_at(root, schema["$ref"]), root, depth + 1)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        properties = schema.get("properties")
        inner = properties.items() if isinstance(properties, dict) else ()
        return {name: example(value, root, depth + 1) for name, value in inner}
    if kind == "array":
        count = schema.get("minItems") if isinstance(schema.get("minItems"), int) else 1
        return [example(schema["items"], root, depth + 1)] * min(count or 1, 8) if "items" in schema else []
    if kind in ("integer", "number"):
        return schema.get("minimum", 1 if kind == "integer" else 1.5)
    return {"string": "text", "boolean": True}.get(str(kind))


DEEPEST = 16
"""Levels of a schema that an example goes down; a schema may refer to itself."""


def _pointed_at(root: Any, pointer: str) -> Any:
    for step in pointer.removeprefix("#").strip("/").split("/"):
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
