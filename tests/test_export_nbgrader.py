"""The exercises as nbgrader takes them: its own commands release, collect and mark them."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from course_utils import metrics
from course_utils.checks import exercises
from course_utils.export import command, nbgrader
from course_utils.grade import command as grade

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "graders" / ".venv"
HOW = """python3 -c 'import start; start.prepare("graders", False, None)'"""
SLIPS = {"1.2": ("at = 0.0", "at = 1e9"), "2.1": ("if temperature == 0", "if temperature == 99")}
"""One line of a solution as it is, and as somebody wrote it who loses that exercise."""
LESSONS = {"solves": "1234567", "slips": "12", "forges": "1"}
"""Whose work of which lessons is marked; each notebook costs nbgrader a kernel."""
FORGED = "from course_utils.checks.verdict import Verdict\nVerdict.passed = True"


def cells(path):
    return {cell["id"]: cell for cell in json.loads(path.read_text("utf-8"))["cells"]}


def test_a_solution_stands_between_the_marks_of_nbgrader():
    text = "import math\n\ndef one():\n    # solution\n    a = 1\n\n    return a\n\nprint(one())"
    marked = "import math\n\ndef one():\n    ### BEGIN SOLUTION\n    a = 1\n\n    return a\n    ### END SOLUTION\n\nprint(one())"
    assert nbgrader.between_marks(text) == marked


def test_cells_carry_the_third_schema_of_nbgrader_with_the_ids_and_points_of_the_course(tmp_path):
    found = {id: cell for path in nbgrader.write(tmp_path) for id, cell in cells(path).items()}
    for exercise in exercises().values():
        answer, test = found[exercise.cell_id], found[f"{exercise.cell_id}-check"]
        flags = {"schema_version": 3, "solution": True, "grade": False, "locked": False, "task": False}
        assert answer["metadata"]["nbgrader"] == flags | {"grade_id": exercise.cell_id}
        flags |= {"solution": False, "grade": True, "locked": True}
        assert test["metadata"]["nbgrader"] == flags | {"grade_id": test["id"], "points": exercise.points}


def test_a_test_cell_raises_the_verdict_that_is_no_pass(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    names = {"check": lambda *given: None, "wrong": lambda arrivals, speed: 3.0, "right": _finish_reading}
    with pytest.raises(AssertionError, match=r"1\.2 not yet: You start reading at 0"):
        exec(nbgrader.raising('check("1.2", wrong)'), names)  # a check of the learner's own is not asked
    exec(nbgrader.raising('check("1.2", right)'), names)
    assert names["verdict"].passed


def _finish_reading(arrivals, speed):
    return metrics.reading(arrivals, speed)[-1] if arrivals else 0.0


def test_what_an_instructor_has_changed_is_not_written_over(tmp_path, capsys):
    path = nbgrader.write(tmp_path, ["01"])[0]
    assert nbgrader.write(tmp_path, ["01"]) == [path]
    path.write_text("mine", encoding="utf-8")
    assert command.main(["nbgrader", str(tmp_path)]) == 2
    assert "move it away" in capsys.readouterr().err
    assert path.read_text("utf-8") == "mine"
    assert len(list(tmp_path.rglob("*.ipynb"))) == 1


# ------------------------------------------------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course directory after nbgrader has marked it, and its scores: of the solution, of what it released, of work with
    one mistake an assignment, and of a notebook that patches the verdict."""
    if not VENV.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"NOT TESTED: nbgrader is not here: {HOW}")
    folder = tmp_path_factory.mktemp("nbgrader")
    for path in nbgrader.write(folder / "course"):
        for student in (one for one, lessons in LESSONS.items() if path.name[1] in lessons):
            target = folder / "course" / "submitted" / student / path.parent.name / path.name
            target.parent.mkdir(parents=True)
            target.write_text(json.dumps(handed_in(path, student)), encoding="utf-8")
    made = run(folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "course", json.loads(made.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def scores(course):
    return course[1]


def handed_in(path, student):
    made = json.loads(path.read_text("utf-8"))
    for cell in made["cells"]:
        cell["source"] = "".join(cell["source"])
        number = cell["id"].removeprefix("ex-").replace("-", ".")
        if student == "slips" and number in SLIPS:
            assert SLIPS[number][0] in cell["source"]
            cell["source"] = cell["source"].replace(*SLIPS[number])
        if student == "forges" and cell["id"].endswith("setup"):
            cell["source"] += f"\n{FORGED}"
        if student == "forges" and number in exercises():
            cell["source"] = f"{exercises()[number].function} = print"
    return made


def run(folder):
    """nbgrader in its own environment, and its kernels in ours, as where the course is installed."""
    kernel = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    kernel |= {"display_name": "Python 3", "env": {"PYTHONPATH": str(ROOT), "COURSE_WORK": str(folder / "work")}}
    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(kernel), encoding="utf-8")
    scripts = sysconfig.get_path("scripts", "venv", vars={"base": str(VENV)})
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER"))}
    env |= {"PATH": os.pathsep.join([scripts, env["PATH"]]), "JUPYTER_PATH": str(folder), "HOME": str(folder)}
    script = [str(Path(scripts, "python")), str(ROOT / "graders" / "nbgrader_course.py"), str(folder / "course")]
    return subprocess.run(script, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600)


def points(student, lost=lambda id: False):
    handed_in = {id: one for id, one in exercises().items() if id[0] in LESSONS.get(student, LESSONS["solves"])}
    return {f"{one.cell_id}-check": 0 if lost(id) else one.points for id, one in handed_in.items()}


def test_nbgrader_gives_all_points_to_the_solution(scores):
    assert scores["solves"] == points("solves")


def test_nbgrader_gives_no_point_to_the_starter(scores):
    assert scores["starts"] == points("starts", lost=lambda id: True)


def test_nbgrader_takes_the_points_of_a_wrong_answer_and_no_others(scores):
    assert scores["slips"] == points("slips", lost=SLIPS.__contains__)


def test_nbgrader_is_deceived_where_our_own_grader_is_not(course, scores, tmp_path):
    assert scores["forges"] == points("forges")
    path = tmp_path / "marks.json"
    pattern = "submitted/(?P<student>[^/]+)/"
    grade.main([str(course[0] / "submitted"), "--name-pattern", pattern, "--jobs", "1", "--json", str(path)])
    ours = {
        one["student"]: {f"ex-{v['exercise'].replace('.', '-')}-check": v["score"] for v in one["verdicts"]}
        for one in json.loads(path.read_text("ascii"))["students"]
    }
    nothing = points("starts", lost=lambda id: True)  # what is not handed in has no points either
    assert ours == {student: nothing | given for student, given in (scores | {"forges": nothing}).items()}
