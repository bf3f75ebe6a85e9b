"""``python -m course_utils serve``: the mock on a port, for any client in any language."""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import shlex
import signal
import sys
import time

from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import reply_to
from course_utils.scenario import help


def main(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    told: list[int] = []
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: told.append(number))
    try:
        mock = MockServer(
            reply=reply_to if options.reply is None else options.reply,
            pace=Pace(ttft=options.ttft, itl=options.itl, headers=min(0.05, options.ttft)),
            clock=RealClock(),
            seed=options.seed,
            options=options.option,
            key=options.key,
            max_streams=options.max_streams,
            max_seconds=options.max_seconds,
        )
        server = mock.serve(options.host, options.port)
    except (OSError, ValueError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    with server:
        gc.freeze()  # what is loaded stays: a collection that looked through it holds up every stream for tens of milliseconds
        print(
            f"export OPENAI_BASE_URL={server.url}\nexport OPENAI_API_KEY={shlex.quote(options.key or 'no-key-needed')}\n"
            f"# to see tokens arrive in a browser: {server.watch}\n# Ctrl-C ends the server",
            flush=True,
        )
        while not told:
            time.sleep(0.1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course_utils serve",
        description="The mock LLM server on a port of this machine, for any client in any language.",
        epilog="Options for every request, as in: serve cut=12 heartbeat=15. One request asks for its own through the "
        "model's name,\nfor example mock-1;ttft=0.4;cut=12\n" + help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=0, help="port (default: a free one)")
    parser.add_argument("--ttft", type=_seconds, default=0.5, help="seconds to the first token")
    parser.add_argument("--itl", type=_seconds, default=0.05, help="seconds between tokens")
    parser.add_argument("--reply", help="what the model says (default: it knows a few questions)")
    parser.add_argument("--seed", type=int, default=0, help="changes the ids in the answers and the jitter")
    parser.add_argument("--key", type=_key, help="a key that every request must carry (default: none is needed)")
    parser.add_argument("--max-streams", type=_count, help="answers at once; further requests get a 429")
    parser.add_argument("--max-seconds", type=_seconds, help="seconds that an answer may take")
    parser.add_argument("option", nargs="*", help="pace and faults of every request, such as cut=12")
    return parser


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"it takes seconds, from 0 on, got {text!r}")


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (value := int(text)) >= 1:
            return value
    raise argparse.ArgumentTypeError(f"it takes a whole number, from 1 on, got {text!r}")


def _key(text: str) -> str:
    if text and all("!" <= letter <= "~" for letter in text):
        return text
    raise argparse.ArgumentTypeError(f"a header can't carry this key: it takes ASCII letters and signs, got {text!r}")
