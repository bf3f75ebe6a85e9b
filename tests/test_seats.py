import re
from html import escape

import pytest

from course_utils.pace import Pace
from course_utils.seats import HOUSE, PUBLISHED, crowd
from course_utils.widgets import CrowdWidget

FULL = HOUSE.itl * (1 + HOUSE.batch * (HOUSE.slots - 1))


def test_with_seats_for_all_nobody_waits_and_the_pace_suffers():
    alone, full = crowd(1), crowd(HOUSE.slots)
    assert alone.ttft == full.ttft == HOUSE.ttft
    assert (alone.tpot, full.tpot) == (pytest.approx(HOUSE.itl), pytest.approx(FULL))


def test_beyond_the_seats_only_the_wait_grows():
    """Twice as many users as seats: before each request stands one whole answer of a full house."""
    answer = HOUSE.ttft + 4 * FULL
    twice = crowd(2 * HOUSE.slots)
    assert twice.ttft == pytest.approx(answer + HOUSE.ttft, rel=0.05)
    assert twice.tpot == pytest.approx(FULL)
    assert crowd(3 * HOUSE.slots).ttft == pytest.approx(2 * answer + HOUSE.ttft, rel=0.05)


def test_a_users_first_request_is_a_warm_up():
    seen = crowd(3)
    assert (len(seen.first), len(seen.run.warm)) == (3, 9)
    assert all(sample.due > 0 for sample in seen.run.warm)


def test_the_seconds_of_a_run_begin_where_the_warm_up_of_the_first_user_ends():
    """So that its rates are those of the requests that it has: alone she has three, one after the other."""
    run = crowd(1).run
    answer = HOUSE.ttft + 4 * HOUSE.itl
    assert run.seconds == pytest.approx(3 * answer)
    assert run.goodput({"ttft": HOUSE.ttft}) == pytest.approx(1 / answer)


def test_the_picture_never_has_more_bars_at_a_moment_than_seats():
    figure = crowd(5, Pace(ttft=0.5, itl=0.25, slots=2)).plot()
    bars = re.search(r'd="([^"]*)"[^>]*stroke-width="6"', figure.svg).group(1)
    spans = [(float(start), float(end)) for start, end in re.findall(r"M([\d.]+) \d+H([\d.]+)", bars)]
    assert max(sum(start <= at < end for start, end in spans) for at, _ in spans) == 2
    assert len(set(re.findall(r"M[\d.]+ (\d+)H", bars))) == 5


def test_one_user_is_no_users():
    assert str(crowd(1)).strip().startswith("1 user:")
    assert "1 user at" in crowd(1).plot().svg


def test_the_published_server_has_the_same_shape():
    waits, paces = zip(*PUBLISHED.values(), strict=True)
    assert waits == tuple(sorted(waits))
    assert len(set(paces[2:])) == 1
    assert paces[0] < paces[1] < paces[2]


def test_the_widget_does_what_the_code_does():
    widget = CrowdWidget(2)
    widget.users.value = 9
    assert widget.figure == crowd(9).plot()
    assert widget.figure.svg in widget.view.value
    assert escape(widget.figure.reading) in widget.view.value
    bundle = widget._repr_mimebundle_()
    assert bundle["text/plain"] == repr(widget)
    assert bundle["image/svg+xml"] == widget.figure.svg
