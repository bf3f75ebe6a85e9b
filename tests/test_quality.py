"""Style and types are part of the tests, so one command checks everything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "."),
        (
            "ruff",
            "format",
            "--check",
            "course_utils",
            "tests",
            "benchmarks",
            "clients",
            "graders",
            "training",
            "use_cases",
            "start.py",
        ),
        ("mypy",),
        ("mypy", "clients/run.py"),
        ("mypy", "use_cases"),
    ],
    ids=" ".join,
)
def test_the_code_is_clean(tool):
    done = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
