"""Metrics in words."""

import pytest

from orchestrator.statistics.wording import spoken


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("cos@16", "cos@16"),
        ("cos@2-16", "mean cos@2–16"),
        ("-energy_score@1-8", "negative mean energy score@1–8"),
        ("-nll", "negative nll"),
    ],
)
def test_a_metric_over_several_steps_is_a_mean(metric, words):
    assert spoken(metric) == words
