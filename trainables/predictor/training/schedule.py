"""How far training has come at every optimiser step of an epoch, and how fast it learns there."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.predictor.config import Structure
from trainables.predictor.lanes.optimiser import cosine_schedule


def phase_of(structure: Structure, epoch: int) -> str:
    """The phase that an epoch belongs to: "teacher" first, then "rollout"."""
    return "teacher" if epoch < structure.teacher_epochs else "rollout"


def epoch_schedule(structure: Structure, epoch: int) -> Tensor:
    """Share of its phase that has passed, and factor of the learning rates, before every step of an epoch:
    [steps, 2], float64.
    """
    first = epoch * structure.steps
    teacher, rollout = (n * structure.steps for n in (structure.teacher_epochs, structure.rollout_epochs))
    rows = []
    for done in range(first, first + structure.steps):
        progress = done / teacher if done < teacher else (done - teacher) / rollout
        rows.append((progress, cosine_schedule(done, structure.epochs * structure.steps)))
    return torch.tensor(rows, dtype=torch.float64)
