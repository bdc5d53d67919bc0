"""Verdicts move beliefs by Bayes' rule and no further."""

import pytest

from orchestrator.judging.verdict import judge
from orchestrator.statistics.beliefs import RULE, brier, posterior
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence


def test_even_odds_become_power_to_half_alpha():
    assert posterior(0.5, "GO", 0.05, 0.8) == pytest.approx(32 / 33)
    assert posterior(0.5, "NO-GO", 0.05, 0.8) == pytest.approx(1 / 33)
    assert posterior(0.2, "GO", 0.05, 0.8) == pytest.approx(8 / 9)


@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "INADMISSIBLE"])
def test_what_decides_nothing_moves_nothing(verdict):
    assert posterior(0.37, verdict, 0.05, 0.8) == 0.37


@pytest.mark.parametrize("prior", [0.1, 0.6])
def test_before_the_run_the_posterior_is_expected_to_be_the_prior(prior):
    alpha, power = 0.05, 0.8
    go, no_go = (prior * p + (1 - prior) * q for p, q in ((power, alpha / 2), (alpha / 2, power)))
    expected = (
        go * posterior(prior, "GO", alpha, power)
        + no_go * posterior(prior, "NO-GO", alpha, power)
        + (1 - go - no_go) * posterior(prior, "INCONCLUSIVE", alpha, power)
    )
    assert expected == pytest.approx(prior)


def test_brier_counts_what_was_decided():
    decided = brier([(0.6, "GO"), (0.6, "NO-GO"), (0.9, "INCONCLUSIVE"), (0.9, "INADMISSIBLE")])
    assert decided.score == pytest.approx((0.16 + 0.36) / 2)
    assert (decided.count, decided.reference) == (2, 0.25)
    assert brier([(0.5, "GO")]).score == decided.reference
    assert brier([(0.9, "INCONCLUSIVE")]) is None


def test_a_judgement_carries_what_is_believed_after_it():
    judgement = judge(STUDY, evidence({"mdn": Truth(), "vmf": Truth(cos=(0.72, 0.7))}))
    assert judgement.posterior == pytest.approx(48 / 49)  # of 0.6: odds 1.5 x 32
    assert judgement.to_json()["posterior"] == judgement.posterior
    assert "power / (alpha / 2)" in RULE and "0.25" in RULE
