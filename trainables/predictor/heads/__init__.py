"""Heads: modules that map a hidden state to a law over delta (:mod:`trainables.distributions.law`), and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainables.predictor.heads.base import Head, Survey
from trainables.predictor.heads.mdn import MDNHead
from trainables.predictor.heads.vmf import VMFHead

if TYPE_CHECKING:
    from trainables.predictor.config import Structure

_BUILDERS: dict[str, Callable[[Structure, int], Head]] = {
    "mdn": lambda structure, dim: MDNHead(structure.width, dim, structure.components),
    "vmf": lambda structure, dim: VMFHead(structure.width, dim),
}


def build_head(structure: Structure, dim: int) -> Head:
    """The head that a structure names, over delta in R^dim, on hidden states of ``structure.width``."""
    return _BUILDERS[structure.head](structure, dim)


def survey(structure: Structure, steps_ND: Tensor) -> Survey:
    """What the heads of a structure learn from training steps [N, D] before they are trained."""
    return Survey(typical=float(torch.exp(steps_ND.norm(dim=-1).clamp_min(1e-6).log().mean())))
