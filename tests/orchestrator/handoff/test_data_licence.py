"""The licence of the data: found where it is said, and unknown where it is not."""

import pytest

from orchestrator.handoff.data_licence import licence_of


@pytest.fixture
def recordings(tmp_path):
    """A folder laid out as LibriSpeech is; the files are never decoded."""
    folder = tmp_path / "above" / "corpus"
    for name in ("19/198/19-198-0001.flac", "26/495/26-495-0001.flac"):
        (folder / "train-clean-100" / name).parent.mkdir(parents=True)
        (folder / "train-clean-100" / name).write_bytes(b"")
    return folder


def test_made_frames_are_nobodys():
    assert "none needed" in licence_of({"representation": "control:directional", "source": None})
    assert "none needed" in licence_of({"representation": "pca4(control:directional)"})


def test_a_corpus_is_known_by_its_layout_and_no_other_is(recordings, tmp_path):
    assert licence_of({"representation": "logmel", "source": str(recordings)}).startswith("CC BY 4.0, where")
    for source in (None, str(tmp_path / "gone")):
        assert licence_of({"representation": "logmel", "source": source}).startswith("unknown;")


def test_a_file_beside_the_recordings_or_above_them_counts_first(recordings):
    data = {"representation": "logmel", "source": str(recordings)}
    above = recordings.parent / "LICENCE.md"
    above.write_text("Ours,\n\nand  yours.\n")
    assert licence_of(data) == f"see {above}: Ours, and yours."
    beside = recordings / "LICENSE.TXT"
    beside.write_text("x" * 1000)
    assert licence_of(data) == f"see {beside}: {'x' * 300} ..."
