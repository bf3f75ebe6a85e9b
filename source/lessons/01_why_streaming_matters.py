# %% [markdown]
# # Why does streaming matter?
#
# *20 minutes to read and try, 25 minutes of core exercises. You need to read Python.*
#
# Afterwards you can measure when a person sees the first and the last word of an answer, predict what streaming saves
# them, tell a real stream from an imitation, and say what streaming does not change.

# %% id="setup"
from course_utils import connect, deliver, plot_timelines, predict, race, record, reveal
from course_utils import Pace, RaceWidget
from course_utils import arrivals, e2e, gaps, ttfc, ttfv

# ttft: seconds to the first token; itl: seconds between tokens
llm = connect(pace=Pace(ttft=0.5, itl=0.1))
client = llm.client()
request = {
    "model": llm.model,
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
}

# %% [markdown] id="on-one-question-two-ways-to-wait"
# ## One question, two ways to wait
#
# `llm` is a mock model: its first token is ready after 0.5 seconds, each further one takes 0.1 seconds, and its answer has
# 40 tokens. `client` is the real `openai` client.
#
# **Predict.** You wait for the whole answer. After how many seconds do you see the first word? Replace the dots.

# %% id="predict-wait"
predict("1.a", ...)

# %% [markdown]
# **Run.** A *unary* call: one request, one response. Watch how long nothing happens.

# %% id="unary"
answer = client.chat.completions.create(**request)
print(answer.choices[0].message.content)

# %% [markdown]
# With `stream=True` you get an iterator of *chunks* instead, messages that arrive while the model is still at work. Some
# carry no text and some no `choices` at all, so the loop looks before it takes.

# %% id="streamed"
stream = client.chat.completions.create(**request, stream=True)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        piece = chunk.choices[0].delta.content
        print(piece, end="", flush=True)

# %% [markdown]
# Same words. They don't come letter by letter, as people like to say: the pieces are *tokens*, mostly a word with its space
# (the mock cuts long words more crudely than a real tokenizer). In a picture:
#
# ```mermaid
# sequenceDiagram
#   participant U as user
#   participant A as your program
#   participant M as model
#   U->>A: question
#   A->>M: request, stream=True
#   M-->>A: chunk with the role, no text
#   loop each token
#     M-->>A: chunk with text
#     A-->>U: show it at once
#   end
#   M-->>A: finish reason
# ```
#
# In words: your program asks once, the model answers with many chunks, each of which you show at once, and the last one, the
# *finish reason*, says why it stopped.

# %% [markdown] id="on-measure-it"
# ## Measure it
#
# `record` makes the same call and stamps each chunk. Its stopwatch starts *before* the request is sent, when the user
# starts to wait.

# %% id="record"
create = client.chat.completions.create
unary = record(create, **request)
streamed = record(create, **request, stream=True)
lanes = {"unary": unary, "streamed": streamed}
plot_timelines(lanes)

# %% id="reveal-wait"
reveal("1.a", ttfv(unary), "s")

# %% [markdown]
# The last word comes at the same moment. What moved is the *first* one, the **time to first visible text** (`ttfv`). The time
# until all is there is the **end-to-end latency** (`e2e`).
#
# **Say it:** streaming does not make the answer finish sooner, it lets you begin to read sooner.
#
# So a chat feels like a talk: an answer begins at once, and you may interrupt. (The dots of a typing indicator only promise that.)
# Games, tickers and notifications stream, too; new is that the text is *made* while it is sent.

# %% [markdown] id="on-the-first-chunk-is-not-the-first-word"
# ### The first chunk is not the first word
#
# Is the first chunk of the stream the first text? `ttfc`, the time to first chunk, is what many tools report.

# %% id="role-chunk"
for chunk in streamed.chunks[:4]:
    print(f"{chunk.at:.2f} s  {chunk.text!r}")
print(f"first chunk: {ttfc(streamed):.2f} s")
print(f"first text:  {ttfv(streamed):.2f} s")

# %% [markdown]
# This *role chunk* only says that an assistant is about to speak. Whoever takes it for the first token reports a tenth of the
# wait.

# %% [markdown] id="on-what-the-server-says"
# ## What the server says
#
# The mock keeps a **ledger** of what it really generated. These are your four calls.

# %% id="ledger"
print(llm.ledger)

# %% [markdown]
# Same tokens, same end: streaming changes neither the work nor the price. It saves no memory worth naming either, as a
# thousand tokens are about four kilobytes. What it can save is the rest of an answer that you stop early (lesson 4).

# %% [markdown] id="on-the-race-with-a-reader"
# ## The race with a reader
#
# Is an early first word also *faster*? Ask the person who reads. Adults read about 238 English words a minute (mean of 190
# studies, Brysbaert 2019), with four tokens for three words 5.3 tokens a second.
#
# Three lanes: unary; streamed; and a *fake stream*, which holds everything back and then releases it piece by piece.
#
# **Predict.** At 10 tokens a second, how many seconds earlier is the streamed lane's reader finished?

# %% id="predict-saved"
predict("1.b", ...)

# %% [markdown]
# `race` runs all three lanes, each with the reader under it (`reading` works out her times from the `token_arrivals`).

# %% id="race-code"
run = race(tokens_per_second=10)
run.plot()

# %% id="reveal-saved"
for lane in run.timelines:
    print(f"{lane:<12} read by {run.finished(lane):4.1f} s")
reveal("1.b", round(run.saved, 1), "s")

# %% [markdown] id="on-the-law-of-overlap"
# ### The law of overlap
#
# Streamed, writing and reading overlap; unary, one follows the other. So with an even pace the reader should save
# **min(time to generate, time to read)**, both counted from the first token to the last. Does she?

# %% id="law"
print("tokens/s  generate     read    saved  of unary")
for speed in (2, 5.3, 20, 50, 200):
    run = race(speed)
    generate, read = run.generation, run.reading
    saved, unary_end = run.saved, run.finished("unary")
    share = saved / unary_end
    assert abs(saved - min(generate, read)) < 1e-9
    print(f"{speed:8} {generate:7.2f} s {read:6.2f} s {saved:6.2f} s {share:8.0%}")

# %% [markdown]
# With a model of the reader's own pace streaming saves nearly half. With a fast one little is left, except early feedback
# and the chance to stop. Once an answer is streamed faster than she reads, *more tokens per second* gives her nothing.
#
# Try it: how fast must the model be until streaming no longer matters? What does a pause do to the law?

# %% id="race"
RaceWidget()

# %% [markdown] id="on-an-imitation"
# ## An imitation
#
# In the third lane, too, the text arrives piece by piece. Was it streamed?

# %% id="fake"
run = race(tokens_per_second=10)
for lane in ("streamed", "fake stream"):
    timeline = run.timelines[lane]
    print(lane)
    print("  chunks with text:", len(arrivals(timeline)))
    print(f"  first text:  {ttfv(timeline):.3f} s")
    print(f"  last text:   {e2e(timeline):.3f} s")
    print(f"  longest gap: {max(gaps(timeline)):.3f} s")

# %% [markdown]
# As many chunks, but all of them within 0.08 s, after 4.4 s of nothing. A *proxy*, a server in between, looks like this if it
# collects the response, and so does a unary call behind an iterator. Counting chunks does not reveal it, timestamps do
# (exercise 1.3). The ledger shows the same work in all lanes:

# %% id="books"
print(run.books())

# %% [markdown] id="on-the-first-token-is-not-everything"
# ## The first token is not everything
#
# **Predict.** The model stops for four seconds after its third token. By how many seconds does the first text move?

# %% id="predict-pause"
predict("1.c", ...)

# %% id="pause"
calm, paused = race(10), race(10, pause=4)
paused.plot()

# %% id="reveal-pause"
before, after = calm.timelines["streamed"], paused.timelines["streamed"]
late = paused.finished("streamed") - calm.finished("streamed")
print(f"the streamed lane's reader is finished {late:.1f} s later")
reveal("1.c", ttfv(after) - ttfv(before), "s")

# %% [markdown]
# A dashboard of first-token times stays green. The reader has three tokens and waits. (The label in the picture adds the
# ordinary gap to the pause.) And the law of overlap needs its even pace.

# %% [markdown] id="on-is-faster-always-better"
# ## Is faster always better?
#
# Four answers with the same words. Which would you rather get from an assistant that advises you, and why? Decide before you
# read on.

# %% id="four"
paces = {
    "A": Pace(ttft=0.3, itl=0.01),
    "B": Pace(ttft=1.0, itl=0.15),
    "C": Pace(ttft=0.3, itl=0.05, pauses=((12, 5.0),)),
    "D": Pace(ttft=6.0, itl=0.05),
}
four = {name: deliver(pace) for name, pace in paces.items()}
plot_timelines(four, title="Four ways to say the same")

# %% [markdown]
# No answer is right, and that is the point.
#
# - Tan and others (CHI 2026, arXiv 2604.06183) had people wait 2, 9 or 20 seconds for the first token. What they *did* hardly
#   changed, but after 2 seconds they rated the answers **less** thoughtful and useful: a delay was read as deliberation, a
#   very long one sometimes as a fault.
# - Zhou and others (2025, arXiv 2504.20365, 297 people) found that the speed of text changes how human and how trustworthy
#   it seems.
#
# Both measured perception, not success. They don't say that slow is good; they say that fast is not all people want.

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/01_why_streaming_matters.ipynb): 1.1 and 1.2 are the core, 1.3 and 1.4 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - Streaming moves the *first* visible text forward. End, tokens and price stay.
# - At an even pace a reader saves min(time to generate, time to read): nearly half at her own speed, next to nothing with a
#   very fast model.
# - *When* the pieces come tells a stream from an imitation; how many there are does not.
#
# **Next:** [lesson 2](02_token_by_token_generation.ipynb) looks inside, where the tokens come from.
