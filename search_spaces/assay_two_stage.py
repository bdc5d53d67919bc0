"""The check of `two_stage` itself, on worlds of which it is known whether magnitudes can wait.

In `directional` the magnitude of a step is drawn by itself, whatever its direction and the past: GO. In
`lorenz` a frame tells the whole next step, and trajectories go fast in one place and slowly in another: drawn
magnitudes lose what the state says of them, NO-GO. In `white` there is nothing to lose: NO-GO.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces import two_stage
from search_spaces.study import Budget, Prior

_WHOLE = two_stage.STUDY
_KEPT = ("one_stage", "global_features")

STUDY = replace(
    _WHOLE,
    name="assay_two_stage",
    title="Control worlds in which it is known whether magnitudes can be drawn afterwards",
    hypothesis="In this world directions first, and magnitudes afterwards, lose nothing.",
    arms=tuple(arm for arm in _WHOLE.arms if arm.name in _KEPT),
    criteria=_WHOLE.binding,
    # In the coordinates in which a world draws its magnitudes, over no more steps than count.
    fixed={
        "coordinates": "raw",
        "context": 8,
        "horizon": 8,
        "steps": 500,
        "width": 48,
        "utterances": 1,
        "seconds": 0.4,
    },
    space={},
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world magnitudes can wait.",
        "NO-GO": "In this world they cannot, or there is nothing to lose.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1),
    controls={},
    source="worlds made for this purpose",
)
