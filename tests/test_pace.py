from itertools import pairwise

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


def test_prefill_delays_the_first_token_by_each_token_of_the_prompt():
    assert Pace(ttft=0.5, itl=0.25, prefill=0.125).token_times(2, prompt_tokens=4) == [1.0, 1.25]


def test_jitter_keeps_the_first_token_and_the_mean_gap():
    times = Pace(ttft=0.5, itl=0.1, jitter=0.4).token_times(5001, seed="a")
    assert times[0] == 0.5
    assert (times[-1] - times[0]) / 5000 == pytest.approx(0.1, rel=0.03)
    assert len({round(b - a, 6) for a, b in pairwise(times)}) > 1000


def test_jitter_is_decided_by_the_seed():
    pace = Pace(jitter=0.4)
    assert pace.token_times(9, seed="a") == pace.token_times(9, seed="a") != pace.token_times(9, seed="b")


@pytest.mark.parametrize("count", [0, 1])
def test_jitter_is_content_with_short_answers(count):
    assert Pace(ttft=0.5, jitter=1).token_times(count) == [0.5] * count


@pytest.mark.parametrize("wrong", [{"prefill": -1}, {"jitter": 4}, {"jitter": float("nan")}])
def test_a_latency_model_out_of_bounds_is_refused(wrong):
    with pytest.raises(ValueError, match="jitter lies between 0 and 3"):
        Pace(**wrong)
