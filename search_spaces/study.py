"""A study is data: a hypothesis, the arms that compete over it, and what would count as an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from search_spaces.domains import Domain


class StudyError(ValueError):
    """A study is unknown or contradicts itself; the message is one sentence for the user."""


class Role(StrEnum):
    """What a criterion may do to the verdict."""

    PRIMARY = "primary"  # decides; a study has exactly one
    REQUIRED = "required"  # must hold as well for GO, and its failure is a NO-GO
    REPORTED = "reported"  # shown beside the verdict, decides nothing


@dataclass(frozen=True)
class Criterion:
    """A threshold on a metric, in the direction "more is better".

    ``versus`` names an arm to subtract, paired by seed and speaker. Success: the interval lies above
    ``success`` (and above the white-noise null of the same arm where ``beats_null``). Failure: it lies below
    ``failure``.
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


@dataclass(frozen=True)
class Arm:
    """One side of the comparison: what is fixed, and what is searched."""

    name: str
    title: str
    fixed: Mapping[str, Any]
    space: Mapping[str, Domain]


@dataclass(frozen=True)
class Budget:
    """What a study spends unless its user says otherwise; the same for every arm."""

    trials: int = 12  # configurations explored per arm
    lanes: int = 4  # of them trained side by side in one program
    replicates: int = 6  # fresh paired seeds of each arm's winner
    alpha: float = 0.05


@dataclass(frozen=True)
class Study:
    """The whole question. ``consequences`` says what follows each verdict, in the document's words."""

    name: str
    title: str
    hypothesis: str
    arms: tuple[Arm, ...]
    fixed: Mapping[str, Any]  # settings of every arm
    space: Mapping[str, Domain]  # searched in every arm
    criteria: tuple[Criterion, ...]
    objective: str  # the metric that exploration maximises on validation speakers, in every arm
    prior: float  # probability of the hypothesis before the run
    consequences: Mapping[str, str]
    budget: Budget = field(default_factory=Budget)
    source: str = ""

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
        if not 0 < self.prior < 1:
            raise StudyError(f"study {self.name!r} has prior {self.prior}; it must lie between 0 and 1")

    @property
    def primary(self) -> Criterion:
        """The criterion that decides."""
        return next(c for c in self.criteria if c.role is Role.PRIMARY)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


def criteria_hash(study: Study) -> str:
    """The seal of a study: SHA-256 (hex) of its criteria, objective and alpha, as canonical JSON."""
    sealed = {
        "alpha": study.budget.alpha,
        "criteria": [asdict(criterion) for criterion in study.criteria],
        "objective": study.objective,
    }
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
