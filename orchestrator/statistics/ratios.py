"""Ratios of sums over cells (seed, speaker), and their linearised residuals.

Shapes: R seeds, S speakers. A cell (r, s) holds a numerator and a denominator, so that longer recordings
weigh more.

    theta = sum num / sum den
    x_rs  = (num_rs - theta den_rs) / mean(den)           linearised residual, of mean 0
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.statistics.mean_squares import Array

Cells = tuple[Array, Array]  # numerators and denominators [R, S]


def checked(numerators_RS: Array, denominators_RS: Array) -> Cells:
    """Numerators and denominators [R, S] as float64, checked.

    Raises:
        ValueError: the shapes differ, a cell is not finite, or all denominators are 0.
    """
    num_RS = np.asarray(numerators_RS, dtype=np.float64)
    den_RS = np.asarray(denominators_RS, dtype=np.float64)
    if num_RS.ndim != 2 or num_RS.shape != den_RS.shape:
        raise ValueError(f"cells must be two equal [R, S] arrays, not {num_RS.shape} and {den_RS.shape}")
    if not (np.isfinite(num_RS).all() and np.isfinite(den_RS).all()):
        raise ValueError("a cell is not finite; drop its replicate before asking for an interval")
    if not den_RS.sum() > 0:
        raise ValueError("nothing was counted")
    return num_RS, den_RS


def speakers_with_data(*sides: Cells) -> NDArray[np.bool_]:
    """Which speakers [S] have a denominator above 0 on every side.

    Raises:
        ValueError: no speaker has.
    """
    counted_S = np.logical_and.reduce([den_RS.sum(0) > 0 for _, den_RS in sides])
    if not counted_S.any():
        raise ValueError("no speaker was counted on both sides")
    return counted_S


def linearised(sides: Sequence[Cells], counted_S: NDArray[np.bool_]) -> tuple[float, Array]:
    """The value of one ratio, or of the first minus the second, and the linearised residuals [R, S]."""
    thetas, residuals = [], []
    for num_RS, den_RS in ((num[:, counted_S], den[:, counted_S]) for num, den in sides):
        thetas.append(float(num_RS.sum() / den_RS.sum()))
        residuals.append((num_RS - thetas[-1] * den_RS) / den_RS.mean())
    if len(sides) == 1:
        return thetas[0], residuals[0]
    return thetas[0] - thetas[1], residuals[0] - residuals[1]
