"""The command: which notebook counts for what, what the reports say, and how it ends."""

import ast
import csv
import io
import json
import re
from xml.etree import ElementTree

import grading
import pytest
from test_grade_marking import CLASSIFIES, READS

from course_utils import _HOME, work
from course_utils.checks import exercises
from course_utils.checks.verdict import Verdict
from course_utils.grade import command, page, report, workers
from course_utils.grade.batch import assign, chosen
from course_utils.grade.handed_in import Submission
from course_utils.grade.inside import words
from course_utils.grade.report import File, Mark, Report, Student
from course_utils.grade.sandbox import PACKAGE, OurFault

ALL = list(exercises().values())
WRONG = READS.replace("return at", "return at + 1")


@pytest.fixture
def grade(tmp_path, monkeypatch, sandbox, capsys):
    """Runs the command on files; gives the exit code, what was shown, and the JSON."""
    real = workers._sandbox
    monkeypatch.setattr(workers, "_sandbox", lambda level: sandbox if level == sandbox.level else real(level))

    def run(files, *options):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for name, data in files.items():
            (folder / f"{name}.ipynb").write_bytes(data)
        code = command.main([str(folder), "--jobs", "1", "--json", str(tmp_path / "out.json"), *options])
        shown = capsys.readouterr()
        found = json.loads((tmp_path / "out.json").read_text("ascii")) if code in (0, 1) else {}
        return code, shown.out + shown.err, found

    return run


def outcomes(found):
    return {
        student["student"]: {verdict["exercise"]: verdict["outcome"] for verdict in student["verdicts"]}
        for student in found["students"]
    }


def test_a_class_is_graded(grade, sandbox):
    code, shown, found = grade(
        {"ann": grading.notebook(READS, CLASSIFIES), "bob": grading.notebook(WRONG, CLASSIFIES), "cut": READS.encode()}
    )
    assert code == 0
    assert outcomes(found)["ann"] == {"1.1": "not_attempted", "1.2": "passed", "1.3": "passed", "1.4": "not_attempted"}
    assert outcomes(found)["bob"]["1.2"] == "not_yet"
    assert set(outcomes(found)["cut"].values()) == {"not_attempted"}
    ann = found["students"][0]
    assert ann["core"] == {"score": 3, "max_score": 5}
    assert ann["further"] == {"score": 3, "max_score": 7}
    assert found["isolation"]["level"] == sandbox.level
    assert f"isolation: {sandbox.level}" in shown
    assert "could not be read:\n  in/cut.ipynb: The file is not a notebook" in shown
    assert re.search(r"ann +○ +✔ +✔ +○ +3/5 +3/7", shown)


def test_one_exercise_can_be_graded_again(grade):
    files = {"ann": grading.notebook(READS, CLASSIFIES)}
    assert outcomes(grade(files, "--exercise", "1.2")[2]) == {"ann": {"1.2": "passed"}}
    assert list(outcomes(grade(files, "--exercise", "1")[2])["ann"]) == ["1.1", "1.2", "1.3", "1.4"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--exercise", "9.9"], "there is no exercise or lesson '9.9'; there are 1.1"),
        (["--name-pattern", "("], "no regular expression"),
        (["--roster", "/nowhere.csv"], "can't be read"),
        (["--csv", "/nowhere/at/all.csv"], "no folder for"),
    ],
)
def test_a_wrong_call_ends_with_2_and_a_sentence(grade, options, says):
    code, shown, _ = grade({"ann": grading.notebook(READS)}, *options)
    assert code == 2
    assert says in shown


def test_a_level_that_can_not_be_had_is_refused_with_a_reason(grade, monkeypatch):
    monkeypatch.setattr("course_utils.grade.sandbox.works", lambda level: "bubblewrap is not installed")
    code, shown, _ = grade({"ann": grading.notebook(READS)}, "--isolation", "namespaces")
    assert code == 2
    assert "bubblewrap is not installed" in shown


def test_a_weak_level_is_pointed_out(grade, monkeypatch):
    monkeypatch.setattr("course_utils.grade.sandbox.works", lambda level: "" if level == "none" else "not here")
    code, shown, found = grade({"ann": grading.notebook(READS)})
    assert code == 0
    assert found["isolation"] == {"level": "none", "layers": []}
    assert "Grade only work you trust" in shown


def test_what_could_not_be_checked_is_listed_apart_has_no_score_and_ends_with_1(grade, monkeypatch):
    def broken(level):
        raise OurFault("no process")

    monkeypatch.setattr(workers, "_sandbox", broken)
    code, shown, found = grade({"ann": grading.notebook(READS)}, "--exercise", "1.2")
    assert code == 1
    assert "COULD NOT CHECK (our failure, not counted):\n  ann 1.2: no process" in shown
    assert found["could_not_check"] == [{"student": "ann", "exercise": "1.2", "message": "no process"}]
    assert found["students"][0]["verdicts"][0]["score"] is None


def test_who_is_in_the_table_and_handed_in_nothing_is_listed(grade, tmp_path):
    (tmp_path / "class.csv").write_text("file,student\nann,Ann\nzoe,Zoe\n")
    _, _, found = grade({"ann": grading.notebook(READS)}, "--roster", str(tmp_path / "class.csv"), "--exercise", "1.2")
    assert outcomes(found) == {"Ann": {"1.2": "passed"}, "Zoe": {"1.2": "not_attempted"}}


def test_the_seed_is_in_the_report_and_can_be_given(grade):
    files = {"ann": grading.notebook(READS)}
    assert grade(files, "--exercise", "1.2", "--seed", "x")[2]["seed"] == "x"
    assert grade(files, "--exercise", "1.2")[2]["seed"] != grade(files, "--exercise", "1.2")[2]["seed"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_is_for_a_terminal_only_and_never_on_stdout(grade, monkeypatch, capsys):
    files = {"ann": grading.notebook(READS), "bob": grading.notebook(WRONG)}
    assert "of 2 notebooks" not in grade(files, "--exercise", "1.2")[1]
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    _, shown, _ = grade(files, "--exercise", "1.2")
    assert "of 2 notebooks" not in shown
    said = terminal.getvalue().split("\r")
    assert [re.search(r"(█*)░* (\d) of 2", line).groups() for line in said[1:]] == [
        ("", "0"),
        ("█" * 10, "1"),
        ("█" * 20, "2"),
    ]
    assert said[-1].endswith("0 s left \n")


# ------------------------------------------------------------------------------------------------- which counts for what


def submission(path, *cells, at=0.0, student="ann"):
    return Submission.of(path, at, grading.notebook(*cells), student=student)


def test_each_exercise_is_taken_from_the_latest_notebook_that_has_it():
    old, new = submission("old", READS, CLASSIFIES, at=1), submission("new", READS, at=2)
    other = submission("other", "x = 1", at=3)
    broken = Submission.of("broken", 4.0, b"{" + READS.encode(), student="ann")
    counts = assign([old, new, other, broken], chosen(["1.2", "1.3", "1.4"], []))
    assert counts == {old: ["1.3"], new: ["1.2"], other: ["1.4"], broken: []}
    assert assign([broken], chosen(["1.2"], [])) == {broken: ["1.2"]}


def test_a_variable_that_has_the_name_of_an_exercise_is_not_its_answer():
    answer = submission("02", "def sample(logits, temperature, top_k, rng):\n    return 0", at=1)
    later = submission("05", "def report(samples):\n    return [sample for sample in samples]", at=2)
    assert assign([answer, later], chosen(["2.1", "5.2"], [])) == {answer: ["2.1"], later: ["5.2"]}
    assert {one.id[0] for one in chosen([], [later])} == {"5"}


@pytest.mark.parametrize(
    "cell", ["sample = print", "x = 1\nsample = print", "import math\ndef sample(): ...", "class sample: ..."]
)
def test_a_name_is_defined_in_each_way_that_python_has(cell):
    named = submission("named", "samples = [sample for sample in []]", at=2)
    defined = submission("defined", cell, at=1)
    assert assign([defined, named], chosen(["2.1"], [])) == {defined: ["2.1"], named: []}


def test_the_lessons_handed_in_are_the_ones_that_are_marked():
    assert [one.id for one in chosen([], [submission("a", READS)])] == ["1.1", "1.2", "1.3", "1.4"]
    assert chosen([], [submission("a", "x = 1")]) == ALL


# -------------------------------------------------------------------------------------------------------------- the reports


def made(*marks, level="namespaces"):
    student = Student(
        "Ann", [File("ann.ipynb", "0" * 64, ("1.1",), "", ("Cell 3 was left out.",))], [Mark(one) for one in marks]
    )
    return Report(ALL, [student], level, ["own files"], "seed")


EACH = made(
    Verdict("1.1", "passed", "first_and_last: 2 points"),
    Verdict("1.2", "not_yet", "Too late.", "arrivals=[1.0]", "3", "2"),
    Verdict("1.3", "raised", "ValueError: x", where="line 2 in classify: raise ValueError('x')"),
    Verdict("1.4", "could_not_check", "our fault"),
)


def test_the_csv_has_a_row_for_each_exercise():
    rows = list(csv.DictReader(report.to_csv(EACH).splitlines()))
    assert [row["outcome"] for row in rows] == ["passed", "not_yet", "raised", "could_not_check"]
    assert [row["score"] for row in rows] == ["2", "0", "0", ""]
    assert [row["part"] for row in rows] == ["core", "core", "further", "further"]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", " =1", "\t=1", "\r\n=1", "\x00=1", "|x", "%x"])
def test_no_cell_is_a_formula(text):
    assert report.cell(text).startswith("'")


def test_ordinary_cells_stay_as_they_are():
    assert [report.cell(value) for value in ("Ann-Marie", "a=b", 3, "", "Łukasz 🌧️")] == [
        "Ann-Marie",
        "a=b",
        3,
        "",
        "Łukasz 🌧️",
    ]


def test_junit_tells_failures_errors_and_what_was_not_tried():
    suite = ElementTree.fromstring(report.to_junit(EACH).encode()).find("testsuite")
    assert suite.attrib == {"name": "Ann", "tests": "4", "failures": "1", "errors": "2", "skipped": "0"}
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"], ["error"]]


def test_a_page_says_what_came_and_what_it_is_worth():
    text = page.page(EACH, EACH.students[0])
    for said in (
        "Ann",
        f"Core: 2 of {sum(one.points for one in exercises().values() if one.core)} points",
        "✘ not yet",
        "arrivals=[1.0]",
        "line 2 in classify",
        "not counted",
        "Cell 3 was left",
    ):
        assert said in text


@pytest.mark.parametrize(
    "name", ["ann", "Ann-2", "../x", "a/b", "", "index", "INDEX", "con", "a" * 300, "é", "e\u0301", "."]
)
def test_each_learner_has_a_file_of_their_own(name):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", page.file_name(name))
    assert page.file_name(name).lower() not in ("index", "con")
    assert page.file_name(name) != page.file_name(name + "_")


def test_names_that_differ_in_case_only_get_different_files(tmp_path):
    both = Report(ALL, [Student("ann"), Student("Ann")], "none", [], "seed")
    assert len({path.name.lower() for path in page.write_pages(both, tmp_path)}) == 3


# ---------------------------------------------------------------------------------------------- exercises from outside, docs


@pytest.fixture
def forget_the_example():
    yield
    exercises().pop("9.1", None)
    workers.know.cache_clear()


def test_exercises_of_an_instructors_own_are_graded(grade, forget_the_example):
    answer = "def longest_silence(arrivals):\n    return max((b - a for a, b in zip([0.0, *arrivals], arrivals)), default=0.0)"
    wrong = "def longest_silence(arrivals):\n    return arrivals[-1] if arrivals else 0.0"
    files = {"ann": grading.notebook(answer), "bob": grading.notebook(wrong)}
    _, _, found = grade(files, "--exercises", str(work.ROOT / "docs/example_exercise.py"))
    assert outcomes(found) == {"ann": {"9.1": "passed"}, "bob": {"9.1": "not_yet"}}


def test_what_runs_inside_imports_no_check_and_has_every_word_of_the_notebooks():
    for path in (PACKAGE / "grade" / "inside").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                [node.module]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in getattr(node, "names", ())]
            )
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not any(name.startswith("course_utils.checks") for name in names), path
                assert all("grade.inside" in name for name in names if name.startswith("course_utils.grade")), path
    assert all(hasattr(words, name) for name in _HOME["checks.vocabulary"])
