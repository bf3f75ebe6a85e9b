# %% [markdown]
# # When does an answer begin?
#
# *20 minutes to read and try, 25 minutes of core exercises. Lessons 1 to 4 come first.*
#
# A published comparison reports that the first content came after 0.96 seconds. By which clock? In how many runs, and with how
# many users? Afterwards you can ask these questions, and answer them for a server of your own.
#
# Everything here lives on a virtual clock: waits are exact, and you don't sit through them.

# %% id="setup"
from course_utils import MockServer, Pace, VirtualClock, predict, record, reveal
from course_utils import closed_loop, crowd, CrowdWidget, open_loop, rehearse, table
from course_utils import e2e, fewest_for, percentile, t_headers, ttfc, ttft, ttfv
from course_utils import plot_curves, plot_dots, plot_rulers, plot_timelines, RULERS

clock = VirtualClock()
pace = Pace(headers=0.05, ttft=0.9, itl=0.1)
thinker = MockServer("It is forty-two, I think.", pace=pace, clock=clock)
question = [{"role": "user", "content": "What is the answer?"}]

# %% [markdown] id="on-three-from-before"
# ## Three from before
#
# Answer in your head, then open.
#
# <details><summary>1. Why is the first chunk not the first word?</summary>
# It brings the role of the speaker, and no text (lesson 1).</details>
#
# <details><summary>2. What does the first token wait for, and what each later one?</summary>
# The first for the prefill, in which the prompt is read; each later one for one step of the decode (lesson 2).</details>
#
# <details><summary>3. A guard holds back a window of text. What becomes later, and what does not?</summary>
# All text by that window, so the wait is paid once, at the start. The pace stays (lesson 4).</details>

# %% [markdown] id="on-one-stream-five-clocks"
# ## One stream, five clocks
#
# This model thinks before it speaks, and *aloud*: its server streams 11 tokens of reasoning, then the answer. The first token
# comes after 0.9 seconds, each further one 0.1 later.
#
# **Predict.** After how many seconds does a person see the first word of the answer?

# %% id="predict-visible"
predict("5.a", ...)

# %% id="record"
create = thinker.client().chat.completions.create
usage = {"include_usage": True}
request = {"model": "mock-1;reasoning=11;aloud", "messages": question, "stream": True, "stream_options": usage}
stream = record(create, clock=clock, **request)
for number in (0, 1, 2, 11, 12, 13, -2, -1):
    chunk = stream.chunks[number]
    print(f"{chunk.at:.2f} s  thought {chunk.hidden!r:<8} said {chunk.text!r}")

# %% [markdown]
# A chunk with a role, thoughts, words, a finish reason, the usage. From these we read five clocks: when the headers are there, the
# first chunk of any kind, the first token (thoughts too), the first text one can see, and the last token.

# %% id="clocks"
clocks = {clock_of.__name__: clock_of(stream) for clock_of in (t_headers, ttfc, ttft, ttfv, e2e)}
plot_rulers(stream, clocks, title="One stream, five clocks")

# %% id="reveal-visible"
reveal("5.a", ttfv(stream), "s")

# %% [markdown]
# `create()` returns with the headers: a stopwatch there measures nothing. `ttft` says when the model has begun, `ttfv` when a
# reader has something of it.

# %% [markdown] id="on-what-five-tools-would-print"
# ### What five tools would print
#
# Load testing tools print a "TTFT", too. `RULERS` has the rules of five, as their sources and documents had them in 2026.
#
# **Predict.** All get this very stream. How many times as large is the largest TTFT as the smallest?

# %% id="predict-tools"
predict("5.b", ...)

# %% id="tools"
readings = {tool: ruler(stream) for tool, ruler in RULERS.items()}
found = {tool: reading.ttft for tool, reading in readings.items()}
plot_rulers(stream, found, title='Five tools, five rules for "TTFT"')

# %% id="reveal-tools"
reveal("5.b", round(max(found.values()) / min(found.values())), "times")

# %% [markdown]
# Nobody lies; each stops the clock elsewhere. And what do they say about the pace, which is 0.1 seconds a token?

# %% id="tools-pace"
for tool, reading in readings.items():
    print(f"{tool:<14}{reading}")

# %% [markdown]
# The names collide, too. AIPerf's ITL is what vLLM (and this course) calls TPOT, time per output token. vLLM's ITL are the gaps
# between messages, which AIPerf calls ICL. GuideLLM's TPOT shares out the first wait as well. Upside
# down it is tokens a second: `user_tps` without the first wait, `e2e_tps` with it, `system_tps` for all users together (lesson 6).
#
# **Say it:** a TTFT without its clock is not a number you can compare. Of the 0.96 seconds we know that it was one run.

# %% [markdown] id="on-warm-and-cold"
# ## Warm and cold
#
# Your users are 0.1 seconds away, there and back. A new connection needs a round trip for TCP and one for TLS before the
# request can leave.
#
# **Predict.** By how many seconds is the first request slower than those that use the connection again?

# %% id="predict-cold"
predict("5.c", ...)

# %% id="cold"
plain = MockServer("Yes, it is.", pace=Pace(ttft=0.3, itl=0.05), clock=clock)
run = rehearse(closed_loop, plain, users=1, count=20, rtt=0.1, cold=True)
print(table(run))

# %% id="reveal-cold"
reveal("5.c", ttft(run.cold.timeline) - ttft(run.warm[0].timeline), "s")

# %% [markdown]
# `rehearse` runs a load test against a mock: here one cold request, then a *closed loop* of one user, who asks again
# when she has her answer. (p50 is the median; the columns behind it have their turn below.) A cold request may also meet an
# empty cache, or a model that has to be loaded. So report it apart, and keep your client: a new one for each request makes
# every request cold.

# %% [markdown] id="on-queue-or-prefill"
# ## Queue or prefill?
#
# Two answers from one server. One had a prompt of 1,400 words, the other a short prompt, and somebody before it. Look at the
# picture, not at the code: which is which?

# %% id="twins"
pace = Pace(ttft=0.3, itl=0.1, prefill=0.0005, slots=1)
house = MockServer("Yes, it is.", pace=pace, clock=clock)
ask = house.client().chat.completions.create
essay = [{"role": "user", "content": "word " * 1400}]
one = record(ask, model="mock-1", messages=essay, stream=True, clock=clock)
other = rehearse(closed_loop, house, users=2, count=2).timelines()[1]
plot_timelines({"answer A": one, "answer B": other}, title="Twins")

# %% [markdown]
# You can't tell. Reading a long prompt (*prefill*, lesson 2) and waiting for a free place (*queue*) look the same from outside: a silence.
# (A had the prompt.) What you can do is an experiment: vary one, hold the other. First the length, with nobody else there:

# %% id="lengths"
points = []
for words in (1, 1000, 2000, 3000, 4000):
    essay = [{"role": "user", "content": " word" * words}]
    points.append((words, ttft(record(ask, model="mock-1", messages=essay, stream=True, clock=clock))))
slope = (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
print(f"{slope * 1000:.2f} ms a word")
plot_curves({"ttft": points}, title="Nobody else there", x="words in the prompt", y="seconds")

# %% [markdown]
# A straight line: so much prefill a word.

# %% [markdown] id="on-the-hockey-stick"
# ## The hockey stick
#
# Now the other way: one short prompt, and more and more users, who ask again as soon as they are answered. This server has
# eight seats. Alone you get the first token after 0.5 seconds; a full house takes 2.4 seconds for an answer.
#
# **Predict.** After how many seconds comes the first token with 16 users, in the median?

# %% id="predict-crowd"
predict("5.d", ...)

# %% id="crowds"
crowds = [crowd(users) for users in (1, 4, 8, 12, 16, 24, 32)]
for each in crowds:
    print(each)
reveal("5.d", round(crowds[4].ttft, 2), "s")

# %% id="hockey"
waits = [(each.users, round(each.ttft, 2)) for each in crowds]
paces = [(each.users, round(each.tpot, 2)) for each in crowds]
plot_curves({"ttft": waits, "tpot": paces}, title="Eight seats", x="users at once", y="seconds")

# %% [markdown]
# Up to eight users the first token comes as if one were alone; only the pace suffers, for the seats share one machine. Then a
# knee, and each further user only lengthens the queue. The time per token stays. Move the slider and watch the seats:

# %% id="crowd"
CrowdWidget(12)

# %% [markdown]
# Too tidy to be true? Here is a real one, published by NVIDIA for its model USD Code on four H100 cards (as read in 2026).

# %% id="published"
from course_utils.seats import PUBLISHED

theirs = {
    "TTFT": [(users, seconds) for users, (seconds, _) in PUBLISHED.items()],
    "ITL": [(users, seconds) for users, (_, seconds) in PUBLISHED.items()],
}
plot_curves(theirs, title="USD Code on four H100", x="requests at once", y="seconds")

# %% [markdown]
# Other numbers, the same shape: from 25 requests on the pace no longer changes, and the wait explodes.
#
# **Say it:** TTFT is no property of a model. It is one of a model, a prompt, and everybody else.

# %% [markdown] id="on-two-load-generators-one-frozen-server"
# ## Two load generators, one frozen server
#
# This server answers in 0.06 seconds, but stands still for one second in every four. You want to know the 95th
# percentile (*p95*), the latency that 95 of 100 requests don't exceed.
#
# A *closed loop* asks again when it is answered. An *open loop* sends 20 requests a second, whatever happens, as people
# who don't know of each other do. Here is the closed one:

# %% id="closed"
pace = Pace(headers=0.01, ttft=0.02, itl=0.01)
icy, twin = [
    MockServer("Yes, it is.", pace=pace, options=["freeze=4:1"], clock=VirtualClock()) for _ in range(2)
]
closed = rehearse(closed_loop, icy, users=1, count=210)
print("p95 in a closed loop:", percentile(closed.rows()["e2e"], 95), "s")

# %% [markdown]
# "Our p95 is fine." **Predict.** What does the open loop find, in seconds?

# %% id="predict-open"
predict("5.e", ...)

# %% id="open"
opened = rehearse(open_loop, twin, rate=20, count=320)
reveal("5.e", percentile(opened.rows()["e2e"], 95), "s")

# %% id="slow-ones"
sent = {}
for name, run in {"closed": closed, "open": opened}.items():
    sent[name] = [(sample.due, sample.since_due(e2e)) for sample in run.warm if sample.due < 12]
plot_dots(sent, title="Twelve seconds of two tests", x="sent at (seconds)", y="answered after (seconds)")

# %% [markdown]
# Each dot is a request. During a freeze the closed loop has *one* under way. It waits politely, sends nothing, and so counts
# the bad second once: **coordinated omission**, the tester and the server agree not to look. Users don't wait for each
# other, and a quarter of them came during a freeze.
#
# **Say it:** send by a schedule, and count each latency from when the request was *due*.

# %% [markdown] id="on-how-many-is-enough"
# ## How many is enough?
#
# Five tests of one busy server, 20 requests each, sent at random moments:

# %% id="twenty"
busy = MockServer("Yes, it is.", pace=Pace(ttft=0.3, itl=0.1, slots=3), clock=clock)
print("mean   p50   p99   max")
for seed in range(5):
    row = rehearse(open_loop, busy, rate=3.5, count=20, seed=seed).rows()["ttft"]
    mean = sum(row) / len(row)
    print(f"{mean:.2f}  {percentile(row, 50):.2f}  {percentile(row, 99):.2f}  {max(row):.2f}")

# %% [markdown]
# A few long waits pull the mean above the median, where it is nobody's wait. And your p99 is this or twice that: look closer, it
# *is* the maximum, the one unluckiest request. The course prints a percentile only if five values lie beyond it.
#
# **Predict.** How many requests does an honest p99 need?

# %% id="predict-n"
predict("5.f", ...)

# %% id="enough"
many = rehearse(open_loop, busy, rate=3.5, count=500, seed=0)
print(table(many))
reveal("5.f", fewest_for(99), "requests")

# %% [markdown]
# The short tests did not only waver, they were too kind: a queue takes time to build. And look at `t_headers`: the same for
# everybody. A stopwatch around `create()` sees a server that is never busy.

# %% [markdown] id="on-one-timestamp"
# ## One timestamp
#
# What can you do about prefill? Shorten the prompt; or let the server keep what it has read. A *prefix cache* recognizes
# the beginning of a prompt, if it is the same **to the letter**. These are the rules of a shop, and somebody had the idea
# to tell the model the time. Above the rules or below them, is that the same?

# %% id="rules"
pace = Pace(ttft=0.3, itl=0.05, prefill=0.0005, cache=True)
shop = MockServer("Yes, it is.", pace=pace, clock=clock).client().chat.completions.create
rules = "Be kind, be brief, and never promise a delivery date. " * 120
times = [f"It is 10:00:{second:02}. " for second in range(3)]
prompts = {"time first": [time + rules for time in times], "time last": [rules + time for time in times]}

# %% [markdown]
# **Predict.** The rules have some 1,500 tokens. With the time first, how many tokens does the third request find in the cache?

# %% id="predict-timestamp"
predict("5.g", ...)

# %% id="timestamp"
cached = {}
for place, systems in prompts.items():
    for system in systems:
        messages = [{"role": "system", "content": system}, *question]
        answer = record(shop, clock=clock, **request | {"model": "mock-1", "messages": messages})
        cached[place] = answer.cached_tokens
        print(f"{place:<10}  cached {answer.cached_tokens:4} tokens  ttft {ttft(answer):.2f} s")

# %% id="reveal-timestamp"
reveal("5.g", cached["time first"], "tokens")

# %% [markdown]
# The same information, in another order. With the time on top, nothing behind it can be used again. What never changes belongs
# first (tools, rules, examples), what changes last. OpenAI caches from 1,024 tokens on, and measured 7 % less wait there, 67 %
# beyond 150,000 tokens (its cookbook, read in 2026).
#
# Here the core ends; the table and the summary at the end hold for it, too. Do exercises 5.1 and 5.2 now, or go further.

# %% [markdown] id="on-going-further"
# ## Going further

# %% [markdown] id="on-thoughts-nobody-sees"
# ### Thoughts nobody sees
#
# Some services stream the thoughts of a reasoning model, some keep them. What is the difference for one who waits?

# %% id="hidden"
for name in ("mock-1", "mock-1;reasoning=50", "mock-1;reasoning=50;aloud", "mock-1;reasoning=200"):
    answer = record(create, clock=clock, **request | {"model": name})
    print(f"ttft {ttft(answer):5.2f} s  ttfv {ttfv(answer):5.2f} s  {answer.tokens:3} tokens  {name}")

# %% [markdown]
# None, for the answer: `ttfv` is first token + thoughts × time per token, whether they are shown or not, and they are paid in any
# case. But where they are kept, your client takes the thinking for a long first token, and the same model has another "TTFT".
# No cache helps here: a thought is decoded token by token. Show *that* it thinks, or let it think less.

# %% [markdown] id="on-half-a-prompt"
# ### Half a prompt
#
# Half of a prompt saves 1 to 5 % of the latency, says OpenAI's latency guide (read in 2026). So prompts don't matter? Ask which clock that was.

# %% id="half"
story = MockServer(" ".join(["on"] * 200), pace=Pace(ttft=0.3, itl=0.02, prefill=0.00024), clock=clock)
tell = story.client().chat.completions.create
long, half = [
    record(tell, model="mock-1", messages=[{"role": "user", "content": " word" * words}], stream=True, clock=clock)
    for words in (1000, 500)
]
for clock_of in (ttft, e2e):
    print(f"{clock_of.__name__}: half the prompt saves {1 - clock_of(half) / clock_of(long):.0%}")

# %% [markdown]
# Both are right: a little of the whole answer, much of the first token.

# %% [markdown] id="on-failures-are-not-fast"
# ### Failures are not fast
#
# Fifty requests, a second apart, to a server whose first five tries fail at once. Which numbers do the failures improve?

# %% id="failures"
shaky = rehearse(open_loop, plain, model="mock-1;flaky=5", rate=1, count=50)
waits = [sample.since_due(ttft) if sample.error is None else 0.0 for sample in shaky.warm]
print(f"mean, failures taken for fast ones: {sum(waits) / len(waits):.3f} s")
print(table(shaky, {"ttft": 0.5}))

# %% [markdown]
# The more fail, the better that mean looks. The table counts them in its first lines, and *goodput*, the answers a second
# that keep a limit, falls with each of them. There are two
# honest ways: exercise 5.2 takes a failure for slower than all answers, while `table` and `measure` print the failures beside the
# percentiles of the answers.

# %% [markdown] id="on-what-is-fast"
# ### What is fast?
#
# "About 500 ms", tutorials say, and it was true of some model in some year. A number needs its date:
#
# | | first token | then | source |
# |---|---|---|---|
# | Llama 2 70B, conversational | 2 s | 0.2 s a token | MLPerf Inference rules, July 2026 |
# | Llama 2 70B, interactive | 0.45 s | 0.04 s | the same |
# | Llama 3.1 405B, interactive | 4.5 s | 0.08 s | the same |
# | DeepSeek-R1, interactive | 1.5 s | 0.015 s | the same |
#
# These are *limits* that a server has to keep. Artificial Analysis publishes the median of 72 hours, with a new prompt in
# each run, so that no cache helps (its methodology, read in 2026): a good number, and it says nothing about your p95.

# %% [markdown] id="on-what-helps-and-what-it-can-t-help"
# ### What helps, and what it can't help
#
# | | shortens | does not shorten |
# |---|---|---|
# | keep the connection | the set-up, once | anything else |
# | shorter prompt, prefix cache | prefill | queue, thoughts |
# | more servers, fewer users at once | queue | prefill, thoughts |
# | less reasoning | time to the first *visible* word | queue, prefill |
# | streaming itself | the wait for something to read | the first token, the last one |
#
# And for a server of your own: `python3 start.py measure URL` prints the tables of this lesson for any endpoint that speaks
# Chat Completions.

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/05_first_token_latency.ipynb): 5.1 and 5.2 are the core, 5.3 and 5.4 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - Five clocks: headers, first chunk, first token, first visible text, last token. Say which.
# - Cold and warm apart; queue and prefill by experiment; a knee where the seats are taken.
# - Open loop, latency from when it was due, n beside each percentile, failures counted.
# - What never changes goes first.
#
# **Next:** [lesson 6](06_full_response_latency.ipynb) looks at the whole answer, to the last token.
