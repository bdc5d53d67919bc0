"""Which utterances are on a device together where not all of them fit, and in which order they are visited.

Both follow from ids, lengths and a seed alone: they are the same on every worker, however many there are, and
whatever was read before.

Shapes: C chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_PARTS = 4  # of the budget: a chunk that is trained on, one that is read meanwhile, and room to spare
# Most utterances that stay together since they were stored together: some are read as fast as one.
_RUN = 256


@dataclass(frozen=True)
class Chunks:
    """All utterances, divided into chunks.

    Attributes:
        ids: of the utterances of each chunk, sorted.
        lengths: frames of every utterance, by id.
        seed: of the order of visits.
    """

    ids: tuple[tuple[str, ...], ...]
    lengths: Mapping[str, int]
    seed: int

    @classmethod
    def of(cls, lengths: Mapping[str, int], frame_bytes: int, budget_bytes: int, seed: int) -> Chunks:
        """One chunk where all utterances fit the budget, else as many as it takes for each to fit a quarter
        of it, or to hold a single utterance.

        Utterances next to each other in the order of their ids stay together in runs; the runs of a chunk
        are drawn from everywhere.

        Args:
            lengths: frames of every utterance, by id.
            frame_bytes: what a frame takes, with all its surrogates.
            budget_bytes: what may be held at once, over all workers.
            seed: of the draw, and of the order of visits.
        """
        ids = sorted(lengths)
        total = frame_bytes * sum(lengths.values())
        if total <= budget_bytes or not ids:
            return cls((tuple(ids),), lengths, seed)
        size = max(1, budget_bytes // _PARTS)
        runs = _runs(ids, lengths, max(1, size // _PARTS // frame_bytes))
        runs = [runs[i] for i in np.random.default_rng(seed).permutation(len(runs))]
        frames = np.array([sum(lengths[i] for i in run) for run in runs])
        # A chunk exceeds its even share by less than a run, which is a quarter of a chunk at most.
        count = -(-total * _PARTS // (size * (_PARTS - 1)))
        middles = np.cumsum(frames) - frames / 2
        numbers = np.minimum((middles * count / frames.sum()).astype(np.int64), count - 1)
        chunks = [
            tuple(sorted(i for run in np.flatnonzero(numbers == number) for i in runs[run]))
            for number in np.unique(numbers)
        ]
        return cls(tuple(chunks), lengths, seed)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def longest(self) -> np.ndarray:
        """Frames of the longest utterance of each chunk, [C]."""
        return np.array([max((self.lengths[i] for i in ids), default=0) for ids in self.ids])

    def visited(self, visit: int, frames: int = 1) -> int:
        """The number of the chunk that comes at a visit.

        A pass visits each chunk once, in an order of its own.

        Args:
            visit: counted from 0 over all passes.
            frames: that an utterance has to have; chunks without one are left out, unless none has one.
        """
        fit = self._fit(frames)
        turn, place = divmod(visit, len(fit))
        return int(np.random.default_rng([self.seed, turn]).permutation(fit)[place])

    def stints(
        self, epoch: int, steps: int, frames_per_step: int, frames: int = 1
    ) -> list[tuple[int, range]]:
        """The visits of an epoch, and the optimiser steps of each: as many as a pass over the chunk takes.

        An epoch visits a chunk at least, however few its steps are.

        Args:
            epoch: counted from 0.
            steps: of the epoch.
            frames_per_step: that a step learns from.
            frames: that an utterance has to have.
        """
        chunks = len(self._fit(frames))
        share = steps * frames_per_step / max(1, sum(self.lengths.values()))
        visits = 1 if chunks == 1 else min(steps, max(1, round(chunks * share)))
        edges = [round(number * steps / visits) for number in range(visits + 1)]
        return [(epoch * visits + i, range(edges[i], edges[i + 1])) for i in range(visits)]

    def _fit(self, frames: int) -> np.ndarray:
        fit = np.flatnonzero(self.longest >= frames)
        return fit if len(fit) else np.arange(len(self))


def _runs(ids: Sequence[str], lengths: Mapping[str, int], most_frames: int) -> list[list[str]]:
    """Ids in their order, cut into runs of at most so many frames, or of a single utterance."""
    runs: list[list[str]] = []
    room = 0
    for utterance_id in ids:
        room -= lengths[utterance_id]
        if not runs or room < 0 or len(runs[-1]) == _RUN:
            runs.append([])
            room = most_frames - lengths[utterance_id]
        runs[-1].append(utterance_id)
    return runs
