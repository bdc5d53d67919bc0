"""What a bottleneck of as many dimensions lets through in closed form, and a reservoir without one.

A linear map is chosen without training, and the next frame is regressed on what it leaves, with a full
residual covariance: canonical correlations (CCA, H. Hotelling, 1936), reduced-rank regression (A. J. Izenman,
1975), principal components and random directions. Beside them stand all dimensions of the window, and an
echo-state network (H. Jaeger, 2001; reservoirpy) whose state is read with the frame: both are no bottleneck.

Shapes: N frames, U utterances, T frames of one, D latent dimensions, R of a bottleneck, I of what is read.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np

from trainables.analysis.readout_settings import ReadoutStructure, bottleneck_dims

# By name: what they are called in a table.
RANKED = {
    "cca": "canonical correlations (CCA)",
    "reduced_rank": "reduced-rank regression",
    "pca": "principal components",
    "random": "random directions",
}
WHOLE = {
    "window": "all dimensions of the window, no bottleneck",
    "echo_state": "all dimensions and an echo-state network, no bottleneck",
}
_MOST_FRAMES = 30_000  # that a reservoir is fitted to; it goes through them one by one
_RADIUS, _LEAK, _INPUTS = 0.9, 0.5, 0.3  # of its recurrence, of its units, of what it is fed
_RIDGE = 1e-4  # on each squared weight, per frame, of whitened frames

Reader = Callable[[np.ndarray], np.ndarray]  # frames [T, D] -> what is read at each, [T, I]


@dataclass(frozen=True)
class Reference:
    """A Gaussian law of the next frame, linear in what is read of the past."""

    read: Reader
    weight_DI: np.ndarray
    factor_DD: np.ndarray  # inverse Cholesky factor of the residual covariance

    @classmethod
    def fit(cls, read: Reader, paths: list[np.ndarray]) -> Reference:
        """By least squares, on whitened paths."""
        past = np.concatenate([_with_one(read(path)[:-1]) for path in paths])
        target = np.concatenate([path[1:] for path in paths])
        penalty = _RIDGE * len(past) * np.eye(past.shape[1])
        weight = np.linalg.solve(past.T @ past + penalty, past.T @ target).T
        error = target - past @ weight.T
        covariance = error.T @ error / len(error) + 1e-6 * np.eye(target.shape[1])
        return cls(read, weight, np.linalg.inv(np.linalg.cholesky(covariance)))

    def information(self, path_TD: np.ndarray) -> np.ndarray:
        """What the frames up to each say about the next, beyond the standard normal law; nats, [T - 1]."""
        target = path_TD[1:]
        error = (target - _with_one(self.read(path_TD)[:-1]) @ self.weight_DI.T) @ self.factor_DD.T
        log_volume = np.log(np.diag(self.factor_DD)).sum()
        return log_volume - 0.5 * np.square(error).sum(1) + 0.5 * np.square(target).sum(1)


def fit_references(
    structure: ReadoutStructure, paths: list[np.ndarray], colour_DD: np.ndarray, seed: int
) -> dict[str, Reference]:
    """All references by name; ranked ones have the divisor of their bottleneck behind it.

    Args:
        structure: the window and the number of units.
        paths: whitened training paths.
        colour_DD: what turns whitened frames into latents again.
        seed: of the random directions and of the reservoir.
    """
    rng = np.random.default_rng([seed, 1])
    dim = len(colour_DD)
    now, following = (np.concatenate([path[part] for path in paths]) for part in (np.s_[:-1], np.s_[1:]))
    cross_DD = following.T @ now / len(now)
    rows = {
        "cca": np.linalg.svd(cross_DD)[2],
        "reduced_rank": np.linalg.svd(colour_DD @ cross_DD)[2],
        # The principal components of latents, as maps of whitened frames.
        "pca": np.linalg.svd(colour_DD, full_matrices=False)[0].T @ colour_DD,
        "random": rng.standard_normal((dim, dim)),
    }
    fitted = {
        f"{name}_{divisor}": Reference.fit(partial(_projected, rows[name][:size]), paths)
        for name in RANKED
        for divisor, size in bottleneck_dims(dim).items()
    }
    fitted["window"] = Reference.fit(partial(_window, structure.readout_window), paths)
    if find_spec("reservoirpy") is not None:
        fitted["echo_state"] = Reference.fit(reservoir_reader(structure.units, seed), _first(paths))
    return fitted


def reservoir_reader(units: int, seed: int) -> Reader:
    """Reads each frame with the state of an echo-state network that has seen it; needs reservoirpy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its docstrings have escapes that Python warns of
        from reservoirpy.nodes import Reservoir
    network = Reservoir(units, sr=_RADIUS, lr=_LEAK, input_scaling=_INPUTS, seed=seed)

    def read(path_TD: np.ndarray) -> np.ndarray:
        if network.initialized:
            network.reset()
        return np.concatenate([path_TD, network.run(path_TD)], 1)

    return read


def _first(paths: list[np.ndarray]) -> list[np.ndarray]:
    """As many as a reservoir is fitted to."""
    ends = np.cumsum([len(path) for path in paths])
    return paths[: max(1, int(np.searchsorted(ends, _MOST_FRAMES, side="right")))]


def _projected(rows_RD: np.ndarray, path_TD: np.ndarray) -> np.ndarray:
    return path_TD @ rows_RD.T


def _window(frames: int, path_TD: np.ndarray) -> np.ndarray:
    padded = np.pad(path_TD, ((frames - 1, 0), (0, 0)))
    return np.concatenate([padded[back : back + len(path_TD)] for back in range(frames)], 1)


def _with_one(x_NI: np.ndarray) -> np.ndarray:
    return np.concatenate([x_NI, np.ones((len(x_NI), 1))], 1)
