"""Numbers of a lane from its sums and counts."""

import numpy as np
import pytest

from trainables.errors import InputError
from trainables.predictor.config import Structure, steps_of
from trainables.predictor.scores import Scores, is_sampled

SUMS = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0]])
SCORES = Scores(
    ["a", "b"], 50.0, 4, {"cos": SUMS, "nll": SUMS[:, 0]}, {"cos": SUMS * 0 + 4, "nll": SUMS[:, 0]}
)


def test_a_metric_over_steps_is_the_mean_of_its_curve():
    assert SCORES.value("cos@1-4") == pytest.approx(SCORES.curve("cos").mean())
    assert SCORES.value("cos@2-3") == pytest.approx((SCORES.value("cos@2") + SCORES.value("cos@3")) / 2)
    assert SCORES.value("-cos@1-4") == -SCORES.value("cos@1-4")
    numerators, denominators = SCORES.per_speaker("cos@1-4")
    assert numerators.tolist() == [10.0, 8.0] and denominators.tolist() == [16.0, 16.0]


@pytest.mark.parametrize(
    ("metric", "steps"),
    [
        ("cos@3", [3]),
        ("-energy_score@1-3", [1, 2, 3]),
        ("nll", []),
        ("cos@", []),
        ("cos@1-2-3", []),
        ("cos@x", []),
    ],
)
def test_the_steps_of_a_metric_stand_behind_its_name(metric, steps):
    assert list(steps_of(metric)) == steps


def test_a_metric_over_steps_needs_samples_where_that_of_one_step_does():
    assert is_sampled("-energy_score@1-16") and not is_sampled("cos@1-16")


@pytest.mark.parametrize("objective", ["cos@1-4", "-state_error@2-3", "energy_score@4", "-nll"])
def test_an_objective_may_be_a_metric_over_steps(objective):
    assert Structure("vmf", horizon=4, objective=objective).objective == objective


@pytest.mark.parametrize("objective", ["cos@0-4", "cos@1-5", "cos@3-2", "cos@1-", "nll@1-4", "cos", "cos@"])
def test_an_objective_over_steps_that_are_not_run_is_refused(objective):
    with pytest.raises(InputError, match="objective is .* or with @j-k for the mean over such steps"):
        Structure("vmf", horizon=4, objective=objective)
