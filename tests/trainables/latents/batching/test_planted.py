"""Plants have the sizes of the frames they stand for, and the optimum that they claim."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.planted import (
    FrameStatistics,
    PlantWorld,
    State,
    directions,
    plants_of,
)
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import PLANTS, Surrogate
from trainables.predictor.config import Lane
from trainables.predictor.evaluation.options import FREE_RUNS
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

SUCCESS, FAILURE = 0.6, 0.3  # of the direction that is kept, by the study vmf_vs_mdn
HORIZON = 16
ARMS = {
    "mdn": {"head": "mdn", "components": 4},
    "vmf": {"head": "vmf", "kappa_prior": 1e-3, "kappa_prior_ratio": 1.5},
}


def speech_like(dim: int, utterances: int = 24, frames: int = 300) -> list[np.ndarray]:
    """Frames as codecs give them: few loud axes, many quiet ones, and steps that loudness makes long."""
    rng = np.random.default_rng(dim)
    sizes_D = np.sqrt(np.r_[8.0, 3.0, np.linspace(1.0, 0.2, dim - 2)])
    axes_DD = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    paths = []
    for _ in range(utterances):
        z_D, loudness, path = rng.standard_normal(dim), 0.0, []
        for _ in range(frames):
            loudness = 0.95 * loudness + 0.2 * rng.standard_normal()
            kept = np.exp(-0.5 * np.exp(loudness))
            z_D = kept * z_D + np.sqrt(1 - kept**2) * rng.standard_normal(dim)
            path.append(1.0 + (z_D * sizes_D) @ axes_DD.T)
        paths.append(np.stack(path))
    return paths


@pytest.fixture(scope="module")
def frames_of() -> Callable[[int], list[np.ndarray]]:
    made: dict[int, list[np.ndarray]] = {}
    return lambda dim: made.setdefault(dim, speech_like(dim))


@pytest.fixture(scope="module")
def plants(frames_of: Callable[[int], list[np.ndarray]]) -> dict[Surrogate, PlantWorld]:
    return plants_of(frames_of(64))


@pytest.mark.parametrize("dim", [3, 16, 64])
def test_plants_have_the_covariance_and_the_step_lengths_of_the_frames(frames_of, dim: int) -> None:
    own = FrameStatistics.of(frames_of(dim))
    for world in plants_of(frames_of(dim)).values():
        rng = np.random.default_rng(1)
        made = FrameStatistics.of(world.simulate(150, rng) for _ in range(400))
        off = np.linalg.norm(made.covariance_DD - own.covariance_DD) / np.linalg.norm(own.covariance_DD)
        assert off < 0.1
        assert np.allclose(made.mean_D, own.mean_D, atol=0.2)
        if dim > 3:  # a step of few dimensions varies more by itself than its lengths may
            middle = slice(26, 231, 12)  # probabilities from 0.1 to 0.9
            assert np.allclose(made.lengths_Q[middle], own.lengths_Q[middle], rtol=0.15)


def test_lengths_that_are_thinned_as_they_come_are_the_same(monkeypatch) -> None:
    monkeypatch.setattr("trainables.latents.batching.planted._MOST_LENGTHS", 50)
    rng = np.random.default_rng(0)
    utterances = [rng.normal(size=(n, 3)) for n in (40, 1, 97, 2, 160, 5)]
    counted = FrameStatistics.of(utterances, sum(len(frames) - 1 for frames in utterances))
    assert np.array_equal(counted.lengths_Q, FrameStatistics.of(utterances).lengths_Q)


def test_one_optimum_lies_above_success_and_one_below_failure(plants) -> None:
    kept, lost = (plants[plant].optimum(HORIZON) for plant in PLANTS)
    assert 0.9 * min(kept.cos) > SUCCESS
    assert lost.cos[0] > SUCCESS and lost.cos[-1] + 5 * lost.errors[-1] < FAILURE
    assert max(*kept.errors, *lost.errors) < 0.005
    assert kept.cos[-1] == pytest.approx(plants[Surrogate.KEPT].optimum(HORIZON, seed=1).cos[-1], abs=0.015)


@pytest.mark.parametrize("plant", PLANTS)
def test_the_true_mean_direction_reaches_the_optimum_and_no_more(plants, plant: Surrogate) -> None:
    """Directions that were averaged over half of the continuations of each start predict the other half."""
    world, rng, reached = plants[plant], np.random.default_rng(3), []
    for _ in range(80):
        start = world.start(1, rng)
        each = State(*(np.repeat(part, 512, axis=0) for part in vars(start).values()))
        unit_KND = directions(world.walk(each, HORIZON + 1, rng))
        predicted_KD = unit_KND[:, ::2].mean(1)
        predicted_KD /= np.linalg.norm(predicted_KD, axis=-1, keepdims=True)
        reached.append((unit_KND[:, 1::2].mean(1) * predicted_KD).sum(-1))
    reached_SK, best = np.array(reached), world.optimum(HORIZON)
    error_K = np.hypot(reached_SK.std(0) / np.sqrt(len(reached_SK)), best.errors)
    # An average of 256 directions is off by a twentieth part of what none of them knows.
    assert (np.abs(reached_SK.mean(0) - best.cos) < 4 * error_K + 0.015).all()


def test_a_plant_depends_on_the_utterance_s_name_alone(plants, frames_of) -> None:
    table = {f"s-{u}": frames for u, frames in enumerate(frames_of(64)[:3])}
    asked = (Surrogate.REAL, *PLANTS)
    whole, part = (
        Shard.from_tables(
            [utterance_table(frames)], rms=1.0, lattice_step=None, surrogates=asked, plants=plants
        )
        for frames in (table, {"s-1": table["s-1"]})
    )
    begin, end = whole.offsets[1:3]
    assert torch.equal(whole.frames_SND[:, begin:end], part.frames_SND)
    assert not torch.allclose(part.frames_SND[1], part.frames_SND[2])
    assert not torch.allclose(whole.frames_SND[1, :300], whole.frames_SND[1, 300:600])
    again = Shard.from_tables([utterance_table(table)], rms=1.0, lattice_step=None, surrogates=(asked[0],))
    assert torch.equal(whole.frames_SND[0], again.frames_SND[0]), "real frames are as they were"


def test_frames_that_leave_too_little_room_get_a_plant_with_a_lower_optimum() -> None:
    """Frames that are white in many dimensions: steps so long leave a path no variance to go round in."""
    rng = np.random.default_rng(0)
    world = PlantWorld.fitted(FrameStatistics.of([rng.standard_normal((4000, 128))]))
    assert 0.1 < world.share < 0.7
    assert world.optimum(2).cos[-1] < 0.8
    assert (world.rest_D >= 0).all()


@pytest.mark.parametrize(("shape", "word"), [((1, 4), "two frames"), ((9, 1), "dimension")])
def test_frames_in_which_nothing_can_be_planted_are_refused(shape: tuple[int, int], word: str) -> None:
    with pytest.raises(InputError, match=word):
        FrameStatistics.of([np.ones(shape)])


def trained(plants, frames, arm: str, lanes: list[Lane], **settings: object) -> list[Scores]:
    """Scores of an arm at D = 64 on the plants of its frames, by lane."""
    feeds = [
        Feed(
            lambda own=own, split=split: [
                utterance_table({f"{split}-{i:02d}": f for i, f in enumerate(own)})
            ],
            rms=1.0,
            lattice_step=None,
            frame_rate=50.0,
            surrogates=(Surrogate.REAL, *PLANTS),
            plants=plants,
        )
        for split, own in (("train", frames), ("test", frames[:6]))
    ]
    config = LaneConfig.of({**ARMS[arm], "rollout": 8, "steps": 60, "marginal_steps": 20, **settings})
    results = train_pack(
        config.structure, lanes, *feeds, SoloContext(), evaluate_each_epoch=False, final=FREE_RUNS
    )
    assert all(result.status == LaneStatus.FINISHED for result in results)
    return [Scores.from_json(result.scores or {}) for result in results]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(1,), pytest.param((2, 3), marks=pytest.mark.soak)], ids=str)
@pytest.mark.parametrize(
    "arm", [pytest.param(arm, marks=pytest.mark.soak if arm == "mdn" else ()) for arm in ARMS]
)
def test_each_arm_finds_the_plant_that_is_kept_and_loses_the_other_on_every_seed(
    plants, frames_of, arm: str, seeds: tuple[int, ...]
) -> None:
    lanes = [Lane(seed=seed, surrogate=plant) for plant in PLANTS for seed in seeds]
    scores = trained(plants, frames_of(64), arm, lanes)
    cosines = [each.value(f"cos@{HORIZON}") for each in scores]
    best = plants[Surrogate.KEPT].optimum(HORIZON).cos[-1]
    assert min(cosines[: len(seeds)]) > max(0.9 * best, SUCCESS)
    assert max(cosines[len(seeds) :]) < FAILURE


@pytest.mark.slow
def test_an_arm_that_was_crippled_does_not_find_the_plant(plants, frames_of) -> None:
    lane = Lane(seed=1, surrogate=Surrogate.KEPT, learning_rate=1e-6)
    (scores,) = trained(plants, frames_of(64), "vmf", [lane], teacher_epochs=1, rollout_epochs=1)
    assert scores.value(f"cos@{HORIZON}") < 0.5 * SUCCESS


def test_slips_are_all_that_tells_the_plants_apart(plants) -> None:
    kept, lost = (plants[plant] for plant in PLANTS)
    assert kept.slip == 0 < lost.slip
    assert np.allclose(kept.prototypes_PD, replace(lost, slip=0).prototypes_PD)
