"""Exercise 2.4: text as early as is safe, from tokens that are bytes."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject

EMPTY_STOP = "An empty stop text stops nothing: all tokens come out."
PARTY = [b"Well", b" done ", b"\xf0\x9f", b"\x8e", b"\x89", b"! ", b"Caf", b"\xc3", b"\xa9?"]
LETTERS = "ab!é🎉"
GIVEN = "tokens={tokens}, stop={stop!r}"


@dataclass
class _Play:
    """One run of the answer: which token it had taken last when each piece came."""

    tokens: list[bytes]
    stop: str
    taken: int = 0
    out: list[tuple[int, str]] = field(default_factory=list)

    def run(self, answer: Subject, raised: str = "") -> _Play:
        """Run it to its end; ``raised`` is what an error of the decoder means here."""
        try:
            for piece in answer.iterate(self._source(), self.stop):
                if not isinstance(piece, str):
                    raise NotYet("Yield text, str, piece by piece.", **self.facts(piece))
                self.out.append((self.taken, piece))
        except Raised as error:
            if not raised or error.kind not in ("UnicodeDecodeError", "error", "PatternError"):
                error.given = self.facts("")["given"]
                raise
            raise NotYet(raised, **self.facts(Words(error))) from None
        return self

    def _source(self) -> Iterator[bytes]:
        for token in self.tokens:
            self.taken += 1
            yield token

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self.out)

    def had(self, taken: int) -> str:
        """What was out before the next token was asked for."""
        return "".join(piece for when, piece in self.out if when <= taken)

    def safe(self, taken: int) -> str:
        """What must be out after so many tokens: complete characters, and nothing that may become the stop text."""
        return _safe(self.tokens, self.stop, taken)

    def at_most(self, taken: int) -> str:
        """What may be out by then. Whoever looks at bytes sees that half a character can't continue the stop text."""
        return _at_most(self.tokens, self.stop, taken)

    @property
    def whole(self) -> str:
        return self.safe(len(self.tokens))

    @property
    def needed(self) -> int:
        """How many tokens have to be read: up to the one that completes the stop text."""
        texts = (b"".join(self.tokens[:count]).decode("utf-8", "ignore") for count in range(1, len(self.tokens) + 1))
        found = (count for count, text in enumerate(texts, start=1) if self.stop and self.stop in text)
        return next(found, len(self.tokens))

    def facts(self, got: Any) -> dict[str, Any]:
        return {"given": GIVEN.format(tokens=_shown(self.tokens), stop=self.stop), "got": got, "expected": self.whole}


@expectation
def _safe(tokens: list[bytes], stop: str, taken: int) -> str:
    data = b"".join(tokens[:taken])
    over = taken == len(tokens)
    text = data.decode("utf-8", "replace") if over else codecs.getincrementaldecoder("utf-8")().decode(data)
    if stop and stop in text:
        return text[: text.index(stop)]
    longest = 0 if over else len(stop) - 1
    held = next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
    return text[: len(text) - held]


@expectation
def _at_most(tokens: list[bytes], stop: str, taken: int) -> str:
    data, mark = b"".join(tokens[:taken]), stop.encode()
    held = next((size for size in range(len(mark) - 1, 0, -1) if data.endswith(mark[:size])), 0)
    return codecs.getincrementaldecoder("utf-8")().decode(data[: len(data) - held])


def check(answer: Subject, draw: Random) -> None:
    _characters(answer)
    _stopped(answer)
    _early(answer)
    _rest(answer, draw)
    for _ in range(60):
        _judge(
            _drawn(draw).run(answer), "Another text goes wrong. Write down, token by token, what is certain by then."
        )


def _drawn(draw: Random) -> _Play:
    """A text of few different letters, so that it often nearly is the stop text; cut into tokens anywhere."""
    letters = draw.sample(LETTERS, 2)
    text = "".join(draw.choice(letters) for _ in range(draw.randint(1, 14)))
    stop = "".join(draw.choice(letters) for _ in range(draw.choice([0, 1, 2, 3, 3, 4])))
    data = text.encode() + draw.choice([b"", b"", b"\xe2\x82"])
    tokens = []
    while data:
        size = draw.randint(1, 4)
        tokens.append(data[:size])
        data = data[size:]
    return _Play(tokens, stop)


def _characters(answer: Subject) -> None:
    """A text of which some characters are spread over tokens, without a stop text."""
    plain = _Play([b"One", b" two", b" three"], "")
    if plain.run(answer).text != plain.whole:
        why = EMPTY_STOP if not plain.text else "Each token comes out once."
        raise NotYet(why, **plain.facts(plain.text))
    half = "The bytes of one character lie in several tokens. Half a character can't be decoded: keep it until the rest is there."
    play = _Play(PARTY, "").run(answer, half)
    text = play.text
    if "\ufffd" in text:
        why = (
            "You sent U+FFFD, the sign for broken characters. Nothing is broken: the rest of it is in the next "
            "token. Wait for it."
        )
        raise NotYet(why, **play.facts(text))
    if play.whole.startswith(text) and play.taken < len(PARTY):
        raise NotYet(f"{EMPTY_STOP} A token that completes no character is an empty text, too.", **play.facts(text))
    if len(text) == len(b"".join(PARTY)):
        why = "Each byte became a character of its own. In UTF-8 a character may have up to four bytes."
        raise NotYet(why, **play.facts(text))
    if text != play.whole:
        lost = [sign for sign in "🎉é" if sign not in text]
        why = (
            f"The {' and the '.join(lost)} vanished. Bytes that make no character yet are no rubbish: keep them."
            if lost
            else ""
        )
        raise NotYet(why or "Characters came out changed.", **play.facts(text))
    if play.out[0][0] == len(PARTY):
        why = "The first text left after the last token was read. Let go what is complete, token by token."
        raise NotYet(why, **play.facts(_steps(play)))
    _judge(play, "Characters that were complete had to wait for a later token. Let them go before you ask for it.")
    both = (
        "A token may end in the middle of a character. What stands before it in the token is complete, and had to wait for the "
        "rest of that character."
    )
    _judge(_Play([b"One \xf0\x9f", b"\x8e\x89 and \xc3", b"\xa9."], "").run(answer, half), both)
    lines = _Play([b"\xef\xbb\xbfOne\r\n", b"two\r", b"\nthree\r"], "").run(answer)
    _judge(lines, "Bytes become text as they are: a carriage return stays one, and so does a U+FEFF.")


def _stopped(answer: Subject) -> None:
    odd = "The stop text is a text, not a pattern: each of its signs means itself."
    for stop in ("a.c", "***"):
        play = _Play([b"abc ", b"a ", stop.encode(), b" z"], stop).run(answer, odd)
        if len(play.text) < len(play.whole):
            raise NotYet(odd, **play.facts(play.text))
    pieces = "The stop text passed through in pieces. "
    whole = f"{pieces}It may begin in one token and end in another: look at all text so far."
    inside = (
        f"{pieces}It begins behind other text of its token: what has to wait is the end of the text, not all of it."
    )
    for tokens, stop, why in (
        ([b"one STOP two", b" three"], "STOP", ""),
        ([b"one ", b"STOP two STOP three"], "STOP", ""),
        ([b"Hi.", b"\n", b"\nUs", b"er:", b" more"], "\n\nUser:", whole),
        ([b"one S", b"TOP two", b" three"], "STOP", inside),
        ([b"STOP", b" one"], "STOP", ""),
        ([b"one ", b"\xf0\x9f\x9b", b"\x91", b" two"], "🛑", whole),
        ([b"one Stop", b" STOP", b" two"], "STOP", ""),
    ):
        play = _Play(tokens, stop).run(answer)
        _text(play, why)
        if play.taken > play.needed:
            why = (
                "The stop text was complete, and you asked for another token. Somebody would have to make it: stop "
                "at once."
            )
            raise NotYet(why, **play.facts(Words(f"{play.taken} tokens read, {play.needed} were enough")))


def _text(play: _Play, pieces: str = "") -> None:
    """Refuse a wrong text; ``pieces`` is said where the stop text lies in several tokens and was let through."""
    text, right, stop = play.text, play.whole, play.stop
    if text == right:
        return
    if pieces and text.startswith(right + stop[:1]):
        why = pieces
    elif text.startswith(right + stop) and text + stop in b"".join(play.tokens).decode():
        why = "The stop text comes twice, and you stopped at the second. The first one ends the answer."
    elif text == right + stop:
        why = "The stop text came out. It says that the answer is over, and is no part of it."
    elif text.startswith(right + stop):
        why = "The stop text passed through, and what is behind it. Whoever asked for it wants neither."
    elif text.startswith(right):
        why = "Nothing comes behind the stop text, not even what stands in the same token."
    elif right.startswith(text) and right[len(text) :].lower().startswith(stop.lower()):
        why = "That was not the stop text: it means itself, sign by sign, and a capital is another sign than a small letter."
    elif right.startswith(text):
        why = (
            f"{len(right) - len(text)} characters in front of the stop text are missing. What stands before it in "
            "its token belongs to the answer."
        )
    else:
        why = "The text is another one."
    raise NotYet(why, **play.facts(text))


def _early(answer: Subject) -> None:
    """How long text is kept, and whether all of it comes in the end."""
    end = _Play([b"Ask a", b" Us", b"\n\nUs"], "\n\nUser:").run(answer)
    if end.text != end.whole and end.whole.startswith(end.text):
        why = (
            f"The last {len(end.whole) - len(end.text)} characters are missing. Behind the last token nothing can "
            "become the stop text any more."
        )
        raise NotYet(why, **end.facts(end.text))
    _text(end)
    play = _Play([b"A long ", b"sentence ", b"without ", b"a break"], "\n\nUser:").run(answer)
    held = "You held text back that can't become the stop text. Only the end of it can, and only if the stop text begins like that."
    _judge(play, held)
    again = (
        "Some of it may still become the stop text, some no more. Look for the longest end of the text that is a beginning of "
        "the stop text."
    )
    for tokens, stop in (
        ([b"a", b"a", b"a", b"b"], "aab"),
        ([b"x", b"<", b"<", b"|", b"end"], "<|"),
        ([b"ab", b"ab", b"ac", b"d"], "abac"),
        ([b"so \n", b"\n", b"\nUser", b": x"], "\n\nUser:"),
    ):
        _judge(_Play(tokens, stop).run(answer), again)


def _rest(answer: Subject, draw: Random) -> None:
    """The text ends in the middle of a character, as an answer does that has reached its limit of tokens."""
    cut = draw.choice([b"\xe2\x82", b"\xf0\x9f\x8e", b"\xc3"])
    why = (
        "The last character is cut off. Show U+FFFD for it, once, so that a reader sees that something is missing: "
        "decoding all bytes with errors='replace' does so."
    )
    for tokens, stop in (
        ([b"5 ", cut], ""),
        ([b"5 #", cut], "##"),
        ([b"5 ", cut[:1], *([cut[1:]] if cut[1:] else [])], ""),
    ):
        _judge(_Play(tokens, stop).run(answer, why), why)


def _judge(play: _Play, why: str) -> None:
    """The right text, and each part of it as early as can be."""
    if play.text != play.whole:
        if play.stop and play.stop in play.text:
            why = (
                "The stop text passed through. It may begin anywhere, also in what looked like another beginning of it."
            )
        raise NotYet(why, **play.facts(play.text))
    for taken in range(1, play.needed):
        had, safe = play.had(taken), play.safe(taken)
        if len(had) > len(play.at_most(taken)):
            why = "That came too early: it could still have become the stop text."
        if not len(safe) <= len(had) <= len(play.at_most(taken)):
            expected = Words(f"{safe!r} out after {taken} tokens")
            raise NotYet(why, **play.facts(Words(f"{had!r} out after {taken} tokens")) | {"expected": expected})
    if play.taken > play.needed:
        why = "The stop text was complete, and you asked for another token."
        raise NotYet(why, **play.facts(Words(f"{play.taken} tokens read, {play.needed} were enough")))


def _steps(play: _Play) -> Words:
    return Words(", ".join(f"{piece!r} after token {taken}" for taken, piece in play.out if piece))


def _shown(tokens: list[bytes]) -> str:
    return f"[{', '.join(map(repr, tokens))}]"


EXERCISE = Exercise(
    id="2.4",
    title="emit_safe",
    function="emit_safe",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "Two things make a piece of text unsafe. Which bytes are not a character yet, and which characters could become "
        "something that must not be shown?",
        "Keep two rests: bytes that are no whole character (codecs.getincrementaldecoder does it for you), and text that "
        "ends as the stop text begins. After each token look first for the whole stop text, then for its longest beginning.",
        "held += decoder.decode(token); if stop and stop in held: yield what is in front of it, and return; else let keep be "
        "the largest size below len(stop) with held.endswith(stop[:size]), and yield all of held but its last keep characters.",
    ),
    reason="What is shown can't be taken back, so text waits as long as it is uncertain, and no longer: half a character, and an "
    "end that is a beginning of the stop text. At the end of the tokens nothing is uncertain any more, so everything goes out.",
    check=check,
)


def _wrong(
    name: str,
    says: str,
    *,
    errors: str = "replace",
    keep: Callable[[str, str], int] | None = None,
    find: Callable[[str, str], int] = lambda text, stop: text.find(stop) if stop else -1,
    more: Callable[[str, int, str], str] = lambda text, at, stop: text[:at],
    last: Callable[[Any, str], str] = lambda decoder, held: held + decoder.decode(b"", True),
    goes_on: bool = False,
) -> None:
    """The reference with one part exchanged."""

    def emit_safe(token_bytes: Iterator[bytes], stop: str) -> Iterator[str]:
        decoder, held = codecs.getincrementaldecoder("utf-8")(errors), ""
        for token in token_bytes:
            held += decoder.decode(token)
            at = find(held, stop)
            if at >= 0:
                yield more(held, at, stop)
                if goes_on:
                    list(token_bytes)
                return
            size = min(len(held), (keep or _kept)(held, stop))
            yield held[: len(held) - size]
            held = held[len(held) - size :]
        yield last(decoder, held)

    EXERCISE.wrong(name, says=says)(emit_safe)


def _kept(text: str, stop: str) -> int:
    return max(size for size in range(len(stop) or 1) if text.endswith(stop[:size]))


_wrong("stops at an empty stop text", "An empty stop text", find=lambda text, stop: text.find(stop))
_wrong("yields the stop text", "The stop text came out", more=lambda text, at, stop: text[: at + len(stop)])
_wrong("yields the whole token with the stop text", "and what is behind it", more=lambda text, at, stop: text)
_wrong("drops what stands before the stop text", "belongs to the answer", more=lambda text, at, stop: "")
_wrong(
    "takes the stop text out only",
    "not even what stands in the same",
    more=lambda text, at, stop: text.replace(stop, ""),
)
_wrong("reads on behind the stop text", "asked for another token", goes_on=True)
_wrong(
    "holds back as much as the stop text is long",
    "can't become the stop text",
    keep=lambda text, stop: max(0, len(stop) - 1),
)
_wrong("never flushes", "characters are missing. Behind", last=lambda decoder, held: "")
_wrong("drops a character that is cut off", "once, so that a reader sees", last=lambda decoder, held: held)
_wrong(
    "takes the last stop text",
    "The first one ends the answer",
    find=lambda text, stop: text.rfind(stop) if stop else -1,
)
_wrong(
    "holds all back that has the first sign of the stop text in it",
    "the longest end of the text",
    keep=lambda text, stop: len(text) - text.find(stop[0]) if stop and stop[0] in text else 0,
)
_wrong("holds the shortest beginning", "It may begin anywhere", keep=lambda text, stop: min(
    (size for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0))  # fmt: skip
_wrong(
    "holds the stop text's beginning only if it is all there is",
    "behind other text of its token",
    keep=lambda text, stop: len(text) if text and stop.startswith(text) else 0,
)


_wrong(
    "takes small letters for capitals",
    "another sign than a small letter",
    find=lambda text, stop: text.lower().find(stop.lower()) if stop else -1,
)


@EXERCISE.wrong("stops where a token is the stop text", says="completes no character is an empty text")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in token_bytes:
        text = decoder.decode(token)
        if text == stop:
            return
        yield text
    yield decoder.decode(b"", True)


@EXERCISE.wrong("takes each byte for a character", says="Each byte became a character")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    yield from (token.decode("latin-1") for token in token_bytes)


@EXERCISE.wrong("tries to decode all that is there, or nothing", says="A token may end in the middle")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    data, held = b"", ""
    for token in token_bytes:
        data += token
        try:
            held, data = held + data.decode(), b""
        except UnicodeDecodeError:
            continue
        if stop and stop in held:
            yield held[: held.index(stop)]
            return
        size = _kept(held, stop)
        yield held[: len(held) - size]
        held = held[len(held) - size :]
    yield held + data.decode(errors="replace")


@EXERCISE.wrong("reads bytes as a text file", says="a carriage return stays one")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    decoder, held = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True), ""
    for token in token_bytes:
        held += decoder.decode(token)
        if stop and stop in held:
            yield held[: held.index(stop)]
            return
        size = _kept(held, stop)
        yield held[: len(held) - size]
        held = held[len(held) - size :]
    yield held + decoder.decode(b"", True)


@EXERCISE.wrong("ignores what it can't decode", says="vanished")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    yield from (token.decode(errors="ignore") for token in token_bytes)


@EXERCISE.wrong("replaces what it can't decode", says="You sent U+FFFD")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    yield from (token.decode(errors="replace") for token in token_bytes)


@EXERCISE.wrong("decodes each token by itself", says="Half a character can't be decoded")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    yield from (token.decode() for token in token_bytes)


@EXERCISE.wrong("decodes everything at the end", says="after the last token was read")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    text = b"".join(token_bytes).decode(errors="replace")
    yield text.partition(stop)[0] if stop else text


@EXERCISE.wrong("looks for the stop text in single tokens", says="look at all text so far")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in token_bytes:
        text = decoder.decode(token)
        if stop and stop in text:
            yield text[: text.index(stop)]
            return
        yield text
    yield decoder.decode(b"", True)


@EXERCISE.wrong("takes the stop text for a pattern", says="not a pattern")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    decoder, held = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for token in token_bytes:
        held += decoder.decode(token)
        if stop and (found := re.search(stop, held)):
            yield held[: found.start()]
            return
        size = _kept(held, stop)
        yield held[: len(held) - size]
        held = held[len(held) - size :]
    yield held + decoder.decode(b"", True)


@EXERCISE.wrong("is one token late", says="had to wait for a later token")
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    decoder, held, ready = codecs.getincrementaldecoder("utf-8")("replace"), "", ""
    for token in token_bytes:
        yield ready
        held += decoder.decode(token)
        if stop and stop in held:
            yield held[: held.index(stop)]
            return
        size = _kept(held, stop)
        ready, held = held[: len(held) - size], held[len(held) - size :]
    yield ready + held + decoder.decode(b"", True)


@EXERCISE.right
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    # All in bytes: what may become the stop text, or a character, is an end of the bytes.
    data, mark = b"", stop.encode()
    for token in token_bytes:
        data += token
        if mark and mark in data:
            yield data[: data.index(mark)].decode()
            return
        safe = next(at for at in range(len(data) + 1) if at == len(data) or mark.startswith(data[at:]))
        start = safe
        while start and data[start - 1] & 0xC0 == 0x80:
            start -= 1
        if start:
            lead = data[start - 1]
            length = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            if start - 1 + length > safe:
                safe = start - 1
        yield data[:safe].decode()
        data = data[safe:]
    yield data.decode(errors="replace")


@EXERCISE.right
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    # Character by character, with the failure function of Knuth, Morris and Pratt.
    back = [0] * (len(stop) + 1)
    for place in range(1, len(stop)):
        size = back[place]
        while size and stop[size] != stop[place]:
            size = back[size]
        back[place + 1] = size + (stop[size] == stop[place])
    matched = 0
    for sign in codecs.iterdecode(token_bytes, "utf-8", "replace"):
        out = ""
        for letter in sign:
            if not stop:
                out += letter
                continue
            while matched and stop[matched] != letter:
                out += stop[: matched - back[matched]]
                matched = back[matched]
            if stop[matched] == letter:
                matched += 1
            else:
                out += letter
            if matched == len(stop):
                if out:
                    yield out
                return
        if out:
            yield out
    if matched:
        yield stop[:matched]


@EXERCISE.right
def _(token_bytes, stop):  # type: ignore[no-untyped-def]
    data, shown = b"", 0
    for token in token_bytes:
        data += token
        for cut in range(4):  # at most three bytes can be the begin of a character
            try:
                text = data[: len(data) - cut].decode()
                break
            except UnicodeDecodeError:
                pass
        end = text.find(stop) if stop else -1
        if end < 0:
            end = len(text)
            risky = range(max(shown, end - len(stop) + 1), end)
            end = next((at for at in risky if stop.startswith(text[at:])), end)
            yield text[shown:end]
            shown = end
        else:
            yield text[shown:end]
            return
    yield data.decode(errors="replace")[shown:]
