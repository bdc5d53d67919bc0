"""The commands that look at representations, and that derive one from another, as users meet them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer

from orchestrator.derive import derive
from orchestrator.diagnose import diagnose
from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER
from orchestrator.inspection.diagnosis import cached_diagnosis
from orchestrator.inspection.diagnosis_record import estimate_record
from orchestrator.judging.verdict import judge
from orchestrator.reporting.diagnosis_comparison import information_rows, rate_rows
from orchestrator.reporting.diagnosis_section import diagnosis_section
from orchestrator.reporting.study_page import write_report
from orchestrator.runtime.cli import guarded
from orchestrator.runtime.ray_cluster import Cluster
from tests.orchestrator.synthetic_evidence import STUDY, evidence
from trainables.analysis.head_probe import STRUCTURES
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import LatentMeta, Utterance
from trainables.latents.worlds.catalogue import WORLDS
from trainables.predictor.scores import Scores

META = LatentMeta(
    representation="toy",
    dim=8,
    frame_rate=25.0,
    codec="toy",
    codec_hash="c0",
    weights=None,
    corpus_hash="",
    lattice_step=None,
)


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
    diagnose([str(latents)], tmp_path / "found.json", ["validation", "test"], heads=False)
    said = capsys.readouterr().out
    assert "What frames look like" in said and "One step ahead" in said and "12 held-out speakers" in said
    assert "Entropy rates" in said and "What the past tells" not in said  # with a single representation
    (record,) = json.loads((tmp_path / "found.json").read_text())
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
    linear = record["models"]["linear"]
    assert linear["beyond"]["information"]["low"] > 0.5 * formula
    real, white = (linear[world]["bits_per_second"]["estimate"] for world in ("real", "white"))
    assert white < 0.2 * real
    # Dimensions of equal variance at 1 % of it: log2(100) / 2 bits each; no more than that otherwise.
    common = record["rates"]["common"]["bits_per_second"]
    assert 0.97 * 25 * 8 * np.log2(100) / 2 < common <= 25 * 8 * np.log2(100) / 2
    assert record["rates"]["own"] == [] and "neither lattice nor quantiser" in record["rates"]["unknown"]


def test_several_representations_are_compared_where_a_reader_sees_them(
    latents: Path, tmp_path: Path, capsys
) -> None:
    derive(str(latents), "stack(2)", tmp_path / "stacked")
    file = tmp_path / "found.json"
    diagnose([str(latents), str(tmp_path / "stacked")], file, ["test"], heads=False)
    assert "What the past tells" in capsys.readouterr().out
    records = json.loads(file.read_text())
    rows = information_rows(records)
    assert rows[0][:4] == ["toy", "25", "8", "linear"]
    assert rows[1][:4] == ["stack2(toy)", "12.5", "16", "linear"]
    for row, record in zip(rows, records, strict=True):
        found = record["models"]["linear"]["real"]["predictive_information"]["estimate"]
        bits = found * record["data"]["frame_rate"] / np.log(2)
        assert float(row[4].split(" ")[0]) == pytest.approx(bits, rel=0.01)
    page = rendered(records)
    assert "toy" in page and "stack2(toy)" in page and page.count("<svg") == 1
    assert all(word not in page for word in ("nan", "None", "inf "))
    assert page.count("<table>") == page.count("</table>") == 1 + len(records) + 1 + 2 + 1


def test_a_page_without_diagnoses_leaves_the_section_out(tmp_path: Path) -> None:
    record = evidence()
    page, *_ = write_report(tmp_path, STUDY, record, judge(STUDY, record))
    assert diagnosis_section([]) is None and 'id="diagnosis"' not in page.read_text()


def rendered(records: list[dict]) -> str:
    return diagnosis_section(records).html


def test_the_ratio_of_unknown_rates_is_not_measured_and_never_zero() -> None:
    record = {
        "data": {"representation": "toy"},
        "models": {"linear": {}},
        "rates": {
            "own": [{"cause": "lattice", "share": 0.1, "bits_per_second": 10.0, "nominal": None}],
            "common": None,
            "unknown": "its audio is not known",
        },
    }
    rows, past = rate_rows([record]), ["–", "–"]
    assert rows == [
        ["toy", "lattice", "10 %", "10.0", "–", "–", "not measured", *past],
        ["toy", "own: its audio is not known", *["not measured"] * 2, "–", "–", "not measured", *past],
    ]


def test_a_head_that_fits_frames_badly_without_a_past_learns_no_more_from_it() -> None:
    scores = Scores(["a", "b"], 50.0, 1)
    likelihoods = {"nll": 10.0, "marginal_nll": 30.0, "gaussian_marginal_nll": 14.0}
    for name, nats in likelihoods.items():
        scores.sums[name], scores.counts[name] = np.array([3.0, 2.0]) * nats, np.array([3.0, 2.0])
    found = {
        name: estimate_record(scores, name).estimate for name in ("information", "predictive_information")
    }
    assert found == pytest.approx({"information": 4, "predictive_information": 20})
    scores.sums["marginal_nll"] /= 3
    assert estimate_record(scores, "information").estimate == pytest.approx(0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray's own processes
def test_heads_are_trained_in_tasks_and_a_diagnosis_is_made_once(
    latents: Path, cluster: Cluster, tmp_path: Path
) -> None:
    dataset = open_dataset(latents)
    small = {head: replace(s, steps=20, teacher_epochs=2) for head, s in STRUCTURES.items()}
    small["long"] = replace(STRUCTURES["mdn"], context=200)
    said: list[str] = []
    made = cached_diagnosis(dataset, tmp_path / "kept", cluster, said.append, small, flow_steps=20)
    assert "toy: closed forms done" in " ".join(said)
    for head in ("mdn", "vmf"):
        assert set(made["models"][head]) == {"real", "white", "gaussian", "beyond"}
        assert made["models"][head]["real"]["predictive_information"]["speakers"] == 12
    for model in ("linear", "mdn"):
        real = made["models"][model]["real"]
        figures = [real[f"bits_per_second{name}"]["estimate"] for name in ("", "_gaussian", "_flow")]
        assert figures[0] <= min(figures[1:])
    assert (tmp_path / AUXILIARIES_FOLDER).is_dir()
    assert "no training utterance is as long" in made["refused"]["long"]
    assert "long" not in made["models"]
    said.clear()
    assert cached_diagnosis(dataset, tmp_path / "kept", cluster, said.append, small, flow_steps=20) == made
    assert not said
    assert "long: no training utterance" in rendered([made])


@pytest.mark.parametrize(
    ("on", "said"),
    [(["train"], "--on is 'train'; it must be one of validation, test"), (["test"], "no speaker in test")],
)
def test_a_diagnosis_needs_speakers_to_predict(tmp_path: Path, on: list[str], said: str, capsys) -> None:
    folder = write(tmp_path / "z", {"train": 3, "validation": 2})
    with pytest.raises(typer.Exit) as left:
        guarded(diagnose, "")([str(folder)], None, on)
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
