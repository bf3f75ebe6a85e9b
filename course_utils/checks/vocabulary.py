"""The notebooks' words: check, hint, solution, glossary, predict, reveal, progress, reset, add_exercises. None of them raises."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from course_utils import words, work
from course_utils.checks import add, exercise, exercises, texts
from course_utils.checks.exercise import Exercise
from course_utils.checks.verdict import OUTCOMES, Verdict

EXERCISES = exercises()  # loaded with the set-up cell, which is expected to take a moment


@dataclass(frozen=True, slots=True)
class Note:
    """Some lines for the learner, shown as they are; ``aligned`` ones need letters of one width; the ``terms`` stand below."""

    text: str
    aligned: bool = False
    terms: tuple[words.Word, ...] = ()

    def __repr__(self) -> str:
        return f"{self.text}\nWords: {words.call(self.terms)}" if self.terms else self.text

    def _repr_html_(self) -> str:
        font = "font-family:monospace;" if self.aligned else ""
        below = f"<br>Words: {words.links(self.terms)}" if self.terms else ""
        return (
            f'<div style="{font}background:#fff;color:#1b1f24;border:1px solid #c9ced6;border-radius:4px;padding:.5em .9em;'
            f'max-width:52em;overflow-wrap:anywhere;white-space:pre-wrap">{escape(self.text)}{below}</div>'
        )


def check(id: str, answer: Any = None) -> Verdict:
    """Judge ``answer``, the function of exercise ``id``: ``check("1.1", first_and_last)``. Remembered in `progress`."""
    known = _find(id)
    if isinstance(known, Note):
        return Verdict(str(id), "could_not_check", f"{known.text} Is the number right?")
    id, verdict = known.id, known.judge(answer)
    if _recall("outcomes", id) == "passed":
        return verdict
    trouble = _keep("outcomes", id, verdict.outcome)
    return replace(verdict, message=f"{verdict.message} {trouble}") if trouble else verdict


def add_exercises(path: str) -> Note:
    """Make the exercises of a Python file known, so that `check`, `hint` and `solution` find them by their numbers."""
    try:
        found = add(path)
    except Exception as error:  # noqa: BLE001  # the file is somebody else's program, and no word of ours raises
        return Note(f"Could not read exercises: {type(error).__name__}: {error}")
    return Note("\n".join(f"{one.id} {one.title}: {one.minutes} minutes" for one in found))


def hint(id: str, level: int | None = None) -> Note:
    """The next hint of an exercise: where to look, then the idea, then the last line but one; or the level asked for."""
    known = _find(id)
    if isinstance(known, Note):
        return known
    id = known.id
    taken = _recall("hints", id) or 0
    wanted = min(taken + 1, 3) if level is None else level
    if wanted not in (1, 2, 3):
        return Note(f"hints have levels 1, 2 and 3, got {level!r}")
    _keep("hints", id, max(taken, wanted))
    said = known.hints[wanted - 1]
    return Note(f"Hint {wanted} of 3 for {id}: {said}", terms=tuple(words.find(said)))


def solution(id: str) -> Note:
    """The reference solution with its reason, once the exercise is passed."""
    known = _find(id)
    if isinstance(known, Note):
        return known
    id = known.id
    if _recall("outcomes", id) != "passed":
        return Note(f"The solution of {id} is shown once your own passes. Until then there is hint({id!r}).")
    code = texts.solution(known) or "(This edition of the course has no solutions.)"
    return Note(f"{known.reason}\n\n{code}".strip(), aligned=True)


def glossary(*names: str) -> words.Entries | Note:
    """What words of the course mean, and where they are met: ``glossary("ttft", "role chunk")``; without a name all of them."""
    if not names:
        return words.Entries(tuple(words.GROUPS.items()))
    try:
        return words.Entries([("", list(dict.fromkeys(words.known(str(name)) for name in names)))])
    except KeyError as error:
        return Note(f"{error.args[0]}.")


def predict(id: str, value: Any = ...) -> Note:
    """Write down what you expect before you run: ``predict("1.a", 3.5)``. `reveal` shows it beside the result."""
    if value is ...:
        return Note("No prediction yet. Put your number in place of the dots and run this cell again.")
    if type(value) not in (int, float, str) or (isinstance(value, float) and not math.isfinite(value)):
        return Note(f"A prediction is a number or a text, got {value!r}.")
    return Note(f"Your prediction: {value} {_keep('predictions', str(id), value)}".rstrip())


def reveal(id: str, actual: float, unit: str = "") -> Note:
    """What came, beside what was predicted, and how far apart they are."""
    guess = _recall("predictions", str(id))
    unit = f" {unit}" if unit else ""
    measured = f"Measured: {_rounded(actual)}{unit}."
    if guess is None:
        return Note(f"{measured} You made no prediction.")
    apart = f", {_rounded(abs(guess - actual))}{unit} off" if isinstance(guess, int | float) else ""
    return Note(f"{measured} Your prediction: {guess}{apart}.")


def _rounded(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"


def progress(lesson: int | None = None) -> Note:
    """The exercises of the course, or of one lesson, with their outcomes and points."""
    state = _state()
    chosen = {id: known for id, known in EXERCISES.items() if lesson is None or id.startswith(f"{lesson}.")}
    if not chosen:
        return Note(f"Lesson {lesson!r} has no exercises.")
    wide = max(15, *(len(known.title) for known in chosen.values())) + 1
    rows = [
        _row(known, wide, state["outcomes"].get(id, "not_attempted"), state["hints"].get(id, 0))
        for id, known in chosen.items()
    ]
    won = sum(known.points for id, known in chosen.items() if state["outcomes"].get(id) == "passed")
    total = sum(known.points for known in chosen.values())
    return Note("\n".join([*rows, f"{won} of {total} points"]), aligned=True)


def _row(known: Exercise, wide: int, outcome: str, hints: int) -> str:
    sign, words, _ = OUTCOMES.get(outcome, OUTCOMES["not_attempted"])
    part = "core" if known.core else "further"
    taken = f", {hints} hint{'s' if hints > 1 else ''}" if hints else ""
    return (
        f"{sign} {known.id} {known.title:<{wide}}{part:<9}{known.minutes:>3} min  {known.points} points  {words}{taken}"
    )


def reset(id: str) -> Note:
    """Put the starter of one exercise back into your notebook; what you had is kept as a copy."""
    known = _find(id)
    if isinstance(known, Note):
        return known
    id = known.id
    try:
        notebook, backup = work.reset_exercise(id)
    except (OSError, ValueError, KeyError, TypeError) as error:  # no folder, or a notebook that is none any more
        return Note(f"Could not reset {id}: {error}")
    if backup is None:
        return Note(f"You had no copy yet. A fresh one is {notebook}.")
    return Note(
        f"Exercise {id} is as it was. Yours is kept in {backup}.\nNow choose File > Reload Notebook from Disk: {notebook.name}"
    )


def _state() -> dict[str, dict[str, Any]]:
    """What is remembered; nothing, where the folder can't be read."""
    try:
        return work.remembered()
    except OSError:
        return work.EMPTY


def _recall(kind: str, key: str) -> Any:
    return _state()[kind].get(key)


def _keep(kind: str, key: str, value: Any) -> str:
    """Remember something; what to tell the learner if that was not possible."""
    try:
        work.remember(kind, key, value)
    except (OSError, ValueError) as error:
        return f"(This could not be remembered: {error})"
    return ""


def _find(id: str) -> Exercise | Note:
    try:
        return exercise(str(id))  # hint(1.1) is as clear as hint("1.1")
    except KeyError as error:
        return Note(f"{error.args[0]}.")
