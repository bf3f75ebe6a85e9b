"""The course's vocabulary of time, each word defined once. Times are seconds since the request was sent.

A token, a chunk and a character are three things: a chunk is one message of the API and may carry no text, one
token or several. Where a definition speaks of tokens it uses the count the server reports (`usage`), or, when the
server reports none, the number of chunks with text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from course_utils.timeline import Timeline

BEYOND = 5
"""Samples that must lie beyond a percentile before it says more than one unlucky request."""

WORDS_PER_MINUTE = 238
"""Silent reading of English non-fiction, mean of 190 studies (Brysbaert 2019, J. Memory and Language 109, 104047)."""

TOKENS_PER_WORD = 4 / 3
"""Rule of thumb for English: 100 tokens are about 75 words."""

READING_SPEED = WORDS_PER_MINUTE / 60 * TOKENS_PER_WORD
"""Tokens per second an average adult reads: about 5.3."""


def t_headers(timeline: Timeline) -> float:
    """Seconds until the response headers arrived: the moment ``create()`` returns."""
    return timeline.headers_at


def ttfc(timeline: Timeline) -> float:
    """Time to first chunk: the first message of any kind, the role chunk included."""
    if not timeline.chunks:
        raise ValueError("no first chunk: the stream ended without sending one")
    return timeline.chunks[0].at


def ttfv(timeline: Timeline) -> float:
    """Time to first visible text: the first chunk that carries text a person can see.

    The role chunk that opens a stream carries no text, so it does not count. Nor do blanks and line ends alone.
    """
    for chunk in timeline.chunks:
        if chunk.text.strip():
            return chunk.at
    raise ValueError(f"no visible text: none of the {len(timeline.chunks)} chunks carried any")


def ttft(timeline: Timeline) -> float:
    """Time to first token: the first chunk that carries generated tokens, hidden reasoning included.

    A model that shows everything it generates has the same `ttft` and `ttfv`. So has one whose reasoning is not streamed at all:
    then its thinking looks, from outside, like a long wait.
    """
    return _with_tokens(timeline)[0]


def e2e(timeline: Timeline) -> float:
    """End-to-end latency: the last chunk that carries tokens (not the finish reason, not the usage, not `[DONE]`)."""
    return _with_tokens(timeline)[-1]


def _with_tokens(timeline: Timeline) -> list[float]:
    """When each chunk with text or hidden reasoning arrived."""
    times = [chunk.at for chunk in timeline.chunks if chunk.text or chunk.hidden]
    if not times:
        raise ValueError(f"no token: none of the {len(timeline.chunks)} chunks carried text")
    return times


def arrivals(timeline: Timeline) -> list[float]:
    """When each chunk with text arrived."""
    times = [chunk.at for chunk in timeline.chunks if chunk.text]
    if not times:
        raise ValueError(f"no visible text: none of the {len(timeline.chunks)} chunks carried any")
    return times


def token_arrivals(timeline: Timeline) -> list[float]:
    """When each token arrived: those of a unary answer all at once, at its end; a chunk with text counts as one."""
    times = arrivals(timeline)
    return times if timeline.streamed else times * timeline.tokens


def gaps(timeline: Timeline) -> list[float]:
    """The time between successive chunks with text."""
    times = arrivals(timeline)
    return [round(later - earlier, 9) for earlier, later in pairwise(times)]


def tpot(timeline: Timeline) -> float:
    """Time per output token: (last token - first token) / (tokens - 1)."""
    if timeline.tokens < 2:
        raise ValueError(f"time per token needs at least 2 tokens, this answer has {timeline.tokens}")
    return round((e2e(timeline) - ttft(timeline)) / (timeline.tokens - 1), 9)


def user_tps(timeline: Timeline) -> float:
    """Tokens per second while they come: 1 / `tpot`. The wait for the first one is left out."""
    pace = tpot(timeline)
    if pace == 0:
        raise ValueError("all tokens came at one moment, so there is no pace to speak of (was it streamed?)")
    return round(1 / pace, 9)


def e2e_tps(timeline: Timeline) -> float:
    """Tokens per second over the whole wait: tokens / `e2e`."""
    return round(timeline.tokens / e2e(timeline), 9)


def reading(arrival_times: Sequence[float], tokens_per_second: float = READING_SPEED) -> list[float]:
    """When a reader has finished each piece, if she can read a piece only once it has come.

    r[i] = max(a[i], r[i-1]) + 1/v: she begins a piece when it is there and the one before is read.
    One piece is one token here; ``tokens_per_second`` is her speed v.
    """
    if not tokens_per_second > 0:
        raise ValueError(f"a reader needs a speed above 0 tokens per second, got {tokens_per_second!r}")
    finished: list[float] = []
    at = 0.0
    for arrived in arrival_times:
        at = max(at, arrived) + 1 / tokens_per_second
        finished.append(at)
    return finished


def percentile(values: Sequence[float], rank: float) -> float:
    """The smallest of ``values`` that at least ``rank`` percent of them do not exceed (nearest rank: a value that occurred)."""
    if not values or not 0 < rank <= 100:
        raise ValueError(f"expected at least one value and a rank above 0 up to 100, got {len(values)} and {rank!r}")
    # In exact numbers: 0.95 x 20 is 19, and a float a little above it would be rounded up to 20.
    return sorted(values)[math.ceil(Fraction(str(rank)) * len(values) / 100) - 1]


def fewest_for(rank: float) -> int:
    """How many values a percentile needs before it may be printed, so that `BEYOND`, five, lie above: 10 for p50, 500 for p99."""
    if not 0 < rank < 100:
        raise ValueError(f"expected a rank between 0 and 100, got {rank!r}")
    return math.ceil(BEYOND / (1 - Fraction(str(rank)) / 100))
