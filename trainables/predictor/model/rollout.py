"""Teacher forcing and free running of one predictor: what is predicted, what is fed back, what is punished.

Shapes: B windows, T frames, C frames of context, K rollout steps, D latent dimensions, H hidden units,
M mixture components.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.law import Law
from trainables.predictor.model.backbones import BackboneState
from trainables.predictor.model.predictor import Predictor


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
        return heated(law, temperature).sample(normal, uniform)
    return law.mean() if rule == "mean" else law.mode()


def heated(law: Law, temperature: float) -> Law:
    return law if temperature == 1 else law.tempered(temperature)


@dataclass
class Injection:
    """True states that a run is put back to: the injection diagnostic."""

    frames_BKD: Tensor  # the true state after each step
    mask_BK: Tensor  # where the run goes on from it


def free_run(
    predictor: Predictor,
    h: Tensor,
    state: BackboneState,
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
