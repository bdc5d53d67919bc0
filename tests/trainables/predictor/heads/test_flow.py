"""The layers of the flow head: each way undoes the other, and a law of two pieces is learnt."""

import math

import pytest
import torch
from torch import Tensor

from tests.trainables.predictor.heads.test_flow_matching import moons
from trainables.distributions.coupling_flow import CouplingFlow
from trainables.distributions.law import LawNoise
from trainables.predictor.heads import Head
from trainables.predictor.heads.base import Survey
from trainables.predictor.heads.flow import FlowHead
from trainables.predictor.heads.gaussian import GaussianHead

WIDTH = 32


def normals(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(dim: int, dtype: torch.dtype = torch.float64) -> FlowHead:
    """A head whose layers do something."""
    torch.manual_seed(0)
    head = FlowHead(WIDTH, dim)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return head.to(dtype)


def noise(normal: Tensor) -> LawNoise:
    """What a sample is made of, from the noise of its dimensions."""
    return LawNoise(torch.cat([normal, torch.zeros_like(normal[..., :1])], -1), normal[..., :2])


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 8])
def test_the_density_of_a_sample_is_that_of_its_noise_over_the_growth_of_volume(dim: int) -> None:
    law, x = moved(dim)(normals(WIDTH)), normals(dim, seed=2)
    growth = torch.autograd.functional.jacobian(lambda x: law.sample(noise(x)), x).slogdet()[1]
    expected = -0.5 * x.square().sum() - dim / 2 * math.log(2 * math.pi) - growth
    assert law.log_prob(law.sample(noise(x))).item() == pytest.approx(expected.item(), rel=1e-10)


def test_every_dimension_depends_on_every_noise() -> None:
    law = moved(8)(normals(WIDTH))
    slopes_DD = torch.autograd.functional.jacobian(lambda x: law.sample(noise(x)), normals(8, seed=2))
    assert float(slopes_DD.abs().min()) > 1e-6


@torch.no_grad()
def test_it_begins_as_the_gaussian_head_does() -> None:
    torch.manual_seed(0)
    flow = FlowHead(WIDTH, 6).double()
    flow.start_from(Survey(3.0))
    h, delta = normals(5, WIDTH), normals(5, 6, seed=2)
    law, gaussian = flow(h), flow.gaussian(h)
    assert torch.allclose(law.log_prob(delta), gaussian.log_prob(delta), rtol=1e-12)
    assert torch.allclose(law.mean(), gaussian.mean(), rtol=1e-12)
    assert torch.allclose(law.log_magnitude(), gaussian.log_magnitude(), rtol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("dim", [2, 64, 1024])
def test_single_precision_finds_the_noise_of_a_sample_again(dim: int) -> None:
    exact, rough = (moved(dim, dtype) for dtype in (torch.float64, torch.float32))
    h, x = normals(4, WIDTH), normals(4, dim, seed=2)
    delta = rough(h.float()).sample(noise(x.float()))
    density = rough(h.float()).log_prob(delta).double()
    assert torch.allclose(density, exact(h).log_prob(exact(h).sample(noise(x))), rtol=1e-4, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("dim", [1, 6, 32, 33])
def test_probes_have_the_moments_of_noise(dim: int) -> None:
    probes_SD = FlowHead(WIDTH, dim).probes_SD.double()
    covariance = probes_SD.mT @ probes_SD / len(probes_SD)
    assert torch.allclose(probes_SD.mean(0), torch.zeros(dim).double(), atol=1e-6)
    if dim <= len(probes_SD) / 2:
        assert torch.allclose(covariance, torch.eye(dim).double(), atol=1e-5)
    assert covariance.trace().item() == pytest.approx(dim, rel=1e-5)


def trained(head: Head, data: Tensor) -> Head:
    """A head that has learnt steps [N, D]: those of the moons, turned about by what the state says."""
    head.start_from(Survey(data.norm(dim=-1).log().mean().exp().item()))
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 400)
    for _ in range(400):
        delta, sign = data[torch.randint(len(data), (512,))], torch.randint(2, (512, 1)) * 2.0 - 1
        loss = -head(states(sign)).log_prob(sign * delta).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return head


def states(sign: Tensor) -> Tensor:
    return sign.expand(-1, WIDTH)


def test_moons_that_turn_with_the_state_are_learnt_far_better_than_by_a_gaussian() -> None:
    torch.manual_seed(1)
    train, test = moons(20_000, 0), moons(4000, 1)
    flow, gaussian = (
        trained(kind, train) for kind in (FlowHead(WIDTH, 2), GaussianHead(WIDTH, 2, "diagonal"))
    )
    with torch.no_grad():
        for side in (1.0, -1.0):
            h = states(torch.full((4000, 1), side))
            law, plain = flow(h), gaussian(h)
            assert isinstance(law, CouplingFlow)
            gain = law.log_prob(side * test) - plain.log_prob(side * test)
            assert gain.mean().item() > 0.8  # nats per frame
            draws = law.sample(LawNoise(torch.randn(4000, 3), torch.rand(4000, 2)))
            off_the_arcs = torch.cdist(side * draws, test).amin(1) > 0.15  # of a Gaussian's samples, 37 %
            assert off_the_arcs.float().mean().item() < 0.15
            assert torch.allclose(law.mean()[0], draws.mean(0), atol=0.1)


def test_it_cannot_be_heated() -> None:
    with pytest.raises(TypeError, match="cannot be heated or cooled; set temperature to 1"):
        moved(3)(normals(WIDTH)).tempered(0.5)
