# %% [markdown]
# # Exercises 7: use cases by mode
#
# 7.1 and 7.2 are the core (10 and 15 minutes), 7.3 and 7.4 go further (20 and 30 minutes). Write your code where it says so
# and run the check below it. `hint("7.1")` helps in three steps, `reset("7.1")` starts over, `progress()` shows where you
# stand. The checks bring mocks of their own, run in virtual time, and read their ledgers.

# %% id="setup"
from course_utils import check, glossary, hint, progress, reset, solution

# %% [markdown]
# ## 7.1 Decide (10 minutes, core)
#
# Three choices make a mode: how the answer travels, how it is shown, and which product makes it. A scenario holds what you know:
#
# | field | what it says |
# |---|---|
# | `waits` | who waits for the answer: `"person"`, `"program"` or `"nobody"` |
# | `shown` | where: `"screen"`, `"screen reader"`, `"voice"` (a talk), `"nowhere"` |
# | `format` | `"text"` or `"json"` |
# | `checked` | what is checked before anybody sees it: `"nothing"`, each `"window"` of text, or the `"whole"` |
# | `seconds` | how long the model needs for all of it |
# | `prompt` | how many tokens the prompt has |
# | `calls` | how many tools are called on the way |
# | `network` | `"steady"`; `"cuts silence"`, if nothing has moved for more than 60 s; `"drops"`, as on a train |
# | `items` | how many such answers are wanted |
# | `deadline` | in how many seconds they are needed |
#
# **Display.** Only a person who waits gets an answer in parts, and only if not the whole is checked and it takes more than a second;
# else it is `"whole"`. The parts of JSON are `"fields"`, those of text for a screen reader `"sentences"`; both can be checked before
# they are shown. Other text comes in `"pieces"`, or `"held back"`, a window behind, if windows are checked.
#
# **Product**, the first that fits:
#
# - `"realtime"` is for a voice.
# - `"batch"` costs half and takes up to 24 hours. It pays from 1,000 items on, if nobody waits.
# - `"background"` goes on without a line, and keeps what it has made for you: for lines that drop. (If the answer takes a second
#   at most, simply ask again.)
# - `"flex"` costs half, is slow, and now and then has no room: for what nobody waits for, with an hour or more of time.
# - `"sync"` is the usual request.
#
# **Wire.** `"unary"` is the simplest. `"streamed"` is needed where an answer is shown in parts, and where a line would be silent for too
# long: more than 600 s on any, more than 60 s on one that cuts silence. A batch is fetched, and so is a job in the background that is
# shown whole. A `"socket"` stays open both ways: for a voice, and, unless it is a batch or the line drops, for 20 calls and more. (A
# job that you would stream for its silence alone may as well be made in the background and fetched.)
#
# `reasons` are three names of fields, for wire, display and product: one each that made you choose so. If the choice is the
# same whatever stands in a field, it was no reason.

# %% exercise="7.1"
from typing import NamedTuple

class Decision(NamedTuple):
    wire: str
    display: str
    product: str
    reasons: list[str]

def decide(scenario):
    """Return a Decision for a scenario, which has the fields of the table: scenario.waits, scenario.shown, ...

    For a person with a screen on a train (network "drops"), plain text, and 30 seconds the answer is
    Decision("streamed", "pieces", "background", ["waits", "waits", "network"]).
    """
    # solution
    def first(*rows):
        return next((choice, reason) for choice, reason, holds in rows if holds)

    display, seen = first(
        ("whole", "waits", scenario.waits != "person"),
        ("whole", "checked", scenario.checked == "whole"),
        ("whole", "seconds", scenario.seconds <= 1),
        ("fields", "format", scenario.format == "json"),
        ("sentences", "shown", scenario.shown == "screen reader"),
        ("held back", "checked", scenario.checked == "window"),
        ("pieces", "waits", True),
    )
    product, made = first(
        ("realtime", "shown", scenario.shown == "voice"),
        ("batch", "items", scenario.waits == "nobody" and scenario.items >= 1000 and scenario.deadline >= 24 * 3600),
        ("background", "network", scenario.network == "drops" and scenario.seconds > 1),
        ("flex", "deadline", scenario.waits == "nobody" and scenario.deadline >= 3600),
        ("sync", "deadline" if scenario.waits == "nobody" else "waits", True),
    )
    wire, sent = first(
        ("socket", "shown", product == "realtime"),
        ("unary", "items", product == "batch"),
        ("socket", "calls", scenario.calls >= 20 and scenario.network != "drops"),
        ("streamed", "waits", display != "whole"),
        ("unary", "network", product == "background"),
        ("streamed", "seconds", scenario.seconds > (60 if scenario.network == "cuts silence" else 600)),
        ("unary", "seconds", True),
    )
    return Decision(wire, display, product, [sent, seen, made])

# %% check="7.1"
check("7.1", decide)

# %% [markdown]
# ## 7.2 Fix the endpoint (15 minutes, core)
#
# This endpoint passes the test of its author, who is one customer with a good line:
#
# ```python
# async def chat(request, client, async_client, start, write, log):
#     start({"content-type": "text/event-stream"})
#     text = ""
#     for chunk in client.chat.completions.create(**request):
#         if chunk.choices[0].delta.content:
#             text += chunk.choices[0].delta.content
#             await write(f"data: {json.dumps({'content': chunk.choices[0].delta.content})}\n\n".encode())
#     await write(b"data: [DONE]\n\n")
#     log(text, "complete")
# ```
#
# It stands on a small server that runs all requests on one event loop, and cancels the function when its customer leaves. As in
# exercise 3.2, `start(headers)` sends the status 200 and a dict of headers, and `await write(data)` sends bytes. `client` is an
# `openai.OpenAI`, `async_client` an `openai.AsyncOpenAI`, both of the same service; `request` is what `create` takes. Write it so
# that it holds:
#
# - Customers don't wait for each other, and neither does anything else on the server. There are no threads here.
# - The headers say `text/event-stream`, `no-cache` and `x-accel-buffering: no`.
# - Each piece of text is an event, sent when it comes. A chunk without choices, or without text, is no event.
# - The answer is complete if a chunk had a `finish_reason`, whichever it was (4.1 told more kinds apart; here they are alike). Then
#   the last event is `[DONE]`.
# - If the service fails (an `openai.APIError`), or the stream ends without a `finish_reason`, the last event has the type `error` and
#   as data the JSON text of `{"error": "the answer broke off"}`, whatever the exception says. There is no `[DONE]`, and your
#   function ends without an error.
# - When the customer leaves, nothing is written any more, the stream from the service is closed at once, and the cancellation goes on.
# - `log(text, status)` is called once for each request, whatever happens: with all text that came from the service, and
#   `"complete"`, `"failed"` or `"left"`.

# %% exercise="7.2"
import json
import openai

async def chat(request, client, async_client, start, write, log):
    r"""Stream the answer of the service to the customer, and log it.

    For the pieces "Hel" and "lo" the bytes are b'data: {"content": "Hel"}\n\n',
    b'data: {"content": "lo"}\n\n' and b'data: [DONE]\n\n', and the log is ("Hello", "complete").
    """
    # solution
    start({"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"})
    text, status, reason = "", "left", None
    try:
        async with await async_client.chat.completions.create(**request) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    if choice.delta.content:
                        text += choice.delta.content
                        data = json.dumps({"content": choice.delta.content})
                        await write(f"data: {data}\n\n".encode())
        status = "complete" if reason else "failed"
    except openai.APIError:
        status = "failed"
    finally:
        log(text, status)
    if status == "complete":
        await write(b"data: [DONE]\n\n")
    else:
        await write(b'event: error\ndata: {"error": "the answer broke off"}\n\n')

# %% check="7.2"
check("7.2", chat)

# %% [markdown]
# ## 7.3 One assistant, two modes (20 minutes, further)
#
# Write a client with a method for each mode, and one that chooses. Each returns one kind of thing, always.
#
# - `with assistant.stream(question) as pieces:` gives the pieces of text, each when it comes. However the block is left, the stream
#   is closed then, and the model stops.
# - `assistant.complete(question)` returns the text. After `patience` seconds by `clock()` it gives up, with a `TimeoutError` or the
#   SDK's own `openai.APITimeoutError`; a quarter of a second later is soon enough. How it travels on the wire is up to you.
# - `assistant.ask(question, expected, show, valid)` returns the text as well. About `expected` tokens will come. `show(text)` shows
#   some text to a person who waits; if it is `None`, nobody does. `valid(text)` tells whether a whole answer may be used; if it is
#   `None`, any may. If somebody waits for more than `SHORT` tokens, and nothing has to be judged, show each piece when it comes. Else
#   show the text whole, once. If it is not valid, show nothing and raise `ValueError`.
#
# An answer is whole if its finish reason is `stop`. At any other end, or none, raise `Incomplete`; errors of the service go on.
#
# - `messages` get question and answer together, if the answer is whole and not invalid; else nothing. Each request sends them and
#   the new question.
# - `used` is the sum of the `completion_tokens` of which the service has told. A stream tells them if you ask for it
#   (`stream_options={"include_usage": True}`), in a last chunk, which has no choices.

# %% exercise="7.3"
from contextlib import contextmanager

SHORT = 20  # tokens that are there within a second

class Incomplete(Exception):
    """The answer has ended, but not by itself."""

class Assistant:
    """A conversation with a model, streamed or whole.

    Whoever leaves the block of stream("Why?") after two pieces finds messages and used as they were.
    """

    def __init__(self, client, model, clock, patience):
        self.client, self.model, self.clock, self.patience = client, model, clock, patience
        self.messages, self.used = [], 0

    def stream(self, question):
        # solution
        asked = [*self.messages, {"role": "user", "content": question}]

        def pieces(chunks):
            text, reason = "", None
            for chunk in chunks:
                if chunk.usage:
                    self.used += chunk.usage.completion_tokens
                for choice in chunk.choices:
                    reason = choice.finish_reason
                    if choice.delta.content:
                        text += choice.delta.content
                        yield choice.delta.content
            if reason != "stop":
                raise Incomplete
            self.messages += [asked[-1], {"role": "assistant", "content": text}]

        @contextmanager
        def turn():
            request = {"model": self.model, "messages": asked, "stream": True, "stream_options": {"include_usage": True}}
            with self.client.chat.completions.create(**request) as chunks:
                yield pieces(chunks)

        return turn()

    def complete(self, question):
        # solution
        asked = [*self.messages, {"role": "user", "content": question}]
        create = self.client.chat.completions.create
        answer = create(model=self.model, messages=asked, timeout=self.patience)
        self.used += answer.usage.completion_tokens
        (choice,) = answer.choices
        if choice.finish_reason != "stop":
            raise Incomplete
        self.messages += [asked[-1], {"role": "assistant", "content": choice.message.content}]
        return choice.message.content

    def ask(self, question, expected, show=None, valid=None):
        # solution
        if show and expected > SHORT and not valid:
            text = ""
            with self.stream(question) as pieces:
                for piece in pieces:
                    show(piece)
                    text += piece
            return text
        text = self.complete(question)
        if valid and not valid(text):
            del self.messages[-2:]
            raise ValueError
        if show:
            show(text)
        return text

# %% check="7.3"
check("7.3", Assistant)

# %% [markdown]
# ## 7.4 Capstone: one answer, many readers, one log (30 minutes, further)
#
# A meeting watches one answer: some come late, one has a bad line, some close the laptop. Write the piece in the middle. It reads
# the answer once, hands it to everybody, and books it once.
#
# - `generate()` starts a generation, which is paid for, and returns an asynchronous generator of tokens. Call it once, when the first
#   reader subscribes. While a token is on its way, whoever awaits it can be cancelled, and the generation ends.
# - `await subscribe(write)` serves one reader. First, in one write, comes all that has come so far, if anything; then each further
#   token in a write of its own, as soon as it comes and the write before has ended. None is missing, none comes twice.
# - `await write(text)` takes as long as this reader's line does. Nobody else waits for that: not the upstream, not the log, not
#   another reader. While a write goes on, up to `most` tokens wait. If one more comes, the reader is let go: nothing more is written,
#   and `subscribe` returns `"slow"` when the write has ended.
# - Otherwise, when everything that came is written, it returns how the answer ended: `"complete"`, `"failed"` if the generator raised
#   an error, whatever it was, or `"stopped"`. Who subscribes after the end gets the text in one write, and the same word.
# - A reader leaves: `subscribe` is cancelled, and the cancellation goes on. Or `write` raises an error, which goes through to the
#   caller. The others notice nothing. When nobody is left, the generation goes on if `keep` is true, and is stopped at once if not.
# - `await stop()` ends the generation at once, for all. A second one changes nothing, nor does one before the first reader.
# - `log(text, status)` is called once, when the generation is over, with all that came and the word from above.

# %% exercise="7.4"
import asyncio

class Tee:
    """One answer for many readers.

    If the tokens are "a ", "b " and "c ", a reader who subscribes between "b " and "c " gets the writes
    "a b " and "c ", its subscribe() returns "complete", and the log is ("a b c ", "complete").
    """

    def __init__(self, generate, log, most, keep):
        self.generate, self.log, self.most, self.keep = generate, log, most, keep
        # solution
        self.text, self.status, self.upstream, self.readers = "", None, None, set()

    async def subscribe(self, write):
        # solution
        if self.upstream is None:
            self.upstream = asyncio.create_task(self._read())
            self.upstream.add_done_callback(self._over)
        queue = asyncio.Queue()
        self.readers.add(queue)
        if self.text:
            queue.put_nowait(self.text)
        if self.status:
            queue.put_nowait(None)
        try:
            while (piece := await queue.get()) is not None:
                await write(piece)
                if queue not in self.readers:
                    return "slow"
            return self.status
        finally:
            self.readers.discard(queue)
            if not self.readers and not self.keep:
                self.upstream.cancel()

    async def stop(self):
        # solution
        if self.upstream:
            self.upstream.cancel()
            await asyncio.wait([self.upstream])

    async def _read(self):
        # solution
        async for token in self.generate():
            self.text += token
            for queue in list(self.readers):
                if queue.qsize() < self.most:
                    queue.put_nowait(token)
                else:
                    self.readers.discard(queue)

    def _over(self, upstream):
        # solution
        # A task that is cancelled before it begins runs no `except` and no `finally`; this is called all the same.
        if upstream.cancelled():
            self.status = "stopped"
        else:
            self.status = "failed" if upstream.exception() else "complete"
        self.log(self.text, self.status)
        for queue in self.readers:
            queue.put_nowait(None)

# %% check="7.4"
check("7.4", Tee)

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(7)
