"""How much a study spends on training, and settings that its user changes: the same for every arm.

Both become part of the study, and so of its seal and of every lane's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from search_spaces.study import PHASES, Study, StudyError

QUICK, STANDARD, THOROUGH = "quick", "standard", "thorough"
SMOKE = "smoke"  # no effort that can be asked for by name: what a smoke run puts in place of settings

# What each effort puts in the place of a study's own settings. Where a study trains no rollout, or lets a
# search choose, it stays so.
EFFORTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # What the study declares: a few hundred optimiser steps, in seconds.
        QUICK: {},
        # Until validation speakers see no more progress, on an hour of speech and two cores.
        STANDARD: {
            "width": 96,
            "steps": 0,
            "teacher_epochs": 8,
            "rollout_epochs": 2,
            "patience": 2,
            "dropout": 0.1,
            "ema": 0.99,
            "marginal_steps": 1000,
        },
        # For a GPU: wider, deeper, and longer pasts.
        THOROUGH: {
            "backbone": "transformer",
            "width": 512,
            "depth": 6,
            "window": 160,
            "batch": 64,
            "steps": 0,
            "teacher_epochs": 100,
            "rollout_epochs": 40,
            "patience": 5,
            "warmup": 200,
            "dropout": 0.2,
            "ema": 0.999,
            "precision": "auto",
            "marginal_steps": 3000,
        },
    }
)
# Of predictors in a smoke run.
_SMOKE_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "width": 8,
        "depth": 1,
        "context": 4,
        "rollout": 2,
        "components": 2,
        "batch": 8,
        "steps": 2,
        "teacher_epochs": 1,
        "rollout_epochs": 1,
        "marginal_steps": 2,
        "window": 0,
        "patience": 0,
    }
)
# What predictors train, also in a smoke run; what studies declare whose predictors are measured further.
PREDICTOR_EFFORTS: Mapping[str, Mapping[str, Any]] = {
    name: dict(settings) for name, settings in {**EFFORTS, SMOKE: _SMOKE_SETTINGS}.items()
}
# Share of these epochs, or steps, that explored lanes train, where it is not all of them.
_EXPLORATION = {STANDARD: 0.25, THOROUGH: 0.25}


def effort_settings(study: Study, effort: str) -> dict[str, Any]:
    """What an effort, or :data:`SMOKE`, puts in the place of a study's settings: of predictors what is usual,
    unless the study says otherwise; of other trainables what the study says.
    """
    usual = PREDICTOR_EFFORTS if study.trainables == ("predictor",) else {}
    return {**usual.get(effort, {}), **study.efforts.get(effort, {})}


def with_effort(study: Study, effort: str) -> Study:
    """The study with the training that an effort stands for, see :func:`effort_settings`.

    Raises:
        StudyError: there is no such effort.
    """
    if effort not in EFFORTS:
        raise StudyError(f"--effort is {effort!r}; it must be one of {', '.join(EFFORTS)}")
    settings = {
        name: value
        for name, value in effort_settings(study, effort).items()
        if not (name in PHASES and study.fixed.get(name) == 0)
    }
    share = _EXPLORATION.get(effort) if settings.keys() & set(study.lengths) else None
    budget = replace(study.budget, exploration=share or study.budget.exploration)
    return replace(study, effort=effort, fixed={**study.fixed, **settings}, budget=budget)


def with_settings(study: Study, settings: Mapping[str, Any]) -> Study:
    """The study with some settings as its user wants them, in every arm, searched no longer.

    Raises:
        StudyError: a setting is what tells the arms apart.
    """
    for name in settings:
        if len(study.arms) > 1 and any(name in arm.fixed for arm in study.arms):
            raise StudyError(
                f"--set {name}: it tells the arms of {study.name!r} apart; run a study of your own instead"
            )
    # A time such as context_ms stands for the frames that it comes to.
    replaced = {*settings, *(f"{name}_ms" for name in settings)}
    replaced |= {name.removesuffix("_ms") for name in settings}

    def rest(of: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in of.items() if name not in replaced}

    return replace(
        study,
        settings=dict(settings),
        fixed={**rest(study.fixed), **settings},
        space=rest(study.space),
        arms=tuple(replace(arm, space=rest(arm.space)) for arm in study.arms),
    )
