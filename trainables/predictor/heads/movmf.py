"""Mixture head on the sphere: hidden state -> mixture of von Mises-Fisher directions x LogNormal magnitude
over delta.

Shapes: H hidden units, D latent dimensions, K components.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.distributions.mixture import DirectionMixture, PolarMixture
from trainables.predictor.heads.polar import PolarForm, PolarHead
from trainables.predictor.linear import Linear


class MoVMFHead(PolarHead):
    """A head that predicts a :class:`PolarMixture` over delta in R^D: K directions, each with a concentration
    of its own, and one magnitude.
    """

    def __init__(self, width: int, dim: int, form: PolarForm, components: int) -> None:
        super().__init__(width, dim, form, components)
        self.components = components
        self.weights = Linear(width, components)
        self.mus = Linear(width, components * dim)

    def forward(self, h: Tensor) -> PolarMixture:
        """The mixtures over [..., D] that hidden states ``h`` [..., H] predict."""
        mus = nn.functional.normalize(self.mus(h).unflatten(-1, (self.components, -1)), dim=-1)
        log_weights = torch.log_softmax(self.weights(h), -1)
        return PolarMixture(DirectionMixture(log_weights, mus, self.kappa(h)), *self.radius(h))
