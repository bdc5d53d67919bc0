"""Runs read from Python: what is there, what is withheld, and that the notebook works as it stands."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from orchestrator.judging.verdict import judge
from orchestrator.records.seal import SEAL_FILE
from orchestrator.results import open_run, open_runs
from tests.orchestrator.synthetic_evidence import STUDY
from trainables.errors import InputError

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / "docs" / "results.ipynb"


def test_verdict_and_criteria_are_those_that_were_recorded(finished):
    run = open_run(finished)
    recorded = json.loads((finished / "verdict.json").read_text())
    assert run.withheld == "" and run.study == STUDY.name and run.verdict == recorded
    rows = run.criteria.to_pylist()
    assert [row["name"] for row in rows] == [criterion["name"] for criterion in recorded["criteria"]]
    primary, again = rows[0], judge(STUDY, run.evidence).criteria[0]
    assert (primary["low"], primary["high"]) == (again.estimate.low, again.estimate.high)
    assert primary["white"] == again.white.estimate


def test_lanes_have_their_settings_and_metrics_add_up_to_the_estimate(finished):
    run = open_run(finished)
    lanes = run.lanes.to_pandas()
    assert len(lanes) == 2 * (2 + 2 + 2 + 4)  # explored, replicates, nulls, plants, of two arms
    assert set(lanes["head"]) == {"mdn", "vmf"} and set(lanes["judged_on"]) == {"validation", "test"}
    assert set(lanes.loc[lanes.phase == "confirm", "surrogate"]) >= {"real", "white", "planted_kept"}
    assert lanes["rollout"].eq(16).all() and lanes["dropout"].eq(0).all()  # a default
    assert lanes.columns.is_unique and lanes["objective"].dtype == float
    metrics = run.metrics.to_pandas()
    real = metrics.query("phase == 'confirm' and arm == 'vmf' and surrogate == 'real'")
    at_16 = real.query("metric == 'cos' and step == 16")
    assert len(at_16) == 2 * 4 and at_16["speaker"].nunique() == 4
    mean = at_16["sum"].sum() / at_16["count"].sum()
    assert mean == pytest.approx(run.interval("vmf", "cos@16").estimate, rel=1e-12)
    history = run.history.to_pandas().query("metric == 'loss' and arm == 'vmf' and surrogate == 'real'")
    assert sorted(history["epoch"].unique()) == list(range(6)) and len(history) == 2 * 6


def test_predictors_carry_the_weights_that_were_kept(finished):
    run = open_run(finished)
    predictors = run.predictors("vmf")
    assert sorted(predictors) == [0, 1]
    kept = torch.load(finished.parent / "lanes" / "vmf-0.pt", weights_only=True)
    for name, value in predictors[0].state_dict().items():
        assert torch.equal(value, kept[name]), name
    with pytest.raises(InputError, match="has no arm 'vmff'; it has mdn, vmf"):
        run.predictors("vmff")


def test_a_run_without_a_confirmed_seal_gives_no_test_numbers(finished, tmp_path):
    exploring = open_run(finished.parent / "vmf_vs_mdn-20260102-000000")
    edited = tmp_path / "runs" / finished.name
    shutil.copytree(finished, edited)
    (edited / SEAL_FILE).write_text(
        (edited / SEAL_FILE).read_text().replace('"success": 0.6', '"success": 0.5')
    )
    shutil.copytree(finished.parent / "lanes", edited.parent / "lanes")
    for run, why in ((exploring, "has no verdict yet"), (open_run(edited), "success was 0.6 when sealed")):
        assert why in run.withheld
        assert set(run.lanes["judged_on"].to_pylist()) == {"validation"}
        speakers = set(run.metrics["speaker"].to_pylist())
        assert speakers and all(name.startswith("validation-") for name in speakers)
        assert run.history.num_rows == 0  # of those that were explored, nothing was kept
        for ask in (
            lambda run=run: run.verdict,
            lambda run=run: run.criteria,
            lambda run=run: run.evidence,
            lambda run=run: run.interval("vmf", "cos@16"),
            lambda run=run: run.figures(),
            lambda run=run: run.predictors("vmf"),
            lambda run=run: run.long_table(),
        ):
            with pytest.raises(InputError, match="gives no"):
                ask()


def test_runs_are_compared_over_time(finished):
    runs = open_runs(finished.parent, STUDY.name)
    table = runs.table().to_pandas()
    assert list(table["run"]) == [finished.name, "vmf_vs_mdn-20260102-000000"]
    assert table["verdict"][0] == open_run(finished).verdict["verdict"] and table["withheld"][0] == ""
    assert "no verdict yet" in table["withheld"][1] and np.isnan(table["estimate"][1])
    assert set(runs.criteria()["run"].to_pylist()) == {finished.name}
    assert len(open_runs(finished.parent, "heads")) == 0
    with pytest.raises(InputError, match="is no folder"):
        open_runs(finished.parent / "nowhere")
    with pytest.raises(InputError, match=r"holds no journal\.jsonl"):
        open_run(finished.parent)


def test_the_notebook_works_as_it_stands(finished, tmp_path, monkeypatch):
    shutil.copytree(finished.parent, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text())
    names: dict = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    assert len(cells) >= 9 and names["run"].folder.name == finished.name
    assert {"rollout-cos", "rollout-magnitude_ratio"} <= set(names["figures"])
    line = names["figures"]["rollout-cos"].axes[0].lines[0]
    estimates = [names["run"].interval("mdn", f"cos@{k}").estimate for k in range(1, 17)]
    curves = [each.get_ydata() for each in names["figures"]["rollout-cos"].axes[0].lines]
    assert any(len(curve) == 16 and np.allclose(curve, estimates) for curve in curves)
    assert line.get_color() != "#000000" and (tmp_path / "long.csv").stat().st_size > 0
    assert all(cell["outputs"] == [] for cell in cells)  # what it shows is what your runs hold


@pytest.mark.slow
def test_importing_it_loads_no_ray_and_no_tracker():
    code = "import orchestrator.results, sys; print({'ray', 'mlflow', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
