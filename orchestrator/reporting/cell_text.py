"""What stands in the cells of a report's tables: numbers, intervals and settings as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number, spelled

TableRow = list[str]
NO_VALUE = "–"  # where nothing was measured, or nothing applies


def interval_text(interval: Interval | None) -> str:
    """An estimate with its interval, or a dash where nothing was measured."""
    return NO_VALUE if interval is None else spelled(interval)


def plus_minus(estimate: float | None, high: float | None) -> str:
    """An estimate and half its interval, which is symmetric: ``0.197 ±0.024``.

    ``high`` is where the interval ends, infinite or None where nothing is known of its end; an estimate of
    None was not measured.
    """
    if estimate is None:
        return NO_VALUE
    half = math.inf if high is None else high - estimate
    if not math.isfinite(half):
        return f"{number(estimate)} ±∞"
    spread = f"{half:.3f}" if half < 0.1 else f"{half:.2g}" if half < 100 else f"{half:.0f}"
    return f"{number(estimate)} ±{spread}"


def hours_text(hours: float | None) -> str:
    """A time in words: minutes where it is short, else hours."""
    if hours is None:
        return NO_VALUE
    return f"{60 * hours:.1f} min" if hours < 1.5 else f"{hours:.1f} h"


def setting_text(value: object) -> str:
    """A setting, or a list of them, as text."""
    if value is None:
        return NO_VALUE
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(setting_text, value))
    return str(value)


def flat_rows(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Any nested mapping as rows of a dotted key and a text."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            rows += flat_rows(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}".replace("_", " "), setting_text(value)))
    return rows
