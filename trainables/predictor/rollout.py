"""Teacher forcing and free running of one predictor: what is predicted, what is fed back, what is punished.

Shapes: B windows, T frames, C frames of context, K rollout steps, D latent dimensions, H hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.predictor.backbones import build_backbone
from trainables.predictor.config import Structure
from trainables.predictor.heads import build_head


class Predictor(nn.Module):
    """Backbone + head: the past of a trajectory -> a distribution of the next delta."""

    def __init__(self, structure: Structure, dim: int) -> None:
        super().__init__()
        self.backbone = build_backbone(structure, dim)
        self.head = build_head(structure, dim)


@dataclass
class Noise:
    """Noise for one window of every batch slot: the same numbers whatever lanes or workers it is shared with."""

    replace_BT: Tensor  # uniform; a teacher-forced input is replaced where it lies below the lane's share
    normal_BTE: Tensor  # standard normal, E = D + 1, for sampled feedback
    uniform_BT2: Tensor  # uniform, likewise


def feed_back(distribution: Any, rule: str, normal: Tensor, uniform: Tensor) -> Tensor:  # noqa: ANN401
    """The delta that a free run moves by: the distribution's mean, its mode, or a sample."""
    if rule == "sample":
        return distribution.sample(normal, uniform)
    return distribution.mean() if rule == "mean" else distribution.mode()


def free_run(
    predictor: Predictor, context_BCD: Tensor, steps: int, rule: str, normal_BKE: Tensor, uniform_BK2: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run for K steps on the predictor's own output, differentiably.

    Returns:
        h_BCH after every true frame, h_BKH from which each step was predicted, delta_BKD that was fed back.
    """
    h_BCH, state = predictor.backbone.prefill(context_BCD)
    h, z = h_BCH[:, -1], context_BCD[:, -1]
    hidden, deltas = [], []
    for k in range(steps):
        delta = feed_back(predictor.head(h), rule, normal_BKE[:, k], uniform_BK2[:, k])
        hidden.append(h)
        deltas.append(delta)
        if k + 1 < steps:
            z = z + delta
            h, state = predictor.backbone.step(z, state)
    return h_BCH, torch.stack(hidden, 1), torch.stack(deltas, 1)


def teacher_loss(
    predictor: Predictor, window_BTD: Tensor, noise: Noise, rule: str, lane: Mapping[str, Tensor], mix: bool
) -> Tensor:
    """Mean NLL of the true deltas (nats per frame), each predicted from the past, plus the head's prior.

    With ``mix``, scheduled sampling (Bengio et al. 2015) in its parallel form (Mihaylova, Martins 2019): inputs are
    replaced by one-step predictions with probability ``lane["sampling_share"]``; targets then lead from the replaced
    input to the true next frame.
    """
    inputs = window_BTD[:, :-1]
    if mix:
        with torch.no_grad():
            distribution = predictor.head(predictor.backbone.prefill(inputs)[0])
            steps = inputs.shape[1]
            predicted = inputs + feed_back(distribution, rule, noise.normal_BTE[:, :steps], noise.uniform_BT2[:, :steps])
            replaced = (noise.replace_BT[:, 1:steps] < lane["sampling_share"]).unsqueeze(-1)
            inputs = torch.cat([inputs[:, :1], torch.where(replaced, predicted[:, :-1], inputs[:, 1:])], 1)
    return _nll(predictor, predictor.backbone.prefill(inputs)[0], window_BTD[:, 1:] - inputs, lane)


def rollout_loss(
    predictor: Predictor, window_BTD: Tensor, noise: Noise, structure: Structure, lane: Mapping[str, Tensor]
) -> Tensor:
    """The mean of the teacher-forced NLL over the context and of the NLL along a K-step free run, through which it
    back-propagates.

    ``rollout_target``: "delta" asks at every step for the true delta of that time; "state" for the step that leads from
    where the run stands to the true next state.
    """
    context, steps = structure.context, structure.rollout
    h_BCH, h_BKH, delta_BKD = free_run(
        predictor, window_BTD[:, :context], steps, structure.feedback, noise.normal_BTE, noise.uniform_BT2
    )
    true_next = window_BTD[:, context : context + steps]
    if structure.rollout_target == "delta":
        target = true_next - window_BTD[:, context - 1 : context + steps - 1]
    else:
        last = window_BTD[:, context - 1 : context]
        reached = torch.cat([last, last + delta_BKD.cumsum(1)[:, :-1]], 1)
        target = true_next - reached
    # The last context frame's prediction is the run's first step, counted there.
    forced = _nll(predictor, h_BCH[:, :-1], window_BTD[:, 1:context] - window_BTD[:, : context - 1], lane)
    return (forced + _nll(predictor, h_BKH, target, lane)) / 2


def _nll(predictor: Predictor, hidden: Tensor, target: Tensor, lane: Mapping[str, Tensor]) -> Tensor:
    distribution = predictor.head(hidden)
    return (predictor.head.penalty(distribution, lane) - distribution.log_prob(target)).mean()


@torch.no_grad()
def continue_from(structure: Structure, state: Mapping[str, Tensor], context_CD: Tensor, frames: int) -> Tensor:
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
    _, _, deltas = free_run(predictor, context_CD.unsqueeze(0), frames, structure.feedback, normal, uniform)
    return context_CD[-1] + deltas[0].cumsum(0)
