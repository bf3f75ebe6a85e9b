import random

import pytest

from course_utils import sse
from course_utils.reads import shake, share_wrong

BODY = "data: né\n\n".encode() * 10


def right(reads):
    return [event.data for event in sse.decode(reads)]


def careless(reads):
    for read in reads:
        yield from (block.removeprefix("data: ") for block in read.decode().split("\n\n") if block)


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_pieces_are_no_larger_than_asked_for_and_together_the_whole(most):
    pieces = shake(BODY, most, random.Random(0))
    assert b"".join(pieces) == BODY
    assert all(1 <= len(piece) <= most for piece in pieces)


def test_the_right_parser_is_never_wrong_and_the_careless_one_whenever_something_is_split():
    assert share_wrong(right, BODY, ["né"] * 10, 5) == 0
    assert share_wrong(careless, BODY, ["né"] * 10, 5) == 1


def test_a_read_that_may_hold_everything_is_split_as_often_as_chance_will_have_it():
    half = share_wrong(careless, BODY, ["né"] * 10, 2 * len(BODY), times=400)
    assert 0.35 < half < 0.55  # a whole one in half of the cases, and a split between two events does no harm


def test_every_parser_gets_the_same_splits():
    assert share_wrong(careless, BODY, ["né"] * 10, 150) == share_wrong(careless, BODY, ["né"] * 10, 150)


def test_a_mistake_of_the_program_is_no_wrong_answer():
    with pytest.raises(TypeError):
        share_wrong(lambda reads: len(reads) + None, BODY, [], 10)
    with pytest.raises(ValueError, match="most=0"):
        share_wrong(right, BODY, [], 0)
