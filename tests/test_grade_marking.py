"""Every notebook gets verdicts, however broken it is, and a broken part costs its own exercise only."""

import json

import grading
import pytest

from course_utils import work
from course_utils.grade import notebook
from course_utils.grade.inside import confine
from course_utils.grade.marking import Patience, mark
from course_utils.grade.notebook import Unreadable, read
from course_utils.grade.sandbox import OurFault

IDS = ["1.2", "1.3"]
HURRY = Patience(call=1.0, cell=1.0, hanging=4.0, exercise=20.0)

READS = """
def finish_reading(arrivals, tokens_per_second):
    at = 0.0
    for arrived in arrivals:
        at = max(at, arrived) + 1 / tokens_per_second
    return at
"""
CLASSIFIES = """
def classify(arrivals):
    if len(arrivals) < 4:
        return "unknown"
    span = arrivals[-1] - arrivals[0]
    if span <= arrivals[-1] / 20:
        return "buffered"
    limit = span / (len(arrivals) - 1) / 10
    found = 1 + sum(b - a > limit for a, b in zip(arrivals, arrivals[1:]))
    return "clumped" if 3 <= found <= len(arrivals) / 2 else "streamed"
"""


@pytest.fixture
def marked(sandbox):
    """The outcomes of 1.2 and 1.3 for a notebook of these cells."""

    def run(*cells, patience=HURRY, **metadata):
        return mark(grading.notebook(*cells, **metadata), IDS, sandbox, patience)

    return run


def outcomes(marks):
    return [marks.verdicts[id].outcome for id in IDS]


def stored(folder):
    path = next((work.ROOT / folder).glob("01*.ipynb"))
    return json.loads(path.read_text("utf-8"))


def of(folder, sandbox, change=lambda stored: None):
    made = stored(folder)
    change(made)
    marks = mark(json.dumps(made).encode(), ["1.1", "1.2", "1.3", "1.4"], sandbox)
    return [verdict.outcome for verdict in marks.verdicts.values()]


# --------------------------------------------------------------------------------------------------------- the course's own


def test_the_solutions_pass_and_the_starters_are_not_attempted(sandbox):
    assert of("solutions", sandbox) == ["passed"] * 4
    assert of("exercises", sandbox) == ["not_attempted"] * 4


# ------------------------------------------------------------------------------------------ files that are hardly notebooks


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"hello", "no JSON"),
        (grading.notebook(READS)[:-40], "ends in the middle"),
        (b"[1, 2]", "not a notebook"),
        (b"{}", "no list of cells"),
        (b'{"nbformat": 9, "cells": "later"}', "format 9"),
        (b"[" * 100_000, "no JSON"),
        (b'{"cells": 1' + b"0" * 5000 + b"}", "no list of cells"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "no JSON"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_file_that_is_no_notebook_gets_verdicts_and_a_reason(sandbox, data, says):
    marks = mark(data, IDS, sandbox)
    assert outcomes(marks) == ["not_attempted"] * 2
    assert says in marks.trouble
    assert says in marks.verdicts["1.2"].message


def test_what_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(notebook, "MOST_CELLS", 3)
    monkeypatch.setattr(notebook, "LARGEST", 10_000)
    with pytest.raises(Unreadable, match="4 cells"):
        read(grading.notebook(*"abcd"))
    with pytest.raises(Unreadable, match="MB"):
        read(b" " * 10_001)


def test_a_byte_order_mark_other_encodings_and_formats_do_not_matter():
    plain = grading.notebook("x = 1")
    old = json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"]}]}], "nbformat": 3}).encode()
    future = json.dumps(json.loads(plain) | {"nbformat": 5, "nbformat_minor": 0}).encode()
    for data in (plain, b"\xef\xbb\xbf" + plain, plain.decode().encode("utf-16"), old, future):
        assert [cell.source for cell in read(data).cells] == ["x = 1"]


def test_odd_cells_are_passed_over():
    odd = [
        7,
        None,
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 5},
        {"cell_type": "raw", "source": "text"},
    ]
    found = read(json.dumps({"cells": [*odd, {"cell_type": "code", "source": ["a\n", "b"]}]}).encode())
    assert [cell.source for cell in found.cells] == ["", "", "a\nb"]
    assert found.cells[-1].number == 7


def test_ids_metadata_and_kernels_do_not_matter(sandbox):
    def strip(made):
        made["metadata"] = {"kernelspec": {"name": "julia-9"}}
        for cell in made["cells"]:
            cell["metadata"], cell["id"] = {}, "same"
            cell.pop("outputs", None)
            cell.pop("execution_count", None)

    assert of("solutions", sandbox, strip) == ["passed"] * 4


def test_answers_are_found_wherever_they_stand(sandbox):
    assert of("solutions", sandbox, lambda made: made["cells"].reverse()) == ["passed"] * 4
    assert of("solutions", sandbox, lambda made: made["cells"].extend(stored("exercises")["cells"])) == ["passed"] * 4


def test_an_answer_in_a_text_cell_is_said_so(marked):
    marks = marked({"cell_type": "markdown", "source": READS}, CLASSIFIES)
    assert outcomes(marks) == ["not_attempted", "passed"]
    assert "Turn it into a code cell" in marks.verdicts["1.2"].message


def test_a_missing_and_a_renamed_function_are_said_so(marked):
    marks = marked(READS.replace("finish_reading", "finish_readng"))
    assert outcomes(marks) == ["not_attempted"] * 2
    assert "There is finish_readng" in marks.verdicts["1.2"].message
    assert marks.verdicts["1.3"].message == "No cell defines classify."


@pytest.mark.parametrize(
    ("value", "outcome"), [("None", "not_attempted"), ("...", "not_attempted"), ("3.5", "not_yet")]
)
def test_a_value_where_a_function_should_be(marked, value, outcome):
    assert outcomes(marked(f"finish_reading = {value}", CLASSIFIES)) == [outcome, "passed"]


# ------------------------------------------------------------------------------------------------------------------- cells


def test_a_cell_that_needs_a_later_one_gets_another_turn(marked):
    uses = READS.replace("0.0", "START") + "\nfinish_reading([1.0], 2.0)"
    assert outcomes(marked("print(EARLY)\n" + CLASSIFIES, uses, "START = EARLY - 1.0", "EARLY = 1.0")) == ["passed"] * 2


def test_the_latest_definition_counts_but_a_starter_does_not_hide_an_answer(marked):
    starter = "def finish_reading(arrivals, tokens_per_second):\n    raise NotImplementedError"
    wrong = READS.replace("return at", "return at + 1")
    assert outcomes(marked(READS, starter, wrong, CLASSIFIES)) == ["not_yet", "passed"]
    assert outcomes(marked(wrong, READS, starter, CLASSIFIES, starter)) == ["passed"] * 2


def test_magics_and_shell_lines_are_replaced_but_not_in_texts(marked):
    cell = "%matplotlib inline\nfiles = !ls\n?print\nif files == []:\n    %time x = 1\n    !rm -rf /\nlen?\n"
    text = 'NOTE = """\n%percent\n!bang\n"""\nassert NOTE == "\\n%" + "percent\\n" + "!bang\\n"\n'
    assert outcomes(marked(cell + text + READS, "%%time\n" + CLASSIFIES, "%%bash\nrm -rf /")) == ["passed"] * 2


def test_what_notebooks_have_of_their_own_is_there(marked):
    cell = """
from course_utils import MockServer, check, glossary, hint, play, practice, predict, progress, reset, reveal, solution
import asyncio
display(practice)
get_ipython().run_line_magic("time", "")
async def main():
    await asyncio.sleep(5)
    return 1
assert await play(main()) == 1
await asyncio.sleep(1)
assert check("1.2", None).passed
glossary("ttft"), hint("1.2"), predict("1.a", 3), reveal("1.a", 4.0), progress(), reset("1.2"), solution("1.2")
mock = MockServer("Hi")
assert mock.client().chat.completions.create(model=mock.model, messages=[{"role": "user", "content": "Hi"}])
"""
    assert outcomes(marked(cell + READS, CLASSIFIES)) == ["passed"] * 2


def test_a_test_cell_is_left_out_unless_it_holds_an_answer(marked):
    marks = {"nbgrader": {"grade": True, "solution": False}}
    hangs = {"cell_type": "code", "metadata": marks, "source": "while True: pass"}
    answer = {"cell_type": "code", "metadata": marks, "source": CLASSIFIES}
    found = marked(READS, hangs, answer)
    assert outcomes(found) == ["passed"] * 2
    assert not found.notes


SPOILS = {
    "syntax error": "def broken(:",
    "raises": "1 / 0",
    "deep recursion": "def f(): return f()\nf()",
    "input": "input('name? ')",
    "exit": "import sys; sys.exit(0)",
    "quit": "quit()",
    "system exit": "raise SystemExit",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "noise": "import sys, warnings\nwarnings.warn('x')\nprint('x' * 10**7)\nprint('y' * 10**6, file=sys.stderr)",
    "warnings as errors": "import warnings; warnings.simplefilter('error')",
    "unknown module": "import tensorflow_of_mars",
    "null byte": "x = '\0'",
    "half a surrogate pair": "x = '\ud800'",
}


@pytest.mark.parametrize("source", SPOILS.values(), ids=SPOILS)
def test_a_cell_that_fails_costs_nothing_else(marked, source):
    marks = marked(READS, source, CLASSIFIES)
    assert outcomes(marks) == ["passed"] * 2
    assert not marks.notes


ENDS = {
    "endless loop": "while True: pass",
    "endless loop that catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "sleeps": "import time; time.sleep(60)",
    "endless output": "while True: print('x' * 10**6)",
    "exit at once": "import os; os._exit(0)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "deep recursion in C": "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nimport functools\nclass A:\n"
    "    def __repr__(self): return repr(self)\nrepr(A())\nf()",
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL); os._exit(1)",
}


@pytest.mark.parametrize("source", ENDS.values(), ids=ENDS)
def test_a_cell_that_hangs_or_dies_is_left_out_and_named(marked, source):
    marks = marked(READS, source, CLASSIFIES)
    assert outcomes(marks) == ["passed"] * 2
    assert marks.notes
    assert marks.notes[0].startswith("Cell 2 was left out: it ")


def test_a_memory_bomb_is_contained(marked):
    bomb = "kept = []\nwhile True: kept.append(bytearray(10**8))"
    assert outcomes(marked(READS, bomb, CLASSIFIES)) == ["passed"] * 2


def test_a_fork_storm_is_contained(marked, sandbox):
    storm = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    assert outcomes(marked(READS, storm, CLASSIFIES)) == ["passed"] * 2
    assert outcomes(mark(grading.notebook(READS, CLASSIFIES), IDS, sandbox, HURRY)) == ["passed"] * 2


def test_a_cell_that_defines_an_answer_and_dies_is_told(marked):
    marks = marked(READS + "\nimport os; os._exit(3)", CLASSIFIES)
    assert outcomes(marks) == ["raised", "passed"]
    assert "Cell 1" in marks.verdicts["1.2"].message
    assert "exit code 3" in marks.notes[0]


def test_the_error_of_the_cell_that_should_define_is_told(marked):
    marks = marked(READS.replace("0.0", "0.0)"), CLASSIFIES)
    assert outcomes(marks) == ["raised", "passed"]
    assert "raised SyntaxError" in marks.verdicts["1.2"].message


def test_a_definition_before_an_error_counts(marked):
    assert outcomes(marked(READS + "\n1 / 0", CLASSIFIES)) == ["passed"] * 2


def test_many_cells_that_hang_cost_a_bounded_time(marked):
    marks = marked(*["while True: pass"] * 5, READS, patience=Patience(call=1.0, cell=2.0, hanging=2.0))
    assert outcomes(marks) == ["passed", "not_attempted"]
    assert len(marks.notes) == 5


def test_dozens_of_cells_that_die_cost_no_answer_and_no_hour(marked):
    marks = marked(*["import os; os._exit(1)"] * 40, READS, CLASSIFIES)
    assert outcomes(marks) == ["passed"] * 2
    assert len(marks.notes) == 11


# ------------------------------------------------------------------------------------------------------------------- calls

CALLS = {
    "endless loop": ("while True: pass", "did not come back within 1 s"),
    "exit": ("import os; os._exit(0)", "ended Python itself: it ended with exit code 0"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "input": ("return input()", "EOFError"),
    "memory": ("return sum(len(bytearray(10**9)) for _ in range(99)) + len(list(range(10**9)))", "MemoryError"),
    "deep recursion": ("return finish_reading(arrivals, tokens_per_second)", "RecursionError"),
}


@pytest.mark.parametrize(("body", "says"), CALLS.values(), ids=CALLS)
def test_a_call_that_hangs_or_dies_costs_its_own_exercise(marked, body, says):
    marks = marked(f"def finish_reading(arrivals, tokens_per_second):\n    {body}", CLASSIFIES)
    assert outcomes(marks) == ["raised", "passed"]
    assert says in marks.verdicts["1.2"].message


def test_slow_work_that_is_right_passes(marked):
    slow = READS.replace("    at = 0.0", "    import time; time.sleep(0.1)\n    at = 0.0")
    assert outcomes(marked("import time; time.sleep(0.8)", slow, CLASSIFIES)) == ["passed"] * 2


def test_noise_and_warnings_in_an_answer_cost_nothing(marked):
    noisy = READS.replace(
        "    at = 0.0",
        "    import sys, warnings; warnings.warn('x'); print('x', file=sys.stderr); print('y')\n    at = 0.0",
    )
    assert outcomes(marked(noisy, CLASSIFIES)) == ["passed"] * 2


# ------------------------------------------------------------------------------------------------------------- our failure


class Failing:
    """A sandbox that fails a few times."""

    level = "none"

    def __init__(self, sandbox, times):
        self.sandbox, self.times = sandbox, times

    def start(self):
        if self.times:
            self.times -= 1
            raise OurFault("no process")
        return self.sandbox.start()


def test_our_failure_is_tried_again_and_is_never_a_zero(sandbox):
    data = grading.notebook(READS, CLASSIFIES)
    assert outcomes(mark(data, IDS, Failing(sandbox, 1))) == ["passed"] * 2
    found = mark(data, IDS, Failing(sandbox, 4))
    assert outcomes(found) == ["could_not_check"] * 2
    assert "no process. That is our fault" in found.verdicts["1.2"].message


def test_a_warm_process_that_is_gone_is_made_again(limits_only):
    data = grading.notebook(READS, CLASSIFIES)
    limits_only._process.kill()
    limits_only._process.wait()
    assert outcomes(mark(data, IDS, limits_only)) == ["passed"] * 2


@pytest.mark.parametrize("level", ["limits_only", "namespaces"])
def test_both_levels_give_the_same_marks(request, level):
    made = request.getfixturevalue(level)
    marks = mark(grading.notebook(READS, "while True: pass", CLASSIFIES.replace("20", "40")), IDS, made, HURRY)
    assert outcomes(marks) == ["passed", "not_yet"]


def test_the_limits_leave_room_for_the_packages_of_the_course(marked):
    assert confine.Limits().memory >= 1024**3
    assert outcomes(marked("import numpy, openai\nx = numpy.zeros(10**7)\n" + READS, CLASSIFIES)) == ["passed"] * 2
