"""A head behind a fixed linear map: it predicts whitened steps, and its law is that of steps as they are.

Mutual information does not change under an invertible linear map, but what a small head can learn does: most
families have one scale, or one for each dimension, and latents are neither isotropic nor axis-aligned.

Shapes: H hidden units, D latent dimensions; [...] is any leading shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.distributions.affine import LinearMap, Mapped, probes
from trainables.distributions.law import LawNoise
from trainables.predictor.heads.base import Head, Survey


class WhitenedHead(Head[Mapped]):
    """A head whose law is that of L y, where ``inner`` predicts y and L is a survey's Cholesky factor."""

    factor_DD: Tensor
    inverse_DD: Tensor
    log_volume: Tensor
    probe_normal: Tensor
    probe_uniform: Tensor

    def __init__(self, inner: Head, dim: int, factors: int = 0) -> None:
        super().__init__()
        self.inner = inner
        self.has_density, self.needs_noise = inner.has_density, inner.needs_noise
        self.register_buffer("factor_DD", torch.eye(dim))
        self.register_buffer("inverse_DD", torch.eye(dim))
        self.register_buffer("log_volume", torch.zeros(()))
        normal, uniform = probes(dim, factors)
        self.register_buffer("probe_normal", normal)
        self.register_buffer("probe_uniform", uniform)

    def forward(self, h: Tensor) -> Mapped:
        """The laws over [..., D] that hidden states ``h`` [..., H] predict."""
        noise = LawNoise(self.probe_normal, self.probe_uniform)
        return Mapped(self.inner(h), LinearMap(self.factor_DD, self.inverse_DD, self.log_volume, noise))

    def objective(self, law: Mapped, delta: Tensor, noise: LawNoise) -> Tensor:
        """The inner head's objective of the whitened step, [...]; where it has a density, the NLL of the step
        as it is, in nats per frame.
        """
        objective = self.inner.objective(law.base, law.map.invert(delta), noise)
        return objective + law.map.log_volume if self.has_density else objective

    def penalty(self, law: Mapped, lane: Mapping[str, Tensor]) -> Tensor:
        """The inner head's penalty, nats per frame: [...]."""
        return self.inner.penalty(law.base, lane)

    def start_from(self, survey: Survey) -> None:
        """Take the survey's Cholesky factor, where it has one; the inner head begins as the survey says of
        whitened steps.
        """
        self.inner.start_from(survey)
        if survey.whitening is None:
            return
        factor_DD = survey.whitening.factor_DD
        self.factor_DD.copy_(factor_DD)
        self.inverse_DD.copy_(survey.whitening.inverse_DD)
        self.log_volume.copy_(factor_DD.diagonal().log().sum())
