"""Seeds by themselves: their share with its exact bound, outliers flagged and never dropped."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.judging.claims import assess
from orchestrator.judging.measures import Measures
from orchestrator.judging.seed_values import far_from_the_others, seed_share
from orchestrator.statistics.power import replicates_to_bound, share_bounded_by
from search_spaces import load
from search_spaces.study import Claim, StudyError
from tests.orchestrator.synthetic_evidence import Truth, evidence

PRIMARY = load("vmf_vs_mdn").primary


def test_six_of_six_seeds_bound_the_share_at_54_percent() -> None:
    share = seed_share(PRIMARY, Measures(evidence({"mdn": Truth(), "vmf": Truth()})))
    assert share is not None and share.met == len(share.seeds) == 6
    assert share.low == pytest.approx(0.025 ** (1 / 6)) and round(share.low, 2) == 0.54 and share.high == 1
    assert not any(seed.outlier or seed.failed for seed in share.seeds)


def test_a_seed_that_collapsed_is_flagged_and_one_that_failed_is_named() -> None:
    record = evidence({"mdn": Truth(), "vmf": Truth()})
    collapsed, failed = record.arms["vmf"].replicates[1], record.arms["vmf"].replicates[4]
    for row in collapsed.scores["sums"]["cos"]:
        row[15] *= 0.1
    failed.status, failed.scores = "diverged", None
    share = seed_share(PRIMARY, Measures(record))
    by_seed = {seed.seed: seed for seed in share.seeds}
    assert by_seed[collapsed.seed].outlier and not by_seed[collapsed.seed].met
    assert by_seed[failed.seed].failed and by_seed[failed.seed].value == 0
    assert (share.met, len(share.seeds)) == (4, 6)


def test_the_robust_rule_flags_one_far_value_and_none_of_a_normal_few() -> None:
    assert far_from_the_others(np.array([0.8, 0.81, 0.79, 0.8, 0.1, 0.82])).tolist() == [False] * 4 + [
        True,
        False,
    ]
    rng = np.random.default_rng(0)
    false_alarms = np.mean([far_from_the_others(rng.normal(size=6)).any() for _ in range(2000)])
    assert false_alarms < 0.35  # by chance, of six normal seeds; a flag is a hint and decides nothing


@pytest.mark.parametrize(
    ("asked", "collapsed", "outcome"),
    [(0.5, 0, "met"), (0.9, 0, "undecided"), (0.9, 4, "failed")],
    ids=["6 of 6 show half", "6 of 6 do not show nine tenths", "2 of 6 are too few"],
)
def test_a_study_may_ask_that_seeds_succeed_each_by_itself(
    asked: float, collapsed: int, outcome: str
) -> None:
    record = evidence({"mdn": Truth(), "vmf": Truth(cos=(0.72, 0.7), seed_sd=0.001)})
    for replicate in record.arms["vmf"].replicates[:collapsed]:
        for row in replicate.scores["sums"]["cos"]:
            row[15] *= 0.8  # below the threshold, though the mean over seeds may lie above it
    criterion = replace(PRIMARY, seeds=asked, beats_null=False, success=0.57, failure=0.1)
    result = assess(criterion, Measures(record), decodable=False)
    assert (result.outcome, f"{6 - collapsed} of 6 seeds" in result.sentence) == (outcome, True)
    if outcome == "undecided":
        assert f"{replicates_to_bound(asked)} of {replicates_to_bound(asked)} would" in result.sentence


def test_the_replicates_that_a_plan_names_bound_the_share_and_one_fewer_does_not() -> None:
    for share in (0.5, 0.8, 0.9, 0.99):
        enough = replicates_to_bound(share)
        assert share_bounded_by(enough) > share >= share_bounded_by(enough - 1)
    assert share_bounded_by(6) == pytest.approx(0.541, abs=1e-3)


@pytest.mark.parametrize(("claim", "seeds"), [(Claim.TIMES, 0.9), (Claim.GREATER, 1.5)])
def test_a_share_of_seeds_that_makes_no_sense_is_refused(claim: Claim, seeds: float) -> None:
    study = load("vmf_vs_mdn")
    wrong = replace(study.primary, claim=claim, seeds=seeds, versus="mdn", success=0.6, failure=0.3)
    with pytest.raises(StudyError, match="share of seeds"):
        replace(study, criteria=(wrong, *study.criteria[1:]))
