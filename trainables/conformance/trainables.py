"""What every trainable keeps: the same numbers again, alone or among others, in one go or interrupted, and
settings that are refused by name.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from trainables.conformance.promises import Promise
from trainables.conformance.small_feeds import small_evaluation, small_feed
from trainables.contract import Evaluation
from trainables.errors import InputError
from trainables.lane_config import PREDICTOR, TRAINABLE_SETTING, LaneConfig, trainable
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import SoloContext

_TRAIN, _JUDGED = [f"train-{i}" for i in range(6)], [f"test-{i}" for i in range(4)]


class KeptContext(SoloContext):
    """A context that keeps every state, and can begin at one."""

    def __init__(self, begin: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.begin = begin
        self.states: list[Any] = []

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Keep a copy of the state."""
        super().report(progress, state)
        self.states.append(pickle.loads(pickle.dumps(state)))

    def restore(self) -> dict[str, Any] | None:  # type: ignore[override]
        """The state that was given to begin at."""
        return self.begin


@dataclass(frozen=True)
class TrainableCase:
    """A trainable to examine, on six speakers that teach and four that judge.

    Attributes:
        kind: its name.
        settings: with which it is done in a second.
        tolerance: how closely a lane of a pack has to equal the same lane alone.
        feed: makes the feed of some speakers with some surrogates.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-6
    feed: Callable[..., Feed] = small_feed

    @cached_property
    def train(self) -> Feed:
        """The frames that it learns from."""
        return self.feed(_TRAIN, surrogates=SURROGATES)

    @cached_property
    def evaluation(self) -> Evaluation:
        """What it is judged on."""
        return small_evaluation(self.train, self.feed(_JUDGED, surrogates=SURROGATES))

    def configs(self, *lanes: Mapping[str, Any]) -> list[LaneConfig]:
        """What some lanes are told."""
        named = {} if self.kind == PREDICTOR else {TRAINABLE_SETTING: self.kind}
        return [LaneConfig.of({**named, **self.settings, **lane}) for lane in lanes]

    def run(
        self,
        *lanes: Mapping[str, Any],
        train: Feed | None = None,
        evaluation: Evaluation | None = None,
        context: SoloContext | None = None,
    ) -> list[LaneResult]:
        """The results of a pack of lanes."""
        configs = self.configs(*lanes)
        return trainable(self.kind).train(
            configs[0].structure,
            [each.lane for each in configs],
            train or self.train,
            evaluation or self.evaluation,
            context or SoloContext(),
        )


def sums_of(result: LaneResult) -> dict[str, np.ndarray]:
    """The sums and counts that a lane has left, by name; none where it has not finished."""
    if result.status is not LaneStatus.FINISHED or result.scores is None:
        return {}
    scores = Scores.from_json(result.scores)
    return {**scores.sums, **{f"count of {name}": counts for name, counts in scores.counts.items()}}


def _differing(one: LaneResult, other: LaneResult, tolerance: float = 0.0) -> str:
    """What differs between two lanes, in words; empty where nothing does."""
    first, second = sums_of(one), sums_of(other)
    if not first or first.keys() != second.keys():
        return "it does not finish, or measures other things"

    def same(values: np.ndarray, others: np.ndarray) -> bool:
        return np.allclose(values, others, rtol=tolerance, atol=tolerance, equal_nan=True)

    return ", ".join(name for name, values in first.items() if not same(values, second[name]))


def same_again(case: TrainableCase) -> Iterator[str]:
    """The same lane gives the same numbers."""
    (one,), (again,) = (case.run({"seed": 3}) for _ in range(2))
    if names := _differing(one, again):
        yield f"the same lane gives other numbers the second time: {names}"


def alone_as_among_others(case: TrainableCase) -> Iterator[str]:
    """A lane of a pack is the lane alone."""
    lanes: list[dict[str, Any]] = [{"seed": 3}, {"seed": 4}, {"seed": 3, "surrogate": "white"}]
    for together, lane in zip(case.run(*lanes), lanes, strict=True):
        if names := _differing(together, case.run(lane)[0], case.tolerance):
            yield f"the lane {lane} is another among others than alone: {names}"


def goes_on_where_it_was(case: TrainableCase) -> Iterator[str]:
    """What was interrupted ends as if it had not been."""
    lanes, context = [{"seed": 3}, {"seed": 4}], KeptContext()
    whole = case.run(*lanes, context=context)
    if not context.states:
        yield "it never reports, so that a kill costs everything"
        return
    resumed = case.run(*lanes, context=KeptContext(context.states[0]))
    for one, other in zip(whole, resumed, strict=True):
        if names := _differing(one, other):
            yield f"interrupted and resumed it ends elsewhere: {names}"


def sees_its_surrogate(case: TrainableCase) -> Iterator[str]:
    """A lane sees the frames that it names, and no others."""
    real, white = case.run({}, {"surrogate": "white"})
    if not _differing(real, white):
        yield "white frames give the numbers of real ones"
    alone = [case.feed(names, surrogates=(Surrogate.REAL,)) for names in (_TRAIN, _JUDGED)]
    (lone,) = case.run({}, train=alone[0], evaluation=small_evaluation(alone[0], alone[1]))
    if names := _differing(real, lone, case.tolerance):
        yield f"a lane depends on surrogates that it does not name: {names}"


def speakers_are_apart(case: TrainableCase) -> Iterator[str]:
    """What is measured of a speaker depends on no other speaker."""
    few = replace(case.evaluation, judged=case.feed(_JUDGED[1:3], surrogates=SURROGATES))
    (whole,), (part,) = (case.run({}, evaluation=each) for each in (case.evaluation, few))
    expected = sums_of(whole)
    for name, values in sums_of(part).items():
        if not np.allclose(values, expected[name][1:3], rtol=1e-6, atol=1e-9, equal_nan=True):
            yield f"{name} of a speaker changes with the other speakers"


def explores_its_objective(case: TrainableCase) -> Iterator[str]:
    """Exploring measures what a search can rank by."""
    exploring = small_evaluation(case.train, case.evaluation.judged, exploring=True)
    (result,) = case.run({}, evaluation=exploring)
    objective = case.configs({})[0].structure.objective
    if not np.isfinite(Scores.from_json(result.scores or {}).value(objective)):
        yield f"exploring does not measure the objective {objective!r}"


def refuses_settings(case: TrainableCase) -> Iterator[str]:
    """Wrong settings are refused by name."""
    for wrong, start in (
        ({"nonsense": 1}, "unknown setting 'nonsense'; known are "),
        ({"seed": "one"}, "seed is 'one'; it must be a whole number"),
        ({"surrogate": "pink"}, "surrogate is 'pink'; it must be one of real, "),
    ):
        try:
            case.configs(wrong)
        except InputError as error:
            if not str(error).startswith(start):
                yield f"the settings {wrong} are refused with {str(error)!r}"
        else:
            yield f"the settings {wrong} are taken; derive its settings from those of trainables.contract"


def settings_survive(case: TrainableCase) -> Iterator[str]:
    """Settings survive being written down."""
    (config,) = case.configs({"seed": 7})
    again = LaneConfig.of(config.to_json())
    if again != config or again.kind != case.kind or not again.means_the_same_as(config):
        yield "settings are others once they were written down and read again"
    if pickle.loads(pickle.dumps(config)) != config:
        yield "settings are others once they were pickled"
    if config.with_defaults().get(TRAINABLE_SETTING, PREDICTOR) != case.kind:
        yield "settings do not say what they are of"


def costs(case: TrainableCase) -> Iterator[str]:
    """It says what it costs: more for more frames."""
    (config,) = case.configs({})
    cost = trainable(case.kind).cost(config.structure, 2, 4, "cpu")
    short, long = np.full(20, 100), np.full(40, 900)
    exploring = cost.seconds(config.structure, short, short)
    judged = cost.seconds(config.structure, short, short, long)
    if not (0 < exploring < judged and cost.bytes >= 0):
        yield f"20 utterances cost {exploring:.3g} s and 40 longer ones {judged:.3g} s"
    if trainable(case.kind).frames_seen(config.structure, 1000) < 0:
        yield "it goes through fewer than no frames"


TRAINABLE_PROMISES: tuple[Promise, ...] = (
    same_again,
    alone_as_among_others,
    goes_on_where_it_was,
    sees_its_surrogate,
    speakers_are_apart,
    explores_its_objective,
    refuses_settings,
    settings_survive,
    costs,
)
