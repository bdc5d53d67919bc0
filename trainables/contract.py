"""What a lane runs: the contract between whatever is trained and the code that searches, records and judges.

A trainable names two frozen dataclasses of settings, one for what all lanes of a pack share and one for what
a lane has of its own, and a function that trains a pack. That function leaves sums and counts per speaker, on
the frames that each lane's ``surrogate`` names. Nothing else of a trainable is known outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from trainables.latents.batching.surrogates import Surrogate
from trainables.setting_checks import require, require_kinds

if TYPE_CHECKING:  # settings are read where nothing is trained, and torch takes seconds to load
    import torch

    from trainables.distributions.frame_flow import FrameFlow
    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

Tracks = Mapping[str, Mapping[str, np.ndarray]]  # utterance -> energy, f0, spectral_flux, [T] each


@dataclass(frozen=True)
class SharedSettings:
    """What decides the program of a pack; a base for trainables that have no such class yet."""

    representation: str = ""  # whose frames these are, where a sweep has latents of several
    objective: str = ""  # the metric that exploration ranks by: more is better
    # Of the frames that it is fed.
    dtype: ClassVar[str] = "float32"

    def __post_init__(self) -> None:
        require_kinds(self)


@dataclass(frozen=True)
class OwnSettings:
    """What one lane has of its own; a base for trainables that have no such class yet."""

    seed: int = 0
    surrogate: Surrogate = Surrogate.REAL  # the frames that it is trained and judged on

    def __post_init__(self) -> None:
        require(self, "surrogate", self.surrogate in tuple(Surrogate), f"one of {', '.join(Surrogate)}")
        object.__setattr__(self, "surrogate", Surrogate(self.surrogate))  # given as text in JSON
        require_kinds(self)


@dataclass(frozen=True)
class CosineLane(OwnSettings):
    """What one lane has of its own that AdamW trains."""

    learning_rate: float = 5e-3  # at the start; a cosine brings it to 0
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "learning_rate", self.learning_rate > 0, "above 0")
        require(self, "weight_decay", self.weight_decay >= 0, "0 or more")


@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """Something fitted that lanes need beside what they train, the same for all that name it.

    Attributes:
        kind: in one word, for names of files.
        title: in words, in the plural.
        surrogate: the frames that it is fitted to.
        settings: names and values that it is fitted with.
        fit: fits it to frames of training speakers, stopped by those of validation speakers; what it returns
            are tensors and plain numbers. A function of a module, which has the same result wherever it runs.
    """

    kind: str
    title: str
    surrogate: Surrogate
    settings: tuple[tuple[str, Any], ...]
    fit: Callable[[Auxiliary, Feed, Feed], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The frames that a pack is judged on, and how.

    Attributes:
        judged: frames of the speakers that judge: those of validation while exploring, else those of test.
        held_out: frames of validation speakers, for whatever is chosen or stopped by them.
        exploring: whether lanes are only to be ranked, by the objective, and may be dropped.
        thorough: whether all that can be measured is measured.
        flows: densities of single frames that know no past, by surrogate, where the trainable forecasts.
        tracks: acoustic tracks of training and judged utterances, where the trainable asks for them.
        codec: name and weights of what decodes the frames; None where nothing does.
        rms: by which stored frames were divided.
        world: what the latents say of the control world that they are of; None where they are of none.
        auxiliaries: those that were fitted before, for all lanes at once.
    """

    judged: Feed
    held_out: Feed
    exploring: bool
    thorough: bool = True
    flows: Mapping[str, FrameFlow] = field(default_factory=dict)
    tracks: Tracks = field(default_factory=dict)
    codec: tuple[str, str | None] | None = None
    rms: float = 1.0
    world: Mapping[str, Any] | None = None
    auxiliaries: Mapping[Auxiliary, dict[str, Any]] = field(default_factory=dict)

    def fitted(self, wanted: Auxiliary, train: Feed) -> dict[str, Any]:
        """What the fit of an auxiliary leaves, which is fitted now where it was not before."""
        known = self.auxiliaries.get(wanted)
        return wanted.fit(wanted, train, self.held_out) if known is None else known


class TrainingPhase(NamedTuple):
    """A phase of a lane's training."""

    name: str
    epochs: int  # that it may last
    patience: int  # epochs without progress after which it ends earlier; 0 = never


class PackCost(Protocol):
    """What a pack of a trainable costs."""

    @property
    def bytes(self) -> int:
        """What one lane's state takes."""

    def seconds(
        self, structure: Any, train: np.ndarray, validation: np.ndarray, test: np.ndarray | None = None
    ) -> float:
        """Seconds of a pack on utterances of such lengths in frames; without ``test`` it explores."""


@dataclass(frozen=True, kw_only=True)
class CostPerFrame:
    """The cost of a pack that goes through all frames, whatever the settings, and reads validation only where
    it explores.
    """

    per_frame: float  # seconds, of all lanes
    fixed: float  # seconds
    bytes: int

    def seconds(
        self, structure: Any, train: np.ndarray, validation: np.ndarray, test: np.ndarray | None = None
    ) -> float:
        """Seconds of a pack on utterances of such lengths in frames; without ``test`` it explores."""
        judged = validation if test is None else test
        return self.fixed + self.per_frame * float(train.sum() + judged.sum())


class TrainPack(Protocol):
    """Trains and judges the lanes of a pack, each alike whoever is beside it."""

    def __call__(
        self, structure: Any, lanes: Sequence[Any], train: Feed, evaluation: Evaluation, context: Context
    ) -> list[LaneResult]:
        """The results of the lanes, in their order.

        Raises:
            InputError: the frames do not suit the settings.
        """


def all_frames(structure: Any, frames: int) -> int:
    """So many frames: training goes through them once."""
    return frames


def no_frames(structure: Any, frames: int) -> int:
    """None: nothing is trained."""
    return 0


def no_phases(structure: Any) -> tuple[TrainingPhase, ...]:
    """None: nothing is trained epoch by epoch."""
    return ()


def no_auxiliaries(structure: Any, lane: Any) -> Sequence[Auxiliary]:
    """None: a lane needs nothing fitted that another could share."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Trainable:
    """A kind of lane, as search, archive, seal, judge, costs and report know it.

    Attributes:
        structure: frozen dataclass of what a pack shares, see :class:`SharedSettings`.
        lane: frozen dataclass of what a lane has of its own, see :class:`OwnSettings`.
        train: trains a pack.
        cost: of a pack: structure, lanes, latent dimensions and device ("cpu", "cuda").
        frames_seen: the training frames that a lane goes through, of so many that there are.
        phases: of training epoch by epoch, in order; the validation curve of the last one that led to
            anything has to have ended before a failure counts.
        auxiliaries: what a lane of such a structure needs fitted, and may share with others.
        required: settings without a default, and what each must be.
        forecasts: whether lanes forecast frames, so that rollouts, one-step figures and ridge regression
            stand beside them.
        distributes: whether several workers can train one pack.
        uses_tracks: whether it asks for acoustic tracks.
    """

    structure: type[Any]
    lane: type[Any]
    train: TrainPack
    cost: Callable[[Any, int, int, torch.device | str], PackCost]
    frames_seen: Callable[[Any, int], int] = all_frames
    phases: Callable[[Any], tuple[TrainingPhase, ...]] = no_phases
    auxiliaries: Callable[[Any, Any], Sequence[Auxiliary]] = no_auxiliaries
    required: Mapping[str, str] = field(default_factory=dict)
    forecasts: bool = False
    distributes: bool = False
    uses_tracks: bool = False
