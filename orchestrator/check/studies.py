"""A user's study, examined: its file, its settings and the parts that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.planning.plan import make_plan
from orchestrator.planning.sound_settings import require_sound_settings
from orchestrator.records.study_code import require_own_parts
from orchestrator.records.study_file import load_study
from search_spaces.effort import EFFORTS, with_effort, with_settings
from search_spaces.study import bound

_NAMES = ["the first latents", "the second latents"]  # stand for those of a study that compares


def examined_study(path: str, settings: Mapping[str, Any]) -> str:
    """What a user's study asks, in a line, once it is clear that it can be planned with every effort.

    Raises:
        InputError: the file has an error, or a setting or a part is wrong.
        StudyError: the study contradicts itself.
    """
    study = load_study(path)
    require_own_parts(study)
    rates = {"": 50.0, **dict.fromkeys(_NAMES, 50.0)}
    for effort in EFFORTS:
        asked = with_settings(with_effort(study, effort), settings)
        for smoke in (False, True):
            plan = make_plan(bound(asked, _NAMES[: 1 + study.compares]), smoke=smoke, frame_rates=rates)
            require_sound_settings(plan, Path(path))
    arms = " against ".join(arm.name for arm in study.arms)
    return f"holds          The study {study.name} can be planned: {arms}, decided by {study.primary.metric}."
