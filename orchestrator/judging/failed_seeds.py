"""How a seed whose training diverged is judged: it counts against its arm, by intention to treat.

Whoever trains the arm again may meet such a seed too. Leaving it out would judge an arm on its survivors.

Shapes: R seeds that finished, S speakers.
"""

from __future__ import annotations

import numpy as np

from orchestrator.statistics.mean_squares import Array

# Metrics of which 0 is what a predictor without any skill has.
_NOTHING = (
    "cos",
    "one_step_cosine",
    "magnitude_ratio",
    "energy_skill",
    "predictive_information",
    "predictive_information_own_family",
    "predictive_information_gaussian",
    "predictive_information_flow",
    "predictive_bits_per_second",
    "predictive_bits_per_second_gaussian",
    "continuation_quality",
)
# Metrics that are better where they are smaller.
_SMALLER_IS_BETTER = ("nll", "dnll", "dnll_gaussian", "state_error", "energy_score", "crps", "runaway")


def failed_numerators(metric: str, numerators_RS: Array, denominators_RS: Array) -> Array:
    """The numerators [S] of a failed seed, over the denominators of the first seed that finished.

    They are 0 where that is what no skill at all gives, unless a seed that finished did worse; of other
    metrics they are those of the worst seed, speaker by speaker.

    Args:
        metric: its name, perhaps with a step behind it, or a minus before it.
        numerators_RS: of the seeds that finished.
        denominators_RS: likewise.
    """
    name = metric.removeprefix("-").split("@")[0].removesuffix("_sampled")
    with np.errstate(divide="ignore", invalid="ignore"):
        values_RS = numerators_RS / denominators_RS
    smaller_is_better = (name in _SMALLER_IS_BETTER) != metric.startswith("-")
    worst_S = values_RS.max(0) if smaller_is_better else values_RS.min(0)
    if name in _NOTHING:
        worst_S = np.minimum(worst_S, 0.0) if not metric.startswith("-") else np.maximum(worst_S, 0.0)
    return np.where(denominators_RS[0] > 0, worst_S * denominators_RS[0], 0.0)
