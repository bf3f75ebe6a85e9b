"""Applications in-process, in virtual time, and over a port; the application is FastAPI's or written by hand."""

import asyncio

import httpx2
import pytest
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from course_utils.asgi import app_client, serve_app
from course_utils.clock import RealClock, VirtualClock, run
from course_utils.mock import MockServer
from course_utils.pace import Pace

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)


def application(upstream):
    """An endpoint for plain text and one for events, as lesson 3 writes them."""
    app = FastAPI()

    async def answer(prompt):
        messages = [{"role": "user", "content": prompt}]
        async with await upstream.chat.completions.create(model="mock-1", messages=messages, stream=True) as stream:
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

    @app.post("/text")
    async def text(prompt: str = Body(embed=True)):
        return StreamingResponse(answer(prompt), media_type="text/plain")

    @app.get("/events", response_class=EventSourceResponse)
    async def events(prompt: str):
        async for piece in answer(prompt):
            yield ServerSentEvent(raw_data=piece)

    return app


@pytest.fixture
def mock():
    return MockServer("one two three four", pace=PACE, clock=VirtualClock())


async def pieces(http, clock, enough=99, **request):
    seen = []
    async with http.stream(**request) as answer:
        assert answer.status_code == 200
        async for data in answer.aiter_bytes():
            seen.append((clock.now(), data))
            if len(seen) == enough:
                break
    return seen


def test_each_piece_is_handed_over_when_the_application_sends_it(mock):
    http = app_client(application(mock.async_client()))
    request = {"method": "POST", "url": "/text", "json": {"prompt": "Hi"}}
    seen = run(pieces(http, mock.clock, **request), mock.clock)
    assert seen == [(0.5, b"one"), (0.75, b" two"), (1.0, b" three"), (1.25, b" four")]
    assert mock.ledger[0].asked["messages"][0]["content"] == "Hi"


def test_a_query_reaches_the_application(mock):
    http = app_client(application(mock.async_client()))
    seen = run(pieces(http, mock.clock, method="GET", url="/events?prompt=A%20b"), mock.clock)
    assert seen[0] == (0.5, b"data: one\n\n")
    assert mock.ledger[0].asked["messages"][0]["content"] == "A b"


def test_a_client_that_leaves_stops_the_model_behind_the_application(mock):
    http = app_client(application(mock.async_client()))

    async def leave_early():
        await pieces(http, mock.clock, enough=2, method="GET", url="/events?prompt=Hi")
        await mock.clock.asleep(10)

    run(leave_early(), mock.clock)
    assert (mock.ledger[0].ended, mock.ledger[0].tokens_generated) == ("client_left", 2)


async def crash(scope, receive, send):
    assert (await receive())["body"] == b"{}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError("in the middle")


async def silent(scope, receive, send):
    return


@pytest.mark.parametrize("app", [crash, silent])
def test_an_application_that_ends_in_the_middle_is_a_broken_connection(app):
    with pytest.raises(httpx2.RemoteProtocolError, match="without ending its answer") as told:
        run(app_client(app).post("/", content=b"{}"))
    assert isinstance(told.value.__cause__, LookupError) is (app is crash)


@pytest.mark.live
def test_the_same_application_streams_over_a_port_and_frees_it():
    mock = MockServer("one two three four", pace=Pace(headers=0, ttft=0.05, itl=0.05), clock=RealClock())
    with serve_app(application(mock.async_client())) as url:
        with httpx2.stream("GET", f"{url}/events?prompt=Hi") as answer:
            moments = [mock.clock.now() for _ in answer.iter_bytes()]
        assert len(moments) >= 4
        assert moments[-1] - moments[0] > 0.1
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)


def test_nothing_hangs_on_a_loop_of_the_kernel():
    """Real time: the loop that runs already is used."""
    http = app_client(application(MockServer("one", clock=RealClock(), pace=Pace(0, 0, 0)).async_client()))
    assert asyncio.run(http.get("/events?prompt=Hi")).text == "data: one\n\n"
