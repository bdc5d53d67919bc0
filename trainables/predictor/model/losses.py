"""What training minimises: the objective under teacher forcing, and along free runs of K steps.

Shapes: B windows, T frames of a window, C frames of context, K rollout steps, D latent dimensions, H hidden
units, M mixture components.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from trainables.distributions.implicit import energy_of_draws
from trainables.distributions.law import LawNoise
from trainables.predictor.config import Structure
from trainables.predictor.heads import Head
from trainables.predictor.model.backbones import Backbone, ThinnedBackbone
from trainables.predictor.model.predictor import AnyPredictor
from trainables.predictor.model.rollout import Start, feed_back, free_run, heated


class Thinned(NamedTuple):
    """A predictor whose windows do without some hidden units."""

    backbone: Backbone
    head: Head


class WindowNoise(NamedTuple):
    """Noise for some windows, the same whatever lanes or workers it is shared with.

    Attributes:
        replace_BT: uniform; a teacher-forced input is replaced where it lies below the lane's share.
        law_noise: for sampled feedback and for heads that ask, [B, T, ...].
        input_BTD: what is added to true frames before they are read; where it has D + 1 numbers, the last is
            the share of a frame that it takes the place of, see :func:`as_read`.
        unit_BH: uniform; a window does without the hidden units whose draw lies below ``dropout``.
    """

    replace_BT: Tensor
    law_noise: LawNoise
    input_BTD: Tensor
    unit_BH: Tensor

    def at(self, first: int, frames: int) -> LawNoise:
        """Noise of laws at some frames, [B, frames, ...]."""
        return self.law_noise.apply(lambda part: part[:, first : first + frames])


def teacher_loss(
    predictor: AnyPredictor,
    window_BTD: Tensor,
    noise: WindowNoise,
    structure: Structure,
    lane: Mapping[str, Tensor],
    mix: bool,
) -> Tensor:
    """Mean objective of the true deltas, each predicted from the past, plus the prior: nats per frame, [].

    With ``mix``, scheduled sampling (Bengio et al. 2015) in its parallel form (Mihaylova, Martins 2019):
    inputs are replaced by one-step predictions with probability ``lane["sampling_share"]``. Noise on inputs
    follows A. Sanchez-Gonzalez et al., Learning to simulate complex physics with graph networks (2020).
    Either way targets lead from the input as it was read to the true next frame.
    """
    predictor = thinned(predictor, noise, structure)
    inputs = as_read(window_BTD, noise)[:, :-1]
    clean = window_BTD[:, :-1]
    steps = inputs.shape[1]
    if mix:
        with torch.no_grad():
            law = predictor.head(predictor.backbone.read(_beside(inputs, clean, structure))[0])
            predicted = inputs + feed_back(law, structure.feedback, noise.at(0, steps), structure.temperature)
            replaced = (noise.replace_BT[:, 1:steps] < lane["sampling_share"]).unsqueeze(-1)
            inputs, clean = (
                torch.cat([part[:, :1], torch.where(replaced, predicted[:, :-1], part[:, 1:])], 1)
                for part in (inputs, clean)
            )
    hidden, _ = predictor.backbone.read(_beside(inputs, clean, structure))
    return _objective(predictor, hidden, window_BTD[:, 1:] - inputs, noise.at(0, steps), lane).mean()


def as_read(window_BTD: Tensor, noise: WindowNoise) -> Tensor:
    """True frames with their noise: added, or in the place of a share k of each, sqrt(1 - k) z + noise."""
    added, dim = noise.input_BTD, window_BTD.shape[-1]
    if added.shape[-1] <= dim:
        return window_BTD + added
    return (1 - added[..., dim:]).sqrt() * window_BTD + added[..., :dim]


def _beside(inputs_BTD: Tensor, clean_BTD: Tensor, structure: Structure) -> Tensor:
    """What a backbone is given: inputs with their noise, and clean ones behind them where it reads both."""
    return torch.cat([inputs_BTD, clean_BTD], -1) if structure.clean_context else inputs_BTD


def thinned(predictor: AnyPredictor, noise: WindowNoise, structure: Structure) -> AnyPredictor:
    """The predictor with the hidden units of each window dropped that its noise names, in all its frames.

    Y. Gal, Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural networks,
    2016.
    """
    if structure.dropout == 0:
        return predictor
    kept_BH = (noise.unit_BH >= structure.dropout) / (1 - structure.dropout)
    return Thinned(ThinnedBackbone(predictor.backbone, kept_BH), predictor.head)


def rollout_loss(
    predictor: AnyPredictor,
    window_BTD: Tensor,
    noise: WindowNoise,
    structure: Structure,
    lane: Mapping[str, Tensor],
    progress: Tensor,
) -> Tensor:
    """Mean of the teacher-forced objective over the window and the objective along a K-step free run, nats
    per frame, [].

    The run's share of the loss is half of ``progress``, which grows from 0 to 1 as the phase begins: a
    predictor that has never run free would otherwise unlearn at once what it knows. The run begins so that it
    ends with the window.

    ``rollout_target``: "delta" asks at every step for the true delta of that time; "state" for the step that
    leads from where the run stands to the true next state. ``rollout_gradient``: see :func:`free_run`.
    ``rollout_branches``: see :func:`_branching_objective`.

    ``rollout_loss``: with "mixed" the energy score of sampled runs stands in the place of the objective along
    a run, in nats (:func:`_energy_objective`); with "energy" it takes all of the loss.
    """
    predictor = thinned(predictor, noise, structure)
    steps = structure.rollout
    context = window_BTD.shape[1] - steps
    inputs = as_read(window_BTD, noise)[:, :-1]
    read_BTX = _beside(inputs, window_BTD[:, :-1], structure)
    h_BCH, state = predictor.backbone.read(read_BTX[:, :context])
    h_more, _ = predictor.backbone.read(read_BTX[:, context:], state)
    every = _of_one_run(noise.at(0, context + steps - 1), window_BTD.shape[-1], structure)
    forced = _objective(predictor, torch.cat([h_BCH, h_more], 1), window_BTD[:, 1:] - inputs, every, lane)
    start = Start(h_BCH[:, -1], state, inputs[:, context - 1])
    true_BTD, run_noise = window_BTD[:, context - 1 :], noise.at(context - 1, steps)
    if structure.rollout_loss == "nll":
        along = _branching_objective if structure.rollout_branches == "marginal" else _free_objective
        free = along(predictor, start, true_BTD, run_noise, structure, lane)
    else:
        free = _energy_objective(predictor, start, true_BTD, run_noise, structure)
    share = progress if structure.rollout_loss == "energy" else 0.5 * progress
    return (1 - share) * forced.mean() + share * free.mean()


def _free_objective(
    predictor: AnyPredictor,
    start: Start,
    true_BTD: Tensor,
    noise: LawNoise,
    structure: Structure,
    lane: Mapping[str, Tensor],
) -> Tensor:
    """Objective at every step of a free run beside ``true_BTD``, K + 1 frames: [B, K]."""
    stopped = structure.rollout_gradient == "stopped"
    h_BKH, delta_BKD = free_run(
        predictor,
        start,
        true_BTD.shape[1] - 1,
        structure.feedback,
        noise,
        temperature=structure.temperature,
        stopped=stopped,
    )
    target = true_BTD[:, 1:] - true_BTD[:, :-1]
    if structure.rollout_target == "state":
        moved = delta_BKD.detach() if stopped else delta_BKD
        gone = torch.cat([torch.zeros_like(moved[:, :1]), moved[:, :-1].cumsum(1)], 1)
        target = true_BTD[:, 1:] - (start.frame_BD.unsqueeze(1) + gone)
    return _objective(predictor, h_BKH, target, noise, lane)


def _of_one_run(noise: LawNoise, dim: int, structure: Structure) -> LawNoise:
    """What one run and the head's objective draw on, without what stands behind it for other runs."""
    own = dim + 1 + structure.factors + structure.further_normals(dim)
    return LawNoise(noise.normal[..., :own], noise.uniform[..., :2])


def _energy_objective(
    predictor: AnyPredictor, start: Start, true_BTD: Tensor, noise: LawNoise, structure: Structure
) -> Tensor:
    """The energy score of the states that sampled runs reach, at every step: [B, K].

    It is proper for the law of where runs are after k steps, which the NLL of one true future from sampled
    states is not (cf. weather models, trained on ensembles by such scores: S. Lang et al., AIFS-CRPS, 2024).
    A score of e is counted as sqrt(D / 2) e: of independent frames of unit variance, about D / 2 nats. The
    choice of a mixture's component has no gradient.
    """
    runs, dim = structure.rollout_draws, true_BTD.shape[-1]
    stopped = structure.rollout_gradient == "stopped"
    starts = tree_map(lambda part: part.repeat(runs, *[1] * (part.dim() - 1)), start)
    own = dim + 1 + structure.factors  # numbers of one run; those of the others are the last
    normal, behind = noise.normal[..., :own], noise.normal[..., noise.normal.shape[-1] - (runs - 1) * own :]
    each = LawNoise(torch.cat([normal, *behind.split(own, -1)]), torch.cat(noise.uniform.split(2, -1)))
    _, deltas = free_run(
        predictor,
        starts,
        true_BTD.shape[1] - 1,
        "sample",
        each,
        temperature=structure.temperature,
        stopped=stopped,
    )
    gone = deltas.cumsum(1)
    if stopped:
        gone = gone.detach() + (deltas - deltas.detach())
    states_SBKD = (starts.frame_BD.unsqueeze(1) + gone).unflatten(0, (runs, -1))
    return (dim / 2) ** 0.5 * energy_of_draws(states_SBKD, true_BTD[:, 1:])


def _branching_objective(
    predictor: AnyPredictor,
    start: Start,
    true_BTD: Tensor,
    noise: LawNoise,
    structure: Structure,
    lane: Mapping[str, Tensor],
) -> Tensor:
    """Objective at every step, [B, K], of sampled runs whose first mixture component is marginalised.

    One run follows each component, and the components' probabilities weigh what the runs cost. A drawn
    component gives no gradient to those probabilities; the weighted sum, an exact expectation, does. Later
    steps are drawn.
    """
    law, now = predictor.head(start.hidden_BH), noise.apply(lambda part: part[:, 0])
    origin = start.frame_BD if structure.rollout_target == "state" else true_BTD[:, 0]
    first = predictor.head.objective(law, true_BTD[:, 1] - origin, now) + predictor.head.penalty(law, lane)
    if true_BTD.shape[1] == 2:  # a run of one step
        return first.unsqueeze(1)
    log_weights_BM, deltas_BMD = heated(law, structure.temperature).branches(now)
    components = log_weights_BM.shape[-1]

    def spread(part: Tensor) -> Tensor:
        return part.repeat_interleave(components, 0)

    if structure.rollout_gradient == "stopped":
        deltas_BMD = deltas_BMD.detach()
    moved = (start.frame_BD.unsqueeze(1) + deltas_BMD).flatten(0, 1)
    begun = Start(*predictor.backbone.step(moved, tree_map(spread, start.state)), moved)
    after = noise.apply(lambda part: spread(part[:, 1:]))
    later = _free_objective(predictor, begun, spread(true_BTD[:, 1:]), after, structure, lane)
    weighed = (log_weights_BM.exp().unsqueeze(-1) * later.unflatten(0, (-1, components))).sum(1)
    return torch.cat([first.unsqueeze(1), weighed], 1)


def _objective(
    predictor: AnyPredictor,
    hidden: Tensor,
    target: Tensor,
    noise: LawNoise,
    lane: Mapping[str, Tensor],
) -> Tensor:
    """Objective of each frame with the head's prior, [B, frames], for steps ``target`` from ``hidden``."""
    law = predictor.head(hidden)
    return predictor.head.objective(law, target, noise) + predictor.head.penalty(law, lane)
