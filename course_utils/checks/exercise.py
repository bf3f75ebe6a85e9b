"""What one exercise consists of, and how an answer is judged."""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from course_utils.checks.subject import STARTER, Lost, NoAnswer, NotAttempted, Raised, Subject
from course_utils.checks.verdict import Verdict

Answer = Callable[..., Any]
A = TypeVar("A", bound=Answer)

SEED = "notebook"
"""The seed of the checks in a notebook, so that they ask the same every time. A grader keeps one of its own."""


class Words(str):
    """A value of a verdict that is already in words, so it is shown without quotes."""


NOTHING = Words()


class NotYet(Exception):
    """Raised by a check that refuses an answer: what was given, what came, what was expected, and why."""

    def __init__(self, why: str, *, given: str = "", got: Any = NOTHING, expected: Any = NOTHING) -> None:
        super().__init__(why)
        self.why, self.given, self.got, self.expected = why, given, got, expected


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that must be refused, with words that must stand in the message it gets."""

    name: str
    says: str
    answer: Answer


@dataclass
class Exercise:
    """An exercise. Those of the course have their text in ``source/exercises``.

    ``function`` is the name the learner defines. ``check`` takes a `Subject` and a `Random`, from which it draws inputs
    that nobody can know beforehand; it raises `NotYet` or returns. ``reason`` is told with the reference solution.
    Minutes come in steps of five.

    An exercise from outside brings its text along: ``statement``, and ``cell``, the answer cell with the solution in it;
    a line ``# solution`` hides the rest of its block from the learner.
    """

    id: str
    title: str
    function: str
    minutes: int
    points: int
    core: bool
    hints: tuple[str, str, str]
    reason: str
    check: Callable[[Subject, Random], None]
    statement: str = ""
    cell: str = ""
    wrong_answers: list[WrongAnswer] = field(default_factory=list)
    right_answers: list[Answer] = field(default_factory=list)
    survivors: dict[str, str] = field(default_factory=dict)

    def wrong(self, name: str, says: str) -> Callable[[A], A]:
        """Decorator: this answer must be refused, with ``says`` in the message."""

        def keep(answer: A) -> A:
            self.wrong_answers.append(WrongAnswer(name, says, answer))
            return answer

        return keep

    def right(self, answer: A) -> A:
        """Decorator: this answer, written differently from the reference, must pass."""
        self.right_answers.append(answer)
        return answer

    @property
    def cell_id(self) -> str:
        """The id of its answer cell in a notebook."""
        return f"ex-{self.id.replace('.', '-')}"

    def survive(self, reason: str, *changes: str) -> None:
        """Say why these mutants of the solution pass, each as `prove` shows it: the changed line."""
        self.survivors |= dict.fromkeys(changes, reason)

    def judge(self, answer: Any, seed: int | str = SEED) -> Verdict:
        """The verdict on ``answer``; never raises, apart from an interrupt by the learner.

        Another ``seed`` asks the same with other inputs.
        """
        return self.verdict(lambda: Subject(answer), seed)

    def verdict(self, subject: Callable[[], Subject], seed: int | str = SEED, *, hidden: bool = False) -> Verdict:
        """The verdict on what ``subject`` makes, which may raise `NotAttempted` or `NoAnswer` itself.

        With ``hidden`` nothing is told of the inputs, and so nothing that the learner's code says: it may carry them.
        """
        try:
            self.check(subject(), Random(f"{self.id} {seed}"))
        except Exception as error:  # noqa: BLE001  # what is no verdict is a fault of the check
            return self._untold(error) if hidden else self._told(error)
        return Verdict(self.id, "passed", f"{self.title}: {_points(self.points)}")

    def _told(self, error: Exception) -> Verdict:
        """What ended a check, in words for the learner."""
        if isinstance(error, NotYet):
            return Verdict(self.id, "not_yet", error.why, error.given, _shown(error.got), _shown(error.expected))
        if isinstance(error, NotAttempted):
            return Verdict(self.id, "not_attempted", str(error))
        if isinstance(error, NoAnswer):
            return Verdict(self.id, "not_yet", str(error))
        if isinstance(error, Raised):
            return Verdict(self.id, "raised", str(error), given=error.given, where=error.where)
        if isinstance(error, Lost):
            return Verdict(self.id, "raised", str(error), given=error.given)
        return Verdict(self.id, "could_not_check", _our_fault(error))  # it must cost the learner nothing

    def _untold(self, error: Exception) -> Verdict:
        """The same without anything but the author's words and the kind of an error."""
        outcome = self._told(error).outcome
        if outcome == "not_attempted":
            return Verdict(self.id, outcome, STARTER, hidden=True)
        if outcome == "could_not_check":
            return Verdict(self.id, outcome, f"The check itself failed ({type(error).__name__}).", hidden=True)
        return Verdict(self.id, outcome, f"{FRESH} {_words(error)}", hidden=True)


FRESH = "On other inputs than those of the notebook:"


def _words(error: Exception) -> str:
    """What may be told of an answer that was refused on hidden inputs."""
    if isinstance(error, NotYet):
        return error.why
    if isinstance(error, Raised):
        return f"Your code raised {_known(error.kind)}."
    return "Your code did not come back." if isinstance(error, Lost) else "Your function returned no plain value."


def _known(kind: str) -> str:
    """The type of an error, if it is one of Python's own; the name of another could be anything."""
    builtin = getattr(builtins, kind, None)
    return kind if isinstance(builtin, type) and issubclass(builtin, BaseException) else "an error of its own"


def _points(points: int) -> str:
    return f"{points} point{'' if points == 1 else 's'}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, Words) else "None (is there a return?)" if value is None else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair can't be stored in a notebook
    return text if len(text) <= 300 else text[:297] + "..."


def _our_fault(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"The check itself failed ({type(error).__name__}: {error}, in {last.name}). "
        "That is our fault and counts for nothing; please report it."
    )
