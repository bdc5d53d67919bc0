"""Small feeds of a control world, with acoustic tracks, for whatever runs on feeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch

from trainables.contract import Evaluation, Tracks
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.latents.worlds.catalogue import WORLDS

RATE = 50.0  # Hz
UTTERANCES, FRAMES = 2, 60  # of each speaker


def small_feed(
    speakers: Sequence[str], *, world: str = "directional", surrogates: Sequence[Surrogate] = SURROGATES
) -> Feed:
    """A feed of some speakers; a speaker's frames depend on the name alone."""
    rows, ids, owners = [], [], []
    for speaker in speakers:
        rng = np.random.default_rng(list(speaker.encode()))
        paths = WORLDS[world].simulate(UTTERANCES, FRAMES, rng).astype(np.float32)
        rows += list(paths)
        ids += [f"{speaker}-{i}" for i in range(UTTERANCES)]
        owners += [speaker] * UTTERANCES
    values = np.concatenate(rows)
    latents = pa.ListArray.from_arrays(
        pa.array(np.arange(len(rows) + 1, dtype=np.int32) * FRAMES),
        pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float16).ravel()), values.shape[1]),
    )
    table = pa.table({"utterance_id": ids, "speaker_id": owners, "latents": latents})
    return Feed(
        lambda: [table],
        rms=1.0,
        lattice_step=None,
        frame_rate=RATE,
        surrogates=surrogates,
        dtype=torch.float64,
    )


def small_tracks(*feeds: Feed) -> Tracks:
    """Acoustic tracks of the utterances of some feeds, at random."""
    rng = np.random.default_rng(0)
    return {
        name: {
            "energy": rng.normal(-30, 5, frames),
            "f0": np.where(rng.random(frames) < 0.3, 0.0, rng.uniform(80, 200, frames)),
            "spectral_flux": rng.random(frames),
        }
        for feed in feeds
        for name, frames in feed.extent.lengths.items()
    }


def small_evaluation(train: Feed, judged: Feed, *, exploring: bool = False) -> Evaluation:
    """What a pack is judged on."""
    return Evaluation(judged=judged, held_out=judged, exploring=exploring, tracks=small_tracks(train, judged))
