"""Does perceptual quality follow direction or magnitude? True trajectories with known errors, decoded.

The document asks which matters more, and gives no measure. The sign depends on both the matching rule and the
measure, so we fix the first and ask two of the second. Errors are matched frame by frame: one rigid turn of
all steps moves every frame as far as shrinking and growing all steps does. And continuation quality, which
forgives gain, has to agree with the log-spectral distance; where it does not, the question stays open.
Nothing is trained.
"""

from __future__ import annotations

from search_spaces.listeners import preferred_by_listeners
from search_spaces.study import (
    DRAW_NO_CONCLUSION,
    Arm,
    Budget,
    Claim,
    Criterion,
    Prior,
    Role,
    Spread,
    Study,
)

_SOURCE = "Research Discussion 7, section 9, question 2"

_DIRECTION = Arm(
    "direction", "all steps turned by one rotation, magnitudes true", {"kind": "turn"}, {}, "perturbation"
)
_MAGNITUDE = Arm(
    "magnitude", "all steps shrunk, or grown, directions true", {"kind": "scale"}, {}, "perturbation"
)
_PLACEBO = Arm(
    "placebo", "displaced as far as by the turn, in any direction", {"kind": "noise"}, {}, "perturbation"
)

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
        source=f"{_SOURCE}; it gives no threshold: any difference is ours, and so is how errors are matched",
    ),
    Criterion(
        name="and it moves the spectrum further",
        metric="spectral_loss",
        arm="direction",
        versus="magnitude",
        success=0.0,
        failure=0.0,
        role=Role.AGREEING,
        needs_decoder=True,
        source=f"ours: two measures that disagree leave {_SOURCE}, open",
    ),
    # An error that costs less is the one that is preferred.
    preferred_by_listeners("magnitude", "direction", f"{_SOURCE} (“human evaluation: which matters more?”)"),
    *(
        Criterion(
            name=f"the same at the {dose} dose alone",
            metric=f"quality_loss_{dose}",
            arm="direction",
            versus="magnitude",
            success=0.0,
            failure=0.0,
            needs_decoder=True,
            source=f"ours: whether {_SOURCE}, has one answer at all sizes",
        )
        for dose in ("low", "high")
    ),
    Criterion(
        name="a turn costs what any displacement of the same length does (placebo)",
        metric="quality_loss",
        arm="direction",
        versus="placebo",
        success=0.0,
        failure=0.0,
        claim=Claim.COMPARABLE,
        margin=0.01,
        needs_decoder=True,
        source="ours: a pair in which no difference is expected, since a turn in many dimensions is one",
    ),
)

STUDY = Study(
    name="perception",
    title="Which matters more to the ear, direction or magnitude?",
    hypothesis="Perceptual quality correlates more with direction than with magnitude.",
    arms=(_DIRECTION, _MAGNITUDE, _PLACEBO),
    fixed={"low_dose": 0.25, "high_dose": 0.5, "seconds": 3.0},
    space={},
    criteria=_CRITERIA,
    objective="-quality_loss",
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "vMF is the correct factorization (Research Discussion 7, section 9, question 2).",
        "NO-GO": (
            "Direction does not matter more: “slow but correct” is no reason to factorize (Research "
            "Discussion 7, sections 2.3 and 2.8)."
        ),
        "INCONCLUSIVE": "Leave the question open. The reason says what would decide it.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=1, lanes=1, replicates=6, control_seeds=1, alpha=0.05),
    source="Research Discussion 7, sections 2.3, 2.8 and 9 (question 2)",
    controls={},  # its answer is known in no world that can be heard
    spread=Spread(0.045, 0.01, 0.01, "scouted on 16 utterances of 8 speakers"),
    efforts={"smoke": {"utterances": 1, "seconds": 0.5}},
)
