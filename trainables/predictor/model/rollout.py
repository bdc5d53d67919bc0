"""Free running of a predictor: it goes on from its own output, or from true states where it is put back.

Shapes: B windows, K rollout steps, D latent dimensions, H hidden units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.distributions.law import Law, LawNoise
from trainables.predictor.model.backbones import BackboneState
from trainables.predictor.model.predictor import AnyPredictor


class Start(NamedTuple):
    """Where free runs begin.

    Attributes:
        hidden_BH: hidden states after the last true frames.
        state: the backbone's state there.
        frame_BD: the last true frames.
    """

    hidden_BH: Tensor
    state: BackboneState
    frame_BD: Tensor


@dataclass
class Injection:
    """True states that runs are put back to: the injection diagnostic.

    Attributes:
        frames_BKD: the true state after each step.
        mask_BK: where a run goes on from it.
    """

    frames_BKD: Tensor
    mask_BK: Tensor


def free_run(
    predictor: AnyPredictor,
    start: Start,
    steps: int,
    rule: str,
    noise: LawNoise,
    *,
    temperature: float = 1.0,
    stopped: bool = False,
    injection: Injection | None = None,
    read_noise: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Run for K steps on the predictor's own output, differentiably.

    Args:
        steps: number of steps, K.
        rule: what is fed back, see :func:`feed_back`; likewise ``temperature``.
        noise: of every step, [B, K, ...].
        stopped: no gradient flows back through what is fed back (the pushforward trick of Brandstetter et
            al., Message passing neural PDE solvers, 2022).
        injection: true states to go on from, where its mask says so.
        read_noise: standard deviation of noise that a run adds to where it stands before it reads it, from
            the last D numbers of the noise of the step that led there.

    Returns:
        h_BKH from which each step was predicted, and delta_BKD that was fed back, with the noise on what it
        was predicted from: where a run began and its first k deltas make where it is after k steps.
    """
    h_BH, state, z_BD = start
    hidden, deltas = [], []
    shaken_BD: Tensor | None = None
    for k in range(steps):
        now = LawNoise(noise.normal[:, k], noise.uniform[:, k])
        if read_noise:
            now, more_BD = (
                LawNoise(now.normal[:, : -z_BD.shape[1]], now.uniform),
                now.normal[:, -z_BD.shape[1] :],
            )
        delta_BD = feed_back(predictor.head(h_BH), rule, now, temperature)
        hidden.append(h_BH)
        deltas.append(delta_BD if shaken_BD is None else delta_BD + shaken_BD)
        if k + 1 < steps:
            z_BD = z_BD + delta_BD
            if stopped:
                z_BD = z_BD.detach()
            if injection is not None:
                z_BD = torch.where(injection.mask_BK[:, k, None], injection.frames_BKD[:, k], z_BD)
            if read_noise:
                shaken_BD = read_noise * more_BD
                z_BD = z_BD + shaken_BD
            h_BH, state = predictor.backbone.step(z_BD, state)
    return torch.stack(hidden, 1), torch.stack(deltas, 1)


def feed_back(law: Law, rule: str, noise: LawNoise, temperature: float = 1.0) -> Tensor:
    """The delta that a free run moves by, [..., D].

    Args:
        rule: "mean" or "mode" of the law, or a "sample" of it.
        temperature: of the sample; below 1 it is cooler than the law.
    """
    if rule == "sample":
        return heated(law, temperature).sample(noise)
    return law.mean() if rule == "mean" else law.mode()


def heated(law: Law, temperature: float) -> Law:
    """The law at some temperature; at 1 it is the law as it was predicted."""
    return law if temperature == 1 else law.tempered(temperature)
