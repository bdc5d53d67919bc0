"""Components of steps whose kinds are known: what they explain, and which steps stand for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainables.analysis.synthetic import feed
from trainables.analysis.mixture_components import (
    acoustics,
    archetype_steps,
    component_steps,
    exemplars,
    explained,
    profiles,
    shuffled,
)
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Lane, Structure
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

DIM, FRAMES, SPEAKERS = 4, 240, 6
RATE = 50.0


def _paths(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Walks [count, T, D] that step down or, one time in three, twice as far up; and which [count, T - 1]."""
    rng = np.random.default_rng(seed)
    kind = (rng.random((count, FRAMES - 1)) < 1 / 3).astype(int)
    step = np.array([-1.0, 2.0])[kind][..., None] * np.eye(DIM)[0]
    step = step + 0.1 * rng.standard_normal(step.shape)
    path = np.concatenate([np.zeros((count, 1, DIM)), step.cumsum(1)], 1)
    return path, kind


@pytest.fixture(scope="module")
def world() -> tuple[Feed, Feed, np.ndarray]:
    held_out, kind = _paths(SPEAKERS, 2)
    return feed(_paths(12, 1)[0], "a"), feed(held_out, "b"), kind


def _tracks(kind: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """The second kind of step jumps up by a fifth and is bright; loudness has nothing to do with it."""
    rng, tracks = np.random.default_rng(5), {}
    for i, own in enumerate(kind):
        ups = np.concatenate([[0], 7 * own.cumsum()])
        flux = np.concatenate([[0], 0.1 + 0.5 * own])
        f0 = 1e-3 * 2 ** (ups / 12)
        f0[40:60] = 0
        tracks[f"b{i}-0"] = {"energy": rng.standard_normal(FRAMES), "f0": f0, "spectral_flux": flux}
    return tracks


def _kinds(steps, kind: np.ndarray) -> np.ndarray:
    speaker = np.array([int(name[1:]) for name in steps.speaker_N])
    return kind[speaker, steps.place_N]


@pytest.fixture(scope="module")
def learnt(world):
    train, held_out, _ = world
    structure = Structure(
        head="mdn",
        width=8,
        context=4,
        horizon=8,
        components=2,
        steps=60,
        teacher_epochs=4,
        rollout_epochs=0,
        marginal_steps=1,
        dtype="float64",
    )
    (result,) = train_pack(
        structure,
        [Lane(seed=1, learning_rate=0.02)],
        train,
        held_out,
        SoloContext(),
        evaluate_each_epoch=True,
    )
    return component_steps(structure, result.state, held_out)


def test_components_of_a_trained_mixture_are_the_kinds_of_steps(learnt, world) -> None:
    kinds = _kinds(learnt, world[2])
    table = np.stack([np.bincount(learnt.primary[kinds == k], minlength=2) for k in (0, 1)])
    assert table.max(0).sum() / table.sum() > 0.95  # hardly a component mixes kinds
    assert set(learnt.labels) == {"responsibility", "gating"}
    # Which kind comes next cannot be foreseen: the gating knows no more than the most frequent one.
    gating = np.stack([np.bincount(learnt.labels["gating"][kinds == k], minlength=2) for k in (0, 1)])
    assert gating.max(0).sum() / gating.sum() < 0.75


def test_archetypes_are_the_kinds_of_steps_too(world) -> None:
    train, held_out, kind = world
    steps = archetype_steps(train, held_out, 2)
    table = np.stack([np.bincount(steps.primary[_kinds(steps, kind) == k], minlength=2) for k in (0, 1)])
    assert table.max(0).sum() / table.sum() > 0.99
    assert len(steps.place_N) == SPEAKERS * (FRAMES - 1) and list(steps.labels) == ["nearest"]


def test_they_explain_what_they_cause_and_nothing_else(learnt, world) -> None:
    features = acoustics(learnt, _tracks(world[2]))
    kinds = _kinds(learnt, world[2])
    voiced = np.isfinite(features["pitch_change"])
    np.testing.assert_allclose(features["pitch_change"][voiced], 7 * kinds[voiced], atol=1e-6)
    own, random = (explained(learnt, features, labels, RATE) for labels in (learnt.primary, shuffled(learnt)))
    assert own.value("spectral_flux") > 0.8 and own.value("pitch_change") > 0.8
    assert own.value("energy_change") < 0.02
    assert all(random.value(name) < 0.02 for name in random.sums)


def test_a_profile_is_the_mean_of_its_steps_and_shares_add_up(learnt, world) -> None:
    features = acoustics(learnt, _tracks(world[2]))
    found = profiles(learnt, features, learnt.primary, RATE)
    assert sum(own.value("share") for own in found) == pytest.approx(1)
    assert sum(own.value("movement") for own in found) == pytest.approx(1)
    largest = int(np.bincount(learnt.primary).argmax())
    mine = learnt.primary == largest
    assert found[largest].value("energy") == pytest.approx(features["energy"][mine].mean())
    assert found[largest].value("pitch_change") == pytest.approx(np.nanmean(features["pitch_change"][mine]))
    assert found[largest].value("onset") == pytest.approx(np.nanmean(features["onset"][mine]))


def test_random_groups_have_the_same_sizes_in_every_utterance(learnt) -> None:
    random = shuffled(learnt)
    for utterance in np.unique(learnt.utterance_N):
        own = learnt.utterance_N == utterance
        assert np.array_equal(
            np.bincount(random[own], minlength=2), np.bincount(learnt.primary[own], minlength=2)
        )
    assert not np.array_equal(random, learnt.primary)


def test_what_is_not_known_is_not_measured(learnt) -> None:
    nothing = np.full(FRAMES, np.nan)
    tracks = {f"b{i}-0": dict.fromkeys(("energy", "f0", "spectral_flux"), nothing) for i in range(SPEAKERS)}
    features = acoustics(learnt, tracks)
    assert set(profiles(learnt, features, learnt.primary, RATE)[0].sums) == {"share", "movement", "magnitude"}
    assert set(explained(learnt, features, learnt.primary, RATE).sums) == {"magnitude"}


def test_exemplars_are_of_different_speakers_and_have_room(learnt) -> None:
    lengths = {f"b{i}-0": FRAMES for i in range(SPEAKERS)}
    largest = int(np.bincount(learnt.primary).argmax())
    rows = exemplars(learnt, largest, 3, 15, lengths)
    assert len(rows) == 3 == len({learnt.speaker_N[row] for row in rows})
    for row in rows:
        assert learnt.primary[row] == largest and 15 <= learnt.place_N[row] <= FRAMES - 16
        assert learnt.typical_N[row] > 0.9
    mean = learnt.delta_ND[learnt.primary == largest].mean(0)
    assert all(torch.cosine_similarity(learnt.delta_ND[row], mean, 0) > 0 for row in rows)
    assert exemplars(learnt, largest, 3, FRAMES, lengths) == []
