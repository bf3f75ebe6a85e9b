"""Exercise 7.3: an assistant with a method for each mode, and one that chooses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import NoAnswer, Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.ledger import Entry
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
PATIENCE = 8.0
LATE = PACE.itl
"""Seconds by which complete() may give up too late."""
SHORT = 20
REPLY = "Because of the air."
LONG = " ".join(["and", "so", "on"] * 12)
"""An answer of 36 tokens, which takes longer than anybody is patient."""
ESSAY = "Is this about tea? " + "The kettle sang, and nobody listened to it. " * 40
WORDS = ("tea", "is", "late", "so", "the", "cup", "waits", "for", "you", "and", "me")
ENDS: dict[str, tuple[str, ...]] = {"well": (), "left": (), "unfinished": ("Incomplete",), "invalid": ("ValueError",)}
"""The kinds of errors with which a turn may end that ends so; elsewhere it may be any."""
GIVES_UP = ("TimeoutError", "APITimeoutError")

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class _Turn:
    """A question put by one of three methods, what the service does, and how it has to end.

    ``ends``: well, left (by the reader, after ``seen`` pieces), late, broken (an error comes out), unfinished, invalid.
    ``counted`` are the tokens that the service tells of, if these are not all.
    """

    how: str
    question: str = "Why is the sky blue?"
    reply: str = REPLY
    options: str = ""
    ends: str = "well"
    what: str = ""
    seen: int = 0
    counted: int | None = None
    expected: int = 4
    shows: bool = True
    valid: bool | None = None
    why: str = ""

    @property
    def in_pieces(self) -> bool:
        """Whether ask() has to show this one piece by piece."""
        return self.shows and self.expected > SHORT and self.valid is None

    @property
    def turn(self) -> Messages:
        if self.ends != "well":
            return []
        return [{"role": "user", "content": self.question}, {"role": "assistant", "content": self.reply}]

    @property
    def used(self) -> int:
        told = len(tokens(self.reply)) if self.counted is None else self.counted
        return told if self.ends in ("well", "unfinished", "invalid") else 0

    @property
    def given(self) -> str:
        question = (
            self.question
            if len(self.question) <= 60
            else f"{self.question[:40]}... ({len(self.question):,} characters)"
        )
        if self.how != "ask":
            called = f"{self.how}({question!r})"
        else:
            show = "show" if self.shows else "None"
            valid = "None" if self.valid is None else "valid"
            called = f"ask({question!r}, {self.expected}, {show}, {valid})"
        return f"{called}, the answer is {self.reply[:40]!r}{self.what and ', '}{self.what}"


@dataclass
class _Did:
    """What came of a turn: pieces of text with their times, what was returned, the kind of the error, how long it took."""

    pieces: list[tuple[float, Any]] = field(default_factory=list)
    judged: list[tuple[int, Any]] = field(default_factory=list)
    returned: Any = None
    error: str = ""
    took: float = 0.0

    def came(self, at: float, piece: Any) -> None:
        """An empty piece shows nothing."""
        self.pieces += [(at, piece)] if piece != "" else []

    @property
    def text(self) -> str:
        return "".join(str(piece) for _, piece in self.pieces)


class _House:
    """A mock that says what it is told to, with a client and a clock."""

    def __init__(self) -> None:
        self.reply, self.clock = REPLY, VirtualClock()
        self.mock = MockServer(lambda prompt: self.reply, pace=PACE, clock=self.clock)
        self.client = self.mock.client()


class _Talk:
    """A conversation with the learner's assistant."""

    def __init__(self, answer: Subject, house: _House) -> None:
        self.house, self.clock, self.mock = house, house.clock, house.mock
        self.messages, self.used = list[Any](), 0
        self._assistant = answer.make(house.client, self.mock.model, self.clock.now, PATIENCE)

    def take(self, *turns: _Turn) -> _Talk:
        for turn in turns:
            self._one(turn)
        return self

    def _one(self, turn: _Turn) -> None:
        self.house.reply, self.mock.engine.options = turn.reply, [turn.options] if turn.options else []
        before, did, begun = len(self.mock.ledger), _Did(), self.clock.now()
        with self._errors(turn, did):
            getattr(self, f"_{turn.how}")(turn, did)
        did.took = self.clock.now() - begun
        entries = list(self.mock.ledger)[before:]
        self._requests(turn, entries)
        _judge(turn, did)
        self._closed(turn, entries[0])
        self._books(turn, did)

    @contextlib.contextmanager
    def _errors(self, turn: _Turn, did: _Did) -> Iterator[None]:
        """An error where one has to come is part of the turn; another one is the learner's."""
        try:
            yield
        except Raised as raised:
            raised.given = turn.given
            did.error = raised.kind
            if raised.kind == "IndexError":
                why = "One chunk has no choices: the one that tells the usage. Take what choices there are, in a loop."
                raise NotYet(why, given=turn.given, got=Words(raised)) from None
            if raised.kind == "TypeError" and turn.how == "ask" and not turn.shows:
                why = "Nobody waits here: show is None, so there is nobody to show anything to."
                raise NotYet(why, given=turn.given, got=Words(raised)) from None
            if raised.kind not in ENDS.get(turn.ends, (raised.kind,)):
                raise

    # ------------------------------------------------------------------------------------------------ the three methods

    def _stream(self, turn: _Turn, did: _Did) -> None:
        begun = self.clock.now()
        with self._entered(turn) as inside:
            pieces = self._iterated(turn, inside)
            for piece in pieces:
                did.came(self.clock.now() - begun, piece)
                if turn.ends == "left" and len(did.pieces) == turn.seen:
                    break
        self._left = pieces  # the caller's variable: nobody closes it but the block

    @contextlib.contextmanager
    def _entered(self, turn: _Turn) -> Iterator[Subject]:
        try:
            with self._assistant.method("stream").entered(turn.question) as inside:
                yield inside
        except NoAnswer as error:
            if error.reason != "no_with":
                raise
            why = (
                f"stream() returned {error.what}, and `with` can't enter that. A block has an end, at which you can close the "
                "stream; a loop that somebody leaves has none that you hear of."
            )
            raise NotYet(why, given=turn.given) from None

    def _iterated(self, turn: _Turn, inside: Subject) -> Iterator[Any]:
        try:
            return inside.method("__iter__").iterate()
        except NoAnswer:
            raise NotYet("The block has to get something to loop over: pieces of text.", given=turn.given) from None

    def _complete(self, turn: _Turn, did: _Did) -> None:
        did.returned = self._plain(turn, "complete", turn.question)

    def _ask(self, turn: _Turn, did: _Did) -> None:
        begun = self.clock.now()

        def show(text: Any) -> None:
            did.came(self.clock.now() - begun, text)

        def valid(text: Any) -> bool:
            did.judged.append((len(did.pieces), text))
            return bool(turn.valid)

        judge = None if turn.valid is None else valid
        did.returned = self._plain(turn, "ask", turn.question, turn.expected, show if turn.shows else None, judge)

    def _plain(self, turn: _Turn, name: str, *args: Any) -> Any:
        try:
            return self._assistant.method(name).call(*args)
        except NoAnswer as error:
            if error.reason != "not_plain":
                raise
            letters = ", ".join(repr(letter) for letter in turn.reply[:3])
            why = (
                f"{name}() returns something of type {error.what} here, and a text elsewhere. Whoever loops over what comes loops "
                f"over letters some day: {letters}. One method, one type."
            )
            raise NotYet(why, given=turn.given) from None

    # ---------------------------------------------------------------------------------------------------------- the books

    def _requests(self, turn: _Turn, entries: list[Entry]) -> None:
        if len(entries) != 1:
            why = f"One question is one request, and the server got {len(entries)}. Each is paid."
            raise NotYet(why, given=turn.given)
        sent = (entries[0].asked or {}).get("messages")
        right = [*self.messages, {"role": "user", "content": turn.question}]
        if sent != right:
            why = "A request holds all messages and the new question. A model remembers nothing."
            raise NotYet(why, given=turn.given, got=sent, expected=right)

    def _closed(self, turn: _Turn, entry: Entry) -> None:
        """A minute later, whether the model has stopped when its reader left."""
        self.clock.sleep(60)
        if entry.ended == "client_left" or turn.ends not in ("left", "late"):
            return
        made, of = entry.tokens_generated, len(tokens(turn.reply))
        left = f"left after {turn.seen} pieces" if turn.ends == "left" else "gave up"
        why = (
            f"Your caller {left}, and the model went on: {made} of {of} tokens were generated. "
            "Close the stream at the end of the block."
        )
        raise NotYet(why, given=turn.given, got=Words(entry))

    def _books(self, turn: _Turn, did: _Did) -> None:
        got, right = self._assistant.get("messages"), self.messages + turn.turn
        if got != right:
            known = len(self.messages) if isinstance(got, list) and got[: len(self.messages)] == self.messages else 0
            behind = f"; messages from number {known + 1} on" if known else ""
            why = _why_messages(turn, got, right)
            raise NotYet(why, given=turn.given + behind, got=got[known:] if known else got, expected=right[known:])
        used = self._assistant.get("used")
        if type(used) is not int or used != self.used + turn.used:
            why = _why_used(turn, did, used, self.used)
            raise NotYet(why, given=turn.given, got=used, expected=self.used + turn.used)
        self.messages, self.used = right, self.used + turn.used


def _why_messages(turn: _Turn, got: Any, right: Messages) -> str:
    if not isinstance(got, list):
        return "messages is a list of messages."
    if turn.turn and got == right + turn.turn:
        return "The turn is in messages twice. If complete() and stream() keep what they do, ask() has nothing left to keep."
    if len(got) % 2 and len(got) > len(right):
        roles = ", ".join(str(one.get("role")) if isinstance(one, dict) else "?" for one in got[-3:])
        return f"A question without an answer was left in messages, and the last roles are {roles}. Let both come in together."
    if len(got) > len(right):
        return {
            "left": "The reader left in the middle, and half an answer is in messages as if it were whole.",
            "invalid": "An answer that must not be shown is still in messages, and goes out again with the next question.",
        }.get(
            turn.ends, "What is in messages has not come to its own end. Only the finish reason stop says that it has."
        )
    if len(got) == len(right):
        return "Question and answer are in messages, and not as they were: compare the roles and the texts."
    return "The answer is whole: its question and it belong in messages."


def _why_used(turn: _Turn, did: _Did, got: Any, before: int) -> str:
    if type(got) is not int:
        return "used is a whole number of tokens."
    if got == before and turn.how == "complete":
        return "The usage is missing. A whole answer brings it along."
    if got == before:
        return (
            "The usage is missing. A stream tells it only if it is asked for, in a chunk of its own behind the finish reason: "
            "read on to the end."
        )
    if turn.how != "complete" and got == before + len(did.pieces):
        return "You counted pieces. A piece may be several tokens: believe what the service tells."
    if before and got == turn.used:
        return "used holds the last turn alone. It is a sum over all turns: add to it."
    return "used is the sum of the completion_tokens over all turns. The total_tokens hold the question, too."


# -------------------------------------------------------------------------------------------------------- one turn judged


def _judge(turn: _Turn, did: _Did) -> None:
    facts: dict[str, Any] = {"given": turn.given}
    if turn.how != "complete":
        _typed(turn, did)
    if turn.ends == "late":
        _gave_up(turn, did)
    elif turn.ends not in ("well", "left") and not did.error:
        raise NotYet(_why_silent(turn), **facts, got=did.returned if turn.how != "stream" else did.text)
    if turn.how == "stream":
        _streamed(turn, did)
    elif turn.ends == "well" and did.returned != turn.reply:
        raise NotYet(f"{turn.how}() returns the text of the answer.", **facts, got=did.returned, expected=turn.reply)
    if turn.how == "ask":
        _shown(turn, did)


def _typed(turn: _Turn, did: _Did) -> None:
    pieces = [piece for _, piece in did.pieces]
    if any(type(piece) is not str for piece in pieces):
        raise NotYet("A piece is a piece of text.", given=turn.given, got=pieces[:5])
    if len(pieces) > 3 and pieces == list(turn.reply[: len(pieces)]) and len({at for at, _ in did.pieces}) == 1:
        letters = ", ".join(map(repr, pieces[:3]))
        raise NotYet(
            f"Your caller looped over letters: {letters}. That is a text, where pieces were due.", given=turn.given
        )


def _why_silent(turn: _Turn) -> str:
    if turn.ends == "broken":
        return "The service failed, and your caller is not told. Let its errors go on."
    if turn.ends == "invalid":
        return "valid() has said no. Then the answer is not handed over: raise ValueError."
    return "Half an answer, handed over as if it were whole. Without the finish reason stop raise Incomplete."


def _gave_up(turn: _Turn, did: _Did) -> None:
    facts: dict[str, Any] = {"given": turn.given, "got": Words(f"{did.error or 'a text'} after {did.took:g} s")}
    if not did.error:
        why = f"Your caller was promised an end after {PATIENCE:g} s, and has waited {did.took:g} s for a text."
        raise NotYet(why, **facts)
    if did.error not in GIVES_UP:
        raise NotYet("Time was over. Say so with a TimeoutError, or let the SDK's own APITimeoutError go on.", **facts)
    if did.took > PATIENCE + LATE + 1e-6:
        why = (
            f"You gave up, but after {did.took:g} s instead of {PATIENCE:g}. A clock that is looked at only when something comes "
            "does not see that nothing comes."
        )
        raise NotYet(why, **facts)
    if did.took < PATIENCE - 1e-6:
        raise NotYet(f"You gave up after {did.took:g} s, and had {PATIENCE:g}.", **facts)


def _streamed(turn: _Turn, did: _Did) -> None:
    right = "".join(tokens(turn.reply)[: turn.seen or None])
    facts: dict[str, Any] = {"given": turn.given, "got": did.text, "expected": right}
    if did.text != right:
        raise NotYet("The pieces, put together, are not what the model said.", **facts)
    if did.pieces and did.pieces[0][0] > PACE.ttft + 3 * PACE.itl:
        first = did.pieces[0][0]
        why = (
            f"The first token came after {PACE.ttft:g} s, and your first piece after {first:g} s. "
            "Whoever collects does not stream."
        )
        raise NotYet(why, **facts)


def _shown(turn: _Turn, did: _Did) -> None:
    shown = [piece for _, piece in did.pieces]
    facts: dict[str, Any] = {"given": turn.given, "got": shown}
    if turn.valid is not None:
        _validated(turn, did, facts)
    if turn.ends == "invalid" or not turn.shows:
        return
    if turn.ends == "broken":
        return
    if not shown:
        raise NotYet("A person waits, and you showed nothing.", **facts)
    if turn.reply in did.text and did.text != turn.reply:
        why = "Some of the answer was shown more than once. Show each piece when it comes, or the whole, once."
        raise NotYet(why, **facts, expected=turn.reply)
    if did.text != turn.reply:
        raise NotYet("What you showed is not the answer.", **facts, expected=turn.reply)
    if not turn.in_pieces and len(shown) > 1:
        raise NotYet(turn.why or f"An answer of {turn.expected} tokens is there at once. Show it whole, once.", **facts)
    if turn.in_pieces and (len(shown) == 1 or did.pieces[0][0] > PACE.ttft):
        why = (
            turn.why
            or f"A person waits for {turn.expected} tokens, and sees nothing for {did.pieces[0][0]:g} s. Stream to her."
        )
        raise NotYet(why, **facts)


def _validated(turn: _Turn, did: _Did, facts: dict[str, Any]) -> None:
    if turn.ends == "invalid" and did.pieces and did.judged and did.judged[0][0] == 0:
        raise NotYet("valid() has said no, and you showed the answer all the same.", **facts)
    if not did.judged or did.judged[0][0]:
        raise NotYet(
            "The answer was on the screen before anybody had said that it is valid. Judge first, then show.", **facts
        )
    if did.judged[0][1] != turn.reply:
        raise NotYet("valid() judges a whole answer, not a part of one.", **facts | {"got": did.judged[0][1]})


# ---------------------------------------------------------------------------------------------------------- what is asked


def check(answer: Subject, draw: Random) -> None:
    house = _House()
    _streams(answer, house)
    _completes(answer, house)
    _asks(answer, house)
    for _ in range(2):
        _Talk(answer, house).take(*(_drawn(draw) for _ in range(5)))


def _streams(answer: Subject, house: _House) -> None:
    bundled = _Turn("stream", "And at night?", "It is dark then, and quiet.", "pack=2", what="two tokens to a chunk")
    left = _Turn("stream", "And what more?", LONG, ends="left", seen=3, what="and the reader leaves after 3 pieces")
    again = _Turn("stream", "And the sea?")
    cut = _Turn("stream", "Why?", options="cut=3", ends="broken", seen=3, what="the connection breaks after 3 tokens")
    early = _Turn(
        "stream", "How?", options="end=3", ends="unfinished", seen=3, counted=0, what="it just ends after 3 tokens"
    )
    filtered = _Turn(
        "stream", "Who?", options="filter=2", ends="unfinished", seen=2, counted=2, what="filtered after 2 tokens"
    )
    _Talk(answer, house).take(_Turn("stream"), bundled, left, again, cut, early, filtered)


def _completes(answer: Subject, house: _House) -> None:
    failed = _Turn("complete", "And now?", options="error=503", ends="broken", what="status 503")
    silent = _Turn("complete", "Well?", options="ttft=400", ends="late", what="nothing comes for 400 s")
    slow = _Turn("complete", "And then?", LONG, ends="late", what="a token each 0.25 s, 36 of them")
    filtered = _Turn(
        "complete", "Who?", options="filter=2", ends="unfinished", counted=2, what="filtered after 2 tokens"
    )
    _Talk(answer, house).take(_Turn("complete"), _Turn("complete", "And at night?"), failed, silent, slow, filtered)


def _asks(answer: Subject, house: _House) -> None:
    plain = _Turn("ask", "Is it blue?", "Yes, it is.")
    essay = replace(plain, question=ESSAY, why=(
        f"An answer of 4 tokens to a question of {len(ESSAY):,} characters, and you streamed it. How long the question is does not "
        "say how long the answer will be."))  # fmt: skip
    word = replace(plain, question="Is an underwriter insured? Describe or explain nothing, say yes or no.", why=(
        "An answer of 4 tokens, and you streamed it: 'write' is in 'underwriter', and 'explain' in 'explain nothing'. A word in "
        "the question does not say how long the answer will be."))  # fmt: skip
    waits = _Turn("ask", "Why?", expected=60)
    judged = replace(waits, question="And now?", valid=True)
    refused = replace(waits, question="Really?", valid=False, ends="invalid")
    limits = [replace(plain, question="So?", expected=SHORT), replace(waits, question="So what?", expected=SHORT + 1)]
    quiet = replace(waits, question="And who?", shows=False)
    broken = replace(
        waits, question="When?", options="cut=3", ends="broken", what="the connection breaks after 3 tokens"
    )
    hidden = replace(refused, question="Is it?", shows=False)
    _Talk(answer, house).take(plain, essay, word, waits, quiet)
    _Talk(answer, house).take(judged, refused, *limits, broken, hidden)


def _drawn(draw: Random) -> _Turn:
    reply = " ".join(draw.choice(WORDS) for _ in range(draw.randint(4, 8))) + "."
    question, after = f"What about {draw.choice(WORDS)} number {draw.randint(1, 999)}?", draw.randint(1, 3)
    how = draw.choice(["stream", "stream", "complete", "ask", "ask", "ask"])
    turn = _Turn(how, question, reply)
    if how == "stream":
        left = replace(
            turn, ends="left", seen=after, reply=f"{reply} {LONG}", what=f"and the reader leaves after {after}"
        )
        cut = replace(turn, ends="broken", seen=after, options=f"cut={after}", what=f"cut after {after} tokens")
        early = replace(
            turn, ends="unfinished", seen=after, options=f"end={after}", counted=0, what=f"ends after {after} tokens"
        )
        return draw.choice([turn, turn, left, cut, early])
    if how == "complete":
        return draw.choice([turn, replace(turn, ends="late", options=f"ttft={draw.randint(30, 99)}", what="late")])
    expected = draw.choice([1, SHORT, SHORT + 1, 400])
    valid = draw.choice([None, None, True, False])
    ends = "invalid" if valid is False else "well"
    return replace(turn, expected=expected, shows=draw.random() < 0.8, valid=valid, ends=ends)


EXERCISE = Exercise(
    id="7.3",
    title="Assistant",
    function="Assistant",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "For each way a turn can end, well or not, ask three things: who closes the stream, what is in messages, and what does "
        "the caller get? In which line of yours is that decided?",
        "contextlib.contextmanager makes a `with` out of a function with one yield: hand the pieces over inside the SDK's own "
        "with. ask() knows enough from its arguments: show, expected and valid. The text of the question says nothing.",
        "stream: with create(..., stream=True) as chunks: yield pieces(chunks), and pieces() adds the turn behind its loop. "
        "complete: create(..., timeout=self.patience). ask: if show and expected > SHORT and not valid: stream, else complete, "
        "judge, show.",
    ),
    reason="Two modes are two methods, each with one type, and a third that always returns the text. What must happen at every "
    "end, closing, stands in a with; what must happen at the good end only, keeping, stands behind the last piece.",
    check=check,
)

EXERCISE.survive(
    "this solution leaves the time to the SDK, and needs no clock",
    *(
        f"self.client, self.model, self.clock, self.patience = client, model, {other}, patience"
        for other in ("self", "client", "model", "patience")
    ),
    "self.client, self.model, client.clock, self.patience = client, model, clock, patience",
)
EXERCISE.survive(
    "these two lines do not touch each other, and nobody else looks in between",
    "self.messages, self.used = [], 0 (moved before "
    '"self.client, self.model, self.clock, self.patience = client, model, clock, patience")',
    'yield choice.delta.content (moved before "text += choice.delta.content")',
    "create = self.client.chat.completions.create (moved before "
    '"asked = [*self.messages, {"role": "user", "content": question}]")',
    '(choice,) = answer.choices (moved before "self.used += answer.usage.completion_tokens")',
    'text = "" (moved before "if show and expected > SHORT and not valid:")',
    'text = "" (moved into "with self.stream(question) as pieces:")',
    'text += piece (moved before "show(piece)")',
    'return text (moved into "with self.stream(question) as pieces:")',
)
EXERCISE.survive(
    "any value that is not stop says that none came, and any that is false that nobody is there",
    'text, reason = "", 0',
    "def ask(self, question, expected, show=0, valid=None):",
    "def ask(self, question, expected, show=None, valid=0):",
)
EXERCISE.survive(
    "a stream opens with a role chunk, which has a choice without a reason",
    'text, question = "", None',
    'text, chunk = "", None',
    'text, choice = "", None',
)
EXERCISE.survive("no tools are offered, so all other reasons stand before stop", 'if choice.finish_reason < "stop":')

# ------------------------------------------------------------------------------------- the reference and its mistakes


class Incomplete(Exception):
    """What the answers of the bank raise where a text is not whole."""


class _Assistant:
    """The reference, with the mistake called ``part``."""

    part = ""

    def __init__(self, client: Any, model: str, clock: Callable[[], float], patience: float) -> None:
        self.client, self.model, self.clock, self.patience = client, model, clock, patience
        self.messages: list[Any] = []
        self.used: Any = 0

    def request(self, question: str) -> dict[str, Any]:
        asked = {"role": "user", "content": question}
        if self.part == "question first":
            self.messages.append(asked)
            return {"model": self.model, "messages": list(self.messages)}
        return {"model": self.model, "messages": [asked] if self.part == "forgets" else [*self.messages, asked]}

    def keep(self, question: str, text: str) -> None:
        asked = [] if self.part == "question first" else [{"role": "user", "content": question}]
        self.messages += [*asked, {"role": "user" if self.part == "one role" else "assistant", "content": text}]

    def count(self, usage: Any) -> None:
        tokens = usage.total_tokens if self.part == "all tokens" else usage.completion_tokens
        self.used = tokens if self.part == "last turn" else self.used + tokens

    def pieces(self, question: str, chunks: Any) -> Iterator[str]:
        text, reason, count = "", None, 0
        for chunk in chunks:
            if self.part == "first choice":
                _ = chunk.choices[0]
            if chunk.usage and self.part != "counts pieces":
                self.count(chunk.usage)
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                if choice.delta.content:
                    text, count = text + choice.delta.content, count + 1
                    yield choice.delta.content
            if reason and self.part == "leaves at the reason":
                break
        self.used += count if self.part == "counts pieces" else 0
        if reason != "stop" and self.part != "no reason":
            raise Incomplete
        self.keep(question, text)

    def stream(self, question: str) -> Any:
        if self.part == "text in the block" and len(question) < 60:
            return contextlib.nullcontext(self.complete(question))
        if self.part == "generator":
            return self.pieces(question, self.open(question))
        return self.block(question)

    def open(self, question: str) -> Any:
        options = {} if self.part == "no usage" else {"stream_options": {"include_usage": True}}
        return self.client.chat.completions.create(**self.request(question), stream=True, **options)

    @contextlib.contextmanager
    def block(self, question: str) -> Iterator[Any]:
        if self.part == "closes nothing":
            yield self.pieces(question, self.open(question))
            return
        if self.part == "loop owns the stream":
            yield self.owned(question)
            return
        kept: list[str] = []
        with self.open(question) as chunks:
            try:
                pieces = self.pieces(question, chunks)
                if self.part == "keeps what was left":
                    yield (kept.append(piece) or piece for piece in pieces)  # type: ignore[func-returns-value]
                else:
                    yield iter(list(pieces)) if self.part == "collects" else pieces
            except Exception:
                if self.part != "swallows":
                    raise
        if kept and self.messages[-1:] != [{"role": "assistant", "content": "".join(kept)}]:
            self.keep(question, "".join(kept))

    def owned(self, question: str) -> Iterator[str]:
        with self.open(question) as chunks:
            yield from self.pieces(question, chunks)

    def complete(self, question: str) -> str:
        if self.part in ("timeout of a read", "clock only"):
            return self.collected(question)
        patience = (
            {} if self.part == "no timeout" else {"timeout": self.patience / (2 if self.part == "impatient" else 1)}
        )
        answer = self.client.chat.completions.create(**self.request(question), **patience)
        if self.part != "usage of streams only":
            self.count(answer.usage)
        if answer.choices[0].finish_reason != "stop" and self.part != "half a text":
            raise Incomplete
        text: str = answer.choices[0].message.content
        self.keep(question, text)
        return text

    def collected(self, question: str) -> str:
        patience = {"timeout": self.patience} if self.part == "timeout of a read" else {}
        until, text = self.clock() + self.patience, ""
        request = self.request(question) | {"stream": True, "stream_options": {"include_usage": True}}
        with self.client.chat.completions.create(**request, **patience) as chunks:
            for piece in self.pieces(question, chunks):
                text += piece
                if self.part == "clock only" and self.clock() > until:
                    raise TimeoutError
        return text

    def streams(self, question: str, expected: int, show: Any, valid: Any) -> bool:
        rules = {
            "length": len(question) > 200,
            "words": any(word in question.lower() for word in ("write", "explain", "describe")),
            "who waits": bool(show) and not valid,
            "what is expected": expected > SHORT and not valid,
            "shows first": bool(show) and expected > SHORT,
            "never streams": False,
            "limit": bool(show) and expected >= SHORT and not valid,
        }
        return rules.get(self.part, bool(show) and expected > SHORT and not valid)

    def ask(self, question: str, expected: int, show: Any = None, valid: Any = None) -> Any:
        if self.streams(question, expected, show, valid):
            if self.part == "two types":
                return self.pieces(question, self.open(question))
            said: list[str] = []
            with self.stream(question) as pieces:
                for piece in pieces:
                    said.append(piece)
                    show("".join(said) if self.part == "shows all so far" else piece)
            text = "".join(said)
        else:
            text = self.complete(question)
            if valid and not valid(text) and self.part != "shows what is invalid":
                if self.part != "keeps the invalid":
                    del self.messages[-2:]
                if self.part == "silent":
                    return ""
                raise ValueError
            if show:
                show(text)
                if self.part == "shows twice":
                    show(text)
        if self.part == "shows first" and valid and show and expected > SHORT and not valid(text):
            raise ValueError
        if self.part == "keeps twice":
            self.keep(question, text)
        if self.part == "shows what is invalid" and valid and not valid(text):
            raise ValueError
        return None if self.part == "returns nothing" else text


def _wrong(name: str, part: str, says: str) -> None:
    EXERCISE.wrong(name, says=says)(type("Assistant", (_Assistant,), {"part": part}))


_wrong("hands a text to the block, if the question is short", "text in the block", "looped over letters: 'B', 'e', 'c'")
_wrong("returns pieces from ask() where it streams", "two types", "One method, one type")
_wrong("returns a generator from stream()", "generator", "`with` can't enter that")
_wrong("goes by the length of the question", "length", "How long the question is")
_wrong("looks for words in the question", "words", "'write' is in 'underwriter'")
_wrong("streams whenever a person waits", "who waits", "is there at once. Show it whole")
_wrong("streams whenever much is expected", "what is expected", "Nobody waits here")
_wrong("shows before it judges", "shows first", "Judge first, then show")
_wrong("never streams in ask()", "never streams", "Stream to her")
_wrong("streams at the limit, too", "limit", "An answer of 20 tokens")
_wrong("shows what is not valid", "shows what is invalid", "and you showed the answer all the same")
_wrong("says nothing of what is not valid", "silent", "Then the answer is not handed over")
_wrong("keeps what is not valid", "keeps the invalid", "goes out again with the next question")
_wrong("shows a whole answer twice", "shows twice", "was shown more than once")
_wrong("shows all so far each time", "shows all so far", "Show each piece when it comes, or the whole")
_wrong("returns nothing from ask()", "returns nothing", "ask() returns the text")
_wrong("has no time-out in complete()", "no timeout", "has waited 401 s")
_wrong("has a time-out for each read only", "timeout of a read", "has waited 9.25 s for a text")
_wrong("looks at the clock only when something comes", "clock only", "You gave up, but after 400")
_wrong("has half the patience", "impatient", "You gave up after 4 s")
_wrong("closes nothing", "closes nothing", "the model went on: 36 of 36")
_wrong("lets the loop own the stream", "loop owns the stream", "Close the stream at the end of the block")
_wrong("asks for no usage", "no usage", "A stream tells it only if it is asked for")
_wrong("leaves at the finish reason", "leaves at the reason", "read on to the end")
_wrong("counts pieces as tokens", "counts pieces", "You counted pieces")
_wrong("counts the tokens of streams only", "usage of streams only", "A whole answer brings it along")
_wrong("takes the first choice of each chunk", "first choice", "One chunk has no choices")
_wrong("counts the last turn alone", "last turn", "It is a sum over all turns")
_wrong("counts the question's tokens, too", "all tokens", "The total_tokens hold the question")
_wrong("keeps the answer as the user's", "one role", "compare the roles and the texts")
_wrong("keeps each turn twice", "keeps twice", "The turn is in messages twice")
_wrong("puts the question in first", "question first", "A question without an answer")
_wrong("keeps what was left in the middle", "keeps what was left", "half an answer is in messages")
_wrong("forgets what was said before", "forgets", "A model remembers nothing")
_wrong("asks for no finish reason in stream()", "no reason", "Half an answer, handed over")
_wrong("asks for no finish reason in complete()", "half a text", "Without the finish reason stop")
_wrong("swallows errors", "swallows", "Let its errors go on")
_wrong("collects all pieces first", "collects", "Whoever collects does not stream")


class _Base:
    def __init__(self, client: Any, model: str, clock: Callable[[], float], patience: float) -> None:
        self.create: Any = client.chat.completions.create
        self.model, self.clock, self.patience = model, clock, patience
        self.messages: list[Any] = []
        self.used = 0

    def stream(self, question: str) -> Any:
        return _Block(self, question)


class _Block:
    """A `with` and an iterator in one; what was whole is kept when the block is left."""

    def __init__(self, home: _Base, question: str, **more: Any) -> None:
        self.home, self.user, self.said = home, {"role": "user", "content": question}, list[str]()
        self.more, self.reason = more, ""

    def __enter__(self) -> _Block:
        request = [*self.home.messages, self.user]
        usage = {"include_usage": True}
        self.chunks = self.home.create(
            model=self.home.model, messages=request, stream=True, stream_options=usage, **self.more
        )
        return self

    def __iter__(self) -> Iterator[str]:
        for chunk in self.chunks:
            self.home.used += chunk.usage.completion_tokens if chunk.usage is not None else 0
            for choice in chunk.choices:
                self.reason = choice.finish_reason or self.reason
                self.said.append(choice.delta.content or "")
                yield self.said[-1]
        if self.reason != "stop":
            raise Incomplete(self.reason)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.chunks.close()
        if kind is None and self.reason == "stop":
            answer = {"role": "assistant", "content": "".join(self.said)}
            self.home.messages = [*self.home.messages, self.user, answer]


@EXERCISE.right
class _Collects(_Base):
    """complete() streams on the wire and has an eye on the clock."""

    def complete(self, question: str) -> str:
        over = self.clock() + self.patience
        with _Block(self, question, timeout=self.patience) as pieces:
            for _ in pieces:
                if self.clock() > over:
                    raise TimeoutError("the model takes too long")
        return "".join(pieces.said)

    def ask(self, question: str, expected: int, show: Any = None, valid: Any = None) -> str:
        before = self.messages
        if show is None or valid is not None or expected <= SHORT:
            text = self.complete(question)
            if valid is not None and not valid(text):
                self.messages = before
                raise ValueError(text)
            (show or str)(text)
            return text
        with self.stream(question) as pieces:
            for piece in pieces:
                show(piece)
        return "".join(pieces.said)


@EXERCISE.right
class _OneBook(_Base):
    """complete() asks for the whole, and a turn is written down in one place, when it may stay."""

    def complete(self, question: str) -> str:
        return self.turn(question, None)

    def turn(self, question: str, valid: Any) -> str:
        messages = [*self.messages, {"role": "user", "content": question}]
        answer = self.create(model=self.model, messages=messages, timeout=self.patience)
        self.used = self.used + answer.usage.completion_tokens
        for choice in answer.choices:
            if choice.finish_reason != "stop":
                break
            if valid and not valid(choice.message.content):
                raise ValueError("not valid")
            self.messages = [*messages, {"role": "assistant", "content": choice.message.content}]
            return str(choice.message.content)
        raise Incomplete

    def ask(self, question: str, expected: int, show: Any = None, valid: Any = None) -> str:
        pieces = []
        if show is not None and valid is None and not expected <= SHORT:
            with self.stream(question) as stream:
                for piece in stream:
                    pieces += [piece]
                    show(piece)
        else:
            pieces = [self.turn(question, valid)]
            if show is not None:
                show(pieces[0])
        return "".join(pieces)
