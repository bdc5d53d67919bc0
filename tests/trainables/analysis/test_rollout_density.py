"""Known answers: true frames against true ones, shrunk ones, the mean, and samples of a Gaussian."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.analysis.rollout_density import Ends, manifold_scores, named_failure
from trainables.predictor.scores import Scores

DIM, SPEAKERS, WINDOWS = 6, 10, 120


def frames(rng: np.random.Generator, count: int) -> Tensor:
    """Frames of a mixture of quiet and loud: few dimensions, and far from a Gaussian."""
    loud = np.where(rng.random((count, 1)) < 0.5, 0.2, 2.0)
    return torch.from_numpy(loud * rng.normal(size=(count, DIM)))


def log_prob(frames_ND: Tensor) -> Tensor:
    """The very density of :func:`frames`."""
    laws = [torch.distributions.Normal(0.0, scale) for scale in (0.2, 2.0)]
    parts = torch.stack([law.log_prob(frames_ND.double()).sum(-1) for law in laws])
    return torch.logsumexp(parts, 0) - np.log(2)


def ends(seed: int, speakers: str = "test") -> Ends:
    rng, count = np.random.default_rng(seed), SPEAKERS * WINDOWS
    return Ends(
        reached_ND=frames(rng, count),
        first_ND=frames(rng, count),
        true_ND=frames(rng, count),
        speaker_N=np.repeat([f"{speakers}-{i}" for i in range(SPEAKERS)], WINDOWS),
        odd_N=np.arange(count) % 2 == 1,
    )


def scored(change: str) -> Scores:
    def changed(which: Ends, seed: int) -> Ends:
        true = which.reached_ND
        rng = np.random.default_rng(seed)
        reached = {
            "true": true,
            "shrunk": 0.7 * true,
            "mean": torch.zeros_like(true),
            "gaussian": torch.from_numpy(rng.normal(size=true.shape)) * true.std(),
            "far": 3.0 * true + 10.0,
            "diverged": torch.full_like(true, torch.nan),
        }[change]
        return replace(which, reached_ND=reached)

    return manifold_scores(log_prob, changed(ends(1, "validation"), 3), changed(ends(2), 4), 50.0)


def test_true_frames_of_other_speakers_are_on_the_manifold() -> None:
    scores = scored("true")
    assert abs(scores.value("density_distance")) < 0.06
    assert abs(scores.value("classifier_excess")) < 0.06
    assert all(abs(scores.value(way)) < 0.05 for way in ("too_sparse", "too_dense", "too_uniform"))
    assert scores.value("off_manifold_share") == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("change", "least", "failure"),
    [
        ("shrunk", 0.1, "too_dense"),
        ("mean", 0.8, "too_dense"),
        ("gaussian", 0.3, "too_uniform"),
        ("far", 0.8, "too_sparse"),
        ("diverged", 0.8, "too_sparse"),
    ],
)
def test_what_is_no_frame_is_found_and_named(change: str, least: float, failure: str) -> None:
    scores = scored(change)
    assert scores.value("density_distance") > least and named_failure(scores) == failure
    assert scores.value("density_distance_growth") > least - 0.06  # the first states are true ones
    assert abs(scores.value("density_distance_of_true")) < 0.06


def test_a_classifier_sees_what_the_share_of_unlikely_states_does_not() -> None:
    scores = scored("gaussian")
    assert scores.value("off_manifold_share") < 0.05, "by that they would be on the manifold"
    assert scores.value("classifier_area") > 0.6 and scores.value("classifier_excess") > 0.1
