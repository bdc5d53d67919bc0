"""Does a head that separates direction from magnitude keep its direction when it runs free?

Thresholds, prior and consequences are those of Research Discussion 7 (sections 2, 6.2, 6.3 and 10).
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.listeners import preferred_by_listeners
from search_spaces.small_predictor import SMALL_PREDICTOR
from search_spaces.study import (
    ALL_EPOCHS,
    DIRECTION_KEPT,
    DRAW_NO_CONCLUSION,
    Arm,
    Budget,
    Component,
    Criterion,
    Plant,
    Prior,
    Role,
    Spread,
    Study,
)

_MDN = Arm(
    name="mdn",
    title="Gaussian mixture",
    fixed={"head": "mdn"},
    space={"components": Choice((2, 8))},
)

# The prior on the concentration kappa keeps the head from claiming more certainty about direction than it
# has. Its median is a multiple of the dimension D: kappa / D of 0.3 is a cosine of 0.28, of 5 one of 0.90.
_VMF = Arm(
    name="vmf",
    title="von Mises-Fisher direction x LogNormal magnitude",
    fixed={"head": "vmf"},
    space={
        "kappa_prior": Uniform(1e-4, 1e-1, log=True),
        "kappa_prior_ratio": Uniform(0.3, 5.0, log=True),
        # Whether the direction of a long step is more certain, as it is of a Gaussian.
        "coupling": Choice(("none", "kappa_on_magnitude")),
    },
)

_CRITERIA = (
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
        name="the decoded continuation is better than the baseline's",
        metric="continuation_quality",
        arm="vmf",
        versus="mdn",
        success=0.0,
        failure=0.0,
        role=Role.REQUIRED,
        needs_decoder=True,
        source="Research Discussion 7, section 6.3",
    ),
    preferred_by_listeners("vmf", "mdn", "Research Discussion 7, section 6.2: listen to outputs"),
    Criterion(
        name="direction is kept better than by the mixture",
        metric="cos@16",
        arm="vmf",
        versus="mdn",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 2.5",
    ),
    Criterion(
        name="the rollout still moves (it is not stationary)",
        metric="magnitude_ratio@16",
        arm="vmf",
        success=0.1,
        failure=0.1,
        source="Research Discussion 7, section 2.2, mode A",
    ),
    Criterion(
        name="the past says something about the next frame",
        metric="predictive_information",
        arm="vmf",
        success=0.0,
        failure=0.0,
        beats_null=True,
        source="Research Discussion 7, section 9, question 1",
    ),
)

# Without the Jacobian of polar coordinates, a rollout whose target is the way back to the true state gains
# likelihood by running away from it: an ablation that does not see this harm sees none.
_COMPONENTS = (
    Component("kappa prior", {"kappa_prior": 0.0}),
    Component("rollout training", {"teacher_epochs": ALL_EPOCHS, "rollout_epochs": 0}),
    Component("scheduled sampling", {"scheduled_sampling": 0.0}),
    Component("feedback that commits", {"feedback": "sample"}),
    Component("magnitude head", {"magnitude": "marginal"}),
    Component("gradient through the rollout", {"rollout_gradient": "stopped"}),
    Component("steps as targets of the rollout", {"rollout_target": "state"}),
    Component("recurrence", {"backbone": "transformer"}),
    Component("Jacobian", {"jacobian": False}, given={"rollout_target": "state"}, known_harm=True),
)

STUDY = Study(
    name="vmf_vs_mdn",
    title="von Mises-Fisher direction and magnitude against a Gaussian mixture, in free-running rollout",
    hypothesis=(
        "A head that factorises the next step into a direction (von Mises-Fisher) and a magnitude "
        "(LogNormal) keeps its direction through a 16-step rollout, slow but correct, where a Gaussian "
        "mixture collapses to standing still."
    ),
    arms=(_MDN, _VMF),
    fixed={
        **SMALL_PREDICTOR,
        "teacher_epochs": 3,
        "rollout_epochs": 1,
        "rollout": 8,
    },
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "scheduled_sampling": Uniform(0.0, 0.5),
        # A sampled step carries its noise into every later frame, and its cosine with the one true
        # continuation then measures that noise; mean and mode are the rules that commit to a direction.
        "feedback": Choice(("mean", "mode")),
    },
    criteria=_CRITERIA,
    objective=DIRECTION_KEPT,
    prior=Prior(0.60, "Research Discussion 7, section 10"),
    consequences={
        "GO": (
            "Proceed to archetypes: spherical k-means on directions, correlated with acoustic features "
            "(Research Discussion 7, sections 6.3 and 6.2, tier 2, item 3)."
        ),
        "NO-GO": (
            "Try score-based correction of the rollout or a representation change (Research Discussion 7, "
            "sections 6.3 and 6.2: tier 3, item 5, and tier 1, item 2)."
        ),
        "INCONCLUSIVE": (
            "Neither proceed nor turn away: section 6.3 of Research Discussion 7 leaves a gap between its "
            "thresholds. The reason says what would decide it; where it says that "
            "more data will not help, change the representation or the head before asking again."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    # Lanes of a pack share their structure: four packs try each of the four that an arm has.
    budget=Budget(trials=8, lanes=2, replicates=6, alpha=0.05),
    components=_COMPONENTS,
    pairs=(("rollout training", "scheduled sampling"),),
    plant=Plant.DIRECTION,
    spread=Spread(0.02, 0.01, 0.01, "control worlds"),
    source="Research Discussion 7, sections 2, 6.3 and 10",
)
