"""The documents say what is there: commands, modules, exercises, the import picture."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from course_utils import ledger, server
from course_utils.__main__ import COMMANDS
from course_utils.checks import exercises
from course_utils.engine import DIALECTS
from course_utils.grade import command, shard
from course_utils.grade.marking import Patience
from course_utils.lanes import race
from course_utils.scenario import OPTIONS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "course_utils"
README = (ROOT / "README.md").read_text("utf-8")
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))

# What each room may import of the package: downhill only, and for the heart nothing but the standard library.
HEART = {
    "frames",
    "pace",
    "sse",
    "api",
    "dialect",
    "tools",
    "responses",
    "replies",
    "chat",
    "messages",
    "plain",
    "kept",
    "conduct",
    "scenario",
    "voices",
    "engine",
    "clock",
    "metrics",
    "ledger",
    "timeline",
    "guards",
}
STANDARD = set(sys.stdlib_module_names)


def imported(module: str) -> set[str]:
    """The top-level imports of a module; those inside functions are paid for when used."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stands_in_the_readme(command):
    assert re.search(rf"`{command}\b", README)


def test_the_readme_counts_the_lessons_and_the_exercises():
    lessons = list((ROOT / "source/lessons").glob("0[1-9]_*.py"))
    assert ("seven lessons" in README, len(lessons)) == (True, 7)
    assert int(re.search(r"(\d+) exercises", README)[1]) == len(exercises())


def test_the_help_lists_every_command():
    done = subprocess.run([sys.executable, "-m", "course_utils", "--help"], capture_output=True, text=True, check=True)
    assert all(f"  {command} " in done.stdout for command in COMMANDS)


SHOWN = [
    (path.name, line)
    for path in sorted((ROOT / "docs").glob("*.md"))
    for line in re.findall(r"^python3 start.py ((?:grade|export) .*)$", path.read_text("utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_a_command_on_a_page_has_options_that_there_are(page, line):
    name, *options = shlex.split(line, comments=True)
    importlib.import_module(f"course_utils.{name}.command")._parser().parse_args(options)


def test_an_unknown_command_is_refused_with_the_list():
    done = subprocess.run([sys.executable, "-m", "course_utils", "fly"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no command 'fly'" in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_a_module_stands_in_the_map(module):
    assert f"`{module}`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("module", sorted(HEART))
def test_the_heart_needs_the_standard_library_only(module):
    roots = {name.split(".")[0] for name in imported(module)}
    assert roots <= STANDARD | {"course_utils"}


def test_imports_run_one_way():
    graph = {
        module: {name.split(".")[1] for name in imported(module) if name.startswith("course_utils.")}
        for module in MODULES
    }
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {module for module, needs in graph.items() if module not in done and needs & set(MODULES) <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready


def test_the_picture_of_the_readme_is_the_one_of_lesson_1():
    assert (ROOT / "docs/race.svg").read_text("utf-8") == race(tokens_per_second=10).plot().svg


def test_the_numbers_under_the_picture_are_those_of_the_picture():
    alt = re.search(r"!\[(.*?)\]\(docs/race.svg\)", README).group(1)
    run = race(tokens_per_second=10)
    for seconds in (run.finished("unary"), run.finished("streamed")):
        assert f"{seconds:.1f} s" in alt


def test_the_example_of_the_readme_runs():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    exec(re.sub(r"^  ", "", code, flags=re.MULTILINE), {})


MOCK = (ROOT / "docs/mock-server.md").read_text("utf-8")


@pytest.mark.parametrize("option", OPTIONS)
def test_a_model_option_stands_on_the_page_of_the_mock(option):
    assert f"`{option}`" in MOCK


@pytest.mark.parametrize("route", [*DIALECTS, "/models", "/ws", server.LEDGER, server.CONDUCT, server.WATCH])
def test_a_route_stands_on_the_page_of_the_mock(route):
    assert f"{route}`" in MOCK


def test_the_example_of_the_page_of_the_mock_runs():
    exec(re.search(r"```python\n(.*?)```", MOCK, re.DOTALL).group(1), {})


def test_the_limits_on_the_page_of_the_mock_are_those_of_the_code():
    for said, limit in (("10 MiB", server.MAX_BODY), ("64 KiB", server.MAX_UNSENT)):
        number, unit = said.split()
        assert f"{said} " in MOCK.replace("\n", " ")
        assert int(number) * {"KiB": 1024, "MiB": 1024**2}[unit] == limit
    assert "a minute" in MOCK
    assert server.PATIENCE == 60
    assert "10,000 requests, and 32 MB" in MOCK
    assert ledger.MOST_BYTES == 32_000_000


GRADING = (ROOT / "docs/grading.md").read_text("utf-8")
GRADES = re.findall(r"^\s*(?:- run: )?python3? (?:start.py|-m course_utils) grade (.*)$", GRADING, re.MULTILINE)
JOB = next(iter(re.findall(r"```yaml\n(apiVersion.*?)```", GRADING, re.DOTALL)))


@pytest.mark.parametrize("line", GRADES)
def test_a_command_on_the_page_of_graders_is_one(line):
    words = shlex.split(re.sub(r"\$\{\{ *(\S+) *\}\}", r"1", line), comments=True)
    options = command._parser().parse_args(words)
    assert options.paths
    shard.read(options.shard, {})


def test_every_option_of_grade_stands_on_its_page():
    options = {word for action in command._parser()._actions for word in action.option_strings if word[:2] == "--"}
    assert {word for word in options if not re.search(rf"`{word}\b", GRADING)} == {"--help"}
    assert len(GRADES) >= 8


def test_the_kubernetes_job_on_the_page_of_graders_has_a_pod_for_each_shard():
    spec = yaml.safe_load(JOB)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    options = command._parser().parse_args(container["args"][3:])
    assert spec["completionMode"] == "Indexed"
    assert shard.read(options.shard, {shard.INDEX: str(spec["completions"] - 1)}).of == spec["completions"]
    assert options.seed == "$(SEED)"


def test_the_matrix_on_the_page_of_graders_has_all_shards():
    job = yaml.safe_load(re.search(r"```yaml\n(jobs:.*?)```", GRADING, re.DOTALL).group(1))["jobs"]["part"]
    parts = job["strategy"]["matrix"]["part"]
    (of,) = re.findall(r"--shard \$\{\{ matrix.part \}\}/(\d+)", " ".join(step.get("run", "") for step in job["steps"]))
    assert parts == list(range(1, int(of) + 1))


def test_the_example_of_the_page_of_graders_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions/ann.ipynb").write_bytes((ROOT / "solutions/01_why_streaming_matters.ipynb").read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", GRADING, re.DOTALL).group(1), {})
    assert re.search(r"ann +✔ +✔ +✔ +✔", capsys.readouterr().out)


def test_the_times_on_the_page_of_graders_are_those_of_the_code():
    assert f"{Patience().call:g} s for a call, {Patience().cell:g} s for a cell" in GRADING


def test_importing_the_package_is_cheap():
    code = "import sys, course_utils; print([name for name in ('openai', 'ipywidgets', 'numpy', 'asyncio') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
