"""What keeps a rollout stable? Remedies of the literature, each alone, and all at once less each.

All arms are one predictor, judged by sampled rollouts at the temperature that suits validation speakers best.
Each remedy stands alone in an arm; the arm "all" has every one of them, and its components take out each in
turn, and the two that come as a pair together. Rollouts are taught by half NLL, half energy score: NLL along
rollouts makes every arm worse (see the study "rollout_loss"), and remedies of what does harm anyhow would be
judged as teacher forcing left them. What the remedies gain on frames in random order, where no error can
compound, is no evidence that they keep a rollout stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.domains import Uniform
from search_spaces.small_predictor import SMALL_PREDICTOR, TOO_SMALL, UNDECIDED
from search_spaces.study import (
    DRAW_NO_CONCLUSION,
    Arm,
    Budget,
    Component,
    Criterion,
    Plant,
    Prior,
    Role,
    Study,
)

_NEUTRAL: Mapping[str, Any] = {
    "input_noise": 0.0,
    "input_mix": 0.0,
    "clean_context": False,
    "inference_noise": 0.0,
    "scheduled_sampling": 0.0,
    "rollout_gradient": "full",
    "magnitude_spread": 1.5,
}
# A name, what it is, and its setting; each with its source.
_REMEDIES: tuple[tuple[str, str, str, Any], ...] = (
    # A. Sanchez-Gonzalez et al., Learning to simulate complex physics with graph networks, 2020
    ("fixed_noise", "noise of one size on inputs", "input_noise", 0.1),
    # S. Rouard et al., Continuous audio language models, 2025, where the most is 1
    ("mixed_noise", "noise in the place of a random share of each input", "input_mix", 0.3),
    # the same, and E. Alonso et al., Diffusion for world modeling (DIAMOND), 2024
    ("inference_noise", "a little noise on what a run reads", "inference_noise", 0.03),
    # S. Bengio et al., 2015; no proper objective (F. Huszar, 2015)
    ("scheduled", "scheduled sampling", "scheduled_sampling", 0.3),
    # J. Brandstetter et al., Message passing neural PDE solvers, 2022
    ("pushforward", "no gradient through the rollout", "rollout_gradient", "stopped"),
    # ours: the mean of a LogNormal grows with exp(sigma^2 / 2)
    ("bounded_spread", "a bounded spread of magnitudes", "magnitude_spread", 0.5),
)
# Of what is noisy, the last few frames clean as well (S. Rouard et al.): no remedy where nothing is noisy.
_MIX, _CLEAN = {"input_mix": 0.3}, {"clean_context": True}
_ALL = {**{setting: value for _, _, setting, value in _REMEDIES}, **_CLEAN}

_ARMS = (
    Arm("all", "every remedy at once", {"head": "vmf", **_ALL}, {}),
    Arm("none", "no remedy", {"head": "vmf", **_NEUTRAL}, {}),
    *(
        Arm(name, title, {"head": "vmf", **_NEUTRAL, setting: value}, {})
        for name, title, setting, value in _REMEDIES
    ),
    Arm(
        name="clean_beside",
        title="mixed noise, and the last frames clean beside it",
        fixed={"head": "vmf", **_NEUTRAL, **_MIX, **_CLEAN},
        space={},
    ),
    Arm("linear", "ridge regression", {"head": "linear", "temperatures": ""}, {}),  # cannot be cooled
)


def _better(arm: str, versus: str, name: str, role: Role = Role.REPORTED) -> Criterion:
    return Criterion(
        name=name,
        metric="energy_skill@1-8",
        arm=arm,
        versus=versus,
        success=0.0,
        failure=0.0,
        role=role,
        beats_null=role is Role.PRIMARY,  # of frames in random order no error compounds
        source="ours: any improvement of a proper score",
    )


STUDY = Study(
    name="stabilisers",
    title="What keeps a rollout stable: noise on inputs, scheduled sampling, pushforward, bounded magnitudes",
    hypothesis=(
        "With the literature's remedies against compounding errors, all at once, a rollout's distribution is "
        "predicted better than without any."
    ),
    arms=_ARMS,
    fixed={
        **SMALL_PREDICTOR,
        "teacher_epochs": 2,
        "rollout_epochs": 2,
        "rollout": 8,
        "rollout_loss": "mixed",
        "feedback": "mean",
        "temperatures": "0.7,0.85,1",
    },
    space={"learning_rate": Uniform(2e-3, 8e-3, log=True)},
    criteria=(
        _better("all", "none", "all remedies are better than none", Role.PRIMARY),
        _better("all", "linear", "... and than ridge regression"),
        *(
            _better(name, "none", f"{title}, alone, is better than nothing")
            for name, title, _, _ in _REMEDIES
        ),
        _better("clean_beside", "mixed_noise", "beside mixed noise, clean frames are better than none"),
    ),
    objective="energy_skill@1-8",
    continuation="sample",  # as it is judged: the mean of a law is not what the energy score asks about
    prior=Prior(0.5, "ours: Research Discussion 7 gives no probability for this hypothesis"),
    consequences={
        "GO": "Train with the remedies whose removal costs skill, and leave out the others.",
        "NO-GO": f"Train without remedies. {TOO_SMALL}",
        "INCONCLUSIVE": f"{UNDECIDED} {TOO_SMALL}",
        "INADMISSIBLE": DRAW_NO_CONCLUSION,
    },
    # Two of ten arms are bound by a plant.
    budget=Budget(trials=2, lanes=2, replicates=6, control_seeds=1, alpha=0.05),
    # No criterion asks about information.
    efforts={"standard": {"teacher_epochs": 3, "rollout_epochs": 1, "marginal_steps": 200}},
    components=(
        *(Component(title, {setting: _NEUTRAL[setting]}) for _, title, setting, _ in _REMEDIES),
        Component("clean frames beside noisy ones", {"clean_context": False}),
    ),
    pairs=((_REMEDIES[0][1], _REMEDIES[2][1]),),
    plant=Plant.INFORMATION,
    source="ours, after the remedies that each arm names",
)
