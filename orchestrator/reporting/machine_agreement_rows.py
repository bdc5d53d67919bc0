"""The table of how far machines agree with listeners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.judging.machine_agreement import machine_agreement
from orchestrator.reporting.cell_text import NO_VALUE, TableRow
from orchestrator.statistics.p_values import holm
from orchestrator.statistics.wording import number

AGREEMENT_COLUMNS = ("measure", "pairs", "Kendall's τ", "p (Holm)")
AGREEMENT_NOTE = (
    "Over the pairs that listeners heard: whether a measure is more in favour of the arm where more of them "
    "preferred it. 1 is the same order, 0 none, −1 the reverse; p is by permutation, and corrected for the "
    "number of measures. They were taken before anyone heard the page, and decide nothing."
)


def agreement_rows(ratings: Mapping[str, Any]) -> list[TableRow]:
    """A row for each measure; none where listeners were not asked, or nothing was measured."""
    agreements = machine_agreement(ratings)
    sound = {name: agreement for name, agreement in agreements.items() if agreement is not None}
    adjusted = dict(zip(sound, holm([agreement.p for agreement in sound.values()]), strict=True))
    return [
        [name, str(sound[name].count), number(sound[name].tau), f"{adjusted[name]:.2g}"]
        if name in sound
        else [name, NO_VALUE, NO_VALUE, NO_VALUE]
        for name in agreements
    ]
