"""Covariances of few factors: what torch gives in full, and what the factors are worth."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, LowRankMultivariateNormal, MixtureSameFamily

from trainables.distributions.law import LawNoise
from trainables.distributions.low_rank import LowRankMixture
from trainables.distributions.mixture import GaussianMixture

COMPONENTS, DIM = 3, 7


def normals(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture(rank: int, dtype: torch.dtype = torch.float64, size: float = 1.0) -> LowRankMixture:
    """Three components in seven dimensions, one such law for each of five indices."""
    return LowRankMixture(
        torch.log_softmax(normals(5, COMPONENTS, seed=1), -1).to(dtype),
        normals(5, COMPONENTS, DIM, seed=2).to(dtype),
        0.3 * normals(5, COMPONENTS, DIM, seed=3).to(dtype),
        size * normals(5, COMPONENTS, DIM, rank, seed=4).to(dtype),
    )


def reference(law: LowRankMixture) -> LowRankMultivariateNormal:
    scales = law.log_scales.exp()
    return LowRankMultivariateNormal(law.means, scales.unsqueeze(-1) * law.loadings, scales.square())


def of_one_component(law: LowRankMixture) -> LowRankMixture:
    parts = {name: part[:, :1] for name, part in vars(law).items()}
    return LowRankMixture(**parts | {"log_weights": torch.zeros(5, 1).double()})


@pytest.mark.parametrize("rank", [1, 2, 4, 12])
def test_the_density_is_torchs(rank: int) -> None:
    law, delta = mixture(rank), 2 * normals(9, 5, DIM, seed=5)
    exact = MixtureSameFamily(Categorical(logits=law.log_weights), reference(law)).log_prob(delta)
    assert torch.allclose(law.log_prob(delta), exact, rtol=1e-12, atol=1e-12)
    each = reference(law).log_prob(delta.unsqueeze(-2)) + law.log_weights
    assert torch.allclose(law.responsibilities(delta), torch.softmax(each, -1), atol=1e-12)


def test_strong_factors_leave_single_precision_its_digits() -> None:
    """The distance is a sum of squares; as |x|^2 less the factors' part it would be wrong by 1 here."""
    law = of_one_component(mixture(4, size=1e3))
    rough = LowRankMixture(*(part.float() for part in vars(law).values()))
    delta = law.sample(LawNoise(normals(9, 5, DIM + 5, seed=5), torch.zeros(9, 5, 2)))
    difference = rough.log_prob(delta.float()).double() - law.log_prob(delta)
    assert float(difference.abs().max()) < 0.02


def test_without_loadings_it_is_the_diagonal_mixture() -> None:
    law, delta = mixture(2, size=0.0), normals(5, DIM, seed=5)
    diagonal = GaussianMixture(law.log_weights, law.means, law.log_scales)
    noise = LawNoise(normals(5, DIM + 3, seed=6), torch.full((5, 2), 0.4).double())
    plain = LawNoise(noise.normal[..., : DIM + 1], noise.uniform)
    assert torch.allclose(law.log_prob(delta), diagonal.log_prob(delta), rtol=1e-12)
    assert torch.allclose(law.log_magnitude(), diagonal.log_magnitude(), rtol=1e-12)
    assert torch.equal(law.sample(noise), diagonal.sample(plain))


def test_samples_have_the_covariance() -> None:
    law, count = mixture(2), 200_000
    noise = LawNoise(normals(count, 1, DIM + 3, seed=6), torch.rand(count, 1, 2).double())
    _, draws = law.branches(noise)
    centred = draws[:, 0] - law.means[0]
    covariance = torch.einsum("nki,nkj->kij", centred, centred) / count
    exact = reference(law).covariance_matrix[0]
    size = torch.sqrt(exact.diagonal(dim1=-2, dim2=-1))
    error = (covariance - exact) / (size.unsqueeze(-1) * size.unsqueeze(-2))
    assert float(error.abs().max()) < 4.5 * math.sqrt(2 / count)


def test_the_log_magnitude_is_that_of_the_moments() -> None:
    law = mixture(3)
    covariance, means = reference(law).covariance_matrix, law.means
    second = means.square().sum(-1) + covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    across = torch.einsum("bki,bkij,bkj->bk", means, covariance, means)
    variance = 2 * covariance.square().sum((-2, -1)) + 4 * across
    within = 0.5 * (second.log() - 0.5 * variance / second.square())
    assert torch.allclose(law.log_magnitude(), (law.log_weights.exp() * within).sum(-1), rtol=1e-12)


def test_a_component_is_tempered_exactly() -> None:
    """Between any two points the log density differs by 1 / temperature of what it did."""
    law = of_one_component(mixture(2))
    here, there = normals(5, DIM, seed=7), normals(5, DIM, seed=8)
    cool = law.tempered(0.3)
    difference = law.log_prob(here) - law.log_prob(there)
    assert torch.allclose(cool.log_prob(here) - cool.log_prob(there), difference / 0.3, rtol=1e-12)
    mass = reference(law).covariance_matrix * 0.3
    assert torch.allclose(reference(cool).covariance_matrix, mass, rtol=1e-12)
