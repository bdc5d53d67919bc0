"""The known answer of frames without a past, for frames that are far from white."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.trainables.analysis.synthetic import feed
from trainables.analysis.independent_frames import Independent
from trainables.analysis.probe_cases import scale_of
from trainables.latents.batching.feed import Feed

DIM = 64


def speech_like(speakers: int, prefix: str, seed: int, spread: float) -> Feed:
    """Slow walks whose speakers have a place of their own, and whose frames differ in size by ``spread``."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((speakers, 300, DIM))
    for t in range(1, 300):
        steps[:, t] = 0.9 * steps[:, t - 1] + math.sqrt(1 - 0.81) * steps[:, t]
    sizes = np.exp(spread * rng.standard_normal((speakers, 300, 1)))
    return feed(sizes * (steps + 0.5 * rng.standard_normal((speakers, 1, DIM))), prefix)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_nothing_is_found_in_frames_that_lost_past_and_speaker(spread: float) -> None:
    train, held_out = speech_like(80, "a", 0, spread), speech_like(40, "b", 1, spread)
    found = Independent.of(train, held_out, scale_of(train), context=4)
    assert found.scores.value("predictive_information") == pytest.approx(0, abs=0.1)
    assert found.dnll == pytest.approx(-DIM / 2 * math.log(2))
    assert found.scores.value("dnll") == pytest.approx(found.dnll, rel=0.02)
    ratio = np.exp(spread * math.sqrt(2) * np.random.default_rng(2).standard_normal(100_000))
    assert found.cosine == pytest.approx(np.mean(1 / np.sqrt(1 + ratio**2)), abs=0.01)
    assert found.scores.value("one_step_cosine") == pytest.approx(found.cosine, abs=0.01)


def test_the_frames_themselves_are_left_as_they_were() -> None:
    train, held_out = speech_like(20, "a", 0, 0.0), speech_like(10, "b", 1, 0.0)
    before = train.shard(0).frames_SND.clone()
    Independent.of(train, held_out, scale_of(train), context=1)
    assert torch.equal(train.shard(0).frames_SND, before)
