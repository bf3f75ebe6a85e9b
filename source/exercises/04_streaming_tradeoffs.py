# %% [markdown]
# # Exercises 4: trade-offs
#
# 4.1 and 4.2 are the core (10 and 15 minutes), 4.3, 4.4 and 4.5 go further (15, 20 and 15 minutes). Write your code where it
# says so and run the check below it. `hint("4.1")` helps in three steps, `reset("4.1")` starts over, `progress()` shows where
# you stand. The checks bring mocks of their own, run in virtual time, and read their ledgers.

# %% id="setup"
from course_utils import MockServer, check, glossary, hint, progress, reset, solution

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

# %% [markdown]
# ## 4.3 A guard in the stream (15 minutes, further)
#
# Some phrases must not be shown. `stream` gives pieces of text, as they come, and a phrase may be spread over several. Write a
# generator that passes the text on, and keeps the end of it back as long as a phrase could still begin there.
#
# - After each piece, before you ask for the next one, all text is out but its last `window` characters at most. The longest
#   phrase has up to `window` + 1 characters, so nothing of it is out when its last character comes.
# - Upper and lower case make no difference. A phrase means itself, sign by sign; `banned` has at least one, none is empty.
# - Once a phrase is complete, first call `stream.close()`: the model stops, and nobody pays for more. Then yield what stands
#   before the phrase (the first one in the text, if there are several), and raise `Blocked(phrase)`, so that whoever reads you
#   can tell this end from a good one.
# - If none comes, all that was kept back comes out at the end.
#
# Empty pieces do not count.

# %% exercise="4.3"
import re

class Blocked(Exception):
    """A phrase that must not be shown has come; the text before it is out, and no more will follow."""

def guard(stream, banned, window):
    """Yield the text of stream, up to the first of the phrases in banned.

    For the pieces "My code", " is", " 4", "-", "7", "!", banned ["4-7"] and window 2 the pieces are "My co", "de ", "is", " ",
    and after "7" comes Blocked("4-7").
    """
    # solution
    phrases = re.compile("|".join(map(re.escape, banned)), re.IGNORECASE)
    held = ""
    for piece in stream:
        held += piece
        if hit := phrases.search(held):
            stream.close()
            yield held[: hit.start()]
            raise Blocked(hit[0])
        safe = max(0, len(held) - window)
        yield held[:safe]
        held = held[safe:]
    yield held

# %% check="4.3"
check("4.3", guard)

# %% [markdown]
# ## 4.4 Fields as they close (20 minutes, further)
#
# An answer is a JSON object, and arrives in pieces that are cut anywhere. A card on the screen fills itself field by field, but
# only with values that are final: behind `{"age":12` there may come a `3`. Write a generator that yields `(name, value)` once for
# each field of the outermost object, after the piece that closes its value, before you ask for the next one.
#
# - A text, a list or an object is closed by its last sign, a quote or a bracket, and not later. A number is closed by the sign
#   behind it: a comma, a brace or white space. So are `true`, `false` and `null`, unless you know earlier.
# - Let `parse(text)` read each value. It is `json.loads`, and counts the characters it reads: all in all at most twice as many
#   as came. Your own code may run 100 lines for each character that came. Whoever starts from the beginning at each piece
#   needs far more.
# - If the pieces end too early, what is not closed is not yielded. Half a tool call must not be run.
#
# The object is good JSON as far as it goes, and no name comes twice.

# %% exercise="4.4"
import itertools

def closed_fields(pieces, parse):
    r"""Yield (name, value) for each field of an object, as soon as its value is closed.

    For the pieces '{"city": "Os', 'lo", "age": 12', '3', '}' ("city", "Oslo") comes after the second piece,
    and ("age", 123) after the fourth.
    """
    # solution
    depth, quoted, escaped, name, held = 0, False, False, None, []
    for sign in itertools.chain.from_iterable(pieces):
        between = depth == 1 and not quoted and sign in ",:} \n\r\t"
        if depth and not between:
            held.append(sign)
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = sign == "\\", sign != '"'
        else:
            quoted = sign == '"'
            depth += (sign in "{[") - (sign in "}]")
        closed = between or (depth == 1 and not quoted and sign in '"}]')
        if held and closed:
            value, held = parse("".join(held)), []
            if name is None:
                name = value
            else:
                yield name, value
                name = None

# %% check="4.4"
check("4.4", closed_fields)

# %% [markdown]
# ## 4.5 Ask again, but not twice for the same text (15 minutes, further)
#
# Write a generator that yields the pieces of text of `client.chat.completions.create(**request)`, each as it comes (the request has
# `stream=True`), and asks again where that does no harm.
#
# - It asks again if the connection fails or takes too long (`openai.APIConnectionError`), and after the statuses 429
#   (`openai.RateLimitError`) and 500 or above (`openai.InternalServerError`); but only as long as no text has been yielded. All other
#   errors go on to your caller at once, and so does the stop button.
# - It sends `attempts` requests at most, three if nobody says how many. If the last one fails too, its error goes on, without another wait.
# - Before it asks again it waits, with `sleep(seconds)`. If the answer has the header `retry-after`, it waits that many seconds;
#   `error.response.headers` has it, where there is a response. Else the limits are 0.5, 1, 2, 4 ... seconds after the first, second,
#   third ... failure, 8 at most, and the wait is by chance between half of the limit and all of it. `random()` gives a number
#   from 0 to 1.
# - The client retries by itself, too: two times, unless you say `client.with_options(max_retries=0)`.

# %% exercise="4.5"
import openai

def with_retry(client, request, sleep, random, attempts=3):
    """Yield the text of one answer; ask again after failures of which the reader has seen nothing.

    If the first request gets a 503, and the second one says "Hel", "lo", there was one wait of 0.25 to 0.5 seconds.
    """
    # solution
    client, shown = client.with_options(max_retries=0), False
    for failures in range(attempts):
        try:
            for chunk in client.chat.completions.create(**request):
                for choice in chunk.choices:
                    if choice.delta.content:
                        shown = True
                        yield choice.delta.content
            return
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
            if shown or failures + 1 == attempts:
                raise
            response = getattr(error, "response", None)  # a connection that failed has none
        limit = min(8, 0.5 * 2**failures)
        wait = limit * (1 + random()) / 2
        if response is not None:
            wait = float(response.headers.get("retry-after", wait))
        sleep(wait)

# %% check="4.5"
check("4.5", with_retry)

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(4)
