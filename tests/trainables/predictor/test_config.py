"""What a lane is told: kept as it was named, compared by what it means, refused as soon as it is wrong."""

import json
import pickle

import pytest

from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.predictor.config import Lane, Structure

SETTINGS = {"seed": 3, "head": "vmf", "learning_rate": 0.01, "depth": 2}
CONFIG = LaneConfig.of(SETTINGS)


def test_settings_stay_as_they_were_named_and_the_others_have_their_defaults() -> None:
    assert list(CONFIG.to_json().items()) == list(SETTINGS.items())
    assert CONFIG.structure == Structure(head="vmf", depth=2)
    assert CONFIG.lane == Lane(seed=3, learning_rate=0.01)
    every = CONFIG.with_defaults()
    assert {name: every[name] for name in SETTINGS} == SETTINGS
    assert (every["width"], every["surrogate"]) == (64, "real")


def test_changes_make_another_configuration_and_leave_the_first_as_it_was() -> None:
    changed = CONFIG | {"depth": 1, "width": 8}
    assert list(changed.to_json().items()) == [*(SETTINGS | {"depth": 1}).items(), ("width", 8)]
    assert CONFIG.to_json() == SETTINGS
    assert changed.without("width", "seed").to_json() == {"head": "vmf", "learning_rate": 0.01, "depth": 1}
    copy = CONFIG.to_json()
    copy["depth"] = 9
    assert CONFIG.structure.depth == 2


def test_equal_settings_in_any_order_are_one_key_and_a_default_spelled_out_is_another() -> None:
    reordered = LaneConfig.of(dict(reversed(SETTINGS.items())))
    spelled_out = CONFIG | {"width": 64}
    assert {CONFIG: 1}[reordered] == 1
    assert CONFIG != spelled_out and CONFIG != SETTINGS
    assert CONFIG.means_the_same_as(spelled_out)
    assert not CONFIG.means_the_same_as(CONFIG | {"width": 65})
    assert not CONFIG.means_the_same_as(CONFIG | {"surrogate": "white"})


def test_a_surrogate_is_one_whether_it_came_as_text_or_not() -> None:
    as_text, as_member = (CONFIG | {"surrogate": given} for given in ("white", Surrogate.WHITE))
    assert as_text == as_member and hash(as_text) == hash(as_member)
    assert as_text.lane.surrogate is Surrogate.WHITE is as_member.lane.surrogate
    assert json.dumps(as_member.to_json()) == json.dumps(as_text.to_json())
    assert json.dumps(as_member.with_defaults()) == json.dumps(as_text.with_defaults())
    assert json.loads(json.dumps(SURROGATES)) == ["real", "white", "gaussian"]


def test_it_survives_being_pickled() -> None:
    again = pickle.loads(pickle.dumps(CONFIG))
    assert again == CONFIG and again.to_json() == SETTINGS and again.structure == CONFIG.structure


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"head": "vmf", "widht": 3}, "unknown setting 'widht'; known are "),
        ({"width": 3}, "head is missing; it must be one of mdn, "),
        ({"head": "vmf", "width": 0}, "width is 0; it must be at least 1"),
        (
            {"head": "vmf", "surrogate": "pink"},
            "surrogate is 'pink'; it must be one of real, white, gaussian",
        ),
        ({"head": "mdn", "coupling": "kappa_on_magnitude"}, "set coupling to 'none'"),
        ({"head": "vmf", "width": "wide"}, "width is 'wide'; it must be a whole number"),
        ({"head": "vmf", "width": 1.5}, "width is 1.5; it must be a whole number"),
        ({"head": "vmf", "depth": True}, "depth is True; it must be a whole number"),
        ({"head": "vmf", "learning_rate": "fast"}, "learning_rate is 'fast'; it must be a number"),
        ({"head": "vmf", "dropout": None}, "dropout is None; it must be a number"),
        ({"head": "vmf", "objective": 3}, "objective is 3; it must be text"),
    ],
)
def test_what_is_wrong_is_refused_when_it_is_named(settings: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        LaneConfig.of(settings)
