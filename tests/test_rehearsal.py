import pytest

from course_utils import metrics
from course_utils.clock import RealClock, VirtualClock
from course_utils.load import closed_loop, open_loop
from course_utils.measure import table
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.rehearsal import rehearse

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)


def mock(**options) -> MockServer:
    return MockServer("one two", **({"pace": PACE, "clock": VirtualClock()} | options))


def test_a_closed_loop_takes_as_long_as_its_answers():
    run = rehearse(closed_loop, mock(), users=1, count=4)
    assert (len(run.answers), run.seconds) == (4, 4 * 0.75)
    assert run.rows()["ttfv"] == [0.5] * 4


def test_an_open_loop_overlaps():
    run = rehearse(open_loop, mock(), rate=4, count=4)
    assert run.seconds == 3 * 0.25 + 0.75


def test_only_the_cold_request_pays_for_the_connection():
    run = rehearse(closed_loop, mock(), users=1, count=2, rtt=0.125, cold=True)
    assert metrics.ttfv(run.cold.timeline) == 0.5 + 3 * 0.125
    assert run.rows()["ttfv"] == [0.5 + 0.125] * 2


def test_failures_are_counted_and_goodput_knows_them():
    run = rehearse(closed_loop, mock(), model="mock-1;flaky=1", users=1, count=3)
    assert run.failures() == {"InternalServerError 503": 1}
    assert "failed: 1 x InternalServerError 503" in table(run)
    assert "goodput" in table(run, {"ttft": 1.0})


def test_a_model_some_prompt_and_the_servers_own_name_are_asked():
    server = mock()
    rehearse(closed_loop, server, users=1, count=1, prompt="Why?", model="mock-1;ttft=2")
    assert server.ledger[0].asked["messages"] == [{"role": "user", "content": "Why?"}]
    assert server.ledger[0].token_times[0] == server.ledger[0].arrived + 2


def test_real_time_is_refused():
    with pytest.raises(ValueError, match="virtual"):
        rehearse(closed_loop, mock(clock=RealClock()), users=1, count=1)
