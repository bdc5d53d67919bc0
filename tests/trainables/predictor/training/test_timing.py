"""The probe counts what it should, by a clock that only work moves; real seconds are nobody's promise."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainables.latents.batching.feed import Feed
from trainables.predictor.config import FITTED_HEADS, HEADS, Lane, Structure
from trainables.predictor.evaluation import options
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.lanes.optimiser_step import EagerStep
from trainables.predictor.training import pack_run, timing
from trainables.predictor.training.timing import Pace, pace
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

DIM, LANES = 5, 3
TEACHER, ROLLOUT, LOOK, FINAL, FIT_BEGUN, FIT_STEP = 2.0, 3.0, 0.5, 0.75, 7.0, 0.25  # seconds of work
COSTS = Pace(
    teacher_step=1.0,
    rollout_step=10.0,
    look_window=0.5,
    final_window=2.0,
    marginals=100.0,
    parameters=1,
    bytes=4,
)


def structure(head: str = "vmf", **settings: object) -> Structure:
    defaults = {"width": 8, "context": 4, "rollout": 3, "horizon": 3, "batch": 4, "components": 3}
    training = {"steps": 3, "teacher_epochs": 1, "rollout_epochs": 1, "marginal_steps": 7}
    return Structure(head=head, **{**defaults, **training, **settings})


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts of what is done; every piece of it moves the clock by what it is said to cost."""
    done: dict[str, int] = {"teacher": 0, "rollout": 0, "looked": 0, "judged": 0}
    now = [0.0]

    def spend(name: str, count: int, seconds: float) -> None:
        done[name] = done.get(name, 0) + count
        now[0] += count * seconds

    def step(self: EagerStep, batch: Any, phase: str, *pace: Any) -> Any:
        assert len(batch.windows_LBTD) == LANES
        spend(phase, 1, TEACHER if phase == "teacher" else ROLLOUT)
        return taken(self, batch, phase, *pace)

    def judge(structure: Structure, stacked: Any, names: Any, feed: Feed, *rest: Any, **how: Any) -> Any:
        windows = len(feed.shard(0).evaluation_windows(structure.context, structure.horizon)[0])
        final = rest[1] is not None
        assert how["options"].sampled is final
        spend("judged" if final else "looked", windows, FINAL if final else LOOK)
        return evaluate(structure, stacked, names, feed, *rest, **how)

    def fit(cls: type, structure: Structure, *rest: Any) -> Marginals:
        spend("fits", 1, FIT_BEGUN)
        spend("fit steps", structure.marginal_steps, FIT_STEP)
        return fitted(structure, *rest)

    taken, fitted = EagerStep.__call__, Marginals.fit
    monkeypatch.setattr(EagerStep, "__call__", step)
    monkeypatch.setattr(timing, "evaluate", judge)
    monkeypatch.setattr(Marginals, "fit", classmethod(fit))
    for module in (timing, pack_run):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return done


@pytest.mark.parametrize("steps", [1, 3])
def test_each_number_is_that_of_its_own_work(steps: int, work: dict[str, int]) -> None:
    found = pace(structure(), LANES, DIM, steps=steps)
    assert (found.teacher_step, found.rollout_step) == pytest.approx((TEACHER, ROLLOUT))
    assert (found.look_window, found.final_window) == pytest.approx((LOOK, FINAL))
    assert found.marginals == pytest.approx(FIT_BEGUN + structure().marginal_steps * FIT_STEP)
    assert work["teacher"] == work["rollout"] == 1 + steps  # one of them warms up
    assert work["fit steps"] == 1 + 2 * (1 + 1 + steps)


def test_a_heavier_pack_is_probed_by_as_much_work(work: dict[str, int]) -> None:
    """What a probe does grows with the steps asked for alone: not with epochs, steps or data of a run."""
    pace(structure(), LANES, DIM, steps=2)
    light = dict(work)
    pace(structure(steps=500, teacher_epochs=40, rollout_epochs=0), LANES, DIM, steps=2)
    assert work == {name: 2 * count for name, count in light.items()}
    assert light["looked"] == light["judged"] >= 64


@pytest.mark.parametrize("head", FITTED_HEADS)
def test_what_is_fitted_takes_no_steps(head: str, work: dict[str, int]) -> None:
    found = pace(structure(head), LANES, DIM)
    assert found.teacher_step == found.rollout_step == work["teacher"] == work["rollout"] == 0
    assert min(found.look_window, found.final_window, found.marginals, found.parameters, found.bytes) > 0
    assert found.seconds(structure(head), 1000, validation=10) == 10 * found.look_window


@pytest.mark.slow
@pytest.mark.parametrize("head", [*HEADS, *FITTED_HEADS])
def test_parameters_and_bytes_are_those_of_a_trained_lane(head: str, make_feed: Callable[..., Feed]) -> None:
    own = structure(head, dtype="float64")
    found = pace(own, LANES, 6, steps=1)  # as many dimensions as the feed
    (result,) = train_pack(own, [Lane()], make_feed(), make_feed(), SoloContext(), evaluate_each_epoch=True)
    assert found.parameters == result.parameters
    assert found.bytes == sum(value.nbytes for value in result.state.values())
    assert min(found.look_window, found.final_window, found.marginals) > 0
    assert head in FITTED_HEADS or min(found.teacher_step, found.rollout_step) > 0


def test_lanes_cost_no_parameters_and_width_does() -> None:
    one, many, wide = (
        pace(own, lanes, DIM, steps=1)
        for own, lanes in ((structure(), 1), (structure(), 4), (structure(width=16), 1))
    )
    assert (one.parameters, one.bytes) == (many.parameters, many.bytes)
    assert one.parameters < wide.parameters and one.bytes < wide.bytes


def test_settings_that_cost_time_reach_every_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Lane] = []

    def start(own: Structure, lanes: list[Lane], *rest: Any) -> pack_run.PackRun:
        seen.extend(lanes)
        return pack_run.PackRun(own, lanes, *rest)

    monkeypatch.setattr(timing, "PackRun", start)
    pace(structure(), 2, DIM, steps=1, like=Lane(scheduled_sampling=0.3, seed=9))
    assert [(lane.seed, lane.scheduled_sampling) for lane in seen] == [(0, 0.3), (1, 0.3)]


def test_a_run_costs_its_steps_and_its_windows() -> None:
    own = structure(steps=7, teacher_epochs=2, rollout_epochs=3)
    steps, windows = 2 * 1 + 3 * 10, own.batch * 3
    held_out = 3 * 0.3 * 2 * 1  # as many windows as three batches, forward only, under teacher forcing
    trained = 7 * steps + held_out
    assert COSTS.seconds(own, 1000, windows) == pytest.approx(trained + (5 + 1) * windows * 0.5)
    judged = trained + 5 * windows * 0.5 + 100 + 20 * 2
    assert COSTS.seconds(own, 1000, windows, 20) == pytest.approx(judged)
    untrained = replace(own, teacher_epochs=0, rollout_epochs=0)
    assert COSTS.seconds(untrained, 1000, windows) == windows * 0.5  # one look all the same


def test_a_pass_over_more_frames_costs_more() -> None:
    own = structure(steps=0, teacher_epochs=1, rollout_epochs=0)
    per_step = own.batch * own.window_frames
    one, three = (COSTS.seconds(own, count * per_step, 0) for count in (1, 3))
    assert (one, three) == (1, 3)


@pytest.mark.parametrize("objective", ["energy_skill@1", "cos@1"])
def test_an_exploration_judges_so_many_windows_and_is_priced_by_them(
    objective: str, make_feed: Callable[..., Feed]
) -> None:
    own = structure(
        rollout=1, horizon=1, objective=objective, rollout_epochs=0, temperatures="0.7,1", dtype="float64"
    )
    (result,) = train_pack(own, [Lane()], make_feed(), make_feed(), SoloContext(), evaluate_each_epoch=True)
    whole = sum(frames - own.context for frames in make_feed().extent.lengths.values())
    ranked = int(sum(row[0] for row in result.scores["counts"]["cos"]))
    assert whole > 640
    assert ranked == whole if objective == "cos@1" else 160 < ranked <= 320
    looks = COSTS.seconds(replace(own, teacher_epochs=0), 1000, whole) / COSTS.look_window
    at_last = min(whole, options.ranked_windows(own.objective) or whole)
    assert looks == 2 * 160 + at_last  # two temperatures, then the ranking


@pytest.mark.parametrize("objective", ["energy_skill@1", "cos@1"])
def test_a_confirmation_of_sampled_runs_judges_so_many_windows_and_is_priced_by_them(
    objective: str, make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "_JUDGED_WINDOWS", 400)
    own = structure(rollout=1, horizon=1, objective=objective, rollout_epochs=0, dtype="float64")
    feed = make_feed()
    (result,) = train_pack(own, [Lane()], feed, feed, SoloContext(), evaluate_each_epoch=False)
    whole = sum(frames - own.context for frames in feed.extent.lengths.values())
    counts = np.array([row[0] for row in result.scores["counts"]["cos"]])
    assert counts.min() > 0.4 * counts.max(), "speakers of equal length share alike"
    assert counts.sum() == whole if objective == "cos@1" else 200 < counts.sum() <= 400
    untrained = replace(own, teacher_epochs=0)
    judged = (COSTS.seconds(untrained, 1000, 0, whole) - COSTS.marginals) / COSTS.final_window
    assert judged == min(options.judged_windows(objective) or whole, whole)
