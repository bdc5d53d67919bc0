"""One conformance suite for every head."""

import pytest
import torch

from trainables.predictor.config import HEADS, Structure
from trainables.predictor.heads import Survey, build_head

WIDTH, DIM = 12, 6
LANE = {"kappa_prior": torch.tensor(0.1).double(), "kappa_prior_ratio": torch.tensor(1.5).double()}


@pytest.fixture(params=HEADS)
def head(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    head = build_head(Structure(head=request.param, width=WIDTH, components=3), DIM).double()
    head.start_from(Survey(2.0))
    return head


@pytest.fixture
def h() -> torch.Tensor:
    return torch.randn(4, 7, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_answers_have_the_shapes_of_the_hidden_states(head: torch.nn.Module, h: torch.Tensor) -> None:
    law = head(h)
    delta = law.sample(torch.randn(4, 7, DIM + 1).double(), torch.rand(4, 7, 2).double())
    assert delta.shape == law.mean().shape == law.mode().shape == law.direction().shape == (4, 7, DIM)
    assert law.log_prob(delta).shape == law.log_magnitude().shape == head.penalty(law, LANE).shape == (4, 7)
    assert torch.allclose(law.direction().norm(dim=-1), torch.ones(4, 7).double())


def test_gradients_reach_every_parameter(head: torch.nn.Module, h: torch.Tensor) -> None:
    law = head(h)
    loss = -law.log_prob(torch.randn(4, 7, DIM, generator=torch.Generator().manual_seed(2)).double()).mean()
    (loss + head.penalty(law, LANE).mean() + law.mean().square().mean()).backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_float32_agrees_with_float64(head: torch.nn.Module, h: torch.Tensor) -> None:
    delta = torch.randn(4, 7, DIM, generator=torch.Generator().manual_seed(2)).double()
    exact = head(h).log_prob(delta)
    rough = head.float()(h.float()).log_prob(delta.float())
    assert torch.allclose(exact, rough.double(), rtol=1e-4, atol=1e-3)


def test_extreme_hidden_states_stay_finite(head: torch.nn.Module) -> None:
    law = head(torch.full((2, WIDTH), 1e4).double())
    for value in (law.mean(), law.mode(), law.log_magnitude(), law.log_prob(torch.ones(2, DIM).double())):
        assert torch.isfinite(value).all()
    assert law.log_prob(torch.zeros(2, DIM).double()).isfinite().all()  # a frame that does not move


def test_kappa_prior_pulls_towards_its_median() -> None:
    head = build_head(Structure(head="vmf", width=WIDTH), DIM).double()
    law = head(torch.zeros(1, WIDTH).double())
    grad = torch.autograd.grad(head.penalty(law, LANE).sum(), law.kappa)[0]
    assert law.kappa.item() / DIM < 1.5 and grad.item() < 0
    at_median = dict(LANE, kappa_prior_ratio=law.kappa.detach()[0] / DIM)
    assert head.penalty(law, at_median).item() == pytest.approx(0, abs=1e-12)
