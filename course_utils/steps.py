"""Work, counted in lines of Python that a learner's code runs: the same on every machine, where seconds are not.

One line may still hide much work, in a function written in C; what matters there has to be counted where it is called.
"""

from __future__ import annotations

import sys
import sysconfig
from types import CodeType, FrameType
from typing import Any

LIBRARIES = ("site-packages", "/proc/self/fd", sysconfig.get_path("stdlib"), "course_utils/grade", "course_utils/steps")
"""What stands in the file names of code that is neither the learner's nor the check's."""


class TooMuchWork(BaseException):
    """More lines were run than were allowed; not an Exception, so the learner's `except Exception` lets it through."""


class Steps:
    """A context in which lines are counted, apart from those of ``ours``; after ``most`` of them it raises `TooMuchWork`.

    It may be entered again and again, and goes on counting.
    """

    def __init__(self, most: int, ours: tuple[Any, ...] = ()) -> None:
        self.most, self.count = most, 0
        self._ours = {code for one in ours if (code := _code(one)) is not None}

    def __enter__(self) -> Steps:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code in self._ours or any(part in code.co_filename for part in LIBRARIES):
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count > self.most:
                raise TooMuchWork(f"more than {self.most} lines were run")
        return self._line


def _code(one: Any) -> CodeType | None:
    """The code behind a function, a method or a generator."""
    found = getattr(one, "gi_code", None) or getattr(one, "__code__", None)
    return found if isinstance(found, CodeType) else None
