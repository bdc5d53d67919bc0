"""A diagnosis as plain data, every mean with its interval over speakers: all that tables are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.speaker_cells import from_scores
from orchestrator.statistics.speaker_intervals import BySpeaker, less, of_speakers
from orchestrator.statistics.units import bits_per_second
from trainables.analysis.diagnostics import CONTEXT_AHEAD, Diagnosis
from trainables.analysis.geometry import LAGS, QUANTILES, dimensions_holding, effective_rank
from trainables.analysis.independent_frames import Independent
from trainables.analysis.linear_probe import Asked
from trainables.analysis.rate_distortion import Distortion, rates
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.latents.storage.dataset import LatentMeta
from trainables.predictor.scores import Scores

# One step ahead: metric, and what it is called. Those of the magnitude's own regression are kept apart.
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
BEST_INFORMATION = "information"  # against the better of the two densities that know no past
MODEL = (  # of any model, one step ahead
    (BEST_INFORMATION, "information, nats"),
    ("predictive_information", "... past its own family"),
    ("predictive_information_gaussian", "... past a Gaussian"),
    *STEP_METRICS[1:],
)
AHEAD = (
    ("predictive_information", "information, nats"),
    ("one_step_cosine", "cos z(t+h) − z(t)"),
    ("state_r2", "R² of z(t+h)"),
)
INDEPENDENT_NOTE = (
    "A check of the probe itself: frames of all speakers in random order have neither a past nor a speaker. "
    "The true cosine is that of the best guess, the mean; it is 0.707 only where all frames lie equally far "
    "from it."
)


def diagnosis_to_json(
    diagnosis: Diagnosis,
    meta: LatentMeta,
    heads: Mapping[str, Mapping[str, Scores]],
    distortions: tuple[Sequence[Distortion], str],
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """Everything, with the sums per speaker from which any other weighting follows.

    ``heads`` and ``settings`` are of those that were trained, ``distortions`` the codec's own and why one is
    not known. Tables that compare several representations are made of this alone.
    """
    looks, rate = diagnosis.geometry, meta.frame_rate
    return {
        "models": {name: _model(own, rate) for name, own in by_model(diagnosis, heads).items()},
        "settings": {LINEAR: f"regression on {CONTEXT_AHEAD} frames, in closed form", **settings},
        "rates": _rates(diagnosis, rate, *distortions),
        "phase0": {
            "means": {name: _json(estimate_record(looks.scores, name)) for name in looks.scores.sums},
            "quantiles": list(QUANTILES),
            "norm_quantiles": looks.norm_quantiles,
            "delta_norm_quantiles": looks.delta_norm_quantiles,
            "eigenvalues": looks.eigenvalues.tolist(),
            "lags_ms": [1000 * lag / rate for lag in LAGS],
            "effective_rank": effective_rank(looks.eigenvalues),
            "delta_effective_rank": effective_rank(looks.delta_eigenvalues),
            "dimensions_90": dimensions_holding(looks.eigenvalues),
            "delta_dimensions_90": dimensions_holding(looks.delta_eigenvalues),
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
            name: {"found": _json(found), "known": known}
            for name, _, found, known in known_answers(diagnosis.independent)
        },
        "per_speaker": {
            "phase0": looks.scores.to_json(),
            "phase1": [{**vars(asked), **scores.to_json()} for asked, scores in diagnosis.steps.items()],
            "horizons": [{**vars(asked), **scores.to_json()} for asked, scores in diagnosis.horizons.items()],
            "heads": [
                {"head": head, "surrogate": surrogate, **scores.to_json()}
                for head, own in heads.items()
                for surrogate, scores in own.items()
            ],
        },
    }


def known_answers(independent: Independent) -> list[tuple[str, str, Interval | None, float]]:
    """Metric, what it is called, what was found for independent frames, and what is true."""
    known = {"predictive_information": 0.0, "dnll": independent.dnll, "one_step_cosine": independent.cosine}
    return [
        (name, label, estimate_record(independent.scores, name), known[name])
        for name, label in STEP_METRICS
        if name in known
    ]


def estimate_record(scores: Scores, metric: str) -> Interval | None:
    """A metric over speakers, None where it was not measured or nothing was counted."""
    return of_speakers(_cells(scores, metric))


def beyond(own: Scores, null: Scores, metric: str) -> Interval | None:
    """How far a metric exceeds that of a surrogate, paired by speaker."""
    return less(_cells(own, metric), _cells(null, metric))


def by_model(
    diagnosis: Diagnosis, heads: Mapping[str, Mapping[str, Scores]]
) -> dict[str, Mapping[str, Scores]]:
    """One step ahead, by model and surrogate. The linear model's log magnitude is of its own regression."""
    linear = {}
    for surrogate in surrogates_of(diagnosis.steps):
        asked = Asked(surrogate, CONTEXT_AHEAD, 1)
        own, sizes = diagnosis.steps[asked], diagnosis.magnitudes[asked]
        linear[surrogate] = replace(own, sums=own.sums | sizes.sums, counts=own.counts | sizes.counts)
    return {LINEAR: linear, **heads}


def _model(own: Mapping[str, Scores], rate: float) -> dict[str, Any]:
    """By surrogate, and under "beyond" how far the real frames exceed the shuffled ones."""
    found = {
        surrogate: {name: estimate_record(scores, name) for name, _ in MODEL}
        for surrogate, scores in own.items()
    }
    if Surrogate.REAL in own and Surrogate.WHITE in own:
        found["beyond"] = {name: beyond(own[Surrogate.REAL], own[Surrogate.WHITE], name) for name, _ in MODEL}
    return {
        which: {name: _json(interval) for name, interval in metrics.items()}
        | {"bits_per_second": _json_bits(metrics[BEST_INFORMATION], rate)}
        for which, metrics in found.items()
    }


def _json_bits(found: Interval | None, rate: float) -> dict[str, Any] | None:
    """Nats per frame and their interval as bits per second."""
    if found is None:
        return None
    said = found.to_json()
    ends = {name: said[name] for name in ("estimate", "low", "high")}
    return {name: None if v is None else bits_per_second(v, rate) for name, v in ends.items()}


def _rates(
    diagnosis: Diagnosis, rate: float, distortions: Sequence[Distortion], unknown: str
) -> dict[str, Any]:
    own, common = rates(diagnosis.geometry.eigenvalues.tolist(), rate, distortions)
    return {
        "own": [asdict(found) for found in own],
        "common": None if common is None else asdict(common),
        "unknown": unknown,
    }


def surrogates_of(found: Mapping[Asked, Scores]) -> list[str]:
    present = {asked.surrogate for asked in found}
    return [name for name in SURROGATES if name in present]


def _asked(
    asked: Asked, scores: Scores, metrics: Sequence[tuple[str, str]], frame_rate: float
) -> dict[str, Any]:
    found = {name: estimate_record(scores, name) for name, _ in metrics}
    information = found["predictive_information"]
    bits = None if information is None else bits_per_second(information.estimate, frame_rate)
    return {
        **vars(asked),
        "ahead_ms": 1000 * asked.ahead / frame_rate,
        **{name: _json(own) for name, own in found.items()},
        "bits_per_second": bits,
    }


def _cells(scores: Scores, metric: str) -> BySpeaker | None:
    if metric == BEST_INFORMATION:  # a family that is poor without a past would seem to learn much from it
        known = ("predictive_information", "predictive_information_gaussian")
        found = [own for own in (from_scores(scores, name) for name in known) if own is not None]
        return min(found, key=lambda own: own[1].sum(), default=None)
    return from_scores(scores, "entropy_reduction" if metric == "dnll_share" else metric)


def _json(found: Interval | None) -> dict[str, Any] | None:
    return None if found is None else found.to_json()
