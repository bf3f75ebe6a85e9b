"""The learner's part of an error: what it says, and which of their lines it came through."""

from __future__ import annotations

import sysconfig
import traceback

LONGEST = 2000
"""Characters of an error's text that are kept."""

OTHERS = ("course_utils", "site-packages", "/proc/self/fd", sysconfig.get_path("stdlib"))
"""What stands in the file names of lines that are not the learner's; the grader may find libraries by a file descriptor."""


def message(error: BaseException) -> str:
    """What the error says; its type may be the learner's own, with a faulty ``__str__``."""
    try:
        return str.__getitem__(str(error), slice(LONGEST))
    except BaseException:  # noqa: BLE001  # whatever it raises, it must not reach the notebook
        return "(this error can't be printed)"


def their_lines(error: BaseException) -> str:
    """The traceback cut down to the learner's lines: function and source, without paths, libraries or our frames."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not any(name in frame.filename for name in OTHERS)]
    lines = [f"line {frame.lineno} in {frame.name}: {frame.line}"[:LONGEST] for frame in theirs]
    return "; ".join(lines if len(lines) <= 4 else [*lines[:2], "...", *lines[-2:]])
