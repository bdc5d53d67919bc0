"""Utterances from Arrow batches to windows on a device, without a Python object per frame on the way.

Shapes: S surrogates, N frames of all utterances end to end, D latent dimensions, L lanes, B windows, T frames
of a window.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.planted import PlantWorld
from trainables.latents.batching.surrogates import Surrogate, phase_randomised, white
from trainables.latents.storage.dataset import latent_frames


class Shard:
    """Utterances that lie on a device: normalised and dithered frames, real ones and surrogates side by side.

    Attributes:
        frames_SND: frames of all utterances end to end, for each surrogate, in units of the training RMS.
        offsets: where each utterance begins and, last, where all end, [U + 1].
        ids: of the utterances, sorted.
        speakers: of each utterance.
    """

    def __init__(self, frames_SND: Tensor, offsets: np.ndarray, ids: list[str], speakers: list[str]) -> None:
        self.frames_SND = frames_SND
        self.offsets = offsets
        self.ids = ids
        self.speakers = speakers

    @classmethod
    def from_tables(
        cls,
        tables: Iterable[pa.Table | pa.RecordBatch],
        *,
        rms: float,
        lattice_step: float | None,
        lengths: Mapping[str, int] | None = None,
        surrogates: Sequence[Surrogate] = (Surrogate.REAL,),
        plants: Mapping[Surrogate, PlantWorld] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Shard:
        """The utterances of Arrow batches as a shard.

        Dither and surrogates depend on an utterance's id alone: they are the same on every worker, for every
        arm.

        Args:
            tables: with the columns ``utterance_id``, ``speaker_id`` and ``latents``.
            rms: by which frames are divided.
            lattice_step: of the codec; its latents get uniform dither of half a step either way.
            lengths: frames of every utterance, by id; where they are known, tables are let go one by one.
            surrogates: which are made of each utterance, in this order; "real" is the utterance itself.
            plants: the processes of planted surrogates, fitted to all training frames over ``rms``.
            device: on which the frames will lie.
            dtype: of the frames there.

        Raises:
            InputError: there is no utterance.
        """
        if lengths is None:
            tables = list(tables)
            lengths = {name: len(frames) for name, _, frames in utterance_rows(tables)}
        ids = sorted(lengths)
        offsets = np.cumsum([0, *(lengths[name] for name in ids)])
        row = {name: i for i, name in enumerate(ids)}
        speakers: dict[str, str] = {}
        frames_SND = torch.empty(0)
        for name, speaker, frames in utterance_rows(tables):
            if not speakers:
                # Each utterance goes straight to its place: there is never a second copy of all of them.
                frames_SND = torch.empty(
                    len(surrogates), int(offsets[-1]), frames.shape[1], device=device, dtype=dtype
                )
            speakers[name] = speaker
            own = slice(int(offsets[row[name]]), int(offsets[row[name] + 1]))
            made = _prepare(name, frames, rms, lattice_step, surrogates, plants or {})
            for place, values_TD in enumerate(made):
                frames_SND[place, own] = torch.from_numpy(values_TD)
        if len(speakers) < len(ids) or not ids:
            raise InputError("no utterance reached this shard; encode more utterances or use fewer workers")
        return cls(frames_SND, offsets, ids, [speakers[name] for name in ids])

    def to(self, device: torch.device) -> Shard:
        """The same shard on a device."""
        if self.frames_SND.device == device:
            return self
        return Shard(self.frames_SND.to(device), self.offsets, self.ids, self.speakers)

    @property
    def dim(self) -> int:
        """Latent dimensions, D."""
        return self.frames_SND.shape[-1]

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each utterance, [U]."""
        return np.diff(self.offsets)

    def gather(self, starts_LB: Tensor, frames: int, surrogate_L: Tensor) -> Tensor:
        """Windows [L, B, T, D] that begin at the given frames, each lane in its own surrogate."""
        steps = torch.arange(frames, device=starts_LB.device)
        return self.frames_SND[surrogate_L[:, None, None], starts_LB[..., None] + steps]

    def evaluation_windows(self, context: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """First frames of windows of ``context`` + ``horizon`` frames, and the utterance of each, [B] each.

        The horizons of an utterance's windows lie end to end.
        """
        starts, owners = [], []
        for utterance, (begin, end) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            begins = np.arange(begin, end - context - horizon + 1, horizon)
            starts.append(begins)
            owners.append(np.full(len(begins), utterance))
        return np.concatenate(starts).astype(np.int64), np.concatenate(owners).astype(np.int64)

    def spread_frames(self, spread: EvenShare) -> Tensor:
        """The frames that a spread over all utterances takes of this shard, in each surrogate: [S, ., D]."""
        begins = zip(self.ids, self.offsets, strict=False)
        rows = np.concatenate([begin + spread.within(name) for name, begin in begins])
        return self.frames_SND[:, torch.from_numpy(rows).to(self.frames_SND.device)]

    def tallies(self) -> dict[str, np.ndarray]:
        """What each utterance adds to the moments of the real frames, by utterance id: float64 [2 D + 1].

        The first D numbers are the sum of its frames, the next D that of their squares, the last their count.
        """
        tallies = {}
        for name, begin, end in zip(self.ids, self.offsets[:-1], self.offsets[1:], strict=True):
            frames_TD = self.frames_SND[0, begin:end].double().cpu().numpy()
            ones_T1 = np.ones((len(frames_TD), 1))
            tallies[name] = np.concatenate([frames_TD, np.square(frames_TD), ones_T1], axis=1).sum(0)
        return tallies

    @cached_property
    def moments(self) -> Moments:
        """Moments of the real frames."""
        return Moments.of(summed([self.tallies()]))


@dataclass(frozen=True)
class Moments:
    """First and second moments of training frames, in units of the training RMS.

    Attributes:
        mean_D: the mean frame.
        frame_distance: root mean square distance between two random frames, sqrt(2 tr Cov).
        frames: how many there are.
    """

    mean_D: Tensor
    frame_distance: float
    frames: int

    @classmethod
    def of(cls, total: Tensor) -> Moments:
        """The moments that follow from the sum of all tallies, [2 D + 1]."""
        dim, frames = len(total) // 2, float(total[-1])
        mean_D = total[:dim] / frames
        variance = float((total[dim : 2 * dim] / frames - mean_D.square()).clamp_min(0).sum())
        return cls(mean_D, (2 * variance) ** 0.5, round(frames))


def summed(parts: Sequence[Mapping[str, np.ndarray]]) -> Tensor:
    """The sum of tallies over all utterances that the workers hold; one that several hold counts once.

    Args:
        parts: the tallies of each worker, see :meth:`Shard.tallies`.
    """
    merged = {utterance_id: tally for part in parts for utterance_id, tally in part.items()}
    return torch.from_numpy(np.stack([merged[utterance_id] for utterance_id in sorted(merged)])).sum(0)


def utterance_rows(tables: Iterable[pa.Table | pa.RecordBatch]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Id, speaker and stored frames, float16 [T, D], of each utterance; no copy where Arrow allows."""
    for table in tables:
        frames, offsets = latent_frames(table["latents"])
        names = zip(table["utterance_id"].to_pylist(), table["speaker_id"].to_pylist(), strict=True)
        for i, (utterance_id, speaker_id) in enumerate(names):
            yield utterance_id, speaker_id, frames[offsets[i] : offsets[i + 1]]


def _prepare(
    utterance_id: str,
    frames: np.ndarray,
    rms: float,
    lattice_step: float | None,
    surrogates: Sequence[Surrogate],
    plants: Mapping[Surrogate, PlantWorld],
) -> Iterator[np.ndarray]:
    """The frames [T, D] of an utterance in each surrogate, one after the other, float64."""
    number = zlib.crc32(utterance_id.encode())
    rng = np.random.default_rng(number)
    frames = frames.astype(np.float64)
    if lattice_step is not None:
        frames = frames + rng.uniform(-lattice_step / 2, lattice_step / 2, frames.shape)
    frames = frames / rms
    makers = {
        Surrogate.REAL: lambda x: x,
        Surrogate.WHITE: lambda x: white(x, rng),
        Surrogate.GAUSSIAN: lambda x: phase_randomised(x, rng),
    }
    for place, (name, world) in enumerate(plants.items(), 1):
        makers[name] = partial(_planted, world, np.random.default_rng([number, place]))
    return (makers[name](frames) for name in surrogates)


def _planted(world: PlantWorld, rng: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    return world.simulate(len(frames), rng)
