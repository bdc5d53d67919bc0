"""What EnCodec and DAC promise beside what every codec keeps, on random weights, and how these are made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.latents.codecs.test_codecs import CodecContract
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs import random_weights
from trainables.latents.codecs.random_weights import write_random_weights

SMALL = {  # of the published shapes in time, and small in everything else
    "encodec": {"num_filters": 4},
    "dac": {"encoder_hidden_size": 4, "decoder_hidden_size": 64},
}
MISSING = r"model\.safetensors; it needs the files config\.json and model\.safetensors of "
HOW = r"huggingface-cli download \S+ config\.json model\.safetensors` and give .* --weights PATH"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    return {name: write_random_weights(name, root / name, **settings) for name, settings in SMALL.items()}


@pytest.fixture(params=list(SMALL))
def kind(request) -> str:
    return request.param


@pytest.fixture
def folder(folders, kind, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folders[kind], tmp_path / "copy"))


class TestEnCodec(CodecContract):
    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, folders) -> str:
        return str(folders["encodec"])

    @pytest.fixture(params=["encodec", "encodec-q8"])
    def name(self, request) -> str:
        return request.param

    def test_is_75_hz_of_128_dimensions_at_24_khz(self, get):
        codec = get("encodec")
        assert (codec.sample_rate, codec.frame_rate, codec.dim, codec.available) == (24000, 75.0, 128, 32)

    def test_latents_are_what_its_own_encoder_and_quantiser_give(self, get, speech):
        codec, audio = get("encodec"), speech(24000)[0][: 320 * 40]
        with torch.inference_mode():
            samples = torch.from_numpy(audio)[None, None]
            continuous = codec._model.encoder(samples)[0].T.numpy()
            codes = codec._model.encode(samples, bandwidth=6.0).audio_codes[0]
            quantised = codec._model.quantizer.decode(codes.transpose(0, 1))[0].T.numpy()
            sound = codec._model.decode(codes[None], [None]).audio_values[0, 0].numpy()
        assert codes.shape[1] == 8 and len(np.unique(codes)) > 50
        np.testing.assert_array_equal(codec.encode(audio), continuous)
        np.testing.assert_allclose(get("encodec-q8").encode(audio), quantised, atol=1e-5)
        np.testing.assert_allclose(codec.decode(quantised), sound, atol=1e-5 * sound.std())

    def test_is_causal(self, get, speech):
        # The first frames excepted: the encoder pads by reflection, which reads a little of what follows.
        codec, audio = get("encodec"), speech(24000)[0]
        whole, half = codec.encode(audio), codec.encode(audio[: 320 * 20])
        np.testing.assert_allclose(whole[:20], half, atol=1e-5 * whole.std())

    def test_refuses_the_stereo_model(self, folders, tmp_path):
        other = write_random_weights("encodec", tmp_path / "48khz", num_filters=4, audio_channels=2)
        with pytest.raises(InputError, match="of the EnCodec that scales and cuts stereo audio"):
            load_codec("encodec", str(other))


class TestDac(CodecContract):
    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, folders) -> str:
        return str(folders["dac"])

    @pytest.fixture(params=["dac", "dac-q4"])
    def name(self, request) -> str:
        return request.param

    def test_latents_and_audio_are_what_its_own_model_gives(self, get, speech):
        codec, audio = get("dac"), speech(16000)[0][: 320 * 40]
        with torch.inference_mode():
            samples = torch.from_numpy(audio)[None, None]
            continuous = codec._model.encoder(samples)[0].T.numpy()
            quantised = codec._model.encode(samples, 4).quantized_representation[0].T.numpy()
            whole, four = (codec._model(samples, books).audio_values[0].numpy() for books in (12, 4))
        latents = get("dac-q4").encode(audio)
        np.testing.assert_array_equal(codec.encode(audio), continuous)
        np.testing.assert_allclose(latents, quantised, atol=1e-5 * quantised.std())
        np.testing.assert_allclose(codec.decode(continuous)[: len(whole)], whole, atol=1e-4)
        np.testing.assert_allclose(get("dac-q4").decode(latents)[: len(four)], four, atol=1e-4)
        assert len(audio) - len(whole) < 16  # what its strides lose at the end

    def test_frames_are_spaced_by_the_strides(self, folders, tmp_path):
        # The published configuration of the 16 kHz model says 512, from the strides of another.
        folder = Path(shutil.copytree(folders["dac"], tmp_path / "dac"))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"hop_length": 512}))
        assert load_codec("dac", str(folder)).frame_rate == 50.0

    def test_other_rates_are_taken_from_the_weights(self, tmp_path):
        settings = SMALL["dac"] | {"sampling_rate": 24000, "n_codebooks": 32}
        codec = load_codec("dac-q32", str(write_random_weights("dac", tmp_path / "24khz", **settings)))
        assert (codec.sample_rate, codec.frame_rate) == (24000, 75.0)
        with pytest.raises(InputError, match="dac-q33: its quantiser has 1 to 32 codebooks, not 33"):
            load_codec("dac-q33", codec.weights)


# Weights


def test_random_weights_are_told_from_real_ones(folders, kind):
    assert load_codec(kind, str(folders[kind])).note == "random weights"
    assert load_codec(kind, str(folders[kind])).weights == str(folders[kind])
    assert load_codec(kind, str(folders[kind] / "model.safetensors")).note == "random weights"


def test_only_safetensors_are_read(folder, kind):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=MISSING):
        load_codec(kind, str(folder))


def test_says_which_files_are_needed_and_how_to_get_them(kind, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for weights in (None, "someone/something", str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(InputError, match=HOW):
            load_codec(kind, weights)


def test_names_unreadable_weights(folder, folders, kind):
    other = next(name for name in SMALL if name != kind)
    with pytest.raises(InputError, match=r"model\.safetensors holds another model than"):
        load_codec(kind, str(folders[other]))
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is no configuration"):
        load_codec(kind, str(folder))
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match=r"model\.safetensors is no safetensors file"):
        load_codec(kind, str(folder))


def test_a_missing_parameter_is_not_made_up(folder, kind):
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    encoders = [name for name in weights if name.startswith("encoder") and name.endswith("bias")]
    save_file({k: v for k, v in weights.items() if k != encoders[0]}, file, metadata={"format": "pt"})
    codec = load_codec(kind, str(folder))
    assert codec.note == ""
    with pytest.raises(InputError, match="holds another model"):
        codec.encode(np.zeros(4000, np.float32))
    save_file(weights | {encoders[0]: weights[encoders[0]][:-1]}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="holds another model"):
        load_codec(kind, str(folder)).encode(np.zeros(4000, np.float32))


# Random weights


def test_random_weights_are_the_same_every_time(folders, kind, tmp_path):
    again = write_random_weights(kind, tmp_path / "again", **SMALL[kind])
    assert load_codec(kind, str(again)).hash == load_codec(kind, str(folders[kind])).hash


def test_random_weights_never_replace_weights(folders, kind, capsys):
    for name, reason in ((kind, "holds weights already"), ("logmel", "'logmel' has no weights")):
        with pytest.raises(SystemExit) as stop:
            random_weights.main([name, str(folders[kind])])
        assert stop.value.code == 2 and reason in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind, dim, frame_rate", [("encodec", 128, 75.0), ("dac", 1024, 50.0)])
def test_the_real_size_goes_through(kind, dim, frame_rate, tmp_path, capsys):
    random_weights.main([kind, str(tmp_path / kind)])
    assert f"--weights {tmp_path / kind}" in capsys.readouterr().out
    codec = load_codec(kind, str(tmp_path / kind))
    latents = codec.encode(np.random.default_rng(0).normal(0, 0.1, codec.sample_rate).astype(np.float32))
    assert latents.shape == (codec.frame_rate, dim) and codec.frame_rate == frame_rate
    assert 1e-3 < latents.std() < 1e3 and codec.decode(latents[:5]).std() > 1e-3
