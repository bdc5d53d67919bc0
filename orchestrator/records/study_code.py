"""The version of the code that a study's lanes get their numbers from, parts that users bring included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.records.code_versions import code_version
from search_spaces.domains import Choice
from search_spaces.study import Study
from trainables.lane_config import PART_SETTINGS, TRAINABLE_SETTING, LaneConfig, own_references, trainables
from trainables.own_parts.registry import load_part
from trainables.own_parts.source import source_hash


def code_of_study(study: Study) -> str:
    """The version of all code that the lanes of a study get their numbers from.

    Raises:
        InputError: the source of a part that a user brings cannot be found.
    """
    ours = [name for name in study.trainables if name in trainables()]
    own = sorted({part for settings in _settings(study) for part in own_references(settings)})
    return _with_own(code_version(*ours), own)


def code_of_lane(config: LaneConfig, code: str) -> str:
    """The version of the code that a lane gets its numbers from: that of this project, and of its own parts.

    Args:
        code: version of this project's code.
    """
    return _with_own(code, config.own_parts())


def require_own_parts(study: Study) -> None:
    """Import every part of a user's that a study names, so that what fails does so before anything starts.

    Raises:
        InputError: one cannot be imported.
    """
    for settings in _settings(study):
        for setting, value in settings.items():
            for name in str(value).split(","):
                if own_references({setting: name}):
                    load_part(PART_SETTINGS[setting], name.strip())


def _with_own(code: str, own: list[str]) -> str:
    return f"{code}-{source_hash(*own)}" if own else code


def _settings(study: Study) -> Iterator[Mapping[str, Any]]:
    """Settings that may name a part, one at a time: all that the arms of a study fix or search."""
    for arm in study.arms:
        yield {TRAINABLE_SETTING: arm.trainable}
        for place in (study.fixed, study.space, arm.fixed, arm.space):
            for setting in PART_SETTINGS.keys() & place.keys():
                value = place[setting]
                for option in value.options if isinstance(value, Choice) else (value,):
                    yield {setting: option}
