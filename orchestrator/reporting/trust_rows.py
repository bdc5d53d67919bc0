"""What a report says of its own making: seal, control worlds, beliefs, ablations, costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.judging.ablation_effects import Effect, blind_spots
from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.verdict import Judgement
from orchestrator.records.evidence import Assay, Evidence
from orchestrator.reporting.result_rows import ABSENT, ResultRow, asked, shown
from orchestrator.statistics.wording import number, spelled, spoken
from search_spaces.study import Claim


def deciding(result: CriterionResult) -> dict[str, str]:
    """The one figure that the verdict hangs on, with what it is measured against."""
    c = result.criterion
    success, failure = asked(c)
    against = [f"success {success}, failure {failure}"]
    if c.beats_null and result.white:
        against.append(f"frames without any memory give {spelled(result.white)}")
    versus = f" {'over' if c.claim is Claim.TIMES else 'minus'} that of {c.versus}" if c.versus else ""
    found = result.estimate
    return {
        "name": f"{c.metric} of {c.arm}{versus}",
        "title": c.name,
        "value": number(found.estimate) if found else _unknown(result),
        "interval": f"[{number(found.low)}, {number(found.high)}]" if found else "",
        "units": f"{found.n_speakers} test speakers x {found.n_seeds} seeds" if found else "",
        "against": "; ".join(against),
    }


def _unknown(result: CriterionResult) -> str:
    """A ratio whose denominator may be 0 has no value, though its criterion may be decided."""
    return "no value" if result.contrast else "not measured"


def ablation_rows(effects: Sequence[Effect]) -> list[ResultRow]:
    """Component, what stood in for it, its effect, and what that says; the most useful first."""
    return [[_named(e), _stood_in(e), shown(e.effect), e.sentence] for e in effects]


def ablation_warning(effects: Sequence[Effect], metric: str) -> str:
    """A sentence where the instrument check failed, else what it showed; empty where there was none."""
    checks = [_named(e) for e in effects if e.known_harm and e.effect is not None]
    missed = blind_spots(effects)
    if missed:
        return (
            f"Taking out {', '.join(missed)} is known to do harm, and these ablations did not see it on "
            f"{spoken(metric)}: do not trust the small effects above."
        )
    return (
        f"As an instrument check, the known harm of leaving out {', '.join(checks)} was seen."
        if checks
        else ""
    )


def assay_rows(assays: Sequence[Assay]) -> list[ResultRow]:
    """World, the answer it has, the one it got, and why."""
    return [
        [a.world, a.expected, a.verdict, "as it should be" if a.passed else "MISREAD", a.reason, a.run]
        for a in assays
    ]


def belief_rows(judgement: Judgement) -> list[tuple[str, str]]:
    """Before and after."""
    return [
        ("before the run", f"{judgement.prior:.2f}"),
        ("after the verdict", f"{judgement.posterior:.2f}"),
    ]


def seal_text(evidence: Evidence) -> str:
    """The sealed plan as people read it."""
    return json.dumps(evidence.seal, indent=1, ensure_ascii=False) if evidence.seal else ""


def cost_rows(cost: Mapping[str, Any]) -> list[ResultRow]:
    """What was planned beside what was spent."""
    planned, spent = cost.get("planned") or {}, cost.get("spent") or {}
    rows = []
    for key, title in (("device_hours", "device time"), ("wall_hours", "wall-clock time")):
        rows.append([title, _range(planned.get(key)), _time(spent.get(key))])
    if planned.get("price") or spent.get("price") is not None:
        money = planned.get("price")
        before = f"{money[0]:.2f} to {money[1]:.2f}" if money else ABSENT
        rows.append(["price", before, ABSENT if spent.get("price") is None else f"{spent['price']:.2f}"])
    reused = spent.get("lanes_reused")
    rows.append(
        [
            "lanes",
            str(planned.get("lanes", ABSENT)),
            f"{reused} taken from earlier runs" if reused else ABSENT,
        ]
    )
    return rows


def _named(effect: Effect) -> str:
    return " + ".join(effect.components)


def _stood_in(effect: Effect) -> str:
    neutral = ", ".join(f"{name} = {value}" for name, value in effect.neutral.items())
    given = ", ".join(f"{name} = {value}" for name, value in effect.given.items())
    return f"{neutral} (both sides under {given})" if given else neutral


def _range(hours: Sequence[float] | None) -> str:
    return ABSENT if hours is None else f"{_time(hours[0])} to {_time(hours[1])}"


def _time(hours: float | None) -> str:
    if hours is None:
        return ABSENT
    return f"{60 * hours:.1f} min" if hours < 1.5 else f"{hours:.1f} h"
