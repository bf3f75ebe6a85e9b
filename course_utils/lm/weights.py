"""The stored numbers of the model: how many, in which order, and whether they are the ones that were trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY = 4, 128, 4, 256, 1024
"""Width is the length of the row of numbers that stands for a token; context is how many tokens the model can see."""

FILE = Path(__file__).with_name("austen.bin")
SHA256 = "7292af87790d684ccfaca8ffd893a4291cafa32fe8366ada7358d4625570f045"

Shape = tuple[int, int]
LAYER: dict[str, Shape] = {
    "query": (WIDTH, WIDTH),
    "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH),
    "mix": (WIDTH, WIDTH),
    "up": (WIDTH, 4 * WIDTH),
    "down": (4 * WIDTH, WIDTH),
}


def shapes() -> Iterator[tuple[str, Shape]]:
    """All matrices in the order in which they are stored, row by row, as little-endian 16-bit floats."""
    yield "tokens", (VOCABULARY, WIDTH)
    yield "positions", (CONTEXT, WIDTH)
    for number in range(LAYERS):
        for name, shape in LAYER.items():
            yield f"layers.{number}.{name}", shape


PARAMETERS = sum(rows * columns for _, (rows, columns) in shapes())


def stored(file: Path = FILE) -> bytes:
    """The bytes of the weights; raises ValueError when they are not the trained ones."""
    raw = file.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"the weights in {file} are not the trained ones: expected sha256 {SHA256[:12]}..., got {found[:12]}...; "
            "get the file again from the course's repository"
        )
    return raw


def merges() -> list[list[int]]:
    """The pairs of the tokenizer, the first merged first."""
    found: list[list[int]] = json.loads(FILE.with_name("merges.json").read_text("utf-8"))
    return found


def check_ids(ids: Sequence[int], end: int) -> None:
    """Raise ValueError for what the model cannot read."""
    if not len(ids):
        raise ValueError("the model needs at least one token to read, got none")
    if end > CONTEXT:
        raise ValueError(f"the model sees {CONTEXT} tokens at most, and this would be {end}")
    if wrong := [id for id in ids if not 0 <= id < VOCABULARY]:
        raise ValueError(f"token ids go from 0 to {VOCABULARY - 1}, got {wrong[0]}")
