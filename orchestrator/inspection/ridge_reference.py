"""Ridge regression on the same past as every arm, scored on the test speakers: what an arm has to beat before
anything follows from its failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import Split
from trainables.predictor.config import Lane, LaneConfig, Structure
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.evaluation.options import EvaluationOptions
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import fit_baselines

_SPLITS = (Split.TRAIN, Split.TEST)
_MEASURED = EvaluationOptions(sampled=True)


def ridge_scores(
    configs: Mapping[str, LaneConfig], latents: Mapping[str, RayLatents]
) -> dict[str, dict[str, Any]]:
    """Test scores, as plain data, of ridge regression on the past that each arm is given, by arm.

    Arms of one representation, context, horizon and feedback share one regression.

    Args:
        configs: of the arms' winners.
        latents: by representation.
    """
    of_arm = {arm: _structure(config.structure) for arm, config in configs.items()}
    asked = list(dict.fromkeys(of_arm.values()))
    for structure in asked:
        for split in _SPLITS:
            latents[structure.representation].read(split)
    task = ray.remote(_fit_and_score)
    parts = [task.remote(latents[s.representation].only(*_SPLITS), s) for s in asked]
    scores = dict(zip(asked, ray.get(parts), strict=True))
    return {arm: scores[structure] for arm, structure in of_arm.items()}


def _structure(arm: Structure) -> Structure:
    """What ridge regression shares with an arm: its past, and how its free runs are measured."""
    return Structure(
        head="linear",
        representation=arm.representation,
        context=arm.context,
        rollout=arm.rollout,
        horizon=arm.horizon,
        feedback=arm.feedback,
        runaway=arm.runaway,
    )


def _fit_and_score(latents: RayLatents, structure: Structure) -> dict[str, Any]:
    train, test = (feed(latents, split, (Surrogate.REAL,), "cpu", torch.float32) for split in _SPLITS)
    data = PreparedData.from_feed(train)
    fitted = Stacked(fit_baselines(structure, [Lane()], train, data))
    (scores,) = evaluate(
        structure,
        fitted,
        [Surrogate.REAL],
        test,
        data.moments,
        options=_MEASURED,
        climate=data.climate(),
    )
    return scores.to_json()
