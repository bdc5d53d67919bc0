"""A diagnosis as tables for a terminal, every mean with its interval over speakers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from orchestrator.inspection.diagnosis_record import (
    AHEAD,
    INDEPENDENT_NOTE,
    MODEL,
    OWN_MAGNITUDE,
    STEP_METRICS,
    beyond,
    estimate_record,
    known_answers,
    surrogates_of,
)
from orchestrator.reporting.result_rows import ABSENT
from orchestrator.reporting.terminal_table import TerminalTable
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.units import bits_per_second
from orchestrator.statistics.wording import number
from trainables.analysis.diagnostics import CONTEXT_AHEAD, Diagnosis
from trainables.analysis.geometry import LAGS, QUANTILES, dimensions_holding, effective_rank
from trainables.analysis.linear_probe import Asked
from trainables.latents.batching.surrogates import SURROGATES
from trainables.latents.storage.dataset import LatentMeta
from trainables.predictor.scores import Scores

_NOTE = (
    "± is half an interval at 95 % over speakers, beyond is real less shuffled, nats are per frame. "
    "Information is what the past tells about the next frame: "
    "its NLL under a Gaussian that knows no past, less that under the regression. ΔNLL is against a Gaussian "
    "of Δz, and grows with the dimension on noise; its share of an NLL depends on the unit. Shuffled frames "
    "keep what is common to an utterance."
)
_HEAD_NOTE = (
    "Information is against the better of two densities without a past: one of the same head, and the full "
    "Gaussian that the regression has to beat. Against its own family alone a head that fits frames badly "
    "seems to learn much from the past. Below zero, it has learnt less than nothing would have."
)
_NAMES = {"real": "real", "white": "shuffled", "gaussian": "Gaussian"}


def tables(
    diagnosis: Diagnosis,
    meta: LatentMeta,
    heads: Mapping[str, Mapping[str, Scores]],
    settings: Mapping[str, str],
) -> list[TerminalTable]:
    """Phase 0, phase 1 and the horizons, as they are printed."""
    return [
        _looks(diagnosis, meta),
        _clusters(diagnosis),
        _steps(diagnosis, meta),
        *([_heads(heads, settings)] if heads else []),
        _horizons(diagnosis, meta),
        _independent(diagnosis),
    ]


def _looks(diagnosis: Diagnosis, meta: LatentMeta) -> TerminalTable:
    looks = diagnosis.geometry
    table = TerminalTable(
        "Phase 0: frames and their steps (training speakers)", ("", "mean, or value", "1 / 50 / 99 %")
    )
    for name, label, quantiles in (
        ("norm", "|z|", looks.norm_quantiles),
        ("delta_norm", "|Δz|", looks.delta_norm_quantiles),
    ):
        chosen = [quantiles[QUANTILES.index(q)] for q in (0.01, 0.5, 0.99)]
        table.add(label, _brief(estimate_record(looks.scores, name)), " / ".join(map(number, chosen)))
    for lag in LAGS:
        label = f"autocorrelation, {1000 * lag / meta.frame_rate:g} ms"
        table.add(label, _brief(estimate_record(looks.scores, f"autocorrelation_{lag}")))
    table.add("cosine of successive Δz", _brief(estimate_record(looks.scores, "delta_cosine")))
    for label, values in (("z", looks.eigenvalues), ("Δz", looks.delta_eigenvalues)):
        table.add(f"effective rank of {label}", f"{number(effective_rank(values))} of {meta.dim}")
        table.add(f"90 % of the variance of {label}", f"in {dimensions_holding(values)} dimensions")
    for surrogate, found in diagnosis.intrinsic.items():
        largest = max(found)
        fewer = ", ".join(f"{number(found[n])} of {n:,}" for n in sorted(found, reverse=True)[1:])
        table.add(f"intrinsic dimension, {_NAMES[surrogate]}", f"{number(found[largest])}", fewer)
    return table


def _clusters(diagnosis: Diagnosis) -> TerminalTable:
    title = "Share of the variance of Δz left within clusters of contexts (held-out speakers)"
    table = TerminalTable(title, ("", "k-means", "random clusters"))
    for surrogate, scores in diagnosis.clusters.items():
        found = (_brief(estimate_record(scores, name)) for name in ("cluster_ratio", "random_ratio"))
        table.add(_NAMES[surrogate], *found)
    return table


def _steps(diagnosis: Diagnosis, meta: LatentMeta) -> TerminalTable:
    title = "Phase 1: one step ahead by linear regression (held-out speakers)"
    surrogates = surrogates_of(diagnosis.steps)
    table = TerminalTable(title, ("", *(_NAMES[s] for s in surrogates), "beyond"), _NOTE)
    for context in sorted({asked.context for asked in diagnosis.steps}):
        own = {s: diagnosis.steps[Asked(s, context, 1)] for s in surrogates}
        magnitudes = {s: diagnosis.magnitudes[Asked(s, context, 1)] for s in surrogates}
        rows = []
        for metric, label in STEP_METRICS:
            rows.append((label, *_compared(own, metric)))
            if metric == "predictive_information":
                rows.append(("information, bits/s", *_in_bits(own, meta.frame_rate)))
        rows.append((OWN_MAGNITUDE[1], *_compared(magnitudes, "log_magnitude_r2")))
        table.add_group(f"from {context} frame{'s' * (context > 1)}", rows)
    return table


def _heads(heads: Mapping[str, Mapping[str, Scores]], settings: Mapping[str, str]) -> TerminalTable:
    surrogates = [s for s in SURROGATES if any(s in own for own in heads.values())]
    title = "Phase 1: one step ahead by heads that were trained (held-out speakers)"
    table = TerminalTable(title, ("", *(_NAMES[s] for s in surrogates), "beyond"))
    table.note = f"{_HEAD_NOTE} Trained: {'; '.join(settings.values())}."
    for head, found in heads.items():
        excess = {"real", "white"} <= set(found)
        rows = []
        for metric, label in MODEL:
            if metric == "r2":  # a head's law is not judged by its mean
                continue
            cells = [_brief(estimate_record(found[s], metric)) if s in found else ABSENT for s in surrogates]
            more = _brief(beyond(found["real"], found["white"], metric)) if excess else ABSENT
            rows.append((label, *cells, more))
        table.add_group(head, rows)
    return table


def _horizons(diagnosis: Diagnosis, meta: LatentMeta) -> TerminalTable:
    title = f"Further ahead, each horizon predicted directly from {CONTEXT_AHEAD} frames (held-out speakers)"
    surrogates = surrogates_of(diagnosis.horizons)
    table = TerminalTable(title, ("", *(_NAMES[s] for s in surrogates), "beyond"))
    for ahead in sorted({asked.ahead for asked in diagnosis.horizons}):
        own = {s: diagnosis.horizons[Asked(s, CONTEXT_AHEAD, ahead)] for s in surrogates}
        rows = [(label, *_compared(own, metric)) for metric, label in AHEAD]
        table.add_group(f"{1000 * ahead / meta.frame_rate:g} ms ahead", rows)
    return table


def _independent(diagnosis: Diagnosis) -> TerminalTable:
    table = TerminalTable(
        "Where there is nothing: frames of all speakers in random order",
        ("", "found", "true"),
        INDEPENDENT_NOTE,
    )
    for _, label, found, known in known_answers(diagnosis.independent):
        table.add(label, _brief(found), number(known))
    return table


def _compared(own: Mapping[str, Scores], metric: str) -> list[str]:
    excess = beyond(own["real"], own["white"], metric) if "white" in own else None
    return [*(_brief(estimate_record(scores, metric)) for scores in own.values()), _brief(excess)]


def _in_bits(own: Mapping[str, Scores], frame_rate: float) -> list[str]:
    found = [estimate_record(scores, "predictive_information") for scores in own.values()]
    if "white" in own:
        found.append(beyond(own["real"], own["white"], "predictive_information"))
    return [ABSENT if f is None else number(bits_per_second(f.estimate, frame_rate)) for f in found]


def _brief(found: Interval | None) -> str:
    """An estimate and half its interval, which is symmetric, short: five columns fit a terminal."""
    if found is None:
        return ABSENT
    half = found.high - found.estimate
    spread = "∞" if not np.isfinite(half) else f"{half:.2g}" if half >= 0.1 else f"{half:.3f}"
    return f"{number(found.estimate)} ±{spread}"
