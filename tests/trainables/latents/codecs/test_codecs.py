"""What every codec must keep, what SoundStream and log-mel promise of their own, and how audio is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import torch

from trainables.conformance.codecs import CODEC_PROMISES, CodecCase
from trainables.errors import InputError
from trainables.latents.codec_registry import CODECS, QUANTISED, load_codec
from trainables.latents.codecs import soundstream
from trainables.latents.codecs.base import Codec
from trainables.latents.encode_recording import read_audio

SECONDS = 0.95  # of each excerpt; no whole number of frames for any codec


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """RMS distance of two sounds' log-magnitude spectra, in nepers, -60 dB being silence."""
    window = torch.hann_window(512)
    spectra = [
        torch.stft(torch.from_numpy(sound), 512, 160, window=window, return_complex=True).abs()
        for sound in (one, other)
    ]
    logs = [spectrum.clamp(min=1e-3 * float(spectra[0].max())).log() for spectrum in spectra]
    return float((logs[0] - logs[1]).square().mean().sqrt())


class CodecContract:
    """What every codec must keep. A subclass has fixtures ``weights`` and ``name``."""

    @pytest.fixture(scope="class")
    @classmethod
    def get(cls, weights) -> Callable[[str], Codec]:
        """A codec by name, loaded once through the path that users take."""
        loaded: dict[str, Codec] = {}

        def load(name: str) -> Codec:
            if name not in loaded:
                loaded[name] = load_codec(name, weights)
            return loaded[name]

        return load

    @pytest.fixture
    def codec(self, get, name) -> Codec:
        return get(name)

    @pytest.fixture(scope="class")
    @classmethod
    def speech(cls, librispeech) -> Callable[[int], list[np.ndarray]]:
        """Two excerpts of real speech by different speakers at a sample rate."""
        folders = [librispeech / "test-other" / speaker for speaker in ("1688", "1998")]
        files = [min(folder.glob("*.flac")) for folder in folders]

        def excerpts(sample_rate: int) -> list[np.ndarray]:
            span = slice(sample_rate, int((1 + SECONDS) * sample_rate))
            return [read_audio(file, sample_rate)[span] for file in files]

        return excerpts

    def test_says_what_it_is(self, codec, name):
        assert codec.name == name and len(codec.hash) == 16
        assert codec.sample_rate / codec.frame_rate == round(codec.sample_rate / codec.frame_rate)
        assert codec.lattice_step is None or name == "soundstream"
        assert load_codec(codec.name, codec.weights).hash == codec.hash

    @pytest.mark.parametrize("promise", CODEC_PROMISES, ids=lambda promise: promise.__name__)
    def test_it_keeps_its_promises(self, promise, codec, speech):
        one, other = speech(codec.sample_rate)
        case = CodecCase(codec, lambda: load_codec(codec.name, codec.weights), (one, other))
        assert list(promise(case)) == []

    def test_refuses_what_it_cannot_encode_or_decode(self, codec):
        audio, latents = np.zeros(4000, np.float32), np.zeros((3, codec.dim), np.float32)
        for wrong, reason in (
            (audio[:0], r"audio of shape \(0,\) cannot be encoded; it must be mono"),
            (audio.reshape(2, -1), r"audio of shape \(2, 2000\) cannot be encoded"),
            (np.where(np.arange(4000) == 7, np.nan, audio), "audio that holds NaN"),
        ):
            with pytest.raises(InputError, match=reason):
                codec.encode(wrong)
        for wrong, reason in (
            (latents[:0], rf"latents of shape \(0, {codec.dim}\) cannot be decoded"),
            (latents[:, 1:], rf"they must be \[frames, {codec.dim}\]"),
            (latents + np.inf, "latents that hold NaN or infinity"),
        ):
            with pytest.raises(InputError, match=reason):
                codec.decode(wrong)


class RealSound:
    """What a codec keeps beside that, where what it decodes can be told from what was encoded."""

    threshold = 0.75  # nepers

    def test_decoded_speech_is_the_speech_that_was_encoded(self, codec, speech):
        audio = speech(codec.sample_rate)[0]
        latents = codec.encode(audio)

        def error(changed: np.ndarray) -> float:
            return distance(audio, codec.decode(changed)[: len(audio)])

        assert error(latents) < self.threshold
        assert error(latents.astype(np.float16)) == pytest.approx(error(latents), abs=0.02)
        shuffled = np.random.default_rng(0).permutation(latents)
        late = np.roll(latents, 1, axis=0)
        wrong_dimensions = np.roll(latents, 1, axis=1)
        assert min(error(wrong) for wrong in (latents[::-1], shuffled, late, wrong_dimensions)) > 0.8


class TestSoundStream(CodecContract, RealSound):
    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, lyra) -> str:
        return str(lyra)

    @pytest.fixture(params=["soundstream", "soundstream-q46"])
    def name(self, request) -> str:
        return request.param

    def test_latents_lie_on_the_lattice_even_as_float16(self, get, speech):
        codec = get("soundstream")
        stored = codec.encode(speech(16000)[0]).astype(np.float16)
        levels = stored.astype(np.float64) / codec.lattice_step
        assert np.abs(levels - np.rint(levels)).max() < 0.06
        assert np.rint(levels).min() >= -148 and np.rint(levels).max() <= 107
        assert len(np.unique(np.rint(levels))) > 50

    def test_is_causal(self, get, speech):
        audio = speech(16000)[0]
        whole, half = (get("soundstream").encode(audio[:samples]) for samples in (len(audio), 320 * 20))
        np.testing.assert_array_equal(whole[:20], half)

    def test_names_what_is_wrong_with_its_weights(self, lyra, tmp_path):
        with pytest.raises(InputError, match="needs --weights PATH, a folder with Lyra V2's soundstream"):
            load_codec("soundstream", None)
        with pytest.raises(InputError, match=r"soundstream_encoder\.tflite is missing"):
            load_codec("soundstream", str(tmp_path))
        for file in lyra.glob("*.tflite"):
            shutil.copy(file, tmp_path)
        (tmp_path / "lyragan.tflite").write_bytes((lyra / "lyragan.tflite").read_bytes()[:10000])
        with pytest.raises(InputError, match=r"lyragan\.tflite is no readable TFLite graph"):
            load_codec("soundstream", str(tmp_path))
        shutil.copyfile(lyra / "soundstream_encoder.tflite", tmp_path / "lyragan.tflite")
        with pytest.raises(InputError, match=r"lyragan\.tflite maps \(1, 320\) to \(1, 1, 64\), not"):
            load_codec("soundstream", str(tmp_path))

    def test_quantised_latents_come_nearer_with_every_codebook(self, get, speech):
        audio = speech(16000)[0]
        latents = get("soundstream").encode(audio)
        errors = [
            np.square(
                load_codec(f"soundstream-q{books}", str(get("soundstream").weights)).encode(audio) - latents
            )
            for books in (1, 4, 16, 46)
        ]
        shares = [float(error.mean() / latents.var()) for error in errors]
        assert shares == sorted(shares, reverse=True) and shares[0] > 0.2 and shares[-1] < 0.1

    def test_the_first_codebook_leaves_sixteen_vectors(self, get, speech):
        latents = load_codec("soundstream-q1", get("soundstream").weights).encode(speech(16000)[0])
        assert 5 < len(np.unique(latents, axis=0)) <= 16

    def test_quantised_latents_need_the_quantiser(self, lyra, tmp_path):
        for file in (soundstream._ENCODER, soundstream._DECODER):
            shutil.copy(lyra / file, tmp_path)
        assert load_codec("soundstream", str(tmp_path)).lattice_step
        with pytest.raises(InputError, match=r"quantizer\.tflite is missing"):
            load_codec("soundstream-q8", str(tmp_path))
        shutil.copyfile(lyra / soundstream._DECODER, tmp_path / "quantizer.tflite")
        with pytest.raises(InputError, match=r"quantizer\.tflite is no quantiser"):
            load_codec("soundstream-q8", str(tmp_path))


class TestLogMel(CodecContract, RealSound):
    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls) -> None:
        return None

    @pytest.fixture
    def name(self) -> str:
        return "logmel"

    def test_follows_its_formula_on_a_tone(self, get):
        def mel(hertz: float | np.ndarray) -> np.ndarray:
            return 2595 * np.log10(1 + np.asarray(hertz) / 700)

        bins = np.arange(513) * 16000 / 1024
        tone = 0.5 * np.sin(2 * np.pi * bins[64] * np.arange(16000) / 16000).astype(np.float32)
        magnitudes = np.zeros(513)
        magnitudes[63:66] = (
            0.5 * 512 / 2 * np.array([0.5, 1, 0.5])
        )  # a Hann window takes three bins for a tone
        edges = 700 * (10 ** (np.linspace(0, mel(8000), 82) / 2595) - 1)
        up, down = edges[:-2, None], edges[2:, None]
        middle = edges[1:-1, None]
        filters = np.clip(np.minimum((bins - up) / (middle - up), (down - bins) / (down - middle)), 0, None)
        expected = filters @ magnitudes
        heard = expected > 1
        assert heard.sum() >= 2
        frame = np.exp(get("logmel").encode(tone)[25])
        np.testing.assert_allclose(frame[heard], expected[heard], rtol=1e-3)

    def test_of_digital_silence_is_not_frozen(self, get):
        latents = get("logmel").encode(np.zeros(16000, np.float32))
        assert latents.min() > np.log(1e-6) + 1
        assert np.linalg.norm(np.diff(latents, axis=0), axis=1).min() > 0.1
        np.testing.assert_array_equal(latents, get("logmel").encode(np.zeros(16000, np.float32)))

    def test_takes_no_weights(self):
        with pytest.raises(InputError, match="logmel has no weights"):
            load_codec("logmel", "x")


# Names


def test_an_unknown_codec_is_named_with_the_nearest():
    with pytest.raises(InputError, match="'sondstream' is unknown; did you mean soundstream"):
        load_codec("sondstream", None)
    with pytest.raises(InputError, match="'encodek-q8' is unknown; did you mean encodec-q8"):
        load_codec("encodek-q8", None)


def test_world_says_at_once_that_its_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(InputError, match="world needs the package pyworld, .*pip install"):
        load_codec("world", None)


def test_a_number_of_codebooks_is_refused_where_there_is_no_such_quantiser():
    for name in set(CODECS) - set(QUANTISED):
        with pytest.raises(InputError, match=f"'{name}-q8' is unknown: {name} has no quantiser"):
            load_codec(f"{name}-q8", None)
    for name, books in (("soundstream", 46), ("mimi-12.5", 32)):
        for wrong in (0, books + 1):
            with pytest.raises(InputError, match=f"quantiser has 1 to {books} codebooks, not {wrong}"):
                load_codec(f"{name}-q{wrong}", None)


def test_no_codec_loads_its_library_before_it_is_used():
    codecs = ("soundstream", "logmel", "world", "mimi", "encodec", "dac", "random_weights")
    modules = ("codec_registry", *(f"codecs.{name}" for name in codecs))
    heavy = ("torch", "transformers", "moshi", "pyworld", "ai_edge_litert", "huggingface_hub", "safetensors")
    program = f"""
import sys, importlib
for name in {modules}:
    importlib.import_module("trainables.latents." + name)
print(*[name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# Reading


def test_audio_is_resampled_mixed_down_and_checked(tmp_path):
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, 0 * tone], 1), 8000, subtype="FLOAT")
    audio = read_audio(tmp_path / "a.wav", 16000)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert audio.dtype == np.float32 and np.abs(audio - expected)[500:-500].max() < 0.01
    soundfile.write(tmp_path / "empty.wav", np.empty(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.full(10, np.nan), 8000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no audio")
    reasons = {"empty": "no audio", "nan": "not numbers", "text": "Format not recog", "gone": "System error"}
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            read_audio(tmp_path / f"{name}.wav", 16000)
