"""How fast the tiny model reads and writes, beside its matrix products alone: `python benchmarks/lm.py`. It asserts nothing.

The products are those that the model cannot do without, in the same shapes, with nothing between them. The model should
reach at least half their speed. Both are measured in turn, and medians are shown: what else the machine does hits both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from course_utils import lm
from course_utils.lm import weights
from course_utils.lm.model import Model
from course_utils.lm.weights import HEADS, LAYERS, VOCABULARY, WIDTH

import numpy as np  # isort: skip (after lm, which sets the number of its threads)

ROUNDS = 40
SIZE = WIDTH // HEADS


def products(model: Model, n: int, m: int) -> Callable[[], None]:
    """All matrix products of reading ``n`` tokens when the last of them sees ``m``, with the model's own matrices."""
    draw = np.random.default_rng(0)
    x, wide = draw.random((n, WIDTH), np.float32), draw.random((n, 4 * WIDTH), np.float32)
    query, shares = draw.random((HEADS, n, SIZE), np.float32), draw.random((HEADS, n, m), np.float32)
    keys = draw.random((LAYERS, HEADS, m, SIZE), np.float32)

    def run() -> None:
        for layer, seen in zip(model.layers, keys, strict=True):
            x @ layer["query"]
            x @ layer["key"]
            x @ layer["value"]
            query @ seen.transpose(0, 2, 1)
            shares @ seen
            x @ layer["mix"]
            x @ layer["up"]
            wide @ layer["down"]
        x @ model.tokens.T

    return run


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(model_run: Callable[[], object], products_run: Callable[[], object]) -> tuple[float, float]:
    """The median time of the model, and the share of the products' speed that it reaches."""
    pairs = [(seconds(model_run), seconds(products_run)) for _ in range(ROUNDS)]
    return median(one for one, _ in pairs), median(other for _, other in pairs) / median(one for one, _ in pairs)


def one_more(model: Model, ids: list[int]) -> Callable[[], object]:
    """Read the last of ``ids`` with the others in the cache, over and over: the cache is set back each time."""
    cache = model.cache()
    model.forward(ids[:-1], cache)

    def run() -> None:
        model.forward(ids[-1:], cache)
        cache.advance(-1)

    return run


def main() -> None:
    model = Model(weights.stored())
    print("             with cache: one token           without: all again        (share: of the products' speed)")
    print("context      ms   token/s   share            ms   token/s   share")
    for m in (8, 32, 64, 128, 250):
        ids = [id % VOCABULARY for id in range(1, m + 1)]
        cached, share = compare(one_more(model, ids), products(model, 1, m))
        again, share_again = compare(lambda ids=ids: model.forward(ids), products(model, m, m))  # type: ignore[misc]
        print(
            f"{m:7}{cached * 1000:8.3f}{1 / cached:10.0f}{share:8.2f}"
            f"{again * 1000:14.3f}{1 / again:10.0f}{share_again:8.2f}"
        )
    prompt = lm.tokenizer().encode("It is a truth universally acknowledged, that")
    for name, options in (("temperature 0", {}), ("temperature 0.7, top_k 40", {"temperature": 0.7, "top_k": 40})):
        took = median(seconds(lambda o=options: list(lm.generate(prompt, 60, seed=1, **o))) for _ in range(7))  # type: ignore[misc]
        print(f"60 tokens with sampling, {name}: {took * 1000:.0f} ms")


if __name__ == "__main__":
    main()
