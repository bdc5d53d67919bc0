"""What Mimi promises at each frame rate beside what every codec keeps, on random weights of the real size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.latents.codecs.test_codecs import CodecContract
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs import mimi
from trainables.latents.codecs.random_weights import write_random_weights

NAMES = ("mimi-12.5", "mimi-25", "mimi-50", "mimi-12.5-q8")


@pytest.fixture(scope="module")
def mimi_file(tmp_path_factory) -> Path:
    return write_random_weights("mimi", tmp_path_factory.mktemp("mimi")) / mimi.HUB_FILE


@pytest.mark.slow
class TestMimi(CodecContract):
    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, mimi_file) -> str:
        return str(mimi_file)

    @pytest.fixture(params=NAMES)
    def name(self, request) -> str:
        return request.param

    @pytest.fixture
    def audio(self, speech) -> np.ndarray:
        return speech(24000)[0][: 1920 * 8]

    def test_latents_are_continuous(self, get, audio):
        codec = get("mimi-12.5")
        with torch.inference_mode():
            model_input = torch.from_numpy(audio)[None, None]
            expected = codec._model.encode_to_latent(model_input, quantize=False)[0].T.numpy()
            quantised = codec._model.encode_to_latent(model_input)[0].T.numpy()
        np.testing.assert_array_equal(codec.encode(audio), expected)
        assert np.abs(expected - quantised).max() > 0.1 * expected.std()

    @pytest.mark.parametrize("books", [1, 8, 32])
    def test_quantised_latents_are_what_its_own_decoder_takes(self, get, audio, books):
        continuous, codec = get("mimi-12.5"), load_codec(f"mimi-12.5-q{books}", get("mimi-12.5").weights)
        codec._model = continuous._model
        continuous._model.set_num_codebooks(books)
        with torch.inference_mode():
            codes = continuous._model.encode(torch.from_numpy(audio)[None, None])
            expected = continuous._model.decode_latent(codes)[0].T.numpy()
            sound = continuous._model.decode(codes)[0, 0].numpy()
        latents = codec.encode(audio)
        continuous._model.set_num_codebooks(mimi.MIMI_CODEBOOKS)
        assert codes.shape[1] == books and sound.std() > 1e-4
        np.testing.assert_array_equal(latents, expected)
        for decoder in (codec, continuous):
            np.testing.assert_allclose(decoder.decode(latents), sound, atol=1e-4 * sound.std())

    def test_at_25_hz_latents_are_those_before_down_sampling(self, get, audio):
        slow, fast = get("mimi-12.5"), get("mimi-25")
        latents = fast.encode(audio)
        with torch.inference_mode():
            halved = fast._model._to_framerate(torch.from_numpy(latents.T)[None])[0].T.numpy()
        np.testing.assert_allclose(halved, slow.encode(audio), atol=1e-5 * halved.std())
        sound = slow.decode(halved)
        np.testing.assert_allclose(fast.decode(latents), sound, atol=1e-4 * sound.std())

    def test_at_50_hz_every_fourth_frame_is_one_at_12_5_hz(self, get, audio):
        slow, fast = get("mimi-12.5"), get("mimi-50")
        latents, sound = fast.encode(audio), slow.decode(slow.encode(audio))
        np.testing.assert_allclose(latents[3::4], slow.encode(audio), atol=1e-5 * latents.std())
        np.testing.assert_allclose(fast.decode(latents), sound, atol=1e-4 * sound.std())

    def test_at_50_hz_the_frames_between_are_of_shifted_audio(self, get, audio):
        latents = get("mimi-50").encode(audio)
        later = get("mimi-50").encode(np.pad(audio, (480, 0)))
        kept = np.arange(len(latents)) % 4 != 3
        np.testing.assert_allclose(later[1:][kept], latents[kept], atol=1e-5 * latents.std())
        assert np.abs(np.diff(latents, axis=0)).max(1).min() > 0.01 * latents.std()

    @pytest.mark.parametrize("name", NAMES)
    def test_no_frame_has_heard_what_comes_after_it(self, get, audio, name):
        codec = get(name)
        whole, half = codec.encode(audio), codec.encode(audio[: 1920 * 4])
        np.testing.assert_allclose(whole[: len(half)], half, atol=1e-4 * whole.std())

    @pytest.mark.parametrize("name", NAMES)
    def test_long_recordings_go_through_in_steps(self, get, speech, name, monkeypatch):
        codec, audio = get(name), speech(24000)[0]
        whole = codec.encode(audio)
        monkeypatch.setattr(mimi, "_LONGEST", 8 * 1920)
        monkeypatch.setattr(mimi, "_PIECE", 5 * 1920)
        np.testing.assert_allclose(codec.encode(audio), whole, atol=1e-3 * whole.std())

    def test_tells_random_weights_from_real_ones(self, get, mimi_file):
        assert get("mimi-12.5").note == "random weights"
        assert get("mimi-12.5").weights == str(mimi_file)
        folder = load_codec("mimi-12.5", str(mimi_file.parent))
        assert folder.hash == get("mimi-12.5").hash != get("mimi-25").hash


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
