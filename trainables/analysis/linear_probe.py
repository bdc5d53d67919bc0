"""The linear probe: a linear-Gaussian predictor in closed form, scored as all predictors are.

It predicts delta_h = z_{t+h} - z_t ~ N(W x + b, C), with x the last frames and one regression for every
horizon h (direct, not iterated), and is compared with the Gaussian marginals of z_{t+h} and of delta_h on the
same frames. All contexts and horizons of a probe share their cases, so that they differ by nothing else.

The regression is shrunk towards the marginal of z_{t+h} (W = -I on the present frame), as far as is best for
training speakers that it was not fitted to: where the past says nothing its information is 0, and not minus
the price of D P numbers per dimension.

Shapes: N cases, D dimensions, P frames of context.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.analysis.lagged_products import LaggedProducts, lagged_products
from trainables.analysis.probe_cases import Figures, Scale, cases, empty_scores, tally_cases, too_short
from trainables.distributions.frame_flow import FrameFlow
from trainables.distributions.full_gaussian import FullGaussian
from trainables.distributions.gaussian_marginal import GaussianMarginal, shrunk_factor
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import FLOW, Scores, merge

# Penalties, as shares of the inputs' mean variance; the last leaves almost nothing of a regression.
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
_FOLD = 5  # one speaker in five chooses the penalty
STILL = 1e-9  # standard deviations; a frame whose |delta| is below does not move


@dataclass(frozen=True)
class ProbeSpan:
    """The frames that a probe looks back at and ahead to.

    Attributes:
        contexts: numbers of frames that a regression sees.
        ahead: horizons, in frames.
    """

    contexts: tuple[int, ...]
    ahead: tuple[int, ...]


@dataclass(frozen=True, order=True)
class Asked:
    """The question that a regression answers: of which surrogate, from how many frames, how far ahead.

    Attributes:
        surrogate: whose frames are predicted, "real" or another.
        context: frames that the regression sees.
        ahead: frames that it looks ahead.
    """

    surrogate: str
    context: int
    ahead: int


@dataclass(frozen=True)
class LinearProbe:
    """A regression of delta_h on the past, and the densities without a past.

    Attributes:
        weight: W, [D, P D], the present frame first.
        bias: b, [D].
        factor: the lower triangular factor of C, [D, D].
        state: the marginal of z_{t+h}.
        delta: the marginal of delta_h.
    """

    weight: Tensor
    bias: Tensor
    factor: Tensor
    state: GaussianMarginal
    delta: GaussianMarginal

    @classmethod
    def fit(cls, products: LaggedProducts, context: int, ahead: int, ridge: float) -> LinearProbe:
        """The regression by least squares with a penalty.

        Every covariance is shrunk as :func:`~trainables.distributions.gaussian_marginal.shrunk_factor` does.

        Args:
            products: of the training cases.
            context: frames that it sees.
            ahead: frames that it looks ahead, h.
            ridge: the penalty, as a share of the inputs' mean variance.
        """
        past, now, then = range(0, -context, -1), [0], [ahead]
        inputs, shared = products.covariance(past, past), products.covariance(past, then)
        penalty = ridge * inputs.diagonal().mean()
        factor = torch.linalg.cholesky(inputs + penalty * torch.eye(len(inputs)).to(inputs))
        weight = torch.cholesky_solve(shared, factor).T.contiguous()
        # Covariance of z_{t+h} - W x. Because W (inputs + penalty) = shared.T, it needs no product with
        # inputs, which would cost more than all others where there are many of them.
        residual = products.covariance(then, then) - weight @ shared - penalty * weight @ weight.T
        dim = len(weight)
        weight[:, :dim] -= torch.eye(dim).to(weight)  # predicts the step in place of the state it leads to
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

    def mean_nll(self, products: LaggedProducts, ahead: int) -> float:
        """Mean NLL of delta_h, nats per case, over the cases of ``products``."""
        past = range(0, -(self.weight.shape[1] // len(self.bias)), -1)
        mean_delta = products.mean([ahead]) - products.mean([0])
        offset = mean_delta - self.weight @ products.mean(past) - self.bias
        second = _residual(products, self.weight, ahead) + torch.outer(offset, offset)
        whitened = torch.linalg.solve_triangular(self.factor, second, upper=False)
        scores = torch.linalg.solve_triangular(self.factor, whitened.T, upper=False)
        log_volume = self.factor.diagonal().log().sum() + len(self.bias) / 2 * math.log(2 * math.pi)
        return float(0.5 * scores.trace() + log_volume)

    def figures(self, past_NI: Tensor, now_ND: Tensor, then_ND: Tensor) -> Figures:
        """What each case adds to each metric, above and below its fraction, [N] each.

        ``r2`` is of delta, ``state_r2`` of z_{t+h}, both about the training mean and over all dimensions
        together; from the log magnitudes :mod:`trainables.predictor.scores` computes an R2.

        Args:
            past_NI: frames seen, the present one first, with as many dimensions as the longest context.
            now_ND: present frames.
            then_ND: frames h later.
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


def _residual(products: LaggedProducts, weight: Tensor, ahead: int) -> Tensor:
    """Covariance of delta_h - W x, [D, D]."""
    past, now, then = range(0, -(weight.shape[1] // len(weight)), -1), [0], [ahead]
    explained = weight @ (products.covariance(past, then) - products.covariance(past, now))
    return (
        _moved(products, ahead)
        - explained
        - explained.T
        + weight @ products.covariance(past, past) @ weight.T
    )


def _moved(products: LaggedProducts, ahead: int) -> Tensor:
    """Covariance of delta_h, [D, D]."""
    now, then = [0], [ahead]
    crossed = products.covariance(now, then)
    return products.covariance(then, then) + products.covariance(now, now) - crossed - crossed.T


def log_magnitude_figures(predicted_N: Tensor, delta_ND: Tensor) -> Figures:
    """What each case adds to the R2 of log |delta|, [N] each; a frame that does not move has no logarithm."""
    size = delta_ND.norm(dim=-1)
    moves = (size > STILL).double()
    log_size = torch.where(size > STILL, size, 1.0).log()
    return {
        "log_magnitude": (log_size, moves),
        "log_magnitude_squared": (log_size.square(), moves),
        "log_magnitude_squared_error": ((predicted_N - log_size).square() * moves, moves),
    }


def probe(
    train: Feed,
    held_out: Feed,
    scale: Scale,
    span: ProbeSpan,
    flows: Mapping[str, FrameFlow] | None = None,
) -> dict[Asked, Scores]:
    """Scores on the held-out speakers of a regression for every surrogate, context and horizon.

    NLLs are of standardised frames, in nats; their differences do not depend on the standardisation.

    Args:
        train: frames of training speakers, with all surrogates.
        held_out: frames of the speakers that are scored, with the same surrogates.
        scale: that standardises frames.
        span: contexts and horizons.
        flows: densities of frames that know no past, by surrogate, to compare with as well.

    Raises:
        InputError: no utterance of one of the feeds is as long as the longest context and horizon.
    """
    context, horizon = max(span.contexts), max(span.ahead)
    probes = {
        Asked(surrogate, seen, ahead): _chosen(*halves, seen, ahead)
        for surrogate, halves in _products(train, scale, span).items()
        for seen in span.contexts
        for ahead in span.ahead
    }
    parts: dict[Asked, list[Scores]] = {asked: [] for asked in probes}
    for shard in held_out.chunks():
        frames = {
            s: scale.standardised(f) for s, f in zip(held_out.surrogates, shard.frames_SND, strict=True)
        }
        flow_nll = {s: _flow_nll(flow, shard, held_out, scale, s) for s, flow in (flows or {}).items()}
        shard_scores = {asked: empty_scores(shard, held_out.frame_rate, asked.ahead) for asked in probes}
        for now_N, owner_N in cases(shard, context, horizon):
            for surrogate, z_ND in frames.items():
                past_NI = torch.cat([z_ND[now_N - back] for back in range(context)], 1)
                for asked in (asked for asked in probes if asked.surrogate == surrogate):
                    figures = probes[asked].figures(past_NI, z_ND[now_N], z_ND[now_N + asked.ahead])
                    if surrogate in flow_nll:
                        nll_N = flow_nll[surrogate][now_N + asked.ahead]
                        figures = {**figures, FLOW: (nll_N, torch.ones_like(nll_N))}
                    tally_cases(shard_scores[asked], shard, owner_N, figures)
        for asked, scores in shard_scores.items():
            parts[asked].append(scores)
    merged = {asked: merge(scores) for asked, scores in parts.items()}
    if not all(scores.sums for scores in merged.values()):
        raise too_short("held-out", context + horizon)
    return merged


@torch.no_grad()
def _flow_nll(flow: FrameFlow, shard: Shard, feed: Feed, scale: Scale, surrogate: str) -> Tensor:
    """The NLL of all standardised frames of a shard under a density of frames as they are, [N]."""
    frames_ND = shard.frames_SND[feed.surrogates.index(Surrogate(surrogate))]
    return -flow.log_prob(frames_ND) - scale.deviation_D.log().sum()


def _chosen(most: LaggedProducts, rest: LaggedProducts | None, context: int, ahead: int) -> LinearProbe:
    """The regression fitted to both, with the penalty that is best on ``rest`` after a fit to ``most``."""
    if rest is None:
        return LinearProbe.fit(most, context, ahead, RIDGES[0])
    costs = [LinearProbe.fit(most, context, ahead, ridge).mean_nll(rest, ahead) for ridge in RIDGES]
    return LinearProbe.fit(most + rest, context, ahead, RIDGES[costs.index(min(costs))])


def _products(
    train: Feed, scale: Scale, span: ProbeSpan
) -> dict[str, tuple[LaggedProducts, LaggedProducts | None]]:
    """Products of most training speakers, and of one speaker in :data:`_FOLD`, by surrogate."""
    sums: dict[tuple[str, bool], LaggedProducts] = {}
    choosers = _choosers({name for shard in train.chunks() for name in shard.speakers})
    for shard in train.chunks():
        chooses_U = np.array([name in choosers for name in shard.speakers])
        for surrogate, frames_ND in zip(train.surrogates, shard.frames_SND, strict=True):
            z_ND = scale.standardised(frames_ND)
            for side in (False, True):
                begins, ends = (shard.offsets[:-1][chooses_U == side], shard.offsets[1:][chooses_U == side])
                products = lagged_products(z_ND, begins, ends, max(span.contexts), span.ahead)
                if products is not None:
                    key = surrogate, side
                    sums[key] = sums[key] + products if key in sums else products
    if not sums:
        raise too_short("training", max(span.contexts) + max(span.ahead))
    sides = {s: [sums[s, side] for side in (False, True) if (s, side) in sums] for s in train.surrogates}
    return {s: (pair[0], pair[1] if len(pair) == 2 else None) for s, pair in sides.items()}


def _choosers(speakers: set[str]) -> set[str]:
    """The speakers that choose the penalty, as their names alone decide.

    There is one at least, because with hardly any penalty a regression on as many inputs as frames may
    predict anything for other speakers. Of several speakers, one at least is left to fit to.
    """
    numbers = {name: zlib.crc32(name.encode()) for name in speakers}
    chosen = {name for name, number in numbers.items() if number % _FOLD == 0}
    return chosen if 0 < len(chosen) < len(speakers) else {min(numbers, key=lambda n: (numbers[n], n))}
