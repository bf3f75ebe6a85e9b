import asyncio
import subprocess
import sys

import pytest

from course_utils.clock import NothingToWaitFor, RealClock, VirtualClock, course_clock, play, run
from course_utils.metrics import e2e, ttfv
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import Timeline, arecord, record

QUESTION = [{"role": "user", "content": "Why is the sky blue?"}]


def ask(mock: MockServer, client) -> "asyncio.Future[Timeline]":
    return arecord(client.chat.completions.create, model=mock.model, messages=QUESTION, stream=True, clock=mock.clock)


def test_a_virtual_sleep_moves_the_clock_by_exactly_that_much():
    clock = VirtualClock()
    clock.sleep(0.25)
    clock.sleep_until(7.0)
    assert clock.now() == 7.0


def test_a_virtual_clock_never_goes_back():
    clock = VirtualClock(start=5.0)
    clock.sleep_until(3.0)
    assert clock.now() == 5.0


def test_concurrent_sleeps_overlap_in_virtual_time():
    clock = VirtualClock()

    async def main():
        await asyncio.gather(asyncio.sleep(2), asyncio.sleep(3), clock.asleep(1))

    run(main(), clock)
    assert clock.now() == 3.0


def test_a_time_out_cuts_a_virtual_stream_at_its_deadline():
    clock = VirtualClock()

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.65):
                await clock.asleep(10)
        return clock.now()

    assert run(main(), clock) == 0.65


def test_a_sync_sleep_inside_the_loop_delays_everybody():
    clock = VirtualClock()

    async def other():
        await asyncio.sleep(0.5)
        return clock.now()

    async def blocker():
        clock.sleep(2.0)

    async def main():
        return (await asyncio.gather(other(), blocker()))[0]

    assert run(main(), clock) == 2.0


def test_waiting_for_what_cannot_come_is_an_error_not_a_hang():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(NothingToWaitFor, match="no timer is left"):
        run(main())


def test_tasks_left_over_are_cancelled_at_the_end():
    seen = []

    async def forever():
        try:
            await asyncio.sleep(1e9)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main():
        task = asyncio.create_task(forever())
        await asyncio.sleep(1)
        return task.done()

    assert run(main()) is False
    assert seen == ["cancelled"]


def test_the_virtual_loop_runs_inside_a_running_loop_and_gives_it_back():
    clock = VirtualClock()

    async def inner():
        await asyncio.sleep(40)
        return clock.now()

    async def outer():
        before = asyncio.current_task()
        result = await clock.play(inner())
        await asyncio.sleep(0)
        return result, asyncio.current_task() is before

    assert asyncio.run(outer()) == (40.0, True)


def test_awaiting_virtual_time_on_another_loop_says_what_to_write():
    async def main():
        await VirtualClock().asleep(1)

    with pytest.raises(RuntimeError, match=r"await play\(main\(\)\)"):
        asyncio.run(main())


def test_play_uses_the_clock_of_the_course():
    async def main():
        await asyncio.sleep(1000)
        return "done"

    assert asyncio.run(play(main())) == "done"
    assert isinstance(course_clock(), VirtualClock)


def test_one_stream_is_exact_to_the_last_digit():
    mock = MockServer(pace=Pace(ttft=0.5, itl=0.1), clock=VirtualClock())
    with mock.client() as client:
        timeline = record(
            client.chat.completions.create, model=mock.model, messages=QUESTION, stream=True, clock=mock.clock
        )
    assert [chunk.at for chunk in timeline.chunks[:5]] == [0.05, 0.5, 0.6, 0.7, 0.8]


def users(count: int) -> list[Timeline]:
    mock = MockServer(pace=Pace(ttft=0.5, itl=0.1), clock=VirtualClock())

    async def main():
        async with mock.async_client() as client:
            return await asyncio.gather(*(ask(mock, client) for _ in range(count)))

    return run(main(), mock.clock)


def test_three_concurrent_users_do_not_wait_for_each_other():
    assert [(ttfv(one), e2e(one)) for one in users(3)] == [(0.5, 4.4)] * 3


def test_a_hundred_users_see_the_scripted_ttft_exactly_twenty_times_in_a_row():
    first = users(100)
    assert {ttfv(one) for one in first} == {0.5}
    assert all(users(100) == first for _ in range(19))


def test_a_sync_client_in_async_code_makes_the_users_queue():
    mock = MockServer(pace=Pace(ttft=0.5, itl=0.5), clock=VirtualClock(), reply="one two")

    async def user(client):
        return record(
            client.chat.completions.create, model=mock.model, messages=QUESTION, stream=True, clock=mock.clock
        )

    async def main():
        sent = mock.clock.now()
        with mock.client() as client:
            await asyncio.gather(*(user(client) for _ in range(3)))
        return [entry.token_times[0] - sent for entry in mock.ledger]

    assert run(main(), mock.clock) == [0.5, 1.5, 2.5]


def test_a_semaphore_lets_two_of_four_users_in_at_a_time():
    mock = MockServer(pace=Pace(ttft=0.5, itl=0.5), clock=VirtualClock(), reply="one two")

    async def user(client, gate):
        async with gate:
            await ask(mock, client)

    async def main():
        gate = asyncio.Semaphore(2)
        async with mock.async_client() as client:
            await asyncio.gather(*(user(client, gate) for _ in range(4)))

    run(main(), mock.clock)
    assert [entry.arrived for entry in mock.ledger] == [0.0, 0.0, 1.0, 1.0]
    assert mock.ledger.peak == 2


def test_a_cancelled_user_leaves_and_the_others_go_on():
    mock = MockServer(pace=Pace(ttft=0.5, itl=0.1), clock=VirtualClock())

    async def main():
        async with mock.async_client() as client:
            impatient = asyncio.create_task(ask(mock, client))
            patient = asyncio.create_task(ask(mock, client))
            await asyncio.sleep(0.65)
            impatient.cancel()
            return await patient

    assert e2e(run(main(), mock.clock)) == 4.4
    assert [(entry.ended, entry.tokens_generated) for entry in mock.ledger] == [("client_left", 2), ("complete", 40)]


def test_a_clock_wants_a_speed_above_zero():
    with pytest.raises(ValueError, match="above 0"):
        RealClock(speed=0)


@pytest.mark.live
def test_a_real_clock_at_double_speed_runs_ahead_of_the_wall():
    fast, wall = RealClock(speed=20), RealClock()
    fast.sleep(1)
    assert fast.now() >= 1.0 > wall.now()


def test_an_unknown_clock_is_refused_by_name():
    code = "from course_utils.clock import course_clock; course_clock()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"COURSE_CLOCK": "lunar"}, capture_output=True, text=True, check=False
    )
    assert "must be 'real' or 'virtual', got 'lunar'" in done.stderr


def test_a_thread_in_virtual_time_is_refused():
    async def main():
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="virtual time has no threads"):
        run(main())


@pytest.mark.parametrize("seconds", [2e7, 1e12])
def test_a_very_long_sleep_ends(seconds):
    clock = VirtualClock()
    run(asyncio.sleep(seconds), clock)
    run(asyncio.sleep(1.5), clock)
    assert clock.now() == seconds + 1.5


def test_sleeping_for_ever_with_nobody_else_is_an_error():
    with pytest.raises(NothingToWaitFor):
        run(asyncio.sleep(float("inf")))


def test_a_play_inside_a_play_shares_its_loop():
    clock = VirtualClock()

    async def user():
        await asyncio.sleep(1)
        return clock.now()

    async def main():
        return await asyncio.gather(clock.play(user()), clock.play(user()))

    assert run(main(), clock) == [1.0, 1.0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals to oneself work differently there")
def test_the_stop_button_interrupts_an_endless_play_in_an_asynchronous_cell():
    import os
    import signal

    async def spin():
        await asyncio.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            await asyncio.sleep(1)

    async def cell():
        await VirtualClock().play(spin())

    def kernel(signum, frame):
        raise AssertionError("the handler of the kernel must stand aside")

    before = signal.signal(signal.SIGINT, kernel)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.new_event_loop().run_until_complete(cell())
        assert signal.getsignal(signal.SIGINT) is kernel
    finally:
        signal.signal(signal.SIGINT, before)
