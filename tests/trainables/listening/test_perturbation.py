"""Errors of direction and of magnitude that are equally large, frame by frame."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.trainables.small_data import log_mel_feed, small_evaluation, small_feed
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.listening.perturbation import Replacements, heard_path, perturbed, rigid_turn
from trainables.listening.perturbation_settings import DOSED, REPLACED
from trainables.predictor.scores import Scores
from trainables.training_context import SoloContext

PATH = np.cumsum(np.random.default_rng(0).normal(size=(30, 8)), 0)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


@pytest.mark.parametrize("kind", DOSED)
@pytest.mark.parametrize("dose", [0.25, 0.5])
def test_every_kind_moves_every_frame_and_every_step_by_the_dose(kind: str, dose: float) -> None:
    steps = np.diff(PATH, axis=0)
    for moved in perturbed(PATH, kind, dose, seed=1).values():
        for true, made in ((PATH, moved), (steps, np.diff(moved, axis=0))):
            error = np.linalg.norm(made - true, axis=1) / np.linalg.norm(true, axis=1)
            np.testing.assert_allclose(error, dose, rtol=1e-9)


def test_a_turn_keeps_magnitudes_and_turns_all_directions_alike() -> None:
    (turned,) = perturbed(PATH, "turn", 0.5, seed=1).values()
    steps, made = np.diff(PATH, axis=0), np.diff(turned, axis=0)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), np.linalg.norm(steps, axis=1), rtol=1e-9)
    np.testing.assert_allclose(cosines(made, steps), math.cos(2 * math.asin(0.25)), rtol=1e-9)
    other = perturbed(PATH, "turn", 0.5, seed=2)["turn"]
    assert np.abs(turned - other).max() > 0.1, "another seed turns in other planes"


def test_shrinking_and_growing_keep_directions() -> None:
    made = perturbed(PATH, "scale", 0.25, seed=1)
    assert list(made) == ["shrink", "grow"]
    for moved, factor in zip(made.values(), (0.75, 1.25), strict=True):
        np.testing.assert_allclose(moved, factor * PATH)


def test_a_turn_is_a_rotation_in_an_odd_number_of_dimensions_too() -> None:
    rotation = rigid_turn(np.linalg.qr(np.random.default_rng(3).normal(size=(5, 5)))[0], 0.7)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(5), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert np.trace(rotation) == pytest.approx(1 + 4 * math.cos(0.7))


def test_a_larger_dose_costs_more() -> None:
    feeds = [log_mel_feed(names) for names in (["a", "b", "c"], ["d", "e"])]
    config = LaneConfig.of(
        {"trainable": "perturbation", "seconds": 0.5, "low_dose": 0.05, "high_dose": 0.9, "kind": "scale"}
    )
    (result,) = config.trainable.train(
        config.structure, [config.lane], feeds[0], small_evaluation(*feeds), SoloContext()
    )
    scores = Scores.from_json(result.scores or {})
    assert scores.speakers == ["d", "e"]
    for metric in ("quality_loss", "spectral_loss"):
        low, high = (scores.value(f"{metric}_{level}") for level in ("low", "high"))
        assert 0 <= low < high
        assert scores.value(metric) == pytest.approx((low + high) / 2)
        both = (scores.value(f"{metric}_shrink") + scores.value(f"{metric}_grow")) / 2
        assert scores.value(metric) == pytest.approx(both)


GIVEN = Replacements(mean_D=np.full(8, 0.5), magnitudes_N=np.array([1.0, 2.0, 6.0]))


@pytest.mark.parametrize("kind", REPLACED)
def test_replaced_magnitudes_leave_directions_as_they_are(kind: str) -> None:
    start, after = PATH[0], PATH[1:]
    steps = np.diff(after, axis=0, prepend=start[None])
    made = np.diff(GIVEN.path(start, after, kind, seed=1), axis=0, prepend=start[None])
    np.testing.assert_allclose(cosines(made, steps), 1, rtol=1e-9)
    true, drawn = (np.linalg.norm(each, axis=1) for each in (steps, made))
    expected = {
        "empirical": set(np.round(drawn, 6)) <= {1.0, 2.0, 6.0},
        "permuted": np.allclose(np.sort(drawn), np.sort(true)) and not np.allclose(drawn, true),
        "constant": np.allclose(drawn, 2.0),
        "smoothed": np.allclose(drawn[2:-2], np.lib.stride_tricks.sliding_window_view(true, 5).mean(1)),
    }
    assert expected[kind]


def test_what_stands_still_has_no_steps() -> None:
    assert (GIVEN.path(PATH[0], PATH[1:], "frozen", 0) == PATH[0]).all()
    assert (GIVEN.path(PATH[0], PATH[1:], "mean", 0) == 0.5).all()


def test_listeners_hear_shrinking_and_growing_by_turns_at_the_high_dose() -> None:
    structure = LaneConfig.of({"trainable": "perturbation", "kind": "scale", "high_dose": 0.4}).structure
    for number, factor in ((0, 0.6), (1, 1.4), (2, 0.6)):
        heard = heard_path(structure, 1, PATH[0], PATH[1:], number)
        np.testing.assert_allclose(heard - PATH[0], factor * (PATH[1:] - PATH[0]))
    drawn = LaneConfig.of({"trainable": "perturbation", "kind": "empirical"}).structure
    with pytest.raises(InputError, match="'empirical' cannot be played"):
        heard_path(drawn, 1, PATH[0], PATH[1:], 0)


def test_latents_without_a_decoder_are_refused() -> None:
    feed = small_feed(["a"])
    config = LaneConfig.of({"trainable": "perturbation"})
    with pytest.raises(InputError, match="no decoder to audio"):
        config.trainable.train(
            config.structure, [config.lane], feed, small_evaluation(feed, feed), SoloContext()
        )
