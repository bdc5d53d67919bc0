"""A density of single frames, which says what a frame of a representation looks like, beside a Gaussian.

Research Discussion 7 (section 9, question 4) calls the region where the density of true frames is high the
manifold. But a high density does not make a frame: in D dimensions most of the mass lies far below the peak,
and the mean of all frames, which is no frame, may score above most of them. In speech the density is mostly a
matter of loudness: silence is near the mean and very likely, a loud vowel far away and very unlikely. So a
frame is also compared with true frames that are as far from the mean as it is.

E. Nalisnick et al., "Detecting out-of-distribution inputs to deep generative models using typicality", 2019.

Shapes: N frames, D dimensions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import zuko
from torch import Tensor, nn

from trainables.distributions.gaussian_marginal import GaussianMarginal
from trainables.latents.batching.feed import Feed

OFF = 0.05  # share of true frames that are less likely than the least likely vector still taken for a frame
_RINGS = 10  # groups of true frames by their distance from the mean, all of one size
_TAILS, _WIDTHS = 0.01, 32  # share of the wide Gaussians, and their number, each twice as wide as the last
_AT_ONCE = 8192  # frames
_WATCHED = 8192  # validation frames that decide when training stops
_MOST_FRAMES = 400_000  # trained on, evenly spread


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """Settings of a flow and of its training: on one core 64 dimensions take about a minute, 512 about three.

    Attributes:
        transforms: autoregressive transforms in a row.
        hidden: units of the hidden layers of each transform.
        batch: frames of a step.
        steps: most optimiser steps.
        passes: most passes over the training frames, which end training earlier where frames are few.
        learning_rate: of Adam in the first step; it falls to 0 along half a cosine.
        look_every: steps from one look at validation speakers to the next.
        patience: looks without a gain after which training ends.
    """

    transforms: int = 4
    hidden: tuple[int, ...] = (128, 128)
    batch: int = 512
    steps: int = 1600
    passes: int = 50
    learning_rate: float = 2e-3
    look_every: int = 50
    patience: int = 6


_BY_DIMENSION = (  # (most dimensions, settings)
    (128, FlowSettings()),
    (4096, FlowSettings(hidden=(512, 512), batch=256, steps=800, learning_rate=1e-3)),
)


def settings_for(dim: int) -> FlowSettings:
    """The settings that suit frames of ``dim`` dimensions."""
    return next((settings for most, settings in _BY_DIMENSION if dim <= most), _BY_DIMENSION[-1][1])


@dataclass(frozen=True)
class Edges:
    """Log densities, nats, below which the share ``OFF`` of the true frames of validation speakers lies.

    Attributes:
        lowest: that of all frames.
        distance_R: distances from the mean at which one ring of frames ends and the next begins, [R - 1].
        lowest_R: that of the frames in each ring, [R].
    """

    lowest: float
    distance_R: Tensor
    lowest_R: Tensor

    @classmethod
    def of(cls, log_prob_N: Tensor, distance_N: Tensor) -> Edges:
        """The edges of true frames, from their log densities and their distances from the mean."""
        ends_R = distance_N.quantile(torch.linspace(0, 1, _RINGS + 1, dtype=torch.float64)[1:-1])
        ring_N = torch.bucketize(distance_N, ends_R)
        lowest = float(log_prob_N.quantile(OFF))
        rings = [log_prob_N[ring_N == ring] for ring in range(_RINGS)]
        # Few or equal frames may leave a ring empty: it gets the edge of all frames.
        lowest_R = [ring.quantile(OFF) if len(ring) else torch.tensor(lowest) for ring in rings]
        return cls(lowest, ends_R, torch.stack([edge.double() for edge in lowest_R]))


_NOWHERE = Edges(-math.inf, torch.zeros(0), torch.full((1,), -math.inf, dtype=torch.float64))


class FrameDensity:
    """A masked autoregressive flow on whitened frames, with the Gaussian whose covariance whitens them.

    It begins as that Gaussian, so everything that it gains on validation speakers is a gain over a Gaussian.
    Far from all data the density of a flow falls without limit, to -1e13 nats. A hundredth of this density is
    therefore the Gaussian at its own and at ever wider scales: true frames hardly change, and the density of
    a state that has run away stays finite and says how far. (A Student t would not do: in many dimensions
    its peak is so high that it shows between true frames, near the mean.) Log densities are of frames in the
    feed's units: the log determinant of the whitening is counted.

    G. Papamakarios, T. Pavlakou, I. Murray, "Masked autoregressive flow for density estimation", 2017.

    Attributes:
        gaussian: of the training frames.
        edges: below which a frame is off the manifold.
        steps: optimiser steps after which the flow was best on validation speakers.
    """

    def __init__(self, flow: nn.Module, gaussian: GaussianMarginal, edges: Edges, steps: int) -> None:
        self.gaussian = gaussian
        self.edges = edges
        self.steps = steps
        self._flow = flow.eval()

    @classmethod
    @torch.enable_grad()
    def fit(
        cls, train: Feed, validation: Feed, seed: int = 0, settings: FlowSettings | None = None
    ) -> FrameDensity:
        """The density of training speakers' real frames, trained until validation speakers gain no more.

        Args:
            train: frames of training speakers.
            validation: frames of validation speakers.
            seed: of the first weights and of the batches.
            settings: of the flow; None stands for those that suit the dimensions.

        Raises:
            ValueError: the training frames are all equal, or not finite.
        """
        frames_ND, watched = some_frames(train), some_frames(validation)
        settings = settings or settings_for(frames_ND.shape[-1])
        gaussian = GaussianMarginal.fit(frames_ND)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            flow = _flow(frames_ND.shape[-1], settings)
        spread = watched[:: max(1, len(watched) // _WATCHED)]
        steps = _train(flow, _whitened(gaussian, frames_ND), _whitened(gaussian, spread), settings, seed)
        density = cls(flow, gaussian, _NOWHERE, steps)
        density.edges = Edges.of(density.log_prob(watched), density.distance(watched))
        return density

    @torch.no_grad()
    def log_prob(self, frames: Tensor) -> Tensor:
        """Log density [...] of frames [..., D], nats, float64."""
        flat_ND = frames.reshape(-1, frames.shape[-1])
        parts = [_whitened(self.gaussian, part) for part in flat_ND.split(_AT_ONCE)]
        law = self._flow()
        log_prob = [_with_tails(law.log_prob(part).double(), part.double()) for part in parts]
        log_volume = self.gaussian.factor_DD.diagonal().log().sum()
        return (torch.cat(log_prob) - log_volume).reshape(frames.shape[:-1])

    def gaussian_log_prob(self, frames: Tensor) -> Tensor:
        """Log density [...] of frames [..., D] under the Gaussian, nats, float64."""
        flat_ND = frames.reshape(-1, frames.shape[-1])
        return -self.gaussian.nll(flat_ND).reshape(frames.shape[:-1])

    def distance(self, frames: Tensor) -> Tensor:
        """Distance of frames [..., D] from the mean in the Gaussian's measure (Mahalanobis), [...]."""
        flat_ND = frames.reshape(-1, frames.shape[-1])
        return _whitened(self.gaussian, flat_ND).double().norm(dim=-1).reshape(frames.shape[:-1])

    def figures(self, frames: Tensor) -> dict[str, Tensor]:
        """Figures of frames [..., D] by name, [...] each.

        Returns:
            ``log_density`` and ``gaussian_log_density``, nats; ``off_manifold``, 1 where a frame is less
            likely than all but the least likely 5 % of true frames; ``off_at_its_distance``, the same among
            true frames as far from the mean as it is. The last two are NaN where a frame is not finite.
        """
        log_prob = self.log_prob(frames)
        lowest = self.edges.lowest_R[torch.bucketize(self.distance(frames), self.edges.distance_R)]
        known = log_prob.isfinite()
        return {
            "log_density": log_prob,
            "gaussian_log_density": self.gaussian_log_prob(frames),
            "off_manifold": torch.where(known, (log_prob < self.edges.lowest).double(), torch.nan),
            "off_at_its_distance": torch.where(known, (log_prob < lowest).double(), torch.nan),
        }

    def state(self) -> dict[str, Any]:
        """The whole density, as tensors and plain numbers."""
        return {
            "flow": self._flow.state_dict(),
            "mean_D": self.gaussian.mean_D,
            "factor_DD": self.gaussian.factor_DD,
            "edges": {**vars(self.edges)},
            "steps": self.steps,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: FlowSettings | None = None) -> FrameDensity:
        """The density whose :meth:`state` this is.

        Args:
            state: tensors and plain numbers.
            settings: those of the fit, where they were given there.
        """
        gaussian = GaussianMarginal(state["mean_D"], state["factor_DD"])
        flow = _flow(len(gaussian.mean_D), settings or settings_for(len(gaussian.mean_D)))
        flow.load_state_dict(state["flow"])
        return cls(flow, gaussian, Edges(**state["edges"]), state["steps"])


def _with_tails(log_prob_N: Tensor, white_ND: Tensor) -> Tensor:
    """Log density of the flow mixed, at a share of ``_TAILS``, with Gaussians of deviation 1, 2, 4 ..."""
    dim = white_ND.shape[-1]
    log_scale_W = math.log(2) * torch.arange(_WIDTHS, dtype=torch.float64)
    squares_NW = white_ND.square().sum(-1, keepdim=True) * (-2 * log_scale_W).exp()
    log_wide_N = torch.logsumexp(-0.5 * squares_NW - dim * log_scale_W, -1)
    log_wide_N = log_wide_N - dim / 2 * math.log(2 * math.pi) - math.log(_WIDTHS)
    # Where the flow overflows its density is 0; a frame that is NaN stays NaN.
    flow_N = torch.where(log_wide_N.isnan(), torch.nan, log_prob_N.nan_to_num(nan=-math.inf))
    return torch.logaddexp(flow_N + math.log1p(-_TAILS), log_wide_N + math.log(_TAILS))


def some_frames(feed: Feed) -> Tensor:
    """Real frames [N, D] of a feed: all of them, or 400,000 evenly spread ones where there are more."""
    parts = [_spread(shard.frames_SND[0].cpu()) for shard in feed.chunks()]
    return _spread(torch.cat(parts))


def _spread(frames_ND: Tensor) -> Tensor:
    return frames_ND[:: math.ceil(len(frames_ND) / _MOST_FRAMES)]


def _flow(dim: int, settings: FlowSettings) -> nn.Module:
    """A flow that changes nothing yet: the last layer of every transform is zero."""
    flow = zuko.flows.MAF(
        dim, transforms=settings.transforms, hidden_features=settings.hidden, randperm=dim > 1
    )
    for transform in flow.transform.transforms:
        for parameter in _last_parameters(transform):
            nn.init.zeros_(parameter)
    return flow


def _last_parameters(transform: Any) -> list[nn.Parameter]:
    if not hasattr(transform, "hyper"):  # a permutation; or of one dimension, where there is nothing to mask
        return list(transform.parameters())
    return list(transform.hyper[-1].parameters())


def _whitened(gaussian: GaussianMarginal, frames_ND: Tensor) -> Tensor:
    centred_DN = (frames_ND.to(gaussian.mean_D) - gaussian.mean_D).mT
    return torch.linalg.solve_triangular(gaussian.factor_DD, centred_DN, upper=False).mT.float()


def _train(
    flow: nn.Module, train_ND: Tensor, validation_ND: Tensor, settings: FlowSettings, seed: int
) -> int:
    """Train the flow to where validation frames are most likely; the number of steps to that point."""
    most = min(settings.steps, math.ceil(settings.passes * len(train_ND) / settings.batch))
    optimiser = torch.optim.Adam(flow.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, most)
    generator = torch.Generator().manual_seed(seed)
    best, best_step, kept = _mean_log_prob(flow, validation_ND), 0, copy.deepcopy(flow.state_dict())
    for step in range(1, most + 1):
        rows = torch.randint(len(train_ND), (settings.batch,), generator=generator)
        loss = -flow().log_prob(train_ND[rows]).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        if step % settings.look_every == 0 or step == most:
            reached = _mean_log_prob(flow, validation_ND)
            if reached > best:
                best, best_step, kept = reached, step, copy.deepcopy(flow.state_dict())
            elif step - best_step >= settings.patience * settings.look_every:
                break
    flow.load_state_dict(kept)
    return best_step


@torch.no_grad()
def _mean_log_prob(flow: nn.Module, frames_ND: Tensor) -> float:
    law = flow()
    return float(torch.cat([law.log_prob(part) for part in frames_ND.split(_AT_ONCE)]).mean())
