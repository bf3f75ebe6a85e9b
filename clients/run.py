"""Whether real clients believe the mock: each client's script runs against a mock of its own and reports its features.

  python clients/run.py               all clients
  python clients/run.py --only llm    one of them
  python clients/run.py --list        their names

It is run by the course's Python and needs nothing but the standard library. The clients live in clients/.venv and
clients/node_modules, which are made where they are missing or where their lock has changed. What can't be installed,
does not finish, or reports nothing has failed; so has a client that made the mock complain.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from course_utils.replies import SCRIPT, tokens

HERE = Path(__file__).resolve().parent
CLIENTS = {path.stem.removeprefix("with_"): path for path in sorted(HERE.glob("with_*"))}
VENV, MODULES = HERE / ".venv", HERE / "node_modules"

PROMPT, TEXT = "Why is the sky blue?", SCRIPT["sky"]
EXPECTED = json.dumps({"prompt": PROMPT, "text": TEXT, "tokens": tokens(TEXT)})

AT_ONCE = 3
"""Clients that run at the same time: they wait for tokens most of the time."""
LIMIT = 120.0
"""Seconds a client's script may take; all of them take less than 20."""

FOREIGN = ("PYTHON", "OPENAI_", "ANTHROPIC_", "LANGSMITH_", "LANGCHAIN_", "LLM_")
ENVIRON = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
}
"""What scripts and mock see: none of the person's own settings, and no proxy between this machine and itself."""


class Failed(Exception):
    """Why there is no client, or no mock, to run."""


@dataclass(frozen=True, slots=True)
class Row:
    """A feature of a client: whether it works, and how, or why not."""

    client: str
    feature: str
    ok: bool
    detail: str = ""

    def __str__(self) -> str:
        detail = " ".join(self.detail.split())
        return f"{self.client:<13}{self.feature:<40}{'ok' if self.ok else 'FAILED':<8}{detail}".rstrip()


def main(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    if options.list:
        print("\n".join(CLIENTS))
        return 0
    started = time.perf_counter()
    chosen = [options.only] if options.only else list(CLIENTS)
    problems = prepared({CLIENTS[name].suffix for name in chosen})
    print(f"environments looked after in {time.perf_counter() - started:.0f} s", flush=True)
    rows = []
    for found in in_turn(chosen, problems):
        print(*found, sep="\n", flush=True)
        rows += found
    failed = sum(not row.ok for row in rows)
    print(f"all that took {time.perf_counter() - started:.0f} s")
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed or not rows else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CLIENTS, help="run one client")
    parser.add_argument("--list", action="store_true", help="print the names of the clients")
    return parser


def prepared(suffixes: set[str]) -> dict[str, str]:
    """Install what scripts with these suffixes need; the answer has, for each that can't be had, the reason."""

    def problem(suffix: str) -> str:
        try:
            INSTALL[suffix]()
        except (Failed, OSError) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as pool:
        return {suffix: why for suffix, why in zip(suffixes, pool.map(problem, suffixes), strict=True) if why}


def install_packages() -> None:
    """The Python clients, by uv where there is one, else by pip."""
    lock = HERE / "requirements.txt"
    stamp, wanted = VENV / "stamp", f"{sys.version_info[:2]} {digest(lock)}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    uv = shutil.which("uv")
    step([uv, "venv", "--python", sys.executable, str(VENV)] if uv else [sys.executable, "-m", "venv", str(VENV)])
    # --no-compile: byte-compiling everything takes pip longer than the rest; Python does it for what it imports.
    pip = [uv, "pip", "install", "--python", PYTHON] if uv else [PYTHON, "-m", "pip", "install", "--no-compile"]
    step([*pip, "--require-hashes", "--requirement", str(lock)])
    stamp.write_text(wanted)


def install_modules() -> None:
    """The Node clients, by npm."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        raise Failed("there is no npm or no node on this machine: install Node 18 or newer")
    lock = HERE / "package-lock.json"
    stamp, wanted = MODULES / ".stamp", f"{step([node, '--version'])} {digest(lock)}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    step([npm, "ci"])
    stamp.write_text(wanted)


PYTHON = str(
    Path(sysconfig.get_path("scripts", "venv", vars={"base": str(VENV)}), "python.exe" if os.name == "nt" else "python")
)
INSTALL = {".py": install_packages, ".mjs": install_modules}
RUN_BY = {".py": PYTHON, ".mjs": "node"}


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def step(command: list[str]) -> str:
    """Run an installer; raises `Failed` with the last thing it said."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command[:3])}: {last_line(done.stderr or done.stdout)}")
    return done.stdout.strip()


def last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def in_turn(names: list[str], problems: dict[str, str]) -> Iterator[list[Row]]:
    """The rows of each client, as soon as they and all before them are there."""

    def rows(name: str) -> list[Row]:
        script = CLIENTS[name]
        why = problems.get(script.suffix)
        return [Row(name, "installed", False, why)] if why else rows_of(name, [RUN_BY[script.suffix], str(script)])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(rows, names)


def rows_of(client: str, command: list[str], limit: float = LIMIT) -> list[Row]:
    """What a client's script reports, and a row for each thing that went wrong besides."""
    try:
        with tempfile.TemporaryFile("w+") as log:
            with served(log) as address:
                output, problem = run(command, ENVIRON | address | {"EXPECTED": EXPECTED}, limit)
            log.seek(0)
            complaint = log.read()
    except (Failed, OSError) as error:
        return [Row(client, "started", False, str(error))]
    rows = [row_of(client, line) for line in output.splitlines()]
    if problem or not rows:
        rows.append(Row(client, "finished", False, problem or "it reported nothing"))
    if complaint:
        rows.append(Row(client, "mock content", False, last_line(complaint)))
    return rows


def row_of(client: str, line: str) -> Row:
    try:
        said = json.loads(line)
        return Row(client, said["feature"], said["ok"] is True, said["detail"])
    except (ValueError, TypeError, KeyError):
        return Row(client, "reported", False, f"this is no row: {line}")


def run(command: list[str], environ: dict[str, str], limit: float) -> tuple[str, str]:
    """What a script printed, and what is wrong with how it ended, if anything."""
    with subprocess.Popen(
        command, cwd=HERE, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as script:
        try:
            output, errors = script.communicate(timeout=limit)
            problem = last_line(errors.decode(errors="replace")) if script.returncode else ""
        except subprocess.TimeoutExpired:
            script.kill()
            output, _ = script.communicate()
            problem = f"not done after {limit:g} s"
    return output.decode(errors="replace"), problem


@contextmanager
def served(log: IO[str]) -> Iterator[dict[str, str]]:
    """A mock on a free port, with what it complains of in ``log``; it gives the environment variables that it prints."""
    command = [sys.executable, "-m", "course_utils", "serve", "--port", "0", "--ttft", "0.05", "--itl", "0.005"]
    with subprocess.Popen(
        command, cwd=HERE.parent, env=ENVIRON, stdout=subprocess.PIPE, stderr=log, text=True
    ) as server:
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline() for _ in range(2)]
            if not all(line.startswith("export ") for line in lines):
                raise Failed(f"the mock did not start: {''.join(lines).strip()}")
            yield dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
