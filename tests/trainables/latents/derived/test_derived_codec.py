"""Derived representations keep what every codec keeps, and say what is wrong with their folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.latents.codecs.test_codecs import CodecContract, RealSound
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.base import Codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.codecs.random_weights import write_random_weights
from trainables.latents.derived.derive_dataset import derived_utterances, fit_transform
from trainables.latents.encode_recording import read_audio
from trainables.latents.speech.corpus import find_corpus
from trainables.latents.storage.dataset import LatentDataset, latent_frames, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import LatentMeta, Utterance

LOSSLESS = {"stack4(soundstream)": "stack(4)", "whiten(soundstream)": "whiten"}
OTHERS = {
    "pca32(stack4(soundstream))": "pca(32) of stack(4)",
    "pca16(logmel)": "pca(16)",
    "pool6(encodec)": "pool(6)",
}


@pytest.fixture(scope="module")
def base(librispeech, lyra, tmp_path_factory) -> Callable[[str], LatentDataset]:
    """Four training utterances and a test utterance behind a codec, encoded once; f0 and the like unknown."""
    root = tmp_path_factory.mktemp("bases")
    weights = {"soundstream": str(lyra), "logmel": None}

    def encoded(name: str) -> LatentDataset:
        folder = root / name
        if not folder.exists():
            if name == "encodec":
                weights[name] = str(write_random_weights(name, root / "weights", num_filters=4))
            codec = load_codec(name, weights[name])
            recordings = find_corpus(librispeech).recordings
            train = [r for r in recordings if r.split == "train"][:4]
            rows = [_utterance(codec, r) for r in (*train, next(r for r in recordings if r.split == "test"))]
            write_utterances(folder / "all.parquet", rows, _meta(codec))
        return open_dataset(folder)

    return encoded


def _utterance(codec: Codec, recording) -> Utterance:
    audio = read_audio(recording.path, codec.sample_rate)[: 3 * codec.sample_rate]
    latents = codec.encode(audio)
    unknown = np.full(len(latents), np.nan)
    who = (recording.utterance_id, recording.speaker_id, recording.split)
    return Utterance(*who, latents, unknown, unknown, unknown)


def _meta(codec: Codec) -> LatentMeta:
    return meta_of(codec, source="/speech")


@pytest.fixture(scope="module")
def derived(base, tmp_path_factory) -> Callable[[str], LatentDataset]:
    """A derived dataset by its name, made once, as the command makes it."""
    root = tmp_path_factory.mktemp("derived")

    def made(name: str) -> LatentDataset:
        folder = root / name
        if not folder.exists():
            folder.mkdir()
            source = base(name.split("(")[-1].rstrip(")"))
            transform = fit_transform((LOSSLESS | OTHERS)[name], source)
            transform.save(folder)
            for file in source.files:
                rows, _ = derived_utterances(file, transform)
                write_utterances(folder / file.name, rows, transform.meta(folder))
        return open_dataset(folder)

    return made


class DerivedContract(CodecContract):
    """Each is loaded as a sweep loads it: from what its dataset's metadata says."""

    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls) -> None:
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def get(cls, derived) -> Callable[[str], Codec]:
        return lambda name: load_codec(derived(name).meta.codec, derived(name).meta.weights)

    def test_its_dataset_is_what_it_encodes_but_for_the_dither(self, derived, name, librispeech):
        meta = derived(name).meta
        codec = load_codec(meta.codec, meta.weights)
        assert (codec.dim, codec.frame_rate, codec.hash) == (meta.dim, meta.frame_rate, meta.codec_hash)
        assert codec.note == meta.note and meta.note.startswith("derived from ") and meta.source == "/speech"
        recording = next(r for r in find_corpus(librispeech).recordings if r.split == "test")
        audio = read_audio(recording.path, codec.sample_rate)[: 3 * codec.sample_rate]
        (table,) = derived(name).tables("test")
        stored, _ = latent_frames(table["latents"])
        encoded = codec.encode(audio)
        assert 0 <= len(encoded) - len(stored) <= 1  # a tail that fills no frame is left out of datasets
        error = encoded[: len(stored)] - stored.astype(np.float64)
        assert np.square(error).mean() < 0.02 * stored.astype(np.float64).var()


class TestLossless(DerivedContract, RealSound):
    @pytest.fixture(params=LOSSLESS)
    def name(self, request) -> str:
        return request.param


class TestOthers(DerivedContract):
    @pytest.fixture(params=OTHERS)
    def name(self, request) -> str:
        return request.param


def test_latents_of_a_lattice_leave_it(derived, base):
    meta, step = derived("stack4(soundstream)").meta, base("soundstream").meta.lattice_step
    latents = load_codec(meta.codec, meta.weights).encode(np.zeros(16000, np.float32))
    away = np.abs(latents / step - np.rint(latents / step))
    assert away.mean() == pytest.approx(0.25, abs=0.02)


def test_where_the_folder_lies_does_not_change_the_data(derived, base, tmp_path):
    found = derived("stack4(soundstream)")
    moved = Path(shutil.copytree(found.root, tmp_path / "moved"))
    (moved / "all.parquet").unlink()
    rows, _ = derived_utterances(base("soundstream").files[0], fit_transform("stack(4)", base("soundstream")))
    write_utterances(moved / "all.parquet", rows, replace(found.meta, weights=str(moved)))
    again = open_dataset(moved)
    assert again.meta.weights != found.meta.weights and again.content_hash == found.content_hash


def test_what_is_derived_from_a_derived_representation_is_decoded_too(derived, tmp_path):
    stacked = derived("stack4(soundstream)")
    transform = fit_transform("pca(8)", stacked)
    transform.save(tmp_path)
    meta = transform.meta(tmp_path)
    codec = load_codec(meta.codec, meta.weights)
    assert codec.name == "pca8(stack4(soundstream))"
    assert codec.decode(codec.encode(np.zeros(3200, np.float32))).shape == (3840,)


def test_nothing_decodes_what_is_derived_from_a_control_world(base, tmp_path):
    world = replace(base("logmel"), meta=replace(base("logmel").meta, codec=None, weights=None))
    transform = fit_transform("stack(2)", world)
    transform.save(tmp_path)
    assert (transform.meta(tmp_path).codec, transform.meta(tmp_path).weights) == (None, None)
    with pytest.raises(InputError, match="derived from logmel, which no codec decodes"):
        load_codec("stack2(logmel)", str(tmp_path))


def test_says_what_is_wrong_with_its_folder(derived, tmp_path):
    meta = derived("pca16(logmel)").meta
    for name, weights, reason in (
        (meta.codec, None, r"'pca16\(logmel\)' is derived: it needs --weights FOLDER"),
        (
            meta.codec,
            str(tmp_path / "gone"),
            "gone, which holds the transform .* does not exist; put it back, or derive",
        ),
        (meta.codec, str(tmp_path), "holds no fitted transform"),
        ("pca8(logmel)", meta.weights, r"holds pca16\(logmel\), not pca8\(logmel\)"),
    ):
        with pytest.raises(InputError, match=reason):
            load_codec(name, weights)
