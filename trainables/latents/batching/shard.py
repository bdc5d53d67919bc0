"""Utterances from Arrow batches to windows on a device, without a Python object per frame on the way.

Shapes: S surrogates, N frames of all utterances end to end, D latent dimensions, L lanes, B windows, T frames
of a window.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.planted import PlantWorld
from trainables.latents.batching.surrogates import Surrogate, phase_randomised, white
from trainables.latents.storage.dataset import latent_frames

_MOST_PAIRS = 20_000  # about so many are taken


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
            surrogates: which are made of each utterance, in this order; "real" is the utterance itself.
            plants: the processes of planted surrogates, fitted to all training frames over ``rms``.
            device: on which the frames will lie.
            dtype: of the frames there.

        Raises:
            InputError: there is no utterance.
        """
        rows = sorted(utterance_rows(tables), key=lambda row: row[0])
        if not rows:
            raise InputError("no utterance reached this shard; encode more utterances or use fewer workers")
        parts = [
            _prepare(utterance_id, frames, rms, lattice_step, surrogates, plants or {})
            for utterance_id, _, frames in rows
        ]
        offsets = np.concatenate([[0], np.cumsum([part.shape[1] for part in parts])])
        frames = torch.from_numpy(np.concatenate(parts, axis=1)).to(device=device, dtype=dtype)
        return cls(frames, offsets, [row[0] for row in rows], [row[1] for row in rows])

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

    def tallies(self) -> dict[str, Tensor]:
        """What each utterance adds to the moments of the real frames, by utterance id: float64 [2 D + 1].

        The first D numbers are the sum of its frames, the next D that of their squares, the last their count.
        """
        frames = self.frames_SND[0].double()
        owner = torch.from_numpy(np.repeat(np.arange(len(self.ids)), self.lengths)).to(frames.device)
        per_frame = torch.cat([frames, frames.square(), torch.ones_like(frames[:, :1])], 1)
        total = per_frame.new_zeros(len(self.ids), per_frame.shape[1]).index_add_(0, owner, per_frame)
        return dict(zip(self.ids, total.cpu(), strict=True))

    @cached_property
    def moments(self) -> Moments:
        """Moments of the real frames."""
        return pooled_moments([self.tallies()])


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


def pooled_moments(parts: Sequence[dict[str, Tensor]]) -> Moments:
    """Moments of all real frames that the workers hold; an utterance that several hold counts once.

    Args:
        parts: the tallies of each worker, see :meth:`Shard.tallies`.
    """
    merged = {utterance_id: tally for part in parts for utterance_id, tally in part.items()}
    total = torch.stack([merged[utterance_id] for utterance_id in sorted(merged)]).sum(0)
    dim, frames = len(total) // 2, float(total[-1])
    mean_D = total[:dim] / frames
    variance = float((total[dim : 2 * dim] / frames - mean_D.square()).clamp_min(0).sum())
    return Moments(mean_D, (2 * variance) ** 0.5, round(frames))


def frame_pairs(shard: Shard, gather: Callable[[Any], list[Any]] = lambda value: [value]) -> Tensor:
    """About 20,000 frames and the frame that follows each, [2, S, N, D], on the CPU.

    They are evenly spread over the utterances of all workers, and every worker gets the same ones.

    Args:
        shard: what this worker holds.
        gather: returns the values of all workers.
    """
    lengths = gather(dict(zip(shard.ids, shard.lengths.tolist(), strict=True)))
    counts = {i: n - 1 for part in lengths for i, n in part.items()}
    ids = sorted(counts)
    first = dict(zip(ids, np.cumsum([0, *(counts[i] for i in ids)]), strict=False))
    stride = max(1, sum(counts.values()) // _MOST_PAIRS)
    held = {}
    for begin, utterance_id in zip(shard.offsets, shard.ids, strict=False):
        # Every stride-th pair of the whole, whichever worker holds it.
        rows = torch.arange(counts[utterance_id], device=shard.frames_SND.device) + int(begin)
        rows = rows[-int(first[utterance_id]) % stride :: stride]
        held[utterance_id] = torch.stack([shard.frames_SND[:, rows], shard.frames_SND[:, rows + 1]]).cpu()
    merged = {i: pairs for part in gather(held) for i, pairs in part.items()}
    return torch.cat([merged[i] for i in ids], dim=2)


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
) -> np.ndarray:
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
    return np.stack([makers[name](frames) for name in surrogates])


def _planted(world: PlantWorld, rng: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    return world.simulate(len(frames), rng)
