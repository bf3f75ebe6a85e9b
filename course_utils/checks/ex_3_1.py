"""Exercise 3.1: a parser of server-sent events that no network can confuse."""

from __future__ import annotations

import codecs
import functools
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from course_utils import sse
from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject

Event = list[str]
Parsed = list[tuple[int, str, str, str]]
"""The number of bytes with which each event of a stream is complete, its type, its data and its id."""

SHAPE = "Yield a tuple of three texts for each event: its type, its data, the last id."
FORGETS = "Your generator forgot something between two reads. "
FIRST = b'data: ["Hi"]\n\n'
SIMPLE = b'event: word\nid: 1\ndata: ["Hi"]\n\ndata: [" you"]\n\n'
LETTERS = 'data: {"token": "é🎉"}\n\ndata: 日本語\n\n'.encode()
ENDS = b"data: a\r\ndata: b\r\n\r\nevent: x\r\ndata: c\r\n\r\n"
MARKED = b"\xef\xbb\xbfdata: a\n\ndata: b\n\n"
SAMPLE = "\ufeff: hi\r\nid: 1\r\ndata: é🎉\r\ndata:  b\r\n\r\nevent: x\rdata: c\r\rretry: 5\n\ndata\ndata\n\ndata: lost".encode()


@dataclass
class _Play:
    """One run of the answer over a stream that comes in these reads: what it yielded, and after how many of them."""

    reads: list[bytes]
    taken: int = 0
    out: list[tuple[int, Any]] = field(default_factory=list)

    def run(self, answer: Subject, raised: str = "") -> _Play:
        """Run it to its end; ``raised`` is what an error of the answer means here, if it says more than the error."""
        try:
            for item in answer.iterate(self._source()):
                self.out.append((self.taken, item))
                if not (isinstance(item, list) and len(item) == 3 and all(isinstance(part, str) for part in item)):
                    raise NotYet(SHAPE, **self.facts() | {"got": item})
        except Raised as error:
            if not raised:
                raise
            raise NotYet(raised, **self.facts() | {"got": Words(error)}) from None
        return self

    def _source(self) -> Iterator[bytes]:
        for read in self.reads:
            self.taken += 1
            yield read

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.out]

    @property
    def parsed(self) -> Parsed:
        return _parsed(b"".join(self.reads))

    @property
    def right(self) -> list[Event]:
        return [event for _, *event in self.parsed]

    @property
    def good(self) -> bool:
        return self.events == self.right

    def late(self) -> int | None:
        """The first event for which one more read was asked, though it was complete; None if there is none."""
        ends, size = [end for end, *_ in self.parsed], 0
        for number, read in enumerate(self.reads, start=1):
            size += len(read)
            came = sum(end <= size for end in ends)
            if sum(when <= number for when, _ in self.out) < came and not read.endswith(b"\r"):
                return came
        return None

    def facts(self) -> dict[str, Any]:
        return {"given": _shown(self.reads), "got": _tuples(self.events), "expected": _tuples(self.right)}


@expectation
@functools.lru_cache(maxsize=256)
def _parsed(raw: bytes) -> Parsed:
    decoder = sse.Decoder()
    found = [(end, decoder.feed(raw[end - 1 : end])) for end in range(1, len(raw) + 1)]
    return [(end, event.type, event.data, event.id) for end, events in found for event in events]


def _shown(reads: list[bytes]) -> str:
    whole = b"".join(reads)
    return f"{whole!r}{'' if len(reads) == 1 else f' in {len(reads)} reads'}"


def _tuples(events: list[Event]) -> Words:
    return Words(f"[{', '.join(repr(tuple(event) if isinstance(event, list) else event) for event in events)}]")


def check(answer: Subject, draw: Random) -> None:
    _first(answer)
    _shaken(answer)
    _two_lines(answer)
    for rule in COMMON:
        _judge(answer, rule)
    _line_ends(answer)
    _cut_in_two(answer)
    _unfinished(answer)
    _at_once(answer)
    for rule in RARE:
        _judge(answer, rule)
    _every_cut(answer, MARKED, "The byte-order mark was cut in two.")
    _every_cut(answer, SAMPLE, f"{FORGETS}Cut this stream anywhere, and the events must be the same.")
    for _ in range(40):
        play = _Play(_cut(draw, _drawn(draw))).run(answer)
        if not play.good:
            why = "Another stream goes wrong. Take a pencil and go through it line by line."
            raise NotYet(why if not _Play([b"".join(play.reads)]).run(answer).good else FORGETS, **play.facts())
        _in_time(play)


def _first(answer: Subject) -> None:
    play = _Play([FIRST]).run(answer)
    if not play.events:
        raise NotYet("No event came. The blank line ends it, and then it is yielded.", **play.facts())
    if not play.good:
        why = "The type is 'message' if no line names one, the data is what stands behind 'data: ', the id is ''."
        raise NotYet(why, **play.facts())


def _shaken(answer: Subject) -> None:
    """The plainest stream there is, first in one read and then cut anywhere."""
    play = _Play([SIMPLE]).run(answer)
    if not play.good:
        raise NotYet(_fields(play), **play.facts())
    for reads in [[SIMPLE[:cut], SIMPLE[cut:]] for cut in range(1, len(SIMPLE))] + [_bytes(SIMPLE)]:
        why = f"Right in 1 read, wrong in {len(reads)}: an event was cut in two. What must survive between reads?"
        play = _Play(reads).run(answer, why)
        if not play.good:
            raise NotYet(why, **play.facts() | {"given": f"the reads {reads if len(reads) == 2 else 'of 1 byte each'}"})


def _fields(play: _Play) -> str:
    """What is wrong with the two events of the plainest stream."""
    if len(play.events) != 2:
        return f"Two events came in one read, and you yielded {len(play.events)}."
    (type, data, id), (next_type, next_data, next_id) = play.events
    if "word" not in (type, next_type):
        return "The line `event:` names the type of the event."
    if next_type == "word":
        return "A type is that of one event. The next one is a 'message' again, unless it says otherwise."
    if data != '["Hi"]' or next_data != '[" you"]':
        return "Data belongs to one event: begin with none behind each blank line."
    if not id:
        return "The line `id:` gives the id."
    return "An id stays until another one comes: the second event has it, too." if not next_id else SHAPE


def _two_lines(answer: Subject) -> None:
    play = _Play([b"data: 1\ndata: 2\n\n"]).run(answer)
    if not play.good:
        last = "Only the last data line is left. " if [event[1] for event in play.events] == ["2"] else ""
        raise NotYet(f"{last}Two data lines make one value, with a line break between them.", **play.facts())


@dataclass(frozen=True)
class _Rule:
    """A stream in one read, and what to say of an answer that reads it wrong.

    ``raised`` is said of one that raises an error there, ``more`` of one that yields too many events.
    """

    raw: bytes
    why: str
    raised: str = ""
    more: str = ""


def _judge(answer: Subject, rule: _Rule) -> None:
    play = _Play([rule.raw]).run(answer, rule.raised or rule.why)
    if not play.good:
        too_many = len(play.events) > len(play.right)
        raise NotYet(rule.more if rule.more and too_many else rule.why, **play.facts())


NO_COMMENT = "Lines that begin with a colon are not for you. They are comments, and end nothing."
BAD_BYTE = "Bytes that are no UTF-8 become U+FFFD, each of them."
COMMON = (
    _Rule(b'data: {"at": "12:30"}\n\n', "Only the first colon separates a name from its value."),
    _Rule(b"data: Hello\n\ndata:  world\n\n", "Exactly one space is framing. The rest is text: you have 'Helloworld'."),
    _Rule(b"data: 1 \n\n", "A space at the end of a line is text."),
    _Rule(b"data:x\n\n", "The space behind the colon may be missing. Then nothing is taken away."),
    _Rule(b"data: 1\ndata:\ndata: 2\n\n", "A data line without a value is an empty line of the value."),
    _Rule(b"data: 1\n\n\n\ndata: 2\n\n\n", "A blank line ends an event, and further ones end nothing."),
    _Rule(b": ping\n\ndata: 1\n: ping\ndata: 2\n\n:\n\n", NO_COMMENT, f"A comment is no JSON. {NO_COMMENT}"),
    _Rule(b"retry: 10\n\nid: 4\n\n", "Without a data line there is no event, whatever else stands in front of the blank line."),
    _Rule(b"event: ping\n\ndata: 1\n\n", "A block without data is none: its type goes, too.", "", "A type alone is no event."),
)  # fmt: skip
RARE = (
    _Rule(b"data\ndata: 1\n\n", "A line without a colon is the name of a field, and its value is empty."),
    _Rule(b"data\n\ndata:\n\ndata:\ndata:\n\n", "An empty data line is a data line: the event is yielded, with empty data."),
    _Rule(b"data: \n\ndata:  \n\n", "Exactly one space is framing: what is left of two is a space, and no end of anything."),
    _Rule(b"event: a\nevent: b\ndata: 1\n\n", "Two lines name a type: the last one counts."),
    _Rule(b"event: a\nevent:\ndata: 2\n\n", "An empty type is 'message'."),
    _Rule(b"id: 4\n\ndata: 1\n\n", "A block without data is no event, but its id is remembered for those that follow."),
    _Rule(b"id: 4\ndata: 1\n\nid\ndata: 2\n\n", "An id line without a value makes the last id empty."),
    _Rule(b"id: 4\ndata: 1\n\nid: 5\0 6\ndata: 2\n\n", "An id with NUL in it is ignored."),
    _Rule(b"id: 4\ndata: 1\n\nid: five\ndata: 2\n\n", "An id is a text, not always a number."),
    _Rule(b"retry: soon\nfoo: 1\nevent\ndata: 5\n\n", "A retry line is for whoever reconnects. Ignore it, as all other fields."),
    _Rule(b"Data: 1\nDATA: 2\ndata: 5\n\n", "Names are exact: `Data` is another field."),
    _Rule(b" data: 3\ndata : 4\ndata: 5\n\n", "A name goes from the line's start to the colon: ` data` and `data ` are others."),
    _Rule("data: a\u2028b\x0b\x0c\x1c\x85c\u2029\n\n".encode(), "Only CR, LF and CRLF end a line. `str.splitlines` knows more."),
    _Rule(b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", "A byte-order mark at the start of the stream is no part of its first line."),
    _Rule(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: \xef\xbb\xbf3\n\n", "One byte-order mark at the start is dropped, no other."),
    _Rule(b"data: a\xffb\xc3\n\n", BAD_BYTE, f"One bad byte must not end the stream. {BAD_BYTE}"),
)  # fmt: skip


def _line_ends(answer: Subject) -> None:
    play = _Play([ENDS]).run(answer)
    if len(play.events) > len(play.right):
        raise NotYet(
            "CR and LF together are one line end. You made two of it, with an empty line between.", **play.facts()
        )
    if not play.good:
        blank = "The lines of this server end with CR and LF, so to you no line was blank. Look at repr() of a line."
        seen = "Look at repr() of your data: the lines of this server end with CR and LF."
        raise NotYet(seen if play.events else blank, **play.facts())
    alone = "A CR alone ends a line, too, also at the very end of the stream."
    _judge(answer, _Rule(b"data: a\rdata: b\r\rdata: c\r\r", alone))
    _judge(
        answer, _Rule(b"data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\r\n", "LF, CR and CRLF may stand side by side.")
    )


def _unfinished(answer: Subject) -> None:
    never = "No blank line came behind the last event, so it is not finished. The standard throws it away."
    for raw in (b"data: 1\n\ndata: 2\nid: 4", b"data: 1\n\ndata: 2", b"data: 1\n\ndata: 2\ndata: 3"):
        _judge(answer, _Rule(raw, never))
    split = "Your last line is empty because you split there, not because a blank line came. The event is not finished."
    for raw in (b"data: 1\n\ndata: 2\n", b"data: 1\r\n\r\ndata: 2\r\n", b"data: 1\r\rdata: 2\r"):
        _judge(answer, _Rule(raw, split))


def _cut_in_two(answer: Subject) -> None:
    """Streams whose parts were right, cut where it hurts."""
    letter = "A character was cut in two: its bytes came in different reads. Half of it can't be decoded."
    _every_cut(answer, LETTERS, letter)
    _every_cut(
        answer, ENDS, "A CRLF was cut in two. It is one line end, and not two, whatever lies between its halves."
    )
    empty = [part for byte in _bytes(LETTERS) for part in (b"", byte, b"")]
    play = _Play(empty).run(answer)
    if not play.good:
        raise NotYet("A read may be empty. It says nothing, and ends nothing.", **play.facts())


def _every_cut(answer: Subject, raw: bytes, why: str) -> None:
    for reads in [[raw[:cut], raw[cut:]] for cut in range(1, len(raw))] + [_bytes(raw)]:
        play = _Play(reads).run(answer, why)
        if not play.good:
            raise NotYet(why, **play.facts() | ({"given": f"the reads {reads}"} if len(reads) == 2 else {}))


def _at_once(answer: Subject) -> None:
    play = _Play([b"data: 1\n\n", b"data: 2\n\ndata: 3\n", b"\nda", b"ta: 4\n\n", b": bye\n"]).run(answer)
    if play.out and play.out[0][0] == len(play.reads):
        why = "You read the whole stream before the first event. A person waits for it: yield each when its blank line comes."
        raise NotYet(why, **play.facts() | {"got": Words("the first event after the last read")})
    _in_time(play)


def _in_time(play: _Play) -> None:
    late = play.late()
    if late is not None:
        why = "An event was complete, and you asked for another read before you yielded it. The next one may take a minute."
        raise NotYet(why, given=_shown(play.reads), got=Words(f"event {late} came after one more read"))


def _bytes(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


NAMES = ("data", "data", "data", "id", "event", "retry", "", "Data", "other")
VALUES = ("", "a", " b", "c: d", "é🎉", "12", "{}", ":", "\u2028")


def _drawn(draw: Random) -> bytes:
    """Lines of all kinds, of one kind of line end or of all; the last event may be unfinished."""
    ends = draw.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
    lines = ["\ufeff" * draw.choice([0, 0, 0, 1])]
    for _ in range(draw.randint(2, 24)):
        name, value = draw.choice(NAMES), draw.choice(VALUES)
        lines.append(draw.choice([f"{name}: {value}", f"{name}:{value}", name or ":", "", ""]) + draw.choice(ends))
    return "".join(lines).encode()


def _cut(draw: Random, raw: bytes) -> list[bytes]:
    most, reads = draw.choice([1, 3, 12, 60]), []
    while raw:
        size = draw.randint(1, most)
        reads.append(raw[:size])
        raw = raw[size:]
    return reads or [b""]


EXERCISE = Exercise(
    id="3.1",
    title="parse_sse",
    function="parse_sse",
    minutes=15,
    points=3,
    core=True,
    hints=(
        "Where does the network cut, and where does the format? Print repr() of the reads, then of the lines you make of them.",
        "Three things live longer than a read: bytes of half a character, characters of half a line, fields of half an event. "
        "codecs.getincrementaldecoder('utf-8-sig')('replace') looks after the first.",
        "Go through the characters of decoder.decode(chunk) one by one: an LF behind a CR is nothing, any other CR or LF ends "
        "the line, the rest is added to it. At the end of a line: name, _, value = line.partition(':'), then the rules by name.",
    ),
    reason="The network cuts bytes wherever it likes, so nothing may hang on the edges of a read. Three unfinished things wait for "
    "the next one: a character in the decoder, a line in `line`, an event in `type`, `data` and `id`. Whatever waits when the "
    "stream ends was never finished, and is not yielded.",
    check=check,
)


EXERCISE.survive(
    "the two lines do not touch each other",
    'line, after_cr, type, data, id = "", False, "", [], "" '
    '(moved before "decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")")',
)
EXERCISE.survive(
    "a CR before the first character would only drop an empty line, and there is no event for it to end",
    'line, after_cr, type, data, id = "", True, "", [], ""',
)
EXERCISE.survive(
    "no type and 'message' mean the same",
    'line, after_cr, type, data, id = "", False, \'message\', [], ""',
    "type, data = 'message', []",
)
EXERCISE.survive(
    "the colon itself is looked at by nobody, and whatever it is put into gets a new value before it is used",
    *(f'name, {name}, value = line.partition(":")' for name in ("chunks", "line", "after_cr", "chunk", "value")),
)
EXERCISE.survive(
    "a line with the name id has no NUL but in its value",
    'elif name == "id" and "\\0" not in line:',
)
EXERCISE.survive(
    "of the two characters that end a line LF is the smaller one; behind any other character the line is not empty",
    'elif not (after_cr and char <= "\\n"):',
    'after_cr = char >= "\\r"',
)

# --------------------------------------------------------------------------- the reference in four parts, each with its mistakes

State = dict[str, Any]
Lines = Callable[[Iterator[bytes]], Iterator[str]]


def _lines(
    chunks: Iterator[bytes], codec: str = "utf-8-sig", errors: str = "replace", ends: str = "\r\n", pair: bool = True
) -> Iterator[str]:
    """The lines of a stream; with ``pair`` a CRLF is one line end."""
    decoder, line, before = codecs.getincrementaldecoder(codec)(errors), "", ""
    for chunk in chunks:
        for char in decoder.decode(chunk):
            if char in ends and not (pair and char == "\n" and before == "\r"):
                yield line
                line = ""
            elif char not in ends:
                line += char
            before = char


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def _take(state: State, name: str, value: str) -> None:
    if name == "data":
        state["data"].append(value)
    elif name == "event":
        state["type"] = value
    elif name == "id" and "\0" not in value:
        state["id"] = value


def _end(state: State) -> Iterator[tuple[str, str, str]]:
    """What a blank line does."""
    if state["data"]:
        yield state["type"] or "message", "\n".join(state["data"]), state["id"]
    state |= {"type": "", "data": []}


def _parser(
    lines: Lines = _lines,
    split: Callable[[str], tuple[str, str]] = _split,
    take: Callable[[State, str, str], None] = _take,
    end: Callable[[State], Iterator[tuple[str, str, str]]] = _end,
) -> Any:
    def parse_sse(chunks: Iterator[bytes]) -> Iterator[tuple[str, str, str]]:
        state: State = {"type": "", "data": [], "id": ""}
        for line in lines(chunks):
            if line:
                take(state, *split(line))
            else:
                yield from end(state)

    return parse_sse


def _wrong(name: str, says: str, **parts: Any) -> None:
    """The reference with one part exchanged."""
    EXERCISE.wrong(name, says=says)(_parser(**parts))


def _of_whole_stream(text: Callable[[bytes], list[str]]) -> Lines:
    return lambda chunks: iter(text(b"".join(chunks)))


def _by_read(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines of characters that each read is decoded to by itself."""
    return _lines(chunk.decode(errors="replace").encode() for chunk in chunks)


def _cr_by_read(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines that end with a CRLF only if both halves come in one read."""
    yield from _lines(re.sub(rb"\r\n?", b"\n", chunk) for chunk in chunks)


def _with_rest(chunks: Iterator[bytes]) -> Iterator[str]:
    """All lines, the last one too if nothing ended it, and then a blank one."""
    seen: list[bytes] = []
    yield from _lines(seen.append(chunk) or chunk for chunk in chunks)  # type: ignore[func-returns-value]
    yield from ["" if b"".join(seen)[-1:] in b"\r\n" else re.split(r"[\r\n]", b"".join(seen).decode())[-1], ""]


_wrong("keeps the byte-order mark", "no part of its first line", lines=partial(_lines, codec="utf-8"))
_wrong(
    "drops every byte-order mark",
    "One byte-order mark at the start",
    lines=lambda chunks: (line.replace("\ufeff", "") for line in _lines(chunks)),
)
_wrong("stops at a bad byte", "One bad byte must not end", lines=partial(_lines, errors="strict"))
_wrong("ignores a bad byte", "become U+FFFD", lines=partial(_lines, errors="ignore"))
_wrong("ends lines with LF only", "no line was blank", lines=partial(_lines, ends="\n", pair=False))
_wrong(
    "strips lines only to see whether they are blank",
    "Look at repr() of your data",
    lines=lambda chunks: (line if line.strip("\r") else "" for line in _lines(chunks, ends="\n", pair=False)),
)
_wrong("takes CRLF for two line ends", "You made two of it", lines=partial(_lines, pair=False))
_wrong(
    "does not know CR alone",
    "A CR alone",
    lines=lambda chunks: (line.removesuffix("\r") for line in _lines(chunks, ends="\n", pair=False)),
)
_wrong("ends lines where Unicode does", "knows more", lines=partial(_lines, ends="\r\n\x0b\x0c\x1c\x85\u2028\u2029"))
_wrong("yields the unfinished event at the end", "No blank line came", lines=_with_rest)
_wrong(
    "splits the whole text at line ends",
    "because you split there",
    lines=_of_whole_stream(lambda raw: re.split(r"\r\n|\r|\n", raw.decode("utf-8-sig", "replace"))),
)
_wrong("reads the whole stream first", "before the first event", lines=lambda chunks: _lines(iter([b"".join(chunks)])))
_wrong("decodes each read by itself", "A character was cut in two", lines=_by_read)
_wrong("joins CR and LF within a read", "A CRLF was cut in two", lines=_cr_by_read)
_wrong(
    "splits at every colon",
    "Only the first colon",
    split=lambda line: (line.split(":")[0], _split(":".join(line.split(":")[:2]))[1]),
)
_wrong("strips the data", "you have 'Helloworld'", split=lambda line: (_split(line)[0], _split(line)[1].strip()))
_wrong("strips the end of the line", "at the end of a line", split=lambda line: _split(line.rstrip()))
_wrong("keeps the space", "what stands behind", split=lambda line: line.partition(":")[::2])
_wrong("splits at colon and space", "may be missing", split=lambda line: line.partition(": ")[::2])
_wrong("drops a space that is alone", "what is left of two", split=lambda line: (
    _split(line)[0], "" if _split(line)[1].isspace() else _split(line)[1]))  # fmt: skip
_wrong("wants a colon", "A line without a colon", split=lambda line: (line[: line.index(":")], _split(line)[1]))
_wrong("takes comments for data", "They are comments", split=lambda line: (_split(line)[0] or "data", _split(line)[1]))
_wrong("reads comments as JSON", "A comment is no JSON", split=lambda line: (
    _split(line) if line[0] != ":" else json.loads(line[1:])))  # fmt: skip
_wrong("knows names in any case", "Names are exact", split=lambda line: (_split(line)[0].lower(), _split(line)[1]))
_wrong("strips names", "from the line's start", split=lambda line: (_split(line)[0].strip(), _split(line)[1]))


def _sets(field: str, **names: Callable[[State, str], Any]) -> Callable[[State, str, str], None]:
    """A part that sets a field of the event in another way, for lines with these names."""

    def take(state: State, name: str, value: str) -> None:
        if name in names:
            state[field] = names[name](state, value)
        else:
            _take(state, name, value)

    return take


_wrong("does not know types", "names the type", take=_sets("type", event=lambda state, value: ""))
_wrong("does not know ids", "gives the id", take=_sets("id", id=lambda state, value: ""))
_wrong("keeps the last data line", "Only the last data line", take=_sets("data", data=lambda state, value: [value]))
_wrong("joins data lines without a line break", "with a line break between them", take=_sets(
    "data", data=lambda state, value: ["".join([*state["data"], value])]))  # fmt: skip
_wrong("ignores empty data lines", "an empty line of the value", take=_sets(
    "data", data=lambda state, value: [*state["data"], *([value] if value or not state["data"] else [])]))  # fmt: skip
_wrong("keeps the first type", "the last one counts", take=_sets(
    "type", event=lambda state, value: state["type"] or value))  # fmt: skip
_wrong("ignores an empty type", "An empty type", take=_sets("type", event=lambda state, value: value or state["type"]))
_wrong("ignores an empty id", "makes the last id empty", take=_sets("id", id=lambda state, value: value or state["id"]))
_wrong("takes an id with NUL", "NUL in it", take=_sets("id", id=lambda state, value: value))
_wrong("wants a number for an id", "not always a number", take=_sets("id", id=lambda state, value: (
    state["id"] if "\0" in value else str(int(value)) if value else "")))  # fmt: skip
_wrong(
    "wants a number behind retry", "for whoever reconnects", take=_sets("retry", retry=lambda state, value: int(value))
)


def _ends(**parts: Callable[[State], Any]) -> Callable[[State], Iterator[tuple[str, str, str]]]:
    """A blank line that asks ``has`` whether there is an event, and then sets the fields by the other parts."""

    def end(state: State) -> Iterator[tuple[str, str, str]]:
        has: Callable[[State], Any] = parts.get("has", lambda state: state["data"])
        if has(state):
            yield state["type"] or "message", "\n".join(state["data"]), state["id"]
        after: dict[str, Callable[[State], Any]] = {
            "type": lambda state: "",
            "data": lambda state: [],
            "id": lambda state: state["id"],
        } | parts
        state |= {name: after[name](state) for name in ("type", "data", "id")}

    return end


_wrong("keeps the type for the next event", "A type is that of one", end=_ends(type=lambda state: state["type"]))
_wrong("keeps the data for the next event", "begin with none", end=_ends(data=lambda state: state["data"]))
_wrong("forgets the id behind an event", "An id stays", end=_ends(id=lambda state: ""))
_wrong("forgets the id of a block without data", "but its id is remembered", end=_ends(
    id=lambda state: state["id"] if state["data"] else ""))  # fmt: skip
_wrong("takes empty data for none", "with empty data", end=_ends(has=lambda state: "".join(state["data"])))
_wrong(
    "yields an event that has a type only", "A type alone", end=_ends(has=lambda state: state["data"] or state["type"])
)
_wrong("keeps the type of a block without data", "its type goes, too", end=_ends(
    type=lambda state: "" if state["data"] else state["type"]))  # fmt: skip
_wrong("yields at every blank line", "further ones end nothing", end=_ends(has=lambda state: True))


@EXERCISE.wrong("yields an event for any field", says="whatever else stands")
def _(chunks):  # type: ignore[no-untyped-def]
    seen: list[str] = []

    def take(state: State, name: str, value: str) -> None:
        seen.append(name)
        _take(state, name, value)

    def emptied(state: State) -> Iterator[Any]:
        yield from _ends(has=lambda state: seen)(state)
        seen.clear()

    def lines(chunks: Iterator[bytes]) -> Iterator[str]:
        return (line for line in _lines(chunks) if not line.startswith(":"))

    return _parser(lines=lines, take=take, end=emptied)(chunks)


@EXERCISE.wrong("splits each read at blank lines", says="What must survive between reads?")
def _(chunks):  # type: ignore[no-untyped-def]
    for chunk in chunks:
        yield from _parser()([chunk])


@EXERCISE.wrong("the parser that everybody writes first", says="Two events came in one read")
def _(chunks):  # type: ignore[no-untyped-def]
    for chunk in chunks:
        for block in chunk.decode().split("\n\n"):
            if block.startswith("data: "):
                yield "message", block[6:], ""


@EXERCISE.wrong("yields the data alone", says="a tuple of three texts")
def _(chunks):  # type: ignore[no-untyped-def]
    for _, data, _ in _parser()(chunks):
        yield data


@EXERCISE.wrong("is one event late", says="asked for another read")
def _(chunks):  # type: ignore[no-untyped-def]
    held: list[Any] = []
    for event in _parser()(chunks):
        yield from held
        held = [event]
    yield from held


@EXERCISE.wrong("takes an empty read for the end", says="A read may be empty")
def _(chunks):  # type: ignore[no-untyped-def]
    yield from _parser()(iter(lambda: next(chunks, b""), b""))


@EXERCISE.right
def _(chunks):  # type: ignore[no-untyped-def]
    # Bytes until a line is whole; an LF that follows a CR makes one empty line too many, which is taken back.
    rest, started, after_cr = b"", False, False
    event: dict[bytes, list[str]] = {}
    last = ""
    for chunk in chunks:
        rest += chunk
        if not started:
            if len(rest) < 3 and codecs.BOM_UTF8.startswith(rest):
                continue
            started, rest = True, rest.removeprefix(codecs.BOM_UTF8)
        while rest:
            if after_cr and rest.startswith(b"\n"):
                rest = rest[1:]
            after_cr = False
            found = re.search(rb"[\r\n]", rest)
            if not found:
                break
            line, rest, after_cr = rest[: found.start()], rest[found.end() :], found.group() == b"\r"
            if line:
                name, _, value = line.partition(b":")
                text = value.removeprefix(b" ").decode(errors="replace")
                event.setdefault(name, []).append(text)
                continue
            last = next((id for id in reversed(event.get(b"id", [])) if "\0" not in id), last)
            if b"data" in event:
                yield event.get(b"event", [""])[-1] or "message", "\n".join(event[b"data"]), last
            event = {}


@EXERCISE.right
def _(chunks):  # type: ignore[no-untyped-def]
    # The standard library knows these line ends by the name of universal newlines.
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    text, kind, data, id = "", "", "", ""
    for chunk in itertools.chain(chunks, [None]):
        text += decoder.decode(chunk or b"", final=chunk is None)
        *lines, text = text.split("\n")
        for line in lines:
            match line.split(":", 1):
                case [""]:
                    if data:
                        yield kind or "message", data[:-1], id
                    kind, data = "", ""
                case ["data", *value]:
                    data += "".join(value).removeprefix(" ") + "\n"
                case ["event", *value]:
                    kind = "".join(value).removeprefix(" ")
                case ["id", *value] if "\0" not in "".join(value):
                    id = "".join(value).removeprefix(" ")
