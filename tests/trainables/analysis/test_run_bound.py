"""A free run that runs away, or leaves the numbers, stands still from there on."""

import pytest
import torch

from trainables.analysis.run_bound import RunBound


def test_a_run_stands_still_from_where_it_runs_away():
    mean, axis = torch.tensor([1.0, 2.0, 3.0]).double(), torch.eye(3).double()[0]
    run = mean + torch.tensor([[1.0], [2.0], [9.0], [1.0]]).double() * axis
    lost = run.clone()
    lost[1:, 0] = torch.nan
    kept, gone = RunBound(mean, 5.0).stopped(torch.stack([run, lost]), run[:1].expand(2, 3))
    torch.testing.assert_close(kept[0], run[[0, 1, 1, 1]])
    torch.testing.assert_close(kept[1], run[[0, 0, 0, 0]])
    assert gone.tolist() == [[False, False, True, True], [False, True, True, True]]


def test_it_is_ten_distances_between_frames_from_their_mean():
    frames = 3 * torch.randn(4000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 7
    bound = RunBound.of(frames)
    assert bound.farthest == pytest.approx(10 * (2 * 9 * 5) ** 0.5, rel=0.05)
    assert torch.allclose(bound.mean_D, torch.full((5,), 7.0).double(), atol=0.2)
