"""A deployment is arithmetic: what is held at a station is late by as much as is missing to its end."""

import pytest

from course_utils.deployments import CHANGES, EXAMPLES, SECONDS, THINKS, Deployment, in_time, plot_stations
from course_utils.pace import Pace

LAST = SECONDS.token_times(40)[-1]


def first(seen):
    return [seen[station][0] if seen[station] else None for station in ("model", "application", "compressor", "proxy")]


def test_nothing_in_the_way_holds_nothing():
    seen = Deployment(SECONDS)()
    assert seen["proxy"] == seen["model"] == SECONDS.token_times(40)
    assert seen["ended"] == "complete"


@pytest.mark.parametrize(
    ("deployment", "change", "held"),
    [
        (Deployment(SECONDS, collects=True), "yield_at_once", [1.0, LAST, LAST, LAST]),
        (Deployment(SECONDS, gzip="whole"), "no_compression", [1.0, 1.0, LAST, LAST]),
        (Deployment(SECONDS, page=4096), "no_buffering", [1.0, 1.0, 1.0, LAST]),
    ],
)
def test_each_station_holds_the_text_and_one_change_frees_it(deployment, change, held):
    assert first(deployment()) == held
    assert first(deployment([change])) == [1.0] * 4
    others = set(CHANGES) - {change, "sleep"}
    assert first(deployment(others))[1:] == held[1:]


@pytest.mark.parametrize("change", ["heartbeat", "longer_timeout"])
def test_a_silence_cuts_the_line_unless_it_is_broken_or_borne(change):
    seen = Deployment(THINKS)()
    assert (seen["ended"], len(seen["proxy"])) == ("cut", 20)
    assert Deployment(THINKS)([change])["ended"] == "complete"


def test_a_heartbeat_stays_in_the_compressor():
    assert Deployment(THINKS, gzip="whole")(["heartbeat"])["ended"] == "cut"


def test_a_compressor_that_squeezes_out_each_piece_and_a_small_page_hold_nothing_for_long():
    model, application, compressor, proxy = first(Deployment(SECONDS, gzip="flushed", page=32)())
    assert model == application == compressor
    assert proxy <= model + 0.5


def test_half_tokens_are_twice_as_many_and_no_earlier():
    seen = Deployment(Pace(ttft=1.0), page=4096)(["shorter_pieces"])
    assert len(seen["application"]) == 2 * len(seen["model"])
    assert seen["proxy"][0] > seen["model"][-1] - 0.01


def test_a_deployment_is_in_time_if_its_reader_has_the_first_text_within_a_second_and_all_of_it_at_last():
    assert in_time(Deployment(SECONDS, 9, page=1024)())
    assert not in_time(Deployment(SECONDS, 40, page=4096)())
    assert not in_time(Deployment(THINKS)())


def test_an_unknown_change_is_refused_with_the_list():
    with pytest.raises(ValueError, match="there is no change 'faster'; there are yield_at_once"):
        EXAMPLES[0](["faster"])


def test_the_figure_draws_the_stations_that_text_has_reached():
    assert "proxy: first text after 5.88 s" in repr(plot_stations(EXAMPLES[0]()))
    silent = Deployment(Pace(ttft=90.0))()
    assert "proxy" not in repr(plot_stations(silent))
    assert "the line was cut" in plot_stations(silent).svg
