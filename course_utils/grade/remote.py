"""The learner's function in another process, as a check sees it: `RemoteSubject`, with the interface of `Subject`.

What a check hands over stays here, under a number, and what it means is sent: that it is a function, an iterator, a
client. While the learner's function runs it asks for these by number, and the check's real objects answer. What comes back
is made of exact plain values only; an error comes as its type's name, its words and the learner's lines.

Asynchronous answers run on a loop of their own in the learner's process, a guest on the virtual loop of the check
(`inside.guest`): both are run in turn, and the clock moves when neither has anything left to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from course_utils import clock as clocks
from course_utils.checks import subject as local
from course_utils.checks.subject import Lost, NotAttempted, Raised, Stopped, Subject
from course_utils.clock import NothingToWaitFor, VirtualClock, VirtualLoop
from course_utils.grade.inside.channel import Garbled, Gone, Late, Lines, Message, Peer
from course_utils.grade.inside.stand_ins import found
from course_utils.grade.inside.wire import CHANGEABLE, CanNotCross, pack, unpack
from course_utils.theirs import LONGEST
from course_utils.values import REASONS, NoAnswer, name, plain

T = TypeVar("T")
Target = dict[str, Any]

SHORT = 300
MOST_DRAWN = 1_000_000
"""Words of 32 random bits between two messages."""

DISTURBED = "your code disturbed the grading process"


class RemoteRaised(Raised):
    """As `Raised`; ``held`` is the learner's process's number for the error, should it go back through the check."""

    def __init__(self, error: BaseException, given: str, *, said: str, where: str, held: int) -> None:
        super().__init__(error, given, said=said, where=where)
        self.held = held


class Line(Peer):
    """The grader's end of the line to one learner's process.

    ``lost`` says why it can't be used any more; nothing is asked after that.
    """

    def __init__(self, lines: Lines, limit: float = local.LIMIT) -> None:
        super().__init__(lines, self._answer)
        self.limit = limit
        self.lost = ""
        self.gone = False
        self.fault: CanNotCross | None = None  # of a check that hands over what can't be sent
        self.until: float | None = None
        self.handed: dict[int, Any] = {}
        self.tasks: dict[int, asyncio.Future[Message]] = {}
        self.begun: dict[int, asyncio.Task[None]] = {}
        self._numbers = itertools.count(1)
        self._clocks: dict[int, tuple[VirtualClock, float]] = {}
        self._randoms: dict[int, int] = {}
        self._states: dict[int, Any] = {}
        self._changed: list[tuple[Any, Any]] = []

    def request(self, message: Message, seconds: float | None = None, args: tuple[Any, ...] = ()) -> Message:
        """What the learner's process answers; raises `Lost` if that is nothing sensible, in time.

        ``args`` are what the learner's function was called with, which it may have changed.
        """
        if self.fault is not None:
            raise self.fault
        if self.lost:
            raise Lost(self.lost)
        outer = self.until
        self.until = outer if outer is not None else time.monotonic() + (seconds or self.limit)
        try:
            answer = self.ask(message, self.until)
            if args and "changed" in answer:  # of what somebody else was called with, an answer in between may tell too
                self.change(args, answer)
            if "shared" in answer:
                random.getrandbits(32)  # so that a check which looks at the generator that all share sees it moved
            return answer
        except Gone:
            self.lost, self.gone = "your code ended Python itself", True
        except Late:
            self.lost = (
                f"TimeoutError: it did not come back within {seconds or self.limit:g} s: does a loop wait for ever?"
            )
        except CanNotCross:
            self.lost = "the line is out of step"
            raise
        except Exception as spoilt:  # noqa: BLE001  # somebody else than our own code has written a message
            self.lost = f"{DISTURBED} ({name(type(spoilt).__name__)})"
        finally:
            self.until = outer
        raise Lost(self.lost)

    def forget(self) -> None:
        """An exercise is over."""
        self.handed.clear()
        self._clocks.clear()
        self._randoms.clear()
        self._states.clear()
        for argument, before in reversed(self._changed):  # it may be a constant of the check's
            _put_into(argument, before)
        self._changed.clear()
        if not self.lost:
            with contextlib.suppress(Lost):
                self.request({"do": "forget"})

    # ------------------------------------------------------------------------------------------------------- both ways

    def send(self, message: Message, until: float | None = None) -> None:
        """With every message goes what a clock of the check shows, if that has changed."""
        moved = [(number, clock.now()) for number, (clock, told) in self._clocks.items() if clock.now() != told]
        if moved:
            message["now"] = moved
            self._clocks |= {number: (self._clocks[number][0], now) for number, now in moved}
        super().send(message, until)

    def receive(self, until: float | None = None) -> Message:
        came = super().receive(until)
        for number in came.pop("gone", ()):
            self.handed.pop(number, None)
        for drawn in came.pop("drawn", ()):
            self._drawn(*drawn)
        return came

    def _hand(self, value: Any) -> int:
        number = next(self._numbers)
        self.handed[number] = value
        return number

    def _answer(self, asked: Message) -> Message:
        """What the learner's process asks of the check's objects."""
        do = asked["do"]
        if do == "begin":
            return self._begin(asked["request"], asked["what"])
        if do == "abandon":
            if (task := self.begun.pop(asked["request"], None)) is not None:
                task.cancel()
            return {"ok": None}
        if do == "done":
            return self._done(asked)
        return self._outcome(lambda: self._asked(asked))

    def _outcome(self, step: Callable[[], Any]) -> Message:
        """The check's own objects may raise; that is for the learner's code to see."""
        try:
            return {"ok": self.pack(step())}
        except StopIteration:
            return {"end": True}
        except (Lost, Gone, Late, Garbled, CanNotCross):
            raise
        except (Exception, Stopped) as error:  # noqa: BLE001  # whatever a check's object raises, the learner's code gets
            return {"raised": self._told(error)}

    def _asked(self, asked: Message) -> Any:
        wanted = self.handed[asked["id"]]
        if asked["do"] == "next":
            return next(wanted)
        if asked["do"] == "close":
            return wanted.close() if hasattr(wanted, "close") else None
        if asked["do"] == "call" and callable(wanted):
            return wanted(*self._args(asked), **self._kwargs(asked))
        if asked["do"] in ("method", "get") and asked["name"] in type(wanted).seen_by_learners:
            found = getattr(wanted, asked["name"])
            return found if asked["do"] == "get" else found(*self._args(asked), **self._kwargs(asked))
        raise Garbled(f"a question of no kind: {asked['do']!r}")

    def _args(self, asked: Message) -> list[Any]:
        return [self.unpack(form) for form in asked.get("args", ())]

    def _kwargs(self, asked: Message) -> dict[str, Any]:
        return {str(key): self.unpack(form) for key, form in asked.get("kwargs", ())}

    # ------------------------------------------------------------------------------------------------- what comes from them

    def unpack(self, form: Any) -> Any:
        return unpack(form, self._unpack_other)

    def _unpack_other(self, form: Message) -> Any:
        if set(form) == {"yours"}:
            return self.handed[form["yours"]]
        if set(form) == {"held"}:
            return Theirs(self, {"held": int(form["held"])})
        raise Garbled("a value of no kind")

    def returned(self, answer: Message, given: str) -> Any:
        """The plain value in an answer, or the error that it tells of."""
        if "ok" in answer:
            try:
                return plain(unpack(answer["ok"]))
            except NoAnswer:
                raise
            except Exception:  # noqa: BLE001  # as in `request`
                self.lost = f"{DISTURBED} (no value)"
                raise Lost(self.lost) from None
        raise self.told(answer, given)

    def change(self, args: tuple[Any, ...], answer: Message) -> None:
        """Lists, dicts and sets that the learner's function has changed are changed here too, until the exercise is over."""
        for place, form in answer.pop("changed", ()):
            argument, now = args[place], self.unpack(form)
            if type(argument) not in CHANGEABLE or type(now) is not type(argument):
                raise Garbled("a change of nothing that can be changed")
            self._changed.append((argument, argument.copy()))
            _put_into(argument, now)

    def told(self, answer: Message, given: str) -> Exception:
        """The error an answer tells of, as a check's own call would have raised it."""
        try:
            return self._told_error(answer, given)
        except Exception:  # noqa: BLE001  # as in `request`
            self.lost = f"{DISTURBED} (no answer)"
            return Lost(self.lost)

    def _told_error(self, answer: Message, given: str) -> Exception:
        if "no_answer" in answer:
            reason, what = answer["no_answer"]
            return NoAnswer(reason if reason in REASONS else "not_plain", _short(what))
        raised = answer["raised"]
        if raised["untouched"]:
            return NotAttempted(local.STARTER)
        ours = self.handed.get(raised["yours"]) if raised["yours"] is not None else None
        error = ours if isinstance(ours, BaseException) else _error(raised)
        said, where = str(raised["message"])[:LONGEST], str(raised["where"])[:LONGEST]
        return RemoteRaised(error, given, said=said, where=where, held=int(raised["held"]))

    # ---------------------------------------------------------------------------------------------- what we hand to them

    def pack(self, value: Any) -> Any:
        return pack(value, self._pack_other)

    def _pack_other(self, value: Any) -> Any:
        if isinstance(value, Theirs):
            return {"held": value.target["held"]}
        for packs, test in _PACKED:
            if test(value):
                return packs(self, value)
        raise CanNotCross(
            f"a check hands over something of type {type(value).__name__}, which can't be sent to a learner's process"
        )

    def _time(self, value: Any) -> Message:
        clock: VirtualClock = value.__self__
        key = id(clock)
        self._clocks[key] = (clock, clock.now())
        return {"clock": {"id": self._hand(value), "clock": key, "now": clock.now()}}

    def _function(self, value: Any) -> Message:
        called = str(getattr(value, "__name__", "function"))
        asynchronous = inspect.iscoroutinefunction(value)
        return {"function": {"id": self._hand(value), "name": called, "async": asynchronous}}

    def _iterator(self, value: Any) -> Message:
        return {"iterator": self._hand(value)}

    def _aiterator(self, value: Any) -> Message:
        return {"aiterator": self._hand(value)}

    def _error(self, value: BaseException) -> Message:
        return {"error": self._told(value)}

    def _told(self, error: BaseException) -> Message:
        """An error of the check's: the nearest type both sides know, its own name, what it was made of."""
        if isinstance(error, RemoteRaised):
            return {"yours": error.held}
        kin = next(base for base in type(error).__mro__ if found(base.__module__, base.__qualname__) is base)
        own = type(error).__qualname__.rpartition(".")[2]
        return {
            "id": self._hand(error),
            "type": [kin.__module__, kin.__qualname__],
            "name": kin.__name__ if kin is type(error) else own,
            "args": [self._or_text(arg) for arg in error.args],
            "fields": [[key, form] for key, form in map(self._field, vars(error).items()) if form is not None],
        }

    def _or_text(self, value: Any) -> Any:
        try:
            return self.pack(value)
        except CanNotCross:
            return str(value)

    def _field(self, item: tuple[str, Any]) -> tuple[str, Any]:
        key, value = item
        try:
            return key, None if key.startswith("__") else self.pack(value)
        except CanNotCross:
            return key, None

    def _record(self, value: Any) -> Message:
        kind = type(value)
        named = isinstance(value, tuple)
        names = list(value._fields) if named else [field.name for field in dataclasses.fields(value)]
        return {
            "record": {
                "module": kind.__module__,
                "name": kind.__qualname__.rpartition(".")[2],
                "tuple": named,
                "frozen": named or kind.__dataclass_params__.frozen,
                "fields": [[key, self.pack(getattr(value, key))] for key in names],
            }
        }

    def _object(self, value: Any) -> Message:
        """What its class lets learners see, each asked for when it is used."""
        seen = {name: getattr(type(value), name, None) for name in type(value).seen_by_learners}
        methods = [[name, inspect.iscoroutinefunction(one)] for name, one in seen.items() if callable(one)]
        attributes = [name for name, one in seen.items() if not callable(one)]
        return {
            "object": {
                "id": self._hand(value),
                "type": type(value).__name__,
                "methods": methods,
                "attributes": attributes,
            }
        }

    def _random(self, value: random.Random) -> Message:
        """A generator of random numbers: the learner's process gets one in the same state, and tells what it drew."""
        number = self._randoms.setdefault(id(value), 0) or self._hand(value)
        self._randoms[id(value)] = number
        state = value.getstate()
        known, self._states[number] = self._states.get(number), state
        return {"random": {"id": number, "state": None if state == known else self.pack(state)}}

    def _drawn(self, number: Any, words: Any, state: Any) -> None:
        """Take a generator on by the words of 32 bits that were drawn from its twin, or to a state it was put into."""
        ours = self.handed.get(number)
        if type(ours) is not random.Random or type(words) is not int or not 0 <= words <= MOST_DRAWN:
            raise Garbled("numbers drawn from no generator")
        if state is not None:
            ours.setstate(self.unpack(state))
        elif words:
            ours.getrandbits(32 * words)
        self._states[number] = ours.getstate()

    def _model(self, value: Any) -> Message:
        data = value.model_dump(mode="json", exclude_unset=True, by_alias=True, warnings=False)
        return {
            "model": {"module": type(value).__module__, "name": type(value).__qualname__, "data": list(data.items())}
        }

    def _request(self, value: Any) -> Message:
        headers = list(value.headers.items())
        return {
            "request": {
                "method": value.method,
                "url": str(value.url),
                "headers": headers,
                "content": self.pack(_read(value)),
            }
        }

    def _response(self, value: Any) -> Message:
        try:
            request = self.pack(value.request)
        except RuntimeError:  # a response nobody has asked for
            request = None
        headers = [
            [key, text] for key, text in value.headers.items() if key not in ("content-encoding", "content-length")
        ]
        return {
            "response": {
                "status": value.status_code,
                "headers": headers,
                "content": self.pack(_read(value)),
                "request": request,
            }
        }

    def _stream(self, value: Any) -> Message:
        from course_utils.grade import services

        parts = services.of_stream(value)
        if parts is not None:
            return {"stream": parts | {"pieces": self.pack(parts["pieces"])}}
        asynchronous = hasattr(value, "__anext__")
        return {"chunks": {"id": self._hand(value), "async": asynchronous, "response": self.pack(value.response)}}

    def _client(self, value: Any) -> Message:
        from course_utils.grade import services

        asynchronous, send, options = services.of_client(value)
        return {"client": {"async": asynchronous, "send": self.pack(send), "options": self.pack(options)}}

    # ----------------------------------------------------------------------------------------------------- asynchronous

    def _begin(self, request: int, what: Message) -> Message:
        """Start something of the check's that takes time; its outcome is sent when it has come about."""
        loop = asyncio.get_running_loop()
        self.begun[request] = loop.create_task(self._bring_about(request, what))
        return {"ok": None}

    async def _bring_about(self, request: int, what: Message) -> None:
        try:
            answer = await self._awaited(what)
            self.request({"do": "resolve", "request": request, "answer": answer})
        except CanNotCross as fault:
            self.fault = fault
        except Lost:
            pass  # whoever waits is told at the next question
        finally:
            self.begun.pop(request, None)

    async def _awaited(self, what: Message) -> Message:
        wanted = self.handed[what["id"]]
        try:
            if what["do"] == "next":
                value = await anext(wanted)
            elif what["do"] == "close":
                closing = getattr(wanted, "aclose", None) or getattr(wanted, "close", None)
                value = await closing() if closing is not None else None
            elif what["do"] == "method" and what["name"] in type(wanted).seen_by_learners:
                value = await getattr(wanted, what["name"])(*self._args(what), **self._kwargs(what))
            else:
                value = await wanted(*self._args(what), **self._kwargs(what))
            return {"ok": self.pack(value)}
        except StopAsyncIteration:
            return {"end": True}
        except (Lost, Gone, Late, Garbled, CanNotCross):
            raise
        except Exception as error:  # noqa: BLE001  # as in `_outcome`
            return {"raised": self._told(error)}

    def _done(self, asked: Message) -> Message:
        future = self.tasks.pop(asked["task"], None)
        if future is not None and not future.done():
            future.set_result(asked)
        return {"ok": None}

    async def spawned(self, how: str, **asked: Any) -> Message:
        """Start something in the learner's process and await its outcome on the loop of the check."""
        number = next(self._numbers)
        ended = self._ended(number)
        self.request({"do": "spawn", "how": how, "task": number} | asked)
        try:
            return await ended
        except asyncio.CancelledError:
            if self.lost or number not in self.tasks:
                raise
            ended = self._ended(number)
            self.request({"do": "cancel", "task": number})
            answer = await ended  # it may clean up first, or not let itself be cancelled, as beside us
            if answer.get("raised", {}).get("kind") == "CancelledError":
                raise
            return answer

    def _ended(self, number: int) -> asyncio.Future[Message]:
        """What something in the learner's process will say at its end."""
        self.tasks[number] = asyncio.get_running_loop().create_future()
        return self.tasks[number]


class _Together:
    """The selector of a loop that shares its clock with a guest: where it would wait, the guest gets its turn."""

    def __init__(self, loop: VirtualLoop, line: Line) -> None:
        self._loop, self._line = loop, line

    def select(self, timeout: float | None) -> list[Any]:
        if timeout == 0:
            return []
        loop = self._loop
        theirs = self._line.request({"do": "run", "time": loop.time()}).get("deadline")
        if loop._ready:  # type: ignore[attr-defined]  # the guest has brought something about
            return []
        deadlines = [] if timeout is None else [loop.next_deadline()]
        deadlines += [] if theirs is None else [self._moment(theirs)]
        if not deadlines:
            raise NothingToWaitFor("every task is waiting and no timer is left to wake one")
        loop.advance(min(deadlines))
        return []

    def _moment(self, theirs: Any) -> float:
        if type(theirs) not in (int, float) or not math.isfinite(theirs):
            self._line.lost = f"{DISTURBED} (no time)"
            raise Lost(self._line.lost)
        return float(theirs)


class Theirs:
    """A function of the learner's that was handed to an object of the check's."""

    def __init__(self, line: Line, target: Target) -> None:
        self._line, self.target = line, target

    def __call__(self, *args: Any) -> Any:
        asked = {"do": "call", "target": self.target, "args": [self._line.pack(arg) for arg in args]}
        return self._line.returned(self._line.request(asked), local.given(args))


class RemoteSubject(Subject):
    """A function of the learner's in another process. ``back`` counts from the latest cell that defined it."""

    def __init__(self, line: Line, function: str, back: int = 0) -> None:
        self._line = line
        answer = line.request({"do": "find", "name": function, "back": back})
        if answer.get("found") == "untouched":
            raise NotAttempted("There is nothing to check yet: the name stands for `...`.")
        if answer.get("found") != "callable":
            raise NoAnswer("not_callable", name(answer.get("kind")))
        self._target = {"name": function, "back": back}

    def _at(self, held: Any) -> RemoteSubject:
        made = RemoteSubject.__new__(RemoteSubject)
        made._line, made._target = self._line, {"held": held}
        return made

    def _ask(self, do: str, args: tuple[Any, ...], **more: Any) -> Message:
        packed = [self._line.pack(arg) for arg in args]
        return self._line.request({"do": do, "target": self._target, "args": packed} | more, args=args)

    def _held(self, answer: Message, given: str) -> int:
        if not isinstance(answer.get("held"), int):
            raise self._line.told(answer, given)
        held: int = answer["held"]
        return held

    def call(self, *args: Any) -> Any:
        return self._line.returned(self._ask("call", args), local.given(args))

    def iterate(self, *args: Any) -> Iterator[Any]:
        given = local.given(args)
        held = self._held(self._ask("iterate", args, most_lines=self.most_lines), given)
        try:
            for _ in range(local.MAX_ITEMS):
                answer = self._line.request({"do": "next", "held": held}, args=args)
                if "end" in answer:
                    return
                yield self._line.returned(answer, given)
        finally:
            if not self._line.lost:
                with contextlib.suppress(Lost):
                    self._line.returned(self._line.request({"do": "close", "held": held}), given)
        raise local.endless()

    async def acall(self, *args: Any) -> Any:
        packed = [self._line.pack(arg) for arg in args]
        answer = await self._line.spawned("call", target=self._target, args=packed)
        return self._line.returned(answer, local.given(args))

    async def aiterate(self, *args: Any) -> AsyncIterator[Any]:
        given, packed = local.given(args), [self._line.pack(arg) for arg in args]
        held = self._held(await self._line.spawned("iterate", target=self._target, args=packed), given)
        try:
            for _ in range(local.MAX_ITEMS):
                answer = await self._line.spawned("next", held=held)
                if "end" in answer:
                    return
                yield self._line.returned(answer, given)
        finally:
            if not self._line.lost:
                await self._line.spawned("close", held=held)
        raise local.endless()

    def play(self, main: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
        line = self._line
        outer, line.until = line.until, time.monotonic() + line.limit
        try:
            line.request({"do": "loop"})
            return clocks.run(main, clock, selector=lambda loop: _Together(loop, line))
        except NothingToWaitFor as stuck:
            raise Raised(stuck) from None
        finally:
            main.close()
            line.until = outer
            if not line.lost:
                with contextlib.suppress(Lost):
                    line.request({"do": "finish"})

    def make(self, *args: Any) -> RemoteSubject:
        return self._at(self._held(self._ask("make", args), local.given(args)))

    @contextlib.contextmanager
    def entered(self, *args: Any) -> Iterator[Subject]:
        given = local.given(args)
        answer = self._ask("enter", args)
        manager = self._held(answer, given)

        def leave(error: int | None) -> Any:
            return self._line.returned(self._line.request({"do": "exit", "held": manager, "error": error}), given)

        try:
            yield self._at(answer.get("inside"))
        except RemoteRaised as raised:
            if not leave(raised.held):
                raise
        else:
            leave(None)

    def method(self, name: str) -> RemoteSubject:
        return self._at(self._held(self._ask("method", (), name=name), ""))

    def get(self, name: str) -> Any:
        return self._line.returned(self._ask("get", (), name=name), "")


# --------------------------------------------------------------------------------------------------- what can be handed over


def _is_time(value: Any) -> bool:
    return inspect.ismethod(value) and isinstance(value.__self__, VirtualClock) and value.__name__ == "now"


def _is_sdk(value: Any, *names: str) -> bool:
    """Whether a value is one of the SDK's types, without importing the SDK."""
    return any(base.__module__.split(".")[0] == "openai" and base.__name__ in names for base in type(value).__mro__)


def _is_model(value: Any) -> bool:
    return type(value).__module__.startswith("openai.types.") and hasattr(value, "model_dump")


def _is_record(value: Any) -> bool:
    named = isinstance(value, tuple) and hasattr(value, "_fields")
    return not isinstance(value, type) and (named or dataclasses.is_dataclass(value))


def _is_http(kind: str) -> Callable[[Any], bool]:
    return lambda value: type(value).__module__.split(".")[0] == "httpx2" and type(value).__name__ == kind


_PACKED: tuple[tuple[Callable[[Line, Any], Any], Callable[[Any], bool]], ...] = (
    (Line._time, _is_time),
    (Line._model, _is_model),
    (Line._stream, lambda value: _is_sdk(value, "Stream", "AsyncStream")),
    (Line._client, lambda value: _is_sdk(value, "OpenAI", "AsyncOpenAI")),
    (Line._request, _is_http("Request")),
    (Line._response, _is_http("Response")),
    (Line._error, lambda value: isinstance(value, BaseException)),
    (Line._random, lambda value: type(value) is random.Random),
    (Line._object, lambda value: hasattr(type(value), "seen_by_learners")),
    (Line._record, _is_record),
    (Line._aiterator, lambda value: hasattr(value, "__anext__")),
    (Line._iterator, lambda value: hasattr(value, "__next__")),
    (Line._function, callable),
)
"""Who packs what, and how it is known; the first that fits does it."""


def _put_into(argument: Any, now: Any) -> None:
    """Make a list, dict or set equal to another, in its place."""
    argument.clear()
    (argument.extend if isinstance(argument, list) else argument.update)(now)


def _read(message: Any) -> bytes:
    """The body of a request or response, as far as it has been read."""
    try:
        content: bytes = message.content
    except Exception:  # noqa: BLE001  # a stream that nobody has read; httpx2 has several errors for that
        return b""
    return content


def _short(text: Any) -> str:
    words = str(text)
    return words if len(words) <= SHORT else words[: SHORT - 3] + "..."


def _error(raised: Message) -> BaseException:
    """An error like the one in the learner's process: of its kind as far as both sides know it, and of its name."""
    module, qualified = raised["kin"]
    known = found(str(module), str(qualified))
    kin: type[BaseException] = known if known is not None and issubclass(known, BaseException) else Exception
    if issubclass(kin, BaseExceptionGroup):  # one can't be made without the errors in it, which are not here
        kin = Exception
    own = name(raised["kind"])
    kind: type[BaseException] = kin if kin.__name__ == own else type(own, (kin,), {})
    error = kind.__new__(kind)
    error.args = (str(raised["message"])[:LONGEST],)
    return error
