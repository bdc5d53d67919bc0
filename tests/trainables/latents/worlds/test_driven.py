"""In `bimodal` and `heavy_tailed` no forecast is better than the world's own, and a Gaussian is far worse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import hyp1f1

from trainables.latents.worlds.catalogue import WORLDS
from trainables.latents.worlds.driven import Driven
from trainables.predictor.evaluation.proper_scores import energy_score

NAMES = ["bimodal", "heavy_tailed"]
STEPS = 4


def world(name: str) -> Driven:
    found = WORLDS[name]
    assert isinstance(found, Driven)
    return found


def mean_length(dim: int, shift: float, deviation: float) -> float:
    """E|shift a + deviation n| for a unit vector a and n ~ N(0, I): a Laguerre function."""
    growth = math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2)) * math.sqrt(2)
    return deviation * growth * float(hyp1f1(-0.5, dim / 2, -((shift / deviation) ** 2) / 2))


def test_the_forks_own_score_is_that_of_two_points_with_noise() -> None:
    fork = world("bimodal")
    apart = [mean_length(4, shift, math.sqrt(2) * fork.noise) for shift in (0.0, 2 * fork.jump)]
    assert fork.energy_score(1)[0] == pytest.approx(sum(apart) / 4, rel=0.01)


def test_nothing_goes_where_the_mean_of_the_fork_is() -> None:
    fork = world("bimodal")
    path = fork.simulate(50, 40, np.random.default_rng(1))
    gone = path[:, 1:] - fork.decay * path[:, :-1]
    lengths = np.linalg.norm(gone, axis=-1)
    assert 0.75 < lengths.min() and np.linalg.norm(gone.mean((0, 1))) < 0.1


def test_the_tails_are_heavy_and_frames_do_not_grow() -> None:
    heavy = world("heavy_tailed")
    path = heavy.simulate(200, 60, np.random.default_rng(2))
    lengths = np.linalg.norm(path[:, 1:] - heavy.decay * path[:, :-1], axis=-1)
    # Of a Gaussian in 16 dimensions the largest of so many is not twice the median.
    assert lengths.max() > 8 * np.median(lengths)
    first, last = (
        np.median(np.linalg.norm(path[:, part], axis=-1)) for part in (slice(15), slice(-15, None))
    )
    assert last == pytest.approx(first, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_the_worlds_own_forecast_scores_as_claimed_and_a_gaussian_of_its_moments_worse(
    name: str,
) -> None:
    own, rng = world(name), np.random.default_rng(3)
    path = own.simulate(8000, 1 + STEPS, rng)
    runs, factor = (
        np.repeat(path[None, :, 0], 8, 0),
        np.linalg.cholesky(np.cov(own.innovation(50_000, rng).T)),
    )
    plain = runs
    claimed = own.energy_score(STEPS)
    for k in range(1, 1 + STEPS):
        runs = own.following(runs.reshape(-1, own.dim), rng).reshape(runs.shape)
        score = float(energy_score(torch.from_numpy(runs), torch.from_numpy(path[:, k])).mean())
        assert score == pytest.approx(claimed[k - 1], rel=0.05)  # heavy tails in the truth
        if k == 1:
            plain = own.decay * plain + rng.standard_normal(plain.shape) @ factor.T
            worse = float(energy_score(torch.from_numpy(plain), torch.from_numpy(path[:, k])).mean())
            assert worse > 1.1 * score
