"""One stage and two in a report: the skill of every way to come by magnitudes, beside what gives none."""

from __future__ import annotations

from orchestrator.reporting.cell_text import TableRow, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from trainables.latents.batching.surrogates import SURROGATES

TWO_STAGE_KIND = "two_stage"  # the trainable
_STEPS = (1, 2, 4, 8, 16)
# What stands beside an arm's runs, by metric: the same runs with other magnitudes, or none.
_NULLS = {
    "skill_of_strangers": "magnitudes by the features of someone else",
    "skill_of_constant": "one magnitude for all steps",
    "skill_of_halved": "all magnitudes halved",
    "skill_of_still": "no step at all",
}
_HEARD = ("quality", "quality_over_frozen", "quality_over_mean")


def two_stage_section(run: JudgedRun) -> Section | None:
    """Every arm beside its nulls; None where nothing was measured."""
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == TWO_STAGE_KIND]
    if not arms or not any(skill_row(run, arm) for arm in arms):
        return None
    structure = run.evidence.arms[arms[0]].config.structure
    content = {
        "skills": [row for arm in arms if (row := skill_row(run, arm))],
        "nulls": [row for arm in arms for row in null_rows(run, arm)],
        "curves": [_curve_row(run, arm) for arm in arms],
        "steps": [str(k) for k in _steps(structure.horizon)],
        "heard": [
            [arm, *map(interval_text, heard)]
            for arm in arms
            if any(heard := [run.measures.value(arm, metric) for metric in _HEARD])
        ],
        "explained": [
            (arm, interval_text(found))
            for arm in arms
            if (found := run.measures.value(arm, "magnitude_explained")) is not None
        ],
        "samples": structure.samples,
        "level": run.level,
    }
    return Section("two-stage", "one stage and two", "two_stage.html", content)


def skill_row(run: JudgedRun, arm: str) -> TableRow:
    """The skill of an arm on real frames and on each surrogate, and the share of runs that ran away; empty
    where nothing was measured.
    """
    metric = run.study.primary.metric
    found = [run.measures.value(arm, metric, surrogate=frames) for frames in SURROGATES]
    if found[0] is None:
        return []
    found.append(run.measures.value(arm, f"runaway@{run.measures.horizon(arm)}"))
    return [arm, *map(interval_text, found)]


def null_rows(run: JudgedRun, arm: str) -> list[TableRow]:
    """The skill of an arm's runs with other magnitudes."""
    found = {title: run.measures.value(arm, metric) for metric, title in _NULLS.items()}
    return [[f"{arm}: {title}", interval_text(value)] for title, value in found.items() if value is not None]


def _curve_row(run: JudgedRun, arm: str) -> TableRow:
    steps = _steps(run.measures.horizon(arm))
    return [arm, *(interval_text(run.measures.value(arm, f"cos@{k}")) for k in steps)]


def _steps(horizon: int) -> list[int]:
    return [k for k in _STEPS if k <= horizon]
