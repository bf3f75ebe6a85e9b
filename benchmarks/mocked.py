"""The mock server as a user starts it, for one answer at one pace: what `benchmarks/server.py` measures.

It gets the text and the pace on standard input, so that nothing but the server is loaded here and weighs in its memory.
"""

from __future__ import annotations

import json
import sys
import threading

from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace


def main() -> None:
    asked = json.load(sys.stdin)
    mock = MockServer(asked["text"], pace=Pace(**asked["pace"]), clock=RealClock())
    with mock.serve() as server:
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
