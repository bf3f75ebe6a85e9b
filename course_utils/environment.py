"""The environment doctor: is everything here that the notebooks need? One line a question, with the fix where it fails."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from course_utils.work import ROOT

START = "start the course with `python3 start.py` and choose the kernel `Python 3 (ipykernel)`"
MINIMUM = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question. ``note`` says what is the matter and what to do; it is empty when all is well."""

    question: str
    note: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        sign = "✔" if not self.note else "✘" if self.fatal else "–"
        return f"{sign} {self.question}" + (f": {self.note}" if self.note else "")


def doctor() -> None:
    """Print a line for each question. A version is named only when it is wrong."""
    for look in LOOKS:
        print(look())


def healthy() -> bool:
    """Whether nothing is in the way of the lessons."""
    return not any(finding.note and finding.fatal for finding in (look() for look in LOOKS))


def python_version(version: tuple[int, ...] = tuple(sys.version_info[:2])) -> Finding:
    question = "Python 3.11 or newer"
    if version[:2] >= MINIMUM:
        return Finding(question)
    return Finding(question, f"this is {version[0]}.{version[1]} ({sys.executable}); install a newer one, then {START}")


def packages(installed: Callable[[str], str] = importlib.metadata.version) -> Finding:
    question = "The packages the lessons use, in the versions they were tried with"
    wrong, missing = [], False
    for name, wanted in _pinned().items():
        try:
            came = installed(name)
        except importlib.metadata.PackageNotFoundError:
            came, missing = "missing", True
        if came != wanted:
            wrong.append(f"{name} {came} (expected {wanted})")
    if not wrong:
        return Finding(question)
    advice = (
        f"this kernel is {sys.executable}: {START}" if missing else "if something looks odd, try `python3 start.py`"
    )
    return Finding(question, f"{', '.join(wrong)}; {advice}", fatal=missing)


def _pinned() -> dict[str, str]:
    """The versions of the direct dependencies in requirements.txt; empty where the file is not (a plain installation)."""
    path = ROOT / "requirements.txt"
    if not path.exists():
        return {}
    pins = dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==(\S+)", path.read_text("utf-8"), re.MULTILINE))
    wanted = ("openai", "ipywidgets", "ipykernel", "jupyterlab", "anywidget")
    return {name: pins[name] for name in wanted if name in pins}


def mock_answers() -> Finding:
    from course_utils.clock import VirtualClock
    from course_utils.mock import MockServer

    question = "The mock model answers inside this notebook, without any network"
    mock = MockServer("yes", clock=VirtualClock())
    with mock.client() as client:
        answer = client.chat.completions.create(
            model=mock.model, messages=[{"role": "user", "content": "Are you there?"}]
        )
    said = answer.choices[0].message.content
    return Finding(question, "" if said == "yes" else f"expected 'yes', got {said!r}; please report this")


def loopback() -> Finding:
    from course_utils.clock import RealClock
    from course_utils.engine import Engine
    from course_utils.ledger import Ledger
    from course_utils.server import LoopbackServer

    question = "A port can be opened on this machine (a few cells of the lessons use one)"
    clock = RealClock()
    try:
        LoopbackServer(Engine(), Ledger(clock), clock).close()
    except (OSError, RuntimeError) as error:  # no loopback, or no threads as in a browser
        return Finding(question, f"{error}; everything else works without", fatal=False)
    return Finding(question)


LOOKS: tuple[Callable[[], Finding], ...] = (python_version, packages, mock_answers, loopback)
