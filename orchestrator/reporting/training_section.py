"""Whether the arms were trained to an end: their curves on validation speakers, and ridge beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from orchestrator.judging.criteria import Outcome
from orchestrator.judging.learning import Learning, catches_up, validation_curves
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import Line, epoch_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number, spoken

_LOSS = "validation_loss"
_PHASES = {"teacher": "teacher forcing", "rollout": "rollouts"}
# One step ahead: what an arm is compared with ridge on, beside the metric that decides.
_BESIDE_RIDGE = ("-nll", "one_step_cosine", "energy_score@1")


def training_section(run: JudgedRun) -> Section | None:
    """How each arm learnt, and what ridge regression does with the same past; None where nothing trained."""
    learnt = run.judgement.learning
    if not learnt:
        return None
    metrics = list(dict.fromkeys(state.metric for state in learnt.values()))
    figures = [_figure(f"training-{i}", metric, run) for i, metric in enumerate([*metrics, _LOSS])]
    content = {
        "figures": [figure for figure in figures if figure is not None],
        "courses": [_course(arm, state) for arm, state in learnt.items()],
        "ridge": [row for arm in learnt for row in _ridge_rows(arm, learnt[arm], run)],
        "effort": run.study.effort,
        "settings": dict(run.study.settings),
    }
    return Section("training", "was it trained", "training.html", content)


def training_check(run: JudgedRun) -> dict[str, Any]:
    """Whether the primary arm was trained to an end, in brief.

    ``ended`` says whether its curve no longer rose by what the run can detect; None where it was not trained.
    """
    state = run.judgement.learning.get(run.study.primary.arm)
    if state is None or not state.allowed:
        return {"ended": None}
    return {
        "ended": not (state.goes_on or _catches_up(run, run.study.primary.arm)),
        "change": None if state.gain is None else _change(state.gain),
        "metric": spoken(state.metric),
        "left_out": _in_words(state.left_out),
        "epochs": state.epochs,
        "allowed": state.allowed,
        "patient": state.by_patience == state.replicates,
        "behind": [spoken(metric) for metric in state.behind_ridge],
        "effort": run.study.effort,
        "beside_ridge": bool(run.evidence.arms[run.study.primary.arm].ridge),
    }


def _catches_up(run: JudgedRun, arm: str) -> bool:
    deciding = run.judgement.decisive
    failed = deciding.outcome is Outcome.FAILED and deciding.criterion.arm == arm
    return failed and catches_up(deciding, run.judgement.learning)


def _change(gain: float) -> str:
    return f"{'rose' if gain >= 0 else 'fell'} by {number(abs(gain))}"


def _in_words(phases: Sequence[str]) -> str:
    return " and ".join(_PHASES.get(phase, phase) for phase in phases)


def _course(arm: str, state: Learning) -> TableRow:
    rise = NO_VALUE if state.gain is None else number(state.gain)
    ended = f"{state.by_patience} of {state.replicates}"
    epochs = f"{state.epochs} of {state.allowed} of {_in_words([state.phase])}"
    left_out = _in_words(state.left_out) or NO_VALUE
    return [arm, epochs, left_out, ended, spoken(state.metric), rise]


def _ridge_rows(arm: str, state: Learning, run: JudgedRun) -> list[TableRow]:
    rows = []
    for metric in dict.fromkeys((state.metric, *_BESIDE_RIDGE)):
        own, ridge = run.measures.value(arm, metric), run.measures.ridge(arm, metric)
        if own is not None and ridge is not None:
            gap = run.measures.beyond_ridge(arm, metric)
            rows.append([arm, spoken(metric), *map(interval_text, (own, ridge, gap))])
    return rows


def _figure(name: str, metric: str, run: JudgedRun) -> Markup | None:
    lines = []
    for number_of_arm, arm in enumerate(run.judgement.learning):
        curves = validation_curves(run.evidence.arms[arm].replicates, metric)
        points = _over_replicates(curves)
        if points:
            lines.append(Line(arm, number_of_arm, points))
    if not lines:
        return None
    label = "loss, nats per frame" if metric == _LOSS else spoken(metric)
    ends = "; ".join(
        f"{line.label}: {number(line.points[-1].estimate)} at the end" for line in lines if line.points[-1]
    )
    return Markup(
        epoch_figure(
            name,
            lines,
            ylabel=f"{label}, validation",
            description=f"{label} on validation speakers, epoch by epoch. {ends}.",
        )
    )


def _over_replicates(curves: list[list[float]]) -> list[Interval]:
    """The mean over replicates at each look, between the least and the greatest of them."""
    longest = max(map(len, curves), default=0)
    # A replicate that has ended stays where it is.
    filled = [curve + curve[-1:] * (longest - len(curve)) for curve in curves if curve]
    if not filled:
        return []
    values_RE = np.array(filled)
    return [
        Interval(float(column.mean()), float(column.min()), float(column.max()), 0, len(column))
        for column in values_RE.T
    ]
