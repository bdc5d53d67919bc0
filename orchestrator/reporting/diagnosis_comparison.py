"""Representations side by side, from the plain data of their diagnoses: rows for terminals and for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.reporting.cell_text import NO_VALUE, TableRow, plus_minus
from orchestrator.reporting.terminal_table import TerminalTable
from orchestrator.statistics.wording import number

Record = Mapping[str, Any]
_NOT_MEASURED = "not measured"
INFORMATION_COLUMNS = ("Representation", "Hz", "D", "Model", "real", "shuffled", "Gaussian", "beyond")
STEP_COLUMNS = (
    "Representation",
    "Model",
    "ΔNLL, nats/frame",
    "share",
    "cos@1",
    "cos@1 shuffled",
    "R² of Δz",
    "R² log |Δz|",
)
RATE_COLUMNS = (
    "Representation",
    "Distortion",
    "of the variance",
    "rate, bit/s",
    "codec sends, bit/s",
    "information, bit/s",
    "information / rate",
    "past a Gaussian, bit/s",
    "past a flow, bit/s",
)
INFORMATION_NOTE = (
    "Bits per second of audio that the past tells about the next frame. Shuffled frames have no past, "
    "a Gaussian copy has a linear past alone, and what counts is beyond: real less shuffled. Shuffled "
    "frames can be above 0 where utterances differ from each other, in loudness say. The linear model is a "
    "regression in closed form; every model is measured against the best of the densities without a "
    "past: one of its own family, a full Gaussian and, where one was fitted, a flow."
)
STEP_NOTE = (
    "These figures compare models of one representation alone. Frames without a past score a cosine of "
    "0.707 and a ΔNLL of −0.35 nats per dimension, so neither ranks representations. The share is −ΔNLL "
    "over the NLL of Δz, and depends on the unit."
)
RATE_NOTE = (
    "The rate is what frames coded one by one would need at that distortion, were they Gaussian: reverse "
    "water-filling over the eigenvalues of their covariance. The codec’s own distortions are those of the "
    "lattice that latents lie on and of the quantiser, measured on training recordings; 1 % of the "
    "variance is the same for all. Information is the linear model’s, beyond shuffled frames; information "
    "over rate is the share of the rate that the past would save. Where little is coded it may exceed 1, "
    "because it also counts detail below the distortion. “Past a Gaussian” and “past a flow” are the linear "
    "model’s information on real frames against each density without a past: a flow knows more of single "
    "frames, and below 0 the past has told a regression less than a flow knows without it."
)


def information_rows(records: Sequence[Record]) -> list[TableRow]:
    """Predictive information in bits per second, a row per representation and model."""
    rows = []
    for record in records:
        data = record["data"]
        for model, worlds in record["models"].items():
            cells = [
                brief(worlds.get(which, {}).get("bits_per_second"))
                for which in ("real", "white", "gaussian", "beyond")
            ]
            rows.append([data["representation"], f"{data['frame_rate']:g}", str(data["dim"]), model, *cells])
    return rows


def step_rows(records: Sequence[Record]) -> list[TableRow]:
    """The figures that do not compare across representations, a row per representation and model."""
    rows = []
    for record in records:
        for model, worlds in record["models"].items():
            real, white = worlds.get("real", {}), worlds.get("white", {})
            metrics = ("dnll", "dnll_share", "one_step_cosine")
            cells = [brief(real.get(name)) for name in metrics]
            cells.append(brief(white.get("one_step_cosine")))
            cells += [brief(real.get(name)) for name in ("r2", "log_magnitude_r2")]
            rows.append([record["data"]["representation"], model, *cells])
    return rows


def rate_rows(records: Sequence[Record]) -> list[TableRow]:
    """The entropy-rate table: a row per representation and distortion."""
    rows = []
    for record in records:
        name, rates = record["data"]["representation"], record["rates"]
        linear = record["models"]["linear"]
        information = linear.get("beyond", {}).get("bits_per_second")
        real = linear.get("real", {})
        past = [brief(real.get(f"bits_per_second_{density}")) for density in ("gaussian", "flow")]
        for rate in rates["own"]:
            rows.append([name, rate["cause"], *_rate_cells(rate, information), *past])
        if rates["unknown"]:
            blank = [_NOT_MEASURED, _NOT_MEASURED, NO_VALUE, brief(information), _NOT_MEASURED, *past]
            rows.append([name, f"own: {rates['unknown']}", *blank])
        if rates["common"] is not None:
            rows.append([name, "1 % of the variance", *_rate_cells(rates["common"], information), *past])
    return rows


def comparison_tables(records: Sequence[Record]) -> list[TerminalTable]:
    """The entropy rates, and before them what compares several representations, for a terminal."""
    rates = TerminalTable("Entropy rates", RATE_COLUMNS, RATE_NOTE, keys=2, rows=rate_rows(records))
    if len(records) < 2:
        return [rates]
    title, rows = "What the past tells, bits per second", information_rows(records)
    return [
        TerminalTable(title, INFORMATION_COLUMNS, INFORMATION_NOTE, keys=4, rows=rows),
        TerminalTable("One step ahead", STEP_COLUMNS, STEP_NOTE, keys=2, rows=step_rows(records)),
        rates,
    ]


def brief(record: Mapping[str, Any] | None) -> str:
    """An estimate and half its interval, from plain data."""
    return NO_VALUE if record is None else plus_minus(record["estimate"], record["high"])


def _rate_cells(rate: Mapping[str, Any], information: Mapping[str, Any] | None) -> TableRow:
    bits, nominal = rate["bits_per_second"], rate["nominal"]
    return [
        f"{100 * rate['share']:.2g} %",
        number(bits),
        NO_VALUE if nominal is None else number(nominal),
        brief(information),
        _ratio(information, bits),
    ]


def _ratio(information: Mapping[str, Any] | None, bits: float) -> str:
    if information is None or information["estimate"] is None or not bits > 0:
        return _NOT_MEASURED
    high = information["high"]
    return plus_minus(information["estimate"] / bits, None if high is None else high / bits)
