"""The top of a report, for a reader with two minutes: verdict, reason, the deciding figure and one plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from orchestrator.judging.criteria import CriterionResult
from orchestrator.reporting.criteria_section import thresholds
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.rollout_section import CAPTIONS
from orchestrator.statistics.wording import number, spelled
from search_spaces.study import Claim

_MEANING = {
    "GO": "the hypothesis holds by its own criteria",
    "NO-GO": "the hypothesis fails by its own criteria",
    "INCONCLUSIVE": "the evidence does not decide",
    "INADMISSIBLE": "no conclusion may be drawn from this run",
}


def verdict_header(run: JudgedRun, curves: Mapping[str, Markup]) -> dict[str, Any]:
    """What ``verdict.html`` shows; ``curves`` are the figures of :func:`rollout_curves`, by metric."""
    decisive = run.study.primary.metric.split("@")[0]
    caption = CAPTIONS[decisive] if decisive in curves else f"{CAPTIONS['cos']} {_NO_CURVE}"
    return {
        "study": run.study,
        "judgement": run.judgement,
        "meaning": _MEANING[str(run.judgement.verdict)],
        "smoke": run.is_smoke,
        "representation": ", ".join(_representations(run)),
        "started": run.evidence.provenance.get("started", ""),
        "deciding": deciding_figure(run.primary),
        "belief": (f"{run.judgement.prior:.2f}", f"{run.judgement.posterior:.2f}"),
        "figure": curves[lead_curve(run)],
        "caption": caption,
    }


def lead_curve(run: JudgedRun) -> str:
    """The curve shown at the top: the one that decided, else the direction cosine."""
    decisive = run.study.primary.metric.split("@")[0]
    return decisive if decisive in CAPTIONS else "cos"


def deciding_figure(result: CriterionResult) -> dict[str, str]:
    """The one figure that the verdict rests on, with what it is measured against."""
    criterion, interval = result.criterion, result.estimate
    success, failure = thresholds(criterion)
    against = [f"success {success}, failure {failure}"]
    if criterion.beats_null and result.white:
        against.append(f"shuffled frames give {spelled(result.white)}")
    sign = "over" if criterion.claim is Claim.TIMES else "minus"
    versus = f" {sign} that of {criterion.versus}" if criterion.versus else ""
    return {
        "name": f"{criterion.metric} of {criterion.arm}{versus}",
        "title": criterion.name,
        "value": number(interval.estimate) if interval else _without_value(result),
        "interval": f"[{number(interval.low)}, {number(interval.high)}]" if interval else "",
        "units": f"{interval.n_speakers} test speakers x {interval.n_seeds} seeds" if interval else "",
        "against": "; ".join(against),
    }


_NO_CURVE = "It did not decide: the primary metric has no curve over the rollout."


def _without_value(result: CriterionResult) -> str:
    """A ratio whose denominator may be 0 has no value, though its criterion may be decided."""
    return "no value" if result.contrast else "not measured"


def _representations(run: JudgedRun) -> list[str]:
    datasets = (run.evidence.data, *run.evidence.other_data)
    return [data.get("representation", "unnamed data") for data in datasets]
