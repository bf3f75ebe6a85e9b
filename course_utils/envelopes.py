"""The envelopes around a token, opened one after the other: read, HTTP chunk, event, JSON, text.

Each layer has boundaries of its own. What one ``read()`` gives may hold half an HTTP chunk or three; an HTTP chunk half an
event or three; an event carries what the API calls a chunk, with no token in it, or one, or several.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from course_utils import sse
from course_utils.line import Read
from course_utils.replies import tokens

_HEX = re.compile(rb"([0-9a-f]+)\r\n")


@dataclass(frozen=True, slots=True)
class Envelopes:
    """One Chat Completions answer, opened. ``chunks`` are the bodies of its HTTP chunks, ``texts`` what a person sees."""

    reads: tuple[bytes, ...]
    head: bytes
    chunks: tuple[bytes, ...]
    events: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """The body without HTTP's framing: what a client hands to its parser of events."""
        return b"".join(self.chunks)

    def counts(self) -> dict[str, int]:
        """How many there are of each; the chunk of size 0, which ends the body, is not one."""
        return {
            "reads": len(self.reads),
            "HTTP chunks": len(self.chunks),
            "events": len(self.events),
            "tokens": sum(len(tokens(text)) for text in self.texts),
        }


def unwrap(reads: Sequence[Read]) -> Envelopes:
    """Open an answer as `overhear` has recorded it. Raises ValueError where its last chunk is missing."""
    raw = b"".join(read.data for read in reads)
    head, _, framed = raw.partition(b"\r\n\r\n")
    chunks = _chunks(framed)
    events = tuple(event.data for event in sse.decode(chunks))
    whole = [json.loads(data) for data in events if data != "[DONE]"]
    said = [choice["delta"].get("content") for event in whole for choice in event["choices"]]
    # The head may come in a read of its own, or with the first chunk behind it.
    ends = accumulate(len(read.data) for read in reads)
    body_reads = tuple(read.data for read, end in zip(reads, ends, strict=True) if end > len(head) + 4)
    return Envelopes(body_reads, head, tuple(chunks), events, tuple(text for text in said if text))


def _chunks(framed: bytes) -> list[bytes]:
    """The bodies of HTTP chunks (RFC 9112 §7.1): a size in hexadecimal, so many bytes, and size 0 at the end."""
    chunks, at = [], 0
    while (found := _HEX.match(framed, at)) and (size := int(found[1], 16)):
        chunks.append(framed[found.end() : found.end() + size])
        at = found.end() + size + 2
    if not found:
        raise ValueError(f"the body was cut off: after {len(chunks)} HTTP chunks the last one, of size 0, is missing")
    return chunks


def layers(chunk: bytes) -> dict[str, bytes]:
    """The envelopes of one HTTP chunk that holds one token, each with the one that lies in it, the outermost first."""
    event = chunk.partition(b"\r\n")[2].removesuffix(b"\r\n")
    value = event.removeprefix(b"data: ").removesuffix(b"\n\n")
    text = json.loads(value)["choices"][0]["delta"]["content"]
    return {"HTTP chunk": chunk, "event": event, "JSON": value, "token": text.encode()}


def locate(events: Iterable[sse.Event], wanted: str) -> str:
    """Where a text stands first, as the path to it and the type of its event: ``delta.text in content_block_delta``."""
    for event in events:
        value = None if event.data == "[DONE]" else json.loads(event.data)
        if (path := next(_paths(value, wanted), None)) is not None:
            return f"{path.removeprefix('.')} in {event.type}"
    raise ValueError(f"no event says {wanted!r}")


def _paths(value: Any, wanted: str) -> Iterator[str]:
    """The paths in a JSON value that lead to a text."""
    if isinstance(value, dict):
        yield from (f".{key}{path}" for key, inner in value.items() for path in _paths(inner, wanted))
    elif isinstance(value, list):
        yield from (f"[{index}]{path}" for index, inner in enumerate(value) for path in _paths(inner, wanted))
    elif value == wanted:
        yield ""
