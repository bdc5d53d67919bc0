"""Known answers: labels that cause a feature, that only know how long a step is, or are random."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.analysis.component_information import information_scores
from trainables.analysis.mixture_components import Steps
from trainables.predictor.scores import Scores

COMPONENTS, FRAMES, SPEAKERS = 4, 200, 8


def steps(kind: str, prefix: str, seed: int) -> tuple[Steps, dict[str, dict[str, np.ndarray]]]:
    """Steps whose labels are the kind of sound ("cause"), their size ("size") or nothing ("chance").

    Flux depends on the kind of sound and on size; energy changes by size alone.
    """
    rng = np.random.default_rng(seed)
    shape = (SPEAKERS, FRAMES - 1)
    sound, size = rng.integers(COMPONENTS, size=shape), rng.uniform(0.5, 2.0, shape)
    label = {
        "cause": sound,
        "size": np.floor((size - 0.5) / 1.5 * COMPONENTS).astype(int).clip(0, COMPONENTS - 1),
        "chance": rng.integers(COMPONENTS, size=shape),
    }[kind]
    flux = np.concatenate([np.zeros((SPEAKERS, 1)), sound + size + 0.1 * rng.normal(size=shape)], 1)
    energy = np.concatenate([np.zeros((SPEAKERS, 1)), size.cumsum(1)], 1)
    names = [f"{prefix}{i}" for i in range(SPEAKERS)]
    direction = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(size.size, 5))), dim=-1)
    every = Steps(
        utterance_N=np.repeat(names, FRAMES - 1),
        speaker_N=np.repeat(names, FRAMES - 1),
        place_N=np.tile(np.arange(FRAMES - 1), SPEAKERS),
        delta_ND=direction * torch.from_numpy(size.reshape(-1, 1)),
        labels={"responsibility": label.ravel(), "gating": np.zeros(size.size, int)},
        typical_N=np.ones(size.size),
        components=COMPONENTS,
    )
    tracks = {
        name: {"energy": energy[i], "f0": np.zeros(FRAMES), "spectral_flux": flux[i]}
        for i, name in enumerate(names)
    }
    return every, tracks


def scored(kind: str) -> Scores:
    (train, heard), (judged, seen) = steps(kind, "a", 1), steps(kind, "b", 2)
    return information_scores(train, judged, heard | seen, 50.0)[0]


def test_a_component_that_causes_a_feature_is_found() -> None:
    scores = scored("cause")
    assert scores.value("component_information_spectral_flux") > 0.5
    assert abs(scores.value("component_information_energy_change")) < 0.05
    assert scores.value("component_information") == pytest.approx(
        sum(
            scores.value(f"component_information_{name}")
            for name in ("spectral_flux", "pitch_change", "energy_change")
        )
    )
    assert scores.value("components_used") == pytest.approx(COMPONENTS, abs=0.2)


def test_a_gating_that_always_says_the_same_says_nothing() -> None:
    scores = scored("cause")
    assert scores.value("gating_information") == pytest.approx(0.0, abs=1e-9)
    assert scores.value("gating_used") == pytest.approx(1.0)


def test_labels_at_random_and_rows_of_reference_say_nothing() -> None:
    scores = scored("chance")
    for labels in ("component", "clusters", "random"):
        assert abs(scores.value(f"{labels}_information")) < 0.06, labels


def test_what_the_size_of_a_step_says_does_not_count() -> None:
    scores = scored("size")
    # Four bins of size end where octiles do, so nothing is left of what they say within an octile.
    assert abs(scores.value("component_information")) < 0.06
    assert abs(scores.value("magnitude_information")) < 0.06
