"""The check of `linear_readout` itself, on worlds of which it is known whether a linear readout is enough.

In `gaussian` nothing is to be gained by bending: GO. In `product` the next frame depends on products of two
coordinates, of which a linear readout has to carry both: NO-GO. In `white` there is nothing to read: NO-GO.
"""

from __future__ import annotations

from dataclasses import replace

from search_spaces import linear_readout
from search_spaces.study import Budget, Prior

STUDY = replace(
    linear_readout.STUDY,
    name="assay_linear_readout",
    title="Control worlds in which it is known what a readout has to be",
    hypothesis="In this world a linear readout says as much about the next frame as a nonlinear one.",
    fixed={"readout_window": 1, "learning_rate": 8e-3, "steps": 120, "dynamics_width": 48},
    space={},
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world a linear readout is enough.",
        "NO-GO": "In this world it is not, or there is nothing to read.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1),
    controls={},
    source="worlds made for this purpose",
)
