"""The committed notebooks: true to their sources, equal to what runs, and compared so that a wrong character shows."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from course_utils import build, compared, lint

ROOT = build.ROOT
MIN_PERCENT = 95
STORED = compared.stored(ROOT)
Outcomes = dict[tuple[str, str], str]


# ------------------------------------------------------------------------------------------------- running nbval


class Nbval:
    """`python -m pytest --nbval …` as a user types it, begun at once so that two of them share the two cores."""

    def __init__(self, tree: Path, *paths: str, timeout: float = 60) -> None:
        own = ("COURSE_", "OPENAI_", "PYTEST_")
        env = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        command = [sys.executable, "-m", "pytest", "--nbval", f"--nbval-cell-timeout={timeout:g}", *paths]
        report = ["-rA", "--tb=short", "--color=no", "-p", "no:cacheprovider"]
        self.process = subprocess.Popen(
            command + report, cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def result(self) -> tuple[int, Outcomes, str]:
        """Exit code, outcome of each cell by file and name, and what was printed."""
        text, _ = self.process.communicate()
        found = re.findall(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS|SKIPPED) (\S+\.ipynb)::(Cell \d+)", text, re.MULTILINE)
        return self.process.returncode, {(path, cell): outcome for outcome, path, cell in found}, text


def nbval_names(notebooks: compared.Notebooks) -> Iterator[tuple[tuple[str, str], dict]]:
    """nbval's name of each code cell, and the cell: it counts code cells from 0."""
    for path, notebook in notebooks.items():
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        yield from (((path, f"Cell {number}"), cell) for number, cell in enumerate(code))


# ---------------------------------------------------------------------------------------- changing one character


Spot = tuple[int, str]  # an output of a cell, and a kind of its data ("" for a stream)


def spots(cell: dict) -> list[Spot]:
    """Each stored text of a cell."""
    kinds = [(number, output.get("data", {"": None})) for number, output in enumerate(cell["outputs"])]
    return [(number, kind) for number, data in kinds for kind in data]


def change(cell: dict, spot: Spot) -> None:
    """Changes one character of a stored text: the last that can be seen."""
    number, kind = spot
    output = cell["outputs"][number]
    place, key = (output["data"], kind) if kind else (output, "text")
    place[key] = other(place[key])


def other(value):
    """The value with one character changed; of a JSON value, its first text or number."""
    if isinstance(value, dict):
        first = next(iter(value))
        return value | {first: other(value[first])}
    if isinstance(value, (int, float)):
        return value + 1
    text = compared.text(value)
    at = len(text.rstrip()) - 1
    return text[:at] + ("y" if text[at : at + 1] == "x" else "x") + text[at + 1 :]


def falsify(cell: dict) -> None:
    """Makes every stored output wrong by one character; a silent cell gets an output that it never gave."""
    for spot in spots(cell):
        change(cell, spot)
    if not cell["outputs"]:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]


# ------------------------------------------------------------------------------------- nbval over the committed ones


@pytest.fixture(scope="module")
def falsified() -> dict[str, dict]:
    """The committed notebooks, each compared cell stored wrong."""
    notebooks = copy.deepcopy(STORED)
    for _, cell in nbval_names(notebooks):
        if cell["source"] and not compared.uncompared(cell):
            falsify(cell)
    return notebooks


@pytest.fixture(scope="module")
def runs(falsified, tmp_path_factory) -> dict[str, tuple[int, Outcomes, str]]:
    """nbval over the committed notebooks, and over the falsified ones in a copy of the tree."""
    tree = tmp_path_factory.mktemp("falsified")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    (tree / "course_utils").symlink_to(ROOT / "course_utils")
    for path, notebook in falsified.items():
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(json.dumps(notebook), encoding="utf-8")
    begun = {"true": Nbval(ROOT, *compared.FOLDERS), "falsified": Nbval(tree, *compared.FOLDERS)}
    return {name: run.result() for name, run in begun.items()}


def test_every_source_has_its_notebooks():
    """The guard of the tests below: over an empty folder they would all pass."""
    assert sorted(STORED) == sorted(f"{face.folder}/{path.stem}.ipynb" for path, face in build.plan(ROOT))


def test_every_notebook_is_what_its_source_gives():
    assert build.check(ROOT) == []


def test_nbval_passes_every_cell_of_every_notebook(runs):
    """Also none skipped, and none expected to fail, which is how nbval shows the cells after one that hung."""
    code, outcomes, text = runs["true"]
    assert outcomes == {key: "PASSED" for key, _ in nbval_names(STORED)}, text[-6000:]
    assert outcomes and code == 0, text[-6000:]


def test_a_notebook_does_not_see_what_another_has_kept():
    """The start page shows a learner's progress, and solutions make progress."""
    code, outcomes, text = Nbval(
        ROOT, "solutions/01_why_streaming_matters.ipynb", "lessons/00_start_here.ipynb"
    ).result()
    assert len(outcomes) > 10 and code == 0, text[-6000:]


def test_one_wrong_character_fails_exactly_the_cells_that_are_compared(runs):
    _, outcomes, text = runs["falsified"]
    expected = {
        key: "FAILED" if cell["source"] and not compared.uncompared(cell) else "PASSED"
        for key, cell in nbval_names(STORED)
    }
    assert "FAILED" in expected.values()
    assert outcomes == expected, text[-6000:]


def test_nearly_all_cells_are_compared():
    share = compared.share(STORED)
    assert share.percent >= MIN_PERCENT, str(share)


@pytest.mark.parametrize("path", STORED)
def test_a_notebook_keeps_the_rules(path):
    assert lint.findings(path, STORED[path]) == []


def verdicts(folder: str) -> dict[tuple[str, str], str]:
    """What the check cells of a folder have stored, as one text each."""
    checks = {
        (path, cell["id"]): cell
        for path, notebook in STORED.items()
        for cell in compared.code_cells(notebook)
        if path.startswith(f"{folder}/") and cell["metadata"].get("nbgrader", {}).get("grade")
    }
    return {key: " ".join(_texts(cell)).lower() for key, cell in checks.items()}


def _texts(cell) -> Iterator[str]:
    for output in cell["outputs"]:
        yield compared.text(output.get("text", "")) + compared.text(output.get("data", {}).get("text/plain", ""))


@pytest.mark.parametrize(("folder", "verdict"), [("exercises", "not attempted"), ("solutions", "passed")])
def test_every_check_in_a_folder_says(folder, verdict):
    said = verdicts(folder)
    assert said, f"no check cell in {folder}/"
    assert {key: text for key, text in said.items() if verdict not in text} == {}


# -------------------------------------------------------------------------------------------- what nbval can and can't


ALL_KINDS = """\
import sys
from IPython.display import display
data = {"text/plain": "plain", "text/html": "<b>html</b>", "image/svg+xml": "<svg><title>t</title></svg>"}
display(data | {"text/markdown": "*md*", "application/json": {"a": "b"}}, raw=True)
print("out", flush=True)
print("err", file=sys.stderr)
"""
HANGS = "while True: pass"
SWALLOWS = f"try:\n    {HANGS}\nexcept BaseException:\n    pass"


def lesson(*sources: str) -> str:
    return "\n\n".join(f"# %%\n{source}" for source in sources)


def write_kinds(root: Path) -> Path:
    """A lesson whose every cell puts out all kinds; the n-th cell is falsified at the n-th kind, the last one not."""
    (root / "source/lessons").mkdir(parents=True)
    (root / "source/lessons/01_kinds.py").write_text(lesson(*[ALL_KINDS] * 8))
    notebook = json.loads(build.build(root)["lessons/01_kinds.ipynb"])
    for cell, spot in zip(notebook["cells"], spots(notebook["cells"][0]), strict=False):
        change(cell, spot)
    (root / "lessons/01_kinds.ipynb").write_text(json.dumps(notebook))
    return root


@pytest.fixture(scope="module")
def toys(tmp_path_factory) -> dict[str, tuple[Path, Nbval]]:
    """nbval over the falsified kinds and over cells that hang, begun at once."""
    kinds, hanging = write_kinds(tmp_path_factory.mktemp("kinds")), tmp_path_factory.mktemp("hanging")
    for name, cells in {"plain": [HANGS, "1"], "swallows": [SWALLOWS, ""]}.items():
        (hanging / f"{name}.ipynb").write_text(json.dumps(never_ran(*cells)))
    return {"kinds": (kinds, Nbval(kinds, "lessons")), "hanging": (hanging, Nbval(hanging, ".", timeout=1))}


def test_nbval_sees_one_wrong_character_in_each_kind_of_output(toys):
    root, run = toys["kinds"]
    cells = json.loads((root / "lessons/01_kinds.ipynb").read_text())["cells"]
    kinds = [kind for _, kind in spots(cells[0])]
    assert sorted(kinds) == ["", "", "application/json", "image/svg+xml", "text/html", "text/markdown", "text/plain"]
    _, outcomes, text = run.result()
    assert list(outcomes.values()).count("FAILED") == 7, text
    assert [cell for (_, cell), outcome in outcomes.items() if outcome == "PASSED"] == ["Cell 7"]


def never_ran(*sources: str) -> dict:
    """A notebook that claims to have run."""
    made = {"metadata": {}, "outputs": [], "cell_type": "code"}
    cells = [made | {"id": f"c{n}", "execution_count": n, "source": text} for n, text in enumerate(sources, start=1)]
    return {"cells": cells, "metadata": build.METADATA, "nbformat": 4, "nbformat_minor": 5}


def test_a_cell_that_hangs_can_not_look_green(toys):
    """It fails. One that swallows the interrupt passes in nbval 0.11, but what follows is no longer PASSED.

    As the last cell it would go unseen: that the build, which runs first, does not let it pass is tested there.
    """
    code, outcomes, text = toys["hanging"][1].result()
    assert code != 0
    assert outcomes[("plain.ipynb", "Cell 0")] == "FAILED", text
    assert outcomes[("swallows.ipynb", "Cell 1")] != "PASSED", text


# ------------------------------------------------------------------------------------------------- the published share


def cell(source: str = "1", count: int | None = 1, tags: tuple[str, ...] = (), outputs: tuple = ()) -> dict:
    return {
        "cell_type": "code", "id": "a", "source": source, "execution_count": count,
        "metadata": {"tags": list(tags)}, "outputs": list(outputs),
    }  # fmt: skip


def test_the_share_names_each_cell_that_is_left_out():
    share = compared.share({"lessons/a.ipynb": {"cells": [cell(), cell(tags=("live",)), cell(), cell(source=" ")]}})
    assert str(share) == "compared 2 of 3 code cells (66.7 %); not compared: lessons/a.ipynb cell a: live"


def test_no_cells_are_not_a_perfect_share():
    assert compared.share({}).percent == 0


@pytest.mark.parametrize(
    ("left_out", "why"),
    [
        (cell(count=None), "never run"),
        (cell(tags=("nbval-skip",)), "nbval-skip"),
        (cell(source="# NBVAL_IGNORE_OUTPUT\n1"), "NBVAL_IGNORE_OUTPUT"),
        (cell(outputs=({"output_type": "display_data", "data": {"image/png": "aa"}},)), "a picture or widget only"),
    ],
)
def test_a_cell_that_nbval_does_not_compare_is_not_counted(left_out, why):
    assert compared.uncompared(left_out) == why
