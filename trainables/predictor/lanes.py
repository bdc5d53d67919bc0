"""A pack: L lanes of equal structure trained as one program, on stacked parameters (``torch.func``).

Shapes: L lanes, B windows, T frames, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._pytree import tree_map

from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.rollout import Noise, build_predictor, rollout_loss, teacher_loss

_AT_ONCE_ON_A_CPU = 16  # lanes; what more of them touch no longer fits its caches
_LANE_SETTINGS = ("kappa_prior", "kappa_prior_ratio", "kappa_prior_width", "scheduled_sampling")


@dataclass
class Batch:
    """What one optimiser step sees; the leading dimension is the lane."""

    windows_LBTD: Tensor
    replace_LBT: Tensor
    normal_LBTE: Tensor
    uniform_LBT2: Tensor
    input_LBTD: Tensor


class Pack(nn.Module):
    """Stacked predictors. ``forward`` gives each lane's loss, so that wrapping in DDP averages gradients as
    usual.
    """

    def __init__(
        self, structure: Structure, lanes: Sequence[Lane], dim: int, surveys: Mapping[str, Survey]
    ) -> None:
        """``surveys`` says of each surrogate what heads may know of it before training."""
        super().__init__()
        self.structure, self.lanes = structure, tuple(lanes)
        self.stacked = Stacked([_fresh(structure, lane.seed, dim, surveys[lane.surrogate]) for lane in lanes])
        dtype = getattr(torch, structure.dtype)
        for name in _LANE_SETTINGS:
            values = [getattr(lane, name) for lane in lanes]
            self.register_buffer(f"lane_{name}", torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self, batch: Batch, phase: str, progress: Tensor) -> Tensor:
        """Loss of each lane, [L], nats per frame.

        Args:
            phase: "teacher" or "rollout".
            progress: share of the phase that has passed, []; scheduled sampling, or the free run's weight,
                grows with it.
        """
        settings = {name: getattr(self, f"lane_{name}") for name in _LANE_SETTINGS}
        settings["sampling_share"] = settings.pop("scheduled_sampling") * progress
        mix = any(lane.scheduled_sampling > 0 for lane in self.lanes)

        def loss(predictor: nn.Module, lane: dict, window: Tensor, *noise: Tensor) -> Tensor:
            if phase == "teacher":
                return teacher_loss(predictor, window, Noise(*noise), self.structure, lane, mix)
            return rollout_loss(predictor, window, Noise(*noise), self.structure, lane, progress)

        return self.stacked.map(
            loss,
            settings,
            batch.windows_LBTD,
            batch.replace_LBT,
            batch.normal_LBTE,
            batch.uniform_LBT2,
            batch.input_LBTD,
        )

    def lane_state(self, index: int) -> dict[str, Tensor]:
        """The weights of one lane, under the names of a solo :class:`Predictor`."""
        return self.stacked.lane_state(index)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all lanes but these; what is left is a smaller program."""
        self.lanes = tuple(self.lanes[row] for row in rows)
        self.stacked.keep(rows)
        for name in _LANE_SETTINGS:
            setattr(self, f"lane_{name}", getattr(self, f"lane_{name}")[list(rows)])


class Stacked(nn.Module):
    """Modules of equal structure as one: parameters and buffers carry a leading lane dimension."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(list(modules))
        # ParameterDict refuses dots in names.
        self.weights = nn.ParameterDict(
            {k.replace(".", "/"): nn.Parameter(v.detach(), v.requires_grad) for k, v in parameters.items()}
        )
        self.buffer_names = tuple(buffers)
        for name, value in buffers.items():
            self.register_buffer("stacked/" + name.replace(".", "/"), value.detach())
        self._template = (modules[0],)  # in a tuple: its own parameters are not this module's

    @property
    def template(self) -> nn.Module:
        """One of the modules, for what all share; its weights mean nothing."""
        return self._template[0]

    def map(self, function, *args) -> Tensor | dict[str, Tensor]:  # noqa: ANN001, ANN002
        """``function(module, *args)`` for every lane at once; ``args`` lead with the lane dimension."""
        template = self.template

        def call(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], *own) -> Tensor:  # noqa: ANN002
            return functional_call(_Caller(template, function), _prefixed(weights, buffers), own)

        some = next(iter(self.weights.values()))
        if len(some) == 1:
            stacked = _alone(call)
        else:
            stacked = vmap(call, chunk_size=_AT_ONCE_ON_A_CPU if some.device.type == "cpu" else None)
        return stacked(self._named(), self._named_buffers(), *args)

    def __len__(self) -> int:
        """L."""
        return len(next(iter(self.weights.values())))

    @property
    def parameters_each(self) -> int:
        """Learnt numbers of one module."""
        return sum(weight[0].numel() for weight in self.weights.values())

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all modules but these."""
        chosen = list(rows)
        self.weights = nn.ParameterDict(
            {k: nn.Parameter(v.detach()[chosen], v.requires_grad) for k, v in self.weights.items()}
        )
        for name in self.buffer_names:
            slot = "stacked/" + name.replace(".", "/")
            setattr(self, slot, getattr(self, slot)[chosen])

    def lane_state(self, index: int) -> dict[str, Tensor]:
        """State dict of one module."""
        both = {**self._named(), **self._named_buffers()}
        return {name: value[index].detach().clone().cpu() for name, value in both.items()}

    def _named(self) -> dict[str, Tensor]:
        return {name.replace("/", "."): value for name, value in self.weights.items()}

    def _named_buffers(self) -> dict[str, Tensor]:
        return {name: getattr(self, "stacked/" + name.replace(".", "/")) for name in self.buffer_names}


class _Caller(nn.Module):
    """Lets ``functional_call`` run any function of a module."""

    def __init__(self, inner: nn.Module, function) -> None:  # noqa: ANN001
        super().__init__()
        self.inner = inner
        self._function = function

    def forward(self, *args):  # noqa: ANN002, ANN201, ANN202
        return self._function(self.inner, *args)


class LaneAdamW:
    """AdamW (Loshchilov, Hutter 2019) on stacked parameters, with a learning rate and a weight decay per
    lane.

    Gradients are clipped lane by lane; a lane whose gradient is not finite stops there and touches no other.
    """

    betas, epsilon, clip = (0.9, 0.99), 1e-8, 5.0

    def __init__(
        self, parameters: Sequence[nn.Parameter], learning_rate_L: Tensor, weight_decay_L: Tensor
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate_L, self.weight_decay_L = learning_rate_L, weight_decay_L
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.alive_L = torch.ones(len(learning_rate_L), dtype=torch.bool, device=learning_rate_L.device)
        self.steps = torch.zeros((), dtype=torch.float64, device=learning_rate_L.device)

    @torch.no_grad()
    def step(self, factor: Tensor | float) -> None:
        """One update; ``factor`` scales every lane's learning rate (the schedule).

        Nothing here asks the device for a number, so the whole of it can be captured.
        """
        self.steps += 1
        gradients = [p.grad for p in self.parameters]
        norm_L = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]).norm(dim=0)
        self.alive_L &= torch.isfinite(norm_L)
        shrink_L = self.clip / norm_L.clamp_min(self.clip)
        bias1, bias2 = ((1 - beta**self.steps).to(norm_L) for beta in self.betas)
        rate_L = torch.where(self.alive_L, self.learning_rate_L * factor, 0.0)
        keep_L = 1 - rate_L * self.weight_decay_L
        for p, grad, first, second in zip(self.parameters, gradients, self.first, self.second, strict=True):
            shape = (-1, *[1] * (p.dim() - 1))
            # A dead lane's gradient would be NaN times zero.
            grad = torch.where(self.alive_L.view(shape), grad.mul_(shrink_L.view(shape)), 0.0)
            first.lerp_(grad, 1 - self.betas[0])
            second.mul_(self.betas[1]).addcmul_(grad, grad, value=1 - self.betas[1])
            size = (second / bias2).sqrt_().add_(self.epsilon)
            p.mul_(keep_L.view(shape)).sub_((first / size).mul_((rate_L / bias1).view(shape)))
        self.clear()

    def clear(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def keep(self, parameters: Sequence[nn.Parameter], rows: Sequence[int]) -> None:
        """Go on with some lanes alone, on their ``parameters``."""
        chosen = list(rows)
        self.parameters = list(parameters)
        for name in ("first", "second"):
            setattr(self, name, [moment[chosen] for moment in getattr(self, name)])
        for name in ("learning_rate_L", "weight_decay_L", "alive_L"):
            setattr(self, name, getattr(self, name)[chosen])

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as tensors."""
        moments = {
            f"{kind}/{i}": t for kind in ("first", "second") for i, t in enumerate(getattr(self, kind))
        }
        return {**moments, "alive": self.alive_L, "steps": self.steps}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`state`."""
        for kind in ("first", "second"):
            for i, tensor in enumerate(getattr(self, kind)):
                tensor.copy_(state[f"{kind}/{i}"])
        self.alive_L = state["alive"].to(self.alive_L.device)
        self.steps.copy_(state["steps"])


def _alone(function):  # noqa: ANN001, ANN202
    """``vmap`` over one lane, without its overhead."""
    return lambda *args: tree_map(lambda out: out[None], function(*tree_map(lambda own: own[0], args)))


def cosine_schedule(step: int, total: int, warmup: int = 20, floor: float = 0.05) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to ``floor``."""
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))


def _fresh(structure: Structure, seed: int, dim: int, survey: Survey) -> nn.Module:
    """Weights that depend on the lane's seed and data alone, whoever its neighbours are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        predictor = build_predictor(structure, dim)
    predictor.head.start_from(survey)
    return predictor.to(getattr(torch, structure.dtype))


def _prefixed(*groups: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": value for group in groups for name, value in group.items()}


def lane_tensor(lanes: Sequence[Lane], name: str, like: Tensor) -> Tensor:
    """One setting of every lane as a tensor [L]."""
    return torch.tensor([getattr(lane, name) for lane in lanes], dtype=like.dtype, device=like.device)
