import json

import httpx2
import pytest

from course_utils import mock as module
from course_utils.clock import RealClock, VirtualClock, run
from course_utils.mock import MockServer, RealEndpoint, connect
from course_utils.pace import Pace

ENDPOINT = "http://llm.test:8000/v1"


@pytest.fixture
def real_time(monkeypatch):
    monkeypatch.setattr(module, "course_clock", RealClock)


def test_connect_gives_the_mock_by_default():
    assert isinstance(connect(pace=Pace(ttft=2)), MockServer)


def test_a_key_alone_changes_nothing(real_time, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert isinstance(connect(), MockServer)


def test_a_base_url_and_a_model_give_the_real_endpoint(real_time, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", ENDPOINT)
    monkeypatch.setenv("COURSE_MODEL", "tiny")
    llm = connect(pace=Pace(ttft=2))
    assert (llm.base_url, llm.model) == (ENDPOINT, "tiny")
    with llm.client() as client:
        assert str(client.base_url) == ENDPOINT + "/"


def test_a_base_url_without_a_model_says_what_to_set(real_time, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", ENDPOINT)
    with pytest.raises(ValueError, match="set COURSE_MODEL"):
        connect()


def test_in_virtual_time_it_is_always_the_mock(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", ENDPOINT)
    assert isinstance(connect(), MockServer)


def announce(endpoint: RealEndpoint, **options) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Why is the sky blue?"}]} | options
    endpoint._announce(httpx2.Request("POST", ENDPOINT, content=json.dumps(body)))


def test_the_tokens_are_estimated_before_the_first_call_only(capsys):
    endpoint = RealEndpoint(ENDPOINT, "tiny")
    announce(endpoint, max_tokens=50)
    announce(endpoint)
    said = capsys.readouterr().out
    assert said == (
        "First call to llm.test:8000, model tiny: about 6 prompt tokens, at most 50 tokens of answer. "
        "The price is not known here.\n"
    )


def test_money_is_named_only_with_a_price_of_the_learner(capsys):
    announce(RealEndpoint(ENDPOINT, "tiny", price=(1.0, 10.0)), max_tokens=100)
    assert "About 0.001006 in the currency of your price" in capsys.readouterr().out


def test_the_estimate_is_printed_by_the_client_itself(capsys, monkeypatch):
    """A served mock stands in for the real endpoint."""
    server = MockServer("yes", clock=RealClock(), pace=Pace(headers=0, ttft=0, itl=0))
    with server.serve() as served, RealEndpoint(served.url, "mock-1").client() as client:
        answer = client.chat.completions.create(model="mock-1", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "yes"
    assert "First call to 127.0.0.1" in capsys.readouterr().out


def test_a_mock_on_a_virtual_clock_is_served_with_a_ledger_of_its_own():
    mock = MockServer(clock=VirtualClock())
    with mock.serve() as served:
        assert served.ledger is not mock.ledger


def test_importing_and_starting_the_mock_does_not_import_openai():
    import subprocess
    import sys

    code = "import sys, course_utils; course_utils.MockServer(); sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_plain_client_reaches_every_route_in_virtual_time():
    mock = MockServer("one two", pace=Pace(headers=0.25, ttft=0.5, itl=0.5), clock=VirtualClock())
    with mock.http() as http:
        assert http.post("text", json={"prompt": "Hi"}).text == "one two"
        assert http.get("models").json()["data"][0]["id"] == mock.model
    assert mock.clock.now() == 1.0
    assert mock.ledger[0].route == "/v1/text"


@pytest.mark.parametrize("change", [{"timeout": 3.0}, {"max_retries": 1}], ids=str)
def test_a_client_with_other_options_needs_no_thread_either(change):
    mock = MockServer("Hello", clock=VirtualClock())

    async def ask():
        client = mock.async_client().with_options(**change)
        return await client.chat.completions.create(model="mock-1", messages=[{"role": "user", "content": "Hi"}])

    assert run(ask(), mock.clock).choices[0].message.content == "Hello"
