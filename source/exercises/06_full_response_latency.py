# %% [markdown]
# # Exercises 6: full-response latency
#
# 6.1 and 6.2 are the core (10 and 15 minutes), 6.3 and 6.4 go further (20 and 15 minutes). Write your code where it says so
# and run the check below it. `hint("6.1")` helps in three steps, `reset("6.1")` starts over, `progress()` shows where you
# stand. The checks have clocks and servers of their own, on which waiting is arithmetic.

# %% id="setup"
from course_utils import check, hint, progress, reset, solution

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
    """Seconds: of a request in any case, of a token of the prompt, of a token of the answer but the first."""

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

    If requests of 0 and 1, 1000 and 1, 0 and 3 tokens usually take 0.25, 1.25 and 1.25 s, it is Costs(0.25, 0.001, 0.5).
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

    If "Hello" is answered with "Hi!", and the request of "Go" fails, run_many(["Hello", "Go"], 5, ...) returns ["Hi!", None].
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
# ## Where you stand

# %% id="progress"
progress(6)
