"""Prototype head: hidden state -> a soft look-up in a memory of directions, the basis of the one predicted
(document, section 3.6).

Shapes: H hidden units, D latent dimensions, K prototypes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainables.distributions.polar import Polar
from trainables.distributions.von_mises_fisher import VonMisesFisher
from trainables.predictor.heads.base import Survey, bounded
from trainables.predictor.heads.polar import PolarForm, PolarHead
from trainables.predictor.linear import Linear, product

_LOG_SHARPNESS_BOUND = 6.0
_FIRST_SHARPNESS = 10.0


class PrototypesHead(PolarHead):
    """A head that predicts a von Mises-Fisher :class:`Polar` law over delta in R^D.

    mu = normalize(sum_k alpha_k directions_k) with alpha = softmax(sharpness cos(query(h), keys_k)); the
    directions start at the codes of the training data.
    """

    def __init__(self, width: int, dim: int, form: PolarForm, components: int) -> None:
        super().__init__(width, dim, form)
        self.query = Linear(width, width)
        self.keys_KH = nn.Parameter(torch.randn(components, width))
        self.directions_KD = nn.Parameter(nn.functional.normalize(torch.randn(components, dim), dim=-1))
        self.log_sharpness = nn.Parameter(torch.tensor([math.log(_FIRST_SHARPNESS)]))

    def forward(self, h: Tensor) -> Polar:
        """The polar laws over [..., D] that hidden states ``h`` [..., H] predict."""
        mu = nn.functional.normalize(product(self.attention(h), self.directions_KD), dim=-1)
        return Polar(VonMisesFisher(mu, self.kappa(h).squeeze(-1)), *self.radius(h))

    def attention(self, h: Tensor) -> Tensor:
        """Weight of each prototype for hidden states ``h`` [..., H]: [..., K], summing to 1."""
        query, keys = (nn.functional.normalize(x, dim=-1) for x in (self.query(h), self.keys_KH))
        sharpness = torch.exp(bounded(self.log_sharpness, _LOG_SHARPNESS_BOUND))
        return torch.softmax(sharpness * product(query, keys.mT), -1)

    def start_from(self, survey: Survey) -> None:
        """Begin with the data's codes and typical |delta|."""
        super().start_from(survey)
        if survey.codes_KD is not None:
            with torch.no_grad():
                self.directions_KD.copy_(survey.codes_KD)
