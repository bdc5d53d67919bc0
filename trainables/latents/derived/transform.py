"""A fitted derivation: the maps that are applied one after another, kept beside the latents that they made.

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
from trainables.latents.derived.maps import FrameMoments, Map, apply_maps
from trainables.latents.storage.parquet_file import LatentMeta

TRANSFORM_FILE = "transform.safetensors"
Frames = Callable[[], Iterable[np.ndarray]]  # training utterances [T, D] of the base, again at each call
Learn = Callable[[BetaVae, Sequence[Map]], BetaVae]  # trains a bottleneck behind the maps before it


@dataclass(frozen=True)
class Transform:
    """Fitted maps, and what they were fitted to.

    Attributes:
        expression: how they were asked for, ``pca(32) of stack(4)``.
        base: what the latents of the base have in common.
        base_hash: content hash of the dataset that they were fitted to.
        maps: in the order in which they are applied.
    """

    expression: str
    base: LatentMeta
    base_hash: str
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
        """Fit each map to the training frames as they are after the maps before it.

        Args:
            expression: maps, such as ``pca(32) of stack(4)``.
            base: what the latents of the base have in common.
            base_hash: content hash of the dataset.
            train: opens the training utterances, once for each pass over them.
            settings: those of a beta-vae, where there is one.
            learn: trains the beta-vae; without it, one is left as probabilistic PCA.

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
        """Name of the representation, ``pca32(stack4(soundstream))``."""
        return derived_name(self.maps, self.base.representation)

    @property
    def rate(self) -> int:
        """Number of frames of the base that become one."""
        return int(np.prod([step.rate for step in self.maps]))

    @property
    def dim(self) -> int:
        """Dimensions of a derived frame, K."""
        dim = self.base.dim
        for step in self.maps:
            dim = step.width(dim)
        return dim

    @property
    def hash(self) -> str:
        """Hash of the base's codec and of everything that was fitted, 16 hex digits."""
        digest = sha256(f"{self.name} {self.base.codec_hash}".encode())
        for name, values in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    def forward(self, frames_TD: np.ndarray) -> np.ndarray:
        """Derived frames, float64 [T // rate, K], of base frames [T, D], dithered where on a lattice."""
        return apply_maps(self.maps, frames_TD)

    def to_base(self, latents_TK: np.ndarray) -> np.ndarray:
        """Frames of the base that its codec decodes, float64 [T rate, D], of derived frames [T, K]."""
        for step in reversed(self.maps):
            latents_TK = step.back(latents_TK)
        return latents_TK

    @property
    def note(self) -> str:
        """What a reader of results must know, the base's own note included."""
        return f"derived from {self.base.representation}{f', {self.base.note}' if self.base.note else ''}"

    def meta(self, folder: Path) -> LatentMeta:
        """What the latents derived into ``folder`` have in common; none of their values lie on a lattice."""
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
        """Write :data:`TRANSFORM_FILE` into ``folder``, under a temporary name that is renamed at the end."""
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
        """Read what :meth:`save` wrote into ``folder``.

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
                step.restored(_arrays_of(arrays, i), next(outcomes))
                if isinstance(step, BetaVae)
                else type(step)(**_settings(step), **_arrays_of(arrays, i))
                for i, step in enumerate(parse(about["expression"], settings))
            ]
            base = LatentMeta(**json.loads(about["base"]))
            transform = cls(about["expression"], base, about["hash"], tuple(maps))
            if about.get("weights_hash", transform.hash) != transform.hash:
                raise ValueError("its weights are not those that were saved")
            return transform
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{file} holds no fitted transform ({error}); derive the latents again"
            ) from error

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {f"{i}.{name}": v for i, step in enumerate(self.maps) for name, v in step.arrays().items()}
        return arrays or {"none": np.zeros(1)}  # a file must hold something


def _settings(step: Map) -> dict[str, int]:
    return {"count": step.count} if hasattr(step, "count") else {}


def _arrays_of(arrays: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """The arrays of one map, by their names in it."""
    prefix = f"{number}."
    return {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}


def _moments(train: Frames, maps: Sequence[Map], dim: int) -> FrameMoments:
    """Moments of the training frames after ``maps``, in two passes, so that no digits cancel."""
    count, total_D = 0, np.zeros(dim)
    for frames_TD in train():
        mapped = apply_maps(maps, frames_TD)
        count, total_D = count + len(mapped), total_D + mapped.sum(0)
    if count < 2:
        raise InputError("fewer than two training frames are left to fit to; encode more speakers")
    mean_D, products_DD = total_D / count, np.zeros((dim, dim))
    for frames_TD in train():
        centred = apply_maps(maps, frames_TD) - mean_D
        products_DD += centred.T @ centred
    return FrameMoments(mean_D, products_DD / count)
