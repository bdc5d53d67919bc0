"""How often a panel of listeners is wrong, and how often it decides: whole panels simulated, and judged as
answers are: ``python -m benchmarks.panels [--panels 1000]``.

Listeners lean to one arm or the other each in their own way, utterances suit one arm better, a share of
listeners presses the button on one side whenever they are not sure, and some say "no difference" often. Sides
are drawn for each listener and trial, as the page draws them.
"""

from __future__ import annotations

import argparse
import datetime
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

import search_spaces
from orchestrator.judging.criteria import Outcome
from orchestrator.judging.preference import (
    FEWEST_LISTENERS,
    PAIRS,
    asked_of_listeners,
    assess_preference,
    detectable_preference,
)


@dataclass(frozen=True, kw_only=True)
class People:
    """What listeners and utterances are like; leanings are on the scale of a probit."""

    preferred: float = 0.5  # share of pairs in which the arm is preferred, over all listeners and utterances
    listeners: int = FEWEST_LISTENERS
    pairs: int = PAIRS
    leaning: float = 0.25  # standard deviation between listeners
    suiting: float = 0.4  # ... between utterances
    sided: float = 0.0  # share of choices that a listener makes by side alone
    ties: float = 0.1  # share of choices that are "no difference"


def panel(people: People, rng: np.random.Generator) -> dict:
    """Ratings of one panel, as they stand in evidence."""
    spread = np.sqrt(1 + people.leaning**2 + people.suiting**2)
    leanings_L1 = rng.normal(0, people.leaning, (people.listeners, 1))
    suits_U = rng.normal(0, people.suiting, people.pairs)
    chance_LU = ndtr(ndtri(people.preferred) * spread + leanings_L1 + suits_U)
    values_LU = (rng.random(chance_LU.shape) < chance_LU).astype(float)
    # Whoever always presses one side presses the arm's button where it happens to lie there.
    by_side_LU = rng.random(chance_LU.shape) < people.sided
    values_LU[by_side_LU] = rng.random(int(by_side_LU.sum())) < 0.5
    values_LU[rng.random(chance_LU.shape) < people.ties] = 0.5
    names = [f"u{i}" for i in range(people.pairs)]
    listeners = [
        {"listener": f"L{i}", "left_out": "", "preferences": dict(zip(names, row, strict=True))}
        for i, row in enumerate(values_LU.tolist())
    ]
    return {"arm": "vmf", "versus": "mdn", "listeners": listeners}


def rates(people: People, panels: int) -> Counter[Outcome]:
    """Share of each outcome over so many panels."""
    criterion = asked_of_listeners(search_spaces.load("vmf_vs_mdn"))
    assert criterion is not None
    rng = np.random.default_rng(0)
    found = Counter(assess_preference(criterion, panel(people, rng), 0.95).outcome for _ in range(panels))
    return Counter({outcome: count / panels for outcome, count in found.items()})


def main() -> None:
    """Print how often panels decide, and how often wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=1000, help="simulated per row")
    panels = parser.parse_args().panels
    study, people = search_spaces.load("vmf_vs_mdn"), People()
    rows = [
        ("no preference", people),
        ("no preference, half of all choices by side", replace(people, sided=0.5)),
        ("no preference, listeners lean twice as far", replace(people, leaning=0.5)),
        ("no preference, all utterances alike", replace(people, suiting=0.0)),
        ("no preference, 16 listeners", replace(people, listeners=16)),
        ("no preference, 12 pairs", replace(people, pairs=12)),
    ]
    for listeners, pairs in ((8, 25), (16, 25), (8, 50)):
        least = detectable_preference(pairs, listeners, study)
        known = replace(people, preferred=least, listeners=listeners, pairs=pairs)
        rows.append((f"preferred in {100 * least:.1f} %, {pairs} pairs by {listeners} listeners", known))
    print(
        f"{datetime.date.today()}; {panels} panels per row, {PAIRS} pairs by {FEWEST_LISTENERS} listeners\n"
    )
    print("| what is true | met | failed | undecided |\n| --- | --- | --- | --- |")
    for said, truth in rows:
        found = rates(truth, panels)
        shares = (found[outcome] for outcome in (Outcome.MET, Outcome.FAILED, Outcome.UNDECIDED))
        print(f"| {said} |", " | ".join(f"{100 * share:.1f} %" for share in shares), "|", flush=True)


if __name__ == "__main__":
    main()
