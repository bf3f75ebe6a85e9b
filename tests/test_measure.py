"""``python -m course_utils measure``: its numbers on made samples, and the command against a mock on a port."""

import json
import subprocess
import sys

import pytest

from course_utils import measure
from course_utils.load import Sample
from course_utils.measure import Run
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import Chunk, Timeline


def answer(due, first, last, late=0.0) -> Sample:
    """Two tokens: the first so many seconds after sending, and the last."""
    chunks = (Chunk(0.125), Chunk(first, "Hi"), Chunk(last, "!"))
    return Sample(due, due + late, Timeline(0.0625, chunks, "stop"))


FAILED = Sample(2.0, 2.0, None, "RateLimitError 429")
RUN = Run(answer(0, 2, 3), [answer(0, 0.5, 1), answer(1, 0.5, 1.5, late=0.25), FAILED], seconds=4.0)


def test_a_row_has_the_latencies_of_the_answers_since_they_were_due():
    rows = RUN.rows()
    assert rows["ttft"] == [0.5, 0.75]
    assert rows["e2e"] == [1.0, 1.75]
    assert rows["tpot"] == [0.5, 1.0]


def test_a_percentile_is_printed_only_with_answers_enough():
    few = measure.table(Run(None, [answer(0, 0.5, 1)] * 10, 1.0), {})
    row = next(line for line in few.splitlines() if line.startswith("ttft"))
    assert row.split()[-6:] == ["-", "0.500", "-", "-", "-", "0.500"]
    assert "With 10 answers there is no honest number for -: p90 needs 50, p95 needs 100, p99 needs 500." in few


def test_the_cold_request_has_a_column_of_its_own():
    row = next(line for line in measure.table(RUN, {}).splitlines() if line.startswith("e2e"))
    assert row.split()[-6:] == ["3.000", "-", "-", "-", "-", "1.750"]


def test_failures_are_counted_by_their_kind():
    assert "2 of 3 requests answered in 4.0 s\n  failed: 1 x RateLimitError 429\n" in measure.table(RUN, {})


@pytest.mark.parametrize(
    "limits, goodput", [({"ttft": 0.5}, 0.25), ({"ttft": 0.75, "tpot": 1.0}, 0.5), ({"ttft": 0.75, "e2e": 0.5}, 0.0)]
)
def test_goodput_counts_answers_within_all_limits_and_no_failure(limits, goodput):
    assert RUN.goodput(limits) == goodput


def test_the_lateness_of_the_generator_is_told():
    assert "sent at most 250 ms late" in measure.table(RUN, {})


def test_a_run_without_an_answer_has_no_rate():
    report = measure.table(Run(FAILED, [FAILED], 1.0), {"ttft": 1.0})
    assert "No answer, so there is no rate." in report
    assert "the first, cold request failed: RateLimitError 429" in report


def test_a_curve_of_a_run_with_failures_does_not_reach_100():
    assert "e2e: 0 at 0, 66.6667 at 1.75." in measure.figure(RUN).reading


def test_the_file_of_samples_has_every_request_and_every_clock():
    written = json.loads(measure.as_json(RUN, {}))
    assert [sample["error"] for sample in written["warm"]] == [None, None, "RateLimitError 429"]
    assert written["warm"][1]["e2e"] == 1.75
    assert written["cold"]["ttfv"] == 2.0


@pytest.mark.parametrize("url", ["http://x/v1", "http://x/v1/", "http://x/v1/chat/completions"])
def test_the_address_may_name_the_route(url):
    assert measure._base_url(url) == "http://x/v1"


@pytest.mark.parametrize(
    "words, says",
    [
        (["localhost:8000"], "expected the address of an API"),
        (["http://x/v1", "--limit", "speed=3"], "a limit names one of ttft"),
        (["http://x/v1", "--limit", "ttft=soon"], "limit ttft: it takes a number above 0, got 'soon'"),
        (["http://x/v1", "--requests", "0"], "it takes a whole number, from 1 on, got '0'"),
        (["http://x/v1", "--rate", "-1"], "it takes a number above 0, got '-1'"),
        (["http://x/v1", "--rate", "1", "--users", "2"], "not allowed with argument"),
        (["http://x/v1", "--json", "/no/such/folder/x"], "No such file or directory"),
    ],
)
def test_bad_words_are_refused_before_anything_is_sent(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        measure.main(words)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.fixture
def url():
    with MockServer("one two three", pace=Pace(headers=0.01, ttft=0.05, itl=0.01)).serve() as server:
        yield server.url


def run(*words) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "course_utils", "measure", *words], capture_output=True, text=True, timeout=60
    )


@pytest.mark.live
def test_it_measures_a_server_on_a_port(url, tmp_path):
    files = ["--json", str(tmp_path / "samples"), "--figure", str(tmp_path / "curves.svg")]
    ended = run(url, "--rate", "50", "--requests", "10", "--seed", "1", *files)
    assert ended.returncode == 0, ended.stderr
    assert "1 cold request, then 10 in an open loop, 50 requests a second, at random" in ended.stdout
    assert "10 of 10 requests answered" in ended.stdout
    samples = json.loads((tmp_path / "samples").read_text())["warm"]
    assert all(0.05 <= sample["ttft"] <= sample["e2e"] and sample["tokens"] == 3 for sample in samples)
    assert (tmp_path / "curves.svg").read_text().startswith("<svg")


@pytest.mark.live
def test_a_server_that_cuts_its_answers_is_reported_and_the_exit_code_says_so(url):
    ended = run(url, "--model", "mock-1;cut=2", "--requests", "3", "--users", "3")
    assert ended.returncode == 1
    assert "0 of 3 requests answered" in ended.stdout
    assert "failed: 3 x APIConnectionError" in ended.stdout


@pytest.mark.live
def test_nobody_there_is_a_failure_and_not_a_traceback():
    ended = run("http://127.0.0.1:9/v1", "--requests", "2")
    assert ended.returncode == 1
    assert "failed: 2 x APIConnectionError" in ended.stdout
    assert "Traceback" not in ended.stderr
