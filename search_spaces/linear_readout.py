"""Is a linear readout enough? z_dyn = W [z_{t-L:t}] against a nonlinear encoder of the same window.

The document asks whether a linear projection of a window, with autoregressive dynamics on it and a
residual, predicts about as well as a nonlinear encoder. We ask it of what such a readout lets through: z_dyn
is the only way from the past to the prediction of the whole next frame, the dynamics read it alone, and both
arms have the same dynamics and head. If z_t reached the prediction beside it, the bottleneck would be
bypassed, and both arms would be equal whatever they are. The document's 32 or 64 dimensions are no bottleneck
where D = 64, so that we take D/16, D/8 and D/4, each trained by itself; the mean of the three decides.
Information is in nats beyond a Gaussian that knows no past, and has to exceed that of frames in random order:
without that, two readouts of noise would be comparable.

The document's own criterion, comparable performance, is the primary one; it gives no margin. Rollouts are
left out: what a readout of few dimensions loses is lost at the first step. In closed form beside both stand
canonical correlations, reduced-rank regression, principal components and random directions of as many
dimensions, and an echo-state network.
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Claim, Criterion, Prior, Role, Spread, Study

_LINEAR = Arm("linear", "linear readout, W [z_{t-L:t}]", {"readout": "linear"}, {}, trainable="readout")
_NONLINEAR = Arm(
    "nonlinear", "nonlinear encoder of the same window", {"readout": "mlp"}, {}, trainable="readout"
)
_METRIC, _MARGIN = "readout_information", 0.5

_CRITERIA = (
    Criterion(
        name="the linear readout says as much about the next frame as the nonlinear encoder, or more",
        metric=_METRIC,
        arm="linear",
        versus="nonlinear",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        claim=Claim.NOT_WORSE,
        margin=_MARGIN,
        source="Research Discussion 7, section 6.2, item 4 (“comparable performance”); it gives no margin: "
        "0.5 nats per frame, over three sizes of the bottleneck, is ours",
    ),
    Criterion(
        name="and it says something at all, more than of frames in random order",
        metric=_METRIC,
        arm="linear",
        success=0.1,
        failure=0.1,
        role=Role.REQUIRED,
        beats_null=True,
        source="ours: two readouts of noise are comparable",
    ),
    *(
        Criterion(
            name=f"the same at a bottleneck of D/{divisor} dimensions alone",
            metric=f"{_METRIC}_{divisor}",
            arm="linear",
            versus="nonlinear",
            success=0.0,
            failure=0.0,
            claim=Claim.NOT_WORSE,
            margin=_MARGIN,
            source="ours: whether Research Discussion 7, section 5.8, has one answer at all sizes",
        )
        for divisor in (16, 8, 4)
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
    fixed={},
    space={
        "learning_rate": Uniform(3e-3, 1.5e-2, log=True),
        "readout_window": Choice((1, 4)),  # L; Research Discussion 7 leaves it open
    },
    criteria=_CRITERIA,
    objective=_METRIC,
    prior=Prior(0.45, "Research Discussion 7, section 10"),
    consequences={
        "GO": "Use the linear readout: comparable performance, Occam's razor (Research Discussion 7, "
        "section 6.2, item 4).",
        "NO-GO": "Keep the nonlinear encoder: linear projection is too weak (Research Discussion 7, "
        "section 5.8).",
        "INCONCLUSIVE": (
            "Keep the nonlinear encoder for now: it is not shown that the linear one is comparable. "
            "The reason says what would decide it."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=4, lanes=2, replicates=6, control_seeds=2, alpha=0.05),
    source="Research Discussion 7, sections 5.8, 6.2 (item 4) and 10",
    controls={"gaussian": "GO", "product": "NO-GO", "white": "NO-GO"},
    assay="assay_linear_readout",
    spread=Spread(0.3, 0.1, 0.1, "a guess: no run of this study has been recorded"),
    lengths=("steps",),
    efforts={
        "standard": {"steps": 1200, "dynamics_width": 96},
        "smoke": {"steps": 8, "batch": 4, "dynamics_width": 8, "encoder_width": 8, "units": 10},
    },
)
