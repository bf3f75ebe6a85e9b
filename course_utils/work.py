"""The learner's folder: their copies of the notebooks, and what the course remembers of them.

``work/`` is filled from ``lessons/`` and ``exercises/``, and with the page of references; a copy the learner has changed is never
written over. What is remembered (outcomes, hints taken, predictions) is one small JSON file in it. ``COURSE_WORK`` names another
folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("lessons/*.ipynb", "exercises/*.ipynb", "docs/references.md")
"""The notebooks, and the page that they link to."""
EMPTY: dict[str, dict[str, Any]] = {"outcomes": {}, "hints": {}, "predictions": {}}


def folder() -> Path:
    return Path(os.environ.get("COURSE_WORK") or ROOT / "work")


def fill(root: Path = ROOT, work: Path | None = None) -> list[str]:
    """Copy new and updated notebooks into the learner's folder; a line for each that is theirs and stays."""
    work = work or folder()
    seen: dict[str, str] = _read_json(work / "copied.json", {})
    messages = []
    for source in sorted(path for names in COPIED for path in root.glob(names)):
        name = source.relative_to(root).as_posix()
        copy, new = work / name, _digest(source)
        if copy.exists() and _digest(copy) not in (seen.get(name), new):
            if seen.get(name) != new:
                messages.append(
                    f"{copy} has your changes and stays; the course has a newer one: rename yours to get it."
                )
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists() or _digest(copy) != new:
            shutil.copyfile(source, copy)
        seen[name] = new
    _write_json(work / "copied.json", seen)
    return messages


def remembered() -> dict[str, dict[str, Any]]:
    """What the course knows of this learner: outcomes by exercise, hint levels by exercise, predictions by name."""
    stored = _read_json(folder() / "progress.json", {})
    return {key: stored[key] if isinstance(stored.get(key), dict) else {} for key in EMPTY}


def remember(kind: str, key: str, value: Any) -> None:
    """Store one fact; ``kind`` is a key of `EMPTY`. Several notebooks may do so at once."""
    with _alone(folder() / "progress.lock"):
        state = remembered()
        state[kind][key] = value
        _write_json(folder() / "progress.json", state)


@contextlib.contextmanager
def _alone(lock: Path, patience: float = 2.0) -> Iterator[None]:
    """Hold a lock file. Whoever holds it longer than ``patience`` seconds has been killed, and is passed over."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > until:
                break
            time.sleep(0.005)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def reset_exercise(id: str, root: Path = ROOT, work: Path | None = None) -> tuple[Path, Path | None]:
    """Put the starter of one exercise back into the learner's notebook; returns (notebook, backup of theirs, if any).

    Only the cells of that exercise change. One that the learner deleted comes back beside the other, or at the end.
    """
    work = work or folder()
    source = _notebook_with(id, root)
    copy = work / source.relative_to(root)
    if not copy.exists():
        fill(root, work)
        return copy, None
    theirs, ours = json.loads(copy.read_text("utf-8")), json.loads(source.read_text("utf-8"))
    backup = _backup(copy, work)
    for starter in (cell for cell in ours["cells"] if _belongs(cell, id)):
        _put(theirs["cells"], starter)
    _write_json(copy, theirs)
    return copy, backup


def _notebook_with(id: str, root: Path) -> Path:
    for path in sorted((root / "exercises").glob("*.ipynb")):
        if any(_belongs(cell, id) for cell in json.loads(path.read_text("utf-8"))["cells"]):
            return path
    raise FileNotFoundError(f"no notebook in {root / 'exercises'} has exercise {id}: is the course complete?")


def _belongs(cell: dict[str, Any], id: str) -> bool:
    name = f"ex-{id.replace('.', '-')}"
    return cell.get("id") in (name, f"{name}-check")


def _put(cells: list[dict[str, Any]], starter: dict[str, Any]) -> None:
    ids = [cell.get("id") for cell in cells]
    check = f"{starter['id']}-check"
    if starter["id"] in ids:
        cells[ids.index(starter["id"])] = starter
    elif check in ids:
        cells.insert(ids.index(check), starter)
    else:
        cells.append(starter)


def _backup(copy: Path, work: Path) -> Path:
    target = work / "backups"
    target.mkdir(parents=True, exist_ok=True)
    names = (target / f"{copy.stem}-{number}.ipynb" for number in itertools.count(1))
    return Path(shutil.copyfile(copy, next(name for name in names if not name.exists())))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_json(path: Path, otherwise: Any) -> Any:
    """The object in the file; a file that holds none is set aside under another name, so that nothing is lost."""
    try:
        value = json.loads(path.read_text("utf-8"))
        if isinstance(value, dict):
            return value
    except FileNotFoundError:
        return otherwise
    except ValueError:
        pass  # cut off or edited by hand: set aside below
    os.replace(path, path.with_suffix(".broken.json"))
    return otherwise


def _write_json(path: Path, value: Any) -> None:
    """Write beside the target and move: a killed kernel leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with open(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    os.replace(beside, path)
