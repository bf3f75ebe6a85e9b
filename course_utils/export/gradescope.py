"""An autograder for Gradescope: a zip with its two scripts, the grader and the checks.

Gradescope unpacks it into ``/autograder/source``, runs ``setup.sh`` once and ``run_autograder`` for each submission. The
solutions stay at home; nothing here is shown to learners.
"""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from course_utils import build

SETUP = """#!/usr/bin/env bash
# Makes the course's environment, once, on Gradescope's machine.
set -euo pipefail
cd "${AUTOGRADER:-/autograder}/source"
apt-get update -qq
apt-get install -y -qq --no-install-recommends bubblewrap python3 python3-pip python3-venv
start=(python3)
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    python3 -m pip install --quiet uv
    export UV_PYTHON_INSTALL_DIR=/opt/python  # where learners' processes may read it
    start=(uv run --no-project --python 3.12)
fi
"${start[@]}" start.py help
"""
RUN = """#!/usr/bin/env bash
# Marks one submission. What could not be checked leaves no results, and Gradescope says that the autograder failed.
set -euo pipefail
at="${AUTOGRADER:-/autograder}"
cd "$at/source"
exec .venv/bin/python -m course_utils grade "$at/submission" --jobs 1 \\
    --gradescope "$at/results/results.json" EXERCISES
"""


def write(target: Path, exercises: Sequence[str], root: Path = build.ROOT) -> None:
    """Write the zip of an autograder that marks these exercises, or lessons."""
    wanted = " ".join(f"--exercise {shlex.quote(id)}" for id in exercises)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, script in (("setup.sh", SETUP), ("run_autograder", RUN.replace("EXERCISES", wanted))):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o100755 << 16
            archive.writestr(member, script)
        for path in _files(root):
            archive.write(path, path.relative_to(root).as_posix())


def _files(root: Path) -> Iterator[Path]:
    """What marking needs: the package with its checks, and what makes its environment."""
    yield from (root / "start.py", root / "requirements.txt")
    for path in sorted((root / "course_utils").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
