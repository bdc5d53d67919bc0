"""The control worlds are what their metadata says: each optimum against data or other mathematics."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from trainables.distributions.bessel import vmf_log_normalizer, vmf_mean_resultant_length
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, latent_frames, open_dataset
from trainables.latents.worlds import directional, linear
from trainables.latents.worlds.catalogue import HORIZON, WORLDS, write_world
from trainables.latents.worlds.tones import Tones

DIRECTIONAL = WORLDS["directional"]
LINEAR = [name for name, world in WORLDS.items() if isinstance(world, linear.RotatingAR)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> LatentDataset:
    folder = tmp_path_factory.mktemp("directional")
    write_world("directional", folder)
    return open_dataset(folder)


def test_file_says_what_the_world_is(dataset: LatentDataset) -> None:
    meta = dataset.meta
    assert (meta.representation, meta.dim, meta.frame_rate) == ("control:directional", 32, 50.0)
    assert (meta.codec, meta.codec_hash) == ("control:directional", Tones.hash)
    assert meta.world == {
        "name": "directional",
        "parameters": DIRECTIONAL.parameters(),
        "optimum": DIRECTIONAL.optimum(HORIZON).to_json(),
    }
    assert [len(dataset.speakers(split)) for split in ("train", "validation", "test")] == [40, 10, 10]
    assert dataset.frames("train") > 50_000


def test_seed_decides_the_data_and_not_the_optimum(dataset: LatentDataset, tmp_path: Path) -> None:
    write_world("white", tmp_path / "a", seed=3)
    write_world("white", tmp_path / "b", seed=3)
    write_world("white", tmp_path / "c", seed=4)
    a, b, c = (open_dataset(tmp_path / name) for name in "abc")
    assert a.content_hash == b.content_hash != c.content_hash
    assert a.meta.world == c.meta.world
    assert (a.meta.codec, a.meta.codec_hash) == (None, ""), "white noise has no sound of its own"


def test_unknown_world_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'directionl'.*'directional'.*directional, white, gaussian, smooth"):
        write_world("directionl", tmp_path)


def test_directional_cosine_is_the_one_set(dataset: LatentDataset) -> None:
    frames, deltas, _ = _utterance_frames(dataset, "train")
    cosines = (DIRECTIONAL.field(frames) * deltas).sum(-1) / np.linalg.norm(deltas, axis=-1)
    assert cosines.mean() == pytest.approx(0.85, abs=5 * cosines.std() / math.sqrt(len(cosines)))


def test_directional_magnitude_is_log_normal_and_knows_nothing(dataset: LatentDataset) -> None:
    frames, deltas, following = _utterance_frames(dataset, "train")
    magnitudes = np.log(np.linalg.norm(deltas, axis=-1))
    standard = (magnitudes - math.log(DIRECTIONAL.step)) / DIRECTIONAL.spread
    assert stats.kstest(standard, "norm").pvalue > 1e-3
    cosines = (DIRECTIONAL.field(frames) * deltas).sum(-1) / np.exp(magnitudes)
    known = [*frames.T, (frames**2).sum(1), np.linalg.norm(frames @ DIRECTIONAL.plane, axis=1), cosines]
    correlations = [np.corrcoef(standard, k)[0, 1] for k in known]
    correlations.append(np.corrcoef(standard[:-1][following[:-1]], standard[1:][following[:-1]])[0, 1])
    assert np.abs(correlations).max() < 5 / math.sqrt(len(standard))


def test_directional_stays_bounded_and_keeps_turning() -> None:
    path = DIRECTIONAL.simulate(10, 4000, np.random.default_rng(1))
    distance = np.linalg.norm(path, axis=-1)
    assert 0.5 * DIRECTIONAL.radius < distance.min() < distance.max() < 2 * DIRECTIONAL.radius
    assert distance[:, :1000].mean() == pytest.approx(distance[:, 3000:].mean(), rel=0.01)
    phases = np.unwrap(np.angle((path @ DIRECTIONAL.plane) @ [1, 1j]), axis=1)
    turned = (phases[:, 16:] - phases[:, :-16]).mean()
    assert 2.0 < turned < math.pi  # radians in a rollout of 16 steps


def test_directional_rollout_of_the_true_field_reaches_the_optimum(dataset: LatentDataset) -> None:
    """Mean feedback loses next to nothing; standing on the first direction loses everything."""
    truth, rolled, first = _rollouts(dataset, "test")
    optimum = dataset.meta.world["optimum"]
    cosines = _cosines(truth, rolled).mean(0)
    np.testing.assert_allclose(cosines, optimum["cos"], atol=0.008)
    assert optimum["cos"][15] > 0.75
    assert _cosines(truth, np.broadcast_to(first[:, None], truth.shape)).mean(0)[15] < -0.3
    ratio = np.linalg.norm(rolled, axis=-1) / np.linalg.norm(truth, axis=-1)
    tolerance = 5 * DIRECTIONAL.spread / math.sqrt(len(truth))
    np.testing.assert_allclose(np.exp(np.log(ratio).mean(0)), optimum["magnitude_ratio"], atol=tolerance)


def test_directional_later_cosines_agree_with_another_estimator() -> None:
    """The best direction from one half of the continuations, scored on the true directions of the other
    half."""
    rng = np.random.default_rng(2)
    starts, half = 100, 100
    states = np.repeat(DIRECTIONAL.simulate(starts, 1, rng)[:, 0], 2 * half, axis=0)
    path = np.stack([z for z, _ in DIRECTIONAL.walk(states, HORIZON + 1, rng)], 1)
    deltas = np.diff(path, axis=1)
    directions = deltas / np.linalg.norm(deltas, axis=-1, keepdims=True)
    directions = directions.reshape(starts, 2, half, HORIZON, -1)
    guess = directions[:, 0].mean(1)
    scored = _cosines(directions[:, 1], guess[:, None]).mean((0, 1))
    # The guess is a mean of 100 unit vectors, which costs it (1 - cos^2) / (2 100 cos).
    expected = np.array(DIRECTIONAL.optimum(HORIZON).cos)
    np.testing.assert_allclose(scored, expected - (1 - expected**2) / (200 * expected), atol=0.005)


def test_directional_entropy_is_the_mean_surprise_of_its_data(dataset: LatentDataset) -> None:
    frames, deltas, _ = _utterance_frames(dataset, "test")
    magnitudes = np.linalg.norm(deltas, axis=-1)
    along = (DIRECTIONAL.field(frames) * deltas).sum(-1) / magnitudes
    pole, equator = np.eye(32)[:2]
    on_sphere = along[:, None] * pole + np.sqrt(1 - along**2)[:, None] * equator
    surprise = (
        -stats.vonmises_fisher(pole, DIRECTIONAL.kappa).logpdf(on_sphere)
        - stats.lognorm(DIRECTIONAL.spread, scale=DIRECTIONAL.step).logpdf(magnitudes)
        + 31 * np.log(magnitudes)
    )
    claimed = dataset.meta.world["optimum"]["nll"]
    assert surprise.mean() == pytest.approx(claimed, abs=5 * surprise.std() / math.sqrt(len(surprise)))


def test_bessel_numbers_agree_with_the_expansions() -> None:
    kappa = torch.tensor(DIRECTIONAL.kappa, dtype=torch.float64)
    cosine = float(vmf_mean_resultant_length(32, kappa))
    assert cosine == pytest.approx(0.85, rel=1e-12)
    entropy = -float(vmf_log_normalizer(32, kappa)) - DIRECTIONAL.kappa * cosine
    assert directional.direction_entropy(32, DIRECTIONAL.kappa) == pytest.approx(entropy, rel=1e-10)


@pytest.mark.parametrize(("dim", "kappa"), [(3, 0.5), (32, DIRECTIONAL.kappa), (64, 2000.0)])
def test_sampler_follows_the_density(dim: int, kappa: float) -> None:
    draws = directional.vmf_cosines(dim, kappa, 20_000, np.random.default_rng(5))
    grid = np.linspace(-1, 1, 400_001)[1:-1]
    log_density = kappa * grid + (dim - 3) / 2 * np.log1p(-(grid**2))
    cumulative = integrate.cumulative_trapezoid(np.exp(log_density - log_density.max()), grid, initial=0)
    assert stats.kstest(draws, lambda t: np.interp(t, grid, cumulative / cumulative[-1])).pvalue > 1e-3


@pytest.mark.parametrize("name", LINEAR)
def test_linear_optimum_is_what_the_best_prediction_scores(name: str) -> None:
    """Conditional means by powers of the transition matrix, scored on simulated frames; the formulas use none
    of that."""
    world = WORLDS[name]
    transition = world.decay * world.rotation()
    path = world.simulate(8000, HORIZON + 1, np.random.default_rng(7))
    optimum = world.optimum(HORIZON)
    for k in range(1, HORIZON + 1):
        move = (transition - np.eye(world.dim)) @ np.linalg.matrix_power(transition, k - 1)
        truth, best = path[:, k] - path[:, k - 1], path[:, 0] @ move.T
        ratio = np.linalg.norm(best, axis=-1) / np.linalg.norm(truth, axis=-1)
        geometric = math.exp(np.log(np.maximum(ratio, 1e-3)).mean())
        assert geometric == pytest.approx(optimum.magnitude_ratio[k - 1], abs=0.005)
        if optimum.cos[k - 1] > 0:  # white noise: from the second step on there is no direction to predict
            assert _cosines(truth, best).mean() == pytest.approx(optimum.cos[k - 1], abs=0.01)
        else:
            np.testing.assert_array_equal(best, 0)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_entropy_and_information(name: str) -> None:
    world = WORLDS[name]
    path = world.simulate(400, 50, np.random.default_rng(8))
    residual = path[:, 1:] - world.decay * path[:, :-1] @ world.rotation().T
    spread = world.scale * math.sqrt(1 - world.decay**2)
    surprise = -stats.norm(scale=spread).logpdf(residual).sum(-1)
    marginal = -stats.norm(scale=world.scale).logpdf(path).sum(-1)
    optimum = world.optimum(HORIZON)
    assert surprise.mean() == pytest.approx(optimum.nll, abs=0.2)
    assert marginal.mean() - surprise.mean() == pytest.approx(optimum.predictive_information, abs=0.7)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_world_is_stationary_and_isotropic(name: str) -> None:
    world = WORLDS[name]
    path = world.simulate(4000, 12, np.random.default_rng(9))
    for t in (0, 11):
        covariance = path[:, t].T @ path[:, t] / len(path)
        np.testing.assert_allclose(covariance, world.scale**2 * np.eye(32), atol=0.12 * world.scale**2)


@pytest.mark.parametrize("name", LINEAR)
def test_the_model_of_a_linear_world_draws_by_the_law_of_what_comes_next(name: str) -> None:
    world = WORLDS[name]
    z_ND, next_ND = world.simulate(20_000, 2, np.random.default_rng(0)).swapaxes(0, 1)
    drawn_ND = world.model_step(z_ND, np.random.default_rng(1))
    with_past, drawn_with_past, own = (
        a_ND.T @ b_ND / (len(a_ND) * world.scale**2)
        for a_ND, b_ND in ((next_ND, z_ND), (drawn_ND, z_ND), (drawn_ND, drawn_ND))
    )
    np.testing.assert_allclose(drawn_with_past, with_past, atol=0.05)
    np.testing.assert_allclose(own, np.eye(world.dim), atol=0.05)


def test_white_noise_scores_070_and_smooth_far_less() -> None:
    white, smooth, gaussian = (WORLDS[name].optimum(HORIZON) for name in ("white", "smooth", "gaussian"))
    assert white.one_step_cosine == pytest.approx(0.70, abs=0.02)
    assert white.predictive_information == 0
    assert smooth.one_step_cosine < white.one_step_cosine / 4
    assert smooth.predictive_information > gaussian.predictive_information > 20


def test_loud_white_frames_are_independent_and_as_likely_as_claimed() -> None:
    """The claimed entropy is the mean surprise of simulated frames under a mean of Gaussians that is worked
    out here; a full Gaussian loses nats to it.
    """
    world = WORLDS["loud_white"]
    frames = world.simulate(60, 200, np.random.default_rng(3))
    flat = frames.reshape(-1, world.dim)
    covariance = world.shape @ world.shape.T
    assert np.linalg.cond(world.shape) == pytest.approx(100)
    assert world.scale == pytest.approx(math.sqrt((flat**2).mean()), rel=0.05)
    loudness = np.exp(world.spread * stats.norm.ppf((np.arange(300) + 0.5) / 300))
    parts = [stats.multivariate_normal(cov=s**2 * covariance).logpdf(flat[::4]) for s in loudness]
    surprise = math.log(300) - np.logaddexp.reduce(parts, 0)
    claimed = world.optimum(HORIZON).nll
    assert surprise.mean() == pytest.approx(claimed, abs=4 * surprise.std() / math.sqrt(len(surprise)))
    gaussian = stats.multivariate_normal(cov=np.cov(flat.T)).logpdf(flat)
    assert -gaussian.mean() > claimed + 8
    loud = np.log(np.linalg.norm(frames, axis=-1))
    assert abs(np.corrcoef(loud[:, 1:].ravel(), loud[:, :-1].ravel())[0, 1]) < 0.05
    assert np.abs(np.corrcoef(frames[:, 1:, 0].ravel(), frames[:, :-1, 0].ravel())[0, 1]) < 0.05


def test_the_first_step_of_loud_white_is_what_jumping_to_the_mean_scores() -> None:
    """The mean of frames, 0, is where mean feedback goes; another direction can hardly do better."""
    world = WORLDS["loud_white"]
    frames = world.simulate(20_000, 2, np.random.default_rng(4))
    truth, jump = frames[:, 1] - frames[:, 0], -frames[:, 0]
    optimum = world.optimum(HORIZON)
    ratio = np.linalg.norm(jump, axis=-1) / np.linalg.norm(truth, axis=-1)
    assert math.exp(np.log(ratio).mean()) == pytest.approx(optimum.magnitude_ratio[0], abs=0.03)
    assert _cosines(truth, jump).mean() == pytest.approx(optimum.cos[0], abs=0.02)
    assert optimum.cos[1:] == optimum.magnitude_ratio[1:] == [0.0] * (HORIZON - 1)


def test_mean_cosine_of_white_noise_in_512_dimensions() -> None:
    assert linear.mean_cosine(512, math.sqrt(0.5)) == pytest.approx(0.7067, abs=1e-4)


def _utterance_frames(dataset: LatentDataset, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames [N, D], their deltas [N, D], and whether the next row is the next frame of the same
    utterance."""
    frames, offsets = _frames(dataset, split)
    inside = np.ones(len(frames), bool)
    inside[offsets[1:] - 1] = False
    rows = inside.nonzero()[0]
    return frames[rows], frames[rows + 1] - frames[rows], np.diff(rows, append=-1) == 1


def _frames(dataset: LatentDataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    (table,) = dataset.tables(split)
    frames, offsets = latent_frames(table["latents"])
    return frames.astype(np.float64), offsets


def _rollouts(dataset: LatentDataset, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True deltas [W, K, D], those of the true field under mean feedback, and the first direction [W, D]."""
    frames, offsets = _frames(dataset, split)
    pairs = zip(offsets[:-1], offsets[1:], strict=True)
    starts = np.concatenate([np.arange(a + 15, b - HORIZON, HORIZON) for a, b in pairs])
    truth = np.stack([frames[starts + k + 1] - frames[starts + k] for k in range(HORIZON)], 1)
    length = DIRECTIONAL.cosine * DIRECTIONAL.step * math.exp(DIRECTIONAL.spread**2 / 2)
    state, rolled = frames[starts], []
    for _ in range(HORIZON):
        rolled.append(length * DIRECTIONAL.field(state))
        state = state + rolled[-1]
    return truth, np.stack(rolled, 1), DIRECTIONAL.field(frames[starts])


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
