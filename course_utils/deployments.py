"""Deployments of one streaming endpoint: an application, the compressor of its framework, a proxy, and where text waits.

A deployment is asked with a list of changes, as one tries things on a real machine: ask, look, change one thing, ask again.
It tells when the text could be read behind each station. All of it is arithmetic on frames.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from course_utils import frames, sse
from course_utils.api import dumps
from course_utils.frames import Frame, Frames
from course_utils.pace import Pace
from course_utils.plots import Figure, plot_timelines
from course_utils.timeline import Chunk, Timeline

CHANGES = {
    "yield_at_once": "the application writes each token when it has it, and collects nothing",
    "no_compression": "the framework does not compress this answer",
    "no_buffering": "the answer says `X-Accel-Buffering: no`, so the proxy passes on what it gets",
    "heartbeat": "the application writes a comment after each 15 s of silence",
    "longer_timeout": "the proxy waits 600 s, not 60 s, for the next byte before it cuts the line",
    "shorter_pieces": "the application writes half tokens, twice as many",
    "sleep": "the application sleeps for 0.05 s behind each token",
}
"""What can be changed, and what it does."""

STATIONS = ("model", "application", "compressor", "proxy")
BEAT, PATIENCE, MORE_PATIENCE, NAP = 15.0, 60.0, 600.0, 0.05
IN_TIME = 1.0
"""Seconds after which the model's first token should be with the reader."""

Seen = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What stands between the model and its reader; call it with a list of `CHANGES`.

    ``collects``: the application writes when the answer is finished. ``gzip``: the framework compresses, ``"whole"`` with
    a window that fills first, ``"flushed"`` piece by piece. ``page``: bytes that the proxy collects before it passes them on.
    ``tokens`` come at the ``pace``.
    """

    pace: Pace
    tokens: int = 40
    collects: bool = False
    gzip: str = ""
    page: int | None = None

    def __call__(self, changes: Sequence[str] = ()) -> Seen:
        """When text could be read behind each of the `STATIONS`, in seconds since the request, and how it ended."""
        if unknown := [change for change in changes if change not in CHANGES]:
            raise ValueError(f"there is no change {unknown[0]!r}; there are {', '.join(CHANGES)}")
        times, ended = _asked(self, frozenset(changes))
        return {station: list(found) for station, found in zip(STATIONS, times, strict=True)} | {"ended": ended}


@functools.lru_cache(maxsize=4096)
def _asked(deployment: Deployment, changes: frozenset[str]) -> tuple[tuple[tuple[float, ...], ...], str]:
    made = deployment.pace.token_times(deployment.tokens)
    written = frames.apply(_application(deployment, changes), _events(made, 2 if "shorter_pieces" in changes else 1))
    squeezed = bool(deployment.gzip) and "no_compression" not in changes
    packed = frames.apply([frames.gzip(deployment.gzip == "flushed")] if squeezed else [], written)
    passed = frames.apply(_proxy(deployment, changes), packed)
    ended = "cut" if passed[-1].ending else "complete"
    return (tuple(made), _readable(written), _readable(packed, squeezed), _readable(passed, squeezed)), ended


def _events(made: Sequence[float], parts: int) -> list[Frame]:
    """An event for each token, or one for each part of it, and one that says that all was said."""
    texts = ["word "] if parts == 1 else ["wo", "rd "]
    said = [Frame(at, sse.event(dumps({"token": text})), 1) for at in made for text in texts]
    return [*said, Frame(made[-1], sse.event("{}", type="done"))]


def _application(deployment: Deployment, changes: frozenset[str]) -> list[frames.Bend]:
    """What the application does to the events of its tokens."""
    faults: list[frames.Bend] = []
    if "sleep" in changes:
        faults.append(lambda events: [Frame(one.at + NAP * n, one.data, one.tokens) for n, one in enumerate(events)])
    if deployment.collects and "yield_at_once" not in changes:
        faults.append(frames.hold_all())
    return [*faults, frames.heartbeat(BEAT)] if "heartbeat" in changes else faults


def _proxy(deployment: Deployment, changes: frozenset[str]) -> list[frames.Bend]:
    patient = frames.idle_cut(MORE_PATIENCE if "longer_timeout" in changes else PATIENCE)
    collects = deployment.page is not None and "no_buffering" not in changes
    return [patient, frames.page_buffer(deployment.page)] if collects and deployment.page else [patient]


def _readable(found: Frames, squeezed: bool = False) -> tuple[float, ...]:
    """When each token could be read from the bytes that have come by then."""
    decoder, unpack = sse.Decoder(), zlib.decompressobj(wbits=31)
    times: list[float] = []
    for frame in found:
        data = unpack.decompress(frame.data) if squeezed else frame.data
        times += [round(frame.at, 6) for event in decoder.feed(data) if event.type == "message"]
    return tuple(times)


def in_time(seen: Seen) -> bool:
    """Whether the first text reached the reader in time, and the rest at all."""
    return seen["ended"] == "complete" and bool(seen["proxy"][0] - seen["model"][0] <= IN_TIME)


def plot_stations(seen: Seen, title: str = "When text could be read behind each station") -> Figure:
    """The stations of a deployment, one below the other; one behind which nothing could be read is not drawn."""
    lanes = {station: _timeline(seen[station]) for station in STATIONS if seen[station]}
    how = " (and then the line was cut)" if seen["ended"] == "cut" else ""
    return plot_timelines(lanes, title=f"{title}{how}")


def _timeline(times: Sequence[float]) -> Timeline:
    return Timeline(0.0, tuple(Chunk(at, "word ") for at in times))


SECONDS = Pace(headers=0.5, ttft=1.0, itl=0.125)
THINKS = Pace(headers=0.5, ttft=1.0, itl=0.125, pauses=((20, 90.0),))

EXAMPLES = (
    Deployment(SECONDS, page=4096),
    Deployment(SECONDS, gzip="whole", page=32),
    Deployment(THINKS, gzip="flushed"),
)
"""Three of them, each with one thing to change; in the third the model calls a tool for a minute and a half."""
