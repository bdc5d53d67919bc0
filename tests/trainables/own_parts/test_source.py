"""The hash of a part is that of its file and of what it imports of its own package, and of nothing else."""

import sys

import pytest

from tests.own_files import user_folder, write
from trainables.errors import InputError
from trainables.own_parts.source import package_of, source_hash


@pytest.fixture
def folder(tmp_path):
    with user_folder(tmp_path) as here:
        write(
            here,
            {
                "mine/__init__": "",
                "mine/heads": "from . import shared\nfrom .deep.tools import tool\nimport json\nA = 1\n",
                "mine/shared": "import mine.constants\n",
                "mine/constants": "X = 1\n",
                "mine/deep/__init__": "",
                "mine/deep/tools": "from ..lazy import late\ndef tool(): pass\n",
                "mine/lazy": "late = 1\n",
                "mine/other": "Y = 1\n",
                "single": "def f():\n    import beside\n",
                "beside": "Z = 1\n",
                "stranger": "W = 1\n",
            },
        )
        yield here


def hashed(*references):
    source_hash.cache_clear()
    return source_hash(*references)


@pytest.mark.parametrize(
    ("reference", "counts", "not_counted"),
    [
        (
            "mine.heads:A",
            ("mine/heads", "mine/shared", "mine/constants", "mine/deep/tools", "mine/lazy", "mine/__init__"),
            ("mine/other", "single", "beside"),
        ),
        ("single:f", ("single", "beside"), ("stranger", "mine/heads")),
    ],
)
def test_every_file_that_it_imports_counts_and_no_other(folder, reference, counts, not_counted):
    before = hashed(reference)
    assert len(before) == 24 and hashed(reference) == before
    for names, same in ((not_counted, True), (counts, False)):
        for name in names:
            path = folder / f"{name}.py"
            text = path.read_text()
            path.write_text(text + "# a comment\n")
            assert (hashed(reference) == before) is same, name
            path.write_text(text)
    assert not {"mine", "single"} & sys.modules.keys(), "nothing is imported to be hashed"


def test_what_travels_is_the_whole_package_or_the_file(folder):
    assert package_of("mine.deep.tools:tool") == folder / "mine"
    assert package_of("single:f") == folder / "single.py"


@pytest.mark.parametrize("reference", ["nowhere_at_all:x", "math:pi", "sys:path"])
def test_what_has_no_source_is_refused(reference):
    with pytest.raises(InputError, match="cannot be found: .* is no folder or file of Python source"):
        source_hash(reference)
