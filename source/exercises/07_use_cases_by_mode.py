# %% [markdown]
# # Exercises 7: use cases by mode
#
# 7.1 and 7.2 are the core (15 and 20 minutes), 7.3 and 7.4 go further (20 and 30 minutes). Write your code where it says so
# and run the check below it. `hint("7.1")` helps in three steps, `reset("7.1")` starts over, `progress()` shows where you
# stand. The checks bring mocks of their own, run in virtual time, and read their ledgers.

# %% id="setup"
from course_utils import check, hint, progress, reset, solution

# %% [markdown]
# ## 7.1 Decide (15 minutes, core)
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
# ## Where you stand

# %% id="progress"
progress(7)
