"""Can magnitude be left to a second stage? Directions step by step, magnitudes sampled afterwards."""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.listeners import preferred_by_listeners
from search_spaces.study import DIRECTION_KEPT, DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Study

_ONE_STAGE = Arm("vmf", "direction and magnitude together", {"stages": 1, "head": "vmf"}, {})
_TWO_STAGE = Arm(
    name="two_stage",
    title="directions autoregressive, magnitudes sampled",
    fixed={"stages": 2, "head": "direction"},
    # From all magnitudes (section 2.6, the simplest version), or by speaker, rate and length (section 6.2).
    space={"magnitudes": Choice(("empirical", "global_features"))},
)

_CRITERIA = (
    Criterion(
        name="the decoded continuation is better than that of one stage",
        metric="continuation_quality",
        arm="two_stage",
        versus="vmf",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        needs_decoder=True,
        source="Research Discussion 7, section 6.2, item 6; it gives no threshold: any improvement is ours",
    ),
    preferred_by_listeners("two_stage", "vmf", "Research Discussion 7, section 11, item 3"),
    Criterion(
        name="direction is kept better at the end of the rollout",
        metric="cos@16",
        arm="two_stage",
        versus="vmf",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 2.6 (“training focuses on preserving content”)",
    ),
    Criterion(
        name="steps are as long as true ones",
        metric="magnitude_ratio@16",
        arm="two_stage",
        success=0.9,
        failure=0.1,
        source="ours: from the failure modes of Research Discussion 7, section 2.2",
    ),
)

STUDY = Study(
    name="two_stage",
    title="Two-stage generation: directions first, magnitudes after",
    hypothesis=(
        "Magnitude can be decoupled from direction: directions generated step by step, with magnitudes "
        "sampled afterwards from global features, sound better than both predicted together."
    ),
    arms=(_ONE_STAGE, _TWO_STAGE),
    fixed={"backbone": "gru", "context": 16, "horizon": 16},
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
    },
    criteria=_CRITERIA,
    objective=DIRECTION_KEPT,
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "Final architecture (Research Discussion 7, section 6.2, item 6).",
        "NO-GO": "Keep direction and magnitude in one stage: magnitude is not independent of direction "
        "(Research Discussion 7, section 8.3).",
        "INCONCLUSIVE": (
            "Keep one stage, the simpler of the two, and leave the question open. Add the test speakers or "
            "replicates that the reason asks for."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, sections 2.6, 6.2 (item 6) and 8.3",
    missing=(
        "a predictor of directions alone, and a sampler of magnitudes, unconditional or given speaker, "
        "speaking rate and length"
    ),
)
