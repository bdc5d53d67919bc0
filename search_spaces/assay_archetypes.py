"""The check of `archetypes` itself: 256 clusters, on worlds of which it is known whether directions recur.

In `postures` 288 directions recur for every speaker: GO. In `postures_of_speakers` each speaker has others,
and in `white` there are none: NO-GO.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces import archetypes
from search_spaces.study import Budget, Prior

_WHOLE = archetypes.STUDY
_ARM = _WHOLE.arms[0]

STUDY = replace(
    _WHOLE,
    name="assay_archetypes",
    title="Control worlds with known archetypes",
    hypothesis="In this world directions recur, and they are the same for all speakers.",
    arms=(replace(_ARM, fixed={**_ARM.fixed, "clusters": 256}, space={}),),
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world directions recur.",
        "NO-GO": "In this world they do not.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1),
    controls={},
    source="worlds made for this purpose",
)
