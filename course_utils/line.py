"""A network without sockets: the mock's server at one end of a line, a client at the other, both in virtual time.

The server is the one that listens on a real port, so what it writes here is what it writes there, byte for byte. The
line takes its time for it:

- Bytes need half a round trip in each direction. How many they are costs nothing; a line has room enough.
- To open a line costs a round trip, TCP's handshake, and with TLS 1.3 another one. Nothing is really encrypted.
- Each write of the server is one read of the client. A real network cuts and joins as it likes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from course_utils.clock import VirtualClock, run
from course_utils.mock import MockServer
from course_utils.server import Core

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """What one call of ``read()`` gave: some bytes, ``at`` seconds after the first request was sent."""

    at: float
    data: bytes


class Network:
    """A mock and the lines that lead to it. ``rtt`` is the round trip in seconds; the rest goes to `MockServer`.

    ``lines`` counts those opened so far, ``up`` and ``down`` the bytes that were sent and received.
    """

    def __init__(self, *mock_arguments: Any, rtt: float = 0.0, tls: bool = True, **mock_options: Any) -> None:
        if not rtt >= 0:
            raise ValueError(f"a round trip takes no less than 0 seconds, got rtt={rtt!r}")
        self.clock = VirtualClock()
        self.mock = MockServer(*mock_arguments, clock=self.clock, **mock_options)
        self.rtt, self.tls = rtt, tls
        self.lines = self.up = self.down = 0
        self._core = Core(self.mock.engine, self.mock.ledger, self.clock)

    async def connect(self) -> Line:
        """A new line, when its handshakes are done."""
        self.lines += 1
        await self.clock.asleep(self.rtt * (2 if self.tls else 1))
        return Line(self, self._core.connection())

    def run(self, client: Coroutine[Any, Any, T]) -> T:
        """Run a client to its end, also inside a notebook, which has an event loop already."""
        return run(client, self.clock)


class Line(asyncio.Transport):
    """One connection. The client calls `send`, `read` and `hang_up`; the rest is what the server expects of a transport."""

    def __init__(self, network: Network, server: asyncio.Protocol) -> None:
        super().__init__()
        self._network, self._server = network, server
        self._arriving: deque[Read] = deque()
        self._something = asyncio.Event()
        self._closing = False
        server.connection_made(self)

    def send(self, data: bytes) -> None:
        self._network.up += len(data)
        self._later(lambda: self._server.data_received(data))

    async def read(self) -> Read:
        """The next bytes; none are left when the server has closed the line."""
        while not self._arriving:
            self._something.clear()
            await self._something.wait()
        read = self._arriving.popleft()
        await self._network.clock.asleep_until(read.at)
        self._network.down += len(read.data)
        return read

    def hang_up(self) -> None:
        """The client goes; half a round trip later the server knows."""
        self._later(lambda: self._server.connection_lost(None))

    def _later(self, call: Any) -> None:
        asyncio.get_running_loop().call_later(self._network.rtt / 2, lambda: self._closing or call())

    # What the server calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._arriving.append(Read(self._network.clock.now() + self._network.rtt / 2, bytes(data)))
        self._something.set()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.write(b"")
            self._server.connection_lost(None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._server = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """A line holds whatever is on its way."""
