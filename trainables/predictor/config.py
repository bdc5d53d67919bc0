"""What a pack trains: the structure that all of its lanes share, and what each lane has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from trainables.errors import InputError

BACKBONES = ("transformer", "gru", "mlp")
HEADS = (
    "mdn", "gaussian", "vmf", "movmf", "power_spherical", "prototypes", "direction_codebook", "flow_matching",
)  # fmt: skip
FITTED_HEADS = ("persistence", "mean_reversion", "linear")  # in closed form, without a training loop
FEEDBACKS = ("mean", "mode", "sample")
TARGETS = ("delta", "state")
GRADIENTS = ("full", "stopped")
BRANCHES = ("drawn", "marginal")
COVARIANCES = ("diagonal", "isotropic")
COUPLINGS = ("none", "kappa_on_magnitude", "magnitude_on_direction")
KAPPA_PRIORS = ("lognormal", "gamma", "beta")
MOST_COMPONENTS, MOST_BRANCHES = 512, 32
UNTEMPERED = ("flow_matching", *FITTED_HEADS)
NULLS = ("white", "gaussian")
SURROGATES = ("real", *NULLS)


@dataclass(frozen=True)
class Structure:
    """What decides the shape of the program; the same for every lane of a pack."""

    head: str
    backbone: str = "gru"
    width: int = 64  # hidden units
    depth: int = 1  # layers
    context: int = 16  # true frames before a rollout starts
    rollout: int = 16  # K, frames of free running in training
    horizon: int = 16  # frames of free running in evaluation
    feedback: str = "mean"  # what a rollout feeds back
    # What a run is asked for: the true "delta", or what leads from where it stands to the true next "state".
    rollout_target: str = "delta"
    # Whether a rollout's error flows back through earlier steps ("full"), or every step learns from where it
    # stands ("stopped": pushforward).
    rollout_gradient: str = "full"
    # With sampled feedback: whether a run draws its first component, or follows each and weighs its loss.
    rollout_branches: str = "drawn"
    temperature: float = 1.0  # of sampled feedback; below 1 it is cooler than what was learnt
    components: int = 4  # of a mixture; prototypes, codes
    covariance: str = "diagonal"  # of a Gaussian component, given the context (mdn, gaussian)
    coupling: str = "none"  # of direction and magnitude (vmf)
    kappa_prior_family: str = "lognormal"  # on kappa / D; "gamma" on kappa, "beta" on A(kappa)
    batch: int = 32  # windows per optimiser step, over all workers
    steps: int = 50  # optimiser steps per epoch
    teacher_epochs: int = 3  # teacher forcing first ...
    rollout_epochs: int = 3  # ... then K-step rollout
    # Exploration drops the worse half of a pack each time so many epochs have passed, 0 = never ...
    rung_epochs: int = 0
    objective: str = "-nll"  # ... by what exploration ranks lanes by; more is better
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("head", HEADS + FITTED_HEADS),
            ("backbone", BACKBONES),
            ("feedback", FEEDBACKS),
            ("rollout_target", TARGETS),
            ("rollout_gradient", GRADIENTS),
            ("rollout_branches", BRANCHES),
            ("covariance", COVARIANCES),
            ("coupling", COUPLINGS),
            ("kappa_prior_family", KAPPA_PRIORS),
            ("dtype", ("float32", "float64")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}")
        for name in ("width", "depth", "context", "rollout", "horizon", "components", "batch", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")

        for name in ("teacher_epochs", "rollout_epochs", "rung_epochs"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.rollout_branches == "marginal" and self.feedback != "sample":
            raise InputError(
                f"rollout_branches is 'marginal' and feedback {self.feedback!r}; "
                "only sampled feedback has branches, so set feedback to 'sample'"
            )
        most = MOST_BRANCHES if self.rollout_branches == "marginal" else MOST_COMPONENTS
        if self.components > most:
            raise InputError(
                f"components is {self.components}; it must be at most {most}"
                + (" where rollout_branches is 'marginal'" if most == MOST_BRANCHES else "")
            )
        if self.coupling != "none" and self.head != "vmf":
            raise InputError(
                f"coupling is {self.coupling!r} and head {self.head!r}; only 'vmf' couples direction "
                "and magnitude, so set coupling to 'none'"
            )
        if not self.temperature > 0:
            raise InputError(f"temperature is {self.temperature}; it must be above 0")
        if self.temperature != 1 and (self.head in UNTEMPERED or self.coupling != "none"):
            raise InputError(
                f"temperature is {self.temperature}, and the head {self.head!r} with coupling "
                f"{self.coupling!r} cannot be heated or cooled; set temperature to 1"
            )

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return 0 if self.head in FITTED_HEADS else self.teacher_epochs + self.rollout_epochs


@dataclass(frozen=True)
class Lane:
    """What one lane has of its own: seed, optimiser, priors, and which world it sees."""

    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    kappa_prior: float = 0.0  # weight of the prior on the concentration, 0 = none
    kappa_prior_ratio: float = 1.0  # the kappa / D it is centred on
    kappa_prior_width: float = 1.0  # its relative spread
    # Share of teacher-forced inputs that predictions replace at the end of that phase.
    scheduled_sampling: float = 0.0
    input_noise: float = (
        0.0  # standard deviation of the noise on inputs in training, in units of the training RMS
    )
    ridge: float = 1e-3  # penalty of the linear baseline, as a share of its inputs' mean variance
    surrogate: str = "real"  # real frames, or a null: white (frames shuffled) or gaussian (phases randomised)

    def __post_init__(self) -> None:
        if self.surrogate not in SURROGATES:
            raise InputError(f"surrogate is {self.surrogate!r}; it must be one of {', '.join(SURROGATES)}")


def split_config(config: Mapping[str, Any]) -> tuple[Structure, Lane]:
    """A flat configuration, split into what the pack shares and what the lane has of its own.

    Raises:
        InputError: a key belongs to neither.
    """
    structure_names = {f.name for f in fields(Structure)}
    lane_names = {f.name for f in fields(Lane)}
    unknown = sorted(set(config) - structure_names - lane_names)
    if unknown:
        raise InputError(
            f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(structure_names | lane_names))}"
        )
    return (
        Structure(**{k: v for k, v in config.items() if k in structure_names}),
        Lane(**{k: v for k, v in config.items() if k in lane_names}),
    )


def flat_config(structure: Structure, lane: Lane) -> dict[str, Any]:
    """The inverse of :func:`split_config`."""
    return {**asdict(structure), **asdict(lane)}
