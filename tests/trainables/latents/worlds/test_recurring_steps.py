"""Steps recur in `postures`, and nobody else's recur in `postures_of_speakers`: by clusters of directions."""

from __future__ import annotations

import math

import faiss
import numpy as np
import pytest
from scipy import stats

from trainables.latents.worlds.catalogue import HORIZON, WORLDS
from trainables.latents.worlds.postures import mean_direction

CLUSTERS = 256
POSTURES = WORLDS["postures"]
OF_SPEAKERS = WORLDS["postures_of_speakers"]
SPEAKERS = {"train": 12, "test": 3}


def test_every_posture_has_three_others_behind_and_before_it() -> None:
    following = POSTURES.following
    assert all(len({own, *others}) == 4 for own, others in enumerate(following.tolist()))
    np.testing.assert_array_equal(np.bincount(following.ravel()), 3)


def test_the_mean_of_projected_gaussians_is_their_formula() -> None:
    mean = np.array([0.5, -1.0, 2.0, 0.0, 0.3])
    draws = mean + 1.3 * np.random.default_rng(1).standard_normal((200_000, 5))
    directions = draws / np.linalg.norm(draws, axis=1, keepdims=True)
    np.testing.assert_allclose(mean_direction(mean, 1.3), directions.mean(0), atol=0.005)


def test_what_follows_a_posture_scores_the_optimum() -> None:
    """Directions guessed by counting what came after each posture elsewhere; the formulas count nothing."""
    rng = np.random.default_rng(2)
    optimum = POSTURES.optimum(HORIZON)
    learnt, held = (POSTURES.simulate(count, 60, rng) for count in (300, 60))
    for k in (2, 3):
        (state, direction), (other, truth) = (_steps_after(path, k) for path in (learnt, held))
        guesses = np.stack([direction[state == p].mean(0) for p in range(POSTURES.count)])[other]
        scored = ((guesses * truth).sum(1) / np.linalg.norm(guesses, axis=1)).mean()
        assert scored == pytest.approx(optimum.cos[k - 1], abs=0.02)
    state, _ = _steps_after(held, 1)
    start, truth = held[:, :-1].reshape(-1, 64), np.diff(held, axis=1).reshape(-1, 64)
    towards = mean_direction(POSTURES.postures[POSTURES.following[state]] - start[:, None], 0.25).mean(1)
    cosine = (towards * truth).sum(1) / np.linalg.norm(towards, axis=1) / np.linalg.norm(truth, axis=1)
    assert cosine.mean() == pytest.approx(optimum.one_step_cosine, abs=0.01)
    assert optimum.predictive_information == pytest.approx(math.log(32))


def test_claimed_entropy_of_a_step_is_the_surprise_of_simulated_ones() -> None:
    path = POSTURES.simulate(100, 30, np.random.default_rng(3))
    state, _ = _steps_after(path, 1)
    following = POSTURES.postures[POSTURES.following[state]]
    log_density = stats.norm(scale=0.25).logpdf(path[:, 1:].reshape(-1, 1, 64) - following).sum(-1)
    surprise = math.log(3) - np.logaddexp.reduce(log_density, axis=1)
    assert surprise.mean() == pytest.approx(POSTURES.optimum(HORIZON).nll, abs=0.4)


def test_directions_of_postures_are_tight_clusters_that_hold_for_others() -> None:
    tight, accuracy, independence = _clusters(_speakers(None))
    tight_white, *_ = _clusters([_shuffled(each) for each in _speakers(None)])
    assert tight["test"] == pytest.approx(0.936, abs=0.025)
    assert tight_white["test"] == pytest.approx(0.741, abs=0.02)
    assert accuracy > 0.85
    assert independence > 0.9


def test_clusters_of_speakers_of_their_own_hold_for_nobody_else() -> None:
    tight, accuracy, independence = _clusters(_speakers(OF_SPEAKERS))
    assert tight["train"] - tight["test"] > 0.08
    assert tight["test"] == pytest.approx(0.37, abs=0.03)
    assert accuracy < 0.2
    assert independence < 0.4


def _speakers(own: object) -> list[np.ndarray]:
    """Utterances [4, 200, 64] of every speaker, first those to train on."""
    children = np.random.default_rng(4).spawn(sum(SPEAKERS.values()))
    return [(own.speaker(rng) if own else POSTURES).simulate(4, 200, rng) for rng in children]


def _shuffled(utterances: np.ndarray) -> np.ndarray:
    """Each utterance in an order of its own."""
    rng = np.random.default_rng(5)
    return np.stack([rng.permutation(frames) for frames in utterances])


def _steps_after(path: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The posture of each frame, and the direction [., 64] of the k-th step from it."""
    gaps = (POSTURES.postures**2).sum(1) - 2 * path @ POSTURES.postures.T
    steps = np.diff(path, axis=1)
    directions = steps / np.linalg.norm(steps, axis=-1, keepdims=True)
    return gaps.argmin(-1)[:, :-k].ravel(), directions[:, k - 1 :].reshape(-1, path.shape[-1])


def _clusters(speakers: list[np.ndarray]) -> tuple[dict[str, float], float, float]:
    """Tightness by split, accuracy across halves of the speakers, and that over halves of utterances."""
    directions = [np.diff(each, axis=1) for each in speakers]
    train, test = directions[: SPEAKERS["train"]], np.concatenate(directions[SPEAKERS["train"] :])
    axes = _principal_axes(_flat(np.concatenate(train)))
    held = _unit(_flat(test) @ axes)
    by_speaker = [_unit(_flat(each) @ axes) for each in train]
    early = [_unit(_flat(each[:, :100]) @ axes) for each in train]
    late = [_unit(_flat(each[:, 100:]) @ axes) for each in train]
    fitted = np.concatenate(by_speaker)
    centroids = _spherical_kmeans(fitted)
    tight = {"train": (fitted @ centroids.T).max(1).mean(), "test": (held @ centroids.T).max(1).mean()}
    half = len(train) // 2
    accuracy = _agreement(np.concatenate(by_speaker[:half]), np.concatenate(by_speaker[half:]), held)
    within = _agreement(np.concatenate(early), np.concatenate(late), held)
    return tight, accuracy, accuracy / within


def _agreement(one: np.ndarray, other: np.ndarray, held: np.ndarray) -> float:
    """The share of directions that go to the same cluster after the other half took over its centroids."""
    first = _spherical_kmeans(one)
    second = _spherical_kmeans(other, first)
    return float(((held @ first.T).argmax(1) == (held @ second.T).argmax(1)).mean())


def _spherical_kmeans(directions: np.ndarray, begin: np.ndarray | None = None) -> np.ndarray:
    kmeans = faiss.Kmeans(
        directions.shape[1], CLUSTERS, spherical=True, niter=15, seed=1, min_points_per_centroid=1
    )
    kmeans.train(directions, init_centroids=begin)
    centroids: np.ndarray = kmeans.centroids
    return centroids


def _principal_axes(steps: np.ndarray) -> np.ndarray:
    """Directions that hold 90 % of the variance of directions."""
    values, vectors = np.linalg.eigh(np.cov(_unit(steps).T))
    kept = np.searchsorted(values[::-1].cumsum() / values.sum(), 0.9) + 1
    return vectors[:, ::-1][:, :kept]


def _flat(steps: np.ndarray) -> np.ndarray:
    return _unit(steps.reshape(-1, steps.shape[-1]))


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / lengths, np.float32)
