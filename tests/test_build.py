"""The build: what a source becomes, what it refuses, and that it never leaves half a notebook."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from course_utils import build
from course_utils.build import BuildError, cells_of, read_source, solution, starter

LESSONS, EXERCISES, SOLUTIONS = build.FACES

EXERCISE = '''\
# %% [markdown]
# # Exercises

# %% exercise="1.1"
def double(x):
    """Twice x."""
    # solution
    return 2 * x

# %% check="1.1"
try:
    print("passed" if double(2) == 4 else "not yet")
except NotImplementedError:
    print("not attempted")

# %% [markdown] tags=["solution"]
# Because two times two is four.
'''

LESSON = """\
# %% [markdown]
# # A lesson?

# %% id="env"
import os, pathlib
print(os.environ["COURSE_CLOCK"], pathlib.Path().resolve().name, os.environ.get("OPENAI_API_KEY"))
print({"a", "b", "c"})

# %% id="slider"
import ipywidgets
ipywidgets.IntSlider(3)

# %% tags=["live"]
import time
assert time.time() > 0
print(time.time())
"""


def course(root: Path, lessons: dict[str, str] | None = None, exercises: dict[str, str] | None = None) -> Path:
    """A little course below `root`, from the texts of its sources."""
    for folder, texts in (("lessons", lessons or {}), ("exercises", exercises or {})):
        for name, text in texts.items():
            path = root / "source" / folder / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return root


def cells(tmp_path: Path, text: str, name: str = "01_toy") -> list[build.Cell]:
    path = tmp_path / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return read_source(path)


def made(tmp_path: Path, text: str, face: build.Face, points: build.Points = lambda number: 2) -> list[dict]:
    """The cells of a notebook that was not executed."""
    return build.notebook(cells_of(cells(tmp_path, text), face), "toy", points)["cells"]


# ------------------------------------------------------------------------------------------------------ solution marks


def test_a_mark_hides_the_rest_of_the_cell():
    text = "def f(x):\n    y = x\n    # solution\n    z = y\n\n    return z"
    assert starter(text) == "def f(x):\n    y = x\n    # YOUR CODE HERE\n    raise NotImplementedError"


def test_a_mark_hides_only_its_block_so_a_class_can_have_several():
    text = (
        "class Two:\n    def one(self):\n        # solution\n        return 1\n\n"
        "    def two(self):\n        # solution\n        return 2\n\n\nTwo()"
    )
    assert starter(text) == (
        "class Two:\n    def one(self):\n        # YOUR CODE HERE\n        raise NotImplementedError\n\n"
        "    def two(self):\n        # YOUR CODE HERE\n        raise NotImplementedError\n\n\nTwo()"
    )


def test_a_mark_in_the_first_column_leaves_no_raise_so_that_run_all_completes():
    assert starter("ttft = None\n# solution\nttft = 0.5") == "ttft = None\n# YOUR CODE HERE"


def test_the_solution_loses_nothing_but_the_mark():
    assert solution("def f(x):\n    # solution\n    return x  # solution of f") == (
        "def f(x):\n    return x  # solution of f"
    )


def test_tags_decide_which_face_has_a_cell(tmp_path):
    text = '# %% tags=["solution"]\n1\n\n# %% tags=["starter"]\n2\n\n# %%\n3\n'
    assert [cell["source"] for cell in made(tmp_path, text, EXERCISES)] == ["2", "3"]
    assert [cell["source"] for cell in made(tmp_path, text, SOLUTIONS)] == ["1", "3"]
    assert all(cell["metadata"] == {} for cell in made(tmp_path, text, SOLUTIONS))


def test_both_faces_may_show_different_cells_for_one_exercise(tmp_path):
    text = (
        '# %% exercise="3.2" tags=["starter"]\nbuggy()\n\n# %% exercise="3.2" tags=["solution"]\nright()\n\n'
        '# %% check="3.2"\ncheck()\n'
    )
    assert [cell["id"] for cell in made(tmp_path, text, EXERCISES)] == ["ex-3-2", "ex-3-2-check"]
    assert [cell["source"] for cell in made(tmp_path, text, SOLUTIONS)] == ["right()", "check()"]


@pytest.mark.parametrize("marked", ["# %%\n# solution\n1\n", '# %% tags=["starter"]\n1\n', '# %% check="1.1"\n1\n'])
def test_a_lesson_has_no_exercise_marks(tmp_path, marked):
    with pytest.raises(BuildError, match="belong into source/exercises"):
        made(tmp_path, marked, LESSONS)


# ----------------------------------------------------------------------------------------------------------------- ids


def test_a_named_cell_keeps_its_id_when_a_cell_is_inserted_above(tmp_path):
    named = '# %% id="race"\n1\n'
    assert [cell["id"] for cell in made(tmp_path, named, LESSONS)] == ["01-race"]
    assert [cell["id"] for cell in made(tmp_path, "# %%\n0\n\n" + named, LESSONS)] == ["01-c01", "01-race"]


def test_equal_ids_name_both_cells(tmp_path):
    with pytest.raises(BuildError, match=r"cell 1 \('one'\) and .*cell 3 \('three'\) both have the id '01-race'"):
        made(tmp_path, '# %% id="race"\none\n\n# %%\ntwo\n\n# %% id="race"\nthree\n', LESSONS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('id="two words"', "expected up to 64 letters"),
        ('idd="race"', "unknown mark 'idd'"),
        ("live", "unknown mark 'title'"),
        ('tags=["Live"]', "unknown tag 'Live'"),
        ('tags=["live"', "unknown mark 'incorrectly_encoded_metadata'"),
        ('exercise="one"', "a number like '1.1'"),
        ('exercise="1.1" check="1.1"', "exclude each other"),
        ('exercise="1.1" id="race"', "exclude each other"),
        ('[markdown] exercise="1.1"', "expected a code cell"),
    ],
)
def test_a_wrong_mark_is_refused(tmp_path, line, message):
    with pytest.raises(BuildError, match=re.escape(message)):
        cells(tmp_path, f"# %% {line}\n# text\n")


@pytest.mark.parametrize(("there", "missing"), [("exercise", "check"), ("check", "exercise")])
def test_an_exercise_has_both_its_cells(tmp_path, there, missing):
    with pytest.raises(BuildError, match=f'exercise 1.1 has no cell marked {missing}="1.1"'):
        made(tmp_path, f'# %% {there}="1.1"\n1\n', EXERCISES)


# ------------------------------------------------------------------------------------------------------------ nbgrader


def test_answer_and_check_cells_carry_nbgrader_schema_3(tmp_path):
    answer, test = made(tmp_path, EXERCISE, EXERCISES)[1:3]
    common = {"schema_version": 3, "task": False}
    assert (answer["id"], test["id"]) == ("ex-1-1", "ex-1-1-check")
    assert answer["metadata"]["nbgrader"] == common | {
        "grade": False, "solution": True, "locked": False, "grade_id": "ex-1-1",
    }  # fmt: skip
    assert test["metadata"]["nbgrader"] == common | {
        "grade": True, "solution": False, "locked": True, "grade_id": "ex-1-1-check", "points": 2,
    }  # fmt: skip


@pytest.mark.parametrize("points", [1.5, True, "2", -1])
def test_points_are_whole_numbers(tmp_path, points):
    with pytest.raises(BuildError, match="must be a whole number, came"):
        made(tmp_path, EXERCISE, EXERCISES, points=lambda number: points)


def test_an_exercise_that_is_not_registered_is_named(tmp_path):
    with pytest.raises(BuildError, match=r"no exercise '1.1'"):
        made(tmp_path, EXERCISE, EXERCISES, points={}.__getitem__)


# --------------------------------------------------------------------------------------------------------- normal form


def executed(*outputs: dict, tags: tuple[str, ...] = ()) -> dict:
    cell = {"cell_type": "code", "id": "a", "source": "1", "execution_count": 7, "outputs": list(outputs)}
    return {"cells": [cell | {"metadata": {"tags": list(tags)}}], "metadata": {"x": 1}, "nbformat": 4}


def test_counts_begin_at_one_and_metadata_name_no_version():
    notebook = executed({"output_type": "execute_result", "execution_count": 7, "metadata": {}, "data": {}})
    build.normalise(notebook, "toy")
    (cell,) = notebook["cells"]
    assert (cell["execution_count"], cell["outputs"][0]["execution_count"]) == (1, 1)
    assert notebook["metadata"] == build.METADATA


def test_a_widget_without_a_text_is_refused():
    view = {build.WIDGET_VIEW: {"model_id": "random"}}
    with pytest.raises(BuildError, match=r"toy cell a: a widget without a text"):
        build.normalise(executed({"output_type": "display_data", "metadata": {}, "data": view}), "toy")


def test_difference_names_the_cell_and_both_lines():
    old, new = executed(), executed({"output_type": "stream", "name": "stdout", "text": ["0.5\n"]})
    newer = json.loads(json.dumps(new).replace("0.5", "0.6"))
    assert 'cell a: stored "outputs": [],' in build.difference(json.dumps(old), json.dumps(new))
    assert build.difference(json.dumps(new), json.dumps(newer)) == r'cell a: stored "0.5\n", built "0.6\n"'


def test_difference_recognises_a_merge_conflict():
    assert "merge conflict" in build.difference("<<<<<<< HEAD\n{}", json.dumps(executed()))


# ------------------------------------------------------------------------------------------------------------- writing


def test_an_unchanged_notebook_is_not_touched(tmp_path):
    (tmp_path / "lessons").mkdir()
    assert build.write(tmp_path, {"lessons/a.ipynb": "1\n", "lessons/b.ipynb": "1\n"}) == [
        "lessons/a.ipynb", "lessons/b.ipynb",
    ]  # fmt: skip
    inode = (tmp_path / "lessons/a.ipynb").stat().st_ino
    assert build.write(tmp_path, {"lessons/a.ipynb": "1\n", "lessons/b.ipynb": "2\n"}) == ["lessons/b.ipynb"]
    assert (tmp_path / "lessons/a.ipynb").stat().st_ino == inode


def test_a_build_that_dies_while_writing_leaves_whole_notebooks(tmp_path, monkeypatch):
    (tmp_path / "lessons").mkdir()
    old, new = ({f"lessons/{name}.ipynb": text * 1000 for name in "abc"} for text in ("old", "new"))
    build.write(tmp_path, old)
    replace, left = os.replace, iter([True, False])

    def die_at_the_second(*paths):
        if not next(left):
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        build.write(tmp_path, new)
    assert [(tmp_path / path).read_text()[:3] for path in old] == ["new", "old", "old"]
    assert all(len((tmp_path / path).read_text()) == 3000 for path in old)


def test_without_jupytext_one_sentence_says_what_brings_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(BuildError, match=r"`python3 start.py test`"):
        cells(tmp_path, "# %%\n1\n")


def test_no_source_is_an_error_not_an_empty_success(tmp_path):
    with pytest.raises(BuildError, match="no source in"):
        build.plan(tmp_path)


# ----------------------------------------------------------------------------------------------------------- execution


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """A course with a lesson and an exercise, built."""
    root = course(tmp_path_factory.mktemp("toy"), {"01_toy": LESSON}, {"01_toy": EXERCISE})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "the builder's own")
        patch.setenv("COURSE_CLOCK", "real")
        assert build.main([], root, points=lambda number: 2) == 0
    return root


def stored(root: Path, label: str) -> list[dict]:
    return json.loads((root / label).read_text(encoding="utf-8"))["cells"]


def test_cells_run_in_virtual_time_in_the_notebooks_folder_without_the_builders_key(toy):
    env = stored(toy, "lessons/01_toy.ipynb")[1]
    assert env["outputs"][0]["text"][0] == "virtual lessons None\n"


def test_a_widget_is_stored_as_its_text_without_a_random_id(toy):
    (output,) = stored(toy, "lessons/01_toy.ipynb")[2]["outputs"]
    assert output["data"] == {"text/plain": ["IntSlider(value=3)"]}


def test_a_live_cell_is_run_and_stored_without_output(toy):
    live = stored(toy, "lessons/01_toy.ipynb")[3]
    assert (live["execution_count"], live["outputs"]) == (3, [])
    assert live["metadata"]["tags"] == ["live", "nbval-ignore-output"]


def test_starter_and_solution_are_executed_with_their_own_verdicts(toy):
    verdicts = [stored(toy, f"{folder}/01_toy.ipynb")[2]["outputs"][0]["text"] for folder in ("exercises", "solutions")]
    assert verdicts == [["not attempted\n"], ["passed\n"]]
    assert len(stored(toy, "solutions/01_toy.ipynb")) == len(stored(toy, "exercises/01_toy.ipynb")) + 1


def test_building_again_gives_the_same_bytes(toy, capsys):
    assert build.main(["--check"], toy, points=lambda number: 2) == 0
    assert re.fullmatch(r"3 notebooks are up to date \([\d.]+ s\)\n", capsys.readouterr().out)


def test_check_names_stale_missing_and_orphaned_notebooks_and_what_repairs_them(tmp_path, toy, monkeypatch, capsys):
    texts = {"lessons/01_toy.ipynb": (toy / "lessons/01_toy.ipynb").read_text(), "lessons/02_toy.ipynb": "{}"}
    course(tmp_path, {"01_toy": LESSON, "02_toy": LESSON})
    (tmp_path / "lessons").mkdir()
    for name in ("01_toy", "09_gone"):
        (tmp_path / f"lessons/{name}.ipynb").write_text(texts["lessons/01_toy.ipynb"].replace("virtual", "real"))
    monkeypatch.setattr(build, "build", lambda root, names, points: texts)
    assert build.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        r'lessons/01_toy.ipynb: cell 01-env: stored "real lessons None\n",, built "virtual lessons None\n",',
        "lessons/02_toy.ipynb: missing",
        "repair: python3 start.py build",
        "lessons/09_gone.ipynb: no source makes it",
        "repair: git rm lessons/09_gone.ipynb",
    ]


def test_names_pick_the_sources(toy):
    assert [face.folder for _, face in build.plan(toy, ["01"])] == ["lessons", "exercises", "solutions"]
    with pytest.raises(BuildError, match="matches 07"):
        build.plan(toy, ["07"])


REFUSED = {
    "01_thread": "# %%\nimport threading, time\ndef late():\n    time.sleep(0.3)\n    print('late')\n\n"
    "threading.Thread(target=late).start()\n\n# %%\ntime.sleep(0.5)\n",
    "02_task": "# %%\nimport asyncio\nlate = asyncio.create_task(asyncio.sleep(60))\n",
    "03_server": '# %% tags=["live"]\nimport threading\nstop = threading.Event()\n'
    "threading.Thread(target=stop.wait, name='server').start()\n\n# %%\nprint('served')\n",
    "04_dies": "# %%\nimport os\nos._exit(3)\n",
    "05_raises": "# %%\ndef f():\n    return 1 / 0\n\n# %%\nf()\n",
    "06_hangs": "# %%\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass\n",
}
ACCEPTED = {
    "07_pool": "# %%\nimport asyncio\nprint(await asyncio.to_thread(sum, [1, 2]))\n",
    "08_closed": '# %% tags=["live"]\nimport threading\nstop = threading.Event()\n'
    "server = threading.Thread(target=stop.wait)\nserver.start()\nassert server.is_alive()\n\n# %%\nprint('served')\n"
    '\n# %% tags=["live"]\nstop.set()\nserver.join()\nassert not server.is_alive()\n',
}


@pytest.fixture(scope="module")
def refusal(tmp_path_factory) -> str:
    """What a build says about six bad notebooks and two good ones, at once."""
    root = course(tmp_path_factory.mktemp("bad"), REFUSED | ACCEPTED)
    with pytest.raises(BuildError) as caught:
        build.build(root, timeout=3)
    assert not list(root.glob("lessons/*"))
    return str(caught.value)


@pytest.mark.parametrize(
    "sentence",
    [
        r"lessons/01_thread.ipynb cell 01-c01: still at work: thread",
        r"lessons/02_task.ipynb cell 02-c01: still at work: task sleep",
        r"lessons/03_server.ipynb, after its last cell: still at work: thread 'server'",
        r"lessons/04_dies.ipynb cell 04-c01: the kernel died",
        r"lessons/05_raises.ipynb cell 05-c02 raised ZeroDivisionError: division by zero\n    f\(\)",
        r"lessons/06_hangs.ipynb cell 06-c01 ran longer than 3 s; .*\n    while True",
    ],
)
def test_a_cell_that_fails_hangs_or_leaves_work_behind_is_named(refusal, sentence):
    assert re.search(sentence, refusal)


def test_idle_pools_and_servers_closed_by_the_end_are_allowed(refusal):
    assert "07_pool" not in refusal and "08_closed" not in refusal


# ------------------------------------------------------------------------------------------------------------- signals


def wait_for(true, seconds: float = 60) -> None:
    """Polls another process: there is nothing to wait on."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"still false after {seconds} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.live
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_build_leaves_no_kernel_and_the_old_notebooks(tmp_path, stop):
    course(
        tmp_path, {"01_hangs": "# %%\nimport os, time\nopen('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(99)\n"}
    )
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons/01_hangs.ipynb").write_text("old")
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # what runs in the background ignores it
    code = "import pathlib, sys; from course_utils import build; sys.exit(build.main([], pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", f"{heard}; {code}", str(tmp_path)]
    with subprocess.Popen(command, cwd=build.ROOT, stderr=subprocess.PIPE, text=True) as process:
        pid = tmp_path / "lessons/pid"
        wait_for(lambda: pid.exists() and pid.read_text().endswith("\n"))
        process.send_signal(stop)
        assert process.wait(60) == (130 if stop == signal.SIGINT else -signal.SIGKILL)
        wait_for(lambda: not alive(int(pid.read_text())))
        assert stop == signal.SIGKILL or process.stderr.read() == "stopped; the notebooks are as they were\n"
    assert (tmp_path / "lessons/01_hangs.ipynb").read_text() == "old"
