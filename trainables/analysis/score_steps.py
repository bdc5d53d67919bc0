"""Corrections of a frame: along a score, or towards the mean by the same distance.

Shapes: N frames, D latent dimensions, J noises of a correction.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from trainables.analysis.score_settings import LANGEVIN, ScoreStructure

AnyScore = Callable[[Tensor, float], Tensor]  # frames [N, D] and a level of noise -> scores [N, D]
Correction = Callable[[Tensor, Tensor], Tensor]  # frames [N, D] and noise [N, J, D] -> corrected frames
_SHARE = 0.1  # of sigma^2: the size of a Langevin step


def score_correction(structure: ScoreStructure, score: AnyScore) -> Correction:
    """Tweedie's formula, z + sigma^2 s(z), or Langevin steps, z + e s(z) + sqrt(2 e) noise, at level sigma.

    B. Efron, "Tweedie's formula and selection bias", 2011; G. O. Roberts, R. L. Tweedie, "Exponential
    convergence of Langevin distributions and their discrete approximations", 1996.
    """
    sigma = structure.sigma
    if structure.correction != LANGEVIN:
        return lambda z_ND, noise_NJD: z_ND + sigma**2 * score(z_ND, sigma)
    size = _SHARE * sigma**2

    def correct(z_ND: Tensor, noise_NJD: Tensor) -> Tensor:
        for noise_ND in noise_NJD.unbind(1):
            z_ND = z_ND + size * score(z_ND, sigma) + (2 * size) ** 0.5 * noise_ND
        return z_ND

    return correct


def shrinking(structure: ScoreStructure, score: AnyScore, mean_D: Tensor) -> Correction:
    """Towards the mean by as much as the correction would move the frame without noise, and not beyond it."""
    along = score_correction(structure, score)

    def correct(z_ND: Tensor, noise_NJD: Tensor) -> Tensor:
        moved_N1 = (along(z_ND, 0 * noise_NJD) - z_ND).norm(dim=-1, keepdim=True)
        away_ND = z_ND - mean_D
        length_N1 = away_ND.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return z_ND - away_ND * (moved_N1 / length_N1).clamp_max(1.0)

    return correct


def untouched(z_ND: Tensor, noise_NJD: Tensor) -> Tensor:
    """The frame as it was predicted."""
    return z_ND
