"""Baselines in closed form reach what they must in worlds whose answer is known."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.distributions.full_gaussian import FullGaussian
from trainables.distributions.gaussian_marginal import GaussianMarginal
from trainables.distributions.law import LawNoise
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.storage.dataset import LatentDataset, open_dataset
from trainables.latents.worlds.catalogue import write_world
from trainables.latents.worlds.linear import RotatingAR
from trainables.predictor.config import FITTED_HEADS, Lane, Structure
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import Baseline, fit_baselines
from trainables.predictor.scores import Scores

LANE = Lane()


def structure(head: str, context: int = 6) -> Structure:
    return Structure(head=head, context=context, horizon=4, dtype="float64")


def on_test(world: LatentDataset, head: str) -> Scores:
    train, test = (
        Feed(
            lambda split=split: world.tables(split),
            rms=world.rms,
            lattice_step=None,
            frame_rate=50.0,
            dtype=torch.float64,
        )
        for split in ("train", "test")
    )
    data = PreparedData.from_feed(train)
    (model,) = fit_baselines(structure(head), [LANE], train, data)
    return evaluate(structure(head), Stacked([model]), ["real"], test, data.moments)[0]


def entropy(world: LatentDataset) -> float:
    """What no density can beat, in units of the training RMS."""
    return world.meta.world["optimum"]["nll"] - world.meta.dim * math.log(world.rms)


@pytest.fixture(scope="module")
def gaussian_world(tmp_path_factory: pytest.TempPathFactory) -> LatentDataset:
    folder = tmp_path_factory.mktemp("gaussian")
    write_world("gaussian", folder)
    return open_dataset(folder)


def test_linear_regression_reaches_the_gaussian_world(gaussian_world: LatentDataset) -> None:
    scores, optimum = on_test(gaussian_world, "linear"), gaussian_world.meta.world["optimum"]
    assert scores.value("nll") == pytest.approx(entropy(gaussian_world), rel=0.01)
    assert scores.value("cos@1") == pytest.approx(optimum["cos"][0], abs=0.01)
    assert scores.value("magnitude_ratio@1") == pytest.approx(optimum["magnitude_ratio"][0], rel=0.03)


@pytest.mark.parametrize("head", ["mean_reversion", "linear"])
def test_white_noise_is_left_for_its_mean(head: str, tmp_path: Path) -> None:
    write_world("white", tmp_path)
    world = open_dataset(tmp_path)
    scores, optimum = on_test(world, head), world.meta.world["optimum"]
    assert scores.value("cos@1") == pytest.approx(optimum["cos"][0], abs=0.005)
    assert scores.value("nll") == pytest.approx(entropy(world), rel=0.01)


def test_persistence_is_the_gaussian_marginal_of_the_step(gaussian_world: LatentDataset) -> None:
    scores = on_test(gaussian_world, "persistence")
    paths = {
        split: [f.as_py() for t in gaussian_world.tables(split) for f in t["latents"]]
        for split in ("train", "test")
    }
    steps = {
        split: torch.tensor(np.concatenate([np.diff(np.array(f, np.float64), axis=0) for f in frames]))
        for split, frames in paths.items()
    }
    marginal = GaussianMarginal.fit(steps["train"] / gaussian_world.rms)
    expected = marginal.nll(steps["test"] / gaussian_world.rms).mean().item()
    assert scores.value("nll") == pytest.approx(expected, abs=0.05)
    assert scores.value("magnitude_ratio@1") == pytest.approx(1e-3)


def test_regression_is_regression(make_feed: Callable[..., Feed]) -> None:
    feed, frames = make_feed(), 3
    shard = feed.shard(0)
    data = PreparedData.from_feed(feed)
    (model,) = fit_baselines(structure("linear", frames), [Lane(ridge=1e-9)], feed, data)
    inputs, steps = [], []
    for begin, end in zip(shard.offsets[:-1], shard.offsets[1:], strict=True):
        z = shard.frames_SND[0, begin:end]
        inputs += [z[t - frames + 1 : t + 1].flatten() for t in range(frames - 1, len(z) - 1)]
        steps += [z[t + 1] - z[t] for t in range(frames - 1, len(z) - 1)]
    x, y = torch.stack(inputs), torch.stack(steps)
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x[:, :1])], 1), y).solution
    assert torch.allclose(model.head.linear.weight, solution[:-1].T, atol=1e-6)
    assert torch.allclose(model.head.linear.bias, solution[-1], atol=1e-6)
    residual = y - model.head(x).mean()
    assert torch.allclose(model.head.factor, GaussianMarginal.fit(residual).factor_DD, atol=1e-6)


def test_a_heavy_penalty_stands_still(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    (model,) = fit_baselines(structure("linear"), [Lane(ridge=1e9)], feed, PreparedData.from_feed(feed))
    assert model.head.linear.weight.abs().max() < 1e-6


@pytest.mark.parametrize("head", FITTED_HEADS)
def test_workers_that_hold_the_same_utterances_count_them_once(
    head: str, make_feed: Callable[..., Feed]
) -> None:
    feed = make_feed()
    data = PreparedData.from_feed(feed)
    (alone,) = fit_baselines(structure(head), [LANE], feed, data)
    (both,) = fit_baselines(structure(head), [LANE], feed, data, lambda value: [value, value])
    for name, value in alone.state_dict().items():
        assert torch.allclose(both.state_dict()[name], value, atol=1e-10), name


def test_chunks_of_a_stream_are_all_read(make_feed: Callable[..., Feed], spiral_table: pa.Table) -> None:
    whole = make_feed()
    pieces = make_feed(budget_bytes=1)
    pieces._open = lambda: [spiral_table.slice(i, 3) for i in range(0, 12, 3)]
    data = PreparedData.from_feed(whole)
    fits = [fit_baselines(structure("linear"), [LANE], feed, data)[0] for feed in (whole, pieces)]
    assert torch.allclose(fits[0].head.linear.weight, fits[1].head.linear.weight, atol=1e-10)


def test_many_dimensions_are_seen_through_fewer_frames() -> None:
    assert Baseline(structure("linear", 16), 32).backbone.frames == 16
    assert Baseline(structure("linear", 16), 512).backbone.frames == 2
    assert Baseline(structure("linear", 16), 2048).backbone.frames == 1
    assert Baseline(structure("persistence", 16), 4).backbone.frames == 1


def test_reading_in_pieces_equals_reading_at_once() -> None:
    z_BTD = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    backbone = Baseline(structure("linear"), 3).backbone
    at_once, _ = backbone.read(z_BTD)
    first, state = backbone.read(z_BTD[:, :2])
    h, state = backbone.step(z_BTD[:, 2], state)
    rest, _ = backbone.read(z_BTD[:, 3:], state)
    assert torch.equal(torch.cat([first, h[:, None], rest], 1), at_once)


def test_full_gaussian_is_torch_s() -> None:
    torch.manual_seed(0)
    factor = torch.linalg.cholesky(torch.cov(torch.randn(4, 50)) + torch.eye(4)).double()
    law = FullGaussian(torch.randn(5, 2, 4).double(), factor)
    theirs = torch.distributions.MultivariateNormal(law.location, scale_tril=factor)
    delta = torch.randn(5, 2, 4).double()
    assert torch.allclose(law.log_prob(delta), theirs.log_prob(delta))
    many = FullGaussian(law.location[0, 0].expand(200_000, -1), factor)
    samples = many.sample(LawNoise(torch.randn(200_000, 5).double(), torch.zeros(200_000, 2)))
    assert torch.allclose(samples.T.cov(), factor @ factor.T, atol=0.05)
    assert many.log_magnitude()[0].item() == pytest.approx(samples.norm(dim=-1).log().mean().item(), abs=0.05)
    cool = law.tempered(0.5)  # of density p^2 over its integral
    expected = law.log_prob(delta) / 0.5
    ratio = cool.log_prob(delta) - expected
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio))


def test_lanes_see_their_own_surrogate(make_feed: Callable[..., Feed]) -> None:
    world = RotatingAR(dim=4, decay=0.8, angle=0.0, scale=1.0)
    table = utterance_table(
        {f"s{i}-0": world.simulate(1, 300, np.random.default_rng(i))[0] for i in range(4)}
    )
    feed = make_feed(table, surrogates=("real", "white"))
    data = PreparedData.from_feed(feed)
    lanes = [Lane(), Lane(surrogate="white")]
    models = fit_baselines(structure("mean_reversion"), lanes, feed, data)
    rates = [-model.head.linear.weight[0, 0].item() for model in models]
    assert rates == pytest.approx([0.2, 1.0], abs=0.06)
    both = evaluate(structure("mean_reversion"), Stacked(models), ["real", "white"], feed, data.moments)
    real, white = both
    assert real.value("nll") < white.value("nll")
