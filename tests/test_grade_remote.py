"""A check drives a function in another process as it drives one beside it: every kind of argument, result and error."""

import ast
import asyncio
import contextlib
import dataclasses
import inspect
import textwrap
from collections import namedtuple
from random import Random
from types import SimpleNamespace

import grading
import pytest

from course_utils.checks import ex_2_2, exercises
from course_utils.checks.exercise import NotYet
from course_utils.checks.subject import Lost, NoAnswer, NotAttempted, Raised, Stopped, Subject
from course_utils.clock import VirtualClock
from course_utils.frames import cut
from course_utils.grade.marking import mark
from course_utils.grade.remote import Line, RemoteSubject
from course_utils.grade.sandbox import on_one_processor
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import Chunk
from course_utils.values import plain

ALL = list(exercises().values())
PACE = Pace(headers=0.25, ttft=1.0, itl=0.5)
HELLO = [{"role": "user", "content": "Hello"}]


class Beside:
    """The learner's function in this process."""

    def __init__(self, source):
        names = {"__name__": "beside"}
        exec(source, names)
        self.subject = Subject(names["answer"])

    def end(self):
        pass


class Away:
    """The learner's function in a sandbox."""

    def __init__(self, source, sandbox):
        self.process = sandbox.start()
        line = Line(self.process.lines)
        line.request({"do": "begin", "names": ["answer"]})
        ran = line.request({"do": "cell", "number": 1, "source": source, "only_definitions": False})
        assert "raised" not in ran, ran
        self.subject = RemoteSubject(line, "answer")

    def end(self):
        self.process.end()


@pytest.fixture(params=["beside", "away"])
def learner(request):
    """Makes a subject of source that defines `answer`; each test runs with the function here and in a sandbox."""
    made = []

    def make(source):
        source = textwrap.dedent(source)
        made.append(Beside(source) if request.param == "beside" else Away(source, request.getfixturevalue("sandbox")))
        return made[-1].subject

    yield make
    for one in made:
        one.end()


# ------------------------------------------------------------------------------------------------------------ plain values

VALUES = [
    None,
    True,
    1,
    -0.0,
    0.1 + 0.2,
    10**300,
    "",
    "🌧️\n\x00",
    "\ud800",
    b"\x00\xff",
    [],
    [[1], {}],
    {"a": {1: [None]}},
    {(1, 2): 3},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_arrive_exactly_as_they_were(learner, value):
    got = learner("def answer(value): return value").call(value)
    assert repr(got) == repr(value)


def test_what_is_no_number_and_what_is_too_large_for_one_arrive(learner):
    got = learner("def answer(): return [float('nan'), float('inf'), -float('inf')]").call()
    assert repr(got) == "[nan, inf, -inf]"


def test_the_learner_gets_tuples_sets_and_bytes_as_such(learner):
    answer = learner("def answer(*values): return [type(value).__name__ for value in values]")
    assert answer.call((1,), {1}, frozenset(), b"x", {"a": 1}) == ["tuple", "set", "frozenset", "bytes", "dict"]


def test_tuples_come_back_as_lists(learner):
    assert learner("def answer(): return 1, (2, [3])").call() == [1, [2, [3]]]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("type('Text', (str,), {})('x')", "something of type Text"),
        ("type('Odd', (float,), {'__eq__': lambda a, b: True})(1)", "something of type Odd"),
        ("object()", "something of type object"),
        ("{1}", "something of type set"),
        ("10**400", "more than 300 digits"),
        ("[0] * 300_000", "more than 200000 values"),
        ("type('<b>', (), {})()", "(a strange name)"),
    ],
)
def test_what_could_pretend_is_refused_by_its_type(learner, value, says):
    with pytest.raises(NoAnswer, match=says.replace("(", r"\(").replace(")", r"\)")):
        learner(f"def answer(): return {value}").call()


def test_nesting_without_end_is_refused(learner):
    with pytest.raises(NoAnswer, match="50 levels"):
        learner("def answer():\n    made = []\n    made.append(made)\n    return made").call()


def test_an_object_that_reduces_to_something_else_is_refused(learner):
    source = """
    class Sly:
        __class__ = int
        def __reduce__(self): return (int, (4,))
        def __eq__(self, other): return True
    def answer(): return Sly()
    """
    with pytest.raises(NoAnswer, match="something of type Sly"):
        learner(source).call()


# --------------------------------------------------------------------------------------------------- functions and callbacks


def test_a_clock_and_a_sleep_are_the_checks_own(learner):
    clock = VirtualClock(5.0)
    source = """
    def answer(clock, sleep):
        before = clock()
        sleep(1.5)
        return before, clock()
    """
    assert learner(source).call(clock.now, clock.sleep) == [5.0, 6.5]
    assert clock.now() == 6.5


def test_callbacks_get_arguments_by_place_and_by_name_and_answer(learner):
    seen = []

    def tell(*args, **kwargs):
        seen.append((args, kwargs))
        return {"heard": len(seen)}

    answer = learner("def answer(tell): return [tell(1, (2,), key=None), tell(b'x')]")
    assert answer.call(tell) == [{"heard": 1}, {"heard": 2}]
    assert seen == [((1, (2,)), {"key": None}), ((b"x",), {})]


def test_a_function_of_the_learners_handed_to_the_check_is_called_back(learner):
    def twice(callback):
        return [callback(1), callback(2)]

    source = """
    def answer(twice):
        seen = []
        def callback(value):
            seen.append(value)
            return value * 10
        return twice(callback), seen
    """
    assert learner(source).call(twice) == [[10, 20], [1, 2]]


def test_an_error_of_a_callback_comes_back_to_the_learner_as_it_was(learner):
    source = """
    def answer(call):
        error = ZeroDivisionError("mine")
        def callback(): raise error
        try:
            call(callback)
        except ZeroDivisionError as came:
            return came is error
    """
    assert learner(source).call(lambda callback: callback()) is True


def test_a_function_of_the_checks_comes_back_to_it_as_itself(learner):
    seen = []
    learner("def answer(take, thing): take(thing)").call(seen.append, seen.append)
    assert seen[0] == seen.append


def test_threads_of_the_learner_may_ask_too(learner):
    source = """
    from concurrent.futures import ThreadPoolExecutor
    def answer(square):
        with ThreadPoolExecutor(3) as pool:
            return sorted(pool.map(square, range(20)))
    """
    assert learner(source).call(lambda x: x * x) == [x * x for x in range(20)]


# ---------------------------------------------------------------------------------------------------- iterators, generators


def test_the_check_sees_when_its_source_advances(learner):
    events = []

    def source():
        for number in range(3):
            events.append(f"source {number}")
            yield number

    for item in learner("def answer(items):\n    for item in items:\n        yield item * 2").iterate(source()):
        events.append(f"came {item}")
    assert events == ["source 0", "came 0", "source 1", "came 2", "source 2", "came 4"]


def test_a_generator_of_the_learners_cleans_up_when_the_check_stops_early(learner):
    log = []
    source = """
    def answer(log):
        try:
            yield 1
            yield 2
        finally:
            log("closed")
    """
    items = learner(source).iterate(log.append)
    assert next(items) == 1
    items.close()
    assert log == ["closed"]


def test_closing_a_source_closes_the_checks_generator(learner):
    log = []

    def source():
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")

    assert (
        learner("def answer(items):\n    first = next(items)\n    items.close()\n    return first").call(source()) == 1
    )
    assert log == ["closed"]


class _Lost(ConnectionError):
    """A type that only the check knows."""


def test_an_error_of_the_source_has_the_right_type_for_the_learner(learner):
    def source():
        yield 1
        raise _Lost("the server went away")

    answer = """
    def answer(items):
        try:
            list(items)
        except ConnectionError as error:
            return type(error).__name__, str(error), isinstance(error, OSError)
    """
    assert learner(answer).call(source()) == ["_Lost", "the server went away", True]


def test_an_error_of_the_source_that_comes_through_is_the_checks_own(learner):
    error = _Lost("gone")

    def source():
        yield 1
        raise error

    with pytest.raises(Raised) as raised:
        list(learner("def answer(items):\n    yield from items").iterate(source()))
    assert raised.value.error is error
    assert raised.value.kind == "_Lost"


STOP = """
def answer(items):
    try:
        for item in items:
            pass
    except {}:
        return "went on"
"""


@pytest.mark.parametrize("eaten", ["Exception", "BaseException"])
def test_the_stop_button_of_a_check_is_no_exception_and_can_be_eaten(learner, eaten):
    stop = Stopped()

    def source():
        yield 1
        raise stop

    answer = learner(STOP.format(eaten))
    if eaten == "BaseException":
        assert answer.call(source()) == "went on"
        return
    with pytest.raises(Raised) as raised:
        answer.call(source())
    assert raised.value.error is stop


def test_lines_that_an_answer_runs_can_be_limited(learner):
    answer = learner(
        "def answer(items):\n    for item in items:\n        for _ in range(item):\n            pass\n        yield item"
    )
    answer.most_lines = 1000
    assert list(answer.iterate(iter([5, 5]))) == [5, 5]
    with pytest.raises(Raised, match="more than 1000 lines") as raised:
        list(answer.iterate(iter([5, 2000])))
    assert raised.value.kind == "TooMuchWork"


def test_a_generator_that_will_not_be_closed_has_raised_an_error(learner):
    items = learner("def answer():\n    try: yield 1\n    except GeneratorExit: yield 2").iterate()
    next(items)
    with pytest.raises(Raised, match="generator ignored GeneratorExit"):
        items.close()


def test_an_endless_generator_is_ended(learner, monkeypatch):
    monkeypatch.setattr("course_utils.checks.subject.MAX_ITEMS", 50)
    with pytest.raises(Raised, match="yielded 50 items"):
        list(learner("def answer():\n    while True: yield 1").iterate())


def test_a_function_that_returns_is_told_of_yield(learner):
    with pytest.raises(NoAnswer, match=r"returned 3\.5\. A generator"):
        list(learner("def answer(): return 3.5").iterate())


# ------------------------------------------------------------------------------------------------------------------- errors


def test_an_error_comes_with_its_type_its_words_and_the_learners_lines(learner):
    with pytest.raises(Raised, match="KeyError: 'no'") as raised:
        learner("def answer(table):\n    return helper(table)\ndef helper(table): return table['no']").call({})
    assert isinstance(raised.value.error, KeyError)
    assert raised.value.kind == "KeyError"


def test_a_type_of_the_learners_own_is_a_kind_of_what_it_is(learner):
    with pytest.raises(Raised, match="Mine: 7") as raised:
        learner("class Mine(LookupError): pass\ndef answer(): raise Mine(7)").call()
    assert isinstance(raised.value.error, LookupError)


@pytest.mark.parametrize("error", ["SystemExit(3)", "GeneratorExit()", "RecursionError('deep')", "MemoryError()"])
def test_no_error_ends_the_grader(learner, error):
    with pytest.raises(Raised, match=error.partition("(")[0]):
        learner(f"def answer(): raise {error}").call()


def test_the_starter_is_not_attempted(learner):
    with pytest.raises(NotAttempted):
        learner("def answer(): raise NotImplementedError").call()


def test_a_group_of_errors_comes_with_its_name_and_words(learner):
    source = """
        import asyncio
        async def answer():
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.wait_for(asyncio.Event().wait(), 1))
    """
    with pytest.raises(Raised, match="unhandled errors in a TaskGroup") as raised:
        play(learner(source), VirtualClock())
    assert raised.value.kind == "ExceptionGroup"


def test_an_error_whose_type_raises_errors_is_survived(learner):
    source = """
    class Meta(type):
        @property
        def __module__(cls): raise SystemExit
    class Nasty(Exception, metaclass=Meta):
        def __str__(self): raise SystemExit
    def answer(): raise Nasty
    """
    with pytest.raises(Raised):
        learner(source).call()


def test_a_call_that_does_not_return_is_lost(sandbox):
    away = Away("def answer():\n    while True: pass", sandbox)
    away.subject._line.limit = 0.3
    with pytest.raises(Lost, match=r"did not come back within 0\.3 s"):
        away.subject.call()
    with pytest.raises(Lost):
        away.subject.call()
    away.end()


def test_a_call_that_asks_without_end_is_lost(sandbox):
    away = Away("def answer(f):\n    while True: f()", sandbox)
    away.subject._line.limit = 0.3
    with pytest.raises(Lost, match=r"did not come back within 0\.3 s"):
        away.subject.call(lambda: None)
    away.end()


# ------------------------------------------------------------------------------------------------------ streams and clients


def mock(**options):
    return MockServer("One two three", clock=VirtualClock(), **({"pace": PACE} | options))


def opener(server, **options):
    client = server.client()

    def send():
        return client.chat.completions.create(model=server.model, messages=HELLO, stream=True, **options)

    return send


def test_chunks_of_a_stream_have_the_sdks_own_types(learner):
    source = """
    import openai
    from openai.types.chat import ChatCompletionChunk
    def answer(send):
        with send() as stream:
            chunks = list(stream)
        return [
            isinstance(stream, openai.Stream),
            all(type(chunk) is ChatCompletionChunk for chunk in chunks),
            [chunk.choices[0].delta.content for chunk in chunks if chunk.choices],
            chunks[-1].usage.completion_tokens,
            chunks[0].usage,
            stream.response.status_code,
            chunks[1].model_dump_json() == chunks[1].model_copy().model_dump_json(),
            type(chunks[0].choices[0].delta).__name__,
        ]
    """
    got = learner(source).call(opener(mock(), stream_options={"include_usage": True}))
    assert got == [True, True, ["", "One", " two", " three", None], 3, None, 200, True, "ChoiceDelta"]


@pytest.mark.parametrize("leave", ["stream.close()", "stream.__exit__(None, None, None)", "stream.response.close()"])
def test_leaving_a_stream_stops_the_mock(learner, leave):
    server = mock()
    source = f"""
    def answer(send):
        stream = send()
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        {leave}
    """
    answer = learner(source)
    answer.call(opener(server))
    assert server.ledger[0].ended == "client_left"
    assert server.ledger[0].tokens_generated == 1


def test_an_error_of_the_sdk_has_its_response(learner):
    server = MockServer("x", pace=PACE, clock=VirtualClock(), options=["error=429"])
    source = """
    import openai
    def answer(send):
        try:
            send()
        except openai.RateLimitError as error:
            return error.status_code, error.response.headers["retry-after"], isinstance(error, openai.APIStatusError)
    """
    assert learner(source).call(opener(server)) == [429, "2", True]


def test_a_client_is_the_real_one_and_time_and_ledger_are_the_checks(learner):
    server = mock()
    source = """
    import openai
    def answer(client, model, clock):
        assert isinstance(client, openai.OpenAI)
        messages = [{"role": "user", "content": "Hello"}]
        whole = client.chat.completions.create(model=model, messages=messages)
        at = clock()
        times = []
        for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
            times.append(clock() - at)
        return whole.choices[0].message.content, at, times
    """
    text, at, times = learner(source).call(server.client(), server.model, server.clock.now)
    assert (text, at) == ("One two three", 2.0)
    assert times == [0.25, 1.0, 1.5, 2.0, 2.0]
    assert [entry.ended for entry in server.ledger] == ["complete", "complete"]
    assert server.ledger[1].asked["messages"] == HELLO


def test_what_goes_wrong_on_the_way_reaches_the_learner_as_from_a_socket(learner):
    server = mock(faults=[cut(after=1)])
    source = """
    import openai
    def answer(client, model):
        text = ""
        try:
            for chunk in client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True):
                text += chunk.choices[0].delta.content or ""
        except openai.APIConnectionError as error:
            return text, type(error.__cause__).__name__
    """
    assert learner(source).call(server.client(), server.model) == ["One", "RemoteProtocolError"]


def test_a_time_out_of_the_client_runs_on_the_checks_clock(learner):
    server = mock(pace=Pace(ttft=5.0, headers=0.25))
    source = """
    import openai
    def answer(client, model):
        messages = [{"role": "user", "content": "Hi"}]
        try:
            list(client.with_options(timeout=2.0).chat.completions.create(model=model, messages=messages, stream=True))
        except openai.APITimeoutError:
            return "late"
    """
    assert learner(source).call(server.client(), server.model) == "late"
    assert server.clock.now() == 2.25


# ------------------------------------------------------------------------------------------------------------ asynchronous


def play(answer, clock, *args):
    """The result of an asynchronous answer, as a check would ask for it."""

    async def main():
        return await answer.acall(*args)

    return answer.play(main(), clock)


def test_an_asynchronous_function_waits_on_the_checks_clock(learner):
    clock = VirtualClock(3.0)
    source = """
    import asyncio
    async def answer(clock):
        await asyncio.sleep(0.1)
        await asyncio.gather(asyncio.sleep(0.2), asyncio.sleep(0.3))
        return clock()
    """
    assert play(learner(source), clock, clock.now) == pytest.approx(3.4, abs=1e-12)
    assert clock.now() == pytest.approx(3.4, abs=1e-12)


def test_time_outs_of_asyncio_are_exact(learner):
    clock = VirtualClock()
    source = """
    import asyncio
    async def answer(clock):
        try:
            async with asyncio.timeout(0.65):
                await asyncio.sleep(9)
        except TimeoutError:
            return clock()
    """
    assert play(learner(source), clock, clock.now) == 0.65


def test_many_requests_of_an_asynchronous_client_run_at_once(learner):
    server = mock()
    source = """
    import asyncio
    async def answer(client, model, limit):
        gate = asyncio.Semaphore(limit)
        async def one(number):
            async with gate:
                stream = await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": str(number)}], stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        return await asyncio.gather(*map(one, range(6)))
    """
    got = play(learner(source), server.clock, server.async_client(), server.model, 3)
    assert got == ["One two three"] * 6
    assert server.ledger.peak == 3
    assert server.clock.now() == 4.0


def test_leaving_an_asynchronous_stream_stops_the_mock(learner):
    server = mock()
    source = """
    async def answer(client, model):
        stream = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
    """
    play(learner(source), server.clock, server.async_client(), server.model)
    assert server.ledger[0].ended == "client_left"
    assert server.ledger[0].tokens_generated == 1


def test_a_request_that_is_cancelled_leaves_the_mock(learner):
    server = mock()
    source = """
    import asyncio
    async def answer(client, model):
        try:
            async with asyncio.timeout(0.125):
                await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True)
        except TimeoutError:
            return "gave up"
    """
    assert play(learner(source), server.clock, server.async_client(), server.model) == "gave up"
    assert server.ledger[0].ended == "client_left"
    assert server.clock.now() == 0.125


def test_an_asynchronous_generator_yields_one_by_one_from_an_asynchronous_source(learner):
    clock, events = VirtualClock(), []

    async def source():
        for number in range(3):
            await clock.asleep(0.5)
            events.append(f"source {number} at {clock.now()}")
            yield number

    async def main(answer):
        async for item in answer.aiterate(source()):
            events.append(f"came {item} at {clock.now()}")
            await asyncio.sleep(0.25)

    answer = learner("async def answer(items):\n    async for item in items:\n        yield item * 2")
    answer.play(main(answer), clock)
    assert events == [
        "source 0 at 0.5", "came 0 at 0.5", "source 1 at 1.25", "came 2 at 1.25", "source 2 at 2.0", "came 4 at 2.0",
    ]  # fmt: skip


def test_two_calls_at_once_share_the_clock(learner):
    clock = VirtualClock()
    source = """
    import asyncio
    async def answer(name, pause, log):
        for number in range(2):
            await asyncio.sleep(pause)
            log(name, number)
        return name
    """
    log = []
    answer = learner(source)

    async def main():
        def keep(name, number):
            log.append((name, number, clock.now()))

        return await asyncio.gather(answer.acall("a", 0.5, keep), answer.acall("b", 0.75, keep))

    assert answer.play(main(), clock) == ["a", "b"]
    assert log == [("a", 0, 0.5), ("b", 0, 0.75), ("a", 1, 1.0), ("b", 1, 1.5)]


def test_an_asynchronous_answer_may_change_what_it_was_given(learner):
    source = """
    import asyncio
    async def answer(table):
        table["more"] = [1]
        await asyncio.sleep(1)
        table["more"].append(2)
        return table
    """
    assert play(learner(source), VirtualClock(), {"a": 0}) == {"a": 0, "more": [1, 2]}


def test_an_asynchronous_callback_of_the_checks_is_awaited(learner):
    clock = VirtualClock()

    async def save(text):
        await asyncio.sleep(2)
        if text == "bad":
            raise OSError("disk full")
        return len(text)

    source = """
    async def answer(save):
        try:
            await save("bad")
        except OSError as error:
            return await save("good"), str(error)
    """
    assert play(learner(source), clock, save) == [4, "disk full"]
    assert clock.now() == 4.0


def test_cancelling_an_asynchronous_answer_lets_it_clean_up(learner):
    clock, log = VirtualClock(), []
    source = """
    import asyncio
    async def answer(log):
        try:
            await asyncio.sleep(9)
        finally:
            log("cleaned up")
    """
    answer = learner(source)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await answer.acall(log.append)

    answer.play(main(), clock)
    assert log == ["cleaned up"]
    assert clock.now() == 1.0


@pytest.mark.parametrize(
    ("on_cancel", "ended"),
    [("raise", "cancelled"), ("return 'went on'", "went on"), ("raise KeyError('own')", "KeyError")],
)
def test_the_check_sees_what_an_asynchronous_answer_does_when_it_is_cancelled(learner, on_cancel, ended):
    clock = VirtualClock()
    source = f"""
    import asyncio
    async def answer():
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            {on_cancel}
    """
    answer = learner(source)

    async def main():
        task = asyncio.ensure_future(answer.acall())
        await asyncio.sleep(2)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return "cancelled"
        except Raised as raised:
            return raised.kind

    assert answer.play(main(), clock) == ended
    assert clock.now() == 3.0


def test_an_asynchronous_answer_may_be_cancelled_before_it_begins(learner):
    answer = learner("async def answer(): return 1")

    async def main():
        task = asyncio.ensure_future(answer.acall())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    answer.play(main(), VirtualClock())


def test_tasks_that_are_left_behind_are_cancelled_at_the_end(learner):
    clock, log = VirtualClock(), []
    source = """
    import asyncio
    async def answer(log):
        async def behind():
            try:
                await asyncio.sleep(50)
            finally:
                log("cancelled")
        answer.task = asyncio.create_task(behind())
        await asyncio.sleep(0)
    """
    play(learner(source), clock, log.append)
    assert log == ["cancelled"]
    assert clock.now() < 50


def test_a_task_that_waits_for_nobody_is_told_so(learner):
    source = """
    import asyncio
    async def answer():
        await asyncio.Event().wait()
    """
    with pytest.raises(Raised, match="no timer is left"):
        play(learner(source), VirtualClock())


def test_a_blocking_sleep_in_an_asynchronous_answer_blocks_its_loop(learner):
    clock = VirtualClock()
    source = """
    import asyncio
    async def answer(sleep, clock):
        async def tick():
            await asyncio.sleep(0.5)
            return clock()
        task = asyncio.create_task(tick())
        await asyncio.sleep(0)
        sleep(2)
        return await task
    """
    assert play(learner(source), clock, clock.sleep, clock.now) == 2.0


def test_a_plain_function_where_an_asynchronous_one_is_wanted_is_told_so(learner):
    with pytest.raises(NoAnswer, match="Write `async def`"):
        play(learner("def answer(): return 1"), VirtualClock())


@pytest.mark.parametrize("source", ["async def answer(): return 1", "async def answer(): yield 1"])
def test_an_asynchronous_function_where_a_plain_one_is_wanted_is_told_so(learner, source):
    with pytest.raises(NoAnswer, match="Write `def`"):
        learner(source).call()


# ----------------------------------------------------------------------------------------------------------- classes, data

COUNTER = """
class answer:
    def __init__(self, start, tell):
        self.value, self._tell = start, tell
    def add(self, more):
        self.value += more
        self._tell(self.value)
        return self.value
    def each(self):
        yield from range(self.value)
    async def later(self):
        return self.value
"""


def test_a_class_is_made_asked_and_looked_at(learner):
    told = []
    one = learner(COUNTER).make(5, told.append)
    assert one.method("add").call(2) == 7
    assert list(one.method("each").iterate()) == list(range(7))
    assert one.get("value") == 7
    assert told == [7]
    assert play(one.method("later"), VirtualClock()) == 7
    with pytest.raises(NoAnswer, match=r"a method nothing\(\)"):
        one.method("nothing")
    with pytest.raises(NoAnswer, match="an attribute nothing"):
        one.get("nothing")


MANAGED = """
class answer:
    def __init__(self, tell, eats=""):
        self._tell, self._eats = tell, eats
    def __enter__(self):
        self._tell("in")
        return self._pieces()
    def _pieces(self):
        yield "a"
        raise KeyError("b")
    def __exit__(self, kind, error, trace):
        self._tell(kind and [kind.__name__, str(error), trace is not None])
        return kind is not None and kind.__name__ == self._eats
"""


def test_what_is_returned_for_with_is_entered_and_left(learner):
    told = []
    with learner(MANAGED).entered(told.append) as inside:
        assert next(inside.method("__iter__").iterate()) == "a"
    assert told == ["in", None]


@pytest.mark.parametrize("eats", ["KeyError", ""])
def test_an_error_of_the_block_goes_through_what_was_entered(learner, eats):
    told = []
    ends = contextlib.nullcontext() if eats else pytest.raises(Raised, match="KeyError: 'b'")
    with ends, learner(MANAGED).entered(told.append, eats) as inside:
        list(inside.method("__iter__").iterate())
    assert told == ["in", ["KeyError", "'b'", True]]


def test_an_error_on_leaving_is_the_learners(learner):
    source = """
    import contextlib
    @contextlib.contextmanager
    def answer():
        yield []
        raise ValueError("not closed")
    """
    with pytest.raises(Raised, match="not closed"), learner(source).entered():
        pass


@pytest.mark.parametrize("source", ["def answer(): return 'abc'", "def answer(): yield 'abc'"])
def test_what_no_with_can_enter_is_told_so(learner, source):
    with pytest.raises(NoAnswer, match="a `with` statement"), learner(source).entered():
        pass


@dataclasses.dataclass(frozen=True)
class Scenario:
    who: str
    seconds: float


Point = namedtuple("Point", "x y")


def test_records_have_their_fields_and_named_tuples_are_tuples(learner):
    source = """
    def answer(scenario, point):
        x, y = point
        return scenario.who, scenario.seconds, x + point.y, type(scenario).__name__
    """
    assert learner(source).call(Scenario("she", 1.5), Point(1, 2)) == ["she", 1.5, 3, "Scenario"]


def test_a_record_of_the_course_has_its_own_type(learner):
    from course_utils.timeline import Chunk

    source = """
    from course_utils import Chunk
    def answer(chunk): return isinstance(chunk, Chunk), chunk.text
    """
    assert learner(source).call(Chunk(1.0, "Hi")) == [True, "Hi"]


class Store:
    """Something with state; learners see two of its methods."""

    seen_by_learners = ("put", "get", "limit", "last", "later", "__len__")
    limit = 3

    def __init__(self):
        self.kept = {}

    def __len__(self):
        return len(self.kept)

    @property
    def last(self):
        return max(self.kept, default=None)

    async def later(self, seconds):
        await asyncio.sleep(seconds)
        return list(self.kept)

    def put(self, key, value):
        self.kept[key] = value

    def get(self, key):
        return self.kept[key]


def test_an_object_shows_what_its_class_lets_be_seen(learner):
    store = Store()
    source = """
    def answer(store):
        empty = len(store), store.last
        store.put("a", value=1)
        try:
            store.get("b")
        except KeyError as error:
            return empty, store.get("a"), store.limit, error.args, len(store), store.last
    """
    assert learner(source).call(store) == [[0, None], 1, 3, ["b"], 1, "a"]
    assert store.kept == {"a": 1}


def test_an_asynchronous_method_of_an_object_is_awaited(learner):
    clock, store = VirtualClock(), Store()
    store.put("a", 1)
    assert play(learner("async def answer(store): return await store.later(2)"), clock, store) == ["a"]
    assert clock.now() == 2.0


def test_an_argument_that_is_changed_is_changed_for_the_check_too(learner):
    source = """
    def answer(numbers, table, kept, more):
        numbers.sort()
        numbers.append([0])
        table["b"] = 2
        kept.discard(1)
        return sorted(more)
    """
    numbers, table, kept, more = [3, 1], {"a": 1}, {1, 2}, [5, 4]
    assert learner(source).call(numbers, table, kept, more) == [4, 5]
    assert (numbers, table, kept, more) == ([1, 3, [0]], {"a": 1, "b": 2}, {2}, [5, 4])


@pytest.mark.parametrize(
    "puts",
    [
        "table['a'] = Odd()",
        "table[Odd()] = 1",
        "table['a'] = [{1: print}]",
        "numbers.append(Odd)",
        "numbers.append(iter([1]))",
        "numbers.append(ValueError())",
        "numbers.append(numbers)",
        "table['a'] = table",
        "kept.add(Odd())",
    ],
)
def test_a_check_sees_that_something_was_put_into_what_it_handed_over_whatever_that_is(learner, puts):
    def check(answer, draw):
        table, numbers, kept = {"a": 1}, [1, 2], {3}
        answer.call(table, numbers, kept)
        if (table, numbers, kept) != ({"a": 1}, [1, 2], {3}):
            raise NotYet("Your function changed what it was given.")

    source = f"class Odd: pass\ndef answer(table, numbers, kept): {puts}"
    verdict = grading.exercise(check).verdict(lambda: learner(source))
    assert (verdict.outcome, verdict.message) == ("not_yet", "Your function changed what it was given.")


def test_what_can_not_cross_is_told_by_its_type_in_its_place(sandbox):
    source = """
    def answer(table, tell):
        table["a"] = object()
        table["b"].append(print)
        table["c"] = tell
        table["d"] = items = iter([1])
        return list(items)
    """
    away, table = Away(textwrap.dedent(source), sandbox), {"a": 1, "b": [2]}
    assert away.subject.call(table, print) == [1]
    a, b = "something of type object", [2, "something of type builtin_function_or_method"]
    assert table == {"a": a, "b": b, "c": print, "d": "something of type list_iterator"}
    away.end()


def test_a_list_that_an_answer_leaves_alone_stays_as_it_is_whatever_is_in_it(learner):
    chunks = [Chunk(0.5, "one")]
    assert learner("def answer(chunks): return chunks[0].text").call(chunks) == "one"
    assert chunks == [Chunk(0.5, "one")]


def test_what_was_changed_is_as_it_was_once_the_exercise_is_over(sandbox):
    """A check may hand over a constant of its own, and the next submission wants it unchanged."""
    away, constant = Away("def answer(numbers): numbers.clear()", sandbox), [1, [2], 3]
    away.subject.call(constant)
    away.subject.call(constant)
    assert constant == []
    away.subject._line.forget()
    assert constant == [1, [2], 3]
    away.end()


def test_a_generator_of_random_numbers_gives_what_it_gives_beside_and_moves_on(learner):
    source = """
    import random
    def answer(rng):
        assert isinstance(rng, random.Random)
        numbers = list(range(9))
        rng.shuffle(numbers)
        return rng.random(), rng.choices("abc", k=3), rng.gauss(0, 1), rng.randrange(10**30), rng.sample(range(99), 3), numbers
    """
    answer, ours, same = learner(source), Random(5), Random(5)
    here = {}
    exec(textwrap.dedent(source), here)
    for _ in range(3):
        assert answer.call(ours) == plain(here["answer"](same))
        assert ours.getstate() == same.getstate()
        assert ours.random() == same.random()  # the check may draw in between


def test_a_generator_that_is_seeded_anew_is_so_for_the_check(learner):
    ours = Random(5)
    learner("def answer(rng): rng.seed(7)").call(ours)
    assert ours.random() == Random(7).random()


def test_who_draws_from_the_generator_that_all_share_is_seen(learner):
    import random

    before = random.getstate()
    answer = learner("import random\ndef answer(rng, shared): return (random if shared else rng).random()")
    answer.call(Random(1), False)
    assert random.getstate() == before
    answer.call(Random(1), True)
    assert random.getstate() != before


def test_nothing_else_of_an_object_can_be_reached(sandbox):
    source = """
    from course_utils.grade.inside import stand_ins
    def answer(store):
        asked = []
        for name in ("kept", "__class__", "__init__", "__dict__"):
            for do in ("get", "method"):
                try:
                    asked.append(LEARNER.ask({"do": do, "id": LEARNER._stand_ins._ids[store], "name": name, "args": []}))
                except Exception as error:
                    asked.append(str(error))
        return hasattr(store, "kept"), asked
    import gc
    from course_utils.grade.inside.learner import Learner
    LEARNER = next(thing for thing in gc.get_objects() if isinstance(thing, Learner))
    """
    away = Away(textwrap.dedent(source), sandbox)
    with pytest.raises(Lost, match="disturbed"):
        away.subject.call(Store())
    away.end()


def test_what_can_not_be_sent_is_our_fault(sandbox):
    def check(answer, draw):
        answer.call(SimpleNamespace(secret=1))

    away = Away("def answer(thing): return 1", sandbox)
    assert grading.exercise(check).verdict(lambda: away.subject).outcome == "could_not_check"
    away.end()


# --------------------------------------------------------------------------------------------------------- the real exercises


def remote(exercise, function):
    with on_one_processor():
        fork = grading.Fork(exercise.function, function)
        try:
            return exercise.verdict(lambda: RemoteSubject(Line(fork.lines), exercise.function))
        finally:
            fork.end()


WAVERING = (
    "uses a clock of its own",
    "makes a generator of its own",
    "uses the generator that all share",
    "has a chance of its own",
)
"""Wrong answers with something real in them, that differs from run to run."""
COPIED = ("sends the list itself and goes on using it",)
"""Wrong answers that change later what they handed to a function of the check's, which gets a copy: refused by another case."""


@pytest.fixture
def nothing_kept(monkeypatch):
    """One wrong answer keeps its cache for ever, also that of another test in this process."""
    monkeypatch.setattr(ex_2_2, "_KEPT", [])


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize(
    ("exercise", "wrong"),
    [(e, w) for e in ALL for w in e.wrong_answers],
    ids=lambda v: getattr(v, "name", None) or v.id,
)
def test_a_wrong_answer_gets_the_same_verdict_from_afar(exercise, wrong):
    verdict = remote(exercise, wrong.answer)
    if wrong.name in COPIED:
        assert verdict.outcome == "not_yet"
        return
    assert wrong.says in verdict.message
    beside = exercise.judge(wrong.answer)
    if wrong.name not in WAVERING:
        assert verdict == beside


@pytest.mark.parametrize(("exercise", "right"), [(e, a) for e in ALL for a in e.right_answers])
def test_a_right_answer_passes_from_afar(exercise, right):
    assert remote(exercise, right).passed


@pytest.mark.parametrize(
    "items", ["range(3)", "{0: 1, 1: 1, 2: 1}.keys()", "map(int, '012')", "numpy.arange(3)", "[numpy.int64(2)]"]
)
def test_what_holds_plain_values_can_be_handed_over(items, learner):
    source = f"""
        import numpy
        def answer(total): return total({items})
    """
    assert learner(source).call(sum) in (3, 2)


def test_an_endless_iterator_can_not_be_handed_over(sandbox):
    away = Away("from itertools import count\ndef answer(total): return total(count())", sandbox)
    with pytest.raises(Raised, match="not something of type count"):
        away.subject.call(sum)
    away.end()


def answers(exercise):
    """All answers of an exercise's module as cells: (source, whether it is right)."""
    text = inspect.getsource(inspect.getmodule(exercise.check))
    imports, helpers = [], []
    for node in ast.parse(text).body:
        source = ast.get_source_segment(text, node)
        if isinstance(node, ast.Import | ast.ImportFrom) and "course_utils.checks" not in source:
            imports.append(source)
        elif isinstance(node, ast.FunctionDef) and node.name == "_":
            right = ast.unparse(node.decorator_list[0]) == "EXERCISE.right"
            yield "\n".join(imports), helpers, source.replace("def _(", f"def {exercise.function}(", 1), right
        elif isinstance(node, ast.FunctionDef) and node.name == "_reference":
            helpers.append(source)
        elif isinstance(node, ast.Expr) and ast.unparse(node).startswith("EXERCISE.wrong"):
            made = ast.get_source_segment(text, node.value.args[0])
            yield "\n".join(imports), helpers, f"{exercise.function} = {made}", False


@pytest.mark.parametrize(
    "exercise", [e for e in ALL if e.id.startswith("1.")], ids=lambda exercise: exercise.id
)  # those of lesson 2 are made by functions of their modules, and can't be cut out as text
def test_answers_in_notebooks_get_the_verdicts_they_get_beside_the_check(exercise, sandbox):
    """A sample through the whole way; the fork above has tried them all."""
    found = list(answers(exercise))
    assert len(found) == len(exercise.wrong_answers) + len(exercise.right_answers)
    wrong = iter(exercise.wrong_answers)
    for number, (imports, helpers, source, right) in enumerate(found):
        expected = "passed" if right else next(wrong).says
        if number % 3 and not right:
            continue
        marks = mark(grading.notebook(imports, *helpers, source), [exercise.id], sandbox)
        verdict = marks.verdicts[exercise.id]
        assert verdict.outcome == ("passed" if right else "not_yet"), verdict
        assert right or expected in verdict.message


def test_a_check_may_catch_what_the_learner_raised_and_go_on(learner):
    def check(answer, draw):
        try:
            answer.call(0)
        except Raised as raised:
            assert raised.kind == "ZeroDivisionError"
        if answer.call(2) != 0.5:
            raise NotYet("no")

    assert grading.exercise(check).verdict(lambda: learner("def answer(x): return 1 / x")).passed


@pytest.mark.parametrize("deadline", ["float('nan')", "float('inf')", "'soon'", "[]", "True", "-1.0"])
def test_a_forged_time_ends_the_call_and_not_the_grader(sandbox, deadline):
    source = f"""
    import asyncio
    from course_utils.grade.inside.guest import GuestLoop
    GuestLoop._next_due = lambda self: {deadline}
    GuestLoop.run_until_idle = lambda self, now: {deadline}
    async def answer(): await asyncio.sleep(1)
    """
    away = Away(textwrap.dedent(source), sandbox)
    away.subject._line.limit = 0.3
    with pytest.raises(Lost):
        play(away.subject, VirtualClock())
    away.end()


def test_a_stream_that_the_check_has_read_from_goes_on_where_it_was(learner):
    stream = opener(mock())()
    assert next(stream).choices[0].delta.role == "assistant"
    source = """
    import openai
    def answer(stream):
        assert isinstance(stream, openai.Stream)
        with stream:
            return [chunk.choices[0].delta.content for chunk in stream]
    """
    assert learner(source).call(stream) == ["One", " two", " three", None]


def test_events_of_the_responses_dialect_have_their_types(learner):
    server = mock()
    client = server.client()
    source = """
    def answer(send):
        return [(event.type, type(event).__name__) for event in send() if event.type.endswith("delta")]
    """
    got = learner(source).call(lambda: client.responses.create(model=server.model, input="Hi", stream=True))
    assert got == [["response.output_text.delta", "ResponseTextDeltaEvent"]] * 3


def test_an_asynchronous_stream_that_the_check_opens_is_the_sdks(learner):
    server = mock()
    client = server.async_client()

    async def send():
        return await client.chat.completions.create(model=server.model, messages=HELLO, stream=True)

    source = """
    import openai
    async def answer(send, clock):
        stream = await send()
        assert isinstance(stream, openai.AsyncStream)
        return [(clock(), chunk.choices[0].delta.content) async for chunk in stream if chunk.choices[0].delta.content]
    """
    got = play(learner(source), server.clock, send, server.clock.now)
    assert got == [[1.0, "One"], [1.5, " two"], [2.0, " three"]]
