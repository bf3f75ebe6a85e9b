import json
import subprocess
import sys

import pytest

from course_utils import work


def notebook(*cells) -> str:
    return json.dumps({"cells": [{"id": id, "source": source} for id, source in cells], "nbformat": 4})


@pytest.fixture
def course(tmp_path, monkeypatch):
    for folder in ("lessons", "exercises"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lessons/01.ipynb").write_text(notebook(("c1", "print(1)")))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/references.md").write_text("whose numbers")
    (tmp_path / "exercises/01.ipynb").write_text(
        notebook(("ex-1-1", "starter"), ("ex-1-1-check", "check"), ("ex-1-2", "two"))
    )
    monkeypatch.setenv("COURSE_WORK", str(tmp_path / "work"))
    return tmp_path


def test_the_first_start_copies_lessons_and_exercises(course):
    assert work.fill(course) == []
    assert (course / "work/lessons/01.ipynb").read_text() == (course / "lessons/01.ipynb").read_text()
    assert (course / "work/exercises/01.ipynb").exists()


def test_the_page_that_the_start_page_links_to_comes_along(course):
    work.fill(course)
    assert (course / "work/docs/references.md").read_text() == "whose numbers"


def test_an_update_replaces_an_untouched_copy(course):
    work.fill(course)
    (course / "lessons/01.ipynb").write_text(notebook(("c1", "print(2)")))
    assert work.fill(course) == []
    assert "print(2)" in (course / "work/lessons/01.ipynb").read_text()


def test_an_update_never_touches_what_the_learner_changed(course):
    work.fill(course)
    (course / "work/lessons/01.ipynb").write_text("mine")
    assert work.fill(course) == []
    (course / "lessons/01.ipynb").write_text(notebook(("c1", "print(2)")))
    (message,) = work.fill(course)
    assert "has your changes and stays" in message
    assert (course / "work/lessons/01.ipynb").read_text() == "mine"


def test_reset_restores_one_exercise_and_keeps_a_backup(course):
    work.fill(course)
    copy = course / "work/exercises/01.ipynb"
    copy.write_text(notebook(("ex-1-1", "mine"), ("ex-1-1-check", "gone"), ("ex-1-2", "my two"), ("note", "mine")))
    _, backup = work.reset_exercise("1.1", course)
    cells = {cell["id"]: cell["source"] for cell in json.loads(copy.read_text())["cells"]}
    assert cells == {"ex-1-1": "starter", "ex-1-1-check": "check", "ex-1-2": "my two", "note": "mine"}
    assert "my two" in backup.read_text()


def test_a_second_reset_keeps_a_second_backup(course):
    work.fill(course)
    assert work.reset_exercise("1.1", course)[1] != work.reset_exercise("1.1", course)[1]


def test_reset_puts_a_deleted_cell_back(course):
    work.fill(course)
    copy = course / "work/exercises/01.ipynb"
    copy.write_text(notebook(("ex-1-2", "my two")))
    work.reset_exercise("1.1", course)
    assert [cell["id"] for cell in json.loads(copy.read_text())["cells"]] == ["ex-1-2", "ex-1-1", "ex-1-1-check"]


def test_reset_puts_a_deleted_answer_before_its_check(course):
    work.fill(course)
    copy = course / "work/exercises/01.ipynb"
    copy.write_text(notebook(("ex-1-1-check", "check"), ("ex-1-2", "my two")))
    work.reset_exercise("1.1", course)
    assert [cell["id"] for cell in json.loads(copy.read_text())["cells"]] == ["ex-1-1", "ex-1-1-check", "ex-1-2"]


def test_reset_without_a_copy_makes_one(course):
    assert work.reset_exercise("1.1", course)[1] is None
    assert "starter" in (course / "work/exercises/01.ipynb").read_text()


def test_what_is_remembered_survives_a_new_kernel(course):
    work.remember("predictions", "1.a", 3.5)
    work.remember("hints", "1.1", 2)
    assert work.remembered() == {"outcomes": {}, "hints": {"1.1": 2}, "predictions": {"1.a": 3.5}}


def test_a_second_backup_never_replaces_a_first(course):
    work.fill(course)
    first, second = (work.reset_exercise("1.1", course)[1] for _ in range(2))
    first.unlink()
    second.write_text("precious")
    work.reset_exercise("1.1", course)
    assert second.read_text() == "precious"


def test_two_kernels_can_remember_at_once(course):
    code = (
        "import sys; from course_utils import work\nfor n in range(60): work.remember('hints', sys.argv[1] + str(n), n)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, name], stderr=subprocess.PIPE) for name in "ab"]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert len(work.remembered()["hints"]) == 120


@pytest.mark.parametrize("content", ["[]", "null", "5", '{"outcomes": null}'])
def test_a_progress_file_with_other_things_in_it_is_no_disaster(course, content):
    work.remember("hints", "1.1", 2)
    (work.folder() / "progress.json").write_text(content)
    assert work.remembered() == work.EMPTY
    work.remember("hints", "1.1", 1)


def test_a_lock_left_behind_by_a_killed_kernel_is_passed_over(course, monkeypatch):
    work.remember("hints", "1.1", 1)
    (work.folder() / "progress.lock").touch()
    monkeypatch.setattr(work._alone.__wrapped__, "__defaults__", (0.05,))
    work.remember("hints", "1.1", 2)
    assert work.remembered()["hints"] == {"1.1": 2}


def test_a_broken_progress_file_is_set_aside_not_lost(course):
    work.remember("hints", "1.1", 2)
    (work.folder() / "progress.json").write_text('{"hints": {"1.1"')
    assert work.remembered()["hints"] == {}
    assert (work.folder() / "progress.broken.json").read_text() == '{"hints": {"1.1"'
