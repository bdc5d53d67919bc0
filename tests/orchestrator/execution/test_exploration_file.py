"""The exploration as a file: Optuna opens it, and finds what the journal says."""

import time

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from orchestrator.execution.exploration_file import ExploredArm, importances, write_exploration
from orchestrator.execution.samplers import distribution
from orchestrator.planning.plan import make_plan
from search_spaces import load

STUDY = load("vmf_vs_mdn")
PLAN = make_plan(STUDY)


def explored(arm, count, diverged=()):
    """Lanes of an arm as the journal records them; the learning rate alone decides."""
    rng = np.random.default_rng(0)
    events = []
    for index in range(count):
        searched = {
            name: domain.options[rng.integers(len(domain.options))]
            if hasattr(domain, "options")
            else float(rng.uniform(domain.low, domain.high))
            for name, domain in PLAN.space(arm).items()
        }
        objective = None if index in diverged else 0.5 + 10 * searched["learning_rate"]
        config = {**PLAN.fixed(arm), **searched, "seed": 2 * index}
        common = {"phase": "explore", "arm": arm.name, "index": index, "config": config, "seconds": 1.5}
        status = "diverged" if objective is None else "finished"
        events.append({**common, "key": f"{index:032x}", "status": status, "objective": objective})
    return events


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    mdn, vmf = (ExploredArm(arm, explored(arm, 8, diverged=[3]), ()) for arm in STUDY.arms)
    again = [{**vmf.explored[2], "objective": 0.25}]
    path = tmp_path_factory.mktemp("run") / "exploration.db"
    return write_exploration(path, PLAN, [mdn, ExploredArm(vmf.arm, vmf.explored, again)])


def test_there_is_one_study_for_each_arm_and_nothing_else_in_the_folder(file):
    storage = f"sqlite:///{file}"
    assert optuna.get_all_study_names(storage) == ["vmf_vs_mdn mdn", "vmf_vs_mdn vmf"]
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("arm", STUDY.arms, ids=lambda arm: arm.name)
def test_every_lane_is_a_trial_with_its_settings_and_its_objective(file, arm):
    study = optuna.load_study(study_name=f"vmf_vs_mdn {arm.name}", storage=f"sqlite:///{file}")
    lanes = explored(arm, 8, diverged=[3])
    assert study.direction.name == "MAXIMIZE"
    assert [trial.value for trial in study.trials] == [lane["objective"] for lane in lanes]
    assert [trial.state == TrialState.FAIL for trial in study.trials] == [i == 3 for i in range(8)]
    domains = {name: distribution(domain) for name, domain in PLAN.space(arm).items()}
    for trial, lane in zip(study.trials, lanes, strict=True):
        assert trial.params == {name: lane["config"][name] for name in domains}
        assert trial.distributions == domains
        assert (trial.user_attrs["lane"], trial.user_attrs["seed"]) == (lane["key"], lane["config"]["seed"])
    again = [trial.user_attrs.get("objective on a second seed") for trial in study.trials]
    assert [value for value in again if value is not None] == ([0.25] if arm.name == "vmf" else [])


def test_a_search_can_go_on_in_the_file(file, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes())
    study = optuna.load_study(study_name="vmf_vs_mdn vmf", storage=f"sqlite:///{copy}")
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 3e-3, 2e-2, log=True), n_trials=1)
    assert len(study.trials) == 9


def test_importances_find_the_setting_that_decides():
    shares = importances(PLAN, ExploredArm(STUDY.arms[1], explored(STUDY.arms[1], 60), ()))
    assert next(iter(shares)) == "learning_rate" and shares["learning_rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.soak
def test_ten_thousand_lanes_take_seconds(tmp_path):
    lanes = explored(STUDY.arms[1], 10_000)
    started = time.perf_counter()
    path = write_exploration(tmp_path / "exploration.db", PLAN, [ExploredArm(STUDY.arms[1], lanes, ())])
    assert time.perf_counter() - started < 40
    assert len(optuna.load_study(study_name="vmf_vs_mdn vmf", storage=f"sqlite:///{path}").trials) == 10_000


def test_optuna_says_nothing_of_its_own_in_a_process_that_has_not_searched(file, caplog):
    """As where a sweep goes on after its exploration."""
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optuna.logging.enable_propagation()
    (arm, *_) = STUDY.arms
    try:
        importances(PLAN, ExploredArm(arm, explored(arm, 8), ()))
        write_exploration(file.parent / "again.db", PLAN, [ExploredArm(arm, explored(arm, 8), ())]).unlink()
    finally:
        optuna.logging.disable_propagation()
    assert caplog.messages == []
