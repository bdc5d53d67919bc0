"""The score of frames, corrections by it and their nulls, and worlds of which it is known if they help."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.trainables.small_data import feed_of_paths, small_evaluation
from trainables.analysis.score_model import GaussianScore, fit_score
from trainables.analysis.score_runs import RULES
from trainables.analysis.score_settings import ScoreStructure
from trainables.analysis.score_steps import score_correction, shrinking, untouched
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.worlds.catalogue import WORLDS
from trainables.predictor.scores import Scores
from trainables.training_context import SoloContext


def ring(count: int) -> torch.Tensor:
    angle = torch.linspace(0, 6.28, count).double()
    rng = torch.Generator().manual_seed(0)
    thickness = 0.05 * torch.randn(count, 2, generator=rng, dtype=torch.float64)
    return 2 * torch.stack([angle.cos(), angle.sin()], 1) + thickness


def test_the_score_of_a_gaussian_is_exact():
    rng = torch.Generator().manual_seed(1)
    frames = torch.randn(500, 3, generator=rng, dtype=torch.float64) @ torch.diag(
        torch.tensor([3.0, 1, 0.1]).double()
    )
    score = GaussianScore.fit(frames)
    law = torch.distributions.MultivariateNormal(
        frames.mean(0), torch.cov(frames.T) + 0.25 * torch.eye(3).double()
    )
    z = frames[:5].clone().requires_grad_()
    (told,) = torch.autograd.grad(law.log_prob(z).sum(), z)
    torch.testing.assert_close(score(z.detach(), 0.5), told)


def test_a_learnt_score_knows_the_ring_that_a_gaussian_does_not():
    frames = ring(4000).float()
    model = fit_score(frames, frames[::7], sigma=0.3, width=48, steps=800, batch=256, seed=0)
    off = torch.tensor([[2.3, 0.0], [0.0, -1.7], [-1.2, 1.2], [1.6, 1.6]])
    with torch.no_grad():
        learnt, gaussian = (off + 0.3**2 * score(off, 0.3) for score in (model, model.gaussian))
    errors = [float((found.norm(dim=1) - 2).abs().mean()) for found in (learnt, gaussian)]
    assert errors[0] < 0.5 * errors[1]
    assert gaussian[1].norm() < 1.7, "a Gaussian draws to the mean what lies within the ring"


def test_shrinking_moves_as_far_as_the_score_and_never_beyond_the_mean():
    mean = torch.tensor([1.0, 0.0]).double()
    structure = ScoreStructure(sigma=0.5)

    def score(z: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.tensor([0.0, 8.0]).double().expand_as(z)

    z, noise = torch.tensor([[6.0, 0.0], [1.0, 1.0]]).double(), torch.zeros(2, 1, 2).double()
    torch.testing.assert_close(score_correction(structure, score)(z, noise)[:, 1], z[:, 1] + 2)
    shrunk = shrinking(structure, score, mean)(z, noise)
    torch.testing.assert_close(shrunk, torch.tensor([[4.0, 0.0], [1.0, 0.0]]).double())
    assert untouched(z, noise) is z


def test_langevin_steps_keep_the_law_that_tweedie_makes_narrower():
    frames = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    score, sigma = GaussianScore.fit(frames), 0.6
    noise = torch.randn(20_000, 200, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    langevin = score_correction(ScoreStructure(sigma=sigma, correction="langevin"), score)
    tweedie = score_correction(ScoreStructure(sigma=sigma), score)
    blurred = frames * (1 + sigma**2) ** 0.5
    assert float(langevin(blurred, noise).var()) == pytest.approx(1 + sigma**2, rel=0.05)
    assert float(tweedie(blurred, noise).var()) == pytest.approx(1 / (1 + sigma**2), rel=0.05)


def of_world(name: str, **settings) -> Scores:
    world = WORLDS[name]
    train, judged = (
        feed_of_paths(
            {f"{kind}{i}": world.simulate(6, 160, np.random.default_rng([i, size])) for i in range(size)},
            (Surrogate.REAL,),
        )
        for kind, size in (("train", 12), ("test", 4))
    )
    config = LaneConfig.of({"trainable": "score", "forecaster": "world", "sigma": 0.3, **settings})
    evaluation = replace(small_evaluation(train, judged), world={"name": name})
    (result,) = config.trainable.train(config.structure, [config.lane], train, evaluation, SoloContext())
    return Scores.from_json(result.scores or {})


@pytest.mark.slow
def test_too_much_noise_is_taken_away_and_too_little_is_not_made_less():
    loud, quiet = (of_world(name, score_steps=1000, samples=6) for name in ("ring", "ring_quiet"))
    for metric in ("skill_gained", "skill_over_shrinking", "skill_of_corrected"):
        assert np.all(loud.sums[metric] > 0), metric
    assert loud.value("skill_over_gaussian") > 0
    assert loud.value("magnitude_loss") < 0
    assert np.all(quiet.sums["skill_gained"] < 0)
    assert {f"skill_of_{rule}" for rule in RULES} < set(loud.sums)


def test_of_a_model_that_is_the_law_of_its_world_nothing_is_to_be_corrected():
    white = of_world("white", score_steps=300, samples=6)
    assert np.all(white.sums["skill_gained"] < 0)


@pytest.mark.parametrize("where_to", [np.nan, 1e200])
def test_runs_that_run_away_are_counted_and_spoil_no_other(monkeypatch, where_to):
    kind = type(WORLDS["ring"])
    step = kind.model_step

    def exploding(self, now, rng):
        following = step(self, now, rng)
        following[following[:, 2] > np.quantile(following[:, 2], 0.999)] = where_to
        return following

    calm = of_world("ring", score_steps=1, samples=4)
    monkeypatch.setattr(kind, "model_step", exploding)
    found = of_world("ring", score_steps=1, samples=4)
    assert calm.value("runaway_of_plain") == 0 < found.value("runaway_of_plain") < 0.3
    for rule in RULES:
        # A run that stands still is a poor one, and no more than that.
        for metric in (f"skill_of_{rule}", f"magnitude_drift_of_{rule}"):
            assert found.value(metric) == pytest.approx(calm.value(metric), abs=0.2), metric


def test_a_world_without_a_model_has_none_to_correct():
    with pytest.raises(InputError, match="^forecaster is 'world', but directional come with no model"):
        of_world("directional", score_steps=1)


def test_only_a_predictor_is_paid_for_by_the_frames_that_it_learns_from():
    few, many, judged = np.full(10, 100), np.full(1000, 100), np.full(5, 100)

    def seen_and_dearer(forecaster: str) -> tuple[int, float]:
        lane = LaneConfig.of({"trainable": "score", "forecaster": forecaster})
        cost = lane.trainable.cost(lane.structure, 1, 16, "cpu")
        seconds = [cost.seconds(lane.structure, train, judged) for train in (few, many)]
        return lane.trainable.frames_seen(lane.structure, int(many.sum())), seconds[1] - seconds[0]

    assert seen_and_dearer("world") == (0, 0)
    assert all(value > 0 for value in seen_and_dearer("predictor"))
