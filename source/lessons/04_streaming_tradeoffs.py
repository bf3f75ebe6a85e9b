# %% [markdown]
# # What does streaming cost?
#
# *20 minutes to read and try, 25 minutes of core exercises. Lessons 1 to 3 come first.*
#
# A streamed answer is read before it is finished. It may break, or turn out wrong, when half of it has been read. Afterwards
# you can tell whether an answer is whole, guard a stream and say what the guard costs, use data before it is complete, stop
# a model, and decide when not to stream.

# %% id="setup"
import openai
from course_utils import LeakWidget, MockServer, Pace, arecord, deliver, leaks, play, predict, record, reveal
from course_utils import e2e, plot_bars, plot_curves, plot_leaks, plot_timelines, ttfv

mock = MockServer(pace=Pace(ttft=0.5, itl=0.05))
client = mock.client()
create = client.chat.completions.create
question = [{"role": "user", "content": "Why is the sky blue?"}]

# %% [markdown] id="on-three-from-before"
# ## Three from before
#
# Answer in your head, then open.
#
# <details><summary>1. A model stops for four seconds after its third token. What does the time to first visible text show?</summary>
# Nothing: it stays as it was. The reader has three tokens and waits (lesson 1).</details>
#
# <details><summary>2. Which finish reasons are there, and in which chunk do they come?</summary>
# <code>stop</code>, <code>length</code>, <code>tool_calls</code> and <code>content_filter</code>, in a chunk with an empty delta behind the
# text (lesson 2).</details>
#
# <details><summary>3. A finish reason, <code>[DONE]</code>, an HTTP chunk of size 0: which of them says that the answer is complete?</summary>
# The finish reason. <code>[DONE]</code> is a habit of one API, and size 0 says that the body is complete, whatever is in it (lesson 3).</details>

# %% [markdown] id="on-four-endings"
# ## Four endings
#
# An answer can end in four ways, and the mock does each when the model's name asks for it. It finishes. Or, after 20 of its 40
# tokens, an *error event* comes in the stream, or the connection is *cut*, or the stream ends *early*: properly, as if all
# were said.
#
# **Predict.** How many of the four raise an exception in your program?

# %% id="predict-endings"
predict("4.a", ...)

# %% id="endings"
wishes = {"finish": "", "error event": ";error-at=20", "cut": ";cut=20", "early end": ";end=20"}
ends, raised = {}, {}
for name, wish in wishes.items():
    try:
        ends[name] = record(create, model=f"mock-1{wish}", messages=question, stream=True)
    except openai.APIError as error:
        ends[name], raised[name] = error.timeline, type(error).__name__
    print(f"{name:<12} {raised.get(name, 'nothing raised'):<19} {ends[name].text[-26:]!r}")

# %% id="reveal-endings"
reveal("4.a", len(raised), "of four")

# %% [markdown]
# Two raise. The fourth gives you half an answer, and no sign of it: the loop ends as it always does. Could you have seen it?

# %% id="endings-plot"
plot_timelines(ends)

# %% [markdown]
# Not from the times. From the status, perhaps? Here it is, with what the server knows about each ending:

# %% id="statuses"
for entry in mock.ledger:
    print(entry.status, entry.ended)

# %% [markdown]
# 200, four times: the status leaves first, long before anything goes wrong. In real life you don't have the server's ledger. What
# you do have is the last thing the model says:

# %% id="last-words"
for name, timeline in ends.items():
    print(f"{name:<12} finish_reason: {timeline.finish_reason}")

# %% [markdown]
# **Say it:** that the loop has ended does not mean that the answer is whole. Without a finish reason it is not.
# (A few servers never send one; for those your rule needs a switch.)
#
# Keep the text that came before the error, too: here `record` hands it over as `error.timeline`. The handler of many tutorials,
# `except Exception: print(error)`, loses it, and goes on as if nothing had happened.

# %% [markdown] id="on-finished-and-still-not-whole"
# ### Finished, and still not whole
#
# And with one? Here are six more answers.

# %% id="reasons"
tool = {"type": "function", "function": {"name": "weather"}}
asks = {
    "a question": {"model": "mock-1"},
    "20 tokens at most": {"model": "mock-1", "max_completion_tokens": 20},
    "a content filter": {"model": "mock-1;filter=20"},
    "a tool": {"model": "mock-1;calls=1", "tools": [tool]},
    "a tool, 1 token": {"model": "mock-1;calls=1", "tools": [tool], "max_completion_tokens": 1},
    "a refusal": {"model": "mock-1;refusal"},
}
for name, ask in asks.items():
    answer = record(create, messages=question, stream=True, **ask)
    print(f"{name:<18} {answer.finish_reason:<15} {len(answer.text):3} characters of text")

# %% [markdown]
# | finish reason | the answer is | what to do |
# |---|---|---|
# | `stop` | complete | keep it; if there is no text, look for `delta.refusal` |
# | `tool_calls` | complete, and asks for a tool | run the tool |
# | `length` | truncated: it reached your limit | say so, or ask it to go on |
# | `content_filter` | filtered: somebody stopped it | don't keep it as an answer |
# | none | failed, if an error event said so; else interrupted | say so, and offer to try again |
#
# (`max_completion_tokens` is today's name of `max_tokens`.) See the tool call with a limit: its reason is `length`, its arguments end after one token, and no tool may run.

# %% [markdown] id="on-what-stays-in-the-conversation"
# ### What stays in the conversation
#
# A chat sends its history with each question. Tutorials append the question, call, then append the answer. Now the first call
# fails, and the user asks again:

# %% id="history"
history = []
for model in ("mock-1;cut=5", "mock-1"):
    history.append({"role": "user", "content": "Why is the sky blue?"})
    try:
        answer = record(create, model=model, messages=history, stream=True)
        history.append({"role": "assistant", "content": answer.text})
    except openai.APIConnectionError as error:
        print("lost after", repr(error.timeline.text))
print([turn["role"] for turn in history])

# %% [markdown]
# Two questions, one answer: the failed turn has left half of itself behind. Make a turn *atomic*: build the longer list beside the
# old one, and put it in its place when the answer is whole. And if the user pressed stop? She has read that text and will refer to
# it, so keep it, marked as interrupted (exercise 4.2). A refused question you take out again: Anthropic's documents warn that the
# refusals go on otherwise.

# %% [markdown] id="on-the-leak-meter"
# ## The leak meter
#
# Some things must not be shown. A shop has told its model never to offer more than twenty percent off, and the model
# gives the instruction away, in the middle of an answer. Does checking each chunk catch it?

# %% id="chunks"
from course_utils.leakage import ANSWER, BANNED, PACE

answer = deliver(PACE, reply=ANSWER)
pieces = [chunk.text for chunk in answer.chunks if chunk.text]
print("never to be shown:", BANNED)
print("chunks that contain it:", sum(BANNED in piece for piece in pieces), "of", len(pieces))
print("the answer contains it:", BANNED in answer.text)

# %% [markdown]
# No chunk contains the phrase, as it lies across twelve. So a guard needs some text in hand, its *window*. There are three ways:
#
# - **stream first:** show each token at once. A checker reads along, a window behind, and ends the stream when it objects.
# - **hold back:** show a token when a whole window more has come, and all of it is harmless.
# - **check at end:** show nothing before everything is checked.
#
# This is what the customer has read when the guard steps in:

# %% id="screens"
plot_leaks(window=3)

# %% [markdown]
# **Predict.** The phrase has 12 tokens. How large must the window be until *hold back* leaks nothing?

# %% id="predict-window"
predict("4.b", ...)

# %% id="reveal-window"
tight = next(window for window in range(200) if not leaks(window)["hold back"].leaked)
reveal("4.b", tight, "tokens")

# %% [markdown]
# One less than the phrase: the twelfth token is in hand when it is judged. With any smaller window the customer reads the
# beginning. And what does it cost?

# %% id="leaked-curve"
windows = [*range(0, 20), *range(20, 201, 20)]
found = {window: leaks(window) for window in windows}
leaked = {name: [(window, len(found[window][name].leaked)) for window in windows] for name in found[0]}
plot_curves(leaked, title="Characters that should not have been read", x="window in tokens", y="characters")

# %% id="delay-curve"
delays = {name: [(window, found[window][name].delay) for window in windows] for name in found[0]}
plot_curves(delays, title="How much later the first text comes", x="window in tokens", y="seconds")

# %% [markdown]
# **Say it:** a guard costs delay or it leaks. *Stream first* never delays and always leaks: the phrase, and a window of what comes behind it.
# *Hold back* pays its window once, at the start; the stream then runs at its usual pace. *Check at end* gives back all that
# streaming had won.
#
# Move the slider. Which window would you choose for a shop, and which for a children's book? (You write such a guard in exercise
# 4.3.)

# %% id="leak-meter"
LeakWidget(window=6)

# %% [markdown]
# Products differ (vendors' documents, 2026): Bedrock Guardrails offers both, synchronous and asynchronous. NeMo Guardrails streams
# first by default. Azure's asynchronous filter leaves a fourth way to you: *retract*, take back what was already read. Our checker
# looks for a phrase; one that judges meaning needs as much text in hand as the harm takes to show.
#
# Could you check the answers beforehand instead? Lesson 2 drew a hundred: at temperature 0 all were the same, at 0.8 no two.

# %% [markdown] id="on-the-card-that-fills-itself"
# ## The card that fills itself
#
# "Structured output can't be streamed, for what is half a JSON good for?" Let's see. The model fills in a card, at 20
# tokens a second:

# %% id="card"
import jiter

reply = """{"country": "India", "capital": "New Delhi", "population": 1428627663, "about": "A country in South Asia,
 with high mountains in the north, an ocean in the south, and more languages than anybody has counted twice."}"""
cards = MockServer(reply.replace("\n", ""), pace=Pace(ttft=0.5, itl=0.05)).client()
fill = {"model": "mock-1", "messages": question, "response_format": {"type": "json_object"}}
streamed = record(cards.chat.completions.create, **fill, stream=True)
print(streamed.tokens, "tokens")

# %% [markdown]
# `jiter`, the JSON reader that the `openai` package uses, has a mode for text that is not finished. How the card begins:

# %% id="snapshots"
text, snapshots = "", []
for chunk in streamed.chunks:
    text += chunk.text
    if text:
        snapshots.append((chunk.at, jiter.from_json(text.encode(), partial_mode="trailing-strings")))
for at, fields in snapshots[5:40:10]:
    print(f"{at:.2f} s  {fields}")

# %% [markdown]
# Look at the population. What did a card show that displays all it has?

# %% id="population"
numbers = [fields["population"] for _, fields in snapshots if "population" in fields]
print(", then ".join(f"{number:,}" for number in dict.fromkeys(numbers)))

# %% [markdown]
# A hundred times too small, for a moment. A number is final when it is *closed*, when something stands behind it, and so is a
# string. In half a JSON every field but the last is closed.
#
# **Predict.** The whole card takes almost four seconds. After how many is the country closed?

# %% id="predict-card"
predict("4.c", ...)

# %% id="closed"
closed = {}
for at, fields in snapshots:
    for name in list(fields)[len(closed) : -1]:
        closed[name] = round(at, 2)
closed["the whole card"] = round(e2e(streamed), 2)
plot_bars(closed, title="When each field can be used", unit="s")

# %% id="reveal-card"
reveal("4.c", closed["country"], "s")

# %% [markdown]
# **Say it:** structured output streams field by field; use a field when it is closed. Put the useful fields first and the long
# ones last, for the model writes them in the order of your schema. The arguments of a tool call come the same way (exercise 4.4
# reads them). But a program that needs the whole record gains nothing.

# %% [markdown] id="on-the-meter-is-running"
# ## The meter is running
#
# The reader has seen enough, your loop does `break`, and you turn to something else.
#
# **Predict.** Of 100 tokens you read five. How many does the server generate?

# %% id="predict-meter"
predict("4.d", ...)

# %% id="break"
meter = MockServer(" ".join(["on"] * 100), pace=Pace(ttft=0.2, itl=0.02))
ask = {"model": "mock-1", "messages": question, "stream": True}
stream = meter.client().chat.completions.create(**ask)
for number, chunk in enumerate(stream):  # chunk 0 is the role
    if number == 5:
        break
meter.clock.sleep(3)
print(meter.ledger)

# %% id="reveal-meter"
reveal("4.d", meter.ledger[0].tokens_generated, "tokens")

# %% [markdown]
# `break` leaves the loop, not the connection: the server goes on, and you pay. `with` closes the stream, however you leave it.

# %% id="with"
with meter.client().chat.completions.create(**ask) as stream:
    for number, chunk in enumerate(stream):
        if number == 5:
            break
meter.clock.sleep(3)
print(meter.ledger[-1])

# %% [markdown]
# Is that so on a real connection, too? The same over a port of this machine:

# %% id="socket" tags=["live"]
import time

with meter.serve() as server:
    remote = openai.OpenAI(base_url=server.url, api_key="none").chat.completions.create
    with remote(**ask) as stream:
        first = [next(stream) for _ in range(6)]
    time.sleep(2.5)
    print(server.ledger[-1])
    assert server.ledger[-1].tokens_generated < 50

# %% [markdown]
# That is money saved, if the provider stops when you hang up. Not all do:

# %% id="goes-on"
with meter.client().chat.completions.create(**ask | {"model": "mock-1;goes-on"}) as stream:
    next(stream)
meter.clock.sleep(3)
print(meter.ledger[-1])

# %% [markdown]
# OpenRouter keeps a list (as of 2026): OpenAI, Azure and Anthropic stop, Bedrock, Groq and Google don't. Whoever leaves early gets no
# usage chunk either, since that comes last: estimate what you owe.
#
# Here the core ends, and the tables at the end sum it up. Do exercises 4.1 and 4.2 now, or go further.

# %% [markdown] id="on-going-further"
# ## Going further

# %% [markdown] id="on-what-tls-shows"
# ### What TLS shows
#
# Your connection is encrypted. Somebody who listens sees how many bytes pass, and when: TLS adds a fixed number to each record
# (RFC 8446). A patient asks a clinic for a result. It has three answers, all of the same length. Here is one, drawn from the
# sizes of its reads:

# %% id="silhouette"
import random

answers = [
    "Your test was positive. Please make an appointment.",
    "We could not read your sample. Please send another.",
    "Your test was negative. There is nothing to do now.",
]
secret = random.Random(5).randrange(3)
clinic = MockServer(answers[secret]).client()
listen = clinic.chat.completions.with_streaming_response.create
with listen(**ask, stream_options={"include_obfuscation": False}) as response:
    sizes = [len(data) for data in response.iter_bytes()]
plain = sizes[1:-2]  # without the role, the finish reason and the end
print("  ".join("_" * (size - min(plain) + 1) for size in plain))

# %% [markdown]
# **Predict.** Which answer was it, the first, the second or the third? Remember that tokens bring their space.

# %% id="predict-tls"
predict("4.e", ...)

# %% id="reveal-tls"
from course_utils.replies import tokens

for number, answer in enumerate(answers, 1):
    print(number, "  ".join("_" * len(token) for token in tokens(answer)))
reveal("4.e", secret + 1)

# %% [markdown]
# No cipher was broken: the lengths of the tokens were enough. The defence is *padding*. OpenAI adds a field `obfuscation` unless
# you decline, as we did here.

# %% id="padded"
with listen(**ask) as response:
    padded = [len(data) for data in response.iter_bytes()]
print("sizes without padding:", sorted(set(plain)))
print("sizes with padding:   ", sorted(set(padded[1:-2])))

# %% [markdown]
# Whisper Leak (arXiv 2511.03675, 28 models) guessed the topics of talks from sizes and times alone, mostly with success.
# Padding helps and is not the end of it. Unary answers show their total length only. And they are smaller:

# %% id="bytes"
for answer in answers:
    whole = MockServer(answer).client().chat.completions.with_raw_response.create(**ask | {"stream": False})
    print("unary", len(whole.content), "bytes")
print(f"streamed {sum(sizes)} bytes, streamed and padded {sum(padded)}")

# %% [markdown]
# "Streaming delivers data more efficiently", one can read. It does not: each token comes in a wrapping of its own.

# %% [markdown] id="on-silence-on-the-line"
# ### Silence on the line
#
# **Predict.** Your client has a time-out of one second, and the answer takes two and a half. After how many seconds does
# the streamed call end?

# %% id="predict-timeout"
predict("4.f", ...)

# %% id="timeout"
try:
    create(model="mock-1", messages=question, timeout=1.0)
except openai.APITimeoutError as error:
    print("unary:", error)
streamed = record(create, model="mock-1", messages=question, stream=True, timeout=1.0)
print("streamed:", streamed.finish_reason)

# %% id="reveal-timeout"
reveal("4.f", e2e(streamed), "s")

# %% [markdown]
# The unary call fails after its second, the stream never: the time-out counts from one read to the next. A stream may take for ever, as long as something comes; for a deadline you need a
# clock of your own. A unary call is one long silence, and proxies cut silent lines, often after a minute. So "in the
# background, don't stream" is half true: a long job is streamed *on the wire* even if nobody watches.

# %% [markdown] id="on-retry-resume-stop"
# ### Retry, resume, stop
#
# Before the first token a retry is harmless, and the SDK (your `openai` package) does it for you. (`flaky=1`: the first try fails.)

# %% id="retry-before"
shaky = MockServer("Here I am.", options=["flaky=1"])
answer = record(shaky.client(max_retries=2).chat.completions.create, **ask)
for entry in shaky.ledger:
    print(entry.status, entry.tokens_generated, "tokens")

# %% [markdown]
# Once text has been shown, it is not:

# %% id="retry-after"
screen = ""
for model in ("mock-1;cut=7", "mock-1"):
    try:
        for chunk in create(model=model, messages=question, stream=True):
            if chunk.choices:
                screen += chunk.choices[0].delta.content or ""
    except openai.APIConnectionError:
        screen += " [once more]\n"
print(screen)
print("paid:", sum(entry.tokens_generated for entry in list(mock.ledger)[-2:]), "tokens")

# %% [markdown]
# The beginning was read twice and paid twice. A tool might have run twice. Better is to *resume*: in the Responses API an answer made in the
# background has numbered events, and you ask for those after the last that you have.

# %% id="resume"
background = {"model": "mock-1", "input": "Why is the sky blue?", "background": True, "stream": True}
with client.responses.create(**background) as stream:
    first = [next(stream) for _ in range(20)]  # then the train enters a tunnel
key, seen = first[0].response.id, first[-1].sequence_number
rest = list(client.responses.retrieve(key, stream=True, starting_after=seen))
print("".join(event.delta for event in first + rest if event.type == "response.output_text.delta"))
for entry in list(mock.ledger)[-2:]:
    print(entry)

# %% [markdown]
# The whole text once, and no token was generated for the second request: the first had gone on without a listener. So
# hanging up no longer stops it. To *stop* is a request of its own:

# %% id="stop"
with client.responses.create(**background) as stream:
    key = next(stream).response.id
left = mock.ledger[-1]
mock.clock.sleep(1)
print("a second after we left:", left.tokens_generated, "tokens")
client.responses.cancel(key)
mock.clock.sleep(2)
print("two after the cancel:  ", left.tokens_generated, "tokens")

# %% [markdown]
# **Say it:** a lost connection is no wish to stop, and a wish to stop is no lost connection. Decide for each product which of the
# two a closed window means. (Exercise 4.5 decides when to retry.)

# %% [markdown] id="on-one-flag-two-shapes"
# ### One flag, two shapes
#
# Many services stream if the body of the request says `"stream": true` (a `?stream=true` in the address would do, but nobody's
# client sends it). The flag changes the form of the answer, and of its errors:

# %% id="flag"
for flag in (False, True):
    try:
        record(create, model="mock-1;error-at=20", messages=question, stream=flag)
    except openai.APIError as error:
        print(f"stream={flag!s:<6} {type(error).__name__:<20} status {getattr(error, 'status_code', None)}")

# %% [markdown]
# If your service has such a flag, document both forms. And don't write one function that returns a text *or* an iterator: a loop
# over a text yields its letters, and looks like streaming.
#
# The flag does not say how your program waits. Synchronous or asynchronous is another question, and all four pairs exist:

# %% id="four-pairs"
acreate = mock.async_client().chat.completions.create
for flag in (False, True):
    call = {"model": "mock-1", "messages": question, "stream": flag}
    waited, awaited = record(create, **call), await play(arecord(acreate, **call))
    print(f"stream={flag!s:<6} first text: sync {ttfv(waited):.2f} s, async {ttfv(awaited):.2f} s")

# %% [markdown] id="on-show-it-and-log-it-whole"
# ### Show it, and log it whole
#
# A service passes a stream on and keeps the answer for its log. The reader leaves in the middle:

# %% id="relay"
after, always = [], []

def relay(stream):
    text = ""
    try:
        for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            yield text
        after.append(text)
    finally:
        stream.close()
        always.append(text)

# %% id="leave"
page = relay(create(model="mock-1", messages=question, stream=True))
print(next(text for text in page if len(text) > 40))
page.close()  # what a web server does when the browser has gone
print("logged after the loop:", after)
print("logged in finally:    ", always)

# %% [markdown]
# What stands after the loop never runs. What stands in `finally` does, and closing the stream belongs there, too.

# %% [markdown] id="on-the-bill"
# ## The bill
#
# How an answer travels and how it is shown are two decisions. (Most calls of `record` in this lesson streamed on the wire, and
# showed nothing until the end.)
#
# | | shown as it comes | shown when it is whole |
# |---|---|---|
# | **streamed** on the wire | chat, code, a card that fills itself | long jobs, a guard that checks at the end, answers you may want to stop |
# | **unary** on the wire | the imitation of lesson 1 | short answers, a program that reads, answers from a cache |
#
# And this is what streaming costs and does not cost:
#
# | | unary | streamed |
# |---|---|---|
# | tokens, price, last word | the same | the same; less if you stop and the provider does |
# | first text | at the end | at the start, or a window later behind a guard |
# | an error | has a status | comes anywhere, or not at all |
# | a check before showing | is free | costs delay, or leaks |
# | structured data | whole | field by field, each when it is closed |
# | a retry | repeats nothing that was read | not after the first text |
# | your code | a call and an `except` | endings, history, closing, retries |
# | silence on the line | as long as the answer takes | a token's time |
# | who listens learns | the total length | each token's length, unless padded |
#
# Don't *show* an answer as it comes if it is there within a second, if it must be valid as a whole, or if the reader
# listens: a screen reader stumbles over text that changes with each token, so give it sentences.

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/04_streaming_tradeoffs.ipynb): 4.1 and 4.2 are the core, 4.3 to 4.5 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - The loop has ended, the status is 200, and still half an answer: ask the finish reason.
# - A guard costs delay or it leaks. A field is final when it is closed.
# - `break` stops your loop, `with` the stream, and `cancel` what runs in the background.
# - Wire and display are two decisions.
#
# **Next:** [lesson 5](05_first_token_latency.ipynb) takes the time to the first token apart.
