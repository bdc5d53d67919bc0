"""The command as users meet it: it goes on, loses nothing, names what it cannot read, refuses to mix."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from orchestrator.encode import encode
from orchestrator.representations.encoding_stream import _Encoder, _heard, _read, _table
from orchestrator.runtime.cli import guarded
from search_spaces.study import StudyError
from tests.orchestrator.noise_recordings import write_noise
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.speech.corpus import find_corpus
from trainables.latents.storage.dataset import latent_frames, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import LatentMeta, Utterance

REPOSITORY = Path(__file__).resolve().parents[3]
SPEAKERS, EACH = 20, 8

pytestmark = pytest.mark.timeout(400)  # Ray is started twice


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A folder per speaker, with a file that is no audio among them and one that belongs to nobody."""
    root = write_noise(tmp_path_factory.mktemp("source"), SPEAKERS, EACH, 24000, 24000)
    (root / "loose.wav").write_text("nobody's")
    return root


def command(source: Path, out: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "orchestrator.encode", source, "--representation", "logmel", "--out", out]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=REPOSITORY, text=True, **pipes)


@pytest.fixture(scope="module")
def encoded(source, tmp_path_factory):
    """Folder, exit code, and what was printed to both ends."""
    out = tmp_path_factory.mktemp("latents") / "logmel"
    with command(source, out) as done:
        said, complained = done.communicate()
    return out, done.returncode, said, complained


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


def test_a_pitch_that_is_known_is_not_sought_again(source):
    recordings, encoder = find_corpus(source).first(4), _Encoder("logmel", None)
    heard = dict(_heard(encoder(_read(_table(recordings, {}), 16000))))
    assert sorted(heard) == sorted(r.utterance_id for r in recordings) and all(map(len, heard.values()))
    known = {name: np.full_like(track, 123) for name, track in list(heard.items())[:3]}
    table = encoder(_read(_table(recordings, known), 16000))
    rows = zip(table["utterance_id"].to_pylist(), table["f0"].to_pylist(), strict=True)
    assert {name for name, track in rows if set(track) == {123}} == set(known)
    again = dict(_heard(table))
    assert all(np.array_equal(again[name], (heard | known)[name]) for name in heard)


READ = """
import json, sys
import ray.data
from orchestrator.runtime.ray_cluster import connected
from trainables.latents.storage.dataset import latent_frames

with connected(None):
    rows = ray.data.read_parquet(sys.argv[1])
    for batch in rows.iter_batches(batch_size=7, batch_format="pyarrow"):
        frames, offsets = latent_frames(batch["latents"])
        types = {field.name: str(field.type).replace("element", "item") for field in batch.schema}
        print(json.dumps([len(batch), types, str(frames.dtype), frames.shape, offsets.tolist()]))
"""


def test_ray_data_reads_it_without_python_objects(encoded):
    out, *_ = encoded
    line = [sys.executable, "-c", READ, str(out)]
    printed = subprocess.run(line, cwd=REPOSITORY, text=True, capture_output=True, check=True).stdout
    batches = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    assert sum(batch[0] for batch in batches) == SPEAKERS * EACH
    for rows, types, dtype, shape, offsets in batches:
        assert types["latents"] == "list<item: fixed_size_list<item: halffloat>[80]>"
        assert types["f0"] == "list<item: float>" and types["utterance_id"] == "string"
        assert not any("extension" in kind or "object" in kind for kind in types.values())
        assert (dtype, shape, offsets[-1]) == ("float16", [50 * rows, 80], 50 * rows)


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
        ({"source": Path("nowhere")}, "source nowhere is not a folder"),
        ({"weights": "x"}, "logmel has no weights"),
        ({"out": Path(__file__)}, r"--out .*test_encode\.py is a file; give a folder"),
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
        (KeyboardInterrupt(), 130, "\ninterrupted; do this\n"),
    ],
)
def test_errors_become_a_sentence_and_an_exit_code(capsys, error, code, said):
    def fails() -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        guarded(fails, "do this")()
    assert ended.value.exit_code == code and capsys.readouterr().err == said
