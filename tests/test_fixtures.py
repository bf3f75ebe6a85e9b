"""The fixture as somebody else's test would use it."""

import openai
import pytest

pytest_plugins = ["course_utils.fixtures"]


def test_a_truncated_stream_is_easy_to_make(mock_llm):
    question = [{"role": "user", "content": "hello"}]
    with mock_llm.client() as client, pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(model="mock-1;cut=2", messages=question, stream=True))
    assert mock_llm.ledger[0].ended == "fault:cut"


def test_each_test_has_a_ledger_of_its_own(mock_llm):
    assert len(mock_llm.ledger) == 0
