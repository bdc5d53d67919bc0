"""Archetypes of worlds in which it is known whether directions recur, and for whom."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.trainables.small_data import feed_of_paths
from trainables.analysis.archetype_acoustics import AcousticMeans, shifted_features, step_features
from trainables.analysis.archetype_clusters import nearest, principal_directions, projected
from trainables.analysis.direction_table import PAST, DirectionTable
from trainables.analysis.membership import Membership
from trainables.contract import Evaluation
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import Scores
from trainables.training_context import SoloContext

DIM, POSTURES, SUCCESSORS = 16, 12, 2  # 24 directions
CONFIG = LaneConfig.of({"trainable": "archetypes", "clusters": 24, "rounds": 10, "regression_steps": 500})


def wandering(rng: np.random.Generator, frames: int = 150, own: int = 0) -> np.ndarray:
    """Utterances [U, T, D] that go from posture to posture: of everyone, or of speaker ``own`` alone."""
    world = np.random.default_rng(own)
    postures, following = (
        world.normal(size=(POSTURES, DIM)),
        world.permuted(np.tile(np.arange(POSTURES), (POSTURES, 1)), axis=1),
    )
    states = np.empty((4, frames), int)
    states[:, 0] = rng.integers(POSTURES, size=4)
    for t in range(1, frames):
        chosen = following[states[:, t - 1], rng.integers(SUCCESSORS, size=4)]
        states[:, t] = np.where(chosen == states[:, t - 1], (chosen + 1) % POSTURES, chosen)
    return postures[states] + 0.15 * rng.normal(size=(4, frames, DIM))


def world(split: str, speakers: int, shared: bool) -> Feed:
    paths = {}
    for i in range(speakers):
        rng = np.random.default_rng([len(split), i])
        paths[f"{split}-{i}"] = wandering(rng, own=0 if shared else 1000 * len(split) + i + 1)
    return feed_of_paths(paths)


def values(shared: bool, surrogate: Surrogate = Surrogate.REAL) -> Scores:
    train, judged = world("train", 10, shared), world("judged", 4, shared)
    lane = (CONFIG | {"surrogate": surrogate}).lane
    evaluation = Evaluation(judged=judged, held_out=judged, exploring=False)
    (result,) = CONFIG.trainable.train(CONFIG.structure, [lane], train, evaluation, SoloContext())
    return Scores.from_json(result.scores or {})


def test_postures_of_everyone_are_found_and_beat_both_surrogates() -> None:
    real, white, gaussian = (values(True, name) for name in ("real", "white", "gaussian"))
    for metric, least in (("mean_cluster_cosine", 0.8), ("cross_speaker_accuracy", 0.8)):
        assert real.value(metric) > max(least, white.value(metric), gaussian.value(metric)), metric
    assert real.value("speaker_independence") > 0.9
    # 12 postures, each followed by one of two: the past tells which of 12 pairs comes, ln 12 nats.
    assert real.value("membership_information") == pytest.approx(math.log(12), abs=0.6)
    assert real.value("clusters") == 24


def test_exemplars_are_of_different_speakers_and_have_frames_around_them() -> None:
    train, judged = world("train", 4, True), world("judged", 4, True)
    evaluation = Evaluation(judged=judged, held_out=judged, exploring=False)
    (result,) = CONFIG.trainable.train(CONFIG.structure, [CONFIG.lane], train, evaluation, SoloContext())
    exemplars = result.details["exemplars"]
    assert len({e["cluster"] for e in exemplars}) == 6
    for cluster in {e["cluster"] for e in exemplars}:
        speakers = [e["speaker_id"] for e in exemplars if e["cluster"] == cluster]
        assert len(set(speakers)) == len(speakers) <= 3
    assert all(15 <= e["frame"] < 150 - 15 for e in exemplars)
    assert len(result.details["map"]) == 24 and result.details["profile"] == {}


def test_postures_of_each_speaker_hold_for_nobody_else() -> None:
    scores = values(False)
    assert scores.value("mean_cluster_cosine") < 0.6
    assert scores.value("speaker_independence") < 0.6


def table(features: int = 60) -> DirectionTable:
    rng = np.random.default_rng(0)
    feed = feed_of_paths({name: rng.normal(size=(2, features, 3)) for name in ("a", "b")})
    return DirectionTable.of_feed(feed, 0, 10**6)


def test_a_table_holds_every_step_with_its_past() -> None:
    paths = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float16).astype(np.float64)
    found = DirectionTable.of_feed(feed_of_paths({"a": paths}), 0, 10**6)
    assert found.steps_U.tolist() == [5, 5] and found.place_N.tolist() == [*range(5)] * 2
    step, row = paths[1, 7] - paths[1, 6], 5 + 3
    np.testing.assert_allclose(found.unit_ND[row], step / np.linalg.norm(step), rtol=1e-5)
    np.testing.assert_allclose(found.past_NI[row], paths[1, 6:2:-1].ravel(), rtol=1e-6)
    assert len(DirectionTable.of_feed(feed_of_paths({"a": paths}), 0, 4).unit_ND) in (3, 4)


def test_principal_directions_keep_the_share_that_is_asked_for() -> None:
    rng = np.random.default_rng(2)
    unit = rng.normal(size=(4000, 6)) * [3, 2, 1, 0.1, 0.1, 0.1]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    basis = principal_directions(unit, 0.9)
    kept = np.square(unit @ basis).sum() / len(unit)
    fewer = np.square(unit @ basis[:, :-1]).sum() / len(unit)
    assert kept >= 0.9 > fewer
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    lengths = np.linalg.norm(projected(unit.astype(np.float32), basis), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    assert principal_directions(unit, 1.0).shape == (6, 6)


def test_the_nearest_centroid_is_that_of_the_greatest_cosine() -> None:
    labels, cosines = nearest(np.eye(3, dtype=np.float32), np.array([[0, 1, 0], [1, 0, 0.0]], np.float32))
    assert labels.tolist()[:2] == [1, 0] and cosines[:2].tolist() == [1, 1]


def test_clusters_explain_what_follows_them_and_nothing_of_shifted_tracks() -> None:
    steps = table(400)
    labels = (steps.place_N % 3).astype(np.int64)
    rng = np.random.default_rng(3)
    tracks = {}
    for name, count in zip(steps.utterances, steps.steps_U, strict=True):
        flux = np.zeros(count + PAST)
        flux[PAST:] = np.arange(count) % 3
        f0, energy = np.where(rng.random(len(flux)) < 0.5, 0.0, 100.0), rng.normal(size=len(flux))
        tracks[name] = {"spectral_flux": flux, "f0": f0, "energy": energy}
    features = step_features(steps, tracks)
    means = AcousticMeans.of(features, labels, 3)
    assert means is not None
    gain, about = means.explained(features, labels)
    shares = gain.sum(0) / np.maximum(about.sum(0), 1e-12)
    assert shares[0] == pytest.approx(1) and abs(shares[2]) < 0.05
    assert np.isnan(features[:, 1]).mean() > 0.5, "pitch changes from voiced to voiced frames only"
    shifted = list(shifted_features(steps, tracks))
    assert len(shifted) == 4 and all(np.isfinite(part[:, 0]).all() for part in shifted)
    assert AcousticMeans.of(np.full((9, 3), np.nan), np.zeros(9, int), 3) is None


def test_tracks_too_short_to_shift_are_unknown() -> None:
    steps = table(30)
    tracks = {
        name: {track: np.arange(30.0) + 1 for track in ("spectral_flux", "f0", "energy")}
        for name in steps.utterances
    }
    assert np.isfinite(step_features(steps, tracks)).all()
    assert all(np.isnan(part).all() for part in shifted_features(steps, tracks))
    assert np.isnan(step_features(steps, {})).all()


def test_membership_is_information_beyond_frequencies() -> None:
    rng = np.random.default_rng(4)
    past, noise = rng.normal(size=(6000, 2)), rng.normal(size=(6000, 2))
    labels = (past[:, 0] > 0).astype(np.int64)
    told = Membership.fit(past, labels, 2, 1000, 0).information(past, labels).mean()
    assert 0.5 < told < math.log(2)
    fresh = rng.normal(size=(6000, 2))
    assert abs(Membership.fit(noise, labels, 2, 1000, 0).information(fresh, labels).mean()) < 0.01


def test_too_few_steps_or_speakers_are_refused() -> None:
    train = feed_of_paths({"a": np.random.default_rng(5).normal(size=(1, 20, 3))})
    evaluation = Evaluation(judged=train, held_out=train, exploring=True)
    with pytest.raises(InputError, match="training speakers are 1"):
        CONFIG.trainable.train(CONFIG.structure, [CONFIG.lane], train, evaluation, SoloContext())
    two = feed_of_paths({name: np.random.default_rng(6).normal(size=(1, 20, 3)) for name in "ab"})
    with pytest.raises(InputError, match="clusters is 24, but only 16 steps"):
        CONFIG.trainable.train(CONFIG.structure, [CONFIG.lane], two, evaluation, SoloContext())
