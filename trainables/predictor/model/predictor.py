"""A predictor: a backbone, and the head that it feeds."""

from __future__ import annotations

from torch import nn

from trainables.predictor.config import FITTED_HEADS, Structure
from trainables.predictor.heads import build_head
from trainables.predictor.model.backbones import build_backbone
from trainables.predictor.model.closed_form import Baseline


class Predictor(nn.Module):
    """Backbone + head: the past of a trajectory -> a law of the next delta."""

    def __init__(self, structure: Structure, dim: int) -> None:
        super().__init__()
        self.backbone = build_backbone(structure, dim)
        self.head = build_head(structure, dim)


def build_predictor(structure: Structure, dim: int) -> nn.Module:
    """A backbone and a head, as a structure names them."""
    return Baseline(structure, dim) if structure.head in FITTED_HEADS else Predictor(structure, dim)
