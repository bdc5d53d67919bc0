"""Whether machines hear what listeners heard: rank correlations over a panel's pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.statistics.rank_agreement import RankAgreement, rank_agreement


def machine_agreement(ratings: Mapping[str, Any]) -> dict[str, RankAgreement | None]:
    """By measure, how far it agrees with listeners about the pairs in which an arm is the better one.

    None where there are too few pairs, or no order among them; empty where nobody was asked, or nothing
    was measured when the panel was made.
    """
    counted = [each["preferences"] for each in ratings.get("listeners", []) if not each["left_out"]]
    agreements = {}
    for measure, favour in ratings.get("machines", {}).items() if counted else ():
        pairs = sorted(set(favour) & set(counted[0]))
        heard = [float(np.mean([preferences[pair] for preferences in counted])) for pair in pairs]
        agreements[measure] = rank_agreement([favour[pair] for pair in pairs], heard)
    return agreements
