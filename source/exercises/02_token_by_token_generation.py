# %% [markdown]
# # Exercises 2: token by token
#
# 2.1 and 2.2 are the core (10 and 15 minutes), 2.3 and 2.4 go further (15 and 20 minutes). Write your code where it says so
# and run the check below it. `hint("2.1")` helps in three steps, `reset("2.1")` starts over, `progress()` shows where you
# stand. The checks bring small models and mocks of their own, and count work instead of time.

# %% id="setup"
from course_utils import MockServer, check, glossary, hint, lm, progress, reset, solution

# %% [markdown]
# ## 2.1 Draw the next token (10 minutes, core)
#
# A model gives one number for each token, its logit. Return the id of the next token, its place in `logits`.
#
# - Divided by `temperature`, the logits become shares by softmax: exp of each, divided by the sum of them all. Draw an id
#   with these shares. At temperature 0 nothing is left to chance: return the id with the largest logit.
# - If `top_k` is a number and not `None`, only the `top_k` largest logits take part, and their shares sum to 1.
# - Of equal logits the one with the smaller id comes first, at temperature 0 as well as for the last places of `top_k`.
# - Logits may be huge, such as 10000.0, or `-inf`, which has the share 0; one at least is a number. `logits` stays as it is.
# - All chance comes from `rng`, a `random.Random`: the same seed gives the same tokens.

# %% exercise="2.1"
import math

def sample(logits, temperature, top_k, rng):
    """Return the id of the next token.

    For logits [2.0, 1.0, 2.0, 0.0] the answer at temperature 0 is 0. At temperature 1 with top_k 2 it is
    0 in half of the draws, 2 in the other half, and never 1 or 3.
    """
    # solution
    ids = sorted(range(len(logits)), key=lambda id: -logits[id])[:top_k]
    if temperature == 0:
        return ids[0]
    weights = [math.exp((logits[id] - logits[ids[0]]) / temperature) for id in ids]
    return rng.choices(ids, weights)[0]

# %% check="2.1"
check("2.1", sample)

# %% [markdown]
# ## 2.2 Generate, and read nothing twice (15 minutes, core)
#
# Write a generator that yields the ids that follow a prompt, one at a time. The model has two methods:
#
# - `model.cache()` makes an empty cache, for one text;
# - `model.forward(ids, cache)` reads `ids` behind what the cache holds, and keeps them there. It returns a row of logits for
#   each of `ids`: row i says what may follow `ids[i]`. Without a cache `ids` are the whole text.
#
# The next token is always the id with the largest logit, the smallest id among equals. Stop after `n` tokens, before the
# token `end` (which is not yielded; `None` ends nothing), or when prompt and answer together have `context` tokens. Every
# token is handed out before the next one is computed, and no token is read twice or for nothing: a prompt of 4 tokens and an
# answer of 3 cost 6 tokens read, since nobody asks what follows the last one. `prompt_ids` stays as it is.
#
# The course's own model has these methods. To read what your generator makes of it, run
# `lm.tokenizer().decode(generate(lm.load(), lm.tokenizer().encode("My dear"), 20))`.

# %% exercise="2.2"
def generate(model, prompt_ids, n, end=None, context=256):
    """Yield up to n token ids that follow prompt_ids.

    If the model continues [5, 3] with 8, 1, 9, 7 and end is 9, the ids are 8 and 1, and 4 tokens were read: 5, 3, 8, 1.
    """
    # solution
    cache, new = model.cache(), prompt_ids
    for _ in range(min(n, context - len(prompt_ids))):
        logits = list(model.forward(new, cache)[-1])
        id = logits.index(max(logits))
        if id == end:
            return
        yield id
        new = [id]

# %% check="2.2"
check("2.2", generate)

# %% [markdown]
# ## 2.3 Put the answer together (15 minutes, further)
#
# A stream of Chat Completions brings its answer in pieces. This one has two tool calls, and their arguments come in turns:

# %% id="chunks"
city = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo"]}}}
chunks = MockServer().client().chat.completions.create(
    model="mock-1;calls=2",
    messages=[{"role": "user", "content": "Is it raining?"}],
    tools=[{"type": "function", "function": {"name": "weather", "parameters": city}}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in chunks:
    for choice in chunk.choices:
        print(choice.index, choice.delta.to_dict(), choice.finish_reason)
print("no choices, but", chunk.usage.prompt_tokens, "and", chunk.usage.completion_tokens, "tokens")

# %% [markdown]
# Return a dict of two things:
#
# - `"choices"`: a list with a dict for each answer, in the order of their `index`. It has `"content"`, the text, `""` if there is
#   none; `"tool_calls"`, a list with a dict of `"id"`, `"name"` and `"arguments"` for each call, in the order of their `index`; and
#   `"finish_reason"`, `None` if the stream broke off before it came. The arguments are a text, put together and not read.
# - `"usage"`: a dict of `"prompt_tokens"` and `"completion_tokens"`, or `None` if no chunk carries it. Some services let several
#   carry it, each all so far: the last one counts.
#
# `chunks` can be gone through once, like any stream. A chunk may hold one choice, several or none, with any `index`. `content` and
# `tool_calls` of a delta may be `None`, and so may the arguments of a fragment, and the finish reason, also in a chunk behind the one
# that has it. Of the fragments of a call only the first has id and name. Text, finish reason and usage may share a chunk.

# %% exercise="2.3"
def assemble(chunks):
    """Return {"choices": [...], "usage": ...} for the chunks of one stream.

    For a role chunk, "Hel", "lo" and a chunk with the finish reason the answer is
    {"choices": [{"content": "Hello", "tool_calls": [], "finish_reason": "stop"}], "usage": None}.
    """
    # solution
    answers, usage = {}, None
    for chunk in chunks:
        if chunk.usage:
            usage = {"prompt_tokens": chunk.usage.prompt_tokens, "completion_tokens": chunk.usage.completion_tokens}
        for choice in chunk.choices:
            answer = answers.setdefault(choice.index, {"content": "", "tool_calls": {}, "finish_reason": None})
            answer["content"] += choice.delta.content or ""
            answer["finish_reason"] = choice.finish_reason or answer["finish_reason"]
            for part in choice.delta.tool_calls or []:
                first = {"id": part.id, "name": part.function.name, "arguments": ""}
                call = answer["tool_calls"].setdefault(part.index, first)
                call["arguments"] += part.function.arguments or ""
    for answer in answers.values():
        calls = answer["tool_calls"]
        answer["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {"choices": [answers[index] for index in sorted(answers)], "usage": usage}

# %% check="2.3"
check("2.3", assemble)

# %% [markdown]
# ## 2.4 Show no text too early (20 minutes, further)
#
# Tokens are bytes: `token_bytes` gives them one by one, and a character may be spread over several. `stop` is a text that ends
# the answer and must not be shown. Write a generator that yields the text, each part of it as early as is safe:
#
# - After each token, before you ask for the next one, yield all characters that are complete, apart from an end that may still
#   become the stop text: the longest end that is a beginning of `stop`.
# - The first time that `stop` is complete, yield what stands before it and return; ask for no further token. It means itself, sign
#   by sign, and may lie in one token or in several. An empty `stop` stops nothing.
# - Behind the last token all that was kept comes out. All together the pieces are
#   `b"".join(token_bytes).decode(errors="replace")`, up to the stop text: the bytes are good UTF-8, only the last character
#   may be cut off, and is shown as one U+FFFD.
#
# Empty pieces do not count.

# %% exercise="2.4"
import codecs

def emit_safe(token_bytes, stop):
    r"""Yield the text of token_bytes up to stop, as early as is safe.

    For the tokens b"Caf", b"\xc3", b"\xa9\n", b"\nWell", b"\n\n", b"No" and stop "\n\nNo" the pieces are
    "Caf", "é", "\n\nWell": the line break waits for the token behind it, and after "\n\nNo" nothing comes.
    """
    # solution
    decoder, held = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for token in token_bytes:
        held += decoder.decode(token)
        if stop and stop in held:
            yield held[: held.index(stop)]
            return
        keep = max(size for size in range(len(stop) or 1) if held.endswith(stop[:size]))
        yield held[: len(held) - keep]
        held = held[len(held) - keep :]
    yield held + decoder.decode(b"", final=True)

# %% check="2.4"
check("2.4", emit_safe)

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(2)
