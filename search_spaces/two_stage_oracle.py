"""Could magnitudes be left to a second stage at all? True directions, with magnitudes drawn afterwards.

It comes before `two_stage` and costs seconds: whatever predicts directions, none predicts them better than
the truth. If true directions with drawn magnitudes sound no better than standing still, the steps no longer
add up to speech, and nothing that a first stage learns will help. Nothing is trained.
"""

from __future__ import annotations

from search_spaces.domains import Choice
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Spread, Study

_DRAWN = Arm(
    name="drawn",
    title="true directions, magnitudes drawn",
    fixed={},
    # From all training steps (section 2.6, the simplest version), or from the utterance's own, in random
    # order: more than speaker, rate and length together can say of them (section 6.2).
    space={"kind": Choice(("empirical", "permuted"), each=True)},
    trainable="perturbation",
)
_STILL = Arm(
    name="still",
    title="no steps: the last true frame, or the mean of all",
    fixed={},
    space={"kind": Choice(("frozen", "mean"), each=True)},
    trainable="perturbation",
)
_CONSTANT = Arm(
    "constant", "true directions, all magnitudes the median", {"kind": "constant"}, {}, "perturbation"
)
_SMOOTHED = Arm(
    "smoothed",
    "true directions, magnitudes averaged over 5 steps",
    {"kind": "smoothed"},
    {},
    "perturbation",
)
_OURS = "ours: a third of what averaging magnitudes over 5 steps keeps of SoundStream's continuations"

_CRITERIA = (
    Criterion(
        name="true directions with drawn magnitudes sound better than standing still",
        metric="quality",
        arm="drawn",
        versus="still",
        success=0.05,
        failure=0.05,
        role=Role.PRIMARY,
        needs_decoder=True,
        source=f"Research Discussion 7, sections 2.6 and 6.2, item 6, presuppose it; {_OURS}",
    ),
    *(
        Criterion(
            name=f"so do true directions with {words}",
            metric="quality",
            arm=arm,
            versus="still",
            success=0.05,
            failure=0.05,
            needs_decoder=True,
            source=_OURS,
        )
        for arm, words in (
            ("constant", "magnitudes that are all alike"),
            ("smoothed", "their own, averaged over 5 steps"),
        )
    ),
)

STUDY = Study(
    name="two_stage_oracle",
    title="Could magnitudes be left to a second stage? The truth as first stage",
    hypothesis=(
        "Magnitude can be decoupled from direction: even with magnitudes drawn from a distribution, true "
        "directions add up to speech."
    ),
    arms=(_DRAWN, _STILL, _CONSTANT, _SMOOTHED),
    fixed={"seconds": 3.0},  # errors of magnitude add up: at one second drawn ones keep five times as much
    space={},
    criteria=_CRITERIA,
    objective="quality",
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "Build the two stages (Research Discussion 7, section 6.2, item 6).",
        "NO-GO": "Keep direction and magnitude in one stage: no first stage is better than the truth.",
        "INCONCLUSIVE": "Do not build the two stages yet. The reason says what would decide it.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=2, lanes=1, replicates=6, control_seeds=1, alpha=0.05),
    source="Research Discussion 7, sections 2.6, 6.2 (item 6) and 8.3",
    controls={},  # its answer is known in no world that can be heard
    spread=Spread(0.03, 0.01, 0.01, "a guess: no run of this study has been recorded"),
    efforts={"smoke": {"utterances": 1, "seconds": 0.5}},
)
