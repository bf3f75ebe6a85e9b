"""The benchmarks run and verify their answers. How fast anything is, is printed there and asserted nowhere."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.checks import add, exercises
from course_utils.grade.marking import mark
from course_utils.sse import decode

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks/server.py"
ROWS = ["cpu-200", "cpu-500", "cpu-1000", "unpaced", "pace-20", "pace-200", "pace-500", "pace-1000", "drift"]
ROWS += ["ttft-p50", "ttft-p99", "start", "restart", "memory-idle", "memory-1000", "left"]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.live
@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: the benchmark of the server needs Linux")
def test_a_quick_run_has_every_row_and_verified_answers():
    done = run("--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\S+) .* (?:aim|must|NO)$", done.stdout, re.MULTILINE) == ROWS
    assert int(re.search(r"answers verified: (\d+), wrong: 0", done.stdout).group(1)) > 100


def test_an_unknown_row_is_refused_with_the_list():
    done = run("--quick", "speed")
    assert done.returncode == 2
    assert "'speed'" in done.stderr
    assert "cpu-200" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: the benchmark of the server needs Linux")
def test_a_wrong_answer_is_void(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import crowd

    head = b"HTTP/1.1 200 OK\r\n\r\n"
    token, end = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', b"data: [DONE]\n\n"
    body = [b"%x\r\n%s\r\n" % (len(data), data) for data in (token, end)]
    body[1] += b"0\r\n\r\n"
    pieces = [(1.0, head), (2.0, body[0]), (3.0, body[1])]
    assert crowd.arrivals(pieces, "a", 1) == [2.0]
    for wrong in (pieces[:-1], pieces[::2], [(1.0, head.replace(b"200", b"500"))]):
        with pytest.raises(crowd.Void):
            crowd.arrivals(wrong, "a", 1)
    with pytest.raises(crowd.Void):
        crowd.arrivals(pieces, "b", 1)


PARSERS = SCRIPT.parent / "parsers"


@pytest.fixture
def sse_parsers(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import sse_parsers

    return sse_parsers


def test_each_rule_of_the_parsers_means_what_the_course_reads(sse_parsers):
    for rule in sse_parsers.RULES:
        for run in rule.runs:
            assert [[event.type, event.data, event.id] for event in decode(run)] == rule.events, rule.name


def test_the_solution_of_3_1_keeps_every_rule_and_a_file_of_ones_own_stands_beside_it(sse_parsers, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def parse_sse(chunks):\n    for chunk in chunks:\n        yield 'message', chunk[6:-2].decode(), ''\n"
    )
    lesson = (SCRIPT.parent.parent / "source/lessons/03_transport_mechanisms.py").read_text("utf-8")
    assert "solution keeps all rules of the standard that `benchmarks/sse_parsers.py` tries" in lesson
    read = sse_parsers.ours(mine)
    assert all(sse_parsers.rows(read["solution of 3.1"]))
    kept = list(sse_parsers.rows(read["mine.py"]))
    assert 0 < sum(kept) < len(kept) / 2
    assert sse_parsers.table({"mine.py": kept}).startswith("rule")


def test_every_parser_is_locked():
    wanted = re.findall(r"^([\w-]+)", (PARSERS / "requirements.in").read_text(), re.MULTILINE)
    locked = (PARSERS / "requirements.txt").read_text()
    assert all(re.search(rf"^{name}==", locked, re.MULTILINE) for name in wanted)
    assert "://" not in locked


@pytest.fixture
def grading(monkeypatch):
    """The benchmark of the grader, under a name that is not that of the tests' own module."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("benchmark_of_grading", SCRIPT.with_name("grading.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for id in module.SMALL_IDS:
        exercises().pop(id, None)


def test_the_notebooks_of_the_benchmark_pass(grading, sandbox):
    add(grading.SMALL)
    lesson = [id for id in exercises() if id.startswith("1.")]
    found = (
        mark(grading.small(1), grading.SMALL_IDS, sandbox).verdicts
        | mark(grading.solutions(1), lesson, sandbox).verdicts
    )
    assert [verdict.outcome for verdict in found.values()] == ["passed"] * 7


def test_without_nbgrader_the_benchmark_says_so(grading, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    grading.nbgrader()
    assert "not measured, because there is no nbgrader" in capsys.readouterr().out
