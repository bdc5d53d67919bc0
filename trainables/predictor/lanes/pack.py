"""A pack: L lanes of equal structure trained as one program, on stacked parameters (``torch.func``).

Shapes: L lanes, B windows, T frames of a window, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import Baseline
from trainables.predictor.model.losses import WindowNoise, rollout_loss, teacher_loss
from trainables.predictor.model.predictor import AnyPredictor, Predictor, build_predictor

# Settings of a lane that its loss reads; each is a buffer of the pack, so that a captured step sees them.
_LANE_SETTINGS = ("kappa_prior", "kappa_prior_ratio", "kappa_prior_width", "scheduled_sampling")


class Batch(NamedTuple):
    """What one optimiser step sees.

    Attributes:
        windows_LBTD: true frames, each lane's in its own surrogate.
        noise: noise of these windows; the leading dimension of every tensor is the lane.
    """

    windows_LBTD: Tensor
    noise: WindowNoise


class StackedPack(nn.Module):
    """Stacked predictors whose ``forward`` gives each lane's loss, so that wrapping in DDP averages gradients
    as usual.
    """

    def __init__(
        self, structure: Structure, lanes: Sequence[Lane], dim: int, surveys: Mapping[str, Survey]
    ) -> None:
        """Make the predictors of ``lanes`` over latents of ``dim`` dimensions, on the CPU.

        ``surveys`` says of each surrogate what heads may know of it before training.
        """
        super().__init__()
        self.structure = structure
        self.stacked = Stacked([_fresh(structure, lane.seed, dim, surveys[lane.surrogate]) for lane in lanes])
        for name in _LANE_SETTINGS:
            self.register_buffer(f"lane_{name}", None, persistent=False)
        self._set_lanes(lanes)

    def forward(self, batch: Batch, phase: str, progress: Tensor) -> Tensor:
        """Loss of each lane, [L], nats per frame.

        Args:
            phase: "teacher" or "rollout".
            progress: from 0 to 1, []; scheduled sampling, or the free run's weight, grows with it.
        """
        settings = {name: getattr(self, f"lane_{name}") for name in _LANE_SETTINGS}
        settings["sampling_share"] = settings.pop("scheduled_sampling") * progress
        mix = any(lane.scheduled_sampling > 0 for lane in self.lanes)

        def loss(
            predictor: AnyPredictor, lane: Mapping[str, Tensor], window_BTD: Tensor, noise: WindowNoise
        ) -> Tensor:
            if phase == "teacher":
                return teacher_loss(predictor, window_BTD, noise, self.structure, lane, mix)
            return rollout_loss(predictor, window_BTD, noise, self.structure, lane, progress)

        return self.stacked.map(loss, settings, batch.windows_LBTD, batch.noise)

    @torch.no_grad()
    def held_out_loss(self, batch: Batch) -> Tensor:
        """Loss of each lane under teacher forcing on windows that it does not learn from: [L], nats a frame.

        Nothing is dropped, mixed in or drawn towards a prior.
        """
        settings = {name: getattr(self, f"lane_{name}") for name in _LANE_SETTINGS}
        settings["kappa_prior"] = torch.zeros_like(settings["kappa_prior"])
        whole = replace(self.structure, dropout=0.0)

        def loss(
            predictor: AnyPredictor, lane: Mapping[str, Tensor], window_BTD: Tensor, noise: WindowNoise
        ) -> Tensor:
            return teacher_loss(predictor, window_BTD, noise, whole, lane, mix=False)

        return self.stacked.map(loss, settings, batch.windows_LBTD, batch.noise)

    def lane_state(self, index: int) -> dict[str, Tensor]:
        """The weights of one lane, under the names of a solo :class:`Predictor`."""
        return self.stacked.lane_state(index)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all lanes but those at ``rows``; what is left is a smaller program."""
        self.stacked.keep(rows)
        self._set_lanes([self.lanes[row] for row in rows])

    def take(self, lanes: Sequence[Lane], states: Sequence[Mapping[str, Tensor]]) -> None:
        """Hold these lanes in these states, in place of those it has."""
        self.stacked.take(states)
        self._set_lanes(lanes)

    def _set_lanes(self, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)
        some = next(iter(self.stacked.weights.values()))
        dtype = getattr(torch, self.structure.dtype)
        for name in _LANE_SETTINGS:
            values = [getattr(lane, name) for lane in lanes]
            setattr(self, f"lane_{name}", torch.tensor(values, dtype=dtype, device=some.device))


def lane_tensor(lanes: Sequence[Lane], name: str, like: Tensor) -> Tensor:
    """One setting of every lane as a tensor [L], with the precision and device of ``like``."""
    return torch.tensor([getattr(lane, name) for lane in lanes], dtype=like.dtype, device=like.device)


def _fresh(structure: Structure, seed: int, dim: int, survey: Survey) -> Predictor | Baseline:
    """A predictor whose weights depend on the lane's seed and data alone, whoever its neighbours are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        predictor = build_predictor(structure, dim)
    predictor.start_from(survey)
    return predictor.to(getattr(torch, structure.dtype))
