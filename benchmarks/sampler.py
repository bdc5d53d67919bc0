"""Speed of the von Mises-Fisher sampler: ``python -m benchmarks.sampler``.

Against scipy.stats.vonmises_fisher.rvs and a Power Spherical law from the same noise; repeats are
interleaved, medians are shown. Where scipy's figure is missing its sampler fails.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats

from benchmarks.normaliser import describe
from trainables.distributions.von_mises_fisher import VonMisesFisher

try:
    from trainables.distributions.power_spherical import PowerSpherical
except ImportError:
    PowerSpherical = None

COUNT = 4096
REPEATS = 7


def main() -> None:
    print(describe())
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
    }
    if PowerSpherical is not None:
        contestants["power spherical"] = lambda: PowerSpherical(mu, wide).sample(normal, uniform)
    seconds = {name: [clock(run)] for name, run in contestants.items()}
    for _ in range(REPEATS):
        for name, run in contestants.items():
            seconds[name].append(clock(run))
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def clock(run: Callable[[], object]) -> float:
    """Seconds of one call, not a number where it fails."""
    start = time.perf_counter()
    try:
        run()
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):
        return float("nan")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
