"""Every check from its four sides, what it tells the learner, and what it survives."""

import json
import random
import re
import sys

import pytest

from course_utils import lm, tapes, work
from course_utils.checks import ex_2_2, ex_2_4, ex_7_1, exercises, vocabulary
from course_utils.checks.exercise import Exercise
from course_utils.checks.prepared import prepared
from course_utils.checks.subject import NoAnswer, Subject, plain
from course_utils.checks.vocabulary import check, hint, predict, progress, reset, reveal, solution

ALL = list(exercises().values())
POINTS = sum(exercise.points for exercise in ALL)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path / "work"))


def cells(folder: str) -> dict[str, str]:
    """The answer cells of the built notebooks, by exercise."""
    found = {}
    for path in sorted((work.ROOT / folder).glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["id"].startswith("ex-") and not cell["id"].endswith("-check"):
                found[cell["id"].removeprefix("ex-").replace("-", ".")] = "".join(cell["source"])
    return found


def defined(exercise: Exercise, folder: str):
    names = {}
    exec(cells(folder)[exercise.id], names)
    return names[exercise.function]


def by_exercise(exercise):
    return exercise.id


@pytest.mark.parametrize("exercise", ALL, ids=by_exercise)
def test_the_starter_is_not_attempted(exercise):
    assert exercise.judge(defined(exercise, "exercises")).outcome == "not_attempted"


@pytest.mark.parametrize("exercise", ALL, ids=by_exercise)
def test_the_solution_passes(exercise):
    assert exercise.judge(defined(exercise, "solutions")).passed


@pytest.mark.parametrize(
    ("exercise", "wrong"),
    [(e, w) for e in ALL for w in e.wrong_answers],
    ids=lambda v: getattr(v, "name", None) or v.id,
)
def test_a_wrong_answer_is_refused_with_its_own_message(exercise, wrong):
    verdict = exercise.judge(wrong.answer)
    assert verdict.outcome == "not_yet"
    assert wrong.says in verdict.message


@pytest.mark.parametrize(("exercise", "right"), [(e, a) for e in ALL for a in e.right_answers])
def test_a_right_answer_written_differently_passes(exercise, right):
    assert exercise.judge(right).passed


@pytest.mark.parametrize("exercise", ALL, ids=by_exercise)
def test_an_exercise_has_what_a_course_needs(exercise):
    assert len(exercise.wrong_answers) >= 5
    assert len({wrong.says for wrong in exercise.wrong_answers}) >= len(exercise.wrong_answers) - 1
    assert len(exercise.right_answers) >= 2
    assert len(exercise.hints) == 3
    assert all(exercise.hints)
    assert exercise.minutes % 5 == 0
    assert exercise.reason


CONSTANTS = [None, 0, 1.0, "streamed", "unknown", [], [1.0, 1.0, "text"], True, (0.5, 4.7, "x"), {}]


@pytest.mark.parametrize("exercise", ALL, ids=by_exercise)
@pytest.mark.parametrize("value", CONSTANTS, ids=repr)
def test_a_hard_coded_answer_is_refused(exercise, value):
    assert exercise.judge(lambda *args: value).outcome in ("not_yet", "raised")


def asked(exercise: Exercise, *seed) -> list[str]:
    """What the check hands over and gets back."""
    calls = []
    assert exercise.judge(tapes.recorder(defined(exercise, "solutions"), calls), *seed).passed
    return [f"{call.key} {call.answer}" for call in calls]


@pytest.mark.parametrize("exercise", ALL, ids=by_exercise)
def test_a_check_asks_the_same_in_every_notebook_and_something_else_of_a_grader(exercise):
    assert asked(exercise) == asked(exercise)
    assert asked(exercise, "a grader's own") == asked(exercise, "a grader's own")
    assert set(asked(exercise, "a grader's own")) - set(asked(exercise))


@pytest.mark.parametrize("exercise", ALL, ids=by_exercise)
def test_code_that_raises_is_shown_its_own_lines(exercise):
    def broken(*args):
        return args[0] // "no"

    verdict = exercise.judge(broken)
    assert verdict.outcome == "raised"
    assert verdict.message.startswith("TypeError")
    assert 'in broken: return args[0] // "no"' in verdict.where
    assert "site-packages" not in repr(verdict)


@pytest.mark.parametrize("error", [SystemExit(1), RecursionError("deep"), GeneratorExit(), MemoryError()])
def test_no_error_of_the_learner_reaches_the_notebook(error):
    def broken(*args):
        raise error

    assert check("1.2", broken).outcome == "raised"


def test_an_endless_loop_is_stopped(monkeypatch):
    monkeypatch.setattr("course_utils.checks.subject.LIMIT", 0.2)

    def endless(*args):
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: BLE001  # what a learner might write
                pass

    verdict = check("1.2", endless)
    assert verdict.outcome == "raised"
    assert "did not come back within 0.2 s" in verdict.message


def test_an_endless_generator_is_stopped(monkeypatch):
    monkeypatch.setattr("course_utils.checks.subject.MAX_ITEMS", 100)

    def endless(*args):
        while True:
            yield "again"

    assert "did not stop" in check("1.4", endless).message


def test_the_interrupt_key_still_works():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("1.2", interrupted)


class AgreesWithEverything(float):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    __hash__ = None


def test_a_forgotten_return_is_named():
    verdict = check("1.2", lambda arrivals, speed: print("", end=""))
    assert verdict.got == "None (is there a return?)"


def test_a_forgotten_yield_is_named():
    assert "hands its pieces out with `yield`" in check("1.4", lambda *args: None).message


def test_async_functions_are_told_so_without_a_warning():
    async def answer(*args):
        return 1.0

    async def generator(*args):
        yield "x"

    assert "`def` instead of `async def`" in check("1.2", answer).message
    assert "`def` instead of `async def`" in check("1.4", generator).message


def test_a_text_is_shown_in_quotes():
    assert check("1.2", lambda arrivals, speed: "4.0").got == "'4.0'"


def test_the_input_that_broke_the_code_is_shown():
    verdict = check("1.2", lambda arrivals, speed: 1 / 0)
    assert verdict.given.startswith("[1.0, 1.0")


def test_a_deep_traceback_is_cut():
    def deep(*args):
        return deep(*args)

    verdict = check("1.2", deep)
    assert verdict.outcome == "raised"
    assert verdict.where.count("in deep") == 4


def test_exact_numbers_and_named_tuples_are_plain():
    from collections import namedtuple
    from fractions import Fraction

    assert plain(namedtuple("Point", "x y")(Fraction(1, 2), 2)) == [0.5, 2]


def test_an_object_that_pretends_to_be_equal_is_refused():
    verdict = check("1.2", lambda *args: AgreesWithEverything(1))
    assert verdict.outcome == "not_yet"
    assert "something of type AgreesWithEverything" in verdict.message
    with pytest.raises(NoAnswer):
        plain(type("Text", (str,), {})("streamed"))


def test_a_number_of_numpy_is_a_number():
    numpy = pytest.importorskip("numpy")
    assert plain((numpy.float64(0.5), numpy.arange(2))) == [0.5, [0, 1]]


def test_true_is_not_one():
    assert check("1.2", lambda *args: True).outcome == "not_yet"


def test_a_call_with_parentheses_is_explained():
    assert "without parentheses" in check("1.2", 3.5).message


def test_a_fault_of_ours_costs_nothing():
    def broken(subject, draw):
        raise ZeroDivisionError("oops")

    ours = Exercise("9.9", "t", "f", 5, 1, True, ("a", "b", "c"), "r", broken)
    verdict = ours.judge(lambda: 1)
    assert verdict.outcome == "could_not_check"
    assert "our fault" in verdict.message


def test_an_unknown_exercise_lists_those_there_are():
    assert "there are 1.1, 1.2" in check("7.7", len).message
    for word in (hint, solution, reset):
        assert "there are 1.1, 1.2" in repr(word("7.7"))


def test_hints_come_one_after_the_other_and_by_number():
    assert [repr(hint("1.1"))[:11] for _ in range(4)] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]
    assert repr(hint("1.2", 2)).startswith("Hint 2 of 3")
    assert "levels 1, 2 and 3" in repr(hint("1.2", 9))


def test_an_id_written_as_a_number_is_understood():
    assert repr(hint(1.1)).startswith("Hint 1 of 3 for 1.1")
    assert check(1.2, exercises()["1.2"].right_answers[0]).passed
    assert repr(hint("1.1")).startswith("Hint 2")


def test_the_solution_is_shown_after_a_pass_only():
    assert "once your own passes" in repr(solution("1.2"))
    check("1.2", exercises()["1.2"].right_answers[0])
    shown = repr(solution("1.2"))
    assert exercises()["1.2"].reason in shown
    assert "def finish_reading" in shown


def test_a_prediction_is_echoed_and_shown_beside_the_result():
    assert "No prediction yet" in repr(predict("1.a", ...))
    assert repr(reveal("1.a", 4.5, "s")) == "Measured: 4.5 s. You made no prediction."
    assert repr(predict("1.a", 3)) == "Your prediction: 3"
    assert repr(reveal("1.a", 4.5, "s")) == "Measured: 4.5 s. Your prediction: 3, 1.5 s off."
    predict("1.a", "soon")
    assert repr(reveal("1.a", -0.0)) == "Measured: 0. Your prediction: soon."


@pytest.mark.parametrize("value", [None, True, [1], float("nan"), float("inf"), object()])
def test_a_prediction_is_a_number_or_a_text(value):
    assert "number or a text" in repr(predict("1.a", value))


def test_progress_may_be_that_of_one_lesson():
    shown = repr(progress(2))
    assert "2.1" in shown
    assert "1.1" not in shown
    assert "has no exercises" in repr(progress(99))


def test_progress_keeps_its_columns_beside_the_longest_title():
    rows = repr(progress(4)).splitlines()[:-1]
    parts = [re.search(r"(?<= )(core|further) ", row) for row in rows]
    assert len({part and part.start() for part in parts}) == 1


def test_progress_counts_points_and_a_pass_is_kept():
    check("1.2", exercises()["1.2"].right_answers[0])
    check("1.2", None)
    check("1.1", None)
    shown = repr(progress())
    assert "✔ 1.2" in shown
    assert "○ 1.1" in shown
    assert f"3 of {POINTS} points" in shown


def test_a_verdict_says_the_same_in_text_and_html_and_escapes_what_is_the_learners():
    verdict = check("1.3", lambda arrivals: "<script>alert(1)</script>")
    assert "<script>" not in verdict._repr_html_()
    assert "not yet" in verdict._repr_html_()
    assert "&lt;script&gt;" in verdict._repr_html_()
    assert "expected:" in repr(verdict)


def test_a_subject_gives_plain_data_only():
    assert Subject(lambda: (1, [2.0, {"a": None}])).call() == [1, [2.0, {"a": None}]]


def test_checks_leave_the_learners_modules_alone():
    before = set(sys.modules)
    check("1.2", exercises()["1.2"].right_answers[1])
    assert {name for name in set(sys.modules) - before if name.startswith("course_utils")} <= {"course_utils.work"}


def test_the_vocabulary_is_what_the_notebooks_import():
    import course_utils

    for word in ("add_exercises", "check", "glossary", "hint", "predict", "progress", "reset", "reveal", "solution"):
        assert getattr(course_utils, word) is getattr(vocabulary, word)


def test_a_huge_number_gets_a_verdict():
    assert "more than 300 digits" in check("1.2", lambda arrivals, speed: 10**5000).message


def test_half_a_surrogate_pair_gets_a_verdict_that_can_be_stored():
    repr(check("1.3", lambda arrivals: "\ud800")).encode()


def test_an_error_that_can_not_be_printed_gets_a_verdict():
    class Nasty(Exception):
        def __str__(self):
            raise SystemExit

    def broken(*args):
        raise Nasty

    assert "can't be printed" in check("1.2", broken).message


def test_a_timer_of_somebody_else_goes_on():
    import signal

    signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        check("1.2", exercises()["1.2"].right_answers[0])
        assert 40 < signal.getitimer(signal.ITIMER_REAL)[0] < 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_a_folder_that_can_not_be_used_costs_no_verdict(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_WORK", str(tmp_path / "file" / "work"))
    verdict = check("1.2", exercises()["1.2"].right_answers[0])
    assert verdict.passed
    assert "could not be remembered" in verdict.message
    assert "Hint 1" in repr(hint("1.1"))
    assert f"0 of {POINTS} points" in repr(progress())


def test_the_model_of_2_2_says_the_same_at_once_one_by_one_and_without_a_cache():
    model = ex_2_2.Model(seed=1)
    once, one_by_one = model.cache(), model.cache()
    rows = model.forward([3, 1, 4], once)
    assert [row for id in (3, 1, 4) for row in model.forward([id], one_by_one)] == rows
    assert model.forward([3, 1, 4]) == rows
    assert model.tokens_processed == 9
    assert len(once) == len(one_by_one) == 3


def test_the_solutions_of_lesson_2_work_with_the_real_model():
    pytest.importorskip("numpy")
    known = exercises()
    sample, generate, emit_safe = (defined(known[id], "solutions") for id in ("2.1", "2.2", "2.4"))
    model, tokenizer = lm.load(), lm.tokenizer()
    ids, before = tokenizer.encode("It is a truth universally acknowledged"), model.tokens_processed
    assert list(generate(model, ids, 20)) == list(lm.generate(ids, 20))
    assert model.tokens_processed - before == 2 * (len(ids) + 19)
    asked = tokenizer.chat("Who are you?")
    answer = list(lm.generate(asked, 200))
    assert list(generate(model, asked, 200, tokenizer.end, lm.CONTEXT)) == answer
    assert "".join(emit_safe(map(tokenizer.token_bytes, answer), "")) == tokenizer.decode(answer)
    logits = model.forward(ids)[-1]
    draws = [[draw(logits, 0.8, 40, random.Random(3)) for _ in range(9)] for draw in (sample, lm.sample)]
    assert all(id in lm.ranking(list(logits), 40) for ids in draws for id in ids)


def test_answers_written_with_numpy_pass():
    numpy = pytest.importorskip("numpy")

    def sample(logits, temperature, top_k, rng):
        values = numpy.array(logits)
        order = numpy.argsort(-values, kind="stable")[:top_k]
        if temperature == 0:
            return order[0]
        weights = numpy.exp((values[order] - values[order[0]]) / temperature)
        return order[numpy.searchsorted(numpy.cumsum(weights), rng.random() * weights.sum(), side="right")]

    def generate(model, prompt_ids, n, end=None, context=256):
        cache, new = model.cache(), numpy.array(prompt_ids)
        for _ in range(min(n, context - len(prompt_ids))):
            new = [numpy.argmax(model.forward(new, cache)[-1])]
            if new[0] == end:
                return
            yield new[0]

    assert check("2.1", sample).passed
    assert check("2.2", generate).passed


def test_every_scenario_of_7_1_has_a_reason_for_each_choice():
    drawn = [ex_7_1._drawn(random.Random(seed)) for seed in range(300)]
    for scenario in [*ex_7_1.CASES.values(), *drawn]:
        for decision in ex_7_1._right(scenario):
            assert all(decision["reasons"]), scenario
            assert not any("prompt" in names for names in decision["reasons"])


def test_a_report_of_7_1_that_nobody_watches_is_streamed_or_fetched():
    found = [one["choices"] for one in ex_7_1._right(ex_7_1.CASES["A report that takes a quarter of an hour"])]
    assert found == [["streamed", "whole", "flex"], ["unary", "whole", "background"]]


def test_a_part_that_bytes_show_to_be_safe_may_come_early_in_2_4():
    play = ex_2_4._Play([b"a!\xc3", b"\xa9"], "!!")
    assert (play.safe(1), play.at_most(1)) == ("a", "a!")


def test_prepared_questions_are_made_once_a_seed_and_no_answer_can_change_them():
    made = []

    @prepared
    def questions(draw):
        made.append(draw.random())
        yield [made[-1]]

    for question in questions(random.Random(1)):
        question.append("changed")
    assert list(questions(random.Random(1))) == [[made[0]]]
    assert list(questions(random.Random(2))) == [[made[1]]] != [[made[0]]]
    assert len(made) == 2
