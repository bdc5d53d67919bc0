"""What a control world sounds like: it follows the frames, and what is wrong with them can be heard."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.worlds.directional import DIRECTIONAL
from trainables.latents.worlds.tones import Tones
from trainables.listening.continuation_quality import continuation_quality

HOP, CLIPS, CONTEXT, REST = 320, 6, 20, 50


def on_the_circle(turns: np.ndarray) -> np.ndarray:
    """Frames [T, 32] at angles, given in turns."""
    angle = 2 * np.pi * turns
    return DIRECTIONAL.radius * np.stack([np.cos(angle), np.sin(angle)], 1) @ DIRECTIONAL.plane.T


def loudest(audio: np.ndarray, low: float, high: float) -> float:
    """The frequency in Hz, of a range, at which a sound is loudest."""
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 16))
    hertz = np.fft.rfftfreq(1 << 16, 1 / Tones.sample_rate)
    return float(hertz[np.argmax(np.where((hertz > low) & (hertz < high), power, 0))])


def between(audio: np.ndarray, pitch: float) -> float:
    """The share of a sound's power that lies between the harmonics of a pitch."""
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / Tones.sample_rate)
    apart = np.abs(hertz / pitch - np.round(hertz / pitch)) > 0.25
    return float(power[apart].sum() / power.sum())


@pytest.fixture(scope="module")
def codec():
    return load_codec("control:directional", None)


def test_it_is_loaded_by_the_name_of_its_world_and_says_what_it_is(codec):
    assert (codec.name, codec.dim, codec.frame_rate, codec.sample_rate) == (
        "control:directional",
        32,
        50.0,
        16000,
    )
    with pytest.raises(InputError, match="nothing decodes 'control:white'"):
        load_codec("control:white", None)
    with pytest.raises(InputError, match="has no weights; leave out --weights"):
        load_codec("control:directional", "somewhere")
    with pytest.raises(InputError, match="to which nothing is encoded; give it as --latents control:dir"):
        codec.encode(np.zeros(HOP, np.float32))


def test_what_cannot_be_decoded_is_refused_and_the_rest_is_whole_frames_within_full_scale(codec):
    for wrong in (np.zeros((0, 32)), np.zeros((3, 31)), np.full((2, 32), np.nan)):
        with pytest.raises(InputError, match="cannot be decoded"):
            codec.decode(wrong)
    for frames in (np.zeros((1, 32)), np.full((7, 32), 1e4), on_the_circle(np.linspace(0, 2, 40))):
        audio = codec.decode(frames)
        assert audio.shape == (len(frames) * HOP,) and audio.dtype == np.float32
        assert 0 < np.abs(audio).max() <= 1
        np.testing.assert_array_equal(audio, codec.decode(frames))


@pytest.mark.parametrize(("turn", "pitch"), [(0.0, 160 * 2**0.5), (0.25, 160.0), (0.5, 160 / 2**0.5)])
def test_pitch_follows_one_coordinate_of_the_circle(codec, turn, pitch):
    audio = codec.decode(on_the_circle(np.full(50, turn)))
    strongest = loudest(audio, 50, 8000)
    assert strongest / pitch == pytest.approx(round(strongest / pitch), abs=0.01), "a harmonic of the pitch"
    assert between(audio, pitch) < 1e-4


def test_the_spectral_envelope_follows_the_other(codec):
    low, high = (loudest(codec.decode(on_the_circle(np.full(50, turn))), 50, 8000) for turn in (0.75, 0.25))
    assert 200 < low < 450 < 1200 < high < 2000


def test_leaving_the_plane_is_hoarse(codec):
    frames = on_the_circle(np.full(50, 0.25))
    away = np.linalg.svd(DIRECTIONAL.plane.T)[2][-1]  # at a right angle to the plane
    hoarse = [between(codec.decode(frames + size * DIRECTIONAL.radius * away), 160.0) for size in (0, 0.9, 2)]
    assert hoarse[0] < 1e-4 < hoarse[1] < 0.1 < 0.4 < hoarse[2]


def test_a_machine_hears_which_continuations_are_right(codec):
    """Slow but right lies above standing still and walking off."""
    frames_UTD = DIRECTIONAL.simulate(CLIPS, CONTEXT + REST, np.random.default_rng(1))
    rng = np.random.default_rng(2)

    def after(context: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return codec.decode(np.concatenate([context, rest]))[CONTEXT * HOP :]

    true = [after(z[:CONTEXT], z[CONTEXT:]) for z in frames_UTD]
    scores: dict[str, list[float]] = {"copy": [], "slow": [], "frozen": [], "walk": []}
    for i, z in enumerate(frames_UTD):
        rests = {
            "copy": z[CONTEXT:],
            "slow": np.repeat(z[CONTEXT : CONTEXT + REST // 2], 2, axis=0),
            "frozen": np.repeat(z[CONTEXT - 1 : CONTEXT], REST, axis=0),
            "walk": z[CONTEXT - 1] + 0.1 * rng.normal(size=(REST, 32)).cumsum(0),
        }
        others = [true[j] for j in range(CLIPS) if j != i]
        for name, rest in rests.items():
            heard = after(z[:CONTEXT], rest)
            scores[name].append(continuation_quality(true[i], heard, others, codec.sample_rate))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["copy"] == 1.0
    assert means["slow"] > 2 * max(means["frozen"], means["walk"])
