"""A finished run as a sweep leaves it, made of synthetic evidence: no Ray, and nothing is trained."""

from pathlib import Path

import pytest
import torch

from orchestrator.judging.verdict import judge
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.records.seal import seal_hash, write_seal
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence
from trainables.predictor.model.predictor import build_predictor


def lay_down(root: Path, name: str, record: Evidence, ends: str = "judged") -> Path:
    """Write a run with its lanes; it ends where it was "explored", "sealed", confirmed or "judged"."""
    folder, store = root / "runs" / name, LaneStore(root / "runs" / LANES_FOLDER)
    journal = Journal(folder)
    arguments = {"study": STUDY.name, "seed": 0, "smoke": False}
    journal.append("planned", arguments=arguments, data_hash=record.data["hash"], code="c")
    record.seal["data"] = {"hash": record.data["hash"], "representation": record.data["representation"]}
    confirmed = []
    for arm in record.arms.values():
        state = build_predictor(arm.config.structure, record.data["dim"]).state_dict()
        for lane in arm.explored[:2]:
            scores = arm.replicates[0].scores | {"speakers": [f"validation-{i}" for i in range(4)]}
            key = f"{arm.name}-explored-{lane.index}"
            result = {"status": "finished", "scores": scores, "history": [], "parameters": 7, "seconds": 1.0}
            store.keep(key, result)
            settings = {**lane.config.to_json(), "seed": 2 * lane.index}
            place = {"phase": "explore", "arm": arm.name, "index": lane.index, "key": key, "reused": False}
            journal.append(
                "finished", **place, status="finished", objective=0.5, seconds=1.0, config=settings
            )
        for index, lane in enumerate((*arm.replicates, *arm.nulls, *arm.plants)):
            lane.key = f"{arm.name}-{index}"
            result = {"status": "finished", "scores": lane.scores, "history": lane.history, "parameters": 7}
            store.keep(lane.key, result)
            if lane in arm.replicates:
                torch.save(state, store.folder / f"{lane.key}.pt")
            settings = {**arm.config.to_json(), "seed": lane.seed, "surrogate": str(lane.surrogate)}
            place = {"phase": "confirm", "arm": arm.name, "index": index, "key": lane.key, "reused": False}
            confirmed.append({**place, "status": "finished", "objective": 0.5, "config": settings})
    if ends == "explored":
        return folder
    journal.append("sealed", seal_hash=seal_hash(record.seal), seal=record.seal)
    write_seal(folder, record.seal)
    for event in confirmed:
        journal.append("finished", seconds=2.0, **event)
    if ends == "judged":
        record.write(folder / "evidence.json")
        write_report(folder, STUDY, record, judge(STUDY, record))
        journal.append("judged", verdict="GO")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A judged run, and one that still explores, in the same folder of runs."""
    root = tmp_path_factory.mktemp("results")
    truths = {"mdn": Truth(cos=(0.7, 0.2), ratio=(0.5, 0.05)), "vmf": Truth()}
    run = lay_down(root, "vmf_vs_mdn-20260101-000000", evidence(truths, replicates=2, speakers=4))
    lay_down(root, "vmf_vs_mdn-20260102-000000", evidence(truths, replicates=2, speakers=4), "sealed")
    return run
