"""Speed of the von Mises-Fisher sampler: ``python -m benchmarks.sampler``.

Against scipy.stats.vonmises_fisher.rvs and a Power Spherical law from the same noise; repeats are
interleaved, medians are shown. Where scipy's figure is missing its sampler fails.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats

from benchmarks.timing import interleaved, machine
from trainables.distributions.power_spherical import PowerSpherical
from trainables.distributions.von_mises_fisher import VonMisesFisher

COUNT = 4096
REPEATS = 7


def main() -> None:
    print(machine())
    print(f"{COUNT} samples, milliseconds")
    for dim in (3, 64, 512):
        for kappa in (0.1 * dim, 1.0 * dim, 30.0 * dim):
            seconds = timings(dim, kappa)
            cells = (f"{name} {1e3 * s:.1f} ({s / seconds['ours']:.1f} x)" for name, s in seconds.items())
            print(f"d = {dim:3d}  kappa = {kappa:7.1f}  " + "  ".join(cells))


def timings(dim: int, kappa: float) -> dict[str, float]:
    """Median seconds of each contestant, float64."""
    mu, concentration = torch.eye(dim, dtype=torch.float64)[0], torch.tensor(kappa, dtype=torch.float64)
    normal, uniform = torch.randn(COUNT, dim, dtype=torch.float64), torch.rand(COUNT, dtype=torch.float64)
    wide = concentration.expand(COUNT)
    contestants: dict[str, Callable[[], object]] = {
        "ours": lambda: VonMisesFisher(mu, wide).sample(normal, uniform),
        "scipy": lambda: stats.vonmises_fisher.rvs(mu.numpy(), kappa, size=COUNT),
        "power spherical": lambda: PowerSpherical(mu, wide).sample(normal, uniform),
    }
    works = {name: run for name, run in contestants.items() if runs(run)}
    return {name: statistics.median(own) for name, own in interleaved(works, REPEATS).items()}


def runs(contestant: Callable[[], object]) -> bool:
    """Whether it works at all; warms it up."""
    try:
        contestant()
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):
        return False
    return True


if __name__ == "__main__":
    main()
