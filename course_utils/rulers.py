"""How five tools measure one stream: the same arrivals, five rules for where the stopwatch stops.

Each rule is the tool's own, read in its source or its documents in 2026; the names of the figures are the tool's, too, and
collide. Two things are as the tools do them elsewhere: the count of tokens is the server's `usage`, and where a tool tokenizes
the text again, the mock's tokenizer stands in for it.

- vLLM ``bench serve`` (``vllm/benchmarks/serve.py``, ``lib/endpoint_request_func.py``): every message with choices counts.
- NVIDIA AIPerf (``docs/metrics-reference.md``): every message with tokens counts, those of the reasoning, too.
- GuideLLM (``docs/guides/metrics.md``): the same, but its TPOT includes the first token.
- LLMPerf (``openai_chat_completions_client.py``): only visible text counts, and the first wait is one of the gaps.
- OpenTelemetry, conventions for GenAI clients (in development): chunks, and it calls them chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from course_utils import metrics, replies
from course_utils.plots import FIRST, GROUND, INK, LAST, QUIET, TEXT, WIDTH, Axis, Figure, svg, text
from course_utils.timeline import Timeline


@dataclass(frozen=True)
class Reading:
    """What a tool prints of one stream, in seconds: its ``ttft``, and its figures ``per_token``, by the tool's own names."""

    ttft: float
    per_token: dict[str, float]

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:.3f} s" for name, value in self.per_token.items())
        return f"TTFT {self.ttft:4.2f} s   {figures}"


def vllm(timeline: Timeline) -> Reading:
    """The clock stops at the first message with choices, even an empty one; ITL are the gaps between such messages."""
    times = [chunk.at for chunk in timeline.chunks if chunk.choices]
    tpot = (times[-1] - times[0]) / (timeline.tokens - 1)
    return Reading(times[0], {"TPOT": tpot, "mean ITL": (times[-1] - times[0]) / (len(times) - 1)})


def aiperf(timeline: Timeline) -> Reading:
    """The first tokens stop the clock, hidden or not; its ITL is a mean per token, its ICL the gaps between chunks."""
    times = [chunk.at for chunk in timeline.chunks if chunk.text or chunk.hidden]
    mean_gap = (times[-1] - times[0]) / (len(times) - 1)
    return Reading(metrics.ttft(timeline), {"ITL": metrics.tpot(timeline), "mean ICL": mean_gap})


def guidellm(timeline: Timeline) -> Reading:
    """The first tokens stop the clock; ITL leaves the first token out, TPOT does not."""
    tpot = metrics.e2e(timeline) / timeline.tokens
    return Reading(metrics.ttft(timeline), {"ITL": metrics.tpot(timeline), "TPOT": tpot})


def llmperf(timeline: Timeline) -> Reading:
    """The first text stops the clock; all time, the wait for it included, is shared among the visible tokens."""
    shown = len(replies.tokens(timeline.text))
    times = metrics.arrivals(timeline)
    return Reading(times[0], {"inter-token": times[-1] / shown})


def opentelemetry(timeline: Timeline) -> Reading:
    """The first chunk of any kind stops the clock; the rest is time per chunk."""
    first, last = timeline.chunks[0].at, timeline.chunks[-1].at
    return Reading(metrics.ttfc(timeline), {"per chunk": (last - first) / (len(timeline.chunks) - 1)})


RULERS: dict[str, Callable[[Timeline], Reading]] = {
    "vLLM bench": vllm,
    "AIPerf": aiperf,
    "GuideLLM": guidellm,
    "LLMPerf": llmperf,
    "OpenTelemetry": opentelemetry,
}


def plot_rulers(timeline: Timeline, stops: Mapping[str, float], *, title: str) -> Figure:
    """The chunks of one answer, and below them a ruler for each of ``stops``, from the request to where that clock stops."""
    axis = Axis(max([*stops.values(), timeline.chunks[-1].at]), room=110)
    bottom = RULERS_TOP + 26 * len(stops)
    parts = [axis.draw(62, bottom), *_chunks(timeline, axis)]
    for row, (name, seconds) in enumerate(stops.items()):
        y, end = RULERS_TOP + 26 * row + 8, axis.px(seconds)
        parts.append(text(12, y + 4, name, INK))
        parts.append(
            f'<path d="M{axis.x(0)} {y}H{end:g}M{end:g} {y - 6}v12" stroke="{FIRST}" stroke-width="2" fill="none"/>'
        )
        parts.append(text(end + 8, y + 4, f"{seconds:.2f} s", FIRST))
    reading = f"{title}:\n" + "\n".join(f"{name} {seconds:.2f} s" for name, seconds in stops.items())
    return Figure(svg(title, reading, bottom + 40, parts), reading)


RULERS_TOP = 118


def _chunks(timeline: Timeline, axis: Axis) -> list[str]:
    """A hollow circle for a chunk without tokens, a short stroke for a thought, a long one for text."""
    y = 90
    full = {axis.px(chunk.at) for chunk in timeline.chunks if chunk.text or chunk.hidden}
    empty = sorted({axis.px(chunk.at) for chunk in timeline.chunks} - full)
    thoughts = "".join(f"M{axis.x(chunk.at)} {y - 4}v8" for chunk in timeline.chunks if chunk.hidden)
    texts = "".join(f"M{axis.x(chunk.at)} {y - 10}v20" for chunk in timeline.chunks if chunk.text)
    return [
        text(12, y + 4, "chunks", INK),
        f'<path d="{thoughts}" stroke="{LAST}" stroke-width="2" fill="none"/>',
        f'<path d="{texts}" stroke="{TEXT}" stroke-width="3" fill="none"/>',
        *(f'<circle cx="{x:g}" cy="{y}" r="3.5" fill="{GROUND}" stroke="{INK}"/>' for x in empty),
        text(WIDTH - 12, 24, "circle: no token; short stroke: a thought; long stroke: text", QUIET, "end"),
    ]
