"""Does perceptual quality follow direction or magnitude? Synthetic trajectories with known errors of each."""

from __future__ import annotations

from search_spaces.domains import Uniform
from search_spaces.listeners import preferred_by_listeners
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Study

# Both kinds of error move the state equally far, and differ in where they move it to.
_ERROR = {"error": Uniform(0.05, 1.0)}
_DIRECTION = Arm("direction", "directions turned, magnitudes true", {"perturbed": "direction"}, _ERROR)
_MAGNITUDE = Arm("magnitude", "magnitudes scaled, directions true", {"perturbed": "magnitude"}, _ERROR)

_CRITERIA = (
    Criterion(
        name="an error of direction costs more quality than an equal error of magnitude",
        metric="quality_loss",
        arm="direction",
        versus="magnitude",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        needs_decoder=True,
        source="Research Discussion 7, section 9, question 2; it gives no threshold: any difference is ours",
    ),
    # An error that costs less is the one that is preferred.
    preferred_by_listeners(
        "magnitude",
        "direction",
        "Research Discussion 7, section 9, question 2 (“human evaluation: which matters more?”)",
    ),
)

STUDY = Study(
    name="perception",
    title="Which matters more to the ear, direction or magnitude?",
    hypothesis="Perceptual quality correlates more with direction than with magnitude.",
    arms=(_DIRECTION, _MAGNITUDE),
    fixed={},
    space={},
    criteria=_CRITERIA,
    objective="quality_loss",
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "vMF is the correct factorization (Research Discussion 7, section 9, question 2).",
        "NO-GO": (
            "Direction does not matter more: “slow but correct” is no reason to factorize (Research "
            "Discussion 7, sections 2.3 and 2.8)."
        ),
        "INCONCLUSIVE": "Leave the question open. Add the listeners or utterances that the reason asks for.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, sections 2.3, 2.8 and 9 (question 2)",
    missing=(
        "decoded trajectories whose directions or magnitudes are perturbed by a known amount, and ratings of "
        "them by listeners"
    ),
)
