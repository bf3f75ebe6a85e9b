"""`EventSource` against scripted answers, by the rules of the HTML standard (§9.2.2 and §9.2.3), in virtual time."""

import asyncio

import httpx2
import pytest

from course_utils.clock import VirtualClock, run
from course_utils.eventsource import CLOSED, CONNECTING, OPEN, RETRY, EventSource

STREAM = {"content-type": "text/event-stream"}
ONE, TWO = b"id: 1\ndata: one\n\n", b"id: 2\ndata: two\n\n"


class Script(httpx2.AsyncBaseTransport):
    """Answers one request after the other; the last answer again and again. A body may be an error."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def handle_async_request(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, headers, body = answer
        return httpx2.Response(status, headers=headers, stream=Body(body))


class Body(httpx2.AsyncByteStream):
    def __init__(self, pieces):
        self.pieces = pieces

    async def __aiter__(self):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def source(*answers):
    """A source on a clock of its own, and the requests it has made."""
    clock, script = VirtualClock(), Script(*answers)
    http = httpx2.AsyncClient(transport=script, base_url="http://app.invalid")
    return EventSource(http, "/events", clock), script.asked, clock


def listen(source, seconds, until=lambda event: False):
    return [event.data for event in run(source.listen(seconds, until), source._clock)]


def test_it_asks_again_after_a_complete_answer_until_nobody_listens():
    page, asked, _ = source((200, STREAM, [ONE, TWO]))
    assert listen(page, 2.5 * RETRY) == ["one", "two"] * 3
    assert page.connections == len(asked) == 3
    assert page.state == CLOSED


def test_it_names_the_last_event_it_has_seen():
    page, asked, _ = source((200, STREAM, [ONE]), (204, {}, []))
    listen(page, 60)
    assert [request.headers.get("last-event-id") for request in asked] == [None, "1"]
    assert {request.method for request in asked} == {"GET"}
    assert asked[0].headers["accept"] == "text/event-stream"


def test_the_id_of_a_block_that_was_cut_off_does_not_count():
    page, asked, _ = source((200, STREAM, [ONE, b"id: 2\nda"]), (204, {}, []))
    assert listen(page, 60) == ["one"]
    assert asked[1].headers["last-event-id"] == "1"


@pytest.mark.parametrize(
    "answer",
    [(204, {}, []), (404, STREAM, [ONE]), (500, STREAM, [ONE]), (200, {"content-type": "text/plain"}, [ONE])],
)
def test_it_gives_up_for_ever_where_the_answer_is_no_event_stream(answer):
    page, asked, clock = source(answer)
    assert listen(page, 60) == []
    assert (len(asked), page.state, clock.now()) == (1, CLOSED, 0)


def test_an_event_without_an_id_has_that_of_the_one_before_also_of_an_earlier_connection():
    page, _, _ = source((200, STREAM, [ONE]), (200, STREAM, [b"data: more\n\n"]), (204, {}, []))
    assert [(event.data, event.id) for event in run(page.listen(60), page._clock)] == [("one", "1"), ("more", "1")]


@pytest.mark.parametrize("error", [httpx2.ConnectError("refused"), httpx2.RemoteProtocolError("cut")])
def test_a_broken_line_makes_it_ask_again(error):
    page, _, clock = source(error, (200, STREAM, [ONE, error]), (204, {}, []))
    assert listen(page, 60) == ["one"]
    assert (page.connections, clock.now()) == (3, 2 * RETRY)


def test_the_server_says_how_long_it_waits():
    page, _, clock = source((200, STREAM, [b"retry: 250\n\n"]), (200, STREAM, []), (204, {}, []))
    listen(page, 60)
    assert clock.now() == 0.5


def test_a_page_that_closes_it_hears_nothing_more():
    page, asked, _ = source((200, STREAM, [ONE + TWO]))
    assert listen(page, 60, lambda event: event.data == "one") == ["one"]
    assert len(asked) == 1


def test_its_state_is_that_of_a_browser():
    page, _, _ = source((200, STREAM, [ONE]))

    async def states():
        seen = [page.state]
        async for _ in page:
            seen.append(page.state)
            asyncio.get_running_loop().call_later(RETRY / 2, lambda: seen.append(page.state) or page.close())
        return [*seen, page.state]

    assert run(states(), page._clock) == [CONNECTING, OPEN, CONNECTING, CLOSED]
