"""What the WORLD parameters promise beside what every codec keeps."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainables.latents.codecs.test_codecs import CodecContract, RealSound
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec

pytest.importorskip("pyworld", reason="pyworld was not built: it needs a C++ compiler")
LN_F0, VOICING, APERIODICITY, LOUDNESS = range(4)


def buzz(hertz: np.ndarray) -> np.ndarray:
    """A voice-like sound at 16 kHz: pulses at a pitch per sample, through one resonance at 700 Hz."""
    pulses = np.diff(np.floor(np.cumsum(hertz) / 16000), prepend=0.0)
    times = np.arange(400) / 16000
    response = np.exp(-times * 300) * np.sin(2 * np.pi * 700 * times)
    return (0.3 * np.convolve(pulses, response)[: len(pulses)]).astype(np.float32)


class TestWorld(CodecContract, RealSound):
    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls) -> None:
        return None

    @pytest.fixture
    def name(self) -> str:
        return "world"

    @pytest.fixture
    def world(self, get):
        return get("world")

    def test_pitch_is_that_of_the_middle_of_the_frame(self, world):
        glide = np.geomspace(120, 240, 32000)
        latents = world.encode(buzz(glide))[10:-10]
        truth = glide[160::320][10:-10]
        assert (latents[:, VOICING] > 0.9).all()
        np.testing.assert_allclose(165 * np.exp(0.35 * latents[:, LN_F0]), truth, rtol=0.02)

    def test_pitch_goes_straight_through_what_is_unvoiced(self, world):
        hiss = np.random.default_rng(0).normal(0, 0.05, 8000).astype(np.float32)
        sound = np.concatenate([buzz(np.full(8000, 120.0)), hiss, buzz(np.full(8000, 200.0))])
        latents = world.encode(sound)
        assert (latents[5:20, VOICING] > 0.9).all() and (latents[30:45, VOICING] < -0.9).mean() > 0.8
        pitch = 165 * np.exp(0.35 * latents[:, LN_F0])
        assert pitch[10] == pytest.approx(120, rel=0.02) and pitch[65] == pytest.approx(200, rel=0.02)
        assert ((pitch > 60) & (pitch < 500)).all()

    def test_a_decoded_voice_has_the_pitch_and_loudness_that_the_parameters_say(self, world):
        sound = buzz(np.full(16000, 150.0))
        latents = world.encode(sound)
        higher, louder = latents.copy(), latents.copy()
        higher[:, LN_F0] += np.log(1.5) / 0.35
        louder[:, LOUDNESS] += np.log(4.0) / 4.0  # of power
        again = world.encode(world.decode(higher))
        steady = slice(10, 40)
        assert np.median(165 * np.exp(0.35 * again[steady, LN_F0])) == pytest.approx(225, rel=0.02)
        inner = slice(3200, 12800)
        gain = world.decode(louder)[inner].std() / world.decode(latents)[inner].std()
        assert gain == pytest.approx(2.0, rel=0.02)
        assert world.decode(latents)[inner].std() == pytest.approx(sound[inner].std(), rel=0.25)

    def test_nothing_stands_still(self, world, speech):
        for audio in (np.zeros(16000, np.float32), *speech(16000)):
            steps = np.abs(np.diff(world.encode(audio), axis=0))
            assert (steps[:, : APERIODICITY + 1].max(1) > 1e-4).all()
            assert (steps[:, LOUDNESS:].max(1) > 1e-3).all()

    def test_blocks_are_of_comparable_size(self, world, speech):
        latents = np.concatenate([world.encode(audio) for audio in speech(16000)])
        blocks = [latents[:, :1], latents[:, 1:2], latents[:, 2:3], latents[:, 3:]]
        sizes = [float(np.square(block).sum(1).mean()) for block in blocks]
        assert max(sizes) < 6 * min(sizes) and 0.2 < min(sizes) and max(sizes) < 3

    def test_decodes_whatever_is_predicted(self, world):
        noise = np.random.default_rng(0)
        for scale in (1.0, 30.0, 1e30):
            assert np.isfinite(world.decode(scale * noise.normal(size=(20, 43)))).all()

    def test_takes_no_weights(self):
        with pytest.raises(InputError, match="world has no weights"):
            load_codec("world", "x")
