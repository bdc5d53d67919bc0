"""The rows of the report's tables: plain strings, ready to be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.failure_modes import MIXED, MODES, UNKNOWN_MODE
from orchestrator.judging.measures import Measures
from orchestrator.records.evidence import ArmEvidence, Evidence
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.units import bits_per_second
from orchestrator.statistics.wording import number, plain, spelled
from search_spaces.study import Claim, Criterion
from trainables.latents.batching.surrogates import SURROGATES
from trainables.predictor.scores import LaneStatus

ResultRow = list[str]
ABSENT = "–"

# What is shown of one step: metric, what it is, unit, whether more is better.
ONE_STEP_METRICS = (
    ("one_step_cosine", "direction cosine", "", "more"),
    ("log_magnitude_r2", "R² of log magnitude", "", "more"),
    ("nll", "negative log-likelihood", "nats per frame", "less"),
    ("dnll", "ΔNLL: against the same head without context", "nats per frame", "less"),
    ("dnll_gaussian", "ΔNLL: against a full Gaussian of Δz", "nats per frame", "less"),
    ("predictive_information", "predictive information", "nats per frame", "more"),
    (
        "predictive_information_gaussian",
        "predictive information, Gaussian marginal",
        "nats per frame",
        "more",
    ),
)


# How often a run goes on from the true state; the free run never does.
_INJECTIONS = (
    ("_A", "A: after every step"),
    ("_B", "B: after every fourth step"),
    ("_C", "C: after the first step alone"),
    ("", "D: never (the free run)"),
)


def shown(found: Interval | None) -> str:
    """An interval, or a dash where nothing was measured."""
    return ABSENT if found is None else spelled(found)


def criterion_row(result: CriterionResult) -> dict[str, str]:
    """One row of the criteria table, by column."""
    criterion = result.criterion
    sign = "/" if criterion.claim is Claim.TIMES else "−"
    versus = f" {sign} {criterion.versus}" if criterion.versus else ""
    nulls = {"white": result.white, "gaussian": result.gaussian if _is_one_step(criterion.metric) else None}
    return {
        "name": criterion.name,
        "role": str(criterion.role),
        "metric": f"{criterion.metric} · {criterion.arm}{versus}",
        "source": criterion.source,
        "estimate": shown(result.estimate),
        "success": asked(criterion)[0],
        "failure": asked(criterion)[1],
        "null": "; ".join(f"{name}: {spelled(found)}" for name, found in nulls.items() if found) or ABSENT,
        "outcome": str(result.outcome),
        "p": ABSENT if result.adjusted_p is None else f"{result.adjusted_p:.2g}",
        "dropped": f"{result.dropped} dropped: not finite" if result.dropped else "",
    }


def asked(criterion: Criterion) -> tuple[str, str]:
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


def telling(baselines: list[str], measures: Measures) -> list[str]:
    """The baselines of which any one-step metric is defined (standing still has no direction)."""
    return [
        name for name in baselines if any(measures.baseline(name, metric[0]) for metric in ONE_STEP_METRICS)
    ]


def one_step_rows(arm: str, measures: Measures, baselines: list[str], frame_rate: float) -> list[ResultRow]:
    """Each one-step metric of an arm: itself, both surrogates, and the rules that learn nothing."""
    rows = []
    for metric, title, unit, better in ONE_STEP_METRICS:
        found = [measures.value(arm, metric, surrogate=s) for s in SURROGATES]
        found += [measures.baseline(name, metric) for name in baselines]
        if any(found):
            rows.append([title, unit, better, *map(shown, found)])
        if metric == "predictive_information" and found[0]:
            bits = [ABSENT if f is None else number(bits_per_second(f.estimate, frame_rate)) for f in found]
            rows.append(["the same, per second of audio", "bits per second", better, *bits])
    return rows


def paced(arms: list[str], measures: Measures) -> list[list[str]]:
    """Arms whose rollouts have the same steps, together: those of one frame rate and horizon."""
    groups: dict[tuple[float | None, int], list[str]] = {}
    for arm in arms:
        groups.setdefault((measures.frame_rate(arm), measures.horizon(arm)), []).append(arm)
    return list(groups.values())


def milliseconds(arms: list[str], measures: Measures, frame_rate: float) -> list[str]:
    """When each step of these arms' rollouts ends."""
    rate = measures.frame_rate(arms[0]) or frame_rate
    return [f"{1e3 * k / rate:.0f}" for k in range(1, measures.horizon(arms[0]) + 1)]


def curve_rows(arms: list[str], measures: Measures, frame_rate: float) -> list[ResultRow]:
    """The numbers behind the curves: k, milliseconds, then cosine and magnitude ratio of every arm."""
    curves = [measures.curve(arm, name) for arm in arms for name in ("cos", "magnitude_ratio")]
    return [
        [str(k), when, *(shown(curve[k - 1]) for curve in curves)]
        for k, when in enumerate(milliseconds(arms, measures, frame_rate), 1)
    ]


def injection_rows(arms: list[str], measures: Measures) -> list[ResultRow]:
    """The injection diagnostic: arm, how often the run is put back to the truth, how well it does then."""
    rows = []
    for arm in arms:
        last = measures.horizon(arm)
        for suffix, said in _INJECTIONS:
            named = [f"{curve}{suffix}@{last}" for curve in ("cos", "magnitude_ratio", "state_error")]
            found = [measures.value(arm, name) for name in named]
            if any(found):
                rows.append([arm, said, *map(shown, found)])
    return rows if any(said != _INJECTIONS[-1][1] for _, said, *_ in rows) else []


def sampled_rows(arms: list[str], measures: Measures) -> list[ResultRow]:
    """Proper scores of sampled runs, at both ends of each arm's rollout, best arm first."""
    names = ("energy_score", "crps")
    found = {
        arm: [measures.value(arm, f"{name}@{k}") for name in names for k in (1, measures.horizon(arm))]
        for arm in arms
    }
    known = {arm: [f for f in row if f is not None] for arm, row in found.items() if all(row)}
    return [[arm, *map(shown, known[arm])] for arm in sorted(known, key=lambda a: known[a][1].estimate)]


def mode_legend() -> list[tuple[str, str]]:
    """Letter and meaning of every failure mode, thresholds included."""
    regions = [(mode.letter, f"{mode.name} ({_region(mode.cosine, mode.ratio)})") for mode in MODES]
    return [*regions, (MIXED.letter, "mixed (none of these)"), (UNKNOWN_MODE.letter, UNKNOWN_MODE.name)]


def settings_rows(arms: Mapping[str, ArmEvidence]) -> list[ResultRow]:
    """Settings of each arm's winner, one row per setting; those that differ come first."""
    winners = [arm.config.to_json() for arm in arms.values()]
    names = dict.fromkeys(name for settings in winners for name in settings)
    rows = [[name, *(_setting(settings.get(name)) for settings in winners)] for name in names]
    rows.sort(key=lambda row: len(set(row[1:])) == 1)
    sizes = [
        next((f"{r.parameters:,}" for r in arm.replicates if r.parameters), ABSENT) for arm in arms.values()
    ]
    return [["trainable numbers", *sizes], *rows]


def budget_rows(arms: Mapping[str, ArmEvidence]) -> list[ResultRow]:
    """What each arm was given and what became of it."""
    explored = [_fates([lane.status for lane in arm.explored]) for arm in arms.values()]
    replicates = [_fates([lane.status for lane in arm.replicates]) for arm in arms.values()]
    nulls = [_fates([lane.status for lane in arm.nulls]) for arm in arms.values()]
    seconds = [f"{sum(lane.seconds for lane in arm.explored):.0f} s" for arm in arms.values()]
    return [
        ["configurations explored", *explored],
        ["replicates (test speakers)", *replicates],
        ["nulls (surrogate frames)", *nulls],
        ["time spent exploring", *seconds],
    ]


def _fates(statuses: list[LaneStatus]) -> str:
    unfinished = (LaneStatus.DIVERGED, LaneStatus.STOPPED)
    counts = {fate: statuses.count(fate) for fate in unfinished if fate in statuses}
    said = " and ".join(f"{count} {fate}" for fate, count in counts.items())
    return f"{len(statuses)}, of which {said}" if said else f"{len(statuses)}, none diverged"


def optimum_rows(evidence: Evidence, arms: list[str], measures: Measures) -> list[ResultRow]:
    """Where the data are a control world: its best possible figures beside each arm's."""
    optimum = (evidence.data.get("world") or {}).get("optimum") or {}
    best = {
        "one_step_cosine": optimum.get("one_step_cosine"),
        "predictive_information": optimum.get("predictive_information"),
    }
    for name in ("cos", "magnitude_ratio"):
        for k in (1, measures.horizon()):
            if 0 < k <= len(optimum.get(name) or []):
                best[f"{name}@{k}"] = optimum[name][k - 1]
    return [
        [metric, number(value), *(shown(measures.value(arm, metric)) for arm in arms)]
        for metric, value in best.items()
        if value is not None and math.isfinite(value)
    ]


def flat_rows(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Any nested mapping as (dotted key, text) rows; what is missing says so."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            rows += flat_rows(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}".replace("_", " "), _setting(value)))
    return rows


def _setting(value: object) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_setting(v) for v in value)
    return str(value)


def _region(cosine: tuple[float, float], ratio: tuple[float, float]) -> str:
    parts = []
    for name, (low, high) in (("cosine", cosine), ("magnitude ratio", ratio)):
        if math.isfinite(low) and math.isfinite(high):
            parts.append(f"{name} {low:g} to {high:g}")
        elif math.isfinite(low):
            parts.append(f"{name} at least {low:g}")
        elif math.isfinite(high):
            parts.append(f"{name} below {high:g}")
    return ", ".join(parts)


def _is_one_step(metric: str) -> bool:
    return "@" not in metric or metric.endswith("@1")
