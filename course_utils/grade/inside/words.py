"""The words of the notebooks where a notebook is graded: they exist, so that its cells run, and do nothing."""

from __future__ import annotations

from typing import Any


class Later:
    """Shown instead of a verdict: the grader calls the function itself, from outside."""

    passed = True

    def __repr__(self) -> str:
        return "(the grader asks the function itself)"


def _nothing(*args: Any, **kwargs: Any) -> Later:
    return Later()


add_exercises = check = glossary = hint = predict = progress = reset = reveal = solution = _nothing
