"""Accuracy and speed of the vMF normaliser: ``python -m benchmarks.normaliser``.

Accuracy is the largest relative error on the reference of the tests. Speed is log C and A' of a million
float64 values, against scipy's ``ive`` at the two orders that both need and, where it is installed, TFP on
JAX; repeats are interleaved, medians are shown. Last, what it costs that lanes are stacked: a loss and its
gradient under vmap, beside the same numbers without.
"""

from __future__ import annotations

import csv
import functools
import statistics
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

import torch
from scipy.special import ive

from benchmarks.timing import interleaved, machine
from tests.trainables.distributions import reference
from trainables.distributions.bessel import vmf_log_normalizer, vmf_mean_resultant_slope
from trainables.distributions.bessel_series import evaluate_series

COUNT = 1_000_000
REPEATS = 5
LANES, STACKED, TIMES = 4, (32, 1024), 200


def main() -> None:
    print(machine())
    for quantity, error in accuracy().items():
        print(f"{quantity:>14}  max relative error {error:.1e}")
    for dim in (64, 512):
        seconds = timings(dim)
        for name, value in seconds.items():
            print(f"d = {dim:3d}  {name:>10}  {value:.3f} s  {value / seconds['ours']:.1f} x ours")
    if not tfp_works():
        print("tensorflow_probability on JAX: not installed, or not with a JAX that it works with")
    for each in STACKED:
        seconds = stacked(each)
        ratio = seconds["stacked"] / seconds["alone"]
        print(f"{LANES} lanes x {each}  {1e3 * seconds['stacked']:.2f} ms, {ratio:.2f} x not stacked")


def accuracy() -> dict[str, float]:
    """By quantity, over the whole reference."""
    lines = defaultdict(list)
    with reference.PATH.open() as file:
        for line in csv.DictReader(file):
            lines[int(line["dim"])].append(line)
    worst = dict.fromkeys(reference.QUANTITIES, 0.0)
    for dim, group in lines.items():
        kappa = torch.tensor([float(line["kappa"]) for line in group], dtype=torch.float64)
        for name in worst:
            for line, value in zip(group, evaluate_series(name, dim, kappa).tolist(), strict=True):
                worst[name] = max(worst[name], abs(float(Decimal(value) / Decimal(line[name]) - 1)))
    return worst


def timings(dim: int) -> dict[str, float]:
    """Median seconds of each contestant."""
    kappa = torch.rand(COUNT, dtype=torch.float64) * 4 * dim
    contestants: dict[str, Callable[[], object]] = {
        "ours": lambda: (vmf_log_normalizer(dim, kappa), vmf_mean_resultant_slope(dim, kappa)),
        "scipy ive": lambda: (ive(dim / 2 - 1, kappa.numpy()), ive(dim / 2, kappa.numpy())),
    }
    if tfp_works():
        contestants["tfp (JAX)"] = tfp(dim, kappa)
    for run in contestants.values():
        run()
    return {name: statistics.median(own) for name, own in interleaved(contestants, REPEATS).items()}


def stacked(count: int) -> dict[str, float]:
    """Median seconds of the normaliser of ``count`` concentrations of each lane and its gradient, with the
    lanes stacked and without.
    """
    kappa = (torch.rand(LANES, count) * 50 + 5).requires_grad_()
    over_lanes = torch.func.vmap(lambda k: vmf_log_normalizer(64, k))

    def run(law: Callable[[torch.Tensor], torch.Tensor]) -> None:
        torch.autograd.grad(law(kappa).sum(), kappa)

    contestants = {
        "stacked": lambda: run(over_lanes),
        "alone": lambda: run(lambda k: vmf_log_normalizer(64, k)),
    }
    for warm_up in contestants.values():
        warm_up()
    return {name: statistics.median(own) for name, own in interleaved(contestants, TIMES).items()}


@functools.cache
def tfp_works() -> bool:
    """Whether it can be imported; releases of it and of JAX often do not go together."""
    try:
        import tensorflow_probability.substrates.jax.math  # noqa: F401
    except (ImportError, AttributeError):
        return False
    return True


def tfp(dim: int, kappa: torch.Tensor) -> Callable[[], object]:
    """The same two quantities by TFP's log I_nu and its Bessel ratio, compiled."""
    import jax
    from tensorflow_probability.substrates.jax.math import bessel_iv_ratio, log_bessel_ive

    jax.config.update("jax_enable_x64", True)
    mean = jax.grad(lambda k: bessel_iv_ratio(dim / 2, k))
    both = jax.jit(jax.vmap(lambda k: (log_bessel_ive(dim / 2 - 1, k), mean(k))))
    values = jax.numpy.asarray(kappa.numpy())
    jax.block_until_ready(both(values))
    return lambda: jax.block_until_ready(both(values))


if __name__ == "__main__":
    main()
