"""The density of frames where the truth is known in closed form."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.trainables.analysis.synthetic import feed
from trainables.analysis.frame_density import FrameDensity
from trainables.analysis.frame_likelihoods import NOISE, frame_scores, reference_scores
from trainables.analysis.probe_cases import scale_of
from trainables.distributions.frame_flow import FlowSettings, settings_for

DIM = 5
SMALL = FlowSettings(transforms=2, hidden=(32, 32), batch=256, steps=300, look_every=50, patience=3)


def _gaussian(count: int, seed: int) -> tuple[np.ndarray, float]:
    """Speakers' frames [count, 500, D] of a correlated Gaussian, and its entropy in nats."""
    mixing = np.random.default_rng(0).standard_normal((DIM, DIM)) + 2 * np.eye(DIM)
    frames = np.random.default_rng(seed).standard_normal((count, 500, DIM)) @ mixing.T + 1.5
    entropy = DIM / 2 * math.log(2 * math.pi * math.e) + np.linalg.slogdet(mixing)[1]
    return frames, entropy


def _bent(count: int, seed: int) -> tuple[np.ndarray, float]:
    """Frames along a parabola: the first coordinate is normal, all others its square and some noise."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((count, 500, 1))
    others = first**2 + 0.3 * rng.standard_normal((count, 500, DIM - 1))
    entropy = DIM / 2 * math.log(2 * math.pi * math.e) + (DIM - 1) * math.log(0.3)
    return np.concatenate([first, others], -1), entropy


def _fit(world, scale: float = 1.0, **changes) -> FrameDensity:
    settings = FlowSettings(**{**vars(SMALL), **changes})
    return FrameDensity.fit(
        feed(scale * world(30, 1)[0], "a"), feed(scale * world(6, 2)[0], "b"), 3, settings
    )


@pytest.fixture(scope="module")
def gaussian() -> FrameDensity:
    return _fit(_gaussian)


@pytest.fixture(scope="module")
def bent() -> FrameDensity:
    return _fit(_bent)


def test_on_gaussian_frames_it_reaches_the_entropy_within_a_twentieth_of_a_nat(gaussian) -> None:
    held_out, entropy = _gaussian(20, 9)
    found = gaussian.log_prob(torch.from_numpy(held_out.reshape(-1, DIM)))
    # 10 000 frames tell their own mean to sqrt(D / 2 / 10 000) = 0.016.
    assert float(found.mean()) == pytest.approx(-entropy, abs=0.05)


def test_where_frames_are_no_gaussian_it_gains_what_there_is_to_gain(bent) -> None:
    held_out, entropy = _bent(20, 9)
    frames = torch.from_numpy(held_out.reshape(-1, DIM))
    flow, plain = float(bent.log_prob(frames).mean()), float(bent.gaussian_log_prob(frames).mean())
    assert flow <= -entropy + 0.05  # no density beats the truth
    assert flow > plain + 0.5 * (-entropy - plain)


def test_it_integrates_to_one(bent) -> None:
    """By importance sampling from a wide Gaussian: 40 000 draws."""
    generator = torch.Generator().manual_seed(0)
    wide = torch.distributions.MultivariateNormal(
        bent.gaussian.mean_D, scale_tril=1.5 * bent.gaussian.factor_DD
    )
    grain = torch.randn(40_000, DIM, generator=generator, dtype=torch.float64)
    drawn = wide.mean + grain @ wide.scale_tril.mT
    weights = (bent.log_prob(drawn) - wide.log_prob(drawn)).exp()
    spread = float(weights.std()) / 200
    assert float(weights.mean()) == pytest.approx(1, abs=4 * spread) and spread < 0.05


def test_a_change_of_units_shifts_it_by_the_log_volume(bent) -> None:
    frames = torch.from_numpy(_bent(2, 9)[0].reshape(-1, DIM))
    scaled = _fit(_bent, scale=8.0)  # a power of two: no frame is rounded differently
    shift = bent.log_prob(frames) - scaled.log_prob(8.0 * frames)
    torch.testing.assert_close(shift, torch.full_like(shift, DIM * math.log(8.0)), rtol=0, atol=1e-3)


def test_it_begins_as_the_gaussian_and_comes_out_of_its_seed(bent) -> None:
    frames = torch.from_numpy(_bent(2, 9)[0].reshape(-1, DIM))
    untaught = _fit(_bent, steps=0)
    near = frames[untaught.distance(frames) < 2]
    own, plain = untaught.log_prob(near), untaught.gaussian_log_prob(near)
    torch.testing.assert_close(own, plain, rtol=0, atol=0.02)  # but for the hundredth that has long tails
    assert untaught.steps == 0 < bent.steps
    assert torch.equal(bent.log_prob(frames), _fit(_bent).log_prob(frames))


def test_it_is_the_same_after_it_was_stored(bent, tmp_path) -> None:
    torch.save(bent.state(), tmp_path / "density.pt")
    again = FrameDensity.from_state(torch.load(tmp_path / "density.pt", weights_only=True), SMALL)
    frames = torch.from_numpy(_bent(1, 9)[0])
    assert torch.equal(bent.log_prob(frames), again.log_prob(frames))
    assert again.edges.lowest == bent.edges.lowest and again.log_prob(frames).shape == (1, 500)


def test_what_has_run_away_has_a_finite_log_density(bent) -> None:
    away = bent.gaussian.mean_D + torch.tensor([1e2, 1e4, 1e8], dtype=torch.float64)[:, None]
    found = bent.log_prob(away)
    assert found.isfinite().all() and (found.diff() < 0).all() and found[-1] > -500
    # In one dimension, by scipy: what is left of a Gaussian at 1000 standard deviations is the wide ones.
    line, scales = _line(), 2.0 ** np.arange(32)
    mean, spread = float(line.gaussian.mean_D), float(line.gaussian.factor_DD)
    wide = np.mean(norm.pdf(1000.0, mean, spread * scales))
    assert float(line.log_prob(torch.tensor([[1000.0]]))) == pytest.approx(math.log(0.01 * wide), abs=1e-3)


@functools.cache
def _line() -> FrameDensity:
    """Of one dimension, untaught."""
    frames = np.random.default_rng(0).standard_normal((4, 200, 1))
    return FrameDensity.fit(
        feed(frames, "a"), feed(frames, "b"), 0, FlowSettings(**{**vars(SMALL), "steps": 0})
    )


def test_noise_and_averages_of_frames_are_less_likely_than_frames(bent) -> None:
    train, held_out = feed(_bent(30, 1)[0], "a"), feed(_bent(8, 9)[0], "c")
    found = reference_scores(bent, held_out, scale_of(train))
    true, noise, mixed = (found[name].value("log_density") for name in ("true", "noise", "mixed"))
    # Noise of 0.3 standard deviations is more than the frames' own; averages lie inside the parabola.
    assert noise < true - 1 and mixed < true - 0.5
    assert found["true"].value("off_manifold") == pytest.approx(0.05, abs=0.02)
    assert found["true"].value("off_at_its_distance") == pytest.approx(0.05, abs=0.02)
    assert found["noise"].value("off_at_its_distance") > 0.2
    assert found["mixed"].speakers == [f"c{i}" for i in range(8)]
    assert found["true"].counts["log_density"].tolist() == [500] * 8
    assert NOISE == 0.3


def test_tails_do_not_show_between_frames_in_many_dimensions() -> None:
    rng, dim = np.random.default_rng(0), 128
    density = FrameDensity.fit(
        feed(rng.standard_normal((20, 200, dim)), "a"),
        feed(rng.standard_normal((2, 200, dim)), "b"),
        0,
        FlowSettings(steps=0),
    )
    mean_1D = density.gaussian.mean_D[None]
    assert float(density.log_prob(mean_1D) - density.gaussian_log_prob(mean_1D)) == pytest.approx(0, abs=0.02)


def test_of_a_gaussian_the_mean_is_likelier_than_its_frames_by_half_the_dimension(gaussian) -> None:
    held_out = torch.from_numpy(_gaussian(20, 9)[0].reshape(-1, DIM))
    peak = gaussian.log_prob(gaussian.gaussian.mean_D[None])
    assert float(peak - gaussian.log_prob(held_out).mean()) == pytest.approx(DIM / 2, abs=0.2)


def test_the_mean_of_bent_is_off_at_its_distance_and_a_gaussian_mean_is_not(gaussian, bent) -> None:
    for density, empty in ((gaussian, 0), (bent, 1)):
        middle = density.figures(density.gaussian.mean_D[None])
        assert middle["off_at_its_distance"].item() == empty
        assert middle["gaussian_log_density"] > density.gaussian_log_prob(middle_of(density))


def middle_of(density: FrameDensity) -> torch.Tensor:
    """A frame one unit away from the mean along every whitened axis."""
    return (density.gaussian.mean_D + density.gaussian.factor_DD.sum(1))[None]


def test_a_frame_that_is_no_number_stays_visible(bent) -> None:
    frames = torch.zeros(2, DIM, dtype=torch.float64)
    frames[1] = torch.nan
    scores = frame_scores(bent, frames, ["a", "b"], 50.0)
    assert math.isfinite(scores.sums["log_density"][0]) and math.isnan(scores.sums["log_density"][1])
    assert scores.counts["off_manifold"].tolist() == [1, 0]


@pytest.mark.parametrize("dim", [1, 2, 64, 512])
def test_settings_suit_every_dimension(dim) -> None:
    rng = np.random.default_rng(0)
    settings = FlowSettings(**{**vars(settings_for(dim)), "steps": 2, "batch": 16})
    train, validation = (feed(rng.standard_normal((2, 40, dim)), name) for name in "ab")
    frames = torch.from_numpy(rng.standard_normal((7, dim)))
    assert FrameDensity.fit(train, validation, 0, settings).log_prob(frames).isfinite().all()
