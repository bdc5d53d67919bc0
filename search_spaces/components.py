"""Do the components of a learned mixture stand for acoustic events? What each says of sound, beyond loudness.

The document asks for components that correspond to interpretable acoustic events. That is met by a null:
components learnt from frames in random order are bins of loudness, and go with energy and voicing better than
those of speech do. So we ask what the component says of spectral flux, pitch change and energy change among
steps of one size (octiles of |delta|), less what it says of the same tracks shifted in time, and the sum has
to exceed that of mixtures trained on frames in random order and on a Gaussian copy, all on the same real
steps. The document's criterion without nulls is reported beside it.

A step belongs to the component that dominates it once it is known (responsibility), which decides: the
document asks for the frames that each component dominates. What the gating says before the step is known is
the better question, but seeds disagree on it, so it is reported. Rows of reference are labels that no mixture
gave: quantiles of magnitude, clusters of directions, and random directions.
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.effort import PREDICTOR_EFFORTS
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Study

_MDN = Arm("mdn", "Gaussian mixture", {"head": "mdn"}, {"components": Choice((2, 4, 8))}, "components")
_QUESTION = "Research Discussion 7, section 9, question 3"
_BOTH = ("white", "gaussian")

_CRITERIA = (
    Criterion(
        name="the component says more of flux, pitch and energy change than the size of the step does",
        metric="component_information",  # nats per step, summed over the three
        arm="mdn",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        beats_null=True,
        nulls=_BOTH,
        source=f"{_QUESTION}; it gives no threshold: that it must be more than that of mixtures trained on "
        "both surrogates is ours",
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
    Criterion(
        name="so does the component that is expected before the step is known (gating)",
        metric="gating_information",
        arm="mdn",
        success=0.0,
        failure=0.0,
        beats_null=True,
        nulls=_BOTH,
        source="ours: what a model can use",
    ),
    Criterion(
        name="more than one component is expected (gating)",
        metric="gating_used",
        arm="mdn",
        success=1.5,
        failure=1.1,
        source="ours: a gating that always says the same says nothing",
    ),
    *(
        Criterion(
            name=f"the component says something of the {feature.replace('_', ' ')}",
            metric=f"component_information_{feature}",
            arm="mdn",
            success=0.0,
            failure=0.0,
            beats_null=True,
            nulls=_BOTH,
            source=f"{_QUESTION}; the three events are ours",
        )
        for feature in ("spectral_flux", "pitch_change", "energy_change")
    ),
    Criterion(
        name="as the document writes it: components correspond to acoustic events, whatever a null reaches",
        metric="component_information",
        arm="mdn",
        success=0.0,
        failure=0.0,
        source=_QUESTION,
    ),
    *(
        Criterion(
            name=f"for reference: {words} say something too",
            metric=f"{labels}_information",
            arm="mdn",
            success=0.0,
            failure=0.0,
            source="ours: labels that no mixture gave",
        )
        for labels, words in (
            ("magnitude", "as many quantiles of |delta|"),
            ("clusters", "as many clusters of directions"),
            ("random", "the nearest of as many random directions"),
        )
    ),
)

STUDY = Study(
    name="components",
    title="What the components of a learned mixture stand for",
    hypothesis="Components of a learned Gaussian mixture correspond to interpretable acoustic events.",
    arms=(_MDN,),
    # One step is asked about. Rollouts in training were tried on speech, and no state of them was kept.
    fixed={"backbone": "gru", "context": 16, "horizon": 16, "teacher_epochs": 4, "rollout_epochs": 0},
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
        "INCONCLUSIVE": "Leave it open. The reason says what would decide it.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=2, replicates=6, alpha=0.05),
    source="Research Discussion 7, section 9 (question 3)",
    controls={"kinds": "GO", "kinds_unheard": "NO-GO"},
    assay="assay_components",
    efforts=PREDICTOR_EFFORTS,
)
