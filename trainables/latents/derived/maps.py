"""The maps in closed form that make one representation of another, all linear: forward, and back.

Shapes: T frames, D dimensions of what goes in, K of what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from trainables.errors import InputError

FLOOR = 1e-6  # variances below this share of the largest count as that share when they are divided by


@dataclass(frozen=True)
class FrameMoments:
    """Mean [D] and covariance [D, D] of training frames, float64."""

    mean_D: np.ndarray
    covariance_DD: np.ndarray


class Map(Protocol):
    """One step of a derivation."""

    needs_moments: ClassVar[bool]  # whether it must be fitted

    @property
    def name(self) -> str:
        """As it is asked for, "pca(32)"."""

    @property
    def rate(self) -> int:
        """Frames that become one."""

    def fitted(self, dim: int, moments: FrameMoments | None) -> Map:
        """The same map for frames of ``dim`` dimensions.

        Raises:
            InputError: it cannot be made for so many.
        """

    def width(self, dim: int) -> int:
        """K for D = ``dim``."""

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Float64 [T // rate, K]; frames at the end that do not fill one are left out."""

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """What :meth:`forward` was given, as well as K tells: [T rate, D]."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What was fitted, by name; ``type(self)(..., **arrays)`` is the same map again."""


def _unfitted() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True)
class Pca:
    """The first K principal components of centred frames, not scaled.

    Each component's sign is such that its largest entry is positive. ``back`` puts the mean for what was left
    out: it is the best linear reconstruction, and exact where K = D.
    """

    count: int
    mean: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D]
    components: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D, K], orthonormal

    needs_moments: ClassVar[bool] = True
    rate = 1

    @property
    def name(self) -> str:
        """As asked for."""
        return f"pca({self.count})"

    def width(self, dim: int) -> int:
        """K."""
        return self.count

    def fitted(self, dim: int, moments: FrameMoments | None) -> Pca:
        """From the moments' eigenvectors."""
        if self.count > dim:
            raise InputError(f"{self.name} of {dim} dimensions: there are no more than {dim} components")
        if moments is None:
            return self
        _, vectors_DD = spectrum(moments)
        return Pca(self.count, moments.mean_D, vectors_DD[:, : self.count])

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Coordinates along the components."""
        return (np.asarray(frames_TD, np.float64) - self.mean) @ self.components

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """The point with these coordinates."""
        return np.asarray(frames_TK, np.float64) @ self.components.T + self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """Mean and components."""
        return {"mean": self.mean, "components": self.components}


@dataclass(frozen=True)
class Whiten:
    """Frames of mean 0 and covariance I that stay as near to the old ones as any such can (ZCA).

    A. Kessy, A. Lewin, K. Strimmer, "Optimal whitening and decorrelation", 2018. A direction whose variance
    is less than :data:`FLOOR` of the largest is scaled as if it had that, and keeps a variance below 1.
    """

    mean: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D]
    matrix: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D, D], symmetric
    inverse: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D, D]

    name = "whiten"
    needs_moments: ClassVar[bool] = True
    rate = 1

    def width(self, dim: int) -> int:
        """D."""
        return dim

    def fitted(self, dim: int, moments: FrameMoments | None) -> Whiten:
        """From the inverse square root of the covariance."""
        if moments is None:
            return self
        variances_D, vectors_DD = spectrum(moments)
        scale_D = np.sqrt(np.maximum(variances_D, FLOOR * variances_D[0]))
        return Whiten(
            moments.mean_D, (vectors_DD / scale_D) @ vectors_DD.T, (vectors_DD * scale_D) @ vectors_DD.T
        )

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Whitened frames."""
        return (np.asarray(frames_TD, np.float64) - self.mean) @ self.matrix

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """Exact."""
        return np.asarray(frames_TK, np.float64) @ self.inverse + self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """Mean, matrix and its inverse."""
        return {"mean": self.mean, "matrix": self.matrix, "inverse": self.inverse}


@dataclass(frozen=True)
class Stack:
    """Each ``count`` frames in a row as one long frame, the earliest first; nothing is lost but the tail."""

    count: int

    needs_moments: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As asked for."""
        return f"stack({self.count})"

    @property
    def rate(self) -> int:
        """Frames that become one."""
        return self.count

    def width(self, dim: int) -> int:
        """count D."""
        return self.count * dim

    def fitted(self, dim: int, moments: FrameMoments | None) -> Stack:
        """There is nothing to fit."""
        return self

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """[T // count, count D]."""
        groups = _groups(frames_TD, self.count)
        return groups.reshape(len(groups), self.count * groups.shape[2])

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """Exact."""
        return np.asarray(frames_TK, np.float64).reshape(len(frames_TK) * self.count, -1)

    def arrays(self) -> dict[str, np.ndarray]:
        """None."""
        return {}


@dataclass(frozen=True)
class Pool:
    """The mean of each ``count`` frames in a row; ``back`` repeats it."""

    count: int

    needs_moments: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As asked for."""
        return f"pool({self.count})"

    @property
    def rate(self) -> int:
        """Frames that become one."""
        return self.count

    def width(self, dim: int) -> int:
        """D."""
        return dim

    def fitted(self, dim: int, moments: FrameMoments | None) -> Pool:
        """There is nothing to fit."""
        return self

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """[T // count, D]."""
        return _groups(frames_TD, self.count).mean(1)

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """Each frame ``count`` times."""
        return np.repeat(np.asarray(frames_TK, np.float64), self.count, axis=0)

    def arrays(self) -> dict[str, np.ndarray]:
        """None."""
        return {}


def through(maps: Sequence[Map], frames_TD: np.ndarray) -> np.ndarray:
    """Frames [T, D] through one map after another."""
    for step in maps:
        frames_TD = step.forward(frames_TD)
    return frames_TD


def _groups(frames_TD: np.ndarray, count: int) -> np.ndarray:
    whole = len(frames_TD) // count
    frames = np.asarray(frames_TD, np.float64)[: whole * count]
    return frames.reshape(whole, count, frames.shape[1])


def spectrum(moments: FrameMoments) -> tuple[np.ndarray, np.ndarray]:
    """Variances [D], descending and not negative, and their directions [D, D] with signs of their own."""
    variances_D, vectors_DD = np.linalg.eigh(moments.covariance_DD)
    variances_D, vectors_DD = np.maximum(variances_D[::-1], 0), vectors_DD[:, ::-1]
    if not variances_D[0] > 0:
        raise InputError("the training frames are all equal; encode more speakers")
    largest = np.take_along_axis(vectors_DD, np.abs(vectors_DD).argmax(0)[None], 0)
    return variances_D, np.ascontiguousarray(vectors_DD * np.sign(largest))
