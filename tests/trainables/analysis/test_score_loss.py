"""A score loss beside NLL: what it measures, what it teaches, and that nothing is learnt by the score."""

import numpy as np
import pytest
import torch

from tests.trainables.analysis.small_score import SMALL_SCORE
from tests.trainables.small_data import small_evaluation, small_feed
from trainables.analysis import score_runs
from trainables.analysis.frame_density import some_frames
from trainables.analysis.score_loss import FurtherTeaching, ScoreLoss, nats
from trainables.analysis.score_model import FrameScore, GaussianScore, fit_score, score_of
from trainables.analysis.score_predictor import predictor_settings, trained_weights
from trainables.analysis.score_settings import ScoreLane, ScoreStructure
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.evaluation.replay import lane as predictor_of
from trainables.predictor.scores import Scores
from trainables.training_context import SoloContext

SMALL = {
    **SMALL_SCORE,
    "score_loss": "score",
    "sigma": 0.3,
    "score_steps": 200,
    "further_steps": 30,
    "further_rate": 1e-2,
}
STRUCTURE, LANE = ScoreStructure(**SMALL), ScoreLane(seed=3)


@pytest.fixture(scope="module")
def feeds():
    return [small_feed([f"{kind}-{i}" for i in range(count)]) for kind, count in (("train", 6), ("test", 4))]


@pytest.fixture(scope="module")
def frames(feeds):
    return some_frames(feeds[0], Surrogate.REAL).float()


@pytest.fixture(scope="module")
def taught(feeds):
    """Teaches the same trained predictor further: the loss and its weight -> teaching and predictor."""
    settings = predictor_settings(STRUCTURE, feeds[0])
    weights = trained_weights(STRUCTURE, LANE, *feeds)
    teaching = FurtherTeaching.of(STRUCTURE, LANE, settings, *feeds)

    def teach(loss, weight):
        predictor = predictor_of(settings, weights, feeds[0].dim).float()
        teaching.teach(predictor, loss, weight)
        return predictor

    teach.windows = teaching.drawn(teaching.held_out, 64, torch.Generator().manual_seed(7))
    return teach


def curved(frames: torch.Tensor) -> FrameScore:
    """A score that is no Gaussian's."""
    torch.manual_seed(0)
    score = FrameScore(GaussianScore.fit(frames), 8)
    torch.nn.init.normal_(score.network[-1].weight, std=0.3)
    return score


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_independent_frames_are_half_a_nat_per_dimension_apart_whatever_the_score(frames):
    for score in (curved(frames), GaussianScore.fit(frames), lambda z, sigma: 1e4 * z):
        loss = ScoreLoss.of(score, 0.3, frames)
        with torch.no_grad():
            pairs = loss(frames[:, None], frames[None, ::7])
        assert float(pairs.mean()) == pytest.approx(frames.shape[1] / 2, rel=0.05)


def test_of_a_gaussian_it_is_a_squared_error_whitened_by_frames_and_noise(frames):
    loss = ScoreLoss.of(GaussianScore.fit(frames), 0.3, frames)
    noised = torch.cov(frames.T.double()) + 0.09 * torch.eye(frames.shape[1]).double()
    error = frames[:50] - frames[50:100]
    expected = torch.linalg.solve(noised, error.double().T).T.square().sum(-1)
    torch.testing.assert_close(
        loss(frames[:50], frames[50:100]).double() / loss.nats, expected, rtol=1e-3, atol=0
    )


def test_where_the_score_is_a_gaussians_both_losses_teach_the_same_weights(frames, taught):
    untrained = FrameScore(GaussianScore.fit(frames), 8)  # its network adds nothing
    by_score, whitened, by_curved = (
        taught(ScoreLoss.of(score, 0.3, frames), 0.5)
        for score in (untrained, untrained.gaussian, curved(frames))
    )
    assert same(by_score, whitened)
    assert not same(by_curved, whitened)


def test_a_loss_without_weight_teaches_what_nll_alone_does(frames, taught):
    loss = ScoreLoss.of(curved(frames), 0.3, frames)
    alone = taught(None, 0.0)
    assert same(taught(loss, 0.0), alone)
    assert not same(taught(loss, 0.1), alone)


@pytest.mark.parametrize("made", [curved, GaussianScore.fit])
def test_samples_come_nearer_in_score_and_nll_pays_for_it(made, frames, taught):
    loss = ScoreLoss.of(made(frames), 0.3, frames)
    alone, with_loss = taught(None, 0.0), taught(loss, 10.0)
    with torch.no_grad():
        nll = [float(nats(each, *taught.windows, None, 0.0)) for each in (alone, with_loss)]
        apart = [
            float(nats(each, *taught.windows, loss, 1.0)) - paid
            for each, paid in zip((alone, with_loss), nll, strict=True)
        ]
    assert apart[1] < 0.9 * apart[0]
    assert nll[1] > nll[0]


def test_the_score_is_frozen_and_the_predictor_learns_through_it(feeds, frames, monkeypatch):
    made = []

    def kept(*arguments):
        made.append(score_of(*arguments))
        return made[-1]

    monkeypatch.setattr(score_runs, "score_of", kept)
    runs, state = score_runs.taught_runs(STRUCTURE, LANE, feeds[0], small_evaluation(*feeds), frames.double())
    (score,) = made
    again = fit_score(frames, frames_held_out(feeds), sigma=0.3, width=8, steps=200, batch=32, seed=0)
    assert all(parameter.grad is None for parameter in score.parameters())
    assert same(score, again)
    assert any(name.startswith("forecaster.head") for name in state) and list(runs) == ["taught", "plain"]
    sample, true = frames[:8].clone().requires_grad_(), frames[8:16]
    ScoreLoss.of(score, 0.3, frames)(sample, true).sum().backward()
    assert sample.grad.abs().min() > 0


def frames_held_out(feeds) -> torch.Tensor:
    return some_frames(feeds[1], Surrogate.REAL).float()


def scores_of(feeds, **settings) -> Scores:
    config = LaneConfig.of({"trainable": "score", **SMALL, "score_steps": 20, "further_steps": 8, **settings})
    evaluation = small_evaluation(*feeds)
    (result,) = config.trainable.train(config.structure, [config.lane], feeds[0], evaluation, SoloContext())
    return Scores.from_json(result.scores or {})


@pytest.mark.parametrize("loss", ["score", "whitened"])
def test_a_lane_gains_nothing_without_weight_and_something_else_with_it(loss, feeds):
    none, some = (scores_of(feeds, score_loss=loss, score_loss_weight=weight) for weight in (0.0, 1.0))
    for metric in ("skill_gained", "magnitude_loss", "state_error_gained"):
        assert not none.sums[metric].any() and some.sums[metric].all(), metric
    np.testing.assert_array_equal(none.sums["skill_of_plain"], some.sums["skill_of_plain"])
    gained = some.sums["skill_of_taught"] - some.sums["skill_of_plain"]
    np.testing.assert_allclose(some.sums["skill_gained"], gained)
    assert "skill_over_shrinking" not in some.sums


def test_few_windows_judge_and_few_steps_train_where_that_is_asked(feeds):
    every, few = (scores_of(feeds, score_loss="whitened", **asked) for asked in ({}, {"windows": 3}))
    counts = [scores.counts["magnitude_loss"].sum() for scores in (every, few)]
    assert 0 < counts[1] <= 3 < counts[0]
    short = scores_of(feeds, score_loss="whitened", predictor_steps=1)
    assert np.any(short.sums["skill_of_plain"] != every.sums["skill_of_plain"])
    config, whole = (
        LaneConfig.of({"trainable": "score", **SMALL, **asked}) for asked in ({"predictor_steps": 2}, {})
    )
    seen, all_seen = (each.trainable.frames_seen(each.structure, 10_000) for each in (config, whole))
    assert all_seen - seen == 10_000 - 2 * 32 * (SMALL["context"] + 1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"windows": -1}, "windows is -1; it must be 0 or more"),
        ({"score_loss": "both"}, "score_loss is 'both'; it must be one of score, whitened, or empty"),
        ({"score_loss_weight": -0.1}, "score_loss_weight is -0.1; it must be 0 or more"),
        ({"further_steps": 0}, "further_steps is 0; it must be at least 1"),
        ({"further_rate": 0.0}, "further_rate is 0.0; it must be above 0"),
        (
            {"forecaster": "world"},
            "score_loss is 'score' and forecaster 'world', which cannot be taught; set ",
        ),
        ({"head": "linear"}, "score_loss is 'score' and head 'linear', which is fitted in closed form; "),
    ],
)
def test_settings_are_refused_with_a_sentence(settings, sentence):
    with pytest.raises(InputError) as error:
        ScoreStructure(**{**SMALL, **settings})
    assert str(error.value).startswith(sentence)
