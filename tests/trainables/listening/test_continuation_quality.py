"""The score ranks a slow but correct continuation above every continuation that is wrong or does not move."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torchaudio.functional import phase_vocoder

from trainables.listening.continuation_quality import cepstra, continuation_quality, open_end_warp
from trainables.listening.decode import decode_continuation, wav_bytes

RATE, SECONDS = 16000, 3
SPEECH = Path(__file__).resolve().parents[4] / "shared" / "data" / "librispeech-mini" / "train-clean-100"
_FFT, _HOP = 512, 128


@pytest.fixture(scope="module")
def syllables() -> list[np.ndarray]:
    """Eight "utterances": every 80 ms another random smooth spectrum, excited by noise and pulses."""
    rng = np.random.default_rng(0)
    return [_utterance(rng) for _ in range(8)]


@pytest.fixture(scope="module")
def speech() -> list[np.ndarray]:
    """The same length of real speech from eight speakers."""
    files = sorted(SPEECH.rglob("*.flac"))
    if not files:
        pytest.skip(f"needs real speech in {SPEECH}")
    return list(_eight(files))


def test_original_scores_one_and_others_nothing(syllables: list[np.ndarray]) -> None:
    _check_ranking(syllables)


def test_real_speech_is_ranked_the_same_way(speech: list[np.ndarray]) -> None:
    _check_ranking(speech)


def test_slower_scores_lower_in_proportion_to_its_progress(syllables: list[np.ndarray]) -> None:
    said, *others = syllables[:6]
    scores = [continuation_quality(said, _slowed(said, pace), others, RATE) for pace in (0.9, 0.7, 0.5)]
    assert scores[0] > scores[1] > scores[2] > 0.15


def test_colour_and_loudness_do_not_matter(syllables: list[np.ndarray]) -> None:
    said, *others = syllables[:6]
    filtered = 0.1 * np.convolve(said, [1.0, 0.7])[: len(said)].astype(np.float32)
    assert continuation_quality(said, filtered, others, RATE) > 0.7


def test_silence_scores_next_to_nothing(syllables: list[np.ndarray]) -> None:
    said, *others = syllables[:6]
    assert 0 <= continuation_quality(said, np.zeros_like(said), others, RATE) < 0.15


def test_bad_input_is_refused(syllables: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="needs other utterances"):
        continuation_quality(syllables[0], syllables[0], [], RATE)
    with pytest.raises(ValueError, match="shorter than one window"):
        cepstra(np.zeros(600, np.float32), RATE)


def test_cepstra_have_20_ms_frames() -> None:
    assert cepstra(np.random.default_rng(0).standard_normal(RATE).astype(np.float32), RATE).shape == (49, 12)


def test_open_end_warp_is_the_minimum_over_all_paths() -> None:
    """Every sequence of steps 0, 1, 2 from frame 0, by enumeration."""
    rng = np.random.default_rng(3)
    for frames in (4, 7, 13):
        reference, continuation = rng.standard_normal((frames, 2)), rng.standard_normal((6, 2))
        distances = np.linalg.norm(continuation[:, None] - reference, axis=-1)
        costs = {}
        for steps in product((0, 1, 2), repeat=5):
            path = np.cumsum([0, *steps])
            if path[-1] < frames:
                costs[sum(distances[k, t] for k, t in enumerate(path)) / 6] = path[-1] + 1
        cost, covered = open_end_warp(reference, continuation)
        assert cost == pytest.approx(min(costs))
        assert covered == costs[min(costs)]


class Resonator:
    """A decoder with state: each latent excites a slow filter, so the sound of a frame depends on those
    before it."""

    sample_rate, frame_rate = 8000, 50.0

    def decode(self, latents: np.ndarray) -> np.ndarray:
        excitation = np.repeat(latents[:, 0], 160)
        memory = 0.999 ** np.arange(len(excitation))
        return np.convolve(excitation, memory)[: len(excitation)].astype(np.float32)


def test_continuation_is_decoded_with_the_state_of_its_context() -> None:
    latents = np.random.default_rng(4).standard_normal((50, 2)).astype(np.float32)
    codec = Resonator()
    whole, continuation = decode_continuation(codec, latents[:30], latents[30:])
    np.testing.assert_array_equal(whole, codec.decode(latents))
    np.testing.assert_array_equal(continuation, whole[30 * 160 :])
    assert np.abs(continuation - codec.decode(latents[30:])).max() > 1


def test_wav_bytes_are_a_16_bit_mono_file_that_clips() -> None:
    audio = np.array([0.0, 0.5, -0.5, 2.0, -2.0], np.float32)
    data = wav_bytes(audio, 24000)
    with wave.open(BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 24000, 5)
    read, rate = soundfile.read(BytesIO(data), dtype="float32")
    assert rate == 24000
    np.testing.assert_allclose(read, np.clip(audio, -1, 1), atol=1 / 32767)


def _check_ranking(utterances: list[np.ndarray]) -> None:
    said, wrong, *others = utterances[:7]
    score = {
        "itself": said,
        "slow": _slowed(said, 0.6),
        "frozen": _frozen(said),
        "wrong": wrong,
        "backwards": said[::-1],
    }
    score = {name: continuation_quality(said, audio, others, RATE) for name, audio in score.items()}
    assert score["itself"] == 1.0
    assert 0.2 < score["slow"] < 0.6
    assert all(0 <= score[name] < 0.15 for name in ("frozen", "wrong", "backwards")), score


def _eight(files: list[Path]) -> Iterator[np.ndarray]:
    """Three seconds from the second second on, of the first eight files that are long enough."""
    found = 0
    for file in files:
        if found < 8 and soundfile.info(file).frames >= (SECONDS + 1) * RATE:
            found += 1
            yield soundfile.read(file, start=RATE, frames=SECONDS * RATE, dtype="float32")[0]


def _utterance(rng: np.random.Generator) -> np.ndarray:
    frames = SECONDS * RATE // _HOP + 1
    knots = rng.standard_normal((frames // 10 + 2, 9)) * 2
    knots = np.repeat(knots, 10, axis=0)[:frames]
    curves = np.stack([np.interp(np.linspace(0, 8, _FFT // 2 + 1), np.arange(9), row) for row in knots], 1)
    excitation = _spectrum(0.1 * rng.standard_normal(SECONDS * RATE).astype(np.float32))
    return _audio(excitation * torch.from_numpy(np.exp(curves)).float())


def _slowed(audio: np.ndarray, pace: float) -> np.ndarray:
    """The beginning of the audio, stretched in time to the length of the whole, pitch kept."""
    start = _spectrum(audio[: int(pace * len(audio))])
    advance = torch.linspace(0, np.pi * _HOP, _FFT // 2 + 1)[:, None]
    return _audio(phase_vocoder(start, pace, advance))


def _frozen(audio: np.ndarray) -> np.ndarray:
    """The spectrum of the beginning, for ever, with fresh phases."""
    spectrum = _spectrum(audio)
    held = spectrum.abs()[:, 10:13].mean(1, keepdim=True).expand_as(spectrum).contiguous()
    phases = torch.rand(held.shape, generator=torch.Generator().manual_seed(0)) * 2 * np.pi
    return _audio(torch.polar(held, phases))


def _spectrum(audio: np.ndarray) -> torch.Tensor:
    samples = torch.from_numpy(np.ascontiguousarray(audio))
    return torch.stft(samples, _FFT, _HOP, window=torch.hann_window(_FFT), return_complex=True)


def _audio(spectrum: torch.Tensor) -> np.ndarray:
    return torch.istft(spectrum, _FFT, _HOP, window=torch.hann_window(_FFT)).numpy()
