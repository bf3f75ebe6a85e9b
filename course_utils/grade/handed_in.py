"""Who handed in what: notebooks in files, folders and zips, each with its learner and its time.

A name comes from a table (``--roster``), from a pattern on the path (``--name-pattern``), or else is the name of the file, or
of the folder if all files are called alike. Whoever handed in several times is marked by the latest; which that is says
a time in the name, as learning platforms write it, or else the file's own.

Archives are read in memory and never unpacked: a name in one can't lead out of anywhere, and a small archive can't
become a large one.
"""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath

from course_utils.grade import notebook
from course_utils.grade.notebook import LARGEST

MOST_MEMBERS = 20_000
MOST_BYTES = 1_000_000_000
"""Of all notebooks of one archive together."""

LEFT_OUT = {".ipynb_checkpoints", "__MACOSX", ".git", ".venv"}
TIME = re.compile(r"(20\d\d)-?(\d\d)-?(\d\d)(?:[T_ -]{0,3}(\d\d)[-:.h]?(\d\d)(?:[-:.m]?(\d\d))?)?")


class NotHandedIn(Exception):
    """A path or table that can't be used; says what was expected."""


class NoNotebook(NotHandedIn):
    """Files and folders that are there, with no notebook in them."""


@dataclass(frozen=True)
class Submission:
    """One notebook: where it lay, whose it is, when it was handed in (seconds since 1970), its bytes or why there are none.

    The bytes are kept compressed: a large class is in memory all at once, and notebooks shrink to a fifth.
    """

    path: str
    student: str
    at: float
    packed: bytes = field(repr=False)
    trouble: str = ""

    @classmethod
    def of(cls, path: str, at: float, data: bytes, trouble: str = "", student: str = "") -> Submission:
        return cls(path, student, at, zlib.compress(data, 1), trouble)

    @property
    def data(self) -> bytes:
        return zlib.decompress(self.packed)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def unreadable(self) -> str:
        """Why it can't be read as a notebook; empty if it can."""
        if self.trouble:
            return self.trouble
        try:
            notebook.read(self.data)
        except notebook.Unreadable as unreadable:
            return str(unreadable)
        return ""


def collect(paths: Sequence[str], pattern: str | None = None, roster: str | None = None) -> list[Submission]:
    """All notebooks at ``paths``, each with its learner."""
    found = [submission for path in paths for submission in _at(Path(path))]
    if not found:
        raise NoNotebook(f"no notebook (.ipynb) in {', '.join(paths)}")
    named = [
        replace(one, student=student) for one, student in zip(found, _students(found, pattern, roster), strict=True)
    ]
    return sorted(named, key=lambda one: (one.student, one.at, one.path))


# ----------------------------------------------------------------------------------------------------------- where they lie


def _at(path: Path) -> Iterator[Submission]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in (".ipynb", ".zip") and file.is_file())
        for file in files:
            if not LEFT_OUT & set(file.parts) and not _leads_out(file, path):
                yield from _file(file, file.relative_to(path.parent).as_posix())
    elif path.is_file():
        yield from _file(path, path.name)
    else:
        raise NotHandedIn(f"there is no file or folder {str(path)!r}")


def _leads_out(file: Path, folder: Path) -> bool:
    """A link in a folder of submissions may point to anything, also to somebody else's work."""
    return not file.resolve().is_relative_to(folder.resolve())


def _file(file: Path, name: str) -> Iterator[Submission]:
    if file.suffix == ".zip":
        yield from _archive(file, name)
        return
    at = _time_in(name) or file.stat().st_mtime
    if file.stat().st_size > LARGEST:
        yield Submission.of(
            name, at, b"", f"The file has {file.stat().st_size / 1e6:.0f} MB; a notebook has less than 20."
        )
    else:
        yield Submission.of(name, at, file.read_bytes())


def _archive(file: Path, name: str) -> Iterator[Submission]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield from _members(archive, name)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        yield Submission.of(name, file.stat().st_mtime, b"", f"The archive can't be read ({error}).")


def _members(archive: zipfile.ZipFile, name: str) -> Iterator[Submission]:
    left = MOST_BYTES
    for number, member in enumerate(archive.infolist()):
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if number >= MOST_MEMBERS:
            yield Submission.of(
                name, 0.0, b"", f"The archive has more than {MOST_MEMBERS} files; the rest was not read."
            )
            return
        if path.suffix != ".ipynb" or LEFT_OUT & set(path.parts) or path.name.startswith("._"):
            continue
        data, trouble = _member(archive, member, path, min(LARGEST, left))
        left -= len(data)
        yield Submission.of(f"{name}/{path}", _time_in(str(path)) or _stored(member), data, trouble)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: PurePosixPath, most: int) -> tuple[bytes, str]:
    """The bytes of one file, no more than ``most`` whatever the archive says about its size."""
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return b"", "Its name in the archive leads out of the folder; it was not read."
    if member.flag_bits & 1:
        return b"", "It is encrypted in the archive."
    try:
        with archive.open(member) as stored:
            data = stored.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        return b"", f"The archive is damaged here ({type(error).__name__})."
    if len(data) > most:
        return b"", "It is too large when unpacked; it was not read."
    return data, ""


def _stored(member: zipfile.ZipInfo) -> float:
    try:
        year, month, day, hour, minute, second = member.date_time
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _time_in(name: str) -> float | None:
    """A time as platforms write it into names: 2026-11-21T10:30:00, 20261121-1030, 2026-11-21-10-30-00."""
    for found in reversed(list(TIME.finditer(name))):
        try:
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
        except ValueError:
            continue  # a number that looks like a date and is none
    return None


# ------------------------------------------------------------------------------------------------------------ whose they are


def _students(found: list[Submission], pattern: str | None, roster: str | None) -> list[str]:
    names = [_by_pattern(pattern, one.path) for one in found] if pattern else _by_place([one.path for one in found])
    table = read_roster(roster) if roster else {}
    return [
        next((table[key] for key in _keys(one.path, name) if key in table), name)
        for one, name in zip(found, names, strict=True)
    ]


def _keys(path: str, name: str) -> tuple[str, ...]:
    """What a table may call a submission."""
    file = PurePosixPath(path)
    return path, file.name, file.stem, name


def read_roster(path: str) -> dict[str, str]:
    """The table of a class: columns ``file`` (path, name or stem, or what the pattern found) and ``student``."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise NotHandedIn(f"the roster {path!r} can't be read: {error}") from None
    if not rows or not {"file", "student"} <= set(rows[0]):
        raise NotHandedIn(f"the roster {path!r} needs a first line with the columns file,student")
    return {row["file"].strip(): row["student"].strip() for row in rows if row["file"] and row["student"]}


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, which must have a group called ``student``."""
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise NotHandedIn(f"the pattern {pattern!r} is no regular expression: {error}") from None
    if "student" not in made.groupindex:
        raise NotHandedIn(f"the pattern {pattern!r} needs a group (?P<student>...)")
    return made


def _by_pattern(pattern: str, path: str) -> str:
    found = compiled(pattern).search(path)
    return found["student"] if found and found["student"] else PurePosixPath(path).stem


def _by_place(paths: Iterable[str]) -> list[str]:
    """The file's stem; the folder's name where several files are called alike, as in alice/01.ipynb, bob/01.ipynb."""
    files = [PurePosixPath(path) for path in paths]
    count = Counter(file.name for file in files)
    return [file.parent.name if count[file.name] > 1 and file.parent.name else file.stem for file in files]


def latest(submissions: Iterable[Submission]) -> dict[str, Submission]:
    """The latest submission of each learner."""
    return {one.student: one for one in sorted(submissions, key=lambda one: one.at)}
