"""Predictive information is the same in whatever coordinates latents come: mutual information does not change
under an invertible linear map.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import HEADS, WITHOUT_DENSITY, Lane, Structure
from trainables.predictor.evaluation.options import ONE_STEP
from trainables.predictor.scores import Scores
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

DIM, CONDITION = 8, 100.0
WITH_CODES = ("prototypes", "direction_codebook")


@cache
def utterances(split: str) -> dict[str, np.ndarray]:
    """Frames of a rotating linear process, louder and quieter by turns."""
    rng = np.random.default_rng({"train": 0, "test": 1}[split])
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(DIM, DIM)))
    made = {}
    for i in range(48 if split == "train" else 12):
        z = [rng.normal(size=DIM)]
        for loudness in np.exp(0.6 * rng.normal(size=79)):
            z.append(0.8 * turn @ z[-1] + 0.5 * loudness * rng.normal(size=DIM))
        made[f"{split}{i}-0"] = np.stack(z)
    return made


def mixing() -> np.ndarray:
    """A map of R^D whose largest and smallest stretch are ``CONDITION`` times apart."""
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.normal(size=(DIM, DIM)))[0] for _ in range(2))
    return left @ np.diag(np.geomspace(1, CONDITION, DIM)) @ right


def feed(split: str, map_DD: np.ndarray) -> Feed:
    table = utterance_table({i: frames @ map_DD.T for i, frames in utterances(split).items()})
    return Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64)


def information(head: str, coordinates: str, map_DD: np.ndarray) -> float:
    structure = Structure(
        head=head,
        coordinates=coordinates,
        components=32 if head in WITH_CODES else 4,  # fewer than D do not span the space
        width=24,
        context=4,
        rollout=4,
        horizon=4,
        teacher_epochs=4,
        rollout_epochs=0,
        marginal_steps=1,
        dtype="float64",
    )
    feeds = feed("train", map_DD), feed("test", map_DD)
    lanes = [Lane(seed=1, learning_rate=1e-2)]
    (result,) = train_pack(structure, lanes, *feeds, SoloContext(), evaluate_each_epoch=False, final=ONE_STEP)
    return Scores.from_json(result.scores).value("predictive_information_gaussian")


@pytest.mark.slow
@pytest.mark.parametrize("head", [head for head in HEADS if head not in WITHOUT_DENSITY])
def test_information_is_the_same_after_a_linear_map_of_condition_100(head: str) -> None:
    plain, mapped = (information(head, "whitened", map_DD) for map_DD in (np.eye(DIM), mixing()))
    assert mapped == pytest.approx(plain, abs=0.5)


@pytest.mark.slow
def test_in_raw_coordinates_it_is_not() -> None:
    """What the test above would miss were it blind."""
    plain, mapped = (information("vmf", "raw", map_DD) for map_DD in (np.eye(DIM), mixing()))
    assert plain - mapped > 2
