"""Which rules of server-sent events do the parsers that people use keep? `python benchmarks/sse_parsers.py`

The rules are those of the WHATWG HTML standard (§9.2), one stream each, with what it means written beside it. The packages
live in an environment of their own, benchmarks/parsers/.venv, made from hash-pinned requirements. Beside them stand the
solution of exercise 3.1 and, with `--file mine.py`, a `parse_sse` of yours.

A mark says only that a stream was read as the standard reads it, today, in the version named. Some of these packages were
written for one service, whose streams never use a rule they leave out; and some differ on purpose. Packages on aiohttp are
read over a socket, where the system may join what was cut.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent / "parsers"
VENV, LOCK = HERE / ".venv", HERE / "requirements.txt"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

Event = list[str]


@dataclass(frozen=True)
class Rule:
    """A rule of the standard, a stream that needs it, and the events it means; ``cut`` tries every way to cut it in two."""

    name: str
    stream: bytes
    events: list[Event]
    cut: bool = False

    @property
    def runs(self) -> list[list[bytes]]:
        """The pieces in which the stream comes, run by run."""
        if not self.cut:
            return [[self.stream]]
        halves = [[self.stream[:at], self.stream[at:]] for at in range(1, len(self.stream))]
        return [*halves, [bytes([byte]) for byte in self.stream]]


def said(*data: str) -> list[Event]:
    """Events without type and id."""
    return [["message", text, ""] for text in data]


RULES = (
    Rule("LF ends a line", b"data: a\n\ndata: b\n\n", said("a", "b")),
    Rule("CRLF ends a line", b"data: a\r\n\r\ndata: b\r\n\r\n", said("a", "b")),
    Rule("CR ends a line", b"data: a\r\rdata: b\r\r", said("a", "b")),
    Rule("line ends may be mixed", b"data: a\r\n\ndata: b\n\r\ndata: c\n\n", said("a", "b", "c")),
    Rule("nothing else ends a line", "data: a\u2028b\x0bc\x85d\n\n".encode(), said("a\u2028b\x0bc\x85d")),
    Rule("a byte-order mark is dropped", b"\xef\xbb\xbfdata: a\n\n", said("a")),
    Rule("bytes that are no UTF-8 become U+FFFD", b"data: a\xffb\n\ndata: c\n\n", said("a\ufffdb", "c")),
    Rule("one space is framing, others are text", b"data:  a \n\n", said(" a ")),
    Rule("the space may be missing", b"data:a\n\n", said("a")),
    Rule("only the first colon separates", b"data: a:b: c\n\n", said("a:b: c")),
    Rule("a line may have no colon", b"data\ndata: a\n\n", said("\na")),
    Rule("data lines join with a line break", b"data: a\ndata:\ndata: b\n\n", said("a\n\nb")),
    Rule("line breaks at the end of data stay", b"data: a\ndata:\n\n", said("a\n")),
    Rule("comments are nothing", b": hi\n\ndata: a\n:\ndata: b\n\n:\n\n", said("a\nb")),
    Rule("unknown fields and other cases are ignored", b"x: 1\nData: 2\ndata: a\n\n", said("a")),
    Rule("retry that is no number breaks nothing", b"retry: soon\ndata: a\n\n", said("a")),
    Rule("an event has a type", b"event: x\ndata: a\n\ndata: b\n\n", [["x", "a", ""], ["message", "b", ""]]),
    Rule("no data, no event", b"event: x\n\nid: 1\n\nretry: 5\n\n", []),
    Rule("a block without data loses its type", b"event: x\n\ndata: a\n\n", said("a")),
    Rule("empty data is data", b"data:\n\ndata\n\n", said("", "")),
    Rule("an id stays until the next", b"id: 1\ndata: a\n\ndata: b\n\n", [["message", "a", "1"], ["message", "b", "1"]]),
    Rule("an id may be emptied", b"id: 1\ndata: a\n\nid\ndata: b\n\n", [["message", "a", "1"], ["message", "b", ""]]),
    Rule("an id with NUL is ignored", b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", [["message", "a", "1"], ["message", "b", "1"]]),
    Rule("an unfinished event is thrown away", b"data: a\n\ndata: b\n", said("a")),
    Rule("cut anywhere: plain lines", b'data: {"a": 1}\n\ndata: {"b": 2}\n\n', said('{"a": 1}', '{"b": 2}'), cut=True),
    Rule("cut anywhere: letters of several bytes", "data: é🎉日本\n\n".encode(), said("é🎉日本"), cut=True),
    Rule("cut anywhere: CRLF", b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", said("a\nb", "c"), cut=True),
)  # fmt: skip


def keeps(rule: Rule, read: list[list[Event] | str]) -> bool:
    """Whether each run of a rule gave the events that it means."""
    return all(events == rule.events for events in read)


def ours(path: Path | None) -> dict[str, list[list[Event] | str]]:
    """What the solution of exercise 3.1 reads, and what the `parse_sse` of a file does."""
    from course_utils.checks import exercise, texts
    from course_utils.prove import defined

    sources = {"solution of 3.1": texts.solution(exercise("3.1"))}
    if path:
        sources[path.name] = path.read_text("utf-8")
    parsers = {name: defined(source, "parse_sse") for name, source in sources.items()}
    return {name: [_events(parser, run) for rule in RULES for run in rule.runs] for name, parser in parsers.items()}


def _events(parser: object, run: list[bytes]) -> list[Event] | str:
    try:
        return [list(event) for event in parser(iter(run))]  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001  # as in parsers/theirs.py
        return type(error).__name__


def theirs() -> dict[str, dict[str, object]]:
    """What the packages read, in their own environment."""
    runs = [[piece.decode("latin-1") for piece in run] for rule in RULES for run in rule.runs]
    command = [str(PYTHON), str(HERE / "theirs.py")]
    done = subprocess.run(command, input=json.dumps(runs), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def prepare() -> None:
    """Make the environment where there is none, or where its lock has changed; by uv where there is one, else by pip."""
    stamp, wanted = VENV / "stamp", f"{sys.version_info[:2]} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    uv = shutil.which("uv")
    made = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    pip = (
        [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
        if uv
        else [str(PYTHON), "-m", "pip", "install", "--quiet"]
    )
    subprocess.run([*made, str(VENV)], check=True)
    subprocess.run([*pip, "--require-hashes", "--requirement", str(LOCK)], check=True)
    stamp.write_text(wanted)


def rows(read: list[list[Event] | str]) -> Iterator[bool]:
    """Rule by rule, whether it is kept."""
    left = iter(read)
    for rule in RULES:
        yield keeps(rule, [next(left) for _ in rule.runs])


def table(kept: dict[str, list[bool]]) -> str:
    """A row a rule, a column a parser, best first; the columns are numbered, and named below."""
    order = sorted(kept, key=lambda name: -sum(kept[name]))
    head = f"{'rule':<46}" + "".join(f"{number:>4}" for number in range(1, len(order) + 1))
    lines = [
        f"{rule.name:<46}" + "".join(f"{'yes' if kept[name][row] else '-':>4}" for name in order)
        for row, rule in enumerate(RULES)
    ]
    total = f"{'rules kept, of ' + str(len(RULES)):<46}" + "".join(f"{sum(kept[name]):>4}" for name in order)
    return "\n".join([head, *lines, total, "", *(f"{number:>3}  {name}" for number, name in enumerate(order, start=1))])


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="a Python file with a parse_sse of yours")
    options = parser.parse_args(argv)
    prepare()
    found = {f"{name} {known['version']}": known["read"] for name, known in theirs().items()}
    print(table({name: list(rows(read)) for name, read in (ours(options.file) | found).items()}))  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
