"""What was written is what is read: a file that holds anything else is refused, with the utterance's name."""

import json
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.latents.storage.edited_files import negate_latents, rewrite
from trainables.errors import InputError
from trainables.latents.storage.dataset import (
    SPLITS,
    LatentMeta,
    Utterance,
    open_dataset,
    whole_file,
    write_utterances,
)
from trainables.latents.storage.latent_file import open_file
from trainables.latents.storage.parquet_file import FINGERPRINT_KEY, PART_KEY

META = LatentMeta("toy", 4, 50.0, None, "none", None, "corpus", None)


def utterance(number: int, split: str, frames: int = 40) -> Utterance:
    rng = np.random.default_rng(number)
    tracks = rng.normal(size=(3, frames)).astype(np.float32)
    latents = rng.normal(size=(frames, META.dim)).astype(np.float16)
    return Utterance(f"{split}-{number}", f"{split} speaker", split, latents, *tracks)


ROWS = [utterance(number, split) for split in SPLITS for number in range(2)]


@pytest.fixture
def folder(tmp_path):
    write_utterances(tmp_path / "one.parquet", ROWS, META)
    return tmp_path


def everything(folder):
    """All that can be read of a folder, to the bit."""
    dataset = open_dataset(folder)
    read = {}
    for split in SPLITS:
        for table in dataset.tables(split):
            for row in table.to_pylist():
                read[row["utterance_id"]] = row["speaker_id"], split, np.array(row["latents"]).tobytes()
        for name, tracks in dataset.tracks(split).items():
            read[name] += tuple((track, values.tobytes()) for track, values in tracks.items())
    return dataset.content_hash, dataset.rms, read


def refusal(folder) -> str:
    with pytest.raises(InputError) as refused:
        everything(folder)
    return str(refused.value)


def test_a_flipped_bit_anywhere_in_the_body_is_refused_or_changes_nothing(folder):
    file = folder / "one.parquet"
    whole, expected, refused = file.read_bytes(), everything(folder), 0
    body = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    places = random.Random(0).sample(range(8 * body), 150)
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            assert everything(folder) == expected, f"bit {place} changed what was read"
        except InputError as error:
            assert str(error).startswith(f"{file} ") and len(str(error).splitlines()) == 1
            refused += 1
    # The others lie in statistics of pages, or in the one column that nobody reads.
    assert refused >= 100


def test_a_changed_normaliser_in_the_footer_is_refused(folder):
    table = pq.read_table(folder / "one.parquet")
    part = json.loads(table.schema.metadata[PART_KEY])
    part["sum_squares"] *= 2
    metadata = table.schema.metadata | {PART_KEY: json.dumps(part).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "one.parquet")
    assert "has a footer that is not the one that was written" in refusal(folder)


@pytest.mark.parametrize("opened", [False, True], ids=["before opening", "after opening"])
def test_negated_latents_under_the_old_footer_are_refused_by_name(folder, opened):
    dataset = open_dataset(folder)
    negate_latents(folder / "one.parquet")
    with pytest.raises(InputError, match=r"one\.parquet holds other latents of utterance test-0 than"):
        list((dataset if opened else open_dataset(folder)).tables("test"))


def test_negated_tracks_under_the_old_footer_are_refused_by_name(folder):
    def negated(table):
        (column,) = table["f0"].chunks
        values = pa.ListArray.from_arrays(column.offsets, pa.array(-column.values.to_numpy()), column.type)
        return table.set_column(table.column_names.index("f0"), table.schema.field("f0"), values)

    rewrite(folder / "one.parquet", negated)
    list(open_dataset(folder).tables("train"))
    with pytest.raises(InputError, match="holds other tracks of utterance train-0 "):
        open_dataset(folder).tracks("train")
    with pytest.raises(InputError, match="holds other tracks of utterance test-0 "):
        whole_file(folder / "one.parquet")


def test_rows_that_change_places_between_files_are_refused_by_name(folder):
    write_utterances(folder / "two.parquet", [utterance(7, "train"), utterance(8, "train")], META)
    one, two = (pq.read_table(folder / f"{name}.parquet") for name in ("one", "two"))
    there = one["utterance_id"].to_pylist().index("train-1")
    rewrite(
        folder / "one.parquet",
        lambda table: pa.concat_tables([table.slice(0, there), two.slice(0, 1), table.slice(there + 1)]),
    )
    rewrite(folder / "two.parquet", lambda table: pa.concat_tables([one.slice(there, 1), table.slice(1)]))
    assert "one.parquet holds other latents of utterance " in refusal(folder)
    assert "train-7" in refusal(folder)


def test_a_row_that_is_taken_out_of_its_split_is_refused(folder):
    def moved(table):
        splits = ["nowhere" if split == "test" else split for split in table["split"].to_pylist()]
        place = table.column_names.index("split")
        return table.set_column(place, table.schema.field("split"), pa.array(splits))

    rewrite(folder / "one.parquet", moved)
    assert "of utterance test-0 than were written" in refusal(folder)


def test_a_column_that_is_missing_or_of_another_type_is_refused(folder):
    file, dataset = folder / "one.parquet", open_dataset(folder)
    rewrite(file, lambda table: table.set_column(6, "energy", pa.array([0.0] * len(table))))
    assert "energy is double" in refusal(folder)
    with pytest.raises(InputError, match="is not the file that it was"):
        dataset.tracks("test")
    rewrite(file, lambda table: table.drop_columns(["energy"]))
    assert "lacks the column 'energy'" in refusal(folder)


def test_a_file_exchanged_after_opening_is_refused_though_it_is_whole(folder):
    dataset = open_dataset(folder)
    write_utterances(folder / "one.parquet", [*ROWS[:-1], utterance(9, "test")], META)
    with pytest.raises(InputError, match=r"one\.parquet holds other latents of utterance test-1 "):
        list(dataset.tables("test"))
    with pytest.raises(InputError, match=r"one\.parquet is not the file that it was"):
        open_file(folder / "one.parquet", dataset.opened[0].fingerprint)
    write_utterances(folder / "one.parquet", ROWS[:-1], META)
    with pytest.raises(InputError, match=r"one\.parquet is not the file that it was"):
        list(dataset.tables("train"))
    assert open_dataset(folder).content_hash != dataset.content_hash


def test_the_hash_sees_tracks_and_every_identity(tmp_path):
    def hash_of(name, *rows):
        write_utterances(tmp_path / name / "a.parquet", rows, META)
        return open_dataset(tmp_path / name).content_hash

    louder = replace(ROWS[0], energy=ROWS[0].energy + 1)
    other = replace(ROWS[0], split="validation", speaker_id="other")
    hashes = {hash_of(str(i), row, *ROWS[1:]) for i, row in enumerate([ROWS[0], louder, other])}
    assert len(hashes) == 3


@pytest.fixture
def written_before(folder):
    """The folder as earlier versions wrote it: no digests of rows, no checksums of pages."""
    file = folder / "one.parquet"
    table = pq.read_table(file)
    metadata = {key: value for key, value in table.schema.metadata.items() if key != FINGERPRINT_KEY}
    part = json.loads(metadata[PART_KEY])
    del part["rows"]
    metadata[PART_KEY] = json.dumps(part | {"digest": "0" * 64}).encode()
    pq.write_table(table.replace_schema_metadata(metadata), file)
    return folder


def test_a_file_without_digests_is_hashed_as_it_is_opened(written_before, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    write_utterances(again / "one.parquet", ROWS, META)
    assert everything(written_before) == everything(again)
    dataset = open_dataset(written_before)
    negate_latents(written_before / "one.parquet")
    assert open_dataset(written_before).content_hash != dataset.content_hash
    with pytest.raises(InputError, match="holds other latents of utterance test-0 "):
        list(dataset.tables("test"))


def test_rows_in_many_row_groups_come_back_in_order_and_only_those_wanted(tmp_path):
    rows = [utterance(number, split, frames=3) for number in range(70) for split in SPLITS]
    write_utterances(tmp_path / "many.parquet", rows, META)
    dataset = open_dataset(tmp_path)
    for split in SPLITS:
        (table,) = dataset.tables(split)
        assert table["utterance_id"].to_pylist() == dataset.utterances(split)
        (some,) = dataset.tables(split, dataset.utterances(split)[::7])
        assert some["utterance_id"].to_pylist() == dataset.utterances(split)[::7]
        expected = {row.utterance_id: row.latents.tolist() for row in rows}
        assert all(row["latents"] == expected[row["utterance_id"]] for row in some.to_pylist())
