"""A trained generator of free runs: its coordinates, the law of its steps, and its second stage.

Shapes: B windows, C frames of context, N runs, K rollout steps, D latent dimensions, F features; [...] is any
leading shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.law import LawNoise
from trainables.latents.batching.feed import Feed
from trainables.two_stage.heard_so_far import Coordinates, LongPaths, real_paths
from trainables.two_stage.magnitudes import StepMagnitudes
from trainables.two_stage.settings import JOINT, TwoStageLane, TwoStageStructure
from trainables.two_stage.step_model import StepModel, fit_steps

_RUNAWAY = 10.0  # RMS distances between frames from their mean: as far as a run may go


@dataclass(frozen=True)
class Generator:
    """What makes the runs of a lane.

    Attributes:
        model: the law of the next step, or of its direction.
        magnitudes: the second stage; a single stage has one that it does not use.
        coordinates: in which steps are made.
        paths: the training utterances that all was learnt from.
        farthest: from the mean frame of the representation that a run may go.
    """

    structure: TwoStageStructure
    model: StepModel
    magnitudes: StepMagnitudes
    coordinates: Coordinates
    paths: LongPaths
    farthest: float

    @classmethod
    def fit(cls, structure: TwoStageStructure, lane: TwoStageLane, train: Feed, held_out: Feed) -> Generator:
        """Learn from training utterances; held-out ones choose among moments of training.

        Raises:
            InputError: no utterance is as long as context and horizon.
        """
        window = structure.context + structure.horizon
        own = real_paths(train, lane.surrogate, window)
        frames_ND = torch.cat(own)
        coordinates = Coordinates.of(structure, frames_ND)
        farthest = _RUNAWAY * float((2 * frames_ND.var(0).sum()).sqrt())
        paths = LongPaths.heard(own, coordinates, window)
        watched = LongPaths.heard(real_paths(held_out, lane.surrogate, window), coordinates, window)
        model = fit_steps(structure, lane, paths, watched).double()
        magnitudes = StepMagnitudes.fit(structure, paths, lane.seed)
        return cls(structure, model, magnitudes, coordinates, paths, farthest)

    def state(self) -> dict[str, Tensor]:
        """All that runs are made of, by name."""
        parts = {"model": self.model.state_dict(), "coordinates": vars(self.coordinates)}
        parts["magnitudes"] = {**vars(self.magnitudes), "centre": torch.tensor(self.magnitudes.centre)}
        return {f"{part}.{name}": v.float() for part, values in parts.items() for name, v in values.items()}

    def steps(self, context_BCD: Tensor, features_BF: Tensor, noise: LawNoise) -> Tensor:
        """Steps [N, K, D] of free runs from each context, in the generator's coordinates, see
        :meth:`StepModel.run`; ``features_BF`` is what was heard so far.
        """
        if self.structure.magnitudes == JOINT:
            return self.model.run(context_BCD, noise, None)
        features_NF = features_BF.repeat(len(noise.normal) // len(features_BF), 1)
        magnitude_NK = self.magnitudes.draw(features_NF, noise.normal[..., -1])
        return self.model.run(context_BCD, noise, magnitude_NK)

    def stopped(self, frames: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Runs [..., K, D] in frames of the representation, begun behind ``last`` [..., D], which stand still
        from where they run away or leave the numbers; and whether they have, [..., K].
        """
        away = (frames - self.coordinates.mean_D).norm(dim=-1)
        gone = (~(away <= self.farthest)).long().cumsum(-1) > 0
        kept: list[Tensor] = []
        for frame, lost in zip(frames.unbind(-2), gone.unbind(-1), strict=True):
            kept.append(torch.where(lost.unsqueeze(-1), kept[-1] if kept else last, frame))
        return torch.stack(kept, -2), gone
