import re
from statistics import fmean, stdev

import pytest

from course_utils.intervals import interval
from course_utils.twins import REACH, compare_twins, plot_twins
from course_utils.widgets import TwinsWidget


def test_twins_do_not_differ_in_the_long_run():
    found = compare_twins(400)
    assert interval(found)[0] < 0 < interval(found)[1]
    assert fmean(value > 0 for value in found) == pytest.approx(0.5, abs=0.07)


def test_few_pairs_have_winners_and_another_seed_has_another():
    wins = {seed: sum(value > 0 for value in compare_twins(10, seed=seed)) for seed in range(20)}
    assert min(wins.values()) < 5 < max(wins.values())


def test_one_length_helps_more_than_ten_times_the_pairs():
    """The interval of a mean is as wide as the spread through the root of n."""
    assert stdev(compare_twins(100, same_length=True)) < stdev(compare_twins(100)) / 10**0.5
    low, high = interval(compare_twins(30, same_length=True))
    wide = interval(compare_twins(100))
    assert high - low < wide[1] - wide[0]


def test_no_pair_is_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        compare_twins(0)


def test_the_scale_stays():
    few, many = (plot_twins(pairs, seed=3) for pairs in (2, 100))
    marks = [re.findall(r">([-+]\d+)<", figure.svg) for figure in (few, many)]
    assert marks[0] == marks[1] == ["-15", "-10", "-5", "+5", "+10", "+15"]
    assert float(marks[0][-1]) == REACH


def test_the_widget_does_what_the_code_does():
    widget = TwinsWidget(4)
    assert widget.figure == plot_twins(4)
    widget.pairs.value = 40
    widget.same_length.value = True
    assert widget.figure == plot_twins(40, same_length=True)
    widget.again.click()
    assert widget.figure == plot_twins(40, same_length=True, seed=1)
    assert widget.figure.svg in widget.view.value
    assert repr(widget).startswith("TwinsWidget(pairs=40, same_length=True)")
