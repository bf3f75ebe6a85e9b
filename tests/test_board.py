"""A board: the newest text for each reader, when she is ready."""

import asyncio

import pytest

from course_utils.board import Board
from course_utils.clock import VirtualClock, run


@pytest.fixture
def clock():
    return VirtualClock()


async def read(board, clock, seconds, seen):
    async for text in board:
        await clock.asleep(seconds)
        seen.append((clock.now(), text))


def shown(clock, *readers):
    """What readers with these delays see of five texts, written a second apart; the first at 1 s."""

    async def main():
        board, screens = Board(), [[] for _ in readers]
        async with asyncio.TaskGroup() as group:
            for seconds, seen in zip(readers, screens, strict=True):
                group.create_task(read(board, clock, seconds, seen))
            for text in "abcde":
                await clock.asleep(1)
                board.write(text)
            board.close()
        return screens

    return run(main(), clock)


def test_a_quick_reader_sees_every_text_when_it_is_written(clock):
    assert shown(clock, 0) == [[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]]


def test_a_slow_reader_skips_what_was_overwritten_and_ends_with_the_last(clock):
    assert shown(clock, 2.5) == [[(3.5, "a"), (6, "c"), (8.5, "e")]]


def test_a_slow_reader_keeps_nobody_waiting(clock):
    quick, _ = shown(clock, 0, 10)
    assert quick[-1] == (5, "e")


def test_whoever_comes_late_sees_what_stands_there(clock):
    async def main():
        board, seen = Board(), []
        board.write("early")
        board.close()
        await read(board, clock, 0, seen)
        return seen

    assert run(main(), clock) == [(0, "early")]


def test_a_text_that_is_written_again_is_news(clock):
    async def main():
        board = Board()
        board.write("same")
        looking = aiter(board)
        first = await anext(looking)
        board.write("same")
        return first, await anext(looking)

    assert run(main(), clock) == ("same", "same")


def test_a_board_on_which_nothing_was_written_ends_when_it_is_closed(clock):
    async def main():
        board = Board()
        board.close()
        return [text async for text in board]

    assert run(main(), clock) == []
