"""Derived representations: maps undo themselves, see training speakers alone, and keep who said what."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainables.errors import InputError
from trainables.latents.codec_registry import load_derived
from trainables.latents.derived.derive_dataset import derived_utterances, fit_transform, training_frames
from trainables.latents.derived.derived_codec import DerivedCodec
from trainables.latents.derived.expression import parse
from trainables.latents.derived.maps import Pool, Stack
from trainables.latents.derived.slower_tracks import slower, slower_energy, slower_f0
from trainables.latents.derived.transform import Transform
from trainables.latents.storage.dataset import LatentDataset, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import LatentMeta, Utterance

DIM = 6
META = LatentMeta(
    representation="toy",
    dim=DIM,
    frame_rate=50.0,
    codec="toy",
    codec_hash="c0",
    weights=None,
    corpus_hash="",
    lattice_step=0.5,
)


def write(folder: Path, seed_of_test: int = 0, frames: int = 203) -> LatentDataset:
    """Correlated frames of 8 speakers on a lattice, in a file for training and one for the rest."""
    mixing = np.random.default_rng(9).standard_normal((DIM, DIM)) * np.geomspace(0.3, 8, DIM)
    for file, split, seed in (("a", "train", 1), ("b", "test", 100 + seed_of_test)):
        rng = np.random.default_rng(seed)
        rows = []
        for i in range(8):
            z = 0.5 * np.round((rng.standard_normal((frames + i, DIM)) @ mixing + 3) / 0.5)
            track = rng.uniform(1, 2, len(z))
            rows.append(Utterance(f"{file}{i}-0", f"{file}{i}", split, z, track, track, track))
        write_utterances(folder / f"{file}.parquet", rows, META)
    return open_dataset(folder)


@pytest.fixture
def dataset(tmp_path: Path) -> LatentDataset:
    return write(tmp_path / "base")


@pytest.mark.parametrize(
    "expression", ["whiten", "stack(4)", f"pca({DIM})", "whiten of stack(3)", "pca(18) of stack(3)"]
)
def test_what_loses_nothing_can_be_undone(dataset: LatentDataset, expression: str) -> None:
    transform = fit_transform(expression, dataset)
    frames = next(training_frames(dataset))
    whole = len(frames) // transform.rate * transform.rate
    made = transform.forward(frames)
    assert made.shape == (whole // transform.rate, transform.dim)
    np.testing.assert_allclose(transform.to_base(made), frames[:whole], rtol=1e-9, atol=1e-9)


def test_pool_is_undone_up_to_its_means_and_pca_up_to_the_variance_left(dataset: LatentDataset) -> None:
    frames = np.concatenate(list(training_frames(dataset)))
    pooled = fit_transform("pool(2)", dataset)
    back = pooled.to_base(pooled.forward(frames[:10]))
    np.testing.assert_allclose(back[0::2], back[1::2])
    np.testing.assert_allclose(back[0], frames[:2].mean(0))
    few = fit_transform("pca(2)", dataset)
    lost = np.square(few.to_base(few.forward(frames)) - frames).sum(1).mean()
    variances = np.sort(np.linalg.eigvalsh(np.cov(frames.T, bias=True)))
    assert lost == pytest.approx(variances[:-2].sum(), rel=1e-6)


def test_whitened_training_frames_have_unit_covariance_and_stay_near_themselves(
    dataset: LatentDataset,
) -> None:
    transform = fit_transform("whiten", dataset)
    frames = np.concatenate(list(training_frames(dataset)))
    made = transform.forward(frames)
    np.testing.assert_allclose(np.cov(made.T, bias=True), np.eye(DIM), atol=1e-9)
    np.testing.assert_allclose(made.mean(0), 0, atol=1e-9)
    correlations = [np.corrcoef(made[:, d], frames[:, d])[0, 1] for d in range(DIM)]
    assert min(correlations) > 0  # a rotation of these would be as white, and point anywhere


def test_a_direction_without_variance_is_not_blown_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    track = np.ones(200)
    rows = []
    for i in range(3):
        z = rng.standard_normal((200, DIM))
        z[:, 1] = z[:, 0]
        rows.append(Utterance(f"s{i}", f"s{i}", "train", z, track, track, track))
    write_utterances(tmp_path / "x.parquet", rows, LatentMeta(**{**vars(META), "lattice_step": None}))
    transform = fit_transform("whiten", open_dataset(tmp_path))
    frames = np.concatenate(list(training_frames(open_dataset(tmp_path))))
    assert np.abs(transform.forward(frames)).max() < 10
    np.testing.assert_allclose(transform.to_base(transform.forward(frames)), frames, atol=1e-6)


@pytest.mark.parametrize("expression", ["pca(3)", "whiten", "pca(5) of stack(2)"])
def test_no_test_frame_touches_the_fit(tmp_path: Path, expression: str) -> None:
    one, other = (fit_transform(expression, write(tmp_path / str(seed), seed)) for seed in (0, 1))
    assert one.base_hash != other.base_hash and one.hash == other.hash
    for mine, theirs in zip(one.maps, other.maps, strict=True):
        for name, values in mine.arrays().items():
            assert values.tobytes() == theirs.arrays()[name].tobytes()


def test_the_dither_is_that_of_the_base(dataset: LatentDataset, tmp_path: Path) -> None:
    transform = fit_transform("stack(2)", dataset)
    made, _ = derived_utterances(dataset.files[0], transform)
    frames = next(training_frames(dataset))
    np.testing.assert_array_equal(made[0].latents[0], frames[:2].reshape(-1))
    assert np.any(frames != np.round(frames / 0.5) * 0.5)
    assert transform.meta(tmp_path).lattice_step is None


def test_a_saved_transform_is_the_same_and_needs_no_pickle(dataset: LatentDataset, tmp_path: Path) -> None:
    transform = fit_transform("pca(7) of whiten of stack(2)", dataset)
    transform.save(tmp_path)
    found = Transform.load(tmp_path)
    frames = next(training_frames(dataset))
    np.testing.assert_array_equal(found.forward(frames), transform.forward(frames))
    assert (found.name, found.hash, found.base) == (transform.name, transform.hash, META)
    assert found.name == "pca7(whiten(stack2(toy)))"
    (tmp_path / "transform.safetensors").write_bytes(b"no transform")
    with pytest.raises(InputError, match="no fitted transform.*derive the latents again"):
        Transform.load(tmp_path)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("pcs(3)", "'pcs(3)' is unknown (known: pca(K), whiten"),
        ("pca", "'pca' is unknown"),
        ("stack(1)", "stack(1) must have at least 2"),
        ("pca(2) of", "'' is unknown"),
    ],
)
def test_a_wrong_expression_is_answered_with_what_is_known(expression: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        parse(expression)


def test_more_components_than_dimensions_are_refused_before_anything_is_read() -> None:
    with pytest.raises(InputError, match=r"pca\(13\) of 12 dimensions"):
        Transform.fit("pca(13) of stack(2)", META, "", lambda: pytest.fail("frames were read"))


def test_tracks_at_a_lower_rate() -> None:
    nan = np.nan
    np.testing.assert_allclose(slower(np.array([1, 3, nan, 5, nan, nan, 9]), 2), [2, 5, nan])
    np.testing.assert_allclose(
        slower_energy(np.array([-20.0, -20.0, -120.0, -10.0]), 2), [-20, -13.0103], rtol=1e-6
    )
    np.testing.assert_allclose(slower_f0(np.array([100, 200, 0, 150, 0, 0, nan, nan]), 2), [150, 150, 0, nan])


class Halves:
    """A codec whose latents are the audio's samples, six to a frame."""

    name, sample_rate, frame_rate, dim, hash = "toy", 300, 50.0, DIM, "c0"
    lattice_step, weights, note, uses_gpu = None, None, "", False

    def encode(self, audio: np.ndarray) -> np.ndarray:
        return audio.reshape(-1, DIM)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return latents.reshape(-1)


def test_audio_comes_back_through_the_base(
    dataset: LatentDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smooth = replace(dataset, meta=replace(META, lattice_step=None))
    fit_transform("whiten of stack(2)", smooth).save(tmp_path)
    monkeypatch.setattr("trainables.latents.codec_registry.load_codec", lambda name, weights: Halves())
    codec = load_derived(tmp_path)
    assert isinstance(codec, DerivedCodec) and (codec.frame_rate, codec.dim) == (25.0, 2 * DIM)
    audio = np.random.default_rng(2).standard_normal(120).astype(np.float32)
    np.testing.assert_allclose(codec.decode(codec.encode(audio)), audio, atol=1e-4)
    monkeypatch.setattr(Halves, "hash", "c1")
    with pytest.raises(InputError, match="other weights"):
        load_derived(tmp_path)


def test_an_utterance_shorter_than_a_stack_gives_no_frame() -> None:
    assert Stack(4).forward(np.ones((3, 5))).shape == (0, 20)
    assert Pool(4).forward(np.ones((3, 5))).shape == (0, 5)
