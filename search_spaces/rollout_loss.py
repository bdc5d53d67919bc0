"""What should a free run be taught by? Half NLL and half energy score, against NLL alone.

The NLL of the one true future, asked of a run that has drifted from it by its own samples, teaches a law that
is wider and wider: a known harm. The energy score of several sampled runs is proper for where runs arrive,
and asks for no more than the law. It is compared with teacher forcing alone, which is given at least as many
seconds of training; and with rollouts as other studies train them. Every arm is judged in the best state that
validation speakers saw, so that what NLL along sampled rollouts destroys stands in its learning curve, and
not in its score. A law whose spread is better calibrated gains on frames in random order as well, where there
is no past to know: the claim has to gain more than that.
"""

from __future__ import annotations

from search_spaces.domains import Choice, Uniform
from search_spaces.small_predictor import SMALL_PREDICTOR, TOO_SMALL, UNDECIDED
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

_VMF = {"head": "vmf"}
_SAMPLED = {**_VMF, "feedback": "sample"}

_MIXED = Arm(
    name="mixed",
    title="half NLL, half energy score of two sampled runs",
    fixed={**_SAMPLED, "rollout_loss": "mixed"},
    space={"rollout_gradient": Choice(("full", "stopped"), each=True)},
)
_ARMS = (
    _MIXED,
    Arm(
        name="teacher",
        title="NLL by teacher forcing, for at least as long",
        # Four epochs of either phase, of the effort "standard", take as long as nine of teacher forcing.
        fixed={**_SAMPLED, "teacher_epochs": 12, "rollout_epochs": 0},
        space={},
    ),
    Arm("today", "NLL along rollouts of the mean", {**_VMF, "feedback": "mean"}, {}),
    Arm("harm", "NLL along sampled rollouts", _SAMPLED, {}),
    Arm("energy", "energy score alone", {**_SAMPLED, "rollout_loss": "energy"}, {}),
    Arm("linear", "ridge regression", {"head": "linear", "feedback": "sample"}, {}),
)


def _better_than(
    versus: str,
    title: str,
    role: Role = Role.REPORTED,
    metric: str = "energy_skill@1-8",
    source: str = "ours",
) -> Criterion:
    """A claim that half NLL, half energy exceeds another arm."""
    return Criterion(
        name=f"better than {title} ({metric})",
        metric=metric,
        arm=_MIXED.name,
        versus=versus,
        success=0.0,
        failure=0.0,
        role=role,
        beats_null=role is not Role.REPORTED,  # some of what is gained is spread alone, and needs no past
        source=source,
    )


STUDY = Study(
    name="rollout_loss",
    title="Rollouts taught by the energy score against NLL",
    hypothesis=(
        "Half NLL and half energy score of sampled rollouts predicts the distribution of a rollout better "
        "than teacher forcing by NLL does in as much time, and than rollouts under NLL do."
    ),
    arms=_ARMS,
    fixed={**SMALL_PREDICTOR, "teacher_epochs": 2, "rollout_epochs": 2, "rollout": 8},
    space={
        "learning_rate": Uniform(2e-3, 8e-3, log=True),
        "weight_decay": Uniform(1e-6, 1e-2, log=True),
    },
    criteria=(
        _better_than(
            "teacher",
            "teacher forcing for as long",
            Role.PRIMARY,
            source="ours; weather models are trained so (S. Lang et al., AIFS-CRPS, 2024)",
        ),
        _better_than("today", "rollouts of the mean under NLL", Role.REQUIRED),
        _better_than("harm", "sampled rollouts under NLL"),
        _better_than("energy", "the energy score alone"),
        _better_than("linear", "ridge regression"),
        _better_than("teacher", "teacher forcing for as long", metric="energy_skill@16"),
        _better_than("teacher", "teacher forcing for as long", metric="-crps@16"),
        _better_than("teacher", "teacher forcing for as long", metric="cos@16"),
    ),
    objective="energy_skill@1-8",
    continuation="sample",  # as it is judged: the mean of a law is not what the energy score asks about
    prior=Prior(0.5, "ours: Research Discussion 7 does not ask it"),
    consequences={
        "GO": "Train rollouts of sampled feedback with half NLL, half energy score.",
        "NO-GO": f"Teach by NLL under teacher forcing, which is the simpler. {TOO_SMALL}",
        "INCONCLUSIVE": f"{UNDECIDED} {TOO_SMALL}",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    # Lanes of a pack share their structure: two packs try both gradients. Three of six arms are bound by a
    # plant.
    budget=Budget(trials=4, lanes=2, replicates=6, control_seeds=1, alpha=0.05),
    efforts={"standard": {"teacher_epochs": 4, "rollout_epochs": 4}},
    plant=Plant.INFORMATION,
    source="ours, after the settings of section 4.7 of Research Discussion 7",
)
