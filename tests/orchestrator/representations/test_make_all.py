"""All representations in one command: it resumes, leaves out what it cannot make, accounts for the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import typer

from orchestrator.represent import represent
from orchestrator.representations.catalogue import REPRESENTATIONS, Representation, selected
from orchestrator.representations.codec_weights import CodecWeights, given_weights
from orchestrator.representations.inventory import Stopwatch, inventory_rows, times
from orchestrator.representations.make_all import derive_one
from tests.orchestrator.noise_recordings import write_noise
from tests.orchestrator.shared_ray import REPOSITORY, joining
from trainables.errors import InputError
from trainables.latents.codec_registry import CODECS, load_codec
from trainables.latents.storage.dataset import open_dataset

SPEAKERS, EACH, SECONDS = 10, 8, 0.8
ASKED = ["whiten(logmel)", "pool6-encodec", "soundstream"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_noise(tmp_path_factory.mktemp("source"), SPEAKERS, EACH, int(SECONDS * 16000), 16000)


@pytest.fixture
def offline(tmp_path, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def command(start: list[str], source: Path, out: Path, cache: Path) -> subprocess.Popen[str]:
    line = [*start, source, "--out", out, "--random-weights"]
    line += [word for name in ASKED for word in ("--only", name)]
    env = os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=REPOSITORY, text=True, env=env, **pipes)


@pytest.fixture(scope="module")
def interrupted_and_resumed(source, address, tmp_path_factory):
    """One run, interrupted while it encodes, and one more of the same command."""
    root = tmp_path_factory.mktemp("represented")
    out = root / "out"
    with command(joining(address, "orchestrator.represent"), source, out, root / "hub") as first:
        lines = []
        for line in first.stderr:
            lines.append(line)
            if "x real time" in line:
                first.send_signal(signal.SIGINT)
                break
        lines += first.stderr.readlines()
    before = (
        first.returncode,
        "".join(lines),
        times(out / "logmel"),
        open_dataset(out / "logmel").index.num_rows,
    )
    with command(joining(address, "orchestrator.represent"), source, out, root / "hub") as second:
        said, complained = second.communicate()
    return out, before, (second.returncode, said, complained)


def test_an_interrupted_run_says_how_to_go_on_and_has_kept_its_time(interrupted_and_resumed):
    _, (code, complained, taken, utterances), _ = interrupted_and_resumed
    assert code == 4 and "interrupted; run the same command again to resume" in complained
    assert "Traceback" not in complained
    assert taken[0] > 0 and 0 < taken[1] and 0 < utterances < SPEAKERS * EACH


def test_the_same_command_again_goes_on_with_what_it_can(interrupted_and_resumed, source):
    out, (_, _, before, utterances), (code, said, complained) = interrupted_and_resumed
    assert code == 0 and "Traceback" not in complained
    assert f"encoded {SPEAKERS * EACH - utterances} of " in said
    assert "left out: soundstream: representation soundstream needs --weights PATH" in complained
    assert "not encoded: " in complained and "s3/broken.wav" in complained
    seconds, speech = times(out / "logmel")
    assert seconds > before[0]
    assert 0.85 < speech / (SPEAKERS * EACH * SECONDS) < 1.0001  # an interrupt may cut off a block of 5
    assert {file.name for file in out.iterdir()} == {
        "logmel",
        "encodec",
        "whiten-logmel",
        "pool6-encodec",
        "weights",
        "representations.json",
    }


def test_the_listing_says_what_is_there(interrupted_and_resumed, source):
    out, _, (_, said, _) = interrupted_and_resumed
    listing = json.loads((out / "representations.json").read_text())
    assert listing["source"] == str(source)
    found = {row.pop("representation"): row for row in listing["representations"]}
    assert list(found) == ["logmel", "encodec", "pool6(encodec)", "whiten(logmel)"]
    shapes = {name: (row["dimensions"], row["frame_rate"], row["note"]) for name, row in found.items()}
    assert shapes == {
        "logmel": (80, 50.0, ""),
        "encodec": (128, 75.0, "random weights"),
        "pool6(encodec)": (128, 12.5, "derived from encodec, random weights"),
        "whiten(logmel)": (80, 50.0, "derived from logmel"),
    }
    for name, row in found.items():
        folder = out / row["folder"]
        size = sum(file.stat().st_size for file in folder.glob("*.parquet"))
        assert row["megabytes"] == pytest.approx(size / 1e6) and row["utterances"] == SPEAKERS * EACH
        assert row["hours"] == pytest.approx(SPEAKERS * EACH * SECONDS / 3600, rel=0.001)
        seconds, speech = times(folder)
        assert (row["seconds"], row["x_real_time"]) == (seconds, speech / seconds) and seconds > 0
        line = next(line for line in said.splitlines() if line.startswith(f"{name} "))
        assert f" {SPEAKERS * EACH} " in line and f" {seconds:.1f} " in line


def test_what_was_made_can_be_heard(interrupted_and_resumed):
    out, _, _ = interrupted_and_resumed
    for row in inventory_rows(out):
        meta = open_dataset(out / row.folder).meta
        codec = load_codec(meta.codec, meta.weights)
        audio = codec.decode(codec.encode(np.zeros(codec.sample_rate, np.float32)))
        frames = -(-codec.sample_rate // round(codec.sample_rate / codec.frame_rate))
        assert len(audio) == frames * codec.sample_rate / codec.frame_rate and np.isfinite(audio).all()


def test_once_more_makes_nothing_and_starts_nothing(
    interrupted_and_resumed, source, offline, monkeypatch, capsys
):
    out, _, _ = interrupted_and_resumed
    monkeypatch.setattr("orchestrator.runtime.ray_cluster.connected", None)  # would fail if Ray were wanted
    (source / "s3/broken.wav").rename(source / "s3/broken.txt")

    def state() -> dict[Path, int]:
        return {f: f.stat().st_mtime_ns for f in out.rglob("*") if f.is_file() and f.parent != out}

    before, listing = state(), (out / "representations.json").read_text()
    represent(source, out, only=ASKED, random_weights=True)
    assert state() == before and (out / "representations.json").read_text() == listing
    shown = capsys.readouterr()
    assert "whiten(logmel)" in shown.out and "left out: soundstream" in shown.err
    (source / "s3/broken.txt").rename(source / "s3/broken.wav")


def test_what_was_derived_from_fewer_latents_is_not_passed_off(interrupted_and_resumed, tmp_path, capsys):
    out = Path(shutil.copytree(interrupted_and_resumed[0], tmp_path / "out"))
    parts = sorted((out / "logmel").glob("*.parquet"))
    assert len(parts) > 1  # an interrupted run and another
    parts[-1].unlink()
    derive_one(Representation("logmel", "whiten"), "whiten", out)
    said = capsys.readouterr().err
    assert re.search(
        r"left out: whiten\(logmel\): .*whiten-logmel was derived before .*; delete it and run", said
    )
    derive_one(Representation("world", "stack(4)"), "stack(4)", out)
    assert "left out: stack4(world): it is derived from world, which " in capsys.readouterr().err


def test_without_any_weights_there_is_nothing_and_the_exit_code_says_so(source, tmp_path, offline, capsys):
    with pytest.raises(typer.Exit) as ended:
        represent(source, tmp_path / "out", only=["pool6(encodec)", "dac"])
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    for name in ("encodec", "dac"):
        assert re.search(rf"left out: {name}: .*huggingface-cli download .* --weights PATH", said)
    assert "left out: pool6(encodec): it is derived from encodec, which " in said
    assert "nothing could be encoded" in said and not (tmp_path / "out" / "representations.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "--limit is 0; it must be at least 1"),
        ({"out": Path(__file__)}, r"--out .*test_make_all\.py is a file; give a folder"),
        ({"source": Path("nowhere")}, "source nowhere is not a folder"),
        (
            {"only": ["stack4(soundstrem)"]},
            r"did you mean stack4\(soundstream\)\? \(known: soundstream, logmel",
        ),
        (
            {"weights": ["/some/where"]},
            "'/some/where' is not understood; give NAME=PATH, NAME one of soundstream",
        ),
        ({"weights": ["mimi="]}, "'mimi=' is not understood"),
        ({"weights": ["logmel=x"]}, "'logmel=x' is not understood"),
        ({"only": ["encodec"], "weights": ["encodec=no/where/x"]}, "there is no file no/where/x; it needs"),
    ],
)
def test_wrong_input_is_one_sentence_before_anything_is_made(source, tmp_path, offline, arguments, message):
    with pytest.raises(InputError, match=message):
        represent(**{"source": source, "out": tmp_path / "out"} | arguments)
    assert not (tmp_path / "out").exists()


# What it makes


def test_the_list_has_every_codec_and_names_of_its_own():
    assert set(CODECS) <= {r.name for r in REPRESENTATIONS}
    for names in ([r.name for r in REPRESENTATIONS], [r.folder for r in REPRESENTATIONS]):
        assert len(set(names)) == len(names)
    assert not any(set(r.folder) & set("() ") for r in REPRESENTATIONS)


def test_what_is_derived_brings_its_base_in_the_order_of_making():
    assert [r.name for r in selected(["pca32(stack4(logmel))", "dac"])] == [
        "logmel",
        "dac",
        "pca32(stack4(logmel))",
    ]
    assert selected(["pca32-stack4-logmel"]) == selected(["pca32(stack4(logmel))"])
    assert selected([]) == list(REPRESENTATIONS)


# Weights


@pytest.mark.slow
def test_random_weights_are_written_once_and_only_where_none_are_given(tmp_path, offline):
    first = CodecWeights({}, tmp_path).codec("encodec")
    file = tmp_path / "encodec/model.safetensors"
    written = file.stat().st_mtime_ns
    again = CodecWeights({}, tmp_path).codec("encodec-q8")
    assert first.note == again.note == "random weights" and file.stat().st_mtime_ns == written
    assert [f.name for f in tmp_path.iterdir()] == ["encodec"]
    given = CodecWeights({"encodec": str(tmp_path / "encodec")}, tmp_path / "other").codec("encodec")
    assert given.hash == first.hash and not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="needs --weights PATH"):
        CodecWeights({}, tmp_path).codec("soundstream")


def test_weights_belong_to_a_family():
    assert given_weights(["mimi=a=b", "soundstream=c"]) == {"mimi": "a=b", "soundstream": "c"}


# Times


def test_a_stopwatch_goes_on_after_a_restart(tmp_path):
    assert times(tmp_path) is None
    watch = Stopwatch(tmp_path)
    watch(1.0, 20.0)
    watch(2.0, 50.0)
    Stopwatch(tmp_path)(0.5, 10.0)
    assert times(tmp_path) == (2.5, 60.0) and not list(tmp_path.glob(".*"))
    (tmp_path / "times.json").write_text("{")
    with pytest.raises(InputError, match=r"times\.json is damaged .*delete it"):
        times(tmp_path)
