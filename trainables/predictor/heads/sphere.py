"""States on a sphere: the next whitened frame, not the step to it, is a direction times a magnitude.

Errors of a rollout then turn a state, and hardly stretch it: where latents are normalised, as by G. Ke, H.
Xue (Hyperspherical latents improve continuous-token autoregressive generation, 2025), the drift of scales in
which rollouts collapse is gone. Here latents stay what they are, and the magnitude has a law of its own, so
that the density is one in R^D like any other head's.

Shapes: H hidden units, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import normalize

from trainables.distributions.polar import Polar
from trainables.distributions.power_spherical import PowerSpherical
from trainables.distributions.shifted import Shifted
from trainables.predictor.heads.base import Head, Survey
from trainables.predictor.heads.polar import PolarForm, PolarHead
from trainables.predictor.linear import Linear


class SphereHead(Head[Shifted]):
    """A head whose next frame is a power spherical direction times a LogNormal magnitude.

    The last D of its hidden state are the present frame z: the step begins there, and the mean direction of
    the next frame is that of z and a learnt change. Without z in it the direction is learnt far more slowly.
    """

    def __init__(self, width: int, dim: int, form: PolarForm) -> None:
        super().__init__()
        self.width = width
        self.polar = PolarHead(width, dim, form)
        self.change = Linear(width, dim)

    def forward(self, h: Tensor) -> Shifted:
        """The laws over [..., D] that hidden states and frames ``h`` [..., H + D] predict."""
        hidden, z = h[..., : self.width], h[..., self.width :]
        mu = normalize(z + self.change(hidden), dim=-1)
        directions = PowerSpherical(mu, self.polar.kappa(hidden).squeeze(-1))
        return Shifted(Polar(directions, *self.polar.radius(hidden)), z)

    def penalty(self, law: Shifted, lane: Mapping[str, Tensor]) -> Tensor:
        """Minus the log prior of the concentration, times its weight: [...]."""
        return self.polar.penalty(law.base, lane)

    def start_from(self, survey: Survey) -> None:
        """Begin with the typical length of the data's frames."""
        self.polar.start_from(Survey(survey.typical_state))
