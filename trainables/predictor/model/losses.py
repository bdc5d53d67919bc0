"""What training minimises: teacher forcing, and free running for K steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from trainables.predictor.config import Structure
from trainables.predictor.model.backbones import BackboneState
from trainables.predictor.model.predictor import Predictor
from trainables.predictor.model.rollout import Noise, feed_back, free_run, heated

Start = tuple[
    Tensor, BackboneState, Tensor
]  # hidden state, the backbone's state, and the frame where a run begins


def teacher_loss(
    predictor: Predictor,
    window_BTD: Tensor,
    noise: Noise,
    structure: Structure,
    lane: Mapping[str, Tensor],
    mix: bool,
) -> Tensor:
    """Mean objective (NLL, nats per frame) of the true deltas, each predicted from the past, plus the prior.

    With ``mix``, scheduled sampling (Bengio et al. 2015) in its parallel form (Mihaylova, Martins 2019):
    inputs are replaced by one-step predictions with probability ``lane["sampling_share"]``. Noise on inputs
    follows A. Sanchez-Gonzalez et al., Learning to simulate complex physics with graph networks (2020).
    Either way targets lead from the input as it was read to the true next frame.
    """
    inputs = window_BTD[:, :-1] + noise.input_BTD[:, :-1]
    steps = inputs.shape[1]
    if mix:
        with torch.no_grad():
            law = predictor.head(predictor.backbone.read(inputs)[0])
            own = noise.at(0, steps)
            predicted = inputs + feed_back(law, structure.feedback, *own, structure.temperature)
            replaced = (noise.replace_BT[:, 1:steps] < lane["sampling_share"]).unsqueeze(-1)
            inputs = torch.cat([inputs[:, :1], torch.where(replaced, predicted[:, :-1], inputs[:, 1:])], 1)
    hidden, _ = predictor.backbone.read(inputs)
    return _objective(predictor, hidden, window_BTD[:, 1:] - inputs, noise.at(0, steps), lane).mean()


def rollout_loss(
    predictor: Predictor,
    window_BTD: Tensor,
    noise: Noise,
    structure: Structure,
    lane: Mapping[str, Tensor],
    progress: Tensor,
) -> Tensor:
    """Teacher-forced objective over the window, and the objective along a K-step free run.

    The run's share of the loss grows from 0 to one half over the first half of the phase (``progress`` 0 to
    1): a predictor that has never run free would otherwise unlearn at once what it knows.

    ``rollout_target``: "delta" asks at every step for the true delta of that time; "state" for the step that
    leads from where the run stands to the true next state. ``rollout_gradient``: see :func:`free_run`.
    ``rollout_branches``: see :func:`_branching_run`.
    """
    context, steps = structure.context, structure.rollout
    inputs = window_BTD[:, :-1] + noise.input_BTD[:, :-1]
    h_BCH, state = predictor.backbone.read(inputs[:, :context])
    h_more, _ = predictor.backbone.read(inputs[:, context:], state)
    every = noise.at(0, context + steps - 1)
    forced = _objective(predictor, torch.cat([h_BCH, h_more], 1), window_BTD[:, 1:] - inputs, every, lane)
    run = _branching_run if structure.rollout_branches == "marginal" else _run
    start = (h_BCH[:, -1], state, inputs[:, context - 1])
    free = run(predictor, start, window_BTD[:, context - 1 :], noise.at(context - 1, steps), structure, lane)
    share = 0.5 * (2 * progress).clamp_max(1.0)
    return (1 - share) * forced.mean() + share * free.mean()


def _branching_run(
    predictor: Predictor,
    start: Start,
    true_BTD: Tensor,
    noise: tuple[Tensor, Tensor],
    structure: Structure,
    lane: Mapping[str, Tensor],
) -> Tensor:
    """Objective at every step, [B, K], of sampled runs whose first mixture component is marginalised.

    One run follows each component, and the components' probabilities weigh what the runs cost. A drawn
    component gives no gradient to those probabilities; the weighted sum, an exact expectation, does. Later
    steps are drawn.
    """
    h, state, z = start
    normal, uniform = noise
    law = predictor.head(h)
    origin = z if structure.rollout_target == "state" else true_BTD[:, 0]
    first = predictor.head.objective(law, true_BTD[:, 1] - origin, normal[:, 0], uniform[:, 0])
    first = first + predictor.head.penalty(law, lane)
    log_weights_BM, deltas_BMD = heated(law, structure.temperature).branches(normal[:, 0], uniform[:, 0])
    if structure.rollout == 1:
        return first.unsqueeze(1)
    pieces = log_weights_BM.shape[-1]

    def spread(x: Tensor) -> Tensor:
        return x.repeat_interleave(pieces, 0)

    moved = z.unsqueeze(1) + (deltas_BMD.detach() if structure.rollout_gradient == "stopped" else deltas_BMD)
    moved = moved.flatten(0, 1)
    begun = (*predictor.backbone.step(moved, tree_map(spread, state)), moved)
    later = _run(
        predictor,
        begun,
        spread(true_BTD[:, 1:]),
        (spread(normal[:, 1:]), spread(uniform[:, 1:])),
        replace(structure, rollout=structure.rollout - 1),
        lane,
    )
    weighed = (log_weights_BM.exp().unsqueeze(-1) * later.unflatten(0, (-1, pieces))).sum(1)
    return torch.cat([first.unsqueeze(1), weighed], 1)


def _run(
    predictor: Predictor,
    start: Start,
    true_BTD: Tensor,
    noise: tuple[Tensor, Tensor],
    structure: Structure,
    lane: Mapping[str, Tensor],
) -> Tensor:
    """Objective at every step of a free run beside ``true_BTD``, K + 1 frames: [B, K]."""
    h_BKH, delta_BKD = free_run(
        predictor,
        *start,
        structure.rollout,
        structure.feedback,
        *noise,
        temperature=structure.temperature,
        stopped=structure.rollout_gradient == "stopped",
    )
    target = true_BTD[:, 1:] - true_BTD[:, :-1]
    if structure.rollout_target == "state":
        moved = delta_BKD.detach() if structure.rollout_gradient == "stopped" else delta_BKD
        stands = start[2].unsqueeze(1) + torch.cat(
            [torch.zeros_like(moved[:, :1]), moved[:, :-1].cumsum(1)], 1
        )
        target = true_BTD[:, 1:] - stands
    return _objective(predictor, h_BKH, target, noise, lane)


def _objective(
    predictor: Predictor,
    hidden: Tensor,
    target: Tensor,
    noise: tuple[Tensor, Tensor],
    lane: Mapping[str, Tensor],
) -> Tensor:
    """Frame by frame, with the head's prior."""
    law = predictor.head(hidden)
    return predictor.head.objective(law, target, *noise) + predictor.head.penalty(law, lane)
