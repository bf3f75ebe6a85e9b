"""Tapes: what a check asked and what the solution answered, and the answers that replay it without thinking.

Whoever prints what a check hands over, and writes down what it wants to see, has solved nothing. From one recorded run
of the solution come the hard-coded answers that a check must refuse:

- a result of the check, whatever is asked; bare, or with the calls that the solution made (`send()`, `sleep(0.25)`);
- the examples of the notebook by heart, and one of the results for everything else;
- every call of the notebook's check by heart. In the notebook that passes, as it must; asked with other inputs, which a
  grader draws from its own seed, it must not.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

Answer = Callable[..., Any]

CONSTANTS = 12
"""How many different results are tried as the one answer to everything."""


@dataclass
class Call:
    """One call of the solution: its plain arguments, what it did with the others, and its result."""

    given: tuple[Any, ...]
    steps: list[tuple[str, Any]] = field(default_factory=list)
    result: Any = None
    yields: bool = False
    name: str = ""
    """Of a method or an attribute, where the solution is a class."""
    awaited: bool = False

    @property
    def key(self) -> str:
        return f"{self.name}{self.given!r}"

    @property
    def answer(self) -> Any:
        """What it returned, or all that it yielded."""
        return [value for kind, value in self.steps if kind == "yield"] if self.yields else self.result


@dataclass(frozen=True)
class HardCoded:
    """``make`` gives a fresh answer; ``knows_the_check`` if only other inputs than the notebook's tell it from work."""

    name: str
    make: Callable[[], Answer]
    knows_the_check: bool = False


OPAQUE = "(not plain)"


def recorder(function: Answer, calls: list[Call], name: str = "") -> Answer:
    """``function``, writing down each of its calls; and those of the methods of what it makes, if it is a class.

    What it returns for a `with` statement is looked at in the same way.
    """

    def recording(*args: Any) -> Any:
        call = Call(tuple(_kept(arg) for arg in args), name=name)
        calls.append(call)
        value = function(*(_watched(arg, index, call) for index, arg in enumerate(args)))
        if inspect.iscoroutine(value):
            call.awaited = True
            return _awaited(value, call)
        if hasattr(value, "__next__"):
            call.yields = True
            return _recorded(value, call)
        if (isinstance(function, type) and not isinstance(value, tuple)) or hasattr(value, "__enter__"):
            call.result = OPAQUE
            return _Made(value, calls)
        call.result = copy.deepcopy(value)
        return value

    return recording


async def _awaited(value: Coroutine[Any, Any, Any], call: Call) -> Any:
    call.result = copy.deepcopy(result := await value)
    return result


class _Made:
    """What a class of the solution made, or what `with` enters; every look at it is written down."""

    def __init__(self, made: Any, calls: list[Call]) -> None:
        self._made, self._calls = made, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made, name)
        if callable(found):
            return recorder(found, self._calls, name)
        self._calls.append(Call((), result=copy.deepcopy(found), name=name))
        return found


def _kept(arg: Any) -> Any:
    plain = arg is None or isinstance(arg, bool | int | float | str | list | tuple | dict)
    return _lists(arg) if plain else OPAQUE


def _lists(value: Any) -> Any:
    """A copy in which tuples are lists, as they are in an answer."""
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return copy.deepcopy(value)


def _watched(arg: Any, index: int, call: Call) -> Any:
    """An argument that writes down how it is used."""
    if callable(arg) and not isinstance(arg, type):

        def called(*args: Any) -> Any:
            call.steps.append(("call", (index, args)))
            return arg(*args)

        return called
    if hasattr(arg, "__next__"):
        return _taken(arg, index, call)
    if hasattr(arg, "__anext__"):
        return _AsyncTaken(arg, index, call)
    return arg


def _taken(items: Iterator[Any], index: int, call: Call) -> Iterator[Any]:
    try:
        while True:
            call.steps.append(("next", index))
            try:
                item = next(items)
            except StopIteration:
                return
            yield item
    finally:
        if hasattr(items, "close"):
            items.close()


class _AsyncTaken:
    """An asynchronous iterator that writes down when it is asked for the next item; all else, as closing, is the items' own."""

    def __init__(self, items: AsyncIterator[Any], index: int, call: Call) -> None:
        self._items, self._index, self._call = items, index, call

    def __aiter__(self) -> _AsyncTaken:
        return self

    async def __anext__(self) -> Any:
        self._call.steps.append(("next", self._index))
        return await anext(self._items)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)


def _recorded(items: Iterator[Any], call: Call) -> Iterator[Any]:
    for item in items:
        call.steps.append(("yield", item))
        yield item


# ------------------------------------------------------------------------------------------------ answers by heart


def hard_coded(calls: list[Call], text: str) -> list[HardCoded]:
    """The answers that replay ``calls``; ``text`` is what the learner reads, with the examples that anybody knows."""
    if not calls:
        return []
    if any(call.name for call in calls):
        return _of_a_class(calls)
    results, examples = _different(calls)[:CONSTANTS], _visible(calls, text)
    made = [HardCoded(f"always {_short(call)}", partial(_bare, call)) for call in results]
    if any(call.steps for call in calls):
        made += [
            HardCoded(f"always {_short(call)}, after the same steps", partial(_replay, [call])) for call in results
        ]
    for name, otherwise in _plausible(calls).items():
        if examples:
            made.append(HardCoded(f"the examples of the text, else {name}", _by_heart(examples, otherwise)))
        if OPAQUE not in calls[0].given:
            made.append(HardCoded(f"all calls of the notebook, else {name}", _by_heart(calls, otherwise), True))
    if any(call.steps for call in calls):
        made.append(HardCoded("all calls of the notebook in their order", partial(_replay, calls), True))
    return made


def _of_a_class(calls: list[Call]) -> list[HardCoded]:
    """Classes that replay what the solution's objects did, whatever is asked: the first of them, and all in their order."""
    begins = [index for index, call in enumerate(calls) if not call.name]
    lives = [calls[begin:end] for begin, end in zip(begins, [*begins[1:], len(calls)], strict=True)]
    each = [
        HardCoded(f"always object {number}", partial(_relived, [life])) for number, life in enumerate(lives, start=1)
    ]
    return [*each[:CONSTANTS], HardCoded("all objects of the notebook in their order", partial(_relived, lives), True)]


def _relived(lives: list[list[Call]]) -> Answer:
    left = iter(lives)

    def make(*args: Any) -> Any:
        return _Relived(next(left, lives[-1]), args)

    return make


class _Relived:
    """An object that does again what another one did; the last call of a method again and again.

    What the other one was made with, such as a function that sends, is used once by each awaited call, as it was then.
    """

    def __init__(self, life: list[Call], made_with: tuple[Any, ...]) -> None:
        self._uses, self._life, self._made_with = iter(life[0].steps), life[1:], made_with

    def __getattr__(self, name: str) -> Any:
        same = [call for call in self._life if call.name == name]
        if not same:
            raise AttributeError(name)
        if len(same) > 1:
            self._life.remove(same[0])
        call = same[0]
        if call.awaited:
            return partial(self._again, call)
        return _replay([call]) if call.steps or call.given else call.result

    async def _again(self, call: Call, *args: Any) -> Any:
        for _, (index, given) in itertools.islice(self._uses, 1):
            await self._made_with[index](*given)
        return await _aplayed(call, *args)


def _different(calls: list[Call]) -> list[Call]:
    """The first call of each result."""
    return list({repr(call.answer): call for call in reversed(calls)}.values())[::-1]


def _plausible(calls: list[Call]) -> dict[str, Call]:
    """What somebody would say who does not know: the last result, the most common one, the first one."""
    most = Counter(repr(call.answer) for call in calls).most_common(1)[0][0]
    common = next(call for call in calls if repr(call.answer) == most)
    return {"the last result": calls[-1], "the most common result": common, "the first result": calls[0]}


def _visible(calls: list[Call], text: str) -> list[Call]:
    """The calls whose arguments all stand in the text."""
    known = literals(text)
    return [call for call in calls if all(given in known for given in call.given)]


def literals(text: str) -> list[Any]:
    """Every list, text and number that stands in a text, as Python would read it."""
    found = [_value(text[begin : _closing(text, begin)]) for begin, sign in enumerate(text) if sign in "[({"]
    found += [_value(match.group()) for match in re.finditer(r"\"[^\"\n]*\"|'[^'\n]*'|-?\d+(?:\.\d+)?", text)]
    return [value for value in found if value is not OPAQUE]


def _closing(text: str, begin: int) -> int:
    """Where the bracket that opens at ``begin`` is closed."""
    depth = 0
    for place in range(begin, len(text)):
        depth += (text[place] in "[({") - (text[place] in "])}")
        if not depth:
            return place + 1
    return begin


def _value(text: str) -> Any:
    try:
        return _lists(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return OPAQUE


def _bare(call: Call) -> Answer:
    """The result, whatever is asked."""
    if call.awaited:
        return partial(_aplayed, replace(call, steps=[]))
    return lambda *args: iter(call.answer) if call.yields else call.answer


def _by_heart(calls: list[Call], otherwise: Call) -> Callable[[], Answer]:
    known = {call.key: call for call in calls}

    def make() -> Answer:
        return lambda *args: _bare(known.get(repr(tuple(map(_kept, args))), otherwise))()

    return make


def _replay(calls: list[Call]) -> Answer:
    """Do what the solution did, call by call; the last one again and again when they are used up."""
    left = iter(calls)

    def answer(*args: Any) -> Any:
        call = next(left, calls[-1])
        if call.awaited:
            return _aplayed(call, *args)
        steps = _steps(call, args)
        if call.yields:
            return steps
        for _ in steps:
            pass
        return call.result

    return answer


def _steps(call: Call, args: tuple[Any, ...]) -> Iterator[Any]:
    for kind, value in call.steps:
        if kind == "yield":
            yield value
        elif kind == "next":
            next(args[value], None)
        else:
            index, given = value
            args[index](*given)


async def _aplayed(call: Call, *args: Any) -> Any:
    """The steps of an asynchronous call, and its result."""
    for kind, value in call.steps:
        if kind == "next":
            await anext(args[value], None)
            continue
        index, given = value
        came = args[index](*given)
        if inspect.isawaitable(came):
            await came
    return call.result


def _short(call: Call) -> str:
    text = repr(call.answer)
    return text if len(text) <= 40 else f"{text[:37]}..."
