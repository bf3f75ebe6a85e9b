"""The three plain wrappings: text, NDJSON, and numbered events that a browser's ``EventSource`` can resume."""

import gzip
import json
from urllib.parse import urlencode

import httpx2
import pytest

from course_utils.clock import VirtualClock
from course_utils.engine import Engine, Request
from course_utils.ledger import Ledger
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.sse import Decoder, decode
from course_utils.transport import Transport

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
REPLY = "one two\nthree"  # tokens: one, two, a newline with three
PIECES = ["one", " two", "\nthree"]


def ask(route: str, engine: Engine | None = None, now: float = 0.0, headers: dict[str, str] | None = None, **asked):
    """The answer to a GET, which is all that an ``EventSource`` can do."""
    engine = engine or Engine(REPLY, PACE)
    return engine.respond(Request("GET", f"/v1/{route}?{urlencode(asked)}", headers=headers or {}), now)


def body(answer) -> bytes:
    return b"".join(frame.data for frame in answer.frames)


def test_text_is_nothing_but_the_tokens():
    answer = ask("text", prompt="Count")
    assert [frame.data.decode() for frame in answer.frames] == PIECES
    assert [frame.at for frame in answer.frames] == [0.5, 0.75, 1.0]
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("route", "there"), [("text", True), ("ndjson", False), ("events", False)])
def test_a_browser_is_told_not_to_guess_at_plain_text(route, there):
    assert (ask(route).headers.get("x-content-type-options") == "nosniff") == there


@pytest.mark.parametrize(
    ("model", "more", "reason"),
    [("mock-1", {}, "stop"), ("mock-1", {"max_tokens": 2}, "length"), ("mock-1;filter=2", {}, "content_filter")],
)
def test_ndjson_is_one_object_a_line_and_the_last_says_how_it_ended(model, more, reason):
    answer = ask("ndjson", model=model, **more)
    lines = body(answer).decode().split("\n")
    *tokens, end, rest = [json.loads(line) if line else line for line in lines]
    assert [token["token"] for token in tokens] == PIECES[: 3 if reason == "stop" else 2]
    assert (end, rest) == ({"done": True, "finish_reason": reason}, "")
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_events_are_numbered_and_the_first_says_when_to_come_back():
    decoder = Decoder()
    came = decoder.feed(body(ask("events")))
    name = came[0].id.rpartition(".")[0]
    assert [event.id for event in came] == [f"{name}.{number}" for number in range(4)]
    assert [json.loads(event.data)["token"] for event in came[:-1]] == PIECES
    assert (came[-1].type, json.loads(came[-1].data)) == ("done", {"done": True, "finish_reason": "stop"})
    assert decoder.retry == 250


@pytest.mark.parametrize("route", ["text", "ndjson", "events"])
def test_a_get_with_a_query_is_a_post_with_json(route):
    asked = {"prompt": "Count", "model": "mock-1;itl=1", "max_tokens": 2}
    posted = Engine(REPLY, PACE).respond(Request("POST", f"/v1/{route}", json.dumps(asked).encode()))
    got = ask(route, **asked)
    assert (got.status, got.frames, got.asked) == (posted.status, posted.frames, posted.asked)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"max_tokens": "many"}, "'max_tokens' must be a whole number"),
        ({"max_tokens": "²"}, "'max_tokens' must be a whole number"),
        ({"max_tokens": "9" * 5000}, "'max_tokens' must be a whole number"),
        ({"max_tokens": 0}, "at least 1"),
        ({"model": "mock-1;fly"}, "no model option 'fly'"),
    ],
)
def test_a_wrong_query_is_told_what_it_takes(asked, says):
    answer = ask("ndjson", **asked)
    assert answer.status == 400
    assert says in json.loads(body(answer))["error"]["message"]


def test_a_get_is_for_the_plain_wrappings_only():
    assert (ask("chat/completions").status, ask("messages").status) == (405, 405)
    assert Engine().respond(Request("PUT", "/v1/text")).status == 405


@pytest.mark.parametrize(
    ("route", "error"), [("text", b"\n[error]\n"), ("ndjson", b'{"error":{'), ("events", b"event: error\ndata: {")]
)
def test_an_error_in_the_middle_is_said_as_well_as_can_be(route, error):
    answer = ask(route, model="mock-1;error-at=2")
    assert answer.frames[-1].data.startswith(error)
    assert sum(frame.tokens for frame in answer.frames) == 2


@pytest.mark.parametrize("route", ["text", "ndjson", "events"])
@pytest.mark.parametrize("model", ["mock-1;error-at=1", "mock-1;cut=1", "mock-1;hold;gzip;split=3"])
def test_an_answer_without_a_token_is_none_to_break(route, model):
    assert ask(route, Engine("", PACE), model=model).status == 200


# Numbered events come again


def resumed(engine: Engine, last: str, now: float = 60.0):
    return ask("events", engine, now, {"last-event-id": last})


@pytest.mark.parametrize("seen", [1, 2, 3])
@pytest.mark.parametrize("now", [0.5, 0.8, 60.0])
def test_the_rest_comes_exactly_once_and_in_time(seen, now):
    engine = Engine(REPLY, PACE)
    whole = list(decode([body(ask("events", engine))]))
    answer = resumed(engine, whole[seen - 1].id, now)
    assert list(decode([body(answer)])) == whole[seen:]
    assert [frame.at for frame in answer.frames] == [max(0.0, at - now) for at in [0.5, 0.75, 1.0, 1.0][seen:]]


def test_behind_the_end_there_is_nothing_more():
    engine = Engine(REPLY, PACE)
    *_, last = decode([body(ask("events", engine))])
    assert (resumed(engine, last.id).status, resumed(engine, last.id).frames) == (204, ())


@pytest.mark.parametrize(("model", "options"), [("mock-1;error-at=2", {}), ("mock-1", {"max_seconds": 0.8})])
def test_what_the_models_own_error_or_limit_prevented_is_not_there_to_come_back_for(model, options):
    engine = Engine(REPLY, PACE, **options)
    whole = list(decode([body(ask("events", engine, model=model))]))
    assert resumed(engine, whole[1].id).status == 204
    assert list(decode([body(resumed(engine, whole[0].id))])) == whole[1:]


@pytest.mark.parametrize("last", ["nobody.1", "nobody", "{id}.²", "{id}.x", "{id}.-1", "{id}." + "9" * 5000, "{id}"])
def test_an_id_that_is_none_gets_an_end_and_no_second_answer(last):
    engine = Engine(REPLY, PACE)
    id = next(iter(decode([body(ask("events", engine))]))).id.rpartition(".")[0]
    assert resumed(engine, last.format(id=id)).status == 204


def test_a_client_that_lost_its_connection_collects_every_event_once():
    """An ``EventSource`` in a few lines: it comes back with the last id until it is told 204."""
    server = MockServer("one two three four five six seven", pace=PACE, clock=VirtualClock())
    decoder, came, tries = Decoder(), [], 0
    with httpx2.Client(transport=Transport(server.engine, server.ledger, server.clock)) as client:
        while tries < 30:
            tries += 1
            headers = {"last-event-id": decoder.last_id} if decoder.last_id else {}
            with client.stream("GET", "http://mock/v1/events?prompt=Hi", headers=headers) as response:
                if response.status_code == 204:
                    break
                for _, piece in zip(range(2), response.iter_bytes(), strict=False):  # then the line breaks
                    came += decoder.feed(piece)
            server.clock.sleep(decoder.retry / 1000)
    assert "".join(json.loads(event.data).get("token", "") for event in came) == "one two three four five six seven"
    assert (len(came), came[-1].type, tries) == (8, "done", 8 // 2 + 1)
    assert sum(entry.tokens_generated for entry in server.ledger) == server.ledger[0].tokens_generated == 7


def test_a_cut_on_the_way_leaves_the_rest_to_be_resumed():
    engine = Engine(REPLY, PACE)
    answer = ask("events", engine, model="mock-1;cut=1")
    (seen,) = decode([body(answer)])
    assert answer.frames[-1].ending.fault == "cut"
    rest = [json.loads(event.data) for event in decode([body(resumed(engine, seen.id))])]
    assert [event.get("token") for event in rest] == [*PIECES[1:], None]


def test_behind_a_cut_the_model_goes_on_to_its_own_error():
    engine, clock = Engine(REPLY, PACE), VirtualClock()
    ledger = Ledger(clock)
    entry = ledger.open("/events", ask("events", engine, model="mock-1;cut=1;error-at=2"))
    assert ledger.busy() == [0.75]
    clock.sleep(60)
    assert (entry.ended, entry.tokens_sent, entry.tokens_generated) == ("fault:cut", 1, 2)


@pytest.mark.parametrize("route", ["text", "ndjson", "events"])
def test_faults_bend_the_plain_wrappings_too(route):
    whole = body(ask(route))
    paged = ask(route, model="mock-1;page=8")
    assert body(paged) == whole
    assert {len(frame.data) for frame in paged.frames[:-1]} <= set(range(8, 400, 8))
    zipped = ask(route, model="mock-1;gzip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body(zipped)) == whole
    cut = ask(route, model="mock-1;cut=2")
    assert whole.startswith(body(cut))
    assert (cut.frames[-1].ending.kind, sum(frame.tokens for frame in cut.frames)) == ("cut", 2)
