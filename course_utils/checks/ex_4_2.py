"""Exercise 4.2: a conversation that keeps whole turns, whatever happens to a stream."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import openai

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.frames import silent_last
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

MARK = " [interrupted]"
PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
WHY = "Light bounces off the air, and blue light bounces most."
SUBJECTS = ("the sky", "the sea", "a cat", "the moon", "a stream", "rain", "an old clock", "this room")
WORDS = ("it", "is", "so", "because", "light", "takes", "time", "and", "nobody", "knows", "yet", "how", "far", "off")

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class _Turn:
    """A question, its whole answer, what happens on the way, and how many tokens the user sees.

    ``stop`` is when the user stops it, in seconds after the question; ``error`` whether an error has to come out.
    """

    question: str
    reply: str = WHY
    options: str = ""
    seen: int | None = None
    kept: str = "whole"
    stop: float | None = None
    error: bool = False
    what: str = "goes well"

    @property
    def shown(self) -> str:
        return "".join(tokens(self.reply)[: self.seen])

    @property
    def messages(self) -> Messages:
        """What of it belongs in the conversation."""
        if self.kept == "not at all":
            return []
        answer = self.shown + (MARK if self.kept == "marked" else "")
        return [{"role": "user", "content": self.question}, {"role": "assistant", "content": answer}]


class _Play:
    """A conversation with the learner's class, on a mock and a clock of its own; in turn or, if wished, ``at_once``."""

    def __init__(self, answer: Subject, turns: Sequence[_Turn], at_once: bool = False, silent: bool = False) -> None:
        self.turns, self.at_once, self.clock = turns, at_once, VirtualClock()
        faults = [silent_last()] if silent else []
        self.mock = MockServer(self._reply, pace=PACE, clock=self.clock, faults=faults)
        self.client = self.mock.async_client()
        self.requests: list[tuple[Any, Any]] = []
        self.shown: dict[str, list[tuple[float, Any]]] = {turn.question: [] for turn in turns}
        self.ends: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self._conversation = answer.make(self.send)
        self._ask = self._conversation.method("ask")
        answer.play(self._talk(), self.clock)
        self.messages = self._conversation.get("messages")
        if len(self.requests) != len(turns):
            requests = f"{len(self.requests)} requests for {len(turns)} questions"
            raise NotYet(
                "One question is one request: call send() once in each.", given=_given(self), got=Words(requests)
            )

    def _reply(self, prompt: str) -> str:
        return next((turn.reply for turn in self.turns if turn.question == prompt), "Nobody asked that.")

    async def send(self, messages: Any) -> Any:
        """The service; it refuses all that comes behind a question of which it did not want to speak."""
        self.requests.append((messages, copy.deepcopy(messages)))
        asked = (
            [str(one.get("content")) for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
        )
        plans = {turn.question: turn.options for turn in self.turns}
        options = plans.get(asked[-1], "") if asked else ""
        if any(plans.get(one, "").startswith(("filter", "refusal")) for one in asked[:-1]):
            options = "refusal"
        name, _, number = options.partition("=")
        limit = {"max_completion_tokens": int(number)} if name == "length" else {}
        model = self.mock.model if limit else f"{self.mock.model};{options}"
        create: Any = self.client.chat.completions.create
        return await create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}, **limit
        )

    async def _talk(self) -> None:
        if self.at_once:
            await asyncio.gather(*map(self._one, self.turns))
            return
        for turn in self.turns:
            await self._one(turn)
            self.after[turn.question] = copy.deepcopy(self._conversation.get("messages"))

    async def _one(self, turn: _Turn) -> None:
        begun = self.clock.now()

        def show(piece: Any) -> None:
            self.shown[turn.question].append((self.clock.now() - begun, piece))

        task = asyncio.ensure_future(self._ask.acall(turn.question, show))
        if turn.stop is not None:
            await asyncio.sleep(turn.stop)
            task.cancel()
        try:
            await task
            self.ends[turn.question] = Words("returned")
        except asyncio.CancelledError:
            self.ends[turn.question] = Words("was cancelled")
        except Raised as raised:
            if not (turn.error and isinstance(raised.error, openai.OpenAIError)):
                raise
            self.ends[turn.question] = Words(f"raised {raised.kind}")

    def seen(self, turn: _Turn) -> str:
        return "".join(str(piece) for _, piece in self.shown[turn.question])


def check(answer: Subject, draw: Random) -> None:
    _in_turn(answer)
    _fails_early(answer)
    _interrupted(answer)
    _refused(answer)
    _at_once(answer)
    for _ in range(4):
        _drawn(answer, draw)


def _in_turn(answer: Subject) -> None:
    first, second = _Turn("Why is the sky blue?"), _Turn("And at night?", "Then it is dark.")
    play = _Play(answer, [first])
    _shown(play, first)
    _same(
        play,
        play.messages,
        first.messages,
        "The turn is over, and went well. The question and its answer belong in messages.",
    )
    sent, was = play.requests[0]
    if sent != was:
        why = (
            "The list that you sent is another one now: it was self.messages itself, or you went on using it. What was sent "
            "is sent; make a new list for each request."
        )
        raise NotYet(why, given="one question", got=sent, expected=was)
    play = _Play(answer, [first, second])
    request = play.requests[1][1]
    right = [*first.messages, {"role": "user", "content": second.question}]
    if request != right:
        why = "The second request does not hold what was said before. A model remembers nothing: all of it is sent every time."
        if isinstance(request, list) and len(request) > len(right):
            why = "The second request holds something twice. It is what was said before, and the new question behind it, once."
        raise NotYet(why, given="two questions, one after the other", got=request, expected=right)
    _same(play, play.messages, first.messages + second.messages, "Two turns went well, and both belong in messages.")
    play = _Play(answer, [first], silent=True)
    undone = "The finish reason was stop, and a chunk behind it, which has none, made you forget it."
    _same(play, play.messages, first.messages, undone)


def _shown(play: _Play, turn: _Turn) -> None:
    """All pieces, each when it came."""
    seen, pieces = play.seen(turn), play.shown[turn.question]
    if seen != turn.shown:
        why = "What you showed is not what came. Give show() each piece of text as it is, and nothing else."
        raise NotYet(why, given="one question", got=seen, expected=turn.shown)
    first = next(at for at, piece in pieces if piece)
    if first > PACE.ttft:
        why = f"The first text was there after {PACE.ttft:g} s, and you showed it after {first:g} s. Show each piece when it comes."
        raise NotYet(why, given="one question")


def _fails_early(answer: Subject) -> None:
    """Requests that bring no text."""
    good = _Turn("Why is the sky blue?")
    failed = _Turn(
        "And the sea?", options="error=503", seen=0, kept="not at all", error=True, what="fails with status 503"
    )
    last = _Turn("And grass?", "Grass is green.")
    play = _Play(answer, [good, failed, last])
    _ended(play, failed)
    roles = [one.get("role") for one in play.requests[2][1] if isinstance(one, dict)]
    alone = (
        f"A question without an answer was left in messages, and the next request has the roles {', '.join(map(str, roles))}. "
        "Let question and answer come in together, when the answer is over."
    )
    _same(play, play.after[failed.question], good.messages, alone)
    _same(play, play.messages, good.messages + last.messages, "After a request that failed the next one went well.")
    stopped = _Turn("Why?", seen=0, kept="not at all", stop=0.375, what="is stopped by the user before any text")
    _one(answer, stopped, "Nothing was to be seen yet when the user stopped it, so there is no turn to be kept.")


def _interrupted(answer: Subject) -> None:
    """Answers of which the user saw a part."""
    lost = "The user has read {} characters of an answer that the conversation knows nothing of. Keep what was seen, with the mark."
    for options, what, error in (
        ("cut=4", "breaks off after 4 tokens", True),
        ("error-at=4", "fails after 4 tokens, by an error event", True),
        ("end=4", "just ends after 4 tokens", False),
        ("length=4", "ends after 4 tokens, with the finish reason length", False),
    ):
        _one(answer, _Turn("Why?", options=options, seen=4, kept="marked", error=error, what=what), lost)
    stop = (
        "The user stopped it, and the {} characters he has read are gone. A task that is stopped gets an asyncio.CancelledError, "
        "which is no Exception; `finally` sees every end."
    )
    _one(answer, _Turn("Why?", seen=3, kept="marked", stop=1.1, what="is stopped by the user after 3 tokens"), stop)
    limit = _Turn("Why?", options="failed=5", seen=5, kept="marked", error=True, what="fails after 5 tokens")
    _one(answer, limit, lost)


def _refused(answer: Subject) -> None:
    before, last = _Turn("Why is the sky blue?"), _Turn("And grass?", "Grass is green.")
    for options, seen, what in (
        ("filter=3", 3, "is ended after 3 tokens by the content filter"),
        ("refusal", 0, "is refused without any text"),
    ):
        refused = _Turn("And how do I break in?", options=options, seen=seen, kept="not at all", what=what)
        play = _Play(answer, [before, refused, last])
        why = (
            "The turn that was refused is still there, so that every later question is refused as well: nothing of it may stay "
            "in messages."
        )
        _same(play, play.after[refused.question], before.messages, why, refused)
        _same(
            play,
            play.messages,
            before.messages + last.messages,
            "After a turn that was refused the next one went well.",
        )


def _at_once(answer: Subject) -> None:
    one, two = _Turn("Why is the sky blue?"), _Turn("And grass?", "Grass is green.")
    play = _Play(answer, [one, two], at_once=True)
    roles = (
        [message.get("role") for message in play.messages if isinstance(message, dict)]
        if isinstance(play.messages, list)
        else []
    )
    mixed = f"Two questions were asked at once, and the roles are {', '.join(map(str, roles))} now. A turn comes in as a whole."
    missing = (
        "Two questions were asked at once, both went well, and only one turn is there. Add to what stands in messages when the "
        "answer is over, not to what stood there when it began."
    )
    _either(play, missing if len(roles) < 4 else mixed)
    spoils = (
        "Two questions were asked at once, one of them came to nothing, and the turn of the other is gone too. Whoever puts "
        "things back must not touch what others have put there: better add nothing before the end."
    )
    slow = _Turn(
        "Why is the sky blue?", options="ttft=4", seen=0, kept="not at all", stop=2, what="is stopped before any text"
    )
    _either(_Play(answer, [slow, two], at_once=True), spoils)
    cut = _Turn(
        "Why is the sky blue?", options="cut=9", seen=9, kept="marked", error=True, what="breaks off after 9 tokens"
    )
    _either(_Play(answer, [cut, two], at_once=True), spoils)


def _either(play: _Play, why: str) -> None:
    """The turns stand in one order or the other."""
    first, second = (turn.messages for turn in play.turns)
    if play.messages not in (first + second, second + first):
        raise NotYet(why, given=_given(play), got=play.messages, expected=second + first)


def _one(answer: Subject, turn: _Turn, lost: str) -> None:
    """A good turn, and behind it one that does not go well."""
    good = _Turn("Why is the sky blue?")
    play = _Play(answer, [good, turn])
    _ended(play, turn)
    why = lost.format(len(turn.shown))
    if play.messages == [*good.messages, *turn.messages[:1], {"role": "assistant", "content": turn.shown}]:
        why = "Half an answer is kept as if it were whole. What must the finish reason be, and is the mark behind all others?"
    _same(play, play.messages, good.messages + turn.messages, why, turn)
    if turn.stop is not None and play.mock.ledger[-1].ended != "client_left":
        why = "The user stopped it, and the model went on: somebody pays for it. Let the cancellation through to the stream."
        raise NotYet(why, given=_given(play), got=Words(play.mock.ledger[-1]))


def _ended(play: _Play, turn: _Turn) -> None:
    """Whether the caller has learnt of the end."""
    got, given = play.ends[turn.question], _given(play)
    if turn.error and not got.startswith("raised"):
        why = "The error did not come out of ask(). Whoever asked must learn that the answer is not whole."
        raise NotYet(
            why, given=given, got=Words(f"ask() {got}"), expected=Words("ask() raised the error of the stream")
        )
    if turn.stop is not None and got != "was cancelled":
        why = "The task was cancelled, and ask() went on as if it had not been. After cleaning up let the CancelledError go on."
        raise NotYet(why, given=given, got=Words(f"ask() {got}"), expected=Words("ask() was cancelled"))


def _same(play: _Play, got: Any, right: Messages, why: str, turn: _Turn | None = None) -> None:
    if got == right:
        return
    shapes = isinstance(got, list) and all(isinstance(one, dict) for one in got)
    if not shapes:
        why = "messages is a list of dicts with role and content, as a request wants it."
    elif any(set(one) != {"role", "content"} for one in got):
        why = "A message has a role and a content, and nothing else: services refuse fields that they do not know."
    elif (
        [one["role"] for one in got] != ["user", "assistant"] * (len(got) // 2) and len(got) % 2 and "roles" not in why
    ):
        why = "A question without an answer was left in messages. Let question and answer come in together."
    raise NotYet(why, given=_given(play), got=got, expected=right)


def _given(play: _Play) -> str:
    turns = [f"{turn.question!r} {turn.what}" for turn in play.turns]
    return f"{'at once' if play.at_once else 'one after the other'}: {'; '.join(turns)}"


def _drawn(answer: Subject, draw: Random) -> None:
    turns = [_any(draw, subject) for subject in draw.sample(SUBJECTS, 4)]
    play = _Play(answer, turns, silent=draw.random() < 0.5)
    right = [message for turn in turns for message in turn.messages]
    for turn in turns:
        _ended(play, turn)
    _same(
        play,
        play.messages,
        right,
        "Another conversation goes wrong. Go through it turn by turn: which of them are kept, and how?",
    )


def _any(draw: Random, subject: str) -> _Turn:
    reply = " ".join(draw.choice(WORDS) for _ in range(draw.randint(5, 9))) + "."
    question, seen = f"What about {subject}?", draw.randint(1, 4)
    kind = draw.choice(["well", "cut", "end", "length", "filter", "error", "stop"])
    if kind == "well":
        return _Turn(question, reply)
    if kind == "error":
        return _Turn(question, reply, "error=500", 0, "not at all", error=True, what="fails with status 500")
    if kind == "stop":
        stop = PACE.ttft + (seen - 1) * PACE.itl + 0.1
        return _Turn(question, reply, "", seen, "marked", stop, what=f"is stopped after {seen} tokens")
    kept = "not at all" if kind == "filter" else "marked"
    return _Turn(question, reply, f"{kind}={seen}", seen, kept, error=kind == "cut", what=f"{kind} after {seen} tokens")


EXERCISE = Exercise(
    id="4.2",
    title="Conversation.ask",
    function="Conversation",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "When do you know how the turn ended? Whatever stands in self.messages before that moment may have to be taken out again, "
        "while somebody else uses it.",
        "Keep the question and the text so far in variables of your own. Put try around the whole stream, and decide in finally: "
        "it runs after a good end, after an error and after a cancellation, and lets them go on.",
        "finally: if said and reason != 'content_filter': self.messages += [question, {'role': 'assistant', 'content': said if "
        "reason == 'stop' else said + INTERRUPTED}].",
    ),
    reason="A turn is added in one step, when its end is known; so there is never half of one, nothing has to be taken back, and "
    "two at once can't get in each other's way. `finally` sees every end, also a cancellation, and swallows none.",
    check=check,
)

EXERCISE.survive(
    "it can't fail, so it may stand in the try as well",
    'question, said, reason = {"role": "user", "content": text}, "", None (moved into "try:")',
)
EXERCISE.survive(
    "any value that is no finish reason says that none came",
    'question, said, reason = {"role": "user", "content": text}, "", 0',
)
EXERCISE.survive(
    "keeping a piece and showing it do not touch each other, and an answer that is not kept may be made up all the same",
    'show(choice.delta.content) (moved before "said += choice.delta.content")',
    'answer = said if reason == "stop" else said + INTERRUPTED '
    '(moved before "if said and reason != "content_filter":")',
)


def _conversation(part: str) -> type:
    """The reference, with one mistake called ``part``; for the wrong answers below."""

    class Conversation:
        def __init__(self, send: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
            self.send, self.messages = send, list[Any]()

        async def ask(self, text: str, show: Callable[[str], None]) -> None:
            question = {"role": "user", "content": text}
            said, self.reason = "", None
            pieces: list[str] = []
            try:
                async for piece in self._pieces(question):
                    said += piece
                    if part == "shows at the end":
                        pieces.append(piece)
                    else:
                        show(piece)
                for piece in pieces:
                    show(piece)
            except openai.APIError:
                if part != "swallows":
                    raise
            except asyncio.CancelledError:
                if part == "eats the stop":
                    return
                if part == "not on stop":
                    said = ""
                raise
            finally:
                if said and (self.reason != "content_filter" or part == "keeps refused"):
                    whole = ["stop", "length"] if part == "keeps truncated" else ["stop"]
                    answer = said if self.reason in whole or part == "no mark" else said + MARK
                    if part == "extra":
                        self.messages += [question, {"role": "assistant", "content": answer, "status": "x"}]
                    else:
                        self.messages += [question, {"role": "assistant", "content": answer}]

        async def _pieces(self, question: dict[str, str]) -> Any:
            before = [] if part == "forgets" else self.messages
            async for chunk in await self.send([*before, question]):
                for choice in [chunk.choices[0]] if part == "first choice" else chunk.choices:
                    old = None if part == "last reason" else self.reason
                    self.reason = choice.finish_reason or old
                    if choice.delta.content:
                        yield choice.delta.content

    return Conversation


def _wrong(name: str, part: str, says: str) -> None:
    EXERCISE.wrong(name, says=says)(_conversation(part))


_wrong("forgets what was said before", "forgets", "A model remembers nothing")
_wrong("lets a later chunk undo the finish reason", "last reason", "made you forget it")
_wrong("shows all of it at the end", "shows at the end", "Show each piece when it comes")
_wrong("swallows the error", "swallows", "The error did not come out of ask()")
_wrong("keeps half an answer as if it were whole", "no mark", "kept as if it were whole")
_wrong("takes an answer that reached its limit for whole", "keeps truncated", "kept as if it were whole")
_wrong("keeps nothing when the user stops it", "not on stop", "which is no Exception")
_wrong("eats the cancellation", "eats the stop", "went on as if it had not been")
_wrong("keeps the turn that was refused", "keeps refused", "every later question is refused")
_wrong("puts the status into the message", "extra", "services refuse fields")


class _Base:
    def __init__(self, send: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
        self.send: Any = send
        self.messages: list[Any] = []

    async def pieces(self, messages: Any) -> Any:
        """Pieces of text, and the finish reason as ``(reason,)``."""
        async for chunk in await self.send(messages):
            for choice in chunk.choices:
                if choice.delta.content:
                    yield choice.delta.content
                if choice.finish_reason:
                    yield (choice.finish_reason,)

    async def say(self, messages: Any, show: Callable[[str], None], said: list[str]) -> str | None:
        """Show and collect the pieces; the finish reason."""
        reason = None
        async for piece in self.pieces(messages):
            if isinstance(piece, tuple):
                reason = piece[0]
            else:
                said.append(piece)
                show(piece)
        return reason


@EXERCISE.wrong("leaves the question alone when the request fails", says="the roles user, assistant, user, user")
class _LeavesTheQuestion(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        self.messages.append({"role": "user", "content": text})
        said: list[str] = []
        reason = None
        try:
            reason = await self.say(list(self.messages), show, said)
        finally:
            if said and reason != "content_filter":
                answer = "".join(said) + ("" if reason == "stop" else MARK)
                self.messages.append({"role": "assistant", "content": answer})


@EXERCISE.wrong("sends the list itself and goes on using it", says="What was sent is sent")
class _SendsTheList(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        self.messages.append({"role": "user", "content": text})
        said: list[str] = []
        reason = await self.say(self.messages, show, said)
        self.messages.append({"role": "assistant", "content": "".join(said) + ("" if reason == "stop" else MARK)})


@EXERCISE.wrong("keeps an answer only if it comes to its end", says="that the conversation knows nothing of")
class _KeepsWhole(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        said: list[str] = []
        question = {"role": "user", "content": text}
        reason = await self.say([*self.messages, question], show, said)
        if said and reason != "content_filter":
            answer = "".join(said) + ("" if reason == "stop" else MARK)
            self.messages += [question, {"role": "assistant", "content": answer}]


@EXERCISE.wrong("asks a second time when the first fails", says="One question is one request")
class _AsksAgain(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        said: list[str] = []
        question, reason = {"role": "user", "content": text}, None
        try:
            reason = await self.say([*self.messages, question], show, said)
        except openai.APIStatusError:
            reason = await self.say([*self.messages, question], show, said)
        finally:
            if said and reason != "content_filter":
                answer = "".join(said) + ("" if reason == "stop" else MARK)
                self.messages += [question, {"role": "assistant", "content": answer}]


@EXERCISE.wrong("puts question and answer in one by one", says="A turn comes in as a whole")
class _OneByOne(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        question, reason = {"role": "user", "content": text}, None
        said: list[str] = []
        before = list(self.messages)
        self.messages.append(question)
        try:
            reason = await self.say([*before, question], show, said)
        finally:
            if said and reason != "content_filter":
                answer = "".join(said) + ("" if reason == "stop" else MARK)
                self.messages.append({"role": "assistant", "content": answer})
            else:
                self.messages.remove(question)


@EXERCISE.wrong("puts an old copy back when it fails", says="the turn of the other is gone too")
class _OldCopy(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        question, reason = {"role": "user", "content": text}, None
        said: list[str] = []
        before = list(self.messages)
        try:
            reason = await self.say([*before, question], show, said)
        finally:
            if said and reason != "content_filter":
                answer = "".join(said) + ("" if reason == "stop" else MARK)
                self.messages += [question, {"role": "assistant", "content": answer}]
            else:
                self.messages = before


@EXERCISE.wrong("makes the new list from what was there at the beginning", says="not to what stood there when it began")
class _FromTheBeginning(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        question, reason = {"role": "user", "content": text}, None
        said: list[str] = []
        request = [*self.messages, question]
        try:
            reason = await self.say(request, show, said)
        finally:
            if said and reason != "content_filter":
                answer = "".join(said) + ("" if reason == "stop" else MARK)
                self.messages = [*request, {"role": "assistant", "content": answer}]


@EXERCISE.wrong("asks twice for what was said before", says="holds something twice")
class _Twice(_Base):
    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        question, reason = {"role": "user", "content": text}, None
        said: list[str] = []
        try:
            reason = await self.say([*self.messages, *self.messages, question], show, said)
        finally:
            if said and reason != "content_filter":
                answer = "".join(said) + ("" if reason == "stop" else MARK)
                self.messages += [question, {"role": "assistant", "content": answer}]


@EXERCISE.right
class _Locked(_Base):
    """One question after the other, and the turn is taken out again if it came to nothing."""

    def __init__(self, send: Any) -> None:
        super().__init__(send)
        self.gate = asyncio.Lock()

    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        async with self.gate:
            turn = [{"role": "user", "content": text}, {"role": "assistant", "content": ""}]
            self.messages.extend(turn)
            answer, reason = turn[1], None
            try:
                stream = await self.send(self.messages[:-1])
                async for chunk in stream:
                    for choice in chunk.choices:
                        piece = choice.delta.content or ""
                        answer["content"] += piece
                        if piece:
                            show(piece)
                        reason = choice.finish_reason or reason
            finally:
                if not answer["content"] or reason == "content_filter":
                    del self.messages[-2:]
                elif reason != "stop":
                    answer["content"] += MARK


@EXERCISE.right
class _Copies(_Base):
    """Each turn makes a new list of what is there at its end."""

    async def ask(self, text: str, show: Callable[[str], None]) -> None:
        said: list[str] = []
        user = dict(role="user", content=text)
        try:
            reason = await self.say([*self.messages, user], show, said)
        except BaseException:
            self._keep(user, said, None)
            raise
        self._keep(user, said, reason)

    def _keep(self, user: dict[str, str], said: list[str], reason: str | None) -> None:
        if not said or reason == "content_filter":
            return
        if reason != "stop":
            said.append(MARK)
        self.messages = [*self.messages, user, {"role": "assistant", "content": "".join(said)}]
