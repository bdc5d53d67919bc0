"""Power spherical head: hidden state -> power spherical direction x LogNormal magnitude over delta.

Shapes: H hidden units, D latent dimensions.
"""

from __future__ import annotations

from torch import Tensor, nn

from trainables.distributions.polar import Polar
from trainables.distributions.power_spherical import PowerSpherical
from trainables.predictor.heads.polar import PolarForm, PolarHead
from trainables.predictor.linear import Linear


class PowerSphericalHead(PolarHead):
    """A head that predicts a power spherical :class:`Polar` law over delta in R^D."""

    def __init__(self, width: int, dim: int, form: PolarForm) -> None:
        super().__init__(width, dim, form)
        self.mu = Linear(width, dim)

    def forward(self, h: Tensor) -> Polar:
        """The polar laws over [..., D] that hidden states ``h`` [..., H] predict."""
        mu = nn.functional.normalize(self.mu(h), dim=-1)
        return Polar(PowerSpherical(mu, self.kappa(h).squeeze(-1)), *self.radius(h))
