"""Does denoising keep a rollout stable? The score of single frames is applied after each predicted step.

The document asks whether Langevin steps along a learnt score make rollouts more stable, and would see it in
states that arrive nearer to the truth. A null meets that: shrinking to the mean by the same distance lowers
the state error as well, and keeps the cosine. So we ask whether samples come nearer to the law of the truth:
the skill of the energy score against climatology, over steps 1 to 8, with samples fed back in both runs. The
correction has to beat three runs of the same forecaster with the same noise: no correction, a shrinking to
the mean by the same distance, and the same correction by the score of a Gaussian. The last two say whether
the score knows more than where the mean is, and more than covariance. As shrinking also shows in magnitudes,
the ratio of predicted and true steps may not go further from 1 than by 0.1 of its logarithm: not from that of
the plain run, since a correction that mends a ratio is no harm. Langevin and Tweedie steps are both searched,
at several levels of noise. The document's own criterion, the state error, stands beside ours.

Section 4.7 would rather teach by the score: a predictor that is trained is taught further by NLL and by how
the score of its samples differs from that of true frames. Beside it runs the same predictor, taught for as
many steps by NLL alone. For a Gaussian marginal that loss is a whitened squared error, which needs no score
model: it is an arm of its own, searched alike, that a score loss has to beat. Neither decides about steps of
correction.
"""

from __future__ import annotations

from search_spaces.domains import Choice
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Criterion, Prior, Role, Spread, Study

_KIND = "score"  # the trainable

_CORRECTED = Arm(
    name="corrected",
    title="sampled rollouts of a von Mises-Fisher predictor, each step corrected by the score",
    fixed={},
    space={
        "correction": Choice(("tweedie", "langevin"), each=True),
        "sigma": Choice((0.1, 0.2, 0.3), each=True),
    },
    trainable=_KIND,
)
_TEACHING = {
    "score_loss_weight": Choice((0.01, 0.05, 0.25), each=True),
    "sigma": Choice((0.1, 0.3), each=True),
}
_SCORE_LOSS = Arm(
    name="score_loss",
    title="the same predictor taught further by NLL and a score loss, not corrected",
    fixed={"score_loss": "score"},
    space=_TEACHING,
    trainable=_KIND,
)
_WHITENED_LOSS = Arm(
    name="whitened_loss",
    title="likewise by NLL and a whitened squared error",
    fixed={"score_loss": "whitened"},
    space=_TEACHING,
    trainable=_KIND,
)

_CRITERIA = (
    Criterion(
        name="corrected samples have more skill than plain ones (energy score, steps 1 to 8)",
        metric="skill_gained",
        arm="corrected",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        source="Research Discussion 7, section 4.8 (“improves rollout stability”); it gives no "
        "measure and no threshold: skill, and any improvement, are ours",
    ),
    Criterion(
        name="more than by shrinking to the mean by the same distance",
        metric="skill_over_shrinking",
        arm="corrected",
        success=0.0,
        failure=0.0,
        role=Role.REQUIRED,
        source="ours: a correction towards the mean lowers the state error too",
    ),
    Criterion(
        name="more than by the score of a Gaussian",
        metric="skill_over_gaussian",
        arm="corrected",
        success=0.0,
        failure=0.0,
        role=Role.REQUIRED,
        source="ours: a score that knows no more than the covariance needs no model",
    ),
    Criterion(
        name="steps keep their magnitude: the ratio goes no further from 1",
        metric="-magnitude_loss",
        arm="corrected",
        success=-0.1,
        failure=-0.1,
        role=Role.REQUIRED,
        source="ours: what shrinks has smaller steps; 0.1 of a log ratio still counts as none",
    ),
    Criterion(
        name="corrected samples have skill at all",
        metric="skill_of_corrected",
        arm="corrected",
        success=0.0,
        failure=0.0,
        role=Role.REQUIRED,
        source="ours: where nothing can be predicted there is no rollout to keep stable",
    ),
    Criterion(
        name="as the document writes it: the rollout arrives nearer to the truth",
        metric="state_error_gained",
        arm="corrected",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 4.8; shrinking to the mean meets it",
    ),
    Criterion(
        name="a score loss teaches more skill than NLL alone does in as many steps",
        metric="skill_gained",
        arm="score_loss",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 4.7 (“implicit regularization during training”); it gives no "
        "measure and no threshold: skill, and any improvement, are ours",
    ),
    Criterion(
        name="and more than a whitened squared error",
        metric="skill_of_taught",
        arm="score_loss",
        versus="whitened_loss",
        success=0.0,
        failure=0.0,
        source="ours: what a score loss is for a Gaussian marginal needs no model",
    ),
)

STUDY = Study(
    name="score_correction",
    title="Score-based correction of rollouts by denoising",
    hypothesis=(
        "Predictions drift off the manifold as errors compound; one to five Langevin steps along the score "
        "of single frames, or one of Tweedie's, pull them back and bring samples nearer to the truth."
    ),
    arms=(_CORRECTED, _SCORE_LOSS, _WHITENED_LOSS),
    fixed={"context": 16, "horizon": 16, "forecaster": "predictor", "head": "vmf"},
    space={},
    criteria=_CRITERIA,
    objective="skill_gained",
    prior=Prior(0.30, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Deploy score-based correction (Research Discussion 7, section 6.2, item 5).",
        "NO-GO": "Leave rollouts uncorrected: single-step correction does not help (Research Discussion 7, "
        "sections 4.4 and 8.1).",
        "INCONCLUSIVE": "Leave rollouts uncorrected for now. The reason says what would decide it.",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=6, lanes=1, replicates=6, control_seeds=1, alpha=0.05),  # each setting once
    source="Research Discussion 7, sections 4.6, 4.7, 6.2 (item 5), 6.3 and 10",
    controls={"ring": "GO", "ring_quiet": "NO-GO"},
    assay="assay_score_correction",
    spread=Spread(0.01, 0.004, 0.004, "a guess: no run of this study has been recorded"),
    efforts={
        "standard": {
            "predictor_width": 96,
            "predictor_epochs": 10,
            "score_width": 256,
            "score_steps": 4000,
        },
        "smoke": {
            "predictor_width": 8,
            "predictor_epochs": 1,
            "predictor_steps": 4,
            "score_width": 8,
            "score_steps": 10,
            "further_steps": 4,
            "samples": 2,
            "horizon": 8,
            "windows": 64,
        },
    },
)
