"""What other classrooms read of a run: exit codes of a process, Gradescope's results.json, Classroom 50's result.json."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import grading
import pytest
from test_grade_marking import CLASSIFIES, READS

from course_utils.checks import exercises
from course_utils.checks.verdict import Verdict
from course_utils.export import command as export
from course_utils.grade import classroom50, command, gradescope, workers
from course_utils.grade.report import File, Mark, Report, Student
from course_utils.grade.sandbox import OurFault

ROOT = Path(__file__).resolve().parent.parent
SECRET = "a-seed-of-the-grader"
BROKEN = """
from course_utils.checks.exercise import Exercise
def check(answer, draw): raise OSError("the disk is gone")
EXERCISE = Exercise("9.9", "t", "finish_reading", 5, 1, True, ("a", "b", "c"), "r", check)
"""
RUN = {
    "CLASSROOM": "cs",
    "ASSIGNMENT": "streams",
    "ASSIGNMENT_TYPE": "individual",
    "OWNER": "ann",
    "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
    "COMMIT_URL": "https://example.org/commit/a1b2c3d",
    "RELEASE_URL": "https://example.org/releases/1",
    "REVIEW_URL": "https://example.org/compare/1",
}


@pytest.fixture
def handed_in(tmp_path):
    """A folder with two notebooks of one learner."""
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "one.ipynb").write_bytes(grading.notebook(READS, "print('a-secret-of-mine')"))
    (folder / "two.ipynb").write_bytes(grading.notebook(CLASSIFIES.replace("/ 20", "/ 2")))
    return folder


@pytest.fixture
def grade(handed_in, tmp_path, monkeypatch, sandbox):
    """Grades that folder and gives the exit code and what a form then has."""
    monkeypatch.setattr(workers, "_sandbox", lambda level: sandbox)

    def run(form, *options):
        path = tmp_path / "out.json"
        code = command.main([str(handed_in), "--jobs", "1", "--seed", SECRET, f"--{form}", str(path), *options])
        return code, json.loads(path.read_text("ascii")) if path.exists() else None

    return run


# --------------------------------------------------------------------------------------------------------------- any CI


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--exercise", "1.2", "--exercise", "1.3"], 0), (["--exercise", "9.9", "--exercises", "FILE"], 1), ([], 2)],
)
def test_the_process_ends_with_0_if_all_was_judged_1_if_not_2_if_it_was_called_wrongly(
    options, code, handed_in, tmp_path
):
    (tmp_path / "broken.py").write_text(BROKEN)
    options = [str(tmp_path / "broken.py") if option == "FILE" else option for option in options]
    path = str(handed_in) if options else "/nowhere"
    forms = ["--junit", str(tmp_path / "marks.xml"), "--json", str(tmp_path / "marks.json")]
    done = subprocess.run(
        [sys.executable, "-m", "course_utils", "grade", path, *options, *forms], capture_output=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert (tmp_path / "marks.xml").exists() == (tmp_path / "marks.json").exists() == (code != 2)


# ----------------------------------------------------------------------------------------------------------- Gradescope


def held_to_the_form_of_gradescope(found):
    """What Gradescope documents of results.json, as far as we use it."""
    assert set(found) <= {
        "score", "execution_time", "output", "output_format", "visibility", "stdout_visibility", "extra_data", "tests",
    }  # fmt: skip
    assert found["visibility"] == "visible"
    assert found["stdout_visibility"] == "hidden"
    for test in found["tests"]:
        assert set(test) == {
            "number", "name", "score", "max_score", "status", "visibility", "output", "output_format",
        }  # fmt: skip
        assert test["status"] in ("passed", "failed")
        assert 0 <= test["score"] <= test["max_score"]
        assert test["output_format"] == "text"
    assert found["score"] == sum(test["score"] for test in found["tests"])


def test_gradescope_gets_a_test_for_each_exercise_of_all_notebooks_of_one_learner(grade):
    code, found = grade("gradescope", "--exercise", "1")
    held_to_the_form_of_gradescope(found)
    assert code == 0
    assert [(test["number"], test["status"], test["score"], test["max_score"]) for test in found["tests"]] == [
        ("1.1", "failed", 0, 2), ("1.2", "passed", 3, 3), ("1.3", "failed", 0, 3), ("1.4", "failed", 0, 4),
    ]  # fmt: skip
    assert found["score"] == 3


def test_gradescope_shows_what_the_check_says_and_neither_the_seed_nor_the_solution(grade):
    _, found = grade("gradescope", "--exercise", "1")
    shown = json.dumps(found)
    assert "✘ 1.3 not yet: " in found["tests"][2]["output"]
    assert SECRET not in shown
    assert not any(exercise.reason in shown for exercise in exercises().values())
    assert all(hint not in shown for exercise in exercises().values() for hint in exercise.hints)


def test_inputs_that_learners_do_not_see_are_not_in_what_gradescope_shows():
    verdict = Verdict("1.2", "not_yet", "On other inputs than those of the notebook: it goes wrong.", hidden=True)
    report = Report([exercises()["1.2"]], [Student("submission", [File("a", "0")], [Mark(verdict)])], "none", [], "s")
    test = json.loads(gradescope.to_results(report))["tests"][0]
    assert test["output"] == "✘ 1.2 not yet: On other inputs than those of the notebook: it goes wrong."


@pytest.mark.parametrize("form", ["gradescope", "classroom50"])
def test_who_hands_in_no_notebook_has_attempted_nothing(grade, handed_in, form, monkeypatch):
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(handed_in)
    handed_in.mkdir()
    code, found = grade(form, "--exercise", "1.2")
    assert code == 0
    assert [test["score"] for test in found["tests"]] == [0]
    assert "Nothing was handed in." in json.dumps(found["tests"])


@pytest.mark.parametrize("form", ["gradescope", "classroom50"])
def test_what_could_not_be_checked_leaves_no_file_not_even_an_older_one(grade, form, monkeypatch, tmp_path):
    def broken(level):
        raise OurFault("no process")

    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "out.json").write_text("{}")
    monkeypatch.setattr(workers, "_sandbox", broken)
    assert grade(form, "--exercise", "1.2") == (1, None)


# -------------------------------------------------------------------------------------------------- Gradescope's zip


@pytest.fixture
def autograder(tmp_path):
    """The zip unpacked as Gradescope does it, but elsewhere."""
    assert export.main(["gradescope", str(tmp_path / "autograder.zip"), "--exercise", "1.2", "--exercise", "1.3"]) == 0
    place = tmp_path / "autograder"
    (place / "results").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
        for member in archive.infolist():
            Path(archive.extract(member, place / "source")).chmod(member.external_attr >> 16)
    shutil.copy(place / "source" / "run_autograder", place)
    return place


def run_script(path, **environ):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COURSE"))}
    return subprocess.run(
        [str(path)], env=env | environ, capture_output=True, text=True, check=False, timeout=300, cwd="/"
    )


def test_the_autograder_of_the_zip_marks_a_submission(autograder, handed_in):
    (autograder / "source" / ".venv").symlink_to(sys.prefix)  # what setup.sh makes
    shutil.copytree(handed_in, autograder / "submission")
    done = run_script(autograder / "run_autograder", AUTOGRADER=str(autograder))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((autograder / "results" / "results.json").read_text("ascii"))
    held_to_the_form_of_gradescope(found)
    assert [test["score"] for test in found["tests"]] == [3, 0]
    assert "a-secret-of-mine" not in done.stdout


@pytest.mark.parametrize(
    ("old", "starts"), [(0, "python3 start.py help"), (1, "uv run --no-project --python 3.12 start.py help")]
)
def test_the_set_up_makes_the_environment_with_a_python_that_is_new_enough(autograder, tmp_path, old, starts):
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name in ("apt-get", "python3", "uv"):
        text = f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/log\ncase "$2" in import*) exit {old};; esac\n'
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    path = f"{stand_ins}:/usr/bin:/bin"
    done = run_script(autograder / "source" / "setup.sh", AUTOGRADER=str(autograder), PATH=path)
    lines = (tmp_path / "log").read_text().splitlines()
    assert done.returncode == 0, done.stderr
    assert re.match(r"apt-get install .*bubblewrap", lines[1])
    assert lines[-1] == starts


def test_the_zip_has_neither_solutions_nor_sources_in_it(tmp_path):
    export.main(["gradescope", str(tmp_path / "a.zip"), "--exercise", "1"])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"setup.sh", "run_autograder", "start.py", "requirements.txt", "course_utils"}


def test_a_zip_for_an_exercise_that_is_not_there_is_refused(tmp_path, capsys):
    assert export.main(["gradescope", str(tmp_path / "a.zip"), "--exercise", "9.9"]) == 2
    assert "there is no exercise or lesson '9.9'" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()


# ---------------------------------------------------------------------------------------------------------- Classroom 50


def test_classroom_50_gets_its_result_with_whole_points(grade, monkeypatch):
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    code, found = grade("classroom50", "--exercise", "1")
    tests = found.pop("tests")
    assert code == 0
    assert found == {
        "schema": "classroom50/result/v1",
        "classroom": "cs",
        "assignment": "streams",
        "assignment_type": "individual",
        "owner": "ann",
        "submission": RUN["SUBMISSION_TAG"],
        "commit": RUN["COMMIT_URL"],
        "release": RUN["RELEASE_URL"],
        "review": RUN["REVIEW_URL"],
        "datetime": "2026-06-01T14:32:05Z",
        "score": 3,
        "max-score": 12,
    }
    assert [test["passed"] for test in tests] == [False, True, False, False]
    assert all(type(test[key]) is int for test in tests for key in ("score", "max-score"))
    assert SECRET not in json.dumps(tests)


def test_a_tag_without_a_time_leaves_the_time_of_the_run():
    report = Report([], [Student("submission")], "none", [], "s")
    result = classroom50.to_result(report, RUN | {"SUBMISSION_TAG": "submit/x", "REVIEW_URL": ""})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", json.loads(result)["datetime"])
    assert json.loads(result)["review"] == RUN["COMMIT_URL"]


def test_outside_classroom_50_its_form_is_refused_with_what_is_missing(grade, monkeypatch, capsys):
    monkeypatch.setenv("CLASSROOM", "cs")
    assert grade("classroom50") == (2, None)
    assert "which sets ASSIGNMENT, OWNER, SUBMISSION_TAG, COMMIT_URL, RELEASE_URL" in capsys.readouterr().err


@pytest.mark.parametrize("students", [[], [Student("a"), Student("b")]])
def test_a_form_for_one_learner_is_made_of_one_learner(students):
    with pytest.raises(ValueError, match=f"there are {len(students)}"):
        gradescope.to_results(Report([], students, "none", [], "s"))
