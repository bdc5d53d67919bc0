"""Tracks of a dataset: those of older folders stay, others are measured, or unknown without audio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.trainables.latents.speech.corpora import write_tones
from trainables.latents.speech.corpus import audio_by_id, find_corpus
from trainables.latents.speech.dataset_tracks import frame_tracks, make_tracks, track_store
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.storage.parquet_file import LatentMeta, Utterance, write_utterances

FRAMES = 12
META = LatentMeta("x", 2, 50.0, None, "", None, "", None)


def written(root, source):
    unknown, known = np.full(FRAMES, np.nan), np.full(FRAMES, -7.0)
    latents = np.ones((FRAMES, 2))
    rows = [
        Utterance("a/old", "a", "test", latents, known, known, known),
        Utterance("b/1", "b", "test", latents, unknown, unknown, unknown),
        Utterance("c/gone", "c", "test", latents, unknown, unknown, unknown),
    ]
    write_utterances(root / "part-00000.parquet", rows, replace(META, source=source))
    return open_dataset(root)


@pytest.fixture
def speech(tmp_path):
    return write_tones(tmp_path / "speech", "a/old.wav", "b/1.wav")


def test_old_tracks_stay_and_missing_ones_are_measured_once_for_all_beside(tmp_path, speech):
    dataset = written(tmp_path / "latents/x", str(speech))
    before = dataset.content_hash
    tracks = frame_tracks(dataset, "test")
    assert set(tracks["a/old"]["energy"]) == {-7.0} and np.isnan(tracks["c/gone"]["energy"]).all()
    assert np.abs(tracks["b/1"]["energy"] + 17).max() < 1  # a sine of amplitude 0.2 has -17 dB
    (stored,) = (tmp_path / "latents/acoustic-tracks").glob("*.arrow")
    frame_tracks(written(tmp_path / "latents/y", str(speech)), "test")
    assert list(stored.parent.iterdir()) == [stored]
    assert open_dataset(dataset.root).content_hash == before


@pytest.mark.parametrize("source", [None, "/nowhere"])
def test_without_audio_they_are_unknown(tmp_path, source):
    tracks = frame_tracks(written(tmp_path / "latents/x", source), "test")
    assert np.isnan(tracks["b/1"]["f0"]).all() and not (tmp_path / "latents/acoustic-tracks").exists()


def test_all_at_once(tmp_path, speech):
    dataset = written(tmp_path / "latents/x", str(speech))
    (speech / "b/1.wav").write_text("no audio")
    made, failed = make_tracks(dataset)
    assert made == 1 and [path.name for path, _ in failed] == ["1.wav"]
    assert track_store(dataset.root).folder == tmp_path / "latents/acoustic-tracks"


def test_audio_is_found_by_id_whoever_speaks(tmp_path):
    write_tones(tmp_path, "day/ann-1.wav", "day/bob-1.wav", "20-7-0001.flac")
    ids = {recording.utterance_id for recording in find_corpus(tmp_path, "([a-z]+)-").recordings}
    assert audio_by_id(tmp_path, ids | {"20-7-0001", "nobody"}) == {
        "20-7-0001": tmp_path / "20-7-0001.flac",
        "day/ann-1": tmp_path / "day/ann-1.wav",
        "day/bob-1": tmp_path / "day/bob-1.wav",
    }
    (tmp_path / "metadata.csv").write_text("utterance_id,path\nu1,day\\ann-1.wav\n")
    assert audio_by_id(tmp_path, {"u1"}) == {"u1": tmp_path / "day/ann-1.wav"}
