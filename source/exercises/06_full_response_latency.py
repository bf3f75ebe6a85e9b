# %% [markdown]
# # Exercises 6: full-response latency
#
# 6.1 and 6.2 are the core (10 and 15 minutes), 6.3 and 6.4 go further (20 and 15 minutes). Write your code where it says so
# and run the check below it. `hint("6.1")` helps in three steps, `reset("6.1")` starts over, `progress()` shows where you
# stand. The checks have clocks and servers of their own, on which waiting is arithmetic.

# %% id="setup"
from course_utils import check, glossary, hint, progress, reset, solution

# %% [markdown]
# ## 6.1 What a token costs in seconds (10 minutes, core)
#
# An idle service takes `base + per_in * n_in + per_out * (n_out - 1)` seconds for a request: something in any case, something
# for each token of the prompt, and something for each gap between two tokens of the answer. You can't see the three costs, but
# you have measured. Each sample is a dict:
#
# - `"n_in"` and `"n_out"`, the tokens of prompt and answer. `"n_out"` is `None` where the stream brought no usage.
# - `"chunks"`, how many chunks with text came; and `"e2e"`, the seconds to the last token.
# - `"failed"` and `"queued"` are `True` for a request that failed, and for one that stood in a queue.
#
# Write `fit`, which finds the costs, and `predict`, which says what they mean for another request. Failed and queued requests, and
# those of which nobody knows `n_out`, don't count. At least 24 others are there, measured to a millisecond. But up to one in ten
# of these took seconds longer than the rest, for no reason that anybody knows. Your costs say what is usual: they must not follow
# those. At the lengths of the samples they may be off by 8 ms. `samples` stays as it is.
#
# `np.linalg.lstsq(rows, times)[0]` is numpy's least squares: the numbers by which the columns of `rows` have to be multiplied so
# that their sums come nearest to `times`.

# %% exercise="6.1"
from typing import NamedTuple

import numpy as np

class Costs(NamedTuple):
    """Seconds: of a request in any case, of a token read, of a token written but the first."""

    base: float
    per_in: float
    per_out: float

    def predict(self, n_in, n_out):
        """Return the seconds that a request of so many tokens will take.

        Costs(0.25, 0.001, 0.5).predict(1000, 3) is 2.25.
        """
        # solution
        return self.base + self.per_in * n_in + self.per_out * (n_out - 1)

def fit(samples):
    """Return Costs(base, per_in, per_out).

    If requests of 0 and 1, 1000 and 1, 0 and 3 tokens usually take 0.25, 1.25 and 1.25 s, it is
    Costs(0.25, 0.001, 0.5).
    """
    # solution
    good = [one for one in samples if one["n_out"] is not None and not one["failed"] and not one["queued"]]
    rows = np.array([[1, one["n_in"], one["n_out"] - 1] for one in good])
    times = np.array([one["e2e"] for one in good])
    near = slice(None)
    for _ in range(6):
        costs = np.linalg.lstsq(rows[near], times[near])[0]
        near = np.argsort(abs(times - rows @ costs))[: len(good) * 3 // 4]
    return Costs(*costs)

# %% check="6.1"
check("6.1", fit)

# %% [markdown]
# ## 6.2 Many prompts, a few at a time (15 minutes, core)
#
# Ask a service for the answers to many prompts. `mock` is a mock server as in the lessons: `mock.async_client()` and
# `mock.client()` give the SDK's clients, which don't retry by themselves; `mock.model` is the model's name. `time` stands in for
# Python's module, on the clock of the check. `asyncio` is the real one, but there are no threads.
#
# - Return a list with the text of each answer, that of prompt `i` in place `i`.
# - At any moment at most `limit` requests are under way, and no place stays free while a prompt waits for one. The limit is for
#   one call; other calls may run beside it, and the event loop has other things to do, too.
# - A prompt whose request fails has the result `None` and is not asked again. The others get their answers all the same.
# - A 429 (`openai.RateLimitError`) is no failure. Its response has a header `retry-after`, in seconds. When these are over, ask
#   again, as often as it takes. Until then the prompt needs no place, and the others go on.

# %% exercise="6.2"
import asyncio

import openai

async def run_many(prompts, limit, mock, time):
    """Return the answers' texts in the order of the prompts, with None for each that failed.

    If "Hello" is answered with "Hi!", and the request of "Go" fails, the answer to
    run_many(["Hello", "Go"], 5, ...) is ["Hi!", None].
    """
    # solution
    client, gate = mock.async_client(), asyncio.Semaphore(limit)

    async def one(prompt):
        messages = [{"role": "user", "content": prompt}]
        while True:
            try:
                async with gate:
                    answer = await client.chat.completions.create(model=mock.model, messages=messages)
                return answer.choices[0].message.content
            except openai.RateLimitError as error:
                await asyncio.sleep(float(error.response.headers["retry-after"]))
            except openai.APIError:
                return None

    return await asyncio.gather(*map(one, prompts))

# %% check="6.2"
check("6.2", run_many)

# %% [markdown]
# ## 6.3 Three deadlines of your own (20 minutes, further)
#
# `stream` is what `await client.chat.completions.create(..., stream=True)` gives. Read it, and hand each piece of text to
# `await show(piece)` as soon as it comes. `show` is the work of whoever called you, and takes its time: one piece after the other.
# Three deadlines, in seconds, bound the wait for the stream:
#
# - `first`: from the call of your function to the first text.
# - `idle`: from the end of a `show` to the next text. While `show` works, nobody waits for the service.
# - `total`: from the call to the end of the stream, whatever comes in between.
#
# Only text counts. The chunk with the role has none, nor have the heartbeats that services send to keep a line open: chunks without
# choices, or with nothing in their delta.
#
# Return a pair: the text that you have shown, and `None` if the stream came to its end, else the name of the deadline that passed
# first: `"first"`, `"idle"` or `"total"`. A deadline ends the wait at once, not when something comes again. It never touches a
# `show` that has begun: if `total` passes meanwhile, return when `show` has, and show no more.
#
# However your function ends, the stream is closed (`await stream.close()`), so that the model stops. Errors of the stream and of
# `show` go on to the caller, and so does a cancellation of your task. The clock is that of the event loop, `loop.time()`.

# %% exercise="6.3"
import asyncio

async def with_deadlines(stream, first, idle, total, show):
    """Return the text and the name of the deadline that ended it, or None.

    With first=2, idle=1 and total=9, and "It" after 1.5 s, " is" after 2.0 s and then heartbeats
    only, the answer is ("It is", "idle"), after 3.0 s.
    """
    # solution
    loop, text = asyncio.get_running_loop(), ""
    end, due, name = loop.time() + total, loop.time() + first, "first"
    try:
        while True:
            try:
                async with asyncio.timeout_at(min(due, end)):
                    chunk = await anext(stream, None)
            except TimeoutError:
                return text, name if due < end else "total"
            if chunk is None:
                return text, None
            for choice in chunk.choices:
                if choice.delta.content:
                    text += choice.delta.content
                    await show(choice.delta.content)
                    due, name = loop.time() + idle, "idle"
    finally:
        await stream.close()

# %% check="6.3"
check("6.3", with_deadlines)

# %% [markdown]
# ## 6.4 How many good answers a second? (15 minutes, further)
#
# A load test leaves a *trace*: a list of its requests in the order in which they were due, each a dict with four times in seconds
# and counts:
#
# - `"due"`: when it was due, and its user began to wait; `"end"`: when it was over, well or not.
# - `"first"`: when its first token came, `None` if none did; `"tokens"`: how many came.
# - `"ended"`: `"complete"`, `"failed"` (perhaps after some tokens), or `"dropped"`: the server has turned it away.
#
# `slo` (service level objectives) has the limits, some of `"ttft"`, `"tpot"` and `"e2e"`, in seconds: the time from `"due"` to the
# first token, the time between tokens, (end - first) / (tokens - 1), and the time from `"due"` to the end. An answer of one token
# can't miss a limit of `"tpot"`. Write three functions:
#
# - `good(request, slo)`: whether it is complete and meets all limits of `slo`, of which there may be none. What takes just as long as
#   a limit allows meets it.
# - `goodput(trace, slo)`: good requests a second. The seconds are those of the test, from the first due to the last end of any
#   request. Without requests it is 0.0.
# - `max_rate(runs, slo, share)`: `runs` has a pair `[rate, trace]` for each test, in any order; `rate` is how many requests a second
#   were due, and a trace may be empty. Find the highest rate at which, as at all lower ones that were tried, at least that
#   `share` of all requests is good. Return a pair: this rate, or `None`, and a list of the goodputs, from the lowest rate to the highest.

# %% exercise="6.4"
def good(request, slo):
    """Return whether a request is complete and meets all limits.

    {"due": 4.0, "first": 4.5, "end": 6.5, "tokens": 21, "ended": "complete"} has a ttft of 0.5,
    a tpot of 0.1 and an e2e of 2.5.
    """
    # solution
    if request["ended"] != "complete":
        return False
    times = {"ttft": request["first"] - request["due"], "tpot": 0.0, "e2e": request["end"] - request["due"]}
    if request["tokens"] > 1:
        times["tpot"] = (request["end"] - request["first"]) / (request["tokens"] - 1)
    return all(times[name] <= limit for name, limit in slo.items())

def goodput(trace, slo):
    """Return the good requests a second: 0.5 for 10 good ones of 16 in a test of 20 s."""
    # solution
    if not trace:
        return 0.0
    seconds = max(request["end"] for request in trace) - min(request["due"] for request in trace)
    return sum(good(request, slo) for request in trace) / seconds

def max_rate(runs, slo, share):
    """Return the highest rate that keeps its promise, or None, and all goodputs.

    If 98, 91 and 60 of 100 requests were good at the rates 2, 4 and 8, it is 4 for a share of 0.9.
    """
    # solution
    best, holds, goodputs = None, True, []
    for rate, trace in sorted(runs, key=lambda run: run[0]):
        goodputs.append(goodput(trace, slo))
        holds = holds and sum(good(request, slo) for request in trace) >= share * len(trace)
        if holds:
            best = rate
    return best, goodputs

# %% check="6.4"
check("6.4", max_rate)

# %% [markdown]
# ### Should it?
#
# A server that turns away whoever would be late no longer works for answers that come too late to count. So its goodput rises, and
# no request is served better for it. A server that holds its first tokens back, to hand them out evenly, has a smoother p99 between
# tokens, and every token comes later (both in arXiv 2410.14257). Is that cheating, or good service?
#
# Somebody who is turned away at once can ask elsewhere, and a promise that is kept for most may be better than one that is broken for
# all. But the goodput does not know how many were turned away. So print the share of all who asked beside it, as `max_rate` does,
# and ask of every number: what could I do to make it better, that would make nobody happier?

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(6)
