"""Each rule finds the notebook that breaks it, and nothing in the clean one."""

import copy
import json

import pytest

from course_utils import lint
from course_utils.lint import findings

LESSON = "lessons/01_toy.ipynb"
EXERCISE = "exercises/01_toy.ipynb"
FIGURE = "<svg><title>Arrivals</title><desc>Three ticks.</desc></svg>"


def md(source: str, key: str = "text") -> dict:
    return {"cell_type": "markdown", "id": key, "metadata": {}, "source": source}


def code(source: str, *outputs: dict, key: str = "code", tags: tuple[str, ...] = (), count: int | None = 1) -> dict:
    return {
        "cell_type": "code", "id": key, "metadata": {"tags": list(tags)}, "source": source,
        "outputs": list(outputs), "execution_count": count,
    }  # fmt: skip


def shows(plain: str = "a figure: three ticks", **data: str) -> dict:
    kinds = {"svg": "image/svg+xml", "html": "text/html", "png": "image/png"}
    return {
        "output_type": "display_data", "metadata": {},
        "data": {"text/plain": plain} | {kinds[key]: value for key, value in data.items()},
    }  # fmt: skip


def notebook(*cells: dict) -> dict:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


CLEAN = notebook(
    md("# Why?\n\nSee [the standard](https://example.org).\n\n```mermaid\n# not a title\n```", "top"),
    code("import time  # not time.sleep(1)\nclient.ask(input='hi')", key="c1"),
    md("word " * 60 + "\n\n## Less", "turn"),
    code("for chunk in stream:\n    if chunk.choices:\n        print(chunk.choices[0].delta)", key="c2"),
    code("draw()", shows(svg=FIGURE), key="c3"),
    code("assert time.time()", tags=("live", "nbval-ignore-output"), key="c4"),
)


def with_cell(cell: dict) -> dict:
    made = copy.deepcopy(CLEAN)
    made["cells"].append(cell)
    return made


def found(cell: dict, path: str = EXERCISE) -> list[str]:
    """What is found in the clean notebook when a cell is added."""
    return findings(path, with_cell(cell))


@pytest.mark.parametrize("path", [LESSON, EXERCISE])
def test_the_clean_notebook_breaks_no_rule(path):
    assert findings(path, CLEAN) == []


# ---------------------------------------------------------------------------------------------- the shape of a lesson


def shaped(*cells: dict) -> list[str]:
    """Findings in a lesson; in `00_start_here` and in an exercise the same notebook must have none."""
    assert findings("lessons/00_start_here.ipynb", notebook(*cells)) == []
    assert findings(EXERCISE, notebook(*cells)) == []
    return findings(LESSON, notebook(*cells))


def test_a_long_opening():
    assert shaped(md("# T\n" + "word " * 100), *[code("1\n" * 5, key=f"c{n}") for n in range(2)]) == [
        f"{LESSON}: 101 words before the first code cell, at most 100"
    ]


def test_a_long_cell():
    cells = [md("# T", "t"), code("1\n" * 16, key="long"), code("1", key="b"), code("1", key="c"), md("word " * 200)]
    assert shaped(*cells) == [f"{LESSON} cell long: 16 lines of code, at most 15: move definitions into the package"]


def test_long_cells_on_the_whole():
    cells = [
        md("# T", "t"),
        code("1\n" * 6, key="a"),
        code("1\n\n" * 7, key="b"),
        code("1", key="c"),
        md("word " * 150),
    ]
    assert shaped(*cells) == [f"{LESSON}: the median code cell has 6 lines, at most 5"]


@pytest.mark.parametrize(("count", "ratio"), [(38, "7.8"), (80, "16.2")])
def test_too_little_or_too_much_prose(count, ratio):
    cells = [md("# T", "t"), code("1\n" * 5), md("word " * count + "<!-- more words -->")]
    assert shaped(*cells) == [f"{LESSON}: {ratio} words of prose for each line of code, expected 8 to 16"]


@pytest.mark.parametrize(("titles", "count"), [("## T", 0), ("# T\n\n# U", 2)])
def test_no_title_or_two(titles, count):
    assert shaped(md(titles, "t"), code("1"), md("word " * 10)) == [
        f"{LESSON}: {count} headings of the first level, expected exactly one"
    ]


def test_a_big_file():
    (finding,) = found(md("é" * 50_000))
    assert finding.startswith(f"{EXERCISE}: 10") and finding.endswith("bytes, at most 100000")


# -------------------------------------------------------------------------------------------------------------- assets


@pytest.mark.parametrize(
    "cell",
    [
        md('<img alt="a" src="https://example.org/a.png">'),
        md("<script src=//cdn.example.org/a.js></script>"),
        md("![a](http://example.org/a.png)"),
        code("1", shows(html="<iframe src='https://example.org'></iframe>")),
        code("1", shows(html="<link rel=stylesheet href=https://example.org/a.css>")),
    ],
)
def test_something_remote(cell):
    assert found(cell) == [f"{EXERCISE} cell {cell['id']}: loads something from the network"]


@pytest.mark.parametrize(
    "cell",
    [
        md("![a](data:image/png;base64,aGk=)"),
        md("![a](attachment:a.png)") | {"attachments": {"a.png": {"image/png": "aGk="}}},
        code("1", shows(html="<img src='data:image/png;base64,aGk='>")),
        code("1", shows(png="aGk=")),
    ],
)
def test_a_picture_in_base64(cell):
    assert found(cell) == [f"{EXERCISE} cell {cell['id']}: holds a picture in base64; draw it as SVG text"]


# ---------------------------------------------------------------------------------------------------------------- code


@pytest.mark.parametrize(
    ("source", "begins"),
    [
        ("asyncio.run(main())", "asyncio.run("),
        ("name = input('?')", "input("),
        ("!pip install openai", "pip in a cell"),
        ("%pip install openai", "pip in a cell"),
        ("from IPython.display import clear_output", "clear_output"),
        ("out = widgets.Output()", "widgets.Output"),
        ("from ipywidgets import HTML, Output", "widgets.Output"),
        ("display(x, display_id=True)", "an updated display"),
        ("handle = display(x)\nhandle.update(y)", "an updated display"),
        ("6 * 7;", "ends with ';'"),
        ("6 * 7;  # quiet", "ends with ';'"),
        ("ask(model='gpt-4o-mini')", "names a vendor's model"),
        ("ask(model='gpt-5')", "names a vendor's model"),
        ('ask(model="claude-x")', "names a vendor's model"),
        ("ask(model='gemini-pro')", "names a vendor's model"),
        ('ask(model="o3-mini")', "names a vendor's model"),
        ("print(chunk.choices[0].delta.content)", "chunk.choices[0] without a guard"),
        ("print(answer.choices[0].delta.content)", "answer.choices[0] without a guard"),
    ],
)
def test_code_that_hangs_fails_or_blinds(source, begins):
    (finding,) = found(code(source))
    assert finding.startswith(f"{EXERCISE} cell code: {begins}")


@pytest.mark.parametrize(
    "source",
    [
        "print(answer.choices[0].message.content)",
        "text = chunk.choices[0].delta.content if chunk.choices else ''",
        "if chunk.choices and chunk.choices[0].delta.content: pass",
        "for chunk in stream:\n    if not chunk.choices:\n        continue\n    chunk.choices[0]",
        "seen.update(more)",
        "# asyncio.run( would fail here\n1",
        "user_input('a')\nprint('a;')",
    ],
)
def test_code_that_only_looks_like_it(source):
    assert found(code(source)) == []


def test_a_cell_to_find_the_bug_in_may_have_it():
    assert found(code("chunk.choices[0].delta", tags=("find-the-bug",))) == []


def test_real_sleep_in_a_lesson_unless_it_is_live():
    sleep = code("assert not time.sleep(1)")
    live = code("assert not time.sleep(1)", tags=("live", "nbval-ignore-output"))
    assert found(sleep, LESSON) == [f"{LESSON} cell code: time.sleep( is not virtual: use clock.sleep"]
    assert found(sleep, EXERCISE) == found(live, LESSON) == []


# ---------------------------------------------------------------------------------------------------------- comparison


def test_a_cell_that_was_never_run():
    (finding,) = found(code("1", count=None))
    assert "has no execution count" in finding
    assert found(code("  ", count=None)) == []


def test_a_stored_error():
    error = {"output_type": "error", "ename": "NameError", "evalue": "", "traceback": []}
    assert found(code("1", error)) == [f"{EXERCISE} cell code: stored an error: NameError"]


def test_a_live_cell_with_output_or_without_an_assert():
    assert found(code("# assert\n1", shows(), tags=("live",))) == [
        f"{EXERCISE} cell code: is live and stores outputs",
        f"{EXERCISE} cell code: is live and asserts nothing",
    ]
    assert found(code("%time 1\nassert True\nawait x", tags=("live",))) == []


@pytest.mark.parametrize("tag", ["nbval-ignore-output", "nbval-skip", "raises-exception", "nbval-raises-exception"])
def test_a_tag_that_hides_a_cell_from_the_comparison(tag):
    assert found(code("1", tags=(tag,))) == [f"{EXERCISE} cell code: {tag} hides the cell from the comparison"]


@pytest.mark.parametrize("comment", ["NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP"])
def test_a_comment_that_hides_a_cell_from_the_comparison(comment):
    (finding,) = found(code(f"1\n# {comment}"))
    assert comment in finding


def test_a_live_cell_may_ignore_output_but_not_raise():
    assert len(found(code("assert 1", tags=("live", "nbval-ignore-output", "raises-exception")))) == 1


@pytest.mark.parametrize(("key", "named"), [("", "number 7"), ("two words", "two words"), ("c" * 65, "c" * 65)])
def test_an_id_that_is_none(key, named):
    assert found(code("1", key=key)) == [f"{EXERCISE} cell {named}: has no valid id; build it"]


def test_an_id_twice():
    assert found(code("1", key="c1")) == [f"{EXERCISE} cell c1: has the id of another cell"]


@pytest.mark.parametrize("svg", ["<svg/>", "<svg><title>t</title></svg>", "<svg><title> </title><desc>d</desc></svg>"])
def test_a_figure_without_title_and_description(svg):
    assert found(code("1", shows(svg=svg))) == [f"{EXERCISE} cell code: a figure without <title> and <desc>"]


@pytest.mark.parametrize("plain", ["<Figure at 0x7f>", ""])
def test_a_figure_whose_text_says_nothing(plain):
    assert found(code("1", shows(plain, svg=FIGURE))) == [
        f"{EXERCISE} cell code: a figure whose text/plain says nothing"
    ]


# ------------------------------------------------------------------------------------------------------------- command


def test_the_command_lists_findings_and_exits_with_1(tmp_path, capsys):
    path = tmp_path / EXERCISE
    path.parent.mkdir()
    path.write_text(json.dumps(CLEAN))
    assert lint.main([], tmp_path) == 0
    assert capsys.readouterr().out == "1 notebooks: nothing found\n"
    path.write_text(json.dumps(with_cell(code("6 * 7;"))))
    assert lint.main([str(path)], tmp_path) == 1
    assert capsys.readouterr().out.startswith(f"{EXERCISE} cell code: ends with ';'")


def test_a_file_that_is_no_notebook_is_a_finding(tmp_path, capsys):
    (tmp_path / "a.ipynb").write_text("<<<<<<<")
    assert lint.main([str(tmp_path)], tmp_path) == 1
    assert "a.ipynb: can't be read as a notebook" in capsys.readouterr().out


def test_no_notebook_at_all_is_not_clean(tmp_path):
    assert lint.main([], tmp_path) == 1
