"""Metrics and numbers in words."""

from __future__ import annotations

import math

from orchestrator.statistics.intervals import Interval

_SMALL = 5e-4  # what three decimals show as 0
_SPOKEN = {
    "-dnll": "−ΔNLL",
    "predictive_information_gaussian": "predictive information",
    "predictive_bits_per_second": "predictive information in bits per second",
    "predictive_bits_per_second_gaussian": "predictive information in bits per second",
    "-too_dense": "shortage of too dense states",
    "cross_speaker_accuracy": "cross-speaker accuracy",
    "lost_by_halving": "skill lost by halving magnitudes",
    "skill_over_gaussian": "skill gained over a Gaussian's score",
    "skill_over_shrinking": "skill gained over shrinking",
}


def spoken(metric: str) -> str:
    """The name of a metric as sentences write it."""
    if metric in _SPOKEN:
        return _SPOKEN[metric]
    words = metric.removeprefix("-").replace("_", " ")
    if "-" in words:  # cos@1-16: over several steps
        words = "mean " + words.replace("-", "–")
    return f"negative {words}" if metric.startswith("-") else words


def number(value: float) -> str:
    """A number as sentences and tables show it: about 3 significant digits, at most 3 decimals."""
    if math.isnan(value):
        return "not measured"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    shown = f"{value:.{decimals}f}"
    return shown.lstrip("-" if float(shown) == 0 else "").replace("-", "−").replace("inf", "∞")


def spelled(interval: Interval) -> str:
    """An estimate with its interval: ``0.712 [0.680, 0.744]``."""
    return f"{number(interval.estimate)} [{number(interval.low)}, {number(interval.high)}]"


def told(interval: Interval) -> str:
    """An estimate with its interval, as :func:`spelled`, but for what three decimals would show as 0."""
    ends = (interval.estimate, interval.low, interval.high)
    if any(ends) and all(abs(end) < _SMALL for end in ends):
        estimate, low, high = (f"{end:.2g}".replace("-", "−") for end in ends)
        return f"{estimate} [{low}, {high}]"
    return spelled(interval)


def plain(value: float) -> str:
    """A threshold as the study declared it, with a proper minus sign."""
    return f"{value:g}".replace("-", "−")


def capital(sentence: str) -> str:
    """A sentence with its first letter in upper case."""
    return sentence[:1].upper() + sentence[1:]
