"""The criteria of a study, each with its outcome and the numbers behind it."""

from __future__ import annotations

from orchestrator.judging.criteria import CriterionResult
from orchestrator.reporting.cell_text import NO_VALUE, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.wording import plain, spelled
from search_spaces.study import Claim, Criterion


def criteria_section(run: JudgedRun) -> Section:
    """The table of criteria."""
    rows = [criterion_row(result) for result in run.judgement.criteria]
    return Section("criteria", "criteria", "criteria.html", {"criteria": rows})


def criterion_row(result: CriterionResult) -> dict[str, str]:
    """One row of the criteria table, by column."""
    criterion = result.criterion
    sign = "/" if criterion.claim is Claim.TIMES else "−"
    versus = f" {sign} {criterion.versus}" if criterion.versus else ""
    one_step = "@" not in criterion.metric or criterion.metric.endswith("@1")
    nulls = {"shuffled": result.white, "Gaussian": result.gaussian if one_step else None}
    success, failure = thresholds(criterion)
    return {
        "name": criterion.name,
        "role": str(criterion.role),
        "metric": f"{criterion.metric} · {criterion.arm}{versus}",
        "source": criterion.source,
        "estimate": interval_text(result.estimate),
        "success": success,
        "failure": failure,
        "null": "; ".join(f"{name}: {spelled(null)}" for name, null in nulls.items() if null) or NO_VALUE,
        "outcome": str(result.outcome),
        "p": NO_VALUE if result.adjusted_p is None else f"{result.adjusted_p:.2g}",
        "dropped": f"{result.dropped} dropped: not finite" if result.dropped else "",
    }


def thresholds(criterion: Criterion) -> tuple[str, str]:
    """What the whole interval must do for success, and for failure."""
    margin = plain(criterion.margin)
    match criterion.claim:
        case Claim.TIMES:
            return f"> {plain(criterion.success)} times", f"< {plain(criterion.failure)} times"
        case Claim.COMPARABLE:
            return f"within ±{margin}", f"outside ±{margin}"
        case Claim.NOT_WORSE:
            return f"> −{margin}", f"< −{margin}"
    return f"> {plain(criterion.success)}", f"< {plain(criterion.failure)}"
