"""What every arm stands beside: ridge regression on the same past, and rules that learn nothing, scored on
the test speakers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from trainables.lane_config import LaneConfig
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import Split
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluation.evaluate import baseline_scores, evaluate
from trainables.predictor.evaluation.options import EvaluationOptions, judged_windows
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import fit_baselines

RIDGE = "ridge"
_SPLITS = (Split.TRAIN, Split.TEST)
_MEASURED = EvaluationOptions(sampled=True)
# What ridge regression shares with an arm: its past, and how its free runs are measured.
_SHARED = ("representation", "context", "rollout", "horizon", "feedback", "runaway")


def scores_of_rules(
    configs: Mapping[str, LaneConfig], latents: Mapping[str, RayLatents]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Test scores, as plain data, of each rule on the past that each arm is given, by arm and rule: "ridge",
    "mean" (delta = mean - z_t) and "persistence".

    Arms whose rules are the same share them.

    Args:
        configs: of the arms' winners.
        latents: by representation.
    """
    of_arm = {
        arm: (_ridge_beside(config.structure), judged_windows(config.structure.objective))
        for arm, config in configs.items()
    }
    asked = list(dict.fromkeys(of_arm.values()))
    for structure, _ in asked:
        for split in _SPLITS:
            latents[structure.representation].read(split)
    task = ray.remote(_fit_and_score)
    parts = [task.remote(latents[s.representation].only(*_SPLITS), s, windows) for s, windows in asked]
    scores = dict(zip(asked, ray.get(parts), strict=True))
    return {arm: scores[rules] for arm, rules in of_arm.items()}


def _ridge_beside(arm: Structure) -> Structure:
    return Structure(head="linear", **{name: getattr(arm, name) for name in _SHARED})


def _fit_and_score(latents: RayLatents, ridge: Structure, windows: int) -> dict[str, dict[str, Any]]:
    train, test = (feed(latents, split, (Surrogate.REAL,), "cpu", torch.float32) for split in _SPLITS)
    data = PreparedData.from_feed(train)
    (fitted,) = evaluate(
        ridge,
        Stacked(fit_baselines(ridge, [Lane()], train, data)),
        [Surrogate.REAL],
        test,
        data.moments,
        options=replace(_MEASURED, windows=windows),
        climate=data.climate(),
    )
    scores = {RIDGE: fitted, **baseline_scores(test, data.moments, ridge.context, ridge.horizon)}
    return {name: of_rule.to_json() for name, of_rule in scores.items()}
