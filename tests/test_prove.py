"""What `prove` believes and what it does not: a weak check, a flaky one, a broken one, a list that is no more true."""

import json
import re
import time
from pathlib import Path

import pytest

from course_utils import prove
from course_utils.checks import add, exercises
from course_utils.checks.exercise import Exercise, NotYet
from course_utils.checks.vocabulary import add_exercises, check, hint, solution

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "example_exercise.py"

CELL = '''
def top(numbers):
    """Return the largest number, 0 if there is none: 5 for [3, 5]."""
    # solution
    return max(numbers, default=0)
'''

LOOP = """
def top(numbers):
    # solution
    best = 0
    for number in numbers:
        if number > best:
            best = number
    return best
"""
EQUAL = "if number >= best:"


def good(answer, draw):
    cases = [[3, 5], [5, 3], [], [7], *([draw.randint(0, 99) for _ in range(9)] for _ in range(5))]
    for numbers in cases:
        if (got := answer.call(list(numbers))) != max(numbers, default=0):
            raise NotYet(f"wrong for {numbers}", got=got)


def made(check=good, cell=CELL, wrong=(), right=(), survivors=()):
    """An exercise around a check; its answers are right and wrong for `good`."""
    exercise = Exercise("9.9", "top", "top", 5, 1, True, ("a", "b", "c"), "r", check, cell=cell)
    for number in range(5):
        exercise.wrong(f"says {number}", says="wrong")(lambda numbers, number=number: number)
    for name, says, answer in wrong:
        exercise.wrong(name, says=says)(answer)
    exercise.right(lambda numbers: max(numbers, default=0))
    exercise.right(lambda numbers: sorted([0, *numbers])[-1])
    for answer in right:
        exercise.right(answer)
    exercise.survive("of two equal numbers either is the largest", *survivors)
    return exercise


def faults(**changed) -> str:
    return "\n".join(prove.prove(made(**changed)).faults)


def test_a_check_that_asks_enough_is_proven():
    proof = prove.prove(made(cell=LOOP, survivors=[EQUAL]))
    assert proof.faults == []
    assert str(proof.scores["wrong"]) == "5/5"
    assert proof.scores["mutant"].share > 0.9
    assert proof.survivors == {EQUAL: "of two equal numbers either is the largest"}


def test_a_weak_check_is_caught_by_mutants_and_by_hard_coded_answers():
    def weak(answer, draw):
        if answer.call([3, 5]) != 5:
            raise NotYet("wrong")

    found = faults(check=weak, cell=LOOP)
    assert "hard-coded 'always 5' passes on the notebook's inputs" in found
    assert "now  best = number (moved behind" in found
    assert re.search(r"^\d\d\.\d% of the mutants are refused, at least 90% are needed$", found, re.MULTILINE)


def test_a_check_without_fresh_inputs_is_caught_by_an_answer_that_knows_it_by_heart():
    def fixed(answer, draw):
        for numbers in ([3, 5], [5, 3], [], [7], [4, 6, 8], [9, 1]):
            if answer.call(list(numbers)) != max(numbers, default=0):
                raise NotYet("wrong")

    assert "'all calls of the notebook, else the last result' passes on fresh inputs" in faults(check=fixed)


def test_a_mutant_that_passes_must_be_listed():
    found = faults(cell=LOOP)
    assert "was  if number > best:\n      now  if number >= best:" in found
    assert "EXERCISE.survive(\"why\", 'if number >= best:')" in found


def test_a_listed_mutant_that_does_not_pass_any_more_must_go():
    assert (
        faults(survivors=["best = -1"])
        == "a mutant is listed as passing, but none like it passes; unlist it: best = -1"
    )


def test_too_many_reasons_are_no_proof_either():
    def whatever(answer, draw):
        answer.call([3, 5])

    passing = list(prove.prove(made(check=whatever)).survivors)
    assert "at least 90% are needed" in faults(check=whatever, survivors=passing)


def test_an_endless_mutant_is_stopped_and_counts_as_refused():
    cell = (
        "def top(numbers):\n    # solution\n    best, left = 0, list(numbers)\n    while left:\n"
        "        best = max(best, left.pop())\n    return best\n"
    )
    begin = time.process_time()
    proof = prove.prove(made(cell=cell, survivors=["best, left = 0, numbers"]))
    stopped = [name for name, said in proof.verdicts if said[0] == ("raised", "it did not come to an end")]
    assert "mutant 'best = max(best, left.pop()) (removed)'" in stopped
    assert proof.faults == []
    assert time.process_time() - begin < 20


def test_a_wrong_answer_that_passes_or_gets_other_words_is_named():
    found = faults(wrong=[("is right", "wrong", max), ("is misunderstood", "too small", lambda numbers: 1)])
    assert "wrong 'is misunderstood' is refused on the notebook's inputs without its own words 'too small'" in found
    assert "wrong 'is right' is 'raised' on the notebook's inputs, expected 'not_yet': ValueError" in found


def test_a_right_answer_that_is_refused_is_named():
    assert "right 'right answer 3' is 'not_yet'" in faults(right=[lambda numbers: 5])


def test_an_answer_that_breaks_the_check_is_named():
    def fragile(answer, draw):
        good(answer, draw)
        answer.call([3, 5]) / answer.call([0])

    assert "breaks the check on" in faults(check=fragile)


def test_a_starter_that_solves_it_is_no_starter():
    assert "the starter is 'passed'" in faults(cell=CELL.replace("# solution", "# look"))


@pytest.mark.parametrize(
    ("cell", "says"),
    [("", "the cell with the solution defines no function"), ("def other(): pass", "defines no 'top'")],
)
def test_a_cell_without_the_function_ends_the_proof_with_a_word(cell, says):
    assert says in faults(cell=cell)


def test_a_short_bank_is_no_bank():
    exercise = made()
    del exercise.wrong_answers[3:]
    assert prove.prove(exercise).faults == ["3 wrong answers; at least 5 are needed"]


# --------------------------------------------------------------------------------------------- the command and its runs


def test_the_command_proves_an_exercise_from_outside(capsys, tmp_path):
    file = tmp_path / "proof.json"
    assert prove.main(["--exercises", str(EXAMPLE), "--runs", "2", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "9.1 longest_silence: proven" in printed
    assert re.search(r"wrong answers +6/6  refused, each with its own words", printed)
    assert re.search(r"runs +2/2  with the same verdicts", printed)
    assert "1 passes: of two equal silences either is the longest" in printed
    (proof,) = json.loads(file.read_text())
    assert proof["scores"]["hard-coded"]["good"] == proof["scores"]["hard-coded"]["total"] > 10


def test_a_check_whose_verdict_depends_on_the_process_is_caught(capsys, tmp_path):
    flaky = EXAMPLE.read_text("utf-8").replace("if got != right:", "if got != right or hash('x') % 2:")
    (tmp_path / "flaky.py").write_text(flaky, "utf-8")
    assert prove.main(["--exercises", str(tmp_path / "flaky.py"), "--runs", "5"]) == 1
    printed = capsys.readouterr().out
    assert "NOT PROVEN" in printed
    assert re.search(r"! run \d: ", printed)


def test_an_exercise_that_is_not_there_is_a_mistake_of_the_caller(capsys):
    assert prove.main(["7.7"]) == 2
    assert "there are 1.1, 1.2" in capsys.readouterr().err
    assert prove.main(["--exercises", "nowhere.py"]) == 2
    assert "expected a Python file with exercises" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- from outside the course


@pytest.fixture
def added(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    yield repr(add_exercises(str(EXAMPLE)))
    exercises().pop("9.1", None)


def test_an_exercise_from_outside_has_all_the_words_of_the_notebooks(added):
    assert added == "9.1 longest_silence: 10 minutes"
    known = exercises()["9.1"]
    assert check("9.1", prove.defined(prove.texts.starter(known), "longest_silence")).outcome == "not_attempted"
    assert not check("9.1", lambda arrivals: 1.0).passed
    assert "Hint 1 of 3 for 9.1" in repr(hint("9.1"))
    assert check("9.1", known.right_answers[0]).passed
    assert "before, longest = 0.0, 0.0" in repr(solution("9.1"))


def test_a_file_without_exercises_and_a_number_of_the_course_are_refused(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "defines no exercise" in repr(add_exercises(str(tmp_path / "empty.py")))
    (tmp_path / "taken.py").write_text(EXAMPLE.read_text("utf-8").replace('id="9.1"', 'id="1.1"'), "utf-8")
    with pytest.raises(ValueError, match=r"1\.1 is an exercise of the course"):
        add(tmp_path / "taken.py")


def test_the_page_for_authors_shows_the_example_as_it_is():
    page = (ROOT / "docs" / "writing-exercises.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 4
    assert [block for block in blocks if block not in EXAMPLE.read_text("utf-8")] == []
