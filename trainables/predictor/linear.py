"""The one layer that all backbones and heads are made of.

Stacked over lanes, a product of rows with a matrix is one batched product per layer; of an input with more
leading dimensions ``vmap`` makes one small product per row, with a copy of the matrix for each.

Shapes: [..., in] and [..., out] are rows of so many numbers under any leading shape.
"""

from __future__ import annotations

from torch import Tensor, nn


class Linear(nn.Linear):
    """A layer like ``nn.Linear`` that flattens its input's leading dimensions into one."""

    def forward(self, x: Tensor) -> Tensor:
        """The affine map of ``x`` [..., in]: [..., out]."""
        if x.dim() <= 2:
            return super().forward(x)
        return super().forward(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


def product(x: Tensor, matrix: Tensor) -> Tensor:
    """The product of ``x`` [..., in] and ``matrix`` [in, out]: [..., out], leading dimensions flattened."""
    return x @ matrix if x.dim() <= 2 else (x.flatten(0, -2) @ matrix).unflatten(0, x.shape[:-1])
