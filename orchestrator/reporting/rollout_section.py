"""Free running in a report, step by step: curves, failure modes, injections, sampled runs, best figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from orchestrator.judging.failure_modes import MIXED, MODES, UNKNOWN_MODE
from orchestrator.judging.measures import Measures
from orchestrator.reporting.cell_text import TableRow, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.reporting.rollout_figures import CAPTIONS, ROLLOUT_CURVES, draws_nulls, known_optimum
from orchestrator.statistics.wording import number

# How often a run goes on from the true state; the free run never does.
_INJECTIONS = (
    ("_A", "A: after every step"),
    ("_B", "B: after every fourth step"),
    ("_C", "C: after the first step alone"),
    ("", "D: never (the free run)"),
)


def rollout_section(run: JudgedRun, curves: Mapping[str, Markup], lead: str) -> Section | None:
    """All that is known of rollouts; the curve ``lead`` stands at the top of the page already. None where no
    arm forecasts.
    """
    if not run.forecasts:
        return None
    content = {
        "figures": [(curves[name], CAPTIONS[name]) for name in curves if name != lead],
        "level": run.level,
        "nulls_drawn": draws_nulls(run),
        "paces": [_pace(arms, run) for arms in same_pace(run.arms, run.measures)],
        "legend": mode_legend(),
        "end": _end(run),
        "injections": injection_rows(run.arms, run.measures),
        "sampled": sampled_rows(run.arms, run.measures),
        "runaway": runaway_rows(run.arms, run.measures),
        "arms": run.arms,
        "world": run.evidence.data.get("world") or {},
        "optimum": optimum_rows(run),
    }
    return Section("rollout", "free running", "rollout.html", content)


def same_pace(arms: Sequence[str], measures: Measures) -> list[list[str]]:
    """Arms whose rollouts have the same steps, together: those of one frame rate and horizon."""
    groups: dict[tuple[float | None, int], list[str]] = {}
    for arm in arms:
        groups.setdefault((measures.frame_rate(arm), measures.horizon(arm)), []).append(arm)
    return list(groups.values())


def curve_rows(arms: Sequence[str], run: JudgedRun) -> list[TableRow]:
    """The numbers behind the curves: k, milliseconds, then cosine and magnitude ratio of every arm."""
    curves = [run.measures.curve(arm, name) for arm in arms for name, *_ in ROLLOUT_CURVES]
    return [
        [str(k), when, *(interval_text(curve[k - 1]) for curve in curves)]
        for k, when in enumerate(_milliseconds(arms[0], run), 1)
    ]


def injection_rows(arms: Sequence[str], measures: Measures) -> list[TableRow]:
    """The injection diagnostic: arm, how often the run is put back to the truth, how well it does then."""
    rows, injected = [], False
    for arm in arms:
        last = measures.horizon(arm)
        for suffix, words in _INJECTIONS:
            metrics = [f"{curve}{suffix}@{last}" for curve in ("cos", "magnitude_ratio", "state_error")]
            intervals = [measures.value(arm, metric) for metric in metrics]
            if any(intervals):
                injected |= bool(suffix)
                rows.append([arm, words, *map(interval_text, intervals)])
    return rows if injected else []


def sampled_rows(arms: Sequence[str], measures: Measures) -> list[TableRow]:
    """Proper scores of sampled runs, at both ends of each arm's rollout, best arm first."""
    scores = {
        arm: [
            measures.value(arm, f"{name}@{k}")
            for name in ("energy_score", "crps")
            for k in (1, measures.horizon(arm))
        ]
        for arm in arms
    }
    known = {arm: [i for i in row if i is not None] for arm, row in scores.items() if all(row)}
    best_first = sorted(known, key=lambda arm: known[arm][1].estimate)
    return [[arm, *map(interval_text, known[arm])] for arm in best_first]


def runaway_rows(arms: Sequence[str], measures: Measures) -> list[TableRow]:
    """The share of runs that ran away by the end of each arm's rollout; empty where none did."""
    rows, any_away = [], False
    for arm in arms:
        last = measures.horizon(arm)
        shares = [measures.value(arm, f"{name}@{last}") for name in ("runaway", "runaway_sampled")]
        any_away |= any(share is not None and share.estimate > 0 for share in shares)
        rows.append([arm, *map(interval_text, shares)])
    return rows if any_away else []


def mode_legend() -> list[tuple[str, str]]:
    """Letter and meaning of every failure mode, thresholds included."""
    regions = [(mode.letter, f"{mode.name} ({_region(mode.cosine, mode.ratio)})") for mode in MODES]
    return [
        *regions,
        (MIXED.letter, "mixed (none of these)"),
        (UNKNOWN_MODE.letter, UNKNOWN_MODE.name),
    ]


def optimum_rows(run: JudgedRun) -> list[TableRow]:
    """Where the data are a control world: its best possible figures beside each arm's."""
    optimum = known_optimum(run)
    best = {name: optimum.get(name) for name in ("one_step_cosine", "predictive_information")}
    for name, *_ in ROLLOUT_CURVES:
        for k in (1, run.measures.horizon()):
            if 0 < k <= len(optimum.get(name) or []):
                best[f"{name}@{k}"] = optimum[name][k - 1]
    return [
        [metric, number(value), *(interval_text(run.measures.value(arm, metric)) for arm in run.arms)]
        for metric, value in best.items()
        if value is not None and math.isfinite(value)
    ]


def _pace(arms: Sequence[str], run: JudgedRun) -> dict[str, Any]:
    return {
        "arms": arms,
        "curves": curve_rows(arms, run),
        "milliseconds": _milliseconds(arms[0], run),
        "modes": [(arm, run.judgement.modes[arm]) for arm in arms],
    }


def _milliseconds(arm: str, run: JudgedRun) -> list[str]:
    """When each step of an arm's rollout ends."""
    rate = run.frame_rate_of(arm)
    return [f"{1e3 * k / rate:.0f}" for k in range(1, run.measures.horizon(arm) + 1)]


def _end(run: JudgedRun) -> str:
    """Where rollouts end, as tables head a column: the step where all arms have the same, else the time."""
    alive = [arm for arm in run.arms if run.measures.horizon(arm)]
    if len({run.measures.horizon(arm) for arm in alive}) < 2:
        return f"@{run.measures.horizon()}"
    return f" at {_milliseconds(alive[0], run)[-1]} ms"


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
