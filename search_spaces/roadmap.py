"""The roadmap: in which order the studies run, and what each verdict opens, closes or settles, as data.

Tiers and gates are those of section 6.2 of Research Discussion 7, consequences those of section 6.3, and the
open questions of section 9 stand where their answer is needed. The studies ``assay``, ``heads``,
``rollout_loss`` and ``stabilisers`` are not on the map: nothing in it depends on their answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from search_spaces.study import StudyError

GO, NO_GO, INCONCLUSIVE, INADMISSIBLE = VERDICTS = ("GO", "NO-GO", "INCONCLUSIVE", "INADMISSIBLE")


@dataclass(frozen=True)
class Condition:
    """The condition that a study has ended with a verdict."""

    study: str
    verdict: str

    def __str__(self) -> str:
        return f"{self.study} {self.verdict}"


# Any of several alternatives, each a conjunction of conditions; an empty conjunction always holds.
Gate = tuple[tuple[Condition, ...], ...]
OPEN: Gate = ((),)


@dataclass(frozen=True)
class Consequence:
    """What follows a verdict.

    Attributes:
        text: in words.
        opens: studies of the steps whose gate it helps to open.
        settles: the decision that it settles; empty where it settles none.
        switches: whether later steps run on the latents of the representation that won.
    """

    text: str
    opens: tuple[str, ...] = ()
    settles: str = ""
    switches: bool = False

    def __str__(self) -> str:
        known = not self.settles or self.settles.casefold() in self.text.casefold()
        return self.text if known else f"{self.text} Settles: {self.settles}."


# Neither verdict says yes or no: each branch that waits for the study goes on waiting.
HOLDING = {
    INCONCLUSIVE: Consequence("Opens nothing: its branch is held until what the reason asks for is there."),
    INADMISSIBLE: Consequence(
        "Opens nothing: mend what the reason names; the study is run again once code, data, effort or seed "
        "have changed."
    ),
}


@dataclass(frozen=True)
class Step:
    """A step of the roadmap: a study, what has to come before it, and what follows it."""

    study: str
    tier: int
    go: Consequence
    no_go: Consequence
    source: str  # of gate and consequences
    gate: Gate = OPEN

    @property
    def consequences(self) -> Mapping[str, Consequence]:
        """What follows each verdict."""
        return {GO: self.go, NO_GO: self.no_go, **HOLDING}


@dataclass(frozen=True)
class Roadmap:
    """Steps in the order in which they run; a gate depends on earlier steps alone.

    Raises:
        StudyError: a gate waits for something that never comes, a step comes twice or has no tier, or what a
            verdict opens is not what gates say.
    """

    title: str
    source: str
    tiers: Mapping[int, str]
    steps: tuple[Step, ...] = field(default=())

    def __post_init__(self) -> None:
        seen: list[str] = []
        for step in self.steps:
            for condition in (c for alternative in step.gate for c in alternative):
                if condition.study not in seen or condition.verdict not in (GO, NO_GO):
                    raise StudyError(f"the gate of {step.study!r} waits for {condition}, which never comes")
            if step.study in seen or step.tier not in self.tiers:
                raise StudyError(f"step {step.study!r} comes twice, or its tier {step.tier} is unknown")
            seen.append(step.study)
        for step in self.steps:
            for verdict, consequence in step.consequences.items():
                waiting = self.waiting_for(Condition(step.study, verdict))
                if consequence.opens != waiting:
                    raise StudyError(
                        f"{step.study} {verdict} says it opens {', '.join(consequence.opens) or 'nothing'}; "
                        f"gates say {', '.join(waiting) or 'nothing'}"
                    )

    def step(self, study: str) -> Step:
        """The step of the study of that name."""
        return next(step for step in self.steps if step.study == study)

    def waiting_for(self, condition: Condition) -> tuple[str, ...]:
        """Studies of the steps whose gate contains the condition, in the roadmap's order."""
        return tuple(s.study for s in self.steps if any(condition in together for together in s.gate))


def _when(*conditions: str) -> tuple[Condition, ...]:
    return tuple(Condition(*condition.rsplit(" ", 1)) for condition in conditions)


ROADMAP = Roadmap(
    title="From vMF rollouts to a final architecture",
    source="Research Discussion 7, sections 6.2, 6.3 and 9",
    tiers={1: "immediate", 2: "conditional on tier 1 success", 3: "longer-term"},
    steps=(
        Step(
            study="vmf_vs_mdn",
            tier=1,
            go=Consequence(
                "Success → proceed to archetypes.",
                opens=(
                    "archetypes",
                    "linear_readout",
                    "components",
                    "manifold",
                    "score_correction",
                    "two_stage_oracle",
                ),
                settles="factorize direction and magnitude (vMF)",
            ),
            no_go=Consequence(
                "Failure → try score-based or representation change.",
                opens=("representations", "score_correction"),
            ),
            source="sections 6.2 (item 1) and 6.3",
        ),
        Step(
            study="representations",
            tier=1,
            # Immediate anyway; and what a failure of vMF turns to.
            gate=(*OPEN, _when("vmf_vs_mdn NO-GO")),
            go=Consequence(
                "Success → switch representation.",
                opens=("linear_readout", "components"),
                settles="switch representation",
                switches=True,
            ),
            no_go=Consequence(
                "Failure → problem is objective/architecture, not representation.",
                settles="problem is objective/architecture, not representation",
            ),
            source="sections 6.2 (item 2), 6.3 and 9 (question 1)",
        ),
        Step(
            study="perception",
            tier=1,
            go=Consequence(
                "If direction matters more, vMF is correct factorization.",
                settles="vMF is correct factorization",
            ),
            no_go=Consequence(
                "Direction does not matter more: “slow but correct” is no reason to factorize.",
                settles="“slow but correct” is no reason to factorize",
            ),
            source="section 9 (question 2), where nothing has to come first",
        ),
        Step(
            study="archetypes",
            tier=2,
            gate=(_when("vmf_vs_mdn GO"),),
            go=Consequence("Success → memory-as-basis.", opens=("memory_as_basis",)),
            no_go=Consequence("Failure → pure parametric vMF.", settles="pure parametric vMF"),
            source="sections 6.2 (item 3) and 6.3",
        ),
        Step(
            study="memory_as_basis",
            tier=2,
            gate=(_when("archetypes GO"),),
            go=Consequence("Directions come from a memory, retrieved softly.", settles="memory-as-basis"),
            no_go=Consequence("A memory does not help: stay parametric.", settles="pure parametric vMF"),
            source="section 6.3 (archetypes) and 10 (“if archetypes exist”)",
        ),
        Step(
            study="linear_readout",
            tier=2,
            gate=(_when("vmf_vs_mdn GO"), _when("representations GO")),
            go=Consequence(
                "Use linear if comparable performance (Occam's razor).", settles="use linear readout"
            ),
            no_go=Consequence("Linear projection is too weak.", settles="keep the nonlinear encoder"),
            source="section 6.2 (item 4)",
        ),
        Step(
            study="components",
            tier=2,
            gate=(_when("vmf_vs_mdn GO"), _when("representations GO")),
            go=Consequence(
                "If components correspond to interpretable acoustic events, mode structure is real.",
                settles="mode structure is real",
            ),
            no_go=Consequence(
                "Draw nothing from the mixture's mode structure.",
                settles="mixture components are not acoustic events",
            ),
            source="section 9 (question 3), with the other studies of modal structure",
        ),
        Step(
            study="manifold",
            tier=3,
            gate=(_when("vmf_vs_mdn GO"),),
            go=Consequence(
                "Rolled-out states have much lower likelihood: score-based correction could help.",
                opens=("score_correction",),
            ),
            no_go=Consequence(
                "vMF rollouts stay on the manifold: there is nothing to correct.",
                settles="no score correction",
            ),
            source="section 9 (question 4), before the correction that it decides on",
        ),
        Step(
            study="score_correction",
            tier=3,
            gate=(_when("vmf_vs_mdn NO-GO"), _when("vmf_vs_mdn GO", "manifold GO")),
            go=Consequence("Deploy.", settles="deploy score correction"),
            no_go=Consequence("Single-step correction does not help.", settles="no score correction"),
            source="sections 6.2 (item 5: deploy if vMF rollouts drift off-manifold), 6.3 and 4.8",
        ),
        Step(
            study="two_stage_oracle",
            tier=3,
            gate=(_when("vmf_vs_mdn GO"),),
            go=Consequence("True directions with drawn magnitudes are speech.", opens=("two_stage",)),
            no_go=Consequence(
                "Magnitude is not independent of direction: the truth itself does not survive it.",
                settles="direction and magnitude stay in one stage",
            ),
            source="ours: what section 6.2 (item 6) presupposes, asked first since it costs seconds",
        ),
        Step(
            study="two_stage",
            tier=3,
            gate=(_when("two_stage_oracle GO"),),
            go=Consequence(
                "Final architecture if it improves perceptual quality.",
                settles="final architecture",
            ),
            no_go=Consequence(
                "Magnitude is not independent of direction.",
                settles="direction and magnitude stay in one stage",
            ),
            source="section 6.2 (item 6), after vMF",
        ),
    ),
)
