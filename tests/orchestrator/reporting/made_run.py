"""A run made of given arms, sealed, whose control worlds were read as they should be."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.judging.verdict import judge
from orchestrator.records.evidence import ArmEvidence, Assay, Evidence
from orchestrator.reporting.judged_run import JudgedRun
from search_spaces.study import Study, declared


def made_run(study: Study, arms: Mapping[str, ArmEvidence], dim: int) -> JudgedRun:
    """The run of a study with these arms on made latents, judged."""
    data = {"representation": "made", "frame_rate": 50.0, "dim": dim, "hash": "h"}
    evidence = Evidence(study.name, dict(arms), data, {}, {})
    evidence.seal = {"study": declared(study)}
    evidence.assays = [Assay(w, v, v, "as it should be", "c", "r") for w, v in study.controls.items()]
    return JudgedRun(study, evidence, judge(study, evidence))
