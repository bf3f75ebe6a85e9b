import re

import pytest

from course_utils.clock import VirtualClock
from course_utils.concurrency import most_at_once, plot_spans, spans
from course_utils.mock import MockServer
from course_utils.pace import Pace

QUESTION = [{"role": "user", "content": "Why?"}]
ROW = [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)]
TOGETHER = [(0.0, 0.5), (0.25, 1.0), (0.25, 0.75)]


def asked_twice(**options) -> MockServer:
    """Two requests of 0.75 s with a second between them, on a clock that was not at 0."""
    mock = MockServer("one two", pace=Pace(headers=0.25, ttft=0.5, itl=0.25), clock=VirtualClock(8.0))
    create = mock.client().chat.completions.create
    for _ in range(2):
        create(model="mock-1", messages=QUESTION, **options)
        mock.clock.sleep(1)
    return mock


def test_spans_count_from_the_first_request_to_each_end():
    assert spans(asked_twice().ledger) == [(0.0, 0.75), (1.75, 2.5)]


def test_a_request_that_is_still_open_has_no_span():
    mock = asked_twice()
    stream = mock.client().chat.completions.create(model="mock-1", messages=QUESTION, stream=True)
    assert len(mock.ledger) == 3
    assert len(spans(mock.ledger)) == 2
    stream.close()


def test_no_requests_have_no_spans():
    assert spans([]) == []
    assert most_at_once([]) == 0


def test_spans_that_touch_are_not_at_once():
    assert most_at_once(ROW) == 1
    assert most_at_once(TOGETHER) == 3


def test_a_bar_is_as_long_as_its_span_and_stands_at_its_time():
    figure = plot_spans({"in a row": ROW, "together": TOGETHER}, title="Two ways")
    drawn = re.findall(r'd="(M[^"]*)" stroke="#1f5fa8"', figure.svg)
    bars = [[(float(x), float(end)) for x, end in re.findall(r"M([\d.]+) \d+H([\d.]+)", path)] for path in drawn]
    assert [len(found) for found in bars] == [3, 3]
    (zero, half), (same, whole), _ = bars[0]
    assert (half, whole - zero) == (same, pytest.approx(2 * (half - zero), abs=0.2))
    assert bars[1][0] == (zero, half)


def test_the_picture_says_how_many_were_at_once_and_when_all_was_over():
    figure = plot_spans({"in <a> row": ROW, "together": TOGETHER}, title="Two ways")
    assert figure.reading.splitlines() == [
        "Two ways.",
        "in <a> row: 3 requests, one at a time, the last ends after 1.5 s.",
        "together: 3 requests, at most 3 at once, the last ends after 1 s.",
    ]
    assert "in &lt;a&gt; row" in figure.svg


@pytest.mark.parametrize("groups", [{}, {"a": []}])
def test_nothing_to_draw_is_refused(groups):
    with pytest.raises(ValueError, match="at least one"):
        plot_spans(groups, title="Nothing")
