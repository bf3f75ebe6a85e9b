"""The learner's function as a check sees it: something to call with plain data, iterators and callbacks.

A check never touches what the function is made of. It hands over plain values, iterators and callables of its own, and
gets plain values back, so the same check can later drive a function that lives in another process.
"""

from __future__ import annotations

import contextlib
import inspect
import signal
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

LIMIT = 10.0
"""Real seconds one call may take before it is stopped; checks run in virtual time, so right answers need far less."""

MAX_ITEMS = 100_000
"""Items a check takes from an answer that yields; more means it does not end."""


class NotAttempted(Exception):
    """There is nothing to judge yet."""


class Raised(Exception):
    """The learner's code raised ``error``; ``kind`` is the name of its type, ``where`` the learner's own lines.

    ``given`` is what the function had been called with.
    """

    def __init__(self, error: BaseException, given: str = "") -> None:
        super().__init__(f"{type(error).__name__}: {_message(error)}")
        self.error, self.kind, self.where, self.given = error, type(error).__name__, _their_lines(error), given


class TookTooLong(BaseException):
    """Breaks into a call that does not return; not an Exception, so the learner's `except Exception` lets it through."""


class NoAnswer(Exception):
    """What came can't be an answer: not a function, or a value that is not plain, so nobody can tell what it equals."""


class Subject:
    """Wraps what the learner handed to ``check``."""

    def __init__(self, function: Any) -> None:
        if function is None or function is Ellipsis:
            raise NotAttempted("There is nothing to check yet. Hand over your function.")
        if not callable(function):
            raise NoAnswer(
                f"Expected your function, got {_kind(function)}. Hand it over by its name, without parentheses."
            )
        self._function: Callable[..., Any] = function

    def call(self, *args: Any) -> Any:
        """Call it; the plain value it returns. Tuples come back as lists, as they would from another process."""
        with _theirs(_given(args)):
            value = self._function(*args)
            _refuse_async(value)
            return plain(value)

    def iterate(self, *args: Any) -> Iterator[Any]:
        """Call it and take what it yields, one item at a time; the caller sees when each comes."""
        with _theirs(_given(args)):
            items = _iterator(self._function(*args))
        for _ in range(MAX_ITEMS):
            with _theirs(_given(args)):
                try:
                    item = plain(next(items))
                except StopIteration:
                    return
            yield item
        raise Raised(RuntimeError(f"it yielded {MAX_ITEMS} items and did not stop"))


def _iterator(value: Any) -> Iterator[Any]:
    """What the function yields; a function that returns instead is told of `yield`."""
    _refuse_async(value)
    if not hasattr(value, "__iter__"):
        raise NoAnswer(f"Your function returned {value!r}. A generator hands its pieces out with `yield`.")
    return iter(value)


def _refuse_async(value: Any) -> None:
    if inspect.iscoroutine(value) or inspect.isasyncgen(value):
        if inspect.iscoroutine(value):
            value.close()  # nobody will await it, and Python would warn of that
        raise NoAnswer("Your function is asynchronous. Write `def` instead of `async def` here.")


def _given(args: tuple[Any, ...]) -> str:
    """The arguments as a learner would write them; what has no plain form is left out."""
    shown = [repr(arg) for arg in args if type(arg) in (bool, int, float, str, list)]
    text = ", ".join(shown)
    return text if len(text) <= 200 else text[:197] + "..."


def plain(value: Any) -> Any:
    """``value`` if it is made of exact plain types; raises `NoAnswer` for anything that could pretend to be equal.

    Named tuples and the exact numbers of the standard library are turned into plain ones.
    """
    if value is None or type(value) in (bool, int, float, str):
        if type(value) is int and value.bit_length() > 1000:
            raise NoAnswer("Your function returned a number with more than 300 digits.")
        return value
    if isinstance(value, tuple | list):
        items = tuple.__iter__(value) if isinstance(value, tuple) else list.__iter__(value)
        return [plain(item) for item in items]
    if type(value) in (Decimal, Fraction):
        return float(value)
    if type(value) is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return plain(value.tolist())
    raise NoAnswer(f"Expected plain numbers, texts, lists, tuples or dicts from your function, got {_kind(value)}.")


def _kind(value: Any) -> str:
    return f"something of type {type(value).__name__}"


@contextlib.contextmanager
def _theirs(given: str) -> Iterator[None]:
    """Run the learner's code: what it raises becomes `Raised`, the starter's own error `NotAttempted`."""
    try:
        with _time_limit(LIMIT):
            yield
    except NotImplementedError:
        raise NotAttempted("The starter is still as it was. Write your code in place of its last line.") from None
    except (KeyboardInterrupt, NoAnswer):
        raise
    except TookTooLong:
        late = TimeoutError(f"it did not come back within {LIMIT:g} s: does a loop wait for ever?")
        raise Raised(late, given) from None
    except BaseException as error:  # SystemExit and the like are the learner's too, and must not end the kernel
        raise Raised(error, given) from error


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the body after ``seconds``, where the system has such a timer and this is the main thread."""
    in_main = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not in_main or signal.getsignal(signal.SIGALRM) is None:
        yield
        return

    def stop(signum: int, frame: Any) -> None:
        raise TookTooLong

    before, started = signal.signal(signal.SIGALRM, stop), time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # somebody outside had set the timer: let it go on
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-3), interval)


def _message(error: BaseException) -> str:
    """What the error says; its type may be the learner's own, with a faulty ``__str__``."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001  # whatever it raises, it must not reach the notebook
        return "(this error can't be printed)"


def _their_lines(error: BaseException) -> str:
    """The traceback cut down to the learner's lines: function and source, without paths, libraries or our frames."""
    others = ("course_utils", "site-packages", sysconfig.get_path("stdlib"))
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not any(name in frame.filename for name in others)]
    lines = [f"line {frame.lineno} in {frame.name}: {frame.line}" for frame in theirs]
    return "; ".join(lines if len(lines) <= 4 else [*lines[:2], "...", *lines[-2:]])
