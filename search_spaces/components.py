"""Are the components of a learned mixture acoustic events? Where each dominates, and what is heard there."""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Study

_MDN = Arm("mdn", "Gaussian mixture", {"head": "mdn"}, {"components": Choice((2, 4, 8))})

_CRITERIA = (
    Criterion(
        name="which component dominates depends on spectral flux, pitch and energy",
        metric="component_acoustic_information",  # nats between component and acoustic tracks
        arm="mdn",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        beats_null=True,
        source="Research Discussion 7, section 9, question 3; it gives no threshold: that it must be more "
        "than on frames without memory is ours",
    ),
    Criterion(
        name="more than one component is used",
        metric="components_used",  # exp of the entropy of their shares
        arm="mdn",
        success=1.5,
        failure=1.1,
        role=Role.REQUIRED,
        source="ours: where one component explains all, there is no mode structure to interpret",
    ),
)

STUDY = Study(
    name="components",
    title="What the components of a learned mixture stand for",
    hypothesis="Components of a learned Gaussian mixture correspond to interpretable acoustic events.",
    arms=(_MDN,),
    fixed={"backbone": "gru", "context": 16, "horizon": 16},
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
    },
    criteria=_CRITERIA,
    objective="-nll",
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "Mode structure is real (Research Discussion 7, section 9, question 3).",
        "NO-GO": "Components are not acoustic events: draw nothing from the mixture's mode structure.",
        "INCONCLUSIVE": "Leave it open. Add the test speakers or replicates that the reason asks for.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, section 9 (question 3)",
    missing=(
        "the frames where each mixture component dominates, their acoustic properties, and clips of them to "
        "listen to"
    ),
)
