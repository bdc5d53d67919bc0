"""The life of a sweep: plan, assay, explore, confirm, take the winner apart, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import open_collection
from orchestrator.datasets.description import describe_data
from orchestrator.execution.lane_recorder import winner
from orchestrator.execution.progress import Progress
from orchestrator.execution.recording import SweepRecording
from orchestrator.inspection.suite import run_inspections
from orchestrator.judging.ablation_effects import blind_spots, effects
from orchestrator.judging.verdict import Judgement, Verdict
from orchestrator.lifecycle.assay import assay_study, assays
from orchestrator.lifecycle.confirmation import Winners, confirm
from orchestrator.lifecycle.exploration import explore, search_record
from orchestrator.lifecycle.sweep_request import SweepRequest, plan_of_run
from orchestrator.lifecycle.sweep_tools import SweepTools
from orchestrator.planning import costs
from orchestrator.planning.ablations import ablation_packs, retried_packs
from orchestrator.planning.design import design_of
from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.records.ablation_evidence import gather
from orchestrator.records.evidence import Assay, Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.phase import Phase
from orchestrator.reporting.study_page import write_report
from orchestrator.runtime.durations import duration
from orchestrator.runtime.ray_cluster import Cluster, connected
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import SPLITS


def run_sweep(request: SweepRequest, progress: Progress) -> Judgement:
    """Run a sweep to its verdict; all of its records then lie in ``request.folder``.

    Raises:
        InputError: another process is at work in that folder, or something that the user named is wrong.
    """
    with ExitStack() as stack:
        stack.enter_context(Journal(request.folder).held())
        progress.say(f"{request.plan.study.title}\nrun folder {request.folder}; starting Ray")
        cluster = stack.enter_context(connected(request.address, state_api=request.plan.workers > 1))
        stack.callback(progress.end)
        return run_on_cluster(request, cluster, progress)


def run_on_cluster(request: SweepRequest, cluster: Cluster, progress: Progress) -> Judgement:
    """Run a sweep to its verdict where Ray is connected and the run folder is held."""
    with SweepRecording(progress.say) as recording:
        judgement = _run_recorded(request, cluster, progress, recording)
    if where := recording.where(request.folder):
        progress.say(where)
    return judgement


def _run_recorded(
    request: SweepRequest, cluster: Cluster, progress: Progress, recording: SweepRecording
) -> Judgement:
    started = time.time()
    plan = plan_of_run(request, cluster)
    with recording.of(request.folder):  # whatever ends the sweep from here on is its end in MLflow too
        return _run(SweepTools.opened(request, plan, cluster, progress, recording, started))


def _run(tools: SweepTools) -> Judgement:
    """Go from the announcement to the verdict, and publish it."""
    expected_cost = _announce(tools)
    study, request = tools.study, tools.request
    checked = assays(study, request.folder.parent, tools.plan.workers, _assay_with(tools))
    data, *others = map(describe_data, request.latents)
    evidence = Evidence(study.name, {}, data, {}, {}, assays=checked, other_data=others)
    evidence.cost["planned"] = expected_cost
    winners = _winners(tools, checked)
    evidence.search = search_record(tools)
    judgement = confirm(tools, evidence, winners)
    if judgement.verdict is not Verdict.INADMISSIBLE:
        _look_closer(tools, evidence, judgement)
    spent = costs.spent(tools.journal.events(), tools.plan.workers, request.price)
    evidence.cost["spent"] = {**spent, "lanes_reused": tools.recorder.reused()}
    evidence.write(request.folder / "evidence.json")
    _publish(tools, evidence, judgement)
    return judgement


def _announce(tools: SweepTools) -> dict[str, Any]:
    """Print the plan before it costs anything, and return the expected cost for the record: that of the start
    of a run which goes on.
    """
    request, plan = tools.request, tools.plan
    if request.quiet:
        return {}
    latents = request.latents
    speakers = ", ".join(f"{len(latents.first.speakers(split))} {split}" for split in SPLITS)
    tools.progress.say(
        f"{tools.cluster}; {', '.join(latents.representations)} latents of {speakers} speakers; per arm "
        f"{plan.trials} configurations in packs of {plan.lanes}, then {plan.replicates} replicates, and "
        f"{plan.controls_text}"
    )
    for arm in tools.study.arms:
        if (coverage := plan.coverage(arm)).tried < coverage.structures:
            tools.progress.say(f"arm {arm.name}: {coverage.text}")
    known = [event["cost"] for event in tools.journal.events("estimated")]
    if plan.smoke or tools.journal.events("sealed"):
        return known[0] if known else {}
    design = request.design or design_of(plan, latents, request.folder.parent)
    tools.progress.say(design.text())
    expected = costs.estimate(plan, latents, tools.cluster, request.price)
    tools.progress.say(expected.text())
    if not known:
        tools.journal.append("estimated", cost=expected.to_json())
    return known[0] if known else expected.to_json()


def _assay_with(tools: SweepTools) -> Callable[[str, Path], None]:
    """A function that runs a control world, into a folder, through this very code."""

    def assay(world: str, folder: Path) -> None:
        tools.progress.say(f"assay: the control world {world} through this code")
        request = replace(
            tools.request,
            plan=make_plan(assay_study(tools.study), workers=tools.plan.workers),
            latents=open_collection([f"control:{world}"]),
            folder=folder,
            quiet=True,
            inspect=False,
            design=None,
        )
        judgement = _run_recorded(request, tools.cluster, tools.progress, tools.recording)
        tools.progress.say(f"assay: {world} is read as {judgement.verdict}")

    return assay


def _winners(tools: SweepTools, checked: list[Assay]) -> Winners:
    """The sealed winners, else those that exploration finds; none where a control world was misread."""
    if any(not assay.passed for assay in checked):
        return {}
    for event in tools.journal.events("sealed"):
        return {
            name: None if arm["settings"] is None else LaneConfig.of(arm["settings"])
            for name, arm in event["seal"]["arms"].items()
        }
    explore(tools)
    plan, arms = tools.plan, tools.study.arms
    return {
        arm.name: plan.settled(arm) or plan.in_full(arm, winner(tools.recorder.explored(arm.name)))
        for arm in arms
    }


def _look_closer(tools: SweepTools, evidence: Evidence, judgement: Judgement) -> None:
    """Do what decides nothing: take the winner apart, then inspect frames and components."""
    plan, study = tools.plan, tools.study
    if plan.ablate and study.components:
        _take_apart(tools, evidence, ablation_packs)
        if plan.plants and blind_spots(effects(study, evidence, judgement.level)):
            _take_apart(tools, evidence, retried_packs)
    if tools.request.inspect:
        # What follows may not cost what was measured.
        evidence.write(tools.request.folder / "evidence.json")
        parts = tools.arms_by_dataset(evidence)
        run_inspections(evidence, parts, tools.lane_store, tools.cluster, tools.progress)


def _take_apart(
    tools: SweepTools, evidence: Evidence, packs_of: Callable[[Plan, LaneConfig], list[Pack]]
) -> None:
    """Train the primary arm's winner without its components, and gather all that is known of them."""
    plan, arm = tools.plan, tools.study.primary.arm
    config = evidence.arms[arm].config
    tools.packs.run_fixed(Phase.ABLATE, {arm: packs_of(plan, config)})
    evidence.ablations = gather(tools.study, plan.confirm_seeds(), config, tools.recorder.ablated(arm))


def _publish(tools: SweepTools, evidence: Evidence, judgement: Judgement) -> None:
    """Write the report and that there is a verdict, then print it; MLflow may come later."""
    request = tools.request
    report, *_ = write_report(request.folder, tools.study, evidence, judgement)
    tools.journal.append("judged", verdict=str(judgement.verdict))
    if request.quiet:
        return
    tools.progress.say(
        f"\n{judgement}\nreport  {report}\ntook {duration(max(0.0, time.time() - tools.started))}"
    )
