"""What a pack trains: the structure that all of its lanes share, and what each lane has of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from trainables.errors import InputError
from trainables.latents.batching.surrogates import Surrogate
from trainables.own_parts.registry import PartKind, is_own_part
from trainables.setting_checks import require, require_kinds

BACKBONES = ("transformer", "gru", "mlp")
HEADS = (
    "mdn",
    "gaussian",
    "vmf",
    "movmf",
    "power_spherical",
    "sphere",
    "prototypes",
    "direction_codebook",
    "flow",
    "flow_matching",
    "diffusion",
    "mean_flow",
    "energy",
)
FITTED_HEADS = ("persistence", "mean_reversion", "linear")  # in closed form, without a training loop
ALL_HEADS = HEADS + FITTED_HEADS
FEEDBACKS = ("mean", "mode", "sample")
TARGETS = ("delta", "state")
COORDINATES = ("whitened", "raw")
GRADIENTS = ("full", "stopped")
ROLLOUT_LOSSES = ("nll", "energy", "mixed")
BRANCHES = ("drawn", "marginal")
COVARIANCES = ("diagonal", "isotropic", "low_rank")
COUPLINGS = ("none", "kappa_on_magnitude", "magnitude_on_direction")
KAPPA_PRIORS = ("lognormal", "gamma", "beta")
MAGNITUDES = ("context", "marginal")
PRECISIONS = ("full", "auto")
MOST_COMPONENTS, MOST_BRANCHES, MOST_RANK = 512, 32, 32
BRANCHING = ("mdn", "movmf", "direction_codebook")
GAUSSIANS = ("mdn", "gaussian")
POLAR = ("vmf", "movmf", "power_spherical", "prototypes", "direction_codebook")  # direction x magnitude
ON_STATES = ("sphere",)  # their law is that of the next frame, which the present one is handed to them for
WITHOUT_DENSITY = ("flow_matching", "diffusion", "mean_flow", "energy")  # known by their samples alone
UNTEMPERED = ("flow", *FITTED_HEADS)
# Of these heads: how many noise levels, or samples, of each frame a step draws, from which law levels come,
# and how many steps lead from noise to a sample, unless settings say otherwise.
OWN_DRAWS = {"flow_matching": 1, "diffusion": 4, "mean_flow": 4, "energy": 2}
OWN_NOISE_LAW = {"flow_matching": "uniform", "diffusion": "logit_normal", "mean_flow": "logit_normal"}
OWN_SOLVER_STEPS = {"flow_matching": 8, "diffusion": 16, "mean_flow": 2}
NOISE_LAWS = ("own", "uniform", "logit_normal")
MOST_DRAWS, MOST_SOLVER_STEPS = 16, 64
# The setting that names what a user's own code measures.
OWN_METRICS = "metrics"
INFORMATION = ("predictive_information_gaussian", "predictive_bits_per_second_gaussian")
# What exploration measures, beside the rollout.
_ONE_STEP = ("nll", "one_step_cosine", "log_magnitude_r2", *INFORMATION)
_PER_STEP = ("cos", "magnitude_ratio", "state_error", "energy_score", "energy_skill", "crps")
_ALLOWED = {
    "head": ALL_HEADS,
    "backbone": BACKBONES,
    "coordinates": COORDINATES,
    "feedback": FEEDBACKS,
    "rollout_target": TARGETS,
    "rollout_gradient": GRADIENTS,
    "rollout_branches": BRANCHES,
    "covariance": COVARIANCES,
    "coupling": COUPLINGS,
    "kappa_prior_family": KAPPA_PRIORS,
    "jacobian": (True, False),
    "magnitude": MAGNITUDES,
    "dtype": ("float32", "float64"),
    "precision": PRECISIONS,
    "noise_law": NOISE_LAWS,
    "rollout_loss": ROLLOUT_LOSSES,
    "clean_context": (True, False),
}
# Settings that may also name what a user brings, with the kind of it.
_BROUGHT = {"head": PartKind.HEAD, "backbone": PartKind.BACKBONE}
_COUNTS = (
    "width",
    "depth",
    "context",
    "rollout",
    "horizon",
    "components",
    "rank",
    "batch",
    "marginal_steps",
)
_MAYBE_NONE = ("window", "steps", "max_frames", "teacher_epochs", "rollout_epochs", "rung_epochs", "patience")
_SHARES = ("dropout", "ema")


def later(default: Any) -> Any:
    """A setting that came after lanes had been recorded: at its default it is no part of a lane's key."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class Structure:
    """What decides the shape of the program; the same for every lane of a pack."""

    head: str
    representation: str = ""  # whose frames these are, where a sweep has latents of several
    backbone: str = "gru"
    # Frames that backbone and head work on: "whitened" by the training frames' covariance, or "raw".
    # Evaluation is in the codec's own space either way.
    coordinates: str = "whitened"
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
    # A free run that is so many RMS distances between frames away from the training mean has run away: it is
    # stopped there, and from then on goes in no direction.
    runaway: float = 10.0
    temperature: float = 1.0  # of sampled feedback; below 1 it is cooler than what was learnt
    components: int = 4  # of a mixture; prototypes, codes
    # Of a Gaussian component, given the context (mdn, gaussian); "low_rank": diagonal, and what a few factors
    # give all dimensions.
    covariance: str = "diagonal"
    rank: int = 4  # number of these factors
    coupling: str = "none"  # of direction and magnitude (vmf)
    kappa_prior_family: str = "lognormal"  # on kappa / D; "gamma" on kappa, "beta" on A(kappa)
    # Whether training counts the Jacobian of polar coordinates, -(D - 1) log m. Evaluation always does. It
    # teaches nothing where m is data; where a run is asked for the true "state" and its gradient is "full", m
    # is the run's own error, which nothing else holds down as firmly.
    jacobian: bool = True
    magnitude: str = "context"  # of polar heads: what m depends on; "marginal": on nothing but the lane
    window: int = 0  # frames of a training window, at least context + rollout; 0 = just as many
    batch: int = 32  # windows per optimiser step, over all workers
    # Optimiser steps per epoch; 0 = as many as a pass over the training frames takes.
    steps: int = 0
    max_frames: int = 0  # of training, over all epochs, which get shorter to stay below; 0 = no limit
    teacher_epochs: int = 3  # most epochs of teacher forcing, which come first
    rollout_epochs: int = 3  # most epochs of K-step rollout, which follow
    # Epochs without progress on validation speakers after which a lane's learning rate falls, and with it the
    # phase ends; 0 = every phase lasts as many epochs as it may.
    patience: int = 0
    warmup: int = 20  # optimiser steps over which a phase's learning rate rises
    cooling: float = 0.25  # share of a phase's epochs over which its learning rate falls
    clip: float = 5.0  # largest norm of a lane's gradient; longer ones are shortened to it
    # Share of hidden units that a training window does without, the same ones in all its frames.
    dropout: float = 0.0
    # Decay per step of the running mean of weights that is judged; 0 = the weights themselves.
    ema: float = 0.0
    # Of the backbone's products: "auto" takes bfloat16 on a GPU; laws are worked out in full.
    precision: str = "full"
    marginal_steps: int = 300  # optimiser steps of the same head without context, which a model has to beat
    # Each time so many epochs have passed, exploration drops the worse half of a pack; 0 = never.
    rung_epochs: int = 0
    # What a user's own code measures, beside the usual: names of metrics, with commas between them.
    metrics: str = ""
    # The metric that exploration ranks by: more is better, and a minus before the name turns it round. A
    # curve has its step behind it ("cos@16"), or steps, over which its mean is taken ("cos@1-16").
    objective: str = "cos@1"
    dtype: str = "float32"
    # Of heads that are known by their samples: noise levels (flow_matching, diffusion, mean_flow) or samples
    # (energy) of each frame in one optimiser step; 0 = as many as the head takes by itself.
    draws: int = later(0)
    # Where noise levels come from: "uniform", or "logit_normal", which has most of them half-way between
    # noise and data; "own" = the head's.
    noise_law: str = later("own")
    solver_steps: int = later(0)  # from noise to a sample; 0 = as many as the head takes by itself
    # What a free run is taught by: "nll", the head's objective of the one true future from where the run
    # stands, which with sampled feedback asks it to know what it cannot; "energy", the energy score of what
    # several sampled runs reach, in place of teacher forcing; "mixed", half of each.
    rollout_loss: str = later("nll")
    rollout_draws: int = later(2)  # sampled runs whose states that score compares
    # Whether the last few frames are read as they are, by a small backbone of their own, beside all of them
    # with their noise (S. Rouard et al., Continuous audio language models, 2025).
    clean_context: bool = later(False)
    # Standard deviation, in units of the training RMS, of the noise on what a free run reads of its own in
    # evaluation.
    inference_noise: float = later(0.0)
    # Temperatures, such as "0.7,1"; each trained lane is judged at the one at which its sampled runs do best
    # on validation speakers. "" = at ``temperature``.
    temperatures: str = later("")
    # Most of the standard deviation of log m that a polar head may predict.
    magnitude_spread: float = later(1.5)

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            value = getattr(self, name)
            brought = name in _BROUGHT and is_own_part(_BROUGHT[name], value)
            remedy = " (or your own, as module:attribute)" if name in _BROUGHT else ""
            require(self, name, value in allowed or brought, f"one of {', '.join(map(str, allowed))}{remedy}")
        require_kinds(self)
        for name in self.own_metrics:
            wanted = "names of metrics of your own, as module:attribute, with commas between them"
            require(self, OWN_METRICS, is_own_part(PartKind.METRIC, name), wanted)
        for name in _COUNTS:
            require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in (*_MAYBE_NONE, "warmup"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        for name in _SHARES:
            require(self, name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        require(self, "cooling", 0 < self.cooling <= 1, "above 0 and at most 1")
        require(self, "clip", self.clip > 0, "above 0")
        require(self, "runaway", self.runaway > 1, "above 1")
        require(self, "temperature", self.temperature > 0, "above 0")
        require(self, "components", self.components <= MOST_COMPONENTS, f"at most {MOST_COMPONENTS}")
        require(self, "rank", self.rank <= MOST_RANK, f"at most {MOST_RANK}")
        known = re.fullmatch(r"(\d*\.?\d+(,\d*\.?\d+)+)?", self.temperatures)
        positive = known is not None and all(value > 0 for value in self.swept_temperatures)
        require(self, "temperatures", positive, "several numbers above 0, such as '0.7,1', or ''")
        require(self, "rollout_draws", 2 <= self.rollout_draws <= 4, "between 2 and 4")
        require(self, "inference_noise", self.inference_noise >= 0, "at least 0")
        require(self, "magnitude_spread", 0.1 <= self.magnitude_spread <= 1.5, "between 0.1 and 1.5")
        require(self, "draws", 0 <= self.draws <= MOST_DRAWS, f"between 0 and {MOST_DRAWS}")
        fits = 0 <= self.solver_steps <= MOST_SOLVER_STEPS
        require(self, "solver_steps", fits, f"between 0 and {MOST_SOLVER_STEPS}")
        if self.objective.removeprefix("-") not in map(metric_name, self.own_metrics):
            require(self, "objective", *_known_objective(self.objective, self.horizon))
        for clash, remedy in self._clashes():
            if clash:
                raise InputError(remedy)

    def _clashes(self) -> tuple[tuple[bool, str], ...]:
        """Settings that are right each, and wrong together: whether they meet, and the sentence to say."""
        tempered = self.head not in UNTEMPERED and self.coupling == "none"
        marginal = self.rollout_branches == "marginal"
        least = self.context + self.rollout
        return (
            (
                0 < self.window < least,
                f"window is {self.window}, and context + rollout are {least} frames; set window to at least "
                "as many, or to 0",
            ),
            (
                marginal and self.feedback != "sample",
                f"rollout_branches is 'marginal' and feedback {self.feedback!r}; only sampled feedback has "
                "branches, so set feedback to 'sample'",
            ),
            (
                marginal and self.head in BRANCHING and self.components > MOST_BRANCHES,
                f"components is {self.components} and rollout_branches 'marginal', which runs every one of "
                f"them; use at most {MOST_BRANCHES}",
            ),
            (
                self.patience > 0 and self.rung_epochs > 0,
                f"patience is {self.patience} and rung_epochs {self.rung_epochs}; lanes that end by "
                "themselves cannot be ranked at one time, so set one of them to 0",
            ),
            (
                self.covariance == "low_rank" and self.head not in GAUSSIANS,
                f"covariance is 'low_rank' and head {self.head!r}; only {', '.join(GAUSSIANS)} have "
                "covariances of their own, so set covariance to 'diagonal'",
            ),
            (
                self.rank != Structure.rank and self.covariance != "low_rank",
                f"rank is {self.rank} and covariance {self.covariance!r}, which has no factors; set "
                "covariance to 'low_rank'",
            ),
            (
                self.coupling != "none" and self.head != "vmf",
                f"coupling is {self.coupling!r} and head {self.head!r}; only 'vmf' couples direction and "
                "magnitude, so set coupling to 'none'",
            ),
            (
                not self.jacobian and self.head not in POLAR,
                f"jacobian is False and head {self.head!r}; only {', '.join(POLAR)} have polar coordinates, "
                "so set jacobian to True",
            ),
            (
                self.head in ON_STATES and self.coordinates == "raw",
                f"head is {self.head!r} and coordinates 'raw', where frames lie on no sphere about 0; set "
                "coordinates to 'whitened'",
            ),
            (
                self.head in ON_STATES and self.clean_context,
                f"head is {self.head!r} and clean_context True, of which two frames would be handed to it; "
                "set clean_context to False",
            ),
            (
                self.magnitude != "context" and self.head not in POLAR,
                f"magnitude is {self.magnitude!r} and head {self.head!r}; only {', '.join(POLAR)} predict a "
                "magnitude of its own, so set magnitude to 'context'",
            ),
            (
                self.magnitude == "marginal" and self.coupling == "magnitude_on_direction",
                "magnitude is 'marginal' and coupling 'magnitude_on_direction', through which the context "
                "would move it again; set magnitude to 'context' or coupling to 'none'",
            ),
            (
                bool(self.temperatures) and not tempered,
                f"temperatures is {self.temperatures!r}, and head {self.head!r} with coupling "
                f"{self.coupling!r} cannot be heated or cooled; set temperatures to ''",
            ),
            (
                self.temperature != 1 and not tempered,
                f"temperature is {self.temperature}, and head {self.head!r} with coupling {self.coupling!r} "
                "cannot be heated or cooled; set temperature to 1",
            ),
            *(
                (
                    getattr(self, name) != getattr(Structure, name) and self.head not in heads,
                    f"{name} is {getattr(self, name)!r} and head {self.head!r}; only {', '.join(heads)} have "
                    f"it, so set {name} to {getattr(Structure, name)!r}",
                )
                for name, heads in (
                    ("draws", OWN_DRAWS),
                    ("noise_law", OWN_NOISE_LAW),
                    ("solver_steps", OWN_SOLVER_STEPS),
                    ("magnitude_spread", POLAR),
                )
            ),
            (
                self.rollout_loss != "nll" and marginal,
                f"rollout_loss is {self.rollout_loss!r} and rollout_branches 'marginal', whose weights a "
                "score of states does not know; set rollout_branches to 'drawn'",
            ),
            (
                self.rollout_loss == "nll" and self.rollout_draws != Structure.rollout_draws,
                f"rollout_draws is {self.rollout_draws} and rollout_loss 'nll', which follows one run; set "
                "rollout_loss to 'mixed' or 'energy'",
            ),
            (
                self.head in ("energy", "mean_flow") and self.draws == 1,
                f"draws is 1 and head {self.head!r} compares several; set draws to at least 2, or to 0",
            ),
            (
                self.objective.lstrip("-") in ("nll", *INFORMATION) and self.head in WITHOUT_DENSITY,
                f"objective is {self.objective!r}, and head {self.head!r} has no likelihood; use a metric of "
                "rollouts, such as '-energy_score@1'",
            ),
        )

    @property
    def own_metrics(self) -> tuple[str, ...]:
        """What a user's own code measures: the parts, by name."""
        return tuple(name.strip() for name in self.metrics.split(",") if name.strip())

    @property
    def window_frames(self) -> int:
        """Frames of a training window; a rollout begins so that it ends with the window."""
        return max(self.window, self.context + self.rollout)

    @property
    def factors(self) -> int:
        """How many normals a sample of the head's law takes beside the D + 1 that any law has."""
        return self.rank if self.covariance == "low_rank" else 0

    @property
    def swept_temperatures(self) -> tuple[float, ...]:
        """The temperatures of which the best is chosen; none where it is fixed."""
        return tuple(float(value) for value in self.temperatures.split(",")) if self.temperatures else ()

    @property
    def head_draws(self) -> int:
        """Noise levels, or samples, of each frame that a step draws; 1 of a head with a density."""
        return self.draws or OWN_DRAWS.get(self.head, 1)

    @property
    def head_noise_law(self) -> str:
        """The law of noise levels; "" of a head without any."""
        return self.noise_law if self.noise_law != "own" else OWN_NOISE_LAW.get(self.head, "")

    @property
    def head_solver_steps(self) -> int:
        """Steps from noise to a sample; 0 of a head that takes none."""
        return self.solver_steps or OWN_SOLVER_STEPS.get(self.head, 0)

    def hidden_units(self, dim: int) -> int:
        """How many numbers of each frame the head is given: hidden units, and the frame if it asks for it."""
        return self.width + (dim if self.head in ON_STATES else 0)

    def evaluation_normals(self, dim: int) -> int:
        """How many normals a step of an evaluated run takes beside the D + 1 that any law has."""
        return self.factors + (dim if self.inference_noise else 0)

    def further_normals(self, dim: int) -> int:
        """How many normals the objective of a frame takes beside those of one sample: those of all further
        draws.
        """
        return (self.head_draws - 1) * dim

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        """The phases of training in order, each with the epochs that it may last."""
        teacher, rollout = ("teacher", self.teacher_epochs), ("rollout", self.rollout_epochs)
        return (teacher, rollout) if self.rollout_epochs else (teacher,)

    @property
    def epochs(self) -> int:
        """Most training epochs; 0 of a head that is fitted in closed form."""
        return 0 if self.head in FITTED_HEADS else self.teacher_epochs + self.rollout_epochs


@dataclass(frozen=True)
class Lane:
    """What one lane has of its own: seed, optimiser, priors, and which surrogate it sees."""

    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    kappa_prior: float = 0.0  # weight of the prior on the concentration, 0 = none
    kappa_prior_ratio: float = 1.0  # the kappa / D it is centred on
    kappa_prior_width: float = 1.0  # its relative spread
    # Share of teacher-forced inputs that predictions replace at the end of that phase.
    scheduled_sampling: float = 0.0
    # Standard deviation of the noise on inputs in training, in units of the training RMS.
    input_noise: float = 0.0
    # Most of an input that noise takes the place of in training: a frame z is read as sqrt(1 - k) z + sqrt(k)
    # noise, with k uniform from 0 to this for each frame (S. Rouard et al., Continuous audio language models,
    # 2025, where it is 1).
    input_mix: float = later(0.0)
    ridge: float = 1e-3  # penalty of the linear baseline, as a share of its inputs' mean variance
    surrogate: Surrogate = Surrogate.REAL  # the frames that it is trained and judged on

    def __post_init__(self) -> None:
        require(self, "surrogate", self.surrogate in tuple(Surrogate), f"one of {', '.join(Surrogate)}")
        object.__setattr__(self, "surrogate", Surrogate(self.surrogate))  # given as text in JSON
        require_kinds(self)
        for name in ("learning_rate", "kappa_prior_ratio", "kappa_prior_width", "ridge"):
            require(self, name, getattr(self, name) > 0, "above 0")
        for name in ("weight_decay", "kappa_prior", "input_noise"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "input_mix", 0 <= self.input_mix <= 1, "between 0 and 1")
        require(self, "scheduled_sampling", 0 <= self.scheduled_sampling <= 1, "between 0 and 1")


def metric_name(part: str) -> str:
    """The name under which scores hold what a user's metric measures: that of its function, where it is given
    as ``module:attribute``.
    """
    return part.rpartition(":")[2].rpartition(".")[2]


def _known_objective(objective: str, horizon: int) -> tuple[bool, str]:
    """Whether exploration measures ``objective`` over K = ``horizon`` steps, and in words what it may be."""
    name, at, _ = objective.removeprefix("-").partition("@")
    steps = steps_of(objective)
    known = (
        name in _PER_STEP and bool(steps) and 1 <= steps[0] <= steps[-1] <= horizon
        if at
        else name in _ONE_STEP
    )
    wanted = f"one of {', '.join(_ONE_STEP)}, or {', '.join(_PER_STEP)} with @k, k from 1 to {horizon}"
    return known, wanted + ", or with @j-k for the mean over such steps, with or without a minus"


def steps_of(metric: str) -> range:
    """The rollout steps that a metric is of: one of ``cos@4``, sixteen of ``cos@1-16``, whose value is their
    mean; none of a metric such as ``nll``, and none where what follows the @ names no steps.
    """
    steps = re.fullmatch(r"(\d+)(?:-(\d+))?", metric.partition("@")[2])
    return range(int(steps[1]), int(steps[2] or steps[1]) + 1) if steps else range(0)
