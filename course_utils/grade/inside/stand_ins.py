"""What the grader hands over, as the learner's function sees it: functions, iterators, streams, clients, errors.

Each is a stand-in. Calling it, or asking it for its next item, is a question over the line, answered by the check's
real object; so the grader sees when a source advances, and its clock is the only one. The SDK's objects are made of the
SDK's own types, from plain data. A clock is told with every message, so reading it asks nobody.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import itertools
import random
import weakref
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from course_utils.grade.inside.channel import Message
from course_utils.grade.inside.wire import CanNotCross, pack, unpack
from course_utils.values import kind

KNOWN_MODULES = ("builtins", "asyncio", "json", "socket", "ssl", "openai", "httpx2", "course_utils")
"""Top-level modules whose types of errors and records are looked up by name."""
OURS_ONLY = ("course_utils.checks", "course_utils.grade")
"""What the learner's side does not have."""

MOST_ITEMS = 100_000
"""Items of a range, a view or an iterator that are handed over."""

KEPT_ERRORS = 100
"""Errors of the grader's that are recognised when they come back."""


def found(module: str, name: str) -> Any:
    """A type by its name, if it lives in a module that both sides know; else None."""
    if module.split(".")[0] not in KNOWN_MODULES or module.startswith(OURS_ONLY):
        return None
    try:
        value: Any = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        return None
    return value if isinstance(value, type) else None


def _items(value: Any) -> Any:
    """The plain values in a range, a view, an iterator, an array or a number of numpy; None for anything else.

    What a learner hands over is often one of these: ``rng.choices(range(len(logits)), weights.values())``.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if not isinstance(value, (range, KeysView, ValuesView, ItemsView, Iterator)):
        return None
    items = list(itertools.islice(value, MOST_ITEMS + 1))
    return items if len(items) <= MOST_ITEMS else None


class StandIns:
    """Makes them, and knows them when they are sent back. ``ask`` puts a question to the grader."""

    def __init__(self, ask: Callable[[Message], Message]) -> None:
        self._ask = ask
        self.times: dict[int, float] = {}
        self.gone: list[int] = []
        self.held: dict[int, Any] = {}
        self.waiting: dict[int, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._ids: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._errors: dict[int, BaseException] = {}
        self._types: dict[Any, type] = {}
        self._randoms: dict[int, Drawn] = {}
        self._shared: Any = None
        self.dirty: list[Drawn] = []

    def forget(self) -> None:
        """An exercise is over; what belonged to it is nobody's any more."""
        self.held.clear()
        self.waiting.clear()
        self._errors.clear()
        self.times.clear()
        self._randoms.clear()
        self._shared = None
        self.dirty.clear()

    # -------------------------------------------------------------------------------------------- from us to the grader

    def hold(self, value: Any) -> int:
        """Keep something that can't cross, under a number that can."""
        number = next(self._numbers)
        self.held[number] = value
        return number

    def pack(self, value: Any) -> Any:
        return pack(value, self._pack_other)

    def pack_or_words(self, value: Any) -> Any:
        """The same, for a list, dict or set; whatever in it can't cross is told by its type, in words, in its place."""
        try:
            return pack(value, self._pack_known_or_words)
        except RecursionError:
            words = "something without end"
            return {"dict": [[words, None]]} if isinstance(value, dict) else [words]

    def drawn(self) -> list[list[Any]]:
        """What was drawn from the check's generators: words of 32 bits, or the state where that does not tell."""
        told, self.dirty[:] = [(one, *one.settle()) for one in self.dirty], []
        return [[one.number, words, self.pack(one.getstate()) if put else None] for one, words, put in told]

    def drew_from_shared(self) -> bool:
        """Whether somebody who has a generator of the check's drew from the one that a whole process shares."""
        if self._shared is None:
            return False
        before, self._shared = self._shared, random.getstate()
        return bool(self._shared != before)

    def _pack_known_or_words(self, value: Any) -> Any:
        """Nothing is called, held or gone through: it is still the learner's, who may go on using it."""
        number = self._number(value)
        return f"something of type {kind(value)}" if number is None else {"yours": number}

    def _pack_other(self, value: Any) -> Any:
        if (number := self._number(value)) is not None:
            return {"yours": number}
        if callable(value):
            return {"held": self.hold(value)}
        if (items := _items(value)) is not None:
            return self.pack(items)
        raise CanNotCross(
            f"only plain values and functions can be handed to this function, not something of type {kind(value)}"
        )

    def _number(self, value: Any) -> int | None:
        """The grader's number of what came from there."""
        try:
            known = self._ids.get(value)
        except TypeError:  # no hash, or no weak references
            known = None
        return self.number_of(value) if known is None and isinstance(value, BaseException) else known

    def number_of(self, error: BaseException) -> int | None:
        """The grader's number of an error that came from there."""
        return next((number for number, one in self._errors.items() if one is error), None)

    # -------------------------------------------------------------------------------------------- from the grader to us

    def unpack(self, form: Any) -> Any:
        return unpack(form, self._unpack_other)

    def _unpack_other(self, form: Message) -> Any:
        ((tag, inner),) = form.items()
        return getattr(self, f"_a_{tag}")(inner)

    def result(self, answer: Message) -> Any:
        """What an answer of the grader's holds: a value, or an error to raise."""
        if "raised" in answer:
            raise self._a_error(answer["raised"])
        return self.unpack(answer["ok"])

    def _known(self, number: int, stand_in: Any) -> Any:
        """Remember whose stand-in it is, and tell the grader once nobody here has it any more."""
        self._ids[stand_in] = number
        weakref.finalize(stand_in, self.gone.append, number).atexit = False
        return stand_in

    def _a_held(self, number: int) -> Any:
        """Something of ours comes back."""
        return self.held[number]

    def _a_clock(self, inner: Message) -> Any:
        key, times = inner["clock"], self.times
        times[key] = inner["now"]

        def now() -> float:
            return times[key]

        return self._known(inner["id"], now)

    def _a_function(self, inner: Message) -> Any:
        number = inner["id"]

        def function(*args: Any, **kwargs: Any) -> Any:
            return self.result(self._ask(self._question("call", number, args, kwargs)))

        async def coroutine_function(*args: Any, **kwargs: Any) -> Any:
            return await self._later(self._question("call", number, args, kwargs))

        stand_in: Any = coroutine_function if inner["async"] else function
        stand_in.__name__ = stand_in.__qualname__ = inner["name"]
        return self._known(number, stand_in)

    def _question(self, do: str, number: int, args: Any = (), kwargs: Any = None) -> Message:
        packed = {"args": [self.pack(arg) for arg in args]}
        if kwargs:
            packed["kwargs"] = [[key, self.pack(value)] for key, value in kwargs.items()]
        return {"do": do, "id": number} | packed

    async def _later(self, question: Message) -> Any:
        """Begin something that takes time on the grader's loop, and await it on ours."""
        number = next(self._numbers)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        self._ask({"do": "begin", "request": number, "what": question})
        try:
            answer = await future
        except asyncio.CancelledError:
            if self.waiting.pop(number, None) is not None:
                self._ask({"do": "abandon", "request": number})
            raise
        if "end" in answer:
            raise StopAsyncIteration
        return self.result(answer)

    def _a_iterator(self, number: int) -> Any:
        return self._known(number, Source(self, number))

    def _a_aiterator(self, number: int) -> Any:
        return self._known(number, AsyncSource(self, number))

    def next_of(self, number: int) -> Any:
        answer = self._ask({"do": "next", "id": number})
        if "end" in answer:
            raise StopIteration
        return self.result(answer)

    def close(self, number: int) -> None:
        self.result(self._ask({"do": "close", "id": number}))

    async def anext_of(self, number: int) -> Any:
        return await self._later({"do": "next", "id": number})

    async def aclose(self, number: int) -> None:
        await self._later({"do": "close", "id": number})

    def _a_object(self, inner: Message) -> Any:
        """Something with the methods and attributes that its class lets learners see."""
        key = ("object", inner["type"], str(inner["methods"]), str(inner["attributes"]))
        if key not in self._types:
            seen = {name: self._method(name, is_async) for name, is_async in inner["methods"]}
            seen |= {name: self._attribute(name) for name in inner["attributes"]}
            self._types[key] = type(inner["type"], (), seen)
        return self._known(inner["id"], self._types[key]())

    def _method(self, name: str, is_async: bool) -> Any:
        def method(this: Any, *args: Any, **kwargs: Any) -> Any:
            question = self._question("method", self._ids[this], args, kwargs) | {"name": name}
            return self._later(question) if is_async else self.result(self._ask(question))

        method.__name__ = name
        return method

    def _attribute(self, name: str) -> Any:
        return property(lambda this: self.result(self._ask({"do": "get", "id": self._ids[this], "name": name})))

    def _a_random(self, inner: Message) -> Any:
        number = inner["id"]
        if self._shared is None:
            self._shared = random.getstate()
        if number not in self._randoms:
            self._randoms[number] = self._known(number, Drawn(number, self.dirty))
        if inner["state"] is not None:
            self._randoms[number].set_to(self.unpack(inner["state"]))
        return self._randoms[number]

    def _a_record(self, inner: Message) -> Any:
        """A dataclass or named tuple: the course's own, or one of the same name and fields."""
        fields = {key: self.unpack(value) for key, value in inner["fields"]}
        kind = found(inner["module"], inner["name"]) or self._alike(inner["name"], tuple(fields), inner)
        if inner["tuple"]:
            return kind(*fields.values())
        made = kind.__new__(kind)
        for name, value in fields.items():
            object.__setattr__(made, name, value)
        return made

    def _alike(self, name: str, fields: tuple[str, ...], inner: Message) -> Any:
        if (name, fields) not in self._types:
            made = (
                namedtuple(name, fields)
                if inner["tuple"]
                else dataclasses.make_dataclass(name, fields, frozen=inner["frozen"])
            )
            self._types[name, fields] = made
        return self._types[name, fields]

    def _a_error(self, inner: Message) -> BaseException:
        """An error of the right type; where the type is the check's own, one of its name that is a kind of what it is."""
        if "yours" in inner:
            return self._raisable(self.held.get(inner["yours"]))
        base = found(*inner["type"]) or Exception
        kind = (
            base
            if base.__name__ == inner["name"]
            else self._types.setdefault((inner["name"], base), type(inner["name"], (base,), {"__module__": "__main__"}))
        )
        args = self.unpack(inner["args"])
        error: BaseException = kind.__new__(kind, *args)
        error.args = tuple(args)
        for name, form in inner["fields"]:
            setattr(error, name, self.unpack(form))
        self._errors[inner["id"]] = error
        while len(self._errors) > KEPT_ERRORS:
            del self._errors[next(iter(self._errors))]
        return error

    def _raisable(self, error: Any) -> BaseException:
        return error if isinstance(error, BaseException) else RuntimeError("an error of yours that is gone")

    # ------------------------------------------------------------------------------------------------ the SDK's objects

    def _a_model(self, inner: Message) -> Any:
        kind = found(inner["module"], inner["name"])
        return kind.construct(**dict(inner["data"]))

    def _a_request(self, inner: Message) -> Any:
        import httpx2

        return httpx2.Request(
            inner["method"], inner["url"], headers=inner["headers"], content=self.unpack(inner["content"])
        )

    def _a_response(self, inner: Message) -> Any:
        import httpx2

        request = self.unpack(inner["request"])
        return httpx2.Response(
            inner["status"], headers=inner["headers"], content=self.unpack(inner["content"]), request=request
        )

    def _a_stream(self, inner: Message) -> Any:
        from course_utils.grade.inside import sdk

        return sdk.stream(inner, self.unpack(inner["pieces"]))

    def _a_chunks(self, inner: Message) -> Any:
        from course_utils.grade.inside import sdk

        number = inner["id"]
        kind = sdk.AsyncChunks if inner["async"] else sdk.Chunks
        return self._known(number, kind(self, number, self.unpack(inner["response"])))

    def _a_client(self, inner: Message) -> Any:
        from course_utils.grade.inside import sdk

        return sdk.client(self.unpack(inner["send"]), self.unpack(inner["options"]), asynchronous=inner["async"])


class Drawn(random.Random):
    """A generator in the state of one of the check's, which keeps count of what is drawn, so that the other can follow."""

    def __init__(self, number: int, dirty: list[Drawn]) -> None:
        self.number, self._dirty = number, dirty
        self.words, self._put = 0, False
        self.gauss_next: float | None = None
        super().__init__(0)
        self.settle()

    def settle(self) -> tuple[int, bool]:
        """The words of 32 bits drawn since the last time, and whether a count does not tell the state."""
        told = self.words, self._put or self.gauss_next is not None
        self.words, self._put = 0, self.gauss_next is not None
        return told

    def set_to(self, state: Any) -> None:
        super().setstate(state)
        self.settle()

    def _touch(self) -> None:
        if self not in self._dirty:
            self._dirty.append(self)

    def random(self) -> float:
        self.words += 2
        self._touch()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        self.words += (k + 31) // 32
        self._touch()
        return super().getrandbits(k)

    def seed(self, *args: Any, **kwargs: Any) -> None:
        self._put = True
        self._touch()
        super().seed(*args, **kwargs)

    def setstate(self, state: Any) -> None:
        self._put = True
        self._touch()
        super().setstate(state)


Drawn.__name__ = Drawn.__qualname__ = "Random"


class Source(Iterator[Any]):
    """An iterator of the check's; each next item is asked for."""

    def __init__(self, stand_ins: StandIns, number: int) -> None:
        self._stand_ins, self._number = stand_ins, number

    def __next__(self) -> Any:
        return self._stand_ins.next_of(self._number)

    def close(self) -> None:
        self._stand_ins.close(self._number)


class AsyncSource(AsyncIterator[Any]):
    """An asynchronous iterator of the check's."""

    def __init__(self, stand_ins: StandIns, number: int) -> None:
        self._stand_ins, self._number = stand_ins, number

    async def __anext__(self) -> Any:
        return await self._stand_ins.anext_of(self._number)

    async def aclose(self) -> None:
        await self._stand_ins.aclose(self._number)
