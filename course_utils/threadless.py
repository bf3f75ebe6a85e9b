"""The SDK's asynchronous client, without the thread that it would use: there are none in virtual time."""

from __future__ import annotations

from typing import Any

import openai
from openai._base_client import get_platform


class AsyncOpenAI(openai.AsyncOpenAI):
    """As the SDK's, also after ``with_options``. That one looks its platform up in a worker thread on first use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._platform = get_platform()
