"""Exercise 4.3: a guard that keeps phrases out of a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import tokens

PACE = Pace(headers=0.25, ttft=1.0, itl=0.25)
LONG = "The key to the archive is in the drawer, and nobody has asked for it since the clock in the hall stopped."
WORDS = ("the", "key", "is", "in", "a", "drawer", "and", "the", "clock", "in", "this", "hall", "stopped", "at", "noon")


class Blocked(Exception):
    """As the learner has it; a check knows it by its name."""


class _Play:
    """One run of the answer over a stream of the mock: what came out, after how many pieces, and how it ended.

    With ``pack`` so many tokens come in a piece. A slow ``reader`` takes so many seconds for each character.
    """

    def __init__(self, text: str, banned: Sequence[str], window: int, pack: int = 1, reader: float = 0) -> None:
        self.text, self.banned, self.window, self.reader = text, list(banned), window, reader
        every = tokens(text)
        self.pieces = ["".join(every[at : at + pack]) for at in range(0, len(every), pack)]
        self.clock = VirtualClock()
        self.mock = MockServer(text, pace=PACE, clock=self.clock, options=[f"pack={pack}"])
        self.taken, self.taken_at = 0, 0.0
        self.out: list[tuple[int, float, Any]] = []
        self.blocked: str | None = None
        self.hit = _hit(text, self.banned)

    def run(self, answer: Subject) -> _Play:
        self.source = self._stream()  # kept, so that nobody but the answer closes it
        try:
            for item in answer.iterate(self.source, self.banned, self.window):
                self.out.append((self.taken, self.clock.now(), item))
                self.clock.sleep(self.reader * len(item) if isinstance(item, str) else 0)
        except Raised as raised:
            if raised.kind != "Blocked":
                raise
            self.blocked = str(raised).removeprefix("Blocked: ")
        self.clock.sleep(60)
        if any(not isinstance(item, str) for _, _, item in self.out):
            raise NotYet("Yield pieces of text.", got=self.out[0][2])
        return self

    def _stream(self) -> Iterator[str]:
        question: list[Any] = [{"role": "user", "content": "Where is it?"}]
        create: Any = self.mock.client().chat.completions.create
        with create(model=self.mock.model, messages=question, stream=True) as stream:
            for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        self.taken, self.taken_at = self.taken + 1, self.clock.now()
                        yield choice.delta.content

    @property
    def shown(self) -> str:
        return "".join(item for _, _, item in self.out)

    @property
    def right(self) -> str:
        return self.text[: self.hit[0]] if self.hit else self.text

    @property
    def needed(self) -> int:
        """How many pieces have to be read."""
        end, length = self.hit[1] if self.hit else len(self.text), 0
        for number, piece in enumerate(self.pieces, start=1):
            length += len(piece)
            if length >= end:
                return number
        return len(self.pieces)

    def had(self, taken: int) -> str:
        """What was out when the next piece was asked for."""
        return "".join(item for count, _, item in self.out if count <= taken)

    def facts(self, got: Any = None, expected: Any = None) -> dict[str, Any]:
        given = f"pieces {self.pieces}, banned={self.banned}, window={self.window}"
        return {"given": given, "got": self._ending() if got is None else got, "expected": expected or self._wanted()}

    def _ending(self) -> Words:
        return Words(f"{self.shown!r}, then {'the end' if self.blocked is None else f'Blocked({self.blocked!r})'}")

    def _wanted(self) -> Words:
        return Words(f"{self.right!r}, then {f'Blocked({self.hit[2]!r})' if self.hit else 'the end'}")


@expectation
def _hit(text: str, banned: list[str]) -> tuple[int, int, str] | None:
    """Where the first phrase begins and ends, and how it is written there."""
    found = (re.search(re.escape(phrase), text, re.IGNORECASE) for phrase in banned)
    return min(((one.start(), one.end(), one[0]) for one in found if one), default=None)


def check(answer: Subject, draw: Random) -> None:
    _nothing_banned(answer)
    _banned(answer)
    _cost(answer)
    _signs(answer)
    for _ in range(8):
        _judge(_drawn(draw).run(answer))


def _nothing_banned(answer: Subject) -> None:
    play = _Play(LONG, ["password", "4-7-1"], 8).run(answer)
    _text(play)
    first, end = next(at for _, at, item in play.out if item), play.taken_at
    if first > 2 * PACE.ttft:
        share = f"{first / end:.0%}"
        why = f"Your first text is out after {share} of the time. Only the end of the text can still become a phrase."
        raise NotYet(why, **play.facts(Words(f"first text after {first:g} s of {end:g} s"), Words("after some pieces")))
    _lag(play)
    _judge(_Play("Yes", ["password"], 7).run(answer))


def _banned(answer: Subject) -> None:
    """Phrases in one piece, in several, in any case."""
    _judge(_Play("It is the password of the day.", ["password"], 7).run(answer))
    play = _Play("The file is confidential, and so is this.", ["confidential"], 11).run(answer)
    if play.blocked is None and "confidential" in play.shown:
        why = "'confiden' + 'tial' came through. A phrase may begin in one piece and end in another."
        raise NotYet(why, **play.facts())
    _judge(play)
    _judge(_Play("The code is 4-7-1, so they say.", ["4-7-1"], 4).run(answer))
    begin = (
        "At the beginning there is less text than the window, and all of it has to wait. (A slice with a negative end counts from "
        "the back.)"
    )
    _judge(_Play("4-7-1 is the code.", ["4-7-1"], 4).run(answer), begin)
    case = "Upper and lower case make no difference, neither in the text nor in the list."
    _judge(_Play("The PassWord is easy.", ["password"], 7).run(answer), case)
    _judge(_Play("the password is easy.", ["PASSWORD"], 7).run(answer), case)
    several = (
        "There is another phrase in front of the one you found. The text ends at the first, wherever it is in the list."
    )
    longest = "There is another phrase in front of the one you found. The text ends at the first, however short it is."
    _judge(_Play("No code and no secret here.", ["code", "secret"], 8, pack=20).run(answer), longest)
    _judge(_Play("No secret and no code here.", ["code", "secret"], 8, pack=20).run(answer), several)
    _judge(_Play("One code, no secret here.", ["secret", "code"], 8).run(answer))


def _cost(answer: Subject) -> None:
    """What the model makes after a phrase is paid by somebody; a slow reader must not make it dearer."""
    play = _Play(LONG, ["drawer"], 5).run(answer)
    _judge(play)
    _closed(
        play, "{} tokens were billed after the hit. Nobody will see them: close the stream, and read no more of it."
    )
    play = _Play(LONG, ["drawer"], 5, reader=0.125).run(answer)
    _closed(
        play,
        "While a slow reader took the rest {} more tokens were made. Close the stream first, then hand out the rest.",
    )


def _closed(play: _Play, why: str) -> None:
    entry = play.mock.ledger[0]
    before = sum(at <= play.taken_at for at in entry.token_times)
    more = entry.tokens_generated - before
    if more or entry.ended != "client_left":
        got, expected = (Words(f"{count} tokens made") for count in (before + more, before))
        raise NotYet(why.format(more), **play.facts(got, expected))


def _signs(answer: Subject) -> None:
    signs = "A phrase is no pattern: each of its signs means itself."
    for text, phrase in (("Learn c++ or not.", "c++"), ("It is a-b or acb here.", "a.b"), ("What (if) it is?", "(if)")):
        _judge(_Play(text, [phrase], len(phrase) - 1).run(answer), signs)
    none = "With a window of 0 nothing is kept back at all. Mind what text[-0:] and text[:-0] are."
    _judge(_Play("Room # 5, please", ["#"], 0).run(answer), none)
    _judge(_Play("Room 5, please", ["#"], 0).run(answer), none)


def _judge(play: _Play, why: str = "") -> None:
    """Text, ending and lag; ``why`` tells more of a wrong text or ending than could be seen."""
    _text(play, why)
    _lag(play, why)
    if play.taken > play.needed:
        more = play.taken - play.needed
        raise NotYet(
            f"{more} tokens were billed after the hit. Nobody will see them: close the stream, and read no more of it.",
            **play.facts(Words(f"{play.taken} pieces read"), Words(f"{play.needed} pieces read")),
        )


def _text(play: _Play, why: str = "") -> None:
    shown, right = play.shown, play.right
    if shown == right and play.blocked is None and play.hit:
        raise NotYet(
            "You ended as if all were well. Whoever reads you must learn that something is missing.", **play.facts()
        )
    named = play.blocked is None or play.blocked.strip("'\"").lower() in [phrase.lower() for phrase in play.banned]
    if shown == right and (play.blocked is None) == (play.hit is None):
        if named and (play.hit is None or play.blocked is None or play.blocked.lower() == play.hit[2].lower()):
            return
        raise NotYet(why or "Say which phrase it was: raise Blocked(phrase).", **play.facts())
    raise NotYet(why or _wrong_text(play), **play.facts())


def _wrong_text(play: _Play) -> str:
    shown, right = play.shown, play.right
    if play.hit is None:
        if play.blocked is not None:
            return "None of the phrases stands in this text, and you stopped it."
        if right.startswith(shown):
            return f"The last {len(right) - len(shown)} characters are missing. At the end nothing can become a phrase any more."
        if len(shown) > len(right):
            return (
                f"{len(right)} characters came, {len(shown)} went out. What has been yielded must not be yielded again."
            )
        return "The text is another one. Pass on each character once, in its order."
    phrase = play.hit[2]
    out = len(play.had(play.needed - 1)) - len(right)
    if out > 0 and shown.startswith(right + phrase[:out]):
        return (
            f"{out} of the {len(phrase)} characters of a phrase were out before its last one came. How many must be held so that "
            "even its first one is not?"
        )
    if phrase.lower() in shown.lower():
        return f"{phrase!r} came through. Look for the phrases before you let anything out, in all that you hold."
    if right.startswith(shown):
        return f"{len(right) - len(shown)} characters in front of the phrase are missing. They may be shown."
    return "The text is another one. Pass on each character once, in its order."


def _lag(play: _Play, why: str = "") -> None:
    """At most ``window`` characters are held when the next piece is asked for."""
    for taken in range(1, play.needed if play.hit else len(play.pieces)):
        held = len("".join(play.pieces[:taken])) - len(play.had(taken))
        if held > play.window:
            why = (
                why
                or "You hold more than the last `window` characters. Whatever stands before them can't become a phrase any more."
            )
            got = Words(f"{held} characters held after {taken} pieces")
            raise NotYet(why, **play.facts(got, Words(f"{play.window} at most")))


def _drawn(draw: Random) -> _Play:
    code = "-".join(str(draw.randint(0, 9)) for _ in range(draw.randint(2, 4)))
    place = f"Room {draw.choice('ABCDE')}{draw.randint(10, 99)}"
    words = [draw.choice(WORDS) for _ in range(draw.randint(6, 14))]
    for phrase in draw.sample([code, place], draw.randint(0, 2)):
        words.insert(draw.randint(0, len(words)), draw.choice([phrase, phrase.lower(), phrase.upper()]))
    banned = draw.sample([code, place, "password"], 3)
    window = max(map(len, banned)) - 1 + draw.choice([0, 0, 3])
    return _Play(" ".join(words) + ".", banned, window, pack=draw.choice([1, 1, 2, 5]))


EXERCISE = Exercise(
    id="4.3",
    title="guard",
    function="guard",
    minutes=15,
    points=3,
    core=False,
    hints=(
        "Which part of the text that has come can still become a phrase when more comes? And in which part can a phrase "
        "stand after a new piece?",
        "Keep one text of what is not out yet. Add each piece to it, look for the phrases in all of it, and only then let go of "
        "its beginning, so that `window` characters stay.",
        "phrases = re.compile('|'.join(map(re.escape, banned)), re.IGNORECASE); for each piece: held += piece; on a hit close, "
        "yield held[:hit.start()] and raise; else safe = max(0, len(held) - window), yield held[:safe], keep held[safe:].",
    ),
    reason="A window of a few characters is the price: the text is that much late, and no phrase that fits is ever seen. The model "
    "stops when the stream is closed, not when you stop reading; and an end that is no good end has to be told.",
    check=check,
)

EXERCISE.survive(
    "the two lines do not touch each other",
    'held = "" (moved before "phrases = re.compile("|".join(map(re.escape, banned)), re.IGNORECASE)")',
)


Find = Callable[[list[str], str], "tuple[int, str] | None"]


def _first(banned: list[str], text: str) -> tuple[int, str] | None:
    found = re.search("|".join(map(re.escape, banned)), text, re.IGNORECASE)
    return (found.start(), found[0]) if found else None


def _wrong(
    name: str,
    says: str,
    *,
    find: Find = _first,
    safe: Callable[[str, int], int] = lambda held, window: max(0, len(held) - window),
    end: Callable[[str], str] = lambda held: held,
    ending: str = "close",
) -> None:
    """The reference with one part exchanged."""

    def guard(stream: Any, banned: list[str], window: int) -> Iterator[str]:
        held = ""
        for piece in stream:
            held += piece
            if hit := find(banned, held):
                if ending == "close":
                    stream.close()
                if ending == "drain":
                    list(stream)
                if ending != "drops":
                    yield held[: hit[0]]
                if ending == "late":
                    stream.close()
                if ending == "drops":
                    stream.close()
                if ending == "silent":
                    stream.close()
                    return
                raise Blocked("something" if ending == "unnamed" and not stream.close() else hit[1])
            size = safe(held, window)
            yield held[:size]
            held = held[size:]
        yield end(held)

    EXERCISE.wrong(name, says=says)(guard)


def _by_list(banned: list[str], text: str) -> tuple[int, str] | None:
    found = (re.search(re.escape(phrase), text, re.IGNORECASE) for phrase in banned)
    return next(((one.start(), one[0]) for one in found if one), None)


def _longest(banned: list[str], text: str) -> tuple[int, str] | None:
    return _by_list(sorted(banned, key=len, reverse=True), text)


def _pattern(banned: list[str], text: str) -> tuple[int, str] | None:
    found = re.search("|".join(banned), text, re.IGNORECASE)
    return (found.start(), found[0]) if found else None


def _exact(banned: list[str], text: str) -> tuple[int, str] | None:
    return min(((text.find(phrase), phrase) for phrase in banned if phrase in text), default=None)


def _lowered(banned: list[str], text: str) -> tuple[int, str] | None:
    return _exact(banned, text.lower())


_wrong("knows one case only", "Upper and lower case", find=_exact)
_wrong("makes only the text lower case", "neither in the text nor in the list", find=_lowered)
_wrong("goes through the list and not the text", "another phrase in front", find=_by_list)
_wrong("looks for the longest phrase first", "however short it is", find=_longest)
_wrong("takes a phrase for a pattern", "no pattern", find=_pattern)
_wrong("holds everything until the end", "of the time. Only the end", safe=lambda held, window: 0)
_wrong(
    "holds one character too few",
    "were out before its last one came",
    safe=lambda held, window: max(0, len(held) - window + 1),
)
_wrong("cuts below 0", "less text than the window", safe=lambda held, window: len(held) - window)
_wrong(
    "holds twice the window", "You hold more than the last", safe=lambda held, window: max(0, len(held) - 2 * window)
)
_wrong("cuts with a negative window", "a window of 0", safe=lambda held, window: len(held[:-window]))
_wrong("forgets what it holds at the end", "characters are missing. At the end", end=lambda held: "")
_wrong("reads on after the hit", "tokens were billed after the hit", ending="drain")
_wrong("never closes the stream", "Nobody will see them: close", ending="open")
_wrong("closes the stream after handing out the rest", "Close the stream first", ending="late")
_wrong("drops the text before the phrase", "in front of the phrase are missing", ending="drops")
_wrong("ends as if all were well", "ended as if all were well", ending="silent")
_wrong("does not say which phrase it was", "Say which phrase it was", ending="unnamed")


@EXERCISE.wrong("looks into single pieces", says="A phrase may begin in one piece and end in another")
def _(stream, banned, window):  # type: ignore[no-untyped-def]
    for piece in stream:
        if hit := _first(banned, piece):
            stream.close()
            yield piece[: hit[0]]
            raise Blocked(hit[1])
        yield piece


@EXERCISE.wrong("yields the end twice", says="must not be yielded again")
def _(stream, banned, window):  # type: ignore[no-untyped-def]
    text, out = "", 0
    for piece in stream:
        text += piece
        if hit := _first(banned, text):
            stream.close()
            yield text[out : hit[0]]
            raise Blocked(hit[1])
        safe = max(out, len(text) - window)
        yield text[out:safe]
        out = safe
    yield text[-2 * window :]


@EXERCISE.wrong("looks only at what it lets out", says="came through. Look for the phrases before")
def _(stream, banned, window):  # type: ignore[no-untyped-def]
    held = ""
    for piece in stream:
        held += piece
        safe = max(0, len(held) - window)
        if hit := _first(banned, held[:safe]):
            stream.close()
            yield held[: hit[0]]
            raise Blocked(hit[1])
        yield held[:safe]
        held = held[safe:]
    yield held


@EXERCISE.right
def _(stream, banned, window):  # type: ignore[no-untyped-def]
    # Holds only what a phrase begins with, which may be less than the window.
    wanted, held = [phrase.lower() for phrase in banned], ""
    for piece in stream:
        for sign in piece:
            held += sign
            low = held.lower()
            if hit := next((phrase for phrase in sorted(wanted, key=len, reverse=True) if low.endswith(phrase)), None):
                stream.close()
                yield held[: -len(hit)]
                raise Blocked(hit)
            while held and not any(phrase.startswith(held.lower()) for phrase in wanted):
                yield held[0]
                held = held[1:]
    yield held


@EXERCISE.right
def _(stream, banned, window):  # type: ignore[no-untyped-def]
    # All of the text, and how much of it is out.
    text, out = "", 0
    for piece in stream:
        text += piece
        at = [(text.lower().find(phrase.lower(), max(0, out - window)), phrase) for phrase in banned]
        hits = sorted(one for one in at if one[0] >= 0)
        if hits:
            stream.close()
            yield text[out : hits[0][0]]
            raise Blocked(hits[0][1])
        if len(text) - window > out:
            yield text[out : len(text) - window]
            out = len(text) - window
    yield text[out:]
