from course_utils.clock import VirtualClock
from course_utils.engine import Answer
from course_utils.frames import Frame
from course_utils.ledger import Ledger

ANSWER = Answer(
    200,
    {},
    tuple(Frame(at, b"x", 1) for at in (0.5, 1.0, 1.5)),
    generated=(0.5, 1.0, 1.5),
    streamed=True,
)


def opened():
    clock = VirtualClock(start=2.0)
    ledger = Ledger(clock)
    return clock, ledger, ledger.open("/v1/chat/completions", ANSWER)


def test_generation_follows_the_clock_not_the_reader():
    clock, _, entry = opened()
    clock.sleep(1.25)
    assert (entry.tokens_generated, entry.tokens_sent, entry.ended) == (2, 2, None)
    clock.sleep(10)
    assert (entry.tokens_generated, entry.ended, entry.ended_at) == (3, "complete", 3.5)


def test_a_client_that_leaves_stops_the_count():
    clock, _, entry = opened()
    clock.sleep(1.25)
    entry.client_left()
    clock.sleep(10)
    assert (entry.tokens_generated, entry.ended, entry.ended_at) == (2, "client_left", 3.25)


def test_leaving_after_the_end_changes_nothing():
    clock, _, entry = opened()
    clock.sleep(10)
    entry.client_left()
    assert entry.ended == "complete"


def test_peak_counts_requests_that_are_open_at_once():
    clock, ledger, _ = opened()
    ledger.open("/", ANSWER)
    clock.sleep(10)
    ledger.open("/", ANSWER)
    assert [entry.concurrent for entry in ledger] == [1, 2, 1]
    assert ledger.peak == 2


def test_the_ledger_forgets_the_oldest_beyond_its_size():
    ledger = Ledger(VirtualClock(), size=2)
    for _ in range(3):
        ledger.open("/", ANSWER)
    assert [entry.number for entry in ledger] == [2, 3]


def test_the_ledger_reads_like_a_list():
    clock, ledger, _ = opened()
    clock.sleep(10)
    assert repr(ledger) == "request 1: streamed, 3 tokens generated, 3 sent, complete after 1.5 s"
    ledger.clear()
    assert (repr(ledger), len(ledger)) == ("no requests yet", 0)


def test_an_answer_without_frames_is_over_at_once():
    assert Ledger(VirtualClock()).open("/", Answer(200, {}, ())).ended == "complete"
