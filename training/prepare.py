"""Make what `train.py` reads and what the course ships of it: the merges and the held-out text.

python prepare.py --deb deb --out data.json --package course_utils/lm

Merges that are there already are kept: the weights belong to them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import corpus
import dialogues

from course_utils.lm.bpe import Tokenizer, pieces

VOCABULARY, MARKS = 1024, 3


def learn_merges(text: str, count: int) -> list[tuple[int, int]]:
    """The most frequent pair becomes a token, again and again. Pieces that are not ASCII stay bytes."""
    words = [(list(piece.encode()), times) for piece, times in Counter(pieces(text)).items() if piece.isascii()]
    pairs: Counter[tuple[int, int]] = Counter()
    places: dict[tuple[int, int], set[int]] = {}

    def book(number: int, sign: int) -> None:
        ids, times = words[number]
        for pair in pairwise(ids):
            pairs[pair] += sign * times
            places.setdefault(pair, set()).add(number)

    for number in range(len(words)):
        book(number, 1)
    merges = []
    for new in range(256, 256 + count):
        pair = max(pairs, key=lambda found: (pairs[found], found))
        merges.append(pair)
        for number in places.pop(pair):
            ids = words[number][0]
            book(number, -1)
            at = 0
            while at < len(ids) - 1:
                if (ids[at], ids[at + 1]) == pair:
                    ids[at : at + 2] = [new]
                at += 1
            book(number, 1)
    return merges


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--deb", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--package", type=Path, required=True, help="where merges.json goes, or is already")
    asked = options.parse_args()
    train, held_out = corpus.split(asked.deb)
    asked_and_said = [*dialogues.every(), *corpus.exchanges(train)]
    text = "".join(train) + "".join(question + answer for question, answer in asked_and_said)
    made = asked.package / "merges.json"
    merges = json.loads(made.read_text()) if made.exists() else learn_merges(text, VOCABULARY - 256 - MARKS)
    tokenizer = Tokenizer(merges)
    held = "\n\n".join(corpus.beginning(chapter) for chapter in held_out)
    prose = [id for chapter in train for id in [*tokenizer.encode(chapter), tokenizer.end]]
    data = {
        "prose": prose,
        "dialogues": [
            [*tokenizer.chat(question), *tokenizer.encode(answer), tokenizer.end] for question, answer in asked_and_said
        ],
        "held_out": tokenizer.encode(held),
        "held_out_characters": len(held),
    }
    asked.out.write_text(json.dumps(data))
    characters = sum(map(len, train))
    print(f"{characters} characters in {len(prose)} tokens, {characters / len(prose):.2f} a token")
    print(f"{len(asked_and_said)} dialogues in {sum(map(len, data['dialogues']))} tokens")
    print(f"held out: {len(held)} characters, {len(held.encode())} bytes in {len(data['held_out'])} tokens")
    made.write_text(json.dumps(list(tokenizer.rank), separators=(",", ":")) + "\n")
    Path(__file__).with_name("held_out.txt").write_text(held)


if __name__ == "__main__":
    main()
