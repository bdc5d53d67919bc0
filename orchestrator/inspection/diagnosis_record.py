"""A diagnosis as plain data, every mean with its interval over speakers; its tables are made of this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.speaker_cells import from_scores
from orchestrator.statistics.speaker_intervals import BySpeaker, interval_over_speakers, paired_difference
from orchestrator.statistics.units import bits_per_second
from trainables.analysis.diagnostics import CONTEXT_AHEAD, Diagnosis
from trainables.analysis.geometry import LAGS, QUANTILES, dimensions_holding, effective_rank
from trainables.analysis.independent_frames import Independent
from trainables.analysis.linear_probe import Asked
from trainables.analysis.rate_distortion import Distortion, rates
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.latents.storage.dataset import LatentMeta
from trainables.predictor.scores import Scores

# Metrics one step ahead, with their labels. That of the magnitude's own regression is kept apart.
STEP_METRICS = (
    ("predictive_information", "information, nats"),
    ("dnll", "ΔNLL, nats"),
    ("dnll_share", "−ΔNLL / |NLL of Δz|"),
    ("one_step_cosine", "direction cosine"),
    ("r2", "R² of Δz"),
    ("log_magnitude_r2", "R² log |Δz|"),
)
OWN_MAGNITUDE = ("own_log_magnitude_r2", "R² log |Δz|, own fit")
LINEAR = "linear"
BEST_INFORMATION = "information"  # against the best of the densities that do not know the past
MODEL = (  # metrics of any model, one step ahead
    (BEST_INFORMATION, "information, nats"),
    ("predictive_information", "... past its own family"),
    ("predictive_information_gaussian", "... past a Gaussian"),
    ("predictive_information_flow", "... past a flow"),
    *STEP_METRICS[1:],
)
AHEAD = (
    ("predictive_information", "information, nats"),
    ("one_step_cosine", "cos z(t+h) − z(t)"),
    ("state_r2", "R² of z(t+h)"),
)
INDEPENDENT_NOTE = (
    "A check of the probe itself: frames of all speakers in random order have neither a past nor a speaker. "
    "The true cosine is that of the best guess, the mean; it is 0.707 only where all frames are equally far "
    "from it."
)


def diagnosis_to_json(
    diagnosis: Diagnosis,
    meta: LatentMeta,
    heads: Mapping[str, Mapping[str, Scores]],
    distortions: tuple[Sequence[Distortion], str],
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """A diagnosis as plain data, with the sums per speaker from which any other weighting follows.

    ``heads`` and ``settings`` describe the heads that were trained; ``distortions`` holds the codec's own
    distortions, and why one is not known. Tables that compare representations are made of this alone.
    """
    geometry, rate = diagnosis.geometry, meta.frame_rate
    return {
        "models": {name: _model(scores, rate) for name, scores in by_model(diagnosis, heads).items()},
        "settings": {LINEAR: f"regression on {CONTEXT_AHEAD} frames, in closed form", **settings},
        "rates": _rates(diagnosis, rate, *distortions),
        "phase0": {
            "means": {name: _json(estimate_record(geometry.scores, name)) for name in geometry.scores.sums},
            "quantiles": list(QUANTILES),
            "norm_quantiles": geometry.norm_quantiles,
            "delta_norm_quantiles": geometry.delta_norm_quantiles,
            "eigenvalues": geometry.eigenvalues.tolist(),
            "lags_ms": [1000 * lag / rate for lag in LAGS],
            "effective_rank": effective_rank(geometry.eigenvalues),
            "delta_effective_rank": effective_rank(geometry.delta_eigenvalues),
            "dimensions_90": dimensions_holding(geometry.eigenvalues),
            "delta_dimensions_90": dimensions_holding(geometry.delta_eigenvalues),
            "intrinsic_dimension": diagnosis.intrinsic,
            "clusters": {
                surrogate: {name: _json(estimate_record(scores, name)) for name in scores.sums}
                for surrogate, scores in diagnosis.clusters.items()
            },
        },
        "phase1": [
            _asked(asked, scores, STEP_METRICS, rate)
            | {OWN_MAGNITUDE[0]: _json(estimate_record(diagnosis.magnitudes[asked], "log_magnitude_r2"))}
            for asked, scores in diagnosis.steps.items()
        ],
        "horizons": [_asked(asked, scores, AHEAD, rate) for asked, scores in diagnosis.horizons.items()],
        "independent": {
            name: {"found": _json(estimate), "known": known}
            for name, _, estimate, known in known_answers(diagnosis.independent)
        },
        "per_speaker": {
            "phase0": geometry.scores.to_json(),
            "phase1": [{**vars(asked), **scores.to_json()} for asked, scores in diagnosis.steps.items()],
            "horizons": [{**vars(asked), **scores.to_json()} for asked, scores in diagnosis.horizons.items()],
            "heads": [
                {"head": head, "surrogate": surrogate, **scores.to_json()}
                for head, by_surrogate in heads.items()
                for surrogate, scores in by_surrogate.items()
            ],
        },
    }


def known_answers(independent: Independent) -> list[tuple[str, str, Interval | None, float]]:
    """Metrics of independent frames: name, label, the estimate with its interval, and the true value."""
    known = {"predictive_information": 0.0, "dnll": independent.dnll, "one_step_cosine": independent.cosine}
    return [
        (name, label, estimate_record(independent.scores, name), known[name])
        for name, label in STEP_METRICS
        if name in known
    ]


def estimate_record(scores: Scores, metric: str) -> Interval | None:
    """The interval of a metric over speakers; None where it was not measured or nothing was counted."""
    return interval_over_speakers(_cells(scores, metric))


def beyond(real: Scores, null: Scores, metric: str) -> Interval | None:
    """How far a metric exceeds that of a surrogate, as an interval paired by speaker."""
    return paired_difference(_cells(real, metric), _cells(null, metric))


def by_model(
    diagnosis: Diagnosis, heads: Mapping[str, Mapping[str, Scores]]
) -> dict[str, Mapping[str, Scores]]:
    """Scores one step ahead by model and surrogate; the linear log magnitude has a regression of its own."""
    linear = {}
    for surrogate in surrogates_of(diagnosis.steps):
        asked = Asked(surrogate, CONTEXT_AHEAD, 1)
        steps, sizes = diagnosis.steps[asked], diagnosis.magnitudes[asked]
        linear[surrogate] = replace(steps, sums=steps.sums | sizes.sums, counts=steps.counts | sizes.counts)
    return {LINEAR: linear, **heads}


def _model(by_surrogate: Mapping[str, Scores], rate: float) -> dict[str, Any]:
    """A model's metrics by surrogate; "beyond" says how far real frames exceed shuffled ones."""
    intervals = {
        surrogate: {name: estimate_record(scores, name) for name, _ in MODEL}
        for surrogate, scores in by_surrogate.items()
    }
    if Surrogate.REAL in by_surrogate and Surrogate.WHITE in by_surrogate:
        real, white = by_surrogate[Surrogate.REAL], by_surrogate[Surrogate.WHITE]
        intervals["beyond"] = {name: beyond(real, white, name) for name, _ in MODEL}
    return {
        which: {name: _json(interval) for name, interval in metrics.items()}
        | {
            "bits_per_second": _json_bits(metrics[BEST_INFORMATION], rate),
            "bits_per_second_gaussian": _json_bits(_past_a_gaussian(metrics), rate),
            "bits_per_second_flow": _json_bits(metrics["predictive_information_flow"], rate),
        }
        for which, metrics in intervals.items()
    }


def _past_a_gaussian(metrics: Mapping[str, Interval | None]) -> Interval | None:
    """Information past a Gaussian, which is the own family of a regression."""
    return metrics["predictive_information_gaussian"] or metrics["predictive_information"]


def _json_bits(nats: Interval | None, rate: float) -> dict[str, Any] | None:
    """Nats per frame and their interval, as bits per second."""
    if nats is None:
        return None
    numbers = nats.to_json()
    ends = {name: numbers[name] for name in ("estimate", "low", "high")}
    return {name: None if v is None else bits_per_second(v, rate) for name, v in ends.items()}


def _rates(
    diagnosis: Diagnosis, rate: float, distortions: Sequence[Distortion], unknown: str
) -> dict[str, Any]:
    own, common = rates(diagnosis.geometry.eigenvalues.tolist(), rate, distortions)
    return {
        "own": [asdict(entry) for entry in own],
        "common": None if common is None else asdict(common),
        "unknown": unknown,
    }


def surrogates_of(scores: Mapping[Asked, Scores]) -> list[str]:
    """The surrogates that scores were measured on, in their usual order."""
    present = {asked.surrogate for asked in scores}
    return [name for name in SURROGATES if name in present]


def _asked(
    asked: Asked, scores: Scores, metrics: Sequence[tuple[str, str]], frame_rate: float
) -> dict[str, Any]:
    intervals = {name: estimate_record(scores, name) for name, _ in metrics}
    information = intervals["predictive_information"]
    bits = None if information is None else bits_per_second(information.estimate, frame_rate)
    return {
        **vars(asked),
        "ahead_ms": 1000 * asked.ahead / frame_rate,
        **{name: _json(interval) for name, interval in intervals.items()},
        "bits_per_second": bits,
    }


def _cells(scores: Scores, metric: str) -> BySpeaker | None:
    if metric == BEST_INFORMATION:  # a family that is poor without the past would seem to learn much from it
        names = ("predictive_information", "predictive_information_gaussian", "predictive_information_flow")
        measured = [cells for cells in (from_scores(scores, name) for name in names) if cells is not None]
        return min(measured, key=lambda cells: cells[1].sum(), default=None)
    return from_scores(scores, "entropy_reduction" if metric == "dnll_share" else metric)


def _json(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else interval.to_json()
