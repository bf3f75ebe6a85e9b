"""A board for many readers who want the newest state and not each step: nobody waits for the slowest, and nothing piles up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Board:
    """Holds one text. ``async for text in board`` gives what stands there now, then each newer one when the reader is ready.

    What has been overwritten before a reader looked is skipped for her. After `close` each reader gets the last text, and
    then the loop ends. One event loop only.
    """

    def __init__(self) -> None:
        self._text, self._version, self._closed = "", 0, False
        self._news = asyncio.Event()

    def write(self, text: str) -> None:
        """Put a text in the place of the one before."""
        self._text, self._version = text, self._version + 1
        self._tell()

    def close(self) -> None:
        """Nothing more will be written."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[str]:
        seen = 0
        while not (self._closed and seen == self._version):
            if seen == self._version:
                await self._news.wait()
            else:
                seen = self._version
                yield self._text
