"""The class edition: its checks judge as those of the course do, and nothing in it is an answer."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType

import pytest

from course_utils import lm, metrics, sse
from course_utils.checks import MODULES, exercises, expected, texts
from course_utils.export import command, edition
from course_utils.grade.marking import mark

ROOT = Path(__file__).resolve().parent.parent
ALL = list(exercises().values())

JUDGE = """
import json, re, sys
from course_utils.checks import exercises, texts

def answers(known):
    yield "starter", defined(texts.starter(known), known)
    yield "solution", defined(texts.solution(known), known)
    yield from ((wrong.name, wrong.answer) for wrong in known.wrong_answers)
    yield from ((f"right {number}", right) for number, right in enumerate(known.right_answers))

def defined(cell, known):
    names = {}
    exec(cell, names)
    return names[known.function]

bank = {id: list(answers(known)) for id, known in exercises().items()}
if len(sys.argv) > 1:  # the same answers, and everything else from another course
    for name in [name for name in sys.modules if name.startswith("course_utils")]:
        del sys.modules[name]
    sys.path.insert(0, sys.argv[1])
    from course_utils.checks import exercises
    assert sys.modules["course_utils"].__file__.startswith(sys.argv[1])

def said(known, name, answer):
    own = ("a clock of its own", "a chance of its own", "a generator of its own", "the generator that all share")
    verdict = repr(known.judge(answer))
    return re.sub("  got: .*", "", verdict) if name.endswith(own) else verdict  # what such answers say is chance

print(json.dumps({id: {name: said(exercises()[id], name, answer) for name, answer in bank[id]} for id in bank}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("class") / "edition"
    assert command.main(["class", str(place)]) == 0
    return place


def run(*words, cwd=ROOT, path=ROOT, **environ):
    env = os.environ | {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"} | environ
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600
    )


# ---------------------------------------------------------------------------------------------------- it works as it is


def test_its_checks_say_of_every_answer_of_the_bank_what_those_of_the_course_say(folder):
    of_the_course, of_the_edition = run("-c", JUDGE), run("-c", JUDGE, str(folder))
    assert of_the_edition.returncode == of_the_course.returncode == 0, of_the_edition.stderr
    said = json.loads(of_the_edition.stdout)
    assert said == json.loads(of_the_course.stdout)
    assert sum(len(answers) for answers in said.values()) > 100


def test_its_notebooks_run_and_show_what_they_show_in_the_course(folder, tmp_path):
    options = ["-m", "pytest", "--nbval", "lessons", "exercises", "-q", "-p", "no:cacheprovider"]
    done = run(*options, cwd=folder, path=folder, COURSE_WORK=str(tmp_path))
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["doctor"], 0, "The mock model answers"),
        (["progress"], 0, f"0 of {sum(one.points for one in ALL)} points"),
        (["help"], 0, "lab "),
        (["grade", "x"], 2, "there is no command 'grade'"),
    ],
)
def test_its_commands_are_those_for_learners(folder, tmp_path, words, code, says):
    done = run("-m", "course_utils", *words, cwd=folder, path=folder, COURSE_WORK=str(tmp_path))
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert not {"grade", "prove", "export"} & set(re.findall(r"^  (\w+) ", done.stdout, re.MULTILINE))


def test_every_module_of_it_can_be_imported(folder):
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in folder.rglob("course_utils/**/*.py")]
    names = [name for name in names if not name.endswith("__main__")]
    done = run("-c", f"import importlib\nfor name in {names!r}: importlib.import_module(name)", cwd=folder, path=folder)
    assert done.returncode == 0, done.stderr


def test_learners_of_it_read_hints_and_no_solution(folder, tmp_path):
    code = (
        "from course_utils import check, hint, solution\n"
        "from course_utils.metrics import reading\n"
        "print(hint('1.2', 2)); print(hint('1.2', 3))\n"
        "print(check('1.2', lambda times, speed: reading(times, speed)[-1] if times else 0.0)); print(solution('1.2'))"
    )
    done = run("-c", code, cwd=folder, path=folder, COURSE_WORK=str(tmp_path))
    known = exercises()["1.2"]
    assert known.hints[1] in done.stdout
    assert edition.LAST_HINT in done.stdout
    assert done.stdout.endswith("(This edition of the course has no solutions.)\n")


def test_the_last_hints_can_be_kept(tmp_path):
    assert command.main(["class", str(tmp_path / "edition"), "--last-hint"]) == 0
    found = (tmp_path / "edition" / "course_utils" / "checks" / "ex_1_2.py").read_text("utf-8")
    assert edition.LAST_HINT not in found
    assert "Walk through the arrivals with one variable" in found


def test_a_folder_with_something_in_it_is_refused(tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    assert command.main(["class", str(tmp_path)]) == 2
    assert "name a new folder" in capsys.readouterr().err


def test_the_grader_of_the_course_marks_its_notebooks_on_inputs_that_it_does_not_know(folder, sandbox):
    for path in sorted((folder / "exercises").glob("*.ipynb")):
        made = json.loads(path.read_text("utf-8"))
        ids = [one.id for one in ALL if any(cell["id"] == one.cell_id for cell in made["cells"])]
        assert outcomes(made, ids, sandbox) == {"not_attempted"}
        for cell in made["cells"]:
            for known in (one for one in ALL if one.cell_id == cell["id"]):
                cell["source"] = texts.solution(known)
        assert outcomes(made, ids, sandbox) == {"passed"}


def outcomes(made, ids, sandbox):
    return {one.outcome for one in mark(json.dumps(made).encode(), ids, sandbox, seed="of mine").verdicts.values()}


def test_on_other_inputs_its_checks_do_not_know_what_is_right(folder):
    code = (
        "from course_utils.checks import exercises; print(exercises()['1.2'].judge(lambda a, v: 4.0, 'other').outcome)"
    )
    passing = code.replace(
        "lambda a, v: 4.0", "lambda a, v: __import__('course_utils').reading(a, v)[-1] if a else 0.0"
    )
    assert run("-c", passing, cwd=folder, path=folder).stdout == "could_not_check\n"


def test_what_the_page_for_graders_says_of_the_package_is_so():
    assert exercises()["1.2"].judge(lambda times, speed: metrics.reading(times, speed)[-1] if times else 0.0).passed
    assert exercises()["2.1"].judge(lm.sample).passed
    assert (
        exercises()["3.1"]
        .judge(lambda chunks: ((event.type, event.data, event.id) for event in sse.decode(chunks)))
        .passed
    )


# ------------------------------------------------------------------------------------------------- nothing is an answer


def answers():
    """The functions of the bank, and those of the checks' modules that these use; the functions that say what is right."""
    found = {}
    for known in ALL:
        module = vars(sys.modules[known.check.__module__])
        waiting = [*known.right_answers, *(wrong.answer for wrong in known.wrong_answers)]
        waiting += [method for one in waiting if isinstance(one, type) for method in methods_of(one)]
        waiting += [inspect.unwrap(value) for value in module.values() if says_what_is_right(value)]
        while waiting:
            one = waiting.pop()
            if isinstance(one, FunctionType) and one.__module__ == known.check.__module__ and one not in found:
                found[one] = known.id
                waiting += [module[name] for name in names_in(one.__code__) if name in module]
                waiting += [cell.cell_contents for cell in one.__closure__ or () if cell.cell_contents is not None]
    return found


def methods_of(answer):
    own = [one for one in answer.__mro__ if one.__module__ == answer.__module__]
    return [value for one in own for value in vars(one).values()]


def says_what_is_right(value):
    return hasattr(value, "__wrapped__") and inspect.getsource(value.__wrapped__).startswith("@expectation")


def names_in(code):
    inner = [names_in(one) for one in code.co_consts if inspect.iscode(one)]
    return {*code.co_names, *(name for names in inner for name in names)}


def functions_in(source):
    """The bodies of all functions in a text, without docstrings, as trees; lambdas and trivial ones are left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            yield ast.dump(ast.Module(body, []))


def of_the_bank():
    """Every text that gives an answer away: solutions, and what of the bank is written as functions."""
    yield from (texts.solution(known) for known in ALL)
    sources = (textwrap.dedent(inspect.getsource(one)) for one in answers())
    yield from (source for source in sources if source.startswith(("def ", "async def ", "@")))


@pytest.fixture(scope="module")
def contents(folder):
    """Each file of the edition as text; of a notebook the cells' sources."""
    found = {}
    for path in (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".bin"):
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
        found[path.relative_to(folder).as_posix()] = text
    return found


def test_the_bank_that_is_looked_for_is_all_of_it():
    found = answers()
    assert {id for id in found.values()} == set(exercises())
    assert len(found) > sum(len(known.wrong_answers) for known in ALL) / 2
    assert {"_assembled", "_kept", "_row", "_due", "_safe", "_ids", "_shares"} <= {one.__name__ for one in found}


def test_no_function_of_it_is_one_of_the_bank_or_says_what_is_right(folder, contents):
    forbidden = {body for source in of_the_bank() for body in functions_in(source)}
    forbidden -= {body for known in ALL for body in functions_in(texts.starter(known))}
    forbidden -= {body for body in forbidden if len(body) < 100}
    for name, text in contents.items():
        cells = code_cells(folder / name) if name.endswith(".ipynb") else [text] if name.endswith(".py") else []
        assert not [name for cell in cells for body in functions_in(cell) if body in forbidden]


def code_cells(path):
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    return ["".join(cell["source"]) for cell in cells if not re.search(r"^[%!]", "".join(cell["source"]), re.MULTILINE)]


def test_no_text_of_it_is_that_of_an_answer(contents):
    everything = packed("\n".join(contents.values()))
    given = {lines for known in ALL for lines in texts_of_functions(texts.starter(known))}
    for source in of_the_bank():
        found = {lines for lines in texts_of_functions(source) if len(lines) >= 40} - given
        assert not [lines for lines in found if lines in everything], source


def texts_of_functions(source):
    """The bodies of all functions in a text, without docstrings and white space."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            yield packed("\n".join(ast.get_source_segment(source, one) for one in body))


def packed(text):
    return re.sub(r"\s+", "", text)


def test_neither_reasons_nor_last_hints_are_in_it_nor_the_names_of_mistakes_in_its_checks(contents):
    everything = packed("\n".join(contents.values()))
    checks = packed("\n".join(text for name, text in contents.items() if "checks/" in name))
    for known in ALL:
        assert not [text for text in (known.reason, known.hints[-1]) if packed(text) in everything]
        assert packed(known.hints[0]) in everything
        assert not [wrong.name for wrong in known.wrong_answers if packed(wrong.name) in checks]
        assert not [reason for reason in known.survivors.values() if packed(reason) in checks]


@pytest.mark.parametrize("module", ["ex_2_4", "ex_3_2", "ex_4_2"])  # functions, asynchronous functions, classes
def test_the_search_would_find_an_answer_that_was_left_in(module):
    source = (ROOT / "course_utils" / "checks" / f"{module}.py").read_text("utf-8")
    forbidden = {body for text in of_the_bank() for body in functions_in(text)}
    assert len([body for body in functions_in(source) if body in forbidden and len(body) >= 100]) > 10


def test_a_module_is_cut_down_to_what_its_check_needs():
    source = (
        "import effect\nimport math\nimport random\n"
        "def check(answer, draw): half(answer)\n"
        "def half(answer): return right(math.pi)\n"
        "@expectation\ndef right(value): return deep(value)\n"
        "def deep(value): return value / 2\n"
        "EXERCISE = Exercise(hints=('a', 'b', 'c'), reason='because')\n"
        "@EXERCISE.right\ndef _(value): return random.choice(deep)\n"
        "for _ in range(3): EXERCISE.wrong('x')(deep)\n"
    )
    assert (
        edition.without_answers(source, last_hint=True)
        == ast.unparse(
            ast.parse(
                "import effect\nimport math\n"
                "def check(answer, draw): half(answer)\n"
                "def half(answer): return right(math.pi)\n"
                "@expectation\ndef right(value): ...\n"
                "EXERCISE = Exercise(hints=('a', 'b', 'c'), reason='')\n"
            )
        )
        + "\n"
    )


# ----------------------------------------------------------------------------------------------------------- expectations


def test_an_expectation_is_computed_here_and_looked_up_where_there_is_a_table(monkeypatch):
    asked = []

    @expected.expectation
    def double(value):
        asked.append(value)
        return [value, value]

    with expected.noted() as table:
        assert double(1.5) == [1.5, 1.5]
    monkeypatch.setattr(expected, "_table", lambda: table)
    assert double(1.5) == [1.5, 1.5]
    assert asked == [1.5]
    with pytest.raises(LookupError, match="for the inputs of the notebook only"):
        double(2.5)


def test_every_module_of_the_checks_is_cut(folder):
    for module in MODULES:
        assert "@EXERCISE" not in (folder / "course_utils" / "checks" / f"{module}.py").read_text("utf-8")
