"""A world whose steps are of a few kinds, and whose frames lie at a few places: sound goes with one of them.

Shapes: U utterances, T frames, D latent dimensions, N kinds and places, K rollout steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from trainables.latents.worlds.base import oblique_axes

_RETURN = 0.9  # of energy and of log pitch, from frame to frame
_ENERGY, _PITCH = -30.0, 120.0  # dB, Hz
_SEMITONES, _DECIBELS = 1.0, 2.0  # from one kind's or place's change to the next's
_BLUR = 0.2  # of all tracks, as a share of that


@dataclass(frozen=True)
class Kinds:
    """The process z_t = place(s_t) + x_t with x_{t+1} = hold x_t + stride u(k_t) + noise e_t.

    The kind k_t of each step is one of N, at random; the place s_t is one of N too, and at a share ``moves``
    of frames it becomes another one. Places and strides lie along axes of their own. All kinds of steps are
    equally long on average, and as some 1 / (1 - hold) steps add up, kinds cannot be told from single frames:
    a mixture that is trained on frames in random order finds places, and one trained on frames in order,
    which knows the place, finds kinds.

    Flux, and the changes of energy and of pitch, go with the kind of the last step, so that a mixture's
    components stand for acoustic events. With ``places_heard`` they go with the place: then components say
    nothing of sound, and those of frames in random order do.

    Attributes:
        dim: latent dimensions, D, at least 2 N.
        count: of kinds and of places, N.
        hold: of what steps have added up to, from frame to frame.
        stride: by which kinds of steps differ.
        spread: distance of each place from the middle.
        moves: share of frames at which the place changes.
        noise: standard deviation of each coordinate's noise.
        places_heard: whether sound goes with the place, and not with the kind of the last step.
    """

    dim: int
    count: int
    hold: float
    stride: float
    spread: float
    moves: float
    noise: float
    places_heard: bool

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stretches [U, T, D] of the stationary process."""
        return self.sounding(utterances, frames, rng)[0]

    def sounding(
        self, utterances: int, frames: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Stretches [U, T, D], and their acoustic tracks by name, [U, T] each."""
        burn_in = round(10 / (1 - self.hold))
        shape = (utterances, burn_in + frames)
        kind_UT = rng.integers(self.count, size=shape)
        place_UT = self._places(shape, rng)
        axes_DD = oblique_axes(self.dim)
        strides_ND, places_ND = axes_DD[: self.count], axes_DD[self.count : 2 * self.count]
        strides_ND = self.stride * (strides_ND - strides_ND.mean(0))
        x_UTD = strides_ND[kind_UT] + self.noise * rng.standard_normal((*shape, self.dim))
        for t in range(1, shape[1]):
            x_UTD[:, t] += self.hold * x_UTD[:, t - 1]
        z_UTD = self.spread * places_ND[place_UT] + x_UTD
        sound = self._sound(place_UT if self.places_heard else kind_UT, rng)
        return z_UTD[:, burn_in:], {name: track_UT[:, burn_in:] for name, track_UT in sound.items()}

    def _places(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        moves_UT = rng.random(shape) < self.moves
        further_UT = np.where(moves_UT, rng.integers(1, self.count, size=shape), 0)
        further_UT[:, 0] = rng.integers(self.count, size=shape[0])
        places_UT: np.ndarray = further_UT.cumsum(1) % self.count
        return places_UT

    def _sound(self, heard_UT: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Tracks [U, T] that go with one number at each frame."""
        level_UT = heard_UT - (self.count - 1) / 2
        flux_UT, louder_UT, higher_UT = level_UT + _BLUR * rng.standard_normal((3, *level_UT.shape))
        louder_UT, higher_UT = _DECIBELS * louder_UT, -_SEMITONES * higher_UT
        for t in range(1, level_UT.shape[1]):
            louder_UT[:, t] += _RETURN * louder_UT[:, t - 1]
            higher_UT[:, t] += _RETURN * higher_UT[:, t - 1]
        return {
            "energy": _ENERGY + louder_UT,
            "f0": _PITCH * 2 ** (higher_UT / 12),
            "spectral_flux": 1 + flux_UT / self.count,
        }

    def optimum(self, horizon: int) -> None:
        """None: nobody has worked out how well it can be predicted.

        What is known is whether components of a mixture go with sound.
        """

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)
