"""Every n-th of what utterances hold (frames, windows), whoever holds the utterances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class EvenShare:
    """Items that are evenly spread over all utterances.

    They are counted from utterance to utterance, in the order of the ids; so an utterance's share follows
    from the counts of all, and neither from chunks nor from workers.

    Args:
        counts: items of every utterance, by id.
        every: the n of every n-th item.
    """

    def __init__(self, counts: Mapping[str, int], every: int) -> None:
        self.ids = sorted(counts)
        self.every = every
        self._counts = counts
        self._before = dict(
            zip(self.ids, np.cumsum([0, *(counts[i] for i in self.ids)]).tolist(), strict=False)
        )

    @classmethod
    def at_most(cls, counts: Mapping[str, int], most: int) -> EvenShare:
        """At most so many items; all of them where ``most`` is 0."""
        return cls(counts, max(1, -(-sum(counts.values()) // most)) if most else 1)

    def within(self, utterance_id: str) -> np.ndarray:
        """The places of an utterance's items that are taken, among its own."""
        return np.arange(-self._before[utterance_id] % self.every, self._counts[utterance_id], self.every)

    def places(self, utterance_id: str) -> slice:
        """Where an utterance's items stand among all that are taken."""
        begin = -(-self._before[utterance_id] // self.every)
        return slice(begin, begin + len(self.within(utterance_id)))

    @property
    def size(self) -> int:
        """Number of items that are taken."""
        return -(-sum(self._counts.values()) // self.every)
