"""A run whose gate was not open says so, from its journal to its report, also after it was resumed."""

import json
from dataclasses import replace

import pytest

from orchestrator.datasets.collection import open_collection
from orchestrator.judging.verdict import judge
from orchestrator.lifecycle.provenance import provenance
from orchestrator.lifecycle.sweep_request import SweepRequest, plan_of_run
from orchestrator.planning.plan import make_plan
from orchestrator.reporting.study_page import write_report
from orchestrator.runtime.ray_cluster import Cluster
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence
from tests.orchestrator.tiny_world import write_latents

CLUSTER = Cluster(cpus=2, gpus=0, nodes=1)
WHY = "waits for another study GO"


def of_request(request):
    return provenance(request, plan_of_run(request, CLUSTER), CLUSTER, started=0.0)


def test_what_was_forced_is_journalled_and_outlives_a_resumption(tmp_path):
    collection = open_collection([str(write_latents(tmp_path / "toy"))])
    request = SweepRequest(
        plan=make_plan(STUDY, smoke=True, frame_rates=collection.frame_rates),
        latents=collection,
        folder=tmp_path / "run",
        address=None,
        command="",
        forced=WHY,
    )
    assert of_request(request)["forced"] == WHY
    assert of_request(replace(request, resumed=True, forced=""))["forced"] == WHY
    assert "forced" not in of_request(replace(request, folder=tmp_path / "open", forced=""))


@pytest.mark.parametrize("forced", [WHY, ""])
def test_verdict_page_and_markdown_say_that_it_was_forced(tmp_path, forced):
    record = evidence({"mdn": Truth(), "vmf": Truth()})
    record.provenance |= {"forced": forced} if forced else {}
    for path in write_report(tmp_path, STUDY, record, judge(STUDY, record)):
        assert (WHY in path.read_text()) == bool(forced), path
    assert json.loads((tmp_path / "verdict.json").read_text())["forced"] == forced
