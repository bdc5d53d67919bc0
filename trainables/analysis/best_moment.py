"""A short training of a small model, of which the moment is kept that suits held-out frames best."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

_MOMENTS = 4  # at which it is looked at held-out frames


def train_to_best_moment(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    steps: int,
    loss: Callable[[], Tensor],
    held_out_loss: Callable[[], float],
    *,
    clip: float | None = None,
    or_as_begun: bool = False,
) -> None:
    """Train in ``steps`` steps, under a cosine that brings the optimiser's rates to 0; leave the model as it
    was at the best of four moments.

    Args:
        model: to be trained.
        optimiser: of its parameters.
        steps: of the optimiser.
        loss: of a batch, which it draws.
        held_out_loss: by which moments are told apart; it is called without gradients.
        clip: largest norm of a gradient; None bounds none.
        or_as_begun: whether the untrained model is a moment too.
    """
    rates = [group["lr"] for group in optimiser.param_groups]
    kept = _copied(model)
    with torch.no_grad():
        least = held_out_loss() if or_as_begun else math.inf
    looks = {round(steps * part / _MOMENTS) for part in range(1, 1 + _MOMENTS)}
    for step in range(steps):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        batch_loss = loss()
        optimiser.zero_grad()
        batch_loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        if step + 1 in looks:
            with torch.no_grad():
                now = held_out_loss()
            if now < least:
                least, kept = now, _copied(model)
    model.load_state_dict(kept)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
