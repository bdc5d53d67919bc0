"""How far a search can be believed, in words: what it tried, and whether it told configurations apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.judging.search_reliability import EQUALS, UNTOLD, Agreement, Reliability
from orchestrator.reporting.cell_text import NO_VALUE, TableRow
from orchestrator.statistics.wording import number

_APART = "the search told configurations apart"


def reliability_rows(search: Mapping[str, Any], arms: Iterable[str]) -> list[TableRow]:
    """What was measured of each arm's search, a row per figure; none where nothing was searched."""
    rows = [
        ["structures tried"],
        ["rank correlation of configurations between halves of the validation speakers"],
        ["rank correlation of configurations between two seeds"],
        ["so"],
    ]
    for arm in arms:
        cells = [NO_VALUE] * len(rows)
        if arm in search:
            reliability = _reliability(search, arm)
            agreements = map(agreement_text, (reliability.halves, reliability.seeds))
            cells = [search[arm]["structures"], *agreements, _outcome(reliability)]
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return rows if search else []


def importance_rows(search: Mapping[str, Any], arms: Iterable[str]) -> list[TableRow]:
    """How much each setting mattered, a row per setting; an arm whose configurations were not told apart has
    none.
    """
    by_arm = [search[arm]["importances"] if arm in search else {} for arm in arms]
    names = dict.fromkeys(name for shares in by_arm for name in shares)
    return [
        [name, *(f"{100 * shares[name]:.0f} %" if name in shares else NO_VALUE for shares in by_arm)]
        for name in names
    ]


def reliability_sentences(search: Mapping[str, Any]) -> list[str]:
    """What is said of each arm that was searched, once for all arms of which the same is said."""
    arms_of: dict[str, list[str]] = {}
    for arm, record in search.items():
        reliability = _reliability(search, arm)
        withheld = "" if reliability.told_apart else "; what settings mattered is not said"
        told = (
            f"{_outcome(reliability)}{withheld}. Rank correlation of configurations between halves of "
            f"{reliability.speakers} validation speakers: {agreement_text(reliability.halves)}; between two "
            f"seeds: {agreement_text(reliability.seeds)}. Of structures, {record['structures']}."
        )
        arms_of.setdefault(told, []).append(arm)
    return [f"{', '.join(arms)}: {told}" for told, arms in arms_of.items()]


def agreement_text(agreement: Agreement | None) -> str:
    """A rank correlation with what it is worth: ``0.83 (p = 0.001, of 8 configurations)``."""
    if agreement is None:
        return "not measured"
    few = f"; so few show no p below {_p(agreement.least_p)}" if agreement.least_p > 0.01 else ""
    return (
        f"{number(agreement.correlation)} (p = {_p(agreement.p)}, of {agreement.configurations} "
        f"configurations{few})"
    )


def _outcome(reliability: Reliability) -> str:
    if reliability.told_apart:
        return _APART
    return EQUALS if reliability.measured else UNTOLD


def _reliability(search: Mapping[str, Any], arm: str) -> Reliability:
    return Reliability.from_json(search[arm]["reliability"])


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"
