"""The top of a report, for a reader with two minutes: verdict, reason, the deciding figure and one plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.verdict import Verdict
from orchestrator.reporting.criteria_section import aims
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Picture
from orchestrator.reporting.ranking_section import ranking_picture
from orchestrator.reporting.rollout_figures import CAPTIONS
from orchestrator.reporting.trainable_pages import deciding_picture, has_pages
from orchestrator.reporting.training_section import training_check
from orchestrator.reporting.trust_section import trust_checks
from orchestrator.statistics.wording import spelled, spoken, told
from search_spaces.study import Claim

_MEANING = {
    Verdict.GO: "the hypothesis holds by its own criteria",
    Verdict.NO_GO: "the hypothesis fails by its own criteria",
    Verdict.INCONCLUSIVE: "the evidence does not decide",
    Verdict.INADMISSIBLE: "no conclusion may be drawn from this run",
}
# Of metrics that may decide; a ratio of them, and all others, are pure numbers.
_UNITS = {
    "component_information": "nats per step",
    "predictive_information": "nats per frame",
    "readout_information": "nats per frame",
}
_NO_CURVE = "It did not decide: what did has no curve over the rollout."


def verdict_header(run: JudgedRun, curves: Mapping[str, Markup]) -> dict[str, Any]:
    """What ``verdict.html`` shows; ``curves`` are the figures of :func:`rollout_curves`, by metric."""
    judgement = run.judgement
    decisive, primary = judgement.decisive, judgement.primary
    lead = lead_curve(run)
    picture = Picture(curves[lead], _caption(run, lead)) if lead in curves else _values(run)
    return {
        "study": run.study,
        "judgement": judgement,
        "meaning": "but a smoke run is no evidence" if judgement.smoke else _MEANING[judgement.verdict],
        "is_evidence": judgement.verdict is not Verdict.INADMISSIBLE and not judgement.smoke,
        "representation": ", ".join(_representations(run)),
        "started": run.evidence.provenance.get("started", ""),
        "deciding": deciding_figure(decisive),
        "had_its_way": None if decisive is primary else deciding_figure(primary),
        "belief": (f"{judgement.prior:.2f}", f"{judgement.posterior:.2f}"),
        "picture": picture,
        "checks": trust_checks(run),
        "training": training_check(run),
    }


def lead_curve(run: JudgedRun) -> str:
    """The curve shown at the top: the one that decided, else the direction cosine; "" where another picture
    shows what decided.
    """
    metric = _without_step(run)
    if run.forecasts and metric in CAPTIONS:
        return metric
    return "" if run.ranking or has_pages(run) or _is_difference(run) else "cos"


def ranking_leads(run: JudgedRun) -> bool:
    """Whether the picture at the top is that of all arms in order."""
    return bool(run.ranking) and not lead_curve(run) and not has_pages(run) and not _is_difference(run)


def _caption(run: JudgedRun, curve: str) -> str:
    return CAPTIONS[curve] if curve == _without_step(run) else f"{CAPTIONS[curve]} {_NO_CURVE}"


def _values(run: JudgedRun) -> Picture | None:
    """The figures that decided, unless a curve did."""
    if lead_curve(run):
        return None
    return ranking_picture(run) if ranking_leads(run) else deciding_picture(run)


def _is_difference(run: JudgedRun) -> bool:
    """Whether what decides is how much two arms differ, which a picture of its own shows beside its nulls."""
    deciding = run.judgement.decisive.criterion
    return bool(deciding.versus) and deciding.claim is not Claim.TIMES


def deciding_figure(result: CriterionResult) -> dict[str, str]:
    """The one figure that the verdict rests on, and what it is measured against; empty where not known."""
    criterion, interval = result.criterion, result.estimate
    is_ratio = criterion.claim is Claim.TIMES
    sign = "over" if is_ratio else "minus"
    versus = f" {sign} that of {criterion.versus}" if criterion.versus else ""
    value, _, bounds = told(interval).partition(" ") if interval else (_without_value(result), "", "")
    return {
        "metric": spoken(criterion.metric),
        "arms": f"{criterion.arm}{versus}",
        "title": criterion.name,
        "value": value,
        "interval": bounds,
        "measured_in": _UNITS.get(criterion.metric, "") if interval and not is_ratio else "",
        "units": f"{interval.n_speakers} test speakers and {interval.n_seeds} seeds" if interval else "",
        "thresholds": aims(criterion),
        "null": spelled(result.white) if result.white else "",
    }


def _without_step(run: JudgedRun) -> str:
    """The metric that decides, without the step at which it is taken."""
    return run.judgement.decisive.criterion.metric.split("@")[0]


def _without_value(result: CriterionResult) -> str:
    """A ratio whose denominator may be 0 has no value, though its criterion may be decided."""
    return "no value" if result.contrast else "not measured"


def _representations(run: JudgedRun) -> list[str]:
    datasets = (run.evidence.data, *run.evidence.other_data)
    return [data.get("representation", "unnamed data") for data in datasets]
