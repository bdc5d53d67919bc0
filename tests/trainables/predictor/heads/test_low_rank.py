"""What the factors of a Gaussian head are worth on noise whose dimensions go together."""

import pytest
import torch
from torch import Tensor

from trainables.predictor.config import Structure
from trainables.predictor.heads import Survey, build_head

DIM, WIDTH, RANK = 6, 8, 2


def correlated(count: int) -> tuple[Tensor, float]:
    """Gaussian noise [count, D] of two factors, and the nats per frame that a diagonal loses on it."""
    generator = torch.Generator().manual_seed(0)
    loadings = 2 * torch.randn(DIM, RANK, generator=generator)
    covariance = torch.eye(DIM) + loadings @ loadings.mT
    gap = 0.5 * float(covariance.diagonal().log().sum() - covariance.logdet())
    white, factors = (
        torch.randn(count, DIM, generator=generator),
        torch.randn(count, RANK, generator=generator),
    )
    return white + factors @ loadings.mT, gap


def learnt_nll(settings: dict, train: Tensor, test: Tensor) -> float:
    """Mean NLL, nats per frame, of a head that has learnt some steps from a state that tells nothing."""
    torch.manual_seed(1)
    head = build_head(Structure(width=WIDTH, coordinates="raw", **settings), DIM)
    head.start_from(Survey(float(train.norm(dim=-1).log().mean().exp())))
    h, optimiser = torch.ones(WIDTH), torch.optim.Adam(head.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 300)
    for _ in range(300):
        delta = train[torch.randint(len(train), (1024,))]
        loss = -head(h.expand(1024, -1)).log_prob(delta).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return -head(h.expand(len(test), -1)).log_prob(test).mean().item()


@pytest.mark.parametrize("settings", [{"head": "gaussian"}, {"head": "mdn", "components": 1}], ids=str)
def test_factors_win_the_nats_that_a_diagonal_loses(settings: dict) -> None:
    steps, gap = correlated(40_000)
    train, test = steps[:20_000], steps[20_000:]
    diagonal = learnt_nll(settings, train, test)
    low_rank = learnt_nll({**settings, "covariance": "low_rank", "rank": RANK}, train, test)
    assert gap > 1.5
    assert diagonal - low_rank == pytest.approx(gap, abs=0.05)


def test_one_factor_too_few_wins_less() -> None:
    steps, gap = correlated(40_000)
    train, test = steps[:20_000], steps[20_000:]
    diagonal = learnt_nll({"head": "gaussian"}, train, test)
    one = learnt_nll({"head": "gaussian", "covariance": "low_rank", "rank": 1}, train, test)
    assert 0.1 * gap < diagonal - one < 0.9 * gap


def test_at_the_start_all_factors_together_are_weaker_than_a_dimension() -> None:
    for dim in (6, 256):
        torch.manual_seed(0)
        law = build_head(Structure(head="mdn", width=WIDTH, covariance="low_rank", coordinates="raw"), dim)(
            torch.randn(3, WIDTH)
        )
        shared = law.loadings.square().sum((-2, -1))
        assert shared.mean().item() == pytest.approx(4 * 0.25, rel=0.4)
