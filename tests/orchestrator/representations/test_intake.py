"""What `encode` does with recordings before and after the codec: it says, excludes, mends and remembers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from orchestrator.encode import encode
from orchestrator.representations.encoded_folder import held, recordings_to_encode
from orchestrator.representations.encoding_ledger import EncodingLedger, printable
from orchestrator.representations.encoding_stream import _Encoder, _table
from tests.orchestrator.shared_ray import REPOSITORY, joining
from tests.trainables.latents.speech.corpora import RATE, tone, write_tones
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.speech.corpus import Recording, find_corpus
from trainables.latents.storage.dataset import SPLITS, open_dataset
from trainables.latents.storage.parquet_file import LatentMeta, Utterance, write_utterances


def names(count: int) -> list[str]:
    return [f"s{number}/1.wav" for number in range(count)]


# Dry run


def test_a_dry_run_says_what_was_understood_and_writes_nothing(tmp_path, capsys):
    source = write_tones(tmp_path / "speech", *names(6))
    soundfile.write(source / "s1/quiet.wav", np.zeros(RATE), RATE)
    soundfile.write(source / "s2/offset.wav", tone(40) + 0.2, RATE)
    (source / "s3/one.m4a").touch()
    (source / "loose.wav").touch()
    before = sorted(source.rglob("*"))
    encode(source, dry_run=True)
    said, complained = capsys.readouterr()
    assert "one folder per speaker" in said and "7 of 8 recordings would be encoded" in said
    cells = [line.split() for line in said.splitlines()]
    rows = {row[0]: row[1:3] for row in cells if len(row) == 4 and row[0] in SPLITS}
    assert [speakers for _, speakers in rows.values()] == ["1", "2", "3"]
    assert sum(int(recordings) for recordings, _ in rows.values()) == 7
    assert "would not be encoded: " in complained and "quiet.wav: it is digital silence" in complained
    assert "offset.wav: it has an offset of 0.2" in complained
    assert (
        "one.m4a: .m4a cannot be read here" in complained and "2 files or folders were left out" in complained
    )
    assert sorted(source.rglob("*")) == before


@pytest.mark.parametrize("missing", ["representation", "out"])
def test_without_a_dry_run_representation_and_folder_are_needed(tmp_path, missing):
    source = write_tones(tmp_path / "speech", "a/1.wav")
    given = {"representation": "logmel", "out": tmp_path / "out"}
    del given[missing]
    with pytest.raises(InputError, match=f"--{missing} is missing"):
        encode(source, **given)


def test_the_same_audio_under_two_speakers_is_refused_before_anything_is_encoded(tmp_path):
    source = write_tones(tmp_path / "speech", *names(3))
    (source / "s2/copy.wav").write_bytes((source / "s0/1.wav").read_bytes())
    with pytest.raises(InputError, match="hold the same audio"):
        encode(source, "logmel", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# One bad file costs one file


class Breaks:
    """A codec that breaks on loud audio, as none should."""

    name, dim, sample_rate, frame_rate = "logmel", 80, RATE, 50.0

    def encode(self, audio: np.ndarray) -> np.ndarray:
        if np.abs(audio).max() > 0.5:
            raise MemoryError("too much")
        return np.ones((len(audio) // 320, 80), np.float32)


def test_whatever_is_raised_is_caught_in_its_recording(tmp_path, monkeypatch):
    source = write_tones(tmp_path, "a/1.wav", "a/2.wav", "b/odd.wav", "b/reader.wav")
    soundfile.write(source / "b/odd.wav", 0.9 * np.sign(tone(5)), RATE)
    encoder = _Encoder("logmel", None)
    encoder._codec = Breaks()
    (source / "c").mkdir()
    (source / "c/hole.wav").mkdir()  # a folder by the name of a file
    recordings = list(find_corpus(source).recordings) + [Recording("c", "c", "train", source / "c/hole.wav")]
    table = encoder(_table(recordings))
    failures = dict(zip(table["utterance_id"].to_pylist(), table["failure"].to_pylist(), strict=True))
    assert [name for name, failure in failures.items() if not failure] == ["a/1", "a/2", "b/reader"]
    assert failures["b/odd"] == "MemoryError: too much" and failures["c"]
    assert table["num_frames"].to_pylist() == [12, 12, 0, 12, 0]


def test_what_failed_is_tried_again_once_its_file_has_changed(tmp_path):
    source, out = write_tones(tmp_path / "speech", "a/1.wav", "b/1.wav"), tmp_path / "out"
    corpus, codec = find_corpus(source), load_codec("logmel", None)
    out.mkdir()
    ledger = EncodingLedger(out)
    ledger.add([(source / "a/1.wav", "broken")], [(source / "b/1.wav", "clipped")])
    ledger.write()
    left = recordings_to_encode(codec, corpus, source, out, None)
    assert [recording.utterance_id for recording in left] == ["b/1"]
    os.utime(source / "a/1.wav", ns=(0, 0))
    assert len(recordings_to_encode(codec, corpus, source, out, None)) == 2
    (out / "encoding.json").write_text("{")
    assert len(recordings_to_encode(codec, corpus, source, out, None)) == 2


def test_names_that_no_terminal_shows_are_escaped():
    assert printable(Path(os.fsdecode(b"a\xe9\n\x1b.wav"))) == r"a\xe9\n\x1b.wav"


def test_an_argument_that_is_not_utf8_is_a_sentence(tmp_path):
    out = os.fsencode(tmp_path) + b"/caf\xe9"
    line = [sys.executable, "-m", "orchestrator.encode", tmp_path, "--representation", "logmel", "--out", out]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"error: the name {tmp_path}/caf\\xe9 is not UTF-8; rename it\n" == done.stderr


# Two encodings, one folder


def test_two_encodings_exclude_each_other(tmp_path):
    source, out = write_tones(tmp_path / "speech", "a/1.wav"), tmp_path / "out"
    with held(out), pytest.raises(InputError, match="another process encodes into"):
        encode(source, "logmel", out)
    assert not out.exists()


def test_utterances_that_were_written_twice_are_dropped(tmp_path, capsys):
    source, out = write_tones(tmp_path / "speech", *names(4)), tmp_path / "out"
    codec = load_codec("logmel", None)
    meta = LatentMeta("logmel", 80, 50.0, "logmel", codec.hash, None, "", None)
    splits = {r.utterance_id: r.split for r in find_corpus(source).recordings}
    nothing = np.zeros(2, np.float32)
    rows = [
        Utterance(name, name.split("/")[0], split, np.full((2, 80), k), nothing, nothing, nothing)
        for k, (name, split) in enumerate(splits.items(), 1)
    ]
    for number, part in enumerate([rows[:2], rows[1:3], rows[:1], rows[3:]]):
        write_utterances(out / f"part-0000{number}.parquet", part, meta)
    with pytest.raises(InputError, match="both hold"):
        open_dataset(out)
    assert recordings_to_encode(codec, find_corpus(source), source, out, None) == []
    assert open_dataset(out).index.num_rows == 4 and "held 2 utterances twice" in capsys.readouterr().err
    assert len(list(out.glob("*.parquet"))) == 3


# The whole way


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_twenty_bad_files_among_good_ones(cases, address, tmp_path):
    source, out = (
        write_tones(tmp_path / "speech", *(f"s{k}/{i}.wav" for k in range(6) for i in range(5))),
        tmp_path / "out",
    )
    bad = [
        "",
        "wav-truncated/A/truncated_half.wav",
        "wav-truncated/A/truncated.flac",
        "odd-rate-700001/A/r700001.wav",
    ]
    for number in range(20):
        place = source / f"s{number % 6}/bad{number}{Path(bad[number % 4]).suffix or '.wav'}"
        if number % 4:
            shutil.copy(cases / bad[number % 4], place)
        else:
            place.write_bytes(b"RIFF" + bytes(number))
    line = [*joining(address, "orchestrator.encode"), source, "--representation", "logmel", "--out", out]
    runs = [subprocess.run(line, cwd=REPOSITORY, text=True, capture_output=True) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0] and open_dataset(out).index.num_rows == 30
    named = [[row for row in run.stderr.splitlines() if row.startswith("not encoded: ")] for run in runs]
    assert len(named[0]) == 20 and named[0] == named[1]
    assert all("20 of 50 recordings could not be encoded" in run.stderr for run in runs)
    assert "none encoded" in runs[1].stdout and "Traceback" not in runs[0].stderr + runs[1].stderr


@pytest.mark.slow
def test_ten_thousand_files_are_planned_in_seconds(tmp_path):
    """Discovery, splits and the comparison of all audio, with memory that does not grow with the audio."""
    write_tones(tmp_path, "s0/0.wav")
    content = bytearray((tmp_path / "s0/0.wav").read_bytes())
    for number in range(1, 10_000):
        folder = tmp_path / f"s{number % 500}"
        folder.mkdir(exist_ok=True)
        content[100:104] = number.to_bytes(4, "little")
        (folder / f"{number}.wav").write_bytes(content)
    program = (
        "import resource, sys, time; from pathlib import Path; "
        "from trainables.latents.speech.corpus import find_corpus; "
        "from trainables.latents.speech.same_audio import require_distinct_audio as check; "
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; before = used(); "
        "began = time.monotonic(); corpus = find_corpus(Path(sys.argv[1])); check(corpus.first(None)); "
        "print(len(corpus.recordings), time.monotonic() - began, used() - before)"
    )
    line = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(line, cwd=REPOSITORY, text=True, capture_output=True, check=True)
    count, seconds, megabytes = map(float, done.stdout.split())
    assert count == 10_000 and seconds < 20 and megabytes < 100
