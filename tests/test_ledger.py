import json
import tracemalloc
from dataclasses import replace

import pytest

from course_utils.clock import VirtualClock
from course_utils.dialect import Asked, Said
from course_utils.engine import Answer, Engine, Request
from course_utils.frames import Ending, Frame
from course_utils.kept import Job
from course_utils.ledger import MOST_BYTES, Ledger
from course_utils.mock import MockServer
from course_utils.pace import Pace

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


# Who ended it, and what went on all the same


def answer(*times: float, **more) -> Answer:
    """A stream with a token at each of ``times``."""
    frames = tuple(Frame(at, b"x", 1) for at in times)
    return Answer(200, {}, frames, **({"generated": times, "streamed": True} | more))


def cut_after(*times: float, lost: float, fault: str = "cut", **more) -> Answer:
    """A stream that a fault ends with its last frame, and the token that would have come at ``lost``."""
    *_, last = whole = answer(*times, **more).frames
    ended = (*whole, Frame(last.at, b"", ending=Ending("cut", fault)))
    return Answer(200, {}, ended, generated=(*times, lost), streamed=True, **more)


def test_while_it_runs_nobody_has_ended_it():
    _, _, entry = opened()
    assert (entry.ended, entry.ended_by, entry.ended_at) == (None, None, None)


def test_an_answer_that_was_sent_was_ended_by_the_server():
    clock, _, entry = opened()
    clock.sleep(10)
    assert (entry.ended_by, entry.ended_at) == ("server", 3.5)


def test_an_answer_that_was_left_was_ended_by_the_client():
    clock, _, entry = opened()
    clock.sleep(1)
    entry.client_left()
    assert (entry.ended, entry.ended_by, entry.ended_at) == ("client_left", "client", 3.0)


def test_a_fault_ends_the_answer_and_the_generation():
    clock = VirtualClock()
    entry = Ledger(clock).open("/", cut_after(0.5, 1.0, lost=1.5))
    clock.sleep(10)
    assert (entry.ended, entry.ended_by, entry.ended_at) == ("fault:cut", "fault", 1.0)
    assert (entry.tokens_generated, entry.tokens_sent) == (2, 2)


@pytest.mark.parametrize(("fault", "made"), [("cut", 3), ("idle", 3), ("error", 2), ("limit", 2)])
def test_a_model_that_goes_on_stops_for_a_fault_of_its_own_server_only(fault, made):
    clock = VirtualClock()
    ledger = Ledger(clock)
    entry = ledger.open("/", cut_after(0.5, 1.0, lost=1.5, fault=fault, goes_on=True))
    clock.sleep(1)
    assert ledger.busy() == [0.5] * (made - 2)
    clock.sleep(10)
    assert (entry.tokens_generated, entry.tokens_sent) == (made, 2)


def kept(**more) -> tuple[VirtualClock, Ledger, Job]:
    """An answer that is kept: what a request to cancel it, or its client's leaving, does to the job is known."""
    clock = VirtualClock(start=2.0)
    ledger = Ledger(clock)
    job = Job(Asked("mock-1", ("Hi",)), Said("1", ()), ANSWER.frames, clock.now())
    ledger.open("/", replace(ANSWER, job=job, **more))
    return clock, ledger, job


def test_a_cancelled_answer_was_ended_by_the_client_that_asked_for_it():
    clock, ledger, job = kept(goes_on=True)
    clock.sleep(1.25)
    job.cancel(clock.now())
    clock.sleep(10)
    (entry,) = ledger
    assert (entry.ended, entry.ended_by, entry.ended_at) == ("cancelled", "client", 3.25)
    assert (entry.tokens_generated, entry.tokens_sent, ledger.busy()) == (2, 2, [])


def test_an_answer_that_goes_on_alone_can_still_be_cancelled():
    clock, ledger, job = kept(goes_on=True)
    clock.sleep(0.75)
    ledger[0].client_left()
    assert (job.fate.stopped, ledger.busy()) == (None, [0.75])
    clock.sleep(0.5)
    job.cancel(clock.now())
    clock.sleep(10)
    assert (ledger[0].ended, ledger[0].tokens_sent, ledger[0].tokens_generated) == ("client_left", 1, 2)


def test_a_job_ends_with_its_client_unless_it_goes_on():
    clock, ledger, job = kept()
    clock.sleep(0.75)
    ledger[0].client_left()
    assert (job.fate.stopped, ledger.busy()) == (2.75, [])


# Real clients on a real policy


def mock(**options) -> MockServer:
    return MockServer("one two three", pace=Pace(headers=0.25, ttft=0.5, itl=0.25), clock=VirtualClock(), **options)


def leave_after_one_token(server: MockServer) -> None:
    messages = [{"role": "user", "content": "Count"}]
    with (
        server.client() as client,
        client.chat.completions.create(model="mock-1", messages=messages, stream=True) as stream,
    ):
        next(chunk for chunk in stream if chunk.choices[0].delta.content)


@pytest.mark.parametrize(("options", "made", "busy"), [([], 1, []), (["goes-on"], 3, [0.5])])
def test_whether_a_model_goes_on_without_its_client_is_the_policy_of_the_server(options, made, busy):
    server = mock(options=options)
    leave_after_one_token(server)
    assert server.ledger.busy() == busy
    server.clock.sleep(60)
    (entry,) = server.ledger
    assert (entry.ended, entry.tokens_sent, entry.tokens_generated) == ("client_left", 1, made)


def test_a_client_that_is_slow_to_read_shows_as_lag():
    server = mock()
    with server.client() as client:
        for _ in client.chat.completions.create(
            model="mock-1", messages=[{"role": "user", "content": "Count"}], stream=True
        ):
            server.clock.sleep(0.5)
    due, written = server.ledger[0].due, server.ledger[0].written
    assert server.ledger[0].lag == max(late - at for at, late in zip(due, written, strict=True)) == 1.75


def test_a_client_that_keeps_up_has_no_lag():
    server = mock()
    with server.client() as client:
        list(client.chat.completions.create(model="mock-1", messages=[{"role": "user", "content": "Hi"}], stream=True))
    assert server.ledger[0].lag == 0


# Many at once, and many in a row


def test_concurrency_counts_who_is_open_whoever_leaves_ends_or_is_refused():
    clock = VirtualClock()
    ledger = Ledger(clock)
    entries = [ledger.open("/", answer(1.0 + number / 1000)) for number in range(300)]
    assert [entry.concurrent for entry in entries] == list(range(1, 301))
    for entry in entries[:100]:
        entry.client_left()
    assert ledger.open("/", answer(1.0)).concurrent == 201
    clock.sleep_until(1.2495)  # 150 more have ended, and the one that came last
    assert len(ledger.busy()) == 50
    assert ledger.open("/", Answer(429, {}, (Frame(0.0, b"{}"),))).concurrent == 51
    assert ledger.open("/", answer(1.0)).concurrent == 51
    assert ledger.peak == 300


def test_an_answer_that_goes_on_alone_is_not_open():
    clock = VirtualClock()
    ledger = Ledger(clock)
    ledger.open("/", answer(1.0, goes_on=True)).client_left()
    assert (ledger.open("/", answer(1.0)).concurrent, len(ledger.busy())) == (1, 2)


def test_concurrency_counts_a_blocked_answer_until_it_is_taken_and_a_cancelled_one_no_more():
    clock, ledger, job = kept(goes_on=True)
    blocked = ledger.open("/", answer(0.25))
    blocked.blocked = True
    clock.sleep(0.5)
    assert ledger.open("/", answer(9.0)).concurrent == 3
    job.cancel(clock.now())
    assert ledger.open("/", answer(9.0)).concurrent == 3
    blocked.blocked = False
    assert ledger.open("/", answer(9.0)).concurrent == 3
    assert ledger.busy() == [9.0, 9.0, 9.0]


def test_busy_says_how_long_each_answer_still_takes():
    clock = VirtualClock()
    ledger = Ledger(clock)
    ledger.open("/", answer(1.0, 2.0))
    ledger.open("/", replace(answer(0.5), generated=(0.5, 3.0)))  # sent early, say, and still being made
    left = ledger.open("/", answer(4.0))
    assert ledger.busy() == [2.0, 3.0, 4.0]
    clock.sleep(0.75)
    left.client_left()
    assert ledger.busy() == [1.25, 2.25]
    clock.sleep(2)
    ledger.open("/", answer(1.0))
    assert ledger.busy() == [0.25, 1.0]


def test_a_reader_of_the_books_is_not_in_them():
    ledger = Ledger(VirtualClock())
    assert ledger.open("/ledger", answer(1.0, booked=False)).number == 0
    assert (len(ledger), ledger.busy()) == (0, [])
    assert ledger.open("/", ANSWER).number == 1


def test_the_ledger_keeps_bytes_and_not_requests_without_end():
    clock = VirtualClock()
    ledger = Ledger(clock)
    for number in range(10_000):
        ledger.open("/", answer(1.0, asked={"number": number}, asked_bytes=16_384))
        clock.sleep(2)
    assert sum(16_384 for _ in ledger) <= MOST_BYTES < 16_384 * 10_000
    assert ([entry.number for entry in ledger][-1], len(ledger) > 1000) == (10_000, True)


def test_long_answers_count_with_their_times():
    clock = VirtualClock()
    ledger = Ledger(clock)
    times = tuple(float(number) for number in range(100_000))
    long = answer(*times)
    for _ in range(12):
        ledger.open("/", long)
    assert len(ledger) == MOST_BYTES // (8 * 4 * 100_000)
    ledger.clear()
    for _ in range(12):
        ledger.open("/", ANSWER)
    assert len(ledger) == 12


def chat_body(text: str) -> dict:
    return {"messages": [{"role": "user", "content": text}]}


def response_body(text: str) -> dict:
    return {"input": text}


def image_body(text: str) -> dict:
    picture = {"type": "input_image", "image_url": text}
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}, picture]}]}


@pytest.mark.parametrize(
    ("route", "body", "count", "most"),
    [
        ("chat/completions", chat_body, 4, 2_000_000),
        ("responses", response_body, 14, 10_000_000),  # the last of them are kept: see `kept.MOST_BYTES`
        ("responses", image_body, 14, 10_000_000),
    ],
    ids=["chat", "responses", "image"],
)
def test_large_prompts_are_not_kept(route, body, count, most):
    engine, clock = Engine("ok", Pace()), VirtualClock()
    ledger = Ledger(clock)
    tracemalloc.start()
    try:
        for number in range(count):
            raw = json.dumps({"model": "mock-1"} | body(f"{number}" + "x" * 1_000_000)).encode()
            ledger.open("/", engine.respond(Request("POST", f"/v1/{route}", raw), clock.now(), ledger.busy))
            clock.sleep(10)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ledger) == count
    assert held < most
