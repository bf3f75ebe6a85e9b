"""The learner's end of the line: runs the cells, calls the functions, says what they return.

What is sent from here is believed to be what the learner's code did, and nothing else. Code that runs in this process may
well send lines of its own; all it can say with them is that a function returned something.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import linecache
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from course_utils.grade.inside.cells import Cells
from course_utils.grade.inside.channel import Garbled, Gone, Lines, Message, Peer
from course_utils.grade.inside.guest import GuestLoop
from course_utils.grade.inside.stand_ins import StandIns, found
from course_utils.grade.inside.wire import CHANGEABLE
from course_utils.steps import Steps
from course_utils.theirs import message as message_of
from course_utils.theirs import their_lines
from course_utils.values import NoAnswer, kind, plain, shown

Target = dict[str, Any]

UNTELLABLE: Message = {
    "kind": "Exception",
    "kin": ["builtins", "Exception"],
    "message": "(this error can't be told)",
    "where": "",
    "yours": None,
    "held": 0,
    "untouched": False,
}


class Learner(Peer):
    """Answers the grader's questions about one notebook."""

    def __init__(self, line: socket.socket) -> None:
        super().__init__(Lines(line, patient=True), self.answer)
        self._stand_ins = StandIns(self.ask)
        self._cells = Cells(())
        self._loop: GuestLoop | None = None
        self._args: list[tuple[int, Any, Any]] = []
        self._counted: dict[int, Steps] = {}

    def serve(self) -> None:
        """Answer until the grader hangs up. The line is free for the learner's threads while an answer is worked out."""
        with self.turn:
            while True:
                asked = self.receive()
                self.turn.release()
                try:
                    answer = self.answer(asked)
                finally:
                    self.turn.acquire()
                try:
                    self.send(answer)
                except ValueError:  # longer than the longest line
                    self.send({"no_answer": ["large", ""]})

    def receive(self, until: float | None = None) -> Message:
        came = super().receive(until)
        for key, now in came.pop("now", ()):
            self._stand_ins.times[key] = now
        return came

    def send(self, message: Message, until: float | None = None) -> None:
        if self._stand_ins.gone:
            gone, self._stand_ins.gone[:] = list(self._stand_ins.gone), []
            message["gone"] = gone
        if self._stand_ins.dirty:
            message["drawn"] = self._stand_ins.drawn()
        super().send(message, until)

    def answer(self, asked: Message) -> Message:
        try:
            answer: Message = getattr(self, f"_on_{asked['do']}")(asked)
        except NoAnswer as no_answer:
            return {"no_answer": [no_answer.reason, no_answer.what]}
        except (Gone, Garbled):
            raise
        except BaseException as error:  # noqa: BLE001  # whatever the learner's code raises is told, and ends nothing
            try:
                return {"raised": self._told(error)}
            except BaseException:  # noqa: BLE001  # an error whose very type raises errors
                return {"raised": UNTELLABLE}
        if self._args and (changed := self._changes()):
            answer["changed"] = changed
        if self._stand_ins.drew_from_shared():
            answer["shared"] = True
        return answer

    def _told(self, error: BaseException) -> Message:
        """An error in words; ``yours`` if it is one that the grader raised, ``kin`` the nearest type both sides know."""
        return {
            "kind": kind(error),
            "kin": _kin(error),
            "message": message_of(error),
            "where": their_lines(error),
            "yours": self._stand_ins.number_of(error),
            "held": self._stand_ins.hold(error),
            "untouched": isinstance(error, NotImplementedError),
        }

    # --------------------------------------------------------------------------------------------------------- the cells

    def _on_begin(self, asked: Message) -> Message:
        self._cells = Cells(asked["names"])
        return {"ok": True}

    def _on_cell(self, asked: Message) -> Message:
        self._cells.more = False
        try:
            more = self._cells.run(asked["number"], asked["source"], only_definitions=asked["only_definitions"])
        except BaseException as error:  # noqa: BLE001  # as in `answer`
            return {"raised": self._told(error), "more": self._cells.more}
        return {"ok": None, "more": more}

    def _on_find(self, asked: Message) -> Message:
        versions = self._cells.versions(asked["name"])
        if not versions:
            return {"found": "nothing", "instead": self._cells.defined()}
        value = versions[-1 - asked["back"]]
        what = "untouched" if value is Ellipsis else "callable" if callable(value) else "other"
        return {"found": what, "kind": kind(value), "versions": len(versions)}

    def _on_forget(self, asked: Message) -> Message:
        self._end_loop()
        self._args = []
        self._counted.clear()
        self._stand_ins.forget()
        return {"ok": True}

    # ------------------------------------------------------------------------------------------------------ the functions

    def _target(self, target: Target) -> Any:
        if "name" in target:
            return self._cells.versions(target["name"])[-1 - target["back"]]
        return self._stand_ins.held[target["held"]]

    def _called(self, asked: Message) -> Any:
        """Call it, and remember what it was called with: it may change that."""
        args = [self._stand_ins.unpack(form) for form in asked["args"]]
        pack = self._stand_ins.pack_or_words
        self._args = [(place, pack(arg), arg) for place, arg in enumerate(args) if type(arg) in CHANGEABLE]
        return self._target(asked["target"])(*args)

    def _changes(self) -> list[list[Any]]:
        """The lists, dicts and sets among the arguments that are not what they were."""
        changed = []
        for index, (place, form, value) in enumerate(self._args):
            now = self._stand_ins.pack_or_words(value)
            if repr(now) != repr(form):
                changed.append([place, now])
                self._args[index] = (place, now, value)
        return changed

    def _returned(self, value: Any) -> Message:
        return {"ok": self._stand_ins.pack(plain(value))}

    def _on_call(self, asked: Message) -> Message:
        value = self._called(asked)
        _refuse_async(value)
        return self._returned(value)

    def _on_iterate(self, asked: Message) -> Message:
        value = self._called(asked)
        _refuse_async(value)
        if not hasattr(value, "__iter__"):
            raise NoAnswer("no_yield", shown(value))
        held = self._stand_ins.hold(iter(value))
        if asked["most_lines"] is not None:
            self._counted[held] = Steps(asked["most_lines"])
        return {"held": held}

    def _on_next(self, asked: Message) -> Message:
        items: Iterator[Any] = self._stand_ins.held[asked["held"]]
        try:
            with self._counted.get(asked["held"], contextlib.nullcontext()):
                item = next(items)
            return self._returned(item)
        except StopIteration:
            return {"end": True}

    def _on_close(self, asked: Message) -> Message:
        items = self._stand_ins.held.pop(asked["held"], None)
        if hasattr(items, "close"):
            items.close()
        return {"ok": None}

    def _on_make(self, asked: Message) -> Message:
        return {"held": self._stand_ins.hold(self._called(asked))}

    def _on_enter(self, asked: Message) -> Message:
        manager = self._called(asked)
        _refuse_async(manager)
        if not hasattr(manager, "__enter__"):
            raise NoAnswer("no_with", shown(manager))
        inside = manager.__enter__()
        return {"held": self._stand_ins.hold(manager), "inside": self._stand_ins.hold(inside)}

    def _on_exit(self, asked: Message) -> Message:
        """Leave what was entered, with the error that ended the block, if one did; whether it was swallowed."""
        manager = self._stand_ins.held.pop(asked["held"])
        if asked["error"] is None:
            return {"ok": bool(manager.__exit__(None, None, None))}
        error: BaseException = self._stand_ins.held[asked["error"]]
        return {"ok": bool(manager.__exit__(type(error), error, error.__traceback__))}

    def _on_method(self, asked: Message) -> Message:
        method = getattr(self._target(asked["target"]), asked["name"], None)
        if not callable(method):
            raise NoAnswer("no_such", f"a method {asked['name']}()")
        return {"held": self._stand_ins.hold(method)}

    def _on_get(self, asked: Message) -> Message:
        target = self._target(asked["target"])
        if not hasattr(target, asked["name"]):
            raise NoAnswer("no_such", f"an attribute {asked['name']}")
        return self._returned(getattr(target, asked["name"]))

    # ------------------------------------------------------------------------------------------------------- asynchronous

    def _on_loop(self, asked: Message) -> Message:
        self._end_loop()
        self._loop = GuestLoop()
        return {"ok": True}

    def _end_loop(self) -> None:
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.finish()

    def _running(self) -> GuestLoop:
        if self._loop is None:
            raise RuntimeError("no loop")
        return self._loop

    def _on_finish(self, asked: Message) -> Message:
        self._end_loop()
        return {"ok": True}

    def _on_run(self, asked: Message) -> Message:
        return {"deadline": self._running().run_until_idle(asked["time"])}

    def _on_spawn(self, asked: Message) -> Message:
        """Start something that takes time; its end is told with a question of our own, `done`."""
        step: Callable[[Message], Awaitable[Message]] = getattr(self, f"_a{asked['how']}")

        async def main() -> None:
            try:
                answer = await step(asked)
            except NoAnswer as no_answer:
                answer = {"no_answer": [no_answer.reason, no_answer.what]}
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # as in `answer`
                answer = {"raised": self._told(error)}
            self.ask({"do": "done", "task": asked["task"]} | answer)

        def cancelled(task: asyncio.Task[None]) -> None:  # perhaps before its first step
            if task.cancelled():
                self.ask({"do": "done", "task": asked["task"], "raised": self._told(asyncio.CancelledError())})

        self._running().spawn(asked["task"], main()).add_done_callback(cancelled)
        return {"ok": True}

    async def _acall(self, asked: Message) -> Message:
        value = self._called(asked)
        if not hasattr(value, "__await__"):
            raise NoAnswer("not_async")
        return self._returned(await value)

    async def _aiterate(self, asked: Message) -> Message:
        value = self._called(asked)
        if inspect.iscoroutine(value):
            value.close()
        if not hasattr(value, "__aiter__"):
            raise NoAnswer("not_async" if hasattr(value, "__iter__") else "no_yield", shown(value))
        return {"held": self._stand_ins.hold(aiter(value))}

    async def _anext(self, asked: Message) -> Message:
        items: AsyncIterator[Any] = self._stand_ins.held[asked["held"]]
        try:
            return self._returned(await anext(items))
        except StopAsyncIteration:
            return {"end": True}

    async def _aclose(self, asked: Message) -> Message:
        items = self._stand_ins.held.pop(asked["held"], None)
        if hasattr(items, "aclose"):
            await items.aclose()
        return {"ok": None}

    def _on_cancel(self, asked: Message) -> Message:
        self._running().cancel(asked["task"])
        return {"ok": True}

    def _on_resolve(self, asked: Message) -> Message:
        """What one of our coroutines waits for has come about on the grader's side."""
        future = self._stand_ins.waiting.pop(asked["request"], None)
        if future is not None and not future.done():
            future.set_result(asked["answer"])
        return {"ok": True}


def _refuse_async(value: Any) -> None:
    if inspect.iscoroutine(value):
        value.close()  # nobody will await it, and Python would warn of that
        raise NoAnswer("is_async")
    if inspect.isasyncgen(value):
        raise NoAnswer("is_async")


def _kin(error: BaseException) -> list[str]:
    """The nearest type of an error that both sides know by name."""
    for base in type(error).__mro__:
        if isinstance(base.__module__, str) and found(base.__module__, base.__qualname__) is base:
            return [base.__module__, base.__qualname__]
    return ["builtins", "Exception"]


REHEARSAL: tuple[Message, ...] = (
    {"do": "begin", "names": ["double"]},
    {"do": "cell", "number": 0, "source": "def double(number): return 2 * number", "only_definitions": False},
    {"do": "cell", "number": 0, "source": "assert double(2) == 4", "only_definitions": False},
    {"do": "find", "name": "double", "back": 0},
    {"do": "call", "target": {"name": "double", "back": 0}, "args": [21]},
    {"do": "forget"},
)


def rehearse(learner: Learner) -> list[Message]:
    """Answer a few questions that nobody asks: what a forked process touches first it has to copy, and now it has time."""
    answers = [learner.answer(asked) for asked in REHEARSAL]
    linecache.cache.pop("<cell 0>", None)
    return answers


def be_the_learner(line: socket.socket) -> None:
    """Serve until the grader hangs up, then end at once: no exit handlers, no waiting for threads."""
    sys.setrecursionlimit(1000)
    try:
        learner = Learner(line)
        rehearse(learner)
        learner.serve()
    finally:
        os._exit(0)
