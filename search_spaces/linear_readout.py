"""Is a linear readout enough? z_dyn = W [z_{t-L:t}] against a nonlinear encoder of the same window."""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Claim, Criterion, Prior, Role, Study

_LINEAR = Arm("linear", "linear readout, W [z_{t-L:t}]", {"readout": "linear"}, {})
_NONLINEAR = Arm("nonlinear", "nonlinear encoder of the same window", {"readout": "mlp"}, {})

_CRITERIA = (
    Criterion(
        name="the linear readout predicts the next frame as well as the nonlinear encoder, or better",
        metric="predictive_information",  # of z_t itself, through reconstruction: the same space for both
        arm="linear",
        versus="nonlinear",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        claim=Claim.NOT_WORSE,
        margin=0.5,
        source="Research Discussion 7, section 6.2, item 4 (“comparable performance”); it gives no margin: "
        "0.5 nats per frame is ours",
    ),
    Criterion(
        name="and keeps its direction as well through the rollout",
        metric="cos@16",
        arm="linear",
        versus="nonlinear",
        success=0.0,
        failure=0.0,
        claim=Claim.NOT_WORSE,
        margin=0.05,
        source="ours: a prediction one step ahead is no rollout",
    ),
)

STUDY = Study(
    name="linear_readout",
    title="A linear readout of frozen latents against a nonlinear encoder",
    hypothesis=(
        "The predictable dynamics of frozen latents lie in a low-dimensional subspace: a linear readout "
        "finds it as well as a nonlinear encoder does."
    ),
    arms=(_NONLINEAR, _LINEAR),
    fixed={"backbone": "gru", "head": "vmf", "context": 16, "horizon": 16},
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "readout_dim": Choice((32, 64)),  # section 5.7
        "readout_window": Choice((1, 4, 8)),  # L; Research Discussion 7 leaves it open
    },
    criteria=_CRITERIA,
    objective="predictive_information",
    prior=Prior(0.45, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Use the linear readout: comparable performance, Occam's razor (Research Discussion 7, "
        "section 6.2, item 4).",
        "NO-GO": "Keep the nonlinear encoder: linear projection is too weak (Research Discussion 7, "
        "section 5.8).",
        "INCONCLUSIVE": (
            "Keep the nonlinear encoder for now: it is not shown that the linear one is comparable. Add the "
            "test speakers or replicates that the reason asks for."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=8, lanes=4, replicates=6, alpha=0.05),
    source="Research Discussion 7, sections 5.8, 6.2 (item 4) and 10",
    missing=(
        "a low-dimensional state z_dyn: a readout of a window of latents, dynamics on it, and a "
        "reconstruction with residual"
    ),
)
