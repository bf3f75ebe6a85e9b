"""How long the whole course runs: `python benchmarks/course.py`. It prints, it asserts nothing about speed.

All lessons, exercises and solutions under nbval, which compares every output, in virtual time: two processes, a notebook
whole in one of them. Beside the time stand the notebooks that took longest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import defaultdict

from course_utils.compared import FOLDERS, ROOT

HOW = ("-n", "2", "--dist", "loadfile", "--durations=0", "-q", "-p", "no:cacheprovider")


def by_notebook(printed: str) -> list[tuple[float, str]]:
    """Seconds of each notebook, most first, from what pytest prints with ``--durations=0``."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for duration, notebook in re.findall(r"^([\d.]+)s (?:setup|call|teardown) +(\S+\.ipynb)::", printed, re.MULTILINE):
        seconds[notebook] += float(duration)
    return sorted(((took, notebook) for notebook, took in seconds.items()), reverse=True)


def main() -> int:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", *HOW, *FOLDERS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - start
    last = done.stdout.strip().splitlines()[-1]
    print(f"the whole course on {os.cpu_count()} processors: {took:.0f} s (aim 120); {last.strip('= ')}")
    for seconds, notebook in by_notebook(done.stdout)[:5]:
        print(f"{seconds:6.1f} s  {notebook}")
    if done.returncode:
        print(done.stdout[: done.stdout.find("slowest durations")][-6000:])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
