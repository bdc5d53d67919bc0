"""A study is data: a hypothesis, the arms that compete over it, and what would count as an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from search_spaces.domains import Choice, Domain


class StudyError(ValueError):
    """A study is unknown or contradicts itself; the message is one sentence for the user."""


class Claim(StrEnum):
    """What a criterion claims about its metric."""

    GREATER = "greater"  # it exceeds ``success``; below ``failure`` the claim has failed
    COMPARABLE = "comparable"  # it differs from that of ``versus`` by less than ``margin``, either way
    NOT_WORSE = "not worse"  # it falls short of that of ``versus`` by less than ``margin``
    TIMES = "times"  # it exceeds ``success`` times that of ``versus``; below ``failure`` times it has failed


class Plant(StrEnum):
    """What is planted in surrogate frames for a claim, and has to be found there by each arm it binds."""

    NONE = ""
    # A direction that stays known: cos@K has to reach 0.9 of what is possible; and one that is lost: cos@K
    # has to fail.
    DIRECTION = "direction"
    # The same frames, in which the past says something about the next frame: information has to exceed 0.
    INFORMATION = "information"


# The metric of a criterion that people decide by listening: the share of pairs in which they prefer an arm.
PREFERENCE = "preference"

# Placeholders for representations, until a sweep knows which latents it runs on.
REFERENCE = "the first latents given"
OTHERS = "every other latents given"


class Role(StrEnum):
    """What a criterion contributes to the verdict."""

    PRIMARY = "primary"  # decides; a study has exactly one
    REQUIRED = "required"  # must hold as well for GO, and its failure is a NO-GO
    # Has to come out as the primary one does, or the question stays open: another measure of the same thing.
    AGREEING = "agreeing"
    REPORTED = "reported"  # shown beside the verdict, decides nothing


@dataclass(frozen=True)
class Criterion:
    """A claim about a metric, in the direction "more is better", decided by its whole interval.

    ``versus`` names an arm to subtract, paired by seed, speaker and utterance. A ``GREATER`` claim succeeds
    where the interval lies above ``success`` (and the arm above each of its own ``nulls`` where
    ``beats_null``) and fails where it lies below ``failure``. A ``COMPARABLE`` claim succeeds where the
    interval lies within ``margin`` of 0 and fails where it lies entirely outside; ``NOT_WORSE`` asks for the
    lower side alone. A ``TIMES`` claim succeeds where the arm's metric less ``success`` times that of
    ``versus`` lies above 0 with its whole interval, and fails where it lies below 0 less ``failure`` times
    it; where ``beats_null`` both sides are first taken less their own white-noise nulls.
    """

    name: str
    metric: str  # "cos@16", "predictive_information", "continuation_quality" ...
    arm: str
    success: float
    failure: float
    role: Role = Role.REPORTED
    versus: str | None = None
    beats_null: bool = False
    needs_decoder: bool = False  # not applicable where the representation cannot be decoded to audio
    source: str = ""  # where the threshold comes from
    claim: Claim = Claim.GREATER
    margin: float = 0.0  # what still counts as no difference, in units of the metric
    # The share of seeds that have to meet it each by itself, with the whole of its exact interval; 0 = the
    # mean over seeds alone is asked for. Not of a TIMES claim.
    seeds: float = 0.0
    # The surrogates that it has to beat, each with the whole of its interval, where ``beats_null``.
    nulls: tuple[str, ...] = ("white",)
    # Whether what it claims is a defect of the arm, which one that has learnt too little shows as well.
    defect: bool = False


@dataclass(frozen=True)
class Arm:
    """One side of the comparison: what is fixed, and what is searched."""

    name: str
    title: str
    fixed: Mapping[str, Any]
    space: Mapping[str, Domain]
    trainable: str = "predictor"  # what its lanes run: a module of trainables/declared/
    # How long an optimiser step of it takes, in those of the study's arms of pace 1: its epochs are as many
    # fewer, so that all arms train for as long.
    pace: float = 1.0


@dataclass(frozen=True)
class Component:
    """A part of an arm that may or may not earn its place: without it, ``neutral`` settings stand in.

    Both sides of the comparison share the confirmed winner's settings, overlaid with ``given``. Where taking
    the part out is known to do harm, an ablation that does not see the harm is a blind instrument.
    """

    name: str
    neutral: Mapping[str, Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    known_harm: bool = False


@dataclass(frozen=True)
class Spread:
    """How much a metric varies, as standard deviations: what a design expects before anything was run."""

    speakers: float  # between speakers
    seeds: float  # between seeds
    rest: float  # of one seed on one speaker, beyond the two
    source: str = ""


@dataclass(frozen=True)
class Prior:
    """How probable a hypothesis is held to be before the run, and who says so."""

    probability: float
    source: str


@dataclass(frozen=True)
class Budget:
    """What a study spends unless its user says otherwise; the same for every arm."""

    trials: int = 12  # configurations explored per arm
    lanes: int = 4  # of them trained side by side in one program
    # Share of a study's ``lengths`` that explored lanes train: they rank settings, and their winner trains
    # all of it.
    exploration: float = 1.0
    replicates: int = 6  # fresh paired seeds of each arm's winner
    control_seeds: int = 3  # on which each null and each plant is trained
    alpha: float = 0.05  # of every two-sided interval
    power: float = 0.8  # with which the design detects the effect that the plan names
    looks: int = 1  # at the test speakers; more than one spends alpha over them


# The settings that say how many epochs each phase of training may last.
PHASES = ("teacher_epochs", "rollout_epochs")

_HEARD = ("", "mean", "mode", "sample")  # what may be fed back in continuations

# Stands for as many epochs as both phases together may last, where a component is taken out.
ALL_EPOCHS = "all epochs"

# What exploration maximises where a direction is to be kept for 16 steps. The first step is left out: where
# frames are independent in time its cosine is up to 0.707, and configurations would be ranked by how well
# they have learnt the way back to the mean. At later steps it is 0 there, whatever a predictor does.
DIRECTION_KEPT = "cos@2-16"

# Control worlds, and how the assay has to read each: one that keeps its directions, and two without a past;
# the second makes a density that is poor at single frames look as if it knew one.
ASSAYED = {"directional": "GO", "white": "NO-GO", "loud_white": "NO-GO"}

# What follows from INADMISSIBLE, whatever the study.
DRAW_NO_CONCLUSION = "Draw no conclusion. Mend what the reason names and run the study again."

# What is left out of every judgement, and why it may be: written down before anyone looks.
EXCLUSIONS = (
    "a replicate whose training diverged is never dropped: it counts as the worst seed of its arm, or as "
    "nothing where that is worse",
    "a replicate that finished, but has a metric that is not finite, is left out of that metric and counted",
    "a free run that leaves the numbers, or ten times the data's range, is stopped there: from then on it "
    "goes in no direction, and the share of such runs is shown",
    "an utterance shorter than context and horizon together has no rollout and is not counted",
    "a speaker without any counted utterance is left out, and the number of speakers says so",
)


@dataclass(frozen=True)
class Study:
    """A study: the whole question, and what follows each verdict, in the words of the document.

    ``controls`` are worlds of known answer that a verdict has to cite, each with the verdict that the study
    named by ``assay`` must give on it: an instrument that misreads one of them is not believed about anything
    else.

    ``plant`` is what the confirmation plants: a claim is not believed to fail where an arm misses what was
    put there for it to find. Studies of something else than forecasts have none: worlds in which their own
    answer is known are among their controls.

    A study whose trainables do not exist yet says in ``missing`` what it waits for. It can be read and
    planned, and gates can depend on it, but it does not run.

    Raises:
        StudyError: the study contradicts itself.
    """

    name: str
    title: str
    hypothesis: str
    arms: tuple[Arm, ...]
    fixed: Mapping[str, Any]  # settings of every arm
    space: Mapping[str, Domain]  # searched in every arm
    criteria: tuple[Criterion, ...]
    objective: str  # the metric that exploration maximises on validation speakers, in every arm
    prior: Prior
    consequences: Mapping[str, str]
    budget: Budget = field(default_factory=Budget)
    source: str = ""
    components: tuple[Component, ...] = ()  # of the primary criterion's arm
    pairs: tuple[tuple[str, str], ...] = ()  # components taken out together as well
    exclusions: tuple[str, ...] = EXCLUSIONS
    controls: Mapping[str, str] = field(default_factory=lambda: dict(ASSAYED))
    spread: Spread = Spread(0.05, 0.02, 0.02, "a guess: no run of this study has been recorded")
    plant: Plant = Plant.NONE
    missing: str = ""  # what does not exist yet; empty where the study can run
    effort: str = "quick"  # how much training stands in ``fixed`` (:mod:`search_spaces.effort`)
    settings: Mapping[str, Any] = field(default_factory=dict)  # in ``fixed``, as the user wants them
    assay: str = "assay"  # the study that is asked of the control worlds
    # What an effort, or "smoke", puts in place of settings: all of it where arms run something else than
    # predictors, else what differs from :data:`search_spaces.effort.PREDICTOR_EFFORTS`.
    efforts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The settings that say how long a lane trains: an exploration may train a share of each.
    lengths: tuple[str, ...] = PHASES
    # What is fed back where continuations are decoded and scored; empty: what the rollouts of an arm do.
    continuation: str = ""
    file_hash: str = ""  # SHA-256 of the file that declares it, where that is a user's own

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        primaries = [c for c in self.criteria if c.role is Role.PRIMARY]
        if len(primaries) != 1:
            raise StudyError(f"study {self.name!r} has {len(primaries)} primary criteria; it needs one")
        for criterion in self.criteria:
            for arm in (criterion.arm, criterion.versus):
                if arm is not None and arm not in names:
                    raise StudyError(
                        f"criterion {criterion.name!r} names the arm {arm!r}; "
                        f"study {self.name!r} has {', '.join(names)}"
                    )
            _check_margin(criterion)
        for kind in ("arms", "criteria", "components"):
            part_names = [part.name for part in getattr(self, kind)]
            if len(set(part_names)) < len(part_names):
                raise StudyError(f"study {self.name!r} has two {kind} of one name; give each another name")
        if self.continuation not in _HEARD:
            raise StudyError(
                f"study {self.name!r} has continuation {self.continuation!r}; it must be one of "
                f"{', '.join(filter(None, _HEARD))}, or empty"
            )
        if not 0 < self.prior.probability < 1:
            raise StudyError(
                f"study {self.name!r} has prior {self.prior.probability}; it must lie between 0 and 1"
            )
        known = [component.name for component in self.components]
        for name in (name for pair in self.pairs for name in pair):
            if name not in known:
                raise StudyError(
                    f"study {self.name!r} pairs the component {name!r}; it has {', '.join(known) or 'none'}"
                )

    @property
    def primary(self) -> Criterion:
        """The criterion that decides."""
        return next(c for c in self.criteria if c.role is Role.PRIMARY)

    @property
    def binding(self) -> tuple[Criterion, ...]:
        """The criteria on which the verdict depends: the primary one, and those that have to hold as well."""
        return tuple(c for c in self.criteria if c.role is not Role.REPORTED)

    @property
    def binding_arms(self) -> tuple[str, ...]:
        """The arms that binding criteria are about, each once, in the order of the criteria: those of which
        plants are asked.
        """
        return tuple(dict.fromkeys(arm for c in self.binding for arm in (c.arm, c.versus) if arm is not None))

    @property
    def trainables(self) -> tuple[str, ...]:
        """What the lanes of its arms run, by name, sorted."""
        return tuple(sorted({arm.trainable for arm in self.arms}))

    @property
    def compares(self) -> bool:
        """Whether its arms run on different representations of the same audio."""
        return any("representation" in {**arm.fixed, **arm.space} for arm in self.arms)

    def arm(self, name: str) -> Arm:
        """The arm called ``name``."""
        return next(arm for arm in self.arms if arm.name == name)


def bound(study: Study, representations: Sequence[str]) -> Study:
    """The study on given representations: ``REFERENCE`` is the first of them, ``OTHERS`` are the rest.

    Raises:
        StudyError: a study that compares representations gets a single one, or any other study several.
    """
    count = len(representations)
    if study.compares != (count > 1):
        few = "compares representations of the same audio; give at least two --latents, the reference first"
        many = f"runs on one representation, and {count} --latents were given; give one"
        raise StudyError(f"study {study.name!r} {few if study.compares else many}")
    if not study.compares:
        return study
    reference, others = representations[0], tuple(representations[1:])
    return replace(study, arms=tuple(_bound(arm, reference, others) for arm in study.arms))


def _bound(arm: Arm, reference: str, others: tuple[str, ...]) -> Arm:
    fixed, space = dict(arm.fixed), dict(arm.space)
    if fixed.get("representation") == REFERENCE:
        fixed["representation"] = reference
    if space.get("representation") == Choice((OTHERS,), each=True):
        if len(others) == 1:  # nothing to choose
            del space["representation"]
            fixed["representation"] = others[0]
        else:
            space["representation"] = Choice(others, each=True)
    return replace(arm, fixed=fixed, space=space)


_JUDGED = (
    "name",
    "hypothesis",
    "objective",
    "criteria",
    "components",
    "pairs",
    "exclusions",
    "consequences",
    "controls",
    "plant",
)


def declared(study: Study) -> dict[str, Any]:
    """Everything that a study declares, as plain data: the part of a seal that is about the study."""
    fields = asdict(study)
    for arm in fields["arms"]:
        _leave_out(arm, "trainable", "predictor")
        _leave_out(arm, "pace", 1.0)
    question = {name: fields[name] for name in ("arms", "fixed", "space", "effort", "settings")}
    own = {"file": study.file_hash} if study.file_hash else {}
    return json.loads(json.dumps({**_judged(study), **question, **own}))


def criteria_hash(study: Study) -> str:
    """SHA-256, in hex, of what a study declares about its judgement, as canonical JSON."""
    text = json.dumps(_judged(study), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _judged(study: Study) -> dict[str, Any]:
    fields, budget = asdict(study), study.budget
    for criterion in fields["criteria"]:
        _leave_out(criterion, "nulls", ("white",))
        _leave_out(criterion, "defect", False)
    design = {"prior": study.prior.probability, "alpha": budget.alpha, "power": budget.power}
    own = {} if study.assay == "assay" else {"assay": study.assay}
    if study.continuation:
        own["continuation"] = study.continuation
    return {
        **{n: fields[n] for n in _JUDGED},
        **own,
        "primary": study.primary.name,
        **design,
        "looks": budget.looks,
    }


def _leave_out(fields: dict[str, Any], name: str, usual: Any) -> None:
    """Leave out what is as it always was, so that studies from before it could differ keep their hashes."""
    if fields[name] == usual:
        del fields[name]


def _check_margin(criterion: Criterion) -> None:
    if criterion.seeds and (criterion.claim is Claim.TIMES or not 0 < criterion.seeds < 1):
        raise StudyError(
            f"criterion {criterion.name!r} asks for a share of seeds of {criterion.seeds:g}; it must lie "
            "between 0 and 1, and seeds do not meet a claim of 'times' by themselves"
        )
    if criterion.claim is Claim.TIMES:
        if criterion.versus is None or not 0 < criterion.failure <= criterion.success:
            raise StudyError(
                f"criterion {criterion.name!r} claims 'times'; it needs an arm as versus, and a failure "
                f"between 0 and its success, not {criterion.failure:g} and {criterion.success:g}"
            )
    elif criterion.claim is not Claim.GREATER and (criterion.versus is None or not criterion.margin > 0):
        raise StudyError(
            f"criterion {criterion.name!r} claims {str(criterion.claim)!r}; it needs an arm as versus "
            f"and a margin above 0, not {criterion.margin}"
        )
