"""A part of the class, for many machines that know nothing of each other: all work of a learner is in one part.

Which part a learner is in hangs on the name alone, so no machine has to see what the others have, and a class that grows
between two runs moves nobody.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

INDEX = "JOB_COMPLETION_INDEX"
"""Where an indexed Kubernetes Job says which of its pods this is, from 0."""


@dataclass(frozen=True)
class Shard:
    """The part ``number`` of ``of``, counted from 1."""

    number: int = 1
    of: int = 1

    def has(self, student: str) -> bool:
        digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


def read(text: str, environment: Mapping[str, str]) -> Shard:
    """A shard as the command line has it: ``3/10``, or ``job/10`` in a Kubernetes Job; raises ValueError."""
    found = re.fullmatch(r"(\d{1,9}|job)/(\d{1,9})", text)
    if found is None:
        raise ValueError(f"--shard wants I/N, such as 3/10, or job/10 in an indexed Kubernetes Job; got {text!r}")
    number = _of_job(environment) if found[1] == "job" else int(found[1])
    if not 1 <= number <= int(found[2]):
        raise ValueError(f"--shard {text}: expected one of 1 to {int(found[2])}, got {number}")
    return Shard(number, int(found[2]))


def _of_job(environment: Mapping[str, str]) -> int:
    index = environment.get(INDEX, "")
    if not index.isdecimal():
        raise ValueError(f"--shard job/N needs the environment variable {INDEX}, which is {index or 'not set'!r}")
    return int(index) + 1
