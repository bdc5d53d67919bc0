"""Sweeps and a roadmap from latents to their verdicts, and on from where a kill left them."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

import search_spaces
from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER
from orchestrator.inspection.diagnosis import DIAGNOSIS_FOLDER
from orchestrator.judging.search_reliability import UNTOLD
from orchestrator.planning.plan import make_plan
from orchestrator.roadmap.log import ENDED, Logbook
from tests.orchestrator.tiny_world import sweep, write_latents

pytestmark = [
    pytest.mark.ray,
    # Ray lets the processes that it starts be collected while they end.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


INSPECTED = (DIAGNOSIS_FOLDER, AUXILIARIES_FOLDER)


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    return write_latents(tmp_path_factory.mktemp("latents"))


SECRETS = ("RAY_AUTH_TOKEN", "HF_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY")


def secret_of(name):
    """Something that stands nowhere else."""
    return f"secret-{name.lower()}-7c1f0b"


@pytest.fixture(scope="module")
def finished(latents, tmp_path_factory):
    """A smoke sweep that started a Ray of its own and ran to its verdict: where, and what it printed."""
    cwd = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as environment:
        for name in SECRETS:
            environment.setenv(name, secret_of(name))
        done = sweep("vmf_vs_mdn", "--smoke", "--latents", str(latents), cwd=cwd)
    assert done.returncode == 0, done.stderr
    (run,) = (cwd / "runs").glob("vmf_vs_mdn-*")
    return cwd, run, done.stdout


@pytest.mark.timeout(600)
def test_a_sweep_ends_in_a_verdict_that_everything_agrees_on(finished):
    cwd, run, said = finished
    verdict = json.loads((run / "verdict.json").read_text())["verdict"]
    assert f"{verdict} (smoke run: not evidence)" in said
    assert f"runs/{run.name}/report.html" in said
    assert verdict in (run / "report.html").read_text()
    events = read_journal(run)
    assert [e["event"] for e in events[:2]] == ["opened", "planned"] and events[-1]["event"] == "judged"
    assert events[-1]["verdict"] == verdict


@pytest.mark.timeout(600)
def test_test_speakers_are_looked_at_only_after_sealing(finished):
    _, run, _ = finished
    events = read_journal(run)
    order = [(e["event"], e.get("phase")) for e in events]
    sealed = order.index(("sealed", None))
    assert all(phase in ("explore", "repeat") for kind, phase in order[:sealed] if kind == "finished")
    assert [phase for kind, phase in order[sealed:] if kind == "finished"] == sorted(
        (phase for kind, phase in order[sealed:] if kind == "finished"), key=["confirm", "ablate"].index
    )
    for event in events:
        if event["event"] == "finished":
            scores = json.loads((run.parent / "lanes" / f"{event['key']}.json").read_text())["scores"]
            split = "validation" if event["phase"] in ("explore", "repeat") else "test"
            assert {speaker.rstrip("0123456789") for speaker in scores["speakers"]} == {split}


@pytest.mark.timeout(600)
def test_both_arms_are_confirmed_on_the_same_seeds_and_on_nulls_and_plants(finished):
    _, run, _ = finished
    arms = json.loads((run / "evidence.json").read_text())["arms"]
    assert set(arms) == {"mdn", "vmf"}
    assert len({tuple(r["seed"] for r in arm["replicates"]) for arm in arms.values()}) == 1
    for arm in arms.values():
        assert [r["surrogate"] for r in arm["nulls"]] == ["white", "gaussian"]
        assert [r["surrogate"] for r in arm["plants"]] == ["planted_kept", "planted_lost"]
        for kind in ("nulls", "plants"):
            assert {r["seed"] for r in arm[kind]} == {arm["replicates"][0]["seed"]}  # of a smoke run one
        assert all((run.parent / "lanes" / f"{lane['key']}.pt").exists() for lane in arm["replicates"])


@pytest.mark.timeout(600)
def test_every_component_was_taken_out_and_its_effect_is_in_the_report(finished):
    _, run, _ = finished
    study = make_plan(search_spaces.load("vmf_vs_mdn"), smoke=True).study
    effects = json.loads((run / "verdict.json").read_text())["ablations"]
    assert {tuple(e["components"]) for e in effects} == {(c.name,) for c in study.components} | set(
        study.pairs
    )
    assert any(e["effect"] and e["effect"]["seeds"] == 2 for e in effects)
    assert "What the winner is made of" in (run / "report.html").read_text()


@pytest.mark.timeout(600)
def test_mlflow_holds_a_parent_and_a_child_per_lane(finished):
    from mlflow import MlflowClient

    cwd, run, _ = finished
    client = MlflowClient(f"sqlite:///{cwd / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert len(parents) == 1
    assert parents[0].data.tags["verdict"] == json.loads((run / "verdict.json").read_text())["verdict"]
    lanes = [e for e in read_journal(run) if e["event"] == "finished"]
    assert len(runs) - 1 == len(lanes)
    searched = [e for e in lanes if e["phase"] != "ablate"]
    # Two arms: explored, on a second seed, replicates, nulls, plants.
    assert len(searched) == 2 * (2 + 2 + 2 + 2 + 2)
    told = json.loads((run / "sealed.json").read_text())
    assert parents[0].data.tags["seal"] == told["hash"]
    assert "exploration.db" in [file.path for file in client.list_artifacts(parents[0].info.run_id)]


@pytest.mark.timeout(600)
def test_the_exploration_opens_in_optuna_and_the_report_says_how_far_it_can_be_believed(finished):
    _, run, _ = finished
    lanes = [e for e in read_journal(run) if e["event"] == "finished" and e["phase"] == "explore"]
    for arm in ("mdn", "vmf"):
        study = optuna.load_study(
            study_name=f"vmf_vs_mdn {arm}", storage=f"sqlite:///{run / 'exploration.db'}"
        )
        assert [t.value for t in study.trials] == [e["objective"] for e in lanes if e["arm"] == arm]
    search = json.loads((run / "evidence.json").read_text())["search"]
    assert set(search) == {"mdn", "vmf"} and not any(arm["importances"] for arm in search.values())
    report = (run / "report.html").read_text()
    assert report.count(UNTOLD) >= 2 and "Importance" not in report


@pytest.mark.timeout(600)
def test_no_secret_of_the_environment_is_written_down(finished):
    cwd, run, said = finished
    files = [path for path in cwd.rglob("*") if path.is_file()]
    assert {run / "report.html", run / "journal.jsonl", cwd / "mlflow.db"} <= set(files)
    for name in SECRETS:
        assert secret_of(name) not in said
        assert not [path for path in files if secret_of(name).encode() in path.read_bytes()]


def read_journal(folder):
    """The events of a run; a torn line is left out."""
    lines = (folder / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def cut(folder, into, after):
    """Copy a run's folder as a kill after so many finished lanes leaves it; returns the events left.

    Ablations are there as another sweep would have left them: what is to be trained again is shorter.
    """
    events = read_journal(folder)
    ends = [i for i, event in enumerate(events) if event["event"] == "finished"]
    left = events[: ends[after - 1] + 1]
    into.mkdir(parents=True)
    lend([e for e in events if e in left or e.get("phase") == "ablate"], folder, into.parent)
    (into / "journal.jsonl").write_text("\n".join(map(json.dumps, left)) + '\n{"event": "finis')
    return left


def lend(events, folder, runs):
    """Lanes that have finished, with what was kept and recorded of them, to the sweeps of another folder;
    and what was found out about the latents, which depends on no lane.
    """
    (runs / "lanes").mkdir(parents=True, exist_ok=True)
    for made in INSPECTED:
        if (folder.parent / made).exists():
            shutil.copytree(folder.parent / made, runs / made)
    shutil.copy(folder.parents[1] / "mlflow.db", runs.parent)
    keys = {event["key"] for event in events if event["event"] == "finished"}
    for kept in (folder.parent / "lanes").iterdir():
        if kept.stem in keys:
            shutil.copy(kept, runs / "lanes")


@pytest.mark.timeout(600)
def test_a_killed_sweep_resumes_repeats_no_lane_and_ends_in_the_same_numbers(
    finished, latents, address, run_here, tmp_path
):
    _, run, _ = finished
    resumed = tmp_path / "runs" / run.name
    left = cut(run, resumed, after=3)
    kept = {p.name for p in resumed.parent.iterdir()}
    assert {run.name, "lanes"} <= kept <= {run.name, "lanes", *INSPECTED}
    arguments = ("vmf_vs_mdn", "--smoke", "--latents", str(latents), "--resume", "--address", address)
    done = run_here("sweep", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in resumed.parent.iterdir()} == kept
    events = read_journal(resumed)
    before = {e["key"] for e in left if e["event"] == "finished"}
    started = [key for e in events[len(left) :] if e["event"] == "started" for key in e["keys"]]
    assert not before & set(started)
    objectives = [
        {e["key"]: e["objective"] for e in log if e["event"] == "finished"}
        for log in (read_journal(run), events)
    ]
    assert objectives[1] == pytest.approx(objectives[0], abs=1e-5)
    assert events[-1]["event"] == "judged"


@pytest.mark.timeout(600)
def test_another_sweep_of_the_same_lanes_trains_nothing(finished, latents, address, run_here, tmp_path):
    _, run, _ = finished
    lend(read_journal(run), run, tmp_path / "runs")
    arguments = ("vmf_vs_mdn", "--smoke", "--latents", str(latents), "--address", address)
    done = run_here("sweep", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (again,) = (tmp_path / "runs").glob("vmf_vs_mdn-*")
    events = read_journal(again)
    assert not [e for e in events if e["event"] == "started"]
    assert all(e["reused"] for e in events if e["event"] == "finished")
    before, after = (json.loads((r / "verdict.json").read_text()) for r in (run, again))
    assert [c["estimate"] for c in before["criteria"]] == [c["estimate"] for c in after["criteria"]]
    assert before["ablations"] == after["ablations"]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_two_sweeps_at_a_time_in_one_folder_do_not_harm_each_other(finished, latents, address, tmp_path):
    _, run, _ = finished
    known = [e for e in read_journal(run) if (e.get("phase"), e.get("arm")) != ("explore", "vmf")]
    lend(known, run, tmp_path / "runs")
    (tmp_path / "mlflow.db").unlink()  # both find that there is none
    arguments = ("vmf_vs_mdn", "--smoke", "--no-ablation", "--latents", str(latents), "--address", address)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: sweep(*arguments, cwd=tmp_path, timeout=550), range(2)))
    assert [done.returncode for done in both] == [0, 0], both[0].stderr + both[1].stderr
    folders = list((tmp_path / "runs").glob("vmf_vs_mdn-*"))
    assert len(folders) == 2
    expected = json.loads((run / "verdict.json").read_text())
    for folder in folders:
        told = json.loads((folder / "verdict.json").read_text())
        assert told["verdict"] == expected["verdict"]
        mine, other = ([c["estimate"] for c in t["criteria"] if c["estimate"]] for t in (told, expected))
        assert [e["estimate"] for e in mine] == pytest.approx([e["estimate"] for e in other], rel=1e-4)


def bend(into):
    """A copy of the declarations in which the primary criterion asks for less."""
    shutil.copytree(Path(search_spaces.__file__).parent, into / "search_spaces")
    file = into / "search_spaces" / "vmf_vs_mdn.py"
    text = file.read_text()
    assert text.count("success=0.6,") == 1
    file.write_text(text.replace("success=0.6,", "success=0.5,"))
    return into


@pytest.mark.timeout(600)
def test_a_threshold_edited_after_sealing_ends_inadmissible_says_which_and_can_be_taken_back(
    finished, latents, address, run_here, tmp_path
):
    _, run, _ = finished
    resumed = tmp_path / "runs" / run.name
    sealed = [e["event"] for e in read_journal(run)].index("sealed")
    left = cut(run, resumed, after=sum(e["event"] == "finished" for e in read_journal(run)[:sealed]) + 1)
    shutil.copy(run / "sealed.json", resumed)
    arguments = ("vmf_vs_mdn", "--smoke", "--latents", str(latents), "--resume", "--address", address)
    done = sweep(*arguments, cwd=tmp_path, path=bend(tmp_path / "bent"))
    assert done.returncode == 3, done.stderr
    told = json.loads((resumed / "verdict.json").read_text())
    assert told["verdict"] == "INADMISSIBLE"
    assert "success was 0.6 when sealed and is 0.5 now" in told["reason"]
    assert "INADMISSIBLE" in (resumed / "report.html").read_text()
    assert "started" not in [e["event"] for e in read_journal(resumed)[len(left) :]]
    done = run_here("sweep", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = (json.loads((r / "verdict.json").read_text()) for r in (run, resumed))
    assert (after["verdict"], after["seal"]) == (before["verdict"], before["seal"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_roadmap_takes_up_the_lanes_ends_in_its_page_and_runs_nothing_again(
    finished, latents, address, run_here, tmp_path
):
    _, run, _ = finished
    lend(read_journal(run), run, tmp_path / "runs")
    for _ in range(2):
        arguments = ("--smoke", "--until", "1", "--latents", str(latents), "--address", address)
        done = run_here("roadmap.__main__", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "representations: BLOCKED, waits for" in done.stdout
        assert "roadmap  runs/roadmap-smoke.html" in done.stdout
    entries = Logbook(tmp_path / "runs", smoke=True).entries()
    (end,) = (entry for entry in entries if entry.event == ENDED)
    assert end.verdict == json.loads((run / "verdict.json").read_text())["verdict"]
    assert (tmp_path / "runs" / end.run / "report.html").exists()
    assert "device_hours" in end.cost["spent"]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_representations_of_the_same_audio_are_compared(address, run_here, tmp_path):
    for name, dim in (("first", 3), ("second", 5)):
        write_latents(tmp_path / name, name, dim=dim)
    latents = ("--latents", "first", "--latents", "second")
    done = run_here("sweep", "representations", "--smoke", *latents, "--address", address, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").glob("representations-*")
    told = json.loads((run / "verdict.json").read_text())
    assert told["verdict"] in ("GO", "NO-GO", "INCONCLUSIVE"), told["reason"]
    evidence = json.loads((run / "evidence.json").read_text())
    config = {name: arm["config"]["representation"] for name, arm in evidence["arms"].items()}
    assert config == {"reference": "first", "other": "second"}
    assert [data["representation"] for data in evidence["other_data"]] == ["second"]
    page = (run / "report.html").read_text()
    assert "The two representations side by side" in page and "As the document writes it" in page
