"""What a frame of a representation looks like: a density of single frames, and the Gaussian it must beat.

Where the density of true frames is high lies what Research Discussion 7 (section 9, question 4) calls the
manifold. But a high density is not yet a frame: most of the mass of D dimensions lies far below the peak, and
the mean of all frames, which is no frame, may score above most of them (E. Nalisnick et al., "Detecting
Out-of-Distribution Inputs to Deep Generative Models Using Typicality", 2019). In speech the density is mostly
a matter of loudness: silence is near the mean and very likely, a loud vowel far off and very unlikely. So a
frame is also compared with true ones that are as far from the mean as it is.

Shapes: N frames, D dimensions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.distributions.gaussian_marginal import GaussianMarginal
from trainables.latents.batching.feed import Feed

OFF = 0.05  # share of true frames that are less likely than what is still taken for a frame
_RINGS = 10  # of as many true frames each, by distance from the mean
_TAILS, _WIDTHS = 0.01, 32  # share of the wide Gaussians, and how many there are, each twice as wide
_AT_ONCE = 8192
_WATCHED = 8192  # validation frames that decide when to stop
_MOST_FRAMES = 400_000  # learnt from, evenly spread


@dataclass(frozen=True)
class FlowSettings:
    """Of the flow and its fit. On one core 64 dimensions take about a minute, 512 about three."""

    transforms: int = 4
    hidden: tuple[int, ...] = (128, 128)
    batch: int = 512  # frames
    steps: int = 1600
    passes: int = 50  # over the training frames at most, where they are few
    learning_rate: float = 2e-3
    look_every: int = 50  # steps
    patience: int = 6  # looks at validation speakers without a gain


_BY_DIMENSION = (  # up to which D
    (128, FlowSettings()),
    (4096, FlowSettings(hidden=(512, 512), batch=256, steps=800, learning_rate=1e-3)),
)


def settings_for(dim: int) -> FlowSettings:
    """What frames of ``dim`` dimensions are fitted with."""
    return next((own for most, own in _BY_DIMENSION if dim <= most), _BY_DIMENSION[-1][1])


@dataclass(frozen=True)
class Edges:
    """Log densities below which ``OFF`` of the true frames of validation speakers lie."""

    lowest: float  # of all
    distance_R: Tensor  # from the mean: where one ring ends and the next begins, [R - 1]
    lowest_R: Tensor  # of the frames in each ring

    @classmethod
    def of(cls, log_prob_N: Tensor, distance_N: Tensor) -> Edges:
        """Of true frames."""
        ends_R = distance_N.quantile(torch.linspace(0, 1, _RINGS + 1, dtype=torch.float64)[1:-1])
        ring_N = torch.bucketize(distance_N, ends_R)
        lowest = float(log_prob_N.quantile(OFF))
        rings = [log_prob_N[ring_N == ring] for ring in range(_RINGS)]
        # Few or equal frames may leave a ring empty: there the edge of all stands.
        lowest_R = [own.quantile(OFF) if len(own) else torch.tensor(lowest) for own in rings]
        return cls(lowest, ends_R, torch.stack([edge.double() for edge in lowest_R]))


_NOWHERE = Edges(-math.inf, torch.zeros(0), torch.full((1,), -math.inf, dtype=torch.float64))


class FrameDensity:
    """A masked autoregressive flow on whitened frames (G. Papamakarios et al., "Masked Autoregressive Flow
    for Density Estimation", 2017), with the Gaussian whose covariance whitens them.

    It begins as that Gaussian, so whatever it gains on validation speakers is its own. Far from all data a
    flow's density falls without measure, to -1e13 nats; so a hundredth of the density is that Gaussian at its
    own and at ever wider scales: true frames do not notice, and of a state that has run away a finite number
    says how far. (A Student t would not do: in many dimensions its peak is so high that it shows between
    true frames, near the mean.) Log densities are of frames in the feed's units: the log determinant of the
    whitening is counted.
    """

    def __init__(self, flow: nn.Module, gaussian: GaussianMarginal, edges: Edges, steps: int) -> None:
        self.gaussian = gaussian
        self.edges = edges
        self.steps = steps  # after which it was best on validation speakers
        self._flow = flow.eval()

    @classmethod
    @torch.enable_grad()
    def fit(
        cls, train: Feed, validation: Feed, seed: int = 0, settings: FlowSettings | None = None
    ) -> FrameDensity:
        """Fit to the real frames of training speakers, until validation speakers gain no more.

        Raises:
            ValueError: the training frames are all equal, or not finite.
        """
        frames_ND, watched = some_frames(train), some_frames(validation)
        own = settings or settings_for(frames_ND.shape[-1])
        gaussian = GaussianMarginal.fit(frames_ND)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            flow = _flow(frames_ND.shape[-1], own)
        spread = watched[:: max(1, len(watched) // _WATCHED)]
        steps = _train(flow, _whitened(gaussian, frames_ND), _whitened(gaussian, spread), own, seed)
        found = cls(flow, gaussian, _NOWHERE, steps)
        found.edges = Edges.of(found.log_prob(watched), found.distance(watched))
        return found

    @torch.no_grad()
    def log_prob(self, frames: Tensor) -> Tensor:
        """Log density [...] of frames [..., D], nats, float64."""
        flat_ND = frames.reshape(-1, frames.shape[-1])
        parts = [_whitened(self.gaussian, part) for part in flat_ND.split(_AT_ONCE)]
        law = self._flow()
        found = [_with_tails(law.log_prob(part).double(), part.double()) for part in parts]
        log_volume = self.gaussian.factor_DD.diagonal().log().sum()
        return (torch.cat(found) - log_volume).reshape(frames.shape[:-1])

    def gaussian_log_prob(self, frames: Tensor) -> Tensor:
        """The same under the Gaussian."""
        flat_ND = frames.reshape(-1, frames.shape[-1])
        return -self.gaussian.nll(flat_ND).reshape(frames.shape[:-1])

    def distance(self, frames: Tensor) -> Tensor:
        """From the mean, in the Gaussian's own measure (Mahalanobis), [...]."""
        flat_ND = frames.reshape(-1, frames.shape[-1])
        return _whitened(self.gaussian, flat_ND).double().norm(dim=-1).reshape(frames.shape[:-1])

    def figures(self, frames: Tensor) -> dict[str, Tensor]:
        """Of frames [..., D], each [...]: both log densities, and whether a frame is less likely than the
        least likely 5 % of true ones (``off_manifold``), or of true ones as far from the mean
        (``off_at_its_distance``).
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
        """Everything, as tensors and plain numbers."""
        return {
            "flow": self._flow.state_dict(),
            "mean_D": self.gaussian.mean_D,
            "factor_DD": self.gaussian.factor_DD,
            "edges": {**vars(self.edges)},
            "steps": self.steps,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: FlowSettings | None = None) -> FrameDensity:
        """The inverse of :meth:`state`; other settings than the dimension's own must be given again."""
        gaussian = GaussianMarginal(state["mean_D"], state["factor_DD"])
        flow = _flow(len(gaussian.mean_D), settings or settings_for(len(gaussian.mean_D)))
        flow.load_state_dict(state["flow"])
        return cls(flow, gaussian, Edges(**state["edges"]), state["steps"])


def _with_tails(log_prob_N: Tensor, white_ND: Tensor) -> Tensor:
    """Log density of a flow and, to a share of ``_TAILS``, of Gaussians of standard deviation 1, 2, 4 ..."""
    dim = white_ND.shape[-1]
    log_scale_W = math.log(2) * torch.arange(_WIDTHS, dtype=torch.float64)
    squares_NW = white_ND.square().sum(-1, keepdim=True) * (-2 * log_scale_W).exp()
    log_wide_N = torch.logsumexp(-0.5 * squares_NW - dim * log_scale_W, -1)
    log_wide_N = log_wide_N - dim / 2 * math.log(2 * math.pi) - math.log(_WIDTHS)
    # A flow that overflows is infinitely unlikely; a frame that is no number stays one.
    flow_N = torch.where(log_wide_N.isnan(), torch.nan, log_prob_N.nan_to_num(nan=-math.inf))
    return torch.logaddexp(flow_N + math.log1p(-_TAILS), log_wide_N + math.log(_TAILS))


def some_frames(feed: Feed) -> Tensor:
    """Real frames [N, D] of a feed, evenly spread where it has very many."""
    parts = [_spread(shard.frames_SND[0].cpu()) for shard in feed.chunks()]
    return _spread(torch.cat(parts))


def _spread(frames_ND: Tensor) -> Tensor:
    return frames_ND[:: math.ceil(len(frames_ND) / _MOST_FRAMES)]


def _flow(dim: int, settings: FlowSettings) -> nn.Module:
    """A flow that changes nothing yet: the last layer of every transform is zero."""
    import zuko  # where few need it

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
    """Bring the flow to where validation frames are likeliest; returns after how many steps that was."""
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
