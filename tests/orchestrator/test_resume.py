"""``--resume`` after a kill: what this code has started goes on, what other code has started does not."""

import json
import shutil
from pathlib import Path

import pytest

import search_spaces
from orchestrator.datasets.collection import open_collection
from orchestrator.planning.plan import make_plan
from orchestrator.records.code_versions import (
    TRAINING_LIBRARIES,
    code_version,
    modules_in,
    training_roots,
    version_of,
)
from orchestrator.records.run_folders import unfinished_run
from tests.orchestrator.tiny_world import sweep, write_latents

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A sweep as kill -9 left it, in the layout that journals have had since their beginning."""
    cwd = tmp_path_factory.mktemp("killed")
    collection = open_collection([str(write_latents(cwd / "latents"))])
    arguments = {
        "study": "vmf_vs_mdn",
        "trials": 2,
        "replicates": 2,
        "workers": 1,
        "seed": 0,
        "smoke": True,
        "ablate": True,
        "settings": _plan(collection).arguments()["settings"],
    }
    planned = {"arguments": arguments, "data_hash": collection.content_hash, "data": "latents"}
    events = [
        {"event": "opened", "time": 1795904766.306},
        {"event": "planned", "time": 1795904766.333, **planned, "code": code_version(), "generation": 1},
        {"event": "tracked", "time": 1795904768.449, "run_id": "dca0ad0be2c340fc867521259bce604f"},
    ]
    run = cwd / "runs" / "vmf_vs_mdn-20261128-222604"
    run.mkdir(parents=True)
    (run / "journal.jsonl").write_text("\n".join(map(json.dumps, events)) + '\n{"event": "finis')
    return cwd, collection, run


def _plan(collection):
    study = search_spaces.load("vmf_vs_mdn")
    return make_plan(study, smoke=True, frame_rates=collection.frame_rates)


@pytest.mark.slow
def test_a_sweep_killed_under_the_present_code_goes_on(killed):
    cwd, collection, run = killed
    arguments = _plan(collection).arguments()
    assert unfinished_run(cwd / "runs", arguments, collection.content_hash, code_version()) == run


@pytest.mark.slow
def test_a_sweep_killed_under_other_code_is_told_so_in_one_sentence(killed, tmp_path):
    cwd, _, run = killed
    for package in ("orchestrator", "search_spaces", "trainables"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "trainables/predictor/training/pack_run.py").open("a") as file:
        file.write("\nA_NUMBER = 7\n")
    done = sweep("vmf_vs_mdn", "--smoke", "--latents", "latents", "--resume", cwd=cwd, path=tmp_path)
    roots = training_roots()
    before, now = (version_of(roots, modules_in(folder), TRAINING_LIBRARIES) for folder in (ROOT, tmp_path))
    assert (before, done.returncode, done.stdout) == (code_version(), 2, "")
    assert done.stderr == (
        f"error: --resume cannot continue runs/{run.name}: its code was {before} and is {now} now; "
        "put back what it began with, or leave --resume out to start afresh\n"
    )
