"""Is the gap a matter of the representation? Other codecs and frame rates against Mimi at 12.5 Hz.

Also open question 1 of section 9: what is the entropy rate of speech in different representations?
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.study import Arm, Budget, Criterion, Prior, Role, Study

_MIMI = Arm("mimi", "Mimi at 12.5 Hz", {"representation": "mimi-12.5"}, {})

# Validation speakers choose which of them the test speakers judge: one comparison, not three.
_OTHER = Arm(
    name="other",
    title="the best of EnCodec, SoundStream and Mimi at 50 Hz",
    fixed={},
    space={"representation": Choice(("encodec", "soundstream", "mimi-50"))},
)

_CRITERIA = (
    Criterion(
        name="the past improves the likelihood more than twice as much as in Mimi at 12.5 Hz",
        metric="dnll_ratio",  # ΔNLL of the arm over that of the arm mimi
        arm="other",
        success=2.0,
        failure=1.25,
        role=Role.PRIMARY,
        beats_null=True,  # ΔNLL grows with the dimension even on white noise
        source="Research Discussion 7, section 6.3; it gives no number for “similar”: 1.25 is ours",
    ),
    Criterion(
        name="and says more about the next second of audio",
        metric="predictive_bits_per_second",
        arm="other",
        versus="mimi",
        success=0.0,
        failure=0.0,
        role=Role.REQUIRED,
        beats_null=True,
        source="ours: ΔNLL depends on units and dimension, information per second of audio does not",
    ),
    Criterion(
        name="a larger share of the entropy is predictable (ΔNLL / baseline NLL)",
        metric="entropy_reduction",
        arm="other",
        versus="mimi",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 9, question 1, and section 1.3",
    ),
)

STUDY = Study(
    name="representations",
    title="Predictability of EnCodec, SoundStream and Mimi at 50 Hz beside Mimi at 12.5 Hz",
    hypothesis=(
        "Mimi's latents at 12.5 Hz are innovation-heavy by design: in another representation, or at a higher "
        "frame rate, the past improves the likelihood of the next frame more than twice as much."
    ),
    arms=(_MIMI, _OTHER),
    fixed={"backbone": "gru", "head": "mdn", "context": 16, "horizon": 16},
    space={
        "learning_rate": Uniform(3e-3, 2e-2, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "components": Choice((1, 2, 4, 8)),
    },
    criteria=_CRITERIA,
    objective="predictive_bits_per_second",
    prior=Prior(0.65, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Switch representation (Research Discussion 7, section 6.3): later steps run on its latents.",
        "NO-GO": (
            "The problem is objective/architecture, not representation (Research Discussion 7, section 6.3)."
        ),
        "INCONCLUSIVE": (
            "Keep the representation for now: the improvement is neither dramatic nor absent. Add the test "
            "speakers or replicates that the reason asks for."
        ),
        "INADMISSIBLE": "Draw no conclusion. Mend what the reason names and run the study again.",
    },
    budget=Budget(trials=12, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, sections 1.4, 6.2 (item 2), 6.3, 9 (question 1) and 10",
    missing="a sweep whose arms read different latents, and ΔNLL as a ratio between representations",
)
