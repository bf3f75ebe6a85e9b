"""Results are kept as they come: a run that was killed goes on with the same results, and nothing is marked twice."""

import json
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import replace

import grading
import psutil
import pytest
from test_grade_marking import CLASSIFIES, READS

from course_utils import work
from course_utils.checks import exercise, exercises
from course_utils.checks.verdict import Verdict
from course_utils.grade import command, workers
from course_utils.grade.marking import Marks, Patience
from course_utils.grade.results import NotKept, Results
from course_utils.grade.version import version
from course_utils.grade.workers import Task, Terms

TERMS = Terms("namespaces", ("own files",), "s")
TASK = Task(zlib.compress(b"notebook"), (("1.2", "v1"), ("1.3", "v1")), TERMS)
VERDICTS = {
    "1.2": Verdict("1.2", "passed", "fine \ud800 ☂", given="=1", hidden=True),
    "1.3": Verdict("1.3", "could_not_check", "ours"),
}
WRONG = READS.replace("return at", "return at + 1")


@pytest.fixture
def folder(tmp_path):
    """A folder in which a run has kept `VERDICTS`."""
    results = Results(tmp_path)
    results.keep(TASK, Marks(dict(VERDICTS), notes=["Cell 3 was left out."], seconds=0.5))
    results.close()
    return tmp_path


def read(folder, name="reader"):
    results = Results(folder, name)
    results.close()
    return results


def test_a_verdict_is_found_again_as_it_was(folder):
    results = read(folder)
    assert [results.verdict(TASK.submission, id, "v1", TERMS) for id in VERDICTS] == list(VERDICTS.values())
    assert results.notes(TASK.submission, TERMS) == ("Cell 3 was left out.",)
    assert results.seconds(TASK.submission, TERMS) == 0.5
    assert results.seed == "s"


@pytest.mark.parametrize(
    "other",
    [
        replace(TASK, packed=zlib.compress(b"another notebook")),
        replace(TASK, wanted=(("1.2", "v2"),)),
        replace(TASK, terms=replace(TERMS, seed="t")),
        replace(TASK, terms=replace(TERMS, level="limits only")),
        replace(TASK, terms=replace(TERMS, layers=())),
        replace(TASK, terms=replace(TERMS, patience=Patience(call=1.0))),
    ],
    ids=["notebook", "version", "seed", "level", "layers", "patience"],
)
def test_a_verdict_under_any_other_key_is_asked_for(folder, other):
    assert "1.2" not in read(folder).lacks(TASK)
    assert "1.2" in read(folder).lacks(other)


def test_what_could_not_be_checked_is_tried_again_in_the_next_run(folder):
    assert read(folder).lacks(TASK) == ["1.3"]


def test_a_line_that_was_cut_off_counts_for_nothing_and_spoils_no_other(folder):
    (file,) = folder.glob("*.jsonl")
    line = file.read_bytes()
    file.write_bytes(line[:-30])
    results = Results(folder)
    assert results.lacks(TASK) == ["1.2", "1.3"]
    results.keep(TASK, Marks(dict(VERDICTS)))
    results.close()
    assert read(folder).lacks(TASK) == ["1.3"]
    assert file.read_bytes().startswith(line[:-30] + b"\n{")


def test_files_of_others_in_the_folder_that_are_no_results_are_passed_over(folder):
    (folder / "notes.jsonl").write_text('7\n["x"]\n{"mine": 1}\n\n')
    assert read(folder).lacks(TASK) == ["1.3"]


def test_verdicts_that_are_void_are_asked_anew_and_no_others(folder):
    results = Results(folder, "another-shard")
    other = replace(TASK, packed=zlib.compress(b"another notebook"))
    results.keep(other, Marks(dict(VERDICTS)))
    results.void(["1.2"], [TASK.submission])
    results.close()
    assert read(folder).lacks(TASK) == ["1.2", "1.3"]
    assert read(folder).lacks(other) == ["1.3"]
    results = Results(folder)
    results.keep(TASK, Marks({"1.2": replace(VERDICTS["1.2"], outcome="not_yet")}))
    results.close()
    assert read(folder).verdict(TASK.submission, "1.2", "v1", TERMS).outcome == "not_yet"


def test_two_runs_do_not_write_one_file(folder):
    first = Results(folder)
    with pytest.raises(NotKept, match="another run is writing"):
        Results(folder)
    read(folder, "2-of-2")
    first.close()


def test_a_folder_that_can_not_be_had_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotKept, match="can't be read and written"):
        Results(tmp_path / "file" / "results")


# ----------------------------------------------------------------------------------------------------------------- versions


def test_each_exercise_has_a_version_that_hangs_on_its_own_code(tmp_path):
    known = {version(one) for one in exercises().values()}
    assert len(known) == len(exercises())
    source = (work.ROOT / "docs/example_exercise.py").read_text("utf-8")
    code = (
        "import sys\nfrom course_utils.checks import add, exercise\nfrom course_utils.grade.version import version\n"
        "add(sys.argv[1])\nprint(version(exercise('9.1')), version(exercise('1.2')))"
    )
    said = []
    for text in (source, source + "# a change"):
        (tmp_path / "mine.py").write_text(text, "utf-8")
        command = [sys.executable, "-c", code, tmp_path / "mine.py"]
        said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert said[0][0] != said[1][0]
    assert said[0][1] == said[1][1] == version(exercise("1.2"))


# ------------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture
def run(tmp_path, monkeypatch, sandbox, capsys):
    """The command on a class of eight, in this process; gives its exit code, its reports as bytes, and what was marked."""
    marked, real = [], workers.work
    monkeypatch.setattr(workers, "_sandbox", lambda level: sandbox)
    monkeypatch.setattr(workers, "work", lambda task: marked.append(task) or real(task))
    hand_in(tmp_path / "in", 8)

    def run(*options, out="out"):
        marked.clear()
        code = command.main([str(tmp_path / "in"), "--jobs", "1", *options, *reports(tmp_path / out)])
        return code, written(tmp_path / out), list(marked)

    run.shown = capsys.readouterr
    return run


def hand_in(folder, many, cell=""):
    folder.mkdir()
    for number in range(many):
        answer = READS if number % 2 else WRONG
        data = grading.notebook(
            answer, CLASSIFIES, "import os; os._exit(1)" if number == 3 else "", f"n = {number}", cell
        )
        (folder / f"learner{number:02}.ipynb").write_bytes(data)


def reports(folder):
    folder.mkdir(exist_ok=True)
    files = [word for kind in ("json", "csv", "junit") for word in (f"--{kind}", str(folder / kind))]
    return [*files, "--html", str(folder / "pages")]


def written(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(folder):
    """(submission, exercise) of each verdict in a folder of results."""
    lines = [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text("ascii").splitlines()]
    return [(line["submission"], verdict["exercise"]) for line in lines for verdict in line.get("verdicts", ())]


def test_a_run_that_was_stopped_goes_on_with_the_same_results(run, tmp_path, monkeypatch):
    def stops(done, of):
        if done == 5:
            raise KeyboardInterrupt

    whole = run("--seed", "s", out="whole")
    with monkeypatch.context() as patch:
        patch.setattr(command, "_progress", lambda: stops)
        code, _, first = run("--seed", "s", "--results", str(tmp_path / "results"))
    assert (code, len(first)) == (130, 5)
    assert f"what was found is in {tmp_path / 'results'}" in run.shown().err
    code, found, second = run("--results", str(tmp_path / "results"))  # the seed is in the results
    assert (code, found) == whole[:2]
    assert len(second) == 3
    assert {one.submission for one in first + second} == {one.submission for one in whole[2]}
    assert len(set(kept(tmp_path / "results"))) == len(kept(tmp_path / "results")) == 8 * 4


def test_one_exercise_is_regraded_and_the_rest_comes_from_the_results(run, tmp_path):
    keep = ("--results", str(tmp_path / "results"))
    _, before, _ = run(*keep, "--seed", "s")
    _, again, nothing = run(*keep)
    _, after, marked = run(*keep, "--regrade", "1.3")
    assert before == again == after
    assert nothing == []
    assert [[id for id, _ in task.wanted] for task in marked] == [["1.3"]] * 8


def test_a_regrade_without_results_is_refused(run):
    assert run("--regrade", "1.3")[0] == 2
    assert "--regrade wants --results" in run.shown().err


def test_the_same_bytes_of_two_learners_are_marked_once(run, tmp_path):
    twin = tmp_path / "in" / "twin.ipynb"
    twin.write_bytes((tmp_path / "in" / "learner01.ipynb").read_bytes())
    _, found, marked = run()
    students = {one["student"]: one for one in json.loads(found["json"])["students"]}
    assert len(marked) == 8
    assert [one["outcome"] for one in students["twin"]["verdicts"]] == [
        one["outcome"] for one in students["learner01"]["verdicts"]
    ]
    assert {one["file"] for one in students["twin"]["verdicts"]} == {"in/twin.ipynb"}


def test_shards_together_are_the_whole_class_and_their_results_one_report(run, tmp_path):
    _, whole, _ = run("--seed", "s", out="whole")
    parts = []
    for number in (1, 2, 3):
        code, found, _ = run("--shard", f"{number}/3", "--seed", "s", "--results", str(tmp_path / "results"))
        assert code == 0
        parts += [one["student"] for one in json.loads(found["json"])["students"]]
    assert sorted(parts) == [one["student"] for one in json.loads(whole["json"])["students"]]
    _, merged, marked = run("--results", str(tmp_path / "results"), out="merged")
    assert marked == []
    assert merged == whole


def test_a_shard_without_a_seed_is_refused(run):
    assert run("--shard", "1/3")[0] == 2
    assert "--shard wants --seed" in run.shown().err


SLOW = "import time; time.sleep(0.1)"


@pytest.mark.live
def test_a_run_that_was_killed_goes_on_with_the_same_results_and_leaves_no_process(tmp_path):
    hand_in(tmp_path / "in", 12, SLOW)
    line = [sys.executable, "-m", "course_utils", "grade", str(tmp_path / "in"), "--seed", "s", "--jobs", "2"]
    results = tmp_path / "results"
    keep = ["--results", str(results)]
    killed = subprocess.Popen([*line, *keep, *reports(tmp_path / "out")], stdout=subprocess.DEVNULL)
    while killed.poll() is None and not (results.is_dir() and len(kept(results)) >= 6 * 4):
        psutil.wait_procs([psutil.Process(killed.pid)], timeout=0.05)
    children = psutil.Process(killed.pid).children(recursive=True)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert (len(gone), alive) == (len(children), [])
    half = kept(results)
    assert written(tmp_path / "out") == {}

    subprocess.run([*line, *keep, *reports(tmp_path / "out")], check=True, capture_output=True)
    subprocess.run([*line, *reports(tmp_path / "whole")], check=True, capture_output=True)
    assert written(tmp_path / "out") == written(tmp_path / "whole")
    assert 0 < len(half) < 12 * 4
    assert len(set(kept(results))) == len(kept(results)) == 12 * 4
