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

# %% [markdown]
# ## 4.2 A conversation that stays in order (15 minutes, core)
#
# Write the method `ask`. It sends a question with all that was said before, shows the answer piece by piece, and keeps both.
#
# - `await self.send(messages)` sends a request and returns an asynchronous stream of chunks; go through it with `async for`.
#   The list it gets is the request: `self.messages` and the question behind them. Nobody may change it afterwards.
# - `show(piece)` shows a piece of text, the moment it comes.
# - `self.messages` holds turns only: a question, `{"role": "user", "content": ...}`, and its answer,
#   `{"role": "assistant", "content": ...}`. They come in together, when the answer is over, however it ends:
#   - with the finish reason `stop` it is kept as it is (a chunk behind that reason may have none);
#   - with another reason or none, by an error, or because the user stops it: what the user has seen is kept, with
#     `INTERRUPTED` behind it;
#   - with the reason `content_filter`, or if there was no text to see, the turn is not kept at all. A question that was refused
#     would get all later ones refused.
# - Errors go on to whoever called `ask`, and so does the stop: your task is cancelled, which raises `asyncio.CancelledError` where
#   you wait.
# - Two questions may be asked at once. Each answer stands behind its own question, and neither spoils the other.

# %% exercise="4.2"
INTERRUPTED = " [interrupted]"

class Conversation:
    """A conversation of turns; ask() adds one, whole or not at all.

    If the stream of "Why?" ends after "Because of", messages are then
    [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because of [interrupted]"}].
    """

    def __init__(self, send):
        self.send, self.messages = send, []

    async def ask(self, text, show):
        # solution
        question, said, reason = {"role": "user", "content": text}, "", None
        try:
            async for chunk in await self.send([*self.messages, question]):
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    if choice.delta.content:
                        said += choice.delta.content
                        show(choice.delta.content)
        finally:
            if said and reason != "content_filter":
                answer = said if reason == "stop" else said + INTERRUPTED
                self.messages += [question, {"role": "assistant", "content": answer}]

# %% check="4.2"
check("4.2", Conversation)
