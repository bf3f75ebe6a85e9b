"""The runner of the real clients, with stand-ins for their scripts: only a client that reports success has succeeded."""

import json
import re
import sys
from pathlib import Path

import pytest

from clients import run

HERE = Path(run.__file__).parent
WORKS = 'print(\'{"feature": "text", "ok": true, "detail": "3 pieces"}\')\n'
ASKS = "import os, urllib.request as web; web.urlopen(os.environ['OPENAI_BASE_URL'] + '/models').read()\n"


def rows_of(script: str, limit: float = 30) -> list[tuple[str, bool, str]]:
    return [(row.feature, row.ok, row.detail) for row in run.rows_of("x", [sys.executable, "-c", script], limit)]


@pytest.mark.live
def test_a_script_reaches_a_mock_and_its_rows_are_taken_over():
    assert rows_of(ASKS + WORKS) == [("text", True, "3 pieces")]


@pytest.mark.live
@pytest.mark.parametrize(
    ("script", "feature", "says"),
    [
        ("", "finished", "it reported nothing"),
        (WORKS + "raise SystemExit('no such package')", "finished", "no such package"),
        (WORKS + "print('Deprecated!')", "reported", "this is no row: Deprecated!"),
        (WORKS + "print(7)", "reported", "this is no row: 7"),
        (WORKS.replace("true", "false"), "text", "3 pieces"),
    ],
)
def test_anything_else_is_a_failure_with_its_reason(script, feature, says):
    assert (feature, False, says) in rows_of(script)


@pytest.mark.live
def test_a_script_that_hangs_is_ended_and_keeps_the_rows_it_had():
    script = "import sys, threading\n" + WORKS + "sys.stdout.flush(); threading.Event().wait()"
    assert rows_of(script, limit=1) == [("text", True, "3 pieces"), ("finished", False, "not done after 1 s")]


def test_a_client_that_cannot_be_installed_has_failed(monkeypatch):
    def install() -> None:
        raise run.Failed("npm ci: no network")

    monkeypatch.setitem(run.INSTALL, ".mjs", install)
    problems = run.prepared({".mjs"})
    assert list(run.in_turn(["vercel_ai"], problems)) == [
        [run.Row("vercel_ai", "installed", False, "npm ci: no network")]
    ]


def test_every_package_is_locked():
    wanted = re.findall(r"^([\w-]+)", (HERE / "requirements.in").read_text(), re.MULTILINE)
    locked = (HERE / "requirements.txt").read_text()
    assert all(re.search(rf"^{name}(\[\w+\])?==", locked, re.MULTILINE) for name in wanted)
    node = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert json.loads((HERE / "package-lock.json").read_text())["packages"][""]["dependencies"] == node


@pytest.mark.parametrize("lock", ["requirements.txt", "package-lock.json"])
def test_a_lock_names_no_address_a_package_would_come_from(lock):
    text = (HERE / lock).read_text()
    assert not re.search(r'"resolved"|://(?!github\.com/sponsors)|--(extra-)?index-url|--find-links', text)
