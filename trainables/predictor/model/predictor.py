"""A predictor: a backbone, and the head that it feeds."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from trainables.predictor.config import FITTED_HEADS, Structure
from trainables.predictor.heads import Head, Survey, build_head
from trainables.predictor.model.backbones import Backbone, build_backbone
from trainables.predictor.model.closed_form import Baseline


def build_predictor(structure: Structure, dim: int) -> Predictor | Baseline:
    """The predictor that a structure names, over latents of ``dim`` dimensions."""
    return Baseline(structure, dim) if structure.head in FITTED_HEADS else Predictor(structure, dim)


class Predictor(nn.Module):
    """A predictor that is trained: a backbone reads the past, a head predicts the law of the next delta."""

    def __init__(self, structure: Structure, dim: int) -> None:
        super().__init__()
        self.backbone = build_backbone(structure, dim)
        self.head = build_head(structure, dim)

    def start_from(self, survey: Survey) -> None:
        """Set what a survey of the training data says before training."""
        self.backbone.start_from(survey)
        self.head.start_from(survey)


class AnyPredictor(Protocol):
    """A backbone and the head that it feeds, whether they are trained, fitted or made by hand."""

    @property
    def backbone(self) -> Backbone:
        """What reads the past."""

    @property
    def head(self) -> Head:
        """What predicts from the backbone's hidden state."""
