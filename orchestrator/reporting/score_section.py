"""Corrections by the score in a report: every run of the same forecaster beside the corrected one."""

from __future__ import annotations

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
_MEASURES = ("skill_of", "magnitude_drift_of", "state_error_of")


def score_section(run: JudgedRun) -> Section | None:
    """The corrected run beside its nulls, for the first arm that has one; None where nothing was measured."""
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == SCORE_KIND]
    if not arms or not (rows := rule_rows(run, arms[0])):
        return None
    structure = run.evidence.arms[arms[0]].config.structure
    content = {
        "rows": rows,
        "correction": structure.correction.capitalize(),
        "sigma": structure.sigma,
        "samples": structure.samples,
        "level": run.level,
    }
    return Section("score", "what a correction does", "score.html", content)


def rule_rows(run: JudgedRun, arm: str) -> list[TableRow]:
    """Skill, drift of magnitudes and state error under each rule; empty where nothing was measured."""
    rows = []
    for rule, title in _RULES.items():
        intervals = [run.measures.value(arm, f"{measure}_{rule}") for measure in _MEASURES]
        if any(intervals):
            rows.append([title, *map(interval_text, intervals)])
    return rows
