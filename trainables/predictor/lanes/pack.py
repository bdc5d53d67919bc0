"""A pack: L lanes of equal structure trained as one program, on stacked parameters (``torch.func``).

Shapes: L lanes, B windows, T frames of a window, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        self.structure, self.lanes = structure, tuple(lanes)
        self.stacked = Stacked([_fresh(structure, lane.seed, dim, surveys[lane.surrogate]) for lane in lanes])
        dtype = getattr(torch, structure.dtype)
        for name in _LANE_SETTINGS:
            values = [getattr(lane, name) for lane in lanes]
            self.register_buffer(f"lane_{name}", torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self, batch: Batch, phase: str, progress: Tensor) -> Tensor:
        """Loss of each lane, [L], nats per frame.

        Args:
            phase: "teacher" or "rollout".
            progress: share of the phase that has passed, []; scheduled sampling, or the free run's weight,
                grows with it.
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

    def lane_state(self, index: int) -> dict[str, Tensor]:
        """The weights of one lane, under the names of a solo :class:`Predictor`."""
        return self.stacked.lane_state(index)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all lanes but those at ``rows``; what is left is a smaller program."""
        self.lanes = tuple(self.lanes[row] for row in rows)
        self.stacked.keep(rows)
        for name in _LANE_SETTINGS:
            setattr(self, f"lane_{name}", getattr(self, f"lane_{name}")[list(rows)])


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
