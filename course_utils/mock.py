"""The mock LLM server as a notebook sees it, and `connect`, which gives the mock or a real endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from course_utils.api import MODEL
from course_utils.clock import Clock, RealClock, VirtualClock, course_clock
from course_utils.engine import Engine
from course_utils.frames import Bend
from course_utils.ledger import Ledger
from course_utils.pace import Pace
from course_utils.replies import reply_to

if TYPE_CHECKING:
    import httpx2
    import openai

    from course_utils.server import LoopbackServer


class MockServer:
    """A mock LLM server: scripted words at scripted moments, and a ledger of what it did. It opens no port.

    ``reply``: a text, or a function from the last message's text to one; the default knows a few questions.
    ``pace``: when the tokens come, in seconds. ``faults``: functions on frames, nearest to the model first.
    ``clock``: the course's clock unless told otherwise. ``seed`` changes the ids in the answers and the jitter.
    ``more``: ``options``, ``key``, ``max_streams``, ``max_seconds`` of the `Engine`.

    `client` and `async_client` are the real SDK's clients, with nothing replaced but the transport, and `http` is one for
    all other routes; `serve` offers the same answers on a port of this machine.
    """

    model = MODEL
    _last_of_all: ClassVar[LoopbackServer | None] = None

    def __init__(
        self,
        reply: str | Callable[[str], str] = reply_to,
        *,
        pace: Pace | None = None,
        faults: Sequence[Bend] = (),
        clock: Clock | None = None,
        seed: int = 0,
        **more: Any,
    ) -> None:
        self.clock = clock or course_clock()
        self.engine = Engine(reply, pace, faults, seed, **more)
        self.ledger = Ledger(self.clock)

    def client(self, *, rtt: float = 0.0, **options: Any) -> openai.OpenAI:
        """The real synchronous client, connected in-process. It does not retry unless asked to (``max_retries``).

        ``rtt``: the network's round-trip time in seconds. A new connection takes two more of them, a kept one none.
        """
        import openai

        return openai.OpenAI(http_client=openai.DefaultHttpx2Client(**self._http(rtt)), **(_ACCOUNT | options))

    def async_client(self, *, rtt: float = 0.0, **options: Any) -> openai.AsyncOpenAI:
        """The real asynchronous client, connected in-process; use it inside ``await play(...)``."""
        import openai

        from course_utils.threadless import AsyncOpenAI

        http = openai.DefaultAsyncHttpx2Client(**self._http(rtt))
        return AsyncOpenAI(http_client=http, **(_ACCOUNT | options))

    def http(self) -> httpx2.Client:
        """A plain HTTP client, connected in-process: ``mock.http().post("text", json={"prompt": "hello"})``."""
        import httpx2

        return httpx2.Client(base_url=_ACCOUNT["base_url"], timeout=None, **self._http())

    def serve(self, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0) -> LoopbackServer:
        """Listen on a port of this machine; the default lets the system pick a free one.

        A socket lives in real time, so a mock on a virtual clock is served on a real one, with a ledger of its own.

        The server runs until you close it, or until nobody refers to it any more. The mock refers to the last one that it
        served, and the process to the last of all, so ``OpenAI(base_url=MockServer().serve().url)`` works; running such
        a cell again puts the new server in the place of the old one.
        """
        from course_utils.server import LoopbackServer

        if isinstance(self.clock, RealClock):
            server = LoopbackServer(self.engine, self.ledger, self.clock, host, port)
        else:
            clock = RealClock(speed)
            server = LoopbackServer(self.engine, Ledger(clock), clock, host, port)
        self._last, MockServer._last_of_all = server, server
        return server

    def _http(self, rtt: float = 0.0) -> dict[str, Any]:
        from course_utils.transport import Transport

        return {"transport": Transport(self.engine, self.ledger, self.clock, rtt), "trust_env": False}

    def __repr__(self) -> str:
        return f"<MockServer {self.model}: {self.engine.pace}, {len(self.ledger)} requests>"


_ACCOUNT: dict[str, Any] = {"api_key": "no-key-needed", "base_url": "http://mock.invalid/v1", "max_retries": 0}


class RealEndpoint:
    """A real service behind the same few names as the mock. Made by `connect`."""

    ledger = "A real endpoint keeps its own books: what it generated after you left, only its bill will tell."

    def __init__(self, base_url: str, model: str, price: tuple[float, float] | None = None) -> None:
        self.base_url, self.model, self.price = base_url, model, price
        self.clock = course_clock()
        self._announced = False

    def client(self, **options: Any) -> openai.OpenAI:
        import openai

        http = openai.DefaultHttpx2Client(event_hooks={"request": [self._announce]})
        return openai.OpenAI(http_client=http, **(self._account() | options))

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        import openai

        http = openai.DefaultAsyncHttpx2Client(event_hooks={"request": [self._announce_async]})
        return openai.AsyncOpenAI(http_client=http, **(self._account() | options))

    def _account(self) -> dict[str, Any]:
        # Local servers want no key, and the SDK refuses to start without one.
        return {"base_url": self.base_url, "api_key": os.environ.get("OPENAI_API_KEY") or "none", "max_retries": 0}

    def _announce(self, request: httpx2.Request) -> None:
        if not self._announced:
            self._announced = True
            print(self.estimate(request.content))

    async def _announce_async(self, request: httpx2.Request) -> None:
        self._announce(request)

    def estimate(self, body: bytes) -> str:
        """What one request will use, before it is sent: tokens, and money only when a price is known."""
        from course_utils import chat

        asked = chat.parse(body)
        limit = asked.max_tokens
        answer = "no limit on the answer" if limit is None else f"at most {limit} tokens of answer"
        host = urlsplit(self.base_url).netloc
        text = f"First call to {host}, model {self.model}: about {asked.prompt_tokens} prompt tokens, {answer}."
        if self.price is None:
            return text + " The price is not known here."
        # A course answer without a limit is a few hundred tokens; say what was assumed.
        expected = limit or 300
        cost = (asked.prompt_tokens * self.price[0] + expected * self.price[1]) / 1_000_000
        return f"{text} About {cost:.6f} in the currency of your price for {expected} tokens of answer."

    def __repr__(self) -> str:
        return f"<RealEndpoint {self.base_url}, model {self.model}>"


def connect(*, price: tuple[float, float] | None = None, **mock_options: Any) -> MockServer | RealEndpoint:
    """The mock, or the endpoint that ``OPENAI_BASE_URL`` names; both have ``client()``, ``async_client()``, ``model``.

    A key alone never bills anyone: without ``OPENAI_BASE_URL`` this is the mock, built with ``mock_options``. With it,
    ``COURSE_MODEL`` names the model, ``price`` may give the learner's price of a million prompt and answer tokens, and
    the tokens of the first call are estimated in a printed line before it is sent. In virtual time (the build, the tests)
    it is always the mock.
    """
    base_url = os.environ.get("OPENAI_BASE_URL")
    if not base_url or isinstance(course_clock(), VirtualClock):
        return MockServer(**mock_options)
    model = os.environ.get("COURSE_MODEL")
    if not model:
        raise ValueError(
            f"OPENAI_BASE_URL is set to {base_url!r}, but no model is named: set COURSE_MODEL to one that this endpoint "
            "offers, or unset OPENAI_BASE_URL to use the mock"
        )
    return RealEndpoint(base_url, model, price)
