"""How far a linear-Gaussian predictor sees: fitted in closed form, scored as every predictor is.

delta_h = z_{t+h} - z_t ~ N(W x + b, C), with x the last frames and one regression for every horizon h
(direct, not iterated), against the Gaussian marginals of z_{t+h} and of delta_h on the same frames. All
contexts and horizons of a probe share their cases, so that they differ by nothing else.

The regression is shrunk towards the marginal of z_{t+h} (W = -I on the present frame), as far as training
speakers whom it was not fitted to ask for: where the past says nothing its information is 0, and not minus
the price of D P numbers per dimension.

Shapes: N cases, D dimensions, P frames of context.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.analysis.lagged_products import Products, lagged_products
from trainables.analysis.probe_cases import Figures, Scale, cases, empty_scores, tally, too_short
from trainables.distributions.full_gaussian import FullGaussian
from trainables.distributions.gaussian_marginal import GaussianMarginal, shrunk_factor
from trainables.latents.batching.feed import Feed
from trainables.predictor.scores import Scores, merge

# Penalties, as shares of the inputs' mean variance; the last leaves next to nothing of a regression.
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
_FOLD = 5  # one speaker in so many chooses the penalty
STILL = 1e-9  # |delta| below which a frame does not move, in standard deviations


@dataclass(frozen=True)
class Horizon:
    """What a probe looks back at and ahead to, in frames."""

    contexts: tuple[int, ...]
    ahead: tuple[int, ...]


@dataclass(frozen=True, order=True)
class Asked:
    """Which figure is meant: frames of which surrogate, how many of them seen, how far ahead."""

    surrogate: str
    context: int
    ahead: int


@dataclass(frozen=True)
class LinearProbe:
    """One regression, and the densities that know no past."""

    weight: Tensor  # W [D, P D], the present frame first
    bias: Tensor  # b [D]
    factor: Tensor  # of C, lower triangular [D, D]
    state: GaussianMarginal  # of z_{t+h}
    delta: GaussianMarginal  # of delta_h

    @classmethod
    def fit(cls, products: Products, context: int, ahead: int, ridge: float) -> LinearProbe:
        """Least squares with a penalty; every covariance is shrunk as
        :class:`~trainables.analysis.marginals.GaussianMarginal` says.
        """
        past, now, then = range(0, -context, -1), [0], [ahead]
        own, shared = products.covariance(past, past), products.covariance(past, then)
        penalty = ridge * own.diagonal().mean()
        factor = torch.linalg.cholesky(own + penalty * torch.eye(len(own)).to(own))
        weight = torch.cholesky_solve(shared, factor).T.contiguous()
        # Of z_{t+h} - W x. Since W (own + penalty) = shared.T, it does not take the product with own, which
        # would cost more than all others where there are many inputs.
        residual = products.covariance(then, then) - weight @ shared - penalty * weight @ weight.T
        dim = len(weight)
        weight[:, :dim] -= torch.eye(dim).to(weight)  # from the next state to the step that leads there
        mean_delta = products.mean(then) - products.mean(now)
        state, delta, factor = (
            shrunk_factor((covariance + covariance.T) / 2, products.count)
            for covariance in (products.covariance(then, then), _moved(products, ahead), residual)
        )
        return cls(
            weight,
            mean_delta - weight @ products.mean(past),
            factor,
            GaussianMarginal(products.mean(then), state),
            GaussianMarginal(mean_delta, delta),
        )

    def mean_nll(self, products: Products, ahead: int) -> float:
        """Mean NLL, nats per case, over the cases that went into ``products``."""
        past = range(0, -(self.weight.shape[1] // len(self.bias)), -1)
        mean_delta = products.mean([ahead]) - products.mean([0])
        offset = mean_delta - self.weight @ products.mean(past) - self.bias
        second = _residual(products, self.weight, ahead) + torch.outer(offset, offset)
        whitened = torch.linalg.solve_triangular(self.factor, second, upper=False)
        scores = torch.linalg.solve_triangular(self.factor, whitened.T, upper=False)
        log_volume = self.factor.diagonal().log().sum() + len(self.bias) / 2 * math.log(2 * math.pi)
        return float(0.5 * scores.trace() + log_volume)

    def figures(self, past_NI: Tensor, now_ND: Tensor, then_ND: Tensor) -> Figures:
        """What each case adds to every metric.

        ``r2`` is of delta, ``state_r2`` of z_{t+h}, both about the training mean and over all dimensions at
        once; the log magnitudes are what :mod:`trainables.predictor.scores` makes an R2 of.
        """
        delta = then_ND - now_ND
        law = FullGaussian(past_NI[:, : self.weight.shape[1]] @ self.weight.T + self.bias, self.factor)
        error = (delta - law.mean()).square().sum(-1)
        moved = (delta - self.delta.mean_D).square().sum(-1)
        spread = (then_ND - self.state.mean_D).square().sum(-1)
        moves = (delta.norm(dim=-1) > STILL).double()
        ones = torch.ones_like(error)
        return {
            "nll": (-law.log_prob(delta), ones),
            "marginal_nll": (self.state.nll(then_ND), ones),
            "delta_nll": (self.delta.nll(delta), ones),
            "one_step_cosine": (F.cosine_similarity(law.mean(), delta, dim=-1) * moves, moves),
            "r2": (moved - error, moved),
            "state_r2": (spread - error, spread),
            **log_magnitude_figures(law.log_magnitude(), delta),
        }


def _residual(products: Products, weight: Tensor, ahead: int) -> Tensor:
    """Covariance of delta_h - W x, [D, D]."""
    past, now, then = range(0, -(weight.shape[1] // len(weight)), -1), [0], [ahead]
    explained = weight @ (products.covariance(past, then) - products.covariance(past, now))
    return (
        _moved(products, ahead)
        - explained
        - explained.T
        + weight @ products.covariance(past, past) @ weight.T
    )


def _moved(products: Products, ahead: int) -> Tensor:
    """Covariance of delta_h, [D, D]."""
    now, then = [0], [ahead]
    crossed = products.covariance(now, then)
    return products.covariance(then, then) + products.covariance(now, now) - crossed - crossed.T


def log_magnitude_figures(predicted_N: Tensor, delta_ND: Tensor) -> Figures:
    """What each case adds to the R2 of log |delta|; a frame that does not move has no logarithm."""
    size = delta_ND.norm(dim=-1)
    moves = (size > STILL).double()
    log_size = torch.where(size > STILL, size, 1.0).log()
    return {
        "log_magnitude": (log_size, moves),
        "log_magnitude_squared": (log_size.square(), moves),
        "log_magnitude_squared_error": ((predicted_N - log_size).square() * moves, moves),
    }


def probe(train: Feed, held_out: Feed, scale: Scale, reach: Horizon) -> dict[Asked, Scores]:
    """Scores on the held-out speakers of a regression for every surrogate, context and horizon.

    NLLs are of standardised frames, in nats; differences of them do not depend on that.

    Raises:
        InputError: no utterance of one side is as long as the longest context and horizon.
    """
    context, horizon = max(reach.contexts), max(reach.ahead)
    probes = {
        Asked(surrogate, seen, ahead): _chosen(*halves, seen, ahead)
        for surrogate, halves in _products(train, scale, reach).items()
        for seen in reach.contexts
        for ahead in reach.ahead
    }
    parts: dict[Asked, list[Scores]] = {asked: [] for asked in probes}
    for shard in held_out.chunks():
        frames = {
            s: scale.standardised(f) for s, f in zip(held_out.surrogates, shard.frames_SND, strict=True)
        }
        found = {asked: empty_scores(shard, held_out.frame_rate, asked.ahead) for asked in probes}
        for now_N, owner_N in cases(shard, context, horizon):
            for surrogate, z_ND in frames.items():
                past_NI = torch.cat([z_ND[now_N - back] for back in range(context)], 1)
                for asked in (asked for asked in probes if asked.surrogate == surrogate):
                    figures = probes[asked].figures(past_NI, z_ND[now_N], z_ND[now_N + asked.ahead])
                    tally(found[asked], shard, owner_N, figures)
        for asked, scores in found.items():
            parts[asked].append(scores)
    merged = {asked: merge(scores) for asked, scores in parts.items()}
    if not all(scores.sums for scores in merged.values()):
        raise too_short("held-out", context + horizon)
    return merged


def _chosen(most: Products, rest: Products | None, context: int, ahead: int) -> LinearProbe:
    """Fitted to everything, with the penalty that serves ``rest`` best after a fit to ``most``."""
    if rest is None:
        return LinearProbe.fit(most, context, ahead, RIDGES[0])
    costs = [LinearProbe.fit(most, context, ahead, ridge).mean_nll(rest, ahead) for ridge in RIDGES]
    return LinearProbe.fit(most + rest, context, ahead, RIDGES[costs.index(min(costs))])


def _products(train: Feed, scale: Scale, reach: Horizon) -> dict[str, tuple[Products, Products | None]]:
    """By surrogate: of most training speakers, and of one in :data:`_FOLD`."""
    found: dict[tuple[str, bool], Products] = {}
    choosers = _choosers({name for shard in train.chunks() for name in shard.speakers})
    for shard in train.chunks():
        chooses_U = np.array([name in choosers for name in shard.speakers])
        for surrogate, frames_ND in zip(train.surrogates, shard.frames_SND, strict=True):
            z_ND = scale.standardised(frames_ND)
            for side in (False, True):
                begins, ends = (shard.offsets[:-1][chooses_U == side], shard.offsets[1:][chooses_U == side])
                own = lagged_products(z_ND, begins, ends, max(reach.contexts), reach.ahead)
                if own is not None:
                    key = surrogate, side
                    found[key] = found[key] + own if key in found else own
    if not found:
        raise too_short("training", max(reach.contexts) + max(reach.ahead))
    halves = {s: [found[s, side] for side in (False, True) if (s, side) in found] for s in train.surrogates}
    return {s: (own[0], own[1] if len(own) == 2 else None) for s, own in halves.items()}


def _choosers(speakers: set[str]) -> set[str]:
    """Who chooses the penalty; nothing but names decides. One at least, since with no penalty to speak of a
    regression on as many inputs as frames says anything at all of others, and not everyone of several.
    """
    drawn = {name: zlib.crc32(name.encode()) for name in speakers}
    found = {name for name, number in drawn.items() if number % _FOLD == 0}
    return found if 0 < len(found) < len(speakers) else {min(drawn, key=lambda name: (drawn[name], name))}
