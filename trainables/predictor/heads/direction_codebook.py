"""Codebook head: hidden state -> which of K fixed directions, how sharply, and how far.

Shapes: H hidden units, D latent dimensions, K codes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.distributions.mixture import DirectionMixture, PolarMixture
from trainables.predictor.heads.base import Survey
from trainables.predictor.heads.polar import PolarForm, PolarHead
from trainables.predictor.linear import Linear


class CodebookHead(PolarHead):
    """A head that predicts a :class:`PolarMixture` over delta in R^D whose K mean directions are the codes of
    the training data, with one concentration for all.
    """

    codes_KD: Tensor

    def __init__(self, width: int, dim: int, form: PolarForm, components: int) -> None:
        super().__init__(width, dim, form)
        self.weights = Linear(width, components)
        self.register_buffer("codes_KD", nn.functional.normalize(torch.randn(components, dim), dim=-1))

    def forward(self, h: Tensor) -> PolarMixture:
        """The mixtures over [..., D] that hidden states ``h`` [..., H] predict."""
        log_weights = torch.log_softmax(self.weights(h), -1)
        return PolarMixture(DirectionMixture(log_weights, self.codes_KD, self.kappa(h)), *self.radius(h))

    def start_from(self, survey: Survey) -> None:
        """Take over the data's codes and typical |delta|."""
        super().start_from(survey)
        if survey.codes_KD is not None:
            self.codes_KD.copy_(survey.codes_KD)
