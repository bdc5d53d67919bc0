"""Corrections by the score in a report, and teaching by it: every run beside the plain one."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.reporting.cell_text import TableRow, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section

SCORE_KIND = "score"  # the trainable
_RULES = {
    "corrected": "corrected by the score",
    "plain": "no correction",
    "shrinking": "shrunk to the mean by the same distance",
    "gaussian_score": "corrected by the score of a Gaussian",
}
_TAUGHT = {"score": "NLL and the score loss", "whitened": "NLL and a whitened squared error"}
_MEASURES = ("skill_of", "magnitude_drift_of", "state_error_of", "runaway_of")


def score_section(run: JudgedRun) -> Section | None:
    """The corrected run beside its nulls, for the first arm that has one, and every arm that was taught by a
    score loss beside NLL alone; None where nothing was measured.
    """
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == SCORE_KIND]
    corrected = [arm for arm in arms if not run.evidence.arms[arm].config.structure.score_loss]
    if not corrected or not (rows := rule_rows(run, corrected[0])):
        return None
    structure = run.evidence.arms[corrected[0]].config.structure
    content = {
        "rows": rows,
        "taught": taught_rows(run, [arm for arm in arms if arm not in corrected]),
        "correction": structure.correction.capitalize(),
        "sigma": structure.sigma,
        "samples": structure.samples,
        "further_steps": structure.further_steps,
        "level": run.level,
    }
    return Section("score", "what a correction does", "score.html", content)


def rule_rows(run: JudgedRun, arm: str) -> list[TableRow]:
    """Skill, drift of magnitudes, state error and runaways under each rule; empty where nothing was
    measured.
    """
    return [row for rule, title in _RULES.items() if (row := _row(run, arm, rule, title))]


def taught_rows(run: JudgedRun, arms: Sequence[str]) -> list[TableRow]:
    """The same of predictors that were taught by a loss beside NLL, and of the one that was taught as long by
    NLL alone, which is the same beside each of them; empty where nothing was measured.
    """
    rows = []
    for arm in arms:
        structure = run.evidence.arms[arm].config.structure
        how = f"weight {structure.score_loss_weight:g}, noise of {structure.sigma:g}"
        rows.append(_row(run, arm, "taught", f"{_TAUGHT[structure.score_loss]} ({how})"))
    rows += [_row(run, arm, "plain", "NLL alone") for arm in arms[:1]]
    return [row for row in rows if row]


def _row(run: JudgedRun, arm: str, run_name: str, title: str) -> TableRow:
    intervals = [run.measures.value(arm, f"{measure}_{run_name}") for measure in _MEASURES]
    return [title, *map(interval_text, intervals)] if any(intervals) else []
