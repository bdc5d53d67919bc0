"""What every trainable must do, whatever it trains: a new one is held to it by adding it to ``SMALL``."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.trainables.small_data import log_mel_feed, small_evaluation, small_feed
from trainables.contract import Evaluation
from trainables.errors import InputError
from trainables.lane_config import LaneConfig, trainable, trainables
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import SoloContext

_PREDICTOR: dict[str, Any] = {
    "head": "vmf",
    "width": 8,
    "context": 5,
    "rollout": 3,
    "horizon": 4,
    "batch": 6,
    "steps": 2,
    "teacher_epochs": 2,
    "rollout_epochs": 1,
    "marginal_steps": 3,
    "dtype": "float64",
}
# Settings with which each is done in a second, one setting that must be refused, and how closely a lane of a
# pack has to equal the same lane alone.
SMALL: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "predictor": (_PREDICTOR, {"width": 0}, 1e-6),
    "manifold": ({**_PREDICTOR, "feedback": "sample"}, {"width": 0}, 1e-6),
    "components": ({**_PREDICTOR, "head": "mdn", "components": 2}, {"components": 0}, 1e-6),
    "archetypes": ({"clusters": 6, "rounds": 3, "regression_steps": 5}, {"clusters": 1}, 0.0),
    "perturbation": (
        {"context_seconds": 0.1, "seconds": 0.4, "utterances": 1},
        {"kind": "sideways"},
        0.0,
    ),
    "score": (
        {
            "correction": "langevin",
            "langevin_steps": 2,
            "samples": 2,
            "context": 5,
            "horizon": 8,
            "predictor_width": 6,
            "predictor_epochs": 1,
            "score_width": 4,
            "score_steps": 4,
            "score_batch": 8,
        },
        {"sigma": 0.0},
        0.0,
    ),
    "two_stage": (
        {
            "magnitudes": "global_features",
            "loop": "directions",
            "width": 4,
            "steps": 3,
            "batch": 4,
            "samples": 2,
            "context": 5,
            "horizon": 8,
        },
        {"context": 2},
        0.0,
    ),
    "readout": (
        {
            "readout": "linear",
            "steps": 3,
            "batch": 4,
            "window_frames": 8,
            "dynamics_width": 4,
            "encoder_width": 4,
            "readout_window": 2,
            "units": 5,
        },
        {"readout": "cubic"},
        0.0,
    ),
}
DECODED = ("perturbation",)  # run on frames that a codec decodes
TRAIN, JUDGED = [f"train-{i}" for i in range(6)], [f"test-{i}" for i in range(4)]


class Kept(SoloContext):
    """A context that keeps every state, and can begin at one."""

    def __init__(self, begin: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.begin, self.states = begin, []

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        super().report(progress, state)
        self.states.append(pickle.loads(pickle.dumps(state)))

    def restore(self) -> dict[str, Any] | None:
        return self.begin


def feed(kind: str, speakers: Sequence[str], surrogates: Sequence[Surrogate] = SURROGATES) -> Feed:
    return (log_mel_feed if kind in DECODED else small_feed)(speakers, surrogates=surrogates)


@pytest.fixture(scope="module")
def feeds() -> Callable[[str], tuple[Feed, Feed]]:
    return cache(lambda kind: (feed(kind, TRAIN), feed(kind, JUDGED)))


@pytest.fixture
def train(kind: str, feeds: Callable[[str], tuple[Feed, Feed]]) -> Feed:
    return feeds(kind)[0]


@pytest.fixture
def judged(kind: str, feeds: Callable[[str], tuple[Feed, Feed]]) -> Evaluation:
    return small_evaluation(*feeds(kind))


def configs(kind: str, *lanes: dict[str, Any]) -> list[LaneConfig]:
    named = {} if kind == "predictor" else {"trainable": kind}
    return [LaneConfig.of({**named, **SMALL[kind][0], **lane}) for lane in lanes]


def run(
    kind: str, train: Feed, evaluation: Evaluation, *lanes: dict[str, Any], context: SoloContext | None = None
) -> list[LaneResult]:
    told = configs(kind, *lanes)
    return trainable(kind).train(
        told[0].structure, [each.lane for each in told], train, evaluation, context or SoloContext()
    )


def sums(result: LaneResult) -> dict[str, np.ndarray]:
    assert result.status is LaneStatus.FINISHED and result.scores is not None
    scores = Scores.from_json(result.scores)
    assert scores.sums.keys() == scores.counts.keys() != set()
    return {**scores.sums, **{f"count of {name}": counts for name, counts in scores.counts.items()}}


def assert_equal(one: LaneResult, other: LaneResult, rtol: float = 0.0) -> None:
    first, second = sums(one), sums(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=rtol, atol=rtol, err_msg=name)


def test_every_trainable_is_held_to_the_contract() -> None:
    assert sorted(SMALL) == trainables()


@pytest.mark.parametrize("kind", SMALL)
class TestEveryTrainable:
    def test_the_same_lane_gives_the_same_numbers(self, kind: str, train: Feed, judged: Evaluation) -> None:
        (one,), (again,) = (run(kind, train, judged, {"seed": 3}) for _ in range(2))
        assert_equal(one, again)

    def test_a_lane_of_a_pack_is_the_lane_alone(self, kind: str, train: Feed, judged: Evaluation) -> None:
        lanes = [{"seed": 3}, {"seed": 4}, {"seed": 3, "surrogate": "white"}]
        for together, lane in zip(run(kind, train, judged, *lanes), lanes, strict=True):
            assert_equal(together, run(kind, train, judged, lane)[0], SMALL[kind][2])

    def test_what_was_interrupted_ends_as_if_it_had_not_been(
        self, kind: str, train: Feed, judged: Evaluation
    ) -> None:
        lanes = [{"seed": 3}, {"seed": 4}]
        context = Kept()
        whole = run(kind, train, judged, *lanes, context=context)
        assert context.states, "it reports, or a kill costs everything"
        resumed = run(kind, train, judged, *lanes, context=Kept(context.states[0]))
        for one, other in zip(whole, resumed, strict=True):
            assert_equal(one, other)

    def test_a_lane_sees_the_frames_that_it_names(self, kind: str, train: Feed, judged: Evaluation) -> None:
        real, white = run(kind, train, judged, {}, {"surrogate": "white"})
        assert any(not np.array_equal(values, sums(white)[name]) for name, values in sums(real).items())
        alone = [feed(kind, names, (Surrogate.REAL,)) for names in (TRAIN, JUDGED)]
        assert_equal(real, run(kind, alone[0], small_evaluation(*alone), {})[0], SMALL[kind][2])

    def test_what_is_measured_of_a_speaker_depends_on_no_other_speaker(
        self, kind: str, train: Feed, judged: Evaluation
    ) -> None:
        few = replace(judged, judged=feed(kind, JUDGED[1:3]))
        (whole,), (part,) = (run(kind, train, each, {}) for each in (judged, few))
        for name, values in sums(part).items():
            np.testing.assert_allclose(values, sums(whole)[name][1:3], rtol=1e-6, atol=1e-9, err_msg=name)

    def test_exploring_measures_what_a_search_can_rank_by(
        self, kind: str, train: Feed, judged: Evaluation
    ) -> None:
        exploring = small_evaluation(train, judged.judged, exploring=True)
        (result,) = run(kind, train, exploring, {})
        structure = configs(kind, {})[0].structure
        assert np.isfinite(Scores.from_json(result.scores or {}).value(structure.objective))

    def test_bad_settings_are_refused_by_name(self, kind: str) -> None:
        ((name, _),) = SMALL[kind][1].items()
        with pytest.raises(InputError, match=f"^{name} is "):
            configs(kind, SMALL[kind][1])
        with pytest.raises(InputError, match="^unknown setting 'nonsense'; known are "):
            configs(kind, {"nonsense": 1})
        with pytest.raises(InputError, match="^seed is 'one'; it must be a whole number"):
            configs(kind, {"seed": "one"})
        with pytest.raises(InputError, match="^surrogate is 'pink'; it must be one of real, "):
            configs(kind, {"surrogate": "pink"})

    def test_settings_survive_being_written_down(self, kind: str) -> None:
        (config,) = configs(kind, {"seed": 7})
        again = LaneConfig.of(config.to_json())
        assert again == config and again.kind == kind and again.means_the_same_as(config)
        assert pickle.loads(pickle.dumps(config)) == config
        assert config.with_defaults().get("trainable", "predictor") == kind

    def test_it_says_what_it_costs(self, kind: str) -> None:
        (config,) = configs(kind, {})
        cost = trainable(kind).cost(config.structure, 2, 4, "cpu")
        short, long = np.full(20, 100), np.full(40, 900)
        exploring, judged = (
            cost.seconds(config.structure, short, short),
            cost.seconds(config.structure, short, short, long),
        )
        assert 0 < exploring < judged and cost.bytes >= 0
        assert trainable(kind).frames_seen(config.structure, 1000) >= 0


def test_an_unknown_trainable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="^unknown trainable 'predicter'; did you mean 'predictor'"):
        LaneConfig.of({"trainable": "predicter"})


def test_settings_of_a_predictor_name_no_trainable() -> None:
    """So that lanes from before there was another keep their names."""
    assert "trainable" not in LaneConfig.of({"head": "vmf"}).with_defaults()
