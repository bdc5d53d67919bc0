"""What every head has: a law over delta from a hidden state, an objective, a prior, a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.distributions.law import Law


@dataclass(frozen=True)
class Survey:
    """What a head may know of the data before it is trained."""

    typical: float  # exp E[log |delta|]
    codes_KD: Tensor | None = None  # unit directions that stand for all, where a head asks for them


class Head(nn.Module):
    """``forward(h)``: hidden states [..., H] -> a :class:`Law` over delta in R^D, and nothing else."""

    has_density = True  # False: log_prob is no likelihood, and no figure is made of it
    needs_noise = False  # True: the objective draws on noise

    def forward(self, h: Tensor) -> Law:
        """h [..., H] -> a law over [..., D]."""
        raise TypeError(f"{type(self).__name__} does not say which law it predicts")

    def objective(self, law: Law, delta: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
        """What training brings down for true steps ``delta`` [..., D]: [...]; the NLL in nats per frame.

        ``normal`` [..., D + 1] and ``uniform`` [..., 2] hold noise where the head needs it.
        """
        return -law.log_prob(delta)

    def penalty(self, law: Law, lane: Mapping[str, Tensor]) -> Tensor:
        """Minus the log prior of a law's parameters, nats per frame: [...], or [] where there is none."""
        return lane["kappa_prior"].new_zeros(())

    def start_from(self, survey: Survey) -> None:
        """Begin where the data are."""


def bounded(x: Tensor, bound: float) -> Tensor:
    """x where it is small, never beyond +-``bound``."""
    return bound * torch.tanh(x / bound)
