"""Heads known by samples reach the energy score of worlds whose own is known; those of one mode do not."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.small_data import feed_of_paths
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.worlds.catalogue import WORLDS
from trainables.latents.worlds.driven import Driven
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluation.options import EvaluationOptions
from trainables.predictor.evaluation.proper_scores import energy_score
from trainables.predictor.scores import Scores
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

CONTEXT, HORIZON = 2, 4
RECOMMENDED: dict[str, dict[str, Any]] = {
    "energy": {},
    "diffusion": {},
    "mean_flow": {},
    "flow_matching": {"draws": 4, "noise_law": "logit_normal", "solver_steps": 16},
}
SOAKED = [pytest.param(head, marks=pytest.mark.soak) for head in RECOMMENDED if head != "energy"]


def world(name: str) -> Driven:
    found = WORLDS[name]
    assert isinstance(found, Driven)
    return found


@cache
def feeds(name: str) -> tuple[Feed, Feed]:
    """What to learn from, and what to be judged on."""
    train, test = (
        feed_of_paths(
            {f"s{i}": path[None] for i, path in enumerate(world(name).simulate(24, 400, rng))},
            [Surrogate.REAL],
        )
        for rng in map(np.random.default_rng, (0, 1))
    )
    return train, test


@cache
def own_scores(name: str) -> np.ndarray:
    """The energy score of the world's own forecast at each step, [K], on the windows of the heads."""
    shard, rng = feeds(name)[1].shard(0), np.random.default_rng(5)
    frames, (starts, _) = shard.frames_SND[0].numpy(), shard.evaluation_windows(CONTEXT, HORIZON)
    now, scores = np.repeat(frames[starts + CONTEXT - 1], 64, 0), []
    for k in range(HORIZON):
        now = world(name).following(now, rng)
        runs = torch.from_numpy(now).reshape(len(starts), 64, -1).transpose(0, 1)
        scores.append(float(energy_score(runs, torch.from_numpy(frames[starts + CONTEXT + k])).mean()))
    return np.array(scores)


def ratios(name: str, head: str, steps: int, **settings: Any) -> np.ndarray:
    """The energy score of a trained head's sampled runs over the world's own, at each step: [K]."""
    structure = Structure(
        **{
            "head": head,
            "backbone": "mlp",
            "coordinates": "raw",
            "width": 32,
            "context": CONTEXT,
            "rollout": HORIZON,
            "horizon": HORIZON,
            "batch": 96,
            "steps": steps,
            "teacher_epochs": 1,
            "rollout_epochs": 0,
            "cooling": 0.6,
            "ema": 0.98,
            "marginal_steps": 2,
            "objective": "energy_skill@1-4",
            "dtype": "float64",
            **RECOMMENDED.get(head, {}),
            **settings,
        }
    )
    train, test = feeds(name)
    lanes = [Lane(seed=1, learning_rate=5e-3)]
    (result,) = train_pack(
        structure,
        lanes,
        train,
        test,
        SoloContext(),
        evaluate_each_epoch=False,
        final=EvaluationOptions(sampled=True, windows=1 << 20),  # all, as the world's own score
    )
    distance = float(train.shard(0).moments.frame_distance)
    return Scores.from_json(result.scores).curve("energy_score") * distance / own_scores(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bimodal", "heavy_tailed"])
@pytest.mark.parametrize("head", ["gaussian", "linear"])
def test_one_mode_does_not_reach_the_worlds_own_score(name: str, head: str) -> None:
    assert ratios(name, head, 60)[0] > 1.1


STEPS = {"energy": 150, "diffusion": 400, "mean_flow": 2000, "flow_matching": 1000}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bimodal", "heavy_tailed"])
@pytest.mark.parametrize("head", ["energy", *SOAKED])
def test_samples_come_within_a_twentieth_of_the_worlds_own_score(name: str, head: str) -> None:
    assert np.abs(ratios(name, head, STEPS[head]) - 1).max() < 0.05
