"""Heads: modules that map a hidden state to a distribution over delta, and nothing else.

The distribution answers ``log_prob(delta)``, ``mean()``, ``mode()``, ``direction()``, ``log_magnitude()`` and
``sample(normal [..., D + 1], uniform [..., 2])``; noise comes from outside, so that every lane can have its
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from trainables.predictor.heads.mdn import MDNHead
from trainables.predictor.heads.vmf import VMFHead

if TYPE_CHECKING:
    from trainables.predictor.config import Structure


def build_head(structure: Structure, dim: int) -> nn.Module:
    """The head that a structure names, over delta in R^dim, on hidden states of ``structure.width``."""
    if structure.head == "mdn":
        return MDNHead(structure.width, dim, structure.components)
    return VMFHead(structure.width, dim)
