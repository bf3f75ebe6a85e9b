# %% [markdown]
# # When is the whole answer there?
#
# *20 minutes to read and try, 25 minutes of core exercises. Lessons 1 to 5 come first.*
#
# The published comparison whose 0.96 seconds opened lesson 5 asked one model in two modes. The unary answer took 11.34 seconds,
# "the total operation" 19.39, and so people learnt that streaming takes longer. Does it? Afterwards you can say where the seconds
# of an answer go, compare two modes so that the result holds, and ask a service for many answers at once.

# %% id="setup"
import asyncio
import openai
from course_utils import app_client, arecord, MockServer, Pace, predict, record, reveal, VirtualClock
from course_utils import arrivals, e2e, e2e_tps, gaps, percentile, ttft, user_tps
from course_utils import Chunk, crowd, open_loop, rehearse, Timeline, TwinsWidget
from course_utils import interval, plot_curves, plot_differences, plot_spans, plot_stacks, plot_timelines, spans

clock = VirtualClock()
question = [{"role": "user", "content": "What do you like about walks?"}]

# %% [markdown] id="on-three-from-before"
# ## Three from before
#
# Answer in your head, then open.
#
# <details><summary>1. Why does a token of the prompt take less time than one of the answer?</summary>
# The prompt is all there and is read in one go; each token of the answer waits for the one before (lesson 2).</details>
#
# <details><summary>2. The loop over a stream has ended. What tells you that the answer is whole?</summary>
# The finish reason. Neither the status nor the end of the loop does (lesson 4).</details>
#
# <details><summary>3. Eight seats, sixteen users. What has grown: the time to the first token, or the time per token?</summary>
# The time to the first token: they queue. The pace of a full house is the same (lesson 5).</details>

# %% [markdown] id="on-where-the-time-goes"
# ## Where the time goes
#
# Here is a server whose pace we pretend not to know, and a measurement as you would make it at a service: what it read, what
# it wrote, and how long that took.

# %% id="measure"
pace = Pace(ttft=0.4, itl=0.02, prefill=0.0002, jitter=0.3)
house = MockServer(" ".join(["on"] * 600), pace=pace, clock=clock)
ask = house.client().chat.completions.create

def measure(words, limit):
    began = clock.now()
    essay = [{"role": "user", "content": " word" * words}]
    used = ask(model="mock-1", messages=essay, max_completion_tokens=limit).usage
    return used.prompt_tokens, used.completion_tokens, clock.now() - began

# %% [markdown]
# First vary what it *reads*, and let it write a single token. Then vary what it *writes*.

# %% id="samples"
read = [measure(words, 1) for words in (1, 1000, 2000, 3000, 4000)]
written = [measure(1, limit) for limit in (1, 100, 200, 300, 400, 500, 600)]

# %% [markdown]
# **Predict.** How many tokens of the prompt take as long as *one* token of the answer?

# %% id="predict-ratio"
predict("6.a", ...)

# %% id="fit"
from statistics import linear_regression

reading, base = linear_regression([tokens for tokens, _, _ in read], [seconds for _, _, seconds in read])
writing, _ = linear_regression([tokens for _, tokens, _ in written], [seconds for _, _, seconds in written])
print(f"base {base:.2f} s, reading {reading * 1000:.2f} ms a token, writing {writing * 1000:.1f} ms a token")
reveal("6.a", round(writing / reading), "tokens")

# %% [markdown]
# Three numbers, and a formula for the *end-to-end latency*, request to last token (`e2e`, as in lessons 1 and 5):
#
# ```
# e2e = base + tokens read × reading + (tokens written − 1) × writing
# ```
#
# Minus one, as the first token comes with the reading. Does the formula know anything about requests that it has not seen?

# %% id="new-cases"
cases = {"a question": (50, 60), "a long text, one word": (4000, 3), "a short wish, a story": (20, 550)}
parts = {}
for name, (words, limit) in cases.items():
    tokens_in, tokens_out, seconds = measure(words, limit)
    parts[name] = {"base": base, "reading": tokens_in * reading, "writing": (tokens_out - 1) * writing}
    print(f"{name:<23} predicted {sum(parts[name].values()):5.2f} s, measured {seconds:5.2f} s")

# %% id="parts"
plot_stacks(parts, title="Where the time goes")

# %% [markdown]
# It does. And it says what helps: shorter *answers*. ("Halve the answer and you halve the latency, halve the prompt and you
# gain 1 to 5 %", says OpenAI's latency guide, read in 2026.) The *jitter*, by which single gaps are longer or shorter, hardly
# shows, as it averages out.

# %% [markdown] id="on-count-tokens-not-chunks"
# ### Count tokens, not chunks
#
# Now with a stream, and two more models that are as fast: one sends three tokens in a chunk, one thinks before it speaks. Suppose
# you count chunks.

# %% id="chunks"
usage = {"stream_options": {"include_usage": True}, "stream": True, "max_completion_tokens": 240}
for name in ("mock-1", "mock-1;pack=3", "mock-1;reasoning=120"):
    answer = record(ask, model=name, messages=question, clock=clock, **usage)
    print(f"{name:<21}took {e2e(answer):.1f} s,", end="")
    for unit, count in {"chunks": len(arrivals(answer)), "tokens": answer.tokens}.items():
        print(f"  by its {count:3} {unit} {base + (count - 1) * writing:.1f} s", end="")
    print()

# %% [markdown]
# Only the tokens of `usage` explain the time, hidden thoughts included. It comes in the last chunk, the one without choices, if
# you asked for it. How do you recognize that chunk? Many tutorials test `hasattr(chunk, "usage")`:

# %% id="hasattr"
stream = list(ask(model="mock-1", messages=question, **usage))
print(sum(hasattr(chunk, "usage") for chunk in stream), "of", len(stream), "chunks have the attribute")
print(sum(chunk.usage is not None for chunk in stream), "has a usage")

# %% [markdown]
# **Say it:** base, reading, writing: fit them from the tokens that the server counted. (Exercise 6.1 fits all three at once.) Where an answer takes longer than that, look for what
# stands in no formula: a queue, many users (lesson 5), a proxy (lesson 3), a cold cache. Or your own program.

# %% [markdown] id="on-the-experiment"
# ## The experiment
#
# Back to the published comparison. A server with two endpoints was asked from two terminals at the same time, once. Here are two such
# endpoints. Behind them is a real model, the tiny one of lesson 2, and its answers are as long as they happen to be.

# %% id="endpoints"
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()
writer = MockServer(pace=Pace(ttft=0.9, itl=0.25, jitter=0.3), clock=clock)
sync_create, create = writer.client().chat.completions.create, writer.async_client().chat.completions.create
system = {"role": "system", "content": "You are a kind host."}
request = {"model": "austen", "messages": [system, *question], "temperature": 0.8, "n": 1}

# %% id="whole-endpoint"
@app.get("/whole")
async def whole(seed: int | None = None):
    answer = await create(**request, seed=seed)
    return answer.choices[0].message.content

# %% id="stream-endpoint"
async def pieces(seed):
    async with await create(**request, seed=seed, stream=True) as stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

@app.get("/stream")
async def streamed(seed: int | None = None):
    return StreamingResponse(pieces(seed), media_type="text/plain")

# %% [markdown]
# On this server we *know* the truth: both modes get their tokens from the same model at the same pace. There is nothing to find.
# So we can judge the *method*: does it find nothing?
#
# **Predict.** We run the comparison ten times. How many times does the streamed answer take longer?

# %% id="predict-ten"
predict("6.b", ...)

# %% id="seconds"
web = app_client(app)

async def seconds(path, later=0.0):
    due = clock.now() + later
    await clock.asleep_until(due)
    await web.get(path)  # returns when the whole body is there
    return clock.now() - due

async def both(one, other):
    # half a second is what a hand takes from one terminal to the other
    return await asyncio.gather(seconds(one), seconds(other, later=0.5))

# %% id="ten"
runs = [await clock.play(both("/whole", "/stream")) for _ in range(10)]
for unary, stream in runs:
    print(f"unary {unary:5.2f} s, streamed {stream:5.2f} s")
reveal("6.b", sum(stream > unary for unary, stream in runs), "times")

# %% [markdown]
# Each line could be published, and some say the contrary of others. What decides is how long the two answers happened to be. And a
# factor as large as that of the publication, 19.39 to 11.34? Fifty answers, each compared with each:

# %% id="lengths"
from itertools import combinations
from course_utils.lm import generate, tokenizer

prompt = tokenizer().chat(question[0]["content"])
lengths = [len(list(generate(prompt, temperature=0.8, seed=seed))) for seed in range(50)]
far = [max(pair) / min(pair) >= 19.39 / 11.34 for pair in combinations(lengths, 2)]
print(f"{min(lengths)} to {max(lengths)} tokens; {sum(far) / len(far):.0%} of the pairs are that far apart")

# %% [markdown] id="on-a-design-that-holds"
# ### A design that holds
#
# So: **the same length** for both of a pair (here by the same `seed`; a service keeps that promise mostly, so limit
# the answer to fewer tokens than it would have), **one after the other**, in **random order**, and **many pairs**. From each pair
# take the difference: this is a *paired comparison*.

# %% id="paired"
import random

draw = random.Random(6)

async def difference(stream, number, at_once=False):
    paths = draw.sample(["/whole", stream], 2)
    urls = [f"{path}?seed={number}" for path in paths]
    times = await both(*urls) if at_once else [await seconds(url) for url in urls]
    took = dict(zip(paths, times))
    return took[stream] - took["/whole"]

# %% id="pairs"
pairs = [await clock.play(difference("/stream", number)) for number in range(30)]
print(f"mean {sum(pairs) / 30:+.2f} s, interval {interval(pairs)[0]:+.2f} to {interval(pairs)[1]:+.2f} s")

# %% [markdown]
# How was this *confidence interval* made? From the thirty differences alone: draw thirty of them, some twice and some not at all, and take the mean; do it
# 2,000 times. Where the middle 95 % of these means lie, the true one may well be (this is called *bootstrap*). Beside the ten runs:

# %% id="differences"
sides = {"below": "streamed is faster", "above": "streamed is slower"}
designs = {"as published": [stream - unary for unary, stream in runs], "30 pairs": pairs}
plot_differences(designs, title="The same two endpoints, two designs", **sides)

# %% [markdown]
# Nothing to find, and nothing found: the small bar is the interval, and 0 lies in it. (Ten runs as different as those above have
# no interval worth printing.)
#
# Two services again that are exactly alike, calculated this time, so that you can repeat it as often as you like. Press *Again* a
# few times: who wins? Which helps more, a hundred pairs or the same length?

# %% id="twins"
TwinsWidget()

# %% [markdown]
# The length. Where the values differ less, you need fewer of them.

# %% [markdown] id="on-the-server-they-used"
# ### The server they used
#
# Their streaming endpoint was another one. See the `for`: the client is synchronous, and it stands in an `async def`. (The unary one
# was a plain `def`, which FastAPI runs in a thread. While the loop is free that does as well as ours.)

# %% id="published"
async def blocking_pieces(seed):
    for chunk in sync_create(**request, seed=seed, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content

@app.get("/published")
async def published(seed: int | None = None):
    return StreamingResponse(blocking_pieces(seed), media_type="text/plain")

# %% [markdown]
# **Predict.** Thirty pairs again, of one length, in random order, but both *at once*, as they did it. With our server the mean difference is
# about 0. And with theirs? (In seconds. Most answers take about eight; minus means that the streamed one is faster.)

# %% id="predict-blocking"
predict("6.c", ...)

# %% id="four-designs"
designs = {"ours, in turn": pairs}
for server, path, at_once in (
    ("ours", "/stream", True), ("theirs", "/published", False), ("theirs", "/published", True),
):
    found = [await clock.play(difference(path, number, at_once)) for number in range(30)]
    designs[f"{server}, {'at once' if at_once else 'in turn'}"] = found
plot_differences(designs, title="Two servers, two ways to send", **sides)

# %% id="reveal-blocking"
reveal("6.c", sum(designs["theirs, at once"]) / 30, "s")

# %% [markdown]
# "Streaming is faster", and with an interval far from 0! It is the *unary* answer that waits: while the stream runs, its `for` holds the
# event loop, and the server does nothing else. How long it waits is a matter of who was sent first, so there are two heaps. One pair in
# the ledger of the model, the stream sent first:

# %% id="ledgers"
held = {}
for name, path in {"our server": "/stream", "their server": "/published"}.items():
    writer.ledger.clear()
    await clock.play(both(f"{path}?seed=1", "/whole?seed=1"))
    held[name] = spans(writer.ledger)
plot_spans(held, title="What the model was asked, and when")

# %% [markdown]
# Thirty pairs and a narrow interval don't help against that: they take away chance, not a fault that is in each pair. (The publication
# found the contrary, which chance can do alone.)
#
# **Say it:** one run says nothing. Many runs on a broken set-up say something false, and are sure of it.
#
# | in the publication | better |
# |---|---|
# | one run each | pairs, some thirty, and an interval |
# | answers of any length | the same length in a pair |
# | both at once | one after the other, or a load that you chose (lesson 5) |
# | a fixed order, if any | random order: warm caches help the second |
# | a development server that reloads | the server of production |
# | "total operation" | clocks with a definition |

# %% [markdown] id="on-the-gather-that-isn-t"
# ## The gather that isn't
#
# The same bug in another dress. Five documents are to be summarized, each call takes 0.4 seconds, and `gather` makes them
# parallel, says the tutorial:

# %% id="gather"
clerk = MockServer("It is about walks.", pace=Pace(ttft=0.4, itl=0.0), clock=clock)
sync_client, async_client = clerk.client(), clerk.async_client()

# %% id="summarize"
async def summarize(number):
    document = [{"role": "user", "content": f"Summarize document {number}."}]
    return sync_client.chat.completions.create(model="mock-1", messages=document)

async def gathered(call, count):
    return await asyncio.gather(*[call(number) for number in range(count)])

# %% [markdown]
# **Predict.** After how many seconds are all five there?

# %% id="predict-gather"
predict("6.d", ...)

# %% id="run-gather"
began = clock.now()
await clock.play(gathered(summarize, 5))
reveal("6.d", clock.now() - began, "s")

# %% [markdown]
# There is no `await` in `summarize`, so nothing ever lets go: the first runs to its end, then the second. `async def` alone makes nothing
# asynchronous. With the asynchronous client and `await`:

# %% id="awaited"
async def summarize_async(number):
    document = [{"role": "user", "content": f"Summarize document {number}."}]
    return await async_client.chat.completions.create(model="mock-1", messages=document)

one_by_one = spans(clerk.ledger)
clerk.ledger.clear()
await clock.play(gathered(summarize_async, 5))
plot_spans({"no await": one_by_one, "await": spans(clerk.ledger)}, title="Five documents")

# %% [markdown]
# Too tidy? On a real port and by the clock of your machine:

# %% id="gather-live" tags=["live"]
import time

with MockServer("It is about walks.", pace=Pace(ttft=0.4, itl=0.0)).serve() as server:
    sync_client = openai.OpenAI(base_url=server.url, api_key="none")
    took = []
    async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as async_client:
        for call in (summarize, summarize_async):
            began = time.perf_counter()
            await gathered(call, 5)
            took.append(time.perf_counter() - began)
print(f"no await {took[0]:.2f} s, await {took[1]:.2f} s")
assert took[0] > 2 * took[1]

# %% [markdown]
# Now it is parallel, and perhaps too much so. **Predict.** Fifty documents, gathered, at a server that makes eight answers at once and
# refuses what is beyond. How many answers do you get?

# %% id="predict-fifty"
predict("6.e", ...)

# %% id="fifty"
small = MockServer("It is about walks.", pace=Pace(ttft=0.4, itl=0.0), clock=clock, max_streams=8)
async_client, answers = small.async_client(), []
try:
    answers = await clock.play(gathered(summarize_async, 50))
except openai.RateLimitError as error:
    print(f"{error.status_code}: {error.body['message']}")
made = sum(entry.status == 200 for entry in small.ledger)
print(f"{made} answers were made and {len(small.ledger) - made} requests refused")
reveal("6.e", len(answers), "answers")

# %% [markdown]
# The first refusal is raised, and whatever the others had or would have got is lost. **Say it:** what you run by the dozen needs four things: a
# limit of how many at once (an `asyncio.Semaphore` counts places), results in the order of the questions, errors one by one, and
# patience when the server says 429. (You build that in exercise 6.2.)

# %% [markdown] id="on-the-time-out-that-never-fired"
# ## The time-out that never fired
#
# "An answer may take one second, so I set `timeout=1.0`." This one takes four. (You have seen it
# if you went further in lesson 4. New is what to do about it.)
#
# **Predict.** After how many seconds does the *streamed* call end?

# %% id="predict-timeout"
predict("6.f", ...)

# %% id="timeout"
novel = MockServer(" ".join(["on"] * 36), pace=Pace(ttft=0.5, itl=0.1), clock=clock)
tell = novel.client().chat.completions.create
began = clock.now()
try:
    tell(model="mock-1", messages=question, timeout=1.0)
except openai.APITimeoutError as error:
    print(f"unary: {type(error).__name__} after {clock.now() - began:.2f} s")
answer = record(tell, model="mock-1", messages=question, stream=True, timeout=1.0, clock=clock)
reveal("6.f", e2e(answer), "s")

# %% [markdown]
# The stream is four times over your limit, and nothing is raised. What you set is no limit for the answer: it is the longest
# *silence* until the next bytes, and in a stream the next token comes soon. Nor is it a limit until the first token. This model is silent for five seconds, but
# its server sends a comment each half second:

# %% id="heartbeat"
model = "mock-1;ttft=5;heartbeat=0.5"
answer = record(tell, model=model, messages=question, stream=True, timeout=1.0, clock=clock)
print(f"first token after {ttft(answer):.1f} s, last after {e2e(answer):.1f} s, {answer.finish_reason}")

# %% [markdown]
# For a limit you need a clock of your own. `asyncio.timeout` is one, and `async with` closes the stream when it rings:

# %% id="deadline"
novel.ledger.clear()
said, start = [], novel.async_client().chat.completions.create

async def hurried():
    async with asyncio.timeout(1.0), await start(model="mock-1", messages=question, stream=True) as stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                said.append(chunk.choices[0].delta.content)

try:
    await clock.play(hurried())
except TimeoutError:
    print("time is up, and we have", repr("".join(said)))
print(novel.ledger[-1])

# %% [markdown]
# **Say it:** a time-out of the client limits a silence. An answer needs three *deadlines*, by your own clock: for the first token, for the silence between
# tokens (comments don't count), and for the whole. (Exercise 6.3 builds them.)
#
# And for a unary call: the SDK tries again, twice unless you say otherwise (`max_retries`), each time with the whole time-out.
#
# Here the core ends; the table and the summary at the end hold for it, too. Do exercises 6.1 and 6.2 now, or go further.

# %% [markdown] id="on-going-further"
# ## Going further

# %% [markdown] id="on-three-speeds"
# ### Three speeds
#
# "So many tokens per second": which? Sixteen users at the eight seats of lesson 5, and three ways to count the same run.

# %% id="speeds"
run = crowd(16).run
answers = run.timelines()
print(f"user_tps   {percentile([user_tps(each) for each in answers], 50):5.2f}  tokens/s while one reads (median)")
print(f"e2e_tps    {percentile([e2e_tps(each) for each in answers], 50):5.2f}  tokens/s with the wait (median)")
print(f"system_tps {sum(each.tokens for each in answers) / run.seconds:5.2f}  tokens/s of the server")

# %% [markdown]
# The first says how it reads, the second how long one waits, the third what the machine earns. A page that says "tokens per second"
# has chosen one of them.

# %% [markdown] id="on-a-step-for-sixteen"
# ### A step for sixteen
#
# Why do servers put users together? Because a step of the model reads all its numbers anyhow. `Batch` makes a step for several texts at
# once. Do they disturb each other?

# %% id="batch"
from course_utils.lm import load
from course_utils.lm.batch import Batch

model, words = load(), [" She", " He", " They", " It"]
batch, ids = Batch(model, 4), [tokenizer().encode(word)[0] for word in words]
texts = [[id] for id in ids]

# %% id="batch-texts"
for _ in range(6):
    ids = [int(row.argmax()) for row in batch.step(ids)]
    texts = [[*text, id] for text, id in zip(texts, ids)]
alone = [[text[0], *generate(text[:1], 6)] for text in texts]
for text in texts:
    print(tokenizer().decode(text))
print("the same as alone:", texts == alone)

# %% [markdown]
# No, and no text changes. What does it cost? This is measured, on your machine:

# %% id="batch-live" tags=["live"]
speed = {}
for size in (1, 4, 16):
    steps = []
    for _ in range(5):
        batch = Batch(model, size)
        began = time.perf_counter()
        for _ in range(40):
            rows = batch.step([5] * size)
        steps.append((time.perf_counter() - began) / 40)
    speed[size] = size / min(steps)
    print(f"batch of {size:2}: a step takes {min(steps) * 1000:.2f} ms, {speed[size]:6,.0f} tokens/s in all")
    assert len({int(row.argmax()) for row in rows}) == 1, "texts that are the same went different ways"

# %% [markdown]
# Sixteen texts take longer than one, but not sixteen times as long: the machine earns more, and each user waits longer for a token.

# %% [markdown] id="on-one-user-more"
# ### One user more
#
# From here on the mock calculates, so that it is the same everywhere: a step takes 0.02 seconds, and a twentieth of that more for each
# user beyond the first. A reader wants a token each 0.05 seconds at least.
#
# **Predict.** How many users may there be at once until the limit is broken?

# %% id="predict-goodput"
predict("6.g", ...)

# %% id="goodput"
pace = Pace(ttft=0.2, itl=0.02, batch=0.05)
curves = {"throughput": [], "goodput": []}
for users in (1, 8, 16, 24, 31, 32, 40):
    run = crowd(users, pace).run
    curves["throughput"].append((users, round(len(run.answers) / run.seconds, 2)))
    curves["goodput"].append((users, round(run.goodput({"tpot": 0.05}), 2)))
plot_curves(curves, title="Answers a second", x="users at once", y="answers a second")

# %% id="reveal-goodput"
reveal("6.g", max(users for users, rate in curves["goodput"] if rate > 0), "users")

# %% [markdown]
# *Goodput* counts the answers that keep every limit. It goes with the throughput, and falls off a cliff: one user more, and nobody is
# content, while the machine earns more than ever. (In life it is a slope, for no two answers are alike.) **Say it:** throughput is
# what the machine does, goodput what users get of it.

# %% [markdown] id="on-little-s-law"
# ### Little's law
#
# How many seats do you need? Some two requests a second come, at random moments, and each stays for 2 seconds.
# **Predict.** How many are in the house at a time, on average?

# %% id="predict-little"
predict("6.h", ...)

# %% id="little"
inn = MockServer("Yes, it is.", pace=Pace(ttft=0.4, itl=0.4), clock=VirtualClock())
run = rehearse(open_loop, inn, rate=2, count=120, seed=4)
visits = spans(inn.ledger)
stay = sum(end - start for start, end in visits) / len(visits)
print(f"{len(visits) / run.seconds:.2f} a second x {stay:.2f} s = {len(visits) / run.seconds * stay:.2f}")

# %% id="look"
moments = [number / 10 for number in range(int(run.seconds * 10))]
seen = [sum(start <= at < end for start, end in visits) for at in moments]
print(f"looked ten times a second: {sum(seen) / len(seen):.2f} on average, {max(seen)} at most")
reveal("6.h", sum(seen) / len(seen))

# %% id="visits"
plot_spans({"visits": visits[:14]}, title="The first fourteen")

# %% [markdown]
# **Number in the house = arrivals per second × time that each stays** (Little 1961). You can see why: add up the bars row by row, or
# moment by moment; it is the same ink. It holds for whatever comes and goes. Turn it round: with eight seats and a stay of 2
# seconds no more than four a second can be served, and your `limit` of requests at once divided by the latency is your rate.

# %% [markdown] id="on-percentiles-don-t-add"
# ### Percentiles don't add
#
# First token and the rest make up the whole. So p90 of the first plus p90 of the rest is p90 of the whole? Answers of many
# lengths, at a busy server:

# %% id="percentiles"
lengths = random.Random(1)
reply = lambda prompt: " on" * round(10 * lengths.lognormvariate(0, 0.5))
busy = MockServer(reply, pace=Pace(ttft=0.3, itl=0.2, slots=6), clock=clock)
run = rehearse(open_loop, busy, rate=3, count=120, seed=2)
rest = [e2e(each) - ttft(each) for each in run.timelines()]
for rank in (50, 90):
    first, whole = (percentile(run.rows()[name], rank) for name in ("ttft", "e2e"))
    added = first + percentile(rest, rank)
    print(f"p{rank}: first token {first:.2f} + rest {added - first:.2f} = {added:.2f}, but the whole {whole:.2f} s")

# %% [markdown]
# Who waits long for the first token need not be the one whose answer is long. Means can be added. Percentiles can't, so measure the
# whole as a whole.

# %% [markdown] id="on-how-to-look-good"
# ### How to look good
#
# Whoever is judged by a number finds out how to move it. (Both of these come from arXiv 2410.14257.) *Your gaps are too long?* Hold the tokens
# back, and let them go at an even pace:

# %% id="hold"
made = record(tell, model="mock-1;pause=12:1;pause=24:1", messages=question, stream=True, clock=clock)
start = max(at - 0.1 * number for number, at in enumerate(arrivals(made)))
held = Timeline(0.0, tuple(Chunk(start + 0.1 * number, "on") for number in range(made.tokens)))

# %% id="held"
for name, each in {"as made": made, "held": held}.items():
    print(f"{name:<8} longest gap {max(gaps(each)):.1f} s, first token {ttft(each):.1f} s, last {e2e(each):.1f} s")
plot_timelines({"as made": made, "held": held}, title="Which one would you rather read?")

# %% [markdown]
# The longest gap has gone, and no token comes earlier. *Your latencies are too long?* More requests come than this server can do. Once
# they queue, once the ninth is refused:

# %% id="shed"
for name, most in {"queue": None, "refuse": 8}.items():
    pace = Pace(ttft=0.4, itl=0.4, slots=8)
    host = MockServer("Yes, it is.", pace=pace, clock=VirtualClock(), max_streams=most)
    run = rehearse(open_loop, host, rate=6, count=160, seed=1)
    p90, good, refused = percentile(run.rows()["e2e"], 90), run.goodput({"e2e": 4}), sum(run.failures().values())
    print(f"{name:<7} p90 {p90:4.1f} s, goodput {good:.2f} answers/s, {refused} of {len(run.warm)} refused")

# %% [markdown]
# By its p90 the second server is a dream, and its goodput is far better, too. Is it? To refuse early can be right: a queue that only grows
# serves nobody in time. But the refused have nothing. So never print the one number without the other: the answers in time, *and* the
# share of all who asked. (Exercise 6.4 counts both.)

# %% [markdown] id="on-nobody-waits"
# ### Nobody waits
#
# "High throughput works best without streaming overhead." Twenty documents, four at once, in both modes:

# %% id="modes"
for flag in (False, True):
    mill = MockServer(" ".join(["on"] * 50), pace=Pace(ttft=0.2, itl=0.02, slots=4), clock=VirtualClock())
    make = mill.async_client().chat.completions.create
    call = {"model": "mock-1", "messages": question, "stream": flag, "clock": mill.clock}
    await mill.clock.play(gathered(lambda _: arecord(make, **call), 20))
    print(f"stream={flag!s:<6} all done after {mill.clock.now():.1f} s")

# %% [markdown]
# The model makes the same steps. A stream adds a frame to each token (lesson 4 counted the bytes), and some work for your program. What
# makes work that nobody waits for cheap is another product: a **batch**, many requests in one file, at half the price and within 24 hours.
# OpenRouter reports (2026, 230,000 batches) that half of them were finished in 7 minutes and 90 % in an hour. *Flex* has the same price, request
# by request, and may answer 429. A pool of threads that asks as usual is neither of them, whatever it is called.

# %% [markdown] id="on-what-the-seconds-are-and-who-can-change-them"
# ## What the seconds are, and who can change them
#
# | | shorter by | seen as |
# |---|---|---|
# | connection, base | keeping the client, a nearer server | a constant |
# | queue | fewer at once, more seats | grows with the load, in the first token |
# | reading | shorter prompt, prefix cache | grows with the tokens in, in the first token |
# | writing | a shorter answer, fewer thoughts, a faster model (some guess several tokens a step) | grows with the tokens out |
# | many users | smaller batches | every gap a little longer |
# | your program | `await`, closing, limits | whatever the formula doesn't explain |
# | streaming | none of these | the same tokens, price and last token, and a much earlier first |

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/06_full_response_latency.ipynb): 6.1 and 6.2 are the core, 6.3 and 6.4 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - End-to-end latency is base, reading and writing, counted in the server's tokens; answers cost the most.
# - Pairs of one length, in random order, with an interval; and an apparatus that you have looked at.
# - `async def` without `await` is a queue of one. A time-out limits a silence.
# - Throughput is not goodput, percentiles don't add, and a number that somebody is judged by needs a second one beside it.
#
# **Next:** [lesson 7](07_use_cases_by_mode.ipynb) chooses the mode for each use.
