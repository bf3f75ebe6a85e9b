"""A pytest fixture for tests of streaming code anywhere: put ``pytest_plugins = ["course_utils.fixtures"]`` into a conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from course_utils.clock import VirtualClock
from course_utils.mock import MockServer


@pytest.fixture
def mock_llm() -> Iterator[MockServer]:
    """A mock LLM server in virtual time, new for each test: ``mock_llm.client()`` is the real openai client.

    Its ledger, ``mock_llm.ledger``, says what the server really did. What it says and when: ``mock_llm.engine.reply``
    and ``mock_llm.engine.pace``, or the model's name, such as ``mock-1;ttft=2;cut=5``.
    """
    yield MockServer(clock=VirtualClock())
