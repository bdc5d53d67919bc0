"""Densities that know nothing of the past: the same head fitted without context, a full-covariance Gaussian
and, where one was fitted, a flow.

The NLL of z_{t+1} under the best of them, minus the NLL of the model, is the predictive information: a worse
one would give the past the credit for what its family does not know of single frames. The same
with a density of delta is the document's dNLL, which grows with D on pure noise and is shown for comparison
only.

Shapes: S surrogates, N frames, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.distributions.frame_flow import FrameFlow
from trainables.distributions.gaussian_marginal import GaussianMarginal
from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.predictor.config import FITTED_HEADS, Lane, Structure
from trainables.predictor.heads import build_head, survey
from trainables.predictor.lanes.optimiser import LaneAdamW, cosine_schedule
from trainables.predictor.lanes.pack import lane_tensor
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.scores import FLOW, OWN_FAMILY

_MOST_FRAMES = 8192  # of validation speakers, evenly spread, by which the best density is chosen
_FRAMES_PER_STEP, _LEARNING_RATE = 512, 0.03
_Target = tuple[str, str]  # a surrogate, and "z" or "delta"


class ConstantHead(nn.Module):
    """A head on a learnt constant instead of a hidden state, so that its law is the same everywhere."""

    def __init__(self, structure: Structure, frames_ND: Tensor) -> None:
        super().__init__()
        dim = frames_ND.shape[-1]
        self.h = nn.Parameter(torch.randn(structure.hidden_units(dim)) / structure.width**0.5)
        self.head = build_head(structure, dim)
        self.head.start_from(survey(structure, frames_ND, frames_ND))


class Marginals:
    """Densities of z and of delta that know no past, fitted for each surrogate."""

    def __init__(
        self,
        heads: Mapping[_Target, Stacked[ConstantHead]],
        gaussians: Mapping[_Target, GaussianMarginal],
        mean_D: Tensor,
        gaussian_family: bool,
        flows: Mapping[str, FrameFlow],
    ) -> None:
        self._heads, self._gaussians, self._mean_D = heads, gaussians, mean_D
        self._gaussian_family, self._flows = gaussian_family, flows
        self._chosen: dict[str, str] = {}

    @classmethod
    @torch.enable_grad()
    def fit(
        cls,
        structure: Structure,
        data: PreparedData,
        seed: int = 0,
        *,
        surrogates: Collection[str] | None = None,
        own_family: bool = True,
        flows: Mapping[str, FrameFlow] | None = None,
    ) -> Marginals:
        """Fit densities to the example frames of a training feed, which every worker has alike.

        Args:
            structure: names the head to fit, its settings and its ``marginal_steps``.
            data: what is known of the feed.
            seed: of the head's first weights and of the frames that each step sees.
            surrogates: of the feed's, those that densities are asked of; all of them where None. What is
                fitted to one does not depend on the others.
            own_family: without it there are the Gaussian densities alone, which cost next to nothing.
            flows: densities of z, of those surrogates that have one.
        """
        fitted = structure.head in FITTED_HEADS
        pairs_2SND = data.pairs_2SND.to(data.device)
        mean_D = data.moments.mean_D.to(pairs_2SND)
        targets: dict[_Target, Tensor] = {}
        for name, now, following in zip(data.surrogates, *pairs_2SND, strict=True):
            if surrogates is None or name in surrogates:
                # Polar families need an origin; a density of z is the same when z is measured from the mean.
                targets[name, "z"], targets[name, "delta"] = following - mean_D, following - now
        heads = _fit_heads(structure, targets, seed) if own_family and not fitted else {}
        gaussians = {key: GaussianMarginal.fit(frames) for key, frames in targets.items()}
        on_device = {name: flow.to(data.device) for name, flow in (flows or {}).items()}
        return cls(heads, gaussians, mean_D, fitted, on_device)

    @torch.no_grad()
    def choose(self, validation: Feed, gather: Callable[[Any], list[Any]] = lambda value: [value]) -> None:
        """Choose, for each surrogate, the density of z that gives the frames of validation speakers the least
        NLL.

        Args:
            validation: frames of validation speakers, with the surrogates that densities were fitted to.
            gather: returns the values of all workers; all of them have to call at the same time.
        """
        spread = EvenShare.at_most(validation.extent.lengths, _MOST_FRAMES)
        frames_SND = torch.cat([shard.spread_frames(spread) for shard in validation.chunks()], 1)
        for name in dict.fromkeys(name for name, _ in self._gaussians):
            frames_ND = frames_SND[validation.surrogates.index(name)]
            values = self._nll_of_frames(name, frames_ND)
            parts = gather({key: (float(nll.double().sum()), len(nll)) for key, nll in values.items()})
            mean = {key: sum(p[key][0] for p in parts) / sum(p[key][1] for p in parts) for key in values}
            finite = {key: nll for key, nll in mean.items() if math.isfinite(nll)}
            self._chosen[name] = min(finite or mean, key=mean.__getitem__)

    def chosen(self, surrogate: str) -> str:
        """The name of the NLL that the model's is compared with: the own family's where nobody has chosen."""
        return self._chosen.get(surrogate, OWN_FAMILY)

    @torch.no_grad()
    def nll(self, surrogate: str, z_next: Tensor, delta: Tensor) -> dict[str, Tensor]:
        """Negative log-likelihoods of frames ``z_next`` and steps ``delta``, [..., D], in nats: [...] each.

        They are those of :data:`~trainables.predictor.scores.MARGINALS` of z_next, and ``delta_nll`` and
        ``gaussian_delta_nll`` of delta. A family without a density has no own one, and not every surrogate
        has a flow.
        """
        return self._nll_of_frames(surrogate, z_next) | self._nll(surrogate, "delta", delta, "delta_nll")

    def _nll_of_frames(self, surrogate: str, frames: Tensor) -> dict[str, Tensor]:
        centred = frames - self._mean_D.to(frames)
        values = self._nll(surrogate, "z", centred, OWN_FAMILY)
        if surrogate in self._flows:
            values[FLOW] = -self._flows[surrogate].log_prob(frames).to(frames)
        return values

    def _nll(self, surrogate: str, kind: str, frames: Tensor, name: str) -> dict[str, Tensor]:
        """The NLL ``name`` under the own family, where it has a density, and under a Gaussian."""
        values = {}
        if (surrogate, kind) in self._heads:
            values[name] = self._heads[surrogate, kind].map(_negative_log_prob, frames[None])[0]
        gaussian = self._gaussians[surrogate, kind].nll(frames.reshape(-1, frames.shape[-1]))
        values[f"gaussian_{name}"] = torch.as_tensor(gaussian).reshape(frames.shape[:-1]).to(frames)
        if self._gaussian_family:  # of a head fitted in closed form it is the same family
            values[name] = values[f"gaussian_{name}"]
        return values


def _fit_heads(
    structure: Structure, targets: Mapping[_Target, Tensor], seed: int
) -> dict[_Target, Stacked[ConstantHead]]:
    """One constant head per target [N, D], trained side by side; none where the family has no density."""
    heads = Stacked([_constant_head(structure, frames, seed) for frames in targets.values()])
    if not heads.template.head.has_density:
        return {}
    some = next(iter(targets.values()))
    heads.to(some.device)
    lanes = [Lane(learning_rate=_LEARNING_RATE)] * len(targets)
    rate = lane_tensor(lanes, "learning_rate", some)
    optimiser = LaneAdamW(list(heads.parameters()), rate, torch.zeros_like(rate))
    generator = torch.Generator().manual_seed(seed)
    for step in range(structure.marginal_steps):
        rows = torch.randint(len(some), (_FRAMES_PER_STEP,), generator=generator).to(some.device)
        drawn = torch.stack([frames[rows] for frames in targets.values()])
        heads.map(_negative_log_prob, drawn).mean(1).sum().backward()
        optimiser.step(cosine_schedule(step, structure.marginal_steps))
    return {target: heads.part([row]) for row, target in enumerate(targets)}


def _constant_head(structure: Structure, frames_ND: Tensor, seed: int) -> ConstantHead:
    """A head that nothing is known of, with the first weights of that seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ConstantHead(structure, frames_ND).to(frames_ND.dtype)


def _negative_log_prob(model: ConstantHead, frames: Tensor) -> Tensor:
    return -model.head(model.h.expand(*frames.shape[:-1], -1)).log_prob(frames)
