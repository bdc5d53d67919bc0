"""What a file holds: whole or named, on the scale of speech or mended and said, and never large in memory."""

from __future__ import annotations

import re
import shutil
import tracemalloc

import numpy as np
import pytest
import soundfile

from tests.trainables.latents.speech.corpora import RATE, tone
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.encode_recording import encode_recording, read_audio
from trainables.latents.speech import recorded_audio
from trainables.latents.speech.audio_file import AudioFile
from trainables.latents.speech.corpus import Recording
from trainables.latents.speech.recorded_audio import RecordedAudio, examine
from trainables.latents.speech.resampling import reduced_rates, resample, resample_blocks

VOICE = tone(7, seconds=1.0)


def written(folder, samples, rate=RATE, name="x.wav", **how):
    soundfile.write(folder / name, samples, rate, **how)
    return folder / name


# Cases


def test_a_stream_without_a_length_is_read(cases):
    assert len(read_audio(cases / "flac-unknown-length/src/A/streamed.flac", RATE)) == RATE


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("odd-rate-700001/A/r700001.wav", "700001 Hz, a rate that no recording has"),
        ("wav-truncated/A/truncated_half.wav", "truncated: its header promises 32000 bytes"),
        ("wav-truncated/A/truncated.flac", "damaged or truncated"),
    ],
)
def test_files_that_lie_are_refused(cases, case, message):
    with pytest.raises(InputError, match=message):
        read_audio(cases / case, RATE)


def test_integers_as_floats_are_rescaled(cases):
    audio = RecordedAudio(cases / "wav-int16-as-float/A/int16_as_float.wav", RATE)
    (samples,) = audio.pieces()
    assert 0.1 < np.abs(samples).max() <= 1 and "divided by 32768" in audio.notes[0]


# Others of each kind


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "w64", "rf64", "au"])
def test_half_a_file_is_no_file(tmp_path, suffix):
    whole = written(tmp_path, VOICE, name=f"whole.{suffix}", subtype="PCM_16")
    assert len(read_audio(whole, RATE)) == RATE
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match="truncated"):
        read_audio(half, RATE)


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_an_ogg_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path, suffix):
    how = {"format": "OGG", "subtype": "OPUS" if suffix == "opus" else "VORBIS"}
    whole = written(tmp_path, np.tile(VOICE, 8), name=f"x.{suffix}", **how)
    assert RecordedAudio(whole, RATE).notes == ()
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    audio = RecordedAudio(whole, RATE)
    assert "may be cut off" in audio.notes[0] and 1 < audio.seconds < 8


def test_a_wav_that_was_piped_has_no_length_and_is_read(tmp_path):
    file = written(tmp_path, VOICE)
    content = bytearray(file.read_bytes())
    for place in (4, content.index(b"data") + 4):
        content[place : place + 4] = b"\xff" * 4
    file.write_bytes(content)
    assert len(read_audio(file, RATE)) == RATE


@pytest.mark.parametrize(
    ("rate", "read"), [(3999, False), (4000, True), (44_056, True), (768_000, True), (768_100, False)]
)
def test_rates_that_recordings_have(tmp_path, rate, read):
    file = written(tmp_path, VOICE, rate)
    if read:
        assert len(read_audio(file, RATE)) == pytest.approx(RATE * RATE / rate, abs=2)
    else:
        with pytest.raises(InputError, match=f"its header says {rate} Hz"):
            read_audio(file, RATE)


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        (np.stack([VOICE, -VOICE], 1), "its 2 channels cancel each other; channel 1 alone was encoded"),
        (np.stack([0 * VOICE, VOICE, -VOICE], 1), "channel 2 alone"),
        (np.stack([VOICE, -0.8 * VOICE], 1), "channel 1 alone"),
        (VOICE + 0.3, "an offset of 0.3 times full scale; it was encoded as it is"),
        (np.clip(8 * VOICE, -1, 1), "% of its samples are clipped; it was encoded as it is"),
        (VOICE * (np.arange(RATE) < RATE // 4), "75% of it is digital silence"),
        (10 * VOICE, "reach 2.. times full scale; it was encoded as it is"),
        (np.rint(2**23 * VOICE), "24-bit integers as floats; they were divided by 8388608"),
    ],
)
def test_levels_are_told_with_what_was_done(tmp_path, samples, note):
    audio = RecordedAudio(written(tmp_path, samples, subtype="FLOAT"), RATE)
    (piece,) = audio.pieces()
    assert len(audio.notes) >= 1 and re.search(note, "; ".join(audio.notes))
    assert np.isfinite(piece).all() and 1e-3 < np.square(piece).mean() < 10
    assert examine(tmp_path / "x.wav") == (1.0, audio.notes)


def test_channels_that_agree_are_averaged_without_a_word(tmp_path):
    other = 0.5 * tone(8, seconds=1.0)
    audio = RecordedAudio(written(tmp_path, np.stack([VOICE, other], 1), subtype="FLOAT"), RATE)
    np.testing.assert_allclose(next(audio.pieces()), (VOICE + other) / 2, atol=1e-6)
    assert audio.notes == ()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(RATE), "digital silence"),
        (np.full(RATE, 0.25), "digital silence"),
        (1e4 * VOICE, "on no scale of integers"),
        (np.rint(100 * VOICE), "on no scale of integers"),
        (1e30 * VOICE, "on no scale of integers"),
        (np.where(np.arange(RATE) == 9, np.inf, VOICE), "not numbers"),
    ],
)
def test_what_is_no_speech_is_refused(tmp_path, samples, message):
    with pytest.raises(InputError, match=message):
        RecordedAudio(written(tmp_path, samples, subtype="FLOAT"), RATE)


# Bounds


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (22050, 24000), (8000, 44100), (96000, 16000)])
def test_common_rates_are_converted_exactly(rate, wanted):
    down, up = reduced_rates(rate, wanted)
    assert down * wanted == up * rate


@pytest.mark.parametrize("rate", [4001, 44_099, 191_999, 767_900])
def test_kernels_for_odd_rates_are_bounded_and_near(rate):
    for wanted in (16000, 24000, 44100):
        down, up = reduced_rates(rate, wanted)
        assert down * up <= 2_000_000 and down / up == pytest.approx(rate / wanted, rel=2e-4)


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (48000, 24000), (8000, 24000), (44_099, 16000)])
def test_blocks_join_without_a_seam(monkeypatch, rate, wanted):
    monkeypatch.setattr("trainables.latents.speech.resampling._CHUNK", 5000)
    audio = np.random.default_rng(0).normal(size=3 * rate).astype(np.float32)
    whole = resample(audio, rate, wanted)
    joined = np.concatenate(list(resample_blocks(np.array_split(audio, 17), rate, wanted)))
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_a_long_recording_is_encoded_in_pieces(tmp_path, monkeypatch):
    codec = load_codec("logmel", None)
    file = written(tmp_path, np.tile(VOICE, 12), 22050)
    recording = Recording("u", "s", "test", file)
    whole = encode_recording(codec, recording, RecordedAudio(file, RATE)).latents
    monkeypatch.setattr(recorded_audio, "_WHOLE_SECONDS", 2)
    monkeypatch.setattr("trainables.latents.encode_recording._PIECE_SECONDS", 3)
    audio = RecordedAudio(file, RATE)
    lengths = [len(piece) for piece in audio.pieces(3 * RATE)]
    assert lengths[:-1] == [3 * RATE] * (len(lengths) - 1) and len(lengths) > 1
    pieces = encode_recording(codec, recording, audio).latents
    assert pieces.shape == whole.shape
    assert (np.abs(pieces - whole).max(1) < 1e-2).mean() > 0.95  # all but the frames at the seams


def test_an_hour_takes_the_memory_of_a_piece(tmp_path):
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 8000, 2) as file:
        for _ in range(60):
            file.write(np.tile(np.stack([VOICE, VOICE], 1), (30, 1)))
    tracemalloc.start()
    audio = RecordedAudio(tmp_path / "hour.flac", RATE)
    samples = sum(len(piece) for piece in audio.pieces(60 * RATE))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert samples == 3600 * RATE and most < 100e6  # all of it would be 230 MB


def test_more_than_twelve_hours_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("trainables.latents.speech.audio_file.LONGEST", 0.5)
    file = AudioFile(written(tmp_path, VOICE))
    with pytest.raises(InputError, match="longer than"):
        list(file.blocks())


def test_the_neighbour_of_a_bad_file_is_read(cases, tmp_path):
    shutil.copytree(cases / "odd-rate-700001", tmp_path / "x")
    assert len(read_audio(tmp_path / "x/B/ok.wav", 24000)) == 24000
