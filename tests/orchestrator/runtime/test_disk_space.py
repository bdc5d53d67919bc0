"""A disk that is full: one sentence with the path and what is needed, and nothing half-written."""

import errno
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from orchestrator.records.journal import Journal
from orchestrator.representations.encoding_stream import _Part
from orchestrator.runtime import cli
from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.disk_space import UnwritableError, unwritable
from tests.orchestrator.tiny_world import write_latents
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.storage.parquet_file import table_utterances


@contextmanager
def no_file_longer_than(size):
    """What the system does to writers where a disk is full, without one: files cannot grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_does_not_fit_leaves_the_old_one_and_no_half(tmp_path):
    file = write_atomically(tmp_path / "evidence.json", "old")
    with no_file_longer_than(1000), pytest.raises(UnwritableError) as full:
        write_atomically(file, b"x" * 2_500_000)
    assert str(file) in str(full.value) and "2.5 MB are needed" in str(full.value)
    assert "\n" not in str(full.value)
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["evidence.json"]


def test_an_event_that_does_not_fit_leaves_the_journal_as_it_was(tmp_path):
    journal = Journal(tmp_path)
    journal.append("opened")
    before = journal.path.read_bytes()
    with no_file_longer_than(len(before) + 20), pytest.raises(UnwritableError, match=r"journal\.jsonl"):
        journal.append("planned", arguments={"study": "s" * 100})
    assert journal.path.read_bytes() == before
    journal.append("planned", arguments={})
    assert [event["event"] for event in journal.events()] == ["opened", "planned"]


def test_latents_that_do_not_fit_leave_no_file(tmp_path):
    dataset = open_dataset(write_latents(tmp_path / "toy"))
    out = tmp_path / "out"
    part = _Part(out, dataset.meta)
    part._waiting = table_utterances(pq.read_table(dataset.files[0]))
    with no_file_longer_than(500), pytest.raises(UnwritableError, match=r"part-00000\.parquet"):
        part.write()
    assert os.listdir(out) == []


def _raised(error, cause=None):
    try:
        raise error from cause
    except Exception as caught:
        return caught


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (FULL, "no room is left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/home/me/x"), "/home/me/x"),
        (_raised(RuntimeError("the task failed"), FULL), "no room is left"),
        (RuntimeError("Traceback ...\nOSError: [Errno 28] No space left on device"), "no room is left"),
        (OSError(errno.EROFS, "Read-only file system", "/mnt/runs"), "/mnt/runs cannot be written"),
        (OSError(errno.EIO, "Input/output error", "/mnt/runs"), None),
        (ValueError("wrong"), None),
    ],
)
def test_only_a_disk_that_takes_nothing_is_a_sentence(error, part):
    sentence = unwritable(error)
    assert (sentence is None) if part is None else (part in sentence and "\n" not in sentence)


def test_a_command_on_a_full_disk_ends_with_2_and_the_sentence(capsys):
    def command() -> None:
        raise FULL

    with pytest.raises(typer.Exit) as ended:
        cli.guarded(command, "")()
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.startswith(f"error: no room is left to write {Path.cwd()}")
