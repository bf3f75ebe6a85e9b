"""The learner's function as a check sees it: something to call with plain data, iterators and callbacks.

A check never touches what the function is made of. It hands over plain values, iterators and callables of its own, and
gets plain values back, so the same check drives a function that lives in another process (`course_utils.grade.remote`).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import signal
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from course_utils.clock import NothingToWaitFor, VirtualClock, run
from course_utils.steps import Steps
from course_utils.theirs import message, their_lines
from course_utils.values import NoAnswer, kind, name, plain, shown

__all__ = ["Lost", "NoAnswer", "NotAttempted", "Raised", "Stopped", "StopsAt", "Subject", "plain"]

T = TypeVar("T")

LIMIT = 10.0
"""Real seconds one call may take before it is stopped; checks run in virtual time, so right answers need far less."""

MAX_ITEMS = 100_000
"""Items a check takes from an answer that yields; more means it does not end."""

STARTER = "The starter is still as it was. Write your code in place of its last line."


class NotAttempted(Exception):
    """There is nothing to judge yet."""


class Raised(Exception):
    """The learner's code raised ``error``; ``kind`` is the name of its type, ``where`` the learner's own lines.

    ``given`` is what the function had been called with. ``said`` is what the error says, where that was found out in
    another process.
    """

    def __init__(self, error: BaseException, given: str = "", *, said: str | None = None, where: str = "") -> None:
        self.error, self.kind, self.given = error, name(type(error).__name__), given
        self.where = their_lines(error) if said is None else where
        super().__init__(f"{self.kind}: {message(error) if said is None else said}")


class Lost(Exception):
    """The learner's code did not come back, or ended its process: there is nobody left to ask.

    It is no `Raised`, so that a check which expects an error can't take it for one.
    """

    def __init__(self, what: str, given: str = "") -> None:
        super().__init__(what)
        self.given = given


class Stopped(KeyboardInterrupt):
    """The user's stop button, pressed by a check: what one of its objects raises while the learner's code uses it.

    What comes out of the learner's code is a `Raised`, so that the stop button of the notebook stays another thing.
    """


class StopsAt(VirtualClock):
    """A clock at which the user presses the stop button once, after so many seconds."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def sleep_until(self, when: float) -> None:
        if when > self.at:
            super().sleep_until(self.at)
            self.at = math.inf
            raise Stopped
        super().sleep_until(when)


class TookTooLong(BaseException):
    """Breaks into a call that does not return; not an Exception, so the learner's `except Exception` lets it through."""


class Subject:
    """Wraps what the learner handed to ``check``."""

    def __init__(self, function: Any) -> None:
        if function is None or function is Ellipsis:
            raise NotAttempted("There is nothing to check yet. Hand over your function.")
        if not callable(function):
            raise NoAnswer("not_callable", kind(function))
        self._target: Any = function

    most_lines: int | None = None
    """How many lines of Python may run while `iterate` takes what the answer yields; more raise `TooMuchWork` in it."""

    def call(self, *args: Any) -> Any:
        """Call it; the plain value it returns. Tuples come back as lists, as they would from another process."""
        with _theirs(given(args)):
            value = self._target(*args)
            _refuse_async(value)
            return plain(value)

    def iterate(self, *args: Any) -> Iterator[Any]:
        """Call it and take what it yields, one item at a time; the caller sees when each comes."""
        with _theirs(given(args)):
            items = _iterator(self._target(*args))
        counted = contextlib.nullcontext() if self.most_lines is None else Steps(self.most_lines, args)
        try:
            for _ in range(MAX_ITEMS):
                with _theirs(given(args)):
                    try:
                        with counted:
                            item = next(items)
                        item = plain(item)
                    except StopIteration:
                        return
                yield item
        finally:
            if hasattr(items, "close"):
                with _theirs(given(args)):
                    items.close()
        raise endless()

    async def acall(self, *args: Any) -> Any:
        """Await it, inside `play`; the plain value it returns."""
        with _errors(given(args)):
            value = self._target(*args)
            if not inspect.isawaitable(value):
                raise NoAnswer("not_async")
            return plain(await value)

    async def aiterate(self, *args: Any) -> AsyncIterator[Any]:
        """Call it and take what it yields, inside `play`; the caller sees when each item comes."""
        with _errors(given(args)):
            items = _aiterator(self._target(*args))
        for _ in range(MAX_ITEMS):
            with _errors(given(args)):
                try:
                    item = plain(await anext(items))
                except StopAsyncIteration:
                    return
            yield item
        raise endless()

    def play(self, main: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
        """Run a coroutine of the check, in which it may `acall` and `aiterate`, on the virtual loop of ``clock``."""
        try:
            with _time_limit(LIMIT):
                return run(main, clock)
        except TookTooLong:
            raise too_late() from None
        except NothingToWaitFor as stuck:
            raise Raised(stuck) from None

    def make(self, *args: Any) -> Subject:
        """Call it, a class; what it makes, of which a check may `get` an attribute or take a `method`."""
        with _theirs(given(args)):
            return _subject(self._target(*args))

    @contextlib.contextmanager
    def entered(self, *args: Any) -> Iterator[Subject]:
        """Call it and enter what it returns, as `with` does; what the block gets. A `Raised` of the block goes through it.

        Of what the block gets a check may take the items: ``inside.method("__iter__").iterate()``.
        """
        told = given(args)
        with _theirs(told):
            manager = self._target(*args)
            _refuse_async(manager)
            if not hasattr(manager, "__enter__"):
                raise NoAnswer("no_with", shown(manager))
            inside = _subject(manager.__enter__())
        try:
            yield inside
        except Raised as raised:
            error = raised.error
            with _theirs(told):
                eaten = manager.__exit__(type(error), error, error.__traceback__)
            if not eaten:
                raise
        else:
            with _theirs(told):
                manager.__exit__(None, None, None)

    def method(self, name: str) -> Subject:
        """A method of what `make` made."""
        with _theirs(""):
            found = getattr(self._target, name, None)
        if not callable(found):
            raise NoAnswer("no_such", f"a method {name}()")
        return Subject(found)

    def get(self, name: str) -> Any:
        """The plain value of an attribute of what `make` made."""
        with _theirs(""):
            if not hasattr(self._target, name):
                raise NoAnswer("no_such", f"an attribute {name}")
            return plain(getattr(self._target, name))


def _subject(target: Any) -> Subject:
    """A subject for something that need not be callable."""
    made = Subject.__new__(Subject)
    made._target = target
    return made


def _iterator(value: Any) -> Iterator[Any]:
    """What the function yields; a function that returns instead is told of `yield`."""
    _refuse_async(value)
    if not hasattr(value, "__iter__"):
        raise NoAnswer("no_yield", shown(value))
    return iter(value)


def _aiterator(value: Any) -> AsyncIterator[Any]:
    if inspect.iscoroutine(value):
        value.close()
    if not hasattr(value, "__aiter__"):
        raise NoAnswer("no_yield" if not hasattr(value, "__iter__") else "not_async", shown(value))
    return aiter(value)


def _refuse_async(value: Any) -> None:
    if inspect.iscoroutine(value) or inspect.isasyncgen(value):
        if inspect.iscoroutine(value):
            value.close()  # nobody will await it, and Python would warn of that
        raise NoAnswer("is_async")


def given(args: tuple[Any, ...]) -> str:
    """The arguments as a learner would write them; what has no plain form is left out."""
    texts = [repr(arg) for arg in args if type(arg) in (bool, int, float, str, list)]
    text = ", ".join(texts)
    return text if len(text) <= 200 else text[:197] + "..."


def endless() -> Raised:
    return Raised(RuntimeError(f"it yielded {MAX_ITEMS} items and did not stop"))


def too_late(given: str = "") -> Lost:
    return Lost(f"TimeoutError: it did not come back within {LIMIT:g} s: does a loop wait for ever?", given)


@contextlib.contextmanager
def _theirs(given: str) -> Iterator[None]:
    """Run the learner's code for as long as it may take, its errors translated."""
    try:
        with _time_limit(LIMIT), _errors(given):
            yield
    except TookTooLong:
        raise too_late(given) from None


@contextlib.contextmanager
def _errors(given: str) -> Iterator[None]:
    """What the learner's code raises becomes `Raised`, the starter's own error `NotAttempted`."""
    try:
        yield
    except NotImplementedError:
        raise NotAttempted(STARTER) from None
    except Stopped as error:
        raise Raised(error, given) from error
    except (KeyboardInterrupt, asyncio.CancelledError, TookTooLong, NothingToWaitFor, NoAnswer):
        raise
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
