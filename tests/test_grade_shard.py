"""Shards: each learner is in exactly one, and which one it is comes from the command line or from a Kubernetes Job."""

import pytest

from course_utils.grade.shard import INDEX, Shard, read

NAMES = [f"learner {number} ☂ \ud800" for number in range(3000)]


@pytest.mark.parametrize("of", [1, 2, 7, 100])
def test_each_learner_is_in_exactly_one_shard(of):
    assert all(sum(Shard(number, of).has(name) for number in range(1, of + 1)) == 1 for name in NAMES[:100])


def test_shards_are_about_as_large_as_each_other():
    sizes = [sum(map(Shard(number, 10).has, NAMES)) for number in range(1, 11)]
    assert sum(sizes) == 3000
    assert min(sizes) > 200


def test_more_learners_move_nobody():
    """`printf alice | sha256sum` begins with 2bd806c97f0e00af, on every machine and for ever."""
    assert Shard(0x2BD806C97F0E00AF % 10 + 1, 10).has("alice")


@pytest.mark.parametrize(
    ("text", "environment", "wanted"),
    [("1/1", {}, Shard(1, 1)), ("3/10", {INDEX: "5"}, Shard(3, 10)), ("job/10", {INDEX: "0"}, Shard(1, 10))],
)
def test_a_shard_is_read_from_its_text_or_its_job(text, environment, wanted):
    assert read(text, environment) == wanted


@pytest.mark.parametrize(
    ("text", "environment", "says"),
    [
        ("3", {}, "--shard wants I/N"),
        ("a/b", {}, "--shard wants I/N"),
        ("0/3", {}, "expected one of 1 to 3, got 0"),
        ("4/3", {}, "expected one of 1 to 3, got 4"),
        ("1/0", {}, "expected one of 1 to 0"),
        ("job/3", {}, "JOB_COMPLETION_INDEX, which is 'not set'"),
        ("job/3", {INDEX: "-1"}, "which is '-1'"),
        ("job/3", {INDEX: "3"}, "expected one of 1 to 3, got 4"),
    ],
)
def test_a_shard_that_makes_no_sense_is_refused(text, environment, says):
    with pytest.raises(ValueError, match=says):
        read(text, environment)
