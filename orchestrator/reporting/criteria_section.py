"""The criteria of a study, each with its outcome and the numbers behind it."""

from __future__ import annotations

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.seed_values import SeedShare, SeedValue, seed_share
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.wording import number, plain, spelled
from search_spaces.study import Claim, Criterion, Plant
from trainables.latents.batching.surrogates import Surrogate

_NULLS = {Surrogate.WHITE: "shuffled frames", Surrogate.GAUSSIAN: "the Gaussian copy"}


def criteria_section(run: JudgedRun) -> Section:
    """The table of criteria."""
    rows = [criterion_row(result) for result in run.judgement.criteria]
    share = seed_share(run.study.primary, run.measures)
    content = {
        "criteria": rows,
        "seeds": seed_rows(share),
        "share": seeds_in_words(share),
        "plants": run.study.plant is not Plant.NONE,
    }
    return Section("criteria", "criteria", "criteria.html", content)


def seed_rows(share: SeedShare | None) -> list[TableRow]:
    """Every seed of a criterion: its number, its value, and what is to be said of it."""
    return [] if share is None else [[str(s.seed), number(s.value), _remark(s)] for s in share.seeds]


def seeds_in_words(share: SeedShare | None) -> str:
    """How many seeds met a criterion by themselves, with the exact bounds of that share."""
    if share is None:
        return ""
    return (
        f"{share.met} of {len(share.seeds)} seeds met it by themselves: of all seeds between "
        f"{100 * share.low:.0f} % and {100 * share.high:.0f} % would, with 95 % confidence."
    )


def _remark(seed: SeedValue) -> str:
    remarks = ["met" if seed.met else "not met"]
    remarks += ["training diverged; counts as the worst seed or as nothing"] if seed.failed else []
    remarks += ["far from the other seeds"] if seed.outlier and not seed.failed else []
    return "; ".join(remarks)


def criterion_row(result: CriterionResult) -> dict[str, str]:
    """One row of the criteria table, by column."""
    criterion = result.criterion
    sign = "/" if criterion.claim is Claim.TIMES else "−"
    versus = f" {sign} {criterion.versus}" if criterion.versus else ""
    success, failure = thresholds(criterion)
    return {
        "name": criterion.name,
        "role": str(criterion.role),
        "metric": f"{criterion.metric} · {criterion.arm}{versus}",
        "source": criterion.source,
        "estimate": interval_text(result.estimate),
        "success": success,
        "failure": failure,
        "null": "; ".join([*_spelled_nulls(result), *_spelled_plants(result)]) or NO_VALUE,
        "outcome": str(result.outcome),
        "p": NO_VALUE if result.adjusted_p is None else f"{result.adjusted_p:.2g}",
        "dropped": f"{result.dropped} dropped: not finite" if result.dropped else "",
    }


def _spelled_nulls(result: CriterionResult) -> list[str]:
    metric = result.criterion.metric
    one_step = "@" not in metric or metric.endswith("@1")
    nulls = {"shuffled": result.white, "Gaussian": result.gaussian if one_step else None}
    return [f"{name}: {spelled(null)}" for name, null in nulls.items() if null]


def _spelled_plants(result: CriterionResult) -> list[str]:
    plants = {
        "planted, kept": (result.kept, result.kept_optimum),
        "planted, lost": (result.lost, result.lost_optimum),
    }
    return [
        f"{name}: {spelled(plant)}" + ("" if optimum is None else f" of {number(optimum)} possible")
        for name, (plant, optimum) in plants.items()
        if plant
    ]


def aims(criterion: Criterion) -> str:
    """What success and failure take, in words."""
    success, failure = thresholds(criterion)
    beaten = ""
    if criterion.beats_null:
        beaten = f" and more than {' and '.join(_NULLS[Surrogate(null)] for null in criterion.nulls)} give"
    return f"success {success}{beaten}, failure {failure}{' or less than they do' if beaten else ''}"


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
