"""The vMF normaliser against arbitrary precision (reference.csv), and its derivatives against themselves."""

import csv
import math
from collections import defaultdict
from decimal import Decimal
from functools import cache

import mpmath
import pytest
import torch
from torch.func import grad, vmap

from tests.trainables.distributions import reference
from trainables.distributions.bessel import (
    log_uniform_density,
    vmf_entropy,
    vmf_kl,
    vmf_kl_to_uniform,
    vmf_log_growth,
    vmf_log_normalizer,
    vmf_log_partition,
    vmf_mean_resultant_complement,
    vmf_mean_resultant_length,
    vmf_mean_resultant_slope,
)

Row = dict[str, Decimal]
FUNCTIONS = {
    "log_partition": vmf_log_partition,
    "ratio": vmf_mean_resultant_length,
    "complement": vmf_mean_resultant_complement,
    "slope": vmf_mean_resultant_slope,
    "divergence": vmf_kl_to_uniform,
}
TOLERANCES = {
    "log_partition": 1e-14,
    "ratio": 1e-14,
    "complement": 1e-12,
    "slope": 1e-12,
    "divergence": 1e-13,
}
SMALLEST = Decimal(torch.finfo(torch.float32).tiny)


@cache
def rows() -> dict[int, list[Row]]:
    """The reference, by dimension; numbers stay decimal."""
    found: dict[int, list[Row]] = defaultdict(list)
    with reference.PATH.open() as file:
        for line in csv.DictReader(file):
            found[int(line["dim"])].append({name: Decimal(text) for name, text in line.items()})
    return found


def errors(name: str, dtype: torch.dtype) -> list[tuple[float, int, float]]:
    """Relative error, dimension and kappa of every row whose truth is a normal number in ``dtype``."""
    found = []
    for dim, lines in rows().items():
        kappa = torch.tensor([float(line["kappa"]) for line in lines], dtype=dtype)
        values = FUNCTIONS[name](dim, kappa).tolist()
        for line, k, value in zip(lines, kappa.tolist(), values, strict=True):
            if Decimal(k) == Decimal(float(line["kappa"])) and (
                dtype == torch.float64 or line[name] > SMALLEST
            ):
                found.append((float(abs(Decimal(value) / line[name] - 1)), dim, k))
    return found


def vector(*kappas: float) -> torch.Tensor:
    return torch.tensor(kappas, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_matches_arbitrary_precision(name: str) -> None:
    found = errors(name, torch.float64)
    assert len(found) == len(reference.DIMENSIONS) * len(reference.KAPPAS) + reference.DRAWS
    assert max(found)[0] <= TOLERANCES[name], max(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_float64_rounded_once(name: str) -> None:
    # against float64 at the same (float32) concentrations, which the reference does not hold
    for dim in (2, 3, 47, 64, 512, 4096):
        kappa = torch.logspace(-6, 38, 1000, dtype=torch.float64).float()
        exact = FUNCTIONS[name](dim, kappa.double())
        normal = exact.abs() > float(SMALLEST)
        error = (FUNCTIONS[name](dim, kappa).double() / exact - 1).abs()[normal]
        assert float(error.max()) <= 1.2e-7 / 2, dim


def test_log_normalizer_and_entropy_add_what_is_known() -> None:
    for dim, lines in rows().items():
        kappa = torch.tensor([float(line["kappa"]) for line in lines], dtype=torch.float64)
        log_c, entropy = vmf_log_normalizer(dim, kappa).tolist(), vmf_entropy(dim, kappa).tolist()
        flat = Decimal(log_uniform_density(dim))
        for line, c, h in zip(lines, log_c, entropy, strict=True):
            assert abs(Decimal(c) - flat + line["log_partition"]) <= Decimal(1e-15) * (
                abs(flat) + line["log_partition"]
            )
            assert abs(Decimal(h) + flat + line["divergence"]) <= Decimal(1e-13) * (
                abs(flat) + line["divergence"]
            )


@pytest.mark.parametrize("dim", [2, 3, 4, 511, 512, 4096])
def test_density_of_the_uniform_law(dim: int) -> None:
    area = 2 * mpmath.pi ** mpmath.mpf(dim / 2) / mpmath.gamma(mpmath.mpf(dim) / 2)
    assert log_uniform_density(dim) == pytest.approx(-float(mpmath.log(area)), rel=4e-16, abs=4e-16)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 1e-6), (41, 30.0), (512, 1e3), (4096, 1e4), (512, 1e38)])
def test_reference_is_what_mpmath_gives(dim: int, kappa: float) -> None:
    (line,) = (line for line in rows()[dim] if float(line["kappa"]) == kappa)
    for name, value in reference.exact(dim, kappa).items():
        assert Decimal(mpmath.nstr(value, 20)) == line[name]


def test_divergence_between_two_laws() -> None:
    for dim in (2, 8, 512):
        lines = [line for line in rows()[dim] if float(line["kappa"]) in reference.KAPPAS]
        for a in lines:
            for b in lines:
                k, m = a["kappa"], b["kappa"]
                if max(k, m) > Decimal(1e6):  # the reference's twenty digits would not do
                    continue
                apart = Decimal(0.25)
                truth = (
                    b["log_partition"] - a["log_partition"] + k * a["ratio"] - m * a["ratio"] * (1 - apart)
                )
                scale = a["divergence"] + b["divergence"] + truth
                got = vmf_kl(dim, *(torch.tensor(float(x), dtype=torch.float64) for x in (k, m, apart)))
                assert abs(Decimal(float(got)) - truth) <= Decimal(1e-13) * scale, (dim, k, m)


def test_divergence_from_itself_is_nil_and_from_uniform_the_known_one() -> None:
    k, nil = vector(1e-3, 5.0, 900.0, 1e9), torch.zeros(4, dtype=torch.float64)
    assert torch.equal(vmf_kl(64, k, k, nil), nil)
    assert torch.equal(vmf_kl(64, k, nil, nil + 0.7), vmf_kl_to_uniform(64, k))


TWICE = [
    vmf_log_partition,
    vmf_log_growth,
    vmf_log_normalizer,
    vmf_mean_resultant_length,
    vmf_mean_resultant_complement,
    vmf_kl_to_uniform,
    vmf_entropy,
]


@pytest.mark.parametrize("function", TWICE)
@pytest.mark.parametrize("dim", [2, 3, 32, 512])
def test_derivatives_are_those_of_the_values(function, dim: int) -> None:
    k = vector(0.3, 9.0, 90.0)
    assert torch.autograd.gradcheck(lambda x: function(dim, x), k)
    assert torch.autograd.gradgradcheck(lambda x: function(dim, x), k)


def test_second_derivative_of_the_mean_matches_the_reference() -> None:
    for dim in reference.DIMENSIONS:
        k = vector(*(float(line["kappa"]) for line in rows()[dim]))
        (bend,) = torch.autograd.grad(vmf_mean_resultant_slope(dim, k).sum(), k)
        for line, value in zip(rows()[dim], bend.tolist(), strict=True):
            assert float(abs(Decimal(value) / line["curvature"] - 1)) < 2e-12, (dim, line["kappa"])


@pytest.mark.parametrize("function", TWICE)
@pytest.mark.parametrize("dim", [2, 16, 4096])
def test_ends_of_the_range_are_finite(function, dim: int) -> None:
    for dtype in (torch.float32, torch.float64):
        k = torch.tensor([0.0, 1e-30, 1e38], dtype=dtype)
        assert torch.isfinite(function(dim, k)).all()
        assert torch.isfinite(vmap(grad(lambda x: function(dim, x)))(k)).all()
        assert torch.isfinite(vmap(grad(grad(lambda x: function(dim, x))))(k)).all()
    assert vmf_mean_resultant_length(dim, k).tolist() == pytest.approx([0, 0, 1], abs=1e-15)
    assert float(vmf_mean_resultant_slope(dim, k)[0]) == pytest.approx(1 / dim, rel=1e-14)


@pytest.mark.parametrize("dim", [16, 64])
def test_vmap_equals_a_loop(dim: int) -> None:
    k = torch.linspace(0.1, 900, 7, dtype=torch.float64)
    stacked = vmap(grad(lambda x: vmf_log_growth(dim, x)))(k)
    alone = torch.stack([grad(lambda x: vmf_log_growth(dim, x))(x) for x in k])
    assert torch.allclose(stacked, alone, rtol=4e-16, atol=0)


@pytest.mark.parametrize("in_dim", [0, 1, 2])
def test_what_is_stacked_along_any_dimension_has_the_values_and_gradients_of_what_is_not(in_dim: int) -> None:
    k = torch.linspace(0.1, 900, 24, dtype=torch.float64).reshape(2, 3, 4)
    weight = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(2, 3, 4)

    def alone(x: torch.Tensor) -> torch.Tensor:
        return vmf_kl_to_uniform(16, x) * vmf_mean_resultant_slope(16, x)

    stacked, gradient = torch.func.vjp(vmap(alone, in_dims=in_dim, out_dims=in_dim), k)
    whole, expected = torch.func.vjp(alone, k)
    assert torch.equal(stacked, whole)
    assert torch.allclose(gradient(weight)[0], expected(weight)[0], rtol=1e-15, atol=0)


@pytest.mark.slow
def test_compiles_to_one_graph_with_its_gradient() -> None:
    def loss(k: torch.Tensor) -> torch.Tensor:
        return vmf_log_normalizer(512, k).sum()

    eager, compiled = vector(0.1, 30.0, 900.0), vector(0.1, 30.0, 900.0)
    loss(eager).backward()
    value = torch.compile(loss, backend="aot_eager", fullgraph=True)(compiled)
    value.backward()
    assert torch.equal(value, loss(eager))
    assert torch.equal(compiled.grad, eager.grad)


def test_known_values() -> None:
    kappa = torch.tensor([10.0, 100.0, 700.0, 850.0], dtype=torch.float64)
    means = [0.0195238, 0.188405, 0.699369, 0.743491]
    assert vmf_mean_resultant_length(512, kappa).tolist() == pytest.approx(means, abs=1e-6)
    sinh = math.log(3 / (4 * math.pi * math.sinh(3)))
    assert float(vmf_log_normalizer(3, torch.tensor(3.0, dtype=torch.float64))) == pytest.approx(
        sinh, rel=1e-15
    )
