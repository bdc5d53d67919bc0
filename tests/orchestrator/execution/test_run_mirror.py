"""A run folder in MLflow, whatever the store does meanwhile: in the end nothing is missing or there twice."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from benchmarks.tracking_server import TrackingServer
from orchestrator.execution import recording
from orchestrator.execution.recording import SweepRecording
from orchestrator.execution.run_mirror import DESCRIBED, record
from orchestrator.handoff.winners import trained_predictor
from orchestrator.judging.verdict import judge
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LaneStore
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.handoff.recipes_on_page import recipes_on_page
from tests.orchestrator.handoff.spoken_run import record_of, spoken_run
from tests.orchestrator.synthetic_evidence import STUDY, evidence
from trainables.errors import InputError
from trainables.latents.storage.dataset import open_dataset

LANES = 3


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A folder with a database that has its tables: making them takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    client.create_experiment("audio-latents", artifact_location=(folder / "mlartifacts").as_uri())
    return folder


@pytest.fixture
def store(empty_store, tmp_path, monkeypatch):
    """A working folder with such a database of its own."""
    monkeypatch.setattr(recording, "_BETWEEN", 0.05)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store / "mlflow.db", tmp_path)
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def grow(folder):
    """A run folder as a sweep leaves it, step by step: named, with its lanes, judged."""
    journal, lanes = Journal(folder), LaneStore(folder.parent / "lanes")
    record_of_arms = evidence()
    journal.append("opened")
    journal.append("planned", arguments={"study": STUDY.name})
    journal.append(DESCRIBED, name=STUDY.name, tags={"data_hash": "d" * 64}, parameters={"trials": 12})
    yield
    for index, replicate in enumerate(record_of_arms.arms["vmf"].replicates[:LANES]):
        result = {"history": replicate.history, "scores": replicate.scores, "status": "finished"}
        lanes.keep(f"key{index}", {**result, "seconds": 1.0})
        config = {"head": "vmf", "seed": index, "surrogate": "real"}
        lane = {"key": f"key{index}", "phase": "confirm", "arm": "vmf", "index": index, "config": config}
        journal.append("finished", **lane, status="finished", objective=0.5, seconds=1.0, reused=False)
        yield
    journal.append("sealed", seal_hash="s" * 64, seal={})
    write_report(folder, STUDY, record_of_arms, judge(STUDY, record_of_arms))
    journal.append("judged", verdict="GO")


def sweep(folder, during=lambda step: None):
    """Record a run while it grows; returns what was said, and the seconds that it took."""
    said, started = [], time.monotonic()
    with SweepRecording(said.append) as kept:
        with kept.of(folder):
            for step, _ in enumerate(grow(folder)):
                kept.changed()
                during(step)
                time.sleep(0.02)
    return "\n".join(said), time.monotonic() - started


def await_threads():
    """The end of what a store that did not answer still holds up; in a command the process ends instead."""
    for thread in threading.enumerate():
        if thread.name == "recording":
            thread.join()


def assert_complete(client):
    """One run that is finished, with its verdict, seal, report and every lane once."""
    (experiment,) = (e for e in client.search_experiments() if e.name == "audio-latents")
    runs = client.search_runs([experiment.experiment_id])
    alive = [run for run in runs if run.info.status != "KILLED"]
    (parent,) = (run for run in alive if "mlflow.parentRunId" not in run.data.tags)
    lanes = [run.info.run_name for run in alive if run is not parent]
    assert sorted(lanes) == [f"vmf confirm {index}" for index in range(LANES)]
    assert all(r.data.tags["mlflow.parentRunId"] == parent.info.run_id for r in alive if r is not parent)
    assert {run.info.status for run in alive} == {"FINISHED"}
    assert (parent.data.tags["verdict"], parent.data.tags["seal"]) == ("GO", "s" * 64)
    assert parent.data.params == {"trials": "12"}
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"report.html", "report.md", "verdict.json"}


def test_a_run_is_recorded_while_it_grows_and_again_changes_nothing(store, tmp_path):
    folder = tmp_path / "runs" / "r"
    said, _ = sweep(folder)
    assert said == ""
    assert_complete(store)
    (tracked,) = Journal(folder).events("tracked")
    assert Journal(folder).events()[-1]["event"] == "judged"
    before = len(store.search_runs(["1"]))
    assert tracked["run_id"] in record(folder)
    assert_complete(store)
    assert len(store.search_runs(["1"])) == before


def test_a_working_folder_may_have_an_uncommon_name(store, tmp_path, monkeypatch):
    here = tmp_path / "Prüfung 中 #1?%20&x"
    here.mkdir()
    shutil.copy(tmp_path / "mlflow.db", here)
    monkeypatch.chdir(here)
    assert sweep(here / "runs" / "r")[0] == ""
    shutil.copy(here / "mlflow.db", tmp_path)
    assert_complete(store)


def test_a_locked_database_holds_nothing_up_and_has_everything_later(store, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_STALLED", 0.3)
    folder = tmp_path / "runs" / "r"
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        said, seconds = sweep(folder)
        other.rollback()
    assert seconds < 10 and said.count("\n") == 0
    assert f"python -m orchestrator.report {folder} --record" in said
    assert (folder / "report.html").exists() and Journal(folder).answered()
    await_threads()
    record(folder)
    assert_complete(store)


def test_where_a_full_disk_ended_the_work_a_store_that_takes_nothing_is_not_waited_for(store, tmp_path):
    def fill(step):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "runs"))

    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(OSError, match="No space left"):
            sweep(tmp_path / "runs" / "r", fill)
        assert time.monotonic() - began < recording._STALLED / 2
        other.rollback()
    await_threads()


def test_a_database_that_may_only_be_read_is_one_warning(store, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_STALLED", 0.3)
    folder = tmp_path / "runs" / "r"
    with monkeypatch.context() as read_only:
        uri = f"sqlite:///file:{tmp_path}/mlflow.db?mode=ro&uri=true"
        read_only.setenv("MLFLOW_TRACKING_URI", uri)
        said, _ = sweep(folder)
        await_threads()
        assert said.count("readonly database") == said.count("MLflow takes no record now") + 1 == 2
        with pytest.raises(InputError, match="readonly database") as refused:
            record(folder)
        assert "\n" not in str(refused.value)
    record(folder)
    assert_complete(store)


@pytest.mark.parametrize("step", [0, 2])
def test_an_experiment_that_is_deleted_meanwhile_is_restored(store, tmp_path, step):
    def delete(now):
        if now == step:
            store.delete_experiment(store.get_experiment_by_name("audio-latents").experiment_id)

    said, _ = sweep(tmp_path / "runs" / "r", delete)
    assert "--record" not in said
    assert_complete(store)


def test_a_run_that_nobody_works_at_any_more_was_killed(store, tmp_path):
    folder = tmp_path / "runs" / "r"
    steps = grow(folder)
    next(steps), next(steps)
    record(folder)
    (parent,) = (r for r in store.search_runs(["1"]) if "mlflow.parentRunId" not in r.data.tags)
    assert parent.info.status == "KILLED" and "--resume" in parent.data.tags["failure"]


def test_what_is_no_run_folder_is_refused(store, tmp_path):
    with pytest.raises(InputError, match=r"holds no journal\.jsonl"):
        record(tmp_path)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A judged run whose arms have weights, as a sweep leaves it, but for its exploration."""
    run = spoken_run(tmp_path_factory.mktemp("spoken"))
    journal, data = Journal(run), record_of(run).data
    lanes = LaneStore(run.parent / "lanes")
    journal.append("opened")
    described = {"name": STUDY.name, "tags": {}, "parameters": {}}
    journal.append(DESCRIBED, **described, datasets=[data], hands_on=True)
    for index, surrogate in enumerate(("real", "white", "planted_kept")):
        lanes.keep(f"key{index}", {"history": [], "scores": None, "status": "finished"})
        config = {"head": "vmf", "seed": 40 + index, "surrogate": surrogate}
        lane = {"key": f"key{index}", "phase": "confirm", "arm": "vmf", "index": index, "config": config}
        journal.append("finished", **lane, status="finished", objective=0.5, seconds=2.0, reused=False)
    for name in ("report.html", "report.md"):
        (run / name).write_text("a report")
    journal.append("judged", verdict="GO")
    return run


def test_data_are_inputs_with_digest_and_source(judged, store):
    record(judged)
    record(judged)
    (parent,) = store.search_runs(["1"], "tags.verdict = 'GO'")
    data = record_of(judged).data
    (given,) = parent.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("logmel", data["hash"])
    assert mlflow.data.get_source(given).uri == str(judged.parent / "latents")
    assert json.loads(given.dataset.profile)["speakers_test"] == data["speakers"]["test"] == 2


def test_children_say_what_their_lanes_are(judged, store):
    record(judged)
    (parent,) = store.search_runs(["1"], "tags.verdict = 'GO'")
    runs = store.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    known = {run.info.run_name: run.data for run in runs}
    names = {
        "vmf confirm 0": "real",
        "vmf confirm 1 white": "white",
        "vmf confirm 2 planted_kept": "planted_kept",
    }
    assert {name: data.tags["surrogate"] for name, data in known.items()} == names
    assert [known[name].tags["phase"] for name in names] == ["confirm", "null", "plant"]
    assert [known[name].tags["seed"] for name in names] == ["40", "41", "42"]
    assert all(data.metrics == {"objective": 0.5, "seconds": 2.0} for data in known.values())
    assert {run.info.end_time - run.info.start_time for run in runs} == {2000}, "milliseconds"


def test_winners_are_models_that_continue_latents_as_the_run_did(judged, store, tmp_path, recwarn):
    record(judged)
    record(judged)
    assert not [str(w.message) for w in recwarn if "input example" in str(w.message)]
    (parent,) = store.search_runs(["1"], "tags.verdict = 'GO'")
    ids = [output.model_id for output in parent.outputs.model_outputs]
    models = {model.name: model for model in map(store.get_logged_model, ids)}
    assert set(models) == {"mdn", "vmf"} and len(ids) == 2, "each once"
    assert models["vmf"].tags["verdict"] == "GO" and models["vmf"].source_run_id == parent.info.run_id

    folders = [Path(model.artifact_location.removeprefix("file://")) for model in models.values()]
    kept = [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {"weights.safetensors", "predictor.json", "winner_model.py"} <= set(kept)
    assert not [name for name in kept if name.endswith((".pkl", ".pickle", ".pt"))]
    (context,) = open_dataset(judged.parent / "latents").tables("test", ["test1"])
    context_TD = np.asarray(context["latents"].to_pylist()[0], np.float32)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    for arm, model in models.items():
        loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
        made = loaded.predict(context_TD, params={"frames": 7, "seed": 3})
        own = trained_predictor(judged, record_of(judged), arm).continue_latents(context_TD, 7, seed=3)
        assert made.tobytes() == own.tobytes()
    colder = loaded.predict(context_TD, params={"frames": 7, "feedback": "sample", "temperature": 0.1})
    assert colder.shape == made.shape and not np.array_equal(colder, made)


def test_the_recipe_for_mlflow_works_as_it_stands(judged, store, tmp_path):
    record(judged)
    made = {}
    ((kind, text),) = recipes_on_page("hand on with MLflow")
    assert kind == "python"
    # By its full path: for one address MLflow keeps the store that it has opened first in this process.
    here = text.replace("sqlite:///mlflow.db", f"sqlite:///{tmp_path}/mlflow.db")
    assert here != text
    exec(compile(here, "docs/handoff.md", "exec"), made)
    assert made["latents"].shape == (50, 80) and made["data"].name == "logmel"


def test_a_winner_without_weights_is_left_out_and_nothing_else(judged, store, tmp_path):
    run = tmp_path / "runs" / "r"
    shutil.copytree(judged, run)
    shutil.copytree(judged.parent / "lanes", run.parent / "lanes")
    for file in (run.parent / "lanes").glob("mdn-*.pt"):
        file.unlink()
    record(run)
    (parent,) = store.search_runs(["1"], "tags.verdict = 'GO'")
    assert parent.info.status == "FINISHED"
    (output,) = parent.outputs.model_outputs
    assert store.get_logged_model(output.model_id).name == "vmf"


@pytest.mark.soak
@pytest.mark.parametrize("step", [0, 2])
def test_a_server_that_is_stopped_or_killed_holds_nothing_up(store, tmp_path, monkeypatch, capfd, step):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(recording, "_STALLED", 1.5)
    stopped, killed = tmp_path / "runs" / "stopped", tmp_path / "runs" / "killed"
    with TrackingServer(tmp_path) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        said, seconds = sweep(stopped, lambda now: server.send(signal.SIGSTOP) if now == step else 0)
        assert seconds < 10 and f"report {stopped} --record" in said
        server.send(signal.SIGCONT)
        await_threads()
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
        record(stopped)
        assert_complete(store)
        assert "View run" not in "".join(capfd.readouterr())
        (parent,) = store.search_runs(["1"], "tags.verdict = 'GO'")
        store.delete_run(parent.info.run_id)
        for lane in store.search_runs(["1"]):
            store.delete_run(lane.info.run_id)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        said, seconds = sweep(killed, lambda now: server.send(signal.SIGKILL) if now == step else 0)
        assert seconds < 10 and f"report {killed} --record" in said
        await_threads()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    record(killed)
    assert_complete(store)
    assert json.loads((killed / "verdict.json").read_text())["verdict"] == "GO"
