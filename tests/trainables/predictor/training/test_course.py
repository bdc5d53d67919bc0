"""Lanes end by their own patience, keep their best state, and nothing of it depends on who is beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.training.course import Course
from trainables.predictor.training.held_out import held_out_losses
from trainables.predictor.training.lane_result import LaneResult
from trainables.predictor.training.pack_run import PackRun
from trainables.predictor.training.schedule import (
    LOWEST_RATE,
    ROLLOUT,
    TEACHER,
    epoch_steps,
    learning_rates,
    progress,
)
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

STRUCTURE = Structure(
    "mdn",
    width=8,
    context=5,
    rollout=3,
    horizon=4,
    components=2,
    batch=6,
    steps=3,
    teacher_epochs=12,
    rollout_epochs=6,
    patience=1,
    warmup=1,
    cooling=0.1,
    marginal_steps=5,
    dtype="float64",
)
# The second learns so fast that its loss soon rises, the third has no past to learn from.
LANES = [
    Lane(seed=1, learning_rate=3e-3),
    Lane(seed=2, learning_rate=0.06),
    Lane(seed=3, learning_rate=3e-2, surrogate=Surrogate.WHITE),
]


class Interrupted(Exception):
    pass


class InterruptedContext(SoloContext):
    """Breaks off after some epochs, and hands back the last state when it is asked again."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.saved = after, None

    def report(self, progress: dict, state: dict | None = None) -> None:
        super().report(progress, state)
        self.saved = state
        self.after -= 1
        if self.after == 0:
            raise Interrupted

    def restore(self) -> dict | None:
        return self.saved


def train(
    make_feed: Callable[..., Feed],
    lanes: Sequence[Lane] = LANES,
    context: SoloContext | None = None,
    **settings: object,
) -> list[LaneResult]:
    feeds = [make_feed(surrogates=SURROGATES) for _ in range(3)]
    own = replace(STRUCTURE, **settings)
    return train_pack(
        own, lanes, *feeds[:2], context or SoloContext(), evaluate_each_epoch=False, validation=feeds[2]
    )


def assert_equal(one: LaneResult, other: LaneResult) -> None:
    assert [e["loss"] for e in one.history] == pytest.approx([e["loss"] for e in other.history], rel=1e-9)
    assert list(one.courses) == list(other.courses)
    for phase, course in one.courses.items():
        assert course == pytest.approx(other.courses[phase], rel=1e-9), phase
    for name, value in one.state.items():
        assert torch.allclose(value, other.state[name], rtol=1e-7, atol=1e-9), name


def test_lanes_of_a_pack_end_at_times_of_their_own_and_as_if_they_were_alone(
    make_feed: Callable[..., Feed],
) -> None:
    together = train(make_feed)
    assert len({len(result.history) for result in together}) > 1  # else nothing was set aside
    for lane, result in zip(LANES, together, strict=True):
        (alone,) = train(make_feed, [lane])
        assert_equal(result, alone)


@pytest.mark.parametrize("after", [1, 3, 5, 9])
def test_an_interrupted_pack_ends_where_it_would_have(make_feed: Callable[..., Feed], after: int) -> None:
    whole = train(make_feed, context=InterruptedContext(after=10**6))
    context = InterruptedContext(after)
    with pytest.raises(Interrupted):
        train(make_feed, context=context)
    for one, other in zip(train(make_feed, context=context), whole, strict=True):
        assert_equal(one, other)


def test_the_state_that_is_judged_is_the_best_of_the_last_phase(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(surrogates=SURROGATES)
    # So fast a lane that it gets worse again and again; hardly any of its rate falls away at the end.
    own = replace(STRUCTURE, patience=0, rollout_epochs=0, cooling=0.01)
    run = PackRun(own, [Lane(seed=2, learning_rate=0.1)], feed, SoloContext(), feed)
    losses = []
    while (epoch := run.next_epoch()) is not None:
        run.train_epoch(epoch)
        scores = evaluate(own, run.pack.stacked, ["real"], feed, run.data.moments)
        run.look(scores)
        losses.append(run.history[0][-1]["validation_loss"])
    assert losses[-1] > min(losses)
    run.finish()
    assert held_out_losses(own, run.pack, feed) == pytest.approx([min(losses)], rel=1e-12)


def test_patience_counts_epochs_without_a_lower_loss_and_then_the_rate_falls() -> None:
    own = replace(STRUCTURE, patience=2, teacher_epochs=20, cooling=0.1)
    course = Course()
    for epoch, loss in enumerate([5.0, 4.0, 4.5, 3.9, 4.1, 4.2]):
        course.begin_epoch(own, TEACHER, epoch)
        course.look(own, TEACHER, epoch, loss)
    assert (course.best_epoch, course.best_loss, course.cooling_from) == (3, 3.9, 6)
    assert not course.has_cooled(own, TEACHER, 7) and course.has_cooled(own, TEACHER, 8)


def test_without_patience_a_phase_lasts_and_cools_at_its_end() -> None:
    own = replace(STRUCTURE, patience=0, teacher_epochs=8, cooling=0.25)
    course = Course()
    for epoch in range(8):
        course.begin_epoch(own, TEACHER, epoch)
        course.look(own, TEACHER, epoch, loss=float(epoch))  # worse and worse
        assert course.has_cooled(own, TEACHER, epoch + 1) == (epoch == 7)
    assert (course.cooling_from, course.best_epoch) == (6, 0)


def test_a_rate_rises_stays_and_falls_for_each_lane_by_itself() -> None:
    own = replace(STRUCTURE, warmup=4, teacher_epochs=10, cooling=0.2)
    first = learning_rates(own, TEACHER, 0, [None, None], 3)
    assert first[:, 0].tolist() == pytest.approx([0.25, 0.5, 0.75])
    later = learning_rates(own, TEACHER, 6, [5, None], 3)  # two epochs of cooling, six steps
    falls = [1 - (1 - LOWEST_RATE) * share for share in (3 / 6, 4 / 6, 5 / 6)]
    assert later[:, 0].tolist() == pytest.approx(falls)
    assert later[:, 1].tolist() == [1.0, 1.0, 1.0]


def test_an_epoch_is_a_pass_over_the_frames_within_the_budget() -> None:
    own = replace(STRUCTURE, steps=0)
    per_step = own.batch * (own.context + own.rollout)
    assert epoch_steps(own, 10 * per_step) == 10
    assert epoch_steps(own, 10 * per_step + 1) == 11
    assert epoch_steps(replace(own, window=2 * (own.context + own.rollout)), 10 * per_step) == 5
    assert epoch_steps(replace(own, steps=7), 10 * per_step) == 7
    budget = 4 * per_step * own.epochs
    assert epoch_steps(replace(own, max_frames=budget), 10 * per_step) == 4
    assert epoch_steps(replace(own, max_frames=budget), 2 * per_step) == 2


def test_a_free_run_has_its_full_weight_long_before_the_rate_falls() -> None:
    own = replace(STRUCTURE, rollout_epochs=8)
    weights = [progress(own, ROLLOUT, step, 10) for step in range(80)]
    assert weights[0] == 0 and weights[10] == 0.5 and min(weights[20:]) == 1.0


def test_a_running_mean_of_weights_is_what_is_judged(make_feed: Callable[..., Feed]) -> None:
    (still,) = train(make_feed, LANES[:1], teacher_epochs=1, rollout_epochs=0, ema=0.999999)
    (fresh,) = train(make_feed, LANES[:1], teacher_epochs=0, rollout_epochs=0)
    (moved,) = train(make_feed, LANES[:1], teacher_epochs=1, rollout_epochs=0)
    name = max(fresh.state, key=lambda n: float((fresh.state[n] - moved.state[n]).abs().max()))
    assert torch.allclose(still.state[name], fresh.state[name], atol=1e-6)
    assert not torch.allclose(moved.state[name], fresh.state[name], atol=1e-4)


@pytest.mark.parametrize(
    "settings", [{"dropout": 0.5}, {"clip": 1e-4}, {"warmup": 500}, {"window": 12}], ids=str
)
def test_each_setting_of_training_changes_what_is_learnt(
    make_feed: Callable[..., Feed], settings: dict[str, object]
) -> None:
    short = {"teacher_epochs": 2, "rollout_epochs": 1, "patience": 0}
    (plain,), (changed,) = (train(make_feed, LANES[:1], **{**short, **more}) for more in ({}, settings))
    assert plain.history[-1]["loss"] != changed.history[-1]["loss"]


def test_dropout_is_of_its_own_lane_and_not_in_what_is_judged(make_feed: Callable[..., Feed]) -> None:
    settings = {"teacher_epochs": 2, "rollout_epochs": 2, "patience": 0, "dropout": 0.5}
    together = train(make_feed, LANES[:2], **settings)
    (alone,) = train(make_feed, LANES[1:2], **settings)
    assert_equal(together[1], alone)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"window": 3}, "window is 3"),
        ({"patience": 2, "rung_epochs": 1}, "rung_epochs 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"cooling": 0.0}, "cooling is 0.0"),
        ({"ema": -0.1}, "ema is -0.1"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        replace(STRUCTURE, **settings)


@pytest.mark.parametrize("looked_at", [True, False], ids=["looked at", "not looked at"])
@pytest.mark.parametrize("epochs", [(1, 1), (2, 0)], ids=["dead before the rollout", "teacher forcing alone"])
def test_a_lane_whose_steps_are_never_finite_has_diverged_though_its_weights_are_sound(
    make_feed: Callable[..., Feed], epochs: tuple[int, int], looked_at: bool
) -> None:
    feeds = [make_feed() for _ in range(3)]
    own = replace(
        STRUCTURE, head="vmf", steps=25, teacher_epochs=epochs[0], rollout_epochs=epochs[1], patience=0
    )
    lanes = [Lane(seed=1), Lane(seed=2, kappa_prior=float("inf"))]
    validation = feeds[2] if looked_at else None
    sound, dead = train_pack(
        own, lanes, *feeds[:2], SoloContext(), evaluate_each_epoch=False, validation=validation
    )
    assert (sound.status, dead.status, dead.scores) == ("finished", "diverged", None)
    assert all(value.isfinite().all() for value in dead.state.values())
