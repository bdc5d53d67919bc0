"""Linear maps in closed form that make one representation of another, and lead back.

Shapes: T frames, D dimensions of a frame that goes in, K of one that comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from trainables.errors import InputError

FLOOR = 1e-6  # smallest variance that is divided by, as a share of the largest


@dataclass(frozen=True)
class FrameMoments:
    """Mean [D] and covariance [D, D] of training frames, float64, in the base's units."""

    mean_D: np.ndarray
    covariance_DD: np.ndarray


class Map(Protocol):
    """One step of a derivation: frames forward, and back to what they were made of."""

    needs_moments: ClassVar[bool]  # whether it has to be fitted to training frames

    @property
    def name(self) -> str:
        """The map as an expression asks for it, "pca(32)"."""

    @property
    def rate(self) -> int:
        """Number of frames that become one."""

    def fitted(self, dim: int, moments: FrameMoments | None) -> Map:
        """The same map, fitted to frames of ``dim`` dimensions; without moments it is only checked.

        Raises:
            InputError: it cannot be made for so few dimensions, or the frames are all equal.
        """

    def width(self, dim: int) -> int:
        """Dimensions that come out, K, where ``dim`` go in."""

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Mapped frames, float64 [T // rate, K]; frames at the end that do not fill one are left out."""

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """Frames [T rate, D] whose image these are, as nearly as K dimensions can say."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What was fitted, by name; ``type(self)(..., **arrays)`` is the same map again."""


def _unfitted() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True)
class Pca:
    """The first K principal components of centred frames, not scaled.

    The sign of a component is such that its largest entry is positive. ``back`` puts the mean in place of
    what was left out: it is the best linear reconstruction, and exact where K = D.
    """

    count: int
    mean: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D]
    components: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D, K], orthonormal

    needs_moments: ClassVar[bool] = True
    rate = 1

    @property
    def name(self) -> str:
        """The map as an expression asks for it, "pca(32)"."""
        return f"pca({self.count})"

    def width(self, dim: int) -> int:
        """Number of components, K."""
        return self.count

    def fitted(self, dim: int, moments: FrameMoments | None) -> Pca:
        """The map onto the covariance's eigenvectors; see :meth:`Map.fitted`."""
        if self.count > dim:
            raise InputError(f"{self.name} of {dim} dimensions: there are no more than {dim} components")
        if moments is None:
            return self
        _, vectors_DD = spectrum(moments)
        return Pca(self.count, moments.mean_D, vectors_DD[:, : self.count])

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Coordinates along the components, [T, K]."""
        return (np.asarray(frames_TD, np.float64) - self.mean) @ self.components

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """The points with these coordinates, [T, D]."""
        return np.asarray(frames_TK, np.float64) @ self.components.T + self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """The mean [D] and the components [D, K]."""
        return {"mean": self.mean, "components": self.components}


@dataclass(frozen=True)
class Whiten:
    """Frames of mean 0 and covariance I, as near to the old ones as any such frames can be (ZCA).

    A direction whose variance is below the share :data:`FLOOR` of the largest is scaled as if it had that
    share, and keeps a variance below 1.

    A. Kessy, A. Lewin, K. Strimmer, "Optimal whitening and decorrelation", 2018.
    """

    mean: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D]
    matrix: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D, D], symmetric
    inverse: np.ndarray = field(default_factory=_unfitted, compare=False)  # [D, D]

    name = "whiten"
    needs_moments: ClassVar[bool] = True
    rate = 1

    def width(self, dim: int) -> int:
        """Dimensions as before, K = D."""
        return dim

    def fitted(self, dim: int, moments: FrameMoments | None) -> Whiten:
        """The inverse square root of the covariance; see :meth:`Map.fitted`."""
        if moments is None:
            return self
        variances_D, vectors_DD = spectrum(moments)
        scale_D = np.sqrt(np.maximum(variances_D, FLOOR * variances_D[0]))
        return Whiten(
            moments.mean_D, (vectors_DD / scale_D) @ vectors_DD.T, (vectors_DD * scale_D) @ vectors_DD.T
        )

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Whitened frames [T, D]."""
        return (np.asarray(frames_TD, np.float64) - self.mean) @ self.matrix

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """The frames that were whitened, [T, D], to rounding."""
        return np.asarray(frames_TK, np.float64) @ self.inverse + self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """The mean [D], the matrix [D, D] and its inverse."""
        return {"mean": self.mean, "matrix": self.matrix, "inverse": self.inverse}


@dataclass(frozen=True)
class Stack:
    """Each ``count`` frames in a row as one long frame, the earliest first; nothing is lost but the end."""

    count: int

    needs_moments: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The map as an expression asks for it, "stack(4)"."""
        return f"stack({self.count})"

    @property
    def rate(self) -> int:
        """Number of frames that become one."""
        return self.count

    def width(self, dim: int) -> int:
        """Dimensions of the long frame, K = count D."""
        return self.count * dim

    def fitted(self, dim: int, moments: FrameMoments | None) -> Stack:
        """The map as it is: there is nothing to fit."""
        return self

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Long frames [T // count, count D]."""
        groups = _groups(frames_TD, self.count)
        return groups.reshape(len(groups), self.count * groups.shape[2])

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """The frames that were stacked, [T count, D]."""
        return np.asarray(frames_TK, np.float64).reshape(len(frames_TK) * self.count, -1)

    def arrays(self) -> dict[str, np.ndarray]:
        """No arrays: nothing was fitted."""
        return {}


@dataclass(frozen=True)
class Pool:
    """The mean of each ``count`` frames in a row; ``back`` repeats each mean."""

    count: int

    needs_moments: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The map as an expression asks for it, "pool(4)"."""
        return f"pool({self.count})"

    @property
    def rate(self) -> int:
        """Number of frames that become one."""
        return self.count

    def width(self, dim: int) -> int:
        """Dimensions as before, K = D."""
        return dim

    def fitted(self, dim: int, moments: FrameMoments | None) -> Pool:
        """The map as it is: there is nothing to fit."""
        return self

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Means [T // count, D]."""
        return _groups(frames_TD, self.count).mean(1)

    def back(self, frames_TK: np.ndarray) -> np.ndarray:
        """Each frame ``count`` times, [T count, D]."""
        return np.repeat(np.asarray(frames_TK, np.float64), self.count, axis=0)

    def arrays(self) -> dict[str, np.ndarray]:
        """No arrays: nothing was fitted."""
        return {}


def apply_maps(maps: Sequence[Map], frames_TD: np.ndarray) -> np.ndarray:
    """Frames [T, D] after one map after another: float64 [T // rate, K], where there is a map."""
    for step in maps:
        frames_TD = step.forward(frames_TD)
    return frames_TD


def spectrum(moments: FrameMoments) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the covariance [D], descending and not negative, and eigenvectors as columns [D, D].

    An eigenvector's sign is such that its largest entry is positive.

    Raises:
        InputError: the training frames are all equal.
    """
    variances_D, vectors_DD = np.linalg.eigh(moments.covariance_DD)
    variances_D, vectors_DD = np.maximum(variances_D[::-1], 0), vectors_DD[:, ::-1]
    if not variances_D[0] > 0:
        raise InputError("the training frames are all equal; encode more speakers")
    largest = np.take_along_axis(vectors_DD, np.abs(vectors_DD).argmax(0)[None], 0)
    return variances_D, np.ascontiguousarray(vectors_DD * np.sign(largest))


def _groups(frames_TD: np.ndarray, count: int) -> np.ndarray:
    whole = len(frames_TD) // count
    frames = np.asarray(frames_TD, np.float64)[: whole * count]
    return frames.reshape(whole, count, frames.shape[1])
