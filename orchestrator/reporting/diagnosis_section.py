"""What the report shows of diagnoses: the context of ``diagnosis.html``, from their plain data alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from orchestrator.inspection.diagnosis_record import INDEPENDENT_NOTE
from orchestrator.reporting import diagnosis_comparison as across
from orchestrator.reporting.diagnosis_comparison import Record, brief
from orchestrator.reporting.figures import Line, horizon_figure
from orchestrator.reporting.result_rows import ABSENT, ResultRow
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number

LOOKS = (
    "Representation",
    "|z|",
    "|Δz|",
    "memory of one frame",
    "cosine of successive Δz",
    "90 % of Δz’s variance",
    "intrinsic dimension",
    "left within clusters",
)
MODEL_METRICS = (
    ("bits_per_second", "predictive information, bit/s"),
    ("information", "the same, nats per frame"),
    ("predictive_information", "... past its own family alone"),
    ("predictive_information_gaussian", "... past a full Gaussian"),
    ("dnll", "ΔNLL, nats per frame"),
    ("dnll_share", "−ΔNLL / |NLL of Δz|"),
    ("one_step_cosine", "direction cosine"),
    ("r2", "R² of Δz"),
    ("log_magnitude_r2", "R² of log |Δz|"),
)
INDEPENDENT = ("Representation", "information, nats", "ΔNLL, nats", "direction cosine")
WORLD_TITLES = ("real", "white", "gaussian", "beyond")
_MOST_DRAWN = 4  # representations; more would hide each other


def diagnosis_context(records: Sequence[Record]) -> dict[str, Any]:
    """Everything that ``diagnosis.html`` reads, under the name ``diagnosis``; empty where nothing was
    diagnosed, and the page then leaves the section out.
    """
    if not records:
        return {}
    return {
        "looks": {"columns": LOOKS, "rows": [_looks(record) for record in records]},
        "models": [
            {"name": record["data"]["representation"], "rows": _models(record), "settings": _settings(record)}
            for record in records
        ],
        "independent": _table(
            "Frames of all speakers in random order", INDEPENDENT, _independent(records), INDEPENDENT_NOTE
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
            _table("One step ahead", across.STEPS, across.step_rows(records), across.STEPS_NOTE),
        ]
        if len(records) > 1
        else [],
        "rates": _table("Entropy rates", across.RATES, across.rate_rows(records), across.RATES_NOTE),
    }


def _table(title: str, columns: Sequence[str], rows: list[ResultRow], note: str) -> dict[str, Any]:
    return {"title": title, "columns": columns, "rows": rows, "note": note}


def _looks(record: Record) -> ResultRow:
    found, dim = record["phase0"], record["data"]["dim"]
    means, clusters = found["means"], found["clusters"]
    intrinsic = " / ".join(
        f"{number(max(own.items(), key=lambda item: int(item[0]))[1])} {which}"
        for which, own in found["intrinsic_dimension"].items()
    )
    left = " / ".join(f"{brief(own.get('cluster_ratio'))} {_said(which)}" for which, own in clusters.items())
    return [
        record["data"]["representation"],
        *(brief(means.get(name)) for name in ("norm", "delta_norm", "autocorrelation_1", "delta_cosine")),
        f"in {found['delta_dimensions_90']} of {dim} dimensions",
        intrinsic,
        left,
    ]


def _said(surrogate: str) -> str:
    return "shuffled" if surrogate == "white" else surrogate


def _models(record: Record) -> list[ResultRow]:
    """Model, metric, then each world and what is beyond the shuffled one."""
    rows = []
    for model, found in record["models"].items():
        for metric, title in MODEL_METRICS:
            cells = [brief(found.get(world, {}).get(metric)) for world in WORLD_TITLES]
            if any(cell != ABSENT for cell in cells):
                rows.append([model, title, *cells])
    return rows


def _independent(records: Sequence[Record]) -> list[ResultRow]:
    """What was found of the probe's known answers, and what is true."""
    return [
        [
            record["data"]["representation"],
            *(
                f"{brief(own['found'])}, true {number(own['known'])}"
                for own in record["independent"].values()
            ),
        ]
        for record in records
    ]


def _settings(record: Record) -> str:
    return "; ".join(f"{model}: {said}" for model, said in record["settings"].items())


def _horizons(records: Sequence[Record]) -> str:
    drawn = records[:_MOST_DRAWN]
    lines = [_line(record, surrogate, i) for i, record in enumerate(drawn) for surrogate in ("real", "white")]
    said = "; ".join(
        f"{record['data']['representation']}: {brief(_curve(record, 'real')[0]['state_r2'])} at "
        f"{_curve(record, 'real')[0]['ahead_ms']:g} ms, {brief(_curve(record, 'real')[-1]['state_r2'])} at "
        f"{_curve(record, 'real')[-1]['ahead_ms']:g} ms"
        for record in drawn
    )
    return horizon_figure(
        "horizons",
        lines,
        ylabel="R² of z, this far ahead",
        description=f"Share of the variance of a later frame that is predicted, over time. {said}.",
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
    own = [point for point in record["horizons"] if point["surrogate"] == surrogate]
    return sorted(own, key=lambda point: point["ahead"])


def _interval(found: Mapping[str, Any] | None) -> Interval | None:
    if found is None or found["estimate"] is None:
        return None
    low, high = (math.inf * sign if found[name] is None else found[name] for name, sign in _ENDS)
    return Interval(found["estimate"], low, high, found["speakers"], found["seeds"])


_ENDS = (("low", -1), ("high", 1))
