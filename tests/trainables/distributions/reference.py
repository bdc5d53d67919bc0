"""Writes reference.csv: the von Mises-Fisher normaliser at 20 digits, by mpmath and without our formulas.

    python -m tests.trainables.distributions.reference

The power series or Hankel's expansion of I_nu (whichever mpmath.besseli chooses) at 250 digits, so that the
textbook identities may be used although they cancel: at kappa = 1e38 they lose 114 digits.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import mpmath

PATH = Path(__file__).with_name("reference.csv")
QUANTITIES = ("log_partition", "ratio", "complement", "slope", "curvature", "divergence")
DIMENSIONS = (2, 3, 4, 5, 8, 16, 32, 41, 64, 65, 66, 67, 128, 256, 512, 1024, 2048, 4096)
KAPPAS = (
    1e-6,
    1e-4,
    1e-2,
    0.1,
    1.0,
    3.0,
    10.0,
    30.0,
    100.0,
    300.0,
    1e3,
    3e3,
    1e4,
    1e5,
    1e6,
    1e8,
    1e12,
    1e20,
    1e38,
)
DRAWS = 2000


def points() -> Iterator[tuple[int, float]]:
    """The grid, then draws of which both numbers are uniform in their logarithm."""
    yield from ((dim, kappa) for dim in DIMENSIONS for kappa in KAPPAS)
    draw = random.Random(0)
    for _ in range(DRAWS):
        yield round(2 * 2048 ** draw.random()), 10 ** draw.uniform(-6, 8)


def exact(dim: int, kappa: float) -> dict[str, mpmath.mpf]:
    """h, A, 1 - A, A', A'' and k A - h, by definition."""
    with mpmath.workdps(250):
        k, nu = mpmath.mpf(kappa), mpmath.mpf(dim) / 2 - 1
        bessel, following = (mpmath.besseli(order, k, maxprec=1_000_000) for order in (nu, nu + 1))
        ratio = following / bessel
        log_partition = mpmath.log(bessel) + mpmath.loggamma(nu + 1) - nu * mpmath.log(k / 2)
        slope = 1 - ratio**2 - (dim - 1) * ratio / k
        curvature = -2 * ratio * slope - (dim - 1) * (slope - ratio / k) / k
        values = (log_partition, ratio, 1 - ratio, slope, curvature, k * ratio - log_partition)
        return dict(zip(QUANTITIES, values, strict=True))


def main() -> None:
    with PATH.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("dim", "kappa", *QUANTITIES))
        for dim, kappa in points():
            values = exact(dim, kappa)
            writer.writerow((dim, repr(kappa), *(mpmath.nstr(values[name], 20) for name in QUANTITIES)))


if __name__ == "__main__":
    main()
