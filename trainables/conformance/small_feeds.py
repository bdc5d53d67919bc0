"""Small feeds of a control world, with acoustic tracks, to examine whatever runs on feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch

from trainables.contract import Evaluation, Tracks
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.latents.codecs.logmel import LogMel
from trainables.latents.worlds.catalogue import WORLDS

RATE = 50.0  # Hz
UTTERANCES, FRAMES = 2, 60  # of each speaker


def small_feed(
    speakers: Sequence[str], *, world: str = "directional", surrogates: Sequence[Surrogate] = SURROGATES
) -> Feed:
    """A feed of some speakers; a speaker's frames depend on the name alone."""
    paths = {
        speaker: WORLDS[world].simulate(UTTERANCES, FRAMES, np.random.default_rng(list(speaker.encode())))
        for speaker in speakers
    }
    return feed_of_paths(paths, surrogates)


def feed_of_paths(paths_of: Mapping[str, np.ndarray], surrogates: Sequence[Surrogate] = SURROGATES) -> Feed:
    """A feed of the utterances [U, T, D] of each speaker."""
    rows = [path for paths in paths_of.values() for path in paths]
    ids = [f"{speaker}-{i}" for speaker, paths in paths_of.items() for i in range(len(paths))]
    owners = [speaker for speaker, paths in paths_of.items() for _ in paths]
    values = np.concatenate(rows)
    latents = pa.ListArray.from_arrays(
        pa.array(np.cumsum([0, *map(len, rows)]).astype(np.int32)),
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


def log_mel_feed(speakers: Sequence[str], *, surrogates: Sequence[Surrogate] = SURROGATES) -> Feed:
    """A feed of log-mel frames, which can be decoded, of sounds that differ from speaker to speaker."""
    codec, paths = LogMel(None), {}
    for speaker in speakers:
        rng = np.random.default_rng(list(speaker.encode()))
        seconds = np.arange(round(FRAMES * 320)) / codec.sample_rate
        sounds = []
        for _ in range(UTTERANCES):
            pitch = rng.uniform(90, 200) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(1, 4) * seconds))
            phase = 2 * np.pi * np.cumsum(pitch) / codec.sample_rate
            partials = np.stack([np.sin(k * phase) / k * rng.random() for k in range(1, 12)]).sum(0)
            sounds.append(0.1 * partials * (1 + np.sin(2 * np.pi * rng.uniform(2, 5) * seconds)))
        paths[speaker] = np.stack([codec.encode(sound.astype(np.float32)) for sound in sounds])
    return feed_of_paths(paths, surrogates)


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
    """What a pack is judged on; frames of as many dimensions as log-mel has are decoded by it."""
    return Evaluation(
        judged=judged,
        held_out=judged,
        exploring=exploring,
        tracks=small_tracks(train, judged),
        codec=(LogMel.name, None) if train.dim == LogMel.dim else None,
    )
