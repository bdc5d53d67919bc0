"""What every metric of a user's keeps: a figure for every frame, of its own window alone.

Shapes: B windows, T frames of a window, K rollout steps, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from trainables.conformance.heads import normals
from trainables.conformance.promises import Promise
from trainables.latents.batching.shard import Moments
from trainables.own_parts.registry import PartKind, made_part
from trainables.predictor.config import Structure

_WINDOWS, _DIM = 6, 4
_STRUCTURE = Structure(head="gaussian", context=5, horizon=4)
_MOMENTS = Moments(mean_D=torch.zeros(_DIM).double(), frame_distance=2.0, frames=100)


def _figure(name: str, rows: slice = slice(None)) -> Tensor:
    shape = _WINDOWS, _STRUCTURE.horizon
    window_BTD = normals(_WINDOWS, _STRUCTURE.context + _STRUCTURE.horizon, _DIM).cumsum(1)
    measured = {
        "direction": torch.nn.functional.normalize(normals(*shape, _DIM, seed=2), dim=-1),
        "log_magnitude": normals(*shape, seed=3),
        "nll": normals(*shape, seed=4),
        "deltas": normals(*shape, _DIM, seed=5),
    }
    some = {key: value[rows] for key, value in measured.items()}
    return made_part(PartKind.METRIC, name, _STRUCTURE, window_BTD[rows], some, _MOMENTS)


def one_for_every_frame(name: str) -> Iterator[str]:
    """It gives one figure for every frame of a rollout, [windows, horizon]; NaN where it has none."""
    values, shape = _figure(name), (_WINDOWS, _STRUCTURE.horizon)
    if not isinstance(values, Tensor) or values.shape != shape:
        given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        yield f"it gives {given}; it must give a tensor {shape}"
    elif torch.isinf(values).any() or not values.isfinite().any():
        yield "it gives infinity, or nothing that is finite; leave a frame out with NaN"


def of_its_own_window(name: str) -> Iterator[str]:
    """The figures of a window depend on no other window, and are the same again."""
    whole, part = _figure(name), _figure(name, slice(2, 4))
    if not torch.allclose(whole[2:4], part, equal_nan=True):
        yield "the figures of a window change with the windows beside it"
    if not torch.equal(whole.nan_to_num(), _figure(name).nan_to_num()):
        yield "the figures are others the second time"


METRIC_PROMISES: tuple[Promise, ...] = (one_for_every_frame, of_its_own_window)
