# %% [markdown]
# # How does a token get to you?
#
# *20 minutes to read and try, 25 minutes of core exercises. Lessons 1 and 2 come first.*
#
# Afterwards you can read a stream as the bytes it is, say which transport suits which task, write an endpoint that streams,
# and find out who holds a stream back.

# %% id="setup"
from course_utils import layers, overhear, shake, share_wrong, sse, unwrap
from course_utils import MockServer, Pace, VirtualClock, predict, reveal, ttfv
from course_utils import plot_bars, plot_curves, plot_timelines

request = {
    "model": "mock-1",
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
    "stream_options": {"include_obfuscation": False},
}

# %% [markdown] id="on-three-from-before"
# ## Three from before
#
# Answer in your head, then open.
#
# <details><summary>1. A text arrives piece by piece. How do you find out whether it was streamed?</summary>
# From the times at which the pieces came. How many there are tells nothing: an imitation has as many (lesson 1).</details>
#
# <details><summary>2. Why can't even the server say how long an answer will be?</summary>
# There is no answer yet: each token is chosen when all before it are there, and one of them may be the last (lesson 2).</details>
#
# <details><summary>3. An answer came in 13 chunks with text. How many tokens has it?</summary>
# From the chunks you can't tell: one may carry several tokens. The server's own count stands in <code>usage</code> (lesson 2).</details>

# %% [markdown] id="on-envelopes"
# ## Envelopes
#
# A client that asks for a stream gets bytes. `overhear` sends a request and keeps every *read*: what one call of `read()` on
# the connection gave.
#
# **Predict.** The answer begins with `Hello`, five letters. How many bytes travel to bring them?

# %% id="predict-bytes"
predict("3.a", ...)

# %% [markdown]
# **Run.** The first read, as it came:

# %% id="head"
reads = overhear("/v1/chat/completions", request)
print(reads[0].data.decode())

# %% [markdown]
# A status, headers, an empty line, and then the body. Nobody knows its length yet, so it comes in *HTTP chunks*
# (`transfer-encoding: chunked`): a size in hexadecimal, so many bytes, the next size. To HTTP that is all of streaming. The second read
# has our token:

# %% id="token"
print(reads[1].data.decode())

# %% [markdown]
# A token inside JSON, inside an event, inside an HTTP chunk. Let us open one after the other:

# %% id="layers"
opened = layers(reads[1].data)
for name, data in opened.items():
    shown = data if len(data) < 40 else data[:24] + b" ... " + data[-12:]
    print(f"{name:<10} {len(data):4} bytes  {shown}")
reveal("3.a", len(opened["HTTP chunk"]), "bytes")

# %% [markdown]
# Around these come those that a program hardly ever sees:
#
# ```mermaid
# flowchart LR
#   T[token] --> J[JSON: chunk of the API] --> E[event: ends with an empty line] --> H[HTTP chunk: has a size]
#   H --> R[TLS record] --> S[TCP segment] --> G["read()"]
# ```
#
# In words: token, JSON, event, HTTP chunk, TLS record, TCP segment, and at last what your `read()` gives. The events are
# **SSE**, *server-sent events*: lines of `name: value`, where the names are `data`, `event`, `id` and `retry`, and an empty line that ends
# the event. SSE is plain HTTP, not a kind of WebSocket. How does a stream end?

# %% id="end"
print(reads[-1].data.decode())

# %% [markdown]
# Three ends. `finish_reason` says that the *answer* is complete. `[DONE]` is a habit of this API and no part of SSE. The chunk of size
# `0` says that the *body* is complete; without it, it was cut off.
#
# Do the envelopes have the same borders? The same answer four times: as it is, three tokens to an event (`pack`), three events
# to a write (`bundle`), and in pieces of 50 bytes (`split`).

# %% id="counts"
print("reads  HTTP chunks  events  tokens")
for model in ("mock-1", "mock-1;pack=3", "mock-1;bundle=3", "mock-1;split=50"):
    found = unwrap(overhear("/v1/chat/completions", request | {"model": model})).counts()
    print("{reads:5}  {HTTP chunks:11}  {events:6}  {tokens:6}".format(**found), "", model)

# %% [markdown]
# The same text four times. (The role, the finish reason and `[DONE]` are events without a token.)
#
# **Say it:** a read is not an event, an event is not a token. No layer keeps the borders of another.

# %% [markdown] id="on-shaken-bytes"
# ## Shaken bytes
#
# You find a parser like this in many tutorials. Read by read, it is right:

# %% id="naive"
def naive(reads):
    for read in reads:
        for block in read.decode().split("\n\n"):
            if block.startswith("data: "):
                yield block.removeprefix("data: ")

short = unwrap(overhear("/v1/chat/completions", request | {"max_completion_tokens": 5}))
print(list(naive(short.chunks)) == list(short.events), len(short.body), "bytes")

# %% [markdown]
# Now the network splits the same bytes at random places, which is what `shake` does. Which of the blocks that the parser finds did
# the server send?

# %% id="shake"
import random

blocks = list(naive(shake(short.body, 800, random.Random(2))))
print(len(short.events), "events sent,", len(blocks), "blocks found:")
print(*["whole" if block in short.events else "HALF" for block in blocks])

# %% [markdown]
# Half events pass for whole ones, and their other halves are dropped without a word. `share_wrong` shakes them a thousand times.
#
# **Predict.** A read has 4000 bytes at most; the answer has not even half of that. In how many of 100 runs is this parser wrong?

# %% id="predict-wrong"
predict("3.b", ...)

# %% id="wrong"
wrong = share_wrong(naive, short.body, short.events, most=4000)
reveal("3.b", round(100 * wrong), "of 100")

# %% [markdown]
# The larger the reads, the more often one of them holds the whole answer. So this parser passes its tests, with short answers on one
# machine, and fails on a train.
#
# **Say it:** what is unfinished at the end of a read is kept for the next. You build that parser in exercise 3.1.

# %% [markdown] id="on-five-transports-one-clock"
# ## Five transports, one clock
#
# SSE is one way to carry tokens. Others are plain text, lines of JSON (*NDJSON*), a **WebSocket**, on which both sides may speak at any
# time, and *polling*: asking again and again whether the job is done.
#
# All go to the same mock, over a network where a round trip takes 0.1 s. SSE needs one for TCP's handshake, one for that of TLS, one for
# the request. The first token takes the model 0.5 s. The stopwatch starts before the first handshake:
# there the figures say *request sent*.
#
# **Predict.** By how many seconds is the WebSocket's first text earlier than that of SSE?

# %% id="predict-socket"
predict("3.c", ...)

# %% id="five"
from course_utils import CARRIERS, carry

lanes = {name: carry(name, pace=Pace(ttft=0.5, itl=0.1), rtt=0.1) for name in CARRIERS}
plot_timelines(lanes, title="Five transports")

# %% id="reveal-socket"
reveal("3.c", ttfv(lanes["SSE"]) - ttfv(lanes["WebSocket"]), "s")

# %% [markdown]
# Below zero: it is *later*, by the round trip in which it asks HTTP for a change of protocol. Apart from that the four are
# equal, for they wait for the same model. Only polling shows nothing until all is done and it has asked once more.
#
# **Say it:** the transport does not make the model faster. What costs is setting up: keep connections, and choose by direction and by
# who reads (a table stands below, in *Going further*).

# %% [markdown] id="on-write-the-server-s-side"
# ## Write the server's side
#
# ```mermaid
# sequenceDiagram
#   participant B as browser
#   participant S as your server
#   participant M as model
#   B->>S: POST, with the prompt
#   S->>M: request, stream=True
#   loop each token
#     M-->>S: chunk
#     S-->>B: event
#   end
# ```
#
# In words: between browser and model stands a server of yours, which passes each token on as it comes. That takes a generator.
# This one asks the mock, on a virtual clock, which waits for nobody:

# %% id="upstream"
clock = VirtualClock()
mock = MockServer("Six tokens, no more.", pace=Pace(ttft=0.5, itl=0.1), clock=clock)
upstream = mock.async_client()

async def answer(prompt):
    question = [{"role": "user", "content": prompt}]
    stream = await upstream.chat.completions.create(model="mock-1", messages=question, stream=True)
    async with stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

# %% [markdown]
# The client is the *asynchronous* one: a synchronous one in `async def` lets all other users wait (lesson 7), and in a plain `def` each
# open stream holds one of 40 threads. `async with` closes the stream when your own client leaves, so that the model stops. Now two
# endpoints in FastAPI, one for text and one for events:

# %% id="endpoints"
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}

@app.post("/text")
async def text(prompt: str = Body(embed=True)):
    return StreamingResponse(answer(prompt), media_type="text/plain", headers=HEADERS)

# %% [markdown]
# The headers tell caches, proxies and browsers: keep no copy, hold nothing back, don't guess what this might be. (To guess, Chromium
# may wait for a kilobyte of plain text.) For events FastAPI sends the first two by itself:

# %% id="events"
from fastapi.sse import EventSourceResponse, ServerSentEvent

@app.post("/events", response_class=EventSourceResponse)
async def events(prompt: str = Body(embed=True)):
    async for piece in answer(prompt):
        yield ServerSentEvent(data={"text": piece})
    yield ServerSentEvent(event="done", data={})

# %% [markdown]
# **Run.** Without a port first: `app_client` calls the application where it stands.

# %% id="in-process"
from course_utils import EventSource, app_client

async def read(path):
    async with app_client(app).stream("POST", path, json={"prompt": "hello"}) as response:
        async for data in response.aiter_bytes():
            print(f"{clock.now():.1f} s  {data}")

await clock.play(read("/text"))
await clock.play(read("/events"))

# %% [markdown]
# Plain text has no words for an end or an error. In an event each token stands in JSON, so that its spaces and line ends survive, and
# the end has a name, `done`.

# %% [markdown] id="on-the-bill-that-never-stops"
# ## The bill that never stops
#
# Browsers have a client of their own for SSE, `EventSource`. It can only GET, so tutorials give it an endpoint like this:

# %% id="tutorial"
@app.get("/sse", response_class=EventSourceResponse)
async def tutorial(prompt: str):
    async for piece in answer(prompt):
        yield ServerSentEvent(data=piece)
    yield ServerSentEvent(raw_data="[DONE]")

# %% [markdown]
# The `EventSource` of this course keeps the rules of the browser's: when the connection ends, it waits, as Chromium does, three seconds and
# asks again. An answer has 6 tokens and is complete after 1 s.
#
# **Predict.** Somebody reads the answer and leaves the tab open, for a minute in all. How many tokens does the model generate?

# %% id="predict-bill"
predict("3.d", ...)

# %% id="bill"
mock.ledger.clear()
page = EventSource(app_client(app), "/sse?prompt=hello", clock)
heard = await clock.play(page.listen(60))
print(mock.ledger[0], mock.ledger[-1], sep="\n...\n")
reveal("3.d", sum(entry.tokens_generated for entry in mock.ledger), "tokens")

# %% [markdown]
# To reconnect is what it was made for, and `[DONE]` means nothing to it. What stops it is its own `close()`, or the status 204, *No
# Content*. So let the page close it at the end:

# %% id="close"
mock.ledger.clear()
page = EventSource(app_client(app), "/sse?prompt=hello", clock)
await clock.play(page.listen(60, until=lambda event: event.data == "[DONE]"))
print(len(mock.ledger), "generation")

# %% [markdown]
# The status 204, and POST, which is the way of nearly all LLM APIs, stand in *Going further*.
#
# **Say it:** for an `EventSource` reconnecting is the rule, and somebody pays each time.

# %% [markdown] id="on-who-holds-it-back"
# ## Who holds it back?
#
# "My server yields, but the text comes in one piece." In between stands a proxy. This one has four switches: HTTP/1.0 to the server,
# buffering, compression, and a header with which the server asks not to be buffered. It behaves as nginx 1.22 did in all their sixteen
# positions.
#
# **Predict.** The first three are on, the header is off, and everything is held back. How many of the four, each flipped *alone*, set the
# stream free?

# %% id="predict-switches"
predict("3.e", ...)

# %% [markdown]
# Try it:

# %% id="proxy"
from course_utils import Proxy, ProxyWidget

ProxyWidget()

# %% [markdown]
# The same in code:

# %% id="switches"
from dataclasses import replace

bad, free = Proxy(http10=True, buffering=True, gzip=True, hint=False), []
for switch in ("http10", "buffering", "gzip", "hint"):
    arrived = ttfv(replace(bad, **{switch: not getattr(bad, switch)}).deliver())
    print(f"{switch:<10} flipped: first text after {arrived:.1f} s")
    if arrived < 1:
        free.append(switch)
reveal("3.e", len(free), "switches")

# %% [markdown]
# Two causes lie on top of each other: pages of 4096 bytes, which this proxy fills when it speaks HTTP/1.0 to the server, and a compressor
# that waits for more. Remove one, and the other still holds. One switch is in *your* hands: the header `X-Accel-Buffering: no`.
# It costs nothing, so send it always. Here it reaches the compressor too, for that is the proxy's own; one in your framework comes before
# the proxy, and never hears of it (exercise 3.4).
#
# **Say it:** that a server yields does not say when it arrives. Measure at the client.

# %% [markdown] id="on-going-further"
# ## Going further
#
# Here the core ends; the summary at the end holds for it, too. Do exercises 3.1 and 3.4 now, or go further.

# %% [markdown] id="on-which-one-when"
# ### Which one, when?
#
# | | goes | a browser reads it with | comes back by itself | choose it for |
# |---|---|---|---|---|
# | chunked text | to you | `fetch` | no | `curl`, a demo: no room for errors or an end |
# | NDJSON | to you | `fetch` | no | programs that read lines; Ollama speaks it |
# | SSE by POST | to you | `fetch` and a parser | no | nearly every LLM API |
# | SSE by GET | to you | `EventSource` | yes, always | notifications, dashboards (see above) |
# | WebSocket | both ways | `WebSocket` | no | voice, agents, stop buttons |
# | polling | on request | anything | of course | jobs of minutes, with nobody watching |

# %% [markdown] id="on-reads-of-other-sizes"
# ### Reads of other sizes
#
# Beside the naive parser one that keeps what is unfinished until the next read:

# %% id="shaken"
def right(reads):
    return [event.data for event in sse.decode(reads)]

curves = {"split per read": [], "keeps the rest": []}
for most in (50, 500, 1000, 2000, 4000, 8000, 16000):
    for name, parse in zip(curves, (naive, right)):
        curves[name].append((most, 100 * share_wrong(parse, short.body, short.events, most)))
plot_curves(curves, title="Parsers on shaken bytes", x="longest read, in bytes", y="wrong runs of 100")

# %% [markdown] id="on-is-a-websocket-ever-faster"
# ### Is a WebSocket ever faster?
#
# An agent takes twenty turns, a few tokens each:

# %% id="twenty"
from course_utils import TALKS, converse

agent = Pace(headers=0.05, ttft=0.2, itl=0.02)
talks = {how: converse(how, turns=20, pace=agent, rtt=0.1) for how in TALKS}
for how, talk in talks.items():
    print(f"{how:<16} {talk.connections:2} opened, {talk.sent} bytes sent")
plot_bars({how: talk.seconds for how, talk in talks.items()}, title="Twenty turns", unit="s")

# %% [markdown]
# What costs is *setting up*, and whoever keeps the connection saves it, over plain HTTP too. Your `openai` client keeps it as long as you
# keep the client. What only a WebSocket has is the second direction: stop, or speak, in the middle of an answer.
#
# A WebSocket also sends less per turn, and its server may keep your context at hand. OpenAI speaks of "up to roughly 40 %
# faster" for twenty and more tool calls over its own (2026).

# %% [markdown] id="on-two-other-ways-to-end-the-bill"
# ### Two other ways to end the bill
#
# The server may say that there is no more, to a client that names the `id` of the last event:

# %% id="no-content"
from fastapi import Depends, Header, HTTPException

async def not_again(last_event_id: str | None = Header(None)):
    if last_event_id == "end":
        raise HTTPException(204)

@app.get("/once", response_class=EventSourceResponse, dependencies=[Depends(not_again)])
async def once(prompt: str):
    async for piece in answer(prompt):
        yield ServerSentEvent(data=piece)
    yield ServerSentEvent(event="done", id="end", data={})

# %% id="once"
mock.ledger.clear()
page = EventSource(app_client(app), "/once?prompt=hello", clock)
await clock.play(page.listen(60))
print(page.connections, "connections,", len(mock.ledger), "generation")

# %% [markdown]
# The third way is that of nearly all LLM APIs: POST, as `/events` above. A page then uses `fetch` and a parser, may send a header with
# a key, and asks again only if it wants to. (With GET the prompt also stands in the address, and so in logs and histories.)

# %% id="post"
mock.ledger.clear()
await clock.play(read("/events"))
print(len(mock.ledger), "generation")

# %% [markdown] id="on-silence"
# ### Silence
#
# Many proxies cut a connection on which nothing has moved for a minute. A model that thinks is silent. Here it pauses for four seconds
# after the third token, and the proxy is patient for two; `heartbeat` sends an SSE comment (a line that begins with a colon) after each
# silent second.

# %% id="silence"
import openai

for wishes in ("idle=2", "heartbeat=1;idle=2"):
    name = f"mock-1;pause=3:4;{wishes}"
    try:
        stream = mock.client().chat.completions.create(**request | {"model": name})
        print(f"{name:<38} {len(list(stream))} chunks")
    except openai.APIConnectionError:
        print(f"{name:<38} cut off")

# %% [markdown]
# The proxy sees movement, and the parser passes no comment on. But a time-out of yours that waits for the next read sees movement too
# (lesson 6). FastAPI sends a comment each 15 seconds by itself.

# %% [markdown] id="on-somebody-leaves"
# ### Somebody leaves
#
# The reader closes the tab after the first piece. Does the model behind your application know?

# %% id="leave"
async def leave():
    async with app_client(app).stream("POST", "/events", json={"prompt": "hello"}) as response:
        await anext(response.aiter_bytes())
    await clock.asleep(5)

mock.ledger.clear()
await clock.play(leave())
print(mock.ledger)

# %% [markdown]
# It does: the application is cancelled, and `async with` closes its own stream in turn.

# %% [markdown] id="on-three-dialects"
# ### Three dialects
#
# The envelopes are everybody's, the JSON in them is not. Three APIs, asked for the same answer; the table is made from the bytes that came:

# %% id="dialects"
from course_utils import locate

question = request["messages"]
asked = {
    "chat/completions": ({"messages": question}, "stop"),
    "responses": ({"input": "hello"}, "completed"),
    "messages": ({"messages": question, "max_tokens": 50}, "end_turn"),
}
for route, (body, end) in asked.items():
    response = mock.http().post(route, json={"model": "mock-1", "stream": True} | body)
    events = list(sse.decode([response.content]))
    print(f"{route:<17} text: {locate(events, 'Six')}")
    print(f"{'':17} end:  {locate(events[::-1], end)}; last event: {events[-1].data[:24]}")

# %% [markdown]
# Chat Completions (the first) is what most servers of other makers speak too. Responses (OpenAI's newer one) and Messages (Anthropic's) name their
# events, open and close everything, and say the end in JSON. Clients skip types that they don't know, for new ones come.

# %% [markdown] id="on-on-a-real-port"
# ### On a real port
#
# Your application, by `uvicorn`, on a port of this machine. A real clock needs a real mock behind it:

# %% id="port" tags=["live"]
import httpx2
from course_utils import RealClock, serve_app

now = RealClock().now
upstream = MockServer(pace=Pace(headers=0.05, ttft=0.3, itl=0.05), clock=RealClock()).async_client()
with serve_app(app) as url, httpx2.stream("POST", f"{url}/events", json={"prompt": "hello"}) as response:
    moments = [now() for data in response.iter_bytes()]
assert moments[-1] - moments[0] > 0.1
print(f"{url}: {len(moments)} reads within {moments[-1] - moments[0]:.2f} s")

# %% [markdown] id="on-in-a-real-browser"
# ### In a real browser
#
# The mock serves a page on which you see tokens arrive, with the counts of this lesson. `python3 start.py serve` prints its address. Or run
# in a cell of your own `server = MockServer(clock=RealClock()).serve()` and open `server.watch`; `server.close()` ends it. Try the models
# `mock-1;bundle=3`, `mock-1;page=4096` and `mock-1;cut=12`. This is how the page reads, in JavaScript:

# %% id="watch"
from course_utils.server import PAGE

page = PAGE.read_text("utf-8")
print(page[page.index("  const reader"):page.index("  return complete")])

# %% [markdown] id="on-others-that-you-will-meet"
# ### Others that you will meet
#
# - **Parsers** by others. Of the one you write in exercise 3.1 the
#   solution keeps all rules of the standard that `benchmarks/sse_parsers.py` tries; none of nine popular packages did in November 2026.
# - **gRPC** streams between services: messages over HTTP/2, with a status *after* the body. A browser needs a proxy for it.
# - **WebTransport**, over HTTP/3, has several streams on one connection. All large browsers have it since March 2026; for LLM text hardly anybody
#   uses it.
# - **WebRTC** carries voice, and tolerates loss.
# - **MCP**, by which models reach tools, used SSE that can be resumed (as in exercise 3.3); since its revision of July 2026 a stream that
#   breaks is asked for again, so requests have to be *safe to repeat*.
# - **One answer, many readers**, as in a document that several people write: your server reads the stream once and hands each piece to
#   all. A slow reader does not slow the model: megabytes wait in the system's buffers before anything stops. So your server must
#   not wait for one of them, nor keep without bound what that one has not read (lesson 7).
# - An `EventSource` over HTTP/1.1 holds one of six connections that a browser grants an origin. The seventh tab waits.

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/03_transport_mechanisms.ipynb): 3.1 and 3.4 are the core, 3.2 and 3.3 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - A token travels in envelopes whose borders don't match. Keep what is unfinished, and let the JSON say that the answer is complete.
# - The transport does not change when the model speaks. Set-up costs round trips: keep connections.
# - `EventSource` asks again after a complete answer. Close it, answer 204, or use POST.
# - What stands in between may hold, cut or compress. Send the headers, and measure at the client.
#
# **Next:** [lesson 4](04_streaming_tradeoffs.ipynb) asks what goes wrong in the middle of a stream, and what streaming costs.
