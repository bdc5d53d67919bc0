"""Alpha that is spent over several looks, and never more of it than there is."""

import dataclasses

import pytest
from scipy import stats

from orchestrator.judging.verdict import Verdict, judge
from orchestrator.statistics.alpha_spending import alpha_at, alpha_per_look, replicates_per_look
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence


@pytest.mark.parametrize("looks", [1, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_what_is_spent_sums_to_alpha_and_least_of_it_first(looks, alpha):
    spent = alpha_per_look(alpha, looks)
    assert len(spent) == looks and sum(spent) == pytest.approx(alpha, rel=1e-12)
    assert 0 < spent[0] == min(spent)


def test_half_way_the_spending_function_has_given_0_0056():
    first = 2 * stats.norm.sf(stats.norm.ppf(0.975) * 2**0.5)
    assert alpha_per_look(0.05, 2) == pytest.approx([first, 0.05 - first])
    assert first == pytest.approx(0.00557, abs=1e-5)
    assert alpha_per_look(0.05, 1) == [0.05]
    assert alpha_at(0.05, 2, 1) == alpha_per_look(0.05, 2)[0]
    with pytest.raises(ValueError, match="at least 1 look"):
        alpha_per_look(0.05, 0)


@pytest.mark.parametrize(
    ("replicates", "looks", "counts"),
    [
        (6, 1, [6]),
        (6, 2, [3, 6]),
        (6, 3, [2, 4, 6]),
        (7, 2, [4, 7]),
        (2, 3, [2]),
        (3, 3, [2, 3]),
        (1, 1, [1]),
    ],
)
def test_shares_grow_to_all_replicates(replicates, looks, counts):
    assert replicates_per_look(replicates, looks) == counts


def test_each_look_is_judged_at_its_own_level():
    twice = dataclasses.replace(STUDY, budget=dataclasses.replace(STUDY.budget, looks=2))
    record = evidence({"mdn": Truth(), "vmf": Truth(cos=(0.72, 0.7))}, study=twice)
    early = judge(twice, record)
    record.look = 2
    late = judge(twice, record)
    assert (early.level, late.level) == pytest.approx([1 - a for a in alpha_per_look(0.05, 2)])
    wide, narrow = early.criteria[0].estimate, late.criteria[0].estimate
    assert wide.low < narrow.low and wide.estimate == narrow.estimate
    assert late.verdict is Verdict.GO


def test_a_look_that_no_alpha_was_kept_for_is_inadmissible():
    record = evidence()
    record.look = 2
    judgement = judge(STUDY, record)
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert "looked at 2 times" in judgement.reason
