"""How far a free run may go before it has run away, and where it stands from then on.

Shapes: N training frames, K steps of a run, D latent dimensions; [...] is any leading shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

_RUNAWAY = 10.0  # RMS distances between frames from the mean frame, as in `Structure.runaway`


@dataclass(frozen=True)
class RunBound:
    """A ball about the mean frame; a run that leaves it, or the numbers, has run away.

    Attributes:
        mean_D: of the frames.
        farthest: the radius.
    """

    mean_D: Tensor
    farthest: float

    @classmethod
    def of(cls, frames_ND: Tensor) -> Self:
        """For runs among such frames."""
        return cls(frames_ND.mean(0), _RUNAWAY * float((2 * frames_ND.var(0).sum()).sqrt()))

    def stopped(self, frames: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Runs [..., K, D], begun behind ``last`` [..., D], which stand still from where they run away; and
        whether they have, [..., K].
        """
        away = (frames - self.mean_D).norm(dim=-1)
        gone = (~(away <= self.farthest)).long().cumsum(-1) > 0
        kept: list[Tensor] = []
        for frame, lost in zip(frames.unbind(-2), gone.unbind(-1), strict=True):
            kept.append(torch.where(lost.unsqueeze(-1), kept[-1] if kept else last, frame))
        return torch.stack(kept, -2), gone
