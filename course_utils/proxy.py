"""A reverse proxy with four switches, after nginx: when does what the server sends reach the client?

The rules are those that nginx 1.22.1 showed, measured in all sixteen positions with forty lines of twenty bytes. It
collects whole pages where it buffers and speaks HTTP/1.0 to the server (its default until 1.29.7); its compressor keeps
what it gets where it buffers; and it does neither where buffering is off, or where the server asks it not to buffer.
`benchmarks/nginx.py` holds this against a real one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from course_utils import frames
from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.plots import Figure, plot_timelines
from course_utils.timeline import Chunk, Timeline

PAGE = 4096


@dataclass(frozen=True)
class Proxy:
    """A proxy's position, and what its server says to it.

    ``http10``: it speaks HTTP/1.0 to the server, not 1.1. ``buffering``: it may collect before it passes on. ``gzip``: it
    compresses. ``hint``: the server sends the header ``X-Accel-Buffering: no``.
    """

    http10: bool = True
    buffering: bool = True
    gzip: bool = False
    hint: bool = False

    @property
    def faults(self) -> list[frames.Fault]:
        """What it does to the frames that leave the server."""
        collects = self.buffering and not self.hint
        pages = [frames.page_buffer(PAGE)] if collects and self.http10 else []
        return [*pages, *([frames.gzip(flush=not collects)] if self.gzip else [])]

    def deliver(self, prompt: str = "hello", pace: Pace | None = None) -> Timeline:
        """One answer in JSON lines, as a client behind the proxy receives it."""
        mock = MockServer(pace=pace, faults=self.faults, clock=VirtualClock())
        with mock.http() as http, http.stream("POST", "ndjson", json={"prompt": prompt}) as answer:
            chunks = [
                Chunk(round(mock.clock.now(), 9), json.loads(line).get("token", "")) for line in answer.iter_lines()
            ]
        return Timeline(0.0, tuple(chunks))

    def plot(self) -> Figure:
        """What left the server, and what came."""
        direct = Proxy(buffering=False).deliver()
        return plot_timelines({"sent": direct, "received": self.deliver()}, title="Behind a proxy")
