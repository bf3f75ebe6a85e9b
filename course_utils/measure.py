"""``python -m course_utils measure URL``: how long answers take at any endpoint that speaks Chat Completions.

What it reports, and why so:
- The first request stands apart. It pays for the connection and for caches that are still cold.
- All latencies count from when a request was due (`load`); how late the generator was is reported too.
- A percentile is printed only where enough answers lie beyond it (`metrics.fewest_for`), and always with n and the failures.
- The SDK's own retries are off: a retry would hide a failure in a long wait.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import sys
import urllib.parse
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_utils import charts, metrics
from course_utils.clock import RealClock
from course_utils.load import Call, Sample, closed_loop, open_loop
from course_utils.plots import Figure
from course_utils.timeline import Timeline, arecord

CLOCKS: dict[str, Callable[[Timeline], float]] = {
    "t_headers": metrics.t_headers,
    "ttfc": metrics.ttfc,
    "ttft": metrics.ttft,
    "ttfv": metrics.ttfv,
    "e2e": metrics.e2e,
}
MEANINGS = {
    "t_headers": "response headers",
    "ttfc": "first chunk, of any kind",
    "ttft": "first token, hidden ones too",
    "ttfv": "first text one can see",
    "e2e": "last token",
    "tpot": "per token after the first",
}
RANKS = (50, 90, 95, 99)
LIMITS = ("ttft", "ttfv", "tpot", "e2e")
PROMPT = "Say in two or three sentences why the sky is blue."


@dataclass
class Run:
    """The samples of one run. ``cold`` was sent first, alone; ``seconds`` is what the warm ones took together."""

    cold: Sample | None = None
    warm: list[Sample] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answers(self) -> list[Sample]:
        return [sample for sample in self.warm if sample.error is None]

    def failures(self) -> Counter[str]:
        return Counter(sample.error for sample in self.warm if sample.error is not None)

    def rows(self) -> dict[str, list[float]]:
        """For each clock the seconds of all warm answers, from small to large; ``tpot`` of those with two tokens or more."""
        rows = {name: sorted(sample.since_due(clock) for sample in self.answers) for name, clock in CLOCKS.items()}
        return rows | {"tpot": sorted(metrics.tpot(timeline) for timeline in self.timelines() if timeline.tokens > 1)}

    def timelines(self) -> list[Timeline]:
        return [sample.timeline for sample in self.answers if sample.timeline is not None]

    def goodput(self, limits: Mapping[str, float]) -> float:
        """Answers a second that kept *all* limits; a failure keeps none."""
        good = sum(_keeps(sample, limits) for sample in self.answers)
        return good / self.seconds if self.seconds else 0.0


def _keeps(sample: Sample, limits: Mapping[str, float]) -> bool:
    return all(_value(sample, name) <= limit for name, limit in limits.items())


def _value(sample: Sample, name: str) -> float:
    """A clock of `CLOCKS`, or ``tpot``: 0 for an answer of one token, which nobody had to wait for the rest of."""
    if name != "tpot":
        return sample.since_due(CLOCKS[name])
    assert sample.timeline is not None  # an answer has one
    return metrics.tpot(sample.timeline) if sample.timeline.tokens > 1 else 0.0


def table(run: Run, limits: Mapping[str, float] | None = None) -> str:
    """The whole report as text; with ``limits`` it has the goodput."""
    rows = run.rows()
    lines = [f"{len(run.answers)} of {len(run.warm)} requests answered in {run.seconds:.1f} s", *_failed(run), ""]
    lines.append(
        f"{'seconds since due':<41}{'cold':>8}" + "".join(f"{f'p{rank}':>8}" for rank in RANKS) + f"{'max':>8}"
    )
    lines += [f"{name:<11}{MEANINGS[name]:<30}" + "".join(_cells(run, name, rows[name])) for name in rows]
    wanting = [rank for rank in RANKS if len(run.answers) < metrics.fewest_for(rank)]
    if wanting:
        needs = ", ".join(f"p{rank} needs {metrics.fewest_for(rank)}" for rank in wanting)
        lines.append(f"With {len(run.answers)} answers there is no honest number for -: {needs}.")
    return "\n".join([*lines, "", *_rates(run, limits or {})])


def _failed(run: Run) -> list[str]:
    said = [f"  failed: {count} x {why}" for why, count in run.failures().most_common()]
    if run.cold is not None and run.cold.error:
        said.insert(0, f"  the first, cold request failed: {run.cold.error}")
    return said


def _cells(run: Run, name: str, values: Sequence[float]) -> list[str]:
    cold = run.cold
    known = cold is not None and cold.error is None and cold.timeline is not None
    cells = [_value(cold, name) if cold is not None and known else None]
    cells += [metrics.percentile(values, rank) if _enough(values, rank) else None for rank in RANKS]
    cells.append(values[-1] if values else None)
    return ["       -" if value is None else f"{value:8.3f}" for value in cells]


def _enough(values: Sequence[float], rank: float) -> bool:
    return len(values) >= metrics.fewest_for(rank)


def _rates(run: Run, limits: Mapping[str, float]) -> list[str]:
    if not run.answers:
        return ["No answer, so there is no rate."]
    made = sum(timeline.tokens for timeline in run.timelines())
    lines = [
        f"{len(run.answers) / run.seconds:.2f} answers/s, {made / run.seconds:.1f} tokens/s (system_tps), "
        f"{made} tokens in all"
    ]
    if limits:
        kept = " and ".join(f"{name} <= {limit:g} s" for name, limit in limits.items())
        lines.append(f"goodput {run.goodput(limits):.2f} answers/s: {kept}; failures are not good")
    late = max(sample.late for sample in run.warm)
    lines.append(f"The generator itself sent at most {late * 1000:.0f} ms late.")
    return lines


def figure(run: Run) -> Figure:
    """How many of all requests had come so far after so many seconds; with failures no curve reaches 100."""
    names: tuple[str, ...] = ("ttfc", "ttft", "ttfv", "e2e")
    rows = run.rows()
    if rows["ttft"] == rows["ttfv"]:
        names = ("ttfc", "ttfv", "e2e")  # nothing was hidden, so they are one curve
    curves = {name: _shares(rows[name], len(run.warm)) for name in names}
    title = f"Share of {len(run.warm)} requests that had come this far"
    return charts.plot_curves(curves, title=title, x="seconds since due", y="percent")


def _shares(values: Sequence[float], of: int) -> list[tuple[float, float]]:
    """Steps: at each value the share rises."""
    steps = [(0.0, 0.0)]
    for number, value in enumerate(values, 1):
        steps += [(value, steps[-1][1]), (value, round(100 * number / of, 6))]
    return steps


def as_json(run: Run, limits: Mapping[str, float]) -> str:
    """Every sample and every clock, for programs of your own."""

    def told(sample: Sample) -> dict[str, Any]:
        clocks = {} if sample.error else {name: _value(sample, name) for name in MEANINGS}
        tokens = sample.timeline.tokens if sample.timeline else 0
        return {"due": sample.due, "sent": sample.sent, "error": sample.error, "tokens": tokens} | clocks

    cold = None if run.cold is None else told(run.cold)
    whole = {"cold": cold, "warm": [told(sample) for sample in run.warm], "seconds": run.seconds}
    return json.dumps(whole | {"goodput": run.goodput(limits)} if limits else whole, indent=1)


def main(argv: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        limits = _limits(options.limit)
        base_url = _base_url(options.url)
        _writable(options.json, options.figure)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(_plan(options, base_url), flush=True)
    run = Run()
    try:
        asyncio.run(_measure(options, base_url, run))
    except KeyboardInterrupt:
        print("\nInterrupted: this is what had come.", file=sys.stderr)
    print(table(run, limits))
    if options.json:
        options.json.write_text(as_json(run, limits) + "\n")
    if options.figure and run.answers:
        options.figure.write_text(figure(run).svg)
    return 0 if run.answers and not run.failures() else 1


async def _measure(options: argparse.Namespace, base_url: str, run: Run) -> None:
    import openai

    clock = RealClock()
    http = openai.DefaultAsyncHttpx2Client(limits=_unlimited())
    key = os.environ.get("OPENAI_API_KEY") or "none"
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, http_client=http) as client:
        call = _call(client, options, clock)
        async for sample in closed_loop(call, users=1, count=1, clock=clock):
            run.cold = sample
        began = clock.now()
        async for sample in _loop(call, options, clock):
            run.warm.append(sample)
            run.seconds = clock.now() - began
            _progress(len(run.warm), options.requests)


def _unlimited() -> Any:
    import httpx2

    # A pool with a limit would hold requests back, and the wait would look like the server's.
    return httpx2.Limits(max_connections=None, max_keepalive_connections=None)


def _loop(call: Call, options: argparse.Namespace, clock: RealClock) -> AsyncIterator[Sample]:
    if options.rate:
        return open_loop(call, rate=options.rate, count=options.requests, seed=options.seed, clock=clock)
    return closed_loop(call, users=options.users, count=options.requests, clock=clock)


def _call(client: Any, options: argparse.Namespace, clock: RealClock) -> Call:
    numbers = itertools.count(1)

    async def call() -> Timeline:
        prompt = f"({next(numbers)}) {options.prompt}" if options.unique else options.prompt
        messages = [{"role": "user", "content": prompt}]
        request: dict[str, Any] = {"model": options.model, "messages": messages, "stream": True}
        request[options.limit_name] = options.max_tokens
        if not options.no_usage:
            request["stream_options"] = {"include_usage": True}
        async with asyncio.timeout(options.timeout):
            return await arecord(client.chat.completions.create, clock=clock, **request)

    return call


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def _plan(options: argparse.Namespace, base_url: str) -> str:
    """What will be asked, before it is: it may cost money."""
    if options.rate:
        gaps = "at random" if options.seed is not None else "evenly spaced"
        loop = f"an open loop, {options.rate:g} requests a second, {gaps}"
    else:
        loop = f"a closed loop, {options.users} at once"
    return (
        f"{base_url}, model {options.model}: 1 cold request, then {options.requests} in {loop}; "
        f"at most {options.max_tokens} tokens each, {(options.requests + 1) * options.max_tokens:,} in all"
    )


def _base_url(url: str) -> str:
    """What the SDK wants of a URL that may name the whole route."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"expected the address of an API, such as http://127.0.0.1:8000/v1, got {url!r}")
    return url.rstrip("/").removesuffix("/chat/completions")


def _limits(texts: Sequence[str]) -> dict[str, float]:
    limits = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in LIMITS:
            raise ValueError(f"a limit names one of {', '.join(LIMITS)}, as in ttft=0.5; got {text!r}")
        try:
            limits[name] = _positive(value)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"limit {name}: {error}") from None
    return limits


def _writable(*paths: Path | None) -> None:
    """Find out before the requests are paid for."""
    for path in filter(None, paths):
        path.open("a").close()


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"it takes a number above 0, got {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it takes a whole number, from 1 on, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course_utils measure",
        description="Measure the latency of any endpoint that speaks Chat Completions, with streamed answers.",
        epilog="The key comes from OPENAI_API_KEY. The exit code is 1 if a request failed.",
    )
    parser.add_argument("url", help="the API, for example http://127.0.0.1:8000/v1")
    parser.add_argument(
        "--model", default=os.environ.get("COURSE_MODEL", "mock-1"), help="default: COURSE_MODEL, or mock-1"
    )
    parser.add_argument("--requests", type=_count, default=20, help="warm requests (default 20)")
    loop = parser.add_mutually_exclusive_group()
    loop.add_argument(
        "--users", type=_count, default=1, help="closed loop: so many ask, each again when answered (default 1)"
    )
    loop.add_argument("--rate", type=_positive, help="open loop: so many requests a second, whatever the server does")
    parser.add_argument("--seed", type=int, help="open loop: random gaps, drawn from this seed (Poisson arrivals)")
    parser.add_argument("--prompt", default=PROMPT, help="what is asked")
    parser.add_argument("--unique", action="store_true", help="number the prompts, so that no prefix cache can help")
    parser.add_argument("--max-tokens", type=_count, default=128, help="limit of an answer (default 128)")
    names = ("max_tokens", "max_completion_tokens")
    parser.add_argument("--limit-name", choices=names, default="max_tokens", help="what this endpoint calls that limit")
    parser.add_argument(
        "--no-usage", action="store_true", help="don't ask for usage; then each chunk counts as a token"
    )
    parser.add_argument(
        "--timeout", type=_positive, default=120, help="seconds until a request has failed (default 120)"
    )
    limit_help = "goodput counts answers within all limits, in seconds: ttft=0.5 tpot=0.05 (may be repeated)"
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=SECONDS", help=limit_help)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="write the curves")
    return parser
