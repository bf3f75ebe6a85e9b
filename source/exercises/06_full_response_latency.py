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
# ## Where you stand

# %% id="progress"
progress(6)
