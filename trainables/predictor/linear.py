"""The one layer that all backbones and heads are made of."""

from __future__ import annotations

from torch import Tensor, nn


class Linear(nn.Linear):
    """``nn.Linear`` on rows: leading dimensions are flattened into one before the product.

    Stacked over lanes it is then a single batched product. Of an input with more leading dimensions ``vmap``
    makes one small product per row, with a copy of the weights for each.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        if x.dim() <= 2:
            return super().forward(x)
        return super().forward(x.flatten(0, -2)).unflatten(0, x.shape[:-1])
