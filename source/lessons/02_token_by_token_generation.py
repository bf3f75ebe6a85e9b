# %% [markdown]
# # Token by token
#
# *20 minutes to read and try, 25 minutes of core exercises. Lesson 1 comes first.*
#
# Afterwards you can follow a text from prompt to next token, say what a model reads twice without a cache, tell chunks,
# tokens, characters and bytes apart, and put a stream together again.

# %% id="setup"
from course_utils import Crank, CrankWidget, MockServer, Pace, play, plot_curves, predict, reveal
from course_utils.lm import generate, load, probabilities, tokenizer

model, tokens = load(), tokenizer()

# %% [markdown]
# ## One turn of the crank
#
# `model` is a real language model, only tiny: a million numbers, learned from six novels by Jane Austen and a few hundred
# small dialogues. It runs here, in this notebook. It can't read letters, so the text is cut into *tokens* first, and each token is a number, its *id*.

# %% id="tokens"
text = "She opened the letter and"
ids = tokens.encode(text)
for id in ids:
    print(f"{id:5} {tokens.decode([id])!r}")

# %% [markdown]
# Not letters and not words: frequent runs of letters, often with the space before them. A tokenizer learns them from text, by
# merging the most frequent pair again and again.
#
# **Predict.** The model gets these ids. How many numbers does it give back, to say what comes next?

# %% id="predict-logits"
predict("2.a", ...)

# %% id="logits"
logits = model.forward(ids)[-1]
reveal("2.a", len(logits), "numbers")

# %% [markdown]
# One score, a *logit*, for **every token it knows**. `probabilities` turns scores into shares of 1 (the function is called
# *softmax*). These are the ten likeliest, some of them only the beginning of a word:

# %% id="bars"
shares = probabilities(logits)
print(f"{len(shares)} shares, together {sum(shares):.3f}")
Crank(text).plot()

# %% [markdown]
# Now somebody has to choose: that is *sampling*. The chosen token goes to the end of the text, and the model is asked again.
# That loop is all there is to generation:

# %% id="loop"
crank = Crank(text)
for _ in range(14):
    longer = crank.take()
    print(longer.text[len(crank.text):], end="|", flush=True)
    crank = longer

# %% [markdown]
# What if the second likeliest had been chosen, just once, at the start?

# %% id="another-future"
print(Crank(text).take(1).turn(10))
print(Crank(text).take(2).turn(10))

# %% [markdown]
# One token, another future. The model does not know its answer and type it slowly: there **is** no answer yet. So nobody knows
# its length either, and a streamed response can't have a `Content-Length` header.
#
# Turn the crank yourself. Where does the text become nonsense, and could the bars have told you?

# %% id="crank"
CrankWidget(text)

# %% [markdown]
# ## A hundred answers
#
# Always taking the likeliest is called *temperature 0*. Higher temperatures let less likely tokens through, and a *seed*
# fixes the draw.
#
# **Predict.** A hundred runs at temperature 0.8, each with a seed of its own: how many different texts?

# %% id="predict-runs"
predict("2.b", ...)

# %% id="runs"
runs = {"0": (0, range(100)), "0.8": (0.8, range(100)), "0.8, one seed": (0.8, [7] * 100)}
for name, (temperature, seeds) in runs.items():
    different = {tokens.decode(generate(text, 12, temperature, seed=seed)) for seed in seeds}
    print(f"temperature {name}: {len(different)} different")
    if len(set(seeds)) > 1:
        last = len(different)
reveal("2.b", last, "texts")

# %% [markdown]
# Does streaming change what is said? The mock serves this model too, under the name `austen`.

# %% id="same-text"
mock = MockServer(pace=Pace(ttft=0.5, itl=0.05))
client = mock.client()
create = client.chat.completions.create
question = [{"role": "user", "content": "What do you like about walks?"}]
request = {"model": "austen", "messages": question, "seed": 7, "temperature": 0.8}
whole = create(**request).choices[0].message.content
streamed = ""
for chunk in create(**request, stream=True):
    if chunk.choices and chunk.choices[0].delta.content:
        streamed += chunk.choices[0].delta.content
print(whole)
print("the same:", whole == streamed)

# %% [markdown]
# **Say it:** streaming changes *when* you get the tokens. Which ones you get is a matter of sampling.
#
# ## Reading and writing
#
# For each new token the model needs all that stands before it. Does it have to *read* it again?
#
# **Predict.** A prompt of 20 tokens, 50 new ones, and the whole text is read for each. How many tokens are read in all?

# %% id="predict-work"
predict("2.c", ...)

# %% id="work"
prompt = tokens.encode("It is a truth universally acknowledged, that a single man in possession")[:20]
work = {}
for cache in (False, True):
    before = model.tokens_processed
    made = list(generate(prompt, 50, cache=cache))
    work[cache] = model.tokens_processed - before
    print(f"cache {cache!s:<6} {len(prompt)} + {len(made)} tokens, {work[cache]:5} read")
reveal("2.c", work[False], "tokens")

# %% [markdown]
# With the **KV cache** the model keeps what it computed for each token (its *keys* and *values*) and reads every token once.
# The text is the same. Without it the work grows with the square of the length:

# %% id="curve"
curves = {"without cache": [], "with cache": []}
for length in range(1, 201, 20):
    for cache, name in ((False, "without cache"), (True, "with cache")):
        before = model.tokens_processed
        list(generate(prompt, length, cache=cache))
        curves[name].append((length, model.tokens_processed - before))
plot_curves(curves, title="Work for an answer", x="tokens in the answer", y="tokens read")

# %% [markdown]
# So an answer has two parts. In the *prefill* the prompt is read, all of it at once; that is what the first token waits for. In the
# *decode* each step reads one token and makes the next; that is the even beat you saw in lesson 1. What does it cost in time,
# on your machine?

# %% id="time" tags=["live"]
import time

for cache in (False, True):
    began = time.perf_counter()
    made = list(generate(prompt, 200, cache=cache))
    took = time.perf_counter() - began
    assert len(made) > 100
    print(f"cache {cache!s:<6} {took / len(made) * 1000:.2f} ms a token")

# %% [markdown]
# ## Chunk, token, character, byte
#
# A stream is made of *chunks*. Is a chunk a token? `pack=3` makes the mock send three tokens in one chunk, as
# some services do. `usage` is the server's own count of tokens.

# %% id="counts"
emoji = MockServer("Walks? Yes! 🎉 Née and naïve, but yes.")
print("chunks with text  tokens  characters  bytes")
for name in ("mock-1", "mock-1;pack=3"):
    chunks = list(emoji.client().chat.completions.create(
        model=name, messages=question, stream=True, stream_options={"include_usage": True}
    ))
    texts = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    said = "".join(texts)
    count = chunks[-1].usage.completion_tokens
    print(f"{len(texts):16}  {count:6}  {len(said):10}  {len(said.encode()):5}  {name}")

# %% [markdown]
# Four counts, four numbers. Count chunks, and a busy server looks slow although it sends as many tokens. Bytes and characters differ
# wherever a letter needs more than one byte; cut in the middle of the 🎉 and you have half a character (exercise 2.4).
#
# ## Anatomy of a stream
#
# The first chunk, two in the middle, and the last two:

# %% id="anatomy"
options = {"stream": True, "stream_options": {"include_usage": True}}
chunks = list(create(model="mock-1", messages=question, **options))
for chunk in [*chunks[:3], *chunks[-2:]]:
    if chunk.choices:
        choice = chunk.choices[0]
        print(choice.delta.to_dict(), "finish_reason:", choice.finish_reason)
    else:
        print("no choices, usage:", chunk.usage.completion_tokens, "tokens")

# %% [markdown]
# - First a role, and no text.
# - Then the pieces. A chunk is a *delta*: what is new, not what there is.
# - Then an empty delta with the `finish_reason`: `stop` (it ended by itself), `length` (your limit), `tool_calls` or
#   `content_filter`. A stream without one was cut off.
# - Last, only if you asked with `include_usage`: no choices at all, and the usage. `chunks[-1].choices[0]` fails here.
#
# The newer **Responses API** says the same in typed events:

# %% id="responses"
from collections import Counter

events = list(client.responses.create(model="mock-1", input="What do you like?", stream=True))
for type, count in Counter(event.type for event in events).items():
    print(f"{count:3} x {type}")

# %% [markdown]
# Here the text comes in `response.output_text.delta`, everything opens and closes by name, and the last event carries the whole
# response, so you need not add the pieces up. Compare:

# %% id="whole-text"
pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
print("".join(pieces) == events[-1].response.output_text)
print(events[-1].response.usage.output_tokens, "tokens,", events[-1].response.status)

# %% [markdown]
# ## Two streams at once
#
# With the asynchronous client other work goes on while you wait for the next chunk. Two questions, asked together:

# %% id="async"
import asyncio

async def ask(client, words):
    messages = [{"role": "user", "content": words}]
    stream = await client.chat.completions.create(model="mock-1;ttft=0.5", messages=messages, stream=True)
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            print(words, repr(chunk.choices[0].delta.content), flush=True)
            if chunk.choices[0].delta.content.endswith("!"):
                return

async def both():
    async with mock.async_client() as client:
        await asyncio.gather(ask(client, "hello"), ask(client, "Hello?"))

await play(both())

# %% [markdown]
# `async for` takes the place of `for`, and nothing else changes. (`play` lets the same cell run on the clock of the tests.)
#
# ## Exercises
#
# Open [the exercises](../exercises/02_token_by_token_generation.ipynb): 2.1 and 2.2 are the core, 2.3 and 2.4 go further.
#
# ## Summary
#
# - A model gives a probability to every token; sampling picks one; the loop goes on. There is no finished answer to hold back.
# - Prefill reads the prompt, decode writes token by token; the KV cache saves reading everything again.
# - Streaming does not change the tokens. Chunks are not tokens, tokens are not characters, characters are not bytes.
# - A stream is role, deltas, finish reason and, if asked for, usage.
#
# **Next:** lesson 3 looks at the wire between server and you.
