"""A class of broken notebooks in one folder: each gets a verdict, nobody gets another's, and nothing of it is our failure."""

import json

import grading
import pytest
from test_grade_marking import CLASSIFIES, ENDS, READS

from course_utils.grade import command, workers

TEXT = {"cell_type": "markdown", "metadata": {}, "source": READS}
TWICE = {"cell_type": "code", "id": "same", "metadata": {}, "source": READS}
BARE = {"cell_type": "code", "source": CLASSIFIES}
STORM = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
BOMB = "kept = []\nwhile True: kept.append(bytearray(10**8))"


def in_the_answer(body):
    return grading.notebook(f"def finish_reading(arrivals, tokens_per_second):\n    {body}", CLASSIFIES)


def beside_the_answer(cell):
    return grading.notebook(READS, cell, CLASSIFIES)


FINE = grading.notebook(READS, CLASSIFIES)
BROKEN = {
    # name: (bytes, outcome of 1.2, outcome of 1.3)
    "is no JSON": (b"hello", "not_attempted", "not_attempted"),
    "is cut off": (FINE[:-40], "not_attempted", "not_attempted"),
    "is empty": (b"", "not_attempted", "not_attempted"),
    "comes from the future": (b'{"nbformat": 9, "cells": "later"}', "not_attempted", "not_attempted"),
    "comes from the future and has cells": (FINE.replace(b'"nbformat": 4', b'"nbformat": 7'), "passed", "passed"),
    "lacks the function": (grading.notebook("x = 1", CLASSIFIES), "not_attempted", "passed"),
    "renames the function": (
        grading.notebook(READS.replace("finish_r", "finished_r"), CLASSIFIES),
        "not_attempted",
        "passed",
    ),
    "has a syntax error": (grading.notebook(READS.replace("0.0", "0.0)"), CLASSIFIES), "raised", "passed"),
    "loops": (in_the_answer("while True: pass"), "raised", "passed"),
    "loops in a cell": (beside_the_answer("while True: pass"), "passed", "passed"),
    "takes all memory": (in_the_answer("return len(bytearray(10**11))"), "raised", "passed"),
    "takes all memory in a cell": (beside_the_answer(BOMB), "passed", "passed"),
    "forks without end": (beside_the_answer(STORM), "passed", "passed"),
    "prints without end": (in_the_answer("while True: print('x' * 10**6)"), "raised", "passed"),
    "prints without end in a cell": (beside_the_answer(ENDS["endless output"]), "passed", "passed"),
    "exits": (in_the_answer("import sys; sys.exit(0)"), "raised", "passed"),
    "exits in a cell": (beside_the_answer("import sys; sys.exit(0)"), "passed", "passed"),
    "breaks Python": (in_the_answer("import ctypes; ctypes.string_at(0)"), "raised", "passed"),
    "breaks Python in a cell": (beside_the_answer(ENDS["segmentation fault"]), "passed", "passed"),
    "recurs": (in_the_answer("return finish_reading(arrivals, tokens_per_second)"), "raised", "passed"),
    "waits for input": (in_the_answer("return float(input())"), "raised", "passed"),
    "waits for input in a cell": (beside_the_answer("name = input()"), "passed", "passed"),
    "has an unknown kernel": (grading.notebook(READS, CLASSIFIES, kernelspec={"name": "julia-9"}), "passed", "passed"),
    "begins with a byte-order mark": (b"\xef\xbb\xbf" + FINE, "passed", "passed"),
    "has an id twice": (grading.notebook(TWICE, TWICE, CLASSIFIES), "passed", "passed"),
    "has no metadata": (json.dumps({"cells": [BARE]}).encode(), "not_attempted", "passed"),
    "has its answer in a text cell": (grading.notebook(TEXT, CLASSIFIES), "not_attempted", "passed"),
    "is noisy": (in_the_answer("import warnings; warnings.warn('x'); return 0.0"), "not_yet", "passed"),
}


@pytest.fixture
def outcomes(tmp_path, monkeypatch, sandbox):
    """{name: (outcome of 1.2, outcome of 1.3)} of the whole class, and what could not be checked."""
    monkeypatch.setattr(workers, "_sandbox", lambda level: sandbox)
    for name, (data, *_) in BROKEN.items():
        (tmp_path / f"{name}.ipynb").write_bytes(data)
    line = [str(tmp_path), "--jobs", "1", "--patience", "0.1", "--exercise", "1.2", "--exercise", "1.3"]
    assert command.main([*line, "--json", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out").read_text("ascii"))
    each = {one["student"]: tuple(verdict["outcome"] for verdict in one["verdicts"]) for one in found["students"]}
    return each, found["could_not_check"]


@pytest.mark.live
def test_each_of_a_class_of_broken_notebooks_gets_its_own_verdict(outcomes):
    found, unchecked = outcomes
    assert found == {name: tuple(wanted) for name, (_, *wanted) in BROKEN.items()}
    assert unchecked == []
