"""Arrival timelines: what came from a call to the API, and when."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from course_utils.clock import Clock, course_clock


@dataclass(frozen=True, slots=True)
class Chunk:
    """One message of the API: ``at`` seconds after the request was sent, with the visible text it carried.

    ``hidden``: reasoning that a server streams beside the answer (``reasoning_content`` or ``reasoning`` of a delta).
    ``choices``: False for a message that belongs to no answer, such as the one with the usage.
    """

    at: float
    text: str = ""
    hidden: str = ""
    choices: bool = True


@dataclass(frozen=True, slots=True)
class Timeline:
    """One answer as it arrived. Times are seconds since the request was sent.

    ``tokens`` is the count the server reported, hidden reasoning included, or the number of chunks with tokens when it
    reported none.
    ``cached_tokens``: how many tokens of the prompt the server says it had read before, if it says so.
    ``finish_reason`` is None when the stream ended without one, that is, when nothing says it was complete.
    """

    headers_at: float
    chunks: tuple[Chunk, ...]
    finish_reason: str | None = None
    reported_tokens: int | None = None
    streamed: bool = True
    cached_tokens: int | None = None

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def tokens(self) -> int:
        return self.reported_tokens or sum(1 for chunk in self.chunks if chunk.text or chunk.hidden)

    def __repr__(self) -> str:
        how = "streamed" if self.streamed else "unary"
        return f"<Timeline: {how}, {len(self.chunks)} chunks, {len(self.text)} characters, {self.finish_reason}>"


@dataclass
class _Recorder:
    clock: Clock
    echo: bool
    sent_at: float = 0.0
    headers_at: float = 0.0
    chunks: list[Chunk] = field(default_factory=list)
    finish_reason: str | None = None
    tokens: int | None = None
    cached: int | None = None

    def elapsed(self) -> float:
        """Seconds since the request was sent, to the nanosecond a real clock has (so 0.5 s prints as 0.5)."""
        return round(self.clock.now() - self.sent_at, 9)

    def add(self, message: Any) -> None:
        """Stamp one chunk, or one whole completion: its first answer. ``choices`` may be empty, as in the usage chunk."""
        at = self.elapsed()
        for choice in message.choices:
            if choice.index != 0:
                continue
            said = choice.delta if hasattr(choice, "delta") else choice.message
            self.show(said.content or "")
            self.chunks.append(Chunk(at, said.content or "", _hidden(said)))
            self.finish_reason = choice.finish_reason or self.finish_reason
        if not message.choices:
            self.chunks.append(Chunk(at, choices=False))
        if message.usage is not None:
            self.tokens = message.usage.completion_tokens
            details = getattr(message.usage, "prompt_tokens_details", None)  # Ollama and others leave it out
            self.cached = getattr(details, "cached_tokens", None)

    def show(self, text: str) -> None:
        if self.echo:
            print(text, end="", flush=True)

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Whatever breaks the stream off carries what had come, as its ``timeline``."""
        try:
            yield
        except BaseException as error:
            error.timeline = self.timeline(streamed=True)  # type: ignore[attr-defined]
            raise

    def timeline(self, streamed: bool) -> Timeline:
        if self.echo:
            print()
        came = tuple(self.chunks)
        return Timeline(self.headers_at, came, self.finish_reason, self.tokens, streamed, self.cached)


def _hidden(said: Any) -> str:
    """vLLM, SGLang and DeepSeek stream it by the first name, others by the second; OpenAI not at all."""
    return getattr(said, "reasoning_content", None) or getattr(said, "reasoning", None) or ""


def record(create: Callable[..., Any], *, echo: bool = False, clock: Clock | None = None, **request: Any) -> Timeline:
    """Call ``create(**request)`` and note when everything arrives.

    ``create`` is the SDK's own method, for example ``client.chat.completions.create``; ``request`` is what it would
    get anyway, with ``stream=True`` or without. The stopwatch starts before the request is sent. ``echo=True``
    prints each piece the moment it comes. A stream is closed at the end, also when it breaks off with an error; the error
    then has a ``timeline`` of what had come. Of several answers (``n``) the first is recorded.
    """
    recorder = _Recorder(clock or course_clock(), echo)
    recorder.sent_at = recorder.clock.now()
    answer = create(**request)
    recorder.headers_at = recorder.elapsed()
    if not isinstance(answer, Iterable) or hasattr(answer, "choices"):
        recorder.add(answer)
        return recorder.timeline(streamed=False)
    with recorder.keeping(), answer as stream:  # type: ignore[attr-defined]  # the SDK's Stream is a context manager
        for chunk in stream:
            recorder.add(chunk)
    return recorder.timeline(streamed=True)


async def arecord(
    create: Callable[..., Awaitable[Any]], *, echo: bool = False, clock: Clock | None = None, **request: Any
) -> Timeline:
    """`record` for the asynchronous client; await it inside ``play(...)``."""
    recorder = _Recorder(clock or course_clock(), echo)
    recorder.sent_at = recorder.clock.now()
    answer = await create(**request)
    recorder.headers_at = recorder.elapsed()
    if not isinstance(answer, AsyncIterable):
        recorder.add(answer)
        return recorder.timeline(streamed=False)
    with recorder.keeping():
        async with answer as stream:  # type: ignore[attr-defined]  # the SDK's AsyncStream is a context manager
            async for chunk in stream:
                recorder.add(chunk)
    return recorder.timeline(streamed=True)
