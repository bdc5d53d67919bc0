"""The first stage, or the only one: a recurrent network over frames or directions, a law of the next step.

Shapes: B windows, C frames of context, T frames of a window, K rollout steps, D latent dimensions, S samples,
N = S B runs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.analysis.best_moment import train_to_best_moment
from trainables.distributions.law import LawNoise
from trainables.distributions.polar import Polar
from trainables.predictor.heads.base import Survey
from trainables.predictor.heads.polar import PolarForm
from trainables.predictor.heads.vmf import VMFHead
from trainables.predictor.model.backbones import GRUBackbone
from trainables.two_stage.heard_so_far import LongPaths, split_steps
from trainables.two_stage.settings import (
    DIRECTIONS,
    FEWEST_CONTEXT,
    JOINT,
    TwoStageLane,
    TwoStageStructure,
)

_CLIP = 5.0  # largest norm of a gradient
_LOOKED_AT = 256  # held-out windows by which one of the moments of training is chosen


class StepModel(nn.Module):
    """Gated recurrent layer and von Mises-Fisher head; a single stage learns magnitudes beside directions."""

    def __init__(self, structure: TwoStageStructure, dim: int) -> None:
        super().__init__()
        self.structure = structure
        self.backbone = GRUBackbone(dim, structure.width, 1)
        self.head = VMFHead(structure.width, dim, PolarForm("lognormal", True, "context"), "none")

    def read(self, window_BTD: Tensor) -> Tensor:
        """What the network reads of true frames, [B, T - 1, D]: all but the last, or what is known of them.

        Where directions follow directions, frames after the context are those that the same directions lead
        to with steps of the typical magnitude: a function of the context and of directions alone.
        """
        if self.structure.loop != DIRECTIONS:
            return window_BTD[:, :-1]
        context = self.structure.context
        direction, _ = split_steps(window_BTD)
        ahead = self.typical * direction[:, context - 1 : -1].cumsum(1)
        known_BCD = window_BTD[:, :context]
        return torch.cat([known_BCD, known_BCD[:, -1:] + ahead], 1)

    @property
    def typical(self) -> Tensor:
        """The typical magnitude of a step, exp E[log m]."""
        return self.head.log_typical.exp()

    def loss(self, window_BTD: Tensor) -> Tensor:
        """Nats per step, in R^D of a single stage, on the sphere of a first one; steps of the context count
        too: a run's first step follows a true frame as they do, even where directions follow directions.
        """
        after = FEWEST_CONTEXT - 1
        h_BTH, _ = self.backbone.read(self.read(window_BTD))
        law = self.head(h_BTH[:, after:])
        if self.structure.magnitudes == JOINT:
            return -law.log_prob(window_BTD.diff(dim=1)[:, after:]).mean()
        direction, _ = split_steps(window_BTD)
        return -law.direction_law.log_prob(direction[:, after:]).mean()

    @torch.no_grad()
    def run(self, context_BCD: Tensor, noise: LawNoise, magnitude_NK: Tensor | None) -> Tensor:
        """Steps [N, K, D] of free runs, S from each context; magnitudes are given but for a single stage.

        Args:
            context_BCD: true frames.
            noise: normal [N, K, D + 1] and uniform [N, K, 2]; runs of all windows lie sample by sample.
            magnitude_NK: of the steps; None lets the law draw them.
        """
        count = len(noise.normal)
        z_ND = context_BCD[:, -1].repeat(count // len(context_BCD), 1)
        h_BTH, state = self.backbone.read(context_BCD)
        h_NH = h_BTH[:, -1].repeat(count // len(context_BCD), 1)
        state = tuple(each.repeat(count // len(context_BCD), 1) for each in state)
        steps = []
        for k in range(noise.normal.shape[1]):
            law: Polar = self.head(h_NH)
            now = LawNoise(noise.normal[:, k], noise.uniform[:, k])
            if magnitude_NK is None:
                steps.append(law.sample(now))
                z_ND = z_ND + steps[-1]
            else:
                direction_ND = law.direction_law.sample(now.normal[..., :-1], now.uniform[..., 1])
                steps.append(magnitude_NK[:, k, None] * direction_ND)
                follows = self.structure.loop == DIRECTIONS
                z_ND = z_ND + (self.typical * direction_ND if follows else steps[-1])
            h_NH, state = self.backbone.step(z_ND, state)
        return torch.stack(steps, 1)


def fit_steps(
    structure: TwoStageStructure, lane: TwoStageLane, train: LongPaths, held_out: LongPaths
) -> StepModel:
    """Train on random windows; of four moments the one that suits held-out windows best."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lane.seed)
        model = StepModel(structure, train.frames_ND.shape[1])
    rng = torch.Generator().manual_seed(lane.seed)
    first = train.windows(train.drawn(_LOOKED_AT, rng))
    model.head.start_from(Survey(typical=float(split_steps(first)[1].mean().exp())))
    looked_at = held_out.windows(held_out.drawn(_LOOKED_AT, torch.Generator().manual_seed(0)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=lane.learning_rate, weight_decay=lane.weight_decay)
    train_to_best_moment(
        model,
        optimiser,
        structure.steps,
        lambda: model.loss(train.windows(train.drawn(structure.batch, rng))),
        lambda: float(model.loss(looked_at)),
        clip=_CLIP,
    )
    return model
