"""Each frame is described by what sounds in it, on sounds of which that is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soundfile

from trainables.latents.codec_registry import load_codec
from trainables.latents.encode_recording import encode_recording, read_audio
from trainables.latents.speech.acoustic_tracks import TrackStore, measure
from trainables.latents.speech.acoustics import (
    energy,
    f0,
    flux,
    frame_flux,
    frame_levels,
    levels,
    pitch_track,
    spectral_flux,
)
from trainables.latents.speech.corpus import Recording
from trainables.latents.speech.recorded_audio import RecordedAudio

RATE, HOP = 16000, 320


def voice(hertz: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """A buzz with the falling harmonics of a voice."""
    time = np.arange(int(seconds * rate)) / rate
    harmonics = range(1, int(3500 / hertz))
    return 0.3 * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in harmonics).astype(np.float32)


def test_energy_is_the_level_of_the_frames_own_samples():
    parts = [np.full(HOP, 0.1), np.zeros(HOP), np.full(HOP // 2, 1.0)]
    audio = np.concatenate(parts).astype(np.float32)
    np.testing.assert_allclose(energy(audio, 3, HOP), [-20, -120, 10 * np.log10(0.5)], atol=1e-4)


@pytest.mark.parametrize(("rate", "frame_rate"), [(16000, 50.0), (24000, 12.5)])
def test_f0_is_the_pitch_where_there_is_one(rate, frame_rate):
    noise = np.random.default_rng(0).normal(scale=0.05, size=rate).astype(np.float32)
    audio = np.concatenate([voice(120, rate=rate), voice(220, rate=rate), noise])
    track = f0(pitch_track(audio, rate), int(3 * frame_rate), frame_rate)
    seconds = (np.arange(len(track)) + 0.5) / frame_rate
    low, high, none = (track[(seconds > s + 0.1) & (seconds < s + 0.9)] for s in range(3))
    np.testing.assert_allclose(low, 120, rtol=0.02)
    np.testing.assert_allclose(high, 220, rtol=0.02)
    assert (none == 0).mean() > 0.8
    assert f0(pitch_track(np.zeros(rate, np.float32), rate), 10, frame_rate).max() == 0


def test_flux_marks_the_frame_where_the_sound_changes():
    steps = np.arange(RATE) / RATE
    low, high = (0.3 * np.sin(2 * np.pi * hertz * steps).astype(np.float32) for hertz in (300, 3000))
    audio = np.concatenate([low, high, 0.01 * high, np.zeros(RATE, np.float32)])
    flux = spectral_flux(audio, RATE, 200, HOP)
    assert flux.shape == (200,) and flux[0] == 0
    assert np.argmax(flux) == 50 and flux[50] > 1
    steady = (slice(2, 48), slice(53, 97), slice(103, 147))
    assert max(flux[part].max() for part in steady) < 1e-3 and flux[153:].max() == 0


def test_speech_is_described_frame_by_frame(librispeech, tmp_path):
    file = min((librispeech / "test-other/1688").glob("*.flac"))
    soundfile.write(tmp_path / "x.flac", read_audio(file, RATE)[: 4 * RATE], RATE)
    recording = Recording("u", "s", "test", tmp_path / "x.flac")
    utterance = encode_recording(load_codec("logmel", None), recording, RecordedAudio(recording.path, RATE))
    found = measure(recording.path).of_frames(len(utterance.latents), 50.0)
    tracks = np.stack([found["energy"], found["f0"], found["spectral_flux"]])
    assert tracks.shape == (3, len(utterance.latents)) and np.isfinite(tracks).all()
    voiced = found["f0"] > 0
    assert 0.2 < voiced.mean() < 0.9 and 70 < np.median(found["f0"][voiced]) < 220  # a man's voice
    assert found["energy"][voiced].mean() > found["energy"][~voiced].mean() + 5
    levels = utterance.latents.mean(1)
    agreement = [np.corrcoef(np.roll(found["energy"], lag), levels)[0, 1] for lag in range(-3, 4)]
    assert max(agreement) == agreement[3] > 0.7


def test_steps_become_the_same_frames_at_50_hz():
    audio = voice(130) + np.random.default_rng(0).normal(scale=0.01, size=RATE).astype(np.float32)
    frames = len(audio) // HOP
    np.testing.assert_allclose(
        frame_levels(levels(audio), frames, 50.0), energy(audio, frames, HOP), atol=1e-3
    )
    assert np.array_equal(frame_flux(flux(audio), frames, 50.0), spectral_flux(audio, RATE, frames, HOP))


@pytest.mark.parametrize("frame_rate", [12.5, 44100 / 512])
def test_levels_of_other_frames_are_those_of_their_samples(frame_rate):
    audio = np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32) * np.linspace(0.01, 1, 2 * RATE)
    frames = int(2 * frame_rate)
    borders = np.rint(np.arange(frames + 1) * RATE / frame_rate).astype(int)
    own = [10 * np.log10(np.square(audio[a:b]).mean()) for a, b in pairwise(borders)]
    np.testing.assert_allclose(frame_levels(levels(audio), frames, frame_rate), own, atol=1.0)
    assert len(frame_flux(flux(audio), frames, frame_rate)) == frames


def test_tracks_are_measured_once_and_follow_the_audio(tmp_path, monkeypatch):
    for name, hertz in (("a", 120), ("b", 220)):
        soundfile.write(tmp_path / f"{name}.flac", voice(hertz), RATE)
    store, files = TrackStore(tmp_path / "tracks"), [tmp_path / "a.flac", tmp_path / "b.flac"]
    (tmp_path / "broken.wav").write_text("no audio")
    first = dict(store.measured([*files, tmp_path / "broken.wav", tmp_path / "gone.wav"]))
    assert np.median(first[files[0]].pitch_P) == pytest.approx(120, rel=0.02)
    assert "Format not recognised" in first[tmp_path / "broken.wav"]
    assert "no such file" in first[tmp_path / "gone.wav"]
    monkeypatch.setattr("trainables.latents.speech.acoustic_tracks.measure", None)  # would fail if wanted
    (tmp_path / "moved.flac").write_bytes(files[1].read_bytes())
    again = dict(store.measured([tmp_path / "moved.flac"]))[tmp_path / "moved.flac"]
    assert all(map(np.array_equal, again, first[files[1]]))
    for file in store.folder.glob("*.arrow"):
        file.write_bytes(file.read_bytes()[:100])
    assert store.read({"x"}) == {}
