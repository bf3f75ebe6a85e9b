"""The mock as a page sees it: fetch, EventSource, WebSocket and XMLHttpRequest of a real Chromium, from another origin."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from browser import chromium, missing
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.sse import EventSourceResponse, ServerSentEvent
from test_browser import require
from test_server import wait_for

from course_utils.asgi import app_client, serve_app
from course_utils.clock import RealClock, VirtualClock, run
from course_utils.eventsource import RETRY, EventSource
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens
from course_utils.server import LoopbackServer
from course_utils.sse import decode

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.live]

REPLY = "Waves 🌊 of words 🛶 carry one 🚀 after the other 🧭 to a page that reads each as it comes 🏁"
COUNT = len(tokens(REPLY))
KEY = "Bearer secret"

PAGE = """<!doctype html><title>A page of another origin</title><script>
const inTime = promise => Promise.race([promise, new Promise((_, reject) =>
  setTimeout(reject, 10000, new Error("waited 10 s for the end")))])

/* A body as it comes: `alone` has each piece decoded without those before it. Leaves after `enough` reads. */
async function read(url, options, enough) {
  const leave = new AbortController(), seen = {moments: [], text: "", alone: ""}
  const look = new TransformStream({transform(bytes, next) {
    seen.alone += new TextDecoder().decode(bytes)
    next.enqueue(bytes)
  }})
  try {
    const answer = await fetch(url, {...options, signal: leave.signal})
    seen.status = answer.status
    seen.headers = Object.fromEntries(answer.headers)
    const reader = answer.body.pipeThrough(look).pipeThrough(new TextDecoderStream()).getReader()
    for (let part; !(part = await reader.read()).done;) {
      seen.text += part.value
      if (seen.moments.push(performance.now()) === enough) leave.abort()
    }
  } catch (error) {
    seen.error = error.name
  }
  return seen
}

/* The same by XMLHttpRequest. */
const readOldWay = url => new Promise(resolve => {
  const request = new XMLHttpRequest(), moments = []
  request.onprogress = () => moments.push(performance.now())
  request.onloadend = () => resolve({moments, text: request.responseText})
  request.open("GET", url)
  request.send()
})

/* All that an EventSource says until it is closed, by the server or by us after `enough` messages. */
const listen = (url, enough) => new Promise(resolve => {
  const source = new EventSource(url), log = []
  const note = ({type, lastEventId, data}) => {
    log.push({type, id: lastEventId, data, at: performance.now(), state: source.readyState})
    if (type === "message" && --enough === 0) source.close()
    if (source.readyState === EventSource.CLOSED) resolve(log)
  }
  for (const type of ["open", "message", "done", "error"]) source.addEventListener(type, note)
})

/* Two prompts on one WebSocket; the first answer is stopped after three tokens. */
const talk = (url, subprotocols) => new Promise(resolve => {
  const socket = new WebSocket(url, subprotocols), log = []
  socket.onopen = () => socket.send('{"prompt": "First", "model": "mock-1;itl=0.1"}')
  socket.onmessage = ({data}) => {
    const said = JSON.parse(data)
    if (log.push(said) === 3) socket.send('{"stop": true}')
    if (said.finish_reason === "stopped") socket.send("Second")
    if (said.finish_reason === "stop") socket.close(1000)
  }
  socket.onclose = ({code, wasClean}) => resolve({log, code, wasClean, subprotocol: socket.protocol})
})
</script>"""

Call = Callable[..., Any]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None:
        """The test's output is not the place."""


@contextmanager
def origin() -> Iterator[str]:
    """Where the page comes from: a port that is not the mock's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require(missing(), os.environ.get("CI") == "true")
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Call]:
    """Calls a function of the page. Nothing is intercepted: playwright would answer the preflights in the mock's place."""
    with origin() as url:
        page: Page = browser.new_page()
        page.goto(url)
        yield lambda name, *given: page.evaluate(f"given => inTime({name}(...given))", given)


@contextmanager
def serve(**options: Any) -> Iterator[LoopbackServer]:
    mock = MockServer(REPLY, clock=RealClock(), pace=Pace(headers=0.0, ttft=0.05, itl=0.015), **options)
    with mock.serve() as server:
        yield server


@pytest.fixture
def served() -> Iterator[LoopbackServer]:
    with serve() as server:
        yield server


def chat(model: str = "mock-1", **headers: str) -> dict[str, Any]:
    """The options of a fetch; its content type alone makes the browser ask for leave first."""
    asked = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    return {"method": "POST", "headers": {"content-type": "application/json"} | headers, "body": json.dumps(asked)}


def content(text: str) -> str:
    """What the chunks of a chat say together; the last event of a stream that broke off may be half there."""
    chunks = [json.loads(event.data) for event in decode([text.encode()]) if event.data != "[DONE]"]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


def came_one_by_one(moments: Sequence[float]) -> bool:
    """Whether the pieces came in at least five different hundredths of a second, of the forty that a stream takes."""
    return sorted(moments) == moments and len({at // 10 for at in moments}) >= 5


# --- fetch -----------------------------------------------------------------------------------------------------------


def test_a_page_with_the_key_reads_a_stream_as_it_comes(call: Call) -> None:
    with serve(key="secret") as server:
        refused = call("read", f"{server.url}/chat/completions", chat())
        seen = call("read", f"{server.url}/chat/completions", chat(authorization=KEY))
        assert (refused["status"], seen["status"]) == (401, 200)
        assert content(seen["text"]) == REPLY
        assert came_one_by_one(seen["moments"])
        assert [(entry.status, entry.ended) for entry in server.ledger] == [(401, "complete"), (200, "complete")]


def test_a_page_reads_the_headers_that_say_which_request_it_was_and_when_to_come_back(
    call: Call, served: LoopbackServer
) -> None:
    headers = call("read", f"{served.url}/chat/completions", chat("mock-1;error=429"))["headers"]
    assert (headers["x-request-id"], headers["retry-after"]) == (f"req_{served.ledger[-1].number}", "2")


def test_a_page_of_this_machine_may_send_its_cookies_and_still_reads_the_headers(
    call: Call, served: LoopbackServer
) -> None:
    asked = chat(authorization=KEY, **{"x-stainless-os": "Linux"}) | {"credentials": "include"}
    seen = call("read", f"{served.url}/chat/completions", asked)
    assert (seen["status"], content(seen["text"])) == (200, REPLY)
    assert seen["headers"]["x-request-id"] == f"req_{served.ledger[-1].number}"


def test_aborting_a_fetch_stops_the_model(call: Call, served: LoopbackServer) -> None:
    seen = call("read", f"{served.url}/chat/completions", chat("mock-1;itl=0.1"), 4)
    assert (seen["error"], REPLY.startswith(content(seen["text"]))) == ("AbortError", True)
    wait_for(lambda: served.ledger[-1].ended == "client_left")
    assert 1 <= served.ledger[-1].tokens_generated < COUNT


@pytest.mark.parametrize("fault", ["cut", "malformed"])
def test_a_connection_that_breaks_rejects_the_reader(call: Call, served: LoopbackServer, fault: str) -> None:
    seen = call("read", f"{served.url}/chat/completions", chat(f"mock-1;{fault}=8"))
    assert (seen["status"], seen["error"]) == (200, "TypeError")
    assert REPLY.startswith(content(seen["text"]))
    assert [entry.ended for entry in served.ledger] == [f"fault:{fault}"]


def test_an_emoji_in_two_halves_is_whole_for_who_decodes_the_stream_and_broken_for_who_decodes_pieces(
    call: Call, served: LoopbackServer
) -> None:
    seen = call("read", f"{served.url}/chat/completions", chat("mock-1;split-utf8"))
    assert content(seen["text"]) == REPLY
    assert "\N{REPLACEMENT CHARACTER}" in seen["alone"]


@pytest.mark.parametrize("route", ["text", "ndjson"])
def test_a_plain_wrapping_is_read_as_it_comes(call: Call, served: LoopbackServer, route: str) -> None:
    """An XMLHttpRequest is one of those that wait for a kilobyte of plain text unless they are told not to sniff."""
    for way in ("read", "readOldWay"):
        seen = call(way, f"{served.url}/{route}?prompt=Hi")
        lines = seen["text"].splitlines() if route == "ndjson" else [json.dumps({"token": seen["text"]})]
        assert "".join(json.loads(line).get("token", "") for line in lines) == REPLY
        assert came_one_by_one(seen["moments"])


# --- the page of the mock -----------------------------------------------------------------------------------------------


@pytest.fixture
def watched(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def ask(page: Page, server: LoopbackServer, model: str) -> None:
    page.goto(server.watch)
    page.get_by_label("Model").fill(model)
    page.get_by_role("button", name="Ask").click()


def ends(page: Page, state: str) -> None:
    page.locator("#state", has_text=state).wait_for(timeout=10_000)


def logged(page: Page) -> list[float]:
    """When each read came, as the page has written it down."""
    return [float(line.split()[0]) for line in page.locator("#log").inner_text().splitlines()]


def test_the_page_of_the_mock_shows_tokens_as_they_arrive(watched: Page, served: LoopbackServer) -> None:
    ask(watched, served, "mock-1;itl=0.02")
    ends(watched, "complete")
    assert watched.locator("#answer span").all_text_contents() == tokens(REPLY)
    assert came_one_by_one([1000 * at for at in logged(watched)])
    assert watched.locator("#texts").inner_text() == str(COUNT)


def test_a_cut_anywhere_does_the_page_no_harm_and_shows_that_a_read_is_no_event(
    watched: Page, served: LoopbackServer
) -> None:
    ask(watched, served, "mock-1;split-utf8;crlf;heartbeat=0.01;itl=0.1")
    ends(watched, "complete")
    assert watched.locator("#answer").inner_text() == REPLY
    assert int(watched.locator("#reads").inner_text()) > COUNT


def test_the_page_hears_whole_sentences_and_the_rest_at_the_end(watched: Page) -> None:
    mock = MockServer("One two. Three four! Five", clock=RealClock(), pace=Pace(headers=0, ttft=0, itl=0.01))
    with mock.serve() as server:
        watched.goto(server.watch)
        watched.evaluate("""() => new MutationObserver(seen => { window.told = (window.told || []).concat(
            seen.flatMap(one => [...one.addedNodes].map(node => node.data)).filter(text => text))
        }).observe(document.getElementById("heard"), {childList: true})""")
        watched.get_by_role("button", name="Ask").click()
        ends(watched, "complete")
        assert watched.evaluate("window.told") == ["One two.", " Three four!", " Five"]


def test_the_button_of_the_page_stops_the_model(watched: Page, served: LoopbackServer) -> None:
    ask(watched, served, "mock-1;itl=0.3")
    watched.locator("#answer span").first.wait_for()
    watched.get_by_role("button", name="Stop").click()
    ends(watched, "stopped")
    wait_for(lambda: served.ledger[-1].ended == "client_left")
    assert served.ledger[-1].tokens_generated < COUNT


@pytest.mark.parametrize(
    ("model", "state"),
    [
        ("mock-1;error=429", "failed: this error was asked for"),
        ("mock-1;error-at=3", "failed: "),
        ("mock-1;cut=3", "failed: "),
        ("mock-1;end=3", "ended without a finish reason"),
    ],
)
def test_the_page_says_how_a_stream_went_wrong(watched: Page, served: LoopbackServer, model: str, state: str) -> None:
    ask(watched, served, model)
    ends(watched, state)


# --- EventSource -----------------------------------------------------------------------------------------------------


async def refuse_the_end(last_event_id: str | None = Header(None)) -> None:
    if last_event_id == "end":
        raise HTTPException(204)


def text_of(log: Sequence[dict[str, Any]]) -> str:
    return "".join(json.loads(one["data"])["token"] for one in log if one["type"] == "message")


def numbers(log: Sequence[dict[str, Any]]) -> list[int]:
    """What stands behind the dot in the ids of the messages and of the end."""
    return [int(one["id"].partition(".")[2]) for one in log if one["type"] in ("message", "done")]


CONNECTING, OPEN, CLOSED = range(3)


def test_an_event_source_gets_each_token_once_and_is_told_to_stop(call: Call, served: LoopbackServer) -> None:
    log = call("listen", f"{served.url}/events?prompt=Hi&model=mock-1")
    kinds = [(one["type"], one["state"]) for one in log]
    end = [("done", OPEN), ("error", CONNECTING), ("error", CLOSED)]  # it comes back for more, and there is no more
    assert kinds == [("open", OPEN), *[("message", OPEN)] * COUNT, *end]
    assert (text_of(log), numbers(log)) == (REPLY, list(range(COUNT + 1)))
    assert came_one_by_one([one["at"] for one in log if one["type"] == "message"])
    assert [(entry.status, entry.tokens_generated) for entry in served.ledger] == [(200, COUNT), (204, 0)]


def test_an_event_source_that_was_cut_comes_back_when_told_and_gets_the_rest(
    call: Call, served: LoopbackServer
) -> None:
    log = call("listen", f"{served.url}/events?prompt=Hi&model=mock-1;cut=5")
    assert (text_of(log), numbers(log)) == (REPLY, list(range(COUNT + 1)))
    broke = next(place for place, one in enumerate(log) if one["type"] == "error")
    assert 240 < log[broke + 1]["at"] - log[broke]["at"] < 2500  # the mock says 250 ms, Chromium's own choice is 3 s
    seen = broke - 1  # the last token before a cut may be lost on the way, and comes with the rest then
    assert 1 <= seen <= 5
    assert [(entry.ended, entry.tokens_generated, entry.tokens_sent) for entry in served.ledger] == [
        ("fault:cut", COUNT, 5),
        ("complete", 0, COUNT - seen),
        ("complete", 0, 0),
    ]


def test_an_event_source_that_was_told_of_an_error_gets_nothing_more(call: Call, served: LoopbackServer) -> None:
    log = call("listen", f"{served.url}/events?prompt=Hi&model=mock-1;error-at=5")
    assert text_of(log) == "".join(tokens(REPLY)[:5])
    told, broke, stopped = (one for one in log if one["type"] == "error")
    assert json.loads(told["data"])["error"]["type"] == "server_error"
    assert (broke["state"], stopped["state"]) == (CONNECTING, CLOSED)
    assert [(entry.status, entry.tokens_generated) for entry in served.ledger] == [(200, 5), (204, 0)]


def test_an_event_source_that_closes_leaves_and_does_not_come_back(call: Call, served: LoopbackServer) -> None:
    log = call("listen", f"{served.url}/events?prompt=Hi&model=mock-1;itl=0.04", 3)
    assert text_of(log) == "".join(tokens(REPLY)[:3])
    wait_for(lambda: served.ledger[0].ended == "client_left")
    wait_for(lambda: served.ledger[0].tokens_generated == COUNT)  # it might have come back, so the model goes on
    assert len(served.ledger) == 1


def test_the_event_source_of_the_course_asks_as_often_as_that_of_the_browser(browser: Browser) -> None:
    """Endpoints as in lesson 3: one that a tutorial gives, and one that says 204 to who has seen the end."""
    ends = {"/tutorial": ServerSentEvent(raw_data="[DONE]"), "/once": ServerSentEvent(event="done", id="end", data={})}
    app, asked = FastAPI(), Counter[str]()

    @app.get("/{name}", response_class=EventSourceResponse)
    async def endpoint(name: str, seen: Annotated[None, Depends(refuse_the_end)]) -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(data=name)
        yield ends[f"/{name}"]

    @app.middleware("http")
    async def count(request: Any, answer: Any) -> Any:
        asked[request.url.path] += 1
        return await answer(request)

    sources = [EventSource(app_client(app), path, VirtualClock()) for path in ends]
    for source in sources:
        run(source.listen(RETRY * 1.5), source._clock)
    ours = Counter(asked)
    asked.clear()
    with serve_app(app) as url:
        page = browser.new_page()
        page.goto(f"{url}/openapi.json")
        page.evaluate("paths => { window.sources = paths.map(path => new EventSource(path)) }", list(ends))
        wait_for(lambda: min(asked[path] for path in ends) == 2, seconds=10)
        page.wait_for_function("sources[1].readyState === EventSource.CLOSED")
        assert page.evaluate("sources[0].readyState") != CLOSED
        page.close()
    assert ours == {path: asked[path] for path in ends}


# --- WebSocket -------------------------------------------------------------------------------------------------------


def test_a_web_socket_is_stopped_in_the_middle_and_asked_again(call: Call, served: LoopbackServer) -> None:
    seen = call("talk", f"ws://{served.host}:{served.port}/ws")
    assert (seen["code"], seen["wasClean"]) == (1000, True)
    stop = seen["log"].index({"done": True, "finish_reason": "stopped"})
    first, second = seen["log"][:stop], seen["log"][stop + 1 :]
    assert 3 <= len(first) < COUNT
    assert second == [*({"token": piece} for piece in tokens(REPLY)), {"done": True, "finish_reason": "stop"}]
    assert first == second[:stop]
    one, other = served.ledger
    assert (one.ended, one.tokens_generated < COUNT) == ("client_left", True)
    assert (other.ended, other.tokens_generated, other.asked["prompt"]) == ("complete", COUNT, "Second")


def test_a_page_gives_its_key_where_a_web_socket_lets_it(call: Call) -> None:
    with serve(key="secret") as server:
        url = f"ws://{server.host}:{server.port}/ws"
        refused = call("talk", url, ["realtime"])
        seen = call("talk", url, ["realtime", "openai-insecure-api-key.secret"])
    assert (refused["wasClean"], refused["log"]) == (False, [])
    assert (seen["code"], seen["subprotocol"]) == (1000, "realtime")
