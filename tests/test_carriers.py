"""Five carriers of one answer, and conversations: what is held is arithmetic with round trips."""

import pytest

from course_utils import metrics
from course_utils.carriers import CARRIERS, TALKS, carry, converse
from course_utils.pace import Pace
from course_utils.replies import SCRIPT, tokens

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
LAST = 0.5 + 0.25 * (len(tokens(SCRIPT["hello"])) - 1)
STREAMED = [name for name in CARRIERS if name != "polling"]


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_brings_the_same_text(name):
    assert carry(name).text == SCRIPT["hello"]


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_comes_token_by_token(name):
    assert [chunk.text for chunk in carry(name).chunks] == tokens(SCRIPT["hello"])


@pytest.mark.parametrize(("name", "trips"), [(name, 4 if name == "WebSocket" else 3) for name in STREAMED])
def test_the_first_text_waits_for_the_round_trips_that_its_carrier_needs(name, trips):
    """TCP, TLS, the request; a WebSocket also asks for the change of protocol."""
    timeline = carry(name, pace=PACE, rtt=0.5)
    assert metrics.ttfv(timeline) == 0.5 + trips * 0.5
    assert metrics.e2e(timeline) == LAST + trips * 0.5


def test_polling_gets_nothing_before_the_end_and_then_everything():
    timeline = carry("polling", pace=PACE, rtt=0.5)
    (at,) = {chunk.at for chunk in timeline.chunks}
    assert at >= LAST
    assert (at - 1.75) % 1.5 == 0  # handshakes 1 s, the job 0.75 s, then each question a second of patience and 0.5 s
    assert not timeline.streamed


def test_a_kept_connection_saves_what_a_websocket_saves():
    turn = PACE.ttft + 0.25 * (len(tokens("Call the next tool.")) - 1) + 0.5
    each, kept, socket = (converse(how, 4, pace=PACE, rtt=0.5) for how in TALKS)
    assert (each.seconds, each.connections) == (4 * (1.0 + turn), 4)
    assert (kept.seconds, kept.connections) == (1.0 + 4 * turn, 1)
    assert (socket.seconds, socket.connections) == (1.5 + 4 * turn, 1)


def test_a_websocket_sends_fewer_bytes_for_the_same_turns():
    each, kept, socket = (converse(how, 20) for how in TALKS)
    assert each.sent == kept.sent > socket.sent


def test_an_unknown_name_is_told_which_there_are():
    with pytest.raises(ValueError, match="there are chunked text, SSE"):
        carry("pigeon")
    with pytest.raises(ValueError, match="there are new connections, one connection, WebSocket"):
        converse("pigeon", 1)
