"""The command as users meet it: it goes on, loses nothing, names what it cannot read, refuses to mix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import ray.data
import typer

from orchestrator.encode import encode
from orchestrator.runtime.cli import guarded
from search_spaces.study import StudyError
from tests.orchestrator.noise_recordings import write_noise
from tests.orchestrator.shared_ray import REPOSITORY, joining
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.speech.dataset_tracks import frame_tracks, track_store
from trainables.latents.storage.dataset import latent_frames, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import LatentMeta, Utterance

SPEAKERS, EACH = 20, 8

pytestmark = [
    pytest.mark.timeout(400),
    # Ray lets the processes that it starts be collected while they end.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A folder per speaker, with a file that is no audio among them and one that belongs to nobody."""
    root = write_noise(tmp_path_factory.mktemp("source"), SPEAKERS, EACH, 24000, 24000)
    (root / "loose.wav").write_text("nobody's")
    return root


@pytest.fixture(scope="module")
def encoded(source, address, tmp_path_factory):
    """Folder, exit code, and what was printed to both ends."""
    out = tmp_path_factory.mktemp("latents") / "logmel"
    line = [*joining(address, "orchestrator.encode"), source, "--representation", "logmel", "--out", out]
    done = subprocess.run(line, cwd=REPOSITORY, text=True, capture_output=True, check=False)
    return out, done.returncode, done.stdout, done.stderr


def test_what_can_be_read_is_encoded_and_what_cannot_is_named(encoded):
    out, code, said, complained = encoded
    dataset = open_dataset(out)
    assert code == 0 and dataset.index.num_rows == SPEAKERS * EACH
    assert f"encoded {SPEAKERS * EACH} of {SPEAKERS * EACH + 1} recordings" in said
    assert "not encoded: " in complained and "s3/broken.wav: Format not recognised" in complained
    assert "left out: " in complained and "loose.wav" in complained
    assert "Traceback" not in complained and "WARNING" not in complained and "INFO" not in complained
    assert [len(dataset.speakers(split)) for split in ("train", "validation", "test")] == [15, 2, 3]
    assert not list(out.glob(".*"))


def test_once_more_encodes_nothing_and_starts_nothing(encoded, source, capsys, monkeypatch):
    out, *_ = encoded
    monkeypatch.setattr("orchestrator.runtime.ray_cluster.connected", None)  # would fail if Ray were wanted
    (source / "s3/broken.wav").rename(source / "s3/broken.txt")
    encode(source, "logmel", out)
    assert f"already holds all {SPEAKERS * EACH} utterances; none encoded" in capsys.readouterr().out
    (source / "s3/broken.txt").rename(source / "s3/broken.wav")


def test_what_was_written_is_what_the_codec_gives(encoded, source):
    out, *_ = encoded
    from trainables.latents.encode_recording import read_audio

    (table,) = (t for t in open_dataset(out).tables("train", ids=["s0/0"]) if len(t))
    frames, _ = latent_frames(table["latents"])
    expected = load_codec("logmel", None).encode(read_audio(source / "s0/0.wav", 16000))
    np.testing.assert_allclose(frames, expected, rtol=1e-3, atol=1e-3)


def test_acoustic_tracks_wait_until_something_asks_for_them(encoded):
    out, *_ = encoded
    dataset, store = open_dataset(out), track_store(out)
    assert not store.folder.exists()
    assert all(np.isnan(track).all() for row in dataset.tracks("test").values() for track in row.values())
    tracks = frame_tracks(dataset, "test")
    assert sorted(tracks) == dataset.utterances("test") and store.folder.parent == out.parent
    assert all(
        np.isfinite(track).all() and len(track) == 50 for row in tracks.values() for track in row.values()
    )


def test_ray_data_reads_it_without_python_objects(encoded, cluster):
    out, *_ = encoded
    read = 0
    for batch in ray.data.read_parquet(out).iter_batches(batch_size=7, batch_format="pyarrow"):
        types = {field.name: str(field.type).replace("element", "item") for field in batch.schema}
        assert types["latents"] == "list<item: fixed_size_list<item: halffloat>[80]>"
        assert types["f0"] == "list<item: float>" and types["utterance_id"] == "string"
        assert not any("extension" in kind or "object" in kind for kind in types.values())
        frames, offsets = latent_frames(batch["latents"])
        assert (frames.dtype, frames.shape) == (np.float16, (50 * len(batch), 80))
        assert offsets[-1] == 50 * len(batch)
        read += len(batch)
    assert read == SPEAKERS * EACH


def none(frames: int) -> np.ndarray:
    return np.zeros(frames, np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"representation": "soundstream"}, "holds soundstream latents; encode into another --out"),
        ({"codec_hash": "other"}, r"encoded with other weights \(elsewhere, now None\)"),
        ({}, "holds stranger, which .* does not have"),
    ],
)
def test_nothing_is_mixed_into_a_folder(source, tmp_path, change, message):
    codec = load_codec("logmel", None)
    settings = {"representation": "logmel", "codec_hash": codec.hash} | change
    fixed = {"dim": 80, "frame_rate": 50.0, "codec": "logmel", "lattice_step": None}
    meta = LatentMeta(weights="elsewhere", corpus_hash="", **fixed, **settings)
    stranger = Utterance("stranger", "s", "train", np.ones((2, 80)), none(2), none(2), none(2))
    write_utterances(tmp_path / "part-00000.parquet", [stranger], meta)
    with pytest.raises(InputError, match=message):
        encode(source, "logmel", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "--limit is 0; it must be at least 1"),
        ({"representation": "logmal"}, "did you mean logmel"),
        ({"representation": "control:directional"}, "is a control world, which holds no recordings"),
        ({"source": Path("nowhere")}, "source nowhere is not a folder"),
        ({"weights": "x"}, "logmel has no weights"),
        ({"out": Path(__file__)}, r"--out .*test_encoding\.py is a file; give a folder"),
    ],
)
def test_wrong_input_is_one_sentence(source, tmp_path, arguments, message):
    usual = {"source": source, "representation": "logmel", "out": tmp_path / "out"}
    with pytest.raises(InputError, match=message):
        encode(**usual | arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("--trials is 0"), 2, "error: --trials is 0\n"),
        (StudyError("no study x"), 2, "error: no study x\n"),
        (KeyboardInterrupt(), 4, "\ninterrupted; do this\n"),
    ],
)
def test_errors_become_a_sentence_and_an_exit_code(capsys, error, code, said):
    def fails() -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        guarded(fails, "do this")()
    assert ended.value.exit_code == code and capsys.readouterr().err == said
