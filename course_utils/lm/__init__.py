"""A real language model, tiny: a million numbers, six novels, and a few lines that turn them into text.

`load` gives the model, `tokenizer` its tokens, and `generate` text, token by token. numpy is imported when the model is
loaded, with one thread: for matrices so small more threads cost more than they bring.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Generator, Sequence
from typing import Any, Protocol

from course_utils.lm import weights
from course_utils.lm.bpe import Tokenizer
from course_utils.lm.sampling import probabilities, ranking, sample
from course_utils.lm.weights import CONTEXT

__all__ = ["CONTEXT", "LanguageModel", "generate", "load", "probabilities", "ranking", "sample", "tokenizer"]

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when numpy is imported


class LanguageModel(Protocol):
    """What `generate` needs of a model; the one in numpy and the one without have it."""

    tokens_processed: int

    def cache(self) -> Any: ...
    def forward(self, ids: Sequence[int], cache: Any = None) -> Any: ...


@functools.cache
def load() -> LanguageModel:
    """The trained model, read once; without numpy the slow one."""
    try:
        from course_utils.lm.model import Model
    except ImportError:
        from course_utils.lm.plain import PlainModel

        return PlainModel(weights.stored())
    return Model(weights.stored())


@functools.cache
def tokenizer() -> Tokenizer:
    """The tokenizer the model was trained with."""
    return Tokenizer(weights.merges())


def generate(
    prompt: str | Sequence[int],
    n: int = CONTEXT,
    temperature: float = 0.0,
    top_k: int | None = None,
    seed: int | str | None = None,
    cache: bool = True,
    *,
    top_p: float | None = None,
    model: LanguageModel | None = None,
) -> Generator[int, None, str]:
    """Continue ``prompt`` token by token: at most ``n`` ids, each made when it is asked for.

    A text is continued as a novel would be; ``tokenizer().chat(question)`` makes ids that are answered. It ends before
    the end mark (and then returns ``"stop"``), after ``n`` tokens, or when the context is full (``"length"``). With a
    ``seed`` the same tokens come again. Without the ``cache`` the whole text is read again for every token.
    """
    model = load() if model is None else model
    end = tokenizer().end
    ids = tokenizer().encode(prompt) if isinstance(prompt, str) else list(prompt)
    if not 1 <= len(ids) <= CONTEXT:
        raise ValueError(f"a prompt has 1 to {CONTEXT} tokens, this one has {len(ids)}")
    rng = random.Random(seed)
    memory = model.cache() if cache else None
    new = ids
    for _ in range(min(n, CONTEXT - len(ids))):
        logits = model.forward(new if cache else ids, memory)[-1]
        id = sample(logits, temperature, top_k, rng, top_p)
        if id == end:
            return "stop"
        yield id
        new = [id]
        ids = [*ids, id]
    return "length"
