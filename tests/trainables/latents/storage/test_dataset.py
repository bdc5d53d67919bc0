"""Latents survive Parquet to the bit, without an object per frame; what is wrong with a folder is named."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.errors import InputError
from trainables.latents.storage.dataset import (
    LatentMeta,
    Utterance,
    latent_frames,
    open_dataset,
    write_utterances,
)
from trainables.latents.storage.parquet_file import table_utterances, utterance_table

DIM = 6
META = LatentMeta("soundstream", DIM, 50.0, "soundstream", "hash", "weights", "corpus", 0.25)


def utterance(name: str, speaker: str = "a", split: str = "train", frames: int = 7) -> Utterance:
    rng = np.random.default_rng(sum(name.encode()))
    tracks = rng.normal(size=(3, frames)).astype(np.float32)
    return Utterance(name, speaker, split, rng.normal(size=(frames, DIM)).astype(np.float16), *tracks)


ROWS = [
    utterance("a1"),
    utterance("b1", "b", "validation", 4),
    utterance("c1", "c", "test", 3),
    utterance("a2", frames=9),
]


@pytest.fixture
def folder(tmp_path):
    write_utterances(tmp_path / "one.parquet", ROWS[:2], META)
    write_utterances(tmp_path / "two.parquet", ROWS[2:], META)
    return tmp_path


def test_parquet_keeps_arrow_type_and_every_bit(folder):
    table = pq.read_table(folder / "two.parquet")
    assert str(table.schema.field("latents").type).replace("element", "item") == (
        f"list<item: fixed_size_list<item: halffloat>[{DIM}]>"
    )
    columns = "utterance_id speaker_id split frame_rate num_frames latents energy f0 spectral_flux"
    assert table.column_names == columns.split()
    for written, read in zip(sorted(ROWS[2:], key=lambda u: u.split), table_utterances(table), strict=True):
        assert (written.utterance_id, written.speaker_id, written.split) == (
            read.utterance_id,
            read.speaker_id,
            read.split,
        )
        for name in ("latents", "energy", "f0", "spectral_flux"):
            np.testing.assert_array_equal(getattr(written, name), getattr(read, name), strict=True)


def test_frames_are_a_view_of_one_chunk_sliced_or_not():
    column = utterance_table(ROWS, DIM, 50.0)["latents"].chunk(0)
    buffer = np.frombuffer(column.values.values.buffers()[1], np.float16)
    for array, rows in ((column, ROWS), (column.slice(1, 2), ROWS[1:3]), (column.slice(4), [])):
        frames, offsets = latent_frames(array)
        expected = np.concatenate([np.empty((0, DIM)), *(row.latents for row in rows)])
        np.testing.assert_array_equal(frames, expected)
        np.testing.assert_array_equal(offsets, np.cumsum([0, *(len(row.latents) for row in rows)]))
        assert frames.dtype == np.float16 and (not len(frames) or np.shares_memory(frames, buffer))


def test_frames_of_several_chunks_and_of_none():
    table = utterance_table(ROWS, DIM, 50.0)
    chunked = pa.chunked_array([table["latents"].chunk(0).slice(2), table["latents"].chunk(0).slice(0, 2)])
    expected = [ROWS[i].latents for i in (2, 3, 0, 1)]
    frames, offsets = latent_frames(chunked)
    np.testing.assert_array_equal(frames, np.concatenate(expected))
    np.testing.assert_array_equal(np.diff(offsets), [len(z) for z in expected])
    frames, offsets = latent_frames(pa.chunked_array([], table["latents"].type))
    assert frames.shape == (0, DIM) and offsets.tolist() == [0]


def test_dataset_knows_its_splits(folder):
    dataset = open_dataset(folder)
    assert dataset.meta == META
    assert dataset.utterances("train") == ["a1", "a2"] and dataset.speakers("train") == ["a"]
    assert (dataset.frames("train"), dataset.frames("test"), dataset.frames("nowhere")) == (16, 3, 0)
    found = {row.utterance_id: row.latents for table in dataset.tables("train") for row in _rows(table)}
    assert sorted(found) == ["a1", "a2"]
    np.testing.assert_array_equal(found["a2"], ROWS[3].latents)
    (table,) = dataset.tables("train", ids=["a2", "c1"])
    assert table["utterance_id"].to_pylist() == ["a2"]


def _rows(table: pa.Table) -> list[Utterance]:
    frames, offsets = latent_frames(table["latents"])
    none = np.empty(0)
    return [
        Utterance(name, "", "", frames[offsets[i] : offsets[i + 1]], none, none, none)
        for i, name in enumerate(table["utterance_id"].to_pylist())
    ]


def test_normaliser_is_the_rms_of_training_latents_alone(folder):
    train = np.concatenate([ROWS[0].latents, ROWS[3].latents]).astype(np.float64)
    assert open_dataset(folder).rms == pytest.approx(np.sqrt(np.square(train).mean()), rel=1e-12)
    assert pickle.loads(pickle.dumps(open_dataset(folder))).rms == open_dataset(folder).rms


def test_hash_sees_contents_not_files(folder, tmp_path_factory):
    def hash_of(rows, meta=META):
        root = tmp_path_factory.mktemp("other")
        write_utterances(root / "all.parquet", rows, meta)
        return open_dataset(root).content_hash

    expected = open_dataset(folder).content_hash
    assert hash_of(ROWS[::-1]) == expected
    assert hash_of(ROWS, replace(META, weights="elsewhere")) == expected
    touched = ROWS[0].latents.copy()
    touched[3, 2] += np.float16(0.01)
    changes = [
        hash_of([replace(ROWS[0], latents=touched), *ROWS[1:]]),
        hash_of([replace(ROWS[0], speaker_id="z"), *ROWS[1:]]),
        hash_of(ROWS[:3]),
        hash_of(ROWS, replace(META, lattice_step=None)),
    ]
    assert len({expected, *changes}) == 5


def test_speakers_are_counted_before_they_are_needed(folder):
    open_dataset(folder).require_speakers(1)
    with pytest.raises(InputError, match=r"has 1 test speaker, .* at least 3; encode more"):
        open_dataset(folder).require_speakers(3)


def test_missing_empty_and_foreign_folders(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no latent dataset"):
        open_dataset(tmp_path)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet holds no latents"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("kept", [0, 3, 0.5, -1])
def test_a_truncated_file_is_named(folder, kept):
    file = folder / "two.parquet"
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match=r"two\.parquet is truncated or damaged .*; delete it"):
        open_dataset(folder)


def test_a_file_damaged_after_opening_is_named(folder):
    dataset = open_dataset(folder)
    (folder / "two.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"two\.parquet is truncated"):
        list(dataset.tables("test"))


@pytest.mark.parametrize(
    ("meta", "rows", "message"),
    [
        (replace(META, representation="logmel"), [utterance("d1", "d")], "two representations"),
        (replace(META, codec_hash="other"), [utterance("d1", "d")], "differ in codec_hash"),
        (META, [utterance("a1")], "both hold a1; delete one"),
        (META, [utterance("b2", "b", "test")], "speaker b .* two splits"),
    ],
)
def test_files_that_do_not_belong_together(folder, meta, rows, message):
    write_utterances(folder / "three.parquet", rows, meta)
    with pytest.raises(InputError, match=message):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": np.full((7, DIM), np.nan)}, "a1: latents are not finite"),
        ({"latents": np.full((7, DIM), 1e5)}, "a1: .* too large for float16"),
        ({"latents": np.zeros((7, DIM + 1))}, r"a1: latents of shape \(7, 7\)"),
        ({"split": "dev"}, "a1: split is 'dev'"),
        ({"f0": np.zeros(6)}, "a1: energy, f0 and spectral_flux must have 7 frames"),
    ],
)
def test_a_bad_row_leaves_no_file_behind(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_utterances(tmp_path / "x.parquet", [ROWS[1], replace(ROWS[0], **change)], META)
    assert list(tmp_path.iterdir()) == []


def test_no_training_split_no_normaliser(tmp_path):
    write_utterances(tmp_path / "x.parquet", [ROWS[2]], META)
    with pytest.raises(InputError, match="no training latents"):
        _ = open_dataset(tmp_path).rms


def test_acoustic_tracks_come_back_by_utterance(folder):
    found = open_dataset(folder).tracks("train")
    assert sorted(found) == ["a1", "a2"]
    for row in (ROWS[0], ROWS[3]):
        for name in ("energy", "f0", "spectral_flux"):
            np.testing.assert_array_equal(found[row.utterance_id][name], getattr(row, name))
