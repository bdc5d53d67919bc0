"""Can magnitude be left to a second stage? Directions step by step, magnitudes of all of them afterwards.

The document generates directions from the directions before them, samples magnitudes afterwards, from their
empirical distribution or given speaker, speaking rate and length, and would see in the ear whether that is
better than both at once. On speech that question cannot be put to the ear alone: continuations of predictors
like these hardly leave the floor of the measure. So we ask whether the two stages lose anything: the skill of
the energy score against climatology, over steps 1 to 8, of samples of both. Whoever draws magnitudes without
looking cannot beat who may look, but for what the latter fails to learn; the claim that magnitude can be
decoupled is that he is not worse, by more than a hundredth of climatology's score.

A speaker who was never heard is known by what was heard so far in the utterance: its mean frame; mean and
deviation of log magnitudes, how much they change and how far steps turn (the rate); and its length. The two
arms that draw magnitudes afterwards follow directions alone, as the document has it, by reading the path of
the same directions at steps of one length: what they do not know of the state is part of the price. A fourth
arm pays the other part alone: magnitudes are drawn first, and directions follow the frames that they lead to.

Two claims that cost nothing would pass as decoupling, and are asked as well. Where nothing can be predicted
nothing is lost either: there has to be skill, and more than of frames in random order. And where magnitudes
do not matter to the measure they may be drawn anyhow: runs with all magnitudes halved have to be seen to be
worse. If they are not, the question stays open. Beside both stand one magnitude for all steps, the features
of someone else, and no step at all.

The document's own criteria are evaluated beside ours: the quality of decoded continuations where one of the
two arms leaves the floor, and whether directions are kept better at the last step.
"""

from __future__ import annotations

from search_spaces.domains import Choice
from search_spaces.study import DRAW_NO_CONCLUSION, Arm, Budget, Claim, Criterion, Prior, Role, Spread, Study

_ONE_STAGE = Arm(
    "one_stage",
    "direction and magnitude together, step by step",
    {"magnitudes": "joint", "loop": "state"},
    {},
    trainable="two_stage",
)
_EMPIRICAL = Arm(
    "empirical",
    "directions first, magnitudes drawn from all training steps",
    {"magnitudes": "empirical", "loop": "directions"},
    {},
    trainable="two_stage",
)
_GLOBAL = Arm(
    "global_features",
    "directions first, magnitudes drawn by speaker, rate and length",
    {"magnitudes": "global_features", "loop": "directions"},
    {},
    trainable="two_stage",
)
_MAGNITUDES_FIRST = Arm(
    "magnitudes_first",
    "magnitudes drawn by speaker, rate and length, and directions that follow the state",
    {"magnitudes": "global_features", "loop": "state"},
    {},
    trainable="two_stage",
)
_SKILL, _MARGIN = "energy_skill@1-8", 0.01
_NEVER = -10.0  # no share of a score that runs could gain by being halved


def _not_worse(name: str, arm: str, source: str, role: Role = Role.REPORTED) -> Criterion:
    return Criterion(
        name=name,
        metric=_SKILL,
        arm=arm,
        versus="one_stage",
        success=0.0,
        failure=0.0,
        role=role,
        claim=Claim.NOT_WORSE,
        margin=_MARGIN,
        source=source,
    )


_CRITERIA = (
    _not_worse(
        "directions first, with magnitudes by speaker, rate and length, are as skilful as one stage",
        "global_features",
        "Research Discussion 7, sections 2.6 and 6.2, item 6; it gives no measure and no threshold: skill, "
        "and a hundredth of climatology's score, are ours",
        Role.PRIMARY,
    ),
    Criterion(
        name="there is skill to be lost, more than of frames in random order",
        metric=_SKILL,
        arm="one_stage",
        success=0.02,
        failure=0.02,
        role=Role.REQUIRED,
        beats_null=True,
        source="ours: who predicts nothing loses nothing",
    ),
    Criterion(
        name="and magnitudes matter to it: runs with all magnitudes halved are worse",
        metric="lost_by_halving",
        arm="one_stage",
        success=_MARGIN,
        failure=_NEVER,
        role=Role.REQUIRED,
        source="ours: where they do not matter the question stays open",
    ),
    _not_worse(
        "so are those with magnitudes from the empirical distribution",
        "empirical",
        "Research Discussion 7, section 2.6 (“start with simplest version”); the margin is ours",
    ),
    _not_worse(
        "so are magnitudes drawn first, and directions that follow the state",
        "magnitudes_first",
        "ours: what drawing alone costs, without what directions alone do not know",
    ),
    Criterion(
        name="speaker, rate and length say more of magnitudes than the distribution of all",
        metric=_SKILL,
        arm="global_features",
        versus="empirical",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 2.6 (“requires identifying global conditioning variables”)",
    ),
    Criterion(
        name="as the document writes it: the decoded continuation is better than that of one stage",
        metric="quality",
        arm="global_features",
        versus="one_stage",
        success=0.0,
        failure=0.0,
        needs_decoder=True,
        source="Research Discussion 7, section 6.2, item 6; it gives no threshold: any improvement is ours",
    ),
    Criterion(
        name="direction is kept better at the end of the rollout",
        metric="cos@16",
        arm="global_features",
        versus="one_stage",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, section 2.6 (“training focuses on preserving content”)",
    ),
    Criterion(
        name="steps are as long as true ones",
        metric="magnitude_ratio@16",
        arm="global_features",
        success=0.9,
        failure=0.1,
        source="ours: from the failure modes of Research Discussion 7, section 2.2",
    ),
)

STUDY = Study(
    name="two_stage",
    title="Two-stage generation: directions first, magnitudes after",
    hypothesis=(
        "Magnitude can be decoupled from direction: directions generated from directions, with magnitudes "
        "sampled afterwards from global features, are as near to the truth as both predicted together."
    ),
    arms=(_ONE_STAGE, _EMPIRICAL, _GLOBAL, _MAGNITUDES_FIRST),
    fixed={"context": 16, "horizon": 16},
    # In which coordinates a step has its direction and its magnitude: the document does not say.
    space={"coordinates": Choice(("whitened", "raw"), each=True)},
    criteria=_CRITERIA,
    objective=_SKILL,
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "Final architecture (Research Discussion 7, section 6.2, item 6).",
        "NO-GO": "Keep direction and magnitude in one stage: magnitude is not independent of direction "
        "(Research Discussion 7, section 8.3).",
        "INCONCLUSIVE": (
            "Keep one stage, the simpler of the two, and leave the question open. The reason says what "
            "would decide it."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    budget=Budget(trials=2, lanes=1, replicates=6, control_seeds=1, alpha=0.05),  # both coordinates once
    source="Research Discussion 7, sections 2.6, 6.2 (item 6) and 8.3",
    controls={"directional": "GO", "lorenz": "NO-GO", "white": "NO-GO"},
    assay="assay_two_stage",
    spread=Spread(0.01, 0.004, 0.004, "a guess: no run of this study has been recorded"),
    lengths=("steps",),
    efforts={
        "standard": {"steps": 1500, "width": 96},
        "smoke": {"steps": 4, "batch": 4, "width": 8, "samples": 2, "utterances": 1, "seconds": 0.4},
    },
)
