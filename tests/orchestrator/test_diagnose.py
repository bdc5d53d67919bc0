"""The commands that look at representations, and that derive one from another, as users meet them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from orchestrator.cli import guarded
from orchestrator.derive import derive
from orchestrator.diagnose import diagnose
from trainables.errors import InputError
from trainables.latents.controls import WORLDS
from trainables.latents.parquet import LatentMeta, Utterance
from trainables.latents.store import LatentDataset, open_dataset, write_utterances

META = LatentMeta(
    representation="toy", dim=8, frame_rate=25.0, codec="toy", codec_hash="c0", weights=None, corpus_hash="",
    lattice_step=None,
)  # fmt: skip


def write(folder: Path, speakers: dict[str, int], frames: int = 120) -> Path:
    """Autoregressions of 0.9; the last speaker of a split also has an utterance of three frames."""
    world = type(WORLDS["smooth"])(dim=8, decay=0.9, angle=0.0, scale=1.0)
    for number, (split, count) in enumerate(speakers.items()):
        paths = world.simulate(count, frames, np.random.default_rng(number))
        track = np.full(frames, np.nan)
        rows = [
            Utterance(f"{split}{i}-0", f"{split}{i}", split, z, track, track, track)
            for i, z in enumerate(paths)
        ]
        short = [track[:3]] * 3
        rows.append(Utterance(f"{split}{count - 1}-1", f"{split}{count - 1}", split, paths[-1, :3], *short))
        write_utterances(folder / f"{split}.parquet", rows, META)
    return folder


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("toy"), {"train": 40, "validation": 6, "test": 6})


def test_a_diagnosis_is_read_by_people_and_by_programs(latents: Path, tmp_path: Path, capsys) -> None:
    diagnose(str(latents), tmp_path / "found.json", ["validation", "test"])
    said = capsys.readouterr().out
    assert "Phase 0" in said and "Phase 1" in said and "12 held-out speakers" in said
    record = json.loads((tmp_path / "found.json").read_text())
    assert record["data"]["held_out"] == ["validation", "test"]
    first = next(r for r in record["phase1"] if (r["surrogate"], r["context"]) == ("real", 1))
    information = first["predictive_information"]
    formula = -4 * np.log1p(-0.81)
    assert information["low"] < formula < information["high"] and information["speakers"] == 12
    assert first["bits_per_second"] == pytest.approx(25 * information["estimate"] / np.log(2))
    assert {r["surrogate"] for r in record["phase1"]} == {"real", "white", "gaussian"}
    # 640 ms at 25 Hz are 16 frames.
    assert sorted({r["ahead_ms"] for r in record["horizons"]}) == [40, 80, 160, 320, 640]
    assert record["phase0"]["lags_ms"] == [40, 80, 160, 320]
    sums = next(r for r in record["per_speaker"]["phase1"] if r["context"] == 1 and r["surrogate"] == "real")
    assert len(sums["sums"]["nll"]) == 12


@pytest.mark.parametrize(
    ("on", "said"),
    [(["train"], "--on is 'train'; it must be one of validation, test"), (["test"], "no speaker in test")],
)
def test_a_diagnosis_needs_speakers_to_predict(tmp_path: Path, on: list[str], said: str, capsys) -> None:
    folder = write(tmp_path / "z", {"train": 3, "validation": 2})
    with pytest.raises(typer.Exit) as left:
        guarded(diagnose, "")(str(folder), None, on)
    assert left.value.exit_code == 2 and said in capsys.readouterr().err


def test_derived_latents_keep_who_said_what_and_are_not_made_twice(
    latents: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "derived"
    derive(str(latents), "pca(5) of stack(2)", out)
    said = capsys.readouterr()
    assert "pca5(stack2(toy)), 5 dimensions at 12.5 Hz, 52 utterances, 3 left out" in said.out
    assert said.err.count("fewer than 4 frames") == 3
    base, made = open_dataset(latents), open_dataset(out)
    assert (made.meta.representation, made.meta.dim, made.meta.frame_rate) == ("pca5(stack2(toy))", 5, 12.5)
    for split in ("train", "validation", "test"):
        assert made.speakers(split) == base.speakers(split)
        assert made.utterances(split) == [i for i in base.utterances(split) if i.endswith("-0")]
    before = {file: file.stat().st_mtime_ns for file in made.files}
    (out / "test.parquet").unlink()
    derive(str(latents), "pca(5) of stack(2)", out)
    assert open_dataset(out).content_hash == made.content_hash
    assert all(file.stat().st_mtime_ns == t for file, t in before.items() if file.stem != "test")


@pytest.mark.parametrize(
    ("expression", "target", "said"),
    [
        ("pca(9)", "new", "pca(9) of 8 dimensions"),
        ("pool(100)", "new", "no utterance of"),
        ("whiten", "other", "holds pool2(toy)"),
        ("whiten", "self", "holds the latents to derive from"),
        ("whiten", "encoded", "holds latents that were not derived"),
    ],
)
def test_what_cannot_be_derived_is_refused(latents: Path, tmp_path: Path, expression, target, said) -> None:
    out = tmp_path / target
    if target == "self":
        out = latents
    elif target == "other":
        derive(str(latents), "pool(2)", out)
    elif target == "encoded":
        write(out, {"train": 3})
    with pytest.raises(InputError) as refused:
        derive(str(latents), expression, out)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_derived_latents_can_be_derived_from(latents: Path, tmp_path: Path) -> None:
    derive(str(latents), "stack(2)", tmp_path / "a")
    derive(str(tmp_path / "a"), "whiten", tmp_path / "b")
    found: LatentDataset = open_dataset(tmp_path / "b")
    assert found.meta.representation == "whiten(stack2(toy))" and found.meta.dim == 16
    (train,) = found.tables("train")
    assert found.rms == pytest.approx(1, abs=0.01) and len(train) == 40
