"""Work is counted in lines, the same way on every machine."""

import sys

import pytest

from course_utils.steps import Steps, TooMuchWork


def ours():
    total = 0
    for number in range(50):
        total += number
    return total


def theirs(number):
    total = 0
    for _ in range(number):
        total += 1
    return total


def test_each_line_is_counted_each_time_it_is_run():
    with Steps(1000) as steps:
        theirs(10)
    assert steps.count == 1 + 11 + 10 + 1


def test_a_loop_in_one_line_is_counted_too():
    with Steps(1000) as steps:
        (lambda: [number for number in range(100)])()
    assert steps.count >= 100


def test_lines_of_ours_and_of_libraries_are_not_counted():
    import textwrap

    with Steps(1000, (ours,)) as steps:
        ours()
        textwrap.dedent("  x\\n  y")
    assert steps.count == 0


def test_too_much_work_is_no_exception_and_ends_it():
    with pytest.raises(TooMuchWork, match="more than 20 lines"), Steps(20):
        try:
            theirs(100)
        except Exception:  # noqa: BLE001  # what a learner might write
            pytest.fail("it was caught")


def test_a_generator_is_counted_from_one_piece_to_the_next():
    def pieces():
        yield theirs(3)
        yield theirs(3)

    steps, items = Steps(1000), pieces()
    for _ in range(2):
        with steps:
            next(items)
        theirs(100)
    assert steps.count == 2 * (1 + 1 + 4 + 3 + 1)


def test_a_debugger_goes_on_afterwards():
    def debugger(frame, event, arg):
        return None

    before = sys.gettrace()
    sys.settrace(debugger)
    try:
        with Steps(10):
            pass
        assert sys.gettrace() is debugger
    finally:
        sys.settrace(before)
