"""Holm's procedure, and p-values that say the same as the intervals they stand for."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from orchestrator.judging.criteria import CriterionResult, Outcome
from orchestrator.judging.reported_criteria import holm_adjusted, p_value
from orchestrator.judging.verdict import judge
from orchestrator.statistics.intervals import at_level, interval, over_speakers
from orchestrator.statistics.p_values import holm, tail
from search_spaces.study import Claim, Criterion, Role
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence

VALUES = np.random.default_rng(0).normal(0.3, 1.0, 12)
FOUND = over_speakers(VALUES, np.ones(12))


def _criterion(claim=Claim.GREATER, role=Role.REPORTED, **given):
    thresholds = {"success": 0.0, "failure": 0.0, "margin": 0.5, **given}
    return Criterion("c", "cos@16", "vmf", role=role, claim=claim, versus="mdn", **thresholds)


def _result(found=FOUND, outcome=Outcome.MET, excess=None, **how):
    return CriterionResult(_criterion(**how), outcome, "as it was", estimate=found, excess=excess)


def test_holms_adjusted_p_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_criterion_is_rejected_where_the_step_down_rejects_it():
    rng = np.random.default_rng(1)
    for p in rng.beta(0.2, 1, (50, 5)):
        left, rejected = sorted(p), 0
        while left and left[0] <= 0.05 / len(left):
            left, rejected = left[1:], rejected + 1
        assert sum(a <= 0.05 for a in holm(list(p))) == rejected


def test_p_values_are_those_of_the_t_tests():
    two_sided = stats.ttest_1samp(VALUES, 0.0).pvalue
    above = stats.ttest_1samp(VALUES, -0.5, alternative="greater").pvalue
    below = stats.ttest_1samp(VALUES, 0.5, alternative="less").pvalue
    assert p_value(_result()) == pytest.approx(two_sided)
    assert p_value(_result(claim=Claim.COMPARABLE)) == pytest.approx(max(above, below))
    assert p_value(_result(claim=Claim.NOT_WORSE)) == pytest.approx(2 * above)


def test_where_a_null_has_to_be_beaten_too_the_larger_p_counts():
    excess = over_speakers(VALUES - 0.25, np.ones(12))
    beaten = _result(excess=excess, beats_null=True, success=-1.0)
    assert p_value(beaten) == pytest.approx(stats.ttest_1samp(VALUES - 0.25, 0.0).pvalue)


def test_p_is_below_alpha_exactly_where_the_interval_is_clear():
    rng = np.random.default_rng(2)
    seen = set()
    for shift in np.linspace(0, 0.2, 60):
        cells = shift + rng.normal(0, 0.1, (6, 8))
        found = interval(cells, np.ones_like(cells))
        clear = found.low > 0 or found.high < 0
        assert (p_value(_result(found)) < 0.05) == clear
        seen.add(clear)
    assert seen == {True, False}


def test_p_is_where_the_interval_just_ends_at_the_threshold_at_any_level():
    rng = np.random.default_rng(4)
    cells = rng.normal(0, 1, (6, 8)) + rng.normal(0, 1, 8)
    found = interval(cells, np.ones_like(cells))
    for p in (0.2, 0.025, 0.001):
        ends = at_level(found, 1 - 2 * p)
        assert tail(found, ends.low) == pytest.approx(p, rel=1e-6)
        assert tail(found, ends.high) == pytest.approx(1 - p, rel=1e-6)


def test_degenerate_spreads_give_no_false_certainty():
    nothing = interval(np.array([[0.4]]), np.ones((1, 1)))
    assert p_value(_result(nothing)) == 1.0
    exact = interval(np.full((3, 4), 0.5), np.ones((3, 4)))
    assert p_value(_result(exact)) < 1e-11
    assert p_value(_result(exact, success=0.5)) == 1.0


def test_only_measured_reported_criteria_have_a_p():
    assert p_value(_result(role=Role.PRIMARY)) is None
    assert p_value(_result(outcome=Outcome.NOT_APPLICABLE)) is None
    assert p_value(CriterionResult(_criterion(), Outcome.NOT_MEASURED, "")) is None


def test_a_success_that_does_not_survive_is_undecided_and_says_so():
    def at(p):  # a result with that two-sided p
        return _result(dataclasses.replace(FOUND, estimate=stats.t.isf(p / 2, 11) * FOUND.error))

    results = [_result(role=Role.PRIMARY), at(0.001), at(0.03), at(0.04)]
    first, strong, middle, weak = holm_adjusted(results, 0.05)
    assert first is results[0]
    assert (strong.outcome, strong.adjusted_p) == (Outcome.MET, pytest.approx(0.003))
    assert (middle.outcome, middle.adjusted_p) == (Outcome.UNDECIDED, pytest.approx(0.06))
    assert "does not survive Holm's correction over 3" in middle.sentence
    assert weak.p == pytest.approx(0.04) and weak.adjusted_p == pytest.approx(0.06)
    alone = holm_adjusted([at(0.04)], 0.05)[0]
    assert (alone.outcome, alone.sentence) == (Outcome.MET, "as it was")


def test_the_family_error_is_kept_where_every_claim_is_false():
    rng, wrong = np.random.default_rng(3), []
    for _ in range(200):
        results = []
        for values in rng.normal(size=(6, 10)):
            found = over_speakers(values, np.ones(10))
            results.append(_result(found, Outcome.MET if found.low > 0 else Outcome.UNDECIDED))
        wrong.append([r.outcome is Outcome.MET for r in results])
        wrong[-1] = (any(wrong[-1]), any(r.outcome is Outcome.MET for r in holm_adjusted(results, 0.05)))
    uncorrected, kept = np.mean(wrong, axis=0)
    assert uncorrected > 0.08 and kept <= 0.05


def test_a_judgement_shows_p_values_of_reported_criteria_alone():
    judgement = judge(STUDY, evidence({"mdn": Truth(cos=(0.7, 0.2)), "vmf": Truth(cos=(0.72, 0.7))}))
    for result, written in zip(judgement.criteria, judgement.to_json()["criteria"], strict=True):
        reported = result.criterion.role is Role.REPORTED
        assert (written["p"] is not None) == (written["adjusted_p"] is not None) == reported
    adjusted = [r.adjusted_p for r in judgement.criteria if r.p is not None]
    raw = [r.p for r in judgement.criteria if r.p is not None]
    assert adjusted == holm(raw) and all(a >= p for a, p in itertools.zip_longest(adjusted, raw))
