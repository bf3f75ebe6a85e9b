"""What has been found so far, in files that only grow, so that a run that was killed goes on where it was.

They lie in one folder, a file for each shard. Whoever grades reads them all and appends to one. A line of JSON has the
marks of a notebook::

    {"at": 1763720000.5, "submission": "<sha256 of its bytes>", "seed": "...", "isolation": ["namespaces", "..."],
     "patience": [10.0, 20.0, 60.0, 120.0], "notes": ["..."], "seconds": 0.02,
     "verdicts": [{"exercise": "1.2", "version": "<16 digits>", "outcome": "passed", ...}]}

or says that verdicts no longer count::

    {"at": 1763720100.0, "void": ["1.2"], "submissions": ["<sha256>"]}

A verdict is found again by the notebook's bytes, the exercise and its version, the seed and all else that the line has
before the notes; change one of these and it is asked anew. The later line counts, by ``at`` (seconds since 1970). What could
not be checked is kept for the record, and tried again in the next run. A line that was cut off when the machine went down
counts for nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import IO, Any

from course_utils.checks.verdict import Verdict
from course_utils.grade.marking import Marks
from course_utils.grade.workers import Task, Terms

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Line = dict[str, Any]
TermsText = str
"""The terms of a run as one text, for a key."""


class NotKept(Exception):
    """A folder of results that can't be used."""


class Results:
    """All verdicts there are, by what they hang on. Without a folder they are forgotten at the end."""

    def __init__(self, folder: Path | None = None, name: str = "1-of-1") -> None:
        self._verdicts: dict[tuple[str, str, str, TermsText], Verdict] = {}
        self._notes: dict[tuple[str, TermsText], list[str]] = {}
        self._seconds: dict[tuple[str, TermsText], float] = {}
        self._file: IO[bytes] | None = None
        self.seed = ""
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = _opened(folder / f"{name}.jsonl")
                lines = [line for file in sorted(folder.glob("*.jsonl")) for line in _lines(file)]
            except OSError as error:
                raise NotKept(f"the results in {str(folder)!r} can't be read and written: {error}") from None
            for line in sorted(lines, key=lambda line: float(line["at"])):
                self._take(line)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    # ------------------------------------------------------------------------------------------------------------ asked for

    def verdict(self, submission: str, exercise: str, version: str, terms: Terms) -> Verdict | None:
        return self._verdicts.get((submission, exercise, version, _text(_head(terms))))

    def lacks(self, task: Task) -> list[str]:
        """The exercises of a task that are still to be asked, also those that could not be checked before."""
        found = [(id, self.verdict(task.submission, id, version, task.terms)) for id, version in task.wanted]
        return [id for id, verdict in found if verdict is None or verdict.outcome == "could_not_check"]

    def notes(self, submission: str, terms: Terms) -> tuple[str, ...]:
        return tuple(self._notes.get((submission, _text(_head(terms))), ()))

    def seconds(self, submission: str, terms: Terms) -> float:
        """All that its markings took."""
        return self._seconds.get((submission, _text(_head(terms))), 0.0)

    # ------------------------------------------------------------------------------------------------------------- found out

    def keep(self, task: Task, marks: Marks) -> None:
        versions = dict(task.wanted)
        verdicts = [asdict(verdict) | {"version": versions[id]} for id, verdict in marks.verdicts.items()]
        found = {"notes": marks.notes, "seconds": round(marks.seconds, 4), "verdicts": verdicts}
        self._add({"submission": task.submission} | _head(task.terms) | found)

    def void(self, exercises: Sequence[str], submissions: Iterable[str]) -> None:
        """Let the verdicts on these exercises in these notebooks count no more, so that they are asked anew."""
        self._add({"void": list(exercises), "submissions": sorted(set(submissions))})

    def _add(self, line: Line) -> None:
        text = json.dumps({"at": time.time()} | line) + "\n"
        if self._file is not None and self._file.write(text.encode("ascii")) != len(text):
            raise NotKept("the disk with the results is full")
        self._take(json.loads(text))  # as it will be read, so that a run that goes on knows the same

    def _take(self, line: Line) -> None:
        if "void" in line:
            gone = set(line["void"]), set(line["submissions"])
            self._verdicts = {
                key: one for key, one in self._verdicts.items() if key[1] not in gone[0] or key[0] not in gone[1]
            }
            return
        submission, terms = line["submission"], _text({name: line[name] for name in ("seed", "isolation", "patience")})
        notes = self._notes.setdefault((submission, terms), [])
        notes += [note for note in line["notes"] if note not in notes]
        self._seconds[submission, terms] = self._seconds.get((submission, terms), 0.0) + line["seconds"]
        for stored in line["verdicts"]:
            version = stored.pop("version")
            self._verdicts[submission, stored["exercise"], version, terms] = Verdict(**stored)
        self.seed = line["seed"]


def _head(terms: Terms) -> Line:
    """What a verdict hangs on besides the notebook and the exercise."""
    return {"seed": terms.seed, "isolation": [terms.level, *terms.layers], "patience": list(astuple(terms.patience))}


def _text(head: Line) -> TermsText:
    return json.dumps(head, sort_keys=True)


def _lines(file: Path) -> Iterator[Line]:
    for text in file.read_bytes().split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:  # cut off: that notebook is marked again
            continue
        if isinstance(line, dict) and "at" in line:
            yield line


def _opened(file: Path) -> IO[bytes]:
    """The file for appending, for us alone; what was cut off in it becomes a line of its own."""
    opened = open(file, "ab+", buffering=0)  # noqa: SIM115  # it stays open as long as the run
    if fcntl is not None:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            opened.close()
            raise NotKept(
                f"another run is writing {str(file)!r}; wait for it, or give this one a folder of its own"
            ) from None
        except OSError:  # some network file systems have no locks
            pass
    if opened.tell() and opened.seek(-1, 2) >= 0 and opened.read(1) != b"\n":
        opened.write(b"\n")
    return opened
