"""Lesson 1 in a real JupyterLab and a real Chromium, and proof that the harness sees what it should see."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from browser import (
    REPOSITORY,
    NotebookPage,
    NotSeen,
    chromium,
    jupyterlab,
    message,
    missing,
    notebook,
    page_breaks,
    stage,
    wait_until,
)

pytestmark = pytest.mark.browser

LESSON = REPOSITORY / "lessons" / "01_why_streaming_matters.ipynb"

Open = Callable[..., AbstractContextManager[NotebookPage]]

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"><text x="9" y="30">stored</text></svg>'

LOOP = """
import time
for number in range(5):
    print(number, end=" ", flush=True)
    time.sleep(0.02)
"""

CONTROLS = """
import ipywidgets
rate, view = ipywidgets.FloatLogSlider(10, min=0, max=3, step=0.5), ipywidgets.HTML()
button = ipywidgets.Button(description="Again")
def redraw(change=None):
    view.value = f'<svg width="{rate.value:.0f}" height="9"></svg>'
rate.observe(redraw, "value")
button.on_click(lambda _: setattr(view, "value", "<p>pressed</p>"))
redraw()
ipywidgets.VBox([rate, button, view])
"""

REMOTE = "from IPython.display import HTML\nHTML('<img src=\"https://example.org/x.png\">')"

EMPTY = """
import anywidget
class Broken(anywidget.AnyWidget):
    _esm = "export default {render() { throw new Error('nothing drawn') }}"
Broken()
"""


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(source: str, *tags: str, svg: str | None = None) -> dict[str, Any]:
    stored = {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": svg, "text/plain": "figure"}}
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": source.strip(),
        "execution_count": 1 if svg else None,
        "outputs": [stored] if svg else [],
    }


def write(path: Path, *cells: dict[str, Any]) -> None:
    named = [{"id": f"toy-{number}", **cell} for number, cell in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": named}), encoding="utf-8"
    )


def require(lack: str | None, ci: bool) -> None:
    """On a learner's machine a missing browser is a skip that the summary repeats; on CI nothing may go untested."""
    if lack and ci:
        pytest.fail(f"CI must test in the browser: {lack}")
    if lack:
        pytest.skip(f"NOT TESTED: {lack}")


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens a notebook of a folder that holds the course's notebooks and the toys: one server, one browser for all.

    Not for the whole session: playwright keeps an event loop running while it is open.
    """
    require(missing(), os.environ.get("CI") == "true")
    root = tmp_path_factory.mktemp("notebooks")
    stage(LESSON, root)
    picture = f"from IPython.display import SVG\nSVG({SVG!r})"
    write(root / "sound.ipynb", markdown("# Toy"), code(picture, svg=SVG), code(LOOP), code(CONTROLS), code(""))
    write(root / "unsigned.ipynb", code(picture, svg=SVG))
    write(root / "broken.ipynb", code(REMOTE), code(EMPTY), code("1 / 0", "raises-exception"), code("{}['key']"))
    with jupyterlab(root) as server, chromium() as browser:
        server.sign("sound.ipynb")
        server.sign(LESSON.relative_to(REPOSITORY).as_posix())
        yield lambda path, **options: notebook(browser, server, path, **options)


# --- the lesson ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lesson(show: Open) -> Iterator[NotebookPage]:
    """Lesson 1, not run yet."""
    with show(LESSON.relative_to(REPOSITORY).as_posix()) as page:
        yield page


@pytest.fixture(scope="module")
def figures_at_first(lesson: NotebookPage) -> int:
    return lesson.figures()


@pytest.fixture(scope="module")
def lesson_run(lesson: NotebookPage, figures_at_first: int) -> NotebookPage:
    lesson.run_all()
    return lesson


def stored_figures(path: Path) -> int:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum("image/svg+xml" in output.get("data", {}) for cell in cells for output in cell.get("outputs", []))


def test_the_lessons_stored_figures_are_drawn_before_any_cell_is_run(figures_at_first: int) -> None:
    assert figures_at_first == stored_figures(LESSON) > 0


def test_the_lesson_runs_without_an_error_and_no_request_leaves_the_machine(
    lesson_run: NotebookPage,
) -> None:
    assert lesson_run.problems() == []


def test_moving_the_lessons_slider_redraws_its_picture(lesson_run: NotebookPage) -> None:
    (widget,) = lesson_run.widgets()
    before = lesson_run.view(widget)
    assert "<svg" in before
    lesson_run.press_slider(widget, "ArrowRight", times=3)
    lesson_run.wait_for_change(widget, before)
    assert "<svg" in lesson_run.view(widget)


# --- the harness -----------------------------------------------------------------------------------------------------


def test_a_sound_notebook_has_no_problems_and_its_widget_obeys(show: Open, tmp_path: Path) -> None:
    with show("sound.ipynb", dark=True) as page:
        page.run_all()
        assert page.problems() == []
        (widget,) = page.widgets()
        assert 'width="10"' in page.view(widget)
        page.press_slider(widget, times=2)
        page.wait_for_view(widget, 'width="100"')
        page.click_slider(widget, 0.0)
        page.wait_for_view(widget, 'width="1"')
        page.click_button(widget, "Again")
        page.wait_for_view(widget, "pressed")
        (shot,) = page.photograph(tmp_path / "shot.png")
        assert shot.read_bytes().startswith(b"\x89PNG")


def test_the_svg_of_a_notebook_that_nobody_signed_is_not_drawn(show: Open) -> None:
    with show("unsigned.ipynb") as page:
        assert page.figures() == 0


@pytest.fixture(scope="module")
def problems(show: Open) -> list[str]:
    with show("broken.ipynb") as page:
        page.run_all()
        return page.problems()


def test_a_request_that_would_leave_the_machine_is_reported(problems: list[str]) -> None:
    assert "request to another origin: https://example.org/x.png" in problems
    assert "cell 0: broken image https://example.org/x.png" in problems


def test_a_widget_that_draws_nothing_is_reported(problems: list[str]) -> None:
    assert "cell 1: the widget's view is empty" in problems
    assert any(problem.startswith("page error") and "nothing drawn" in problem for problem in problems)


def test_a_failing_cell_is_reported_unless_its_tag_expects_it(problems: list[str]) -> None:
    assert [problem for problem in problems if "Error: " in problem and problem.startswith("cell")] == [
        "cell 3: KeyError: 'key'"
    ]


def test_server_and_kernels_are_gone_also_after_a_failure(tmp_path: Path) -> None:
    this = importlib.import_module("psutil").Process()  # has no types
    others = set(this.children(recursive=True))
    family: set[Any] = set()
    with pytest.raises(ZeroDivisionError), jupyterlab(tmp_path) as server:
        server.ask("POST", "api/kernels")
        family |= set(this.children(recursive=True)) - others
        raise ZeroDivisionError
    assert len(family) >= 2
    assert not [process for process in family if process.is_running() and process.status() != "zombie"]
    assert not server.home.exists()


def test_a_wait_that_fails_says_what_it_waited_for_and_what_it_saw() -> None:
    with pytest.raises(NotSeen, match="waited 0 s for the moon; seen instead: clouds"):
        wait_until("the moon", lambda: (False, "clouds"), lambda seconds: None, patience=0)


def test_a_missing_browser_skips_loudly_and_fails_on_ci() -> None:
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED: no Chromium"):
        require("no Chromium", ci=False)
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        require("no Chromium", ci=True)
    require(None, ci=True)


def test_a_long_notebook_is_cut_between_cells_unless_a_cell_is_taller_than_a_piece() -> None:
    assert page_breaks([0, 70, 90, 130], 150, 100) == [0, 90, 150]
    assert page_breaks([0, 10], 250, 100) == [0, 100, 200, 250]
    assert page_breaks([0, 40], 100, 100) == [0, 100]


def test_a_binary_kernel_message_is_read() -> None:
    parts = [b"iopub", b'{"msg_type":"error"}', b'{"msg_id":"1"}', b"{}", b'{"ename":"KeyError"}']
    starts = [8 * 7 + sum(map(len, parts[:number])) for number in range(6)]
    frame = b"".join(number.to_bytes(8, "little") for number in (6, *starts)) + b"".join(parts)
    said = message(frame)
    assert (said.header["msg_type"], said.parent["msg_id"], said.content["ename"]) == ("error", "1", "KeyError")
