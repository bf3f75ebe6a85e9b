"""How the Python scripts report: a row for each feature of a client.

A script marks its features with `@feature` (or, for several APIs in one, `@feature_of`) and ends with `report()`. A
feature is a function that fails by raising; its name is the row's, and what it returns is the row's detail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from expected import TEXT, TOKENS

_features: dict[str, Callable[[], object]] = {}


def feature(function: Callable[[], object]) -> Callable[[], object]:
    _features[_words(function)] = function
    return function


def feature_of(*apis: Callable[..., Any]) -> Callable[[Callable[[Any], object]], Callable[[Any], object]]:
    """A feature of each of these APIs; the function gets the one whose turn it is."""

    def mark(function: Callable[[Any], object]) -> Callable[[Any], object]:
        for api in apis:
            _features[f"{_words(api)} {_words(function)}"] = partial(function, api)
        return function

    return mark


def _words(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", " ")


def report() -> None:
    """Run every feature and print its row; whatever a client raises is a reason, and the next feature has its turn."""
    for name, function in sorted(_features.items(), key=lambda named: named[0].split()[0]):
        row = {"feature": name, "ok": True, "detail": ""}
        try:
            row["detail"] = str(function() or "")
        except Exception as error:  # noqa: BLE001
            row |= {"ok": False, "detail": f"{type(error).__name__}: {error}"}
        print(json.dumps(row), flush=True)


def same(came: object, wanted: object) -> None:
    assert came == wanted, f"{came!r} instead of {wanted!r}"


def streamed(pieces: Iterable[str]) -> str:
    """Read a stream, which must be the script and come bit by bit; the answer is how it came."""
    came = [(time.perf_counter(), piece) for piece in pieces if piece]
    same("".join(piece for _, piece in came), TEXT)
    took = came[-1][0] - came[0][0]
    assert len(came) > 10 and took > 0.1, f"{len(came)} pieces within {took:.3f} s are no stream"
    return f"{len(came)} pieces in {took:.2f} s"


def first_three(pieces: Iterable[str], kind: type[Exception], said: str = "") -> None:
    """Read a stream that breaks after three tokens: they must have come, and then this error."""
    came: list[str] = []
    with raises(kind, said):
        came.extend(pieces)
    same("".join(came), "".join(TOKENS[:3]))


@contextmanager
def raises(kind: type[Exception], said: str = "") -> Iterator[list[Exception]]:
    """The block must end with this error, whose text holds what was ``said``."""
    caught: list[Exception] = []
    try:
        yield caught
    except kind as error:
        assert said in str(error), f"{error!s} does not say {said!r}"
        caught.append(error)
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
