"""A live dashboard over a WebSocket: one answer is generated once, and each viewer is shown its newest state when she is ready.

A network takes megabytes before a slow viewer slows anybody down, so the bound has to be in the program. Here it is the second
direction of the WebSocket: a viewer says ``ready`` when she has drawn, and gets what is there then. Who is slow skips states,
has never more than one on the way, and delays nobody. This program uses real sockets, and so real time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import openai
from websockets.asyncio.client import connect as open_socket
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from course_utils.clock import RealClock
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace


class Board:
    """An insight as it grows. ``ending`` is empty while it does, then why it ended: ``stop`` if it is whole."""

    def __init__(self) -> None:
        self.text, self.ending = "", ""
        self._changed = asyncio.Condition()

    async def write(self, client: openai.AsyncOpenAI, model: str, figures: str) -> None:
        prompt, ending = f"What do these figures tell, in three sentences? {figures}", "it ended early"
        try:
            async with await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": prompt}], stream=True
            ) as stream:
                async for chunk in stream:
                    for choice in chunk.choices:
                        ending = choice.finish_reason or ending
                        await self._change(choice.delta.content or "")
        except openai.APIError as error:
            ending = type(error).__name__
        await self._change("", ending)

    async def _change(self, piece: str, ending: str = "") -> None:
        async with self._changed:
            self.text, self.ending = self.text + piece, ending
            self._changed.notify_all()

    async def show(self, socket: ServerConnection) -> None:
        """Serve one viewer until the insight is whole, or she leaves."""
        seen = ("", "")
        with contextlib.suppress(ConnectionClosed):
            while not seen[1]:
                async with self._changed:
                    await self._changed.wait_for(lambda: (self.text, self.ending) != seen)  # noqa: B023  # waits here
                seen = (self.text, self.ending)
                await socket.send(json.dumps({"text": seen[0], "ending": seen[1]}))
                await socket.recv()


async def view(url: str, name: str, drawing: float) -> None:
    """A viewer who needs so many seconds to draw."""
    now = asyncio.get_running_loop().time
    asked, states = now(), list[dict[str, str]]()
    async with open_socket(url) as socket:
        async for message in socket:
            states.append(json.loads(message))
            await asyncio.sleep(drawing)
            await socket.send("ready")
    print(
        f"{name}: {len(states)} states, {len(states[-1]['text'])} letters, {states[-1]['ending']}, after {now() - asked:.1f} s"
    )


async def main(llm: MockServer | RealEndpoint) -> None:
    board = Board()
    async with llm.async_client() as client, serve(board.show, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        figures = json.dumps({"visitors": [120, 180, 90], "orders": [4, 9, 2]})
        viewers = [view(url, "quick viewer", 0.0), view(url, "slow viewer ", 0.7)]
        await asyncio.gather(board.write(client, llm.model, figures), *viewers)
    print(llm.ledger)


if __name__ == "__main__":
    asyncio.run(main(connect(pace=Pace(ttft=0.5, itl=0.05), clock=RealClock())))
