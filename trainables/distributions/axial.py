"""Laws on the unit sphere in R^d that are symmetric about their mean direction.

Shapes: d dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Axial:
    """A law of unit vectors that is symmetric about ``mu``; subclasses say how the cosine to it is spread.

    Attributes:
        mu: unit mean directions, [..., d].
        kappa: concentrations >= 0, [...].
    """

    mu: Tensor
    kappa: Tensor

    @property
    def dim(self) -> int:
        """Dimension d of the surrounding space."""
        return self.mu.shape[-1]

    def mean(self) -> Tensor:
        """The mean vector, E[x] = E[mu.x] mu: [..., d]."""
        return self.mean_cosine().unsqueeze(-1) * self.mu

    def mean_cosine(self) -> Tensor:
        """The mean cosine to ``mu``, E[mu.x]: [...]."""
        raise TypeError(f"{type(self).__name__} does not say how it is concentrated")

    def across(self, normal: Tensor) -> Tensor:
        """Unit vectors orthogonal to ``mu``, uniform among them, from standard normal noise [..., d]."""
        tangent = normal - (normal * self.mu).sum(-1, keepdim=True) * self.mu
        return tangent / tangent.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(normal.dtype).tiny)
