"""Results of others: what is read, what is refused, and what the verdict says is missing."""

import csv
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import search_spaces
from orchestrator.judge.judging_results import judge_source, write_judged
from orchestrator.judge.sources import read_results
from orchestrator.lifecycle.rejudge import judged
from trainables.errors import InputError

STUDY = search_spaces.load("vmf_vs_mdn")
HEADER = ["arm", "seed", "unit", "metric", "step", "value", "surrogate"]


def rows(seeds=6, units=8, *, cos=0.75, null=0.0, seed=0):
    """A clear success of vmf on real frames, as anybody might have logged it."""
    rng = np.random.default_rng(seed)
    made = []
    for arm, level in (("vmf", cos), ("mdn", 0.1)):
        for frames in ("real", "white"):
            for s in range(seeds):
                for u in range(units):
                    value = (level if frames == "real" else null) + 0.02 * rng.normal()
                    made.append([arm, s, f"speaker-{u}", "cos", 16, round(value, 4), frames])
    return made


def write(path, lines, header=HEADER):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return str(path)


def ids(judgement):
    """The first words of what is missing."""
    return [" ".join(sentence.split()[:2]).rstrip(":") for sentence in judgement.missing]


def without(lines, column):
    place = HEADER.index(column)
    return [row[:place] + row[place + 1 :] for row in lines], HEADER[:place] + HEADER[place + 1 :]


def test_results_that_have_all_are_judged_and_marked_as_not_sealed(tmp_path):
    source = write(tmp_path / "r.csv", rows())
    run = judge_source(source, STUDY.name, frame_rate=50.0)
    primary = run.judgement.primary.estimate
    assert run.judgement.verdict == "GO" and (primary.n_seeds, primary.n_speakers) == (6, 8)
    assert primary.estimate == pytest.approx(0.75, abs=0.01)
    assert ids(run.judgement) == ["No plant", "No learning", "No ridge"]
    folder = write_judged(run, tmp_path / "runs")
    page = (folder / "report.html").read_text()
    assert "Not sealed: judged after the fact" in page and "for the first time" not in page
    assert "not sealed: judged after the fact" in (folder / "report.md").read_text().lower()
    again = judged(folder).judgement
    assert (again.verdict, again.missing) == (run.judgement.verdict, run.judgement.missing)


def test_three_seeds_cannot_decide_however_clear_they_are(tmp_path):
    judgement = judge_source(write(tmp_path / "r.csv", rows(seeds=3)), STUDY.name, 50.0).judgement
    assert judgement.verdict == "INCONCLUSIVE" and "p = 0.25" in judgement.reason
    assert any("p = 0.25" in sentence and "6 can" in sentence for sentence in judgement.missing)
    assert judgement.criteria[0].outcome == "met"  # it is the number of seeds that stands in the way


def test_without_seeds_there_is_no_interval_over_them(tmp_path):
    lines, header = without(rows(seeds=1), "seed")
    judgement = judge_source(write(tmp_path / "r.csv", lines, header), STUDY.name, 50.0).judgement
    assert judgement.verdict == "INADMISSIBLE" and "No seeds" in ids(judgement)


def test_without_a_null_a_cosine_proves_nothing(tmp_path):
    lines = [row for row in rows() if row[-1] == "real"]
    judgement = judge_source(write(tmp_path / "r.csv", lines), STUDY.name, 50.0).judgement
    assert judgement.verdict == "INADMISSIBLE" and judgement.criteria[0].outcome == "not measured"
    assert any("a cosine proves nothing" in sentence for sentence in judgement.missing)


def test_without_units_nothing_is_said_of_others(tmp_path):
    lines, header = without(rows(units=1), "unit")
    judgement = judge_source(write(tmp_path / "r.csv", lines, header), STUDY.name, 50.0).judgement
    assert judgement.verdict == "INADMISSIBLE" and "No units" in ids(judgement)


def test_a_diverged_seed_counts_against_its_arm(tmp_path):
    lines = [[*row, ""] for row in rows(seeds=5)] + [["vmf", 5, "", "diverged", "", 1, "", "diverged"]]
    run = judge_source(write(tmp_path / "r.csv", lines, [*HEADER, "kind"]), STUDY.name, 50.0)
    assert run.judgement.replicates["vmf"] == {"asked": 6, "finished": 5, "diverged": 1}
    assert run.judgement.primary.estimate.estimate == pytest.approx(0.75 * 5 / 6, abs=0.01)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("arm", "vmff", "line 3: arm is 'vmff'; name an arm of the study: mdn, vmf"),
        ("seed", "one", "line 3: seed is 'one'; write a number"),
        ("seed", "1.5", "line 3: seed is '1.5'; write a whole number, 0 or more"),
        ("step", "0", "line 3: step is '0'; write a whole number, 1 or more"),
        ("metric", "", "line 3: metric is ''; name what was measured"),
        ("value", "", "line 3: value is ''; write a number, or nan"),
        ("value", "0,7", "line 3: value is '0,7'; write a number"),
        ("surrogate", "pink", "line 3: surrogate is 'pink'; leave it empty, or write one of real, white"),
        ("unit", "speaker-0", "line 3: says again what line 2 says"),
    ],
)
def test_a_bad_row_is_named(column, cell, said, tmp_path):
    lines = rows()
    lines[1][HEADER.index(column)] = cell
    with pytest.raises(InputError) as refused:
        read_results(write(tmp_path / "r.csv", lines), STUDY)
    assert said in str(refused.value)


def test_a_line_of_another_width_a_missing_column_and_no_file_are_named(tmp_path):
    (tmp_path / "torn.csv").write_text("arm,metric,value\nvmf,cos@16,0.5\nvmf,cos@16\n")
    (tmp_path / "other.csv").write_text("model name,score\nvmf,0.5\n")
    (tmp_path / "latin.csv").write_bytes(b"arm,metric,value\nvmf,cos@1,\xe9\n")
    for name, said in (("torn", "line 3: has 2 cells"), ("other", "needs arm, metric"), ("latin", "UTF-8")):
        with pytest.raises(InputError, match=said):
            read_results(str(tmp_path / f"{name}.csv"), STUDY)
    with pytest.raises(InputError, match="is no file"):
        read_results(str(tmp_path / "nowhere.csv"), STUDY)


def test_parquet_is_read_and_one_with_an_extension_type_is_not_opened(tmp_path):
    columns = dict(zip(HEADER, map(list, zip(*rows(), strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    assert len(read_results(str(tmp_path / "r.parquet"), STUDY).rows) == len(rows())
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 2)))
    pq.write_table(pa.table({"arm": ["vmf", "vmf"], "value": tensors}), tmp_path / "bad.parquet")
    with pytest.raises(InputError, match="extension type.*plain columns"):
        read_results(str(tmp_path / "bad.parquet"), STUDY)
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "r.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_results(str(tmp_path / "torn.parquet"), STUDY)


def test_what_wandb_exports_is_read(tmp_path):
    runs = tmp_path / "runs.csv"
    header = ["Name", "State", "arm", "seed", "Notes", "cos@16", "loss"]
    write(runs, [["a", "finished", "vmf", 0, "x", 0.5, 1.0], ["b", "crashed", "vmf", 1, "", "", 2.0]], header)
    read = read_results(str(runs), STUDY)
    assert [(r.seed, r.metric, r.step, r.value) for r in read.rows] == [
        (0, "cos", 16, 0.5),
        (0, "loss", None, 1.0),
    ]
    assert len(read.notes) == 1 and read.notes[0].startswith("1 runs that did not finish")
    chart = tmp_path / "chart.csv"
    names = ["Step", "vmf-3 - cos@16", "vmf-3 - cos@16__MIN", "vmf-3 - cos@16__MAX"]
    write(chart, [[1, 0.2, 0.2, 0.2], [2, 0.4, 0.4, 0.4], [3, "", "", ""]], names)
    assert [(r.seed, r.step, r.value) for r in read_results(str(chart), STUDY).rows] == [(3, 16, 0.4)]


@pytest.mark.slow
def test_an_mlflow_experiment_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    from orchestrator.execution.mlflow_store import import_mlflow

    import_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.create_experiment("theirs")
    run = client.create_run(experiment, tags={"arm": "vmf"}).info.run_id
    client.log_param(run, "seed", 4)
    for step in (1, 2):
        client.log_metric(run, "test/cos_at_k", 0.5 / step, step=step)
    client.log_metric(run, "train/loss", 9.0)
    client.log_metric(run, "nll", 7.0)
    found = read_results("mlflow:theirs", STUDY).rows
    assert {(r.seed, r.metric, r.step, r.value) for r in found} == {
        (4, "cos", 1, 0.5),
        (4, "cos", 2, 0.25),
        (4, "nll", None, 7.0),
    }
    with pytest.raises(InputError, match="has no experiment 'ours'"):
        read_results("mlflow:ours", STUDY)


def test_thousands_of_rows_take_seconds_of_a_processor(tmp_path):
    source = write(tmp_path / "r.csv", rows(seeds=20, units=100))
    before = time.process_time()
    run = judge_source(source, STUDY.name, 50.0)
    assert time.process_time() - before < 10 and run.judgement.primary.estimate.n_speakers == 100


def test_rows_of_another_study_are_left_out_and_none_is_an_error(tmp_path):
    lines = [[*row, "heads"] for row in rows()]
    with pytest.raises(InputError, match="holds no results of the study 'vmf_vs_mdn'"):
        read_results(write(tmp_path / "r.csv", lines, [*HEADER, "study"]), STUDY)
