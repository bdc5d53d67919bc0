"""One step ahead: why a cosine proves nothing there, and every one-step metric beside its nulls."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.judging.measures import Measures
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.units import bits_per_second
from orchestrator.statistics.wording import number
from trainables.latents.batching.surrogates import SURROGATES

# Metric, what it is called, unit, whether more or less is better.
_METRICS = (
    ("one_step_cosine", "direction cosine", "", "more"),
    ("log_magnitude_r2", "R² of log magnitude", "", "more"),
    ("nll", "NLL", "nats per frame", "less"),
    ("dnll", "ΔNLL: less that of the same head without a past", "nats per frame", "less"),
    ("dnll_gaussian", "ΔNLL: less that of a full Gaussian of Δz", "nats per frame", "less"),
    ("predictive_information", "predictive information", "nats per frame", "more"),
    ("predictive_information_own_family", "… beyond its own family without a past", "nats per frame", "more"),
    ("predictive_information_gaussian", "… beyond a full Gaussian of z", "nats per frame", "more"),
    ("predictive_information_flow", "… beyond a flow of z", "nats per frame", "more"),
)


def one_step_section(run: JudgedRun) -> Section | None:
    """The passage on the one-step cosine, and a table per arm; None where no arm forecasts."""
    if not run.forecasts:
        return None
    baselines = [name for name in run.evidence.baselines if _has_figures(name, run.measures)]
    titles = {arm.name: arm.title for arm in run.study.arms}
    tables = [
        {"arm": arm, "title": titles[arm], "rows": one_step_rows(arm, run, baselines)} for arm in run.arms
    ]
    passages = [passage.sentence for passage in run.judgement.one_step.values()]
    quoted = [f"“{name}”" for name in baselines]
    content = {"passages": passages, "arms": tables, "quoted": quoted}
    return Section("null", "one step", "one_step.html", content)


def one_step_rows(arm: str, run: JudgedRun, baselines: Sequence[str]) -> list[TableRow]:
    """The one-step metrics of an arm, a row each: title, unit, what is better, then the metric on real
    frames, on both surrogates, and that of the rules that learn nothing.
    """
    rows = []
    for metric, title, unit, better in _METRICS:
        intervals = [run.measures.value(arm, metric, surrogate=surrogate) for surrogate in SURROGATES]
        intervals += [run.measures.baseline(name, metric) for name in baselines]
        if metric == "predictive_information" and intervals[0]:
            title = f"{title}: less NLL than {run.measures.marginal(arm)} without a past"
        if any(intervals):
            rows.append([title, unit, better, *map(interval_text, intervals)])
        if metric == "predictive_information" and intervals[0]:
            rate = run.frame_rate_of(arm)
            bits = [NO_VALUE if i is None else number(bits_per_second(i.estimate, rate)) for i in intervals]
            rows.append(["the same, per second of audio", "bits per second", better, *bits])
    return rows


def _has_figures(baseline: str, measures: Measures) -> bool:
    """Whether any one-step metric of a baseline is defined: standing still has no direction."""
    return any(measures.baseline(baseline, metric) for metric, *_ in _METRICS)
