"""What every codec must keep, and what each promises of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from trainables.errors import InputError
from trainables.latents.codecs import CODECS, Codec, load_codec, mimi
from trainables.latents.encode import read_audio

SECONDS = 0.95  # of each excerpt; no whole number of frames for any codec


@pytest.fixture(scope="session")
def mimi_file(tmp_path_factory) -> Path:
    """A Mimi of random weights, saved as its real ones are.

    As built, its biases drown what goes in, and its codebooks are empty.
    """
    from moshi.models.loaders import get_mimi
    from safetensors.torch import save_file

    file = tmp_path_factory.mktemp("mimi") / "mimi.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = get_mimi(None).state_dict()
        biases = {name: torch.zeros_like(w) for name, w in weights.items() if name.endswith(".bias")}
        books = {name: torch.randn_like(w) for name, w in weights.items() if name.endswith("embedding_sum")}
        save_file(weights | biases | books, file, metadata={"note": "random weights"})
    return file


@pytest.fixture(scope="session")
def codecs(request) -> Callable[[str], Codec]:
    """Every codec by name, loaded once through the path that users take."""
    weights = {
        "soundstream": lambda: str(request.getfixturevalue("lyra")),
        "logmel": lambda: None,
        "mimi-12.5": lambda: str(request.getfixturevalue("mimi_file")),
    }
    loaded: dict[str, Codec] = {}

    def get(name: str) -> Codec:
        if name not in loaded:
            loaded[name] = load_codec(name, weights[name]())
        return loaded[name]

    return get


@pytest.fixture(params=CODECS)
def codec(request, codecs) -> Codec:
    return codecs(request.param)


@pytest.fixture(scope="session")
def speech(librispeech) -> Callable[[int], list[np.ndarray]]:
    """Two excerpts of real speech by different speakers at a sample rate."""
    folders = [librispeech / "test-other" / speaker for speaker in ("1688", "1998")]
    files = [min(folder.glob("*.flac")) for folder in folders]

    def excerpts(sample_rate: int) -> list[np.ndarray]:
        span = slice(sample_rate, int((1 + SECONDS) * sample_rate))
        return [read_audio(file, sample_rate)[span] for file in files]

    return excerpts


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """RMS distance of two sounds' log-magnitude spectra, in nepers, -60 dB being silence."""
    window = torch.hann_window(512)
    spectra = [
        torch.stft(torch.from_numpy(sound), 512, 160, window=window, return_complex=True).abs()
        for sound in (one, other)
    ]
    logs = [spectrum.clamp(min=1e-3 * float(spectra[0].max())).log() for spectrum in spectra]
    return float((logs[0] - logs[1]).square().mean().sqrt())


# What every codec must keep


def test_says_what_it_is(codec):
    assert codec.name in CODECS and len(codec.hash) == 16
    assert codec.sample_rate / codec.frame_rate == round(codec.sample_rate / codec.frame_rate)
    assert load_codec(codec.name, codec.weights).hash == codec.hash


def test_frames_cover_the_audio(codec, speech):
    hop = round(codec.sample_rate / codec.frame_rate)
    audio = speech(codec.sample_rate)[0]
    for samples in (1, hop, hop + 1, len(audio)):
        latents = codec.encode(audio[:samples])
        assert latents.shape == (-(-samples // hop), codec.dim)
        assert latents.dtype == np.float32 and np.isfinite(latents).all()
    decoded = codec.decode(latents)
    assert decoded.shape == (len(latents) * hop,) and decoded.dtype == np.float32


def test_remembers_nothing_of_the_last_utterance(codec, speech):
    one, other = speech(codec.sample_rate)
    latents, decoded = codec.encode(one), codec.decode(codec.encode(one))
    codec.decode(codec.encode(other))
    np.testing.assert_array_equal(codec.encode(one), latents)
    np.testing.assert_array_equal(codec.decode(latents), decoded)


def test_both_directions_depend_on_what_goes_in(codec, speech):
    latents = [codec.encode(audio) for audio in speech(codec.sample_rate)]
    for one, other in (latents, [codec.decode(z) for z in latents]):
        assert np.abs(one - other).max() > 0.5 * one.std()


@pytest.mark.parametrize("name", ["soundstream", "logmel"])
def test_decoded_speech_is_the_speech_that_was_encoded(codecs, speech, name):
    codec = codecs(name)
    audio = speech(codec.sample_rate)[0]
    latents = codec.encode(audio)

    def error(changed: np.ndarray) -> float:
        return distance(audio, codec.decode(changed)[: len(audio)])

    assert error(latents) < 0.75
    assert error(latents.astype(np.float16)) == pytest.approx(error(latents), abs=0.02)
    shuffled = np.random.default_rng(0).permutation(latents)
    late = np.roll(latents, 1, axis=0)
    wrong_dimensions = np.roll(latents, 1, axis=1)
    assert min(error(wrong) for wrong in (latents[::-1], shuffled, late, wrong_dimensions)) > 0.8


# SoundStream


def test_soundstream_latents_lie_on_the_lattice_even_as_float16(codecs, speech):
    codec = codecs("soundstream")
    stored = codec.encode(speech(16000)[0]).astype(np.float16)
    levels = stored.astype(np.float64) / codec.lattice_step
    assert np.abs(levels - np.rint(levels)).max() < 0.06
    assert np.rint(levels).min() >= -148 and np.rint(levels).max() <= 107
    assert len(np.unique(np.rint(levels))) > 50


def test_soundstream_is_causal(codecs, speech):
    audio = speech(16000)[0]
    whole, half = (codecs("soundstream").encode(audio[:samples]) for samples in (len(audio), 320 * 20))
    np.testing.assert_array_equal(whole[:20], half)


def test_soundstream_names_what_is_wrong_with_its_weights(lyra, tmp_path):
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


# Log-mel


def test_logmel_follows_its_formula_on_a_tone(codecs):
    def mel(hertz: float | np.ndarray) -> np.ndarray:
        return 2595 * np.log10(1 + np.asarray(hertz) / 700)

    bins = np.arange(513) * 16000 / 1024
    tone = 0.5 * np.sin(2 * np.pi * bins[64] * np.arange(16000) / 16000).astype(np.float32)
    magnitudes = np.zeros(513)
    magnitudes[63:66] = 0.5 * 512 / 2 * np.array([0.5, 1, 0.5])  # a Hann window takes three bins for a tone
    edges = 700 * (10 ** (np.linspace(0, mel(8000), 82) / 2595) - 1)
    up, down = edges[:-2, None], edges[2:, None]
    middle = edges[1:-1, None]
    filters = np.clip(np.minimum((bins - up) / (middle - up), (down - bins) / (down - middle)), 0, None)
    expected = filters @ magnitudes
    heard = expected > 1
    assert heard.sum() >= 2
    frame = np.exp(codecs("logmel").encode(tone)[25])
    np.testing.assert_allclose(frame[heard], expected[heard], rtol=1e-3)


def test_logmel_of_digital_silence_is_not_frozen(codecs):
    latents = codecs("logmel").encode(np.zeros(16000, np.float32))
    assert latents.min() > np.log(1e-6) + 1
    assert np.linalg.norm(np.diff(latents, axis=0), axis=1).min() > 0.1
    np.testing.assert_array_equal(latents, codecs("logmel").encode(np.zeros(16000, np.float32)))


def test_logmel_takes_no_weights():
    with pytest.raises(InputError, match="logmel has no weights"):
        load_codec("logmel", "x")


# Mimi


def test_mimi_decodes_quantised_latents_as_its_own_decoder_does(codecs, speech):
    codec = codecs("mimi-12.5")
    with torch.inference_mode():
        codes = codec._model.encode(torch.from_numpy(speech(24000)[0][: 1920 * 8])[None, None])
        latents = codec._model.decode_latent(codes)[0].T.numpy()
        expected = codec._model.decode(codes)[0, 0].numpy()
    assert latents.std() > 0.01 and expected.std() > 1e-4
    np.testing.assert_allclose(codec.decode(latents), expected, atol=1e-4 * expected.std())


def test_mimi_latents_are_continuous(codecs, speech):
    codec = codecs("mimi-12.5")
    audio = speech(24000)[0][: 1920 * 8]
    with torch.inference_mode():
        model_input = torch.from_numpy(audio)[None, None]
        expected = codec._model.encode_to_latent(model_input, quantize=False)[0].T.numpy()
        quantised = codec._model.encode_to_latent(model_input)[0].T.numpy()
    np.testing.assert_array_equal(codec.encode(audio), expected)
    assert np.abs(expected - quantised).max() > 0.1 * expected.std()


def test_mimi_encodes_long_recordings_in_steps(codecs, speech, monkeypatch):
    codec, audio = codecs("mimi-12.5"), speech(24000)[0]
    whole = codec.encode(audio)
    monkeypatch.setattr(mimi, "_WHOLE", 8 * 1920)
    monkeypatch.setattr(mimi, "_CHUNK", 5 * 1920)
    np.testing.assert_allclose(codec.encode(audio), whole, atol=1e-3 * whole.std())


def test_mimi_tells_random_weights_from_real_ones(codecs, mimi_file):
    assert codecs("mimi-12.5").note == "random weights"
    assert codecs("mimi-12.5").weights == str(mimi_file)


def test_mimi_says_which_file_it_needs_and_how_to_get_it(tmp_path, monkeypatch):
    from huggingface_hub import constants
    from moshi.models import loaders

    assert (mimi.HUB_ID, mimi.HUB_FILE) == (loaders.DEFAULT_REPO, loaders.MIMI_NAME)
    how = rf"{mimi.HUB_FILE} of {mimi.HUB_ID}: .*huggingface-cli download .* --weights PATH"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for weights in (None, mimi.HUB_ID, str(tmp_path / "nowhere.safetensors"), str(tmp_path)):
        with pytest.raises(InputError, match=how):
            load_codec("mimi-12.5", weights)


def test_mimi_names_an_unreadable_weights_file(tmp_path, mimi_file):
    from safetensors.numpy import save_file

    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(mimi_file.read_bytes()[:100000])
    with pytest.raises(InputError, match=r"broken\.safetensors is no safetensors file"):
        load_codec("mimi-12.5", str(broken))
    save_file({"weight": np.zeros(3, np.float32)}, broken)
    with pytest.raises(InputError, match=r"broken\.safetensors holds another model"):
        load_codec("mimi-12.5", str(broken))


def test_an_unknown_codec_is_named_with_the_nearest():
    with pytest.raises(InputError, match="'sondstream' is unknown; did you mean soundstream"):
        load_codec("sondstream", None)


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
