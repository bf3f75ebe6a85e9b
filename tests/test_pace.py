import pytest

from course_utils.pace import Pace


def test_tokens_come_at_products_of_the_inter_token_latency():
    assert Pace(ttft=0.5, itl=0.25).token_times(4) == [0.5, 0.75, 1.0, 1.25]


def test_a_pause_moves_the_tokens_after_it():
    assert Pace(ttft=1, itl=1, pauses=((2, 4.0),)).token_times(4) == [1, 2, 7, 8]


def test_headers_cannot_come_after_the_first_token():
    with pytest.raises(ValueError, match=r"headers=2, ttft=1"):
        Pace(headers=2, ttft=1)


@pytest.mark.parametrize(
    "wrong", [{"itl": -1}, {"itl": float("nan")}, {"pauses": ((0, 1.0),)}, {"pauses": ((3, -1.0),)}]
)
def test_negative_times_are_refused(wrong):
    with pytest.raises(ValueError, match="can't be negative"):
        Pace(**wrong)
