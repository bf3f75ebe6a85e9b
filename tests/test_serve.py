"""``python -m course_utils serve``, as a script or a learner starts it."""

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import openai
import pytest

pytestmark = pytest.mark.live

COMMAND = [sys.executable, "-m", "course_utils", "serve"]
FAST = ["--ttft", "0.01", "--itl", "0.001"]
QUESTION = [{"role": "user", "content": "Hi"}]


@contextmanager
def serving(*options):
    """The process and the variables that it prints."""
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline().removeprefix("export ").strip() for _ in range(4)]
            assert lines[2].endswith("/watch")
            assert lines[3] == "# Ctrl-C ends the server"
            yield process, dict(line.split("=", 1) for line in lines[:2])
        finally:
            process.kill()


def ask(variables, **asked):
    with client_of(variables) as client:
        return client.chat.completions.create(**{"model": "mock-1", "messages": QUESTION} | asked)


def client_of(variables) -> openai.OpenAI:
    options = {"base_url": variables["OPENAI_BASE_URL"], "api_key": variables["OPENAI_API_KEY"]}
    return openai.OpenAI(**options, max_retries=0)


def said(variables, **asked) -> str:
    return ask(variables, **asked).choices[0].message.content


def test_it_prints_the_two_variables_that_every_client_reads():
    with serving(*FAST, "--reply", "one two") as (_, variables):
        assert list(variables) == ["OPENAI_BASE_URL", "OPENAI_API_KEY"]
        assert said(variables) == "one two"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_also_while_it_streams(number):
    with serving("--ttft", "60") as (process, variables):
        where = urlsplit(variables["OPENAI_BASE_URL"])
        with socket.create_connection((where.hostname, where.port), timeout=10) as stream:
            stream.sendall(b"GET /text HTTP/1.1\r\nhost: x\r\n\r\n")
            assert stream.recv(15) == b"HTTP/1.1 200 OK"
            process.send_signal(number)
            assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_options_hold_for_every_request():
    with (
        serving(*FAST, "--reply", "one two three", "cut=1") as (_, variables),
        pytest.raises(openai.APIConnectionError),
    ):
        list(ask(variables, stream=True))


def test_a_key_is_printed_as_a_shell_reads_it_and_is_wanted():
    with serving(*FAST, "--key", "s$cret") as (_, variables):
        assert variables["OPENAI_API_KEY"] == "'s$cret'"
        assert said(variables | {"OPENAI_API_KEY": "s$cret"})
        with pytest.raises(openai.AuthenticationError):
            said(variables)


def test_answers_beyond_the_limit_get_a_429():
    with serving("--ttft", "60", "--max-streams", "1") as (_, variables):
        where = urlsplit(variables["OPENAI_BASE_URL"])
        with socket.create_connection((where.hostname, where.port), timeout=10) as stream:
            stream.sendall(b"GET /text HTTP/1.1\r\nhost: x\r\n\r\n")
            stream.recv(15)
            with pytest.raises(openai.RateLimitError, match="this server makes 1 at once"):
                said(variables)


def test_an_answer_that_takes_longer_than_allowed_is_cut():
    with serving("--ttft", "0.01", "--itl", "60", "--max-seconds", "0.05") as (_, variables):
        chunks = []
        with client_of(variables) as client, pytest.raises(openai.APIConnectionError):
            chunks.extend(client.chat.completions.create(model="mock-1", messages=QUESTION, stream=True))
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "I"]


def test_the_seed_changes_the_ids_and_nothing_else():
    answers = []
    for seed in "112":
        with serving(*FAST, "--seed", seed) as (_, variables):
            answers.append(ask(variables))
    one, same, other = [(answer.id, answer.choices[0].message.content) for answer in answers]
    assert one == same
    assert (one[0] != other[0], one[1] == other[1]) == (True, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["fly=2"], "no model option 'fly'"),
        (["cut=x"], "model option 'cut' can't be 'x'"),
        (["--ttft", "soon"], "--ttft: it takes seconds, from 0 on, got 'soon'"),
        (["--itl", "nan"], "--itl: it takes seconds"),
        (["--itl=-1"], "--itl: it takes seconds"),
        (["--max-seconds", "inf"], "--max-seconds: it takes seconds"),
        (["--max-streams", "0"], "--max-streams: it takes a whole number, from 1 on, got '0'"),
        (["--max-streams", "many"], "--max-streams: it takes a whole number"),
        (["--key", ""], "--key: a header can't carry this key"),
        (["--key", "two words"], "--key: a header can't carry this key"),
        (["--port", "99999"], "can't listen on 127.0.0.1:99999"),
        (["--host", "a..b"], "can't listen on 'a..b'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_refused_in_a_sentence(options, says):
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
