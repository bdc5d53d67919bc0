"""The flow of the flow-matching head: exact where its formula is exact, and true to a law of two pieces."""

import pytest
import torch

from trainables.distributions.law import LawNoise
from trainables.predictor.evaluation.proper_scores import energy_score
from trainables.predictor.heads.base import Survey
from trainables.predictor.heads.flow_matching import FlowMatchingHead

WIDTH = 32


def gaussian_head(dim: int) -> FlowMatchingHead:
    """A head whose network adds nothing."""
    torch.manual_seed(0)
    head = FlowMatchingHead(WIDTH, dim).double()
    head.start_from(Survey(3.0))
    torch.nn.init.zeros_(head.outer[-1].weight)
    torch.nn.init.zeros_(head.outer[-1].bias)
    torch.nn.init.constant_(head.spread.bias, -0.7)
    return head


def moons(count: int, seed: int) -> torch.Tensor:
    """Two half circles, one into the other: [count, 2]."""
    generator = torch.Generator().manual_seed(seed)
    angle, noise = (
        torch.rand(count, generator=generator) * torch.pi,
        torch.randn(count, 2, generator=generator),
    )
    upper = torch.stack([angle.cos(), angle.sin()], -1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], -1)
    return torch.where(torch.rand(count, 1, generator=generator) < 0.5, upper, lower) + 0.05 * noise


def trained(data: torch.Tensor) -> FlowMatchingHead:
    """A head that has learnt the law of some steps [N, D] from a hidden state that tells nothing."""
    torch.manual_seed(1)
    head, h = FlowMatchingHead(WIDTH, 2), torch.ones(WIDTH)
    head.start_from(Survey(float(data.norm(dim=-1).log().mean().exp())))
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 800)
    for _ in range(800):
        delta = data[torch.randint(len(data), (512,))]
        law = head(h.expand(512, -1))
        loss = head.objective(law, delta, LawNoise(torch.randn(512, 3), torch.rand(512, 2))).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return head


@pytest.fixture(scope="module")
def moon_head() -> FlowMatchingHead:
    return trained(moons(20_000, 0))


@torch.no_grad()
def test_without_its_network_the_head_is_a_gaussian() -> None:
    head = gaussian_head(3)
    h = torch.randn(WIDTH, generator=torch.Generator().manual_seed(2)).double()
    law = head(h.expand(4000, -1))
    normal = torch.randn(4000, 4, generator=torch.Generator().manual_seed(3)).double()
    delta = law.sample(LawNoise(normal, torch.rand(4000, 2)))
    spread = head.scale * torch.exp(torch.tensor(-0.7))
    assert torch.allclose(law.mean()[0], head.scale * head.mean(h))
    assert torch.allclose(law.mode(), law.mean(), rtol=0.02)
    assert torch.allclose(delta.mean(0), law.mean()[0], atol=0.1)
    assert torch.allclose(delta.std(0), spread.double().expand(3), rtol=0.06)


@torch.no_grad()
def test_the_mean_may_be_read_from_any_noise() -> None:
    torch.manual_seed(4)
    head = FlowMatchingHead(WIDTH, 3).double()
    law, noise = head(torch.randn(5, WIDTH).double()), torch.randn(5, 3).double()
    assert torch.allclose(law.scale * (noise + law.velocity(noise, torch.zeros(5, 1).double())), law.mean())


@torch.no_grad()
def test_two_moons_are_learnt(moon_head: FlowMatchingHead) -> None:
    truth, count = moons(4000, 1), 4000
    law = moon_head(torch.ones(count, WIDTH))
    torch.manual_seed(5)
    noise = [LawNoise(torch.randn(count, 3), torch.rand(count, 2)) for _ in range(8)]
    samples = torch.stack([law.sample(own) for own in noise])
    ideal = torch.stack([moons(count, 10 + i) for i in range(8)])
    assert torch.allclose(law.mean()[0], truth.mean(0), atol=0.05)
    loss = energy_score(samples, truth) - energy_score(ideal, truth)
    assert loss.mean() < 3 * loss.std() / count**0.5
    off_the_arcs = torch.cdist(samples[0], truth).amin(1) > 0.15  # of a Gaussian's samples, 37 %
    assert off_the_arcs.float().mean() < 0.15


@torch.no_grad()
def test_the_expected_log_magnitude_is_near_that_of_many_samples(moon_head: FlowMatchingHead) -> None:
    law = moon_head(torch.ones(4000, WIDTH))
    many = law.sample(LawNoise(torch.randn(4000, 3), torch.rand(4000, 2))).norm(dim=-1).log().mean()
    assert law.log_magnitude()[0].item() == pytest.approx(many.item(), abs=0.3)  # eight probes


def test_samples_carry_gradients_and_no_likelihood_is_claimed() -> None:
    law = FlowMatchingHead(WIDTH, 3)(torch.zeros(2, WIDTH, requires_grad=True))
    assert law.sample(LawNoise(torch.randn(2, 4), torch.rand(2, 2))).requires_grad
    with pytest.raises(TypeError, match="^a flow-matching head has no density"):
        law.log_prob(torch.zeros(2, 3))
    with pytest.raises(TypeError, match="^a flow-matching head has no density"):
        law.tempered(0.5).log_prob(torch.zeros(2, 3))
