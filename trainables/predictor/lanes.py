"""A pack: L lanes of equal structure trained as one program, on stacked parameters (``torch.func``).

Shapes: L lanes, B windows, T frames, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.rollout import Noise, Predictor, rollout_loss, teacher_loss


@dataclass
class Batch:
    """What one optimiser step sees; the leading dimension is the lane."""

    windows_LBTD: Tensor
    replace_LBT: Tensor
    normal_LBTE: Tensor
    uniform_LBT2: Tensor


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
        for name in ("kappa_prior", "kappa_prior_ratio", "scheduled_sampling"):
            values = [getattr(lane, name) for lane in lanes]
            self.register_buffer(f"lane_{name}", torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self, batch: Batch, phase: str, progress: float) -> Tensor:
        """Loss of each lane, [L], nats per frame.

        Args:
            phase: "teacher" or "rollout".
            progress: share of the phase that has passed; scheduled sampling, or the free run's weight, grows
                with it.
        """
        settings = {
            "kappa_prior": self.lane_kappa_prior,
            "kappa_prior_ratio": self.lane_kappa_prior_ratio,
            "sampling_share": self.lane_scheduled_sampling * progress,
        }
        mix = any(lane.scheduled_sampling > 0 for lane in self.lanes)

        def loss(predictor: Predictor, lane: dict, window: Tensor, *noise: Tensor) -> Tensor:
            if phase == "teacher":
                return teacher_loss(predictor, window, Noise(*noise), self.structure.feedback, lane, mix)
            return rollout_loss(predictor, window, Noise(*noise), self.structure, lane, progress)

        return self.stacked.map(
            loss, settings, batch.windows_LBTD, batch.replace_LBT, batch.normal_LBTE, batch.uniform_LBT2
        )

    def lane_state(self, index: int) -> dict[str, Tensor]:
        """The weights of one lane, under the names of a solo :class:`Predictor`."""
        return self.stacked.lane_state(index)


class Stacked(nn.Module):
    """Modules of equal structure as one: parameters and buffers carry a leading lane dimension."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(list(modules))
        # ParameterDict refuses dots in names.
        self.weights = nn.ParameterDict(
            {k.replace(".", "/"): nn.Parameter(v.detach()) for k, v in parameters.items()}
        )
        self.buffer_names = tuple(buffers)
        for name, value in buffers.items():
            self.register_buffer("stacked/" + name.replace(".", "/"), value.detach())
        self._template = (modules[0],)  # in a tuple: its own parameters are not this module's

    def map(self, function, *args) -> Tensor | dict[str, Tensor]:  # noqa: ANN001, ANN002
        """``function(module, *args)`` for every lane at once; ``args`` lead with the lane dimension."""
        template = self._template[0]

        def call(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], *own) -> Tensor:  # noqa: ANN002
            return functional_call(_Caller(template, function), _prefixed(weights, buffers), own)

        return vmap(call)(self._named(), self._named_buffers(), *args)

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
        self.steps = 0

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update; ``factor`` scales every lane's learning rate (the schedule)."""
        self.steps += 1
        norm_L = torch.stack([p.grad.flatten(1).square().sum(1) for p in self.parameters]).sum(0).sqrt()
        self.alive_L &= torch.isfinite(norm_L)
        shrink_L = (self.clip / norm_L.clamp_min(self.clip)).nan_to_num(0.0)
        bias1, bias2 = (1 - beta**self.steps for beta in self.betas)
        for p, first, second in zip(self.parameters, self.first, self.second, strict=True):
            lanes = (-1, *[1] * (p.dim() - 1))
            alive = self.alive_L.view(lanes)
            grad = torch.where(alive, p.grad * shrink_L.view(lanes), 0.0)
            first.lerp_(grad, 1 - self.betas[0])
            second.lerp_(grad.square(), 1 - self.betas[1])
            rate = (self.learning_rate_L * factor).view(lanes)
            update = (
                first / bias1 / ((second / bias2).sqrt() + self.epsilon) + self.weight_decay_L.view(lanes) * p
            )
            p.sub_(torch.where(alive, rate * update, 0.0))
            p.grad = None

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as tensors."""
        moments = {
            f"{kind}/{i}": t for kind in ("first", "second") for i, t in enumerate(getattr(self, kind))
        }
        return {**moments, "alive": self.alive_L, "steps": torch.tensor(self.steps)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`state`."""
        for kind in ("first", "second"):
            for i, tensor in enumerate(getattr(self, kind)):
                tensor.copy_(state[f"{kind}/{i}"])
        self.alive_L = state["alive"].to(self.alive_L.device)
        self.steps = int(state["steps"])


def cosine_schedule(step: int, total: int, warmup: int = 20, floor: float = 0.05) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to ``floor``."""
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))


def _fresh(structure: Structure, seed: int, dim: int, survey: Survey) -> Predictor:
    """Weights that depend on the lane's seed and data alone, whoever its neighbours are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        predictor = Predictor(structure, dim)
    predictor.head.start_from(survey)
    return predictor.to(getattr(torch, structure.dtype))


def _prefixed(*groups: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": value for group in groups for name, value in group.items()}


def lane_tensor(lanes: Sequence[Lane], name: str, like: Tensor) -> Tensor:
    """One setting of every lane as a tensor [L]."""
    return torch.tensor([getattr(lane, name) for lane in lanes], dtype=like.dtype, device=like.device)


def generators(lanes: Sequence[Lane], epoch: int) -> Iterator[torch.Generator]:
    """A source of randomness per lane and epoch that no other lane, worker or interruption can shift."""
    for lane in lanes:
        yield torch.Generator().manual_seed((lane.seed * 1_000_003 + epoch) % (2**63))
