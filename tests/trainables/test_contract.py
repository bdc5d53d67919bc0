"""What every trainable must do, whatever it trains: a new one is held to it by adding it to ``SMALL``."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.trainables.small_data import log_mel_feed, small_feed
from trainables.conformance.promises import Promise
from trainables.conformance.trainables import TRAINABLE_PROMISES, TrainableCase
from trainables.errors import InputError
from trainables.lane_config import LaneConfig, trainables

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
# Settings with which a trainable goes another way, as long as its own.
OTHER_WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "score, taught": ("score", {"score_loss": "score", "further_steps": 3}),
}


@cache
def case_of(name: str) -> TrainableCase:
    kind, more = OTHER_WAYS.get(name, (name, {}))
    settings, _, tolerance = SMALL[kind]
    return TrainableCase(
        kind, {**settings, **more}, tolerance, log_mel_feed if kind in DECODED else small_feed
    )


def configs(kind: str, *lanes: dict[str, Any]) -> list[LaneConfig]:
    return case_of(kind).configs(*lanes)


def test_every_trainable_is_held_to_the_contract() -> None:
    assert sorted(SMALL) == trainables()


@pytest.mark.parametrize("promise", TRAINABLE_PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", [*SMALL, *OTHER_WAYS])
def test_every_trainable_keeps_its_promises(name: str, promise: Promise) -> None:
    assert list(promise(case_of(name))) == []


@pytest.mark.parametrize("kind", SMALL)
def test_a_bad_setting_is_refused_by_name(kind: str) -> None:
    ((name, _),) = SMALL[kind][1].items()
    with pytest.raises(InputError, match=f"^{name} is "):
        configs(kind, SMALL[kind][1])


def test_an_unknown_trainable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="^unknown trainable 'predicter'; did you mean 'predictor'"):
        LaneConfig.of({"trainable": "predicter"})


def test_settings_of_a_predictor_name_no_trainable() -> None:
    """So that lanes from before there was another keep their names."""
    assert "trainable" not in LaneConfig.of({"head": "vmf"}).with_defaults()
