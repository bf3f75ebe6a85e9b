"""Exercise 4.4: the fields of a JSON object, each as soon as its value is closed."""

from __future__ import annotations

import itertools
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import jiter

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import Raised, Subject

TWICE = 2
"""How often each character may be read by `parse`."""
SPARE = 1000
"""Characters that it may read besides, so that a short object can be read in any way."""
LINES = 100
"""Lines of the answer's code that may run for each character."""
NAMES = ("city", "name", "days", "text", "rain", "list", "note", "id", "more", "a:b", "size", "where")
TEXTS = ("Oslo", "", 'say "hi"', "C:\\", "{", "a, b", "], }", "é", "🎉", '\\"', "12", "x: 1", "tab\t")


class ReadTooMuch(Exception):
    """More characters went through `parse` than it allows."""


@dataclass(frozen=True)
class _Field:
    """A field of the text: it may be known to be closed once ``end`` characters have come, and must be after ``sure``."""

    name: str
    value: Any
    end: int
    sure: int


class _Play:
    """One run of the answer over a text cut into pieces: what came out after how many pieces, and what `parse` read.

    The text may break off in the middle of a field.
    """

    def __init__(self, text: str, fields: list[_Field], pieces: list[str]) -> None:
        self.text, self.fields, self.pieces = text, fields, pieces
        self.taken, self.read, self.last = 0, 0, ""
        self.values: list[str] = []
        self.out: list[tuple[int, Any]] = []

    def run(self, answer: Subject, why: str = "") -> _Play:
        """Run it; ``why`` is what it means if `parse` gets something that is no JSON."""
        try:
            for item in answer.iterate(self._stream(), self._parse):
                self.out.append((self.taken, item))
        except Raised as raised:
            if not why or raised.kind != "JSONDecodeError":
                raise
            raise NotYet(why, **self.facts() | {"got": Words(f"parse({self.last!r}), which is no JSON")}) from None
        return self

    def _stream(self) -> Iterator[str]:
        for piece in self.pieces:
            self.taken += 1
            yield piece

    def _parse(self, text: str) -> Any:
        self.read, self.last = self.read + len(text), text
        if self.read > TWICE * len(self.text) + SPARE:
            raise ReadTooMuch(f"{self.read} characters read, {len(self.text)} came")
        value = json.loads(text)
        self.values += map(_plain, [value, *(value.values() if isinstance(value, dict) else [])])
        return value

    @property
    def got(self) -> list[Any]:
        return [item for _, item in self.out]

    @property
    def right(self) -> list[list[Any]]:
        return [[one.name, one.value] for one in self.fields if one.sure <= len(self.text)]

    def trouble(self) -> str:
        """What is wrong: ``"another"`` field than those there are, one too ``"early"`` or too ``"late"``; or nothing."""
        known = [[one.name, one.value] for one in self.fields]
        if any(_plain(item) != _plain(one) for item, one in itertools.zip_longest(self.got, known[: len(self.out)])):
            return "another"
        counts = [bisect_right([taken for taken, _ in self.out], taken) for taken in range(1, len(self.pieces) + 1)]
        for length, count in zip(itertools.accumulate(map(len, self.pieces)), counts, strict=True):
            if count > bisect_right(self.fields, length, key=lambda one: one.end):
                return "early"
            if count < bisect_right(self.fields, length, key=lambda one: one.sure):
                return "late"
        return ""

    @property
    def given(self) -> str:
        return f"pieces {_short(self.pieces)}"

    def facts(self) -> dict[str, Any]:
        return {"given": self.given, "got": Words(_steps(self.out)), "expected": Words(_short(self.right))}


def _object(*fields: tuple[str, str], gap: str = " ") -> tuple[str, list[_Field]]:
    """A text of names and values, each as JSON, and where the fields end; ``gap`` is the white space between them."""
    text, made = "{" + gap, []
    for place, (name, raw) in enumerate(fields):
        text += ("," + gap if place else "") + json.dumps(name) + ":" + gap + raw
        word, number = raw in ("true", "false", "null"), raw[-1].isdigit()
        made.append(_Field(name, json.loads(raw), len(text) + number, len(text) + (word or number)))
        text += gap
    return text + "}", made


def _cut(text: str, *places: int) -> list[str]:
    return [text[a:b] for a, b in itertools.pairwise([0, *sorted(set(places)), len(text)])]


def _play(
    answer: Subject, why: str, *fields: tuple[str, str], at: str = "", length: int | None = None, gap: str = ""
) -> None:
    """One object, cut behind the text ``at``, or, without one, behind every sign; ``why`` is what a fault means."""
    text, made = _object(*fields, gap=gap)
    text = text[:length]
    pieces = _cut(text, text.index(at) + len(at)) if at else list(text)
    _judge(_Play(text, made, pieces).run(answer, why), why)


def check(answer: Subject, draw: Random) -> None:
    _simple(answer)
    _closed(answer)
    _strings(answer)
    _nested(answer)
    _broken_off(answer)
    for _ in range(8):
        _judge(
            _drawn(draw).run(answer),
            "Another object goes wrong. Go through it sign by sign: which of them closes a value?",
        )
    _work(answer)


def _simple(answer: Subject) -> None:
    text, made = _object(("city", '"Oslo"'), ("days", "[1, 2]"), ("note", '"bring a coat"'))
    play = _Play(text, made, _cut(text, 9, 17, 36)).run(answer)
    if any(not isinstance(item, list) or len(item) != 2 for item in play.got):
        raise NotYet("Yield pairs of a name and a value.", **play.facts())
    if play.out and play.out[0][0] == len(play.pieces) and len(play.out) == 3:
        why = "All fields came after the last piece. The first one was closed after the second: a card would have stayed empty."
        raise NotYet(why, **play.facts())
    _judge(
        play, "A text is closed by its quote, a list by its bracket. Compare what came with what was closed by then."
    )
    if any(_plain(item[1]) not in play.values for item in play.got):
        why = "These values come from somewhere else than parse(). Let it read each of them: it is json.loads, and counts."
        raise NotYet(why, **play.facts())


def _closed(answer: Subject) -> None:
    digits = "A number is not over where a piece ends: behind 12 there came a 3. Only the sign behind it closes it."
    _play(answer, digits, ("age", "123"), ("name", '"Ann"'), at="12")
    _play(answer, digits, ("size", "-1.5e3"), ("id", "7"))
    late = "A text, a list or an object is over with its last sign. You waited for what comes behind it."
    _play(answer, late, ("city", '"Oslo"'), ("days", "[1]"), ("more", "{}"))
    words = "true, false and null are values too, closed by the sign behind them."
    _play(answer, words, ("rain", "true"), ("note", "null"), ("more", "false"))
    space = "White space may stand between all signs, and closes a number."
    _play(answer, space, ("size", "12"), ("city", '"Oslo"'), ("days", "[1,\n 2]"), gap="\n  ")
    _play(answer, space, ("a", "12"), ("b", "[]"), gap="\t")
    _play(answer, space, ("a", "12"), ("b", "{}"), gap="\r\n")
    _play(answer, "An object may be empty: then there is nothing to yield.", gap=" ")


def _strings(answer: Subject) -> None:
    inside = "Inside a text a comma, a colon, a brace or a bracket is a sign like any other, also inside a name."
    _play(answer, inside, ("note", '"a, b: {c} [d]"'), ("a:b", '"}"'), ("x,{", "1"))
    quote = 'A quote behind a backslash does not close the text, and a backslash may itself stand behind one: "C:\\\\" is over.'
    _play(answer, quote, ("note", r'"say \"hi\", now"'), ("city", '"Oslo"'), at="{")
    _play(answer, quote, ("where", r'"C:\\"'), ("size", "1"), at="{")
    split = "An escape was cut in two. What you know of a text, that it is open, what stood last, has to live from piece to piece."
    _play(answer, split, ("note", r'"caf\u00e9"'), ("more", "1"), at=r"\u00")
    _play(answer, split, ("note", r'"say \"hi\""'), ("more", "1"), at='"say \\')
    _play(answer, split, ("note", r'"\ud83c\udf89!"'), ("more", "1"), at=r"\ud83c")


def _nested(answer: Subject) -> None:
    inner = "What stands inside a value is a part of it. Only the fields of the outermost object are yielded."
    _play(answer, inner, ("more", '{"city": "Oslo", "days": [1, {"a": 2}]}'), ("city", '"Rome"'))
    _play(answer, inner, ("list", '[[1, 2], ["a", {"b": []}], 3]'), ("id", "4"))
    _play(answer, inner, ("more", '{"a": "}", "b": "]"}'), ("id", "4"))


def _broken_off(answer: Subject) -> None:
    why = "The pieces ended, and you yielded a field that was still open. Half a tool call must not be run."
    _play(answer, why, ("to", '"all"'), ("remove", '"/tmp/abc"'), length=30)
    _play(answer, why, ("to", '"all"'), ("count", "12"), length=22)
    _play(answer, why, ("to", '"all"'), ("list", "[1, 2, [3]]"), length=27)
    _play(answer, why, ("to", '"all"'), ("remove", '"/tmp"'), length=18)


def _work(answer: Subject) -> None:
    """Some thousand characters with each line counted, then 100 KB; each in one long text and in many short fields."""
    many = [(f"field {number}", json.dumps([number, "some words"])) for number in range(1500)]
    for fields in ([("text", json.dumps('It says "so", ' * 350))], many[:150]):
        text, made = _object(*fields)
        answer.most_lines = LINES * len(text)
        _run(answer, _Play(text, made, _cut(text, *range(0, len(text), 10))))
    answer.most_lines = None
    for fields in ([("text", json.dumps('It says "so", ' * 3500))], many):
        text, made = _object(*fields)
        play = _Play(text, made, _cut(text, *range(0, len(text), 100)))
        _run(answer, play)
        _judge(play, "A long object goes wrong, where short ones went well.")


def _run(answer: Subject, play: _Play) -> None:
    """Run it; too much work is told as what it is."""
    short = {"given": f"an object of {len(play.text)} characters in {len(play.pieces)} pieces"}
    try:
        play.run(answer)
    except Raised as raised:
        if raised.kind == "TooMuchWork":
            why = f"For {len(play.text)} characters more than {LINES} times as many lines of your code were run"
            raise NotYet(f"{why}. Do you go through all that came whenever a piece comes?", **short) from None
        if raised.kind != "ReadTooMuch":
            raise
    if play.read > TWICE * len(play.text) + SPARE:
        why = (
            "parse() has read far more than came: the same characters were read again and again, which takes a hundred times as "
            "long for an object that is ten times as large. Find the end of a value first, then read it once."
        )
        raise NotYet(why, got=Words(f"more than {TWICE} characters read for each that came"), **short)


def _judge(play: _Play, why: str) -> None:
    names = [str(item[0]) for item in play.got if isinstance(item, list) and item]
    if len(names) != len(set(names)):
        why = "A field was yielded twice. Once it is closed it is final; before that it is nobody's business."
        raise NotYet(why, **play.facts())
    trouble = play.trouble()
    if trouble == "late" and play.got == play.right:
        why = f"That came too late: a value was closed, and you asked for another piece first. {why}"
    if trouble:
        raise NotYet(why, **play.facts())


def _plain(value: Any) -> str:
    """A value as a text that tells 1 from True and from 1.0."""
    return repr(value)


def _steps(out: list[tuple[int, Any]]) -> str:
    steps = [f"{tuple(item) if isinstance(item, list) else item!r} after piece {taken}" for taken, item in out]
    return _limited(", ".join(steps) or "nothing")


def _short(value: Any) -> str:
    return _limited(repr(value))


def _limited(text: str) -> str:
    return text if len(text) <= 240 else f"{text[:237]}..."


def _drawn(draw: Random) -> _Play:
    fields = [(name, _value(draw, 2)) for name in draw.sample(NAMES, draw.randint(1, 5))]
    text, made = _object(*fields, gap=draw.choice(["", " ", "\n"]))
    if draw.random() < 0.3:
        text = text[: draw.randint(1, len(text))]
    return _Play(text, made, _cut(text, *(draw.randint(1, len(text)) for _ in range(draw.randint(0, 12)))))


def _value(draw: Random, depth: int) -> str:
    """A value as JSON."""
    kind = draw.choice(["text", "number", "word", "list", "object"] if depth else ["text", "number", "word"])
    if kind == "text":
        return json.dumps(draw.choice(TEXTS), ensure_ascii=draw.random() < 0.5)
    if kind == "number":
        return json.dumps(draw.choice([draw.randint(-999, 999), draw.randint(-9, 9) / 4]))
    if kind == "word":
        return draw.choice(["true", "false", "null"])
    inner = [_value(draw, depth - 1) for _ in range(draw.randint(0, 3))]
    if kind == "list":
        return f"[{', '.join(inner)}]"
    return "{" + ", ".join(f'"{name}": {one}' for name, one in zip("abc", inner, strict=False)) + "}"


EXERCISE = Exercise(
    id="4.4",
    title="closed_fields",
    function="closed_fields",
    minutes=20,
    points=4,
    core=False,
    hints=(
        "Read an object with a finger, sign by sign. What do you have to remember to know, at each sign, whether it closes a "
        "value of the outermost object?",
        "Remember how many brackets are open, whether you are in a text, and whether the last sign was a backslash in it. Collect "
        "signs in a list. Names and values take turns, so one rule for the end of both is enough.",
        "Outside of texts, at depth 1, the signs `,`, `:`, `}` and white space stand between values and close what is collected; "
        "so does a quote or bracket after which you are outside again. Then value = parse(''.join(held)).",
    ),
    reason="Each sign is looked at once, and all that is remembered fits into a few variables, so an object ten times as long "
    "takes ten times as long. A partial parser is handy for a preview; what is final only the sign that closes it can say.",
    check=check,
)

EXERCISE.survive(
    "before the first brace and behind the last one nothing is held, so nothing can be closed",
    'between = depth <= 1 and not quoted and sign in ",:} \\n\\r\\t"',
    "closed = between or (depth <= 1 and not quoted and sign in '\"}]')",
)
EXERCISE.survive(
    "the two lines do not touch each other",
    'depth += (sign in "{[") - (sign in "}]") (moved before "quoted = sign == \'"\'")',
)


def _fields(pieces: Any, parse: Callable[[str], Any], part: str = "") -> Iterator[tuple[str, Any]]:
    """The reference, with one mistake called ``part``; for the wrong answers below."""
    depth, quoted, escaped, name = 0, False, False, None
    held: list[str] = []
    text = ""
    for piece in pieces:
        for sign in piece:
            text += sign if part == "from the start" else ""
            between = depth == 1 and not quoted and sign in ",:} \n\r\t"
            if part == "space" and sign in " \n\r\t":
                between = False
            if depth and not between:
                held.append(sign)
            if escaped:
                escaped = False
            elif not quoted:
                quoted = sign == '"'
                depth += (sign in "{[") - (sign in "}]")
            else:
                escaped, quoted = sign == "\\" and part != "no escapes", sign != '"'
                if part == "last sign" and sign == '"' and held[-2:-1] == ["\\"]:
                    quoted = True
                if part == "last sign":
                    escaped = False
            closed = between or (depth == 1 and not quoted and sign in '"}]' and (part != "comma" or name is None))
            if held and closed and "".join(held).strip():
                if part == "from the start" and name is not None:
                    value = parse(text + ("" if depth == 0 else "}" if sign != "," else '"":0}'))[name]
                else:
                    value = parse("".join(held)) if part != "json" else json.loads("".join(held))
                held = []
                if name is None:
                    name = value
                else:
                    yield name, value
                    name = None
        if part == "forgets escapes":
            escaped = False
        if (
            part == "piece closes number"
            and name is not None
            and held
            and "".join(held).strip()[-1:].isdigit()
            and not quoted
        ):
            yield name, parse("".join(held))
    if part == "flushes" and name is not None and held:
        yield name, "".join(held).strip('"')


def _wrong(name: str, part: str, says: str) -> None:
    EXERCISE.wrong(name, says=says)(lambda pieces, parse: _fields(pieces, parse, part))


_wrong("waits for the comma", "comma", "You waited for what comes behind it")
_wrong("forgets about backslashes", "no escapes", "does not close the text")
_wrong("looks only at the sign before a quote", "last sign", "may itself stand behind one")
_wrong("forgets the backslash at the end of a piece", "forgets escapes", "has to live from piece to piece")
_wrong("yields what is open when the pieces end", "flushes", "Half a tool call must not be run")
_wrong("takes the end of a piece for the end of a number", "piece closes number", "yielded twice")
_wrong("reads values without parse", "json", "come from somewhere else than parse()")
_wrong("reads from the beginning for every field", "from the start", "Find the end of a value first")
_wrong("does not know that white space closes a number", "space", "White space may stand between")


@EXERCISE.wrong("believes a partial parser", says="Only the sign behind it closes it")
def _(pieces, parse):  # type: ignore[no-untyped-def]
    text, done = "", set()
    for piece in pieces:
        text += piece
        found = jiter.from_json(text.encode(), partial_mode=True)
        for name, value in found.items():
            if name not in done:
                done.add(name)
                yield name, parse(json.dumps(value))


@EXERCISE.wrong("yields at the end only", says="All fields came after the last piece")
def _(pieces, parse):  # type: ignore[no-untyped-def]
    yield from parse("".join(pieces)).items()


@EXERCISE.wrong("finds fields with a pattern", says="Inside a text a comma")
def _(pieces, parse):  # type: ignore[no-untyped-def]
    text, done = "", 0
    pattern = re.compile(r'"(\w+)"\s*:\s*("[^"]*"|\[[^\]]*\]|\{[^}]*\}|[^\s,}"\[{]+(?=[\s,}]))')
    for piece in pieces:
        text += piece
        while found := pattern.search(text, done):
            yield found[1], parse(found[2])
            done = found.end()


@EXERCISE.wrong("tries to read at every sign that might be the last", says="Find the end of a value first")
def _(pieces, parse):  # type: ignore[no-untyped-def]
    signs, name, held = itertools.chain.from_iterable(pieces), None, ""
    next(signs)
    for sign in signs:
        between = sign in ",:} \n\r\t"
        if between and not held:
            continue
        over = between and held[0] not in '"[{'
        held += "" if over else sign
        if not over and sign not in '"]}':
            continue
        try:
            value, held = parse(held), ""
        except ValueError:
            continue
        if name is None:
            name = value
        else:
            yield name, value
            name = None


@EXERCISE.wrong("goes through the whole text at each piece", says="lines of your code were run")
def _(pieces, parse):  # type: ignore[no-untyped-def]
    text, out = "", 0
    for piece in pieces:
        text += piece
        found = list(_fields([text], lambda part: part))
        for name, value in found[out:]:
            yield parse(name), parse(value)
        out = len(found)


@EXERCISE.right
def _(pieces, parse):  # type: ignore[no-untyped-def]
    # As one would read it aloud: a name, a colon, a value; whoever runs out of signs stops.
    signs = itertools.chain.from_iterable(pieces)

    def take():  # type: ignore[no-untyped-def]
        for sign in signs:
            return sign
        raise EOFError

    def text():  # type: ignore[no-untyped-def]
        out = ['"']
        while len(out) == 1 or out[-1] != '"':
            out.append(take())  # type: ignore[no-untyped-call]
            if out[-1] == "\\":
                out[-1] += take()  # type: ignore[no-untyped-call]
        return "".join(out)

    def brackets(first):  # type: ignore[no-untyped-def]
        out, depth = [first], 1
        while depth:
            sign = take()  # type: ignore[no-untyped-call]
            out.append(text() if sign == '"' else sign)  # type: ignore[no-untyped-call]
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(sign, 0)
        return "".join(out)

    def word(first):  # type: ignore[no-untyped-def]
        out = first
        while (sign := take()) not in ",}" and not sign.isspace():  # type: ignore[no-untyped-call]
            out += sign
        return out, sign

    try:
        sign = take()  # type: ignore[no-untyped-call]
        while sign != "}":
            sign = take()  # type: ignore[no-untyped-call]
            if sign != '"':
                continue
            name = parse(text())  # type: ignore[no-untyped-call]
            while (sign := take()) in ": \n\r\t":  # type: ignore[no-untyped-call]
                pass
            if sign == '"':
                yield name, parse(text())  # type: ignore[no-untyped-call]
            elif sign in "{[":
                yield name, parse(brackets(sign))  # type: ignore[no-untyped-call]
                sign = ""
            else:
                number, sign = word(sign)  # type: ignore[no-untyped-call]
                yield name, parse(number)
    except EOFError:
        return


@EXERCISE.right
def _(pieces, parse):  # type: ignore[no-untyped-def]
    # Whole pieces, of which only the signs that mean something are looked at.
    outside, inside = re.compile(r'["{}\[\],:\s]'), re.compile(r'["\\]')
    stack, quoted, skip = 0, False, 0
    held: list[str] = []
    waiting: list[Any] = []

    def flush():  # type: ignore[no-untyped-def]
        text = "".join(held).strip()
        held.clear()
        if text:
            waiting.append(parse(text))
        if len(waiting) == 2:
            pair = tuple(waiting)
            waiting.clear()
            return [pair]
        return []

    for piece in pieces:
        at = 0
        while at < len(piece):
            if skip:
                held.append(piece[at])
                at, skip = at + 1, 0
                continue
            found = (inside if quoted else outside).search(piece, at)
            end = found.start() if found else len(piece)
            held.append(piece[at:end])
            at = end
            if not found:
                continue
            sign, at = found[0], end + 1
            if stack == 1 and not quoted and sign not in '"{[':
                yield from flush()  # type: ignore[no-untyped-call]
                stack -= sign == "}"
                continue
            if stack:
                held.append(sign)
            if quoted:
                skip, quoted = sign == "\\", sign != '"'
            else:
                quoted = sign == '"'
                stack += (sign in "{[") - (sign in "}]")
            if stack == 1 and not quoted and sign in '"]}':
                yield from flush()  # type: ignore[no-untyped-call]
