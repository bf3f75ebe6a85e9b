import math
import re
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


# Waiting for others: ``busy`` has the seconds until each other answer is finished.


@pytest.mark.parametrize(
    ("slots", "busy", "wait"),
    [
        (1, [], 0.0),
        (1, [3.0], 3.0),
        (1, [3.0, 7.0], 7.0),
        (2, [3.0], 0.0),
        (2, [7.0, 3.0], 3.0),
        (2, [7.0, 3.0, 5.0], 5.0),
        (2, [7.0, 3.0, 5.0, 9.0], 7.0),
        (None, [7.0, 3.0, 5.0], 0.0),
    ],
)
def test_beyond_the_slots_an_answer_waits_for_the_one_whose_slot_it_gets(slots, busy, wait):
    pace = Pace(ttft=0.5, itl=0.25, slots=slots)
    assert pace.token_times(3, busy=busy) == [wait + 0.5, wait + 0.75, wait + 1.0]


def test_each_other_answer_lengthens_the_steps_and_not_the_start():
    pace = Pace(ttft=0.5, itl=0.25, batch=0.5)
    assert pace.token_times(3) == [0.5, 0.75, 1.0]
    assert pace.token_times(3, busy=[9.0]) == [0.5, 0.875, 1.25]
    assert pace.token_times(3, busy=[9.0, 9.0]) == [0.5, 1.0, 1.5]


def test_who_has_finished_when_an_answer_begins_is_not_in_its_batch():
    pace = Pace(ttft=0.5, itl=0.25, batch=1, slots=2)
    assert pace.token_times(2, busy=[3.0, 7.0]) == [3.5, 4.0]  # one is left beside it
    assert pace.token_times(2, busy=[3.0, 3.0]) == [3.5, 3.75]  # none is


def test_a_burst_comes_when_its_last_token_would():
    assert Pace(ttft=1, itl=1, burst=3).token_times(8) == [1, 4, 4, 4, 7, 7, 7, 10]


@pytest.mark.parametrize("jitter", [0, 0.5])
@pytest.mark.parametrize("burst", [2, 3, 5])
def test_bursts_have_the_mean_rate_of_single_tokens(burst, jitter):
    count = 1 + 30  # the first, and whole bursts of each size
    single = Pace(itl=0.25, jitter=jitter).token_times(count, seed="a")
    bursts = Pace(itl=0.25, jitter=jitter, burst=burst).token_times(count, seed="a")
    assert bursts[::burst] == single[::burst]
    assert len(set(bursts)) == 1 + 30 // burst


def test_prefill_queue_pause_and_batch_add_up():
    pace = Pace(ttft=0.5, itl=0.25, prefill=0.125, pauses=((1, 2.0),), slots=1, batch=9)
    assert pace.token_times(3, prompt_tokens=4, busy=[3.0]) == [4.0, 6.25, 6.5]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"headers": -1}, "expected 0 <= headers <= ttft, got headers=-1"),
        ({"headers": math.nan}, "got headers=nan"),
        ({"ttft": math.nan}, "ttft=nan"),
        ({"ttft": math.inf}, "nothing takes for ever"),
        ({"itl": math.inf}, "nothing takes for ever"),
        ({"pauses": ((1, math.inf),)}, "nothing takes for ever"),
        ({"pauses": ((1, math.nan),)}, "can't be negative"),
        ({"batch": -0.5}, "batch=-0.5"),
        ({"batch": math.nan}, "batch=nan"),
        ({"prefill": math.nan}, "prefill=nan"),
        ({"jitter": -0.1}, "jitter=-0.1"),
        ({"burst": 0}, "whole numbers from 1 on, got burst=0"),
        ({"burst": 1.5}, "got burst=1.5"),
        ({"slots": 0}, "slots=0"),
        ({"slots": math.nan}, "slots=nan"),
    ],
)
def test_a_pace_that_can_not_be_is_refused_with_what_came(wrong, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Pace(**wrong)
