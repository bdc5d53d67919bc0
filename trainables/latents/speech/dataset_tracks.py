"""The acoustic tracks of a dataset: stored with its latents, or made from its audio when asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.latents.speech.acoustic_tracks import TRACKS_FOLDER, AudioTracks, TrackStore
from trainables.latents.speech.corpus import audio_by_id
from trainables.latents.storage.dataset import LatentDataset


def track_store(root: Path) -> TrackStore:
    """The store beside a folder of latents, which all representations in the same place share."""
    return TrackStore(root.resolve().parent / TRACKS_FOLDER)


def frame_tracks(dataset: LatentDataset, split: str) -> dict[str, dict[str, np.ndarray]]:
    """Acoustic tracks of each utterance of a split, [T] each, by utterance id and name.

    Folders of older versions hold them. Those of other folders are read from the store beside them, and
    measured and added to it where they are missing. They are NaN where there is no audio.

    Raises:
        InputError: a file of latents has been damaged, edited or exchanged since the dataset was opened.
    """
    tracks = dataset.tracks(split)
    unknown = {name for name, own in tracks.items() if np.isnan(own["energy"]).all()}
    names = {path: name for name, path in _paths(dataset, unknown).items()}
    for path, measured in track_store(dataset.root).measured(list(names)):
        if isinstance(measured, AudioTracks):
            frames = len(tracks[names[path]]["energy"])
            tracks[names[path]] = measured.of_frames(frames, dataset.meta.frame_rate)
    return tracks


def make_tracks(dataset: LatentDataset) -> tuple[int, list[tuple[Path, str]]]:
    """Measure all tracks of a dataset that its store lacks; return how many it has, and what has none."""
    paths = _paths(dataset, set(dataset.index["utterance_id"].to_pylist()))
    failed, made = [], 0
    for path, measured in track_store(dataset.root).measured(list(paths.values())):
        if isinstance(measured, str):
            failed.append((path, measured))
        else:
            made += 1
    return made, failed


def _paths(dataset: LatentDataset, ids: set[str]) -> dict[str, Path]:
    return audio_by_id(Path(dataset.meta.source), ids) if ids and dataset.meta.source else {}
