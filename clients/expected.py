"""What every Python script asks the mock, and what the mock is going to say; `run.py` takes it from the mock's own script."""

from __future__ import annotations

import json
import os

_EXPECTED = json.loads(os.environ["EXPECTED"])
PROMPT: str = _EXPECTED["prompt"]
TEXT: str = _EXPECTED["text"]
TOKENS: list[str] = _EXPECTED["tokens"]

MODEL = "mock-1"
SLOW = "mock-1;itl=0.05"
"""For streams whose arrival is looked at: 2 s from the first token to the last, so that neither a busy machine nor a
client that loads half of itself at the first event can hide it."""

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
"""The parameters of the tool that is offered; `ARGUMENTS` are those that the mock fills in."""
ARGUMENTS = {"city": "text", "days": 1}
