"""How long epochs and phases are, and how fast a lane learns at every step of them.

In each phase the learning rate rises over a few steps, stays, and falls over the last epochs: warm-up,
stable, cooling (Hu et al., MiniCPM, 2024; Haegele et al., Scaling laws and compute-optimal training beyond
fixed training durations, 2024). A lane starts to cool when its patience is at an end, or so that it has
cooled when the phase may last no longer; neither depends on its neighbours.

Shapes: L lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.predictor.config import Structure

TEACHER, ROLLOUT = "teacher", "rollout"
LOWEST_RATE = 0.05  # of the learning rate, after cooling, as a share of what it was
_RAMP = 0.25  # share of a rollout phase over which the free run gets its full weight


def phase_epochs(structure: Structure, phase: str) -> int:
    """The most epochs that a phase may last."""
    return structure.teacher_epochs if phase == TEACHER else structure.rollout_epochs


def first_epoch(structure: Structure, phase: str) -> int:
    """The number of a phase's first epoch, whether or not an earlier phase lasted as long as it may."""
    return 0 if phase == TEACHER else structure.teacher_epochs


def cooling_epochs(structure: Structure, phase: str) -> float:
    """The epochs of a phase over which the learning rate falls; a share of one where a phase is short."""
    return structure.cooling * phase_epochs(structure, phase)


def epoch_steps(structure: Structure, frames: int) -> int:
    """Optimiser steps of an epoch: as many as a pass over ``frames`` training frames takes, unless the
    structure names a number, and fewer where all epochs together would exceed its ``max_frames``.
    """
    per_step = structure.batch * structure.window_frames
    steps = structure.steps or -(-frames // per_step)
    if structure.max_frames and structure.epochs:
        steps = min(steps, structure.max_frames // (per_step * structure.epochs))
    return max(1, steps)


def ramp_epochs(structure: Structure) -> float:
    """The first epochs of a rollout phase, or a share of one, over which the free run gets its weight."""
    return _RAMP * structure.rollout_epochs


def progress(structure: Structure, phase: str, step: int, steps: int) -> float:
    """How far what grows in a phase has grown before its optimiser step ``step``, 0 to 1.

    In teacher forcing that is the share of inputs that are replaced, over the whole phase; in a rollout phase
    the weight of the free run.

    Args:
        steps: of an epoch.
    """
    over = phase_epochs(structure, TEACHER) if phase == TEACHER else ramp_epochs(structure)
    return min(1.0, step / (over * steps))


def learning_rates(
    structure: Structure, phase: str, epoch: int, cooling_from: Sequence[float | None], steps: int
) -> Tensor:
    """Factor of every lane's learning rate before every step of an epoch: [steps, L], float64.

    Args:
        epoch: of the phase, from 0.
        cooling_from: how many epochs of the phase have passed when each lane starts to cool; None of one that
            has not yet to.
        steps: of an epoch.
    """
    done = epoch * steps + torch.arange(steps, dtype=torch.float64)
    rise = ((done + 1) / max(1, structure.warmup)).clamp_max(1.0)
    length = cooling_epochs(structure, phase) * steps
    begins_L = torch.tensor([float("inf") if e is None else e * steps for e in cooling_from]).double()
    share = ((done[:, None] - begins_L) / length).clamp(0, 1)
    return rise[:, None] * (1 - (1 - LOWEST_RATE) * share)
