"""A trained generator of free runs: its coordinates, the law of its steps, and its second stage.

Shapes: B windows, C frames of context, N runs, K rollout steps, D latent dimensions, F features; [...] is any
leading shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.analysis.run_bound import RunBound
from trainables.distributions.law import LawNoise
from trainables.latents.batching.feed import Feed
from trainables.two_stage.heard_so_far import Coordinates, LongPaths, real_paths
from trainables.two_stage.magnitudes import StepMagnitudes
from trainables.two_stage.settings import JOINT, TwoStageLane, TwoStageStructure
from trainables.two_stage.step_model import StepModel, fit_steps


@dataclass(frozen=True)
class Generator:
    """What makes the runs of a lane.

    Attributes:
        model: the law of the next step, or of its direction.
        magnitudes: the second stage; a single stage has one that it does not use.
        coordinates: in which steps are made.
        paths: the training utterances that all was learnt from.
        bound: how far a run may go, in frames of the representation.
    """

    structure: TwoStageStructure
    model: StepModel
    magnitudes: StepMagnitudes
    coordinates: Coordinates
    paths: LongPaths
    bound: RunBound

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
        paths = LongPaths.heard(own, coordinates, window)
        watched = LongPaths.heard(real_paths(held_out, lane.surrogate, window), coordinates, window)
        model = fit_steps(structure, lane, paths, watched).double()
        magnitudes = StepMagnitudes.fit(structure, paths, lane.seed)
        return cls(structure, model, magnitudes, coordinates, paths, RunBound.of(frames_ND))

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
