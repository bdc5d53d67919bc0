"""Predictors that are fitted in closed form: standing still, returning to the mean, linear regression.

Each is a backbone and a head like any other, delta ~ N(W x + b, C) with x the last P frames, and so answers
for the same metrics: what a trained predictor must beat.

Shapes: B windows, T frames, D latent dimensions, P frames seen, N cases, M = 1 + P D + D.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.distributions.full_gaussian import FullGaussian
from trainables.distributions.gaussian_marginal import shrunk_factor
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.shard import Shard
from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads.base import Head, Survey
from trainables.predictor.linear import Linear
from trainables.predictor.model.backbones import Backbone, BackboneState

_MOST_INPUTS = 1024  # numbers that a regression reads: P D
_CASES_AT_ONCE = 8192


def fit_baselines(
    structure: Structure,
    lanes: Sequence[Lane],
    train: Feed,
    data: PreparedData,
    gather: Callable[[Any], list[Any]] = lambda value: [value],
) -> list[Baseline]:
    """Fit ``structure.head`` for each lane to all training frames of its surrogate, by least squares in
    float64.

    The covariance is that of the residuals, shrunk as that of a
    :class:`~trainables.distributions.gaussian_marginal.GaussianMarginal`.

    Args:
        train: frames to fit to; holds the surrogates that the lanes name.
        data: what is known of these frames.
        gather: returns the values of all workers; every one of them gets the same baselines.
    """
    dim, mean_D = data.dim, data.moments.mean_D.double().cpu()
    seen = _frames_seen(structure, dim)
    names = sorted({lane.surrogate for lane in lanes})
    products = {name: _products(train, train.surrogates.index(name), seen, gather) for name in names}
    models = []
    for lane in lanes:
        own_MM, model = products[lane.surrogate], Baseline(structure, dim).double()
        weight, bias = _solve(structure.head, own_MM, mean_D, lane.ridge)
        factor = _residual_factor(own_MM, weight, bias)
        model.head.load_state_dict({"linear.weight": weight, "linear.bias": bias, "factor": factor})
        models.append(model.to(device=data.device, dtype=getattr(torch, structure.dtype)))
    return models


class Baseline(nn.Module):
    """A predictor that :func:`fit_baselines` fits in closed form; it stands still until then."""

    def __init__(self, structure: Structure, dim: int) -> None:
        super().__init__()
        self.backbone = LastFrames(_frames_seen(structure, dim))
        self.head = LinearGaussianHead(self.backbone.frames * dim, dim)

    def start_from(self, survey: Survey) -> None:
        """Leave a survey alone: everything is fitted."""


class LastFrames(Backbone):
    """The last P frames, oldest first, as the hidden state; zeros stand before the first frame."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, P D], and the state: the last frames [B, P - 1, D]."""
        count = z_BTD.shape[1]
        padded = (
            F.pad(z_BTD, (0, 0, self.frames - 1, 0)) if state is None else torch.cat([state[0], z_BTD], 1)
        )
        return torch.cat([padded[:, i : i + count] for i in range(self.frames)], -1), (padded[:, count:],)


class LinearGaussianHead(Head[FullGaussian]):
    """A head that predicts N(W x + b, C) over delta in R^D from x [..., P D], with one full covariance C."""

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.linear = Linear(inputs, dim).requires_grad_(False)
        self.factor = nn.Parameter(torch.eye(dim), requires_grad=False)

    def forward(self, x: Tensor) -> FullGaussian:
        """The Gaussians over [..., D] that hidden states ``x`` [..., P D] predict."""
        return FullGaussian(self.linear(x), self.factor)


def _frames_seen(structure: Structure, dim: int) -> int:
    return max(1, min(structure.context, _MOST_INPUTS // dim)) if structure.head == "linear" else 1


def _solve(kind: str, products_MM: Tensor, mean_D: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Weights W [D, P D] and bias b [D] from the products of (1, x, delta)."""
    dim = len(mean_D)
    inputs = len(products_MM) - 1 - dim
    if kind == "persistence":
        return torch.zeros(dim, inputs).double(), torch.zeros(dim).double()
    if kind == "mean_reversion":
        rate = _reversion_rate(products_MM, mean_D)
        return -rate * torch.eye(dim).double(), rate * mean_D
    mean_M = products_MM[0] / products_MM[0, 0]
    covariance_MM = products_MM / products_MM[0, 0] - torch.outer(mean_M, mean_M)
    own, shared = covariance_MM[1:-dim, 1:-dim], covariance_MM[1:-dim, -dim:]
    penalty = ridge * own.diagonal().mean() * torch.eye(inputs).double()
    weight = torch.linalg.solve(own + penalty, shared).T
    return weight, mean_M[-dim:] - weight @ mean_M[1:-dim]


def _reversion_rate(products_MM: Tensor, mean_D: Tensor) -> Tensor:
    """Rate of return to the mean: the r that minimises the sum of |delta - r (mean - z)|^2."""
    dim = len(mean_D)
    towards_DM = torch.cat([mean_D[:, None], -torch.eye(dim).double(), torch.zeros(dim, dim).double()], 1)
    along = (towards_DM @ products_MM[:, -dim:]).trace()
    return along / (towards_DM @ products_MM @ towards_DM.T).trace()


def _residual_factor(products_MM: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    dim, count = len(bias), int(products_MM[0, 0].round())
    residual_DM = torch.cat([-bias[:, None], -weight, torch.eye(dim).double()], 1)
    covariance = residual_DM @ products_MM @ residual_DM.T / products_MM[0, 0]
    return shrunk_factor((covariance + covariance.T) / 2, count)


def _products(train: Feed, surrogate: int, seen: int, gather: Callable[[Any], list[Any]]) -> Tensor:
    """Sum of u u^T over all cases u = (1, x, delta), float64: [M, M].

    An utterance that several workers hold counts once, a share of it in each.
    """
    held = Counter(i for ids in gather(train.held_ids) for i in ids)
    total = torch.zeros(())
    for shard in train.chunks():
        share_U = 1 / np.array([held[i] for i in shard.ids])
        for cases_NM, share_N in _cases(shard, surrogate, seen, share_U):
            total = total + (cases_NM.T @ (cases_NM * share_N[:, None])).cpu()
    return torch.stack(gather(total)).sum(0)


def _cases(shard: Shard, surrogate: int, seen: int, share_U: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows (1, x, delta) [N, M] of one shard in blocks, and the share of each that counts [N]."""
    frames_ND = shard.frames_SND[surrogate].double()
    lengths = shard.lengths
    place = np.arange(len(frames_ND)) - np.repeat(shard.offsets[:-1], lengths)
    complete = (place >= seen - 1) & (place < np.repeat(lengths, lengths) - 1)
    share_N = torch.from_numpy(np.repeat(share_U, lengths)).to(frames_ND.device)
    for now in torch.from_numpy(np.flatnonzero(complete)).to(frames_ND.device).split(_CASES_AT_ONCE):
        past = [frames_ND[now - back] for back in reversed(range(seen))]
        ones = torch.ones_like(past[0][:, :1])
        yield torch.cat([ones, *past, frames_ND[now + 1] - frames_ND[now]], 1), share_N[now]
