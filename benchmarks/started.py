"""How long a server takes from its start in a thread to its first answer, in a process that has made a mock already.

``cold`` is the first time, when the modules of the server are loaded; ``warm`` is the second.
"""

from __future__ import annotations

import asyncio  # noqa: F401  # a notebook kernel has it loaded
import json
import socket
import sys
import time

from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace


def seconds(text: str, request: bytes) -> float:
    mock = MockServer(text, pace=Pace(headers=0, ttft=0, itl=0), clock=RealClock())
    start = time.perf_counter()
    with mock.serve() as server, socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(request)
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65536)
        took = time.perf_counter() - start
    assert answer.count(b'"content":') == text_tokens(mock) + 1, answer  # and the empty one with the role
    return took


def text_tokens(mock: MockServer) -> int:
    return mock.ledger[0].tokens_sent


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    request = asked["request"].encode()
    print(json.dumps({"cold": seconds(asked["text"], request), "warm": seconds(asked["text"], request)}))
