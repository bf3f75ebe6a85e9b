"""Puts a verdict on each exercise of one notebook.

The cells are run as a kernel would run them; one that stumbles over a name that a later cell defines gets another turn.
A cell that hangs, or ends its process, is left out, and all others are run again without it. Then each exercise's function
is asked. A call that hangs or ends the process costs that exercise alone: the next one finds a fresh process.

A verdict is about the function, not about the debris around it. If an answer does not pass in a notebook that does more
than define things, it gets a second hearing in a process that has run the defining cells only; so a thread left behind,
a patched module or a process that writes to our line takes nothing from a right answer in another cell.

The grader's seed makes inputs that nobody knows, and nothing may be told of them. So an answer that fails is asked once
more in a fresh process, with the inputs of the notebook; if it fails on these too, that is what its learner reads.
"""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from course_utils.checks import exercise as exercise_of
from course_utils.checks.exercise import SEED, Exercise
from course_utils.checks.subject import Lost, TookTooLong
from course_utils.checks.verdict import Verdict
from course_utils.grade import notebook
from course_utils.grade.notebook import Cell, Notebook, Unreadable
from course_utils.grade.remote import Line, RemoteSubject
from course_utils.grade.sandbox import Process, Sandbox, on_one_processor

T = TypeVar("T")

REFUSED = ("not_yet", "raised")

MOST_LEFT_OUT = 10
"""Cells that hang or die, each of which costs seconds, before a notebook gets no more patience."""

MOST_VERSIONS = 5
"""Definitions of one function that are looked at, from the latest back, while they are untouched starters."""


@dataclass(frozen=True)
class Patience:
    """Real seconds: for one call, for one cell, for all cells that hang taken together, for all calls of one exercise."""

    call: float = 10.0
    cell: float = 20.0
    hanging: float = 60.0
    exercise: float = 120.0


@dataclass
class Marks:
    """The verdicts on one notebook by exercise, why it could not be read, and what else an instructor should know."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    trouble: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def mark(
    data: bytes, wanted: Sequence[str], sandbox: Sandbox, patience: Patience | None = None, seed: str = SEED
) -> Marks:
    """The marks for a notebook's bytes. Never raises: what goes wrong on our side is ``could_not_check``."""
    begin = time.perf_counter()
    marks = Marks()
    exercises = [exercise_of(id) for id in wanted]
    try:
        read = notebook.read(data)
    except Unreadable as unreadable:
        marks.trouble = str(unreadable)
        marks.verdicts = {
            one.id: Verdict(one.id, "not_attempted", f"Nothing to check. {unreadable}") for one in exercises
        }
    else:
        with on_one_processor():
            _Marking(read, exercises, sandbox, patience or Patience(), seed, marks).mark()
    marks.seconds = time.perf_counter() - begin
    return marks


class Notebookless(Exception):
    """The process did not survive its cells."""


class _Session:
    """One process in which a notebook's cells have been run."""

    def __init__(self, marking: _Marking, *, only_definitions: bool = False) -> None:
        self._marking = marking
        self.only_definitions = only_definitions
        self._ended, self._how = False, ""
        self.does_more = False
        self.heard = 0
        self.errors: dict[int, dict[str, Any]] = {}
        self.process: Process = marking.sandbox.start()
        self.line = Line(self.process.lines, marking.patience.call)
        try:
            self._ask({"do": "begin", "names": [one.function for one in marking.exercises]}, 10.0)
            self._run_all()
            self.found = {one.id: self._find(one) for one in marking.exercises}
        except BaseException:
            self.end()
            raise

    def _ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        return self.line.request(message, seconds)

    def _find(self, exercise: Exercise) -> dict[str, Any]:
        """What the cells have defined. Asked before any function is, which could define things that tell of its inputs."""
        try:
            return self._ask({"do": "find", "name": exercise.function, "back": 0}, self._marking.patience.call)
        except Lost as lost:
            return {"found": "lost", "why": str(lost)}

    def _run_all(self) -> None:
        """In order; then those that lacked a name, again, as long as that helps."""
        waiting = [cell for cell in self._marking.cells() if self._run(cell) == "NameError"]
        for _ in range(10):
            still = [cell for cell in waiting if self._run(cell) == "NameError"]
            if len(still) in (0, len(waiting)):
                break
            waiting = still

    def _run(self, cell: Cell) -> str:
        """The kind of error, if there was one. A cell that is the process's last is marked so."""
        seconds = self._marking.seconds_for_a_cell()
        begin = time.monotonic()
        try:
            asked = {
                "do": "cell",
                "number": cell.number,
                "source": cell.source,
                "only_definitions": self.only_definitions,
            }
            answer = self._ask(asked, seconds)
        except Lost:
            how = self.end() if self.line.gone else ""
            why = how or ("it ended Python" if self.line.gone else f"it did not end within {seconds:.0f} s")
            self._marking.leave_out(cell, why, time.monotonic() - begin)
            raise Notebookless from None
        self.does_more |= answer.get("more") is not False
        if isinstance(raised := answer.get("raised"), dict):
            self.errors[cell.number] = raised
            return str(raised.get("kind"))
        self.errors.pop(cell.number, None)
        return ""

    def end(self) -> str:
        """How the process had ended, in words, if it had; that is known once."""
        if not self._ended:
            self._ended = True
            self._how = self.process.end(gone=self.line.gone)
        return self._how


class _Marking:
    def __init__(
        self,
        read: Notebook,
        exercises: Sequence[Exercise],
        sandbox: Sandbox,
        patience: Patience,
        seed: str,
        marks: Marks,
    ) -> None:
        self.read, self.exercises, self.sandbox = read, exercises, sandbox
        self.patience, self.seed, self.marks = patience, seed, marks
        self._left_out: set[int] = set()
        self._hung = 0.0
        self._session: _Session | None = None
        self._other: _Session | None = None

    def mark(self) -> None:
        try:
            for exercise in self.exercises:
                self.marks.verdicts[exercise.id] = self._heard_twice(exercise)
        finally:
            self._end()
            self._end_other()

    # --------------------------------------------------------------------------------------------------------- the cells

    def cells(self) -> list[Cell]:
        """Those that are run: test cells are not, unless somebody has put an answer there.

        Where cells hang or die by the dozen, it is only the answers' own cells, and in the end none.
        """
        if len(self._left_out) > 2 * MOST_LEFT_OUT:
            return []
        few = len(self._left_out) > MOST_LEFT_OUT
        cells = [cell for cell in self.read.cells if cell.number not in self._left_out]
        return [cell for cell in cells if not (few or cell.graded) or self._has_an_answer(cell)]

    def _has_an_answer(self, cell: Cell) -> bool:
        return any(_defines(one.function, cell.source) for one in self.exercises)

    def seconds_for_a_cell(self) -> float:
        return max(1.0, min(self.patience.cell, self.patience.hanging - self._hung))

    def leave_out(self, cell: Cell, why: str, seconds: float) -> None:
        """This cell has cost a process; the next one does without it."""
        self._left_out.add(cell.number)
        self._hung += seconds
        self.marks.notes.append(f"Cell {cell.number} was left out: {why}.")

    def _begin(self, *, only_definitions: bool = False) -> _Session:
        while True:
            with contextlib.suppress(Notebookless):
                return _Session(self, only_definitions=only_definitions)

    def _ready(self) -> _Session:
        """A process whose line can be used."""
        if self._session is not None and (self._session.line.lost or self._session.line.fault):
            self._end()
        if self._session is None:
            self._session = self._begin()
        return self._session

    def _end(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None

    # ----------------------------------------------------------------------------------------------------- the exercises

    def _heard_twice(self, exercise: Exercise) -> Verdict:
        """Our own failure gets another try; an answer that fails among debris gets a hearing without it."""
        verdict = self._heard(exercise, self._ready)
        if verdict.outcome == "could_not_check":
            self._end()
            verdict = self._heard(exercise, self._ready)
        if verdict.outcome in REFUSED and self._among_debris():
            alone = self._heard(exercise, lambda: self._another(only_definitions=True))
            if alone.passed:
                return alone
        if verdict.outcome in REFUSED and verdict.hidden:
            told = self._heard(exercise, self._another, SEED)
            verdict = told if told.outcome in REFUSED else verdict
        return verdict

    def _heard(self, exercise: Exercise, process: Callable[[], _Session], seed: str | None = None) -> Verdict:
        try:
            session = process()
            session.heard += 1
            return self._latest(exercise, session, self.seed if seed is None else seed)
        except Exception as fault:  # noqa: BLE001  # whatever it is, the other exercises and notebooks want their verdicts
            why = f"{type(fault).__name__}: {fault}. That is our fault and counts for nothing."
            return Verdict(exercise.id, "could_not_check", why)

    def _among_debris(self) -> bool:
        """Whether anything but this answer has run in the process: a cell that does more than define, another answer."""
        session = self._session
        return bool(self._left_out) or session is None or session.does_more or session.heard > 1

    def _another(self, *, only_definitions: bool = False) -> _Session:
        """A process in which nothing has been asked yet."""
        self._end_other()
        self._other = self._begin(only_definitions=only_definitions)
        return self._other

    def _end_other(self) -> None:
        if self._other is not None:
            self._other.end()
            self._other = None

    def _latest(self, exercise: Exercise, session: _Session, seed: str) -> Verdict:
        """The verdict on the latest definition; while that is an untouched starter, on the one before."""
        found = session.found[exercise.id]
        if found.get("found") == "nothing":
            return self._missing(exercise, session, found.get("instead", ()))
        versions = found.get("versions")
        verdict = Verdict(exercise.id, "not_attempted", "There is nothing to check yet.")
        for back in range(min(versions, MOST_VERSIONS) if type(versions) is int else 1):
            verdict = self._judged(exercise, session, back, seed)
            if verdict.outcome != "not_attempted":
                break
        return verdict

    def _judged(self, exercise: Exercise, session: _Session, back: int, seed: str) -> Verdict:
        line = session.line

        def judge() -> Verdict:
            subject = partial(RemoteSubject, line, exercise.function, back)
            verdict = exercise.verdict(subject, seed, hidden=seed != SEED)
            line.forget()
            return verdict

        verdict = _within(self.patience.exercise, judge)
        if verdict is None:
            line.lost = f"all calls together took more than {self.patience.exercise:g} s"
            return Verdict(exercise.id, "raised", f"{line.lost[0].upper()}{line.lost[1:]}.", hidden=seed != SEED)
        if line.gone and verdict.outcome == "raised" and not verdict.hidden:
            how = session.end()
            return replace(verdict, message=f"{verdict.message}: {how}" if how else verdict.message)
        return verdict

    def _missing(self, exercise: Exercise, session: _Session, instead: Any) -> Verdict:
        """Why there is no such function: its cell raised, it has another name, it stands in a text cell."""
        for cell in self.read.cells:
            if _defines(exercise.function, cell.source):
                if cell.number in self._left_out:
                    return Verdict(
                        exercise.id, "raised", f"Cell {cell.number}, which defines it, did not end or ended Python."
                    )
                if (error := session.errors.get(cell.number)) is not None:
                    return _cell_raised(exercise, cell, error)
        if _defines(exercise.function, self.read.prose):
            why = f"{exercise.function} stands in a text cell, so it is never run. Turn it into a code cell."
            return Verdict(exercise.id, "not_attempted", why)
        names = [name for name in instead if isinstance(name, str)] if isinstance(instead, list) else []
        near = difflib.get_close_matches(exercise.function, names, n=1)
        hint = f" There is {near[0]}: does it need the name from the task?" if near else ""
        return Verdict(exercise.id, "not_attempted", f"No cell defines {exercise.function}.{hint}")


def _cell_raised(exercise: Exercise, cell: Cell, error: dict[str, Any]) -> Verdict:
    kind, said, where = (str(error.get(key, ""))[:500] for key in ("kind", "message", "where"))
    message = f"Cell {cell.number}, which defines it, raised {kind}: {said}"
    return Verdict(exercise.id, "raised", message, where=where)


def _defines(function: str, source: str) -> bool:
    name = re.escape(function)
    return re.search(rf"\b(?:def|class)\s+{name}\b|^\s*{name}\s*=", source, re.MULTILINE) is not None


def _within(seconds: float, body: Callable[[], T]) -> T | None:
    """What ``body`` returns; None if it takes more than so many real seconds.

    A learner's process can make the grader itself work hard, with a request for a million answers, say.
    """
    by_signal = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return _until_a_signal(seconds, body) if by_signal else _until_told(seconds, body)


def _until_a_signal(seconds: float, body: Callable[[], T]) -> T | None:
    def stop(signum: int, frame: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with contextlib.suppress(TookTooLong):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            found = body()
            signal.setitimer(signal.ITIMER_REAL, 0)
            return found
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return None


def _until_told(seconds: float, body: Callable[[], T]) -> T | None:
    """For threads, which get no signals, and for systems without them: another thread raises the error in this one.

    It arrives when Python is back from a system call, and each of ours has a time-out.
    """
    this, lock, over = threading.get_ident(), threading.Lock(), False

    def stop() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(this), ctypes.py_object(TookTooLong))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    try:
        with contextlib.suppress(TookTooLong):
            timer.start()
            found = body()
            with lock:
                over = True
            time.sleep(0)  # one that was raised just before arrives here
            return found
    finally:
        timer.cancel()
    return None
