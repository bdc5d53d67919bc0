"""A latent file is data: whatever its columns say of themselves, opening it runs nothing."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.orchestrator.tiny_world import write_latents
from trainables.errors import InputError
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.storage.raw_schema import refuse_extension_types


class Marker:
    """Makes a folder when it is unpickled: what an attacker's code would do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.makedirs, (str(self.folder), 0o777, True)


def with_extension(file: Path, field: pa.Field, values: pa.Array) -> None:
    """The file with one more column, and all of its metadata."""
    table = pq.read_table(file)
    schema = table.schema.append(field)
    columns = [*table.columns, pa.concat_arrays([values] * len(table))]
    pq.write_table(pa.table(columns, schema=schema.with_metadata(table.schema.metadata)), file)


def marked(kind: pa.DataType, name: str, metadata: bytes) -> pa.Field:
    own = {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": metadata}
    return pa.field("x", kind, metadata=own)


@pytest.fixture
def armed(tmp_path: Path) -> tuple[Path, Path]:
    """Latents with a column of Ray's tensor type whose metadata are a pickle, and what that would make."""
    folder, ran = tmp_path / "latents", tmp_path / "ran"
    folder.mkdir()
    write_latents(folder)
    (file,) = folder.glob("*.parquet")
    kind = pa.list_(pa.int64())
    with_extension(
        file, marked(kind, "ray.data.arrow_tensor", pickle.dumps(Marker(ran))), pa.array([[1]], kind)
    )
    return folder, ran


READ = """
import sys
from pathlib import Path
import ray.data  # registers its types with pyarrow
{line}
"""
OPEN = """
from trainables.errors import InputError
from trainables.latents.storage.dataset import open_dataset
try:
    open_dataset(Path(sys.argv[1]))
except InputError as error:
    print(error)
"""
BARE = """
import pyarrow.parquet as pq
try:
    pq.read_schema(next(Path(sys.argv[1]).glob("*.parquet")))
except Exception as error:
    print(type(error).__name__)
"""


def run(line: str, folder: Path) -> str:
    program = [sys.executable, "-c", READ.format(line=line), str(folder)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout


@pytest.mark.timeout(120)
def test_a_file_that_would_run_code_is_refused_before_it_can(armed: tuple[Path, Path]) -> None:
    folder, ran = armed
    assert "extension type" in run(OPEN, folder)
    assert not ran.exists()
    # The file is armed: a plain read runs it, unless Ray itself refuses to by now.
    assert "Error" in run(BARE, folder) or ran.exists()


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.struct([("data", pa.list_(pa.int64()))])], ids=["list", "struct"]
)
@pytest.mark.parametrize(
    "name", ["ray.data.arrow_tensor_v2", "ray.data.arrow_pickled_object", "someone.else"]
)
def test_extension_types_of_every_name_are_refused(kind: pa.DataType, name: str, tmp_path: Path) -> None:
    value = [{"data": [1]}] if pa.types.is_struct(kind) else [[1]]
    nested = pa.field("outer", pa.struct([marked(kind, name, b"")]))
    for place, field in enumerate((marked(kind, name, b""), nested)):
        values = pa.array(value if place == 0 else [{"x": value[0]}], field.type)
        file = tmp_path / f"{place}.parquet"
        pq.write_table(pa.table([values], schema=pa.schema([field])), file)
        with pytest.raises(InputError, match="extension type"):
            refuse_extension_types(file)


def test_a_column_that_latents_do_not_have_is_refused_by_name(tmp_path: Path) -> None:
    write_latents(tmp_path)
    (file,) = tmp_path.glob("*.parquet")
    refuse_extension_types(file)
    with_extension(file, pa.field("extra", pa.int64()), pa.array([1]))
    with pytest.raises(InputError, match="column 'extra'"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100, b"PAR1" + b"\xff" * 20 + b"PAR1"])
def test_what_is_no_parquet_file_is_left_to_its_reader(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(content)
    refuse_extension_types(file)


def test_a_schema_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    whole = file.read_bytes()
    place = whole.rindex(b"ARROW:schema") + len(b"ARROW:schema")
    file.write_bytes(whole[:place] + b"\x08" + whole[place + 1 :])
    with pytest.raises(InputError, match="extension type"):
        refuse_extension_types(file)
