"""What listeners preferred, judged: an interval over listeners and utterances, which are crossed.

Every listener hears every utterance, as every seed is judged on every speaker, so the rule for those two
serves here too: listeners take the place of seeds, utterances that of speakers. What few listeners say holds
for them alone and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.judging.criteria import CriterionResult, Outcome
from orchestrator.statistics.intervals import Interval, half_width, interval
from orchestrator.statistics.power import fewest, smallest_effect
from orchestrator.statistics.wording import plain, spelled
from search_spaces.study import PREFERENCE, Criterion, Spread, Study

FEWEST_LISTENERS = 8  # with fewer, what they say holds for them alone
PAIRS = 25  # that a panel hears unless its maker says otherwise
# What is expected of a panel before it is asked, as standard deviations of a preference of 0, a half or 1:
# listeners lean each in their own way, utterances suit one arm or the other, and the rest is chance.
EXPECTED = Spread(speakers=0.15, seeds=0.1, rest=0.46, source="listeners and utterances as in small panels")


def assess_preference(criterion: Criterion, ratings: Mapping[str, Any], level: float) -> CriterionResult:
    """Judge a criterion on what listeners preferred; nothing is asked of whom nobody has heard yet."""
    if not concerns(criterion, ratings):
        sentence = (
            "listeners were not asked yet: `python -m orchestrator.listen make RUN` makes a page for them."
        )
        return CriterionResult(criterion, Outcome.NOT_ASKED, sentence)
    found = preferred_share(ratings, level)
    if found is None:
        return CriterionResult(criterion, Outcome.NOT_ASKED, "no listener is left whose answers count.")
    listeners, pairs = found.n_seeds, found.n_speakers
    who = f"{listeners} listeners preferred the {criterion.arm} arm to {criterion.versus} in a share of "
    statement = f"{who}{spelled(found)} of {pairs} pairs"
    if listeners < FEWEST_LISTENERS:
        sentence = f"{statement}; for these listeners: {FEWEST_LISTENERS} are needed to speak for others."
        return CriterionResult(criterion, Outcome.TOO_FEW, sentence, estimate=found)
    if found.low > criterion.success:
        outcome, sentence = Outcome.MET, f"{statement}, entirely above {plain(criterion.success)}."
    elif found.high < criterion.failure:
        outcome, sentence = Outcome.FAILED, f"{statement}, entirely below {plain(criterion.failure)}."
    else:
        outcome, sentence = (
            Outcome.UNDECIDED,
            f"{statement}, which decides nothing; {_more(criterion, found)}.",
        )
    return CriterionResult(criterion, outcome, sentence, estimate=found)


def concerns(criterion: Criterion, ratings: Mapping[str, Any]) -> bool:
    """Whether listeners were asked about the arms of a criterion."""
    return bool(ratings) and (ratings["arm"], ratings["versus"]) == (criterion.arm, criterion.versus)


def preferred_share(ratings: Mapping[str, Any], level: float) -> Interval | None:
    """The share of preferences for an arm, ties halved, over the listeners who count; None without any."""
    counted = [listener["preferences"] for listener in ratings["listeners"] if not listener["left_out"]]
    if not counted:
        return None
    utterances = sorted(counted[0])
    values_LU = np.array([[answers[name] for name in utterances] for answers in counted], np.float64)
    return interval(values_LU, np.ones_like(values_LU), level)


def panel_problem(ratings: Mapping[str, Any]) -> str:
    """Why a panel says nothing at all; empty where its listeners could be trusted, or none was asked."""
    listeners = ratings.get("listeners", [])
    failed = [listener["listener"] for listener in listeners if listener["left_out"]]
    if 2 * len(failed) <= len(listeners):
        return ""
    names = ", ".join(failed)
    return (
        f"{len(failed)} of {len(listeners)} listeners failed the catch trials ({names}): nobody knows what "
        "was heard."
    )


def detectable_preference(pairs: int, listeners: int, study: Study) -> float:
    """The smallest share of preferences that a panel tells from a half, with the power of the study."""
    level, power = 1 - study.budget.alpha, study.budget.power
    return 0.5 + smallest_effect(EXPECTED, pairs, listeners, level, power)


def asked_of_listeners(study: Study) -> Criterion | None:
    """The criterion of a study that people decide; None where it has none."""
    return next((c for c in study.criteria if c.metric == PREFERENCE), None)


def _more(criterion: Criterion, found: Interval) -> str:
    gap = abs(found.estimate - criterion.success)
    listeners = fewest(lambda n: half_width(found, found.n_speakers, n) < gap, found.n_seeds + 1)
    pairs = fewest(lambda n: half_width(found, n, found.n_seeds) < gap, found.n_speakers + 1)
    ways = [f"about {listeners} listeners instead of {found.n_seeds}"] if listeners else []
    ways += [f"about {pairs} pairs instead of {found.n_speakers}"] if pairs else []
    if not ways:
        return "neither more listeners nor more pairs alone would be enough"
    return f"to decide at this estimate it would take {' or '.join(ways)}"
