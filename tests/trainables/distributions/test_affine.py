"""Laws behind a linear map: densities, moments and samples are those of the mapped variable."""

import math

import pytest
import torch
from torch import Tensor

from trainables.distributions.affine import LinearMap, Mapped, probes, unmapped
from trainables.distributions.law import LawNoise
from trainables.distributions.mixture import GaussianMixture
from trainables.distributions.polar import Polar
from trainables.distributions.von_mises_fisher import VonMisesFisher

DIM = 16


def normals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear_map(forward_DD: Tensor) -> LinearMap:
    noise = probes(len(forward_DD)).apply(torch.Tensor.double)
    return LinearMap(forward_DD, forward_DD.inverse(), torch.linalg.slogdet(forward_DD).logabsdet, noise)


def polar(kappa: float) -> Polar:
    mu = torch.nn.functional.normalize(normals(5, DIM), dim=-1)
    return Polar(
        VonMisesFisher(mu, torch.full((5,), kappa).double()),
        normals(5, seed=1),
        torch.full((5,), 0.5).double(),
    )


def stretched() -> Tensor:
    """A map whose first direction is stretched a hundred times as much as its last."""
    turn, _ = torch.linalg.qr(normals(DIM, DIM, seed=2))
    return turn @ torch.diag(torch.logspace(-1, 1, DIM).double())


def test_a_mapped_gaussian_is_the_gaussian_of_the_mapped_variable() -> None:
    scales = normals(DIM, seed=3).exp()
    law = GaussianMixture(torch.zeros(1).double(), normals(1, DIM), scales.log()[None])
    forward_DD = stretched()
    mapped = Mapped(law, linear_map(forward_DD))
    covariance = forward_DD @ torch.diag(scales.square()) @ forward_DD.T
    truth = torch.distributions.MultivariateNormal(forward_DD @ law.means[0], covariance)
    delta = normals(DIM, seed=4)
    assert torch.allclose(mapped.log_prob(delta), truth.log_prob(delta))
    assert torch.allclose(mapped.mean(), truth.mean) and torch.allclose(mapped.mode(), truth.mean)
    base, y = unmapped(mapped, delta)
    assert base is law and torch.allclose(forward_DD @ y, delta)


@pytest.mark.parametrize("kappa", [0.5, 8.0, 200.0])
def test_a_polar_mode_is_as_long_as_steps_typically_are(kappa: float) -> None:
    """The image of the base's mode alone may be many times longer: a broad law seldom goes its way."""
    law = Mapped(polar(kappa), linear_map(stretched()))
    generator = torch.Generator().manual_seed(6)
    uniform = torch.rand(2000, 5, 2, generator=generator, dtype=torch.float64)
    samples = law.sample(LawNoise(normals(2000, 5, DIM + 1, seed=5), uniform))
    typical = samples.norm(dim=-1).log().mean(0)
    assert (law.mode().norm(dim=-1).log() - typical).abs().max() < 0.25
    cosine = torch.cosine_similarity(law.mode(), law.mean(), dim=-1)
    assert torch.allclose(cosine, torch.ones(5).double())


def test_a_map_without_a_stretch_leaves_the_mode_what_it_was() -> None:
    law, turn = polar(8.0), torch.linalg.qr(normals(DIM, DIM))[0]
    assert torch.allclose(Mapped(law, linear_map(3 * turn)).mode(), 3 * law.mode() @ turn.T)


def test_tempering_and_mapping_can_be_exchanged() -> None:
    law, map_ = polar(8.0), linear_map(stretched())
    cooled, delta = Mapped(law, map_).tempered(0.5), normals(5, DIM, seed=7)
    assert torch.equal(cooled.log_prob(delta), Mapped(law.tempered(0.5), map_).log_prob(delta))
    assert math.isfinite(float(cooled.log_prob(delta).sum()))
