"""AdamW with settings of each lane, and its learning-rate schedule.

Shapes: L lanes; parameters are [L, ...].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_MOMENTS = ("first", "second", "averages")  # lists of tensors, one for each parameter


class LaneAdamW:
    """AdamW (Loshchilov, Hutter 2019) on stacked parameters, with a learning rate and a weight decay per
    lane.

    Gradients are clipped lane by lane. A step whose gradient is not finite is skipped and counted, and it
    touches no other lane; a lane that has to skip :attr:`patience` steps in a row stops for good.
    """

    betas, epsilon, patience = (0.9, 0.99), 1e-8, 20

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        learning_rate_L: Tensor,
        weight_decay_L: Tensor,
        *,
        clip: float = 5.0,
        ema: float = 0.0,
    ) -> None:
        """Begin with moments of nothing.

        Args:
            clip: largest norm of a lane's gradient.
            ema: decay per step of a running mean of the parameters, which begins as they are; 0 = none.
        """
        self.parameters = list(parameters)
        self.learning_rate_L, self.weight_decay_L = learning_rate_L, weight_decay_L
        self.clip, self.ema = clip, ema
        self.averages = [p.detach().clone() for p in self.parameters] if ema else []
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        nothing_L = torch.zeros(len(learning_rate_L), dtype=torch.long, device=learning_rate_L.device)
        self.skipped_L, self.skipped_in_a_row_L = nothing_L, nothing_L.clone()
        self.steps = torch.zeros((), dtype=torch.float64, device=learning_rate_L.device)

    @torch.no_grad()
    def step(self, factor: Tensor | float) -> None:
        """Update all parameters once; ``factor``, [L] or [], scales learning rates (the schedule).

        Nothing here asks the device for a number, so the whole of it can be captured.
        """
        self.steps += 1
        gradients = [_gradient(p) for p in self.parameters]
        norm_L = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]).norm(dim=0)
        finite_L = torch.isfinite(norm_L)
        going_L = finite_L & self.alive_L
        self.skipped_in_a_row_L.add_(1).mul_(~going_L)
        self.skipped_L.add_(~finite_L)
        shrink_L = self.clip / norm_L.clamp_min(self.clip)
        bias1, bias2 = ((1 - beta**self.steps).to(norm_L) for beta in self.betas)
        rate_L = torch.where(going_L, self.learning_rate_L * factor, 0.0)
        keep_L = 1 - rate_L * self.weight_decay_L
        # A skipped step leaves the moments what they were.
        new_L, old_L = going_L.to(norm_L), (~going_L).to(norm_L)
        share1_L, decay2_L = new_L * (1 - self.betas[0]), new_L * self.betas[1] + old_L
        for p, grad, first, second in zip(self.parameters, gradients, self.first, self.second, strict=True):
            shape = (-1, *[1] * (p.dim() - 1))
            # A skipped gradient would be NaN times zero.
            grad = torch.where(going_L.view(shape), grad.mul_(shrink_L.view(shape)), 0.0)
            first.lerp_(grad, share1_L.view(shape))
            second.mul_(decay2_L.view(shape)).addcmul_(grad, grad, value=1 - self.betas[1])
            size = (second / bias2).sqrt_().add_(self.epsilon)
            p.mul_(keep_L.view(shape)).sub_((first / size).mul_((rate_L / bias1).view(shape)))
        for average, p in zip(self.averages, self.parameters, strict=False):
            average.lerp_(p, 1 - self.ema)
        self.clear()

    @property
    def alive_L(self) -> Tensor:
        """Which lanes still learn, [L]."""
        return self.skipped_in_a_row_L < self.patience

    @contextmanager
    def judged_weights(self) -> Iterator[None]:
        """While it is open, the parameters are their running means, where there are any."""
        trained = [p.detach().clone() for p in self.parameters] if self.averages else []
        self._put(self.averages)
        try:
            yield
        finally:
            self._put(trained)

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for p, value in zip(self.parameters, values, strict=False):
            p.copy_(value)

    @torch.no_grad()
    def restart_average(self, row: int) -> None:
        """Let one lane's running means begin again, at its parameters as they are."""
        for average, p in zip(self.averages, self.parameters, strict=False):
            average[row].copy_(p[row])

    def clear(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.grad = None

    def keep(self, parameters: Sequence[nn.Parameter], rows: Sequence[int]) -> None:
        """Go on with some lanes alone, on their ``parameters``."""
        chosen = list(rows)
        self.parameters = list(parameters)
        for name in _MOMENTS:
            setattr(self, name, [moment[chosen] for moment in getattr(self, name)])
        for name in ("learning_rate_L", "weight_decay_L", "skipped_L", "skipped_in_a_row_L"):
            setattr(self, name, getattr(self, name)[chosen])

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on from here, as tensors by name."""
        moments = {f"{kind}/{i}": t for kind in _MOMENTS for i, t in enumerate(getattr(self, kind))}
        counts = {"skipped": self.skipped_L, "skipped_in_a_row": self.skipped_in_a_row_L}
        return {**moments, **counts, "steps": self.steps}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""
        for kind in _MOMENTS:
            for i, tensor in enumerate(getattr(self, kind)):
                tensor.copy_(state[f"{kind}/{i}"])
        self.skipped_L.copy_(state["skipped"])
        self.skipped_in_a_row_L.copy_(state["skipped_in_a_row"])
        self.steps.copy_(state["steps"])


def cosine_schedule(step: int, total: int, warmup: int = 20, floor: float = 0.05) -> float:
    """Factor of the learning rate after ``step`` of ``total`` optimiser steps: a linear warm-up, then half a
    cosine down to ``floor``.
    """
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise RuntimeError("a parameter has no gradient; every parameter of a pack has to reach its loss")
    return parameter.grad
