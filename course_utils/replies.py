"""What the mock model says: scripted replies, and the tokens they are cut into."""

from __future__ import annotations

import math
import re
import zlib
from typing import Any

SCRIPT = {
    "sky": (
        "Sunlight holds every colour. On its way down, air scatters the short blue waves much more\n"
        "than the long red ones, so blue reaches your eye from every side. At sunset the path is longer."
    ),
    "story": (
        "A lamp keeper counted ships each night. One evening none came, so she rowed out with the lamp.\n"
        "Behind the fog the whole fleet was waiting, too polite to enter in the dark."
    ),
    "haiku": "One word, then the next:\nthe page fills while you are still\nlooking for your cup.",
    "hello": "Hello! I am a mock model: every word of mine is scripted, and so is the moment it leaves.",
}
DEFAULT = (
    "I am a mock model, so I can't know that. What I do know is when each of these words\n"
    "left the server, and that is what this course is about."
)

THOUGHTS = (
    "Let me think. What was asked, and what do I know about it? Some of that can be said in a sentence, and some of it "
    "takes longer. Let me look at it once more. "
)
_TOKEN = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s")


def reply_to(prompt: str) -> str:
    """The scripted reply whose key word stands in ``prompt``, or one that admits to knowing nothing."""
    words = set(re.findall(r"\w+", prompt.lower()))
    return next((reply for key, reply in SCRIPT.items() if key in words), DEFAULT)


def tokens(text: str) -> list[str]:
    """``text`` cut the way a tokenizer might: a short word with its space is one token, a long word several.

    Joined again the tokens are the text, for every string. The replies here have six tokens for five words.
    """
    return _TOKEN.findall(text)


def thoughts(count: int) -> tuple[str, ...]:
    """So many tokens of a model that thinks aloud; it comes back to the same thoughts."""
    some = tokens(THOUGHTS)
    return tuple(some[number % len(some)] for number in range(count))


def logprob(piece: str, alternatives: int) -> dict[str, Any]:
    """How likely the model found ``piece``, in the shape both dialects use, with ``alternatives`` beside it.

    A scripted model has no probabilities. These are made from the token itself: the likeliest is the one said.
    """
    chance = 0.5 + zlib.crc32(piece.encode()) % 500 / 1000
    others = [f"{piece}{number}" for number in range(2, alternatives + 1)]
    rest = [(1 - chance) / 2**place for place in range(1, len(others) + 1)]
    top = [_likely(token, share) for token, share in zip([piece, *others], [chance, *rest], strict=True)]
    return _likely(piece, chance) | {"top_logprobs": top[:alternatives]}


def _likely(token: str, share: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(math.log(share), 6), "bytes": list(token.encode())}
