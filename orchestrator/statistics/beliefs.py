"""How a verdict changes the belief in a hypothesis, and how good the beliefs of earlier studies were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RULE = (
    "The verdict is read as a diagnostic test with the error rates of the design: the odds of the hypothesis "
    "are multiplied by power / (alpha / 2) on GO and by its inverse on NO-GO, and stay as they are on any "
    "other verdict. The Brier score is the mean squared distance of the priors from 1 on GO and 0 on NO-GO; "
    "always saying 0.5 scores 0.25."
)
_COIN = 0.25
_TRUTH = {"GO": 1.0, "NO-GO": 0.0}


@dataclass(frozen=True)
class Brier:
    """How far priors lay from the verdicts: 0 is perfect, ``reference`` is the score of always saying 0.5."""

    score: float
    count: int  # studies that were decided
    reference: float = _COIN


def posterior(prior: float, verdict: str, alpha: float, power: float) -> float:
    """The probability of a hypothesis after its verdict, by Bayes' rule.

    P(GO | H) = P(NO-GO | not H) = power and P(GO | not H) = P(NO-GO | H) = alpha / 2. INCONCLUSIVE is as
    probable either way, and INADMISSIBLE says nothing: both leave the prior as it is.
    """
    if verdict not in _TRUTH:
        return prior
    ratio = power / (alpha / 2)
    odds = prior / (1 - prior) * (ratio if verdict == "GO" else 1 / ratio)
    return odds / (1 + odds)


def brier(pairs: Iterable[tuple[float, str]]) -> Brier | None:
    """The Brier score of priors over the (prior, verdict) pairs that were decided; None where none was.

    G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    errors = [(prior - _TRUTH[verdict]) ** 2 for prior, verdict in pairs if verdict in _TRUTH]
    return Brier(sum(errors) / len(errors), len(errors)) if errors else None
