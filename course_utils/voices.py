"""Models that make their words themselves, by name: the mock says a script, unless a request asks for one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_utils.dialect import Asked


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a voice says: one piece a token, how many tokens it read, whether it came to an end, and at which stop text.

    ``likely`` has an entry a piece where probabilities were asked for, in the shape that both dialects use.
    """

    pieces: tuple[str, ...]
    prompt_tokens: int
    complete: bool = True
    stopped_by: str | None = None
    likely: tuple[dict[str, Any], ...] = ()


Voice = Callable[[Asked, int | None, str], Spoken]
"""Gets a request, the most tokens it may say, and a seed for its draws."""


def _austen(request: Asked, limit: int | None, seed: str) -> Spoken:
    from course_utils.lm.voice import speak  # numpy takes a while to import

    return speak(request, limit, seed)


VOICES: dict[str, Voice] = {"austen": _austen}


def voice_of(model: str) -> Voice | None:
    """The voice that a model's name, with or without options, stands for."""
    return VOICES.get(model.partition(";")[0].strip())
