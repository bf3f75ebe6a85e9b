"""The loss of the stored weights on text the model has never seen: `python training/evaluate.py`.

The held-out text is the beginning of one chapter of each of the six novels, the one in the middle. It is read in windows as
long as the context; the first token of a window is predicted from one token, the last from all others in the window.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_utils import lm

HELD_OUT = Path(__file__).with_name("held_out.txt")


def bits_per_character(text: str, overlap: int = 0) -> float:
    """How many bits a character costs when the model is asked for the probability of each token.

    With an ``overlap`` the windows begin so many tokens earlier, and their first tokens are not counted again.
    """
    import numpy as np  # after lm, which sets the number of its threads

    from course_utils.lm.model import softmax

    model, tokens = lm.load(), lm.tokenizer()
    ids = tokens.encode(text)
    bits, at = 0.0, 0
    while at < len(ids) - 1:
        begin = max(0, at - overlap)
        window = ids[begin : begin + lm.CONTEXT + 1]
        shares = softmax(np.asarray(model.forward(window[:-1]), np.float64))
        chances = shares[np.arange(len(window) - 1), window[1:]]
        bits -= float(np.log2(chances[at - begin :]).sum())
        at = begin + len(window) - 1
    return bits / len(b"".join(map(tokens.token_bytes, ids[1:])).decode())


def main() -> None:
    text = HELD_OUT.read_text("utf-8")
    ids = lm.tokenizer().encode(text)
    print(f"held-out text: {len(text)} characters, {len(ids)} tokens, {len(text) / len(ids):.2f} characters a token")
    print(f"bits per character: {bits_per_character(text):.4f} in windows of {lm.CONTEXT} tokens")
    print(f"bits per character: {bits_per_character(text, 128):.4f} with at least 128 tokens before each")


if __name__ == "__main__":
    main()
