# %% [markdown]
# # Exercises 1: why streaming matters
#
# 1.1 and 1.2 are the core (10 and 15 minutes), 1.3 and 1.4 go further (15 and 20 minutes). Write your code where it says so
# and run the check below it. `hint("1.1")` helps in three steps, `reset("1.1")` starts over, `progress()` shows where you
# stand. The checks run in virtual time: waiting costs nothing, and every time is exact.

# %% id="setup"
from course_utils import check, glossary, hint, practice, progress, reset, solution, trial

# %% [markdown]
# ## 1.1 First and last (10 minutes, core)
#
# Measure one stream. `send()` sends the request and returns the stream of chunks, as the `openai` client does; `clock()`
# tells the time in seconds. Return three things: after how many seconds the first text was there that a user could see,
# after how many the last, and the whole text, unchanged. (Every stream here has some text.) To see what your function returns before you check it, run
# `first_and_last(*practice())`: that stream has a role chunk at 0.25 s and three tokens at 1, 1.5 and 2 s.

# %% exercise="1.1"
def first_and_last(send, clock):
    """Return (first_visible, end, text): seconds from sending the request, and the text.

    For a role chunk at 0.2 s, "Hi" at 0.5 s and "!" at 0.75 s the answer is (0.5, 0.75, "Hi!").
    """
    # solution
    sent, first, end, pieces = clock(), None, None, []
    for chunk in send():
        if chunk.choices and chunk.choices[0].delta.content:
            end = clock() - sent
            first = end if first is None else first
            pieces.append(chunk.choices[0].delta.content)
    return first, end, "".join(pieces)

# %% check="1.1"
check("1.1", first_and_last)

# %% [markdown]
# ## 1.2 When has she finished reading? (15 minutes, core)
#
# A person reads while the text arrives, but never a token that has not come yet. `arrivals` has one time per token, in
# seconds since the request. Return when she has read the last one; with no tokens that is 0.0.

# %% exercise="1.2"
def finish_reading(arrivals, tokens_per_second):
    """Return the seconds from the request until the last token is read.

    For arrivals [1.0, 1.0, 4.0] and 2 tokens per second the answer is 4.5:
    she reads from 1.0 to 2.0, waits, and needs half a second for the third token.
    """
    # solution
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + 1 / tokens_per_second
    return at

# %% check="1.2"
check("1.2", finish_reading)

# %% [markdown]
# ## 1.3 Streamed or not? (15 minutes, further)
#
# Given the arrival times of the pieces with text, in seconds since the request, say what you see:
#
# - `"unknown"`: fewer than four pieces, too little to tell;
# - `"buffered"`: everything came in one moment, that is, within the last twentieth of the whole wait;
# - `"clumped"`: the pieces came in three or more bunches, on average at least two pieces each, as from a proxy that passes on
#   full pages;
# - `"streamed"`: everything else. The pieces came one by one, however fast, with whatever jitter or single stall.

# %% exercise="1.3"
def classify(arrivals):
    """Return "streamed", "buffered", "clumped" or "unknown".

    [0.5, 0.6, 0.7, 0.8, 0.9] is streamed, [4.0, 4.0, 4.0, 4.001] is buffered, [1, 1, 2, 2, 3, 3] is clumped.
    """
    # solution
    if len(arrivals) < 4:
        return "unknown"
    span = arrivals[-1] - arrivals[0]
    if span <= arrivals[-1] / 20:
        return "buffered"
    small = span / (len(arrivals) - 1) / 10
    bunches = 1 + sum(later - earlier > small for earlier, later in zip(arrivals, arrivals[1:]))
    return "clumped" if 3 <= bunches <= len(arrivals) / 2 else "streamed"

# %% check="1.3"
check("1.3", classify)

# %% [markdown]
# ## 1.4 A steady pace (20 minutes, further)
#
# Text that comes in bursts is tiring to read. Write a generator that passes the pieces on at a steadier pace. Asking
# `stream` for the next pair `(arrived, text)` takes until that piece is there. Let each text leave `gap` seconds after the
# one before it, but never before it has come, and never more than `max_lag` seconds after it came, even if the pace must
# suffer. `clock()` tells the time and `sleep(seconds)` waits. If the source raises an error, let it reach your reader.
# To see what your generator does, run `trial(smooth)`: its source has pieces at 1, 1, 1 and 3 s.

# %% exercise="1.4"
def smooth(stream, gap, max_lag, clock, sleep):
    """Yield the texts of ``stream`` at a steady pace.

    With gap 0.25 and max_lag 1.0, pieces that come at 1.0, 1.0, 1.0 leave at 1.0, 1.25, 1.5.
    """
    # solution
    last = None
    for arrived, text in stream:
        when = arrived if last is None else min(max(arrived, last + gap), arrived + max_lag)
        sleep(max(0.0, when - clock()))
        last = clock()
        yield text

# %% check="1.4"
check("1.4", smooth)

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(1)
