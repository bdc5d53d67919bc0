"""Teacher forcing and free running of one predictor: what is predicted, what is fed back, what is punished.

Shapes: B windows, T frames, C frames of context, K rollout steps, D latent dimensions, H hidden units,
M mixture components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from trainables.distributions.law import Law
from trainables.predictor.backbones import State, build_backbone
from trainables.predictor.baselines import Baseline
from trainables.predictor.config import FITTED_HEADS, Structure
from trainables.predictor.heads import build_head


class Predictor(nn.Module):
    """Backbone + head: the past of a trajectory -> a law of the next delta."""

    def __init__(self, structure: Structure, dim: int) -> None:
        super().__init__()
        self.backbone = build_backbone(structure, dim)
        self.head = build_head(structure, dim)


def build_predictor(structure: Structure, dim: int) -> nn.Module:
    """A backbone and a head, as a structure names them."""
    return Baseline(structure, dim) if structure.head in FITTED_HEADS else Predictor(structure, dim)


@dataclass
class Noise:
    """Noise for one window of every slot: the same whatever lanes or workers it is shared with."""

    replace_BT: Tensor  # uniform; a teacher-forced input is replaced where it lies below the lane's share
    normal_BTE: Tensor  # standard normal, E = D + 1, for sampled feedback and for heads that ask
    uniform_BT2: Tensor  # uniform, likewise
    input_BTD: Tensor  # what is added to true frames before they are read

    def at(self, first: int, frames: int) -> tuple[Tensor, Tensor]:
        """Normal and uniform noise of some frames."""
        return self.normal_BTE[:, first : first + frames], self.uniform_BT2[:, first : first + frames]


def feed_back(law: Law, rule: str, normal: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
    """The delta that a free run moves by: the law's mean, its mode, or a sample at some temperature."""
    if rule == "sample":
        return _heated(law, temperature).sample(normal, uniform)
    return law.mean() if rule == "mean" else law.mode()


def _heated(law: Law, temperature: float) -> Law:
    return law if temperature == 1 else law.tempered(temperature)


@dataclass
class Injection:
    """True states that a run is put back to: the injection diagnostic."""

    frames_BKD: Tensor  # the true state after each step
    mask_BK: Tensor  # where the run goes on from it


def free_run(
    predictor: Predictor,
    h: Tensor,
    state: State,
    z: Tensor,
    steps: int,
    rule: str,
    normal_BKE: Tensor,
    uniform_BK2: Tensor,
    *,
    temperature: float = 1.0,
    stopped: bool = False,
    injection: Injection | None = None,
) -> tuple[Tensor, Tensor]:
    """Run for K steps on the predictor's own output, differentiably.

    Args:
        h: hidden state [B, H] after the last frame ``z`` [B, D], with the backbone's ``state`` there.
        stopped: no gradient flows back through what is fed back (the pushforward trick of Brandstetter et
            al., Message passing neural PDE solvers, 2022).
        injection: true states to go on from, where its mask says so.

    Returns:
        h_BKH from which each step was predicted, and delta_BKD that was fed back.
    """
    hidden, deltas = [], []
    for k in range(steps):
        delta = feed_back(predictor.head(h), rule, normal_BKE[:, k], uniform_BK2[:, k], temperature)
        hidden.append(h)
        deltas.append(delta)
        if k + 1 < steps:
            z = z + delta
            if stopped:
                z = z.detach()
            if injection is not None:
                z = torch.where(injection.mask_BK[:, k, None], injection.frames_BKD[:, k], z)
            h, state = predictor.backbone.step(z, state)
    return torch.stack(hidden, 1), torch.stack(deltas, 1)


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


Start = tuple[Tensor, State, Tensor]  # hidden state, the backbone's state, and the frame where a run begins


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
    log_weights_BM, deltas_BMD = _heated(law, structure.temperature).branches(normal[:, 0], uniform[:, 0])
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
    predictor = build_predictor(structure, dim).to(context_CD.dtype)
    predictor.load_state_dict(dict(state))
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1, frames, dim + 1, generator=generator, dtype=context_CD.dtype)
    uniform = torch.rand(1, frames, 2, generator=generator, dtype=context_CD.dtype)
    h_BCH, memory = predictor.backbone.read(context_CD.unsqueeze(0))
    last = context_CD[-1:]
    _, deltas = free_run(
        predictor,
        h_BCH[:, -1],
        memory,
        last,
        frames,
        structure.feedback,
        normal,
        uniform,
        temperature=structure.temperature,
    )
    return context_CD[-1] + deltas[0].cumsum(0)
