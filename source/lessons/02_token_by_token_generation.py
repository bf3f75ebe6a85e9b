# %% [markdown]
# # Where does the next token come from?
#
# *20 minutes to read and try, 25 minutes of core exercises. Lesson 1 comes first.*
#
# Afterwards you can follow a text from prompt to next token, say what a cache saves the model, tell chunks, tokens, characters
# and bytes apart, and put a stream together again.

# %% id="setup"
from course_utils import Crank, CrankWidget, plot_curves, predict, reveal
from course_utils import MockServer, Pace, play
from course_utils.lm import generate, load, probabilities, tokenizer

model, tokens = load(), tokenizer()

# %% [markdown] id="on-three-from-before"
# ## Three from before
#
# Answer in your head, then open.
#
# <details><summary>1. The same answer, unary and streamed: what comes earlier, and what does not?</summary>
# The first visible text comes earlier. The last token, the number of tokens and the price stay (lesson 1).</details>
#
# <details><summary>2. What does the first chunk of a stream bring?</summary>
# The role of the speaker, and no text. It often comes long before the first word (lesson 1).</details>
#
# <details><summary>3. How much earlier does a reader of a streamed answer finish, if the pace is even?</summary>
# By the smaller of two times: that to generate the answer, and that to read it (lesson 1).</details>

# %% [markdown] id="on-one-turn-of-the-crank"
# ## One turn of the crank
#
# `model` is a real language model, only tiny: a million numbers, learned from six novels by Jane Austen and a few thousand
# small dialogues. It runs here, in this notebook. It can't read letters, so the text is cut into *tokens* first, and each token
# is a number, its *id*.

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
for _ in range(12):
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
# Turn the crank yourself, and take an unlikely token now and then. (A bar from side to side would be 100 %.) Where is the model
# nearly sure, and where has it many ways to go on?

# %% id="crank"
CrankWidget(text)

# %% [markdown]
# Inside a word there is often one way on, and at the beginning of the next there are many. None of them is checked for sense.

# %% [markdown] id="on-a-hundred-answers"
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
different = {}
for name, (temperature, seeds) in runs.items():
    texts = [generate(text, 12, temperature, seed=seed) for seed in seeds]
    different[name] = len(set(map(tokens.decode, texts)))
    print(f"temperature {name}: {different[name]} different")
reveal("2.b", different["0.8"], "texts")

# %% [markdown]
# Here that holds to the last token. A service computes the answers of many people at once, rounds a little differently each
# time, and promises less: at temperature 0, or with a seed, *mostly* the same.
#
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
        print(chunk.choices[0].delta.content, end="", flush=True)
print("\nthe same as the whole one:", whole == streamed)

# %% [markdown]
# **Say it:** streaming changes *when* you get the tokens. Which ones you get is a matter of sampling.

# %% [markdown] id="on-reading-and-writing"
# ## Reading and writing
#
# For each new token the model needs all that stands before it. Does it have to *read* it again?
#
# **Predict.** A prompt of 20 tokens, 50 new ones, and for each of these the whole text so far is read. About how many tokens are read
# in all?

# %% id="predict-work"
predict("2.c", ...)

# %% id="work"
prompt = tokens.encode("It is a truth universally acknowledged, that a single man")[:20]
work = {}
for cache in (False, True):
    before = model.tokens_processed
    made = list(generate(prompt, 50, cache=cache))
    work[cache] = model.tokens_processed - before
    print(f"cache {cache!s:<6} {len(prompt)} + {len(made)} tokens, {work[cache]:5} read")
reveal("2.c", work[False], "tokens")

# %% [markdown]
# With the **KV cache** the model keeps what it computed for each token (its *keys* and *values*) and reads every token once,
# but for the last: nobody asks what follows it. The text is the same. Without the cache the work grows with the square of
# the length:

# %% id="curve"
curves = {"without cache": [], "with cache": []}
for cache, name in ((False, "without cache"), (True, "with cache")):
    before = model.tokens_processed
    for length, id in enumerate(generate(prompt, 200, cache=cache), start=1):
        curves[name].append((length, model.tokens_processed - before))
plot_curves(curves, title="Work for an answer", x="tokens in the answer", y="tokens read")

# %% [markdown]
# What does it cost in time, on your machine?

# %% id="time" tags=["live"]
import time

for cache in (False, True):
    began = time.perf_counter()
    made = list(generate(prompt, 200, cache=cache))
    took = time.perf_counter() - began
    assert len(made) > 100
    print(f"cache {cache!s:<6} {took / len(made) * 1000:.2f} ms a token")

# %% [markdown]
# So an answer has two parts. In the *prefill* the prompt is read; that is what the first token waits for. In the *decode* each step
# reads one token and makes the next; that is the even beat you saw in lesson 1.
#
# Does a token of the prompt cost as much as one of the answer? The prompt is all there, so it can be read in one go. The answer can't:
# each of its tokens has to be chosen before the next step can read it.

# %% id="prefill" tags=["live"]
long = tokens.encode("It is a truth universally acknowledged. " * 20)[:150]
for name, parts in (("in one go", [long]), ("one by one", [[id] for id in long])):
    cache = model.cache()
    began = time.perf_counter()
    for part in parts:
        model.forward(part, cache)
    took = time.perf_counter() - began
    assert len(cache) == len(long)
    print(f"{len(long)} tokens read {name}: {took * 1000:.1f} ms")

# %% [markdown]
# **Say it:** prefill reads in one go, decode goes step by step. So a long question costs less time than an answer of the same length.

# %% [markdown] id="on-chunk-token-character-byte"
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
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    texts = [delta.content for delta in deltas if delta.content]
    said = "".join(texts)
    count = chunks[-1].usage.completion_tokens
    print(f"{len(texts):16}  {count:6}  {len(said):10}  {len(said.encode()):5}  {name}")

# %% [markdown]
# In the last line four counts are four numbers. Whoever takes chunks for tokens thinks that this server sends a third of what the
# other sends. Bytes and characters differ wherever a letter needs more than one byte; cut in the middle of the 🎉 and you have
# half a character (exercise 2.4).

# %% [markdown] id="on-anatomy-of-a-stream"
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
# - Last, only if you asked with `include_usage`: no choices at all, and the usage. `chunks[-1].choices[0]` fails here. Every chunk
#   has the attribute `usage`, so `hasattr` tells nothing; ask whether it `is not None`.
#
# The newer **Responses API** says the same in typed events:

# %% id="responses"
from collections import Counter

stream = client.responses.create(model="mock-1", input="What do you like?", stream=True)
events = list(stream)
for type, count in Counter(event.type for event in events).items():
    print(f"{count:3} x {type}")

# %% [markdown]
# Here the text comes in `response.output_text.delta`, everything opens and closes by name, and the last event carries the whole
# response, so you need not add the pieces up. Compare:

# %% id="whole-text"
pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
print("".join(pieces) == events[-1].response.output_text)
print(events[-1].response.usage.output_tokens, "tokens,", events[-1].response.status)

# %% [markdown] id="on-two-streams-at-once"
# ## Two streams at once
#
# With the asynchronous client other work goes on while you wait for the next chunk. Two questions, asked together:

# %% id="async"
import asyncio

async def ask(client, topic):
    messages = [{"role": "user", "content": f"What do you like about {topic}?"}]
    stream = await client.chat.completions.create(
        model="austen", messages=messages, seed=7, max_completion_tokens=6, stream=True
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            print(f"{topic:>6}:", chunk.choices[0].delta.content, flush=True)

async def both():
    async with mock.async_client() as client:
        await asyncio.gather(ask(client, "walks"), ask(client, "rain"))

await play(both())

# %% [markdown]
# `async for` takes the place of `for`, and `await` stands where something is waited for; the chunks are the same. Both answers ended
# at their limit of six tokens. (A program of its own ends with
# `asyncio.run(both())`. In a notebook a loop runs already, so one awaits; `play` lets the same cell run on the clock of the tests.)

# %% [markdown] id="on-exercises"
# ## Exercises
#
# Open [the exercises](../exercises/02_token_by_token_generation.ipynb): 2.1 and 2.2 are the core, 2.3 and 2.4 go further.

# %% [markdown] id="on-summary"
# ## Summary
#
# - A model gives a probability to every token; sampling picks one; the loop goes on. There is no finished answer to hold back.
# - Prefill reads the prompt, decode writes token by token; the KV cache saves reading everything again.
# - Streaming does not change the tokens. Chunks are not tokens, tokens are not characters, characters are not bytes.
# - A stream is role, deltas, finish reason and, if asked for, usage.
#
# **Next:** [lesson 3](03_transport_mechanisms.ipynb) looks at the wire between server and you.
