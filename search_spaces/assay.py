"""The check of the instrument itself: does this code distinguish kept directions from pure noise?

It runs on control worlds alone. On `directional` the answer is GO, on `white` and `loud_white` NO-GO; a code
version that answers otherwise is not believed about anything else. Nothing is searched: the settings are
known to suffice.
"""

from __future__ import annotations

from search_spaces.small_predictor import SMALL_PREDICTOR
from search_spaces.study import DIRECTION_KEPT, Arm, Budget, Criterion, Prior, Role, Spread, Study

STUDY = Study(
    name="assay",
    title="Control worlds with a known answer",
    hypothesis="In this world a von Mises-Fisher head keeps its direction through a 16-step rollout.",
    arms=(
        Arm(
            name="vmf",
            title="von Mises-Fisher direction x LogNormal magnitude",
            fixed={"head": "vmf", "kappa_prior": 1e-3, "kappa_prior_ratio": 1.5},
            space={},
        ),
    ),
    fixed={
        **SMALL_PREDICTOR,
        "steps": 60,
        "teacher_epochs": 2,
        "rollout_epochs": 1,
        "rollout": 8,
        "feedback": "mean",
        "learning_rate": 1e-2,
        "marginal_steps": 100,
    },
    space={},
    criteria=(
        Criterion(
            name="direction is kept at the end of the rollout",
            metric="cos@16",
            arm="vmf",
            success=0.6,
            failure=0.3,
            role=Role.PRIMARY,
            beats_null=True,
            source="Research Discussion 7, section 6.3",
        ),
        Criterion(
            name="the past says something about the next frame",
            metric="predictive_information",
            arm="vmf",
            success=0.0,
            failure=0.0,
            source="true of every world but those that are white",
        ),
    ),
    objective=DIRECTION_KEPT,
    prior=Prior(0.5, "none is needed: the answer is known"),
    consequences={
        "GO": "In this world directions are kept.",
        "NO-GO": "In this world they are not.",
        "INCONCLUSIVE": "The instrument cannot decide; do not use it.",
        "INADMISSIBLE": "The instrument is out of order; do not use it.",
    },
    # Its nulls decide nothing: in the worlds that have no memory the arm is one by itself.
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1),
    controls={},
    spread=Spread(0.02, 0.01, 0.01, "control worlds, where speakers differ little"),
    source="worlds made for this purpose",
)
