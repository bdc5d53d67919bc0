"""What heads of polar form share: a concentration, a LogNormal magnitude, a prior on the first.

Shapes: H hidden units, D latent dimensions, M concentrations; [...] is any leading shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.distributions.kappa_priors import balanced_log_kappa, kappa_penalty
from trainables.distributions.law import LawNoise
from trainables.distributions.polar import Polar, log_jacobian
from trainables.predictor.heads.base import Head, Survey, bounded
from trainables.predictor.linear import Linear

_LOG_RATIO_BOUND = 8.0  # |log(kappa / D)| stays below it
_LOG_MAGNITUDE_BOUND = 8.0  # of log m around the data's typical step
# Of the standard deviation of log m; without the form's upper bound E[m] overflows in a rollout.
_LEAST_SCALE = 0.02


@dataclass(frozen=True)
class PolarForm:
    """Settings of heads of polar form, whatever their law of directions.

    The fields of the same names in :class:`trainables.predictor.config.Structure` say what each means.
    """

    kappa_prior_family: str
    jacobian: bool
    magnitude: str
    magnitude_spread: float = 1.5


class Constant(nn.Module):
    """A learnt vector [out] in the place of a layer: the output is the same for every input."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(start)

    def forward(self, h: Tensor) -> Tensor:
        """The vector [..., out], once for every hidden state ``h`` [..., H]."""
        return self.value.expand(*h.shape[:-1], -1)


class PolarHead(Head[Polar]):
    """A head over delta = m d in R^D with M concentrations of its law of directions."""

    log_typical: Tensor

    def __init__(self, width: int, dim: int, form: PolarForm, concentrations: int = 1) -> None:
        super().__init__()
        self.dim, self.form = dim, form
        self.concentration = Linear(width, concentrations)
        # Made in any case: what is made after it must not start elsewhere where the magnitude is marginal.
        self.magnitude: Linear | Constant = Linear(width, 2)
        for layer in (self.concentration, self.magnitude):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        if form.magnitude == "marginal":
            self.magnitude = Constant(self.magnitude.bias.detach())
        self.register_buffer("log_typical", torch.zeros(()))

    def kappa(self, h: Tensor) -> Tensor:
        """Concentrations for hidden states ``h`` [..., H]: [..., M]."""
        log_ratio = bounded(self.concentration(h), _LOG_RATIO_BOUND)
        return self.dim * torch.exp(balanced_log_kappa(log_ratio, self.dim))

    def radius(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Location and scale of log m for hidden states ``h`` [..., H]: [...] each."""
        location, raw_scale = self.magnitude(h).unbind(-1)
        low, high = _LEAST_SCALE, self.form.magnitude_spread
        scale = low + (high - low) * torch.sigmoid(raw_scale - 1)
        return self.log_typical + bounded(location, _LOG_MAGNITUDE_BOUND), scale

    def objective(self, law: Polar, delta: Tensor, noise: LawNoise) -> Tensor:
        """The NLL in nats per frame, [...]; where the form leaves the Jacobian out, that of (d, m) on the
        sphere times the half-line, to which a large m costs little.
        """
        nll = super().objective(law, delta, noise)
        return nll if self.form.jacobian else nll - log_jacobian(delta)

    def penalty(self, law: Polar, lane: Mapping[str, Tensor]) -> Tensor:
        """Minus the log prior of the concentrations, averaged within a frame, times its weight: [...]."""
        ratio, width = lane["kappa_prior_ratio"], lane["kappa_prior_width"]
        penalty = kappa_penalty(self.form.kappa_prior_family, law.kappa, self.dim, ratio, width)
        return lane["kappa_prior"] * penalty.reshape(*law.location.shape, -1).mean(-1)

    def start_from(self, survey: Survey) -> None:
        """Begin with the data's typical |delta|."""
        self.log_typical.fill_(math.log(survey.typical))
