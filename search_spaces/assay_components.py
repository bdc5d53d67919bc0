"""The check of `components` itself, on worlds of which it is known what a mixture's components stand for.

In `kinds` steps are of four kinds, each with a sound of its own: GO. In `kinds_unheard` frames are the same,
and sound goes with where a frame lies, which a mixture finds in frames in random order: NO-GO. There are
twice as many components as kinds: of no more than four, two may share a kind while another stands for two. On
frames in random order training may end with few of them in use, so that this null has as many seeds as the
claim.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces import components
from search_spaces.small_predictor import SMALL_PREDICTOR
from search_spaces.study import Budget, Prior

_WHOLE = components.STUDY
_ARM = _WHOLE.arms[0]

STUDY = replace(
    _WHOLE,
    name="assay_components",
    title="Control worlds in which it is known what components stand for",
    hypothesis="In this world components stand for kinds of steps that can be heard.",
    arms=(replace(_ARM, fixed={**_ARM.fixed, "components": 8}, space={}),),
    fixed={
        **SMALL_PREDICTOR,
        "teacher_epochs": 3,
        "rollout_epochs": 0,
        "learning_rate": 1e-2,
        "marginal_steps": 100,
    },
    space={},
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world components stand for what is heard.",
        "NO-GO": "In this world they say less of it than those of frames in random order.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=6),
    controls={},
    source="worlds made for this purpose",
)
