"""What latents of few dimensions cannot be asked."""

from __future__ import annotations

from orchestrator.datasets.collection import LatentCollection
from orchestrator.planning.plan import Plan
from trainables.errors import InputError
from trainables.predictor.config import ON_STATES, POLAR


def require_directions(plan: Plan, latents: LatentCollection) -> None:
    """Refuse latents of one dimension for arms that predict a direction: there a direction is but a sign.

    Raises:
        InputError: an arm has a polar head, and its latents have one dimension.
    """
    for arm in plan.study.arms:
        for structure in plan.structures(arm):
            settings = {**plan.fixed(arm), **structure}
            named = settings.get("representation")
            dataset = latents.of(named) if named else latents.first
            if settings.get("head") in (*POLAR, *ON_STATES) and dataset.meta.dim < 2:
                raise InputError(
                    f"{dataset.root} has latents of 1 dimension, and arm {arm.name!r} predicts directions "
                    f"by head {settings['head']!r}, for which it takes 2 at least; "
                    "give --latents of more dimensions"
                )
