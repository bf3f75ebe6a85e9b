"""Write the weights of a training run as the course ships them: 16-bit floats in a fixed order, and their sha256.

python export.py run/state.pt
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import torch

from course_utils.lm import weights


def main() -> None:
    trained = torch.load(sys.argv[1])["model"]
    raw = b"".join(trained[name].to(torch.float16).numpy().tobytes() for name, _ in weights.shapes())
    weights.FILE.write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    code = Path(weights.__file__)
    code.write_text(re.sub(r'(?m)^SHA256 = ".*"$', f'SHA256 = "{digest}"', code.read_text()))
    print(f"{len(raw)} bytes, {weights.PARAMETERS} parameters, sha256 {digest}")


if __name__ == "__main__":
    main()
