"""Representations side by side, from the plain data of their diagnoses: rows for terminals and for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.reporting.result_rows import ABSENT, ResultRow
from orchestrator.reporting.terminal_table import TerminalTable
from orchestrator.statistics.wording import number

Record = Mapping[str, Any]
NOT_KNOWN = "not measured"
INFORMATION_COLUMNS = ("Representation", "Hz", "D", "Model", "real", "shuffled", "Gaussian", "beyond")
STEPS = (
    "Representation",
    "Model",
    "ΔNLL, nats/frame",
    "share",
    "cos@1",
    "cos@1 shuffled",
    "R² of Δz",
    "R² log |Δz|",
)
RATES = (
    "Representation",
    "Distortion",
    "of the variance",
    "rate, bit/s",
    "codec sends, bit/s",
    "information, bit/s",
    "information / rate",
)
INFORMATION_NOTE = (
    "Bits per second of audio that the past tells about the next frame. Shuffled frames have no past, "
    "Gaussian ones have a linear past alone, and beyond is real less shuffled: what counts. Shuffled "
    "frames can be above 0 where utterances differ from each other, in loudness say. Linear is a "
    "regression in closed form; every model is measured against the better of two densities without a "
    "past, one of its own family and a full Gaussian."
)
STEPS_NOTE = (
    "Within one representation only. Frames without a past score a cosine of 0.707 and a ΔNLL of −0.35 "
    "nats per dimension, so neither ranks representations. The share is −ΔNLL over the NLL of Δz, and "
    "depends on the unit."
)
RATES_NOTE = (
    "The rate is what frames coded one by one would need at that distortion, were they Gaussian: reverse "
    "water-filling over the eigenvalues of their covariance. Own distortions are the lattice that latents"
    " lie on, and the quantiser, measured on training recordings; 1 % of the variance is the same for "
    "all. Information is the linear model's, beyond shuffled frames; over the rate it is the share that "
    "the past already pays for. Where little is coded it may exceed 1, because it also counts detail "
    "below the distortion."
)


def information_rows(records: Sequence[Record]) -> list[ResultRow]:
    """Predictive information in bits per second, a row per representation and model."""
    rows = []
    for record in records:
        data = record["data"]
        for model, found in record["models"].items():
            cells = [
                brief(found.get(which, {}).get("bits_per_second"))
                for which in ("real", "white", "gaussian", "beyond")
            ]
            rows.append([data["representation"], f"{data['frame_rate']:g}", str(data["dim"]), model, *cells])
    return rows


def step_rows(records: Sequence[Record]) -> list[ResultRow]:
    """The figures that do not compare across representations, a row per representation and model."""
    rows = []
    for record in records:
        for model, found in record["models"].items():
            real, white = found.get("real", {}), found.get("white", {})
            metrics = ("dnll", "dnll_share", "one_step_cosine")
            cells = [brief(real.get(name)) for name in metrics]
            cells.append(brief(white.get("one_step_cosine")))
            cells += [brief(real.get(name)) for name in ("r2", "log_magnitude_r2")]
            rows.append([record["data"]["representation"], model, *cells])
    return rows


def rate_rows(records: Sequence[Record]) -> list[ResultRow]:
    """The entropy-rate table: a row per representation and distortion."""
    rows = []
    for record in records:
        name, found = record["data"]["representation"], record["rates"]
        information = record["models"]["linear"].get("beyond", {}).get("bits_per_second")
        for rate in found["own"]:
            rows.append([name, rate["cause"], *_rate_cells(rate, information)])
        if found["unknown"]:
            rows.append(
                [name, f"own: {found['unknown']}", *[NOT_KNOWN] * 2, ABSENT, brief(information), NOT_KNOWN]
            )
        if found["common"] is not None:
            rows.append([name, "1 % of the variance", *_rate_cells(found["common"], information)])
    return rows


def comparison_tables(records: Sequence[Record]) -> list[TerminalTable]:
    """The same for a terminal."""
    across = [
        TerminalTable(
            "What the past tells, bits per second",
            INFORMATION_COLUMNS,
            INFORMATION_NOTE,
            keys=4,
            rows=information_rows(records),
        ),
        TerminalTable("One step ahead", STEPS, STEPS_NOTE, keys=2, rows=step_rows(records)),
    ]
    entropy = TerminalTable("Entropy rates", RATES, RATES_NOTE, keys=2, rows=rate_rows(records))
    return [*across, entropy] if len(records) > 1 else [entropy]


def brief(found: Mapping[str, Any] | None) -> str:
    """An estimate and half its interval, from plain data."""
    if found is None or found["estimate"] is None:
        return ABSENT
    if found["high"] is None:
        return f"{number(found['estimate'])} ±∞"
    half = found["high"] - found["estimate"]
    spread = f"{half:.3f}" if half < 0.1 else f"{half:.2g}" if half < 100 else f"{half:.0f}"
    return f"{number(found['estimate'])} ±{spread}"


def _rate_cells(rate: Mapping[str, Any], information: Mapping[str, Any] | None) -> ResultRow:
    bits, nominal = rate["bits_per_second"], rate["nominal"]
    known = information is not None and information["estimate"] is not None and bits > 0
    return [
        f"{100 * rate['share']:.2g} %",
        number(bits),
        ABSENT if nominal is None else number(nominal),
        brief(information),
        _ratio(information, bits) if known and information is not None else NOT_KNOWN,
    ]


def _ratio(information: Mapping[str, Any], bits: float) -> str:
    ends = {
        k: None if v is None else v / bits for k, v in information.items() if k in ("estimate", "low", "high")
    }
    return brief(ends)
