"""Do rolled-out states leave the manifold? A density of single frames, of true and of rolled-out ones.

GO means that they do: the hypothesis is drift, and score-based correction could help.
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.study import DIRECTION_KEPT, DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Study

_VMF = Arm(
    name="vmf",
    title="rolled-out states of the von Mises-Fisher head",
    fixed={"head": "vmf"},
    space={"density": Choice(("flow", "vae"))},
)

_CRITERIA = (
    Criterion(
        name="rolled-out states are where hardly any true state is",
        # Share of states at step 16 that are less likely than the least likely 5 % of true frames.
        metric="off_manifold_share@16",
        arm="vmf",
        success=0.5,
        failure=0.1,
        role=Role.PRIMARY,
        source="Research Discussion 7, section 9, question 4 (“much lower likelihood”); it gives no "
        "threshold: half of the states for success, and for failure 0.1, twice that of true frames, are ours",
    ),
    Criterion(
        name="drift grows along the rollout",
        metric="off_manifold_growth",  # share at step 16 minus share at step 1
        arm="vmf",
        success=0.0,
        failure=0.0,
        source="ours: errors that compound grow",
    ),
)

STUDY = Study(
    name="manifold",
    title="Do rolled-out states leave the manifold of true frames?",
    hypothesis=(
        "States of a 16-step vMF rollout have much lower likelihood than true frames: they drift "
        "off-manifold."
    ),
    arms=(_VMF,),
    fixed={"backbone": "gru", "context": 16, "horizon": 16},
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "feedback": Choice(("mean", "mode")),
    },
    criteria=_CRITERIA,
    objective=DIRECTION_KEPT,
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "vMF rollouts drift off-manifold: score-based correction could help (Research Discussion 7, "
        "section 9, question 4, and section 6.2, item 5).",
        "NO-GO": "Rollouts stay on the manifold: score-based correction has nothing to correct.",
        "INCONCLUSIVE": "Leave it open. Add the test speakers or replicates that the reason asks for.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, sections 4.8, 6.1 and 9 (question 4)",
    missing="a density of single frames (flow or VAE), and its likelihood of true and of rolled-out states",
)
