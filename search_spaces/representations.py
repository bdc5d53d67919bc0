"""Does the gap depend on the representation? Other codecs and frame rates against a reference.

The document's reference is Mimi at 12.5 Hz; a sweep takes the first latents that it is given. The study also
concerns question 1 of section 9: what is the entropy rate of speech in different representations?
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.study import (
    DRAW_NO_CONCLUSION,
    OTHERS,
    REFERENCE,
    Arm,
    Budget,
    Claim,
    Criterion,
    Plant,
    Prior,
    Role,
    Spread,
    Study,
)

_REFERENCE = Arm("reference", "the reference: the first latents given", {"representation": REFERENCE}, {})

# Validation speakers choose one of them, which test speakers judge: a single comparison, not one for each.
_OTHER = Arm(
    name="other",
    title="the most predictable of all other latents given",
    fixed={},
    space={"representation": Choice((OTHERS,), each=True)},
)

_CRITERIA = (
    Criterion(
        name="the past says more than twice as much about each second of audio, beyond what noise gives",
        metric="predictive_bits_per_second_gaussian",
        arm="other",
        versus="reference",
        success=2.0,
        failure=1.25,
        role=Role.PRIMARY,
        claim=Claim.TIMES,
        beats_null=True,
        source=(
            "Research Discussion 7, section 6.3, asks for ΔNLL; ours: ΔNLL depends on units, dimension and "
            "frame rate, and is large on noise; information in bits per second is not. The document "
            "gives no number for “similar”: 1.25 is ours"
        ),
    ),
    Criterion(
        name="as the document writes it: ΔNLL per frame is more than twice as large",
        metric="-dnll",
        arm="other",
        versus="reference",
        success=2.0,
        failure=1.25,
        claim=Claim.TIMES,
        source="Research Discussion 7, section 6.3",
    ),
    Criterion(
        name="a larger share of the entropy is predictable (ΔNLL / baseline NLL)",
        metric="entropy_reduction",
        arm="other",
        versus="reference",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 9, question 1, and section 1.3; depends on the units",
    ),
)

STUDY = Study(
    name="representations",
    title="Which representation of speech lets the past say most about the next moment?",
    hypothesis=(
        "The reference's latents (Mimi's at 12.5 Hz in the document) are innovation-heavy by design: in "
        "another representation, or at a higher frame rate, the past says more than twice as much about what "
        "comes next."
    ),
    arms=(_REFERENCE, _OTHER),
    fixed={
        "backbone": "gru",
        "width": 96,
        "context_ms": 1280,
        "rollout_ms": 320,
        "horizon_ms": 640,
        "batch": 32,
        "steps": 50,
        "teacher_epochs": 8,
        "rollout_epochs": 0,  # the document's Phase 1: one step ahead, by teacher forcing
    },
    space={
        # Ridge regression, one Gaussian, and a mixture of four.
        "head": Choice(("linear", "gaussian", "mdn"), each=True),
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "ridge": Uniform(1e-4, 1.0, log=True),
    },
    criteria=_CRITERIA,
    objective="predictive_bits_per_second_gaussian",
    prior=Prior(0.65, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Switch representation (Research Discussion 7, section 6.3): later steps run on its latents.",
        "NO-GO": (
            "The problem is objective/architecture, not representation (Research Discussion 7, section 6.3)."
        ),
        "INCONCLUSIVE": (
            "Keep the representation for now: the improvement is neither dramatic nor absent. The reason "
            "says what would decide it."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=12, lanes=2, replicates=6, alpha=0.05),
    plant=Plant.INFORMATION,
    source="Research Discussion 7, sections 1.4, 6.2 (item 2), 6.3, 9 (question 1) and 10",
    spread=Spread(0.15, 0.02, 0.02, "a guess: no run of this study has been recorded"),
)
