"""A fitted derivation: the maps one after another, kept beside the latents that they made.

Shapes: T frames, D dimensions of the base, K of what is derived.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from trainables.errors import InputError
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.expression import derived_name, parse
from trainables.latents.derived.maps import FrameMoments, Map, through
from trainables.latents.storage.parquet_file import LatentMeta

TRANSFORM_FILE = "transform.safetensors"
Frames = Callable[[], Iterable[np.ndarray]]  # training utterances [T, D] of the base, again at each call
Learn = Callable[[BetaVae, Sequence[Map]], BetaVae]  # trains a bottleneck behind the maps before it


@dataclass(frozen=True)
class Transform:
    """Fitted maps, and what they were fitted to."""

    expression: str
    base: LatentMeta
    base_hash: str  # content of the dataset that it was fitted to
    maps: tuple[Map, ...]

    @classmethod
    def fit(
        cls,
        expression: str,
        base: LatentMeta,
        base_hash: str,
        train: Frames,
        settings: BottleneckSettings | None = None,
        learn: Learn | None = None,
    ) -> Transform:
        """Fit each map to what the maps before it make of the training frames.

        Args:
            settings: of a beta-vae, where there is one.
            learn: trains it; without, it is left as probabilistic PCA.

        Raises:
            InputError: the expression is wrong, does not suit the base, or nothing is left of the frames.
        """
        done: list[Map] = []
        dim = base.dim
        for step in parse(expression, settings):
            step.fitted(dim, None)  # refused before anything is read
            moments = _moments(train, done, dim) if step.needs_moments else None
            fitted = step.fitted(dim, moments)
            done.append(learn(fitted, done) if learn and isinstance(fitted, BetaVae) else fitted)
            dim = step.width(dim)
        return cls(expression, base, base_hash, tuple(done))

    @property
    def name(self) -> str:
        """Of the representation."""
        return derived_name(self.maps, self.base.representation)

    @property
    def rate(self) -> int:
        """Frames of the base that become one."""
        return int(np.prod([step.rate for step in self.maps]))

    @property
    def dim(self) -> int:
        """K."""
        dim = self.base.dim
        for step in self.maps:
            dim = step.width(dim)
        return dim

    @property
    def hash(self) -> str:
        """Of the base's codec and everything that was fitted."""
        digest = sha256(f"{self.name} {self.base.codec_hash}".encode())
        for name, values in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Base frames [T, D], dithered where they lie on a lattice, to float64 [T // rate, K]."""
        return through(self.maps, frames_TD)

    def to_base(self, latents_TK: np.ndarray) -> np.ndarray:
        """Derived frames to frames of the base that its codec decodes, float64 [T rate, D]."""
        for step in reversed(self.maps):
            latents_TK = step.back(latents_TK)
        return latents_TK

    @property
    def note(self) -> str:
        """What a reader of results must know, the base's own note included."""
        return f"derived from {self.base.representation}{f', {self.base.note}' if self.base.note else ''}"

    def meta(self, folder: Path) -> LatentMeta:
        """Of the dataset derived into ``folder``, whose codec is the base's behind this transform.

        Nothing of its values lies on a lattice any more.
        """
        decodes = self.base.codec is not None
        return LatentMeta(
            representation=self.name,
            dim=self.dim,
            frame_rate=self.base.frame_rate / self.rate,
            codec=self.name if decodes else None,
            codec_hash=self.hash,
            weights=str(folder.resolve()) if decodes else None,
            corpus_hash=self.base.corpus_hash,
            lattice_step=None,
            note=self.note,
            source=self.base.source,
        )

    def save(self, folder: Path) -> None:
        """Write :data:`FILE` under a temporary name and rename it."""
        about = {"expression": self.expression, "base": json.dumps(asdict(self.base)), "hash": self.base_hash}
        trained = [step for step in self.maps if isinstance(step, BetaVae)]
        if trained:
            outcomes = [step.outcome for step in trained]
            about |= {"settings": json.dumps(asdict(trained[0].settings)), "outcomes": json.dumps(outcomes)}
            about["weights_hash"] = self.hash
        temporary = folder / f".{TRANSFORM_FILE}.tmp"
        save_file({name: np.ascontiguousarray(v) for name, v in self._arrays().items()}, temporary, about)
        temporary.replace(folder / TRANSFORM_FILE)

    @classmethod
    def load(cls, folder: Path) -> Transform:
        """The inverse of :meth:`save`.

        Raises:
            InputError: the folder holds no transform, or one of another version.
        """
        file = Path(folder) / TRANSFORM_FILE
        try:
            with safe_open(file, "numpy") as stored:
                about = stored.metadata() or {}
                arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            settings = BottleneckSettings(**json.loads(about["settings"])) if "settings" in about else None
            outcomes = iter(json.loads(about.get("outcomes", "[]")))
            maps = [
                step.restored(_own(arrays, i), next(outcomes))
                if isinstance(step, BetaVae)
                else type(step)(**_settings(step), **_own(arrays, i))
                for i, step in enumerate(parse(about["expression"], settings))
            ]
            found = cls(
                about["expression"], LatentMeta(**json.loads(about["base"])), about["hash"], tuple(maps)
            )
            if about.get("weights_hash", found.hash) != found.hash:
                raise ValueError("its weights are not those that were saved")
            return found
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{file} holds no fitted transform ({error}); derive the latents again"
            ) from error

    def _arrays(self) -> dict[str, np.ndarray]:
        own = {f"{i}.{name}": v for i, step in enumerate(self.maps) for name, v in step.arrays().items()}
        return own or {"none": np.zeros(1)}  # a file must hold something


def _settings(step: Map) -> dict[str, int]:
    return {"count": step.count} if hasattr(step, "count") else {}


def _own(arrays: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    prefix = f"{number}."
    return {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}


def _moments(train: Frames, maps: Sequence[Map], dim: int) -> FrameMoments:
    """Of the training frames behind ``maps``; in two passes, so that nothing cancels."""
    count, total_D = 0, np.zeros(dim)
    for frames_TD in train():
        made = through(maps, frames_TD)
        count, total_D = count + len(made), total_D + made.sum(0)
    if count < 2:
        raise InputError("fewer than two training frames are left to fit to; encode more speakers")
    mean_D, products_DD = total_D / count, np.zeros((dim, dim))
    for frames_TD in train():
        centred = through(maps, frames_TD) - mean_D
        products_DD += centred.T @ centred
    return FrameMoments(mean_D, products_DD / count)
