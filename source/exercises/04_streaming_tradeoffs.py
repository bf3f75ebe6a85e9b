# %% [markdown]
# # Exercises 4: trade-offs
#
# 4.1 and 4.2 are the core (10 and 15 minutes), 4.3, 4.4 and 4.5 go further (15, 20 and 15 minutes). Write your code where it
# says so and run the check below it. `hint("4.1")` helps in three steps, `reset("4.1")` starts over, `progress()` shows where
# you stand. The checks bring mocks of their own, run in virtual time, and read their ledgers.

# %% id="setup"
from course_utils import MockServer, check, hint, progress, reset, solution

# %% [markdown]
# ## 4.1 How did it end? (10 minutes, core)
#
# `stream` is what `client.chat.completions.create(stream=True)` returns. Read it to its end, and say what came and how it ended.
# `text` is everything that was said. `usage` is the number of `completion_tokens` that the chunk with the usage tells, or
# `None` if none came. `status` is one of five words:
#
# - `"complete"`: the finish reason is `stop` or `tool_calls`;
# - `"truncated"`: it is `length`, so a limit of tokens was reached;
# - `"filtered"`: it is `content_filter`;
# - `"failed"`: the service itself said inside the stream that it failed. The client raises `openai.APIError`;
# - `"interrupted"`: no finish reason came. Either the stream just ends, or the connection breaks, and the client raises
#   `openai.APIConnectionError`, which is a kind of `openai.APIError`.
#
# Whatever happens, no text is lost. Once the finish reason is there, a connection that breaks changes the status no more.
# Other errors are not yours to catch, and the stop button has to work: it raises a `KeyboardInterrupt` in your loop.

# %% exercise="4.1"
from typing import NamedTuple

import openai

class Result(NamedTuple):
    text: str
    status: str
    usage: int | None

def collect(stream):
    """Return a Result of the text, the status and the usage of one stream.

    For a role chunk, "Hel", "lo", and then nothing more the answer is Result("Hello", "interrupted", None).
    """
    # solution
    endings = {"stop": "complete", "tool_calls": "complete", "length": "truncated", "content_filter": "filtered"}
    text, status, usage = "", "interrupted", None
    try:
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                status = endings.get(choice.finish_reason, status)
            if chunk.usage:
                usage = chunk.usage.completion_tokens
    except openai.APIConnectionError:
        pass  # the status says already whether the finish reason had come
    except openai.APIError:
        status = "failed"
    return Result(text, status, usage)

# %% check="4.1"
check("4.1", collect)
