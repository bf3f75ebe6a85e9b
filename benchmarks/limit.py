"""What the mock server is measured against: the least that Python's standard event loop can do.

It knows one answer, gets its bytes ready-made on standard input, and writes each event at its absolute deadline. It
reads of a request only where it ends, keeps no books, and does nothing else, so no server that does more can be faster.
"""

from __future__ import annotations

import asyncio
import json
import sys

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


class Limit(asyncio.Protocol):
    events: list[tuple[float, bytes]]

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.timer = None
        self.read = b""

    def connection_lost(self, exc):
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data):
        self.read += data
        head, blank, body = self.read.partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if blank and len(body) >= length:
            self.read = body[length:]
            self.started, self.at = self.loop.time(), 0
            self.transport.write(HEAD)
            self.send()

    def send(self):
        while self.at < len(self.events):
            at, data = self.events[self.at]
            if self.started + at > self.loop.time():
                self.timer = self.loop.call_at(self.started + at, self.send)
                return
            self.transport.write(data)
            self.at += 1


async def main() -> None:
    Limit.events = [(at, data.encode()) for at, data in json.load(sys.stdin)]
    server = await asyncio.get_running_loop().create_server(Limit, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
