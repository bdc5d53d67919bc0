"""Seeds by themselves: their share with its exact bound, outliers flagged and never dropped."""

import numpy as np
import pytest

from orchestrator.judging.measures import Measures
from orchestrator.judging.seed_values import far_from_the_others, seed_share
from search_spaces import load
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
