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

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from trainables.contract import Auxiliary
from trainables.distributions.frame_flow import FlowSettings, FrameFlow, settings_for
from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate

OFF = 0.05  # share of true frames that are less likely than the least likely vector still taken for a frame
_RINGS = 10  # groups of true frames by their distance from the mean, all of one size
_MOST_FRAMES = 400_000  # trained on, evenly spread


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


class FrameDensity(FrameFlow):
    """A flow over true frames that knows below which density a vector is no frame.

    Attributes:
        edges: below which a frame is off the manifold.
    """

    edges: Edges = _NOWHERE

    @classmethod
    def fit(
        cls, train: Feed, validation: Feed, seed: int = 0, settings: FlowSettings | None = None
    ) -> FrameDensity:
        """The density of training speakers' frames, trained until validation speakers gain no more.

        Args:
            train: frames of training speakers; of several surrogates the first counts.
            validation: frames of validation speakers, likewise.
            seed: of the first weights and of the batches.
            settings: of the flow; None stands for those that suit the dimensions.

        Raises:
            ValueError: the training frames are all equal, or not finite.
        """
        watched = some_frames(validation)
        density = cls.fit_to(some_frames(train), watched, seed, settings)
        density.edges = Edges.of(density.log_prob(watched), density.distance(watched))
        return density

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
        return {**super().state(), "edges": {**vars(self.edges)}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: FlowSettings | None = None) -> FrameDensity:
        """The density whose :meth:`state` this is.

        Args:
            state: tensors and plain numbers.
            settings: those of the fit, where they were given there.
        """
        density = super().from_state(state, settings)
        density.edges = Edges(**state["edges"])
        return density


def shared_density(surrogate: Surrogate, most_steps: int | None = None) -> Auxiliary:
    """The density of the frames of a surrogate, trained for at most so many steps; None stands for as many as
    suit the dimensions.
    """
    return Auxiliary(
        kind="density",
        title="densities of single frames, which know no past",
        surrogate=surrogate,
        settings=(("most_steps", most_steps),),
        fit=_fit_density,
    )


def _fit_density(wanted: Auxiliary, train: Feed, held_out: Feed) -> dict[str, Any]:
    most_steps, settings = dict(wanted.settings)["most_steps"], settings_for(train.dim)
    if most_steps is not None:
        settings = replace(settings, steps=most_steps)
    return FrameDensity.fit(train, held_out, settings=settings).state()


def some_frames(feed: Feed, surrogate: Surrogate | None = None, most: int = _MOST_FRAMES) -> Tensor:
    """Frames [N, D] of a feed, of a surrogate or of its first one: all of them, or ``most`` evenly spread
    ones where there are more. How the feed is divided into chunks changes neither them nor their order.
    """
    row = 0 if surrogate is None else feed.surrogates.index(surrogate)
    spread = EvenShare.at_most(feed.extent.lengths, most)
    frames_ND = torch.empty(0)
    for shard in feed.chunks():
        taken = shard.spread_frames(spread)[row].cpu()
        if len(frames_ND) == 0:
            frames_ND = taken.new_empty(spread.size, shard.dim)
        for name, own in zip(shard.ids, taken.split([len(spread.within(i)) for i in shard.ids]), strict=True):
            frames_ND[spread.places(name)] = own
    return frames_ND
