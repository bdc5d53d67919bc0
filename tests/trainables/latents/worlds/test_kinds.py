"""Sound goes with the kind of a step in `kinds`, and with the place of a frame in `kinds_unheard`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from trainables.analysis.component_information import information_scores
from trainables.analysis.mixture_components import Steps
from trainables.latents.storage.dataset import Split, open_dataset
from trainables.latents.worlds.base import oblique_axes
from trainables.latents.worlds.catalogue import WORLDS, write_world

HEARD, UNHEARD = WORLDS["kinds"], WORLDS["kinds_unheard"]
COUNT, SPEAKERS, FRAMES = 4, 8, 200


def steps(world: Any, prefix: str, seed: int) -> tuple[Steps, dict[str, dict[str, np.ndarray]]]:
    """Steps by their kind, as a mixture that was trained in order finds them ("responsibility"), and by the
    place they lead to, as one that was not does ("gating").
    """
    z, sound = world.sounding(SPEAKERS, FRAMES, np.random.default_rng(seed))
    along = z @ oblique_axes(world.dim)[: 2 * COUNT].T
    strides = along[..., :COUNT]
    kind = (strides[:, 1:] - world.hold * strides[:, :-1]).argmax(-1)
    place = along[:, 1:, COUNT:].argmax(-1)
    names = np.array([f"{prefix}{i}" for i in range(SPEAKERS)])
    owner = np.repeat(names, FRAMES - 1)
    every = Steps(
        utterance_N=owner,
        speaker_N=owner,
        place_N=np.tile(np.arange(FRAMES - 1), SPEAKERS),
        delta_ND=torch.from_numpy(np.diff(z, axis=1).reshape(-1, world.dim)),
        labels={"responsibility": kind.ravel(), "gating": place.ravel()},
        typical_N=np.ones(kind.size),
        components=COUNT,
    )
    tracks = {name: {k: track[i] for k, track in sound.items()} for i, name in enumerate(names)}
    return every, tracks


@pytest.mark.parametrize(
    ("world", "heard", "silent"), [(HEARD, "component", "gating"), (UNHEARD, "gating", "component")]
)
def test_sound_goes_with_one_of_them(world: Any, heard: str, silent: str) -> None:
    (train, told), (judged, played) = steps(world, "a", 1), steps(world, "b", 2)
    scores, _ = information_scores(train, judged, told | played, 50.0)
    assert scores.value(f"{heard}_information") > 0.8
    assert abs(scores.value(f"{silent}_information")) < 0.15


def test_frames_are_the_same_and_kinds_cannot_be_told_from_single_ones() -> None:
    (z, sound), (same, other) = (w.sounding(20, 300, np.random.default_rng(3)) for w in (HEARD, UNHEARD))
    np.testing.assert_array_equal(z, same)
    assert not np.array_equal(sound["energy"], other["energy"])
    along = z.reshape(-1, 16) @ oblique_axes(16)[: 2 * COUNT].T
    # Places are far apart along their axes, and what steps add up to has one hump.
    assert (np.abs(along[:, COUNT] - 3) < 1).mean() < 0.01
    assert (along[:, COUNT] > 3).mean() == pytest.approx(0.25, abs=0.06)
    assert (np.abs(along[:, 0] - along[:, 0].mean()) < along[:, 0].std()).mean() > 0.6


def test_tracks_are_written_and_read_back(tmp_path: Any) -> None:
    write_world("kinds", tmp_path)
    tracks = open_dataset(tmp_path).tracks(Split.TEST)
    pitch, flux = (np.concatenate([own[name] for own in tracks.values()]) for name in ("f0", "spectral_flux"))
    assert (pitch > 20).all() and 100 < np.median(pitch) < 140
    assert flux.min() > 0 and flux.max() < 2 and flux.std() > 0.1
