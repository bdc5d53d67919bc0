"""Rollout training: a pack of L lanes against L solo runs of the same model in eager PyTorch.

    python -m benchmarks.rollout [--device cuda]

What a user would write instead is one module, one ``torch.optim.AdamW`` and one loop per configuration. Both
take the same optimiser steps on the same shapes; windows lie ready on the device.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

import torch
from torch.utils._pytree import tree_map

from benchmarks.timing import interleaved, machine
from trainables.distributions.law import LawNoise
from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.optimiser_step import CapturedStep, EagerStep
from trainables.predictor.lanes.pack import Batch, StackedPack, lane_tensor
from trainables.predictor.model.losses import WindowNoise, rollout_loss, teacher_loss
from trainables.predictor.model.predictor import Predictor

CASES = (
    ("vmf", 32, 64),
    ("mdn", 32, 64),
    ("vmf", 64, 64),
    ("mdn", 64, 64),
    ("vmf", 64, 256),
    ("mdn", 512, 256),
)
COUNTS = (1, 4, 16, 64)
PHASES = ("teacher", "rollout")
_ROW = "{:>5} {:>4} {:>5} {:>8} {:>3} {:>8} {:>7} {:>6} {:>6} {:>9}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="on a CPU; the product runs one pack per core")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    parser.add_argument("--lanes", type=int, nargs="*", default=COUNTS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(machine(), "\n")
    print("one optimiser step: ms of a pack of L lanes and of one solo run; ratio = pack / (L x solo);")
    print("gain = lane-steps per second against solo runs one after another; frames/s over all lanes")
    print(_ROW.format("head", "D", "width", "phase", "L", "pack", "solo", "ratio", "gain", "frames/s"))
    for number in asked.cases:
        for phase in PHASES:
            _case(*CASES[number], phase, asked)


def _case(head: str, dim: int, width: int, phase: str, asked: argparse.Namespace) -> None:
    structure = Structure(head=head, width=width)
    steps = {f"pack {count}": _pack(structure, dim, count, phase, asked.device) for count in asked.lanes}
    steps["solo"] = _solo(structure, dim, phase, asked.device)
    for step in steps.values():
        for _ in range(5 if asked.device == "cuda" else 2):  # a graph is captured at the fourth
            step()
    seconds = {name: median(values) for name, values in interleaved(steps, asked.repeats).items()}
    frames = structure.batch * (structure.context + structure.rollout)
    for count in asked.lanes:
        own, solo = seconds[f"pack {count}"], seconds["solo"]
        figures = f"{own * 1e3:.1f}", f"{solo * 1e3:.1f}", f"{own / (count * solo):.2f}"
        gains = f"{count * solo / own:.2f}", f"{count * frames / own:.0f}"
        print(_ROW.format(head, dim, width, phase, count, *figures, *gains), flush=True)


def _pack(structure: Structure, dim: int, count: int, phase: str, device: str) -> Callable[[], object]:
    """One step of a pack, as the training loop takes it."""
    lanes = [Lane(seed=i) for i in range(count)]
    pack = StackedPack(structure, lanes, dim, {"real": Survey(0.3)}).to(device)
    some = next(pack.parameters())
    rates = (lane_tensor(lanes, name, some) for name in ("learning_rate", "weight_decay"))
    optimiser = LaneAdamW(list(pack.parameters()), *rates)
    step = (CapturedStep if device == "cuda" else EagerStep)(pack, optimiser)
    batch = Batch(_windows(structure, dim, count, device), _noise(structure, count, device))
    pace = torch.ones(2, device=device).unbind()
    return lambda: step(batch, phase, *pace)


def _solo(structure: Structure, dim: int, phase: str, device: str) -> Callable[[], object]:
    """One step of the same model alone."""
    model = Predictor(structure, dim).to(device)
    model.head.start_from(Survey(0.3))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    window = _windows(structure, dim, 1, device)[0]
    noise = tree_map(lambda part: part[0], _noise(structure, 1, device))
    names = ("kappa_prior", "kappa_prior_ratio", "kappa_prior_width", "sampling_share")
    lane = {name: torch.tensor(float(name in names[1:3]), device=device) for name in names}
    progress = torch.ones((), device=device)

    def step() -> None:
        if phase == "teacher":
            loss = teacher_loss(model, window, noise, structure, lane, mix=False)
        else:
            loss = rollout_loss(model, window, noise, structure, lane, progress)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), structure.clip)
        optimiser.step()

    return step


def _windows(structure: Structure, dim: int, count: int, device: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    frames = structure.context + structure.rollout
    return (0.3 * torch.randn(count, structure.batch, frames, dim, generator=generator)).to(device)


def _noise(structure: Structure, count: int, device: str) -> WindowNoise:
    shape = (count, structure.batch, structure.context + structure.rollout)
    normal, uniform, inputs = (torch.zeros(*shape, size, device=device) for size in (1, 2, 1))
    ones = torch.ones(shape, device=device)
    return WindowNoise(ones, LawNoise(normal, uniform), inputs, ones[..., :1])


if __name__ == "__main__":
    main()
