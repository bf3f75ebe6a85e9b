"""Train the model. Not part of the course's tests: needs torch and the Debian package, see MODEL_CARD.md.

    python train.py --data data.json --out run --steps 5500 --decay 900

The learning rate warms up, stays, and falls to zero over the last ``--decay`` steps. Matrices learn by Muon, embeddings
by AdamW. A file ``run/finish`` starts the fall at once, so that a run can be ended in time and still end well; the log
then tells the steps that would repeat it. A run that was broken off goes on from its last state. With
RANK and WORLD_SIZE set, as torchrun does, processes share the rows of each batch; on a busy machine that is faster than
threads, which wait for one another at every matrix.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY = 4, 128, 4, 256, 1024
ROWS = 16
"""Texts in a batch, each as long as the context."""


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.mix = (_matrix(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = _matrix(WIDTH, 4 * WIDTH), _matrix(4 * WIDTH, WIDTH)
        for last in (self.mix, self.down):
            last.data.zero_()  # a new layer changes nothing, and learns from there

    def forward(self, x: Tensor) -> Tensor:
        rows, size, _ = x.shape
        normed = functional.rms_norm(x, (WIDTH,))
        q, k, v = (
            (normed @ w).view(rows, size, HEADS, WIDTH // HEADS).transpose(1, 2)
            for w in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + seen.transpose(1, 2).reshape(rows, size, WIDTH) @ self.mix
        return x + functional.relu(functional.rms_norm(x, (WIDTH,)) @ self.up).square() @ self.down


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(VOCABULARY, WIDTH) * 0.05)
        self.positions = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.02)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens[ids] + self.positions[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return functional.rms_norm(x, (WIDTH,)) @ self.tokens.T


def _matrix(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, columns) * (0.7 / rows**0.5))


class Muon(torch.optim.Optimizer):
    """Keller Jordan's Muon: momentum, made orthogonal by five Newton-Schulz steps; all matrices of a shape at once."""

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, parameters in shapes.items():
                updates = []
                for p in parameters:
                    buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
                    buffer.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(buffer, group["momentum"]))
                scale = max(1.0, shape[1] / shape[0]) ** 0.5
                for p, update in zip(parameters, _orthogonal(torch.stack(updates)), strict=True):
                    p.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-group["lr"] * scale)


def _orthogonal(x: Tensor) -> Tensor:
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.mT if tall else x


class Batches:
    """Rows of the novels at random places, and rows of dialogues, each beginning with a question.

    ``talk`` is the share of dialogue rows.
    """

    def __init__(self, prose: list[int], dialogues: list[list[int]], talk: float, rows: int, seed: str) -> None:
        self.prose, self.dialogues, self.talk, self.rows = torch.tensor(prose), dialogues, talk, rows
        self.draw = random.Random(seed)

    def __call__(self) -> Tensor:
        talks = int(self.rows * self.talk + self.draw.random())
        starts = [self.draw.randrange(len(self.prose) - CONTEXT - 1) for _ in range(self.rows - talks)]
        rows = [self.prose[start : start + CONTEXT + 1] for start in starts]
        return torch.stack(rows + [torch.tensor(self._talk()) for _ in range(talks)])

    def _talk(self) -> list[int]:
        row: list[int] = []
        while len(row) <= CONTEXT:
            row += self.draw.choice(self.dialogues)
        return row[: CONTEXT + 1]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="made by prepare.py")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--steps", type=int, default=5500)
    options.add_argument("--decay", type=int, default=900)
    options.add_argument("--rate", type=float, default=0.02, help="of Muon; AdamW's is a fifth of it")
    options.add_argument("--talk", type=float, default=0.2)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    torch.manual_seed(asked.seed)
    torch.set_num_threads(asked.threads)
    asked.out.mkdir(exist_ok=True, parents=True)
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        distributed.init_process_group("gloo")
    data = json.loads(asked.data.read_text())
    held_out = torch.tensor(data["held_out"])
    model = Model()
    loss_of = torch.compile(lambda x, y: functional.cross_entropy(model(x).flatten(0, 1), y.flatten()))
    matrices = [p for name, p in model.named_parameters() if name.startswith("layers")]
    others = [p for name, p in model.named_parameters() if not name.startswith("layers")]
    muon = Muon(matrices, lr=asked.rate, decay=0.05)
    adam = torch.optim.AdamW(others, lr=asked.rate / 5, betas=(0.9, 0.95), weight_decay=0.0)
    step, steps, losses = 0, asked.steps, []
    if (asked.out / "state.pt").exists():
        state = torch.load(asked.out / "state.pt")
        step = state["step"]
        model.load_state_dict(state["model"])
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
    # After a state is loaded, which puts other groups in the place of these.
    rates = [
        (group, rate)
        for optimizer, rate in ((muon, asked.rate), (adam, asked.rate / 5))
        for group in optimizer.param_groups
    ]
    batches = Batches(data["prose"], data["dialogues"], asked.talk, ROWS // processes, f"{asked.seed}:{rank}:{step}")
    began, first = time.time(), step
    while step < steps:
        if step % 50 == 0 and step < steps - asked.decay and _agreed((asked.out / "finish").exists(), processes):
            steps = step + asked.decay
            print(f"from here the rate falls: --steps {steps} --decay {asked.decay}", flush=True)
        for group, rate in rates:
            group["lr"] = rate * min(1, (step + 1) / 100, (steps - step) / asked.decay)
        batch = batches()
        loss = loss_of(batch[:, :-1], batch[:, 1:])
        loss.backward()
        if processes > 1:
            for p in model.parameters():
                distributed.all_reduce(p.grad)
                p.grad /= processes
        for optimizer in (muon, adam):
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        step += 1
        if rank > 0:
            continue
        if step % 50 == 0:
            speed, (mean, losses) = (
                (step - first) * ROWS * CONTEXT / (time.time() - began),
                (sum(losses) / len(losses), []),
            )
            now = muon.param_groups[0]["lr"]
            print(f"step {step} loss {mean:.3f}, rate {now:.4f}, {speed:.0f} token/s", flush=True)
        if step % 250 == 0 or step == steps:
            bits = _bits(loss_of, held_out, data["held_out_characters"])
            print(f"step {step} held out {bits:.4f} bits/char", flush=True)
            state = {"step": step, "model": model.state_dict()}
            torch.save(state | {"muon": muon.state_dict(), "adam": adam.state_dict()}, asked.out / "writing.pt")
            (asked.out / "writing.pt").replace(asked.out / "state.pt")


def _agreed(wanted: bool, processes: int) -> bool:
    """Whether the first process wants it: all begin the fall at the same step."""
    wish = torch.tensor(float(wanted))
    if processes > 1:
        distributed.broadcast(wish, 0)
    return bool(wish)


@torch.no_grad()
def _bits(loss_of: Callable[[Tensor, Tensor], Tensor], ids: Tensor, characters: int) -> float:
    """Bits per character of the held-out text in windows of the context, the last one left out."""
    count = (len(ids) - 1) // CONTEXT // ROWS * ROWS * CONTEXT
    x, y = ids[:count].view(-1, ROWS, CONTEXT), ids[1 : count + 1].view(-1, ROWS, CONTEXT)
    losses = [loss_of(a, b).item() for a, b in zip(x, y, strict=True)]
    return sum(losses) / len(losses) / torch.log(torch.tensor(2.0)).item() * len(ids) / characters


if __name__ == "__main__":
    main()
