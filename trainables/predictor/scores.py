"""What an evaluation leaves: sums and counts per speaker, divided only when someone asks for a number.

Shapes: S speakers, K rollout steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from trainables.predictor.config import INFORMATION, steps_of

# NLL of a frame under each density that knows no past, and what such a density is called. Predictive
# information is against the one that suits the frames of validation speakers best.
OWN_FAMILY, GAUSSIAN, FLOW = "marginal_nll", "gaussian_marginal_nll", "flow_marginal_nll"
MARGINALS = {
    OWN_FAMILY: "a density of its own family",
    GAUSSIAN: "a Gaussian",
    FLOW: "a flow",
}
# Metrics that are a difference: the sum that counts in favour, and the one that is taken away.
_DIFFERENCES = {
    "predictive_information_own_family": (OWN_FAMILY, "nll"),
    "predictive_information_gaussian": (GAUSSIAN, "nll"),
    "predictive_information_flow": (FLOW, "nll"),
    "dnll": ("nll", "delta_nll"),
    "dnll_gaussian": ("nll", "gaussian_delta_nll"),
}
# The same quantities in bits per second of audio.
_PER_SECOND = {
    "predictive_bits_per_second": "predictive_information",
    "predictive_bits_per_second_gaussian": "predictive_information_gaussian",
}
CURVES = (
    "cos",
    "log_magnitude_ratio",
    "state_error",
    "runaway",
    "energy_score",
    "energy_score_of_climate",
    "crps",
    "runaway_sampled",
)
SKILL = "energy_skill"
_RATIO = "magnitude_ratio"


class LaneStatus(StrEnum):
    """How a lane ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # at a rung of an exploration, among the worse half
    DIVERGED = "diverged"  # a gradient or a score was not finite


def is_sampled(metric: str) -> bool:
    """Whether a metric needs sampled runs; it may have a minus before its name and a step behind it."""
    return metric.lstrip("-").split("@")[0] in ("energy_score", SKILL, "crps")


def measured_for(objective: str) -> str:
    """What an exploration measures for its objective beside the usual: "information", "samples" or ""."""
    if objective.removeprefix("-") in INFORMATION:
        return "information"
    return "samples" if is_sampled(objective) else ""


def is_curve(name: str) -> bool:
    """Whether a quantity has a value per rollout step; those of injection run X have names that end in _X."""
    return name in CURVES or name[:-2] in CURVES


@dataclass
class Scores:
    """Per-speaker sums and counts of every metric of one trained lane.

    ``sums[name]`` and ``counts[name]`` have shape [S] for one-step quantities (``nll``, ``one_step_cosine``,
    ``marginal_nll`` ..., nats or pure numbers per frame) and [S, K] for rollout curves (:func:`is_curve`).
    """

    speakers: list[str]
    frame_rate: float  # frames per second of audio
    horizon: int  # K
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    counts: dict[str, np.ndarray] = field(default_factory=dict)
    # The one of MARGINALS that predictive_information is against: the best on validation speakers.
    marginal: str = OWN_FAMILY

    def add(
        self, name: str, row_N: np.ndarray, above_N: np.ndarray, below_N: np.ndarray | None = None
    ) -> None:
        """Add what each item, such as a step or a window, adds above and below a fraction.

        Args:
            name: the metric.
            row_N: the row of each item's speaker.
            above_N: what it adds to the sums.
            below_N: what it adds to the counts; 1 where nothing is said.
        """
        below_N = np.ones(len(row_N)) if below_N is None else below_N
        count = len(self.speakers)
        for total, values_N in ((self.sums, above_N), (self.counts, below_N)):
            added_S = np.bincount(row_N, values_N.astype(np.float64), count)
            total[name] = total.get(name, np.zeros(count)) + added_S

    def per_speaker(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Numerators and denominators, each [S], of a metric such as ``cos@16``, ``cos@1-16`` or ``dnll``.

        The mean over some steps counts every frame of every step alike, so that it is the mean of the curve
        where each step has as many frames.
        A minus before the name (``-nll``) turns what is better small into what is better large.
        ``entropy_reduction`` is the document's -dNLL / |NLL of delta|, whose value depends on the unit of the
        latents.

        Raises:
            KeyError: the metric was not measured (missing is never zero).
        """
        if metric.startswith("-"):
            numerators, denominators = self.per_speaker(metric[1:])
            return -numerators, denominators
        if "@" in metric:
            curve, steps = metric.split("@")[0], steps_of(metric)
            if len(steps) > 1:
                numerators, denominators = zip(
                    *(self.per_speaker(f"{curve}@{k}") for k in steps), strict=True
                )
                return np.sum(numerators, 0), np.sum(denominators, 0)
            return self._at_step(curve, steps[0] - 1)
        if metric in self.sums:  # as it is; results of others hold what is derived here
            return self.sums[metric], self.counts[metric]
        if metric in _PER_SECOND:
            nats, frames = self.per_speaker(_PER_SECOND[metric])
            return nats * self.frame_rate / math.log(2), frames
        if metric == "entropy_reduction":
            gain, frames = self.per_speaker("-dnll")
            return gain, frames * abs(self.value("delta_nll"))  # an NLL of densities may have either sign
        if metric == "predictive_information":
            return self.sums[self.marginal] - self.sums["nll"], self.counts["nll"]
        if metric in _DIFFERENCES:
            plus, minus = _DIFFERENCES[metric]
            return self.sums[plus] - self.sums[minus], self.counts[minus]
        raise KeyError(metric)

    def _at_step(self, curve: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Numerators and denominators of a curve at one step, [S]. The ratio of magnitudes is a geometric
        mean over a speaker's frames, the energy skill the share of climatology's score that is saved.
        """
        if curve in self.sums:
            return self.sums[curve][:, k], self.counts[curve][:, k]
        if curve == SKILL:
            climate = self.sums["energy_score_of_climate"][:, k]
            return climate - self.sums["energy_score"][:, k], climate
        if curve.startswith(_RATIO):
            logs, counts = self.sums[f"log_{curve}"][:, k], self.counts[f"log_{curve}"][:, k]
            return counts * np.exp(logs / np.maximum(counts, 1)), counts
        raise KeyError(curve)

    def value(self, metric: str) -> float:
        """A metric over all speakers: sum of sums over sum of counts; NaN where nothing was counted.

        Raises:
            KeyError: the metric was not measured.
        """
        if metric == "log_magnitude_r2":
            return self._log_magnitude_r2()
        numerators, denominators = self.per_speaker(metric)
        total = float(denominators.sum())
        return float(numerators.sum()) / total if total > 0 else float("nan")

    def summary(self, objective: str = "nll") -> dict[str, float]:
        """The figures to watch while training goes on, ``objective`` among them, without what was not
        measured.
        """
        last = self.horizon
        named = ("nll", "one_step_cosine", "cos@1", f"cos@{last}", f"magnitude_ratio@{last}")
        figures = {}
        for name in dict.fromkeys((*named, *INFORMATION, objective)):
            with suppress(KeyError):
                figures[name] = self.value(name)
        return figures

    def curve(self, name: str) -> np.ndarray:
        """A rollout curve over k = 1..K, [K]; NaN where nothing was counted."""
        return np.array([self.value(f"{name}@{k}") for k in range(1, self.horizon + 1)])

    def _log_magnitude_r2(self) -> float:
        n = self.counts["log_magnitude"].sum()
        spread = self.sums["log_magnitude_squared"].sum() - self.sums["log_magnitude"].sum() ** 2 / max(n, 1)
        error = self.sums["log_magnitude_squared_error"].sum()
        return float(1 - error / spread) if spread > 0 else float("nan")

    def to_json(self) -> dict[str, Any]:
        """The scores as plain lists, for journals and reports; a sum that is not finite becomes None."""
        return {
            "speakers": list(self.speakers),
            "frame_rate": self.frame_rate,
            "horizon": self.horizon,
            "marginal": self.marginal,
            "sums": {name: _plain(values) for name, values in self.sums.items()},
            "counts": {name: values.tolist() for name, values in self.counts.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scores:
        """The scores that :meth:`to_json` wrote."""
        return cls(
            speakers=list(data["speakers"]),
            frame_rate=float(data["frame_rate"]),
            horizon=int(data["horizon"]),
            sums={name: np.asarray(values, dtype=np.float64) for name, values in data["sums"].items()},
            counts={name: np.asarray(values, dtype=np.float64) for name, values in data["counts"].items()},
            marginal=data.get("marginal", OWN_FAMILY),
        )


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers as nested lists; None stands for what is not finite, which JSON has no word for."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    nested: list[Any] = plain.tolist()
    return nested


def merge(parts: Iterable[Scores]) -> Scores:
    """Add up scores of disjoint frames (chunks of a stream, workers of a job); speakers may overlap."""
    parts = list(parts)
    speakers = sorted({speaker for part in parts for speaker in part.speakers})
    row = {speaker: i for i, speaker in enumerate(speakers)}
    merged = Scores(speakers, parts[0].frame_rate, parts[0].horizon, marginal=parts[0].marginal)
    for part in parts:
        rows = [row[speaker] for speaker in part.speakers]
        for source, target in ((part.sums, merged.sums), (part.counts, merged.counts)):
            for name, values in source.items():
                total = target.setdefault(name, np.zeros((len(speakers), *values.shape[1:])))
                np.add.at(total, rows, values)
    return merged
