"""What a sweep leaves in MLflow, read back through MLflow's own client."""

import math
import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.execution.mlflow_store import ui_command
from orchestrator.execution.mlflow_tracking import Tracker
from orchestrator.judging.verdict import judge
from orchestrator.reporting.study_markdown import markdown
from orchestrator.reporting.study_page import write_report
from search_spaces.study import criteria_hash
from tests.orchestrator.synthetic_evidence import STUDY, evidence
from trainables.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One store for the module: making it takes seconds, which is the migrations."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture
def tracker(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Tracker("tests")


@pytest.fixture
def client(folder):
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def _lane(tracker, name="confirm-vmf-0", status="finished", **changed):
    replicate = evidence().arms["vmf"].replicates[0]
    lane = {
        "config": {"head": "vmf", "seed": 7, "learning_rate": 0.003},
        "history": replicate.history,
        "scores": replicate.scores if status == "finished" else None,
    }
    tracker.lane(name, "vmf", "confirm", status=status, **{**lane, **changed})
    return replicate


def _children(client, parent):
    run = client.get_run(parent)
    return client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")


@pytest.mark.slow
def test_a_whole_sweep_is_found_again(tracker, client, tmp_path):
    record = evidence()
    judgement = judge(STUDY, record)
    parent = tracker.start(STUDY.name, {"data_hash": "d" * 64, "git_commit": "0123"}, {"trials": 12})
    replicate = _lane(tracker)
    report, *_ = write_report(tmp_path, STUDY, record, judgement)
    note = markdown(STUDY, record, judgement)
    tracker.finish(judgement.to_json(), note, [report, tmp_path / "verdict.json"])

    run = client.get_run(parent)
    assert run.info.status == "FINISHED" and run.info.run_name == "vmf_vs_mdn: GO"
    assert run.data.tags["verdict"] == "GO" and run.data.tags["git_commit"] == "0123"
    assert run.data.tags["criteria_hash"] == criteria_hash(STUDY)
    assert run.data.tags["mlflow.note.content"].startswith("# GO\n\nThe vmf arm's cos@16 is")
    assert run.data.params == {"trials": "12"}
    found = judgement.criteria[0].estimate
    assert run.data.metrics["cos_at_16/vmf/low"] == pytest.approx(found.low)
    assert {file.path for file in client.list_artifacts(parent)} == {"report.html", "verdict.json"}

    (child,) = _children(client, parent)
    assert child.data.tags["arm"] == "vmf" and child.data.tags["seed"] == "7"
    assert child.data.params["learning_rate"] == "0.003"
    losses = client.get_metric_history(child.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in losses] == [(e["epoch"], e["loss"]) for e in replicate.history]
    curve = client.get_metric_history(child.info.run_id, "test/cos_at_k")
    assert sorted(m.step for m in curve) == list(range(1, 17))
    last = next(m.value for m in curve if m.step == 16)
    assert child.data.metrics["test/cos_at_16"] == last


def test_a_diverged_lane_is_failed_and_its_nan_is_no_number(tracker, client):
    parent = tracker.start(STUDY.name, {}, {})
    _lane(tracker, status="diverged", history=[{"epoch": 0, "loss": 3.0}, {"epoch": 1, "loss": math.nan}])
    (child,) = _children(client, parent)
    assert child.info.status == "FAILED" and child.data.tags["status"] == "diverged"
    assert [m.step for m in client.get_metric_history(child.info.run_id, "train/loss")] == [0]


def test_a_resumed_sweep_goes_on_in_the_same_run_and_repeats_no_lane(tracker, client):
    parent = tracker.start(STUDY.name, {}, {"trials": 12})
    _lane(tracker, "one")
    cut_off = {"mlflow.parentRunId": parent, "mlflow.runName": "two"}  # killed while it was written
    client.create_run(client.get_run(parent).info.experiment_id, tags=cut_off)
    tracker.fail("stopped by the user", interrupted=True)
    assert client.get_run(parent).info.status == "KILLED"

    again = Tracker("tests")
    assert again.start(STUDY.name, {}, {"trials": 12}, run_id=parent) == parent
    assert client.get_run(parent).info.status == "RUNNING"
    _lane(again, "one")
    _lane(again, "two")
    found = sorted((run.info.run_name, run.info.status) for run in _children(client, parent))
    assert found == [("one", "FINISHED"), ("two", "FINISHED"), ("two", "KILLED")]
    assert Tracker("tests").start(STUDY.name, {}, {}, run_id="f" * 32) != "f" * 32


def test_a_failure_says_why(tracker, client):
    parent = tracker.start(STUDY.name, {}, {})
    tracker.fail("the disk is full")
    run = client.get_run(parent)
    assert run.info.status == "FAILED" and run.data.tags["failure"] == "the disk is full"
    assert "the disk is full" in run.data.tags["mlflow.note.content"]


def test_more_metrics_than_one_request_takes(tracker, client):
    parent = tracker.start(STUDY.name, {}, {})
    _lane(tracker, history=[{"epoch": e, "loss": float(e), "seconds": 1.0} for e in range(700)], scores=None)
    (child,) = _children(client, parent)
    assert len(client.get_metric_history(child.info.run_id, "train/loss")) == 700


def test_it_says_where_the_record_is_and_how_to_see_it(tracker, folder):
    parent = tracker.start(STUDY.name, {}, {})
    said = tracker.where()
    assert ui_command(f"sqlite:///{folder}/mlflow.db") in said
    assert f"/runs/{parent}?workflowType=machine_learning" in said
    assert ui_command() == "mlflow ui --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1"


def test_the_environment_names_another_store(tracker, folder, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    parent = Tracker("tests").start(STUDY.name, {}, {})
    assert client.get_run(parent).info.run_name == "vmf_vs_mdn"
    assert not (tmp_path / "mlflow.db").exists()


def test_a_store_that_cannot_be_opened_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "other").write_text("not a database " * 400)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other")
    with pytest.raises(InputError, match="not a database.*correct or unset MLFLOW_TRACKING_URI") as error:
        Tracker("tests")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", ["corrupt", "foreign"])
def test_a_database_of_this_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch, fault):
    file = tmp_path / "mlflow.db"
    if fault == "corrupt":
        file.write_text("not a database " * 400)
    else:
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("create table alembic_version (version_num varchar)")
            database.execute("insert into alembic_version values ('of another version')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(
        InputError, match=f"cannot open the MLflow store {file} .*; move {file} away"
    ) as error:
        Tracker("tests")
    assert "MLFLOW_TRACKING_URI" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_the_database_lies_where_the_work_is_done(tmp_path):
    name = "a b?c%20d#e'f"
    folder = tmp_path / name
    folder.mkdir()
    program = (
        "from orchestrator.execution.mlflow_tracking import Tracker; t = Tracker(); t.start('x', {}, {}); "
    )
    line = [sys.executable, "-c", program + "print(t.where())"]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[3])
    said = subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert {file.name for file in folder.iterdir()} <= {"mlflow.db", "mlartifacts"}
    assert (folder / "mlflow.db").stat().st_size and [file.name for file in tmp_path.iterdir()] == [name]
    words = shlex.split(said.splitlines()[1])
    assert words[:4] == ["cd", str(folder), "&&", "mlflow"]


def test_a_password_in_the_address_of_a_store_is_not_shown(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mystery://me:pass-7c1f@host/db")
    with pytest.raises(InputError, match=r"mystery://\*\*\*@host/db") as error:
        Tracker("tests")
    assert "pass-7c1f" not in str(error.value)


def test_importing_the_module_does_not_import_mlflow():
    code = "import sys, orchestrator.execution.mlflow_tracking; print('mlflow' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    )
