"""Every pace and fault through the model's name, on the drivers, through the unmodified client."""

import json

import openai
import pytest

from course_utils import scenario
from course_utils.clock import VirtualClock
from course_utils.engine import Engine, Request
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import record

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
REPLY = "Streaming is fun for two é 🎉 fast readers."
WHOLE = 11  # tokens of REPLY


def ask(model: str, *, timeout: float = 600):
    """The text that came, the error that ended it, and the ledger's entry; in virtual time."""
    mock = MockServer(REPLY, pace=PACE, clock=VirtualClock())
    return _text(mock.client(timeout=timeout), model), mock.ledger[0], mock.clock.now()


def over_socket(model: str):
    mock = MockServer(REPLY, pace=Pace(headers=0, ttft=0.01, itl=0.001), clock=VirtualClock())
    with mock.serve() as served:
        http = openai.DefaultHttpx2Client(trust_env=False)
        return _text(openai.OpenAI(base_url=served.url, api_key="x", http_client=http, max_retries=0), model)


def _text(client: openai.OpenAI, model: str) -> tuple[str, str]:
    pieces, error = [], ""
    with client:
        try:
            question = [{"role": "user", "content": "Hi"}]
            for chunk in client.chat.completions.create(model=model, messages=question, stream=True):
                pieces += [choice.delta.content or "" for choice in chunk.choices]
        except openai.OpenAIError as raised:
            error = type(raised).__name__
    return "".join(pieces), error


HARMLESS = [
    "hold",
    "page=64",
    "gzip",
    "stall=2:3",
    "slow=2",
    "bundle=3",
    "split=1",
    "split-utf8",
    "crlf",
    "cr",
    "heartbeat=0.1",
    "idle=60",
]


@pytest.mark.parametrize("option", HARMLESS)
def test_a_fault_that_only_bends_time_or_bytes_loses_no_text(option):
    (text, error), entry, _ = ask(f"mock-1;{option}")
    assert (text, error) == (REPLY, "")
    assert (entry.ended, entry.tokens_generated, entry.tokens_sent) == ("complete", WHOLE, WHOLE)


@pytest.mark.live
@pytest.mark.parametrize("option", HARMLESS[:3] + HARMLESS[5:])
def test_the_socket_plays_the_same_fault(option):
    if option == "slow=2":
        option = "slow=0.01"
    assert over_socket(f"mock-1;{option}") == (REPLY, "")


def test_a_cut_raises_and_the_ledger_names_it():
    (text, error), entry, _ = ask("mock-1;cut=3")
    assert (text, error) == ("Streaming is", "APIConnectionError")
    assert (entry.ended, entry.tokens_generated, entry.tokens_sent) == ("fault:cut", 3, 3)


def test_a_clean_early_end_raises_nothing():
    (text, error), entry, _ = ask("mock-1;end=3")
    assert (text, error) == ("Streaming is", "")
    assert entry.ended == "fault:end"


@pytest.mark.live
@pytest.mark.parametrize(
    ("option", "error"), [("cut=3", "APIConnectionError"), ("malformed=3", "APIConnectionError"), ("end=3", "")]
)
def test_the_endings_are_the_same_over_a_socket(option, error):
    assert over_socket(f"mock-1;{option}") == ("Streaming is", error)
    assert ask(f"mock-1;{option}")[0] == ("Streaming is", error)


def test_a_proxy_that_cuts_silence_ends_the_generation_too():
    (text, error), entry, now = ask("mock-1;stall=2:9;idle=1")
    assert (text, error, entry.ended) == ("Streaming", "APIConnectionError", "fault:idle")
    assert now == 1.75


def test_a_heartbeat_saves_a_silent_stream_from_an_idle_proxy():
    assert ask("mock-1;stall=2:9;heartbeat=0.5;idle=1")[0] == (REPLY, "")


def test_a_heartbeat_also_defeats_the_read_time_out():
    assert ask("mock-1;stall=2:9", timeout=1.0)[0][1] == "APITimeoutError"
    assert ask("mock-1;stall=2:9;heartbeat=0.5", timeout=1.0)[0] == (REPLY, "")


@pytest.mark.parametrize("option", ["type=text/html", "type=application/json"])
def test_a_wrong_content_type_is_sent(option):
    body = {"model": f"mock-1;{option}", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    answer = Engine().respond(Request("POST", "/v1/chat/completions", json.dumps(body).encode()))
    assert answer.headers["content-type"] == option.partition("=")[2]


@pytest.mark.parametrize(
    ("option", "first", "last"),
    [
        ("ttft=2", 2.0, 4.5),
        ("itl=0.5", 0.5, 5.5),
        ("tps=2", 0.5, 5.5),
        ("headers=0.5", 0.5, 3.0),
        ("pause=3:4", 0.5, 7.0),
    ],
)
def test_the_pace_of_one_request_is_in_its_model_name(option, first, last):
    mock = MockServer(REPLY, pace=PACE, clock=VirtualClock())
    question = [{"role": "user", "content": "Hi"}]
    with mock.client() as client:
        timeline = record(
            client.chat.completions.create, model=f"mock-1;{option}", messages=question, stream=True, clock=mock.clock
        )
    times = [chunk.at for chunk in timeline.chunks if chunk.text]
    assert (times[0], times[-1]) == (first, last)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "BadRequestError"), (401, "AuthenticationError"), (403, "PermissionDeniedError"), (404, "NotFoundError"),
        (409, "ConflictError"), (422, "UnprocessableEntityError"), (429, "RateLimitError"), (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)  # fmt: skip
def test_an_error_before_the_stream_is_the_one_of_the_sdk(status, error):
    assert ask(f"mock-1;error={status}")[0] == ("", error)


def test_a_rate_limit_says_how_long_to_wait_and_the_sdk_does():
    mock = MockServer(clock=VirtualClock())
    with mock.client() as client, pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="mock-1;error=429", messages=[{"role": "user", "content": "Hi"}])
    assert raised.value.response.headers["retry-after-ms"] == "2000"
    assert raised.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("mock-1;fly", "there is no model option 'fly'; there are ttft, itl"),
        ("mock-1;cut=soon", "'cut' can't be 'soon'"),
        ("mock-1;ttft=-1", "'ttft' can't be '-1'"),
        ("mock-1;tps=0", "'tps' can't be '0'"),
        ("mock-1;stall=3", "two numbers with a colon"),
        ("mock-1;hold=3", "it takes no value"),
        ("mock-1;page=0", "at least 1"),
        ("mock-1;error=200", "takes one of 400"),
        ("mock-1;itl=nan", "finite number"),
        ("mock-1;slow=nan", "finite number"),
        ("mock-1;heartbeat=1e-8", "at least 0.001"),
        ("mock-1;type=a\r\nx: 1", "printable ASCII"),
    ],
)
def test_a_wrong_option_is_a_400_that_says_what_it_takes(model, says):
    with pytest.raises(ValueError, match=says):
        scenario.parse(model, PACE)
    assert ask(model)[0] == ("", "BadRequestError")


def test_the_help_names_every_option():
    assert all(f"  {name} " in scenario.help() for name in scenario.OPTIONS)


def test_a_flaky_model_fails_so_often_and_then_answers():
    mock = MockServer(REPLY, pace=PACE, clock=VirtualClock())
    question = [{"role": "user", "content": "Hi"}]
    with mock.client() as client:
        errors = []
        for _ in range(3):
            try:
                answer = client.chat.completions.create(model="mock-1;flaky=2;error=429", messages=question)
            except openai.RateLimitError as error:
                errors.append(error.status_code)
    assert errors == [429, 429]
    assert answer.choices[0].message.content == REPLY
    assert [entry.status for entry in mock.ledger] == [429, 429, 200]


def test_every_option_s_example_is_understood_and_changes_something():
    plain = scenario.parse("mock-1", PACE)
    for example in scenario.examples():
        assert scenario.parse(f"mock-1;{example}", PACE) != plain, example


def test_the_models_that_are_listed_are_the_examples_and_the_voices():
    mock = MockServer(clock=VirtualClock())
    with mock.client() as client:
        names = [model.id for model in client.models.list()]
        assert client.models.retrieve("mock-1;cut=12").id == "mock-1;cut=12"
    assert names == ["mock-1", *(f"mock-1;{example}" for example in scenario.examples()), "austen"]


def test_faults_act_in_the_order_in_which_they_are_named():
    assert [fault.name for fault in scenario.parse("mock-1;gzip;cut=3;hold", PACE).faults] == ["gzip", "cut", "hold"]
    assert ask("mock-1;stall=2:9;hold")[2] == ask("mock-1;hold;stall=2:9")[2] == 0.5 + 10 * 0.25 + 9
    times = [ask(model)[1].due[3] for model in ("mock-1;stall=2:9;hold", "mock-1;hold;stall=2:9")]
    assert times == [12.0, 12.0]
    assert ask("mock-1;stall=2:9;hold")[1].due[1] != ask("mock-1;hold;stall=2:9")[1].due[1]


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        ("mock-1;calls=999999999", "calls", 16),
        ("mock-1;reasoning=999999999", "reasoning", 100_000),
        ("mock-1;reasoning=0", "reasoning", 0),
        ("mock-1;filter=3;failed=2", "failed_after", 2),
        ("mock-1; cut = 3 ;;refusal", "refusal", True),
        ("mock-1;cut=3;error=503;flaky=1", "status", 503),
    ],
)
def test_counts_that_cost_work_are_bounded_and_spaces_do_not_matter(model, field, value):
    assert getattr(scenario.parse(model, PACE), field) == value


def test_a_burst_is_bounded_too():
    assert scenario.parse("mock-1;burst=999999999", PACE).pace.burst == 1000


@pytest.mark.parametrize(
    "option", ["calls=-1", "reasoning=-1", "burst=0", "slots=0", "error-at=-2", "flaky=x", "error=²"]
)
def test_a_count_that_is_none_is_refused(option):
    with pytest.raises(ValueError, match=f"model option '{option.partition('=')[0]}' can't be"):
        scenario.parse(f"mock-1;{option}", PACE)


@pytest.mark.parametrize(
    ("model", "limit", "expected"),
    [
        ("mock-1", None, (None, None)),
        ("mock-1", 7, (7, "max_tokens")),
        ("mock-1;filter=5", 7, (5, "content_filter")),
        ("mock-1;filter=9", 7, (7, "max_tokens")),
        ("mock-1;filter=5;failed=3", 7, (3, "failure")),
    ],
)
def test_the_first_limit_ends_the_answer(model, limit, expected):
    assert scenario.parse(model, PACE).limit(limit) == expected


def test_a_flaky_model_counts_by_its_whole_name():
    mock = MockServer(REPLY, pace=PACE, clock=VirtualClock())
    with mock.client() as client:
        for model in ("mock-1;flaky=1", "mock-1;flaky=1;itl=1"):
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
            assert client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}]).choices


@pytest.mark.parametrize(
    "now, work, waited",
    [
        (0, 1, 1),  # done before the first freeze
        (0, 3, 3),  # done just when it begins
        (0, 3.5, 4.5),
        (2.5, 1, 2),
        (3.5, 0.25, 0.75),  # comes during the freeze
        (0, 10, 13),  # three of them
        (7.5, 0, 0.5),
    ],
)
def test_a_server_stands_still_at_the_end_of_every_four_seconds(now, work, waited):
    assert scenario.thawed(now, work, every=4, seconds=1) == waited


def test_a_freeze_holds_back_headers_and_tokens_and_is_in_the_ledger():
    server = MockServer("one two", pace=PACE, clock=VirtualClock(), options=["freeze=1:0.5"])
    question = {"model": "mock-1", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    server.clock.sleep(0.375)
    with server.client() as client:
        timeline = record(client.chat.completions.create, clock=server.clock, **question)
    assert timeline.headers_at == 0.25 + 0.5
    assert [chunk.at for chunk in timeline.chunks if chunk.text] == [0.5 + 0.5, 0.75 + 1.0]
    assert list(server.ledger[0].token_times) == [0.375 + 1.0, 0.375 + 1.75]


@pytest.mark.parametrize("option", ["freeze=4", "freeze=4:4", "freeze=1:2", "freeze=4:0"])
def test_a_freeze_is_shorter_than_the_time_between_two(option):
    with pytest.raises(ValueError, match="freeze"):
        scenario.parse(f"mock-1;{option}", PACE)
