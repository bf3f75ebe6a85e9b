# %% [markdown]
# # Which mode for which application?
#
# *20 minutes to read and try, 25 minutes of core exercises. Lessons 1 to 6 come first.*
#
# Afterwards you can choose a mode for an application and give your reasons, find the server that serves one guest and no
# second, say what a closed laptop should mean, and put it all on one page.
#
# Everything here lives on a virtual clock: waits are exact, and you don't sit through them.

# %% id="setup"
import asyncio, json
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse
from course_utils import MockServer, Pace, VirtualClock, predict, record, reveal
from course_utils import Visit, made, then, watch
from course_utils import arecord, e2e, plot_decision, plot_timelines, ttfv

clock = VirtualClock()
menu = "Today we have soup with bread, a salad from the garden, and cake."
menu += " The soup is hot, the cake is fresh, and we are glad."
cafe = MockServer(menu, pace=Pace(ttft=0.5, itl=0.05), clock=clock)
ask = {"messages": [{"role": "user", "content": "What is on the menu?"}]}

# %% [markdown] id="on-three-from-before"
# ## Three from before
#
# Answer in your head, then open.
#
# <details><summary>1. How much sooner has somebody <i>finished reading</i> an answer if it is streamed?</summary>
# By the time it takes to make or the time it takes to read, whichever is shorter (lesson 1).</details>
#
# <details><summary>2. A page reads an answer with <code>EventSource</code>. The answer is complete. What happens next?</summary>
# It asks again, and again, until the page closes it or the server says 204 (lesson 3).</details>
#
# <details><summary>3. A client with a time-out of one second reads a stream that takes four. What happens?</summary>
# Nothing: it counts from one read to the next. The unary call would have failed after its second (lesson 4).</details>

# %% [markdown] id="on-the-caf-with-one-waiter"
# ## The café with one waiter
#
# A café has a chat on its page. An answer has 31 tokens, the first after 0.5 seconds, the last after 2. Its endpoint is that
# of many tutorials; `waiter` belongs to the usual client:

# %% id="waiter"
waiter = cafe.client().chat.completions

async def told(messages):
    for chunk in waiter.create(model="mock-1", messages=messages, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content

# %% id="tutorial"
app = FastAPI()

@app.post("/tutorial")
async def tutorial(messages: list = Body(embed=True)):
    return StreamingResponse(told(messages), media_type="text/plain")

# %% [markdown]
# Its developer has written a test. `watch` lets visitors ask, each at a computer of her own, and notes what she sees and when:

# %% id="green"
alone = await clock.play(watch(app, {"Ann": Visit("/tutorial", ask)}, clock))
assert ttfv(alone["Ann"]) < 1 and len(alone["Ann"].chunks) == 31
plot_timelines(alone, title="The test is green")

# %% [markdown]
# A perfect stream. Then it is noon.
#
# **Predict.** Ann, Ben and Cleo ask at the same moment. After how many seconds does the last of them read a first word?

# %% id="predict-noon"
predict("7.a", ...)

# %% id="noon"
noon = {name: Visit("/tutorial", ask) for name in ("Ann", "Ben", "Cleo")}
blocked = await clock.play(watch(app, noon, clock))
plot_timelines(blocked, title="Noon, with one waiter")

# %% id="reveal-noon"
reveal("7.a", ttfv(blocked["Cleo"]), "s")

# %% [markdown]
# The waiter stands at Ann's table until she has her last word. An event loop serves others only while a coroutine *waits at an
# `await`*, and `for chunk in ...` waits inside an ordinary call: not only between two chunks, the whole stream long. Even
# somebody who wants nothing from the model stands in the queue:

# %% id="ping"
@app.get("/ping")
async def ping():
    return "pong"

# %% id="pong"
async def pong_after(path):
    guests = {"Ann": Visit(path, ask), "ping": Visit("/ping", at=0.03)}
    return ttfv((await watch(app, guests, clock))["ping"])

print(f"pong after {await clock.play(pong_after('/tutorial')):.2f} s")

# %% [markdown]
# Now change two words: the client is an `AsyncOpenAI`, the loop an `async for`. (An `await` comes with them, and `async with`
# closes the stream.)

# %% id="waiters"
waiters = cafe.async_client().chat.completions

async def pieces(messages):
    async with await waiters.create(model="mock-1", messages=messages, stream=True) as stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

# %% id="awaited"
@app.post("/chat")
async def chat(messages: list = Body(embed=True)):
    return StreamingResponse(pieces(messages), media_type="text/plain")

# %% id="served"
served = await clock.play(watch(app, {name: Visit("/chat", ask) for name in noon}, clock))
print(f"pong after {await clock.play(pong_after('/chat')):.2f} s")
plot_timelines(served, title="Noon, with as many as it takes")

# %% [markdown]
# Is it so on a real port, too? The same application, served by `uvicorn` in real time, with a quicker model behind it:

# %% id="port" tags=["live"]
import httpx2
from course_utils import RealClock, serve_app

quick, now = MockServer(menu, pace=Pace(ttft=0.1, itl=0.02), clock=RealClock()), RealClock().now
waiter, waiters = quick.client().chat.completions, quick.async_client().chat.completions

async def first_word(http, path):
    sent = now()
    async with http.stream("POST", path, json=ask) as answer:
        return [now() - sent async for data in answer.aiter_bytes()][0]

with serve_app(app) as url:
    async with httpx2.AsyncClient(base_url=url, timeout=20) as http:
        for path in ("/tutorial", "/chat"):
            firsts = sorted(await asyncio.gather(*(first_word(http, path) for _ in range(3))))
            print(path, *(f"{at:.2f} s" for at in firsts))
            assert (firsts[2] - firsts[0] > 1) == (path == "/tutorial")
waiter, waiters = cafe.client().chat.completions, cafe.async_client().chat.completions

# %% [markdown]
# **Say it:** `async def` makes nothing asynchronous, `await` does, as with the `gather` of lesson 6. And a test with one user
# can't see it: test with three at once, and a ping. (By `uvicorn` on a machine of ours, in November 2026, the first words came
# after 0.56, 2.58 and 4.60 seconds, and after the change after 0.55 for each. Well-known open-source servers had this mistake in
# 2026.)

# %% [markdown] id="on-a-web-chat-that-keeps-its-books"
# ## A web chat that keeps its books
#
# The first use case at length. Guests read along and see early when it goes astray, and growing text is its own typing indicator: so the
# answer goes to the page as it comes, as events. And the café wants to know what its model has said, whole, also if the guest leaves:

# %% id="chat"
log = []

async def events(messages):
    said, how = "", "left"
    try:
        async for piece in pieces(messages):
            said += piece
            yield f"data: {json.dumps({'text': piece})}\n\n"
        how = "said all"
        yield "event: done\ndata: {}\n\n"
    finally:
        log.append((how, said))

# %% id="page"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}

@app.post("/page")
async def page(messages: list = Body(embed=True)):
    return StreamingResponse(events(messages), media_type="text/event-stream", headers=HEADERS)

# %% [markdown]
# Ann stays, Ben leaves after one second. What do the two of them see, what does the log say, and what the ledger?

# %% id="books"
cafe.ledger.clear()
guests = {"Ann": Visit("/page", ask), "Ben": Visit("/page", ask, leaves=1.0)}
seen = await clock.play(watch(app, guests, clock))
for how, said in log:
    print(f"log: {how:<9} {len(said):3} characters, the last are {said[-12:]!r}")

# %% id="books-ledger"
print(*(f"{name} has read {len(screen.text)} characters" for name, screen in seen.items()), sep="\n")
print(cafe.ledger)

# %% [markdown]
# One entry each, and the model stops within a token. What stands after the loop never runs when somebody leaves;
# `finally` does (lesson 4). But don't `await` a slow database there: the task is being cancelled, and so is your `await`. Hand
# the entry to a task that stays.
#
# Two things this endpoint lacks: a word to the guest when the model breaks off, after the 200, and a look at the finish reason. You
# add such things in exercise 7.2.

# %% [markdown] id="on-closed-the-laptop"
# ## Closed the laptop
#
# Did Ben leave? His train came. He closed the laptop, and opened it five seconds later. To a server that looks the same: a
# connection has gone. What it does then is a *policy*:
#
# - **cancel:** whoever goes has given up. Stop the model, as `/page` does.
# - **resume:** the answer belongs to the chat, not to the connection. Go on, and give the rest to whoever comes back.
#
# For the second somebody has to keep the answer. Here it is the service, in the background mode of the Responses API
# (lesson 4); in exercise 7.4 it is you.

# %% id="kept"
responses, chats = cafe.async_client().responses, {}

async def kept(stream, after=0):
    shown = 0
    async with stream:
        async for event in stream:
            if event.type == "response.created":
                chats["Ben"] = event.response.id
            if event.type == "response.output_text.delta":
                shown += 1
                if shown > after:
                    yield event.delta

# %% id="keep"
@app.post("/keep")
async def keep(prompt: str = Body(embed=True)):
    stream = await responses.create(model="mock-1", input=prompt, background=True, stream=True)
    return StreamingResponse(kept(stream), media_type="text/plain")

@app.get("/keep")
async def back(after: int):
    stream = await responses.retrieve(chats["Ben"], stream=True, starting_after=0)
    return StreamingResponse(kept(stream, after), media_type="text/plain")

# %% [markdown]
# Under *cancel* Ben asks again when he is back. Under *resume* his page says how many pieces it has, and gets the others. `laptop`
# plays it: a second of reading, five away, and a second visit.
#
# **Predict.** The answer has 31 tokens, and when the laptop closed Ben had 11. How many does the model make for him in all,
# under *cancel*?

# %% id="predict-laptop"
predict("7.b", ...)

# %% id="laptop"
async def laptop(policy, path, question, again):
    first = (await watch(app, {"Ben": Visit(path, question, leaves=1.0)}, clock))["Ben"]
    await clock.asleep(5)
    later = (await watch(app, {"Ben": again(len(first.chunks))}, clock))["Ben"]
    entries = [entry for entry in list(cafe.ledger)[-2:] if entry.tokens_generated]
    print(f"{policy}: {first.text} [back] {later.text}")
    model, screen = made(entries, entries[0].arrived), then(first, later, 6)
    return {f"{policy}: model": model, f"{policy}: screen": screen}

# %% id="policies"
cancel = await clock.play(laptop("cancel", "/page", ask, lambda count: Visit("/page", ask)))
prompt = {"prompt": "What is on the menu?"}
resume = await clock.play(laptop("resume", "/keep", prompt, lambda count: Visit(f"/keep?after={count}")))
plot_timelines(cancel | resume, title="One laptop, two policies")

# %% id="reveal-laptop"
reveal("7.b", cancel["cancel: model"].tokens, "tokens")

# %% [markdown]
# Nobody was there for five seconds, and under *resume* the model went on. When Ben came back, the rest was ready, to the letter, and
# no token was made twice. Under *cancel* he saw the beginning twice, and the café paid for it twice. If he had never come
# back, *cancel* would have been the cheap one.
#
# **Say it:** a connection that has gone says nothing about the person. Choose what it means; a wish to stop needs a button, and a
# request of its own. (The two don't mix: under *resume* leaving can't be the stop button.)

# %% [markdown] id="on-three-decisions"
# ## Three decisions
#
# How an answer travels and how it is shown are two decisions (lesson 4). The third is who does the work. Services sell the same
# model as several *products* (prices and promises as of 2026):
#
# | product | you get | price |
# |---|---|---|
# | **sync** | the answer, now | the full one |
# | **flex** | the answer when there is room, or a 429 | about half |
# | **batch** | for a file of questions a file of answers, within 24 hours, often much sooner | about half |
# | **background** | a key, with which you come back for the answer | the full one |
# | **realtime** | a socket on which both sides speak | its own |
#
# (*Priority*, which some sell as well, is sync that goes before others, at about twice the price.)
#
# Each decision is a row of questions. Begin at the left; the first *yes* decides. (A batch, and a job in the background that is shown
# whole, are fetched, so they have no line that could be silent. For tool calls a socket wants a line that holds. *Held back* is a window
# behind, as in lesson 4.)

# %% id="decisions"
plot_decision()

# %% [markdown]
# You may know a shorter rule: *is a user watching? Then stream; else don't.* Let's see it fail.

# %% [markdown] id="on-nobody-is-watching"
# ### Nobody is watching
#
# A report of 600 tokens is made at night, four tokens a second. On the way stands something that gives up a line on which
# nothing has moved for a minute; a time-out of 60 seconds in the client stands for it.
#
# **Predict.** Unary, as the rule wants: after how many seconds is the call over?

# %% id="predict-night"
predict("7.c", ...)

# %% id="night"
import openai

night = MockServer(" ".join(["page"] * 600), pace=Pace(ttft=2, itl=0.25), clock=clock)
report, over = night.client(timeout=60).chat.completions.create, {}
for stream in (False, True):
    sent, came = clock.now(), None
    try:
        came = record(report, clock=clock, model="mock-1", stream=stream, **ask)
    except openai.APITimeoutError as error:
        print(error)
    over[stream] = clock.now() - sent
    print(f"stream={stream!s:<5} over after {over[stream]:6.2f} s, {came or 'nothing came'}")
print(night.ledger)

# %% id="reveal-night"
reveal("7.c", over[False], "s")

# %% [markdown]
# The unary call got nothing, and what was made until then is paid. The stream came home, though nobody watched: *streamed on the wire,
# shown whole*. (In 2026 Anthropic's SDKs refuse a unary call that might take more than ten minutes.) Better still is a job that needs no
# line: in the *background*, and you ask now and then:

# %% id="poll"
jobs = night.client().responses
job = jobs.create(model="mock-1", input="The report, please.", background=True)
while (job := jobs.retrieve(job.id)).status in ("queued", "in_progress"):
    clock.sleep(30)
print(job.status, len(job.output_text.split()), "words")

# %% [markdown] id="on-a-long-prompt"
# ### A long prompt
#
# The other shortcut lets a program choose. This is how a tutorial does it: long prompts get long answers, and so do those that
# want something explained, described or written.

# %% id="shortcut"
def shortcut(prompt):
    asks_for_much = any(word in prompt.lower() for word in ("explain", "describe", "write"))
    return len(prompt) > 500 or asks_for_much

# %% id="prompts"
prompts = [
    "Is a deadline named in this contract?" + " whereas the party of the first part" * 100,
    "Rewrite in capitals: soup",
    "Tell me a story.",
    "All dishes of Bologna, with recipes.",
    "Explain the tides.",
]

# %% [markdown]
# What matters is how long somebody would look at nothing while text is already there: from the first text to the last.
#
# **Predict.** Say it should stream if that is more than a second. How many of the five (we chose them to break it) does the
# shortcut get right?

# %% id="predict-shortcut"
predict("7.d", ...)

# %% id="desk"
short = {"Is": "Yes, the first of May.", "Rewrite": "SOUP"}
desk = MockServer(lambda prompt: short.get(prompt.split()[0], menu), clock=clock)
create, right = desk.client().chat.completions.create, 0

# %% id="gains"
for prompt in prompts:
    messages = [{"role": "user", "content": prompt}]
    answer = record(create, clock=clock, model="mock-1", messages=messages, stream=True)
    gain = e2e(answer) - ttfv(answer)
    right += shortcut(prompt) == (gain > 1)
    print(f"{prompt[:37]:<38} {'stream' if shortcut(prompt) else 'unary':<7} would gain {gain:4.2f} s")

# %% id="reveal-shortcut"
reveal("7.d", right, "of five")

# %% [markdown]
# It is the length of the *answer* that counts, and whoever writes the call knows it better than a search for words: *rewrite* has
# *write* in it, and a contract may want a yes or no. For such an answer streaming wins nothing, not even in "real-time"
# applications: what these need is a bound on the wait.
#
# **Say it:** ask who reads, how long the answer is, and what must not happen on the way. Not how long the prompt is.

# %% [markdown] id="on-the-cheat-sheet"
# ### The cheat sheet
#
# Ten uses, decided by the picture above:
#
# | use | display | product | wire | because |
# |---|---|---|---|---|
# | chatbot | pieces | sync | streamed | people read along and stop early; *background* if it has to survive a closed laptop |
# | code in an editor | pieces | sync | streamed | read while it grows; the completion of a line is shown whole |
# | e-mails, at night | whole | flex | unary | nobody waits, and half the price; a *batch* from a thousand on |
# | batch classification | whole | batch | unary | a word each; if it is needed today, a pool with a limit |
# | data pipeline | whole | sync | unary | a program waits, and each record must be valid as a whole |
# | live transcription | whole | sync | unary | corrections are tiny: a sentence at a time, in a pause (*debounced*); *realtime* if the model hears the voice |
# | document processing | whole | flex | unary | done by tonight; nobody looks |
# | interactive search | pieces | sync | streamed | results first, the summary grows below; from a cache, whole |
# | report generation | whole | flex | streamed | minutes of silence; in the *background* if the line may drop |
# | writing assistant | pieces | sync | streamed | one stream, every screen; a changed word is shown whole |
#
# Here the core ends; the page and the summary at the end hold for it, too. Do exercises 7.1 and 7.2 now, or go further.

# %% [markdown] id="on-going-further"
# ## Going further

# %% [markdown] id="on-forty-reviews"
# ### Forty reviews
#
# Batch classification, the second use case: one word for each review, unary, shown whole. It is needed now, so it goes through a
# *pool*. The service makes ten answers at once and refuses more. The last review is a slip of the pen, three dots in a
# Python list.

# %% id="reviews"
from collections import Counter

reviews = [f"Visit {n}: {'good' if n % 3 else 'cold'} soup" for n in range(39)] + [...]

def opinion(prompt):
    return "positive" if "good" in prompt else "negative"

judge = MockServer(opinion, pace=Pace(ttft=0.6), clock=clock, max_streams=10)
classify = judge.async_client().chat.completions.create

# %% [markdown]
# **Predict.** An answer takes 0.6 seconds. How many seconds do forty take, ten at a time?

# %% id="predict-pool"
predict("7.e", ...)

# %% id="pool"
async def pool(limit, stream=False):
    places, done, began = asyncio.Semaphore(limit), [], clock.now()

    async def one(review):
        messages = [{"role": "user", "content": f"Positive or negative? {review}"}]
        async with places:
            answer = await arecord(classify, clock=clock, model="mock-1", messages=messages, stream=stream)
        done.append(answer.text)
        if len(done) % 10 == 0:
            print(f"  {clock.now() - began:.1f} s: {'#' * len(done)}")
        return answer.text

    return await asyncio.gather(*map(one, reviews), return_exceptions=True)

# %% id="pools"
took = {}
for limit, stream in ((40, False), (10, False), (10, True)):
    print(f"{limit} at once, stream={stream}")
    began = clock.now()
    labels = await clock.play(pool(limit, stream))
    took[limit, stream] = clock.now() - began
    named = [label if isinstance(label, str) else type(label).__name__ for label in labels]
    print(" ", dict(Counter(named)))

# %% id="reveal-pool"
reveal("7.e", took[10, False], "s")

# %% [markdown]
# Without a limit most are refused; `return_exceptions` keeps them from taking the others along, and `gather` keeps the
# order. Streamed or unary, the pool takes the same time: streaming is no brake on throughput, only useless here. The bar is a
# matter of *display*, and needs no stream. And the three dots?

# %% id="dots"
print(reviews[-1], "is", labels[-1])

# %% [markdown]
# A model answers whatever it is asked. Check your data first.
#
# Is this a batch? No: forty sync calls, at their price, within their limits. The *batch* product takes a file and answers within 24
# hours, often much sooner (lesson 6), at about half the price.
#
# **Say it:** batch is a product, not a pool, and not another word for unary.

# %% [markdown] id="on-orders-into-a-table"
# ### Orders into a table
#
# The third: a pipeline adds to each order what a model finds in it, as JSON. A program reads it, so it must be valid as a whole.

# %% id="orders"
finds = {
    "Two soups": '{"dish": "soup", "count": 2}',
    "Hello?": '{"greeting": "Good morning!"}',
    "The whole menu": '{"dish": "soup, salad and cake", "count": 1}',
    "A cake": '{"dish": "cake", "count": 1}',
}
orders = [{"id": number, "text": text} for number, text in enumerate(finds)]
kitchen = MockServer(finds.get, clock=clock).client().chat.completions.create

# %% id="enrich"
def enrich(order):
    messages = [{"role": "user", "content": order["text"]}]
    shape = {"response_format": {"type": "json_object"}, "max_completion_tokens": 15}
    answer = record(kitchen, clock=clock, model="mock-1", messages=messages, **shape)
    if answer.finish_reason != "stop":
        raise ValueError(f"not whole: {answer.finish_reason}")
    if "dish" not in (found := json.loads(answer.text)):
        raise ValueError(f"no dish in {found}")
    return order | found

# %% id="table"
table, rejected = [], []
for order in orders:
    try:
        table.append(enrich(order))
    except ValueError as error:
        rejected.append((order["id"], str(error)))
print(*table, *rejected, sep="\n")

# %% [markdown]
# Two rows, two rejected, each with its reason, and nothing lost: the tutorial's loop stops at the first bad record and has
# changed its input by then. Would a stream have been faster?

# %% id="brace"
for stream in (False, True):
    messages = [{"role": "user", "content": "A cake"}]
    answer = record(kitchen, clock=clock, model="mock-1", messages=messages, stream=stream)
    print(f"stream={stream!s:<5}  last brace after {e2e(answer):.2f} s")

# %% [markdown] id="on-a-board-for-everybody"
# ### A board for everybody
#
# The fourth: tomorrow's menu is being written, and everybody watches, on a dashboard or in a shared document. One model, one stream, many
# screens. One of them is a phone on a train, which needs 0.4 seconds to show anything. The tutorial sends each piece to
# one after the other:

# %% id="in-turn"
from course_utils import Chunk, Timeline

DELAY = {"desk": 0.0, "wall": 0.0, "phone": 0.4}

async def in_turn(shown):
    began = clock.now()
    async for piece in pieces(ask["messages"]):
        for name, seconds in DELAY.items():
            await clock.asleep(seconds)
            shown[name].append(Chunk(clock.now() - began, piece))

# %% [markdown]
# **Predict.** The model takes 2 seconds for its 31 tokens. After how many seconds is the *desk* complete?

# %% id="predict-desk"
predict("7.f", ...)

# %% id="shown"
async def screens(send):
    shown = {name: [] for name in DELAY}
    await send(shown)
    return {name: Timeline(0.0, tuple(chunks)) for name, chunks in shown.items()}

# %% id="reveal-desk"
slowest = await clock.play(screens(in_turn))
reveal("7.f", round(e2e(slowest["desk"]), 2), "s")

# %% [markdown]
# Everybody waits for the slowest. A queue for each screen cures that (you build this *fan-out* in exercise 7.4), and has to be bounded, or a
# phone in a tunnel fills your memory: where nothing tells the writer that a reader is slow, *backpressure* is missing. For a board there is a simpler way: nobody needs every *piece*, everybody needs the *newest
# state*. So write the text on a board, and let each screen look when it is ready:

# %% id="board"
from course_utils import Board

async def on_a_board(shown):
    board, began, text = Board(), clock.now(), ""

    async def screen(name):
        async for newest in board:
            await clock.asleep(DELAY[name])
            shown[name].append(Chunk(clock.now() - began, "#"))

    async with asyncio.TaskGroup() as group:
        for name in DELAY:
            group.create_task(screen(name))
        async for piece in pieces(ask["messages"]):
            text += piece
            board.write(text)
        board.close()

# %% id="boards"
looked = await clock.play(screens(on_a_board))
plot_timelines(looked, title="Each screen takes the newest text when it is ready")

# %% [markdown]
# Desk and wall are as quick as the model. The phone has drawn a few times only, and stands at the same end. Nothing waits in a
# queue. (`Board??` shows how; a browser does the same when it draws at most 60 times a second, however many tokens come.)

# %% [markdown] id="on-two-types-in-one-coat"
# ### Two types in one coat
#
# "Flexible": one function, which returns a text, or pieces of it when the mode is *stream*. What does this loop print?

# %% id="coat"
say = judge.client().chat.completions.create

def query(prompt, mode="auto"):
    messages = [{"role": "user", "content": prompt}]
    streamed = mode == "stream" or mode == "auto" and shortcut(prompt)
    answer = record(say, clock=clock, model="mock-1", messages=messages, stream=streamed)
    return (chunk.text for chunk in answer.chunks) if streamed else answer.text

# %% id="letters"
for piece in query("Classify: good soup"):
    print(piece, end=" ", flush=True)

# %% [markdown]
# Letters: a loop over a text goes through its letters, and on a screen that looks like streaming. No error tells. Give it two
# names, `stream` and `complete`, each with one type (exercise 7.3).

# %% [markdown] id="on-a-test-that-can-fail"
# ### A test that can fail
#
# The café's test was green while its guests waited. A test of streaming code needs several guests and somebody who wants nothing from the
# model, one who leaves, and a model that breaks off; the ledger as its witness; and a virtual clock, so that no test sleeps. Three such
# tests, which you may carry into a file for `pytest` (there `parametrize` gives the path, and
# `run(test(path), clock)` from `course_utils.clock` plays it):

# %% id="tests"
async def test_nobody_waits_for_another(path):
    guests = {name: Visit(path, ask) for name in noon} | {"ping": Visit("/ping", at=0.03)}
    seen = await watch(app, guests, clock)
    assert max(ttfv(screen) for screen in seen.values()) < 1, "somebody waits for others"

async def test_the_model_stops_when_the_guest_leaves(path):
    await watch(app, {"Dan": Visit(path, ask, leaves=1.0)}, clock)
    count = cafe.ledger[-1].tokens_generated
    assert count < 31, f"the model made all {count} tokens"

async def test_an_answer_that_breaks_off_says_so(path):
    seen = await watch(app, {"Eve": Visit(path, ask)}, clock)
    assert not menu.startswith(seen["Eve"].text), "half a menu looks like a whole one"

# %% [markdown]
# **Predict.** The page that keeps its books, `/page`: how many of the three does it pass?

# %% id="predict-tests"
predict("7.g", ...)

# %% id="run-tests"
from course_utils.frames import end_early

broken = MockServer(menu, pace=Pace(ttft=0.5, itl=0.05), faults=[end_early(12)], clock=clock)
passed = dict.fromkeys(("/tutorial", "/page"), 0)
trials = {test_nobody_waits_for_another: cafe, test_the_model_stops_when_the_guest_leaves: cafe}
for test, model in (trials | {test_an_answer_that_breaks_off_says_so: broken}).items():
    waiter, waiters = model.client().chat.completions, model.async_client().chat.completions
    for path in passed:
        try:
            await clock.play(test(path))
            passed[path] += 1
        except AssertionError as error:
            print(f"{path}, {test.__name__}: {error}")
print(passed)

# %% id="reveal-tests"
waiter, waiters = cafe.client().chat.completions, cafe.async_client().chat.completions
reveal("7.g", passed["/page"], "of three")

# %% [markdown]
# The last is what exercise 7.2 mends. See each test red once, as here by `/tutorial`: a test that has never failed may be one that can't.

# %% [markdown] id="on-one-page"
# ### One page
#
# A decision that nobody wrote down is made again each year, by others. One page is enough. This *decision record* is the café's, with
# what was measured above:

# %% id="record"
decided = {
    "Use": "chat on the café's page; guests in the queue, on phones, one with a screen reader",
    "Display": "pieces; sentences for the screen reader",
    "Product": "background, for phones fall asleep; kept for ten minutes",
    "Wire": "streamed, events by POST; a comment each 15 s of silence",
    "Line gone": "the model goes on. Stop is a button, with a request of its own",
    "No finish reason": "show what came, say 'interrupted', offer 'again'",
    "Limits": "first token 2 s, silence 10 s, all 60 s; a 429 is asked again when it says",
    "Log": "the whole text and how it ended, once, also if the guest has left",
    "Measured": f"of three at once the last reads after {ttfv(served['Cleo'])} s, not {ttfv(blocked['Cleo'])} s",
    "Rejected": "unary (seconds of nothing); cancel on disconnect (made and paid twice)",
    "Look again": "when guests ask for more than the menu, or prices change",
}
for what, words in decided.items():
    print(f"{what + ':':<18}{words}")

# %% [markdown]
# Its lines are the template: replace the right side.

# %% [markdown] id="on-to-take-home"
# ### To take home
#
# The folder `use_cases/` has twelve short programs, each tested: chatbot, web chat, documents in the background, e-mails, classification,
# a pipeline with JSON, transcription, a dashboard, writing together, an endpoint with a flag, a log of streams, and a client for both modes.
# (A class edition comes without it, for some of them answer exercises.)
#
# To read on: OpenAI's guides to [streaming](https://developers.openai.com/api/docs/guides/streaming-responses) and
# [realtime](https://developers.openai.com/api/docs/guides/realtime), and Anthropic's to
# [streaming](https://platform.claude.com/docs/en/build-with-claude/streaming).

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/07_use_cases_by_mode.ipynb): 7.1 and 7.2 are the core, 7.3 and 7.4 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - Three decisions: display, product, wire. Ask who reads, how long the answer is, and what must not happen on the way.
# - `async def` makes nothing asynchronous. Test with three at once, and a ping.
# - A connection that has gone says nothing about the person. Choose a policy, and log in `finally`.
# - Batch is a product. A pool is sync calls with a limit.
# - Write the page.
#
# **Next:** your own application. Point `python3 start.py measure` at it, and see whether the page is true.
