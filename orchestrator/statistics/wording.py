"""Metrics and numbers in words."""

from __future__ import annotations

import math

from orchestrator.statistics.intervals import Interval

_SPOKEN = {
    "-dnll": "−ΔNLL",
    "predictive_information_gaussian": "predictive information",
    "predictive_bits_per_second": "predictive information in bits per second",
    "predictive_bits_per_second_gaussian": "predictive information in bits per second",
}


def spoken(metric: str) -> str:
    """A metric's name in a sentence."""
    if metric in _SPOKEN:
        return _SPOKEN[metric]
    said = metric.removeprefix("-").replace("_", " ")
    return f"negative {said}" if metric.startswith("-") else said


def number(value: float) -> str:
    """A number as sentences and tables show it: 3 significant digits, no more than 3 decimals."""
    if math.isnan(value):
        return "not measured"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    shown = f"{value:.{decimals}f}"
    return shown.lstrip("-" if float(shown) == 0 else "").replace("-", "−").replace("inf", "∞")


def spelled(found: Interval) -> str:
    """An estimate with its interval: ``0.712 [0.680, 0.744]``."""
    return f"{number(found.estimate)} [{number(found.low)}, {number(found.high)}]"


def plain(value: float) -> str:
    """A threshold as it was declared."""
    return f"{value:g}".replace("-", "−")


def capital(sentence: str) -> str:
    """A sentence that begins as sentences do."""
    return sentence[:1].upper() + sentence[1:]
