"""Densities that know nothing of the past.

Shapes: N frames, D dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianMarginal:
    """A Gaussian density of frames with full covariance, float64."""

    mean_D: Tensor
    factor_DD: Tensor  # lower Cholesky factor of the covariance

    @classmethod
    def fit(cls, frames: Tensor) -> GaussianMarginal:
        """Fit a Gaussian to frames [N, D].

        The covariance is shrunk towards a multiple of the identity, as far as N demands. The share of
        shrinkage is the oracle approximating one (Y. Chen et al., "Shrinkage algorithms for MMSE covariance
        estimation", 2010): of order 1 / N where dimensions differ, and enough for a density where N < D.

        Raises:
            ValueError: all frames are equal, or not finite.
        """
        frames = frames.detach().double()
        mean_D = frames.mean(0)
        centred = frames - mean_D
        covariance = centred.T @ centred / len(frames)
        variance = covariance.diagonal().mean()
        if not (torch.isfinite(variance) and variance > 0):
            raise ValueError(f"a Gaussian needs finite frames that differ; the variance is {variance:g}")
        return cls(mean_D, shrunk_factor(covariance, len(frames)))

    def nll(self, frames: Tensor) -> Tensor:
        """Negative log density [N] of frames [N, D], in nats."""
        return gaussian_nll(frames.to(self.mean_D) - self.mean_D, self.factor_DD)


def gaussian_nll(centred_ND: Tensor, factor_DD: Tensor) -> Tensor:
    """Negative log density [N], nats, of centred frames under N(0, L L^T), L lower triangular."""
    scores_DN = torch.linalg.solve_triangular(factor_DD, centred_ND.mT, upper=False)
    log_volume = factor_DD.diagonal().log().sum() + len(factor_DD) / 2 * math.log(2 * math.pi)
    return 0.5 * scores_DN.square().sum(0) + log_volume


def shrunk_factor(covariance: Tensor, count: int) -> Tensor:
    """Cholesky factor [D, D] of a covariance [D, D] of ``count`` frames, shrunk as
    :meth:`GaussianMarginal.fit` says.
    """
    share = _shrinkage(covariance, count)
    sphere = covariance.diagonal().mean() * torch.eye(len(covariance)).to(covariance)
    return torch.linalg.cholesky((1 - share) * covariance + share * sphere)


def _shrinkage(covariance: Tensor, count: int) -> float:
    dim = len(covariance)
    squares = float(covariance.square().sum())
    squared_trace = float(covariance.trace() ** 2)
    spread = squares - squared_trace / dim  # zero where the covariance already is a multiple of the identity
    wanted = (1 - 2 / dim) * squares + squared_trace
    return min(1.0, wanted / ((count + 1 - 2 / dim) * spread)) if spread > 0 else 1.0
