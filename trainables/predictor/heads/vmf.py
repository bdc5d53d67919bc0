"""Von Mises-Fisher head: hidden state -> vMF direction x LogNormal magnitude over delta (document, section
2.4), independent or coupled.

Shapes: H hidden units, D latent dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.distributions.coupled import KappaOnMagnitude, MagnitudeOnDirection
from trainables.distributions.polar import Polar
from trainables.distributions.von_mises_fisher import VonMisesFisher
from trainables.predictor.heads.base import bounded
from trainables.predictor.heads.polar import PolarForm, PolarHead
from trainables.predictor.linear import Linear

# Bound of d log kappa / d log m; a Gaussian's is 1.
_SLOPE_BOUND = 2.0
# Bound of the length of the lean: log m varies by that over sqrt(D) where d is uniform.
_LEAN_BOUND = 8.0


class VMFHead(PolarHead):
    """A head that predicts a von Mises-Fisher :class:`Polar` law over delta in R^D, or a coupled form."""

    def __init__(self, width: int, dim: int, form: PolarForm, coupling: str) -> None:
        super().__init__(width, dim, form)
        self.mu = Linear(width, dim)
        self.coupling = coupling
        if coupling != "none":  # it starts from no coupling
            self.link = Linear(width, 1 if coupling == "kappa_on_magnitude" else dim)
            nn.init.zeros_(self.link.weight)
            nn.init.zeros_(self.link.bias)

    def forward(self, h: Tensor) -> Polar:
        """The polar laws over [..., D] that hidden states ``h`` [..., H] predict."""
        mu = nn.functional.normalize(self.mu(h), dim=-1)
        pieces = VonMisesFisher(mu, self.kappa(h).squeeze(-1)), *self.radius(h)
        if self.coupling == "none":
            return Polar(*pieces)
        link = self.link(h)
        if self.coupling == "kappa_on_magnitude":
            return KappaOnMagnitude(*pieces, slope=bounded(link.squeeze(-1), _SLOPE_BOUND))
        shrink = torch.rsqrt(1 + (link / _LEAN_BOUND).square().sum(-1, keepdim=True))
        return MagnitudeOnDirection(*pieces, lean=link * shrink)
