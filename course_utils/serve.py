"""``python -m course_utils serve``: the mock on a port, for any client in any language."""

from __future__ import annotations

import argparse
import threading

from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.replies import reply_to
from course_utils.scenario import help


def main(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        mock = MockServer(
            reply=options.reply or reply_to,
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
        print(f"serve: {error}")
        return 2
    with server:
        print(
            f"export OPENAI_BASE_URL={server.url}\nexport OPENAI_API_KEY={options.key or 'no-key-needed'}\n"
            "# Ctrl-C ends the server",
            flush=True,
        )
        _until_interrupted()
    return 0


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


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
    parser.add_argument("--ttft", type=float, default=0.5, help="seconds to the first token")
    parser.add_argument("--itl", type=float, default=0.05, help="seconds between tokens")
    parser.add_argument("--reply", help="what the model says (default: it knows a few questions)")
    parser.add_argument("--seed", type=int, default=0, help="changes the ids in the answers and the jitter")
    parser.add_argument("--key", help="a key that every request must carry (default: none is needed)")
    parser.add_argument("--max-streams", type=int, help="answers at once; further requests get a 429")
    parser.add_argument("--max-seconds", type=float, help="seconds that an answer may take")
    parser.add_argument("option", nargs="*", help="pace and faults of every request, such as cut=12")
    return parser
