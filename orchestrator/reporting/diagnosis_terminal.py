"""A diagnosis as tables for a terminal, every mean with its interval over speakers."""

from __future__ import annotations

from collections.abc import Mapping

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
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, plus_minus
from orchestrator.reporting.terminal_table import TerminalTable
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.units import bits_per_second
from orchestrator.statistics.wording import number
from trainables.analysis.diagnostics import CONTEXT_AHEAD, Diagnosis
from trainables.analysis.geometry import LAGS, QUANTILES, dimensions_holding, effective_rank
from trainables.analysis.linear_probe import Asked
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.latents.storage.dataset import LatentMeta
from trainables.predictor.scores import Scores

_LOOKS_NOTE = (
    "z is a frame and Δz the step to the next one. The autocorrelation is the correlation of a frame with "
    "one so much later, averaged over dimensions. ± is half an interval at 95 % over speakers."
)
_STEPS_NOTE = (
    "± is half an interval at 95 % over speakers, beyond is real less shuffled, nats are per frame. "
    "Information is what the past tells about the next frame: its negative log-likelihood (NLL) under a "
    "Gaussian that knows no past, less that under the regression. ΔNLL is the NLL under the regression less "
    "that under a Gaussian of Δz, and is far from 0 on noise too; its share of an NLL depends on the unit. "
    "Shuffled frames keep what is common to an utterance."
)
_HEADS_NOTE = (
    "Information is against the best of the densities without a past: one of the same head, the full "
    "Gaussian that the regression has to beat, and a flow. Against its own family alone a head that fits "
    "frames badly seems to learn much from the past. Below zero, it has learnt less than one of them."
)
_NAMES: Mapping[str, str] = {
    Surrogate.REAL: "real",
    Surrogate.WHITE: "shuffled",
    Surrogate.GAUSSIAN: "Gaussian",
}


def diagnosis_tables(
    diagnosis: Diagnosis,
    meta: LatentMeta,
    heads: Mapping[str, Mapping[str, Scores]],
    settings: Mapping[str, str],
) -> list[TerminalTable]:
    """What frames look like, one step ahead, further ahead, and the check of the probe, in this order.

    ``heads`` are the scores of those that were trained, by head and surrogate; ``settings`` say how.
    """
    return [
        _looks(diagnosis, meta),
        _clusters(diagnosis),
        _steps(diagnosis, meta),
        *([_heads(heads, settings)] if heads else []),
        _horizons(diagnosis, meta),
        _independent(diagnosis),
    ]


def _looks(diagnosis: Diagnosis, meta: LatentMeta) -> TerminalTable:
    geometry = diagnosis.geometry
    title = "What frames look like (training speakers)"
    table = TerminalTable(title, ("", "mean, or value", "1 / 50 / 99 % quantiles"), _LOOKS_NOTE)
    for name, label, quantiles in (
        ("norm", "|z|", geometry.norm_quantiles),
        ("delta_norm", "|Δz|", geometry.delta_norm_quantiles),
    ):
        chosen = [quantiles[QUANTILES.index(q)] for q in (0.01, 0.5, 0.99)]
        table.add(label, _cell(estimate_record(geometry.scores, name)), " / ".join(map(number, chosen)))
    for lag in LAGS:
        label = f"autocorrelation, {1000 * lag / meta.frame_rate:g} ms"
        table.add(label, _cell(estimate_record(geometry.scores, f"autocorrelation_{lag}")))
    table.add("cosine of successive Δz", _cell(estimate_record(geometry.scores, "delta_cosine")))
    for label, values in (("z", geometry.eigenvalues), ("Δz", geometry.delta_eigenvalues)):
        table.add(f"effective rank of {label}", f"{number(effective_rank(values))} of {meta.dim}")
        table.add(f"90 % of the variance of {label}", f"in {dimensions_holding(values)} dimensions")
    for surrogate, by_count in diagnosis.intrinsic.items():
        most, *fewer = sorted(by_count, reverse=True)
        others = ", ".join(f"{number(by_count[count])} from {count:,} frames" for count in fewer)
        table.add(f"intrinsic dimension, {_NAMES[surrogate]}", number(by_count[most]), others)
    return table


def _clusters(diagnosis: Diagnosis) -> TerminalTable:
    title = "Share of the variance of Δz left within clusters of contexts (held-out speakers)"
    table = TerminalTable(title, ("", "k-means", "random clusters"))
    for surrogate, scores in diagnosis.clusters.items():
        ratios = (_cell(estimate_record(scores, name)) for name in ("cluster_ratio", "random_ratio"))
        table.add(_NAMES[surrogate], *ratios)
    return table


def _steps(diagnosis: Diagnosis, meta: LatentMeta) -> TerminalTable:
    title = "One step ahead by linear regression (held-out speakers)"
    surrogates = surrogates_of(diagnosis.steps)
    table = TerminalTable(title, ("", *(_NAMES[s] for s in surrogates), "beyond"), _STEPS_NOTE)
    for context in sorted({asked.context for asked in diagnosis.steps}):
        scores = {s: diagnosis.steps[Asked(s, context, 1)] for s in surrogates}
        magnitudes = {s: diagnosis.magnitudes[Asked(s, context, 1)] for s in surrogates}
        rows = []
        for metric, label in STEP_METRICS:
            rows.append((label, *_compared(scores, metric)))
            if metric == "predictive_information":
                rows.append(("information, bits/s", *_in_bits(scores, meta.frame_rate)))
        rows.append((OWN_MAGNITUDE[1], *_compared(magnitudes, "log_magnitude_r2")))
        table.add_group(f"from {context} frame{'s' * (context > 1)}", rows)
    return table


def _heads(heads: Mapping[str, Mapping[str, Scores]], settings: Mapping[str, str]) -> TerminalTable:
    surrogates = [s for s in SURROGATES if any(s in scores for scores in heads.values())]
    title = "One step ahead by heads that were trained (held-out speakers)"
    note = f"{_HEADS_NOTE} Trained: {'; '.join(settings.values())}."
    table = TerminalTable(title, ("", *(_NAMES[s] for s in surrogates), "beyond"), note)
    for head, scores in heads.items():
        compares = {Surrogate.REAL, Surrogate.WHITE} <= set(scores)
        rows = []
        for metric, label in MODEL:
            if metric == "r2":  # a head's law is not judged by its mean
                continue
            cells = [
                _cell(estimate_record(scores[s], metric)) if s in scores else NO_VALUE for s in surrogates
            ]
            rows.append((label, *cells, _cell(_excess(scores, metric) if compares else None)))
        table.add_group(head, rows)
    return table


def _horizons(diagnosis: Diagnosis, meta: LatentMeta) -> TerminalTable:
    title = f"Further ahead, each horizon predicted directly from {CONTEXT_AHEAD} frames (held-out speakers)"
    surrogates = surrogates_of(diagnosis.horizons)
    table = TerminalTable(title, ("", *(_NAMES[s] for s in surrogates), "beyond"))
    for ahead in sorted({asked.ahead for asked in diagnosis.horizons}):
        scores = {s: diagnosis.horizons[Asked(s, CONTEXT_AHEAD, ahead)] for s in surrogates}
        rows = [(label, *_compared(scores, metric)) for metric, label in AHEAD]
        table.add_group(f"{1000 * ahead / meta.frame_rate:g} ms ahead", rows)
    return table


def _independent(diagnosis: Diagnosis) -> TerminalTable:
    title = "Where there is nothing to find: frames of all speakers in random order"
    table = TerminalTable(title, ("", "measured", "true"), INDEPENDENT_NOTE)
    for _, label, measured, known in known_answers(diagnosis.independent):
        table.add(label, _cell(measured), number(known))
    return table


def _compared(scores: Mapping[str, Scores], metric: str) -> TableRow:
    """A metric on each kind of frames, and how far it is higher on real ones than on shuffled ones."""
    cells = [_cell(estimate_record(of_kind, metric)) for of_kind in scores.values()]
    return [*cells, _cell(_excess(scores, metric) if Surrogate.WHITE in scores else None)]


def _in_bits(scores: Mapping[str, Scores], frame_rate: float) -> TableRow:
    metric = "predictive_information"
    nats = [estimate_record(of_kind, metric) for of_kind in scores.values()]
    if Surrogate.WHITE in scores:
        nats.append(_excess(scores, metric))
    return [NO_VALUE if i is None else number(bits_per_second(i.estimate, frame_rate)) for i in nats]


def _excess(scores: Mapping[str, Scores], metric: str) -> Interval | None:
    return beyond(scores[Surrogate.REAL], scores[Surrogate.WHITE], metric)


def _cell(interval: Interval | None) -> str:
    """Short, so that five columns fit a terminal."""
    return NO_VALUE if interval is None else plus_minus(interval.estimate, interval.high)
