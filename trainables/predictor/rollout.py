"""Teacher forcing and free running of one predictor: what is predicted, what is fed back, what is punished.

Shapes: B windows, T frames, C frames of context, K rollout steps, D latent dimensions, H hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.predictor.backbones import State, build_backbone
from trainables.predictor.config import Structure
from trainables.predictor.heads import build_head


class Predictor(nn.Module):
    """Backbone + head: the past of a trajectory -> a law of the next delta."""

    def __init__(self, structure: Structure, dim: int) -> None:
        super().__init__()
        self.backbone = build_backbone(structure, dim)
        self.head = build_head(structure, dim)


@dataclass
class Noise:
    """Noise for one window of every slot: the same whatever lanes or workers it is shared with."""

    replace_BT: Tensor  # uniform; a teacher-forced input is replaced where it lies below the lane's share
    normal_BTE: Tensor  # standard normal, E = D + 1, for sampled feedback
    uniform_BT2: Tensor  # uniform, likewise

    def at(self, first: int, frames: int) -> tuple[Tensor, Tensor]:
        """Normal and uniform noise of some frames."""
        return self.normal_BTE[:, first : first + frames], self.uniform_BT2[:, first : first + frames]


def feed_back(distribution: Any, rule: str, normal: Tensor, uniform: Tensor) -> Tensor:  # noqa: ANN401
    """The delta that a free run moves by: the distribution's mean, its mode, or a sample."""
    if rule == "sample":
        return distribution.sample(normal, uniform)
    return distribution.mean() if rule == "mean" else distribution.mode()


def free_run(
    predictor: Predictor,
    h: Tensor,
    state: State,
    z: Tensor,
    steps: int,
    rule: str,
    normal_BKE: Tensor,
    uniform_BK2: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run for K steps on the predictor's own output, differentiably.

    Args:
        h: hidden state [B, H] after the last true frame ``z`` [B, D], with the backbone's ``state`` there.

    Returns:
        h_BKH from which each step was predicted, and delta_BKD that was fed back.
    """
    hidden, deltas = [], []
    for k in range(steps):
        delta = feed_back(predictor.head(h), rule, normal_BKE[:, k], uniform_BK2[:, k])
        hidden.append(h)
        deltas.append(delta)
        if k + 1 < steps:
            z = z + delta
            h, state = predictor.backbone.step(z, state)
    return torch.stack(hidden, 1), torch.stack(deltas, 1)


def teacher_loss(
    predictor: Predictor, window_BTD: Tensor, noise: Noise, rule: str, lane: Mapping[str, Tensor], mix: bool
) -> Tensor:
    """Mean NLL of the true deltas (nats per frame), each predicted from the past, plus the head's prior.

    With ``mix``, scheduled sampling (Bengio et al. 2015) in its parallel form (Mihaylova, Martins 2019):
    inputs are replaced by one-step predictions with probability ``lane["sampling_share"]``; targets then lead
    from the replaced input to the true next frame.
    """
    inputs = window_BTD[:, :-1]
    if mix:
        with torch.no_grad():
            distribution = predictor.head(predictor.backbone.read(inputs)[0])
            steps = inputs.shape[1]
            predicted = inputs + feed_back(
                distribution, rule, noise.normal_BTE[:, :steps], noise.uniform_BT2[:, :steps]
            )
            replaced = (noise.replace_BT[:, 1:steps] < lane["sampling_share"]).unsqueeze(-1)
            inputs = torch.cat([inputs[:, :1], torch.where(replaced, predicted[:, :-1], inputs[:, 1:])], 1)
    own = noise.at(0, inputs.shape[1])
    return _objective(predictor, predictor.backbone.read(inputs)[0], window_BTD[:, 1:] - inputs, own, lane)


def rollout_loss(
    predictor: Predictor,
    window_BTD: Tensor,
    noise: Noise,
    structure: Structure,
    lane: Mapping[str, Tensor],
    progress: float,
) -> Tensor:
    """Teacher-forced NLL over the window, and the NLL along a K-step free run through which it
    back-propagates.

    The run's share of the loss grows from 0 to one half over the first half of the phase (``progress`` 0 to
    1): a predictor that has never run free would otherwise unlearn at once what it knows.

    ``rollout_target``: "delta" asks at every step for the true delta of that time; "state" for the step that
    leads from where the run stands to the true next state.
    """
    context, steps = structure.context, structure.rollout
    h_BCH, state = predictor.backbone.read(window_BTD[:, :context])
    h_more, _ = predictor.backbone.read(window_BTD[:, context:-1], state)
    last = window_BTD[:, context - 1]
    h_BKH, delta_BKD = free_run(
        predictor, h_BCH[:, -1], state, last, steps, structure.feedback, *noise.at(context - 1, steps)
    )
    true = window_BTD[:, 1:] - window_BTD[:, :-1]
    target = true[:, context - 1 :]
    if structure.rollout_target == "state":
        drift = (delta_BKD - target).cumsum(1)[:, :-1]  # of where the run stands, against the true state
        target = torch.cat([target[:, :1], target[:, 1:] - drift], 1)
    forced = _objective(
        predictor, torch.cat([h_BCH, h_more], 1), true, noise.at(0, context + steps - 1), lane
    )
    free = _objective(predictor, h_BKH, target, noise.at(context - 1, steps), lane)
    share = 0.5 * min(1.0, 2 * progress)
    return (1 - share) * forced + share * free


def _objective(
    predictor: Predictor,
    hidden: Tensor,
    target: Tensor,
    noise: tuple[Tensor, Tensor],
    lane: Mapping[str, Tensor],
) -> Tensor:
    head = predictor.head
    law = head(hidden)
    return (head.objective(law, target, *noise) + head.penalty(law, lane)).mean()


@torch.no_grad()
def continue_from(
    structure: Structure, state: Mapping[str, Tensor], context_CD: Tensor, frames: int
) -> Tensor:
    """Free running of one trained lane, for listening: [frames, D] in normalised units.

    Args:
        state: the lane's weights, as :class:`LaneResult` holds them.
        context_CD: true normalised frames before the run.
        frames: how long to run; noise, where the feedback rule needs it, is seeded by 0.
    """
    dim = context_CD.shape[-1]
    predictor = Predictor(structure, dim).to(context_CD.dtype)
    predictor.load_state_dict(dict(state))
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1, frames, dim + 1, generator=generator, dtype=context_CD.dtype)
    uniform = torch.rand(1, frames, 2, generator=generator, dtype=context_CD.dtype)
    h_BCH, memory = predictor.backbone.read(context_CD.unsqueeze(0))
    last = context_CD[-1:]
    _, deltas = free_run(predictor, h_BCH[:, -1], memory, last, frames, structure.feedback, normal, uniform)
    return context_CD[-1] + deltas[0].cumsum(0)
