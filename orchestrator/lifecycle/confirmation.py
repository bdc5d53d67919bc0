"""The confirmation of a sweep: sealed, then trained and judged look by look until one look decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER
from orchestrator.inspection.clips import SCORED
from orchestrator.inspection.frame_density import fit_flows
from orchestrator.inspection.listening import HEARD, score_continuations
from orchestrator.inspection.reference_rules import RIDGE, scores_of_rules
from orchestrator.judging.verdict import Judgement, Verdict, judge
from orchestrator.lifecycle.provenance import provenance
from orchestrator.lifecycle.sealing import make_seal
from orchestrator.lifecycle.sweep_tools import SweepTools
from orchestrator.records.evidence import Evidence
from orchestrator.records.phase import Phase
from orchestrator.records.seal import breaches, seal_hash, study_changes, write_seal
from orchestrator.records.study_code import code_of_study
from orchestrator.statistics.alpha_spending import replicates_per_look
from trainables.lane_config import LaneConfig

_SMOKE_STEPS = 50  # of the densities of frames of a run that is no evidence
_WORLD_STEPS = 100  # ... and of control worlds, which are small
# By arm; None where every lane of the arm diverged.
Winners = Mapping[str, LaneConfig | None]


def confirm(tools: SweepTools, evidence: Evidence, winners: Winners) -> Judgement:
    """Seal, then train and judge look by look until one decides; where a seal is broken, only judge.

    What is measured goes into ``evidence``. Without winners, since a control world was misread, nothing is
    sealed or trained.
    """
    if winners:
        evidence.seal, evidence.broken = _seal(tools, winners)
    intact = bool(winners) and not evidence.broken and not study_changes(evidence.seal, tools.study)
    sound = {arm: config for arm, config in winners.items() if config is not None}
    forecasting = {arm: config for arm, config in sound.items() if config.trainable.forecasts}
    if forecasting and tools.plan.plants:
        _plant(tools, evidence, max(config.structure.horizon for config in forecasting.values()))
    if intact and forecasting:
        _fit_flows(tools, forecasting)
    for look, replicates in enumerate(
        replicates_per_look(tools.plan.replicates, tools.study.budget.looks), 1
    ):
        evidence.look = look
        if intact:
            packs = {arm: tools.plan.confirmation(arm, sound[arm], replicates) for arm in sound}
            tools.packs.run_fixed(Phase.CONFIRM, packs)
        judgement = _judge(tools, evidence, sound, replicates, listen=intact)
        if not intact or judgement.verdict in (Verdict.GO, Verdict.NO_GO):
            break
    return judgement


def _plant(tools: SweepTools, evidence: Evidence, horizon: int) -> None:
    """Fit plants to the training frames of each representation, and note what the best predictor reaches over
    ``horizon`` steps.
    """
    for dataset in tools.request.latents:
        latents = tools.latents[dataset.meta.representation]
        latents.fit_plants(dataset)
        evidence.plants[dataset.meta.representation] = {
            plant: asdict(world.optimum(horizon)) for plant, world in latents.plants.items()
        }


def _fit_flows(tools: SweepTools, forecasting: Mapping[str, LaneConfig]) -> None:
    """Fit densities that know no past to the frames of every representation that an arm is judged on."""
    most_steps = _SMOKE_STEPS if tools.plan.smoke else _WORLD_STEPS if tools.request.quiet else None
    for name in dict.fromkeys(config.structure.representation for config in forecasting.values()):
        folder = tools.lane_store.folder.parent / AUXILIARIES_FOLDER
        fit_flows(tools.latents[name], folder, tools.progress.say, most_steps)


def _seal(tools: SweepTools, winners: Winners) -> tuple[dict[str, Any], list[str]]:
    """The seal and its breaches. It is written before anything looks at the test speakers; the first seal of
    a run counts.
    """
    folder = tools.request.folder
    now = make_seal(tools.plan, tools.request.latents, winners, code_of_study(tools.study))
    sealed = [event["seal"] for event in tools.journal.events("sealed")]
    if not sealed:
        write_seal(folder, now)
        tools.journal.append("sealed", seal_hash=seal_hash(now), seal=now)
    tools.recording.changed()
    seal = sealed[0] if sealed else now
    return seal, breaches(seal, folder, now)


def _judge(
    tools: SweepTools, evidence: Evidence, sound: Mapping[str, LaneConfig], replicates: int, listen: bool
) -> Judgement:
    """The verdict on the first so many replicates of each arm."""
    seeds = tools.plan.confirm_seeds()[:replicates]
    evidence.arms = {arm: tools.recorder.arm_evidence(arm, sound[arm], seeds) for arm in sound}
    if listen and any(arm.replicates for arm in evidence.arms.values()):
        _listen(tools, evidence)
    evidence.provenance = provenance(tools.request, tools.plan, tools.cluster, tools.started)
    return judge(tools.study, evidence)


def _listen(tools: SweepTools, evidence: Evidence) -> None:
    """Measure the rules that learn nothing, ridge regression, and what continuations sound like."""
    forecasting = {name: arm for name, arm in evidence.arms.items() if arm.config.trainable.forecasts}
    if not forecasting:
        return
    tools.progress.say("baselines and listening")
    evidence.exhibits.clear()
    evidence.continuation = tools.study.continuation
    rules = scores_of_rules({name: arm.config for name, arm in forecasting.items()}, tools.latents)
    for name, scores in rules.items():
        evidence.arms[name].ridge = scores[RIDGE]
    if not tools.study.compares:  # rules that learn nothing differ from representation to representation
        first = next(iter(rules.values()))
        evidence.baselines = {name: scores for name, scores in first.items() if name != RIDGE}
    for part in tools.arms_by_dataset(evidence):
        arms = [arm for name, arm in part.arms.items() if name in forecasting]
        score_continuations(
            evidence,
            arms,
            part.dataset,
            part.latents,
            tools.lane_store,
            tools.progress,
            HEARD if tools.plan.smoke else SCORED,
        )
