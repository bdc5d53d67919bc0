"""Does a memory of directions help? Soft retrieval of prototypes against a purely parametric direction.

The document asks whether it helps, of direction. Asked here is the energy score of sampled rollouts against
climatology, over the first eight steps: further ahead nothing that was tried has room left, and a proper
score is not won by a rollout that hardly moves. The document's cosine at step 16 stands beside it.

Both arms learn by teacher forcing alone. The likelihood of true frames along a rollout of the model's own
taught them nothing of that score on speech: validation speakers kept no state of it, and the epochs are worth
more before. Sampled runs of either are as cool as suits validation speakers best, as in the study of heads.
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.listeners import preferred_by_listeners
from search_spaces.small_predictor import SMALL_PREDICTOR
from search_spaces.study import (
    DRAW_NO_CONCLUSION,
    Arm,
    Budget,
    Criterion,
    Plant,
    Prior,
    Role,
    Study,
)

_CONCENTRATION = {
    "kappa_prior": Uniform(1e-4, 1e-1, log=True),
    "kappa_prior_ratio": Uniform(0.3, 5.0, log=True),
}

_PARAMETRIC = Arm("vmf", "pure parametric von Mises-Fisher direction", {"head": "vmf"}, _CONCENTRATION)

# At first the memory holds the cluster centres of the training directions, by spherical k-means.
_MEMORY = Arm(
    name="memory",
    title="direction as a soft mixture of remembered directions",
    fixed={"head": "prototypes"},
    space={**_CONCENTRATION, "components": Choice((32, 128, 512))},
)

_CRITERIA = (
    Criterion(
        name="the rollout's distribution is better",
        metric="energy_skill@1-8",
        arm="memory",
        versus="vmf",
        success=0.0,
        failure=0.0,
        role=Role.PRIMARY,
        source="Research Discussion 7, section 10 (“helps”); it gives no threshold: any improvement of a "
        "proper score is ours",
    ),
    Criterion(
        name="direction is kept better at the end of the rollout",
        metric="cos@16",
        arm="memory",
        versus="vmf",
        success=0.0,
        failure=0.0,
        source="Research Discussion 7, sections 3.6 and 10: what it would have asked of direction",
    ),
    Criterion(
        name="the decoded continuation is better",
        metric="continuation_quality",
        arm="memory",
        versus="vmf",
        success=0.0,
        failure=0.0,
        needs_decoder=True,
        source="ours: Research Discussion 7 asks every intervention to be heard (section 11, item 3)",
    ),
    preferred_by_listeners("memory", "vmf", "Research Discussion 7, section 11, item 3"),
)

STUDY = Study(
    name="memory_as_basis",
    title="Memory as basis: soft retrieval of directions against a parametric direction",
    hypothesis=(
        "Where archetypes exist, expressing a direction as a weighted sum of remembered directions predicts "
        "a rollout better than a purely parametric head does."
    ),
    arms=(_PARAMETRIC, _MEMORY),
    fixed={
        **SMALL_PREDICTOR,
        "teacher_epochs": 4,
        "rollout_epochs": 0,
        "feedback": "mean",  # of the cosine; the score is that of samples
        "temperatures": "0.7,0.85,1",
    },
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
        "input_noise": Uniform(0.0, 0.05),
    },
    criteria=_CRITERIA,
    objective="energy_skill@1-8",
    prior=Prior(0.25, "Research Discussion 7, section 10: if archetypes exist"),
    consequences={
        "GO": "Use memory-as-basis for directions (Research Discussion 7, sections 3.6 and 6.3).",
        "NO-GO": "Pure parametric vMF: archetypes exist, but a memory of them does not help.",
        "INCONCLUSIVE": (
            "Keep the parametric head, the simpler of the two, and leave the question open. The reason says "
            "what would decide it."
        ),
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    # Lanes of a pack share their structure: six packs try three sizes of memory.
    budget=Budget(trials=12, lanes=2, replicates=6, alpha=0.05),
    efforts={"standard": {"teacher_epochs": 14}},
    plant=Plant.INFORMATION,
    source="Research Discussion 7, sections 3.6, 6.3 and 10",
)
