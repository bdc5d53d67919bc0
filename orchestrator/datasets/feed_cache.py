"""The feeds that a process keeps from one pack to the next, of the datasets that it used last."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.latents.batching.feed import Feed


class FeedCache:
    """Feeds of at most ``most`` datasets, by dataset and key; the least recently used dataset is dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._feeds: dict[str, dict[Hashable, Feed]] = {}  # by dataset, the one used last at the end

    def get(self, dataset: str, key: Hashable, build: Callable[[], Feed]) -> Feed:
        """The feed of a dataset and a key; where there is none, room is made and then it is built."""
        feeds = self._feeds.pop(dataset, {})
        while len(self._feeds) >= self._most:
            del self._feeds[next(iter(self._feeds))]
        self._feeds[dataset] = feeds
        if key not in feeds:
            feeds[key] = build()
        return feeds[key]
