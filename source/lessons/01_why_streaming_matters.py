# %% [markdown]
# # Why does streaming matter?
#
# *20 minutes to read and try, 25 minutes of core exercises. You need to read Python.*
#
# Afterwards you can measure when a person sees the first and the last word of an answer, predict what streaming saves
# them, spot a stream that is none, and say what streaming does not change.

# %% id="setup"
from course_utils import Pace, RaceWidget, connect, deliver, e2e, plot_timelines, predict, race, record, reveal, ttfc, ttfv

llm = connect(pace=Pace(ttft=0.5, itl=0.1))
client = llm.client()
question = [{"role": "user", "content": "Why is the sky blue?"}]

# %% [markdown]
# ## One question, two ways to wait
#
# `llm` is a mock model with a known pace: its first token is ready after 0.5 seconds, each further one takes 0.1
# seconds, and its answer has 43 tokens. `client` is the real `openai` client, so every line below also works with a real
# service.
#
# **Predict.** You ask, and wait for the whole answer. How many seconds pass until you see the first word? Put your number
# in place of the dots.

# %% id="predict-wait"
predict("1.a", ...)

# %% [markdown]
# **Run.** This is a *unary* call: one request, one response. Watch how long nothing happens.

# %% id="unary"
answer = client.chat.completions.create(model=llm.model, messages=question)
print(answer.choices[0].message.content)

# %% [markdown]
# Now the same with `stream=True`. Instead of one answer you get an iterator of *chunks*, small messages that arrive while
# the model is still at work. A chunk may carry a piece of text in `delta.content`; some carry none, and some have no
# `choices` at all, which is why the loop looks before it takes.

# %% id="streamed"
for chunk in client.chat.completions.create(model=llm.model, messages=question, stream=True):
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)

# %% [markdown]
# Same words, one argument and a loop more. It does not appear letter by letter, as people like to say: the pieces are
# *tokens*, the units a model works in, mostly a short word with its space.
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
# In words: your program asks once; the model answers with many chunks, each of which you can show at once; the last one
# says why it stopped.
#
# ## Measure it
#
# `record` makes the same call and notes when each chunk arrives. Its stopwatch starts *before* the request is sent, because
# that is when the user starts to wait.

# %% id="record"
unary = record(client.chat.completions.create, model=llm.model, messages=question)
streamed = record(client.chat.completions.create, model=llm.model, messages=question, stream=True)
plot_timelines({"unary": unary, "streamed": streamed})

# %% id="reveal-wait"
reveal("1.a", ttfv(unary), "s")

# %% [markdown]
# **Look.** In both lanes the last word comes at the same moment. What moved is the *first* one. The time until a person
# can see something is called **time to first visible text**, `ttfv`; the time until all of it is there is the
# **end-to-end latency**, `e2e`.
#
# **Say it in one sentence:** streaming does not make the answer finish sooner, it lets you begin to read sooner.
#
# ### The first chunk is not the first word
#
# **Predict** before you run: is the first chunk of the stream the first text? Many published measurements say so.

# %% id="role-chunk"
print("first chunk after", ttfc(streamed), "s:", streamed.chunks[0])
print("first text after", ttfv(streamed), "s:", streamed.chunks[1])

# %% [markdown]
# The first chunk only says that an assistant is about to speak. It came ten times earlier than the first word, and nobody
# can read it. Whoever takes it for the first token publishes a splendid number. The picture shows it as a hollow circle.
#
# ## What the server says
#
# The mock keeps a **ledger**: what it really generated for each request, and when it was done. These are your four calls.

# %% id="ledger"
print(llm.ledger)

# %% [markdown]
# Same number of tokens, same end. So streaming does not change the price, which is counted in tokens, nor the work. It
# does not save memory worth naming either: a thousand tokens of text are about four kilobytes, and most programs collect
# the whole text anyway. What it can save is the rest of an answer you stop early; lesson 4 shows when that works.
#
# ## The race with a reader
#
# Seeing the first word early is pleasant. Is it also *faster*? That depends on somebody we have left out: the person who
# reads. Adults read English silently at about 238 words a minute (the mean of 190 studies, Brysbaert 2019). With about four
# tokens for three words that is 5.3 tokens a second.
#
# Three lanes: unary; streamed; and a *fake stream*, a server that holds everything back and then releases it piece by piece.
# Under each lane a person reads what has come.
#
# **Predict.** At 10 tokens a second, how many seconds earlier is the reader of the streamed lane finished?

# %% id="predict-saved"
predict("1.b", ...)

# %% [markdown]
# Move the sliders: how fast does the model have to be until streaming no longer matters? What does a pause do? The button
# lets a dot follow each reader in real time.

# %% id="race"
RaceWidget()

# %% [markdown]
# The same without a widget, for those who would rather type:

# %% id="race-code"
run = race(tokens_per_second=10)
run.plot()

# %% id="reveal-saved"
reveal("1.b", round(run.saved, 1), "s")

# %% [markdown]
# The reader of the streamed lane never waits again after the first word, because the model is faster than she is. The
# reader of the unary lane starts when everything is there. The difference is the time the model needed to write.
#
# ### The law of overlap
#
# Let us try slow and fast models.

# %% id="law"
for speed in (2, 5.3, 20, 50, 200):
    run = race(speed)
    share = run.saved / run.finished("unary")
    print(f"{speed:>5} tokens/s: unary read by {run.finished('unary'):4.1f} s, streamed saves {run.saved:3.1f} s ({share:.0%})")

# %% [markdown]
# With streaming, writing and reading overlap; without it they follow each other. What is saved is the part that overlaps:
#
# > **saved = min(time to generate, time to read)**
#
# With a model slower than the reader, that is her reading time. With a faster one it is the generation time, which shrinks
# as models get faster. At 200 tokens a second hardly anything is left of it. So with a fast model the gain is early
# feedback and the chance to stop early, not a reader who is finished sooner. *More tokens per second* is not always better
# for the person in front of the screen: beyond reading speed she no longer notices.
#
# ## A stream that is none
#
# Look at the third lane again. It *printed* word by word. Was it streamed?

# %% id="fake"
run = race(tokens_per_second=10)
fake = run.timelines["fake stream"]
print(len(fake.chunks), "chunks, first text after", ttfv(fake), "s, the rest within", round(e2e(fake) - ttfv(fake), 3), "s")

# %% [markdown]
# Many chunks, one moment. A proxy that collects the response, a compressing middleware, a framework that hides a unary
# call behind an iterator: all of them look like this. Counting chunks does not reveal it, timestamps do. In exercise 1.3
# you write the detector; lesson 3 shows who holds the bytes back.
#
# And the ledger? In all three lanes the model did the same work in the same time:

# %% id="books"
print(run.books())

# %% [markdown]
# ## The first token is not everything
#
# **Predict.** The model stops for four seconds after its third token. What happens to the time to first text, and what to
# the reader?

# %% id="pause"
run = race(tokens_per_second=10, pause=4)
run.plot()

# %% [markdown]
# The first text comes as early as before, so a dashboard that shows only that number stays green. The reader has read three
# tokens and waits. Between the first token and the last there is a stream, and people live in it: steady matters.
#
# ## Is faster always better?
#
# Four answers with the same words. Which would you rather receive from an assistant that gives you advice? Decide before
# you read on, and give a reason.

# %% id="four"
paces = {
    "A": Pace(ttft=0.3, itl=0.01),
    "B": Pace(ttft=1.0, itl=0.15),
    "C": Pace(ttft=0.3, itl=0.05, pauses=((12, 5.0),)),
    "D": Pace(ttft=6.0, itl=0.05),
}
plot_timelines({name: deliver(pace) for name, pace in paces.items()}, title="Four ways to say the same")

# %% [markdown]
# There is no right answer, and that is the point. At CHI 2026, Tan and others had people wait 2, 9 or 20 seconds for the
# first token. What people *did* hardly changed. But those who waited only 2 seconds rated the answers as **less** thoughtful
# and useful than the others; a pause was read as deliberation, a very long one sometimes as a fault (arXiv 2604.06183).
# Zhou and others (297 people, 2025) found that the speed of the text changes how human, how trustworthy and how good it
# seems (arXiv 2504.20365). Both measured perception, not whether a task succeeded. They don't say that slow is good; they
# say that fast is not the only thing people want.
#
# ## What streaming changes, and what not
#
# | | unary | streamed |
# |---|---|---|
# | first visible text | at the end | after the first token |
# | last text | same | same |
# | tokens and price | same | same, less if you stop early and the provider notices |
# | reader is finished | generation, then reading | whichever is longer |
# | your code | one value | a loop, and a plan for half an answer |
#
# ## Exercises
#
# Open [the exercises of this lesson](../exercises/01_why_streaming_matters.ipynb): 1.1 and 1.2 are the core (25 minutes),
# 1.3 and 1.4 go further.
#
# ## Summary
#
# - Streaming moves the *first* visible text forward. End, tokens and price stay.
# - What a reader saves is min(time to generate, time to read): half with a model of her own pace, next to nothing with a
#   very fast one.
# - Timestamps tell a stream from an imitation: moments count, chunks don't.
#
# **Next:** lesson 2 looks inside, where the tokens come from.
