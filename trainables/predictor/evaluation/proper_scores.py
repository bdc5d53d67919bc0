"""Proper scores of forecasts that are known by samples alone, on which heads with and without a density
compare.

Both are in their fair form, whose mean does not depend on the number of samples (C. A. T. Ferro, "Fair scores
for ensemble forecasts", 2014), and smallest in the mean for the truth (T. Gneiting, A. E. Raftery, "Strictly
Proper Scoring Rules, Prediction, and Estimation", 2007).

Shapes: S samples, X cases (frames, rollout steps), D latent dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

_EXACT = "donot_use_mm_for_euclid_dist"  # the faster way loses small distances


def energy_score(samples_SXD: Tensor, truth_XD: Tensor) -> Tensor:
    """The energy score of each case, [X], in the samples' units: E|Z - z| - E|Z - Z'| / 2, where Z and Z' are
    independent draws.

    Raises:
        ValueError: fewer than two samples.
    """
    count = _at_least_two(samples_SXD)
    error_X = (samples_SXD - truth_XD).norm(dim=-1).mean(0)
    samples_XSD = samples_SXD.transpose(0, 1)
    distances_XSS = torch.cdist(samples_XSD, samples_XSD, compute_mode=_EXACT)
    return error_X - distances_XSS.sum((-1, -2)) / (2 * count * (count - 1))


def energy_score_of_one(samples_SD: Tensor, truth_XD: Tensor) -> Tensor:
    """The energy score of each case, [X], under one forecast for all of them.

    Raises:
        ValueError: fewer than two samples.
    """
    count = _at_least_two(samples_SD)
    error_X = torch.cdist(truth_XD, samples_SD, compute_mode=_EXACT).mean(1)
    spread = torch.cdist(samples_SD, samples_SD, compute_mode=_EXACT).sum()
    return error_X - spread / (2 * count * (count - 1))


def crps(samples_SXD: Tensor, truth_XD: Tensor) -> Tensor:
    """The continuous ranked probability score of each case, [X]: the mean over dimensions of the energy
    score of each alone.

    Raises:
        ValueError: fewer than two samples.
    """
    count = _at_least_two(samples_SXD)
    error_XD = (samples_SXD - truth_XD).abs().mean(0)
    # Sorted, z_(i) is the larger of a pair i - 1 times and the smaller one S - i times.
    ranks_S = 2 * torch.arange(1, count + 1).to(samples_SXD) - count - 1
    half_gap_XD = torch.einsum("s,sxd->xd", ranks_S, samples_SXD.sort(0).values) / (count * (count - 1))
    return (error_XD - half_gap_XD).mean(-1)


def _at_least_two(samples_SXD: Tensor) -> int:
    if len(samples_SXD) < 2:
        raise ValueError(f"a spread needs at least 2 samples; there are {len(samples_SXD)}")
    return len(samples_SXD)
