"""A density of single frames, which knows no past: a normalising flow on top of a full Gaussian.

Shapes: N frames, D dimensions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
import zuko
from torch import Tensor, nn

from trainables.distributions.gaussian_marginal import GaussianMarginal

_TAILS, _WIDTHS = 0.01, 32  # share of the wide Gaussians, and their number, each twice as wide as the last
_AT_ONCE = 8192  # frames
_WATCHED = 8192  # held-out frames that decide when training stops


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


class FrameFlow:
    """A masked autoregressive flow on whitened frames, with the Gaussian whose covariance whitens them.

    It begins as that Gaussian, so everything that it gains on validation speakers is a gain over a Gaussian.
    Far from all data the density of a flow falls without limit, to -1e13 nats. A hundredth of this density is
    therefore the Gaussian at its own and at ever wider scales: true frames hardly change, and the density of
    a state that has run away stays finite and says how far. (A Student t would not do: in many dimensions
    its peak is so high that it shows between true frames, near the mean.) Log densities are of frames in the
    unit of the training frames: the log determinant of the whitening is counted.

    G. Papamakarios, T. Pavlakou, I. Murray, "Masked autoregressive flow for density estimation", 2017.

    Attributes:
        gaussian: of the training frames.
        steps: optimiser steps after which the flow was best on validation speakers.
    """

    def __init__(self, flow: nn.Module, gaussian: GaussianMarginal, steps: int) -> None:
        self.gaussian = gaussian
        self.steps = steps
        self._flow = flow.eval()

    @classmethod
    @torch.enable_grad()
    def fit_to(
        cls, train_ND: Tensor, validation_ND: Tensor, seed: int = 0, settings: FlowSettings | None = None
    ) -> Self:
        """The density of training frames, trained until validation frames gain no more.

        Args:
            train_ND: frames of training speakers, on the CPU.
            validation_ND: frames of validation speakers.
            seed: of the first weights and of the batches.
            settings: of the flow; None stands for those that suit the dimensions.

        Raises:
            ValueError: the training frames are all equal, or not finite.
        """
        settings = settings or settings_for(train_ND.shape[-1])
        gaussian = GaussianMarginal.fit(train_ND)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            flow = _flow(train_ND.shape[-1], settings)
        spread = validation_ND[:: max(1, len(validation_ND) // _WATCHED)]
        steps = _train(flow, _whitened(gaussian, train_ND), _whitened(gaussian, spread), settings, seed)
        return cls(flow, gaussian, steps)

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

    def state(self) -> dict[str, Any]:
        """The whole density, as tensors and plain numbers."""
        return {
            "flow": self._flow.state_dict(),
            "mean_D": self.gaussian.mean_D,
            "factor_DD": self.gaussian.factor_DD,
            "steps": self.steps,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: FlowSettings | None = None) -> Self:
        """The density whose :meth:`state` this is.

        Args:
            state: tensors and plain numbers.
            settings: those of the fit, where they were given there.
        """
        gaussian = GaussianMarginal(state["mean_D"], state["factor_DD"])
        flow = _flow(len(gaussian.mean_D), settings or settings_for(len(gaussian.mean_D)))
        flow.load_state_dict(state["flow"])
        return cls(flow, gaussian, state["steps"])

    def to(self, device: torch.device) -> Self:
        """The same density, on a device."""
        gaussian = GaussianMarginal(self.gaussian.mean_D.to(device), self.gaussian.factor_DD.to(device))
        return type(self)(copy.deepcopy(self._flow).to(device), gaussian, self.steps)


def _with_tails(log_prob_N: Tensor, white_ND: Tensor) -> Tensor:
    """Log density of the flow mixed, at a share of ``_TAILS``, with Gaussians of deviation 1, 2, 4 ..."""
    dim = white_ND.shape[-1]
    log_scale_W = math.log(2) * torch.arange(_WIDTHS, dtype=torch.float64, device=white_ND.device)
    squares_NW = white_ND.square().sum(-1, keepdim=True) * (-2 * log_scale_W).exp()
    log_wide_N = torch.logsumexp(-0.5 * squares_NW - dim * log_scale_W, -1)
    log_wide_N = log_wide_N - dim / 2 * math.log(2 * math.pi) - math.log(_WIDTHS)
    # Where the flow overflows its density is 0; a frame that is NaN stays NaN.
    flow_N = torch.where(log_wide_N.isnan(), torch.nan, log_prob_N.nan_to_num(nan=-math.inf))
    return torch.logaddexp(flow_N + math.log1p(-_TAILS), log_wide_N + math.log(_TAILS))


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
