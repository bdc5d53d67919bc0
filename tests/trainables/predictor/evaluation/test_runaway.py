"""Free runs that leave the numbers or the data's range are results: counted, stopped, and shown."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Moments
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.continuation import continue_from
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.evaluation.metrics import INJECTIONS, rollout_figures
from trainables.predictor.evaluation.options import EVERYTHING
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import Baseline
from trainables.predictor.model.predictor import Predictor
from trainables.predictor.scores import Scores

CONTEXT, HORIZON, DIM, BOUND = 4, 8, 3, 10.0
MOMENTS = Moments(torch.zeros(DIM).double(), math.sqrt(2 * DIM), 1000)


def windows(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, CONTEXT + HORIZON, DIM, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_one_run_in_a_hundred_that_explodes_is_counted_and_the_others_are_what_they_were(bad: float) -> None:
    window_BTD = windows(100)
    deltas_BKD = window_BTD[:, CONTEXT:] - window_BTD[:, CONTEXT - 1 : -1]  # perfect runs
    sound = rollout_figures(window_BTD, deltas_BKD, CONTEXT, MOMENTS, bound=BOUND)
    broken_BKD = deltas_BKD.clone()
    broken_BKD[7, 5, 1] = bad
    figures = rollout_figures(window_BTD, broken_BKD, CONTEXT, MOMENTS, bound=BOUND)
    others = torch.arange(100) != 7
    for name in sound:
        assert torch.equal(figures[name][others], sound[name][others]), name
    assert figures["runaway"][7].tolist() == [0.0] * 5 + [1.0] * 3 and sound["runaway"].sum() == 0
    assert (
        torch.equal(figures["cos"][7, :5], sound["cos"][7, :5]) and figures["cos"][7, 5:].tolist() == [0] * 3
    )
    assert figures["state_error"][7, 5:].tolist() == [BOUND] * 3
    assert figures["log_magnitude_ratio"][7, 5:].isnan().all()
    assert float(figures["cos"][:, 6].mean()) == pytest.approx(0.99)


def test_a_run_that_is_put_back_to_the_truth_goes_on_from_there() -> None:
    window_BTD = windows(2)
    deltas_BKD = window_BTD[:, CONTEXT:] - window_BTD[:, CONTEXT - 1 : -1]
    deltas_BKD[0, 2] = math.nan
    figures = rollout_figures(window_BTD, deltas_BKD, CONTEXT, MOMENTS, INJECTIONS["A"], bound=BOUND)
    assert figures["runaway"][0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert torch.isfinite(figures["state_error"]).all()


def unstable(structure: Structure) -> Baseline:
    """A predictor whose every step is three times the state it starts from."""
    model = Baseline(structure, 6).double()
    with torch.no_grad():
        model.head.linear.weight.zero_()
        model.head.linear.weight[:, -6:] = 3 * torch.eye(6)
    return model


def test_a_predictor_that_always_runs_away_has_finite_figures_that_say_so(
    make_feed: Callable[..., Feed],
) -> None:
    structure = Structure(head="linear", context=CONTEXT, horizon=30, dtype="float64")
    feed = make_feed()
    moments = feed.shard(0).moments
    stacked = Stacked([unstable(structure)])
    (scores,) = evaluate(structure, stacked, ["real"], feed, moments, options=EVERYTHING)
    assert all(np.isfinite(values).all() for values in scores.sums.values())
    assert scores.value("runaway@30") == 1 and scores.value("runaway@1") == 0
    assert scores.value("cos@30") == 0 and scores.value("state_error@30") == structure.runaway
    assert scores.value("runaway_sampled@30") == 1
    assert scores.value("energy_score@30") < 2.1 * structure.runaway


def test_a_sum_that_is_not_finite_fails_alone_and_survives_json() -> None:
    scores = Scores(["a", "b"], 50.0, 2, {"nll": np.array([1.0, math.inf])}, {"nll": np.array([1.0, 1.0])})
    again = Scores.from_json(scores.to_json())
    assert again.sums["nll"][0] == 1 and not np.isfinite(again.sums["nll"][1])


def test_samples_are_as_hot_as_the_lane_says(make_feed: Callable[..., Feed]) -> None:
    hot = Structure(head="mdn", width=16, context=CONTEXT, horizon=HORIZON, dtype="float64")
    torch.manual_seed(0)
    stacked, feed = Stacked([Predictor(hot, 6).double()]), make_feed()
    scores = [
        evaluate(each, stacked, ["real"], feed, feed.shard(0).moments, options=EVERYTHING)[0]
        for each in (hot, replace(hot, temperature=0.25))
    ]
    assert scores[0].value("energy_score@8") != scores[1].value("energy_score@8")
    assert scores[0].value("cos@8") == scores[1].value("cos@8")  # the mean that is fed back is the same


def test_clips_and_replicates_are_continued_with_noise_of_their_own() -> None:
    structure = Structure(head="vmf", width=16, context=CONTEXT, feedback="sample", dtype="float64")
    torch.manual_seed(0)
    state = Predictor(structure, DIM).double().state_dict()
    first, again, other = (
        continue_from(structure, state, windows(1)[:, :CONTEXT], 9, [name]) for name in ("a/0", "a/0", "a/1")
    )
    assert torch.equal(first, again) and not torch.allclose(first, other)
