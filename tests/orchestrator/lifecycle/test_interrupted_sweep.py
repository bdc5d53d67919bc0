"""Whatever ends a sweep, and whenever, MLflow is left with no run that is said to be running."""

import io
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from rich.console import Console

import search_spaces
from orchestrator.datasets.collection import open_collection
from orchestrator.execution import recording
from orchestrator.execution.mlflow_tracking import Tracker
from orchestrator.execution.progress import Progress
from orchestrator.execution.run_mirror import RunMirror, record
from orchestrator.lifecycle import sweep, sweep_tools
from orchestrator.lifecycle.sweep_request import SweepRequest
from orchestrator.planning.plan import make_plan
from orchestrator.records.journal import RESUME, Journal
from orchestrator.runtime.ray_cluster import Cluster
from tests.orchestrator.tiny_world import start, write_latents

# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    return open_collection([str(write_latents(tmp_path_factory.mktemp("latents")))])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for the module: making it takes seconds, which is the migrations."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def client(store, monkeypatch):
    monkeypatch.chdir(store)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MlflowClient(f"sqlite:///{store}/mlflow.db")


def runs(client):
    """Status, by run."""
    found = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return {run.info.run_id: run.info.status for run in found}


def fail(monkeypatch, owner, name, error, *, call=1, before=False):
    """Let a real function raise in its so manieth call, before or after it has done its work."""
    function, calls = getattr(owner, name), []

    def failing(*args, **kwargs):
        calls.append(name)
        if before and len(calls) == call:
            raise error
        result = function(*args, **kwargs)
        if len(calls) == call:
            raise error
        return result

    monkeypatch.setattr(owner, name, failing)


def without_ray(monkeypatch):
    """What comes after the start of the record needs Ray, which is not asked for here."""
    monkeypatch.setattr(sweep_tools, "by_representation", lambda *_: {})
    monkeypatch.setattr(sweep_tools, "CheckpointStore", lambda _: None)


def run(latents, folder, **more):
    """A sweep of which only the beginning is real; returns what it printed, also where it fails."""
    plan = make_plan(search_spaces.load("vmf_vs_mdn"), smoke=not more, frame_rates=latents.frame_rates)
    request = SweepRequest(plan=plan, latents=latents, folder=folder, address=None, command="", **more)
    printed = io.StringIO()
    console = Console(file=printed, width=10_000)
    try:
        sweep.run_on_cluster(request, Cluster(cpus=2, gpus=0, nodes=1), Progress(console))
    except BaseException as error:
        error.printed = printed.getvalue()
        raise


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """A store that has failed is asked again at once."""
    monkeypatch.setattr(recording, "_BETWEEN", 0.02)


MOMENTS = {
    "the journal does not know what it is called": (Journal, "append", 3, True),  # after opened and planned
    "the lane store is opened": (sweep_tools, "LaneStore", 1, True),
    "latents are looked at": (sweep_tools, "by_representation", 1, True),
    "the checkpoint store is opened": (sweep_tools, "CheckpointStore", 1, True),
    "control worlds are asked": (sweep, "assays", 1, True),
}


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "KILLED"), (RuntimeError("disk full"), "FAILED")]
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_no_moment_of_the_start_leaves_a_run_running(
    client, latents, tmp_path, monkeypatch, moment, error, status
):
    before = runs(client)
    owner, name, call, early = MOMENTS[moment]
    without_ray(monkeypatch)
    fail(monkeypatch, owner, name, error, call=call, before=early)
    with pytest.raises(type(error)):
        run(latents, tmp_path / "runs" / "r")
    monkeypatch.undo()
    after = runs(client)
    described = Journal(tmp_path / "runs" / "r").events("described")
    assert [after[r] for r in after.keys() - before.keys()] == [status for _ in described]
    assert bool(described) is (owner is not Journal)


FAILURES = {
    "the run is made and its id is lost": (MlflowClient, "create_run", 1, False),
    "the run is not made": (MlflowClient, "create_run", 1, True),
    "the run has no tags": (MlflowClient, "log_batch", 1, True),
    "the run has no parameters": (MlflowClient, "log_batch", 2, True),
    "the run is whole and its id is lost": (Tracker, "start", 1, False),
    "it cannot be closed": (MlflowClient, "set_terminated", 1, True),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_store_that_fails_once_is_told_everything_later_and_once(
    client, latents, tmp_path, monkeypatch, failure
):
    before = runs(client)
    owner, name, call, early = FAILURES[failure]
    without_ray(monkeypatch)
    fail(monkeypatch, sweep, "assays", RuntimeError("end of the test"), before=True)
    fail(monkeypatch, owner, name, OSError("no route to host"), call=call, before=early)
    with pytest.raises(RuntimeError, match="end of the test") as ended:
        run(latents, tmp_path / "runs" / "r")
    monkeypatch.undo()
    after = runs(client)
    (made,) = after.keys() - before.keys()
    assert after[made] == "FAILED" and "end of the test" in client.get_run(made).data.tags["failure"]
    assert ended.value.printed.count("no route to host") == 1 and "--record" not in ended.value.printed


FAILURES_OF_RESUMED = {
    "the run goes on": (MlflowClient, "update_run", 1, False),
    "its children are looked at": (MlflowClient, "search_runs", 2, True),
    "its tags are written": (MlflowClient, "log_batch", 1, True),
    "a lane is recorded again": (MlflowClient, "create_run", 1, False),
    "a lane is recorded again, by half": (MlflowClient, "log_batch", 3, True),
}


@pytest.mark.parametrize("failure", FAILURES_OF_RESUMED)
def test_a_store_that_fails_once_has_the_same_run_and_every_lane_once(
    client, latents, tmp_path, monkeypatch, failure
):
    folder = tmp_path / "runs" / "r"
    with monkeypatch.context() as first:  # killed with -9 when one lane was finished
        first.setattr(RunMirror, "_end", lambda *_: None)
        first.setattr(recording, "_STALLED", 0.0)
        without_ray(first)
        fail(first, sweep, "assays", KeyboardInterrupt(), before=True)
        with pytest.raises(KeyboardInterrupt):
            run(latents, folder)
    RunMirror(folder).update()
    (tracked,) = Journal(folder).events("tracked")[-1:]
    assert client.get_run(tracked["run_id"]).info.status == "KILLED"
    client.update_run(tracked["run_id"], status="RUNNING")
    config = {"head": "vmf", "seed": 2, "surrogate": "real"}
    lane = {"key": "k", "phase": "explore", "arm": "vmf", "index": 0, "config": config, "seconds": 1.0}
    Journal(folder).append("finished", **lane, status="diverged", objective=None, reused=False)
    result = {"status": "diverged", "scores": None, "history": [{"epoch": 0, "loss": 1.0}], "parameters": 1}
    sweep_tools.LaneStore(folder.parent / "lanes").keep("k", {**result, "seconds": 1.0})

    before = runs(client)
    owner, name, call, early = FAILURES_OF_RESUMED[failure]
    without_ray(monkeypatch)
    fail(monkeypatch, sweep, "assays", KeyboardInterrupt(), before=True)
    fail(monkeypatch, owner, name, OSError("no route to host"), call=call, before=early)
    with pytest.raises(KeyboardInterrupt):
        run(latents, folder)
    monkeypatch.undo()
    after = runs(client)
    assert after[tracked["run_id"]] == "KILLED"
    lanes = sorted(after[r] for r in after.keys() - before.keys())
    assert [status for status in lanes if status != "KILLED"] == ["FAILED"]  # the lane, which has diverged


def test_an_error_in_a_control_world_closes_its_run_and_that_of_the_sweep(
    client, latents, tmp_path, monkeypatch
):
    before = runs(client)
    without_ray(monkeypatch)
    fail(monkeypatch, sweep_tools, "by_representation", RuntimeError("lost"), call=2)
    with pytest.raises(RuntimeError, match="lost"):
        run(latents, tmp_path / "runs" / "r", quiet=True)
    after = runs(client)
    assert [after[r] for r in after.keys() - before.keys()] == ["FAILED", "FAILED"]


def test_a_store_that_is_gone_does_not_hide_what_happened_first(client, latents, tmp_path, monkeypatch):
    def gone(*_, **__):
        raise OSError("no route to host")

    folder = tmp_path / "runs" / "r"
    before = runs(client)
    with monkeypatch.context() as outage:
        outage.setattr(recording, "_STALLED", 0.3)
        outage.setattr(MlflowClient, "set_terminated", gone)
        without_ray(outage)
        fail(outage, sweep, "assays", RuntimeError("disk full"), before=True)
        with pytest.raises(RuntimeError, match="disk full") as failed:
            run(latents, folder)
        for thread in threading.enumerate():
            if thread.name == "recording":
                thread.join()
    assert f"python -m orchestrator.report {folder} --record" in failed.value.printed
    (made,) = runs(client).keys() - before.keys()
    assert runs(client)[made] == "RUNNING"
    assert made in record(folder)
    assert runs(client)[made] == "FAILED" and runs(client).keys() - before.keys() == {made}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.soak),
        pytest.param(signal.SIGHUP, marks=pytest.mark.soak),
    ],
)
def test_a_signal_stops_a_real_sweep_cleanly_and_it_says_how_to_go_on(tmp_path, number):
    write_latents(tmp_path / "latents")
    process = start("sweep", "vmf_vs_mdn", "--smoke", "--latents", "latents", cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not any("tracked" in path.read_text() for path in tmp_path.glob("runs/*/journal.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.1)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 4, complaint
    assert complaint.strip() == f"interrupted; {RESUME}"
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert "RUNNING" not in runs(client).values()
    (folder,) = Path(tmp_path / "runs").glob("vmf_vs_mdn-*")
    (tracked,) = Journal(folder).events("tracked")
    parent = client.get_run(tracked["run_id"])
    assert parent.info.status == "KILLED" and RESUME in parent.data.tags["failure"]


def test_a_run_that_goes_on_remembers_what_was_planned_at_first(client, latents, tmp_path, monkeypatch):
    without_ray(monkeypatch)
    folder, estimates, planned = tmp_path / "runs" / "r", iter((0.5, 0.25)), []

    def estimated(*_):
        cost = {"device_hours": [0.0, next(estimates)]}
        return SimpleNamespace(to_json=lambda: cost, text=lambda: f"expected: {cost}")

    def stop(tools, evidence, winners):
        planned.append(evidence.cost["planned"])
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep.costs, "estimate", estimated)  # which starts Ray
    for name, found in {"assays": {}, "_winners": {}, "search_record": {}}.items():
        monkeypatch.setattr(sweep, name, lambda *_, found=found: found)
    monkeypatch.setattr(sweep, "confirm", stop)
    for attempt in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(latents, folder, inspect=False)
        if attempt == 1:  # from here on nothing is estimated any more
            Journal(folder).append("sealed", seal={})
    assert planned == [{"device_hours": [0.0, 0.5]}] * 3 and next(estimates, None) is None
