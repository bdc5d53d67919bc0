"""The diagnoses of representations in a report, made from their plain data alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from orchestrator.inspection.diagnosis_record import INDEPENDENT_NOTE
from orchestrator.reporting import diagnosis_comparison as across
from orchestrator.reporting.cell_text import NO_VALUE, TableRow
from orchestrator.reporting.diagnosis_comparison import Record, brief
from orchestrator.reporting.figures import Line, horizon_figure
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number

_LOOKS = (
    "Representation",
    "|z|",
    "|Δz|",
    "memory of one frame",
    "cosine of successive Δz",
    "90 % of Δz’s variance",
    "intrinsic dimension",
    "variance of Δz left within clusters",
)
_MODEL_METRICS = (
    ("bits_per_second", "predictive information, bit/s"),
    ("information", "the same, nats per frame"),
    ("predictive_information", "... beyond its own family alone"),
    ("predictive_information_gaussian", "... beyond a full Gaussian"),
    ("predictive_information_flow", "... beyond a flow"),
    ("dnll", "ΔNLL, nats per frame"),
    ("dnll_share", "−ΔNLL / |NLL of Δz|"),
    ("one_step_cosine", "direction cosine"),
    ("r2", "R² of Δz"),
    ("log_magnitude_r2", "R² of log |Δz|"),
)
_INDEPENDENT = ("Representation", "information, nats", "ΔNLL, nats", "direction cosine")
_FRAMES = ("real", "white", "gaussian", "beyond")  # of which a model has figures, and their difference
_NAMES = {"real": "real", "white": "shuffled", "gaussian": "Gaussian"}
_MOST_DRAWN = 4  # representations; more would hide each other
_ENDS = (("low", -1), ("high", 1))


def diagnosis_section(records: Sequence[Record]) -> Section | None:
    """The diagnoses of all representations; None where nothing was diagnosed."""
    if not records:
        return None
    return Section("diagnosis", "the data", "diagnosis.html", diagnosis_context(records))


def diagnosis_context(records: Sequence[Record]) -> dict[str, Any]:
    """Everything that ``diagnosis.html`` reads, of one diagnosis at least."""
    return {
        "looks": _table("What frames look like", _LOOKS, [_looks(record) for record in records]),
        "models": [
            {"name": record["data"]["representation"], "rows": _models(record), "settings": _settings(record)}
            for record in records
        ],
        "independent": _table(
            "Frames of all speakers in random order", _INDEPENDENT, _independent(records), INDEPENDENT_NOTE
        ),
        "refused": [
            f"{record['data']['representation']}, {head}: {reason}"
            for record in records
            for head, reason in record["refused"].items()
        ],
        "horizons": Markup(_horizons(records)),
        "across": [
            _table(
                "What the past tells, bit/s",
                across.INFORMATION_COLUMNS,
                across.information_rows(records),
                across.INFORMATION_NOTE,
            ),
            _table("One step ahead", across.STEP_COLUMNS, across.step_rows(records), across.STEP_NOTE),
        ]
        if len(records) > 1
        else [],
        "rates": _table("Entropy rates", across.RATE_COLUMNS, across.rate_rows(records), across.RATE_NOTE),
    }


def _table(title: str, columns: Sequence[str], rows: list[TableRow], note: str = "") -> dict[str, Any]:
    return {"title": title, "columns": columns, "rows": rows, "note": note}


def _looks(record: Record) -> TableRow:
    geometry, dim = record["phase0"], record["data"]["dim"]
    means, clusters = geometry["means"], geometry["clusters"]
    intrinsic = " / ".join(
        f"{number(by_count[max(by_count, key=int)])} {_NAMES[surrogate]}"
        for surrogate, by_count in geometry["intrinsic_dimension"].items()
    )
    left = " / ".join(
        f"{brief(ratios.get('cluster_ratio'))} {_NAMES[surrogate]}" for surrogate, ratios in clusters.items()
    )
    return [
        record["data"]["representation"],
        *(brief(means.get(name)) for name in ("norm", "delta_norm", "autocorrelation_1", "delta_cosine")),
        f"in {geometry['delta_dimensions_90']} of {dim} dimensions",
        intrinsic,
        left,
    ]


def _models(record: Record) -> list[TableRow]:
    """Model, metric, then its figure on each kind of frames and what is beyond the shuffled ones."""
    rows = []
    for model, figures in record["models"].items():
        for metric, title in _MODEL_METRICS:
            cells = [brief(figures.get(frames, {}).get(metric)) for frames in _FRAMES]
            if any(cell != NO_VALUE for cell in cells):
                rows.append([model, title, *cells])
    return rows


def _independent(records: Sequence[Record]) -> list[TableRow]:
    """What the probe measured where the answer is known, and that answer."""
    return [
        [
            record["data"]["representation"],
            *(
                f"{brief(answer['found'])}, true {number(answer['known'])}"
                for answer in record["independent"].values()
            ),
        ]
        for record in records
    ]


def _settings(record: Record) -> str:
    return "; ".join(f"{model}: {settings}" for model, settings in record["settings"].items())


def _horizons(records: Sequence[Record]) -> str:
    drawn = records[:_MOST_DRAWN]
    lines = [_line(record, surrogate, i) for i, record in enumerate(drawn) for surrogate in ("real", "white")]
    ends = "; ".join(
        f"{record['data']['representation']}: "
        + ", ".join(f"{brief(curve[i]['state_r2'])} at {curve[i]['ahead_ms']:g} ms" for i in (0, -1))
        for record in drawn
        for curve in [_curve(record, "real")]
    )
    return horizon_figure(
        "horizons",
        lines,
        ylabel="R² of z, this far ahead",
        description=f"Share of the variance of a later frame that is predicted, over time. {ends}.",
    )


def _line(record: Record, surrogate: str, place: int) -> Line:
    curve = _curve(record, surrogate)
    name = record["data"]["representation"]
    return Line(
        f"{name}, shuffled frames" if surrogate == "white" else name,
        place,
        [_interval(point["state_r2"]) for point in curve],
        null=surrogate == "white",
        at=[point["ahead_ms"] for point in curve],
    )


def _curve(record: Record, surrogate: str) -> list[Mapping[str, Any]]:
    points = [point for point in record["horizons"] if point["surrogate"] == surrogate]
    return sorted(points, key=lambda point: point["ahead"])


def _interval(figure: Mapping[str, Any] | None) -> Interval | None:
    """An interval out of plain data, in which an infinite end is None."""
    if figure is None or figure["estimate"] is None:
        return None
    low, high = (math.inf * sign if figure[name] is None else figure[name] for name, sign in _ENDS)
    return Interval(figure["estimate"], low, high, figure["speakers"], figure["seeds"])
