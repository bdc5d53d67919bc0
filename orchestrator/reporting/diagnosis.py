"""A diagnosis as tables for a terminal and as plain data, every mean with its interval over speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from orchestrator.reporting.tables import ABSENT
from orchestrator.statistics.cells import from_scores, in_order
from orchestrator.statistics.criteria import number
from orchestrator.statistics.intervals import Interval, difference, over_speakers
from orchestrator.statistics.onestep import bits_per_second
from orchestrator.statistics.squares import Array
from trainables.analysis.diagnostics import CONTEXT_AHEAD, CONTEXTS, Diagnosis
from trainables.analysis.geometry import LAGS, QUANTILES, dimensions_holding, effective_rank
from trainables.analysis.probe import Asked
from trainables.latents.store import LatentMeta
from trainables.predictor.config import SURROGATES
from trainables.predictor.scores import Scores

# One step ahead: metric, and what it is called. Those of the magnitude's own regression are kept apart.
ONE_STEP = (
    ("predictive_information", "information, nats"),
    ("dnll", "ΔNLL, nats"),
    ("dnll_share", "−ΔNLL / |NLL of Δz|"),
    ("one_step_cosine", "direction cosine"),
    ("r2", "R² of Δz"),
    ("log_magnitude_r2", "R² log |Δz|"),
)
OWN_MAGNITUDE = ("own_log_magnitude_r2", "R² log |Δz|, own fit")
AHEAD = (
    ("predictive_information", "information, nats"),
    ("one_step_cosine", "cos z(t+h) − z(t)"),
    ("state_r2", "R² of z(t+h)"),
)
_NOTE = (
    "± is half an interval at 95 % over speakers, beyond is real less shuffled, nats are per frame. "
    "Information is what the past tells about the next frame: "
    "its NLL under a Gaussian that knows no past, less that under the regression. ΔNLL is against a Gaussian "
    "of Δz, and grows with the dimension on noise; its share of an NLL depends on the unit. Shuffled frames "
    "keep what is common to an utterance."
)
_NAMES = {"real": "real", "white": "shuffled", "gaussian": "Gaussian"}


def estimate(scores: Scores, metric: str) -> Interval | None:
    """A metric over speakers, None where it was not measured or nothing was counted."""
    cells = _cells(scores, metric)
    return None if cells is None or not cells[2].sum() > 0 else over_speakers(cells[1], cells[2])


def beyond(own: Scores, null: Scores, metric: str) -> Interval | None:
    """How far a metric exceeds that of a surrogate, paired by speaker."""
    mine, other = _cells(own, metric), _cells(null, metric)
    if mine is None or other is None:
        return None
    shared = sorted(set(mine[0]) & set(other[0]))
    own_above, own_below = (in_order(mine[0], values, shared)[None] for values in mine[1:])
    null_above, null_below = (in_order(other[0], values, shared)[None] for values in other[1:])
    if not (own_below.sum() > 0 and null_below.sum() > 0):
        return None
    return difference(own_above, own_below, null_above, null_below)


def to_json(diagnosis: Diagnosis, meta: LatentMeta) -> dict[str, Any]:
    """Everything, with the sums per speaker from which any other weighting follows."""
    looks, rate = diagnosis.geometry, meta.frame_rate
    return {
        "phase0": {
            "means": {name: _json(estimate(looks.scores, name)) for name in looks.scores.sums},
            "quantiles": list(QUANTILES),
            "norm_quantiles": looks.norm_quantiles,
            "delta_norm_quantiles": looks.delta_norm_quantiles,
            "lags_ms": [1000 * lag / rate for lag in LAGS],
            "effective_rank": effective_rank(looks.eigenvalues),
            "delta_effective_rank": effective_rank(looks.delta_eigenvalues),
            "dimensions_90": dimensions_holding(looks.eigenvalues),
            "delta_dimensions_90": dimensions_holding(looks.delta_eigenvalues),
            "intrinsic_dimension": diagnosis.intrinsic,
            "clusters": {
                surrogate: {name: _json(estimate(scores, name)) for name in scores.sums}
                for surrogate, scores in diagnosis.clusters.items()
            },
        },
        "phase1": [
            _asked(asked, scores, ONE_STEP, rate)
            | {OWN_MAGNITUDE[0]: _json(estimate(diagnosis.magnitudes[asked], "log_magnitude_r2"))}
            for asked, scores in diagnosis.steps.items()
        ],
        "horizons": [_asked(asked, scores, AHEAD, rate) for asked, scores in diagnosis.horizons.items()],
        "per_speaker": {
            "phase0": looks.scores.to_json(),
            "phase1": [{**vars(asked), **scores.to_json()} for asked, scores in diagnosis.steps.items()],
            "horizons": [{**vars(asked), **scores.to_json()} for asked, scores in diagnosis.horizons.items()],
        },
    }


def tables(diagnosis: Diagnosis, meta: LatentMeta) -> list[Table]:
    """Phase 0, phase 1 and the horizons, as they are printed."""
    return [
        _looks(diagnosis, meta),
        _clusters(diagnosis),
        _steps(diagnosis, meta),
        _horizons(diagnosis, meta),
    ]


def _looks(diagnosis: Diagnosis, meta: LatentMeta) -> Table:
    looks = diagnosis.geometry
    table = _table(
        "Phase 0: frames and their steps (training speakers)", "", "mean, or value", "1 / 50 / 99 %"
    )
    for name, label, quantiles in (
        ("norm", "|z|", looks.norm_quantiles),
        ("delta_norm", "|Δz|", looks.delta_norm_quantiles),
    ):
        chosen = [quantiles[QUANTILES.index(q)] for q in (0.01, 0.5, 0.99)]
        table.add_row(label, _brief(estimate(looks.scores, name)), " / ".join(map(number, chosen)))
    for lag in LAGS:
        label = f"autocorrelation, {1000 * lag / meta.frame_rate:g} ms"
        table.add_row(label, _brief(estimate(looks.scores, f"autocorrelation_{lag}")))
    table.add_row("cosine of successive Δz", _brief(estimate(looks.scores, "delta_cosine")))
    for label, values in (("z", looks.eigenvalues), ("Δz", looks.delta_eigenvalues)):
        table.add_row(f"effective rank of {label}", f"{number(effective_rank(values))} of {meta.dim}")
        table.add_row(f"90 % of the variance of {label}", f"in {dimensions_holding(values)} dimensions")
    for surrogate, found in diagnosis.intrinsic.items():
        largest = max(found)
        fewer = ", ".join(f"{number(found[n])} of {n:,}" for n in sorted(found, reverse=True)[1:])
        table.add_row(f"intrinsic dimension, {_NAMES[surrogate]}", f"{number(found[largest])}", fewer)
    return table


def _clusters(diagnosis: Diagnosis) -> Table:
    title = "Share of the variance of Δz left within clusters of contexts (held-out speakers)"
    table = _table(title, "", "k-means", "random clusters")
    for surrogate, scores in diagnosis.clusters.items():
        found = (_brief(estimate(scores, name)) for name in ("cluster_ratio", "random_ratio"))
        table.add_row(_NAMES[surrogate], *found)
    return table


def _steps(diagnosis: Diagnosis, meta: LatentMeta) -> Table:
    title = "Phase 1: one step ahead by linear regression (held-out speakers)"
    surrogates = _surrogates(diagnosis.steps)
    table = _table(title, "", *(_NAMES[s] for s in surrogates), "beyond")
    table.caption = _NOTE
    for context in CONTEXTS:
        own = {s: diagnosis.steps[Asked(s, context, 1)] for s in surrogates}
        magnitudes = {s: diagnosis.magnitudes[Asked(s, context, 1)] for s in surrogates}
        rows = []
        for metric, label in ONE_STEP:
            rows.append((label, *_compared(own, metric)))
            if metric == "predictive_information":
                rows.append(("information, bits/s", *_in_bits(own, meta.frame_rate)))
        rows.append((OWN_MAGNITUDE[1], *_compared(magnitudes, "log_magnitude_r2")))
        _add(table, f"from {context} frame{'s' * (context > 1)}", rows)
    return table


def _horizons(diagnosis: Diagnosis, meta: LatentMeta) -> Table:
    title = f"Further ahead, each horizon predicted directly from {CONTEXT_AHEAD} frames (held-out speakers)"
    surrogates = _surrogates(diagnosis.horizons)
    table = _table(title, "", *(_NAMES[s] for s in surrogates), "beyond")
    for ahead in sorted({asked.ahead for asked in diagnosis.horizons}):
        own = {s: diagnosis.horizons[Asked(s, CONTEXT_AHEAD, ahead)] for s in surrogates}
        rows = [(label, *_compared(own, metric)) for metric, label in AHEAD]
        _add(table, f"{1000 * ahead / meta.frame_rate:g} ms ahead", rows)
    return table


def _add(table: Table, head: str, rows: Sequence[Sequence[str]]) -> None:
    """Rows under a heading, and a gap after them."""
    table.add_row(head, style="bold")
    for place, row in enumerate(rows):
        table.add_row(*row, end_section=place + 1 == len(rows))


def _compared(own: Mapping[str, Scores], metric: str) -> list[str]:
    excess = beyond(own["real"], own["white"], metric) if "white" in own else None
    return [*(_brief(estimate(scores, metric)) for scores in own.values()), _brief(excess)]


def _in_bits(own: Mapping[str, Scores], frame_rate: float) -> list[str]:
    found = [estimate(scores, "predictive_information") for scores in own.values()]
    if "white" in own:
        found.append(beyond(own["real"], own["white"], "predictive_information"))
    return [ABSENT if f is None else number(bits_per_second(f.estimate, frame_rate)) for f in found]


def _asked(
    asked: Asked, scores: Scores, metrics: Sequence[tuple[str, str]], frame_rate: float
) -> dict[str, Any]:
    found = {name: estimate(scores, name) for name, _ in metrics}
    information = found["predictive_information"]
    bits = None if information is None else bits_per_second(information.estimate, frame_rate)
    return {
        **vars(asked),
        "ahead_ms": 1000 * asked.ahead / frame_rate,
        **{name: _json(own) for name, own in found.items()},
        "bits_per_second": bits,
    }


def _cells(scores: Scores, metric: str) -> tuple[list[str], Array, Array] | None:
    if metric == "dnll_share":  # the document's entropy reduction; an NLL of densities may be negative
        gain, without = from_scores(scores, "dnll"), from_scores(scores, "delta_nll")
        if gain is None or without is None:
            return None
        return gain[0], -gain[1], without[1] * np.sign(without[1].sum())
    return from_scores(scores, metric)


def _surrogates(found: Mapping[Asked, Scores]) -> list[str]:
    present = {asked.surrogate for asked in found}
    return [name for name in SURROGATES if name in present]


def _json(found: Interval | None) -> dict[str, Any] | None:
    return None if found is None else found.to_json()


def _brief(found: Interval | None) -> str:
    """An estimate and half its interval, which is symmetric, short: five columns fit a terminal."""
    if found is None:
        return ABSENT
    half = found.high - found.estimate
    spread = "∞" if not np.isfinite(half) else f"{half:.2g}" if half >= 0.1 else f"{half:.3f}"
    return f"{number(found.estimate)} ±{spread}"


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
