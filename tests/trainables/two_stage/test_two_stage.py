"""Magnitudes that wait for directions, runs that follow what they should, and worlds of known answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.trainables.small_data import feed_of_paths, log_mel_feed, small_evaluation
from trainables.distributions.law import LawNoise
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.worlds.catalogue import WORLDS
from trainables.predictor.scores import Scores
from trainables.training_context import SoloContext
from trainables.two_stage.heard_so_far import Coordinates, LongPaths, heard_so_far
from trainables.two_stage.magnitudes import StepMagnitudes
from trainables.two_stage.settings import TwoStageStructure
from trainables.two_stage.step_model import StepModel

D, CONTEXT, HORIZON, WINDOWS, SAMPLES = 3, 4, 8, 5, 2
FIRST = {"magnitudes": "global_features", "loop": "directions"}


def structure(**settings) -> TwoStageStructure:
    small = {"context": CONTEXT, "horizon": HORIZON, "width": 6, "coordinates": "raw"}
    return TwoStageStructure(**{**small, **settings})


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise(seed: int) -> LawNoise:
    count = SAMPLES * WINDOWS
    uniform = torch.rand(
        count, HORIZON, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return LawNoise(normals(count, HORIZON, D + 1, seed=seed), uniform)


def walks_of_pace(count: int, frames: int, seed: int) -> tuple[list[torch.Tensor], list[float]]:
    """Random walks each of which has a pace of its own, and that pace as a log magnitude."""
    paces = np.random.default_rng(seed).normal(0, 0.5, count).tolist()
    paths = []
    for i, pace in enumerate(paces):
        steps = normals(frames, D, seed=1000 * seed + i)
        steps = steps / steps.norm(dim=1, keepdim=True) * (pace + 0.1 * normals(frames, 1, seed=i)).exp()
        paths.append(steps.cumsum(0))
    return paths, paces


def long_paths(settings: TwoStageStructure, paths: list[torch.Tensor]) -> LongPaths:
    coordinates = Coordinates.of(settings, torch.cat(paths))
    return LongPaths.heard(paths, coordinates, settings.context + settings.horizon)


def test_what_was_heard_so_far_knows_nothing_of_what_comes():
    path = normals(30, D).cumsum(0)
    features = heard_so_far(path)
    torch.testing.assert_close(heard_so_far(torch.cat([path[:12], 9 + path[12:]]))[:12], features[:12])
    steps = path.diff(dim=0)[:11]
    log_m = steps.norm(dim=1).log()
    unit = steps / steps.norm(dim=1, keepdim=True)
    expected = [log_m.mean(), log_m.std(correction=0), (unit[1:] * unit[:-1]).sum(1).mean()]
    expected += [log_m.diff().abs().mean(), torch.tensor(30.0).log(), *path[:12].mean(0)]
    torch.testing.assert_close(features[11], torch.stack([each.double() for each in expected]))


def test_empirical_magnitudes_are_those_of_training_steps():
    paths = long_paths(structure(), walks_of_pace(60, 40, 1)[0])
    drawn = StepMagnitudes.fit(structure(magnitudes="empirical", loop="directions"), paths, 0)
    magnitude = drawn.draw(paths.features_NF[:2000], normals(2000, 1, seed=3))
    inside = torch.ones(len(paths.frames_ND), dtype=torch.bool)
    inside[paths.first_U] = False  # no step leads from one utterance to the next
    true = paths.frames_ND.diff(dim=0).norm(dim=1)[inside[1:]].double()
    shares = torch.tensor([0.1, 0.5, 0.9]).double()
    torch.testing.assert_close(magnitude.quantile(shares), true.quantile(shares), rtol=0.08, atol=0.0)


def test_global_features_know_the_pace_of_an_utterance_that_was_never_heard():
    settings = structure(**FIRST)
    drawn = StepMagnitudes.fit(settings, long_paths(settings, walks_of_pace(80, 40, 1)[0]), 0)
    paths, paces = walks_of_pace(40, 40, 2)
    expected = drawn.expected(torch.stack([heard_so_far(path)[CONTEXT + 10] for path in paths])).numpy()
    assert np.corrcoef(expected, paces)[0, 1] > 0.9
    blind = StepMagnitudes.fit(
        structure(magnitudes="empirical", loop="directions"), long_paths(settings, paths), 0
    )
    assert float(blind.expected(heard_so_far(paths[0])).std()) == 0
    assert float(drawn.quantiles.std()) < 0.7 * float(blind.quantiles.std()), "what is left is less"


@pytest.mark.parametrize(("loop", "follows_directions_alone"), [("directions", True), ("state", False)])
def test_directions_wait_for_no_magnitude_where_they_follow_directions(loop, follows_directions_alone):
    torch.manual_seed(0)
    model = StepModel(structure(magnitudes="empirical", loop=loop), D).double()
    context = normals(WINDOWS, CONTEXT, D)
    magnitude = normals(SAMPLES * WINDOWS, HORIZON, seed=5).exp()
    runs = [model.run(context, noise(1), each) for each in (magnitude, 3 * magnitude)]
    units = [run / run.norm(dim=-1, keepdim=True) for run in runs]
    torch.testing.assert_close(runs[0].norm(dim=-1), magnitude)
    assert torch.allclose(units[0], units[1]) == follows_directions_alone
    torch.testing.assert_close(units[0][:, 0], units[1][:, 0])


@pytest.mark.parametrize("loop", ["directions", "state"])
def test_a_run_reads_what_training_reads(loop):
    """The law of each step of a run is that of the same path read at once, as in training."""
    torch.manual_seed(0)
    settings = structure(magnitudes="empirical", loop=loop)
    model, context = StepModel(settings, D).double(), normals(WINDOWS, CONTEXT, D)
    steps = model.run(context, noise(1), normals(SAMPLES * WINDOWS, HORIZON, seed=5).exp())
    before = context.repeat(SAMPLES, 1, 1)
    path = torch.cat([before, before[:, -1:] + steps.cumsum(1)], 1)
    h, _ = model.backbone.read(model.read(path))
    laws = model.head(h[:, CONTEXT - 1 :])
    given = noise(1)
    again = laws.direction_law.sample(given.normal[..., :-1], given.uniform[..., 1])
    torch.testing.assert_close(again, steps / steps.norm(dim=-1, keepdim=True))


def test_whitened_coordinates_lead_back():
    frames = normals(500, D) @ torch.diag(torch.tensor([3.0, 1, 0.2]).double()) + 2
    for coordinates in ("whitened", "raw"):
        made = Coordinates.of(structure(coordinates=coordinates), frames)
        torch.testing.assert_close(made.outside(made.inside(frames)), frames)
        spread = made.inside(frames).std(0)
        # The covariance is shrunk a little, so that it can always be inverted.
        assert bool((spread - 1).abs().max() < 0.2) == (coordinates == "whitened")


def test_one_stage_has_no_directions_that_wait():
    with pytest.raises(InputError, match="^loop is 'directions' and magnitudes 'joint'"):
        structure(loop="directions", magnitudes="joint")


def of_world(name: str, **settings) -> Scores:
    """The scores of a small lane on a control world."""
    world = WORLDS[name]
    train, judged = (
        feed_of_paths(
            {f"{kind}{i}": world.simulate(6, 120, np.random.default_rng([i, size])) for i in range(size)},
            (Surrogate.REAL,),
        )
        for kind, size in (("train", 12), ("test", 3))
    )
    given = {"steps": 120, "width": 24, "batch": 24, "samples": 4, "coordinates": "raw", **settings}
    config = LaneConfig.of({"trainable": "two_stage", **given})
    evaluation = replace(small_evaluation(train, judged), codec=None)
    (result,) = config.trainable.train(config.structure, [config.lane], train, evaluation, SoloContext())
    return Scores.from_json(result.scores or {})


def test_runs_are_decoded_beside_both_floors():
    train, judged = (log_mel_feed(names, surrogates=(Surrogate.REAL,)) for names in ("abcdef", "xy"))
    given = {"steps": 2, "width": 4, "context": 5, "horizon": 8, "seconds": 0.4, "utterances": 1, **FIRST}
    config = LaneConfig.of({"trainable": "two_stage", **given})
    (result,) = config.trainable.train(
        config.structure, [config.lane], train, small_evaluation(train, judged), SoloContext()
    )
    scores = Scores.from_json(result.scores or {})
    assert scores.counts["quality"].tolist() == [1, 1]
    for floor in ("frozen", "mean"):
        assert np.all(scores.sums[f"quality_over_{floor}"] <= scores.sums["quality"])
    assert np.all(scores.sums["quality"] < 1)


@pytest.mark.soak
def test_where_the_state_says_how_long_a_step_is_drawn_magnitudes_lose():
    one, two = of_world("lorenz"), of_world("lorenz", **FIRST)
    skills = [scores.value("energy_skill@1-8") for scores in (one, two)]
    assert skills[0] > skills[1] + 0.03
    assert one.value("lost_by_halving") > 0.02
    assert two.value("skill_of_strangers") < skills[1], "the pace of someone else is another"
