"""Atari 2600 games played at random: the observations of games, to which audio is compared.

Research Discussion 7, section 1.2, sets "Atari at 64x64x3 RGB, 4 Hz" beside audio latents. Here a frame is
what an agent of the literature sees, the grey screen at every fourth picture (15 Hz; V. Mnih et al.,
"Human-level control through deep reinforcement learning", 2015): colour says little that grey does not, and
at 4 Hz a ball would cross the screen between two frames. The emulator is that of M. G. Bellemare et al., "The
Arcade Learning Environment", 2013, without sticky actions: nothing in it is random but the actions.

Shapes: U utterances, T frames, N pictures, P pixels, D latent dimensions, A actions of a game.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from trainables.errors import InputError

ATARI_FRAME_RATE = 15.0  # Hz: 60 pictures a second, of which an agent sees each fourth
COMPONENTS = 64
# Of grey, 0 to 255. A hue has eight luminances, some twenty apart: pixels lie on a lattice, and what stands
# still would have a density without bound. Half a step of 16 either way hides no luminance from the next.
STEP = 16.0
ACTION, ACTION_NOISE = 100.0, 5.0  # size of an action's one-hot, and standard deviation of its noise
_SKIP = 4  # pictures to a decision
_OPENING = 70  # decisions until every game has begun in earnest; the longest tune lasts 65
_LEAD = 60  # random decisions between the opening and the first frame: at most so many
_FITTED = (6, 200, 2600)  # episodes, their frames and their seed, for the components alone


@dataclass(frozen=True)
class Atari:
    """The 64 principal components of the screen and, with ``actions``, the action that is about to be taken.

    Every decision draws one of the game's actions uniformly and independently of everything else. The past of
    such a combined frame says nothing about its action, and what it says about the next frame is exactly what
    past observations *and actions* say about the next observation: predictive information is that of a world
    model which is given the actions, without further conditioning.

    The components are orthonormal, in grey levels, without scaling: distances and angles are those of
    pictures, as far as 64 dimensions can carry them. They are fitted to episodes that are in no split.
    Uniform noise of +-STEP / 2 on every pixel keeps densities bounded. Thousands of pixels make a component,
    so that its share of the noise is practically normal, with variance STEP^2 / 12: it is added to the
    components. The information that is measured depends on this noise, as that of audio depends on its own.

    An action is a one-hot of A numbers times ACTION (a small moving object amounts to a few hundred), centred
    and with normal noise of standard deviation ACTION_NOISE.

    Attributes:
        game: its name in the emulator, "pong".
        actions: whether frames hold actions.
    """

    game: str
    actions: bool

    @property
    def dim(self) -> int:
        """Latent dimensions, D: 64, and A more with actions.

        Raises:
            InputError: the package ale-py is not installed.
        """
        return COMPONENTS + (len(_console(self.game).actions) if self.actions else 0)

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stretches [U, T, D] of episodes, each with another seed; a game that is over begins again.

        Raises:
            InputError: the package ale-py is not installed.
        """
        return np.stack([self._stretch(frames, child) for child in rng.spawn(utterances)])

    def optimum(self, horizon: int) -> None:
        """None: nobody knows what the best predictor of a game played at random would score."""

    def parameters(self) -> dict[str, float]:
        """The numbers by which pictures become frames, by name."""
        return {
            "frame_skip": _SKIP,
            "components": COMPONENTS,
            "step": STEP,
            "action_size": ACTION if self.actions else 0.0,
            "action_noise": ACTION_NOISE if self.actions else 0.0,
            "sticky": 0.0,
        }

    def _stretch(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """One utterance [T, D]."""
        pictures_TP, taken_T = _console(self.game).play(frames, rng)
        z_TD = reduced(self.game, pictures_TP)
        z_TD += STEP / np.sqrt(12) * rng.standard_normal(z_TD.shape)
        if not self.actions:
            return z_TD
        count = len(_console(self.game).actions)
        one_hot_TA = ACTION * (np.eye(count)[taken_T] - 1 / count)
        return np.concatenate([z_TD, one_hot_TA + ACTION_NOISE * rng.standard_normal(one_hot_TA.shape)], 1)


def reduced(game: str, pictures_NP: np.ndarray) -> np.ndarray:
    """The components [N, 64] of pictures [N, P], without noise."""
    mean_P, basis_PD = principal_components(game)
    return ((pictures_NP - mean_P) @ basis_PD).astype(np.float64)


def restored(game: str, frames_ND: np.ndarray) -> np.ndarray:
    """The pictures [N, P] that frames [N, D] stand for; actions are left out."""
    mean_P, basis_PD = principal_components(game)
    return frames_ND[:, :COMPONENTS] @ basis_PD.T + mean_P


@cache
def principal_components(game: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean [P] of a game's pictures, and their orthonormal directions [P, 64] of greatest variance."""
    episodes, frames, seed = _FITTED
    children = np.random.default_rng(seed).spawn(episodes)
    pictures_NP = np.concatenate([_console(game).play(frames, rng)[0] for rng in children])
    mean_P = pictures_NP.mean(0)
    centred = pictures_NP - mean_P
    _, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    # Copied into order: numpy multiplies by a reversed view without BLAS, a hundred times slower.
    largest = np.ascontiguousarray(vectors[:, ::-1][:, :COMPONENTS])
    basis_PD, _ = np.linalg.qr(centred.T.astype(np.float64) @ largest)
    basis_PD *= np.sign(basis_PD[np.abs(basis_PD).argmax(0), np.arange(COMPONENTS)])
    return mean_P, basis_PD.astype(np.float32)


class _Console:
    """An emulator with its game, just after the opening."""

    def __init__(self, game: str) -> None:
        package = _ale_py()
        package.ALEInterface.setLoggerMode(package.LoggerMode.Error)
        self._ale = package.ALEInterface()
        self._ale.setInt("random_seed", 0)
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._ale.setInt("frame_skip", 1)
        self._ale.loadROM(package.roms.get_rom_path(game))
        self.actions: list[Any] = self._ale.getMinimalActionSet()
        for _ in range(_SKIP * _OPENING):
            self._ale.act(0)
        self._begun = self._ale.cloneState()

    def play(self, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Pictures, float32 [T, P], and the index of the action that is taken after each, [T]."""
        self._ale.restoreState(self._begun)
        lead = 1 + int(rng.integers(_LEAD))
        taken = rng.integers(len(self.actions), size=lead + frames)
        pictures = []
        for t in range(lead + frames - 1):
            picture = self._decide(self.actions[taken[t]])
            if t + 1 >= lead:
                pictures.append(picture)
        return np.stack(pictures), taken[lead:]

    def _decide(self, action: Any) -> np.ndarray:
        """Hold the action for four pictures; the brighter pixels of the last two, as sprites take turns."""
        for _ in range(_SKIP - 1):
            self._ale.act(action)
        before = self._ale.getScreenGrayscale().copy()
        self._ale.act(action)
        screen = np.maximum(before, self._ale.getScreenGrayscale())
        if self._ale.game_over():
            self._ale.restoreState(self._begun)
        return halved(screen)


def halved(screen: np.ndarray) -> np.ndarray:
    """A screen of 210 x 160 grey pixels at half the size, 105 x 80, flat [P].

    A pixel is twice the mean of four, which keeps the norm of everything that is larger than a pixel.
    """
    sums = screen[0::2, 0::2].astype(np.float32) + screen[1::2, 0::2] + screen[0::2, 1::2]
    return ((sums + screen[1::2, 1::2]) / 2).ravel()


@cache
def _console(game: str) -> _Console:
    return _Console(game)


def _ale_py() -> ModuleType:
    try:
        import ale_py
        import ale_py.roms
    except ModuleNotFoundError:
        raise InputError(
            "control worlds of games need the package ale-py, which is not installed; "
            "install it with `pip install -c constraints.txt -e '.[games]'`"
        ) from None
    return ale_py
