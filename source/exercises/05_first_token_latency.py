# %% [markdown]
# # Exercises 5: first-token latency
#
# 5.1 and 5.2 are the core (10 and 15 minutes), 5.3 and 5.4 go further (20 and 15 minutes). Write your code where it says so
# and run the check below it. `hint("5.1")` helps in three steps, `reset("5.1")` starts over, `progress()` shows where you
# stand. The checks have clocks and servers of their own, on which waiting is arithmetic.

# %% id="setup"
from course_utils import check, glossary, hint, progress, reset, solution

# %% [markdown]
# ## 5.1 Five clocks on one stream (10 minutes, core)
#
# `send()` sends a request and returns when the headers of the answer are there. What it returns gives the lines of the body, each
# when it comes (this one has been shortened):
#
# ```
# : ping
# data: {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}
# data: {"choices": [{"delta": {"content": null, "reasoning_content": "Six times"}, "finish_reason": null}]}
# data: {"choices": [{"delta": {"content": "\n\n"}, "finish_reason": null}]}
# data: {"choices": [{"delta": {"content": "Forty-two"}, "finish_reason": null}]}
# data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}
# data: {"choices": [], "usage": {"completion_tokens": 5}}
# data: [DONE]
# ```
#
# Return a dict of five clocks, in seconds from just before the request is sent, by `clock()`:
#
# - `"t_headers"`: when the headers are there.
# - `"ttfc"`: the first chunk of any kind. A line that begins with `data: {` is a chunk. Comments, empty lines and `[DONE]` are none.
# - `"ttft"`: the first token, which is text in `content` or in `reasoning_content`, the thoughts that are not part of the answer.
# - `"ttfv"`: the first text of the answer that a reader can see. Blanks and line ends alone are tokens, but nothing to see.
# - `"e2e"`: the last token.
#
# A clock that never stops has the value `None`. `parse(line)` reads the JSON of a chunk and takes its time. That is your
# program's time, not the service's, so no clock may count the chunk's own parsing. A delta may lack a key, or have `None` for a value.

# %% exercise="5.1"
def clocks(send, clock, parse):
    """Return {"t_headers": ..., "ttfc": ..., "ttft": ..., "ttfv": ..., "e2e": ...}.

    If the headers come after 0.1 s, and the lines above after 0.2, 0.3, 0.9, 2.0, 2.5, 2.6, 2.7
    and 2.7 s, the answer is
    {"t_headers": 0.1, "ttfc": 0.3, "ttft": 0.9, "ttfv": 2.5, "e2e": 2.5}.
    """
    # solution
    sent = clock()
    lines = send()
    times = {"t_headers": clock() - sent, "ttfc": None, "ttft": None, "ttfv": None, "e2e": None}
    for line in lines:
        at = clock() - sent
        if not line.startswith("data: {"):
            continue
        if times["ttfc"] is None:
            times["ttfc"] = at
        for choice in parse(line)["choices"]:
            text, thought = choice["delta"].get("content") or "", choice["delta"].get("reasoning_content") or ""
            if times["ttft"] is None and text + thought:
                times["ttft"] = at
            if times["ttfv"] is None and text.strip():
                times["ttfv"] = at
            if text + thought:
                times["e2e"] = at
    return times

# %% check="5.1"
check("5.1", clocks)

# %% [markdown]
# ## 5.2 A report you can stand by (15 minutes, core)
#
# A load test gives a list of samples, in the order in which they were due. Each is a dict of `"due"`, the second of the test at
# which the request was due; `"ttft"`, its time to first token in seconds, or `None` if it failed; and `"cold"`, `True` if it had to
# open a new connection. Return a dict:
#
# - `"n"`: how many warm requests (those that are not cold) were sent, and `"failed"`: how many of these failed.
# - `"cold"`: a list of the times of the cold requests, in their order, `None` where one failed. They count nowhere else.
# - `"p50"`, `"p95"` and `"p99"` of the warm requests, failures included. pK is the smallest time that at least K of 100 requests did
#   not exceed. A failed request is slower than all that were answered.
#
# A percentile is `None` if fewer than five requests lie beyond it, that is, if `n * (100 - K) / 100` is below 5; and if it is the
# time of a request that failed, for there is none. `samples` stays as it is, and may be empty.

# %% exercise="5.2"
import math

def report(samples):
    """Return {"n": ..., "failed": ..., "cold": [...], "p50": ..., "p95": ..., "p99": ...}.

    For warm requests of 0.1, 0.2, ... 1.0 s, one more that failed, and a cold one of 3.5 s it is
    {"n": 11, "failed": 1, "cold": [3.5], "p50": 0.6, "p95": None, "p99": None}.
    """
    # solution
    warm = sorted(math.inf if sample["ttft"] is None else sample["ttft"] for sample in samples if not sample["cold"])
    n, failed = len(warm), warm.count(math.inf)
    found = {"n": n, "failed": failed, "cold": [sample["ttft"] for sample in samples if sample["cold"]]}
    for rank in (50, 95, 99):
        place = math.ceil(n * rank / 100)
        told = n * (100 - rank) / 100 >= 5 and place <= n - failed
        found[f"p{rank}"] = warm[place - 1] if told else None
    return found

# %% check="5.2"
check("5.2", report)

# %% [markdown]
# ## 5.3 An open loop (20 minutes, further)
#
# Write a load test that behaves like users who don't know of each other. `await call(number)` sends a request and waits for its
# answer; it raises `ConnectionError` if the request fails. `clock()` gives the time in seconds. `await sleep(seconds)` sleeps, and
# wakes a little late, as timers do; below 0 it returns at once. `asyncio.create_task(one())` starts a coroutine and does not wait
# for it.
#
# - Request `number`, from 0 to `n - 1`, is due `number / rate` seconds after the start. It leaves when it is due, or as soon as your
#   sleep has ended, whatever became of the others. Lateness must not add up.
# - Never are more than `most` requests under way. One that is due while there are as many is not sent at all, not even later.
# - Return a list of `n` latencies when nothing is under way any more, that of request `number` in its place. A latency is the time from
#   when the request was **due** to its answer. It is `None` for a request that failed or was not sent. None is sent twice.

# %% exercise="5.3"
import asyncio
import contextlib

async def open_loop(rate, n, call, clock, sleep, most):
    """Return the latency of each of n requests, in seconds since it was due, or None.

    At a rate of 2 requests are due at 0.0, 0.5 and 1.0 s. If the first is answered at 3.0 s, the
    second fails, and the third leaves at 1.01 s and is answered at 1.2 s, it is [3.0, None, 0.2].
    """
    # solution
    began, latencies, under_way = clock(), [None] * n, set()

    async def one(number, due):
        with contextlib.suppress(ConnectionError):
            await call(number)
            latencies[number] = clock() - due

    for number in range(n):
        due = began + number / rate
        await sleep(due - clock())
        if len(under_way) < most:
            task = asyncio.create_task(one(number, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return latencies

# %% check="5.3"
check("5.3", open_loop)

# %% [markdown]
# ## 5.4 Feed the prefix cache (15 minutes, further)
#
# A server keeps what it has read. If a new prompt begins like an earlier one, of whatever user, it reads on from the first letter
# that differs. For each request your application has the conversation so far and some facts; put them together so that as little
# as possible is read twice. Return a list of messages, each a dict of `"role"` and `"content"`.
#
# - `messages` are those of the conversation, the new question last. Later ones come behind them. They keep their order and roles.
# - `facts["rules"]` is a long text, the same for everybody. `facts["tools"]` is a list of texts, the same for everybody, but in
#   any order: somebody keeps them in a set. `facts["user"]` is a line about the user, `facts["time"]` says what time it is.
# - Each fact stands once, letter by letter, in a message of the role `system` or `developer`, which may stand anywhere, or behind
#   the text of the last question. Several facts may share a message, and you may add words of your own.
# - Behind the beginning that a request shares with an earlier one there may only be what no earlier request has had: the
#   time, a new user's line, new messages. An old message is one that an earlier request of this conversation has had.
# - `messages` and `facts` stay as they are, with all that is in them: the application goes on with them.

# %% exercise="5.4"
def arrange(messages, facts):
    """Return the messages to be sent.

    messages is [{"role": "user", "content": "Is it late?"}], facts is {"rules": "Be kind. ...",
    "tools": ["map: ...", "clock: ..."], "user": "Ada is 36.", "time": "It is 10:30:07."}.
    """
    # solution
    front = [facts["rules"], *sorted(facts["tools"]), facts["user"]]
    return [
        *({"role": "system", "content": text} for text in front),
        *messages,
        {"role": "system", "content": facts["time"]},
    ]

# %% check="5.4"
check("5.4", arrange)

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(5)
