"""A readout against worlds of known answer, and the references beside it."""

import math
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from tests.trainables.small_data import feed_of_paths, small_evaluation
from trainables.analysis.readout_model import BottleneckDynamics
from trainables.analysis.readout_references import fit_references, reservoir_reader
from trainables.analysis.readout_settings import INFORMATION_READ, ReadoutStructure, bottleneck_dims
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import Scores
from trainables.training_context import SoloContext

needs_reservoirpy = pytest.mark.skipif(
    find_spec("reservoirpy") is None, reason="reservoirpy, which makes the echo-state row, is not installed"
)


def product(count: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Frames of which the third coordinate is nearly the product of the first two, a frame before."""
    x = rng.standard_normal((count, frames + 1, 4))
    x[:, 1:, 2] = math.sqrt(0.9) * x[:, :-1, 0] * x[:, :-1, 1] + math.sqrt(0.1) * x[:, 1:, 2]
    return x[:, 1:]


def linear(count: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Frames whose first coordinate goes on at 0.9 and is small; the others are white and large."""
    x = rng.standard_normal((count, frames, 16)) * 5.0
    x[:, :, 0] = rng.standard_normal((count, frames))
    for t in range(1, frames):
        x[:, t, 0] = 0.9 * x[:, t - 1, 0] + math.sqrt(1 - 0.81) * x[:, t, 0]
    return x


def feed(world, prefix: str, speakers: int) -> Feed:
    paths = {f"{prefix}{i}": world(4, 120, np.random.default_rng([i, len(prefix)])) for i in range(speakers)}
    return feed_of_paths(paths, (Surrogate.REAL,))


def scores(kind: str, world, **settings) -> tuple[Scores, dict]:
    train, judged = feed(world, "train", 16), feed(world, "test", 4)
    config = LaneConfig.of({"trainable": "readout", "readout": kind, "dynamics_width": 16, **settings})
    (result,) = config.trainable.train(
        config.structure, [config.lane], train, small_evaluation(train, judged), SoloContext()
    )
    return Scores.from_json(result.scores or {}), result.details


def test_a_bottleneck_is_a_share_of_the_latent_dimensions_and_never_none():
    assert bottleneck_dims(64) == {16: 4, 8: 8, 4: 16}
    assert bottleneck_dims(4) == {16: 1, 8: 1, 4: 1}


@pytest.mark.parametrize("readout", ["linear", "mlp"])
def test_nothing_of_the_past_reaches_the_prediction_around_the_bottleneck(readout):
    torch.manual_seed(0)
    model = BottleneckDynamics(ReadoutStructure(readout=readout, readout_window=2), 6, 2).double()
    x = torch.randn(1, 10, 6).double()
    model.encode = lambda frames: torch.ones(1, frames.shape[1], 2).double()
    other = x.clone()
    other[:, :-1] += 1
    last = [model.information(each)[0, -1] for each in (x, other)]
    assert torch.equal(*last), "with z_dyn held, the past does not matter"


def test_the_nonlinear_encoder_begins_as_the_linear_one():
    torch.manual_seed(0)
    bent = BottleneckDynamics(ReadoutStructure(readout="mlp"), 6, 2)
    x = torch.randn(2, 5, 6)
    assert torch.equal(bent.encode(x), bent.linear(x))


def test_a_readout_sees_no_frame_that_comes_later():
    torch.manual_seed(0)
    model = BottleneckDynamics(ReadoutStructure(readout="mlp", readout_window=3), 6, 2)
    x = torch.randn(1, 9, 6)
    changed = x.clone()
    changed[:, 6:] += 1
    assert torch.equal(model.information(x)[:, :5], model.information(changed)[:, :5])


def test_closed_forms_find_what_is_there_and_say_how_much():
    rng = np.random.default_rng(0)
    raw = list(linear(40, 300, rng))
    frames = np.concatenate(raw)
    colour = np.linalg.cholesky(np.cov(frames.T))
    white = [(path - frames.mean(0)) @ np.linalg.inv(colour).T for path in raw]
    found = fit_references(ReadoutStructure(units=20), white, colour, seed=0)
    told = {name: np.mean([each.information(path).mean() for path in white]) for name, each in found.items()}
    truth = -0.5 * math.log(1 - 0.81)
    assert told["cca_16"] == pytest.approx(truth, abs=0.03)  # one dimension is enough
    assert told["window"] == pytest.approx(truth, abs=0.03)
    assert abs(told["pca_16"]) < 0.02, "the largest dimensions say nothing"
    assert told["random_16"] < told["random_4"] < 0.7 * truth
    # In the units of the latents as well, the predictable dimension is the one that lowers the error.
    assert told["reduced_rank_16"] == pytest.approx(truth, abs=0.03)


@needs_reservoirpy
def test_a_reservoir_begins_every_utterance_anew():
    read = reservoir_reader(units=10, seed=3)
    path = np.random.default_rng(0).standard_normal((12, 3))
    first = read(path)
    assert first.shape == (12, 13)
    np.testing.assert_array_equal(read(path), first)


@pytest.mark.slow
def test_bending_wins_on_products_and_gains_nothing_where_all_is_linear():
    settings = {"steps": 250, "batch": 24, "window_frames": 16, "learning_rate": 2e-2, "encoder_width": 32}
    straight, bent = (scores(kind, product, **settings)[0] for kind in ("linear", "mlp"))
    assert bent.value(INFORMATION_READ) > straight.value(INFORMATION_READ) + 0.4
    settings["steps"] = 120
    (straight, details), (bent, _) = (scores(kind, linear, **settings) for kind in ("linear", "mlp"))
    assert bent.value(INFORMATION_READ) < straight.value(INFORMATION_READ) + 0.1
    assert straight.value(INFORMATION_READ) > 0.5
    assert straight.value(f"{INFORMATION_READ}_of_cca_8") == pytest.approx(0.83, abs=0.1)
    assert np.argmax(details["predictable"]) == 0 and details["predictable"][0] > 0.6
    assert abs(details["loadings"][0][0]) > 0.8


def test_utterances_shorter_than_a_window_are_refused():
    train = feed(linear, "train", 1)
    config = LaneConfig.of({"trainable": "readout", "window_frames": 120})
    with pytest.raises(InputError, match=r"^window_frames is 120, but the longest .* has 120 frames"):
        config.trainable.train(
            config.structure, [config.lane], train, small_evaluation(train, train), SoloContext()
        )
