"""The check of `score_correction` itself, on rings whose models are known to be too noisy, or too quiet.

In `ring` the model that comes with the world draws more noise than the truth has, and frames lie on a thin
ring: a step along the score takes it away, GO. In `ring_quiet` frames are the same and the model draws less:
the same step takes away spread that the samples need, NO-GO, although their error falls. Of the study's arms
the one that corrects is asked: a world's own model cannot be taught.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces import score_correction
from search_spaces.study import Budget, Prior

_WHOLE = score_correction.STUDY
_CORRECTED = _WHOLE.arms[0]
_GIVEN = {"correction": "tweedie", "sigma": 0.3}

STUDY = replace(
    _WHOLE,
    name="assay_score_correction",
    title="Control worlds in which it is known whether a correction helps",
    hypothesis="In this world samples of the model come nearer to the truth when they are denoised.",
    arms=(replace(_CORRECTED, title="samples of the world's model, corrected", fixed=_GIVEN, space={}),),
    fixed={**_WHOLE.fixed, "forecaster": "world"},
    criteria=tuple(criterion for criterion in _WHOLE.criteria if criterion.arm == _CORRECTED.name),
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world a correction helps.",
        "NO-GO": "In this world it does harm.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1),
    controls={},
    source="worlds made for this purpose",
)
