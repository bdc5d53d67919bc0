"""All that one lane is told, whatever it runs: its trainable by name, and settings of that trainable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from trainables import declared
from trainables.contract import Trainable
from trainables.errors import InputError
from trainables.own_parts.registry import PartKind, installed_parts, is_own_part, load_part, reference_of
from trainables.predictor.config import ALL_HEADS, BACKBONES, OWN_METRICS

# The setting that names what a lane runs, and what runs where it is not named.
TRAINABLE_SETTING, PREDICTOR = "trainable", "predictor"
# The settings that may name a part that a user brings.
PART_SETTINGS = {
    TRAINABLE_SETTING: PartKind.TRAINABLE,
    "head": PartKind.HEAD,
    "backbone": PartKind.BACKBONE,
    OWN_METRICS: PartKind.METRIC,
}


@dataclass(frozen=True, eq=False)
class LaneConfig:
    """All that one lane is told: settings as they were named, in that order; the others have their defaults.

    Two are equal that name the same settings with the same values, in whatever order.

    Raises:
        InputError: the trainable or a setting is unknown, a setting has a value that is not allowed or
            clashes with another, or one without a default is not named.
    """

    settings: tuple[tuple[str, Any], ...]

    def __post_init__(self) -> None:
        named = {name for name, _ in self.settings} - {TRAINABLE_SETTING}
        shared, own = structural_settings(self.kind), _names(self.trainable.lane)
        unknown = sorted(named - shared - own)
        if unknown:
            raise InputError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(shared | own))}")
        for name, wanted in self.trainable.required.items():
            if name not in named:
                raise InputError(f"{name} is missing; it must be {wanted}")
        _ = self.structure, self.lane  # built now, so that a wrong value is refused where it is given

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> LaneConfig:
        """The configuration with these settings, in their order."""
        return cls(tuple(settings.items()))

    @property
    def kind(self) -> str:
        """The name of the trainable."""
        return str(dict(self.settings).get(TRAINABLE_SETTING, PREDICTOR))

    @property
    def trainable(self) -> Trainable:
        """What the lane runs."""
        return trainable(self.kind)

    @cached_property
    def structure(self) -> Any:
        """What the lane shares with all lanes of its pack, of the trainable's own type."""
        return self._some(structural_settings(self.kind), self.trainable.structure)

    @cached_property
    def lane(self) -> Any:
        """What the lane has of its own, of the trainable's own type."""
        return self._some(_names(self.trainable.lane), self.trainable.lane)

    @property
    def competes(self) -> bool:
        """Whether lanes of a pack are dropped by their rank among the others."""
        return bool(getattr(self.structure, "rung_epochs", 0))

    def __or__(self, changes: Mapping[str, Any]) -> LaneConfig:
        """The same settings with some changed or added."""
        return LaneConfig.of({**self.to_json(), **changes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LaneConfig) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(frozenset(self.settings))

    def without(self, *names: str) -> LaneConfig:
        """The same settings but for some, which get their defaults."""
        return LaneConfig(tuple((name, value) for name, value in self.settings if name not in names))

    def means_the_same_as(self, other: LaneConfig) -> bool:
        """Whether both train the same lane, though one may name a default that the other leaves out."""
        mine, theirs = ((each.kind, each.structure, each.lane) for each in (self, other))
        return mine == theirs

    def to_json(self) -> dict[str, Any]:
        """The settings that were named, as a flat dictionary."""
        return dict(self.settings)

    def with_defaults(self) -> dict[str, Any]:
        """Every setting there is, as a flat dictionary; that of a predictor names no trainable."""
        named = {} if self.kind == PREDICTOR else {TRAINABLE_SETTING: self.kind}
        settings = {**asdict(self.structure), **asdict(self.lane), **named}
        # Left out where there are none, so that lanes from before they could be brought keep their names.
        return {name: value for name, value in settings.items() if (name, value) != (OWN_METRICS, "")}

    def own_parts(self) -> list[str]:
        """The parts of a user's that the lane needs, each as ``module:attribute``."""
        return own_references({**self.with_defaults(), TRAINABLE_SETTING: self.kind})

    def deciding(self) -> dict[str, Any]:
        """Every setting there is but for those that came later and are at their defaults."""
        silent = {
            setting.name
            for kind in (self.structure, self.lane)
            for setting in fields(kind)
            if setting.metadata.get("later") and getattr(kind, setting.name) == setting.default
        }
        return {name: value for name, value in self.with_defaults().items() if name not in silent}

    def _some(self, names: frozenset[str], kind: type[Any]) -> Any:
        return kind(**{name: value for name, value in self.settings if name in names})


def trainables() -> list[str]:
    """The names of all trainables, sorted."""
    folder = Path(declared.__file__ or "").parent
    return sorted(path.stem for path in folder.glob("[a-z]*.py"))


@cache
def trainable(name: str) -> Trainable:
    """The trainable of that name: one of this project, or one that a user brings.

    Raises:
        InputError: there is none; the sentence names the nearest one.
    """
    if name not in trainables():
        if is_own_part(PartKind.TRAINABLE, name):
            return _own(name)
        known = [*trainables(), *installed_parts(PartKind.TRAINABLE)]
        nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise InputError(
            f"unknown trainable {name!r}; did you mean {nearest!r}? There are {', '.join(known)}"
        )
    # Imported by its name, so that the version of one trainable's code does not depend on the others.
    found: Trainable = import_module(declaring_module(name)).TRAINABLE
    return found


def _own(name: str) -> Trainable:
    part = load_part(PartKind.TRAINABLE, name)
    if not isinstance(part, Trainable):
        raise InputError(
            f"trainable {name!r} is a {type(part).__name__}; it must be a Trainable of trainables.contract"
        )
    return part


def declaring_module(name: str) -> str:
    """The module that declares a trainable of this project."""
    return f"{declared.__name__}.{name}"


def own_references(settings: Mapping[str, Any]) -> list[str]:
    """The parts of a user's that some settings name, each as ``module:attribute``."""
    ours = {PartKind.TRAINABLE: trainables(), PartKind.HEAD: ALL_HEADS, PartKind.BACKBONE: BACKBONES}
    return [
        reference_of(kind, name)
        for setting, kind in PART_SETTINGS.items()
        for name in str(settings.get(setting, "")).split(",")
        if name not in ours.get(kind, ()) and is_own_part(kind, name)
    ]


@cache
def structural_settings(kind: str) -> frozenset[str]:
    """The names of what the lanes of a pack share."""
    return _names(trainable(kind).structure)


def _names(settings: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(settings))
