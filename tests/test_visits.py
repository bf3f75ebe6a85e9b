"""Visitors of an application: what each sees, and when, also while the application stands still."""

import json
import re

import pytest

from course_utils.clock import VirtualClock, run
from course_utils.metrics import ttfv
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.visits import Visit, made, then, watch

START = {"type": "http.response.start", "status": 200, "headers": []}


def piece(data, more=True):
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.fixture
def clock():
    return VirtualClock()


def blocking(clock):
    """An application that says three pieces, a second apart, and lets nobody else run meanwhile."""

    async def app(scope, receive, send):
        await send(START)
        for number in range(3):
            clock.sleep(1)
            await send(piece(b"abc"[number : number + 1], number < 2))

    return app


def polite(clock):
    async def app(scope, receive, send):
        await send(START)
        for number in range(3):
            await clock.asleep(1)
            await send(piece(b"abc"[number : number + 1], number < 2))

    return app


def seen(app, clock, **visits):
    screens = run(watch(app, visits, clock), clock)
    return {name: [(chunk.at, chunk.text) for chunk in screen.chunks] for name, screen in screens.items()}


def test_a_piece_arrives_when_it_is_sent_though_the_loop_stands_still(clock):
    assert seen(blocking(clock), clock, ann=Visit("/")) == {"ann": [(1, "a"), (2, "b"), (3, "c")]}


def test_whoever_comes_during_a_blocked_loop_waits_from_when_she_asked(clock):
    screens = seen(blocking(clock), clock, ann=Visit("/"), ben=Visit("/", at=0.5))
    assert screens["ben"] == [(3.5, "a"), (4.5, "b"), (5.5, "c")]


def test_an_application_that_awaits_serves_all_at_once(clock):
    screens = seen(polite(clock), clock, ann=Visit("/"), ben=Visit("/", at=0.5))
    assert screens["ann"] == screens["ben"] == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize("app", [blocking, polite])
def test_whoever_leaves_sees_nothing_more(clock, app):
    assert seen(app(clock), clock, ann=Visit("/", leaves=2)) == {"ann": [(1, "a"), (2, "b")]}


def test_an_application_is_told_that_somebody_has_left(clock):
    told = []

    async def app(scope, receive, send):
        assert (await receive())["type"] == "http.request"
        told.append(((await receive())["type"], clock.now()))

    run(watch(app, {"ann": Visit("/", leaves=2)}, clock), clock)
    assert told == [("http.disconnect", 2)]


def test_an_answer_that_was_ended_has_a_finish_reason_and_others_have_none(clock):
    stays, leaves = Visit("/"), Visit("/", leaves=2)
    screens = run(watch(polite(clock), {"stays": stays, "leaves": leaves}, clock), clock)
    assert [screen.finish_reason for screen in screens.values()] == ["stop", None]


def test_json_is_posted_and_a_query_is_asked_for(clock):
    asked = []

    async def app(scope, receive, send):
        asked.append((scope["method"], scope["path"], scope["query_string"], (await receive())["body"]))
        await send(START)
        await send(piece(b"", more=False))

    seen(app, clock, post=Visit("/a", {"b": 1}), get=Visit("/c?d=e"))
    assert asked == [("POST", "/a", b"", b'{"b": 1}'), ("GET", "/c", b"d=e", b"")]


def test_of_an_event_the_text_of_its_json_is_seen(clock):
    async def app(scope, receive, send):
        await send(START | {"headers": [(b"content-type", b"text/event-stream; charset=utf-8")]})
        for data in ({"text": "on"}, {"text": "e two"}, {"end": True}):
            await send(piece(f"data: {json.dumps(data)}\n\n".encode()))
        await send(piece(b"", more=False))

    assert seen(app, clock, ann=Visit("/"))["ann"] == [(0, "on"), (0, "e two")]


@pytest.mark.parametrize("data", ["[DONE]", "[1]"])
def test_an_event_that_is_no_json_object_is_told_as_what_it_is(clock, data):
    async def app(scope, receive, send):
        await send(START | {"headers": [(b"content-type", b"text/event-stream")]})
        await send(piece(f"data: {data}\n\n".encode()))

    with pytest.raises(ExceptionGroup) as told:
        seen(app, clock, ann=Visit("/"))
    assert told.group_contains(ValueError, match=re.escape(f'as data, such as {{"text": "Hello"}}, got \'{data}\''))


def test_a_character_cut_in_two_is_seen_when_it_is_whole(clock):
    async def app(scope, receive, send):
        await send(START)
        await send(piece("é".encode()[:1]))
        await send(piece("é".encode()[1:], more=False))

    assert seen(app, clock, ann=Visit("/"))["ann"] == [(0, "é")]


def test_an_error_of_the_application_reaches_its_author(clock):
    async def app(scope, receive, send):
        raise LookupError("no such table")

    with pytest.raises(ExceptionGroup) as told:
        seen(app, clock, ann=Visit("/"))
    assert told.group_contains(LookupError, match="no such table")


def test_a_second_visit_goes_on_below_the_first(clock):
    screens = run(watch(polite(clock), {"first": Visit("/", leaves=1), "later": Visit("/")}, clock), clock)
    both = then(screens["first"], screens["later"], 10)
    assert [(chunk.at, chunk.text) for chunk in both.chunks] == [(1, "a"), (11, "a"), (12, "b"), (13, "c")]
    assert both.finish_reason == "stop"


def test_the_ledger_tells_when_the_tokens_of_several_answers_were_made(clock):
    mock = MockServer("one two", pace=Pace(ttft=0.5, itl=0.25), clock=clock)
    clock.sleep(1)
    for _ in range(2):
        mock.client().chat.completions.create(model="mock-1", messages=[{"role": "user", "content": "Hi"}])
    timeline = made(mock.ledger, since=1)
    assert [chunk.at for chunk in timeline.chunks] == [0.5, 0.75, 1.25, 1.5]
    assert ttfv(timeline) == 0.5
