"""Server-Sent Events, as the WHATWG HTML standard defines them (§9.2): the writing side."""

from __future__ import annotations


def event(data: str) -> bytes:
    """One event: each line of ``data`` on a line of its own, then the blank line that ends the event."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"{lines}\n".encode()
