"""What a study was decided on and what it has cost, as the roadmap's page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.reporting.cell_text import NO_VALUE, hours_text
from orchestrator.statistics.wording import number, spoken
from search_spaces.study import Claim

# What stands beside the deciding figure: the key in ``verdict.json`` and what it is, in words.
_BESIDE = {
    "white": "null, shuffled frames",
    "gaussian": "null, Gaussian copy",
    "kept": "plant, direction kept",
    "lost": "plant, direction lost",
}


def deciding_text(figure: Mapping[str, Any]) -> str:
    """The criterion that decided: what was measured, its interval, and what it had to exceed."""
    if not figure:
        return ""
    if figure["claim"] in (Claim.COMPARABLE, Claim.NOT_WORSE):
        wanted = f"margin {number(figure['margin'])}"
    else:
        wanted = f"success {number(figure['success'])}, failure {number(figure['failure'])}"
    sign = "over" if figure["claim"] == Claim.TIMES else "minus"
    versus = f" {sign} {figure['versus']}" if figure["versus"] else ""
    value = _interval(figure.get("estimate"))
    return f"{spoken(figure['metric'])} of {figure['arm']}{versus}: {value} ({wanted})"


def beside_text(figure: Mapping[str, Any]) -> list[str]:
    """The nulls and plants of the deciding figure that were measured, one text each."""
    measured = [(name, words) for name, words in _BESIDE.items() if figure.get(name)]
    return [f"{words} {_interval(figure[name])}{_possible(figure, name)}" for name, words in measured]


def planned_text(cost: Mapping[str, Any]) -> str:
    """The device time that was planned for a run, as a range."""
    hours = (cost.get("planned") or {}).get("device_hours")
    return NO_VALUE if not hours else f"{hours_text(hours[0])} to {hours_text(hours[1])}"


def _possible(figure: Mapping[str, Any], name: str) -> str:
    best = figure.get(f"{name}_optimum")
    return "" if best is None else f" of {number(best)} possible"


def _interval(interval: Mapping[str, Any] | None) -> str:
    if not interval:
        return "not measured"
    low, high = (NO_VALUE if interval[end] is None else number(interval[end]) for end in ("low", "high"))
    return f"{number(interval['estimate'])} [{low}, {high}]"
