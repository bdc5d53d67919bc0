"""The check of `manifold` itself: sampled states, on worlds of which it is known whether they can be frames.

In `jumps` frames hardly move or jump, and a head that draws every magnitude from one LogNormal leaves them:
GO, as the same head describes the same frames in random order better. In `homing` the head's own law made
the frames: NO-GO.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces import manifold
from search_spaces.small_predictor import SMALL_PREDICTOR
from search_spaces.study import Budget, Prior

_WHOLE = manifold.STUDY
_ARM = _WHOLE.arm("sample")

STUDY = replace(
    _WHOLE,
    name="assay_manifold",
    title="Control worlds in which it is known whether sampled states are frames",
    hypothesis="In this world sampled states leave the region of frames.",
    arms=(_ARM,),
    fixed={
        **SMALL_PREDICTOR,
        "head": "vmf",
        "kappa_prior": 1e-3,
        "kappa_prior_ratio": 1.5,
        "teacher_epochs": 4,
        "rollout_epochs": 0,
        "learning_rate": 1e-2,
        "marginal_steps": 100,
    },
    space={},
    criteria=tuple(criterion for criterion in _WHOLE.criteria if criterion.arm == _ARM.name),
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world sampled states are no frames.",
        "NO-GO": "In this world they are, or no less than where frames have no memory.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1),
    controls={},
    source="worlds made for this purpose",
)
