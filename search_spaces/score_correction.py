"""Does denoising keep a rollout stable? The score of single frames is applied after each predicted step."""

from __future__ import annotations

from search_spaces.domains import Choice, Integer, Uniform
from search_spaces.listeners import preferred_by_listeners
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Claim, Criterion, Prior, Role, Study

_PLAIN = Arm("vmf", "von Mises-Fisher rollout as it is", {"correction": "none"}, {})
_CORRECTED = Arm(
    name="corrected",
    title="the same rollout, each step denoised by the score",
    fixed={"correction": "langevin"},
    space={"correction_steps": Integer(1, 5), "correction_size": Uniform(1e-4, 1e-1, log=True)},
)

_CRITERIA = (
    Criterion(
        name="the rollout arrives nearer to the truth",
        metric="-state_error@16",
        arm="corrected",
        versus="vmf",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        source="Research Discussion 7, section 4.8 (“improves rollout stability”); it gives no threshold: "
        "any improvement is ours",
    ),
    Criterion(
        name="and its direction is not worse for it",
        metric="cos@16",
        arm="corrected",
        versus="vmf",
        success=0.0,
        failure=0.0,
        role=Role.REQUIRED,
        claim=Claim.NOT_WORSE,
        margin=0.05,
        source="ours: a correction towards the mean would lower the state error too",
    ),
    Criterion(
        name="fewer states leave the manifold",
        metric="-off_manifold_share@16",
        arm="corrected",
        versus="vmf",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, sections 4.3 and 9, question 4",
    ),
    Criterion(
        name="the decoded continuation is better",
        metric="continuation_quality",
        arm="corrected",
        versus="vmf",
        success=0.0,
        failure=0.0,
        needs_decoder=True,
        source="ours: Research Discussion 7 asks every intervention to be heard (section 11, item 3)",
    ),
    preferred_by_listeners("corrected", "vmf", "Research Discussion 7, section 11, item 3"),
)

STUDY = Study(
    name="score_correction",
    title="Score-based correction of rollouts by denoising",
    hypothesis=(
        "Predictions drift off the manifold as errors compound; one to five Langevin steps along the score "
        "of single frames pull them back and make the rollout more stable."
    ),
    arms=(_PLAIN, _CORRECTED),
    fixed={"backbone": "gru", "head": "vmf", "context": 16, "horizon": 16},
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "feedback": Choice(("mean", "mode")),
    },
    criteria=_CRITERIA,
    objective="-state_error@1-16",
    prior=Prior(0.30, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Deploy score-based correction (Research Discussion 7, section 6.2, item 5).",
        "NO-GO": "Leave rollouts uncorrected: single-step correction does not help (Research Discussion 7, "
        "sections 4.4 and 8.1).",
        "INCONCLUSIVE": (
            "Leave rollouts uncorrected for now. Add the test speakers or replicates that the reason asks "
            "for."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, sections 4.6, 6.2 (item 5), 6.3 and 10",
    missing=(
        "an unconditional score model of single frames, trained by denoising score matching, and Langevin "
        "steps inside a rollout"
    ),
)
