"""What a roadmap has been through, recorded by hand: nothing is trained."""

import json

import search_spaces
from orchestrator.records.code_versions import full_version
from orchestrator.roadmap.log import ENDED, STARTED, Entry
from orchestrator.roadmap.runner import RoadmapRequest, RoadmapRunner
from search_spaces.roadmap import GO, NO_GO, ROADMAP
from search_spaces.study import criteria_hash

FIGURE = {
    "role": "primary",
    "metric": "cos@16",
    "arm": "vmf",
    "versus": None,
    "claim": "greater",
    "success": 0.6,
    "failure": 0.3,
    "estimate": {"estimate": 0.71, "low": 0.68, "high": 0.74},
    "white": {"estimate": 0.01, "low": -0.02, "high": 0.04},
    "gaussian": None,
    "kept": {"estimate": 0.82, "low": 0.8, "high": 0.84},
    "kept_optimum": 0.85,
    "lost": {"estimate": 0.03, "low": 0.0, "high": 0.06},
    "lost_optimum": None,
}
STUDIES = [step.study for step in ROADMAP.steps]


def states(seen):
    """The states of an outlook, by study."""
    return {status.step.study: str(status.state) for status in seen.statuses}


def entry(study="vmf_vs_mdn", verdict=GO, data_hash="h", run="r", **more):
    declared = search_spaces.load(study)
    event = ENDED if verdict else STARTED
    return Entry(
        event, study, criteria_hash(declared), data_hash, "toy", run, verdict=verdict, prior=0.6, **more
    )


class Sweeps:
    """Stands in for the sweep: ends every study with the verdict that was chosen for it."""

    def __init__(self, verdicts, killed=()):
        self.verdicts, self.killed, self.ran = {"representations": NO_GO, **verdicts}, set(killed), []

    def __call__(self, study, latents, folder, resumed, design):
        self.ran.append((study.name, latents.first.meta.representation, resumed))
        if study.name in self.killed:
            self.killed.remove(study.name)
            raise KeyboardInterrupt
        verdict = self.verdicts.get(study.name, GO)
        arms = {arm.name: {"config": {"representation": "better"}} for arm in study.arms}
        spent = {"device_hours": 0.25, "wall_hours": 0.125, "price": None}
        evidence = {"arms": arms, "cost": {"spent": spent, "planned": {"device_hours": [0.125, 0.5]}}}
        evidence["provenance"] = {"code_of_verdict": full_version(), "seed": 0}
        (folder / "evidence.json").write_text(json.dumps(evidence))
        judgement = {"verdict": verdict, "reason": "as measured", "consequence": "", "prior": 0.6}
        judgement["criteria"] = [FIGURE]
        (folder / "verdict.json").write_text(json.dumps(judgement))


def journey(world, sweeps, **more):
    said = []
    order = RoadmapRequest(latents=str(world / "toy"), out=world / "runs", **more)
    return RoadmapRunner(order, say=said.append, sweep=sweeps), said
