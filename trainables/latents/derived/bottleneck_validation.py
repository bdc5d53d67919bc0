"""The loss of a bottleneck on speakers it was not trained on, in sums per utterance until the last division.

Shapes: T frames of an utterance, D dimensions of a frame, K of its code.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainables.latents.derived.beta_vae import COLLAPSED
from trainables.latents.derived.bottleneck_network import BottleneckNetwork
from trainables.latents.derived.mapped_feed import MappedFeed


@torch.no_grad()
def validate(
    network: BottleneckNetwork, validation: MappedFeed, gather: Callable[[Any], list[Any]]
) -> dict[str, float]:
    """The loss over all utterances of all workers, whichever holds which, and its parts.

    Args:
        network: the bottleneck.
        validation: frames of validation speakers, after the maps before the bottleneck.
        gather: returns the values of all workers.

    Returns:
        ``loss``, ``reconstruction``, ``kl``, and ``smoothness`` and ``predictability`` as the loss has them;
        ``relative_error``, that of the decoded mean code as a share of the frames' variance about the
        training mean; ``collapsed``, the number of dimensions of the code with less KL than ``COLLAPSED``.
    """
    held: dict[str, dict[str, Tensor]] = {}
    for shard in validation.chunks():
        spans = zip(shard.ids, shard.offsets[:-1], shard.offsets[1:], strict=True)
        held |= {name: _sums(network, name, shard.frames_SND[0, begin:end]) for name, begin, end in spans}
    merged = {name: sums for part in gather(held) for name, sums in part.items()}
    total = {
        key: torch.stack([merged[name][key] for name in sorted(merged)]).sum(0)
        for key in next(iter(merged.values()))
    }
    return _figures(network, total)


def _sums(network: BottleneckNetwork, utterance_id: str, frames_TD: Tensor) -> dict[str, Tensor]:
    # The noise depends on the utterance alone: it is the same on any worker, in every epoch.
    draws = torch.Generator().manual_seed(zlib.crc32(utterance_id.encode()))
    noise_TK = torch.randn(len(frames_TD), network.count, generator=draws).to(frames_TD)
    nats = network.nats(frames_TD, noise_TK)
    mu_TK = nats["mu"]
    sums = {
        "frames": torch.tensor(len(frames_TD)),
        "reconstruction": nats["reconstruction"].double().sum(),
        "error": (network.decode(mu_TK) - frames_TD).double().square().sum(),
        "variance": (frames_TD - network.mean).double().square().sum(),
        "kl_K": nats["kl"].double().sum(0),
        "mu_K": mu_TK.double().sum(0),
        "mu_squares_K": mu_TK.double().square().sum(0),
        "steps": torch.tensor(max(0, len(frames_TD) - 1)),
        "step_squares": network.step_squares(mu_TK[None]).double().sum(),
    }
    if network.predictor is not None:
        predicted = len(frames_TD) - network.settings.past
        error = network.prediction_squares(mu_TK[None]).double().sum() if predicted > 0 else torch.zeros(())
        sums |= {"predicted": torch.tensor(max(0, predicted)), "prediction_squares": error.double()}
    return {name: value.double().cpu() for name, value in sums.items()}


def _figures(network: BottleneckNetwork, total: dict[str, Tensor]) -> dict[str, float]:
    settings, frames = network.settings, total["frames"]
    kl_K = total["kl_K"] / frames
    spread = (total["mu_squares_K"] / frames - (total["mu_K"] / frames).square()).sum().clamp_min(1e-12)
    figures = {
        "reconstruction": total["reconstruction"] / frames,
        "kl": kl_K.sum(),
        "relative_error": total["error"] / total["variance"].clamp_min(1e-12),
        "smoothness": total["step_squares"] / total["steps"].clamp_min(1) / spread,
        "collapsed": (kl_K < COLLAPSED).sum(),
    }
    loss = (
        figures["reconstruction"]
        + settings.beta * figures["kl"]
        + settings.smoothness * figures["smoothness"]
    )
    if network.predictor is not None:
        error = total["prediction_squares"] / total["predicted"].clamp_min(1)
        figures["predictability"] = error / spread
        loss = loss + settings.predictability * figures["predictability"]
    return {"loss": float(loss), **{name: float(value) for name, value in figures.items()}}
