import asyncio
from itertools import pairwise
from math import e

import pytest

from course_utils import metrics
from course_utils.clock import VirtualClock, run
from course_utils.load import Sample, closed_loop, open_loop
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import Chunk, Timeline, arecord

QUESTION = [{"role": "user", "content": "Count"}]
WHOLE = Timeline(0.125, (Chunk(0.25), Chunk(0.5, "Hi"), Chunk(0.75, "!")), "stop")


def play(loop, **options) -> list[Sample]:
    """The samples of a run against a clock of its own; ``call(clock)`` is one request."""
    clock = VirtualClock(start=16.0)
    call = options.pop("call", instant)

    async def gathered():
        return [sample async for sample in loop(lambda: call(clock), clock=clock, **options)]

    return run(gathered(), clock)


async def instant(clock) -> Timeline:
    return WHOLE


def answered_after(seconds):
    async def call(clock):
        await clock.asleep(seconds)
        return WHOLE

    return call


def test_an_open_loop_sends_by_its_schedule_however_slow_the_answers_are():
    samples = play(open_loop, call=answered_after(10), rate=4, count=5)
    assert [(sample.due, sample.sent) for sample in samples] == [(at, at) for at in (0, 0.25, 0.5, 0.75, 1.0)]


def test_with_a_seed_the_gaps_are_random_and_the_same_again():
    first, again = (play(open_loop, rate=10, count=2000, seed=3) for _ in range(2))
    assert first == again != play(open_loop, rate=10, count=2000, seed=4)
    assert first[-1].due == pytest.approx(200, rel=0.1)
    short = sum(later.due - earlier.due < 0.1 for earlier, later in pairwise(first))
    assert short / 2000 == pytest.approx(1 - 1 / e, abs=0.04)  # an exponential distribution's share below its mean


def test_a_user_of_a_closed_loop_waits_for_the_answer_before_asking_again():
    samples = play(closed_loop, call=answered_after(2), users=2, count=6)
    assert sorted(sample.sent for sample in samples) == [0, 0, 2, 2, 4, 4]
    assert all(sample.late == 0 for sample in samples)


def test_a_latency_counts_from_when_the_request_was_due():
    late = Sample(due=1.0, sent=1.5, timeline=WHOLE)
    assert late.since_due(metrics.ttft) == 1.0
    assert late.since_due(metrics.e2e) == 1.25


def test_a_blocked_client_makes_the_samples_late_not_the_server_slow():
    async def blocking(clock):
        clock.sleep(1)
        return WHOLE

    assert [sample.late for sample in play(open_loop, call=blocking, rate=2, count=3)] == [0, 0.5, 1.0]


@pytest.mark.parametrize(
    "model, error",
    [
        ("mock-1;cut=1", "APIConnectionError"),
        ("mock-1;error=429", "RateLimitError 429"),
        ("mock-1;error-at=1", "APIError"),
        ("mock-1;end=1", "ended without a finish reason"),
    ],
)
def test_a_failed_request_is_counted_and_has_no_latency(model, error):
    (sample,) = play(open_loop, call=asking(model), rate=1, count=1)
    assert sample.error == error
    with pytest.raises(ValueError, match="has no latency"):
        sample.since_due(metrics.e2e)


def test_what_had_come_of_a_failed_request_is_kept():
    (sample,) = play(open_loop, call=asking("mock-1;cut=1"), rate=1, count=1)
    assert sample.timeline.text == "one"


def test_an_answer_without_text_is_no_answer():
    (sample,) = play(open_loop, call=asking("mock-1;refusal"), rate=1, count=1)
    assert sample.error == "no text"


def asking(model):
    """A call of the real SDK to a mock that says two words."""

    async def call(clock):
        server = MockServer("one two", pace=Pace(headers=0.25, ttft=0.5, itl=0.25), clock=clock)
        async with server.async_client() as client:
            request = {"model": model, "messages": QUESTION, "stream": True}
            return await arecord(client.chat.completions.create, clock=clock, **request)

    return call


def test_a_request_that_reaches_its_deadline_has_failed():
    async def call(clock):
        async with asyncio.timeout(1):
            return await answered_after(5)(clock)

    assert [sample.error for sample in play(closed_loop, call=call, users=1, count=2)] == ["TimeoutError"] * 2


def test_an_open_loop_gives_up_what_a_dead_server_would_pile_up():
    samples = play(open_loop, call=answered_after(100), rate=1, count=5, most=3)
    assert [sample.error for sample in samples].count("given up: 3 requests were under way") == 2
    assert len(samples) == 5


def test_leaving_the_loop_cancels_what_is_under_way():
    clock, cancelled = VirtualClock(), []

    async def call():
        try:
            await clock.asleep(100)
        except asyncio.CancelledError:
            cancelled.append(clock.now())
            raise

    async def impatient():
        samples = open_loop(call, rate=1, count=3, clock=clock)
        waiting = asyncio.ensure_future(anext(samples))
        await clock.asleep(5)
        waiting.cancel()
        await asyncio.wait([waiting])

    run(impatient(), clock)
    assert cancelled == [5.0] * 3


def test_a_mistake_in_the_call_itself_is_not_a_failed_request():
    async def call(clock):
        raise TypeError("missing argument")

    with pytest.raises(ExceptionGroup) as raised:
        play(open_loop, call=call, rate=1, count=1)
    assert raised.group_contains(TypeError, match="missing argument")


@pytest.mark.parametrize(
    "loop, options", [(open_loop, {"rate": 0, "count": 1}), (closed_loop, {"users": 0, "count": 1})]
)
def test_a_run_of_nothing_is_refused(loop, options):
    with pytest.raises(ValueError, match="expected"):
        play(loop, **options)


def test_a_closed_loop_asks_less_while_the_server_is_frozen_and_so_counts_it_too_rarely():
    async def frozen_for_half_of_the_time(clock):
        since_thaw = clock.now() % 16
        await clock.asleep(0.5 if since_thaw < 8 else 16 - since_thaw)
        return Timeline(0.0, (Chunk(clock.now(), "!"),), "stop")

    def share_of_slow(samples):
        waits = [sample.timeline.chunks[0].at - 16 - sample.due for sample in samples]
        return sum(wait > 0.5 for wait in waits) / len(waits)

    assert share_of_slow(play(closed_loop, call=frozen_for_half_of_the_time, users=1, count=170)) == 1 / 17
    assert share_of_slow(play(open_loop, call=frozen_for_half_of_the_time, rate=1, count=96)) == 0.5
