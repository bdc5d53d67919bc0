"""A trained bottleneck as a map among maps: the code's mean forward, the decoder's mean back.

Shapes: T frames, D dimensions of what goes in, K of what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.derived.bottleneck_network import Network
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.maps import FrameMoments, spectrum

COLLAPSED = 0.01  # nats of KL below which a dimension carries nothing
_FRAMES_AT_ONCE = 8192


@dataclass(frozen=True)
class BetaVae:
    """K codes of a frame; :mod:`~trainables.latents.derived.bottleneck_network` says what they are trained to be.

    Frames are centred and divided by one scalar, so that an error counts as it does for :class:`Pca`, in the
    base's own metric; put ``of whiten`` behind it where all directions are to count alike. From
    :meth:`fitted` it starts as probabilistic PCA; who fits a derivation trains it from there.
    """

    count: int
    settings: BottleneckSettings = BottleneckSettings()
    weights: dict[str, np.ndarray] = field(default_factory=dict, compare=False)  # none until it is fitted
    outcome: dict[str, Any] = field(
        default_factory=dict, compare=False
    )  # what training came to, plain values

    needs_moments: ClassVar[bool] = True
    rate = 1

    @property
    def name(self) -> str:
        """As asked for, with the losses that are not the usual ones."""
        return f"beta-vae({self.count}){self.settings.suffix}"

    def width(self, dim: int) -> int:
        """K."""
        return self.count

    def fitted(self, dim: int, moments: FrameMoments | None) -> BetaVae:
        """The network that training starts from."""
        if self.count > dim:
            raise InputError(f"{self.name} of {dim} dimensions: a bottleneck has no more than {dim}")
        if moments is None:
            return self
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = Network(dim, self.count, self.settings)
        variances_D, vectors_DD = spectrum(moments)
        start = (moments.mean_D, variances_D, vectors_DD)
        network.start_from(*(torch.from_numpy(np.ascontiguousarray(v)).float() for v in start))
        return self.trained(network.state_dict(), {})

    def trained(self, state: dict[str, Tensor], outcome: dict[str, Any]) -> BetaVae:
        """The same map with these weights."""
        weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.items()}
        return replace(self, weights=weights, outcome=outcome)

    def restored(self, weights: dict[str, np.ndarray], outcome: dict[str, Any]) -> BetaVae:
        """The map that :meth:`arrays` came from.

        Raises:
            ValueError: these are not the weights of such a network.
        """
        made = replace(self, weights=weights, outcome=outcome)
        try:
            made.network()
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"weights of another network, {str(error).splitlines()[0]}") from error
        return made

    def network(self) -> Network:
        """A network of its own with these weights, in float32."""
        network = Network(len(self.weights["mean"]), self.count, self.settings)
        network.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in self.weights.items()})
        return network

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """The codes' means; nothing is drawn."""
        return self._apply(lambda frames: self._exact.encode(frames)[0], frames_TD, self.count)

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """The decoder's means."""
        return self._apply(self._exact.decode, frames_TK, len(self.weights["mean"]))

    def told(self) -> str:
        """What training came to, in a sentence or two."""
        found = self.outcome["validation"]
        said = (
            f"{self.name}: epoch {self.outcome['best_epoch'] + 1} of {self.outcome['epochs']} is best on "
            f"validation speakers: {found['relative_error']:.1%} of their variance lost, "
            f"{found['kl']:.1f} nats in a frame's code"
        )
        if found["collapsed"]:
            said += (
                f". {found['collapsed']:.0f} of {self.count} dimensions have collapsed and carry nothing "
                f"(KL below {COLLAPSED} nats): lower --beta, or ask for fewer"
            )
        return said

    def arrays(self) -> dict[str, np.ndarray]:
        """Every weight, and the mean and scale of what goes in."""
        return self.weights

    @cached_property
    def _exact(self) -> Network:
        # In float64 a frame's code does not depend on the frames that it is computed beside, to float32.
        return self.network().double().eval()

    def _apply(self, function: Any, frames: np.ndarray, width: int) -> np.ndarray:
        frames = np.ascontiguousarray(frames, np.float64)
        starts = range(0, len(frames), _FRAMES_AT_ONCE)
        with torch.inference_mode():
            parts = [function(torch.from_numpy(frames[s : s + _FRAMES_AT_ONCE])).numpy() for s in starts]
        return np.concatenate([np.empty((0, width)), *parts])


def bottlenecks(maps: Iterable[object]) -> list[BetaVae]:
    """Those among ``maps``, in their order."""
    return [step for step in maps if isinstance(step, BetaVae)]
