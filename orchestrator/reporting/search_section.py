"""How the settings of every arm were searched: each configuration explored, the budget, and the winners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from orchestrator.records.evidence import ArmEvidence, Exploration
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, setting_text
from orchestrator.reporting.figures import search_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.reporting.search_reliability import importance_rows, reliability_rows
from orchestrator.statistics.wording import spoken
from trainables.lane_config import PREDICTOR
from trainables.predictor.scores import LaneStatus


def search_section(run: JudgedRun) -> Section:
    """The search as a section: objectives as a figure, then budgets and the winners' settings."""
    content = {
        "arms": run.arms,
        "figure": _figure(run),
        "budgets": budget_rows(run.evidence.arms),
        "settings": settings_rows(run.evidence.arms),
        "reliability": reliability_rows(run.evidence.search, run.arms),
        "importances": importance_rows(run.evidence.search, run.arms),
    }
    return Section("search", "search", "search.html", content)


def budget_rows(arms: Mapping[str, ArmEvidence]) -> list[TableRow]:
    """What each arm was given and what became of it."""
    explored = [_fates([lane.status for lane in arm.explored]) for arm in arms.values()]
    replicates = [_fates([lane.status for lane in arm.replicates]) for arm in arms.values()]
    nulls = [_fates([lane.status for lane in arm.nulls]) for arm in arms.values()]
    plants = [_fates([lane.status for lane in arm.plants]) for arm in arms.values()]
    seconds = [f"{sum(lane.seconds for lane in arm.explored):.0f} s" for arm in arms.values()]
    return [
        ["configurations explored", *explored],
        ["replicates (test speakers)", *replicates],
        ["nulls (surrogate frames)", *nulls],
        ["plants (surrogate frames)", *plants],
        ["time spent exploring", *seconds],
        *_epoch_rows(arms),
    ]


def settings_rows(arms: Mapping[str, ArmEvidence]) -> list[TableRow]:
    """Settings of each arm's winner, one row per setting; those that differ come first."""
    winners = [arm.config.to_json() for arm in arms.values()]
    names = dict.fromkeys(name for settings in winners for name in settings)
    rows = [[name, *(setting_text(settings.get(name)) for settings in winners)] for name in names]
    rows.sort(key=lambda row: len(set(row[1:])) == 1)
    sizes = [
        next((f"{r.parameters:,}" for r in arm.replicates if r.parameters), NO_VALUE) for arm in arms.values()
    ]
    return [["trainable parameters", *sizes], *rows]


def _epoch_rows(arms: Mapping[str, ArmEvidence]) -> list[TableRow]:
    """How long lanes may train, where arms train predictors."""
    if not any(arm.config.kind == PREDICTOR for arm in arms.values()):
        return []
    return [
        ["epochs of a configuration explored", *(_epochs(arm.explored) for arm in arms.values())],
        ["epochs of a replicate", *(_epochs([arm]) for arm in arms.values())],
    ]


def _epochs(configured: Sequence[Exploration | ArmEvidence]) -> str:
    """How many epochs of teacher forcing and of rollout training they may take at most."""
    structures = [each.config.structure for each in configured if each.config.kind == PREDICTOR]
    allowed = dict.fromkeys((s.teacher_epochs, s.rollout_epochs) for s in structures)
    return ", ".join(f"{teacher} + {rollout}" for teacher, rollout in allowed) or NO_VALUE


def _fates(statuses: Sequence[LaneStatus]) -> str:
    if not statuses:
        return NO_VALUE  # such as plants of an arm on which the verdict does not depend
    unfinished = (LaneStatus.DIVERGED, LaneStatus.STOPPED)
    counts = {fate: statuses.count(fate) for fate in unfinished if fate in statuses}
    listed = " and ".join(f"{count} {fate}" for fate, count in counts.items())
    return f"{len(statuses)}, of which {listed}" if listed else f"{len(statuses)}, none diverged"


def _figure(run: JudgedRun) -> Markup:
    explored = {arm: run.evidence.arms[arm].explored for arm in run.arms}
    listed = "; ".join(
        f"{arm}: {len(lanes)} configurations, best {_best(lanes)}" for arm, lanes in explored.items()
    )
    drawn = search_figure(
        "search",
        {arm: [e.objective for e in lanes] for arm, lanes in explored.items()},
        ylabel=f"{spoken(run.study.objective)}, validation speakers",
        description=f"Objective of every configuration explored, in order, and the best so far. {listed}.",
    )
    return Markup(drawn)


def _best(explored: Sequence[Exploration]) -> str:
    finished = [e.objective for e in explored if e.status is LaneStatus.FINISHED and e.objective is not None]
    return f"{max(finished):.3f}" if finished else "none"
