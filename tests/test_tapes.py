"""What is recorded of a solution, and the answers that replay it."""

import asyncio
import contextlib

import pytest

from course_utils.checks.subject import Raised, Subject
from course_utils.clock import run
from course_utils.tapes import OPAQUE, hard_coded, literals, recorder


def taped(function, *asked):
    calls = []
    answer = recorder(function, calls)
    for args in asked:
        value = answer(*args)
        if hasattr(value, "__next__"):
            list(value)
    return calls


def double(number):
    return 2 * number


def echo(stream, sleep):
    for text in stream:
        sleep(0.5)
        yield text


def by_name(calls, text=""):
    return {one.name: one for one in hard_coded(calls, text)}


def test_a_call_is_its_arguments_and_its_result():
    (call,) = taped(lambda pairs, name: len(pairs), ([(1, "a")], "x"))
    assert (call.given, call.answer) == (([[1, "a"]], "x"), 1)


def test_recording_changes_nothing():
    slept = []
    assert list(recorder(echo, [])(iter("ab"), slept.append)) == ["a", "b"]
    assert slept == [0.5, 0.5]


def test_what_a_solution_does_with_streams_and_callables_is_kept_step_by_step():
    (call,) = taped(echo, (iter("a"), lambda seconds: None))
    assert call.given == (OPAQUE, OPAQUE)
    assert call.steps == [("next", 0), ("call", (1, (0.5,))), ("yield", "a"), ("next", 0)]
    assert call.answer == ["a"]


def test_an_argument_that_the_solution_changes_is_kept_as_it_was():
    (call,) = taped(lambda items: items.clear(), ([1, 2],))
    assert call.given == ([1, 2],)


def test_a_constant_is_the_first_hard_coded_answer():
    made = by_name(taped(double, (1,), (2,), (2,)))
    assert made["always 2"].make()(7) == 2
    assert made["always 4"].make()(7) == 4


def test_the_examples_of_the_text_are_known_by_heart():
    made = by_name(taped(double, (1,), (2,), (3,), (3,)), "For 1 it is two.")
    answer = made["the examples of the text, else the most common result"].make()
    assert [answer(1), answer(2), answer(3)] == [2, 6, 6]


def test_every_call_is_known_by_heart_but_only_other_inputs_can_tell():
    one = by_name(taped(double, (1,), (2,)))["all calls of the notebook, else the first result"]
    assert [one.make()(1), one.make()(2), one.make()(9)] == [2, 4, 2]
    assert one.knows_the_check


def test_a_stream_is_replayed_with_the_same_steps_and_without_looking():
    slept = []
    made = by_name(taped(echo, (iter("ab"), lambda seconds: None), (iter("c"), lambda seconds: None)))
    same = made["always ['a', 'b'], after the same steps"].make()
    assert list(same(iter("xyz"), slept.append)) == ["a", "b"]
    assert slept == [0.5, 0.5]
    assert list(made["always ['a', 'b']"].make()(iter("xyz"), slept.append)) == ["a", "b"]
    in_order = made["all calls of the notebook in their order"].make()
    assert [list(in_order(iter(""), slept.append)) for _ in range(3)] == [["a", "b"], ["c"], ["c"]]


def test_literals_are_found_where_they_stand():
    found = literals('For [(0.2, ""), (0.5, "Hi")] sent at 0.0, and "x" or -3, not [this] (nor this.')
    assert [[0.2, ""], [0.5, "Hi"]] in found
    assert {0.0, -3, "x", "Hi"} <= {value for value in found if not isinstance(value, list)}


def test_without_calls_there_is_nothing_to_replay():
    assert hard_coded([], "1") == []


def test_an_asynchronous_solution_is_replayed_with_all_it_awaited():
    async def source():
        yield "a"
        yield "b"

    async def forward(items, tell, sign):
        async for item in items:
            await tell(item + sign)
        return "done"

    async def played(answer):
        told = []

        async def tell(text):
            told.append(text)

        return await answer(source(), tell, "!"), told

    calls = []
    assert run(played(recorder(forward, calls))) == ("done", ["a!", "b!"])
    found = by_name(calls)
    assert run(played(found["all calls of the notebook in their order"].make())) == ("done", ["a!", "b!"])
    assert run(played(found["always 'done'"].make())) == ("done", [])


def test_a_stream_that_an_asynchronous_solution_closes_is_closed():
    closed = []

    async def source():
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    async def first(items):
        try:
            return await anext(items)
        finally:
            await items.aclose()

    calls = []
    assert run(recorder(first, calls)(source())) == "a"
    assert closed
    assert calls[0].steps == [("next", 0)]


class Managing:
    @contextlib.contextmanager
    def open(self, name):
        yield iter(name)


def test_what_a_solution_returns_for_with_is_looked_at_too():
    calls = []
    with Subject(recorder(Managing, calls)).make().method("open").entered("ab") as inside:
        assert list(inside.method("__iter__").iterate()) == ["a", "b"]
    assert [(call.name, call.answer) for call in calls[:3]] == [
        ("", OPAQUE),
        ("open", OPAQUE),
        ("__enter__", ["a", "b"]),
    ]


def test_an_error_in_the_block_goes_through_what_is_recorded():
    with pytest.raises(Raised, match="KeyError"), Subject(recorder(Managing, [])).make().method("open").entered("ab"):
        Subject({}.__getitem__).call("not there")


class Counter:
    """A class whose objects use what they were made with, and what their methods get."""

    def __init__(self, fetch):
        self.fetch, self.total = fetch, 0

    async def add(self, number, tell):
        self.total += number * await self.fetch("factor")
        tell(self.total)


def counted(answer, number):
    """What an object of the class told, and what stands in it."""
    told, asked = [], []

    async def fetch(what):
        asked.append(what)
        return 10

    one = answer(fetch)
    asyncio.run(one.add(number, told.append))
    return told, one.total, asked


def test_the_objects_of_a_class_are_recorded_look_by_look():
    calls = []
    assert counted(recorder(Counter, calls), 2) == ([20], 20, ["factor"])
    assert [(call.name, call.given) for call in calls] == [("", (OPAQUE,)), ("add", (2, OPAQUE)), ("total", ())]
    assert (calls[1].awaited, calls[2].answer) == (True, 20)


def test_an_object_by_heart_does_what_the_first_one_did_whatever_is_asked():
    calls = []
    counted(recorder(Counter, calls), 2)
    for made in by_name(calls).values():
        assert counted(made.make(), 7) == ([20], 20, ["factor"])
