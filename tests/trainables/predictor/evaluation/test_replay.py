"""What a lane does on true windows, against one window at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainables.analysis.frame_density import FrameDensity
from trainables.analysis.frame_likelihoods import TRUE, rollout_scores
from trainables.distributions.frame_flow import FlowSettings
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.continuation import continue_from
from trainables.predictor.evaluation.replay import expected, reached_states, windows_of
from trainables.predictor.model.predictor import Predictor

STRUCTURE = Structure(head="mdn", width=8, context=6, horizon=5, components=3, dtype="float64")


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    return Predictor(STRUCTURE, 6).double()


def test_runs_arrive_where_single_ones_do(make_feed, predictor) -> None:
    shard = make_feed().shard(0)
    (windows,) = windows_of(STRUCTURE, shard)
    reached = reached_states(STRUCTURE, predictor, windows)
    for row in (0, 7, len(reached) - 1):
        alone = continue_from(STRUCTURE, predictor.state_dict(), windows.frames_BTD[row, None, :6], 5, ["z"])
        torch.testing.assert_close(reached[row], alone[0])


def test_a_sampled_run_depends_on_its_window_alone(make_feed, predictor) -> None:
    sampled = replace(STRUCTURE, feedback="sample")
    (windows,) = windows_of(sampled, make_feed().shard(0))
    whole = reached_states(sampled, predictor, windows)
    part = replace(windows, frames_BTD=windows.frames_BTD[3:5], names=windows.names[3:5])
    torch.testing.assert_close(reached_states(sampled, predictor, part), whole[3:5])
    assert len(set(windows.names)) == len(windows.names)
    assert not torch.allclose(whole, reached_states(STRUCTURE, predictor, windows))


def test_what_is_expected_comes_of_the_true_past(make_feed, predictor) -> None:
    shard = make_feed().shard(0)
    (windows,) = windows_of(STRUCTURE, shard)
    with torch.no_grad():
        law, delta_BKD = expected(STRUCTURE, predictor, windows)
        frames = shard.frames_SND[0]
        for row, k in ((0, 0), (3, 4)):
            now = windows.starts_B[row] + STRUCTURE.context - 1 + k
            h = predictor.backbone.read(frames[None, windows.starts_B[row] : now + 1])[0][:, -1]
            torch.testing.assert_close(predictor.head(h).mean()[0], law.mean()[row, k])
            torch.testing.assert_close(frames[now + 1] - frames[now], delta_BKD[row, k])


def test_rolled_out_states_are_scored_step_by_step_and_speaker_by_speaker(make_feed, predictor) -> None:
    feed = make_feed()
    settings = FlowSettings(transforms=1, hidden=(8,), steps=20)
    density = FrameDensity.fit(feed, feed, 0, settings)
    scores = rollout_scores(density, STRUCTURE, predictor.state_dict(), feed)
    (windows,) = windows_of(STRUCTURE, feed.shard(0))
    speakers = np.array(feed.shard(0).speakers)[windows.owners_B]
    reached = density.log_prob(reached_states(STRUCTURE, predictor, windows))
    true = density.log_prob(windows.frames_BTD[:, 6:])
    for row, name in enumerate(scores.speakers):
        own = torch.from_numpy(speakers == name)
        np.testing.assert_allclose(scores.sums["log_density"][row], reached[own].sum(0), rtol=1e-6)
        np.testing.assert_allclose(scores.sums[f"{TRUE}log_density"][row], true[own].sum(0), rtol=1e-6)
        assert scores.counts["off_manifold"][row].tolist() == [int(own.sum())] * 5
    assert scores.value("log_density@5") == pytest.approx(float(reached[:, 4].mean()))
