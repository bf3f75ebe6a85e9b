import random
import re
from statistics import fmean

import pytest

from course_utils.intervals import FEWEST, interval, plot_differences

SIDES = {"below": "faster", "above": "slower"}
SPREAD = [number - 14.5 for number in range(30)]


def test_an_interval_holds_the_mean_and_moves_with_the_values():
    low, high = interval(SPREAD)
    assert low < fmean(SPREAD) == 0 < high
    assert interval([value + 8 for value in SPREAD]) == (low + 8, high + 8)


def test_values_that_are_all_alike_leave_no_doubt():
    assert interval([0.25] * 30) == (0.25, 0.25)


def test_four_times_the_values_halve_the_interval():
    low, high = interval(SPREAD)
    narrow = interval(SPREAD * 4)
    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 2, rel=0.1)


def test_it_is_as_wide_as_the_textbook_says():
    """For thirty values the interval of Student's t is 2.045 standard errors to each side; this kind is a little narrower."""
    error = (sum(value**2 for value in SPREAD) / 29 / 30) ** 0.5
    low, high = interval(SPREAD)
    assert 1.8 * error < (high - low) / 2 < 2.045 * error


def test_nineteen_of_twenty_intervals_hold_the_truth_nearly():
    draw = random.Random(1)
    samples = [[draw.gauss(3, 2) for _ in range(30)] for _ in range(100)]
    assert 90 <= sum(low <= 3 <= high for low, high in map(interval, samples)) <= 98


def test_a_smaller_share_is_a_narrower_interval_and_a_seed_draws_again():
    low, high = interval(SPREAD)
    narrow = interval(SPREAD, share=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert interval(SPREAD, seed=1) != (low, high) == interval(SPREAD)


@pytest.mark.parametrize(("values", "share"), [([1.0], 0.95), ([1.0, 2.0], 1.0), ([1.0, 2.0], 0)])
def test_one_value_or_no_share_is_refused(values, share):
    with pytest.raises(ValueError, match="two values or more and a share between 0 and 1"):
        interval(values, share=share)


def test_a_dot_stands_on_the_side_of_its_sign_and_nothing_in_the_middle():
    figure = plot_differences({"pairs": [-1.0, 0.0, 1.0]}, title="Pairs", **SIDES)
    left, zero, right = (float(x) for x in re.findall(r"M([\d.]+) \d+h0", figure.svg))
    assert right - zero == pytest.approx(zero - left)
    assert f'd="M{zero:g} 68V' in figure.svg


def test_what_lies_beyond_the_scale_is_drawn_at_its_end():
    figure = plot_differences({"pairs": [-9.0, -4.0, 0.0, 4.0, 9.0]}, title="Pairs", reach=4, **SIDES)
    far, low, _, high, further = (float(x) for x in re.findall(r"M([\d.]+) \d+h0", figure.svg))
    assert (far, further) == (low, high)


def test_the_picture_says_who_won_how_often_and_the_interval_where_there_are_enough():
    low, high = interval(SPREAD)
    figure = plot_differences({"few": [-1.0, 2.0, 3.0], "<many>": SPREAD}, title="Pairs", **SIDES)
    assert figure.reading.splitlines() == [
        "Pairs.",
        "few: faster 1 times, slower 2 times.",
        f"<many>: faster 15 times, slower 15 times, mean +0.00 s ({low:+.2f} to {high:+.2f}).",
    ]
    assert "&lt;many&gt;" in figure.svg
    assert len(SPREAD) >= FEWEST > 3


@pytest.mark.parametrize("groups", [{}, {"a": []}])
def test_nothing_to_draw_is_refused(groups):
    with pytest.raises(ValueError, match="at least one"):
        plot_differences(groups, title="Nothing", **SIDES)
