"""A trained bottleneck as a map among maps: the code's mean forward, the decoder's mean back.

Shapes: T frames, D dimensions of a frame that goes in, K of one that comes out.
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
from trainables.latents.derived.bottleneck_network import BottleneckNetwork
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.maps import FrameMoments, spectrum

COLLAPSED = 0.01  # nats of KL below which a dimension carries nothing
_FRAMES_AT_ONCE = 8192


@dataclass(frozen=True)
class BetaVae:
    """A code of K numbers for each frame, trained as in :mod:`trainables.latents.derived.bottleneck_network`.

    Frames are centred and divided by one scalar, so that an error counts as it does for :class:`Pca`, in the
    base's own metric; put ``of whiten`` behind it where all directions are to count alike. :meth:`fitted`
    makes it probabilistic PCA, from which training starts.

    Attributes:
        count: numbers of a code, K.
        settings: weights of the losses, sizes, and how it is trained.
        weights: those of the network by name; none before it is fitted.
        outcome: what training came to, as plain values; none before it is trained.
    """

    count: int
    settings: BottleneckSettings = BottleneckSettings()
    weights: dict[str, np.ndarray] = field(default_factory=dict, compare=False)
    outcome: dict[str, Any] = field(default_factory=dict, compare=False)

    needs_moments: ClassVar[bool] = True
    rate = 1

    @property
    def name(self) -> str:
        """The map as an expression asks for it, "beta-vae(32)", and the losses that are no defaults."""
        return f"beta-vae({self.count}){self.settings.suffix}"

    def width(self, dim: int) -> int:
        """Numbers of a code, K."""
        return self.count

    def fitted(self, dim: int, moments: FrameMoments | None) -> BetaVae:
        """The map that training starts from, probabilistic PCA; see :meth:`Map.fitted`."""
        if self.count > dim:
            raise InputError(f"{self.name} of {dim} dimensions: a bottleneck has no more than {dim}")
        if moments is None:
            return self
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = BottleneckNetwork(dim, self.count, self.settings)
        variances_D, vectors_DD = spectrum(moments)
        start = (moments.mean_D, variances_D, vectors_DD)
        network.start_from(*(torch.from_numpy(np.ascontiguousarray(v)).float() for v in start))
        return self.trained(network.state_dict(), {})

    def trained(self, state: dict[str, Tensor], outcome: dict[str, Any]) -> BetaVae:
        """The same map with the weights and the outcome of a training."""
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

    def network(self) -> BottleneckNetwork:
        """A new network with these weights, in float32."""
        network = BottleneckNetwork(len(self.weights["mean"]), self.count, self.settings)
        network.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in self.weights.items()})
        return network

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """The means of the codes, float64 [T, K]; nothing is drawn."""
        return self._apply(lambda frames: self._exact.encode(frames)[0], frames_TD, self.count)

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """The means that the decoder makes of codes, float64 [T, D]."""
        return self._apply(self._exact.decode, frames_TK, len(self.weights["mean"]))

    def summary(self) -> str:
        """What training came to, in a sentence or two."""
        validation = self.outcome["validation"]
        sentence = (
            f"{self.name}: epoch {self.outcome['best_epoch'] + 1} of {self.outcome['epochs']} is best on "
            f"validation speakers: {validation['relative_error']:.1%} of their variance lost, "
            f"{validation['kl']:.1f} nats in a frame's code"
        )
        if validation["collapsed"]:
            sentence += (
                f". {validation['collapsed']:.0f} of {self.count} dimensions have collapsed and carry "
                f"nothing (KL below {COLLAPSED} nats): lower --beta, or ask for fewer"
            )
        return sentence

    def arrays(self) -> dict[str, np.ndarray]:
        """Every weight of the network, and the mean and the scale of the frames that go in."""
        return self.weights

    @cached_property
    def _exact(self) -> BottleneckNetwork:
        # In float64 the code of a frame does not depend, up to float32, on the frames computed beside it.
        return self.network().double().eval()

    def _apply(self, function: Any, frames: np.ndarray, width: int) -> np.ndarray:
        frames = np.ascontiguousarray(frames, np.float64)
        starts = range(0, len(frames), _FRAMES_AT_ONCE)
        with torch.inference_mode():
            parts = [function(torch.from_numpy(frames[s : s + _FRAMES_AT_ONCE])).numpy() for s in starts]
        return np.concatenate([np.empty((0, width)), *parts])


def bottlenecks(maps: Iterable[object]) -> list[BetaVae]:
    """The bottlenecks among ``maps``, in their order."""
    return [step for step in maps if isinstance(step, BetaVae)]
